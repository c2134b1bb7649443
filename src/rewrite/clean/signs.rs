//! What the text of a rewrite shows, beside the question's: how many numbers, negations and names it lost, and whether it
//! only left words out.
//!
//! Signs, not proofs: "zero dimensions" keeps the number of "0-dimensional", "lacking" the negation of "without", "World
//! Health Organization" the name WHO, and whatever these lists do not know counts as lost.

use std::collections::HashSet;

use super::{Form, chatter::words};
use crate::rewrite::{Profile, Signs};

/// What is seen of a rewrite of a kind that has to keep what the question says; of others, nothing.
pub(super) fn of(profile: &Profile, question: &str, rewrite: &str) -> Signs {
    if !profile.faithful {
        return Signs::default();
    }
    // Words that are picked are no question, and what replaces the question may have all of its words from the chat.
    let asks = profile.limits.form == Form::Question && !profile.replaces;
    let shortened = asks && is_shortened(question, rewrite);
    Signs { strayed: count(question, rewrite), shortened }
}

/// Whether a rewrite is the question with words left out.
fn is_shortened(question: &str, rewrite: &str) -> bool {
    let mut asked = words(question);
    let in_order = words(rewrite).all(|word| asked.any(|own| own == word));
    in_order && words(rewrite).count() < words(question).count()
}

/// How many numbers, negations and names of a question a rewrite lacks.
fn count(question: &str, rewrite: &str) -> usize {
    let said: Vec<String> = words(rewrite).collect();
    lost_numbers(question, rewrite, &said) + lost_negation(question, &said) + lost_names(question, rewrite, &said)
}

/// Numbers as they are written in digits, without the commas of thousands. What has a letter before it is a name.
fn numbers(text: &str) -> HashSet<String> {
    let bytes = text.as_bytes();
    let mut found = HashSet::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        while digit(at) || bytes.get(at).is_some_and(|b| b".,".contains(b)) && digit(at + 1) {
            at += 1;
        }
        if !text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '-' && is_code(&text[..start])) {
            found.insert(text[start..at].replace(',', ""));
        }
    }
    found
}

/// Whether a text ends with "-" after a capital letter, as in "COVID-19".
fn is_code(text: &str) -> bool {
    text.trim_end_matches('-').ends_with(char::is_uppercase)
}

fn lost_numbers(question: &str, rewrite: &str, said: &[String]) -> usize {
    let kept = numbers(rewrite);
    let in_words = |number: &String| {
        let value = NUMBER_WORDS.iter().find(|(value, _)| value == number);
        value.is_some_and(|(_, names)| said.iter().any(|word| names.iter().any(|name| is_part(word, name))))
    };
    numbers(question).iter().filter(|number| !kept.contains(*number) && !in_words(number)).count()
}

/// Whether a number's word is the word, or a part of a compound: "threefold", "zero-dimensional".
fn is_part(word: &str, name: &str) -> bool {
    word == name || name.len() > 3 && word.starts_with(name)
}

fn lost_negation(question: &str, said: &[String]) -> usize {
    let negated = words(question).any(|word| NEGATIONS.contains(&word.as_str()) || word.ends_with("n't"));
    let kept = || {
        said.iter().any(|word| {
            NEGATIONS.contains(&word.as_str())
                || word.ends_with("n't")
                || word.ends_with("less")
                || WITHOUT.iter().any(|stem| word.starts_with(stem))
        })
    };
    usize::from(negated && !kept())
}

/// Names that a rewrite has in no form.
fn lost_names(question: &str, rewrite: &str, said: &[String]) -> usize {
    let names = names(question);
    let whole = tokens(rewrite).map(|(_, token)| bare(token));
    let plain: Vec<String> = said.iter().map(|word| bare(word)).chain(whole).collect();
    let kept = |name: &&String| {
        let name = bare(name);
        // "Parisian" keeps Paris, "COVID" most of COVID-19.
        let stem: String = name.chars().take(name.chars().count().clamp(1, 5)).collect();
        plain.iter().any(|word| {
            *word == name
                || word.strip_suffix('s') == Some(&name)
                || stem.chars().count() > 3 && word.starts_with(&stem)
        })
    };
    let initials = initials(rewrite);
    let spelt_out = |name: &String| {
        let letters: String = name.chars().filter(char::is_ascii_uppercase).collect();
        letters.len() > 1 && initials.contains(&letters.to_lowercase())
    };
    let asked_initials = runs(question);
    // "World Health Organization" – "WHO": all of its words are kept in one.
    let abbreviated = |name: &String| {
        asked_initials.iter().any(|(run, letters)| run.contains(name) && plain.iter().any(|word| word == letters))
    };
    names.iter().filter(|name| !kept(name) && !spelt_out(name) && !abbreviated(name)).count()
}

/// Letters and digits alone, in lower case.
fn bare(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The names in a text: acronyms, words with a capital and a digit, and other words with a capital letter that the spelling
/// of a sentence does not ask for. Not the last where capitals say nothing, as in headlines and in German.
fn names(text: &str) -> HashSet<String> {
    let tokens: Vec<(bool, &str)> = tokens(text).collect();
    let capital = |word: &str| word.starts_with(char::is_uppercase);
    let inner: Vec<&str> =
        tokens.iter().filter(|(first, word)| !first && word.chars().count() > 3).map(|(_, word)| *word).collect();
    let nouns = capitals_of(&inner) * 2 > inner.len() && inner.len() > 2;
    let headline = tokens.iter().all(|(_, word)| capital(word) || LINKS.contains(word));
    let shouts = shouts(text);
    let is_name = |first: bool, word: &str| {
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        let upper = capitals_in(word);
        let coded =
            upper > 0 && word.chars().any(|c| c.is_ascii_digit()) && !word.starts_with(|c: char| c.is_ascii_digit());
        let acronym = upper > 1 && letters > 1;
        coded || !shouts && (acronym || !first && capital(word) && word.len() > 1 && !nouns && !headline)
    };
    // "NOX2-independent" names NOX2.
    let parts = |(first, word): (bool, &'_ str)| {
        let parts: Vec<String> = word.split(['-', '/']).map(str::to_owned).collect();
        parts.into_iter().enumerate().map(move |(at, part)| (first && at == 0, part))
    };
    let parts = tokens.into_iter().flat_map(parts);
    parts.filter(|(first, word)| is_name(*first, word)).map(|(_, word)| word).collect()
}

fn capitals_of(words: &[&str]) -> usize {
    words.iter().filter(|word| word.starts_with(char::is_uppercase)).count()
}

fn capitals_in(word: &str) -> usize {
    word.chars().filter(|c| c.is_uppercase()).count()
}

/// Whether a text is in capital letters altogether.
fn shouts(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let (upper, all) = letters.fold((0, 0), |(upper, all), c| (upper + usize::from(c.is_uppercase()), all + 1));
    upper * 2 > all
}

/// The first words of a text, each with whether a sentence begins with it. "Tom's" is Tom.
fn tokens(text: &str) -> impl Iterator<Item = (bool, &str)> {
    /// More are no question that anybody means word by word, and each name is looked for in all of the rewrite.
    const MOST: usize = 200;
    let mut first = true;
    text.split_whitespace().take(MOST).filter_map(move |token| {
        let begins = first;
        first = token.ends_with(['.', '?', '!', ':']);
        let word = token.trim_matches(|c: char| !c.is_alphanumeric());
        let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
        (!word.is_empty() && !matches!(word, "I" | "I'm" | "I’m" | "I've" | "I’ve" | "I'd" | "I’d"))
            .then_some((begins, word))
    })
}

/// The first letters of every few words in a row: what "World Health Organization" may be shortened to.
fn initials(text: &str) -> HashSet<String> {
    let letters: Vec<char> =
        words(text).filter(|word| !LINKS.contains(&word.as_str())).filter_map(|word| word.chars().next()).collect();
    (2..=5).flat_map(|length| letters.windows(length)).map(|window| window.iter().collect()).collect()
}

/// Runs of capitalised words, each with its initials.
fn runs(text: &str) -> Vec<(HashSet<String>, String)> {
    let mut runs: Vec<(HashSet<String>, String)> = vec![];
    let mut open = false;
    for (_, word) in tokens(text) {
        if LINKS.contains(&word) {
            continue;
        }
        let capital = word.chars().next().filter(|c| c.is_uppercase());
        if let Some(first) = capital {
            if !open {
                runs.push((HashSet::new(), String::new()));
            }
            if let Some((names, letters)) = runs.last_mut() {
                names.insert(word.to_owned());
                letters.extend(first.to_lowercase());
            }
        }
        open = capital.is_some();
    }
    runs.retain(|(_, letters)| letters.chars().count() > 1);
    runs
}

/// Words that names are put together with.
const LINKS: &[&str] =
    &["of", "the", "and", "for", "in", "on", "to", "a", "an", "from", "with", "by", "or", "vs", "de", "la"];

/// Words that negate a sentence.
#[rustfmt::skip]
const NEGATIONS: &[&str] = &[
    "not", "no", "never", "without", "nor", "neither", "none", "nobody", "nothing", "nowhere", "cannot", "except",
    "nicht", "kein", "keine", "keinen", "ohne", "nie", "sans", "pas", "jamais", "sin", "nunca", "senza", "non",
    "mai", "sem", "não", "niet", "geen", "zonder", "не", "нет", "без",
];

/// Beginnings of words that say the same in other ways.
#[rustfmt::skip]
const WITHOUT: &[&str] = &[
    "lack", "absen", "missing", "miss", "fail", "unable", "free", "avoid", "exclu", "instead", "besides",
    "prevent", "zero", "impossib", "unlik", "rather", "hardly", "rarely", "unsuccess", "devoid", "omit", "refus",
    "reject", "deny", "denied", "stop", "inab", "inoper", "inact", "ineff", "insuff", "incap", "incomp", "unav",
    "unre", "unfin", "unaff", "despite", "lose", "lost", "losing", "loss", "illeg", "irre", "nonex", "dis",
];

/// Numbers that are often written in words, and those words or their beginnings.
#[rustfmt::skip]
const NUMBER_WORDS: &[(&str, &[&str])] = &[
    ("0", &["zero", "no", "none", "null", "nil", "without"]), ("1", &["one", "single", "first", "once", "a", "an", "mono", "uni"]),
    ("2", &["two", "double", "dual", "second", "twice", "both", "pair", "couple", "twofold", "bi"]),
    ("3", &["three", "triple", "third", "thrice", "trio"]), ("4", &["four", "quad", "quarter"]), ("5", &["five", "fifth"]),
    ("6", &["six"]), ("7", &["seven"]), ("8", &["eight"]), ("9", &["nine", "ninth"]), ("10", &["ten", "tenth", "decade"]),
    ("11", &["eleven"]), ("12", &["twelve", "twelfth", "dozen"]), ("13", &["thirteen"]), ("14", &["fourteen"]),
    ("15", &["fifteen"]), ("16", &["sixteen"]), ("17", &["seventeen"]), ("18", &["eighteen"]), ("19", &["nineteen"]),
    ("20", &["twenty", "twentieth"]), ("25", &["quarter"]), ("30", &["thirty"]), ("40", &["forty"]),
    ("50", &["fifty", "half"]), ("60", &["sixty"]), ("70", &["seventy"]), ("80", &["eighty"]), ("90", &["ninety"]),
    ("100", &["hundred", "all", "entire", "complete", "whole", "century"]), ("1000", &["thousand"]), ("1000000", &["million"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::RewriteKind;

    #[test]
    fn what_is_kept_in_other_words_is_not_lost() {
        for (question, rewrite) in [
            (
                "0-dimensional biomaterials show inductive properties.",
                "Biomaterials with zero dimensions exhibit inductive properties.",
            ),
            ("0-dimensional biomaterials lack inductive properties.", "Zero-dimensional biomaterials do not have them"),
            ("bread without yeast", "bread lacking yeast"),
            ("bread without yeast", "yeast-free bread"),
            ("why does my bread not rise", "reasons for bread failing to rise"),
            ("it isn't working", "the device is inoperable"),
            ("1 in 5 million people", "one out of five million people"),
            ("5% of 1,000 passengers", "share of 1000 passengers, 5 percent"),
            ("What does the WHO say about COVID-19?", "World Health Organization guidance on covid"),
            ("what does the World Health Organization advise", "WHO advice"),
            ("hotels in Paris", "Parisian hotels"),
            ("Tom's diner opening hours", "When does the diner of Tom open?"),
            ("How Citrus Might Help Keep Your Hands Warm", "can oranges improve circulation in cold fingers"),
            ("Wie viel Wasser braucht ein Hund im Sommer", "Wasserbedarf von Hunden bei Hitze"),
            ("WHY IS MY BREAD FLAT", "reasons for dense loaves"),
            ("I think I've lost it", "it went missing"),
            ("2 weeks", "a couple of weeks"),
            ("50% of the cases", "half of the cases"),
            ("Olive Oil and Artery Function", "how extra virgin olive oil affects blood vessels"),
            ("NOX2-independent pathways react", "pathways that do not depend on NOX2 react"),
            ("more than 5mmol/L of lactate", "lactate above 5 mmol/L"),
        ] {
            assert_eq!(count(question, rewrite), 0, "{question:?} – {rewrite:?}");
        }
    }

    #[test]
    fn what_is_lost_is_counted() {
        for (question, rewrite, lost) in [
            ("refund after 14 days", "refund after a long time", 1),
            ("refund after 14 days", "refund after 41 days", 1),
            ("bread without yeast", "bread with yeast", 1),
            ("which painkillers can I not take with ibuprofen", "painkillers to take with ibuprofen", 1),
            ("hotels in Paris", "hotels in a big city", 1),
            ("does BRCA1 raise the risk of cancer", "genes that raise the risk of cancer", 1),
            ("trains from Basel to Milan before 10:30", "trains to Milan", 3),
            ("flights with KLM in 2019, not with Ryanair", "flights", 4),
        ] {
            assert_eq!(count(question, rewrite), lost, "{question:?} – {rewrite:?}");
        }
    }

    #[test]
    fn a_rewrite_that_only_leaves_words_out_is_seen() {
        let question = "Hi, can you tell me why my bread isn't rising?";
        let shortened = |kind: RewriteKind, rewrite| of(&kind.profile(), question, rewrite).shortened;
        for rewrite in ["why my bread isn't rising", "My bread isn’t rising?"] {
            assert!(shortened(RewriteKind::Paraphrase, rewrite), "{rewrite}");
        }
        for rewrite in ["why does my bread not rise", "bread rising problem", "Bread isn’t rising: why?", question] {
            assert!(!shortened(RewriteKind::Multi, rewrite), "{rewrite}");
        }
        for kind in [RewriteKind::Keywords, RewriteKind::StepBack, RewriteKind::Decompose, RewriteKind::Condense] {
            assert!(!shortened(kind, "why bread"), "{kind}: on purpose, or from the chat");
        }
    }

    #[test]
    fn whatever_comes_it_ends() {
        for text in ["", "-", "0", "é-0", "A-1", "1,,2", "\u{300}1", "’s"] {
            assert_eq!(count(text, text), 0, "{text:?}");
        }
    }
}

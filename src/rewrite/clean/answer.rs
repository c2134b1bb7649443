//! Whether a text answers the question instead of asking it in other words. In doubt it does not: queries are often no
//! sentences, and a claim put in other words is a claim.

mod words;

use std::collections::HashSet;

use self::words::{
    ADVERBS, ADVICE, ARTICLES, ASKING, BEGINNINGS, FINITE, GUESSED, GUESSES, INSTRUCTED, INSTRUCTIONS, PARTS, REASONS,
    RECOMMENDING, SEARCHING, SOUGHT, SPEAKER, STATING, VERDICTS,
};
use super::chatter::{QUESTION_MARKS, is_searched_for, plain, words};

/// What is asked in no more words may be a name; what is said in more is a sentence.
const FEW_WORDS: usize = 6;

/// Whether a cleaned text is an answer to this question.
pub(super) fn is_answer(text: &str, question: &str) -> bool {
    if text.contains(QUESTION_MARKS) || is_searched_for(text) {
        return false;
    }
    let said = plain(text);
    let asked = plain(question);
    let verdict = starts_with(&said, VERDICTS) && !starts_with(&asked, VERDICTS);
    let first = said.starts_with("first,");
    let said: Vec<String> = words(&said).collect();
    let asked: Vec<String> = words(&asked).collect();
    let ends = text.trim_end_matches(['"', '”', ')', '*']).ends_with(['.', '!', '。']);
    let claims = !is_question(question, &asked) && asked.len() > FEW_WORDS;
    // "Because it impairs T cells, a lack of vitamin D increases the risk" says what a claim said.
    if verdict && !(claims && said[0] == "because" && text.contains(", ")) {
        // "Because of Winn-Dixie", "According to the Bible, how old is the earth".
        let cites = said[0] == "because" && said.get(1).is_some_and(|word| word == "of") || said[0] == "according";
        return !cites || ends && !said.iter().any(|word| ASKING.contains(&word.as_str()));
    }
    if starts_with(&said.join(" "), RECOMMENDING) {
        return true;
    }
    if asks(&said) || says_i(&said) {
        return false;
    }
    if echoes(&said, &asked) {
        return true;
    }
    let known: HashSet<&str> = asked.iter().map(String::as_str).filter(|word| word.chars().count() > 3).collect();
    let new = said.iter().position(|word| known.contains(word.as_str())).unwrap_or(said.len());
    let states = |at: usize, word: &String| at <= new && STATING.contains(&word.as_str());
    let verb = said.iter().enumerate().position(|(at, word)| is_finite(word) || states(at, word));
    let gives_reason = || said.iter().position(|word| REASONS.contains(&word.as_str()));
    let reason = gives_reason().is_some_and(|at| at > 1 && !asked.iter().any(|word| REASONS.contains(&word.as_str())));
    if is_question(question, &asked) {
        let begin = said.join(" ");
        // "Use of ibuprofen in pregnancy."
        let advises = starts_with(&begin, ADVICE) && said.get(1).is_none_or(|word| word != "of");
        let word = |at: usize, list: &[&str]| said.get(at).is_some_and(|word| list.contains(&word.as_str()));
        let instructs =
            word(0, INSTRUCTIONS) && word(1, INSTRUCTED) && said.len() >= FEW_WORDS && !asked.contains(&said[0]);
        let advice = advises || instructs || first || begin.starts_with("to ") && text.contains(", ");
        let usual = said.windows(2).any(|pair| {
            let price = pair[0] == "costs" && pair[1].starts_with(|c: char| c.is_ascii_digit());
            price || ADVERBS.contains(&pair[0].as_str()) && goes_on(&pair[1])
        });
        let bare = said.len() <= 2 && !said.iter().any(|word| asked.contains(word));
        return guesses(&begin, ends)
            || ends && (advice || usual || bare)
            || verb.is_some_and(|at| at > 0) && (ends || reason);
    }
    // A few words without a verb are asked about, too; a sentence that explains them answers.
    let names = asked.len() <= FEW_WORDS && !asked.iter().any(|word| is_finite(word));
    names && reason && verb.is_some_and(|at| at > 0)
}

/// Takes off a line what follows its question and answers it: "Why is bread flat? Because the yeast is dead."
pub(super) fn without_answer(line: &str) -> &str {
    let Some(at) = line.rfind(QUESTION_MARKS) else { return line };
    let end = at + line[at..].chars().next().map_or(1, char::len_utf8);
    let (question, tail) = line.split_at(end);
    let tail = tail.trim_start();
    let answers = !tail.is_empty()
        && (starts_with(&plain(tail), BEGINNINGS) || is_answer(tail, question))
        && question.chars().any(char::is_alphanumeric);
    if answers { question.trim_end() } else { line }
}

/// Whether a line announces the parts of an answer: "There are several reasons why bread is flat:".
pub(super) fn announces(line: &str, question: &str) -> bool {
    let said: Vec<String> = words(line).collect();
    let asked: Vec<String> = words(question).filter(|word| word.chars().count() > 3).collect();
    let parts = said.iter().any(|word| PARTS.contains(&word.as_str()));
    parts
        && said.iter().any(|word| asked.contains(word))
        && said.iter().any(|word| is_finite(word) || word == "include")
}

/// Whether a question asks in so many words.
fn is_question(question: &str, words: &[String]) -> bool {
    question.trim_end().ends_with(QUESTION_MARKS)
        || words.first().is_some_and(|word| ASKING.contains(&word.as_str()) || is_finite(word))
}

/// Whether a text asks or searches: "reasons why bread is flat", "explain how yeast works", "ways to proof dough".
fn asks(words: &[String]) -> bool {
    let first = words.first().is_some_and(|word| ASKING.contains(&word.as_str()) || SEARCHING.contains(&word.as_str()));
    let verb = words.iter().position(|word| is_finite(word)).unwrap_or(words.len());
    // "The most common reasons are …" tells them.
    let before = &words[..verb];
    let tells = verb < words.len() && before.last().is_some_and(|word| PARTS.contains(&word.as_str()));
    let sought = |word: &String| ASKING.contains(&word.as_str()) || SOUGHT.contains(&word.as_str());
    first || !tells && before.iter().any(sought)
}

/// Whether a text tells what its speaker has or wants: "I want to bake bread that is not flat.", "Someone has stolen my
/// bike."
fn says_i(words: &[String]) -> bool {
    let within = |word: &String| matches!(word.as_str(), "i" | "i'm" | "i've" | "my");
    words.first().is_some_and(|word| SPEAKER.contains(&word.as_str())) || words.iter().any(within)
}

/// Whether a sentence goes on so after "usually": "results from", "you need". Not "high in", "flooded in".
fn goes_on(word: &str) -> bool {
    word.ends_with('s') || matches!(word, "you" | "it" | "the" | "a" | "an")
}

/// Whether a text guesses at the answer: "Probably a weak starter", "Most likely overproofed." Not "most likely
/// diagnosis for persistent cough".
fn guesses(text: &str, ends: bool) -> bool {
    const MOST_WORDS: usize = 3;
    if starts_with(text, &["it's likely", "it is likely"]) {
        return true;
    }
    let Some((begin, rest)) =
        GUESSES.iter().find_map(|begin| Some((begin, text.strip_prefix(begin)?.strip_prefix(' ')?)))
    else {
        return false;
    };
    // "perhaps the greatest footballer of all time"
    let certain = ends || !matches!(*begin, "maybe" | "perhaps");
    let mut words = rest.split(' ');
    words.next().is_some_and(|word| GUESSED.contains(&word)) && certain || ends && words.count() < MOST_WORDS
}

/// Whether a text begins with what was asked about and the verb that it was asked with: "What is the capital of
/// France?" – "The capital of France is Paris".
fn echoes(said: &[String], asked: &[String]) -> bool {
    let article = |words: &[String]| usize::from(words.first().is_some_and(|word| ARTICLES.contains(&word.as_str())));
    let [begin, verb, subject @ ..] = asked else { return false };
    if !ASKING.contains(&begin.as_str()) || !is_finite(verb) {
        return false;
    }
    let (subject, said) = (&subject[article(subject)..], &said[article(said)..]);
    !subject.is_empty() && said.starts_with(subject) && said.get(subject.len()) == Some(verb)
}

fn starts_with(text: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|begin| text.strip_prefix(begin).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)))
}

fn is_finite(word: &str) -> bool {
    FINITE.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_questions() {
        for (text, question) in [
            ("Bread is flat because the yeast is dead.", "why is bread flat?"),
            ("Bread is flat because the yeast is dead", "flat bread?"),
            ("Bread is flat because the yeast is dead", "flat bread"),
            ("The capital of France is Paris", "What is the capital of France?"),
            ("The capital of France is Paris.", "capital of france?"),
            ("Yes, you can eat grapes with diabetes.", "can I eat grapes with diabetes"),
            ("No, it is not.", "is it safe to eat raw flour"),
            ("True.", "0-dimensional biomaterials show inductive properties."),
            ("It depends on the flour.", "how long to knead"),
            ("You should let the dough rise longer.", "how do i fix flat bread"),
            ("Try proofing the dough for longer and use fresh yeast.", "how to fix flat bread?"),
            ("Refunds are processed within five days.", "when do I get my refund?"),
            ("Das Brot ist flach, weil die Hefe tot ist.", "Warum ist mein Brot flach?"),
            ("Le pain est plat parce que la levure est morte.", "Pourquoi le pain est plat ?"),
            ("That's because the yeast is dead.", "why is my bread flat"),
            ("Sourdough can take twelve hours to rise.", "how long does sourdough take to rise?"),
        ] {
            assert!(is_answer(text, question), "{text:?} for {question:?}");
        }
    }

    #[test]
    fn queries_claims_and_complaints_are_no_answers() {
        for (text, question) in [
            ("Why is my bread flat?", "flat bread?"),
            ("dense sourdough crumb causes", "why is my bread flat?"),
            ("reasons why bread is flat", "why is my bread flat?"),
            ("Reasons for sourdough bread being flat.", "why is my bread flat?"),
            ("Explain how yeast makes bread rise.", "how does yeast work?"),
            ("symptoms that are typical for flu in children.", "what symptoms does flu have?"),
            ("My bread is flat and I want to fix it.", "how to fix flat bread?"),
            ("bread is flat how to fix", "flat bread how to fix?"),
            (
                "Zero-dimensional biomaterials do not have inductive properties.",
                "0-dimensional biomaterials lack inductive properties.",
            ),
            ("Something is missing from the order", "half my grub is gone wtf"),
            ("Something is missing from the order.", "half my grub is gone wtf"),
            ("Is bread flat because the yeast is dead", "flat bread"),
            ("what to do if bread is flat because the yeast is dead", "flat bread because dead yeast?"),
            ("no-knead bread recipe", "bread without kneading?"),
            ("Information on grapes for people who have diabetes.", "can I eat grapes with diabetes?"),
            ("How to get a refund.", "when do I get my refund?"),
            ("What is the capital of France", "capital of france?"),
            ("", ""),
        ] {
            assert!(!is_answer(text, question), "{text:?} for {question:?}");
        }
    }

    #[test]
    fn what_answers_a_question_on_the_same_line_is_cut_off() {
        for (line, kept) in [
            ("Why is bread flat? Because the yeast is dead.", "Why is bread flat?"),
            ("Can I eat grapes? Yes, you can.", "Can I eat grapes?"),
            ("What is the capital of France? The capital of France is Paris.", "What is the capital of France?"),
            ("Why is bread flat? Is the yeast dead?", "Why is bread flat? Is the yeast dead?"),
            ("Why is bread flat? yeast, oven, flour", "Why is bread flat? yeast, oven, flour"),
            ("What does \"why?\" mean", "What does \"why?\" mean"),
            ("flat bread", "flat bread"),
        ] {
            assert_eq!(without_answer(line), kept);
        }
    }
}

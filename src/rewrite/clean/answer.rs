//! Whether a text answers the question instead of asking it in other words. In doubt it does not: queries are often no
//! sentences, and a claim put in other words is a claim.

use super::chatter::{plain, words};

/// Whether a cleaned text is an answer to this question.
pub(super) fn is_answer(text: &str, question: &str) -> bool {
    if text.contains(['?', '？', '؟']) {
        return false;
    }
    let said = plain(text);
    let asked = plain(question);
    if starts_with(&said, VERDICTS) && !starts_with(&asked, VERDICTS) {
        return true;
    }
    let said: Vec<String> = words(&said).collect();
    let asked: Vec<String> = words(&asked).collect();
    if asks(&said) || says_i(&said) {
        return false;
    }
    let ends = text.trim_end_matches(['"', '”', ')', '*']).ends_with(['.', '!', '。']);
    if echoes(&said, &asked) {
        return true;
    }
    let verb = said.iter().position(|word| is_finite(word));
    let gives_reason = || said.iter().position(|word| REASONS.contains(&word.as_str()));
    let reason = gives_reason().is_some_and(|at| at > 1 && !asked.iter().any(|word| REASONS.contains(&word.as_str())));
    if is_question(question, &asked) {
        let begin = said.join(" ");
        let advice = starts_with(&begin, ADVICE) || begin.starts_with("to ") && text.contains(", ");
        let usual = said.iter().any(|word| ADVERBS.contains(&word.as_str()));
        let bare = said.len() <= 2 && !said.iter().any(|word| asked.contains(word));
        return starts_with(&begin, GUESSES)
            || ends && (advice || usual || bare)
            || verb.is_some_and(|at| at > 0) && (ends || reason);
    }
    // A few words without a verb are asked about, too; a sentence that explains them answers.
    let names = asked.len() <= 6 && !asked.iter().any(|word| is_finite(word));
    names && reason && verb.is_some_and(|at| at > 0)
}

/// Takes off a line what follows its question and answers it: "Why is bread flat? Because the yeast is dead."
pub(super) fn without_answer(line: &str) -> &str {
    let Some(at) = line.rfind(['?', '？']) else { return line };
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
    question.trim_end().ends_with(['?', '？', '؟'])
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

/// Whether a text tells what its speaker has or wants: "I want to bake bread that is not flat."
fn says_i(words: &[String]) -> bool {
    words.first().is_some_and(|word| SPEAKER.contains(&word.as_str()))
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

/// Words that a question begins with, or that stand in "reasons why …".
#[rustfmt::skip]
const ASKING: &[&str] = &[
    "what", "what's", "why", "how", "when", "where", "which", "who", "who's", "whom", "whose", "whether",
    "warum", "wieso", "wie", "was", "wann", "wo", "wer", "welche", "welcher", "welches", "womit", "wozu", "woran", "ob",
    "pourquoi", "comment", "quand", "où", "quel", "quelle", "quels", "quelles", "qui", "est-ce", "combien",
    "qué", "cómo", "cuándo", "dónde", "cuál", "cuáles", "quién", "cuánto", "perché", "dove", "quale", "quali", "quanto",
    "onde", "qual", "quais", "quem", "waarom", "hoe", "wanneer", "waar", "welk",
    "почему", "как", "когда", "где", "кто", "что", "какой", "какая", "какие", "сколько",
];

/// Verbs that a search begins with.
#[rustfmt::skip]
const SEARCHING: &[&str] = &[
    "find", "explain", "describe", "tell", "show", "list", "compare", "search", "look", "give", "define", "identify",
    "discuss", "summarize", "summarise", "explore", "learn", "understand", "analyze", "analyse", "determine", "outline",
    "provide", "name", "state", "help", "please", "erkläre", "nenne", "beschreibe", "finde", "explique", "expliquez",
    "décris", "explica", "describe",
];

/// What a search is after: a noun before a verb that belongs to it ("symptoms that are typical for flu").
#[rustfmt::skip]
const SOUGHT: &[&str] = &[
    "that", "who", "information", "reasons", "reason", "ways", "way", "causes", "examples", "evidence", "difference",
    "differences", "methods", "steps", "tips", "advice", "guide", "overview", "meaning", "definition",
];

/// Who speaks about his own matter.
#[rustfmt::skip]
const SPEAKER: &[&str] = &["i", "i'm", "i've", "i'd", "my", "we", "we're", "our", "ich", "mein", "meine", "je", "mon", "ma", "mi"];

const ARTICLES: &[&str] = &["the", "a", "an", "my", "your"];

/// Verbs in the forms of a sentence.
#[rustfmt::skip]
const FINITE: &[&str] = &[
    "is", "are", "was", "were", "isn't", "aren't", "wasn't", "weren't", "it's", "that's", "has", "have", "had", "can",
    "can't", "cannot", "could", "will", "won't", "would", "should", "shouldn't", "must", "may", "might", "does",
    "doesn't", "do", "don't", "did", "didn't", "ist", "sind", "war", "waren", "hat", "haben", "kann", "können", "wird",
    "werden", "sollte", "muss", "est", "sont", "était", "peut", "peuvent", "doit", "es", "son", "está", "están", "puede",
    "pueden", "è", "sono", "può", "é", "são", "pode", "wordt", "zijn", "kan", "happens", "occurs", "depends", "means",
    "refers", "indicates", "suggests", "consists", "contains", "requires", "includes", "involves",
];

/// Words that give a reason.
#[rustfmt::skip]
const REASONS: &[&str] = &["because", "weil", "da", "parce", "car", "porque", "poiché", "omdat", "потому"];

/// Beginnings that give a verdict or an answer, whatever was asked.
#[rustfmt::skip]
const VERDICTS: &[&str] = &[
    "yes,", "yes.", "no,", "no.", "yes!", "no!", "yes –", "no –", "true.", "false.", "true,", "false,", "correct.",
    "correct,", "incorrect.", "the answer is", "the short answer is", "short answer:", "the reason is", "that is because",
    "that's because", "this is because", "it's because", "it is because", "because", "it depends", "that depends",
    "this claim is", "the claim is", "the statement is", "this statement is", "according to the", "ja,", "nein,",
    "oui,", "non,", "sí,",
];

/// Beginnings of what follows a question and answers it.
#[rustfmt::skip]
const BEGINNINGS: &[&str] = &["because", "the answer", "answer:", "a:", "yes", "no", "it is because", "weil", "parce que", "porque"];

/// Beginnings of advice.
#[rustfmt::skip]
const ADVICE: &[&str] = &[
    "you should", "you can", "you need", "you must", "you could", "you may", "try", "make sure", "to fix this",
    "to solve this", "to do this", "to do so", "simply", "just", "first", "start by", "use", "it is", "it's", "there is",
    "there are", "they are", "this is", "these are", "in order to", "check", "ensure", "let", "add", "increase", "reduce",
    "avoid", "consider", "remember", "feed",
];

/// Beginnings of a guess at the answer.
const GUESSES: &[&str] =
    &["probably", "most likely", "likely", "maybe", "perhaps", "possibly", "it's likely", "it is likely"];

/// Words that tell what is usual.
const ADVERBS: &[&str] = &["usually", "typically", "generally", "commonly", "often", "mainly", "normally", "primarily"];

/// What an answer lists.
#[rustfmt::skip]
const PARTS: &[&str] = &[
    "reasons", "reason", "causes", "cause", "factors", "ways", "methods", "steps", "benefits", "symptoms", "options",
    "differences", "difference", "answer", "solution",
];

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

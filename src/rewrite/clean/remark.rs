//! Whether a line talks about the rewrites, or to the user. In doubt it does not: people wish each other luck, thank for
//! orders, and say what they have, can and need.

use super::chatter::{QUESTION_MARKS, after, has_meta, holds, is_searched_for, plain, words};

/// Whether a line talks about the rewrites, or to the user.
pub(super) fn is_remark(line: &str) -> bool {
    let text = plain(line.trim_start_matches(['(', '[']));
    let asks = text.ends_with(QUESTION_MARKS);
    if is_searched_for(&text) {
        return false;
    }
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
    if NOTHING.contains(&bare) || is_count(line) || starts(&text, REMARKS) || starts(&text, PROMPTED) {
        return true;
    }
    if FAREWELLS.iter().any(|begin| after(&text, begin).is_some_and(says_farewell)) {
        return true;
    }
    if starts(&text, INVITATIONS) {
        return is_about_you(&text) || text.contains("know if") || has_meta(&text) || INVITATIONS.contains(&bare);
    }
    // "I have further pain after surgery, what helps?" asks.
    if asks {
        return false;
    }
    if starts(&text, OF_ITSELF) {
        return is_own_work(&text);
    }
    if starts(&text, IF_YOU) {
        return holds(&text, OFFERS);
    }
    let describes = SUBJECTS.iter().find_map(|begin| after(&text, begin)).is_some_and(describes);
    describes || starts(&text, ABOUT_REWRITES) || starts(&text, PERHAPS) && has_meta(&text)
}

fn starts(text: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|begin| text.starts_with(begin))
}

fn is_about_you(text: &str) -> bool {
    words(text).any(|word| word.starts_with("you"))
}

/// Whether what follows a wish ends there or is about the search. Not "Good luck charms", "Thank you for your order".
fn says_farewell(rest: &str) -> bool {
    const WITH: [&str; 12] = [
        " with your",
        " on your",
        " finding",
        " and ",
        " searching",
        " for your question",
        " for your query",
        " for asking",
        " for the question",
        " for sharing",
        " for reaching",
        " for providing",
    ];
    rest.trim().is_empty() || rest.starts_with(['.', '!', ',', ';']) || starts(rest, &WITH)
}

/// Whether a line only says how long the rest is: "(61 words)", "（约120字）".
pub(super) fn is_count(line: &str) -> bool {
    #[rustfmt::skip]
    const COUNTED: [&str; 14] = [
        "words", "word", "terms", "keywords", "characters", "wörter", "mots", "palabras", "parole", "palavras", "termos",
        "términos", "слов", "字",
    ];
    let inner = line.trim_start_matches(['*', '_']).strip_prefix(['(', '（']);
    let inner = inner.and_then(|inner| inner.trim_end_matches(['*', '_', '.']).strip_suffix([')', '）']));
    inner.is_some_and(|inner| {
        inner.contains(|c: char| c.is_ascii_digit())
            && words(inner).count() <= 4
            && COUNTED.iter().any(|unit| inner.trim_end_matches('.').ends_with(unit))
    })
}

/// Whether a model speaks of its work: "I rewrote the question". Not "I rewrote my essay", "I have a question about …".
fn is_own_work(text: &str) -> bool {
    let mine = || words(text).any(|word| matches!(word.as_str(), "my" | "our" | "me"));
    let has = || starts(text, &["i have a ", "i have an ", "i have no ", "i can not ", "i have to "]);
    holds(text, WORK) && !has() && !mine()
}

/// Whether what follows "this query" says what the model thinks of it. Not "… takes too long", "… of Windows".
fn describes(rest: &str) -> bool {
    let mut said = words(rest);
    let Some(verb) = said.next() else { return true };
    match verb.as_str() {
        "is" | "are" | "was" | "has" => said.next().is_some_and(|word| PRAISE.contains(&word.as_str())),
        verb => SAYING.iter().any(|stem| verb.starts_with(stem)),
    }
}

/// Whole lines that say nothing.
#[rustfmt::skip]
const NOTHING: &[&str] = &[
    "none", "n/a", "null", "nil", "undefined", "end", "done", "string", "the string", "text", "no output", "empty",
    "no rewrite", "not applicable",
];

/// Beginnings of remarks, whatever follows.
#[rustfmt::skip]
const REMARKS: &[&str] = &[
    "feel free to", "hope this", "hope these", "i hope this", "i hope that", "i hope these", "i hope it",
    "would you like me", "would you like a version", "would you like a different", "would you like another",
    "do you want me", "want me to", "note:", "(note", "is there anything else i can help",
    "is there anything else i can assist", "is there anything else i can do for you", "is there anything else you",
    "no rewrit", "happy searching", "the user is asking", "the user is looking", "the user is interested",
    "the user is wondering", "the user is trying", "the user is seeking", "the user is likely", "the user is probably",
    "the user is inquiring", "the user is requesting", "the user is referring", "the user is curious",
    "the user is concerned", "the user wants", "the user asks", "the user asked", "the user seems", "the user might",
    "the user needs to know", "the user needs help", "the user needs information", "the user's question",
    "i think the user", "so the user", "okay, so the user", "okay, the user", "ok, the user", "alright, the user",
    "the question asks", "the query asks", "i should be clear", "i should be concise", "i should keep it",
    "i should make it",
];

/// What small models repeat of the prompts that come with the program.
#[rustfmt::skip]
const PROMPTED: &[&str] = &[
    "reply with this one text", "reply with these texts", "reply with one json", "each looks at it from another side",
    "keep the language of the question", "what stands between the tags",
];

/// Wishes and thanks, if they are about the search or about nothing.
#[rustfmt::skip]
const FAREWELLS: &[&str] = &[
    "good luck", "you're welcome", "you are welcome", "thank you", "thanks", "is there anything else",
];

/// Invitations to say more: "Let me know if you need more". Not "Please let me know how to reset a password".
const INVITATIONS: &[&str] = &["let me know", "please let me know"];

/// Beginnings of what a model says of itself.
#[rustfmt::skip]
const OF_ITSELF: &[&str] = &[
    "i can ", "i could ", "i've ", "i have ", "i will ", "i'll ", "i made ", "i changed ", "i kept ", "i used ",
    "i added ", "i rewr", "i rewo", "i para", "i reph", "i refor", "i need to", "i should", "we need to", "we should",
    "i'm happy to", "first, i", "now, i", "let me ", "let's", "wait, ",
];

/// What is said of its work then.
#[rustfmt::skip]
const WORK: &[&str] = &[
    "rewr", "rephras", "reformul", "reword", "paraphras", "the user", "the question", "this question", "your question",
    "a question", "the query", "your query", "a query", "search quer", "search term", "wording", "phrasing",
    "er version", "a version", "versions of", "variation", "be clear", "be concise", "clearer", "the intent",
    "original", "help you", "give you", "you need", "you want", "you'd like", "for you", "this help", "these help",
    "it clear", "the request", "standalone",
];

const IF_YOU: &[&str] = &["if you", "if there "];

/// What is offered then.
#[rustfmt::skip]
const OFFERS: &[&str] = &[
    " i can ", " i could ", " i'll ", " i'd ", "let me know", "feel free", ", just ", "please ask", "please let",
    "me to ",
];

/// What a remark is about, if it goes on to describe it.
#[rustfmt::skip]
const SUBJECTS: &[&str] = &[
    "these terms", "these keywords", "this list", "this query", "this question", "this version", "this search query",
    "these queries", "these questions", "these searches", "these search queries", "these versions", "these variations",
    "these rewrites", "these rewritten questions", "each query", "each question", "each version", "each of these",
    "each of these queries", "each of these questions", "the query", "the question", "this phrasing", "this wording",
    "the original question", "the original query", "all of these", "the above",
];

/// Beginnings of verbs that say what a rewrite is good for.
#[rustfmt::skip]
const SAYING: &[&str] = &[
    "focus", "target", "explor", "address", "cover", "emphas", "highlight", "clarif", "broad", "narrow", "aim",
    "captur", "frame", "adds", "asks", "keep", "preserv", "maintain", "help", "should", "seek", "remove", "ensure",
    "retain", "specif", "provide", "reflect", "seems", "already", "offer", "approach", "express",
];

/// Words that say what it is.
#[rustfmt::skip]
const PRAISE: &[&str] = &[
    "already", "clear", "clearer", "more", "better", "designed", "meant", "optimized", "optimised", "intended",
    "concise", "well", "fine", "about", "asking", "vague", "unclear", "ambiguous", "rephrased", "rewritten", "focused",
    "phrased", "standalone", "self",
];

/// Beginnings that only a remark about rewrites has.
#[rustfmt::skip]
const ABOUT_REWRITES: &[&str] = &[
    "this rewrit", "this rephras", "this reformul", "these rewrit", "these rephras", "these reformul", "the rewritten",
    "the rephrased", "the reformulated", "the revised question", "the revised query", "the revised version of the qu",
    "the revised version is", "end of quer", "end of rewrit", "end of list", "end of output", "end of response",
    "end of reply", "end of question", "each of these",
];

/// Beginnings that count together with a word about rewriting or helping.
#[rustfmt::skip]
const PERHAPS: &[&str] = &[
    "hopefully", "happy to ", "note that", "these cover", "this ensures", "this makes", "this keeps", "this clarif",
    "this should", "these should", "this focuses", "this preserves", "this maintains", "this is more", "no change",
];

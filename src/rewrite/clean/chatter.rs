//! What a chat model says around its answer: preambles, labels, remarks, refusals.
//!
//! Told from questions by closed word lists, and always in doubt for the question: a question may well be about
//! queries, begin with "Sure" or say "I can't sleep".

/// What a label or a key says about the text that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is a rewrite.
    Question,
    /// It is the model's output, whatever that is.
    Output,
    /// It is the question as it was asked.
    Echo,
    /// It is about the rewrite.
    Aside,
}

/// Names of what was asked for. A label needs one of these, or of the lists below.
const QUESTION_NOUNS: &[&str] = &[
    "query",
    "queries",
    "question",
    "questions",
    "q",
    "rewrite",
    "rewrites",
    "rewritten",
    "rewriting",
    "rewording",
    "reworded",
    "rephrase",
    "rephrased",
    "rephrasing",
    "paraphrase",
    "paraphrases",
    "paraphrased",
    "reformulation",
    "reformulated",
    "reformulations",
    "version",
    "versions",
    "variation",
    "variations",
    "variant",
    "variants",
    "alternative",
    "alternatives",
    "option",
    "options",
    "search",
    "searches",
    "expansion",
    "expansions",
    "expanded",
    "subquery",
    "subqueries",
    "subquestion",
    "subquestions",
];
/// Of these, the ones that only a rewrite is called: "versions of the original question" is not the original.
const REWRITE_STEMS: &[&str] =
    &["rewr", "reword", "rephras", "paraphras", "reformul", "version", "varia", "alternative"];
const OUTPUT_NOUNS: &[&str] = &[
    "answer",
    "output",
    "result",
    "results",
    "response",
    "reply",
    "assistant",
    "final",
    "keywords",
    "keyword",
    "terms",
    "text",
    "content",
    "suggestion",
    "suggestions",
    "phrase",
    "phrases",
    "string",
];
const ECHO_NOUNS: &[&str] = &["original", "user", "user's", "input", "asked", "initial", "given"];
const ASIDE_NOUNS: &[&str] = &[
    "explanation",
    "explanations",
    "reason",
    "reasons",
    "reasoning",
    "rationale",
    "note",
    "notes",
    "changes",
    "improvements",
    "analysis",
    "intent",
    "context",
    "why",
    "comment",
    "comments",
    "remark",
    "remarks",
    "thought",
    "thoughts",
    "thinking",
    "justification",
    "confidence",
    "tip",
    "tips",
    "disclaimer",
    "warning",
    "filter",
    "filters",
    "category",
    "type",
    "id",
    "score",
];
/// Words that may stand beside them in a label; any other word makes it a text with a colon.
const LABEL_WORDS: &[&str] = &[
    "the",
    "a",
    "an",
    "my",
    "your",
    "this",
    "is",
    "are",
    "of",
    "for",
    "in",
    "to",
    "with",
    "and",
    "or",
    "as",
    "new",
    "better",
    "improved",
    "clear",
    "clearer",
    "complete",
    "concise",
    "refined",
    "revised",
    "optimized",
    "optimised",
    "enhanced",
    "standalone",
    "self",
    "contained",
    "independent",
    "possible",
    "suggested",
    "proposed",
    "potential",
    "diverse",
    "different",
    "similar",
    "related",
    "relevant",
    "additional",
    "another",
    "other",
    "more",
    "best",
    "single",
    "one",
    "two",
    "three",
    "four",
    "five",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "last",
    "main",
    "key",
    "number",
    "no",
    "updated",
    "corrected",
    "contextualized",
    "decontextualized",
    "list",
    "here",
    "made",
    "what",
    "changed",
    "it",
    "specific",
    "focused",
    "generated",
    "simple",
    "full",
];
/// Words for "question" elsewhere: a label of at most three words with one of them is a label.
const FOREIGN_NOUNS: &[&str] = &[
    "frage",
    "suchfrage",
    "suchanfrage",
    "suchanfragen",
    "anfrage",
    "umformulierung",
    "pregunta",
    "preguntas",
    "consulta",
    "consultas",
    "requête",
    "requêtes",
    "reformulée",
    "domanda",
    "pergunta",
    "vraag",
    "вопрос",
    "запрос",
];
const CHINESE_NOUNS: &[&str] = &["问题", "查询", "改写", "問題", "查詢", "質問", "クエリ", "질문"];

/// What is said before coming to the point.
const OPENERS: &[&str] = &[
    "sure thing",
    "sure",
    "certainly",
    "of course",
    "absolutely",
    "definitely",
    "okay",
    "ok",
    "alright",
    "all right",
    "got it",
    "great question",
    "good question",
    "no problem",
    "understood",
    "happy to help",
    "glad to help",
    "gladly",
    "i'd be happy to help",
    "i'd be glad to help",
    "i can help with that",
    "hi there",
    "hello there",
    "thanks",
    "thank you",
];
const HERE: &[&str] = &[
    "here is",
    "here's",
    "here are",
    "here you go",
    "here you are",
    "here it is",
    "below is",
    "below are",
    "the following is",
    "the following are",
    "the following",
    "these are",
    "this is the",
    "this is a",
    "i've",
    "i have",
    "i would",
    "i'd",
    "i suggest",
    "as requested",
    "based on",
    "to improve",
    "you could",
    "you can",
    "we can",
    "one possible",
    "a better",
    "a clearer",
    "a possible",
    "my",
    "your",
];

/// Beginnings of remarks; the ones marked `true` only count together with a word about rewriting or helping.
const REMARKS: &[(&str, bool)] = &[
    ("let me know", false),
    ("please let me know", false),
    ("feel free", false),
    ("hope this", false),
    ("hope these", false),
    ("i hope ", true),
    ("hopefully", true),
    ("would you like me", false),
    ("do you want me", false),
    ("want me to", false),
    ("if you'd like", true),
    ("if you would like", true),
    ("if you want", true),
    ("if you need", true),
    ("if you have", true),
    ("if there ", true),
    ("happy to ", true),
    ("i'm happy to", true),
    ("i can also", true),
    ("i can ", true),
    ("i could ", true),
    ("i've ", true),
    ("i have ", true),
    ("i will ", true),
    ("i'll ", true),
    ("i made ", true),
    ("i changed ", true),
    ("i kept ", true),
    ("i used ", true),
    ("i added ", true),
    ("i rewr", false),
    ("i reph", false),
    ("i refor", false),
    ("note that", true),
    ("note:", false),
    ("(note", false),
    ("is there anything else", false),
    ("these quer", false),
    ("these search", false),
    ("these question", false),
    ("these rewrit", false),
    ("these version", false),
    ("these variation", false),
    ("these should", false),
    ("these cover", true),
    ("this query", true),
    ("this question", true),
    ("this rewrit", false),
    ("this version", false),
    ("this rephras", false),
    ("this reformul", false),
    ("this search quer", false),
    ("this phrasing", false),
    ("this wording", false),
    ("this ensures", true),
    ("this makes", true),
    ("this keeps", true),
    ("this clarif", true),
    ("this should", true),
    ("this focuses", true),
    ("this preserves", true),
    ("this maintains", true),
    ("this is more", true),
    ("each quer", false),
    ("each of these", false),
    ("each question", false),
    ("each version", false),
    ("the rewritten", false),
    ("the rephrased", false),
    ("the reformulated", false),
    ("the revised", true),
    ("the query is", true),
    ("the query has", true),
    ("the question is", true),
    ("the question has", true),
    ("the question was", true),
    ("the original question", true),
    ("the original query", true),
    ("the above", true),
    ("all of these", true),
    ("no rewrit", false),
    ("no change", true),
    ("good luck", false),
    ("happy searching", false),
    ("end of", true),
];
/// Beginnings of words about rewriting, searching and helping.
const META: &[&str] = &[
    "quer",
    "question",
    "rewr",
    "rephras",
    "reformul",
    "reword",
    "paraphras",
    "version",
    "wording",
    "phrasing",
    "variation",
    "search",
    "angle",
    "help",
    "useful",
    "clear",
    "refine",
    "adjust",
    "tailor",
    "intent",
    "further",
    "else",
];

/// The words of a text in lower case; apostrophes belong to them.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’')))
        .map(|word| word.replace('’', "'").to_lowercase())
        .filter(|word| word.chars().any(char::is_alphanumeric))
}

/// A text in lower case with plain apostrophes, without the signs around it.
fn plain(text: &str) -> String {
    text.trim_start_matches(['*', '_', '#', '"', '“', ' ']).replace('’', "'").to_lowercase()
}

/// What follows a beginning, if the text begins so and the word ends there.
fn after<'a>(text: &'a str, begin: &str) -> Option<&'a str> {
    text.strip_prefix(begin).filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '\''))
}

fn begins(text: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|begin| after(text, begin).is_some())
}

fn has_meta(text: &str) -> bool {
    words(text).any(|word| META.iter().any(|stem| word.starts_with(stem)))
}

/// What the words of a label or key name; `None` if there is another word among them, or none of the nouns.
fn named(text: &str) -> Option<Kind> {
    let words: Vec<String> =
        words(text).map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).collect();
    if words == ["a"] {
        return Some(Kind::Output);
    }
    let is = |nouns: &[&str]| words.iter().any(|word| nouns.contains(&word.as_str()));
    let lists = [LABEL_WORDS, QUESTION_NOUNS, OUTPUT_NOUNS, ECHO_NOUNS, ASIDE_NOUNS];
    let known = |word: &String| word.chars().count() <= 1 || lists.iter().any(|list| list.contains(&word.as_str()));
    let kind = if is(ASIDE_NOUNS) {
        Kind::Aside
    } else if words.iter().any(|word| REWRITE_STEMS.iter().any(|stem| word.starts_with(stem))) {
        Kind::Question
    } else if is(ECHO_NOUNS) {
        Kind::Echo
    } else if is(QUESTION_NOUNS) {
        Kind::Question
    } else if is(OUTPUT_NOUNS) {
        Kind::Output
    } else if words.iter().any(|word| word == "changed") {
        Kind::Aside
    } else {
        let foreign = words.len() <= 3 && is(FOREIGN_NOUNS) || CHINESE_NOUNS.iter().any(|noun| text.contains(noun));
        return (foreign && text.chars().count() <= 40).then_some(Kind::Question);
    };
    words.iter().all(known).then_some(kind)
}

/// What a key of an object says about its value. Numbers count the rewrites.
pub(super) fn key(key: &str) -> Option<Kind> {
    let mut spaced = String::with_capacity(key.len());
    for c in key.chars().take(64) {
        // `searchQuery`
        if c.is_uppercase() && !spaced.ends_with(|c: char| c.is_uppercase()) {
            spaced.push(' ');
        }
        spaced.push(if c == '_' || c == '-' { ' ' } else { c });
    }
    if !spaced.is_empty() && spaced.trim().chars().all(|c| c.is_ascii_digit()) {
        return Some(Kind::Question);
    }
    named(&spaced)
}

/// Splits a label or preamble off a line: what it announces, and what follows on the line (empty: on the next lines).
pub(super) fn label(line: &str, heading: bool) -> Option<(Kind, &str)> {
    let bare = line.trim_end_matches(['*', '_', ' ']);
    let whole = bare.strip_suffix([':', '：']);
    if let Some(name) = whole {
        // A line that ends with a colon announces; if nobody knows what, then the answer.
        return Some((named(name).unwrap_or(Kind::Question), ""));
    }
    let emphasised = bare.len() < line.len() && line.starts_with(['*', '_']);
    if (heading || emphasised)
        && let Some(kind) = named(line)
    {
        return Some((kind, ""));
    }
    let courteous = plain(line);
    if begins(&courteous, HERE) || begins(&courteous, OPENERS) {
        return announced(line, &courteous);
    }
    let (name, rest) = split(line)?;
    // `Query 1 (broader): text`
    let bare = name.trim_end_matches(['*', '_']);
    let short = bare.strip_suffix(')').and_then(|open| open.rsplit_once('(')).map_or(name, |(short, _)| short);
    let kind = named(short)?;
    let rest = rest.trim_start();
    // The emphasis opened before the label closes after it: `**Query:** text`.
    let rest = if name.starts_with(['*', '_']) { rest.trim_start_matches(['*', '_']) } else { rest };
    Some((kind, rest.trim()))
}

/// Splits a line at the sign after its label.
fn split(line: &str) -> Option<(&str, &str)> {
    let end = line.char_indices().nth(80).map_or(line.len(), |(at, _)| at);
    let (at, sign) = line[..end].match_indices([':', '：']).next().or_else(|| {
        // `Query 1 - text`
        let dash = [" - ", " – ", " — "].into_iter().find_map(|dash| line[..end].match_indices(dash).next())?;
        line[..dash.0].trim_end_matches('*').ends_with(|c: char| c.is_ascii_digit()).then_some(dash)
    })?;
    // Not `https://…`, not `10:30`.
    let rest = &line[at + sign.len()..];
    let spaced = sign != ":" || rest.starts_with(|c: char| c.is_whitespace() || "*_\"“'`".contains(c));
    spaced.then_some((&line[..at], rest))
}

/// A preamble in words: "Sure! Here is the rewritten question: …", with or without the question.
fn announced<'a>(line: &'a str, courteous: &str) -> Option<(Kind, &'a str)> {
    let named = words(courteous).any(|word| QUESTION_NOUNS.contains(&word.as_str()));
    if OPENERS.contains(&courteous.trim_end_matches(|c: char| !c.is_alphanumeric())) {
        return Some((Kind::Question, ""));
    }
    let opener = OPENERS.iter().find_map(|opener| after(courteous, opener)).unwrap_or(courteous);
    let opener = opener.trim_start_matches(|c: char| !c.is_alphanumeric());
    let here = begins(opener, &HERE[..12]);
    if !(named && begins(opener, HERE)) && !here {
        return None;
    }
    match split(line) {
        Some((name, rest)) if here || has_meta(name) => {
            Some((Kind::Question, rest.trim_start_matches(['*', '_', ' ']).trim()))
        }
        None if here && named && !line.ends_with(['?', '？']) => Some((Kind::Question, "")),
        _ => None,
    }
}

/// Whether a line talks about the rewrites, or to the user.
pub(super) fn is_remark(line: &str) -> bool {
    let text = plain(line.trim_start_matches(['(', '[']));
    let found = REMARKS.iter().find(|(begin, _)| text.starts_with(begin));
    match found {
        Some((begin, true)) => {
            has_meta(&text[begin.len()..])
                || (begin.contains("question") || begin.contains("quer")) && !text.ends_with('?')
        }
        Some((_, false)) => true,
        None => matches!(
            text.trim_matches(|c: char| !c.is_alphanumeric()),
            "none" | "n/a" | "null" | "nil" | "undefined" | "end"
        ),
    }
}

/// Takes politeness off both ends of a line: "Sure! …", "… Let me know if you need more."
pub(super) fn without_courtesies(line: &str) -> &str {
    let lower = plain(line);
    let mut line = line;
    // Lower case may differ in length; only ASCII openers are cut, so compare on the line itself.
    for opener in OPENERS {
        let Some(rest) = line.get(opener.len()..).filter(|_| after(&lower, opener).is_some()) else { continue };
        let ends = rest.starts_with(['!', ',', '.', ':', ';']) && *opener != "ok" || rest.starts_with([',', ':']);
        let rest = rest.trim_start_matches(['!', ',', '.', ':', ';', ' ']);
        if ends && line.is_char_boundary(opener.len()) && super::marks::has_words(rest) {
            line = rest;
            break;
        }
    }
    let ends = line.match_indices(['?', '.', '!', '？', '。']).map(|(at, sign)| at + sign.len());
    let tail = ends.filter(|at| *at > 1).find(|at| line[*at..].starts_with(' ') && is_remark(line[*at..].trim_start()));
    tail.map_or(line, |at| line[..at].trim_end())
}

/// Who cannot or will not.
const UNABLE: &[&str] = &[
    "i can't",
    "i cannot",
    "i can not",
    "i'm unable to",
    "i am unable to",
    "i'm not able to",
    "i am not able to",
    "i won't",
    "i will not",
    "i'm not comfortable",
    "i must decline",
    "i have to decline",
    "i decline",
    "i refuse",
    "i don't feel comfortable",
    "i am not allowed",
    "i'm not allowed",
    "we can't",
    "we cannot",
];
/// What it cannot do. "I can't sleep" is a question; "I can't help with that" is none.
const HELPING: &[&str] = &[
    "help with",
    "help you",
    "help.",
    "help,",
    "assist",
    "comply",
    "fulfill",
    "fulfil",
    "answer",
    "rewrite",
    "rephrase",
    "reformulate",
    "process",
    "generate",
    "create",
    "discuss",
    "engage",
    "support that",
    "support this",
    "do that",
    "provide",
    "respond",
    "continue",
    "participate",
    "with that",
    "with this request",
    "that request",
    "this request",
];
const SORRY: &[&str] = &[
    "i'm sorry",
    "i am sorry",
    "sorry",
    "i apologize",
    "i apologise",
    "apologies",
    "my apologies",
    "unfortunately",
    "i'm afraid",
    "i am afraid",
    "i regret",
    "es tut mir leid",
    "tut mir leid",
    "je suis désolé",
    "désolé",
    "lo siento",
    "mi dispiace",
    "desculpe",
    "het spijt me",
    "抱歉",
    "对不起",
    "很抱歉",
    "申し訳",
    "извините",
];
const NOT: &[&str] = &[
    "can't",
    "cannot",
    "can not",
    "unable",
    "not able",
    "won't",
    "decline",
    "don't have",
    "do not have",
    "didn't",
    "did not",
    "couldn't",
    "nicht",
    "kein",
    "ne peux pas",
    "no puedo",
    "non posso",
    "não posso",
    "niet",
    "无法",
    "不能",
    "できません",
    "не могу",
    "not sure what",
    "don't understand",
    "need more",
    "no question",
];
/// Asking back instead of rewriting.
const ASKING_BACK: &[&str] = &[
    "you'd like me to",
    "you would like me to",
    "would you like me to rewrite",
    "please provide the",
    "please provide your",
    "please provide a question",
    "please provide more",
    "please share the",
    "please share your",
    "could you please provide",
    "could you provide",
    "can you provide more",
    "can you please provide",
    "could you please clarify",
    "could you clarify",
    "you haven't provided",
    "you have not provided",
    "you didn't provide",
    "no question was provided",
    "no question provided",
    "what question would you like",
    "what would you like me to",
    "please clarify",
    "please specify",
];

/// Whether a line refuses, reports a filter, or asks back.
pub(super) fn is_refusal(line: &str) -> bool {
    let end = line.char_indices().nth(400).map_or(line.len(), |(at, _)| at);
    let text = plain(&line[..end]);
    let holds = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    let unable = UNABLE.iter().find_map(|begin| text.find(begin).map(|at| &text[at + begin.len()..]));
    let helping = |rest: &str| HELPING.iter().any(|what| rest.trim_start().starts_with(what)) || rest.trim() == "help";
    let sorry = SORRY.iter().any(|begin| text.starts_with(begin));
    let assistant = ["as an ai", "as a language model", "as a large language model", "as an assistant"];
    (sorry && holds(NOT))
        || (UNABLE.iter().any(|begin| text.starts_with(begin)) && unable.is_some_and(helping))
        || begins(&text, &assistant)
        || is_filtered(&text)
        || asks_back(&text)
}

/// A gateway's or provider's notice in place of a reply.
fn is_filtered(text: &str) -> bool {
    let subjects = [
        "the response",
        "your request",
        "the request",
        "this request",
        "your prompt",
        "the prompt",
        "this prompt",
        "this content",
        "the content",
        "content",
        "request",
        "response",
        "error",
        "sorry",
        "message",
        "[content",
        "[blocked",
        "[filtered",
    ];
    let verdicts = [
        "filtered",
        "content policy",
        "content management policy",
        "usage polic",
        "safety polic",
        "was blocked",
        "been blocked",
        "violat",
        "was flagged",
        "been flagged",
        "moderation",
    ];
    let subject = subjects.iter().any(|subject| text.starts_with(subject));
    subject
        && !text.ends_with('?')
        && verdicts.iter().any(|verdict| text.contains(verdict))
        && ["was ", "been ", "has ", "is ", "blocked", "filtered", "violat", "error"]
            .iter()
            .any(|verb| text.contains(verb))
}

fn asks_back(text: &str) -> bool {
    ASKING_BACK.iter().any(|phrase| {
        let starts = text.starts_with(phrase);
        let meta = ["question", "query", "context", "detail", "information", "rewrite", "rephrase"];
        (starts || (phrase.starts_with("you") || phrase.starts_with("no ")) && text.contains(phrase))
            && meta.iter().any(|word| text.contains(word))
    })
}

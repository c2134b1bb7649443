//! What a chat model says around its answer: preambles, labels, titles, politeness.
//!
//! Told from questions by closed word lists, and always in doubt for the question: a question may well be about
//! queries, begin with "Sure" or say "I can't sleep".

use super::vocabulary::{
    AFTERTHOUGHTS, ASIDE_NOUNS, CHINESE_NOUNS, COURTESIES, EAST_ASIAN_HERE, ECHO_NOUNS, FOREIGN_ASIDES,
    FOREIGN_KEYWORDS, FOREIGN_NOUNS, FOREIGN_OPENERS, GLOSSES, HERE, HERE_PERHAPS, LABEL_WORDS, META, OPENERS,
    OUTPUT_NOUNS, QUESTION_NOUNS, REWRITE_STEMS, SEARCHED_FOR,
};

/// What a label or a key says about the text that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is a rewrite.
    Question,
    /// It is the model's output, whatever that is.
    Output,
    /// It is the question as it was asked.
    Echo,
    /// It is put into the user's mouth: the question again or, in the form of the chat that the model was shown, the
    /// rewrite.
    Turn,
    /// It is about the rewrite.
    Aside,
}

impl Kind {
    /// Whether what it names is something else than a rewrite.
    pub(super) fn is_other(self) -> bool {
        matches!(self, Self::Aside | Self::Echo | Self::Turn)
    }
}

/// Signs that a question ends with.
pub(super) const QUESTION_MARKS: [char; 3] = ['?', '？', '؟'];

/// Whether a line ends as a question does.
pub(super) fn asks(line: &str) -> bool {
    line.trim_end_matches(['*', '"', '”', '_']).ends_with(QUESTION_MARKS)
}

/// The words of a text in lower case; apostrophes belong to them.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’')))
        .map(|word| word.replace('’', "'").to_lowercase())
        .filter(|word| word.chars().any(char::is_alphanumeric))
}

/// A text in lower case with plain apostrophes, without the signs before it.
pub(super) fn plain(text: &str) -> String {
    text.trim_start_matches(['*', '_', '#', '"', '“', ' ']).replace('’', "'").to_lowercase()
}

/// What follows a beginning, if the text begins so and the word ends there.
pub(super) fn after<'a>(text: &'a str, begin: &str) -> Option<&'a str> {
    text.strip_prefix(begin).filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '\''))
}

pub(super) fn begins(text: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|begin| after(text, begin).is_some())
}

/// Whether a text holds one of these.
pub(super) fn holds(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| text.contains(phrase))
}

/// Whether a text ends as searches do, and no sentence: "I'm sorry I can't come card wording", "Let me know lyrics".
pub(super) fn is_searched_for(text: &str) -> bool {
    let last = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    text.len() > last.len() && SEARCHED_FOR.contains(&last.to_lowercase().as_str())
}

/// Whether a line begins with a quotation and goes on after it: "I'm sorry, Dave" is spoken by HAL.
pub(super) fn quotes(line: &str) -> bool {
    const PAIRS: [(char, char); 3] = [('"', '"'), ('“', '”'), ('«', '»')];
    let rest = PAIRS.iter().find_map(|(open, close)| Some(line.strip_prefix(*open)?.split_once(*close)?.1));
    rest.is_some_and(|rest| words(rest).nth(2).is_some())
}

/// Whether a word names what is done to the question.
fn is_rewriting(word: &str) -> bool {
    REWRITE_STEMS.iter().any(|stem| word.starts_with(stem))
}

/// Whether a word belongs to labels and announcements.
pub(super) fn is_label_word(word: &str) -> bool {
    const OUTPUT: &[&str] = &["answer", "output", "result", "results", "response", "reply", "final", "assistant"];
    is_rewriting(word) || [LABEL_WORDS, QUESTION_NOUNS, ECHO_NOUNS, OUTPUT].iter().any(|list| list.contains(&word))
}

pub(super) fn has_meta(text: &str) -> bool {
    words(text).any(|word| META.iter().any(|stem| word.starts_with(stem)))
}

/// What the words of a label or key name; `None` if there is another word among them, or none of the nouns.
fn named(text: &str) -> Option<Kind> {
    let words: Vec<String> =
        words(text).map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["a"] => return Some(Kind::Output),
        ["user"] => return Some(Kind::Turn),
        [word] if FOREIGN_ASIDES.contains(&word) => return Some(Kind::Aside),
        _ => {}
    }
    if FOREIGN_KEYWORDS.contains(&words.join(" ").as_str()) {
        return Some(Kind::Output);
    }
    let is = |nouns: &[&str]| words.iter().any(|word| nouns.contains(&word.as_str()));
    let lists = [LABEL_WORDS, QUESTION_NOUNS, OUTPUT_NOUNS, ECHO_NOUNS, ASIDE_NOUNS];
    let rewrites = |word: &String| is_rewriting(word);
    let known = |word: &String| {
        word.chars().count() <= 1
            || rewrites(word)
            || FOREIGN_NOUNS.contains(&word.as_str())
            || lists.iter().any(|list| list.contains(&word.as_str()))
    };
    // "Content-Type: application/json" is a header.
    if text.contains('-') && !text.trim().contains(' ') && !is(QUESTION_NOUNS) && !is(FOREIGN_NOUNS) {
        return None;
    }
    let kind = if is(ASIDE_NOUNS) {
        Kind::Aside
    } else if words.iter().any(rewrites) {
        Kind::Question
    } else if is(ECHO_NOUNS) {
        Kind::Echo
    } else if is(QUESTION_NOUNS) {
        Kind::Question
    } else if is(OUTPUT_NOUNS) {
        // What a model calls final is what it comes to.
        if words.iter().any(|word| word == "final") { Kind::Question } else { Kind::Output }
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
    let preamble = line.ends_with('。') && line.chars().count() <= 40;
    if preamble && EAST_ASIAN_HERE.iter().any(|begin| line.starts_with(begin)) {
        return Some((Kind::Question, ""));
    }
    let courteous = plain(line);
    if !quotes(line) && [HERE, HERE_PERHAPS, OPENERS, FOREIGN_OPENERS].iter().any(|list| begins(&courteous, list)) {
        let announced = announced(line, &courteous);
        if announced.is_some() {
            return announced;
        }
    }
    let (name, rest) = split(line)?;
    if announces(name) {
        return Some((Kind::Question, rest.trim()));
    }
    // `Query 1 (broader): text`
    let bare = name.trim_end_matches(['*', '_']);
    let short = bare.strip_suffix(')').and_then(|open| open.rsplit_once('(')).map_or(name, |(short, _)| short);
    let rest = rest.trim_start();
    let kind = named(short).or_else(|| (is_step(short) && asks(rest)).then_some(Kind::Question))?;
    // The emphasis opened before the label closes after it: `**Query:** text`.
    let rest = if name.starts_with(['*', '_']) { rest.trim_start_matches(['*', '_']) } else { rest };
    Some((kind, rest.trim()))
}

/// Whether a name counts the steps of a decomposition: "Step 1". Those of instructions do, too, but do not ask.
fn is_step(name: &str) -> bool {
    const STEPS: [&str; 5] = ["step", "schritt", "étape", "paso", "passo"];
    let mut words = words(name);
    words.next().is_some_and(|word| STEPS.contains(&word.as_str()))
        && words.next().is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
        && words.next().is_none()
}

/// Whether what stands before a colon is a sentence about the rewrite: "A more specific version would be".
fn announces(name: &str) -> bool {
    const ENDS: [&str; 6] = [" is", " are", " be", " as", " this", " follows"];
    const STARTS: [&str; 8] = ["a ", "an ", "the ", "one ", "your ", "my ", "this ", "here "];
    let text = plain(name);
    let end = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    STARTS.iter().any(|start| text.starts_with(start)) && ENDS.iter().any(|verb| end.ends_with(verb)) && has_meta(&text)
}

/// Signs that lead from a label to its text, if the label has more than one word.
const ARROWS: [&str; 3] = [" → ", " -> ", " => "];

/// Whether a line announces things that are not called rewrites: "Here are some foods to eat before a marathon:".
pub(super) fn announces_things(line: &str) -> bool {
    let rewrites = || words(line).any(|word| is_rewriting(&word));
    begins(&plain(line), &["here are", "here is", "below are"]) && !has_meta(line) && !rewrites()
}

/// Splits a line at the sign after its label.
fn split(line: &str) -> Option<(&str, &str)> {
    let end = line.char_indices().nth(80).map_or(line.len(), |(at, _)| at);
    let start = &line[..end];
    // `Query 1 - text`, `Q1. text`, `Rephrased question - text`: signs that stand in questions too.
    let counts = |name: &str| name.trim_end_matches('*').ends_with(|c: char| c.is_ascii_digit());
    let weak = [" - ", " – ", " — ", ". ", ") "].into_iter().chain(ARROWS).find_map(|sign| {
        let (name, _) = start.split_once(sign)?;
        let rewrites = words(name).any(|word| is_rewriting(&word));
        let rewrites = rewrites || ARROWS.contains(&sign) && words(name).nth(1).is_some();
        let label = !name.contains(':') && (counts(name) || rewrites && sign.starts_with(' ')) && named(name).is_some();
        label.then(|| (name, &line[name.len() + sign.len()..]))
    });
    if weak.is_some() {
        return weak;
    }
    let (at, sign) = start.match_indices([':', '：']).next()?;
    // Not `https://…`, not `10:30`.
    let rest = &line[at + sign.len()..];
    let spaced = sign != ":" || rest.starts_with(|c: char| c.is_whitespace() || "*_\"“'`".contains(c));
    spaced.then_some((&line[..at], rest))
}

/// A preamble in words: "Sure! Here is the rewritten question: …", with or without the question.
fn announced<'a>(line: &'a str, courteous: &str) -> Option<(Kind, &'a str)> {
    if OPENERS.contains(&courteous.trim_end_matches(|c: char| !c.is_alphanumeric())) {
        return Some((Kind::Question, ""));
    }
    let openers = || OPENERS.iter().chain(FOREIGN_OPENERS);
    let opener = openers().find_map(|opener| after(courteous, opener)).unwrap_or(courteous);
    let opener = opener.trim_start_matches(|c: char| !c.is_alphanumeric());
    let here = begins(opener, HERE);
    if !here && !begins(opener, HERE_PERHAPS) {
        return None;
    }
    let noun = |word: String| QUESTION_NOUNS.contains(&word.as_str()) || FOREIGN_NOUNS.contains(&word.as_str());
    match split(line) {
        Some((name, rest)) if here || has_meta(name) => {
            Some((Kind::Question, rest.trim_start_matches(['*', '_', ' ']).trim()))
        }
        Some(_) => None,
        None => match quotation(line) {
            Some((name, rest)) if has_meta(name) => Some((Kind::Question, rest)),
            _ if here && words(courteous).any(noun) && !asks(line) => Some((Kind::Question, "")),
            _ => None,
        },
    }
}

/// Splits a line that ends with a quotation: `The rewritten question is "…".`
fn quotation(line: &str) -> Option<(&str, &str)> {
    let (name, quoted) = line.split_at(line.find(['"', '“', '«', '„', '`'])?);
    // One quotation, not a list of several.
    let one = super::marks::quoted(quoted.trim_end_matches('.')).is_some();
    (one && !name.is_empty() && quoted.contains(' ')).then_some((name, quoted))
}

/// Whether a line that follows a rewrite talks about it: it says so, and it does not ask.
pub(super) fn is_afterthought(line: &str) -> bool {
    if line.starts_with('(') && line.ends_with(')') {
        return true;
    }
    let text = plain(line);
    let offers =
        text.starts_with("if you ") && [" i can ", " i could ", " i'll "].iter().any(|offer| text.contains(offer));
    let tells = AFTERTHOUGHTS.iter().any(|begin| text.starts_with(begin)) && text.ends_with(['.', '!', ')']);
    let stems =
        ["quer", "question", "rewr", "rephras", "reformul", "reword", "wording", "phrasing", "version", "clear"];
    offers || tells && words(&text).any(|word| stems.iter().any(|stem| word.starts_with(stem)))
}

/// Whether a line on its own names what follows: "Alternative 1", "[Rewritten question]", "=== Query ===".
pub(super) fn is_title(line: &str) -> bool {
    let framed = |c: char| matches!(c, '[' | ']' | '=' | '-' | '*' | '(' | ')' | '<' | '>' | '【' | '】');
    let counted = line.ends_with(|c: char| c.is_ascii_digit());
    let marked = counted || line.starts_with(framed) && line.ends_with(framed);
    let rewrites = || words(line).any(|word| is_rewriting(&word));
    line.len() <= 60 && !asks(line) && (marked || rewrites()) && named(line).is_some()
}

/// Whether a line is the header of a list, as in CSV: "query".
pub(super) fn is_header(line: &str) -> bool {
    ["query", "queries", "question", "questions"].contains(&line.to_lowercase().as_str())
}

/// How many bytes of a sentence say whether it is politeness.
const LONGEST_COURTESY: usize = 40;
/// How many characters from a line's end politeness is looked for.
const LONGEST_FAREWELL: usize = 200;

/// Takes politeness off the beginning of a line: "Sure! …"
pub(super) fn without_opener(line: &str) -> &str {
    let lower = plain(line);
    // Lower case may differ in length; only ASCII openers are cut, so compare on the line itself.
    for opener in OPENERS {
        let Some(rest) = line.get(opener.len()..).filter(|_| after(&lower, opener).is_some()) else { continue };
        let ends = rest.starts_with(['!', ',', '.', ':', ';']) && *opener != "ok" || rest.starts_with([',', ':']);
        let rest = rest.trim_start_matches(['!', ',', '.', ':', ';', ' ']);
        if ends && line.is_char_boundary(opener.len()) && super::marks::has_words(rest) {
            return rest;
        }
    }
    line
}

/// Takes politeness off the end of a line: "… Let me know if you need more."
pub(super) fn without_farewell(line: &str) -> &str {
    // Each end of a sentence looks at all that follows, so only few may: what a model adds is short.
    let near = line.char_indices().rev().take(LONGEST_FAREWELL).last().map_or(0, |(at, _)| at);
    let ends = line[near..].match_indices(['?', '.', '!', '？', '。']).map(|(at, sign)| near + at + sign.len());
    let tail = ends.filter(|at| line[*at..].starts_with(' ')).find(|at| {
        let tail = line[*at..].trim_start();
        // A sentence about the rewrite only goes if it stands apart: keyword lists have their own.
        let start = &tail[..tail.floor_char_boundary(LONGEST_COURTESY)];
        (begins(&plain(start), COURTESIES) || tail.starts_with(['(', '['])) && super::remark::is_remark(tail)
    });
    without_gloss(tail.map_or(line, |at| line[..at].trim_end()))
}

/// The question of a line that quotes it and then talks about it: `"Why …?" This keeps the meaning.`
pub(super) fn without_praise(line: &str) -> &str {
    const PRAISES: &[&str] = &["this", "it", "the question", "these"];
    let quoted = [('"', '"'), ('“', '”'), ('«', '»'), ('„', '“')].into_iter().find_map(|(open, close)| {
        let (quoted, rest) = line.strip_prefix(open)?.split_once(close)?;
        let praises = rest.starts_with(' ') && begins(&plain(rest), PRAISES) && rest.ends_with(['.', '!']);
        (praises && asks(quoted)).then_some(quoted)
    });
    quoted.unwrap_or(line)
}

/// Whether a text begins as one that says what a rewrite is good for.
pub(super) fn is_gloss(text: &str) -> bool {
    words(text).next().is_some_and(|word| GLOSSES.iter().any(|stem| word.starts_with(stem)))
}

/// Takes off what a model adds to an item of a list to say what it is good for: `Why …? – focuses on causes`,
/// `"why …" (causes)`, `"why …?": asks for causes`, and the mark of a source: `Why …? [1]`.
fn without_gloss(line: &str) -> &str {
    let quoted = line.starts_with(['"', '“', '«', '`', '*']);
    let found = [" - ", " – ", " — ", " (", ": ", " ["].into_iter().find_map(|sign| {
        let (text, gloss) = line.split_once(sign)?;
        let closed = quoted && text.len() > 1 && text.ends_with(['"', '”', '»', '`', '*']);
        let asks = text.ends_with('?') || closed && text.trim_end_matches(['"', '”', '»', '`']).ends_with('?');
        let cut = match sign {
            " (" => closed && gloss.ends_with(')') && text.contains(' '),
            ": " => closed && asks,
            " [" => asks && gloss.ends_with(']') && gloss.trim_end_matches(']').chars().all(|c| c.is_ascii_digit()),
            _ => false,
        };
        (cut || !matches!(sign, ": " | " [") && (closed || asks) && is_gloss(gloss)).then_some(text)
    });
    found.unwrap_or(line)
}

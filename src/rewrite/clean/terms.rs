//! Search terms out of a reply that quotes them: `For 'refund', add: "money back", "returned payment".` What stands
//! around the quotations tells a reader what to do with them, and is not searched with.

use std::collections::HashSet;

use super::{
    chatter, folded,
    marks::{self, PAIRS},
    vocabulary::{FOREIGN_KEYWORDS, GROUP_NOUNS},
};

/// Fewer quotations may be titles or phrases inside a sentence: then the text stays as it is.
const FEWEST: usize = 3;
/// No term has more characters; a sign that is not closed by then is no quote.
const LONGEST: usize = 200;
/// An item of a list that is not quoted has no more words.
const LONGEST_ITEM: usize = 4;
/// Signs that stand inside words and after numbers, too: they open where no word goes on, and close where none begins.
const IN_WORDS: [char; 5] = ['\'', '’', '"', '`', '´'];

#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    Quoted(&'a str),
    Bare(&'a str),
}

/// The terms that a text quotes and the unquoted items of the same list, each once and without the question itself; the
/// text as it is if quotations are not most of it.
pub(super) fn of(text: &str, question: &str) -> String {
    let parts = parts(text);
    let (mut quotations, mut quoted, mut bare) = (0, 0, 0);
    for part in &parts {
        match part {
            Part::Quoted(term) => (quotations, quoted) = (quotations + 1, quoted + count_words(term)),
            Part::Bare(between) => bare += count_words(between),
        }
    }
    if quotations < FEWEST || quoted <= bare {
        return text.to_owned();
    }
    let mut seen = HashSet::from([folded(question)]);
    let mut terms = vec![];
    for (at, part) in parts.iter().enumerate() {
        let found = match part {
            Part::Quoted(term) => vec![*term],
            Part::Bare(between) => items(between, at == 0, at + 1 == parts.len()),
        };
        let found = found.into_iter().map(|term| term.trim().trim_end_matches([',', ';', '.', ':', ' ']));
        terms.extend(found.filter(|term| marks::has_words(term) && seen.insert(folded(term))));
    }
    if terms.is_empty() { text.to_owned() } else { terms.join(", ") }
}

/// A text without the names that its lines give to groups of terms: `**Synonyms:** lukewarm meal, chilled dish`. The
/// cells of a table are terms.
pub(super) fn unlabelled(text: &str) -> String {
    let grouped = text.lines().filter(|line| group(line, false).is_some()).nth(1).is_some();
    let bare = |line: &str| match marks::row(line.trim()) {
        Some(cells) => cells.filter(|cell| !is_name(cell, true)).collect::<Vec<_>>().join(", "),
        None => group(line, !grouped).unwrap_or(line).to_owned(),
    };
    text.lines().map(bare).collect::<Vec<_>>().join("\n")
}

/// The terms of a line that names them first.
fn group(line: &str, strict: bool) -> Option<&str> {
    const LONGEST: usize = 40;
    let (name, rest) = line.split_once([':', '：']).filter(|(name, _)| name.len() <= LONGEST)?;
    is_name(name, strict).then(|| rest.trim_start_matches(['*', '_']).trim())
}

/// Whether a text names terms: "Related terms". Of several groups, others have names like "Technical terms".
fn is_name(text: &str, strict: bool) -> bool {
    const GROUPS: [&str; 6] = ["terms", "keywords", "synonyms", "phrases", "words", "concepts"];
    let is_noun = |word: &String| GROUP_NOUNS.contains(&word.as_str());
    let words: Vec<String> = chatter::words(text).collect();
    let whole = words.iter().all(is_noun) || FOREIGN_KEYWORDS.contains(&words.join(" ").as_str());
    words.last().is_some_and(|word| GROUPS.contains(&word.as_str())) && !strict && words.len() <= 4
        || !words.is_empty() && whole
}

fn count_words(text: &str) -> usize {
    text.split_whitespace().filter(|word| marks::has_words(word)).count()
}

/// What stands between quotations and is an item of the list as they are: few words with a comma on either side. Where
/// more than an "and" leads from or to a quotation, all of it is talk.
fn items(between: &str, is_first: bool, is_last: bool) -> Vec<&str> {
    let pieces: Vec<&str> = between.split([',', ';', '\n', '，', '；', '、']).collect();
    let (start, end) = (usize::from(!is_first), pieces.len() - usize::from(!is_last));
    let Some(apart) = pieces.get(start..end) else { return vec![] };
    let leads = |piece: &&str| count_words(piece) > 1;
    if pieces[..start].iter().chain(&pieces[end..]).any(leads) {
        return vec![];
    }
    let is_item =
        |piece: &&str| count_words(piece) <= LONGEST_ITEM && !piece.contains(['.', ':', '?', '!', '。', '：']);
    apart.iter().copied().filter(is_item).collect()
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut bare, mut at, mut before) = (vec![], 0, 0, ' ');
    while let Some(sign) = text[at..].chars().next() {
        let may_open = !(IN_WORDS.contains(&sign) && before.is_alphanumeric());
        at += sign.len_utf8();
        before = sign;
        if let Some((inner, length)) = quotation(sign, &text[at..]).filter(|_| may_open) {
            parts.extend([Part::Bare(&text[bare..at - sign.len_utf8()]), Part::Quoted(inner)]);
            at += length;
            bare = at;
        }
    }
    parts.push(Part::Bare(&text[bare..]));
    parts
}

/// What a sign quotes of the text behind it, and how many bytes that takes, the closing sign included.
fn quotation(sign: char, text: &str) -> Option<(&str, usize)> {
    // Brackets stand around asides.
    let closes = |c: char| sign != '[' && PAIRS.contains(&(sign, c));
    if !PAIRS.iter().any(|(open, _)| *open == sign) || text.starts_with(char::is_whitespace) {
        return None;
    }
    let mut before = ' ';
    for (at, c) in text.char_indices().take(LONGEST) {
        let rest = &text[at + c.len_utf8()..];
        let goes_on = IN_WORDS.contains(&c) && rest.starts_with(char::is_alphanumeric);
        if closes(c) && at > 0 && !before.is_whitespace() && !goes_on {
            return Some((&text[..at], at + c.len_utf8()));
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_quoted_terms_is_not_searched_with() {
        for (text, terms) in [
            (
                r#"For 'late orders': add "courier delay", "missing order". For 'refund': include "money back"."#,
                "late orders, courier delay, missing order, refund, money back",
            ),
            (
                "About Crohn's disease, use terms such as 'Crohn's disease,' 'bowel inflammation,' 'gut,' 'ileum,' \
                 'Crohn’s relapse rate,' 'biologic drugs,' and 'anti-TNF therapy.' These will help.",
                "Crohn's disease, bowel inflammation, gut, ileum, Crohn’s relapse rate, biologic drugs, anti-TNF therapy",
            ),
            ("For \"flat bread?\", keywords should include: 'dough', 'yeast', 'yeast'", "dough, yeast"),
            (
                r#"refund, "late delivery", courier, "order status", "money back""#,
                "refund, late delivery, courier, order status, money back",
            ),
            ("Nutze „kalte Küche“, „Brot“ und „Hefe“.", "kalte Küche, Brot, Hefe"),
            ("検索語は「パン」「酵母」「発酵」です", "パン, 酵母, 発酵"),
        ] {
            assert_eq!(of(text, "flat bread?"), terms, "{text}");
            assert_eq!(of(terms, "flat bread?"), terms);
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for text in [
            "dough, yeast, proofing",
            "\"dough\", \"yeast\"",
            "5' UTR, 3' end, 5' cap, 3' tail",
            "how to fix \"error 42\", \"error 43\" and \"error 44\" on a printer that was just bought",
            "the '90s, rock 'n' roll, the '80s, o' clock",
            "a 7\" tablet, a 10\" tablet, a 12\" tablet",
            "'''",
            "",
        ] {
            assert_eq!(of(text, "?"), text);
        }
    }
}

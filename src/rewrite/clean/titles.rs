//! What a list of rewrites has beside their texts: headings above them, titles before them, glosses behind them.

use std::collections::HashSet;

use super::{
    asked::Asked,
    chatter::{self, asks},
    marks,
};

/// Whether a line is as short as a heading, and asks nothing.
pub(super) fn is_short(line: &str) -> bool {
    const MOST_WORDS: usize = 4;
    !asks(line) && line.split_whitespace().count() <= MOST_WORDS
}

/// Leaves out the short lines in bold that stand above others: "**Causes**".
pub(super) fn without_headings(lines: Vec<&str>) -> Vec<&str> {
    let is_heading = |line: &&str| line.len() > 4 && line.starts_with("**") && line.ends_with("**") && is_short(line);
    let headings = lines.iter().filter(|line| is_heading(line)).count();
    if headings < 2 || 2 * headings > lines.len() || !is_heading(&lines[0]) {
        return lines;
    }
    lines.into_iter().filter(|line| !is_heading(line)).collect()
}

/// Takes off what every item of a list has before or after its text: "Causes: Why …?", "**Fixes:** …", "… (broader)".
pub(super) fn without_titles<'a>(items: Vec<&'a str>, asked: &Asked<'_>) -> Vec<&'a str> {
    const MAX_TITLE: usize = 40;
    if items.len() < 2 {
        return items;
    }
    let titled = |text: &'_ str| {
        let (title, rest) = text.split_once(':').filter(|(_, rest)| rest.starts_with([' ', '*']))?;
        let emphasised =
            title.starts_with('*') && (title.ends_with('*') || !rest.ends_with('*')) || rest.starts_with("** ");
        let rest = rest.trim_start_matches(['*', ' ']);
        let asks = asks(rest);
        let short = title.len() <= MAX_TITLE && title.split_whitespace().count() <= 4;
        (short
            && (emphasised || asks && asked.shares_word(rest) && !asked.has_label(text, rest))
            && marks::has_words(rest))
        .then_some(rest.len())
    };
    let glossed = |text: &str| {
        if text.ends_with('*') {
            return [" — *", " – *", " - *"].into_iter().find_map(|sign| text.rfind(sign));
        }
        // "… (Focuses on safety)"
        let at = text.rfind(" (").filter(|at| chatter::is_gloss(&text[*at..]));
        let after_question = || Some(text.find("? (").or_else(|| text.find("? ["))? + 1);
        at.or_else(after_question).filter(|_| text.ends_with([')', ']']))
    };
    if let Some(rests) = items.iter().map(|text| titled(text)).collect::<Option<Vec<_>>>() {
        let (titles, rests): (HashSet<&str>, Vec<&str>) =
            items.iter().zip(rests).map(|(text, rest)| text.split_at(text.len() - rest)).unzip();
        // What all of them begin with is what they are about.
        return if titles.len() > 1 { rests } else { items };
    }
    if let Some(ends) = items.iter().map(|text| glossed(text)).collect::<Option<Vec<_>>>() {
        return items.into_iter().zip(ends).map(|(text, end)| &text[..end]).collect();
    }
    items
}

//! A passage out of a reply: its lines put together, without what the model says around them.

use super::{
    Rejection,
    chatter::{self, Kind},
    marks::{self, Numbering},
    remark,
};

/// Lines looked at: a passage has fewer.
const MAX_LINES: usize = 100;

/// The text of a reply that is to be one passage.
pub(super) fn text(reply: &str) -> Result<String, Rejection> {
    let lines: Vec<&str> = reply.lines().map(str::trim).filter(|line| marks::has_words(line)).take(MAX_LINES).collect();
    let numbering = Numbering::of(lines.iter().copied());
    let mut kept: Vec<&str> = vec![];
    for (at, line) in lines.iter().enumerate() {
        let (_, bare) = marks::mark(marks::heading(line).unwrap_or(line), numbering);
        let first = kept.is_empty();
        // Only around the passage: inside it, a line with a colon is a part of it.
        let label = first.then(|| chatter::label(bare, marks::heading(line).is_some())).flatten();
        let bare = match label {
            Some((Kind::Question | Kind::Output, rest)) => rest,
            Some((Kind::Aside | Kind::Echo, _)) => continue,
            None => bare,
        };
        let outside = first || at + 1 == lines.len();
        if bare.is_empty() || outside && (remark::is_remark(bare) || is_about_passage(bare)) {
            continue;
        }
        kept.push(bare);
    }
    if kept.is_empty() {
        return Err(Rejection::Preamble);
    }
    let joined = kept.join(" ");
    let bare = marks::without_emphasis(marks::unquoted(&joined));
    let bare = bare.trim_matches(['\u{200c}', '\u{200d}']);
    Ok(bare.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether a line tells how the passage came about or how long it is.
fn is_about_passage(line: &str) -> bool {
    const BEGINNINGS: [&str; 4] =
        ["word count", "note that this passage", "this passage is", "note that this is a hypo"];
    let text = chatter::plain(line.trim_start_matches(['(', '[']));
    BEGINNINGS.iter().any(|begin| text.starts_with(begin))
}

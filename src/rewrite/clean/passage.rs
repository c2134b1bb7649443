//! A passage out of a reply: its lines put together, without what the model says around them.

use super::{
    Rejection,
    chatter::{self, Kind},
    marks::{self, Numbering},
    remark,
    vocabulary::{FOREIGN_ASIDES, FOREIGN_OPENERS, HERE, OPENERS},
};

/// Lines looked at: a passage has fewer.
const MAX_LINES: usize = 100;

/// What a model says of a passage has fewer bytes.
const LONGEST_REMARK: usize = 160;

/// The text of a reply that is to be one passage.
pub(super) fn text(reply: &str) -> Result<String, Rejection> {
    let lines: Vec<&str> = reply.lines().map(str::trim).filter(|line| marks::has_words(line)).take(MAX_LINES).collect();
    let numbering = Numbering::of(lines.iter().copied());
    let mut kept: Vec<&str> = vec![];
    // Whether what is kept is called a question: what is called an answer may follow.
    let mut asked = false;
    // Whether the passage has a title: then another one begins with the next.
    let mut titled = false;
    for (at, line) in lines.iter().enumerate() {
        let heading = marks::heading(line);
        let (_, bare) = marks::mark(heading.unwrap_or(line), numbering);
        let (first, last, alone) = (kept.is_empty(), at + 1 == lines.len(), lines.len() == 1);
        let named = |name: &str| chatter::key(name.trim_end_matches(['*', '_']));
        let bare = match chatter::label(bare, heading.is_some()) {
            Some((Kind::Output, rest)) if asked => {
                kept.clear();
                asked = false;
                rest
            }
            // A manual's note.
            Some((Kind::Aside, rest)) if alone && rest.len() > LONGEST_REMARK => rest,
            Some((kind, _)) if first && kind.is_other() => continue,
            Some((Kind::Aside, _)) if last && is_note(bare) => continue,
            // Inside the passage, a line with a colon is a part of it, and so is what leads to code.
            Some((_, rest)) if first && (!rest.is_empty() || is_preamble(bare)) => {
                asked = bare.split_once(':').is_some_and(|(name, _)| named(name) == Some(Kind::Question));
                titled |= rest.is_empty() && chatter::is_title(bare.trim_end_matches(':'));
                rest
            }
            // Another passage.
            Some((Kind::Question, "")) if titled && chatter::is_title(bare.trim_end_matches(':')) => break,
            _ => bare,
        };
        let outside = (first || last) && !(alone && bare.len() > LONGEST_REMARK);
        if bare.is_empty() || outside && (remark::is_remark(bare) || is_about_passage(bare)) {
            continue;
        }
        kept.push(without_count(bare));
    }
    if kept.is_empty() {
        return Err(Rejection::Preamble);
    }
    let joined = kept.join(" ");
    // Code may end with a sign that a line of a list would lose.
    let bare = if joined.ends_with([';', ',']) { joined.as_str() } else { marks::unquoted(&joined) };
    let bare = marks::without_emphasis(bare);
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

/// Takes off what a line says of its length: "… (53 words)".
fn without_count(line: &str) -> &str {
    let sentence = |text: &str| text.trim_end().ends_with(['.', '!', '。', '"', '”']);
    let counted = line.rfind(['(', '（']).filter(|at| sentence(&line[..*at]) && remark::is_count(&line[*at..]));
    counted.map_or(line, |at| line[..at].trim_end())
}

/// Whether a line that ends with a colon announces the passage.
fn is_preamble(line: &str) -> bool {
    const MOST_WORDS: usize = 3;
    let text = chatter::plain(line);
    chatter::words(line).count() <= MOST_WORDS
        || chatter::key(line).is_some()
        || [HERE, OPENERS, FOREIGN_OPENERS].iter().any(|list| chatter::begins(&text, list))
}

/// Whether a line at the end comments on the passage: "Nota: este texto es hipotético".
fn is_note(line: &str) -> bool {
    const NOTES: [&str; 4] = ["note", "notes", "explanation", "disclaimer"];
    let name = line.split([':', '：']).next().unwrap_or_default();
    let mut words = chatter::words(name);
    words.next().is_some_and(|word| NOTES.contains(&&*word) || FOREIGN_ASIDES.contains(&&*word))
        && words.next().is_none()
}

//! Which lines of a reply the model meant as its answer.
//!
//! The model's own signs decide: if it labels lines ("Rewritten question: …"), these are the answer; else if it marks
//! lines as a list, these are; else every line is that is neither a preamble nor a remark.

use super::{
    Rejection, answer,
    asked::Asked,
    chatter::{self, Kind},
    marks::{self, Mark, Numbering},
    remark,
};

/// Lines looked at: a reply with more is not a list of questions.
const MAX_LINES: usize = 200;
/// A line of more bytes is not looked into: no limit lets it pass.
const MAX_LINE: usize = 20_000;

/// What the lines of a reply turned out to be.
#[derive(Default)]
struct Sorted<'a> {
    labelled: Vec<&'a str>,
    marked: Vec<Item<'a>>,
    outputs: Vec<&'a str>,
    plain: Vec<&'a str>,
    /// Taken only if there is nothing else: they may repeat the question.
    turns: Vec<&'a str>,
    headings: Vec<&'a str>,
    chatter: bool,
    /// Whether a line announces an answer: "There are several reasons why bread is flat:".
    answers: bool,
    /// Whether a line announces what need not be an answer: "Here are some foods to eat before a marathon:".
    things: bool,
    /// Whether there is more than one line.
    several: bool,
    /// Whether numbers at the beginning of lines are the question's own, and no marks.
    own_numbers: bool,
}

struct Item<'a> {
    mark: Mark,
    indent: usize,
    text: &'a str,
}

/// Finds the lines that are the answer, and tidies each once.
pub(super) fn items(text: &str, question: &str) -> Result<Vec<String>, Rejection> {
    let asked = Asked::new(question);
    let tidied = |line| tidied(line, &asked);
    let lines = || text.lines().filter(|line| marks::has_words(line)).take(MAX_LINES);
    if let (Some(single), None) = (lines().next(), lines().nth(1))
        && let Some(list) = marks::inline(single)
        && !asked.has_number(single, single.trim_start_matches(|c: char| !c.is_whitespace()).trim_start())
    {
        return Ok(list.into_iter().map(tidied).collect());
    }
    let numbering = Numbering::of(lines().map(str::trim_start));
    // What the question itself has is not a mark: "1. FC Köln" stays, and so does "2. Bundesliga" below it.
    let is_own =
        |line: &str| matches!(marks::mark(line, numbering), (Mark::Number, rest) if asked.has_number(line, rest));
    let own_numbers = lines().map(str::trim).any(is_own);
    let mut sorted = Sorted { several: lines().nth(1).is_some(), own_numbers, ..Sorted::default() };
    // Whether lines are part of the answer: not those under a heading like "Explanation:".
    let mut answering = true;
    for line in lines() {
        answering = sorted.add(line, numbering, &asked, answering);
    }
    if sorted.answers {
        return Err(Rejection::Answer);
    }
    let (chatter, things) = (sorted.chatter, sorted.things);
    let group = sorted.answer(&asked);
    let group = if let [single] = group[..] { marks::inline(single).unwrap_or(group) } else { group };
    let found: Vec<String> = group.into_iter().map(tidied).filter(|line| !line.is_empty()).collect();
    if things && found.iter().all(|line| line.ends_with('.')) {
        return Err(Rejection::Answer);
    }
    match (found.is_empty(), chatter) {
        (false, _) => Ok(found),
        (true, true) => Err(Rejection::Preamble),
        (true, false) => Err(Rejection::Empty),
    }
}

/// The questions of a line that holds several: "Why is bread flat? Which flour rises best?"
pub(super) fn questions(line: &str) -> Option<Vec<String>> {
    const FEWEST_CHARS: usize = 8;
    const APART: [char; 5] = [' ', ';', ',', '/', '|'];
    let parts = line.split_inclusive(['?', '？']);
    let questions: Vec<&str> = parts.map(|part| part.trim_start_matches(APART).trim_end()).collect();
    let asks = |text: &&str| {
        let begins = text.starts_with(|c: char| c.is_uppercase() || c == '¿' || c > '\u{2e80}');
        begins && text.ends_with(['?', '？']) && text.chars().count() >= FEWEST_CHARS
    };
    (questions.len() > 1 && questions.iter().all(asks)).then(|| questions.into_iter().map(str::to_owned).collect())
}

impl<'a> Sorted<'a> {
    /// Sorts a line in; returns whether the next lines are part of the answer.
    #[expect(clippy::too_many_lines, reason = "one list of cases, in the order in which they are looked for")]
    fn add(&mut self, line: &'a str, numbering: Numbering, asked: &Asked<'_>, answering: bool) -> bool {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if line.len() > MAX_LINE {
            self.plain.push(line);
            return answering;
        }
        let line = without_language(untagged(line));
        if line.is_empty() {
            self.chatter = true;
            return answering;
        }
        if let Some(cells) = marks::row(line) {
            // A row of a table: its header only has titles, of the other rows the longest cell is the text.
            let text = cells.filter(|cell| chatter::key(cell).is_none()).max_by_key(|cell| cell.len());
            match text {
                Some(text) if answering => self.marked.push(Item { mark: Mark::Row, indent, text }),
                _ => self.chatter = true,
            }
            return answering;
        }
        let heading = marks::heading(line);
        let (mark, text) = match marks::mark(heading.unwrap_or(line), numbering) {
            (Mark::Number, _) if self.own_numbers => (Mark::None, line),
            // "> vs >>"
            (Mark::Bullet | Mark::Quote, _) if line.starts_with(|sign| asked.has_sign(sign)) => (Mark::None, line),
            marked => marked,
        };
        // A question about search queries has their names in it; what it says itself is not a label.
        let is_text = |kind: Kind, rest: &str| {
            let label = asked.has_first_word(text) || kind == Kind::Aside && asked.is_about(text, rest);
            !rest.is_empty() && (label || asked.begins_like(text, rest))
        };
        if self.several && chatter::is_title(text) {
            self.chatter = true;
            return !matches!(chatter::key(text), Some(Kind::Aside | Kind::Echo | Kind::Turn));
        }
        match chatter::label(text, heading.is_some()).filter(|(kind, rest)| !is_text(*kind, rest)) {
            Some((kind, "")) => {
                self.chatter = true;
                self.answers |= answer::announces(text, asked.text());
                self.things |= chatter::announces_things(text) && asked.is_about(text, "");
                // Questions, then "Answer:".
                let answered = kind == Kind::Output && self.plain.iter().any(|line| asks(line));
                return !answered && !matches!(kind, Kind::Aside | Kind::Echo | Kind::Turn);
            }
            // The question again, before what is made of it.
            Some((Kind::Question, rest)) if self.several && asked.is(rest) => {
                self.chatter = true;
                return answering;
            }
            // Of a list, all items are meant, whether they have labels or not.
            Some((Kind::Question, rest)) if mark != Mark::None => {
                self.marked.push(Item { mark, indent, text: rest });
                return answering;
            }
            Some((Kind::Question, rest)) => {
                self.labelled.push(rest);
                return answering;
            }
            Some((Kind::Output, rest)) => {
                self.outputs.push(rest);
                return answering;
            }
            Some((Kind::Turn, rest)) => {
                self.turns.push(rest);
                self.chatter = true;
                return answering;
            }
            Some((Kind::Aside | Kind::Echo, _)) => {
                self.chatter = true;
                return answering;
            }
            None => {}
        }
        let follows = !self.plain.is_empty() && mark == Mark::None;
        if !answering || remark::is_remark(text) || follows && chatter::is_afterthought(text) {
            self.chatter = true;
        } else if heading.is_some() && (mark == Mark::None || is_short(text)) {
            self.headings.push(text);
        } else if mark != Mark::None {
            self.marked.push(Item { mark, indent, text });
        } else {
            // What is bold as a whole may turn out to be a heading.
            self.plain.push(if line.starts_with("**") && line.ends_with("**") { line } else { text });
        }
        answering
    }

    /// The group of lines that is the answer.
    fn answer(self, asked: &Asked<'_>) -> Vec<&'a str> {
        if !self.labelled.is_empty() {
            return self.labelled;
        }
        let Some(first) = self.marked.first() else {
            // A question, then "Answer: …".
            let answered = self.plain.iter().any(|text| asks(text)) && !self.outputs.iter().any(|text| asks(text));
            let outputs = if answered { vec![] } else { self.outputs };
            let groups = [outputs, without_headings(self.plain), self.headings, self.turns];
            return without_titles(groups.into_iter().find(|group| !group.is_empty()).unwrap_or_default(), asked);
        };
        // A question, then points that say what was changed.
        if let [single] = self.plain[..]
            && first.mark == Mark::Bullet
            && asks(single)
            && !self.marked.iter().any(|item| asks(item.text))
        {
            return vec![single];
        }
        // Points below a point explain it, unless they are the ones that ask.
        let (mark, indent) = (first.mark, first.indent + 1);
        let (points, below): (Vec<&Item<'_>>, Vec<&Item<'_>>) =
            self.marked.iter().partition(|item| item.mark == mark && item.indent <= indent);
        let headed = !below.is_empty() && below.iter().all(|item| asks(item.text));
        let items = if headed && !points.iter().any(|item| asks(item.text)) { below } else { points };
        without_titles(items.into_iter().map(|item| item.text).collect(), asked)
    }
}

/// Whether a line ends as a question does.
fn asks(line: &str) -> bool {
    line.trim_end_matches(['*', '"', '”', '_']).ends_with(['?', '？', '؟'])
}

/// Whether a line is as short as a heading, and asks nothing.
fn is_short(line: &str) -> bool {
    const MOST_WORDS: usize = 4;
    !asks(line) && line.split_whitespace().count() <= MOST_WORDS
}

/// Leaves out the short lines in bold that stand above others: "**Causes**".
fn without_headings(lines: Vec<&str>) -> Vec<&str> {
    let is_heading = |line: &&str| line.len() > 4 && line.starts_with("**") && line.ends_with("**") && is_short(line);
    let headings = lines.iter().filter(|line| is_heading(line)).count();
    if headings < 2 || 2 * headings > lines.len() || !is_heading(&lines[0]) {
        return lines;
    }
    lines.into_iter().filter(|line| !is_heading(line)).collect()
}

/// Takes off what every item of a list has before or after its text: "Causes: Why …?", "**Fixes:** …", "… (broader)".
fn without_titles<'a>(items: Vec<&'a str>, asked: &Asked<'_>) -> Vec<&'a str> {
    const MAX_TITLE: usize = 40;
    if items.len() < 2 {
        return items;
    }
    let titled = |text: &'_ str| {
        let (title, rest) = text.split_once(":").filter(|(_, rest)| rest.starts_with([' ', '*']))?;
        let emphasised =
            title.starts_with('*') && (title.ends_with('*') || !rest.ends_with('*')) || rest.starts_with("** ");
        let rest = rest.trim_start_matches(['*', ' ']);
        let asks = asks(rest);
        let short = title.len() <= MAX_TITLE && title.split_whitespace().count() <= 4;
        (short && (emphasised || asks && !asked.is_about(text, rest)) && marks::has_words(rest)).then_some(rest.len())
    };
    let glossed = |text: &str| {
        if text.ends_with('*') {
            return [" — *", " – *", " - *"].into_iter().find_map(|sign| text.rfind(sign));
        }
        let at = text.find("? (").or_else(|| text.find("? ["))?;
        text.ends_with([')', ']']).then_some(at + 1)
    };
    if let Some(rests) = items.iter().map(|text| titled(text)).collect::<Option<Vec<_>>>() {
        return items.into_iter().zip(rests).map(|(text, rest)| &text[text.len() - rest..]).collect();
    }
    if let Some(ends) = items.iter().map(|text| glossed(text)).collect::<Option<Vec<_>>>() {
        return items.into_iter().zip(ends).map(|(text, end)| &text[..end]).collect();
    }
    items
}

/// Takes tags off that open or close on this line and close or open on another: `<query>` alone, `<query>text`.
fn untagged(line: &str) -> &str {
    let names_a_rewrite = |name: &str| chatter::key(name).is_some();
    let line = match marks::tag(line) {
        Some((_, "")) => "",
        Some((name, rest)) if names_a_rewrite(name) && !rest.contains('<') => rest.trim_start(),
        _ => line,
    };
    match line.rsplit_once("</") {
        Some((text, name)) if name.strip_suffix('>').is_some_and(names_a_rewrite) && !text.contains('<') => {
            text.trim_end()
        }
        _ => line,
    }
}

/// Takes off the name of the language that the text is in: "(English) Why is bread flat?"
fn without_language(line: &str) -> &str {
    const LANGUAGES: [&str; 14] = [
        "english",
        "german",
        "deutsch",
        "french",
        "français",
        "spanish",
        "español",
        "italian",
        "italiano",
        "portuguese",
        "português",
        "dutch",
        "nederlands",
        "polski",
    ];
    let named = line.strip_prefix(['(', '[']).and_then(|line| line.split_once([')', ']']));
    named
        .filter(|(name, _)| LANGUAGES.contains(&name.to_lowercase().as_str()))
        .map_or(line, |(_, rest)| rest.trim_start())
}

/// Takes quotes, emphasis and politeness off a line, and folds its white space.
fn tidied(line: &str, asked: &Asked<'_>) -> String {
    if line.len() > MAX_LINE {
        return line.to_owned();
    }
    let line = marks::unboxed(line);
    let line = marks::unquoted(chatter::without_praise(line));
    let line = if asked.has_first_word(line) { line } else { chatter::without_opener(line) };
    let line = answer::without_answer(chatter::without_farewell(line));
    let line = marks::without_emphasis(line);
    let line = line.trim_matches(['\u{200c}', '\u{200d}']);
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

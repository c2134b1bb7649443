//! Which lines of a reply the model meant as its answer.
//!
//! The model's own signs decide: if it labels lines ("Rewritten question: …"), these are the answer; else if it marks
//! lines as a list, these are; else every line is that is neither a preamble nor a remark.

use super::{
    Form, Rejection, answer,
    asked::Asked,
    chatter::{self, Kind, QUESTION_MARKS, asks},
    marks::{self, Mark, Numbering},
    remark,
    titles::{is_short, without_headings, without_titles},
};

/// Lines looked at: a reply with more is not a list of questions.
const MAX_LINES: usize = 200;
/// A line of more bytes is not looked into: no limit lets it pass.
const MAX_LINE: usize = 20_000;

/// The lines of a reply, sorted by what they turned out to be.
struct Sorted<'a> {
    asked: &'a Asked<'a>,
    shape: Shape,
    labelled: Vec<&'a str>,
    marked: Vec<Item<'a>>,
    outputs: Vec<&'a str>,
    plain: Vec<&'a str>,
    /// Taken only if there is nothing else: they may repeat the question.
    turns: Vec<&'a str>,
    headings: Vec<&'a str>,
    /// Whether lines are part of the answer: not those under a heading like "Explanation:".
    answering: bool,
    chatter: bool,
    announced: Announced,
}

/// What lines announce.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Announced {
    /// Rewrites, or nothing.
    Rewrites,
    /// What may be an answer: "Here are some foods to eat before a marathon:".
    Things,
    /// An answer: "There are several reasons why bread is flat:".
    Answer,
}

/// What the lines show together.
struct Shape {
    numbering: Numbering,
    /// Whether numbers at the beginning of lines are the question's own, and no marks: with "1. FC Köln", "2. Bundesliga"
    /// stays as well.
    own_numbers: bool,
    /// Whether there is more than one line.
    several: bool,
    /// Whether there are as many other lines as headings with a number.
    headed: bool,
}

struct Item<'a> {
    mark: Mark,
    indent: usize,
    text: &'a str,
}

/// Finds the lines that are the answer, and tidies each once.
pub(super) fn items(text: &str, form: Form, asked: &Asked<'_>) -> Result<Vec<String>, Rejection> {
    let lines: Vec<&str> = text.lines().filter(|line| marks::has_words(line)).take(MAX_LINES).collect();
    let tidied = |line: &str| tidied(line, asked);
    let inline = |line| marks::inline(line).filter(|_| !asked.has_number(line));
    if let [single] = lines[..]
        && let Some(list) = inline(single.trim())
    {
        return Ok(list.into_iter().map(tidied).collect());
    }
    let mut sorted = Sorted::new(Shape::of(&lines, asked), asked);
    for line in lines {
        sorted.add(line);
    }
    let (chatter, announced) = (sorted.chatter, sorted.announced);
    let announced = if form == Form::Question { announced } else { Announced::Rewrites };
    if announced == Announced::Answer {
        return Err(Rejection::Answer);
    }
    let group = sorted.answer();
    let group = if let [single] = group[..] { inline(single).unwrap_or(group) } else { group };
    let found: Vec<String> = group.into_iter().map(tidied).filter(|line| !line.is_empty()).collect();
    match (found.is_empty(), chatter) {
        (false, _) if announced == Announced::Things && found.iter().all(|line| line.ends_with('.')) => {
            Err(Rejection::Answer)
        }
        (false, _) => Ok(found),
        (true, true) => Err(Rejection::Preamble),
        (true, false) => Err(Rejection::Empty),
    }
}

/// The questions of a line that holds several: "Why is bread flat? Which flour gives flat bread?" What speaks of something
/// else than the question may need the sentence before it to be understood.
pub(super) fn questions(line: String, asked: &Asked<'_>) -> Vec<String> {
    const APART: [char; 5] = [' ', ';', ',', '/', '|'];
    let parts = line.split_inclusive(QUESTION_MARKS).map(|part| part.trim_start_matches(APART).trim_end());
    let stands_alone = |part: &str| {
        let begins = part.starts_with(|c: char| c.is_uppercase() || c == '¿' || c > '\u{2e80}');
        begins && part.ends_with(QUESTION_MARKS) && asked.shares_word(part)
    };
    if parts.clone().all(stands_alone) { parts.map(str::to_owned).collect() } else { vec![line] }
}

impl Shape {
    fn of(lines: &[&str], asked: &Asked<'_>) -> Self {
        let numbering = Numbering::of(lines.iter().map(|line| line.trim_start()));
        let is_own = |line: &&str| matches!(marks::mark(line, numbering), (Mark::Number, _)) && asked.has_number(line);
        let counted = |heading| !matches!(marks::mark(heading, numbering), (Mark::None, _));
        let headings = lines.iter().filter(|line| marks::heading(line.trim()).is_some_and(counted)).count();
        Self {
            numbering,
            own_numbers: lines.iter().any(is_own),
            several: lines.len() > 1,
            headed: 2 * headings <= lines.len(),
        }
    }
}

impl<'a> Sorted<'a> {
    fn new(shape: Shape, asked: &'a Asked<'_>) -> Self {
        Self {
            asked,
            shape,
            labelled: vec![],
            marked: vec![],
            outputs: vec![],
            plain: vec![],
            turns: vec![],
            headings: vec![],
            answering: true,
            chatter: false,
            announced: Announced::Rewrites,
        }
    }

    /// Sorts a line in.
    fn add(&mut self, line: &'a str) {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if line.len() > MAX_LINE {
            self.plain.push(line);
            return;
        }
        let line = without_language(untagged(line));
        if line.is_empty() {
            self.chatter = true;
            return;
        }
        if let Some(cells) = marks::row(line) {
            // A row of a table: its header only has titles, of the other rows the longest cell is the text.
            let text = cells.filter(|cell| chatter::key(cell).is_none()).max_by_key(|cell| cell.len());
            match text {
                Some(text) if self.answering => self.marked.push(Item { mark: Mark::Row, indent, text }),
                _ => self.chatter = true,
            }
            return;
        }
        let heading = marks::heading(line);
        let (mark, text) = match marks::mark(heading.unwrap_or(line), self.shape.numbering) {
            (Mark::Number, _) if self.shape.own_numbers => (Mark::None, line),
            (Mark::Bullet | Mark::Quote, _) if self.asked.has_sign(line) => (Mark::None, line),
            marked => marked,
        };
        let item = Item { mark, indent, text };
        if self.shape.several && (chatter::is_title(text) || self.is_empty() && chatter::is_header(text)) {
            self.chatter = true;
            self.answering = !chatter::key(text).is_some_and(Kind::is_other);
            return;
        }
        match chatter::label(text, heading.is_some()) {
            Some((kind, "")) => self.note_announced(kind, text),
            Some((kind, rest)) if !self.asked.has_label(text, rest) => {
                self.add_labelled(kind, Item { text: rest, ..item });
            }
            _ => self.add_bare(line, heading.is_some(), item),
        }
    }

    /// Takes note of a line that announces those that follow.
    fn note_announced(&mut self, kind: Kind, text: &str) {
        self.chatter = true;
        let announced = if !chatter::has_meta(text) && answer::announces(text, self.asked.text()) {
            Announced::Answer
        } else if chatter::announces_things(text) && self.asked.shares_word(text) {
            Announced::Things
        } else {
            Announced::Rewrites
        };
        self.announced = self.announced.max(announced);
        // Questions, then "Answer:".
        let answered = kind == Kind::Output && self.plain.iter().any(|line| asks(line));
        self.answering = !answered && !kind.is_other();
    }

    /// Sorts in what follows a label on its line.
    fn add_labelled(&mut self, kind: Kind, item: Item<'a>) {
        match kind {
            // The question again, before what is made of it.
            Kind::Question if self.shape.several && self.asked.is(item.text) => self.chatter = true,
            // Of a list, all items are meant, whether they have labels or not.
            Kind::Question if item.mark != Mark::None => self.marked.push(item),
            Kind::Question => self.labelled.push(item.text),
            Kind::Output => self.outputs.push(item.text),
            Kind::Turn => {
                self.turns.push(item.text);
                self.chatter = true;
            }
            Kind::Aside | Kind::Echo => self.chatter = true,
        }
    }

    /// Sorts in a line without a label.
    fn add_bare(&mut self, line: &'a str, is_heading: bool, item: Item<'a>) {
        let Item { mark, text, .. } = item;
        let follows = !self.plain.is_empty() && mark == Mark::None;
        if !self.answering
            || remark::is_remark(text) && !self.asked.has_name(text)
            || follows && chatter::is_afterthought(text)
        {
            self.chatter = true;
        } else if is_heading && (mark == Mark::None || self.shape.headed && is_short(text)) {
            self.headings.push(text);
        } else if mark != Mark::None {
            self.marked.push(item);
        } else {
            // What is bold as a whole may turn out to be a heading.
            self.plain.push(if line.starts_with("**") && line.ends_with("**") { line } else { text });
        }
    }

    /// Whether no line is taken for an answer yet.
    fn is_empty(&self) -> bool {
        self.labelled.is_empty() && self.marked.is_empty() && self.outputs.is_empty() && self.plain.is_empty()
    }

    /// The group of lines that is the answer.
    fn answer(self) -> Vec<&'a str> {
        if !self.labelled.is_empty() {
            return self.labelled;
        }
        let Some(first) = self.marked.first() else {
            // A question, then "Answer: …".
            let answered = self.plain.iter().any(|text| asks(text)) && !self.outputs.iter().any(|text| asks(text));
            let outputs = if answered { vec![] } else { self.outputs };
            let groups = [outputs, without_headings(self.plain), self.headings, self.turns];
            return without_titles(groups.into_iter().find(|group| !group.is_empty()).unwrap_or_default(), self.asked);
        };
        // A question, then points that say what was changed.
        if let [single] = self.plain[..]
            && first.mark == Mark::Bullet
            && asks(single)
            && !self.marked.iter().any(|item| asks(item.text))
            && !self.asked.is(single)
        {
            return vec![single];
        }
        // Points below a point explain it, unless they are the ones that ask.
        let (mark, indent) = (first.mark, first.indent + 1);
        let (points, below): (Vec<&Item<'_>>, Vec<&Item<'_>>) =
            self.marked.iter().partition(|item| item.mark == mark && item.indent <= indent);
        let headed = !below.is_empty() && below.iter().all(|item| asks(item.text));
        let items = if headed && !points.iter().any(|item| asks(item.text)) { below } else { points };
        without_titles(items.into_iter().map(|item| item.text).collect(), self.asked)
    }
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
    let line = if asked.begins_with_word_of(line) { line } else { chatter::without_opener(line) };
    let line = chatter::without_farewell(line);
    let bare = answer::without_answer(line);
    // "Can I get a refund? The food was cold." says with its second sentence what was asked.
    let line = if asked.shares_word(line) && !asked.shares_word(bare) { line } else { bare };
    let line = if asked.text().contains("**") { line.to_owned() } else { marks::without_emphasis(line) };
    let line = line.trim_matches(['\u{200c}', '\u{200d}']);
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

//! What a model puts around the text of one line: list marks, headings, quotes, emphasis.

use super::{asked::Asked, chatter::asks};

/// Whether a line says anything: at least one letter or digit.
pub(super) fn has_words(line: &str) -> bool {
    line.chars().any(char::is_alphanumeric)
}

/// The kinds of list marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    None,
    Bullet,
    Number,
    Quote,
    Row,
}

/// What the lines of a reply, taken together, say about its marks. A lone "2. Bundesliga", "E. coli" or "-ed endings"
/// is text; as one of several such lines it is marked.
#[expect(clippy::struct_excessive_bools, reason = "four independent observations")]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbering {
    numbers: bool,
    letters: bool,
    romans: bool,
    dashes: bool,
}

impl Numbering {
    pub(super) fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let (mut numbers, mut dashes) = (0, 0);
        let (mut letters, mut romans) = ([false; 2], [false; 2]);
        for line in lines {
            dashes += usize::from(dash(line).is_some());
            let line = line.trim_start_matches(['*', '_', '#', ' ', '"', '“']);
            numbers += usize::from(number(line, true).is_some());
            match letter(line).map(|(name, _)| name.to_ascii_lowercase()).as_deref() {
                Some("a") => letters[0] = true,
                Some("b") => letters[1] = true,
                Some("i") => romans[0] = true,
                Some("ii") => romans[1] = true,
                _ => {}
            }
        }
        let both = [true, true];
        Self { numbers: numbers > 1, letters: letters == both, romans: romans == both, dashes: dashes > 1 }
    }
}

/// Takes a list mark off a line.
pub(super) fn mark(line: &str, numbering: Numbering) -> (Mark, &str) {
    let line = line.trim();
    let line = emphasised(line).unwrap_or(line);
    if let Some(rest) = line.strip_prefix('>') {
        return (Mark::Quote, rest.trim_start());
    }
    if let Some(rest) = bullet(line) {
        return (Mark::Bullet, without_box(rest));
    }
    // `**1.** text`, `**1. Title:** text`
    if let Some((_, rest)) = number(line.trim_start_matches('*'), numbering.numbers)
        && line.starts_with('*')
        && (rest.starts_with('*') || numbering.numbers && rest.contains(":**"))
    {
        return (Mark::Number, rest.trim_start_matches('*').trim_start());
    }
    match number(line, numbering.numbers) {
        Some((1, rest)) if rest.starts_with(char::is_whitespace) => return (Mark::Number, rest.trim_start()),
        Some((_, rest)) if numbering.numbers => return (Mark::Number, rest.trim_start()),
        _ => {}
    }
    if let Some((_, rest)) = closed(line) {
        return (Mark::Number, rest);
    }
    match letter(line) {
        Some((name, rest)) if numbering.letters && name.len() == 1 => return (Mark::Number, rest),
        Some((name, rest)) if numbering.romans && is_roman(name) => return (Mark::Number, rest),
        _ => {}
    }
    match dash(line) {
        Some(rest) if numbering.dashes => (Mark::Bullet, rest),
        _ => (Mark::None, line),
    }
}

/// `[ ] text`, `[x] text`: an item of a task list.
fn without_box(text: &str) -> &str {
    ["[ ] ", "[x] ", "[X] "].iter().find_map(|sign| text.strip_prefix(sign)).unwrap_or(text).trim_start()
}

/// `-text`
fn dash(line: &str) -> Option<&str> {
    line.strip_prefix(['-', '–']).filter(|rest| rest.starts_with(|c: char| c.is_alphabetic() || c == '"' || c == '“'))
}

/// Splits "1. one 2. two" on one line; `None` if it is no such list.
pub(super) fn inline(line: &str) -> Option<Vec<&str>> {
    let line = line.trim();
    let style = ["1. ", "1) "].into_iter().find(|first| line.starts_with(first))?.trim_start_matches('1');
    let mut rest = &line[3..];
    let mut items = vec![];
    for next in 2..=20 {
        let Some((item, tail)) = rest.split_once(&format!(" {next}{style}")) else { break };
        items.push(item);
        rest = tail;
    }
    items.push(rest);
    // "1. FC Köln: when is the next match in the 2. Bundesliga?" is one question.
    let asks = |item: &&str| asks(item.trim_end());
    let alike = items.iter().all(asks) || !items.iter().any(asks);
    (items.len() > 1 && alike).then_some(items)
}

/// `- text`, `• text`: a bullet that is a sign of its own needs no space, one that may belong to a word does.
fn bullet(line: &str) -> Option<&str> {
    let mut chars = line.chars();
    let first = chars.next()?;
    let rest = chars.as_str().trim_start_matches('\u{fe0f}');
    match first {
        '•'
        | '◦'
        | '▪'
        | '▫'
        | '‣'
        | '⁃'
        | '●'
        | '○'
        | '■'
        | '□'
        | '◆'
        | '◇'
        | '·'
        | '∙'
        | '➤'
        | '➜'
        | '►'
        | '▶'
        | '✓'
        | '✔'
        | '①'..='⑳'
        | '❶'..='❿'
        | '✅'
        | '🔹'
        | '🔸'
        | '👉'
        | '⭐'
        | '・' => Some(rest.trim_start()),
        '-' | '*' | '+' | '–' | '—' | '→' | '~' if rest.starts_with(char::is_whitespace) => {
            Some(rest.trim_start())
        }
        _ => None,
    }
}

/// `1. text`, `1: text`, `#1 text`, `1 - text`, `1️⃣ text`, in lists `1.text`: the number, and what follows its sign.
fn number(line: &str, in_list: bool) -> Option<(u32, &str)> {
    if let Some(rest) = ordinal(line).filter(|_| in_list) {
        return Some((2, rest));
    }
    let hash = line.strip_prefix('#');
    let (value, rest) = digits(hash.unwrap_or(line))?;
    if let Some(rest) = rest.strip_prefix('\u{fe0f}').unwrap_or(rest).strip_prefix('\u{20e3}') {
        return Some((value, rest));
    }
    let close = || rest.strip_prefix("- ").filter(|_| in_list);
    if let Some(rest) = rest.strip_prefix(" - ").or_else(|| rest.strip_prefix(" – ")).or_else(close) {
        return Some((value, rest));
    }
    // `1\. text`, as some escape it.
    let Some(rest) = rest.strip_prefix('\\').unwrap_or(rest).strip_prefix(['.', ':', '、', '．', '：']) else {
        return hash.and(Some((value, rest))).filter(|(_, rest)| rest.starts_with(' '));
    };
    // "3.5 mm", "10:30" and a lone "2.x" are not marks.
    let next = rest.chars().next()?;
    let text = next.is_uppercase() || next > '\u{2e80}' || in_list && next.is_alphabetic();
    (text || next.is_whitespace() || "\"“*'".contains(next)).then_some((value, rest))
}

/// `一、text`
fn ordinal(line: &str) -> Option<&str> {
    const ORDINALS: &str = "一二三四五六七八九十";
    line.strip_prefix(|c| ORDINALS.contains(c))?.strip_prefix(['、', '．'])
}

/// `1) text`, `(1) text`, `[1] text`, `a) text`: no text begins like this.
fn closed(line: &str) -> Option<(&str, &str)> {
    let open = line.strip_prefix(['(', '[']);
    let body = open.unwrap_or(line);
    let end = body.char_indices().take(4).find(|(_, c)| matches!(c, ')' | ']'))?.0;
    let name = &body[..end];
    let counts = digits(name).is_some_and(|(_, rest)| rest.is_empty());
    let roman = is_roman(name);
    let letter = name.len() == 1 && name.chars().all(|c| c.is_ascii_alphabetic());
    let rest = &body[end + 1..];
    (end > 0 && (counts || roman || letter) && rest.starts_with(char::is_whitespace)).then(|| (name, rest.trim_start()))
}

/// `a. text`, `ii. text`: the letter or Roman number, and the text.
fn letter(line: &str) -> Option<(&str, &str)> {
    let end = line.char_indices().take(5).find(|(_, c)| !c.is_ascii_alphabetic())?.0;
    let (name, rest) = line.split_at(end);
    let rest = rest.strip_prefix(['.', ':'])?;
    let short = end == 1 || is_roman(name);
    (short && rest.starts_with(char::is_whitespace)).then(|| (name, rest.trim_start()))
}

fn is_roman(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| matches!(c.to_ascii_lowercase(), 'i' | 'v' | 'x'))
}

/// A number of at most two digits at the start of a text, of wide ones, too: `１．`
fn digits(text: &str) -> Option<(u32, &str)> {
    let digit = |c: char| match c {
        '０'..='９' => Some(u32::from(c) - u32::from('０')),
        c => c.to_digit(10),
    };
    let rest = text.trim_start_matches(|c| digit(c).is_some());
    let number = &text[..text.len() - rest.len()];
    (1..=2)
        .contains(&number.chars().count())
        .then(|| (number.chars().filter_map(digit).fold(0, |value, digit| 10 * value + digit), rest))
}

/// Takes the numbers off the texts of a list that counts them, unless the question has such a number itself.
pub(super) fn unnumbered(texts: Vec<String>, asked: &Asked<'_>) -> Vec<String> {
    let bare = |(text, place): (&String, u32)| {
        number(text, true).filter(|(value, _)| *value == place).map(|(_, rest)| rest.trim_start().to_owned())
    };
    let counted: Option<Vec<String>> = texts.iter().zip(1..).map(bare).collect();
    match counted {
        Some(bare) if bare.len() > 1 && !texts.iter().any(|text| asked.has_number(text)) => bare,
        _ => texts,
    }
}

/// The cells of a table's row that say something.
pub(super) fn row(line: &str) -> Option<impl Iterator<Item = &str>> {
    let cells = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(cells.split('|').map(str::trim).filter(|cell| has_words(cell)))
}

/// Takes the signs of a Markdown heading off a line.
pub(super) fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    ((1..=6).contains(&level) && rest.starts_with(char::is_whitespace))
        .then(|| rest.trim().trim_end_matches('#').trim())
}

/// Quotes and brackets, open and closed.
pub(super) const PAIRS: [(char, char); 17] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('„', '“'),
    ('„', '”'),
    ('”', '”'),
    ('‘', '’'),
    ('‚', '‘'),
    ('«', '»'),
    ('»', '«'),
    ('‹', '›'),
    ('「', '」'),
    ('『', '』'),
    ('＂', '＂'),
    ('[', ']'),
    ('´', '´'),
];

/// Takes one pair of quotes or emphasis signs off a line that they enclose as a whole, or one quote that has no
/// partner. Returns the same text when there is nothing to take off.
pub(super) fn unquoted(text: &str) -> &str {
    let text = text.trim();
    // `"text",` as in a list, `"text".` as in a sentence.
    let bare = text.trim_end_matches([',', ';', '\\']).trim_end();
    let stopped =
        bare.strip_suffix('.').filter(|stopped| stopped.ends_with(['"', '”', '“', '»', '`', '\'', '’', '」', '*']));
    for line in stopped.into_iter().chain([bare]) {
        if let Some(inner) = emphasised(line).or_else(|| quoted(line)).or_else(|| tagged(line)) {
            return inner.trim();
        }
    }
    without_lone_stars(without_lone_quote(bare))
}

/// Takes off stars at one end that have no partner at the other. `*.rs` and `C*` keep theirs.
fn without_lone_stars(line: &str) -> &str {
    let (head, tail) = (line.trim_start_matches('*'), line.trim_end_matches('*'));
    if head.len() < line.len() && !head.contains('*') && head.starts_with(char::is_uppercase) {
        return head;
    }
    let loose = line.len() - tail.len() > 1 || tail.ends_with(|c: char| !c.is_alphanumeric());
    if tail.len() < line.len() && !tail.contains('*') && loose { tail.trim_end() } else { line }
}

/// Takes off the frame that models which were trained on sums put around what it comes to: `\boxed{text}`.
pub(super) fn unboxed(text: &str) -> &str {
    let bare = text.trim().trim_matches('$');
    bare.strip_prefix("\\boxed{").and_then(|rest| rest.strip_suffix('}')).map_or(text, str::trim)
}

/// The text of a line that is one quotation as a whole.
pub(super) fn quoted(line: &str) -> Option<&str> {
    let (first, last) = (line.chars().next()?, line.chars().next_back()?);
    let (open, close) = *PAIRS.iter().find(|pair| **pair == (first, last))?;
    let inner = line.get(first.len_utf8()..line.len().checked_sub(last.len_utf8())?)?;
    let encloses = if open == close { encloses_symmetric(inner, open) } else { encloses(inner, open, close) };
    encloses.then_some(inner)
}

/// Whether the quotes around this text belong together: no earlier sign closes the first.
fn encloses(inner: &str, open: char, close: char) -> bool {
    let mut depth = 1_i32;
    let mut before = ' ';
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        // ’ is also an apostrophe.
        let apostrophe = c == '’' && before.is_alphanumeric() && chars.peek().is_some_and(|c| c.is_alphanumeric());
        if c == open {
            depth += 1;
        } else if c == close && !apostrophe {
            depth -= 1;
        }
        if depth == 0 {
            return false;
        }
        before = c;
    }
    depth == 1
}

/// The same for quotes that look alike on both sides: the first one inside must open, not close.
fn encloses_symmetric(inner: &str, quote: char) -> bool {
    let mut before = ' ';
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        let after = chars.peek().copied().unwrap_or(' ');
        if c == quote && !(before.is_alphanumeric() && after.is_alphanumeric()) {
            return (before == ' ' || "([{/-–—".contains(before)) && after != ' ';
        }
        before = c;
    }
    true
}

/// `**text**`, `*text*`, `__text__`, `_some text_`, `~~text~~` around a whole line.
fn emphasised(line: &str) -> Option<&str> {
    ["***", "**", "*", "___", "__", "_", "~~", "```", "``"].into_iter().find_map(|sign| {
        let inner = line.strip_prefix(sign)?.strip_suffix(sign)?;
        let flanked = !inner.starts_with(char::is_whitespace) && !inner.ends_with(char::is_whitespace);
        // `__init__` is a word.
        let words = !sign.starts_with('_') || inner.contains(' ');
        (flanked && words && has_words(inner) && !inner.contains(sign)).then_some(inner)
    })
}

/// `<tag>text</tag>` around a whole line.
fn tagged(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix('<')?.split_once('>')?;
    let plain =
        !name.is_empty() && name.len() <= 32 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let inner = rest.strip_suffix('>')?.strip_suffix(name)?.strip_suffix("</")?;
    (plain && !inner.contains('<')).then_some(inner)
}

/// Reads `<name>` or `</name>` at the start of a line: the name, and what follows.
pub(super) fn tag(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix('<')?.split_once('>')?;
    let name = name.trim_start_matches('/');
    let plain =
        !name.is_empty() && name.len() <= 32 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    plain.then_some((name, rest))
}

/// Takes off a quote at the start or end that has no partner. Inches (`27"`) keep theirs.
fn without_lone_quote(line: &str) -> &str {
    const QUOTES: [char; 6] = ['"', '“', '”', '„', '«', '»'];
    if line.chars().filter(|c| QUOTES.contains(c)).count() != 1 {
        return line;
    }
    if let Some(rest) = line.strip_prefix(QUOTES) {
        return rest.trim_start();
    }
    match line.strip_suffix(QUOTES) {
        Some(rest) if !rest.ends_with(|c: char| c.is_ascii_digit()) => rest.trim_end(),
        _ => line,
    }
}

/// Takes `**bold**` and `*italic*` off words inside a line. A star that is text (`5 * 3`, `C*-algebra`, `*.rs`) stays.
pub(super) fn without_emphasis(line: &str) -> String {
    ["***", "**", "*"].into_iter().fold(line.to_owned(), |line, sign| without_sign(&line, sign))
}

fn without_sign(line: &str, sign: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, tail)) = rest.split_once(sign) {
        let open = !before.ends_with(|c: char| c.is_alphanumeric() || c == '*')
            && tail.starts_with(|c: char| !c.is_whitespace() && !matches!(c, '*' | ')' | ']' | '}' | ',' | ';'));
        let inner = tail.split_once(sign).filter(|(inner, after)| {
            !inner.ends_with(char::is_whitespace) && !after.starts_with(|c: char| c.is_alphanumeric() || c == '*')
        });
        out.push_str(before);
        match inner {
            Some((inner, after)) if open => {
                out.push_str(inner);
                rest = after;
            }
            _ => {
                out.push_str(sign);
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

//! What surrounds a reply: characters that nobody sees, reasoning, end marks, code fences.

use std::iter::Peekable;

use super::chatter;

/// The reply proper, with `\n` as its only control character. Where code fences hold something, that is it: the model
/// marked it as its answer.
pub(super) fn unwrap(reply: &str) -> String {
    let text = with_line_ends(without_thinking_aloud(&content(reply)));
    joined(unfenced(&text).into_iter().filter(|line| line.fenced)).unwrap_or(text)
}

/// The same of a reply that is to be a passage: code may be a part of it, and is then not the whole.
pub(super) fn unwrap_passage(reply: &str) -> String {
    const PREAMBLE: usize = 20;
    let text = content(reply);
    let lines = unfenced(&text);
    let prose = lines.iter().filter(|line| !line.fenced).flat_map(|line| line.text.split_whitespace()).count();
    let fenced = if prose <= PREAMBLE { joined(lines.iter().copied().filter(|line| line.fenced)) } else { None };
    fenced.or_else(|| joined(lines.into_iter())).unwrap_or_default()
}

fn content(reply: &str) -> String {
    let text = without_html(without_entities(readable(reply)));
    let text = without_channels(&text);
    let text = without_reasoning(without_chat(text));
    until_next_turn(until_end_mark(&text)).to_owned()
}

/// Drops terminal escapes, invisible and bidirectional characters; makes line ends `\n`, other controls spaces, and
/// hyphens that only steer line breaks plain hyphens.
fn readable(reply: &str) -> String {
    let mut out = String::with_capacity(reply.len());
    let mut last = ' ';
    let mut chars = reply.chars().peekable();
    while let Some(c) = chars.next() {
        let kept = match c {
            '\u{1b}' => {
                skip_escape(&mut chars);
                continue;
            }
            '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
            '\u{2010}' | '\u{2011}' => '-',
            // Persian, Indic scripts and emoji need these joiners between two characters; elsewhere they hide.
            '\u{200c}' | '\u{200d}' if last.is_whitespace() || matches!(last, '\u{200c}' | '\u{200d}') => continue,
            c if c.is_control() => ' ',
            c if is_invisible(c) => continue,
            c => c,
        };
        out.push(kept);
        last = kept;
    }
    out
}

/// Puts plain signs for the HTML entities that gateways make of them.
fn without_entities(text: String) -> String {
    const ENTITIES: [(&str, &str); 7] = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    let start = text.trim_start();
    let escaped = ["{&quot;", "[&quot;", "&quot;"].iter().any(|begin| start.starts_with(begin));
    // Somebody asks about them.
    let asked = chatter::holds(&text, &["&lt;", "&gt;", "&nbsp;"]) || start.starts_with("&amp;");
    if asked && !escaped || !text.contains('&') {
        return text;
    }
    ENTITIES.iter().fold(text, |text, (entity, sign)| text.replace(entity, sign))
}

/// Makes lines of the items of an HTML list.
fn without_html(text: String) -> String {
    const TAGS: [(&str, &str); 7] =
        [("<li>", "\n- "), ("</li>", "\n"), ("<ul>", ""), ("</ul>", ""), ("<ol>", ""), ("</ol>", ""), ("<br>", "\n")];
    // Somebody asks about them.
    let begins = |line: &str| ["<ul>", "<ol>", "<li>"].iter().any(|tag| line.trim_start().starts_with(tag));
    if !text.lines().any(begins) {
        return text;
    }
    TAGS.iter().fold(text, |text, (tag, sign)| text.replace(tag, sign))
}

/// Skips the rest of a terminal escape sequence: `ESC [ … letter`, `ESC ] … BEL`.
fn skip_escape(chars: &mut Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
            chars.next_if(|c| matches!(c, '@'..='~'));
        }
        Some(']') => while chars.next_if(|c| !matches!(c, '\u{7}' | '\u{1b}' | '\n')).is_some() {},
        _ => {}
    }
}

/// Format characters that show nothing and only reorder, hide or smuggle text.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Takes the final channel of the "harmony" format, which some servers pass on raw, and others without its marks.
fn without_channels(text: &str) -> &str {
    const FINAL: &str = "<|channel|>final<|message|>";
    const UNMARKED: &str = "assistantfinal";
    if let Some(at) = text.rfind(FINAL) {
        return &text[at + FINAL.len()..];
    }
    let start = text.trim_start();
    match text.rfind(UNMARKED) {
        _ if start.starts_with("<|channel|>") => "",
        Some(at) if start.starts_with("analysis") => &text[at + UNMARKED.len()..],
        _ => text,
    }
}

/// Drops the chat of the prompt, if a model repeats it.
fn without_chat(text: &str) -> &str {
    let start = text.trim_start();
    if let Some((_, rest)) = start.strip_prefix("<chat>").and_then(|chat| chat.split_once("</chat>")) {
        return rest;
    }
    let last = start.starts_with("user:").then(|| start.rsplit_once("\nuser:")).flatten();
    last.map_or(text, |(_, rest)| rest)
}

/// Makes line ends of what was written as `\n` between whole phrases.
fn with_line_ends(text: &str) -> String {
    const FEWEST_WORDS: usize = 3;
    let line = text.trim();
    let begins = |part: &str| part.starts_with(|c: char| c.is_uppercase() || c.is_numeric() || "-*•".contains(c));
    let phrase = |part: &str| begins(part.trim_start()) && part.split_whitespace().nth(FEWEST_WORDS - 1).is_some();
    let written = line.contains("\\n") && !line.contains('\n') && !line.starts_with(['{', '[', '"']);
    if written && line.split("\\n").filter(|part| !part.trim().is_empty()).all(phrase) {
        line.replace("\\n", "\n")
    } else {
        text.to_owned()
    }
}

/// Names of the tags around a model's thinking.
const REASONING: [&str; 8] =
    ["think", "thinking", "thought", "thoughts", "reasoning", "reflection", "analysis", "scratchpad"];

/// Drops what a model thinks aloud: between the tags, after an opening tag that is never closed, and before a closing
/// tag that was never opened (some chat templates open it in the prompt). In the middle of a line an opening tag is
/// text: somebody may ask about it.
fn without_reasoning(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Whether only blanks stand before this place on its line; kept up to date rather than looked up, so that a
    // reply full of tags stays cheap.
    let mut blank = true;
    let mut push = |out: &mut String, part: &str| {
        out.push_str(part);
        blank = match part.rsplit_once('\n') {
            Some((_, tail)) => tail.trim().is_empty(),
            None => blank && part.trim().is_empty(),
        };
        blank
    };
    let mut thinking = false;
    let mut rest = text;
    while let Some(at) = rest.find(['<', '[', '◁']) {
        let (before, tail) = rest.split_at(at);
        let line_starts = push(&mut out, if thinking { "" } else { before });
        // A tag in a list of words is one of them.
        let tag = reasoning_tag(tail).filter(|(_, length)| !tail[*length..].starts_with([',', ';', '.', ')']));
        let Some((closing, length)) = tag else {
            let next = tail.chars().next().map_or(0, char::len_utf8);
            push(&mut out, if thinking { "" } else { &tail[..next] });
            rest = &tail[next..];
            continue;
        };
        rest = &tail[length..];
        let after = rest.trim_start_matches([' ', '\t']);
        match (closing, thinking) {
            (true, true) => thinking = false,
            (true, false) if line_starts || after.starts_with('\n') || after.is_empty() => out.clear(),
            (false, false) if line_starts => thinking = true,
            (_, false) => {
                push(&mut out, &tail[..length]);
            }
            (false, true) => {}
        }
    }
    if !thinking {
        out.push_str(rest);
    }
    out
}

/// What comes out where a model thinks aloud on the very line that it ends with its answer: "We need to rewrite the
/// question. … So: Why is bread flat?"
fn without_thinking_aloud(text: &str) -> &str {
    #[rustfmt::skip]
    const ALOUD: &[&str] = &[
        "we need to", "we have to", "we are asked", "we're asked", "okay, so", "okay, the user", "ok, the user",
        "alright, the user", "the user is asking", "the user wants", "the user asks", "user wants", "user asks",
        "let me think", "let's think", "first, i need", "i need to",
    ];
    const OF_REWRITING: [&str; 7] = ["the user", "user wants", "user asks", "rewr", "rephras", "reword", "paraphras"];
    let line = text.trim();
    let said = chatter::plain(line);
    let aloud = !line.contains('\n') && chatter::begins(&said, ALOUD) && chatter::holds(&said, &OF_REWRITING);
    let outcome = line.rsplit_once(": ").map(|(_, outcome)| outcome).filter(|outcome| outcome.contains(' '));
    outcome.filter(|_| aloud).unwrap_or(text)
}

/// Reads a reasoning tag at the start of a text: whether it closes, and how long it is.
fn reasoning_tag(text: &str) -> Option<(bool, usize)> {
    let close = match text.chars().next()? {
        '<' => '>',
        '[' => ']',
        _ => '▷',
    };
    // The longest name is 10 characters long.
    let end = text.char_indices().take(16).find(|(_, c)| *c == close)?.0;
    let name = text[..end].trim_start_matches(['<', '[', '◁']);
    let closing = name.starts_with('/');
    let name = name.trim_matches('/').trim();
    REASONING.iter().any(|known| name.eq_ignore_ascii_case(known)).then_some((closing, end + close.len_utf8()))
}

/// Cuts at the first end mark of a chat template (`<|im_end|>`, `</s>`): what follows is no longer the reply.
fn until_end_mark(text: &str) -> &str {
    // What the first line is indented by is kept: the others are, too.
    let mut text = if template_mark(text.trim_start()).is_some() { text.trim() } else { text.trim_end() };
    // Marks before the reply: `<|im_start|>assistant`.
    text = text.strip_prefix("assistant\n").unwrap_or(text);
    while let Some(length) = template_mark(text) {
        text = text[length..].trim_start();
        let rest = text.strip_prefix("assistant").unwrap_or(text);
        if rest.starts_with(['\n', '<']) {
            text = rest.trim_start();
        }
    }
    let mut from = 0;
    while let Some(at) = text[from..].find(['<', '[']).map(|at| from + at) {
        let own = MARKS.iter().any(|mark| text[at..].starts_with(mark) && text[at..].trim_end() == *mark);
        let glued = own || !text[..at].ends_with(' ');
        let sentence_end =
            text[at..].strip_prefix("</s>").is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'));
        if (glued && template_mark(&text[at..]).is_some()) || sentence_end {
            return text[..at].trim_end();
        }
        from = at + 1;
    }
    text
}

/// Cuts where a model goes on with a turn of the user's: the reply is over.
fn until_next_turn(text: &str) -> &str {
    let turn = ["\nUser:", "\nHuman:", "\nuser:", "\n### Instruction", "\n[INST]"];
    let cut = turn.iter().filter_map(|sign| text.find(sign)).min();
    cut.map_or(text, |at| text[..at].trim_end())
}

/// Marks of chat templates that have forms of their own.
const MARKS: [&str; 6] = ["<end_of_turn>", "<start_of_turn>", "<eos>", "<bos>", "[INST]", "[/INST]"];

/// The length of a `<|name|>` at the start of a text.
fn template_mark(text: &str) -> Option<usize> {
    if let Some(mark) = MARKS.iter().find(|mark| text.starts_with(**mark)) {
        return Some(mark.len());
    }
    let name = text.strip_prefix("<|")?;
    let end = name.char_indices().take(40).find(|(_, c)| !(c.is_ascii_alphanumeric() || *c == '_'))?.0;
    name[end..].starts_with("|>").then_some(end + 4)
}

/// A line of a reply, without the marks of code fences.
#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    fenced: bool,
}

/// The lines of a reply, and which of them stand in code fences.
fn unfenced(text: &str) -> Vec<Line<'_>> {
    let mut fenced = false;
    let mut lines = vec![];
    for line in text.lines() {
        let trimmed = line.trim();
        let Some(info) = trimmed.strip_prefix("```").or_else(|| trimmed.strip_prefix("~~~")) else {
            lines.push(Line { text: line, fenced });
            continue;
        };
        let info = info.trim_start_matches(['`', '~']);
        if let Some(whole) = info.strip_suffix("```").or_else(|| info.strip_suffix("~~~")) {
            // Opened and closed on one line.
            lines.push(Line { text: without_language(whole), fenced: true });
            continue;
        }
        fenced = !fenced;
        if fenced && !is_language(info) {
            lines.push(Line { text: info, fenced });
        }
    }
    lines
}

/// These lines as a text, if they say anything.
fn joined<'a>(lines: impl Iterator<Item = Line<'a>>) -> Option<String> {
    let lines: Vec<&str> = lines.map(|line| line.text).collect();
    lines.iter().any(|line| !line.trim().is_empty()).then(|| lines.join("\n"))
}

/// Whether what follows the opening fence names a language rather than being text.
fn is_language(info: &str) -> bool {
    let info = info.trim();
    info.len() <= 12 && info.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '#' | '.' | '_'))
}

fn without_language(text: &str) -> &str {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some(("json" | "text" | "txt" | "plaintext" | "markdown" | "md", rest)) => rest,
        _ => text,
    }
}

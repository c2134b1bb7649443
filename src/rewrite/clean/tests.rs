//! Replies of every kind that models are known to give, and properties that no reply may break.

use proptest::prelude::*;

use super::*;
use crate::question::{MAX_QUESTION_CHARS, Question};

mod genuine;
mod replies;

const ASKED: &str = "flat bread?";

#[test]
fn limits_depend_on_the_question_and_end_somewhere() {
    let rewrite = "word ".repeat(70);
    assert!(clean(&rewrite, &"long question ".repeat(10)).is_ok());
    let rewrite = "word ".repeat(90);
    assert_eq!(clean(&rewrite, &"long question ".repeat(50)), Err(Rejection::TooLong { limit: 400 }));
    assert_eq!(Limits::expansion().clean(&rewrite, "short").rewrites, [rewrite.trim()]);
    let many = (0..9).map(|n| format!("- number {n}")).collect::<Vec<_>>().join("\n");
    let cleaned = Limits::paraphrase().with_max_rewrites(2).clean(&many, ASKED);
    assert_eq!(cleaned.rewrites, ["number 0", "number 1"]);
    assert_eq!(cleaned.rejected, [Rejection::TooMany]);
}

#[test]
fn a_megabyte_of_nonsense_is_cheap() {
    let parts = [
        "a",
        "\"",
        "(",
        "<think>",
        "</think> ",
        "  <think>\n</think>",
        "[\"a\",",
        "{\"a\":",
        "1. 1. ",
        "**",
        "* a *",
        "```",
        "<|a|>",
        "- ",
        "'",
        "“",
        "a\n",
        "\n",
        " ",
        "Sure! ",
        "Query: ",
        "\u{1b}[",
        "['",
        "I can't ",
        "a: ",
        "? Let me know ",
        "<a>",
        "{'a",
        "[[",
        "[\"",
        "\\",
        ",\"",
        "< ",
        "[ ",
        "? (I can ",
        "? (",
        "a? b ",
        "Sure, a. ",
        "a? if you want, i ",
        "Here are why this bread: ",
        "this bread? ",
        "1. why this\n",
        "> why this\n",
        "user: a\n",
        "{\"a\":\"{",
        "\\n",
    ];
    // The longest question, asked for every kind.
    let words = (0..).map(|word| format!("A{word}b c{word} 1 why"));
    let long = words.take(MAX_QUESTION_CHARS / 20).collect::<Vec<_>>().join(" ");
    let task = Task::new(Question::new(&long).unwrap(), &RewriteKind::ALL);
    let mut slow = vec![];
    let answer = "a ".repeat(3300) + "zzzz? " + &"bbbb ".repeat(1300) + "zzzz " + &"goes ".repeat(1300);
    for part in parts.into_iter().chain([answer.as_str()]) {
        for (size, line) in
            [(1 << 20, 1 << 20), (MAX_REPLY, 1 << 20), (MAX_REPLY, 19_999), (MAX_REPLY, 3_000), (MAX_REPLY, 200)]
        {
            let nonsense = in_lines(part, size, line);
            assert!(size - nonsense.len() < 64.max(part.len()));
            // The quickest of several, and far more than it takes: other tests share the machine. What grows with the
            // square of the size takes seconds.
            let took = (0..3).map(|_| timed(&nonsense, &task)).min().unwrap();
            if took.as_millis() >= 500 {
                slow.push(format!("{part:?} in lines of {line} bytes took {took:?}"));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

#[test]
fn a_reply_too_large_to_look_into_is_refused() {
    let reply = in_lines("Why is bread flat? ", 1 << 20, 19_999);
    assert_eq!(clean(&reply, ASKED), Err(Rejection::TooLarge { limit: MAX_REPLY }));
    let asked = Limits::expansion().clean_all([reply.as_str(), "why does bread stay flat"], ASKED);
    assert_eq!(asked.rewrites, ["why does bread stay flat"]);
}

#[test]
fn several_replies_share_one_count_and_repeat_nothing() {
    let replies =
        ["1. crusty rolls\n2. dense crumb", "Crusty rolls!", "heavy loaf", "young starter", "cold oven", "old flour"];
    let cleaned = Limits::expansion().clean_all(replies, ASKED);
    assert_eq!(cleaned.rewrites, ["crusty rolls", "dense crumb", "heavy loaf", "young starter"]);
    assert_eq!(cleaned.rejected, [Rejection::Repeated, Rejection::TooMany]);
}

/// About this many bytes of a part, in lines of this length.
fn in_lines(part: &str, size: usize, line: usize) -> String {
    let line = part.repeat((line / part.len()).max(1)) + "\n";
    let mut text = line.repeat(size / line.len() + 1);
    text.truncate(text.floor_char_boundary(size));
    text
}

fn timed(reply: &str, task: &Task) -> std::time::Duration {
    let started = std::time::Instant::now();
    let _ = clean(reply, ASKED);
    let _ = task.clean(reply);
    started.elapsed()
}

/// Replies put together from the pieces that replies are made of.
#[expect(clippy::too_many_lines, reason = "a table of pieces")]
fn reply() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "1. ",
        "2) ",
        "- ",
        "* ",
        "• ",
        "\"",
        "“",
        "”",
        "'",
        "`",
        "**",
        "*",
        "_",
        "\n",
        "\n\n",
        " ",
        ":",
        "?",
        ".",
        ",",
        "```",
        "<think>",
        "</think>",
        "Sure! ",
        "Here are four queries",
        "Query 1: ",
        "Rewritten question: ",
        "I'm sorry, ",
        "I can't help with that",
        "[",
        "]",
        "{",
        "}",
        "\"query\": ",
        "why is bread flat",
        "yeast",
        "Let me know if",
        "\u{202e}",
        "\u{200d}",
        "\0",
        "\u{1b}[1m",
        "é",
        "パン",
        "# ",
        "> ",
        "<query>",
        "</query>",
        "<|im_end|>",
        "a. ",
        "b. ",
        "(",
        ")",
        "1",
        "a",
        "\\",
        "assistant",
        "Note: ",
        "original: ",
        "İ",
        "|",
        "&amp;",
        "&quot;",
        "The rewritten question is ",
        "ii. ",
        "i. ",
        "#1 ",
        " 2. ",
        "[Query]",
        " – focuses ",
        "i’d be happy to help",
        "、",
        "①",
        "-é",
        "\u{a0}",
        "```json",
        "<|",
        "|>",
        "Why? ",
        "Why is bread flat? ",
        "Which bread keeps? ",
        "user: ",
        "<chat>",
        "</chat>",
        "\\n",
        "(English) ",
        "Step 1: ",
        " → ",
        "{“",
        "// ",
        "analysis",
        "assistantfinal",
        "**Causes**",
        " (53 words)",
        "Nota: ",
        "We need to rewrite ",
        "Keeps it. ",
    ]);
    let composed = prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => composed, 1 => any::<String>(), 1 => "[ -~\n]{0,600}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_rewrites_are_fit_to_search_with(reply in reply(), question in "[a-z ]{1,40}\\??") {
        let limits = Limits::paraphrase();
        let cleaned = limits.clean(&reply, &question);
        prop_assert!(cleaned.rewrites.len() <= limits.max_rewrites);
        let mut said = HashSet::from([folded(&question)]);
        for rewrite in &cleaned.rewrites {
            prop_assert!(rewrite.chars().count() <= limits.chars_for(&question));
            prop_assert!(rewrite.chars().any(char::is_alphanumeric));
            prop_assert!(!rewrite.chars().any(char::is_control));
            let hidden = rewrite.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}']);
            prop_assert!(!hidden);
            prop_assert_eq!(rewrite.trim(), rewrite.as_str());
            prop_assert!(said.insert(folded(rewrite)), "says nothing new");
            prop_assert_eq!(clean(rewrite, &question), Ok(vec![rewrite.clone()]), "cleaning again changes it");
        }
    }

    #[test]
    fn whatever_comes_rewrites_of_every_kind_are(
        reply in reply_of_kinds(),
        question in "[a-z ]{1,40}\\??",
        kinds in prop::sample::subsequence(RewriteKind::ALL.to_vec(), 1..=7),
    ) {
        let Ok(question) = Question::new(&question) else { return Ok(()) };
        let task = Task::new(question.clone(), &kinds);
        let rewrites = task.clean(&reply);
        let mut said = HashSet::from([folded(question.text())]);
        for rewrite in &rewrites.rewrites {
            prop_assert!(task.kinds.contains(&rewrite.kind) && !rewrites.missing.contains(&rewrite.kind));
            prop_assert!(said.insert(folded(&rewrite.text)), "says nothing new");
            let limits = rewrite.kind.profile().limits;
            prop_assert!(rewrite.text.chars().count() <= limits.chars_for(question.text()));
            let hidden = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            prop_assert!(!rewrite.text.chars().any(hidden), "{:?}", rewrite.text);
            let again = task.clean_all(rewrite.kind, [rewrite.text.as_str()]);
            prop_assert_eq!(&again.rewrites[..], std::slice::from_ref(rewrite), "cleaning again changes it");
        }
        for kind in &kinds {
            prop_assert!(rewrites.rewrites.iter().filter(|rewrite| rewrite.kind == *kind).count() <= task.count_of(*kind));
        }
    }
}

/// The same replies, some of them under the names of kinds.
fn reply_of_kinds() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(RewriteKind::ALL.to_vec()).prop_map(RewriteKind::name);
    let keyed = prop::collection::vec((name(), prop::collection::vec(reply(), 0..3)), 0..4).prop_map(|fields| {
        let fields = fields.into_iter().map(|(name, texts)| (name.to_owned(), texts.into()));
        serde_json::Value::Object(fields.collect()).to_string()
    });
    let labelled = prop::collection::vec((name(), reply()), 0..4)
        .prop_map(|parts| parts.into_iter().map(|(name, text)| format!("{name}: {text}\n")).collect());
    prop_oneof![2 => reply(), 1 => keyed, 1 => labelled]
}

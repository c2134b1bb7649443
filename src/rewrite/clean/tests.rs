//! Replies of every kind that models are known to give, and properties that no reply may break.

use proptest::prelude::*;

use super::*;

const ASKED: &str = "flat bread?";

/// Replies that hold one rewrite: "Why is my bread flat?".
const ONE: &[&str] = &[
    "Why is my bread flat?",
    "  Why is\tmy bread   flat?  \n\n",
    "\"Why is my bread flat?\"",
    "“Why is my bread flat?”",
    "„Why is my bread flat?“",
    "«Why is my bread flat?»",
    "'Why is my bread flat?'",
    "`Why is my bread flat?`",
    "**Why is my bread flat?**",
    "*Why is my bread flat?*",
    "**\"Why is my bread flat?\"**",
    "\"Why is my bread flat?\",",
    "1. Why is my bread flat?",
    "1) Why is my bread flat?",
    "- Why is my bread flat?",
    "• “Why is my bread flat?”  ",
    "# Why is my bread flat?",
    "> Why is my bread flat?",
    "Why is my **bread** flat?",
    "Rewritten question: Why is my bread flat?",
    "**Rewritten Question:** Why is my bread flat?",
    "**Rewritten question**: \"Why is my bread flat?\"",
    "Rewritten question:\n\nWhy is my bread flat?",
    "## Rewritten question\n\nWhy is my bread flat?",
    "Q: Why is my bread flat?",
    "Query 1: Why is my bread flat?",
    "Search query: \"Why is my bread flat?\"",
    "Sure! Here is the rewritten question:\n\nWhy is my bread flat?",
    "Sure, here's a clearer version: Why is my bread flat?",
    "Sure! Why is my bread flat?",
    "Certainly! Here's your standalone search question:\n\n**Why is my bread flat?**\n\nLet me know if you need anything else!",
    "Of course.\n\nWhy is my bread flat?\n\nThis version is clearer and more complete.",
    "Why is my bread flat? Let me know if you'd like another version.",
    "```\nWhy is my bread flat?\n```",
    "Here you go:\n```text\nWhy is my bread flat?\n```\nHope this helps!",
    "```Why is my bread flat?```",
    "<think>\nThe user asks about flat bread.\nMaybe yeast?\n</think>\n\nWhy is my bread flat?",
    "The user asks about flat bread. I should rewrite.\n</think>\n\nWhy is my bread flat?",
    "<THINKING>hm</THINKING>Why is my bread flat?",
    "[THINK]hm[/THINK]Why is my bread flat?",
    "<|channel|>analysis<|message|>Bread.<|end|><|start|>assistant<|channel|>final<|message|>Why is my bread flat?<|return|>",
    "Why is my bread flat?<|im_end|>\n<|im_start|>user\nAnd now?",
    "Why is my bread flat?</s>",
    "{\"query\": \"Why is my bread flat?\"}",
    "{\"rewritten_question\": \"Why is my bread flat?\", \"reason\": \"It is clearer.\", \"filter\": {\"tenant\": \"other\"}}",
    "{\"searchQuery\": \"Why is my bread flat?\", \"original_question\": \"flat bread\"}",
    "[\"Why is my bread flat?\"]",
    "['Why is my bread flat?']",
    "{'queries': ['Why is my bread flat?',]}",
    "[\"Why is my bread flat?\", \"and then the reply was cut o",
    "```json\n{\"queries\": [\"Why is my bread flat?\"]}\n```",
    "Here is the JSON: {\"query\": \"Why is my bread flat?\"}",
    "<query>Why is my bread flat?</query>",
    "<rewritten_question>\nWhy is my bread flat?\n</rewritten_question>",
    "Original question: flat bread?\nRewritten question: Why is my bread flat?",
    "Rewritten question: Why is my bread flat?\n\nExplanation: I made it longer.",
    "Rewritten question: Why is my bread flat?\n\nKey changes:\n- Named the subject\n- Made it a sentence",
    "Why is my bread flat?\n\n- names the subject\n- is a sentence",
    "Q: Why is my bread flat?\nA: Because the yeast is dead.",
    "\u{1b}[31mWhy is my bread flat?\u{1b}[0m",
    "\u{202e}Why is my\u{200b} bread\0flat?\u{2069}",
    "\u{feff}Why is my bread flat?\r\n",
    "Umformulierte Frage: Why is my bread flat?",
    "Here’s a rewritten version of your question:\n\n“Why is my bread flat?”\n\nIf you want, I can also make it shorter.",
    "Okay, here's the rewritten query:\n\n`Why is my bread flat?`",
    "The rewritten question is \"Why is my bread flat?\".",
    "You could ask: Why is my bread flat?",
    "A clearer way to ask this is: \"Why is my bread flat?\"",
    "Rephrased question - Why is my bread flat?",
    "[Rewritten Question]\nWhy is my bread flat?",
    "=== Rewritten ===\nWhy is my bread flat?",
    "Why is my bread flat? (This version is clearer.)",
    "Why is my bread flat?\n\n---\n\nI expanded the query to include the cause.",
    "Why is my bread flat?\n\nExplanation:\nThe original was vague.\nNow it is not.",
    "Let's rewrite the question to be clearer.\n\nWhy is my bread flat?",
    "Query: Why is my bread flat?\nKeywords: bread, flat, yeast",
    "User: flat bread\nAssistant: Why is my bread flat?",
    "<response>\n<query>Why is my bread flat?</query>\n</response>",
    "&quot;Why is my bread flat?&quot;",
    "*Why is my bread flat?",
    "*1. Why is my bread flat?*",
    "Why is my bread flat?**",
    "“Why is my bread flat?",
    "Voici la question reformulée : Why is my bread flat?",
];

#[test]
fn one_rewrite_is_found_in_every_wrapping() {
    let rewrite = Ok(vec!["Why is my bread flat?".to_owned()]);
    let wrong: Vec<_> =
        ONE.iter().map(|reply| (reply, clean(reply, ASKED))).filter(|(_, got)| *got != rewrite).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn lists_are_told_from_what_surrounds_them() {
    let two = ["dense sourdough crumb causes", "how to proof sourdough longer"];
    for reply in [
        "dense sourdough crumb causes\nhow to proof sourdough longer",
        "1. dense sourdough crumb causes\n2. how to proof sourdough longer",
        "1) dense sourdough crumb causes\n\n2) how to proof sourdough longer\n",
        "(1) dense sourdough crumb causes\n(2) how to proof sourdough longer",
        "a) dense sourdough crumb causes\nb) how to proof sourdough longer",
        "a. dense sourdough crumb causes\nb. how to proof sourdough longer",
        "1️⃣ dense sourdough crumb causes\n2️⃣ how to proof sourdough longer",
        "1 - dense sourdough crumb causes\n2 - how to proof sourdough longer",
        "- dense sourdough crumb causes\n- how to proof sourdough longer",
        "* *dense sourdough crumb causes*\n* *how to proof sourdough longer*",
        "• “dense sourdough crumb causes”  \n• “how to proof sourdough longer”",
        "Here are two search queries exploring \"flat: bread\":\n\n1. \"dense sourdough crumb causes\"\n2. \"how to proof sourdough longer\"",
        "Sure thing! Some ideas\n\n- dense sourdough crumb causes\n- how to proof sourdough longer\n\nWould you like more?",
        "1. dense sourdough crumb causes\n   - targets the crumb\n2. how to proof sourdough longer\n   - targets the proof",
        "**Query 1:** dense sourdough crumb causes\n**Query 2:** how to proof sourdough longer",
        "Query 1 - dense sourdough crumb causes\nQuery 2 - how to proof sourdough longer",
        "Query 1 (narrow): dense sourdough crumb causes\nQuery 2 (broad): how to proof sourdough longer",
        "### Query 1\ndense sourdough crumb causes\n\n### Query 2\nhow to proof sourdough longer",
        "[\n  \"dense sourdough crumb causes\",\n  \"how to proof sourdough longer\",\n]",
        "[{\"query\": \"dense sourdough crumb causes\", \"why\": \"a\"}, {\"query\": \"how to proof sourdough longer\", \"why\": \"b\"}]",
        "{\"1\": \"dense sourdough crumb causes\", \"2\": \"how to proof sourdough longer\"}",
        "{\"query\": \"dense sourdough crumb causes\"}\n{\"query\": \"how to proof sourdough longer\"}",
        "1.dense sourdough crumb causes\n2.how to proof sourdough longer",
        "**1.** dense sourdough crumb causes\n**2.** how to proof sourdough longer",
        "**1. dense sourdough crumb causes**\n**2. how to proof sourdough longer**",
        "Q1. dense sourdough crumb causes\nQ2. how to proof sourdough longer",
        "i. dense sourdough crumb causes\nii. how to proof sourdough longer",
        "① dense sourdough crumb causes\n② how to proof sourdough longer",
        "-dense sourdough crumb causes\n-how to proof sourdough longer",
        "1. dense sourdough crumb causes 2. how to proof sourdough longer",
        "Alternative 1\ndense sourdough crumb causes\n\nAlternative 2\nhow to proof sourdough longer",
        "| # | Query |\n|---|---|\n| 1 | dense sourdough crumb causes |\n| 2 | how to proof sourdough longer |",
        "1. \"dense sourdough crumb causes\" (causes)\n2. \"how to proof sourdough longer\" – focuses on fixes",
        "dense sourdough crumb causes\nDense sourdough crumb causes!\nflat bread\nhow to proof sourdough longer",
    ] {
        assert_eq!(clean(reply, ASKED).as_deref(), Ok(two.map(str::to_owned).as_slice()), "{reply:?}");
    }
}

#[test]
fn questions_that_look_like_chatter_stay_as_they_are() {
    let mut wrong = vec![];
    for text in [
        "2. Bundesliga table",
        "E. coli resistance to ampicillin",
        "3.5 mm jack adapter",
        "10:30 train from Basel",
        "\"Hamlet\" and \"Macbeth\"",
        "“To be” or “not to be”",
        "\"heart failure (HF)\", \"left ventricle\"",
        "the origin of the term “dragon’s blood”",
        "monitor 27\"",
        "'90s music that everybody knows",
        "Nutritional comparison: apple juice, whole apples, and sugary drinks",
        "Query optimization in PostgreSQL: how do indexes work?",
        "what does this query mean in SQL",
        "How do I rewrite a question for a search engine?",
        "Sure deodorant ingredients",
        "This Is Us cast",
        "Here Comes the Sun: who wrote it",
        "I can't sleep at night, what helps?",
        "I cannot log in to my account",
        "I'm sorry for your loss, what to write on a card",
        "Why was my request blocked by the content policy?",
        "what does the <think> tag do in DeepSeek R1",
        "difference between <b> and <strong>",
        "what is 5 * 3 * 2",
        "C*-algebra and W*-algebra",
        "__init__",
        "snake_case or camelCase in Python",
        "array[0] in C",
        "C++",
        "https://example.com/a-page",
        "من می‌خواهم نان بپزم",
        "なぜパンが膨らまないのですか？",
        "If you have diabetes, can you eat grapes?",
        "I have further pain after surgery, what helps?",
        "Error: cannot find module 'x' in Node",
        "*.rs and *.toml",
        "Content moderation policies and who is responsible for them",
        "The content policy of video platforms is strict",
        "-ed endings in English",
        "i. e. meaning",
        "black pepper – uses in medicine",
        "I don't understand the rules of cricket",
        "Please explain how yeast works",
    ] {
        let got = clean(text, "something else");
        if got != Ok(vec![text.to_owned()]) {
            wrong.push((text, got));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // What the question itself begins with is no mark, and what it would be refused for is no refusal.
    assert_eq!(clean("1. FC Köln stadium address", "1. FC Köln stadium").unwrap(), ["1. FC Köln stadium address"]);
    assert_eq!(
        clean("I'm sorry, I can't hear, what is tinnitus?", "I'm sorry, I can't hear").unwrap(),
        ["I'm sorry, I can't hear, what is tinnitus?"]
    );
}

#[test]
fn rejections_say_why() {
    let mut wrong = vec![];
    let long = format!("Why {}?", "very ".repeat(60));
    for (reply, rejection) in [
        ("", Rejection::Empty),
        (" \n\u{200b}\n ", Rejection::Empty),
        ("---\n***\n\"\"", Rejection::Empty),
        ("<think>\nI wonder what they mean by that", Rejection::Empty),
        ("<think>done</think>", Rejection::Empty),
        ("Sure! Here are four diverse search queries:", Rejection::Preamble),
        ("Here is the rewritten question:", Rejection::Preamble),
        ("Rewritten question:", Rejection::Preamble),
        ("Sure!", Rejection::Preamble),
        ("Let me know if you need anything else.", Rejection::Preamble),
        ("Explanation: it was unclear.", Rejection::Preamble),
        ("The question is already clear.", Rejection::Preamble),
        ("I'm sorry, but I can't help with that.", Rejection::Refusal),
        ("I’m sorry, I can’t assist with that request.", Rejection::Refusal),
        ("I cannot provide help on this topic.", Rejection::Refusal),
        ("As an AI language model, I do not have opinions.", Rejection::Refusal),
        ("Unfortunately, I am unable to do this. Instead:\n- how to bake", Rejection::Refusal),
        ("Please provide the question you'd like me to rewrite.", Rejection::Refusal),
        ("It looks like you haven't provided a question.", Rejection::Refusal),
        (
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            Rejection::Refusal,
        ),
        ("Es tut mir leid, dabei kann ich nicht helfen.", Rejection::Refusal),
        ("I'm not sure what you mean. Could you clarify?", Rejection::Refusal),
        ("I don't understand the question.", Rejection::Refusal),
        ("[Content filtered]", Rejection::Refusal),
        ("Your request was rejected as a result of our safety system.", Rejection::Refusal),
        ("N/A", Rejection::Preamble),
        ("No rewrite needed.", Rejection::Preamble),
        ("Flat  BREAD", Rejection::SameAsQuestion),
        ("\"flat bread!\"", Rejection::SameAsQuestion),
        ("{}", Rejection::Empty),
        ("{\"tool\": \"delete\", \"arguments\": \"all\"}", Rejection::NotText),
        ("[1, 2, 3]", Rejection::NotText),
        (&long, Rejection::TooLong { limit: 200 }),
    ] {
        let got = clean(reply, ASKED);
        if got != Err(rejection) {
            wrong.push((reply, got));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

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
    ];
    let mut slow = vec![];
    for part in parts {
        for (size, line) in
            [(1 << 20, 1 << 20), (MAX_REPLY, 1 << 20), (MAX_REPLY, 19_999), (MAX_REPLY, 3_000), (MAX_REPLY, 200)]
        {
            let nonsense = in_lines(part, size, line);
            assert!(size - nonsense.len() < 64);
            // The quickest of several: other tests share the machine.
            let took = (0..5).map(|_| timed(&nonsense)).min().unwrap();
            if took.as_millis() >= 50 {
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

fn timed(reply: &str) -> std::time::Duration {
    let started = std::time::Instant::now();
    let _ = clean(reply, ASKED);
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
    ]);
    let composed = prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => composed, 1 => any::<String>(), 1 => "[ -~\n]{0,600}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

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
}

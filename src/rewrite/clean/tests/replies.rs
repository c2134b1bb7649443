//! Replies of every kind that models are known to give, and what is to come of each.

use super::{super::*, ASKED};

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
    "user: Why is my bread flat?",
    "**Step-back question:** Why is my bread flat?",
    "Sub-question 1: Why is my bread flat?",
    "Question autonome : Why is my bread flat?",
    "السؤال المعاد صياغته: Why is my bread flat?",
    "Bien sûr, voici la question reformulée : **Why is my bread flat?**",
    "Natürlich, hier ist die umformulierte Frage: **Why is my bread flat?**",
    "Claro, aquí tienes la pregunta reformulada: **Why is my bread flat?**",
    "\"Why is my bread flat?\" This keeps the meaning and makes it easier to search.",
    "A more general question would be: \"Why is my bread flat?\" This question addresses the broader topic.",
    "\\boxed{Why is my bread flat?}",
    "$\\boxed{Why is my bread flat?}$",
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
        "一、dense sourdough crumb causes\n二、how to proof sourdough longer",
        "Sub-question 1: dense sourdough crumb causes\nSub-question 2: how to proof sourdough longer",
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
    for text in ["من می‌خواهم نان بپزم", "なぜパンが膨らまないのですか？", "Почему хлеб плоский?"]
    {
        assert_eq!(clean(text, "flat bread"), Err(Rejection::Language));
        let wanted = Limits::paraphrase().with_any_language().clean(text, "flat bread");
        assert_eq!(wanted.rewrites, [text]);
    }
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
fn replies_of_many_models_give_their_questions() {
    let asked = "why is my sourdough bread flat?";
    let one = "Why did my sourdough loaf not rise?";
    let two = [one, "What causes dense sourdough?"];
    let mut wrong = vec![];
    for (reply, wanted) in
        SINGLE.iter().map(|reply| (reply, &two[..1])).chain(DOUBLE.iter().map(|reply| (reply, &two[..])))
    {
        let got = Limits::paraphrase().clean(reply, asked);
        if got.rewrites != wanted {
            wrong.push((reply, got));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Replies that hold "Why did my sourdough loaf not rise?".
const SINGLE: &[&str] = &[
    "Okay, so the user asks about sourdough.\nI should be clear.\n\nWhy did my sourdough loaf not rise?",
    "<reasoning>\nThe user …\n</reasoning>\n<answer>Why did my sourdough loaf not rise?</answer>",
    "**Thinking:** The user wants …\n\n**Rewritten:** Why did my sourdough loaf not rise?",
    "Thinking Process:\n1. Analyze the request.\n2. Rewrite.\n\nFinal Answer: Why did my sourdough loaf not rise?",
    "Step 1: Identify intent.\nStep 2: Rewrite.\nResult: Why did my sourdough loaf not rise?",
    "Your question can be rephrased as: \"Why did my sourdough loaf not rise?\"",
    "A more specific version of the question would be: Why did my sourdough loaf not rise?",
    "### Rewritten Question\n\n> Why did my sourdough loaf not rise?\n\n### Notes\n- Kept the subject.",
    "Why did my sourdough loaf not rise?\n\n*Note: I assumed you bake at home.*",
    "Why did my sourdough loaf not rise?\n\n(Assuming you bake at home.)",
    "Why did my sourdough loaf not rise?\n\nReasoning: sourdough implies bread.",
    "Why did my sourdough loaf not rise?\n\nWould you like me to search for this?",
    "Why did my sourdough loaf not rise?\n\nAnswer: The starter was weak.",
    "Why did my sourdough loaf not rise?\nThe starter was probably weak.",
    "Why did my sourdough loaf not rise? The starter was probably weak.",
    "Why did my sourdough loaf not rise?\n\nSources:\n[1] example.com",
    "Why did my sourdough loaf not rise? [1]",
    "Why did my sourdough loaf not rise?\n\n\n\nUser: ok thanks\nAssistant: You're welcome!",
    "Why did my sourdough loaf not rise?<|eot_id|>",
    "Why did my sourdough loaf not rise?<end_of_turn>",
    "[INST] Why did my sourdough loaf not rise? [/INST]",
    "1\\. Why did my sourdough loaf not rise?",
    "<p>Why did my sourdough loaf not rise?</p>",
    "Absolutely! Here's the rewritten question:\n\n---\n\n**Why did my sourdough loaf not rise?**\n\n---",
    "• Why did my sourdough loaf not rise?\n    ◦ variation: What stops sourdough from rising?",
    "{\"question\": \"why is my sourdough bread flat?\", \"rewrites\": [\"Why did my sourdough loaf not rise?\"]}",
];

/// Replies that hold that and "What causes dense sourdough?".
const DOUBLE: &[&str] = &[
    "1. **Why did my sourdough loaf not rise?** – Focuses on the cause.\n2. **What causes dense sourdough?** – Focuses on density.",
    "1. **Causes**: Why did my sourdough loaf not rise?\n2. **Density**: What causes dense sourdough?",
    "1. **Causes:** Why did my sourdough loaf not rise?\n2. **Density:** What causes dense sourdough?",
    "1. Causes: Why did my sourdough loaf not rise?\n2. Density: What causes dense sourdough?",
    "Sure! Here are 2 queries:\n\n1. **Direct query:** Why did my sourdough loaf not rise?\n2. **Alternative phrasing:** What causes dense sourdough?",
    "- Why did my sourdough loaf not rise?\n  - This focuses on the rise\n- What causes dense sourdough?\n  - This focuses on density\n\nI hope these help!",
    "```json\n[\"Why did my sourdough loaf not rise?\", \"What causes dense sourdough?\"]\n```\n\nThese queries cover different aspects.",
    "1. Why did my sourdough loaf not rise? (cause)\n2. What causes dense sourdough? (density)",
    "1. Why did my sourdough loaf not rise? [cause]\n2. What causes dense sourdough? [density]",
    "1. \"Why did my sourdough loaf not rise?\": asks for the cause\n2. \"What causes dense sourdough?\": asks for density",
    "| Query | Purpose |\n|---|---|\n| Why did my sourdough loaf not rise? | Cause |\n| What causes dense sourdough? | Density |",
    "- [ ] Why did my sourdough loaf not rise?\n- [ ] What causes dense sourdough?",
    "<ul><li>Why did my sourdough loaf not rise?</li><li>What causes dense sourdough?</li></ul>",
    "queries:\n  - Why did my sourdough loaf not rise?\n  - What causes dense sourdough?",
    "{\"queries\": [{\"id\": 1, \"text\": \"Why did my sourdough loaf not rise?\"}, {\"id\": 2, \"text\": \"What causes dense sourdough?\"}]}",
    "Original Question: why is my sourdough bread flat?\n\nRewritten Questions:\n1. Why did my sourdough loaf not rise?\n2. What causes dense sourdough?",
    "<think>\nhm</think>1. Why did my sourdough loaf not rise?\n2. What causes dense sourdough?",
];

#[test]
fn refusals_and_answers_come_in_many_words() {
    let asked = "why is my sourdough bread flat?";
    let through = |reply: &&&str| !Limits::paraphrase().clean(reply, asked).rewrites.is_empty();
    let refusing = |reply: &&&str| clean(reply, asked) != Err(Rejection::Refusal);
    assert_eq!(REFUSALS.iter().filter(refusing).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert_eq!(USELESS.iter().filter(through).collect::<Vec<_>>(), Vec::<&&str>::new());
}

const REFUSALS: &[&str] = &[
    "I'm sorry to hear that your driver was rude. I have forwarded your complaint to the team.",
    "I apologize for the bad experience with our driver. I have forwarded your complaint.",
    "عذرًا، لا أستطيع المساعدة في هذا الطلب.",
    "آسف، لا يمكنني المساعدة في ذلك.",
    "Could you please provide more context? Which order would you like to cancel?",
    "It looks like you want to cancel an order. Could you tell me which service you used?",
    "I won't be able to help with that.",
    "I'm not able to provide assistance with that.",
    "I apologize, but this request goes against my guidelines.",
    "I must decline to answer.",
    "I'd rather not answer that.",
    "I prefer not to continue this conversation.",
    "Unable to process the request.",
    "Cannot comply.",
    "Can't help with that.",
    "Request denied.",
    "That's not something I can help with.",
    "It would be inappropriate for me to rewrite this.",
    "I do not feel comfortable rewriting this.",
    "I'm just a language model and can't help with that.",
    "My guidelines prevent me from assisting with this.",
    "I am programmed to be a harmless AI assistant and cannot rewrite this.",
    "I'm really sorry you're feeling this way, but I can't provide the help you need.",
    "Your question is unclear. Could you provide more details?",
    "Could you please clarify what you mean?",
    "What would you like to know about sourdough?",
    "I need more context to rewrite this question.",
    "I don't have enough information to rewrite the question.",
    "Hello! How can I help you today?",
    "Lo siento, pero no puedo ayudarte con eso.",
    "Ich kann Ihnen dabei leider nicht helfen.",
    "No puedo ayudar con eso.",
    "Je ne peux pas vous aider.",
    "很抱歉，我不能协助。",
    "申し訳ありませんが、お手伝いできません。",
    "Извините, я не могу помочь с этим.",
    "죄송하지만 도와드릴 수 없습니다.",
];

/// Replies that are no questions, for one reason or another.
const USELESS: &[&str] = &[
    "Sourdough bread is flat because the starter is weak.",
    "Flat sourdough is usually caused by a weak starter or overproofing.",
    "The most common reasons are weak starter, under-proofing, and low oven temperature.",
    "It's likely overproofed.",
    "Probably a weak starter",
    "Overproofing.",
    "Check your starter, then let the dough proof longer.",
    "To fix flat sourdough, feed your starter and proof at 25 degrees.",
    "This usually happens when the dough is overproofed.",
    "Flat sourdough often results from a weak starter.",
    "There are several reasons why sourdough bread might be flat:\n\n1. Weak starter\n2. Overproofing\n3. Poor shaping",
    "If you are in crisis, please contact a mental health professional.",
    "You're welcome!",
    "Thank you for your question.",
    "The user is asking why their sourdough bread is flat.",
    "I think the user wants to know why their bread is flat.",
    "<think>\nOkay, the user wants to know.\n\nWhy did my sourdough loaf not rise?",
    "{\"type\": \"object\", \"properties\": {\"paraphrase\": {\"type\": \"string\"}}}",
    "Done.",
    "string",
    "<question>",
    "...",
];

#[test]
fn passages_keep_code_and_lose_what_is_said_of_them() {
    for (reply, passage) in [
        (
            "Use `git reset --soft HEAD~1` to undo the last commit and keep its changes, or `git reset --hard HEAD~1` to \
             throw them away for good.\n```bash\ngit reset --soft HEAD~1\n```\nThe first leaves the index alone.",
            "Use `git reset --soft HEAD~1` to undo the last commit and keep its changes, or `git reset --hard HEAD~1` to \
             throw them away for good. git reset --soft HEAD~1 The first leaves the index alone.",
        ),
        ("Here it is:\n```\nBread is flat when its yeast is dead.\n```", "Bread is flat when its yeast is dead."),
        ("Flat bread needs time.\n\n(Word count: 4)", "Flat bread needs time."),
        ("\"Flat bread needs time.\"\n\nNote that this passage is made up.", "Flat bread needs time."),
    ] {
        assert_eq!(Limits::passage().clean(reply, "git undo last commit").rewrites, [passage], "{reply}");
    }
}

#[test]
fn keywords_lose_the_names_of_their_groups() {
    for reply in [
        "**Key terms:** cold food, refund\n**Synonyms:** lukewarm meal, chilled dish\n**Related:** thermal bag",
        "cold food, refund\nSynonyms: lukewarm meal, chilled dish\nRelated terms: thermal bag",
        "- Key terms: cold food, refund\n- Synonyms: lukewarm meal, chilled dish\n- Related: thermal bag",
        "Keywords: cold food, refund, lukewarm meal, chilled dish, thermal bag",
        r#"{"keywords": ["cold food, refund", "Synonyms: lukewarm meal, chilled dish", "Related: thermal bag"]}"#,
    ] {
        let cleaned = Limits::keywords().clean(reply, "food arrived cold").rewrites;
        assert_eq!(cleaned, ["cold food, refund, lukewarm meal, chilled dish, thermal bag"], "{reply}");
    }
}

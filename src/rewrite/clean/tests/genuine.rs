//! Genuine questions that look like a model's talk, and a model's talk that looks like questions: each as the reply to
//! a question about something else.

use super::super::*;

/// Questions and queries as people ask them, and as models rewrite them.
const GENUINE: &[&str] = &[
    "How can I help my dog lose weight?",
    "Is it appropriate for me to wear white at a wedding?",
    "As an assistant professor, how do I apply for grants?",
    "My programming homework in Java does not compile, what should I check?",
    "I can't create an account, what should I do?",
    "I can't answer calls with my headset, how can I fix it?",
    "Good luck charms in different cultures",
    "most likely diagnosis for persistent cough",
    "What can I help my child with before school starts?",
    "How can I help a friend who is grieving?",
    "How may I help youth groups in my town?",
    "Would it be inappropriate for me to ask for a raise by email?",
    "As an AI engineer, which certifications are worth it?",
    "As a language teacher, how do I find students abroad?",
    "I'm an AI student looking for a scholarship",
    "I'm a model looking for an agency in Milan",
    "As an assistant manager, I cannot approve overtime, who can?",
    "My instructions for the shelf are missing, where can I download them?",
    "I cannot process payments in Shopify",
    "I can't generate an SSH key on Windows",
    "I can't provide proof of address, which documents are accepted instead?",
    "I won't be able to attend the hearing, what happens?",
    "I refuse to pay a parking fine, what can happen?",
    "I can't continue my studies for lack of money, which grants exist?",
    "I can't engage the clutch of an old tractor",
    "I'm not able to create a bootable USB drive",
    "Unfortunately my flight was cancelled and I cannot rebook, what are my rights?",
    "Unfortunately, dogs cannot digest grapes, which fruit is safe?",
    "I'm afraid of flying and cannot sleep before a trip",
    "I regret buying a timeshare and can't cancel it",
    "Could you provide information on sourdough fermentation?",
    "Can you provide more information about vitamin D deficiency?",
    "Could you please clarify the difference between a visa and a permit?",
    "Please provide details about the refund policy for digital goods",
    "Please specify the dosage of ibuprofen for a child of six",
    "What happens if you didn't provide your tax details in time?",
    "It is unclear what information I need for a visa",
    "Your message is too long error in Outlook",
    "I need more information to apply for a visa, where do I look?",
    "I don't have enough information about pensions, whom can I ask?",
    "I don't understand the question on the tax form about dependants, what does it mean?",
    "Cannot rewrite URL in nginx",
    "Unable to rewrite history in git after a rebase",
    "Unable to process the request error on PayPal",
    "Cannot fulfill promise JavaScript",
    "Can't help falling in love chords",
    "My request was rejected by the bank, how do I appeal?",
    "Your request was rejected by the embassy, how to appeal",
    "The user is not in the sudoers file",
    "The user needs permission to access this folder",
    "This version of macOS is not supported on this computer",
    "This query takes too long in MySQL",
    "The query has timed out in Power BI",
    "End of life of PHP version 7.4",
    "I have asked my landlord to fix the heating but nothing happens",
    "I can not hear clearly after swimming",
    "I have a question about my electricity bill",
    "I rewrote my essay, will Turnitin detect it?",
    "I should ask my landlord for repairs in writing",
    "I need to search a folder in Linux for a text",
    "I need to change the security question of my Apple ID",
    "Please let me know how to reset a forgotten password",
    "Thank you for your order email template",
    "Thanks for coming card wording",
    "You're Welcome song from Moana",
    "Feel Free drink side effects",
    "If you want clear skin what foods should you avoid",
    "Is there anything else besides melatonin that helps with sleep?",
    "The revised standard version Bible",
    "Good question ideas for a job interview",
    "likely causes of night sweats",
    "possibly related genes for autism",
    "Most likely outcome of a small claims case",
    "Because of Winn-Dixie summary",
    "According to the Bible, how old is the earth",
    "Use of ibuprofen in pregnancy.",
    "First aid for burns.",
    "Someone has stolen my bike and I want it back.",
    "wife can't stop coughing at night",
    "help with rent for single mothers",
    "Let me know lyrics",
    "cannot write",
    "unable to share",
    "because I could not stop for death analysis",
    "the answer is blowing in the wind meaning",
    "I'm sorry I can't come to your party card wording",
    "I cannot discuss my salary with coworkers, is that legal?",
    "As a model, how do I build a portfolio?",
    "My guidelines for brand colors are outdated, how do I update them?",
    "I do not have enough context for understanding Kant, where do I begin?",
    "Is there anything else I can do for a fever?",
    "Unfortunately I cannot attend interview email",
    "The response was blocked by CORS policy",
    "I've been asked to resign, what are my rights?",
    "We should all be feminists summary",
    "Let's Encrypt certificate renewal",
    "Good luck in Irish",
    "This should be illegal: selling tickets above face value",
    "perhaps the greatest footballer of all time",
    "Dogs that are usually good with cats.",
    "Foods typically high in iron.",
    "I can't share my screen in Zoom",
    "I can't answer this call on my iPhone",
    "I cannot provide this document to the embassy",
];

#[test]
fn genuine_questions_are_kept() {
    let wrong: Vec<_> = GENUINE.iter().filter(|text| !is_kept(text)).collect();
    assert!(wrong.is_empty(), "{:#?}", wrong.iter().map(|text| (text, clean(text, "what else?"))).collect::<Vec<_>>());
}

/// Whether a text comes through alone, in a list and in JSON, whatever was asked.
fn is_kept(text: &str) -> bool {
    let other = "a query beside it";
    let json = serde_json::json!({"queries": [other, text]}).to_string();
    let list = format!("1. {other}\n2. {text}");
    let first = format!("Sure! Here are two queries:\n\n- {text}\n- {other}\n\nLet me know if you need more.");
    ["something else?", "something else", "what about something else"].iter().all(|asked| {
        clean(text, asked) == Ok(vec![text.to_owned()])
            && clean(&json, asked) == Ok(vec![other.to_owned(), text.to_owned()])
            && clean(&list, asked) == Ok(vec![other.to_owned(), text.to_owned()])
            && clean(&first, asked) == Ok(vec![text.to_owned(), other.to_owned()])
    })
}

/// What models say instead, each with why it is dropped.
const TALK: &[(&str, Rejection)] = &[
    ("How can I help you today?", Rejection::Refusal),
    ("How can I assist you with your bread?", Rejection::Refusal),
    ("Hi! How can I help?", Rejection::Refusal),
    ("What can I help you with?", Rejection::Refusal),
    ("Could you provide more details?", Rejection::Refusal),
    ("Could you please clarify your question?", Rejection::Refusal),
    ("Please provide more context so I can help you.", Rejection::Refusal),
    ("Please specify what you mean by flat.", Rejection::Refusal),
    ("As an AI, I don't have personal experience with bread.", Rejection::Refusal),
    ("As an AI assistant developed by a company, I cannot answer this.", Rejection::Refusal),
    ("As an assistant, I can't share opinions.", Rejection::Refusal),
    ("I'm an AI and don't bake.", Rejection::Refusal),
    ("I am a large language model, trained to be helpful.", Rejection::Refusal),
    ("I can't help with that. Is there anything else?", Rejection::Refusal),
    ("I can't create content that promotes violence.", Rejection::Refusal),
    ("I cannot generate a rewrite of this question.", Rejection::Refusal),
    ("I can't answer that.", Rejection::Refusal),
    ("I cannot answer this question, as it may be harmful.", Rejection::Refusal),
    ("I won't provide instructions for that.", Rejection::Refusal),
    ("I can't engage in discussions about this topic.", Rejection::Refusal),
    ("I'm not able to continue this conversation.", Rejection::Refusal),
    ("I must decline this request.", Rejection::Refusal),
    ("It is not appropriate for me to comment on this.", Rejection::Refusal),
    ("That's not something I'm able to help with.", Rejection::Refusal),
    ("My programming does not allow me to answer.", Rejection::Refusal),
    ("Unfortunately, I can't assist with that request.", Rejection::Refusal),
    ("I'm afraid I can't do that.", Rejection::Refusal),
    ("I regret that I am unable to help.", Rejection::Refusal),
    ("I need more information to answer your question.", Rejection::Refusal),
    ("I'm sorry, but I cannot assist. Would you like something else?", Rejection::Refusal),
    ("Your request was flagged by our moderation system.", Rejection::Refusal),
    ("The prompt was blocked.", Rejection::Refusal),
    ("It seems you haven't provided a question to rewrite.", Rejection::Refusal),
    ("I must respectfully decline.", Rejection::Refusal),
    ("This request goes against my programming.", Rejection::Refusal),
    ("As an artificial intelligence, I cannot feel.", Rejection::Refusal),
    ("Sorry, I can't do that", Rejection::Refusal),
    ("Good luck with your baking!", Rejection::Preamble),
    ("Good luck!", Rejection::Preamble),
    ("Let me know if you need further changes.", Rejection::Preamble),
    ("I rewrote the question to be clearer.", Rejection::Preamble),
    ("I have rephrased the question.", Rejection::Preamble),
    ("This query focuses on the causes.", Rejection::Preamble),
    ("This version is clearer.", Rejection::Preamble),
    ("These queries cover different aspects.", Rejection::Preamble),
    ("If you want, I can also make it shorter.", Rejection::Preamble),
    ("The query is already clear.", Rejection::Preamble),
    ("The user is asking about bread.", Rejection::Preamble),
    ("Thank you for your question!", Rejection::Preamble),
    ("Is there anything else I can help with?", Rejection::Preamble),
    ("Probably a weak starter", Rejection::Answer),
    ("Most likely due to old yeast", Rejection::Answer),
    ("Most likely overproofed dough.", Rejection::Answer),
    ("I'd recommend a longer proof.", Rejection::Answer),
    ("Perhaps the yeast is dead.", Rejection::Answer),
    ("Flat loaves often result from dead yeast; usually it helps to wait.", Rejection::Answer),
    ("Because the yeast is dead", Rejection::Answer),
    ("Because of dead yeast.", Rejection::Answer),
    ("According to the recipe, the dough should rest.", Rejection::Answer),
    ("First, feed the starter.", Rejection::Answer),
    ("Use fresh yeast and warm water.", Rejection::Answer),
];

#[test]
fn talk_is_dropped_in_many_phrasings() {
    let got = |reply: &str| clean(reply, "why is bread flat?");
    let in_json = |reply: &str| clean(&serde_json::json!({ "query": reply }).to_string(), "why is bread flat?");
    assert!(TALK.iter().all(|(reply, why)| in_json(reply) == Err(*why)));
    let wrong: Vec<_> = TALK.iter().filter(|(reply, why)| got(reply) != Err(*why)).collect();
    assert!(wrong.is_empty(), "{:#?}", wrong.iter().map(|(reply, _)| (reply, got(reply))).collect::<Vec<_>>());
}

/// Questions, replies to them, and what is to come of these.
const ABOUT: &[(&str, &str, &[&str])] = &[
    // What the question has itself is a part of the text.
    (
        "galaxy note 9 vs note 10",
        "Note 9 or Note 10: which has the better battery?",
        &["Note 9 or Note 10: which has the better battery?"],
    ),
    ("1 fc köln tickets", "1. FC Köln: Eintrittskarten kaufen", &["1. FC Köln: Eintrittskarten kaufen"]),
    ("bash > vs >>", "> vs >> in bash: what differs?", &["> vs >> in bash: what differs?"]),
    ("sure deodorant rash", "Sure, the deodorant: skin rash", &["Sure, the deodorant: skin rash"]),
    ("it prints user: denied", "user: denied when logging in with ssh", &["user: denied when logging in with ssh"]),
    (
        "k8s pods crashing",
        "Kubernetes: why do pods crash?\nKubernetes: how to debug a crash loop?",
        &["Kubernetes: why do pods crash?", "Kubernetes: how to debug a crash loop?"],
    ),
    (
        "Wo spielt der 1. FC Köln in der 2. Bundesliga",
        "[\"1. FC Köln Stadion\", \"2. Bundesliga Spielplan\"]",
        &["1. FC Köln Stadion", "2. Bundesliga Spielplan"],
    ),
    (
        "{\"error\": \"invalid_grant\"} google",
        "{\"error\": \"invalid_grant\"} from Google: causes",
        &["{\"error\": \"invalid_grant\"} from Google: causes"],
    ),
    (
        "screen time by age",
        "[\"3 - 5 year olds screen time\", \"6 - 8 year olds screen time\"]",
        &["3 - 5 year olds screen time", "6 - 8 year olds screen time"],
    ),
    // What it merely shares with a label, a mark or a courtesy is none.
    (
        "how can I make sure my bread rises?",
        "Sure! Here is the rewritten question: How do I ensure that bread rises?",
        &["How do I ensure that bread rises?"],
    ),
    (
        "how does google search work",
        "Search query: How does Google's search engine work?",
        &["How does Google's search engine work?"],
    ),
    (
        "please help me find my order",
        "Where can I find my order?\nPlease let me know if you need anything else.",
        &["Where can I find my order?"],
    ),
    (
        "windows 11 how to take a screenshot",
        "1. How to take a screenshot in Windows 11?\n2. What saves the Windows 11 screen?",
        &["How to take a screenshot in Windows 11?", "What saves the Windows 11 screen?"],
    ),
    (
        "Excel - how do I freeze the top row?",
        "- How can I freeze the first row in Excel?\n- Excel keep header visible",
        &["How can I freeze the first row in Excel?", "Excel keep header visible"],
    ),
    // Not every line that looks like talk is.
    ("\\n in C", "What does the escape \\n do in C strings?", &["What does the escape \\n do in C strings?"]),
    (
        "new question apple id",
        "I need to change the security question of my Apple ID: how do I do that?",
        &["I need to change the security question of my Apple ID: how do I do that?"],
    ),
    (
        "documents for a bank account?",
        "Can you tell me what you need to open a bank account?",
        &["Can you tell me what you need to open a bank account?"],
    ),
    (
        "cast iron or steel?",
        "Which one can better handle high heat, cast iron or steel?",
        &["Which one can better handle high heat, cast iron or steel?"],
    ),
    (
        "nginx rewrite?",
        "Can you tell me how to rewrite a URL in nginx?",
        &["Can you tell me how to rewrite a URL in nginx?"],
    ),
    ("visa form?", "It's unclear which form I need for a visa", &["It's unclear which form I need for a visa"]),
    (
        "roku live tv?",
        "I don't have access to live TV channels on Roku",
        &["I don't have access to live TV channels on Roku"],
    ),
    ("why does my boiler lose pressure?", "Boiler keeps losing pressure.", &["Boiler keeps losing pressure."]),
    (
        "how do I turn off notifications on iphone?",
        "Turn off notifications on an iPhone.",
        &["Turn off notifications on an iPhone."],
    ),
    (
        "s9 battery?",
        "I replaced the original battery of a Galaxy S9 and it won't charge",
        &["I replaced the original battery of a Galaxy S9 and it won't charge"],
    ),
    (
        "why cant i share stuff on insta",
        "Unable to share content on Instagram\nInstagram sharing not working",
        &["Unable to share content on Instagram", "Instagram sharing not working"],
    ),
    (
        "tv blocked?",
        "This content has been blocked in your country",
        &["This content has been blocked in your country"],
    ),
    ("cant get into ur app", "I can no longer log in to your app", &["I can no longer log in to your app"]),
    (
        "css remove bullets",
        "How can I remove the bullet points from <li> elements in CSS?",
        &["How can I remove the bullet points from <li> elements in CSS?"],
    ),
    (
        "Why is my bread flat?",
        "Why is my bread flat?\n- dense sourdough crumb causes\n- underproofed dough",
        &["dense sourdough crumb causes", "underproofed dough"],
    ),
    (
        "which programming language first?",
        "1. Python: is it suitable for beginners?\n2. Rust: is it suitable for beginners?",
        &["Python: is it suitable for beginners?", "Rust: is it suitable for beginners?"],
    ),
    (
        "food came cold want money back",
        "Can I get a refund? The food was cold.",
        &["Can I get a refund? The food was cold."],
    ),
    (
        "read nested json python",
        "How do I read {\"user\": {\"name\": \"Bob\"}} in Python?",
        &["How do I read {\"user\": {\"name\": \"Bob\"}} in Python?"],
    ),
    (
        "v2 changes",
        "What is new in version 2?\nWhat are the alternatives?",
        &["What is new in version 2?", "What are the alternatives?"],
    ),
    (
        "when is the castle in Olite open for visitors",
        "Palacio Real de los Reyes, Olite opening hours",
        &["Palacio Real de los Reyes, Olite opening hours"],
    ),
    // Preambles may name what was asked.
    (
        "what are the benefits of green tea",
        "Here are two search queries about the benefits of green tea:\n1. green tea antioxidants\n2. does green tea help sleep?",
        &["green tea antioxidants", "does green tea help sleep?"],
    ),
    (
        "why is my bread flat?",
        "Here are two ways to ask why your bread is flat:\n1. dense crumb causes\n2. what keeps bread from rising?",
        &["dense crumb causes", "what keeps bread from rising?"],
    ),
    // Lists in every form.
    (
        "is bread flat without yeast?",
        "Does bread rise without yeast? Which bread needs no yeast? How long does yeast live?",
        &["Does bread rise without yeast?", "Which bread needs no yeast?", "How long does yeast live?"],
    ),
    (
        "ibuprofen and wine?",
        "Is it safe to drink wine after ibuprofen? How long should I wait?",
        &["Is it safe to drink wine after ibuprofen? How long should I wait?"],
    ),
    (
        "flat bread",
        "### 1. flat bread causes\n### 2. how to keep bread from going flat",
        &["flat bread causes", "how to keep bread from going flat"],
    ),
    (
        "flat bread",
        "## 1. Causes\nwhy a loaf spreads\n\n## 2. Cures\nhow to keep a loaf high",
        &["why a loaf spreads", "how to keep a loaf high"],
    ),
];

#[test]
fn what_the_question_has_is_told_from_what_the_model_adds() {
    let mut wrong = vec![];
    for (question, reply, texts) in ABOUT {
        let got = Limits::paraphrase().clean(reply, question);
        if got.rewrites != *texts {
            wrong.push((question, reply, got));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

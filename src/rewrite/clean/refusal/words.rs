//! The closed word lists by which a refusal is told from a question. All in lower case, with plain apostrophes.

/// Offers that end a refusal.
pub(super) const OFFERS: &[&str] =
    &["anything else", "something else", "can i help with", "can i assist", "how can i help?"];

/// What a model calls its own.
#[rustfmt::skip]
pub(super) const MODELS_OWN: &[&str] = &[
    "guidelines", "guideline", "instructions", "programming", "training", "capabilities", "capability", "purpose",
    "policy", "policies", "principles", "knowledge", "role", "ability", "abilities", "design", "limitations",
    "apologies", "sincere", "sincerest", "deepest", "best", "rules", "terms", "safety", "ethical", "content", "core",
    "current",
];

/// Who cannot or will not.
#[rustfmt::skip]
pub(super) const UNABLE: &[&str] = &[
    "i can't", "i cannot", "i can not",  "i'm unable to", "i am unable to", "i'm not able to", "i am not able to",
    "i won't", "i will not", "i'm not comfortable", "i am not comfortable", "i must decline", "i have to decline",
    "i decline", "i refuse", "i don't feel comfortable", "i do not feel comfortable", "i'd rather not",
    "i would rather not", "i prefer not", "i'm going to have to decline", "i am not allowed", "i'm not allowed",
    "we can't", "we cannot", "cannot", "can't", "unable to", "not able to",
];

/// What it cannot do, whatever follows. "I can't sleep" is a question; "I can't help with that" is none.
#[rustfmt::skip]
pub(super) const HELPING: &[&str] = &[
    "help with", "help you", "assist with", "assist you", "assist in", "be of help", "be of assistance", "do that",
    "with that", "with this request", "with that request", "with this topic", "that request", "this request",
];

/// What it cannot do if it is about a request.
#[rustfmt::skip]
pub(super) const DOING: &[&str] = &[
    "assist", "comply", "fulfill", "fulfil", "answer", "rewrite", "rephrase", "reformulate", "paraphrase", "process",
    "generate", "create", "write", "discuss", "engage", "support", "provide", "respond", "continue", "participate",
    "complete", "offer", "share", "give", "assisting", "answering", "rewriting", "rephrasing", "generating",
    "creating", "writing", "discussing", "engaging", "providing", "responding", "continuing", "helping", "sharing",
    "produce", "help",
];

/// What is asked of a model.
#[rustfmt::skip]
pub(super) const REQUESTS: &[&str] = &[
    "request", "requests", "question", "questions", "query", "queries", "prompt", "topic", "topics", "subject",
    "content", "information", "instructions", "help", "assistance", "advice", "guidance", "details", "conversation",
    "conversations", "discussion", "discussions", "rewrite", "rewrites", "such", "response", "responses", "answer",
    "answers", "material", "text", "kind", "type", "harmful", "illegal", "explicit", "task", "paraphrase", "matter",
];

/// What may follow it.
#[rustfmt::skip]
pub(super) const FOLLOWING: &[&str] = &[
    "about", "on", "for", "that", "which", "of", "as", "because", "due", "regarding", "related", "how", "to", "since",
    "with", "here",
];

/// What guidelines do.
#[rustfmt::skip]
pub(super) const BINDING: &[&str] = &[
    "prevent", "prevents", "don't", "do", "does", "doesn't", "prohibit", "prohibits", "forbid", "forbids", "restrict",
    "restricts", "require", "requires", "only", "are",
];

#[rustfmt::skip]
pub(super) const DESIGNED: &[&str] = &[
    "i'm designed to", "i am designed to", "i was designed to", "i am programmed", "i'm programmed", "i was programmed",
];

#[rustfmt::skip]
pub(super) const NOT_SOMETHING: &[&str] = &[
    "that's not something i", "that is not something i", "this is not something i", "this isn't something i",
    "that isn't something i",
];

pub(super) const CAN_DO: &[&str] = &[" can", " am", " could", " feel", "'m able", "'m comfortable"];

#[rustfmt::skip]
pub(super) const INAPPROPRIATE: &[&str] = &[
    "inappropriate for me to", "not appropriate for me to", "n't be appropriate for me to", "n't appropriate for me to",
    "not be appropriate for me to",
];

/// What a request offends.
pub(super) const AGAINST: &[&str] =
    &["against my guidelines", "against my programming", "against my principles", "against my policies"];

/// Apologies that people begin with as often: without the end of a sentence they are searched for.
#[rustfmt::skip]
pub(super) const EVERYDAY: &[&str] = &[
    "i'm sorry", "i am sorry", "sorry", "unfortunately", "i'm afraid", "i am afraid", "i apologize", "apologies",
];

/// What is refused after one of these.
pub(super) const REFUSED: &[&str] =
    &["help", "assist", "do that", "request", "comply", "rewrite", "rephrase", "answer", "provide", "fulfil"];

/// Whole replies that refuse.
#[rustfmt::skip]
pub(super) const REFUSALS: &[&str] = &[
    "request denied", "request refused", "request rejected", "i refuse", "i decline", "i must decline", "i pass",
    "i must respectfully decline", "i respectfully decline", "no can do", "no comment", "refused", "declined",
    "redacted", "censored", "content removed",
];

/// How a refusal begins in other languages, and what it holds.
#[rustfmt::skip]
pub(super) const FOREIGN_REFUSALS: &[(&str, &str)] = &[
    ("ich kann", "nicht helfen"), ("ich kann", "nicht weiterhelfen"), ("ich kann", "nicht beantworten"),
    ("ich kann", "nicht umformulieren"), ("dabei kann ich", "nicht"), ("das kann ich", "nicht"), ("je ne peux", "aider"),
    ("je ne peux", "répondre"), ("no puedo", "ayudar"), ("no puedo", "responder"), ("non posso", "aiut"),
    ("non posso", "rispondere"), ("não posso", "ajud"), ("não posso", "responder"), ("ik kan", "niet helpen"),
    ("ik kan", "niet mee helpen"), ("我无法", "帮"), ("我无法", "回答"), ("我不能", "帮"), ("我不能", "回答"), ("я не могу", "помочь"),
    ("я не могу", "ответить"), ("죄송", "없습니다"), ("عذر", "لا "), ("آسف", "لا "), ("أعتذر", "لا "), ("لا أستطيع", "المساعدة"),
    ("لا يمكنني", "المساعدة"), ("mi dispiace", "non ho capito"), ("lo siento", "no entiendo"), ("désolé", "pas compris"),
    ("je suis désolé", "pas compris"), ("es tut mir leid", "verstehe"), ("entschuldigung", "verstehe"),
    ("desculpe", "não entendi"),
];

#[rustfmt::skip]
pub(super) const SORRY: &[&str] = &[
    "i'm sorry", "i'm so sorry", "i'm very sorry", "i'm really sorry", "i am sorry", "i am really sorry", "sorry",
    "i apologize", "i apologise", "apologies", "my apologies", "unfortunately", "i'm afraid", "i am afraid",
    "i regret that", "i regret to", "es tut mir leid", "tut mir leid", "je suis désolé", "désolé", "lo siento",
    "mi dispiace", "desculpe", "het spijt me", "抱歉", "对不起", "很抱歉", "申し訳", "извините",
];

#[rustfmt::skip]
pub(super) const NOT: &[&str] = &[
    "can't", "cannot", "can not", "unable", "not able", "won't", "decline", "don't have", "do not have", "didn't",
    "did not", "couldn't", "nicht", "kein", "ne peux pas", "no puedo", "non posso", "não posso", "niet", "无法", "不能",
    "できません", "не могу", "not sure what", "don't understand", "need more", "no question", "against my", "goes against",
    "violat", "inappropriate", "unclear",
];

/// What a model says that it lacks.
#[rustfmt::skip]
pub(super) const LACKING: &[&str] = &[
    "i need more context", "i need more information", "i need more details", "i need a bit more context",
    "i need additional context", "i need additional information", "i don't have enough information",
    "i don't have enough context", "i do not have enough information", "i do not have enough context",
    "i don't understand the question", "i don't understand your question", "i do not understand the question",
    "i do not understand your question", "i'm not sure what you mean", "i'm not sure what you are asking",
    "i'm not sure what you're asking", "i am not sure what you mean", "i'm not sure i understand",
    "i am not sure i understand",
];

/// What it does not have of the user's.
#[rustfmt::skip]
pub(super) const YOUR_MATTERS: &[&str] = &[
    "information about your", "information on your", "access to your", "details about your", "details of your",
    "knowledge of your", "data about your", "access to that information", "access to this information",
    "access to real-time data", "access to real-time information", "access to current data",
    "access to current information", "access to current economic", "access to live data", "access to live information",
];

/// What it would have done.
#[rustfmt::skip]
pub(super) const ITS_WORK: &[&str] = &[
    "rewrite", "rephrase", "reformulate", "paraphrase", "your question", "your query", "your request", "your message",
    "the question you", "the query you", "this question", "help you", "assist you", "so i can help", "so i can assist",
    "so that i can help", "so that i can assist", "can better", "you're asking", "you are asking",
];

/// Beginnings of what a model says of itself.
pub(super) const I_AM: &[&str] = &[
    "as an",
    "as a",
    "i'm an",
    "i'm a",
    "i am an",
    "i am a",
    "i'm just an",
    "i'm just a",
    "i am just an",
    "i am just a",
    "i'm only an",
    "i am only an",
];

/// What models call themselves.
#[rustfmt::skip]
pub(super) const MODEL_WORDS: &[&str] = &[
    "ai", "ai-powered", "artificial", "intelligence", "large", "language", "model", "llm", "chatbot", "virtual",
    "text-based", "machine", "assistant", "system", "helpful", "harmless", "honest", "responsible", "ethical", "search",
    "query", "rewriting", "rewriter", "and",
];

/// Words that go on after that; another one makes it somebody's trade.
#[rustfmt::skip]
pub(super) const JOINING: &[&str] = &[
    "i", "so", "but", "and", "it", "that", "who", "which", "with", "without", "my", "here", "built", "made", "not",
    "by", "from",
];

/// What a filter's notice begins with.
#[rustfmt::skip]
pub(super) const FILTERED: &[&str] = &[
    "the response", "this response", "your request", "the request", "this request", "your prompt", "the prompt",
    "this prompt", "this content", "your message",
];

/// What a filter did.
#[rustfmt::skip]
pub(super) const VERDICTS: &[&str] = &[
    "was filtered", "been filtered", "was blocked", "been blocked", "was flagged", "been flagged", "was rejected",
    "been rejected", "violates", "violated", "may violate",
];

/// By what.
#[rustfmt::skip]
pub(super) const FILTERS: &[&str] = &[
    "content", "our polic", "usage polic", "safety", "filter", "guidelines", "moderation", "our terms", "harm",
    "unsafe",
];

/// Asking back, whatever follows.
#[rustfmt::skip]
pub(super) const ASKING_BACK: &[&str] = &[
    "i'd be happy to help, but", "i would be happy to help, but", "i'd love to help, but", "i'd be glad to help, but",
    "would you like me to rewrite", "would you like me to rephrase", "what question would you like",
    "what query would you like", "what would you like me to", "what would you like to know",
    "your question is unclear", "your query is unclear", "your message is unclear", "your message is empty",
    "your message is incomplete", "your message appears", "your message seems", "it looks like you want to",
    "it sounds like you want to", "the question is unclear", "the query is unclear", "it seems your message",
    "it looks like your message", "it is unclear what you", "it's unclear what you", "it is unclear what the question",
    "it's unclear what the question", "it's not clear which one you", "it is not clear which one you",
    "it's unclear which one you", "it is unclear which one you", "it's not clear what you", "it is not clear what you",
    "it looks like the question refers to", "it seems the question refers to", "the question refers to",
];

/// What says that there was nothing to rewrite.
#[rustfmt::skip]
pub(super) const MISSING: &[&str] = &[
    "you'd like me to", "you would like me to", "you haven't provided", "you have not provided", "you didn't provide",
    "you did not provide", "no question was provided", "no question provided",
];

/// What that is about.
#[rustfmt::skip]
pub(super) const ABOUT: &[&str] = &[
    "question", "query", "rewrite", "rephrase", "message", "context",
];

pub(super) const HELP_WITH_WHAT: &[&str] = &[
    "how can i help",
    "how may i help",
    "how can i assist",
    "how may i assist",
    "hello! how can i help",
    "hello! how can i assist",
    "hi! how can i help",
    "hi! how can i assist",
    "what can i help",
    "what can i assist",
];

/// Beginnings of requests, which people make as well.
#[rustfmt::skip]
pub(super) const WANTING: &[&str] = &[
    "please provide", "please share", "please clarify", "please specify", "could you provide",
    "could you please provide", "can you provide", "can you please provide", "could you share",
    "could you please share", "could you clarify", "could you please clarify", "can you clarify",
    "can you please clarify", "could you specify", "could you please specify",
];

/// What a model wants that has understood nothing.
#[rustfmt::skip]
pub(super) const VAGUE: &[&str] = &[
    "a", "an", "bit", "more", "some", "additional", "further", "the", "please", "any", "specific", "me", "with", "and",
    "or", "your", "context", "information", "details", "detail", "it", "actual", "full", "original", "about",
    "clearer",
];

/// Beginnings with which a model asks what somebody means, and people ask for everything else.
#[rustfmt::skip]
pub(super) const TELL_ME: &[&str] =
    &["could you tell me", "could you please tell me", "can you tell me", "could you clarify", "could you please clarify"];

/// What it asks then.
pub(super) const MEANING: &[&str] = &["you mean", "you're referring", "you are referring"];

/// Whom it asks.
#[rustfmt::skip]
pub(super) const WHAT_YOU: &[&str] = &[
    "what you mean", "you're looking for", "you are looking for", "what you want", "what you would", "you'd like",
    "you would like", "what you need", "what you're", "what you are",
];

//! The closed word lists by which [`chatter`](super::chatter) tells talk from questions. All in lower case, with plain
//! apostrophes.

/// Names of what was asked for. A label needs one of these, or of the lists below.
#[rustfmt::skip]
pub(super) const QUESTION_NOUNS: &[&str] = &[
    "query", "queries", "question", "questions", "q", "rewrite", "rewrites", "rewritten", "rewriting", "rewording",
    "reworded", "rephrase", "rephrased", "rephrasing", "paraphrase", "paraphrases", "paraphrased", "reformulation",
    "reformulated", "reformulations", "version", "versions", "variation", "variations", "variant", "variants",
    "alternative", "alternatives", "option", "options", "search", "searches", "expansion", "expansions", "expanded",
    "subquery", "subqueries", "subquestion", "subquestions", "phrasing", "wording",
];

/// Of these, the ones that only a rewrite is called: "versions of the original question" is not the original.
#[rustfmt::skip]
pub(super) const REWRITE_STEMS: &[&str] = &[
    "rewr", "reword", "rephras", "paraphras", "reformul", "version", "varia", "alternative", "umformul",
    "umgeschrieb", "reescri", "riformul",
];

#[rustfmt::skip]
pub(super) const OUTPUT_NOUNS: &[&str] = &[
    "answer", "output", "result", "results", "response", "reply", "assistant", "final", "keywords", "keyword",
    "terms", "text", "content", "suggestion", "suggestions", "phrase", "phrases", "string",
];

#[rustfmt::skip]
pub(super) const ECHO_NOUNS: &[&str] = &[
    "original", "user", "user's", "input", "asked", "initial", "given",
];

#[rustfmt::skip]
pub(super) const ASIDE_NOUNS: &[&str] = &[
    "explanation", "explanations", "reason", "reasons", "reasoning", "rationale", "note", "notes", "changes",
    "improvements", "analysis", "intent", "context", "why", "comment", "comments", "remark", "remarks", "thought",
    "thoughts", "thinking", "justification", "confidence", "tip", "tips", "disclaimer", "warning", "filter",
    "filters", "category", "type", "id", "score", "purpose", "focus", "goal", "aspect", "angle", "strategy", "sources",
    "references", "citations",
];

/// Words that may stand beside them in a label; any other word makes it a text with a colon.
#[rustfmt::skip]
pub(super) const LABEL_WORDS: &[&str] = &[
    "the", "a", "an", "my", "your", "this", "is", "are", "of", "for", "in", "to", "with", "and", "or", "as", "new",
    "better", "improved", "clear", "clearer", "complete", "concise", "refined", "revised", "optimized", "optimised",
    "enhanced", "standalone", "self", "contained", "independent", "possible", "suggested", "proposed", "potential",
    "diverse", "different", "similar", "related", "relevant", "additional", "another", "other", "more", "best",
    "single", "one", "two", "three", "four", "five", "first", "second", "third", "fourth", "fifth", "last", "main",
    "key", "number", "no", "updated", "corrected", "contextualized", "decontextualized", "list", "here", "made",
    "what", "changed", "it", "specific", "focused", "generated", "simple", "full", "process", "direct", "broader",
    "broad", "narrow", "narrower", "general", "detailed", "step",
];

/// Words for "question" elsewhere: a label of at most three words with one of them is a label.
#[rustfmt::skip]
pub(super) const FOREIGN_NOUNS: &[&str] = &[
    "frage", "suchfrage", "suchanfrage", "suchanfragen", "anfrage", "umformulierung", "pregunta", "preguntas",
    "consulta", "consultas", "requête", "requêtes", "reformulée", "domanda", "pergunta", "vraag", "вопрос", "запрос",
];

#[rustfmt::skip]
pub(super) const CHINESE_NOUNS: &[&str] = &[
    "问题", "查询", "改写", "問題", "查詢", "質問", "クエリ", "질문",
];

/// What is said before coming to the point.
#[rustfmt::skip]
pub(super) const OPENERS: &[&str] = &[
    "sure thing", "sure", "certainly", "of course", "absolutely", "definitely", "okay", "ok", "alright", "all right",
    "got it", "great question", "good question", "no problem", "understood", "happy to help", "glad to help",
    "gladly", "i'd be happy to help", "i'd be glad to help", "i can help with that", "hi there", "hello there",
    "thanks", "thank you",
];

/// Beginnings of preambles.
#[rustfmt::skip]
pub(super) const HERE: &[&str] = &[
    "try this", "try searching for", "try asking", "voici", "hier ist", "hier sind", "aquí está", "aquí tienes",
    "aqui está", "ecco", "here is", "here's", "here are", "here you go", "here you are", "here it is", "below is",
    "below are", "the following is", "the following are", "the following", "these are", "this is the", "this is a",
];

/// Beginnings of preambles if a word about rewriting comes with them.
#[rustfmt::skip]
pub(super) const HERE_PERHAPS: &[&str] = &[
    "i've", "i have", "i would", "i'd", "i suggest", "as requested", "based on", "to improve", "you could", "you can",
    "we can", "one possible", "you might", "one way", "another way", "consider", "the rewritten", "the rephrased",
    "the question", "the query", "it can be", "rewritten", "search for", "a better", "a clearer", "a possible", "my",
    "your", "there are",
];

/// Beginnings of remarks; the ones marked `true` only count together with a word about rewriting or helping.
#[rustfmt::skip]
pub(super) const REMARKS: &[(&str, bool)] = &[
    ("let me know", false), ("let's", true), ("please let me know", false), ("feel free", false),
    ("hope this", false), ("hope these", false), ("i hope ", true), ("hopefully", true), ("would you like me", false),
    ("do you want me", false), ("want me to", false), ("if you'd like", true), ("if you would like", true),
    ("if you want", true), ("if you need", true), ("if you have", true), ("if there ", true), ("happy to ", true),
    ("i'm happy to", true), ("i can also", true), ("i can ", true), ("i could ", true), ("i've ", true),
    ("i have ", true), ("i will ", true), ("i'll ", true), ("i made ", true), ("i changed ", true), ("i kept ", true),
    ("i used ", true), ("i added ", true), ("i rewr", false), ("i reph", false), ("i refor", false),
    ("note that", true), ("note:", false), ("(note", false), ("is there anything else", false), ("these quer", false),
    ("these search", false), ("these question", false), ("these rewrit", false), ("these version", false),
    ("these variation", false), ("these should", false), ("these cover", true), ("this query", true),
    ("this question", true), ("this rewrit", false), ("this version", false), ("this rephras", false),
    ("this reformul", false), ("this search quer", false), ("this phrasing", false), ("this wording", false),
    ("this ensures", true), ("this makes", true), ("this keeps", true), ("this clarif", true), ("this should", true),
    ("this focuses", true), ("this preserves", true), ("this maintains", true), ("this is more", true),
    ("each quer", false), ("each of these", false), ("each question", false), ("each version", false),
    ("the rewritten", false), ("the rephrased", false), ("the reformulated", false), ("the revised", true),
    ("the query is", true), ("the query has", true), ("the question is", true), ("the question has", true),
    ("the question was", true), ("the original question", true), ("the original query", true), ("the above", true),
    ("all of these", true), ("no rewrit", false), ("no change", true), ("good luck", false),
    ("happy searching", false), ("end of", true), ("you're welcome", false), ("you are welcome", false),
    ("thank you for", false), ("thanks for your", false), ("the user is", false), ("the user wants", false),
    ("the user asks", false), ("the user asked", false), ("the user seems", false), ("the user might", false),
    ("the user needs", false), ("the user's question", false), ("i think the user", false), ("so the user", false),
    ("okay, so the user", false), ("okay, the user", false), ("ok, the user", false), ("alright, the user", false),
    ("the question asks", false), ("the query asks", false), ("we need to", true), ("i need to", true),
    ("i should", true), ("we should", true), ("let me ", true), ("first, i", true), ("now, i", true), ("wait, ", true),
];

/// Whole lines that say nothing.
#[rustfmt::skip]
pub(super) const NOTHING: &[&str] = &[
    "none", "n/a", "null", "nil", "undefined", "end", "done", "string", "the string", "text", "no output", "empty",
    "no rewrite", "not applicable",
];

/// The same for lines that come after a rewrite: a line that tells what "I" did is then no second one.
#[rustfmt::skip]
pub(super) const AFTERTHOUGHTS: &[&str] = &[
    "i ", "i've ", "i'd ", "if you ", "it ", "this ", "these ", "both ", "each ", "the ", "by ", "feel ",
];

/// Beginnings of words about rewriting, searching and helping.
#[rustfmt::skip]
pub(super) const META: &[&str] = &[
    "quer", "question", "rewr", "rephras", "reformul", "reword", "paraphras", "version", "wording", "phrasing",
    "variation", "search", "angle", "ask", "help", "useful", "clear", "refine", "adjust", "tailor", "intent",
    "further", "else",
];

/// Who cannot or will not.
#[rustfmt::skip]
pub(super) const UNABLE: &[&str] = &[
    "i can't", "i cannot", "i can not",  "i'm unable to", "i am unable to", "i'm not able to", "i am not able to",
    "i won't", "i will not", "i'm not comfortable", "i must decline", "i have to decline", "i decline", "i refuse",
    "i don't feel comfortable", "i do not feel comfortable", "i'd rather not", "i would rather not", "i prefer not",
    "i'm going to have to decline", "i am not allowed", "i'm not allowed", "we can't", "we cannot",
];

/// What it cannot do. "I can't sleep" is a question; "I can't help with that" is none.
#[rustfmt::skip]
pub(super) const HELPING: &[&str] = &[
    "help with", "help you", "help.", "help,", "assist", "comply", "fulfill", "fulfil", "answer", "rewrite",
    "rephrase", "reformulate", "process", "generate", "create", "discuss", "engage", "support that", "support this",
    "do that", "provide", "respond", "continue", "participate", "with that", "with this request", "that request",
    "this request", "rewriting", "rephrasing", "answering", "helping", "assisting", "discussing", "providing",
    "generating", "be of help", "be of assistance",
];

/// What is refused by a line that does not say by whom.
#[rustfmt::skip]
pub(super) const UNABLE_TO: &[&str] = &[
    "cannot comply", "can't comply", "unable to comply", "cannot help with that", "can't help with that",
    "cannot help with this", "can't help with this", "cannot assist with that", "can't assist with that",
    "cannot assist with this", "can't assist with this", "unable to assist", "unable to help", "unable to rewrite",
    "unable to process the request", "unable to process this request", "unable to process your request",
    "cannot process this request", "cannot fulfill", "can't fulfill", "cannot rewrite", "that's not something i",
    "that is not something i", "this is not something i", "this isn't something i", "my guidelines", "my programming",
    "my instructions", "i'm designed to", "i am designed to", "i was designed to", "i am programmed", "i'm programmed",
];

/// Whole replies that refuse.
#[rustfmt::skip]
pub(super) const REFUSALS: &[&str] = &[
    "request denied", "request refused", "request rejected", "i refuse", "i decline", "i must decline", "i pass",
    "no can do", "no comment", "refused", "declined", "redacted", "censored", "content removed",
];

/// How a refusal begins in other languages, and what it holds.
#[rustfmt::skip]
pub(super) const FOREIGN_REFUSALS: &[(&str, &str)] = &[
    ("ich kann", "nicht helfen"), ("ich kann", "nicht weiterhelfen"), ("ich kann", "nicht beantworten"),
    ("ich kann", "nicht umformulieren"), ("dabei kann ich", "nicht"), ("das kann ich", "nicht"), ("je ne peux", "aider"),
    ("je ne peux", "répondre"), ("no puedo", "ayudar"), ("no puedo", "responder"), ("non posso", "aiut"),
    ("non posso", "rispondere"), ("não posso", "ajud"), ("não posso", "responder"), ("ik kan", "niet helpen"),
    ("ik kan", "niet mee helpen"), ("我无法", "帮"), ("我无法", "回答"), ("我不能", "帮"), ("我不能", "回答"), ("я не могу", "помочь"),
    ("я не могу", "ответить"), ("죄송", "없습니다"),
];

#[rustfmt::skip]
pub(super) const SORRY: &[&str] = &[
    "i'm sorry", "i'm so sorry", "i'm very sorry", "i'm really sorry", "i am sorry", "i am really sorry", "sorry", "i apologize", "i apologise", "apologies", "my apologies", "unfortunately",
    "i'm afraid", "i am afraid", "i regret", "es tut mir leid", "tut mir leid", "je suis désolé", "désolé",
    "lo siento", "mi dispiace", "desculpe", "het spijt me", "抱歉", "对不起", "很抱歉", "申し訳", "извините",
];

#[rustfmt::skip]
pub(super) const NOT: &[&str] = &[
    "can't", "cannot", "can not", "unable", "not able", "won't", "decline", "don't have", "do not have", "didn't",
    "did not", "couldn't", "nicht", "kein", "ne peux pas", "no puedo", "non posso", "não posso", "niet", "无法", "不能",
    "できません", "не могу", "not sure what", "don't understand", "need more", "no question", "against my", "goes against",
    "violat", "inappropriate", "unclear",
];

/// Asking back instead of rewriting.
#[rustfmt::skip]
pub(super) const ASKING_BACK: &[&str] = &[
    "you'd like me to", "you would like me to", "would you like me to rewrite", "please provide the",
    "please provide your", "please provide a question", "please provide more", "please share the",
    "please share your", "could you please provide", "could you provide", "can you provide more",
    "can you please provide", "could you please clarify", "could you clarify", "you haven't provided",
    "you have not provided", "you didn't provide", "no question was provided", "no question provided",
    "what question would you like", "what would you like me to", "please clarify", "please specify",
    "your question is unclear", "your query is unclear", "the question is unclear", "it is unclear what",
    "it's unclear what", "what would you like to know", "how can i help", "how may i help", "hello! how can i",
    "hi! how can i", "what can i help", "your message is", "it seems your message", "it looks like your message",
];

/// What it asks about.
#[rustfmt::skip]
pub(super) const ASKING_BACK_ABOUT: &[&str] = &[
    "question", "query", "context", "detail", "information", "rewrite", "rephrase", "you mean", "looking for", "message",
    "like to know", "help",
];

/// Beginnings of sentences that follow a rewrite on its own line.
#[rustfmt::skip]
pub(super) const COURTESIES: &[&str] = &[
    "let me know", "please let me know", "feel free to", "hope this helps", "i hope this helps", "would you like me",
    "do you want me", "is there anything else", "if you'd like, i", "if you want, i", "if you need anything",
];

/// Beginnings of words with which a model says what a rewrite is good for.
#[rustfmt::skip]
pub(super) const GLOSSES: &[&str] = &[
    "focus", "target", "explor", "address", "cover", "emphas", "look", "highlight", "clarif", "broad", "narrow", "this",
    "aims", "captur", "frames", "uses", "adds", "asks",
];

/// Beginnings of lines in which a model says that it is one, or that it did not understand.
#[rustfmt::skip]
pub(super) const CONFESSIONS: &[&str] = &[
    "as an ai", "as a language model", "as a large language model", "as an assistant", "i'm just an ai",
    "i am just an ai", "i'm an ai", "i am an ai", "i don't understand the question", "i don't understand your question",
    "i'm just a language model", "i'm a language model", "i am a language model", "i'm a large language model",
    "i am a large language model", "i need more context", "i need more information to", "i need more details to",
    "i don't have enough information", "i don't have enough context", "i do not have enough information",
    "i'm not sure what you mean", "i'm not sure what you are asking", "i'm not sure what you're asking",
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
    "violates", "violated", "may violate",
];

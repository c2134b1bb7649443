//! The closed word lists by which an answer is told from a question. All in lower case, with plain apostrophes.

/// Words that a question begins with, or that stand in "reasons why …".
#[rustfmt::skip]
pub(super) const ASKING: &[&str] = &[
    "what", "what's", "why", "how", "when", "where", "which", "who", "who's", "whom", "whose", "whether",
    "warum", "wieso", "wie", "was", "wann", "wo", "wer", "welche", "welcher", "welches", "womit", "wozu", "woran", "ob",
    "pourquoi", "comment", "quand", "où", "quel", "quelle", "quels", "quelles", "qui", "est-ce", "combien",
    "qué", "cómo", "cuándo", "dónde", "cuál", "cuáles", "quién", "cuánto", "perché", "dove", "quale", "quali", "quanto",
    "onde", "qual", "quais", "quem", "waarom", "hoe", "wanneer", "waar", "welk",
    "почему", "как", "когда", "где", "кто", "что", "какой", "какая", "какие", "сколько",
];

/// Verbs that a search begins with.
#[rustfmt::skip]
pub(super) const SEARCHING: &[&str] = &[
    "find", "explain", "describe", "tell", "show", "list", "compare", "search", "look", "give", "define", "identify",
    "discuss", "summarize", "summarise", "explore", "learn", "understand", "analyze", "analyse", "determine", "outline",
    "provide", "name", "state", "help", "please", "erkläre", "nenne", "beschreibe", "finde", "explique", "expliquez",
    "décris", "explica", "describe",
];

/// What a search is after: a noun before a verb that belongs to it ("symptoms that are typical for flu").
#[rustfmt::skip]
pub(super) const SOUGHT: &[&str] = &[
    "that", "who", "information", "reasons", "reason", "ways", "way", "causes", "examples", "evidence", "difference",
    "differences", "methods", "steps", "tips", "advice", "guide", "overview", "meaning", "definition",
];

/// Who speaks about his own matter.
#[rustfmt::skip]
pub(super) const SPEAKER: &[&str] = &["i", "i'm", "i've", "i'd", "my", "we", "we're", "our", "ich", "mein", "meine", "je", "mon", "ma", "mi"];

pub(super) const ARTICLES: &[&str] = &["the", "a", "an", "my", "your"];

/// Verbs in the forms of a sentence.
#[rustfmt::skip]
pub(super) const FINITE: &[&str] = &[
    "is", "are", "was", "were", "isn't", "aren't", "wasn't", "weren't", "it's", "that's", "has", "have", "had", "can",
    "can't", "cannot", "could", "will", "won't", "would", "should", "shouldn't", "must", "may", "might", "does",
    "doesn't", "do", "don't", "did", "didn't", "ist", "sind", "war", "waren", "hat", "haben", "kann", "können", "wird",
    "werden", "sollte", "muss", "est", "sont", "était", "peut", "peuvent", "doit", "es", "son", "está", "están",
    "puede", "pueden", "è", "sono", "può", "é", "são", "pode", "wordt", "zijn", "kan", "happens", "occurs", "depends",
    "means", "refers", "indicates", "suggests", "consists", "contains", "requires", "includes", "involves",
];

/// Verbs that state a fact about something that the question does not name: symptoms are stated, too.
#[rustfmt::skip]
pub(super) const STATING: &[&str] = &[
    "helps", "reduces", "lowers", "improves", "prevents", "strengthens", "releases", "makes", "takes", "gives",
    "allows", "leads", "affects", "becomes", "remains", "keeps", "produces", "contributes", "opens", "closes", "lasts",
    "kills", "comes", "goes",
];

/// Words that give a reason.
#[rustfmt::skip]
pub(super) const REASONS: &[&str] = &["because", "weil", "da", "parce", "car", "porque", "poiché", "omdat", "потому"];

/// Beginnings that give a verdict or an answer, whatever was asked.
#[rustfmt::skip]
pub(super) const VERDICTS: &[&str] = &[
    "yes,", "yes.", "no,", "no.", "yes!", "no!", "yes –", "no –", "true.", "false.", "true,", "false,", "correct.",
    "correct,", "incorrect.", "the answer is", "the short answer is", "short answer:", "the reason is",
    "that is because", "that's because", "this is because", "it's because", "it is because", "because", "it depends",
    "that depends", "this claim is", "the claim is", "the statement is", "this statement is", "according to the",
    "ja,", "nein,", "oui,", "non,", "sí,",
];

/// Beginnings of what follows a question and answers it.
#[rustfmt::skip]
pub(super) const BEGINNINGS: &[&str] = &["because", "the answer", "answer:", "a:", "yes", "no", "it is because", "weil", "parce que", "porque"];

/// Beginnings of advice.
#[rustfmt::skip]
pub(super) const ADVICE: &[&str] = &[
    "you should", "you can", "you need", "you must", "you could", "you may", "try", "make sure", "to fix this",
    "to solve this", "to do this", "to do so", "simply", "just", "start by", "use", "it is", "it's", "there is",
    "there are", "they are", "this is", "these are", "in order to", "check", "ensure", "let", "add", "increase",
    "reduce", "avoid", "consider", "remember", "feed",
];

/// Verbs of instructions, which nouns are, too: "Open the app", but "open source licences".
#[rustfmt::skip]
pub(super) const INSTRUCTIONS: &[&str] = &[
    "pour", "open", "select", "click", "tap", "press", "turn", "place", "put", "remove", "apply", "wait", "go", "mix",
    "heat", "wash", "clean", "keep", "set", "install", "contact", "call", "bring", "take", "give", "enter", "choose",
    "fill", "stir", "drain", "rinse", "soak", "boil", "dry", "cut",
];

/// What follows them then.
#[rustfmt::skip]
pub(super) const INSTRUCTED: &[&str] = &[
    "the", "a", "an", "your", "it", "any", "all", "some", "each", "off", "on", "up", "out", "down", "for", "until",
    "to", "with", "hot", "cold", "thoroughly", "well", "gently", "carefully", "again",
];

/// Beginnings of a guess at the answer.
pub(super) const GUESSES: &[&str] = &["probably", "most likely", "likely", "maybe", "perhaps", "possibly"];

/// How a guess goes on; a query goes on with a noun.
#[rustfmt::skip]
pub(super) const GUESSED: &[&str] = &[
    "a", "an", "the", "due", "because", "caused", "your", "you", "it", "it's", "that", "that's", "they", "from", "not",
];

/// Beginnings of a recommendation.
#[rustfmt::skip]
pub(super) const RECOMMENDING: &[&str] = &[
    "i recommend", "i'd recommend", "i would recommend", "i suggest", "i'd suggest", "i would suggest", "i'd say",
    "i would say",
];

/// Words that tell what is usual.
pub(super) const ADVERBS: &[&str] =
    &["usually", "typically", "generally", "commonly", "often", "mainly", "normally", "primarily"];

/// What an answer lists.
#[rustfmt::skip]
pub(super) const PARTS: &[&str] = &[
    "reasons", "reason", "causes", "cause", "factors", "ways", "methods", "steps", "benefits", "symptoms", "options",
    "differences", "difference", "answer", "solution",
];

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
    "rewr", "reword", "rephras", "paraphras", "reformul", "version", "varia", "alternative", "condens", "umformul",
    "umgeschrieb", "reescri", "riformul",
];

#[rustfmt::skip]
pub(super) const OUTPUT_NOUNS: &[&str] = &[
    "answer", "output", "result", "results", "response", "reply", "assistant", "final", "keywords", "keyword",
    "terms", "text", "content", "suggestion", "suggestions", "phrase", "phrases", "string", "passage", "paragraph",
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
    "broad", "narrow", "narrower", "general", "detailed", "step", "back", "sub", "autonome", "indépendante",
];

/// Words for "question" elsewhere: a label of at most three words with one of them is a label.
#[rustfmt::skip]
pub(super) const FOREIGN_NOUNS: &[&str] = &[
    "frage", "suchfrage", "suchanfrage", "suchanfragen", "anfrage", "umformulierung", "pregunta", "preguntas",
    "consulta", "consultas", "requête", "requêtes", "reformulée", "domanda", "pergunta", "vraag", "вопрос", "запрос",
    "soru", "sorusu", "sorgu", "sorgusu", "pytanie", "zapytanie",
    "السؤال", "سؤال",
];

/// Words for "keywords" elsewhere, as a label of their own.
#[rustfmt::skip]
pub(super) const FOREIGN_KEYWORDS: &[&str] = &[
    "mots clés", "mots clefs", "termes clés", "palabras clave", "términos clave", "parole chiave", "termini chiave",
    "palavras chave", "termos chave", "schlüsselbegriffe", "schlüsselwörter", "stichwörter", "suchbegriffe",
    "stichworte", "trefwoorden", "zoektermen", "słowa kluczowe", "ключевые слова", "anahtar kelimeler",
];

/// Words for "note" and "explanation" elsewhere.
#[rustfmt::skip]
pub(super) const FOREIGN_ASIDES: &[&str] = &[
    "nota", "hinweis", "anmerkung", "erklärung", "begründung", "remarque", "explication", "explicación", "spiegazione",
    "explicação", "opmerking", "toelichting", "примечание", "пояснение", "注", "备注", "说明", "解释", "説明", "注意", "補足",
];

#[rustfmt::skip]
pub(super) const CHINESE_NOUNS: &[&str] = &[
    "问题", "查询", "改写", "問題", "查詢", "質問", "クエリ", "질문", "关键词", "關鍵詞", "关键字", "キーワード", "키워드",
];

/// What groups of search terms are called: a name of these words alone is a label inside a list of terms.
#[rustfmt::skip]
pub(super) const GROUP_NOUNS: &[&str] = &[
    "key", "main", "core", "terms", "term", "keywords", "keyword", "synonyms", "synonym", "related", "alternative",
    "alternatives", "similar", "additional", "other", "more", "broader", "narrower", "words", "phrases", "concepts",
    "search",
];

/// What is said before coming to the point.
#[rustfmt::skip]
pub(super) const OPENERS: &[&str] = &[
    "sure thing", "sure", "certainly", "of course", "absolutely", "definitely", "okay", "ok", "alright", "all right",
    "got it", "great question", "good question", "no problem", "understood", "happy to help", "glad to help",
    "gladly", "i'd be happy to help", "i'd be glad to help", "i can help with that", "hi there", "hello there",
    "thanks", "thank you",
];

/// The same elsewhere: too often the first words of something else to be taken off alone, but not before a preamble.
pub(super) const FOREIGN_OPENERS: &[&str] =
    &["claro que sí", "claro", "por supuesto", "bien sûr", "natürlich", "gerne", "selbstverständlich", "certo"];

/// Beginnings of preambles.
#[rustfmt::skip]
pub(super) const HERE: &[&str] = &[
    "try this", "try searching for", "try asking", "voici", "hier ist", "hier sind", "aquí está", "aquí tienes",
    "aqui está", "ecco", "here is", "here's", "here are", "here you go", "here you are", "here it is", "below is",
    "below are", "the following is", "the following are", "the following", "these are", "this is the", "this is a",
];

/// Beginnings of preambles that end with a full stop.
pub(super) const EAST_ASIAN_HERE: &[&str] =
    &["以下は", "以下に", "以下の", "以下是", "下面是", "こちらが", "好的，", "当然，"];

/// Beginnings of preambles if a word about rewriting comes with them.
#[rustfmt::skip]
pub(super) const HERE_PERHAPS: &[&str] = &[
    "i've", "i have", "i would", "i'd", "i suggest", "as requested", "based on", "to improve", "you could", "you can",
    "we can", "one possible", "you might", "one way", "another way", "consider", "the rewritten", "the rephrased",
    "the question", "the query", "it can be", "rewritten", "search for", "a better", "a clearer", "a possible", "my",
    "your", "there are",
];

/// Beginnings of remarks that come after a rewrite: a line that tells what "I" did is then no second one.
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

/// Last words of searches.
#[rustfmt::skip]
pub(super) const SEARCHED_FOR: &[&str] = &[
    "lyrics", "chords", "meaning", "meme", "analysis", "summary", "origin", "quote", "quotes", "explained", "cast",
    "synonym", "synonyms", "template", "templates", "translation", "pronunciation", "wording", "example", "examples",
    "song", "movie", "film", "book", "poem", "error", "fix", "review", "reviews", "tutorial",
];

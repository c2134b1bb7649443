//! Whether a rewrite is in another language than the question: told by the scripts that both are written in and, among
//! languages in Latin letters, by their commonest words. In doubt it is not.

use std::collections::HashSet;

use super::chatter::asks;

/// A rewrite of fewer words than this may be made of names and foreign terms alone.
const FEW_WORDS: usize = 3;

/// Whether a text is in another language than the question. The chat helps where the question is too short to tell.
pub(super) fn differs(text: &str, question: &str, context: &str) -> bool {
    let (said, asked, known) = (Scripts::of(text), Scripts::of(question), Scripts::of(context));
    if said.foreign_to(&known) * 2 > said.total() {
        return true;
    }
    let many = text.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count() >= FEW_WORDS;
    if many && asked.main().is_some_and(|main| said.letters[main] == 0) {
        return true;
    }
    // Two common words among many may be a part of a foreign name, but a name does not ask.
    let fewest = if text.split_whitespace().nth(FEW_WORDS + 2).is_some() && !asks(text) { 3 } else { 2 };
    let language = || stop_words(question, 2).or_else(|| stop_words(context, 2));
    stop_words(text, fewest).is_some_and(|said| language().is_some_and(|asked| said != asked))
}

/// How many scripts are told apart; the last stands for all others.
const SCRIPTS: usize = 18;
/// Chinese, Japanese: one script here, because both mix them.
const HAN: usize = 1;

/// How many letters of each script a text has.
struct Scripts {
    letters: [usize; SCRIPTS],
}

impl Scripts {
    fn of(text: &str) -> Self {
        let mut letters = [0; SCRIPTS];
        for c in text.chars().filter(|c| c.is_alphabetic()) {
            let script = script(c);
            // A Chinese character stands for a syllable or a word.
            letters[script] += if script == HAN && !is_kana(c) { 3 } else { 1 };
        }
        Self { letters }
    }

    fn total(&self) -> usize {
        self.letters.iter().sum()
    }

    /// How many letters are of scripts that another text does not use at all.
    fn foreign_to(&self, other: &Self) -> usize {
        if other.total() == 0 {
            return 0;
        }
        self.letters.iter().zip(other.letters).filter(|(_, known)| *known == 0).map(|(own, _)| own).sum()
    }

    /// The script of three fifths of the letters.
    fn main(&self) -> Option<usize> {
        (0..SCRIPTS).find(|script| self.letters[*script] * 5 >= self.total() * 3 && self.letters[*script] > 0)
    }
}

/// The script of a letter, by its Unicode block.
fn script(c: char) -> usize {
    match u32::from(c) {
        0..=0x24f | 0x1e00..=0x1eff | 0xff21..=0xff5a => 0,
        0x2e80..=0x30ff | 0x31f0..=0x9fff | 0xf900..=0xfaff | 0xff66..=0xff9f | 0x20000..=0x3ffff => HAN,
        0x370..=0x3ff | 0x1f00..=0x1fff => 2,
        0x400..=0x52f => 3,
        0x530..=0x58f => 4,
        0x590..=0x5ff => 5,
        0x600..=0x77f | 0x8a0..=0x8ff | 0xfb50..=0xfdff | 0xfe70..=0xfeff => 6,
        0x900..=0x97f => 7,
        0x980..=0xaff => 8,
        0xb00..=0xbff => 9,
        0xc00..=0xcff => 10,
        0xd00..=0xdff => 11,
        0xe00..=0xeff => 12,
        0x1000..=0x109f => 13,
        0x10a0..=0x10ff => 14,
        0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7af => 15,
        0x1780..=0x17ff => 16,
        _ => SCRIPTS - 1,
    }
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}')
}

/// Words that are common in one of these languages and rare in the others.
#[rustfmt::skip]
const STOP_WORDS: [(&str, &[&str]); 11] = [
    ("en", &["the", "and", "of", "is", "are", "was", "were", "what", "why", "how", "when", "where", "which", "who",
        "does", "do", "did", "to", "for", "with", "that", "this", "from", "my", "your", "can", "should", "not", "have",
        "has", "it", "be", "been", "there", "without", "about", "between", "into", "i"]),
    ("de", &["der", "die", "das", "und", "ist", "sind", "war", "ein", "eine", "einen", "einem", "einer", "nicht", "wie",
        "warum", "wann", "wo", "was", "welche", "welcher", "wer", "mit", "für", "von", "zu", "zum", "zur", "auf", "im",
        "den", "dem", "mein", "meine", "meinem", "kann", "wird", "werden", "ohne", "über", "bei", "nach", "ich", "es",
        "hat"]),
    ("fr", &["le", "la", "les", "de", "des", "du", "un", "est", "sont", "une", "et", "en", "pourquoi", "comment", "quand",
        "quel", "quelle", "quels", "quelles", "que", "qui", "dans", "pour", "avec", "sans", "sur", "mon", "ma", "mes",
        "il", "elle", "je", "pas", "ne", "au", "aux", "ce", "cette", "être", "peut", "faut", "c'est", "qu'est", "l'on"]),
    ("es", &["el", "la", "los", "las", "de", "del", "es", "son", "un", "una", "y", "qué", "cómo", "cuándo", "dónde",
        "cuál", "cuáles", "quién", "por", "para", "con", "sin", "mi", "mis", "en", "que", "está", "están", "puede", "hay",
        "más", "como", "se", "lo", "al", "no", "porque"]),
    ("it", &["il", "la", "le", "lo", "gli", "dei", "della", "delle", "del", "è", "sono", "un", "una", "e", "perché",
        "come", "quando", "dove", "quale", "quali", "chi", "che", "cosa", "con", "senza", "mio", "mia", "mi", "nel",
        "nella", "non", "si", "se", "al", "può", "per", "di", "ho", "ha"]),
    ("pt", &["o", "os", "as", "de", "dos", "das", "do", "da", "é", "são", "um", "uma", "e", "por", "para", "que", "como",
        "quando", "onde", "qual", "quais", "quem", "com", "sem", "meu", "minha", "em", "no", "na", "não", "pode", "há",
        "mais", "ao", "se", "porque", "está"]),
    ("nl", &["de", "het", "een", "en", "is", "zijn", "waarom", "hoe", "wanneer", "waar", "welke", "wie", "wat", "met",
        "voor", "van", "zonder", "mijn", "niet", "kan", "wordt", "worden", "op", "bij", "naar", "ik", "er", "te", "dat"]),
    ("sv", &["och", "att", "det", "är", "som", "på", "en", "ett", "för", "med", "vad", "hur", "när", "varför", "vilken",
        "vilka", "inte", "kan", "jag", "min", "till", "av", "den", "om", "utan", "får", "man"]),
    // Danish and Norwegian: one language here, because they share most of these.
    ("da", &["og", "at", "det", "er", "som", "på", "en", "et", "med", "hvad", "hva", "hvordan", "hvornår", "når", "hvor",
        "hvorfor", "ikke", "kan", "jeg", "min", "til", "af", "av", "den", "om", "uden", "uten", "man"]),
    ("pl", &["w", "na", "z", "nie", "jak", "co", "gdzie", "kiedy", "dlaczego", "czy", "się", "jest", "są", "do", "od", "po",
        "dla", "który", "która", "jaki", "jaka", "jakie", "ile", "za", "i", "mój", "bez"]),
    ("tr", &["ve", "bir", "bu", "için", "nasıl", "ne", "neden", "nerede", "kaç", "mi", "mı", "mu", "ile", "olan", "var",
        "çok", "daha", "hangi", "nedir", "kadar", "zaman"]),
];

/// The language of a text in Latin letters, if its commonest words leave no doubt: at least so many different ones and a
/// tenth of all words, or four and a sixteenth, and twice as many as of any other language. "IL-4" is no Italian.
fn stop_words(text: &str, fewest: usize) -> Option<&'static str> {
    let words: HashSet<String> = text
        .split(|c: char| !(c.is_alphabetic() || matches!(c, '\'' | '’')))
        .filter(|word| !word.is_empty() && !is_acronym(word))
        .take(200)
        .map(|word| word.replace('’', "'").to_lowercase())
        .collect();
    let mut counts = STOP_WORDS
        .map(|(language, common)| (words.iter().filter(|word| common.contains(&word.as_str())).count(), language));
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let ((most, language), (next, _)) = (counts[0], counts[1]);
    let share = if most >= 4 { 16 } else { 10 };
    (most >= fewest && most * share >= words.len() && most >= 2 * next).then_some(language)
}

/// `IL`, `WHO`, but not `I` and `À`.
fn is_acronym(word: &str) -> bool {
    word.chars().nth(1).is_some() && !word.chars().any(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_languages_are_told_by_script_or_by_common_words() {
        for (text, question) in [
            ("What is bread?", "что такое хлеб?"),
            ("为什么我的面包不蓬松？", "why is my bread flat?"),
            ("best graphics card for gaming", "лучшая GPU для игр"),
            ("iPhone 15 battery life", "iPhone 15 电池续航怎么样"),
            ("Warum ist mein Brot so flach?", "why is my bread so flat?"),
            ("Why is my bread so flat?", "Warum ist mein Brot so flach?"),
            ("Pourquoi mon pain est-il plat et dense ?", "why is my bread so flat?"),
            ("¿Por qué mi pan es plano y denso?", "why is my bread so flat?"),
            ("Perché il mio pane è piatto?", "why is my bread so flat?"),
            ("Waarom is het brood van mijn bakker plat?", "Pourquoi le pain de mon boulanger est plat ?"),
            ("What does a vehicle inspection cost in Sweden and where is it?", "Vad kostar det att besikta en bil?"),
            ("What is the best time to plant tulips?", "Kiedy najlepiej sadzić tulipany i jak?"),
            ("왜 빵이 납작한가요?", "why is my bread flat?"),
        ] {
            assert!(differs(text, question, question), "{text:?} for {question:?}");
        }
    }

    #[test]
    fn names_terms_and_short_texts_are_left_alone() {
        for (text, question) in [
            ("dense sourdough crumb causes", "why is my bread flat?"),
            ("Brot flach Ursachen", "why is my bread flat?"),
            ("Why is my bread flat?", "flat bread?"),
            ("Warum ist das Brot flach?", "flat bread?"),
            ("what does こんにちは mean in English", "meaning of こんにちは"),
            ("meaning of the Japanese greeting konnichiwa", "meaning of こんにちは"),
            ("パンが膨らまない原因", "なぜパンが膨らまないのですか？"),
            ("发酵失败原因", "面包为什么不发"),
            ("GPU RTX 4090", "сколько стоит GPU RTX 4090 в магазине"),
            ("Quais documentos são exigidos para o visto?", "Como tirar visto de estudante para Portugal?"),
            ("C++ std::vector", "что делает std::vector в C++"),
            ("Where is the café de la Paix in Paris?", "cafe de la paix where"),
            ("What is the meaning of \"il faut que je\" in French?", "what does il faut que je mean"),
            ("42", "why?"),
            ("IL-4 signaling, IL-13 receptor, IL-2, non-small cell lung cancer", "Is IL-4 what drives the tumour?"),
            (
                "macrophage, IL-4, helminth, parasite, immune evasion, lung, fever, blood, antigen, spleen, cytokine, \
                 tumour, relapse, biopsy, serum, kidney, enzyme, dose, trial, non-smoker",
                "Is IL-4 what drives the tumour?",
            ),
            ("α-synuclein aggregation in Parkinson's", "alpha synuclein and parkinson"),
        ] {
            assert!(!differs(text, question, question), "{text:?} for {question:?}");
        }
    }

    #[test]
    fn the_chat_helps_where_the_question_is_short() {
        let context = "Сколько стоит iPhone в Москве?\niPhone 15?";
        assert!(!differs("Сколько стоит iPhone 15 в Москве?", "iPhone 15?", context));
        assert!(differs(
            "Wie viel kostet das und wo ist es?",
            "and Paris?",
            "what is the best hotel in Rome?\nand Paris?"
        ));
    }
}

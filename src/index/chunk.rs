//! From a Markdown or text document to passages that the model can read whole. Cuts fall on the largest boundary that
//! fits: a heading, a paragraph, a sentence, a word.

use std::{fmt, sync::Arc};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use text_splitter::{ChunkConfig, ChunkSizer, MarkdownSplitter, TextSplitter};

use super::source::Format;
use crate::ranking::Passage;

/// Counts the tokens that the model reads of a text.
pub type TokenCounter = Arc<dyn Fn(&str) -> usize + Send + Sync>;

/// The size of a passage in tokens when neither the caller nor the model says one.
pub const DEFAULT_PASSAGE_TOKENS: usize = 256;

/// What BERT-like models put around every text; a counter may or may not include them.
const SPECIAL_TOKENS: usize = 2;
/// How much text is cut at a time, in bytes. The splitter's time grows with the square of what it is given: three
/// megabytes without a space took it a minute, and a file of 64 megabytes would hold up a run for hours.
const SECTION_BYTES: usize = 64 << 10;
/// A longer heading is cut: the title stands before every passage of its document.
const LONGEST_TITLE_CHARS: usize = 200;

/// Guesses tokens for an embedder that cannot count them: English text has about four bytes to a token.
pub(super) fn guessed_tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// Cuts documents into passages.
#[derive(Clone)]
pub(super) struct Chunker {
    pub(super) tokens: usize,
    /// What the embedder puts before each passage.
    pub(super) prefix: String,
    pub(super) counter: TokenCounter,
}

impl fmt::Debug for Chunker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunker").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

impl Chunker {
    /// Cuts a document into passages `DOCUMENT#0`, `DOCUMENT#1` …, none if it holds no text. Each is given to `take` as
    /// soon as it is cut, until `take` fails: cutting a large document takes long, and nobody may want the rest.
    pub(super) fn cut<E>(
        &self,
        document_id: &str,
        text: &str,
        format: Format,
        mut take: impl FnMut(Passage) -> Result<(), E>,
    ) -> Result<(), E> {
        let title = if format == Format::Markdown { first_heading(text) } else { String::new() };
        // Prefix and title are embedded before each passage, so they take their room from each; but never more than half.
        let count = |text: &str| if text.is_empty() { 0 } else { (self.counter)(text) };
        let taken = SPECIAL_TOKENS + count(&self.prefix) + count(&title);
        let room = self.tokens.saturating_sub(taken).max(self.tokens / 2).max(1);
        let mut positions = 0..;
        let mut passage = |text: &str| {
            let position = positions.next().unwrap_or(u32::MAX);
            let id = passage_id(document_id, position);
            take(Passage::new(id, text).with_title(title.as_str()).cut_from(document_id, position))
        };
        let config = ChunkConfig::new(room).with_sizer(Sizer(&self.counter));
        if format == Format::Markdown {
            let splitter = MarkdownSplitter::new(config);
            sections(text, &["\n#", "\n\n", "\n", " "])
                .flat_map(|section| splitter.chunks(section))
                .try_for_each(&mut passage)
        } else {
            let splitter = TextSplitter::new(config);
            sections(text, &["\n\n", "\n", " "]).flat_map(|section| splitter.chunks(section)).try_for_each(&mut passage)
        }
    }
}

/// A text in sections of at most [`SECTION_BYTES`], each ending before the first of the boundaries that its second half
/// holds, or anywhere if it holds none.
fn sections<'a>(mut text: &'a str, boundaries: &[&str]) -> impl Iterator<Item = &'a str> {
    std::iter::from_fn(move || {
        let window = &text[..text.floor_char_boundary(SECTION_BYTES)];
        let far_enough = |at: &usize| *at >= SECTION_BYTES / 2;
        let last = |boundary: &&str| window.rfind(*boundary).filter(far_enough);
        let is_rest = window.len() == text.len();
        let end = if is_rest { None } else { boundaries.iter().find_map(last) };
        let (section, rest) = text.split_at(end.unwrap_or(window.len()));
        text = rest;
        (!section.is_empty()).then_some(section)
    })
}

/// The id of the passage at a position of a document that was cut.
pub(super) fn passage_id(document_id: &str, position: u32) -> String {
    format!("{document_id}#{position}")
}

struct Sizer<'a>(&'a TokenCounter);

impl ChunkSizer for Sizer<'_> {
    fn size(&self, chunk: &str) -> usize {
        self.0(chunk)
    }
}

/// The text of a Markdown document's first heading that has any; empty if there is none.
fn first_heading(text: &str) -> String {
    let mut heading: Option<String> = None;
    for event in Parser::new(text) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::Text(part) | Event::Code(part), Some(heading)) => heading.push_str(&part),
            (Event::SoftBreak | Event::HardBreak, Some(heading)) => heading.push(' '),
            (Event::End(TagEnd::Heading(_)), Some(heading)) if !heading.trim().is_empty() => {
                return heading.trim().chars().take(LONGEST_TITLE_CHARS).collect();
            }
            (Event::End(TagEnd::Heading(_)), _) => heading = None,
            _ => {}
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunker: &Chunker, document_id: &str, text: &str, format: Format) -> Vec<Passage> {
        let mut passages = vec![];
        let take = |passage| {
            passages.push(passage);
            Ok::<(), ()>(())
        };
        chunker.cut(document_id, text, format, take).unwrap();
        passages
    }

    fn words(tokens: usize) -> Chunker {
        Chunker { tokens, prefix: String::new(), counter: Arc::new(|text: &str| text.split_whitespace().count()) }
    }

    #[test]
    fn a_short_document_is_one_passage_with_its_heading_as_title() {
        let passages = cut(&words(50), "a/b.md", "intro\n\n## The *title* `x`\n\nand text", Format::Markdown);
        assert_eq!(passages.len(), 1);
        assert_eq!((passages[0].id.as_str(), passages[0].document_id.as_str()), ("a/b.md#0", "a/b.md"));
        assert_eq!(passages[0].title, "The title x");
    }

    #[test]
    fn a_heading_in_a_code_block_is_no_title() {
        let passages = cut(&words(50), "a.md", "```\n# not this\n```\n\nThis\n====\n", Format::Markdown);
        assert_eq!(passages[0].title, "This");
    }

    #[test]
    fn long_documents_are_cut_and_no_passage_is_longer_than_the_size() {
        let text = "One two three four. ".repeat(50);
        for format in [Format::Text, Format::Markdown] {
            let passages = cut(&words(12), "a", &text, format);
            assert!(passages.len() >= 20, "{}", passages.len());
            assert!(passages.iter().all(|p| p.text.split_whitespace().count() <= 10));
            assert_eq!(passages[3].id, "a#3");
            assert_eq!(passages[3].position, 3);
            let words: usize = passages.iter().map(|p| p.text.split_whitespace().count()).sum();
            assert_eq!(words, 200);
        }
    }

    #[test]
    fn what_the_embedder_puts_before_a_passage_takes_its_room_from_it() {
        let text = "word ".repeat(200);
        let chunker = Chunker { prefix: "search document: ".to_owned(), ..words(12) };
        let longest = |passages: Vec<Passage>| passages.iter().map(|p| p.text.split_whitespace().count()).max();
        assert_eq!(longest(cut(&chunker, "a", &text, Format::Text)), Some(8));
        let titled = format!("# Title\n\n{text}");
        assert_eq!(longest(cut(&chunker, "a", &titled, Format::Markdown)), Some(7));
    }

    #[test]
    fn a_word_longer_than_the_size_is_cut_too() {
        let chunker = Chunker { tokens: 12, prefix: String::new(), counter: Arc::new(guessed_tokens) };
        let passages = cut(&chunker, "a", &"x".repeat(400), Format::Text);
        assert_eq!(passages.iter().map(|p| p.text.len()).sum::<usize>(), 400);
        assert!(passages.iter().all(|p| p.text.len() <= 40));
    }

    #[test]
    fn a_large_document_is_cut_in_sections_and_nothing_is_lost() {
        let word = "é".repeat(40) + " ";
        for (text, format) in [
            ("é".repeat(150_000), Format::Text),
            (word.repeat(4_000), Format::Text),
            (format!("# Heading\n\n{}\n", word.repeat(100)).repeat(40), Format::Markdown),
        ] {
            let sections: Vec<&str> = sections(&text, &["\n#", "\n\n", "\n", " "]).collect();
            assert!(sections.len() > 4 && sections.iter().all(|section| section.len() <= SECTION_BYTES));
            assert_eq!(sections.concat(), text);
            let chunker = Chunker { tokens: 256, prefix: String::new(), counter: Arc::new(guessed_tokens) };
            let passages = cut(&chunker, "a", &text, format);
            let letters = |text: &str| text.chars().filter(|c| *c == 'é').count();
            assert_eq!(passages.iter().map(|passage| letters(&passage.text)).sum::<usize>(), letters(&text));
            assert!((0..).zip(&passages).all(|(at, passage)| passage.position == at));
        }
    }

    #[test]
    fn nothing_but_white_space_is_no_passage() {
        assert!(cut(&words(12), "a", " \n\t\n", Format::Text).is_empty());
        assert!(cut(&words(12), "a", "", Format::Markdown).is_empty());
    }
}

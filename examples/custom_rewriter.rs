//! A rewriter of one's own: here a table of slang, which answers at once and needs no language model. Whatever it does,
//! slow or broken, the question as asked is searched all the same.
//!
//! Run it with `cargo run --release --example custom_rewriter`.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::time::Duration;

use asktwice::{Question, Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites};
use async_trait::async_trait;

/// Replaces slang by the words that a help centre uses.
#[derive(Debug)]
struct Slang(&'static [(&'static str, &'static str)]);

#[async_trait]
impl Rewriter for Slang {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        let question = &request.question;
        let plain =
            |word: &str| self.0.iter().find(|(slang, _)| *slang == word).map_or(word.to_owned(), |(_, p)| (*p).into());
        let rewrite = question.text().split(' ').map(plain).collect::<Vec<_>>().join(" ");
        if rewrite == question.text() {
            // Nothing to add: the question is searched as asked, and the retrieval says why.
            return Err(RewriteError::failed("knows no word of this question"));
        }
        Ok(vec![Rewrite::new(RewriteKind::Paraphrase, rewrite)].into())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rewriter = Slang(&[("grub", "food order"), ("nicked", "stolen"), ("quid", "pounds")]);
    for text in ["someone nicked my grub", "where is my order"] {
        let request = RewriteRequest::new(Question::new(text)?);
        // A retriever runs this beside its own search: `Retriever::new(…).with_rewriter(rewriter)`.
        match tokio::time::timeout(Duration::from_millis(100), rewriter.rewrite(&request)).await? {
            Ok(rewrites) => println!("{text:?} is also searched as {:?}", rewrites.rewrites[0].text),
            Err(error) => println!("{text:?} is searched as asked: {error}"),
        }
    }
    Ok(())
}

//! What a rewriter says to a dataset's questions: asked once, before anything is searched, and searched with once,
//! however many configurations are compared.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};

use super::{EvaluateError, dataset::Dataset};
use crate::{
    question::Question,
    retrieval::Report,
    rewrite::{Rewrite, RewriteRequest, Rewriter},
};

/// One rewriter's rewrites of a dataset's questions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RewriteSet {
    /// The name, for the results.
    pub name: String,
    /// One for each question, in the dataset's order.
    pub(super) replies: Vec<Reply>,
}

/// What was said to one question.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    /// What can be searched with; nothing if the rewriter failed: the question then counts as asked.
    pub(super) rewrites: Vec<Rewrite>,
    /// How long it took.
    pub(super) took: Duration,
    failure: Option<String>,
}

impl RewriteSet {
    /// Asks a rewriter for its usual rewrites of every question, `concurrency` at a time. `progress` is told how many
    /// questions are done.
    ///
    /// # Errors
    /// [`EvaluateError::NoRewrite`] if it has none that can be searched with to any question.
    pub async fn ask(
        name: impl Into<String>,
        rewriter: &dyn Rewriter,
        dataset: &Dataset,
        concurrency: NonZeroUsize,
        progress: impl Fn(usize),
    ) -> Result<Self, EvaluateError> {
        let name = name.into();
        let asked = dataset.questions.iter().map(|question| ask(rewriter, &question.text));
        let mut asked = stream::iter(asked).buffered(concurrency.get());
        let mut replies = Vec::with_capacity(dataset.questions.len());
        while let Some(reply) = asked.next().await {
            replies.push(reply);
            progress(replies.len());
        }
        drop(asked);
        if replies.iter().all(|reply| reply.rewrites.is_empty()) {
            let reason = replies.into_iter().find_map(|reply| reply.failure).unwrap_or_default();
            return Err(EvaluateError::NoRewrite { set: name, reason });
        }
        Ok(Self { name, replies })
    }

    /// How many questions have no rewrite to search with, and why the first of them has none.
    pub(super) fn failures(&self) -> Option<(usize, &str)> {
        let mut failures = self.replies.iter().filter_map(|reply| reply.failure.as_deref());
        let first = failures.next()?;
        Some((failures.count() + 1, first))
    }
}

async fn ask(rewriter: &dyn Rewriter, text: &str) -> Reply {
    let started = Instant::now();
    let question = match Question::new(text) {
        Ok(question) => question,
        Err(error) => return Reply { failure: Some(error.to_string()), ..Reply::default() },
    };
    let said = rewriter.rewrite(&RewriteRequest::new(question)).await;
    let took = started.elapsed();
    match said {
        Ok(said) if said.rewrites.is_empty() => {
            Reply { took, failure: Some("it returned no rewrite".to_owned()), ..Reply::default() }
        }
        Ok(said) => Reply { rewrites: said.rewrites, took, failure: None },
        Err(error) => Reply { took, failure: Some(Report(&error).to_string()), ..Reply::default() },
    }
}

//! Rewrites that were recorded once and are replayed: for measurements that anybody can repeat, and for tests.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    time::Duration,
};

use async_trait::async_trait;
use serde::Deserialize;

use super::{Limits, Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites};
use crate::{question::tidy, ranking::Id};

/// Replays recorded rewrites.
///
/// The file holds one JSON object a line: what was asked (`question` or `text`, or `_id` for the id of a question that
/// [`for_questions`](Self::for_questions) names), and what the model said (`rewrites`, `reply` or `raw_lines`). Each is
/// cleaned as if the model had said it just now, by default with the [`Limits`] for expansions.
#[derive(Debug, Clone, Default)]
pub struct RecordedRewriter {
    place: String,
    by_text: HashMap<String, Vec<String>>,
    by_id: HashMap<String, Vec<String>>,
    limits: Option<Limits>,
    latency: Duration,
}

/// One line of the file.
#[derive(Deserialize)]
struct Line {
    /// The question's id.
    #[serde(rename = "_id")]
    id: Option<Id>,
    #[serde(alias = "text")]
    question: Option<String>,
    rewrites: Option<Vec<String>>,
    reply: Option<String>,
    raw_lines: Option<Vec<String>>,
}

impl Line {
    /// What the model said, in whichever form it was recorded.
    ///
    /// # Errors
    /// Says what is wrong with the line.
    fn replies(&mut self) -> Result<Vec<String>, String> {
        match (self.rewrites.take(), self.reply.take(), self.raw_lines.take()) {
            (Some(rewrites), None, None) => Ok(rewrites),
            (None, Some(reply), None) => Ok(vec![reply]),
            (None, None, Some(lines)) => Ok(vec![lines.join("\n")]),
            (None, None, None) => Err("it has none of \"rewrites\", \"reply\" and \"raw_lines\"".to_owned()),
            _ => Err("it has more than one of \"rewrites\", \"reply\" and \"raw_lines\"".to_owned()),
        }
    }
}

impl RecordedRewriter {
    /// Reads a file of recorded rewrites. The last line for a question counts.
    ///
    /// # Errors
    /// [`RecordedError`] names the file and the line.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, RecordedError> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let unreadable = |source| RecordedError::Read { path: place.clone(), source };
        let lines = BufReader::new(File::open(path).map_err(unreadable)?).lines();
        let mut recorded = Self { place: place.clone(), ..Self::default() };
        for (line, number) in lines.zip(1..) {
            let line = line.map_err(unreadable)?;
            if !line.trim().is_empty() {
                let broken = |problem: String| RecordedError::Line { path: place.clone(), line: number, problem };
                recorded.take(&line).map_err(broken)?;
            }
        }
        Ok(recorded)
    }

    /// Takes questions with their rewrites.
    pub fn from_pairs<Q, R>(pairs: impl IntoIterator<Item = (Q, R)>) -> Self
    where
        Q: AsRef<str>,
        R: IntoIterator<Item: Into<String>>,
    {
        let pair =
            |(question, rewrites): (Q, R)| (tidy(question.as_ref()), rewrites.into_iter().map(Into::into).collect());
        Self { place: "the recording".to_owned(), by_text: pairs.into_iter().map(pair).collect(), ..Self::default() }
    }

    /// Says which question has which id.
    #[must_use]
    pub fn for_questions<I, T>(mut self, questions: impl IntoIterator<Item = (I, T)>) -> Self
    where
        I: AsRef<str>,
        T: AsRef<str>,
    {
        for (id, text) in questions {
            if let Some(rewrites) = self.by_id.get(id.as_ref()) {
                self.by_text.insert(tidy(text.as_ref()), rewrites.clone());
            }
        }
        self
    }

    /// Answers as slowly as a model would.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Sets how long rewrites may be, and how many.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        let mut line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let replies = line.replies()?;
        match (line.question, line.id) {
            (Some(question), _) => self.by_text.insert(tidy(&question), replies),
            (None, Some(id)) => self.by_id.insert(id.into(), replies),
            (None, None) => return Err("it has none of \"question\", \"text\" and \"_id\"".to_owned()),
        };
        Ok(())
    }
}

#[async_trait]
impl Rewriter for RecordedRewriter {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        let question = &request.question;
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let Some(replies) = self.by_text.get(question.text()) else {
            let hint = if self.by_id.is_empty() { "" } else { "; it is recorded by id: name the questions' ids" };
            let problem = format!("has no rewrite of this question in {}{hint}", self.place);
            return Err(RewriteError::Failed { problem, source: None });
        };
        let limits = self.limits.unwrap_or_else(Limits::expansion);
        let cleaned = limits.clean_all(replies, question.text()).into_result();
        let rewrites = cleaned.map_err(|reason| RewriteError::Rejected { reason })?;
        let rewrite = |text| Rewrite::new(RewriteKind::Paraphrase, text);
        Ok(rewrites.into_iter().map(rewrite).collect::<Vec<_>>().into())
    }

    fn leaves_host(&self) -> bool {
        false
    }
}

/// Why a file of recorded rewrites cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordedError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{path}, line {line}: {problem}")]
    Line {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

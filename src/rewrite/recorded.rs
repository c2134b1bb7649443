//! Rewrites that were recorded once and are replayed: for measurements that anybody can repeat, and for tests.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use async_trait::async_trait;
use serde::Deserialize;

use super::{
    Limits, Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites, Task, UnknownKind, counters,
};
use crate::{
    question::{Question, tidy},
    ranking::Id,
};

/// How many texts of a kind are replayed at most.
const MOST_TEXTS: usize = 8;

/// Replays recorded rewrites.
///
/// The file holds one JSON object a line: what was asked (`question` or `text`, or `_id` for the id of a question that
/// [`for_questions`](Self::for_questions) names), what the model said (`rewrites`, `reply` or `raw_lines`), and
/// perhaps which `kind` of rewrite that is. Each is cleaned as if the model had said it just now: as its kind wants it,
/// or, where nothing says which that is, with the [`Limits`] for expansions.
#[derive(Debug, Clone, Default)]
pub struct RecordedRewriter {
    place: String,
    by_text: HashMap<String, Said>,
    by_id: HashMap<String, Said>,
    kind: Option<RewriteKind>,
    limits: Option<Limits>,
    latency: Duration,
}

/// What a model said to one question: for each kind, the last that was recorded.
type Said = Vec<(Option<RewriteKind>, Vec<String>)>;

/// A file of recorded rewrites and the kind that it holds, written `FILE` or `FILE:kind`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The file.
    pub file: PathBuf,
    /// The kind of those of its lines that name none.
    pub kind: Option<RewriteKind>,
}

impl FromStr for Recorded {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let name = |end: &str| !end.is_empty() && end.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
        match text.rsplit_once(':').filter(|(_, end)| name(end)) {
            Some((file, kind)) => Ok(Self { file: file.into(), kind: Some(kind.parse()?) }),
            None => Ok(Self { file: text.into(), kind: None }),
        }
    }
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
    /// Which kind of rewrite it is.
    pub(crate) kind: Option<RewriteKind>,
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
    /// Reads a file of recorded rewrites, see [`read`](Self::read).
    ///
    /// # Errors
    /// [`RecordedError`] names the file and the line.
    pub fn open(recorded: &Recorded) -> Result<Self, RecordedError> {
        let kind = recorded.kind;
        Ok(Self { kind, ..Self::read(&recorded.file)? })
    }

    /// Reads a file of recorded rewrites. The last line for a question, and for a kind where lines name it, counts.
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
        let pair = |(question, rewrites): (Q, R)| {
            (tidy(question.as_ref()), vec![(None, rewrites.into_iter().map(Into::into).collect())])
        };
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

    /// Says which kind of rewrite those are that were recorded without one.
    #[must_use]
    pub fn with_kind(mut self, kind: RewriteKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Answers as slowly as a model would.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Sets how long rewrites of no kind may be, and how many.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        let mut line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let replies = line.replies()?;
        let said = match (line.question, line.id) {
            (Some(question), _) => self.by_text.entry(tidy(&question)),
            (None, Some(id)) => self.by_id.entry(id.into()),
            (None, None) => return Err("it has none of \"question\", \"text\" and \"_id\"".to_owned()),
        };
        let said = said.or_default();
        said.retain(|(kind, _)| *kind != line.kind);
        said.push((line.kind, replies));
        Ok(())
    }

    /// Cleans what was said to a question, as far as it is wanted.
    fn cleaned(&self, said: &Said, request: &RewriteRequest) -> Rewrites {
        let task = Task::new(request.question.clone(), &[]).with_count(MOST_TEXTS);
        let wanted = |kind| request.kinds.is_empty() || request.kinds.contains(&kind);
        let mut cleaned = Rewrites::default();
        for (kind, replies) in said {
            let kind = kind.or(self.kind);
            if !wanted(kind.unwrap_or(RewriteKind::Paraphrase)) {
                continue;
            }
            let part = match kind {
                Some(kind) => task.clean_all(kind, replies.iter().cloned()),
                None => self.of_no_kind(replies, &request.question),
            };
            cleaned.rewrites.extend(part.rewrites);
            cleaned.rejected.extend(part.rejected);
        }
        cleaned
    }

    fn of_no_kind(&self, replies: &[String], question: &Question) -> Rewrites {
        let cleaned = self.limits.unwrap_or_else(Limits::expansion).clean_all(replies, question.text());
        let rewrite = |text| Rewrite::new(RewriteKind::Paraphrase, text);
        let rewrites = cleaned.rewrites.into_iter().map(rewrite).collect();
        Rewrites { rewrites, rejected: cleaned.rejected, ..Rewrites::default() }
    }
}

#[async_trait]
impl Rewriter for RecordedRewriter {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let Some(said) = self.by_text.get(request.question.text()) else {
            let hint = if self.by_id.is_empty() { "" } else { "; it is recorded by id: name the questions' ids" };
            return Err(RewriteError::failed(format!("has no rewrite of this question in {}{hint}", self.place)));
        };
        let rewrites = self.cleaned(said, request);
        let result = if rewrites.rewrites.is_empty() {
            Err(RewriteError::Rejected { reasons: rewrites.rejected })
        } else {
            Ok(rewrites)
        };
        counters::replied(result.as_ref());
        result
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

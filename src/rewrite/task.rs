//! What a rewriter sets out to do for one question: the measure of the prompt and of the reply.

use super::{RewriteKind, RewriteRequest};
use crate::question::Question;

/// How many texts a kind of several texts has, if nothing else is said: in the ablation that RAG-Fusion published on
/// `NFCorpus` (nDCG@10 by number of rewrites: .304, .310, .311, .314, .314) the gain ends at three.
pub const DEFAULT_COUNT: usize = 3;

/// Which rewrites of which question are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Task {
    /// The question, with the earlier turns of its chat.
    pub question: Question,
    /// The kinds that are asked for, each once: only those that have a use for the question.
    pub kinds: Vec<RewriteKind>,
    /// The kinds that were wanted and have no use for it.
    pub skipped: Vec<RewriteKind>,
    /// How many texts a kind of several texts has.
    pub count: usize,
    /// Whether a rewrite may be in another language than the question.
    pub any_language: bool,
}

impl Task {
    /// What a request asks for, or these kinds where it names none.
    #[must_use]
    pub fn of(request: &RewriteRequest, usual: &[RewriteKind]) -> Self {
        let wanted = if request.kinds.is_empty() { usual } else { &request.kinds };
        Self::new(request.question.clone(), wanted)
    }

    /// These kinds of rewrites of a question.
    #[must_use]
    pub fn new(question: Question, wanted: &[RewriteKind]) -> Self {
        let mut kinds: Vec<RewriteKind> = vec![];
        for kind in wanted {
            if !kinds.contains(kind) {
                kinds.push(*kind);
            }
        }
        let (kinds, skipped) = kinds.into_iter().partition(|kind| kind.is_of_use(&question));
        Self { question, kinds, skipped, count: DEFAULT_COUNT, any_language: false }
    }

    /// Sets how many texts a kind of several texts has.
    #[must_use]
    pub fn with_count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// Sets whether a rewrite may be in another language than the question.
    #[must_use]
    pub fn with_any_language(mut self, any_language: bool) -> Self {
        self.any_language = any_language;
        self
    }

    /// How many texts of a kind are wanted.
    #[must_use]
    pub fn count_of(&self, kind: RewriteKind) -> usize {
        if kind.profile().many { self.count.max(1) } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::{Speaker, Turn};

    #[test]
    fn kinds_come_once_and_only_where_they_have_a_use() {
        let wanted = [RewriteKind::Condense, RewriteKind::Multi, RewriteKind::Multi];
        let question = Question::new("and in Paris?").unwrap();
        let task = Task::new(question.clone(), &wanted);
        assert_eq!((&task.kinds[..], &task.skipped[..]), (&[RewriteKind::Multi][..], &[RewriteKind::Condense][..]));
        assert_eq!((task.count_of(RewriteKind::Multi), task.count_of(RewriteKind::Hyde)), (3, 1));
        let turn = Turn { role: Speaker::User, content: "museums in Rome".to_owned() };
        let request = RewriteRequest::new(question.with_history([turn]));
        assert_eq!(Task::of(&request, &wanted).kinds, [RewriteKind::Condense, RewriteKind::Multi]);
        assert_eq!(Task::of(&request.with_kinds([RewriteKind::Hyde]), &wanted).kinds, [RewriteKind::Hyde]);
    }
}

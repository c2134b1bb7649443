//! What an approximate index and compressed vectors find of what an exact search finds, and how fast.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{EvaluateError, Searches, bootstrap::mean};
use crate::{
    ranking::{PointId, Ranking},
    search::{Search, SearchParams, VectorStore},
};

/// The questions' dense searches, made exactly: what others are compared with.
#[derive(Debug)]
pub struct ExactSearches<'a> {
    questions: Vec<Question<'a>>,
    depth: usize,
}

#[derive(Debug)]
struct Question<'a> {
    id: &'a str,
    vector: &'a [f32],
    nearest: Vec<PointId>,
}

/// What dense searches found of what exact ones find, and how long one took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Recall {
    /// Which share of the nearest 10 is among the first 10; the mean over the questions.
    pub recall_at_10: f64,
    /// Which share of the nearest is found at all, as deep as was searched.
    pub recall_at_depth: f64,
    /// How long one search took, in milliseconds: the median.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
}

impl Searches {
    /// Searches once more with each question's embedding, in a store and exactly.
    ///
    /// # Errors
    /// [`EvaluateError`] names the question that could not be searched.
    pub async fn exactly(&self, store: &dyn VectorStore) -> Result<ExactSearches<'_>, EvaluateError> {
        let mut exact = ExactSearches { questions: vec![], depth: self.depth };
        for question in &self.questions {
            let (id, vector) = (question.judged.id.as_str(), question.asked.vector.as_slice());
            let (found, _) = exact.search(store, id, vector, SearchParams::exact()).await?;
            exact.questions.push(Question { id, vector, nearest: found.ids().collect() });
        }
        Ok(exact)
    }
}

impl ExactSearches<'_> {
    /// Searches in the same or another store that holds the same points, one question after the other.
    ///
    /// # Errors
    /// [`EvaluateError`] names the question that could not be searched.
    pub async fn compare(&self, store: &dyn VectorStore, params: SearchParams) -> Result<Recall, EvaluateError> {
        let (mut first, mut all, mut took) = (vec![], vec![], vec![]);
        for Question { id, vector, nearest } in &self.questions {
            // The first search brings into memory what is not there; the second is measured.
            self.search(store, id, vector, params).await?;
            let (found, time) = self.search(store, id, vector, params).await?;
            let found: Vec<PointId> = found.ids().collect();
            first.push(share(&nearest[..nearest.len().min(10)], &found[..found.len().min(10)]));
            all.push(share(nearest, &found));
            took.push(time);
        }
        took.sort_unstable();
        let percentile = |percent: usize| {
            let at = (took.len() * percent / 100).min(took.len().saturating_sub(1));
            took.get(at).map_or(f64::NAN, |time: &Duration| time.as_secs_f64() * 1e3)
        };
        let (recall_at_10, recall_at_depth) = (mean(first.into_iter()), mean(all.into_iter()));
        Ok(Recall { recall_at_10, recall_at_depth, p50_ms: percentile(50), p99_ms: percentile(99) })
    }

    async fn search(
        &self,
        store: &dyn VectorStore,
        question: &str,
        vector: &[f32],
        params: SearchParams,
    ) -> Result<(Ranking, Duration), EvaluateError> {
        let search = Search::dense(vector.to_vec(), self.depth).with_params(params);
        let started = Instant::now();
        let found = store.search(search).await;
        let took = started.elapsed();
        let failed = |source| EvaluateError::Search { question: question.to_owned(), source };
        Ok((found.map_err(failed)?, took))
    }
}

/// Which share of the wanted was found; all of it, if nothing was wanted.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn share(wanted: &[PointId], found: &[PointId]) -> f64 {
    let both = wanted.iter().filter(|id| found.contains(id)).count();
    if wanted.is_empty() { 1.0 } else { both as f64 / wanted.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_what_was_wanted() {
        let ids = |numbers: &[u64]| numbers.iter().copied().map(PointId::Number).collect::<Vec<_>>();
        assert_eq!(share(&ids(&[1, 2, 3, 4]), &ids(&[4, 9, 1])), 0.5);
        assert_eq!(share(&[], &ids(&[1])), 1.0);
        assert_eq!(share(&ids(&[1]), &[]), 0.0);
    }
}

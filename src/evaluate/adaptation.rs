//! Whether a linear head helps on somebody's own judged questions: cross-validated, with an interval.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::{
    Dataset, EvaluateError, JudgedQuestion,
    adapt::{Example, Training, train},
    bootstrap::{Delta, mean},
    measures::{self, Ideal},
};
use crate::{
    embed::{EmbedError, Embedder, Head, Role},
    ranking::PointId,
    search::{Search, VectorStore},
};

/// How many parts the questions are cut into for cross-validation.
const FOLDS: usize = 5;
/// How many trainings are tried: how often every example is seen.
const EPOCHS: [usize; 4] = [3, 10, 30, 60];
/// How deep a question searches for passages that are not right.
const DEPTH: usize = 100;
/// How many of those it learns from.
const WRONG: usize = 20;
/// How many judged questions are the least to learn from.
pub const FEWEST_QUESTIONS: usize = 20;

/// What a head is worth on questions that it was not trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Gain {
    /// Over how many questions.
    pub questions: usize,
    /// nDCG@10 of dense search without the head.
    pub before: f64,
    /// nDCG@10 with it.
    pub after: f64,
    /// The difference, with its 95 % interval.
    pub delta: Delta,
}

/// A trained head, and what it is worth.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Adaptation {
    /// The head, trained on all questions.
    pub head: Head,
    /// The training that cross-validation chose.
    pub training: Training,
    /// What heads so trained are worth on the questions that each was not trained on.
    pub gain: Gain,
}

/// A judged question with its embedding.
struct Judged<'a> {
    question: &'a JudgedQuestion,
    vector: Vec<f32>,
    examples: Vec<Example>,
}

/// Trains and measures heads over dense search.
#[derive(Debug, Clone)]
pub struct Adapter {
    embedder: Arc<dyn Embedder>,
    store: Arc<dyn VectorStore>,
    concurrency: NonZeroUsize,
}

impl Adapter {
    /// An adapter for the model that filled the store.
    #[must_use]
    pub fn new(embedder: Arc<dyn Embedder>, store: Arc<dyn VectorStore>) -> Self {
        let concurrency = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { embedder, store, concurrency }
    }

    /// Trains a head on a dataset's questions. `None` if there are fewer than [`FEWEST_QUESTIONS`] with a right passage in
    /// the store.
    ///
    /// # Errors
    /// [`EvaluateError`] names the question that could not be embedded or searched.
    pub async fn train(&self, dataset: &Dataset) -> Result<Option<Adaptation>, EvaluateError> {
        let judged = self.judged(dataset, true).await?;
        let judged: Vec<Judged<'_>> = judged.into_iter().filter(|judged| !judged.examples.is_empty()).collect();
        if judged.len() < FEWEST_QUESTIONS {
            return Ok(None);
        }
        let before = self.measure(&judged, |_, vector| vector.to_vec()).await?;
        let mut best: Option<(Training, Vec<f64>)> = None;
        for epochs in EPOCHS {
            let training = Training { epochs, ..Training::default() };
            let after = self.cross_validate(&judged, training).await?;
            let better =
                best.as_ref().is_none_or(|(_, known)| mean(after.iter().copied()) > mean(known.iter().copied()));
            if better {
                best = Some((training, after));
            }
        }
        let all: Vec<Example> = judged.iter().flat_map(|judged| judged.examples.clone()).collect();
        Ok(best.and_then(|(training, after)| {
            let head = train(self.embedder.identity(), &all, training)?;
            Some(Adaptation { head, training, gain: Gain::between(&before, &after) })
        }))
    }

    /// Measures a head on a dataset's questions, which it must not have been trained on.
    ///
    /// # Errors
    /// [`EvaluateError`] names the question that could not be embedded or searched.
    pub async fn measure_head(&self, dataset: &Dataset, head: &Head) -> Result<Gain, EvaluateError> {
        let judged = self.judged(dataset, false).await?;
        let before = self.measure(&judged, |_, vector| vector.to_vec()).await?;
        let after = self.measure(&judged, |_, vector| head.apply(vector)).await?;
        Ok(Gain::between(&before, &after))
    }

    /// nDCG@10 of each question with a head that was trained on the other folds' questions.
    async fn cross_validate(&self, judged: &[Judged<'_>], training: Training) -> Result<Vec<f64>, EvaluateError> {
        let heads: Vec<Option<Head>> = (0..FOLDS)
            .map(|fold| {
                let others = judged.iter().enumerate().filter(|(at, _)| at % FOLDS != fold);
                let examples: Vec<Example> = others.flat_map(|(_, judged)| judged.examples.clone()).collect();
                train(self.embedder.identity(), &examples, training)
            })
            .collect();
        let corrected = |at: usize, vector: &[f32]| match &heads[at % FOLDS] {
            Some(head) => head.apply(vector),
            None => vector.to_vec(),
        };
        self.measure(judged, corrected).await
    }

    /// nDCG@10 of each question, searched with what `corrected` makes of its place and its embedding.
    async fn measure(
        &self,
        judged: &[Judged<'_>],
        corrected: impl Fn(usize, &[f32]) -> Vec<f32>,
    ) -> Result<Vec<f64>, EvaluateError> {
        let measured = judged.iter().enumerate().map(|(at, judged)| {
            let search = Search::dense(corrected(at, &judged.vector), 10);
            async move {
                let failed = |source| EvaluateError::Search { question: judged.question.id.clone(), source };
                let found = self.store.search(search).await.map_err(failed)?;
                let grades = &judged.question.grades;
                let found: Vec<u32> = found.ids().map(|id| grades.get(&id).copied().unwrap_or_default()).collect();
                Ok(measures::ndcg(&found, &Ideal::new(grades.values().copied().collect()), 10))
            }
        });
        stream::iter(measured).buffered(self.concurrency.get()).try_collect().await
    }

    /// Embeds the questions of a dataset; with `examples`, gathers what can be learned from each.
    async fn judged<'a>(&self, dataset: &'a Dataset, examples: bool) -> Result<Vec<Judged<'a>>, EvaluateError> {
        let judged = dataset.questions.iter().map(async |question| {
            let failed = |source| EvaluateError::Embed { question: question.id.clone(), source };
            let embedded = self.embedder.embed(Role::Query, vec![question.text.clone()]).await.map_err(failed)?;
            let none = || EmbedError::Inference { problem: "it returned no vector".to_owned() };
            let vector = embedded.into_iter().next().ok_or_else(none).map_err(failed)?.vector;
            let examples = if examples { self.examples(question, &vector).await? } else { vec![] };
            Ok(Judged { question, vector, examples })
        });
        stream::iter(judged).buffered(self.concurrency.get()).try_collect().await
    }

    /// One example for each right passage of a question.
    async fn examples(&self, question: &JudgedQuestion, vector: &[f32]) -> Result<Vec<Example>, EvaluateError> {
        let failed = |source| EvaluateError::Search { question: question.id.clone(), source };
        let right: Vec<PointId> = question.grades.iter().filter(|(_, grade)| **grade > 0).map(|(id, _)| *id).collect();
        let found = self.store.search(Search::dense(vector.to_vec(), DEPTH)).await.map_err(failed)?;
        let wrong: Vec<PointId> = found.ids().filter(|id| !question.grades.contains_key(id)).take(WRONG).collect();
        let wanted = [right.as_slice(), wrong.as_slice()].concat();
        let vectors: HashMap<PointId, Vec<f32>> =
            self.store.vectors(&wanted).await.map_err(failed)?.into_iter().collect();
        let wrong: Vec<Vec<f32>> = wrong.iter().filter_map(|id| vectors.get(id).cloned()).collect();
        let mut right_ids = right.clone();
        right_ids.sort_unstable();
        let example = |id: &PointId| {
            Some(Example::new(vector.to_vec(), (*id, vectors.get(id)?.clone()), wrong.clone(), right_ids.clone()))
        };
        Ok(right_ids.iter().filter_map(example).collect())
    }
}

impl Gain {
    fn between(before: &[f64], after: &[f64]) -> Self {
        let mean = |values: &[f64]| mean(values.iter().copied());
        Self { questions: before.len(), before: mean(before), after: mean(after), delta: Delta::between(before, after) }
    }
}

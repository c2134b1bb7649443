//! Whether a linear head helps on somebody's own judged questions: cross-validated, with an interval.
//!
//! A head learns mostly where its training's answers lie. So what it is worth is said twice: for questions as they come,
//! which often have an answer that another question has, too, and for questions about answers that it never saw.

use std::{
    collections::{HashMap, HashSet},
    iter::zip,
    num::NonZeroUsize,
    sync::Arc,
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::{
    Dataset, EvaluateError, JudgedQuestion,
    adapt::{Example, Training, train_until},
    bootstrap::{Delta, mean},
    documents::Documents,
    folds::{self, FOLDS},
    measures::{self, Ideal},
};
use crate::{
    embed::{EmbedError, Embedder, Head, Role, Sides},
    ranking::{PointId, Ranking, Scored},
    search::{Search, StoreError, VectorStore},
};

/// After how many steps a training may end: each is tried.
const STEPS: [usize; 4] = [50, 150, 300, 600];
/// How deep a question searches: for passages that are not right, for a right document's best passage, and when it is
/// measured.
const DEPTH: usize = 100;
/// How many of those it learns from.
const WRONG: usize = 20;
/// How many documents are looked at.
const HITS: usize = 10;
/// Where passages are corrected, too: how many are compared as they will be. They are found by what differs from that only
/// by the lengths of the corrected vectors.
const COMPARED: usize = 200;
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
    /// The training that all questions chose.
    pub training: Training,
    /// What heads are worth on questions that they were not trained on, each after as many steps as the other folds'
    /// questions chose.
    pub gain: Gain,
    /// The same on questions none of whose answers it was trained on.
    pub gain_on_new: Gain,
}

impl Adaptation {
    /// Whether the head can be recommended: clearly better on questions as they come, and not clearly worse on those about
    /// new answers.
    #[must_use]
    pub fn is_of_use(&self) -> bool {
        self.gain.delta.low > 0.0 && self.gain_on_new.delta.high >= 0.0
    }
}

/// What a head is worth on other questions than those that it was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MeasuredHead {
    /// On all of them.
    pub all: Gain,
    /// On those that share a right answer with a question that it was trained on.
    pub known: Gain,
    /// On the others.
    pub new: Gain,
}

/// A judged question with its embedding.
struct Judged<'a> {
    question: &'a JudgedQuestion,
    vector: Vec<f32>,
    examples: Vec<Example>,
}

/// What heads after one number of steps make of the questions that they were not trained on: nDCG@10 of each.
struct Tried {
    as_they_come: Vec<f64>,
    /// Trained on none of its answers.
    about_new: Vec<f64>,
}

/// Trains and measures heads over dense search.
#[derive(Debug, Clone)]
pub struct Adapter {
    embedder: Arc<dyn Embedder>,
    store: Arc<dyn VectorStore>,
    concurrency: NonZeroUsize,
    training: Training,
}

impl Adapter {
    /// An adapter for the model that filled the store.
    #[must_use]
    pub fn new(embedder: Arc<dyn Embedder>, store: Arc<dyn VectorStore>) -> Self {
        let concurrency = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { embedder, store, concurrency, training: Training::default() }
    }

    /// Sets which embeddings the head corrects; those of questions by default.
    #[must_use]
    pub fn with_sides(mut self, sides: Sides) -> Self {
        self.training.sides = sides;
        self
    }

    /// Sets how strongly the correction is drawn towards none; see [`Training::ridge`].
    #[must_use]
    pub fn with_ridge(mut self, ridge: f32) -> Self {
        self.training.ridge = ridge;
        self
    }

    /// Trains a head on a dataset's questions. `None` if there are fewer than [`FEWEST_QUESTIONS`] with a right passage in
    /// the store. Where an answer names a document, its best passage is learned from: the first that the question finds.
    ///
    /// # Errors
    /// [`EvaluateError`] names the question that could not be embedded or searched.
    pub async fn train(&self, dataset: &Dataset) -> Result<Option<Adaptation>, EvaluateError> {
        let documents = Documents::new(&*self.store, dataset);
        let judged = self.judged(dataset, Some(&documents)).await?;
        let judged: Vec<Judged<'_>> = judged.into_iter().filter(|judged| !judged.examples.is_empty()).collect();
        if judged.len() < FEWEST_QUESTIONS {
            return Ok(None);
        }
        let before = self.measure(&documents, &judged, |_| None).await?;
        let questions: Vec<&JudgedQuestion> = judged.iter().map(|judged| judged.question).collect();
        let (random, grouped) = (folds::at_random(judged.len()), folds::by_answer(&questions));
        let (random_heads, grouped_heads) = (self.folded(&judged, &random), self.folded(&judged, &grouped));
        let all: Vec<Example> = judged.iter().flat_map(|judged| judged.examples.clone()).collect();
        let mut heads = self.train_on(&all);
        let mut tried = vec![];
        for at in 0..heads.len() {
            let as_they_come = self.measure(&documents, &judged, |place| random_heads[random[place]].get(at)).await?;
            let about_new = self.measure(&documents, &judged, |place| grouped_heads[grouped[place]].get(at)).await?;
            tried.push(Tried { as_they_come, about_new });
        }
        if tried.is_empty() {
            return Ok(None);
        }
        let chosen = best(&tried, &before, |_| true);
        let as_they_come = nested(&tried, &before, &random, |tried| &tried.as_they_come);
        let about_new = nested(&tried, &before, &grouped, |tried| &tried.about_new);
        Ok(Some(Adaptation {
            head: heads.swap_remove(chosen),
            training: Training { steps: STEPS[chosen], ..self.training },
            gain: Gain::between(&before, &as_they_come),
            gain_on_new: Gain::between(&before, &about_new),
        }))
    }

    /// Measures a head that was trained on one dataset on the questions of another.
    ///
    /// # Errors
    /// [`EvaluateError`] names the question that could not be embedded or searched.
    pub async fn measure_head(
        &self,
        head: &Head,
        trained: &Dataset,
        dataset: &Dataset,
    ) -> Result<MeasuredHead, EvaluateError> {
        let documents = Documents::new(&*self.store, dataset);
        let judged = self.judged(dataset, None).await?;
        let before = self.measure(&documents, &judged, |_| None).await?;
        let after = self.measure(&documents, &judged, |_| Some(head)).await?;
        let seen: HashSet<PointId> = trained.questions.iter().flat_map(JudgedQuestion::answers).collect();
        let known: Vec<bool> =
            judged.iter().map(|judged| judged.question.answers().any(|id| seen.contains(&id))).collect();
        let part = |wanted: bool| {
            let of = |values: &[f64]| {
                let kept = values.iter().zip(&known).filter(|(_, known)| **known == wanted);
                kept.map(|(value, _)| *value).collect::<Vec<f64>>()
            };
            Gain::between(&of(&before), &of(&after))
        };
        Ok(MeasuredHead { all: Gain::between(&before, &after), known: part(true), new: part(false) })
    }

    /// The heads after each number of steps.
    fn train_on(&self, examples: &[Example]) -> Vec<Head> {
        train_until(self.embedder.identity(), examples, self.training, &STEPS)
    }

    /// For each fold, the heads that were trained on the other folds' questions, all folds at the same time.
    fn folded(&self, judged: &[Judged<'_>], folds: &[usize]) -> Vec<Vec<Head>> {
        let examples_of_others = |fold: usize| {
            let others = judged.iter().zip(folds).filter(|(_, own)| **own != fold);
            others.flat_map(|(judged, _)| judged.examples.clone()).collect::<Vec<_>>()
        };
        let parts: Vec<Vec<Example>> = (0..FOLDS).map(examples_of_others).collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> = parts.iter().map(|examples| scope.spawn(move || self.train_on(examples))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        })
    }

    /// nDCG@10 of each question, searched with the head for its place, or with none.
    async fn measure<'h>(
        &self,
        documents: &Documents<'_>,
        judged: &[Judged<'_>],
        head: impl Fn(usize) -> Option<&'h Head>,
    ) -> Result<Vec<f64>, EvaluateError> {
        let measured = judged.iter().enumerate().map(|(place, judged)| {
            let head = head(place);
            async move {
                let failed = |source| EvaluateError::Search { question: judged.question.id.clone(), source };
                let found = self.found(&judged.vector, head).await.map_err(failed)?;
                let found = documents.grades(judged.question, &found).await.map_err(failed)?;
                let ideal = Ideal::new(judged.question.grades.values().copied().collect());
                Ok(measures::ndcg(&found, &ideal, HITS))
            }
        });
        stream::iter(measured).buffered(self.concurrency.get()).try_collect().await
    }

    /// What a question finds with a head, as if the collection were corrected where the head is for passages, too.
    async fn found(&self, question: &[f32], head: Option<&Head>) -> Result<Vec<PointId>, StoreError> {
        let corrected = head.map_or_else(|| question.to_vec(), |head| head.apply(question));
        let Some(head) = head.filter(|head| head.sides() == Sides::Both) else {
            return Ok(self.store.search(Search::dense(corrected, DEPTH)).await?.ids().collect());
        };
        let near = self.store.search(Search::dense(head.before(&corrected), COMPARED)).await?;
        let near: Vec<PointId> = near.ids().collect();
        let scored = |(id, passage): (PointId, Vec<f32>)| Scored {
            id,
            score: head.apply(&passage).iter().zip(&corrected).map(|(a, b)| a * b).sum(),
        };
        let compared = self.store.vectors(&near).await?.into_iter().map(scored).collect();
        Ok(Ranking::new(compared).ids().collect())
    }

    /// Embeds the questions of a dataset; with its documents, gathers what can be learned from each.
    async fn judged<'a>(
        &self,
        dataset: &'a Dataset,
        documents: Option<&Documents<'_>>,
    ) -> Result<Vec<Judged<'a>>, EvaluateError> {
        let judged = dataset.questions.iter().map(async |question| {
            let failed = |source| EvaluateError::Embed { question: question.id.clone(), source };
            let embedded = self.embedder.embed(Role::Query, vec![question.text.clone()]).await.map_err(failed)?;
            let none = || EmbedError::inference("it returned no vector");
            let vector = embedded.into_iter().next().ok_or_else(none).map_err(failed)?.vector;
            let examples = match documents {
                Some(documents) => self.examples(documents, question, &vector).await,
                None => Ok(vec![]),
            };
            let examples =
                examples.map_err(|source| EvaluateError::Search { question: question.id.clone(), source })?;
            Ok(Judged { question, vector, examples })
        });
        stream::iter(judged).buffered(self.concurrency.get()).try_collect().await
    }

    /// One example for each right answer of a question: the passage of that id, or the best of the document's.
    async fn examples(
        &self,
        documents: &Documents<'_>,
        question: &JudgedQuestion,
        vector: &[f32],
    ) -> Result<Vec<Example>, StoreError> {
        let found: Vec<PointId> = self.store.search(Search::dense(vector.to_vec(), DEPTH)).await?.ids().collect();
        let of_found = documents.of(&found).await?;
        let judged = |id: &PointId| question.grades.contains_key(id);
        let wrong = zip(&found, &of_found).filter(|(passage, document)| !judged(passage) && !judged(document));
        let wrong: Vec<PointId> = wrong.take(WRONG).map(|(passage, _)| *passage).collect();
        let mut right: Vec<PointId> = question.answers().collect();
        right.sort_unstable();
        let best = |answer: &PointId| {
            let passage = zip(&found, &of_found).find(|(_, document)| *document == answer);
            (*answer, passage.map_or(*answer, |(passage, _)| *passage))
        };
        let best: Vec<(PointId, PointId)> = right.iter().map(best).collect();
        let wanted: Vec<PointId> = best.iter().map(|(_, passage)| *passage).chain(wrong.iter().copied()).collect();
        let vectors: HashMap<PointId, Vec<f32>> = self.store.vectors(&wanted).await?.into_iter().collect();
        let wrong: Vec<Vec<f32>> = wrong.iter().filter_map(|id| vectors.get(id).cloned()).collect();
        // Under the answer's id: other passages of that document are no wrong ones.
        let example = |(answer, passage): &(PointId, PointId)| {
            let right_one = (*answer, vectors.get(passage)?.clone());
            Some(Example::new(vector.to_vec(), right_one, wrong.clone(), right.clone()))
        };
        Ok(best.iter().filter_map(example).collect())
    }
}

/// The number of steps that does best on the questions that count: of those that do not cost questions about new answers
/// anything, the one that gains most.
fn best(tried: &[Tried], before: &[f64], counts: impl Fn(usize) -> bool) -> usize {
    let sum = |values: &[f64]| -> f64 { (0..values.len()).filter(|at| counts(*at)).map(|at| values[at]).sum() };
    let rank = |tried: &Tried| (sum(&tried.about_new) >= sum(before), sum(&tried.as_they_come));
    (0..tried.len()).fold(0, |best, at| if rank(&tried[at]) > rank(&tried[best]) { at } else { best })
}

/// Each question's measure after as many steps as the other folds' questions choose, so that the gain that is reported is
/// not that of having looked.
fn nested(tried: &[Tried], before: &[f64], folds: &[usize], measure: fn(&Tried) -> &Vec<f64>) -> Vec<f64> {
    let chosen: Vec<usize> = (0..FOLDS).map(|fold| best(tried, before, |at| folds[at] != fold)).collect();
    folds.iter().enumerate().map(|(at, fold)| measure(&tried[chosen[*fold]])[at]).collect()
}

impl Gain {
    fn between(before: &[f64], after: &[f64]) -> Self {
        let mean = |values: &[f64]| mean(values.iter().copied());
        Self { questions: before.len(), before: mean(before), after: mean(after), delta: Delta::between(before, after) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_not_chosen_by_the_questions_that_judge_them() {
        // Each number of steps does well on the questions of one fold, and on no other.
        let folds: Vec<usize> = (0..20).map(|question| question % FOLDS).collect();
        let only = |fold: usize| folds.iter().map(|own| if *own == fold { 0.9 } else { 0.5 }).collect::<Vec<f64>>();
        let tried: Vec<Tried> =
            (0..STEPS.len()).map(|at| Tried { as_they_come: only(at), about_new: only(at) }).collect();
        let before = vec![0.5; folds.len()];
        let best_of_all = best(&tried, &before, |_| true);
        assert!(Gain::between(&before, &tried[best_of_all].as_they_come).after > 0.57);
        let nested = nested(&tried, &before, &folds, |tried| &tried.as_they_come);
        assert_eq!(Gain::between(&before, &nested).after, 0.5, "{nested:?}");
    }

    #[test]
    fn steps_that_cost_questions_about_new_answers_something_are_the_last_to_be_chosen() {
        let tried = |come: f64, new: f64| Tried { as_they_come: vec![come], about_new: vec![new] };
        assert_eq!(best(&[tried(0.6, 0.5), tried(0.9, 0.4), tried(0.7, 0.6)], &[0.5], |_| true), 2);
        assert_eq!(best(&[tried(0.6, 0.4), tried(0.9, 0.3)], &[0.5], |_| true), 1);
    }
}

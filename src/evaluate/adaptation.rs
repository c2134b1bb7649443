//! Whether a linear head helps on somebody's own judged questions: cross-validated, with an interval.
//!
//! A head learns mostly where its training's answers lie. So what it is worth is said twice: for questions as they come,
//! which often have an answer that another question has, too, and for questions about answers that it never saw.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
    sync::Arc,
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::{
    Dataset, EvaluateError, JudgedQuestion,
    adapt::{Example, Training, train_until},
    bootstrap::{Delta, mean},
    measures::{self, Ideal},
    random::SplitMix64,
};
use crate::{
    embed::{EmbedError, Embedder, Head, Role, Sides},
    ranking::{PointId, Ranking, Scored},
    search::{Search, StoreError, VectorStore},
};

/// How many parts the questions are cut into for cross-validation.
const FOLDS: usize = 5;
/// Any number; fixed, so that the same questions are cut the same way.
const SEED: u64 = 0x666f_6c64;
/// After how many steps a training may end: each is tried.
const STEPS: [usize; 4] = [50, 150, 300, 600];
/// How deep a question searches for passages that are not right.
const DEPTH: usize = 100;
/// How many of those it learns from.
const WRONG: usize = 20;
/// How many hits are looked at.
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
    /// The training that cross-validation chose.
    pub training: Training,
    /// What heads so trained are worth on the questions that each was not trained on.
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
        let before = self.measure(&judged, |_| None).await?;
        let (random, grouped) = (folds_at_random(judged.len()), folds_by_answer(&judged));
        let (random_heads, grouped_heads) = (self.folded(&judged, &random), self.folded(&judged, &grouped));
        let all: Vec<Example> = judged.iter().flat_map(|judged| judged.examples.clone()).collect();
        let mut best: Option<Adaptation> = None;
        for (at, head) in self.train_on(&all).into_iter().enumerate() {
            let training = Training { steps: STEPS[at], ..self.training };
            let of_fold = |heads: &'_ [Vec<Head>], folds: &[usize]| -> Vec<Option<Head>> {
                folds.iter().map(|fold| heads[*fold].get(at).cloned()).collect()
            };
            let own = of_fold(&random_heads, &random);
            let gain = Gain::between(&before, &self.measure(&judged, |place| own[place].as_ref()).await?);
            let own = of_fold(&grouped_heads, &grouped);
            let gain_on_new = Gain::between(&before, &self.measure(&judged, |place| own[place].as_ref()).await?);
            let tried = Adaptation { head, training, gain, gain_on_new };
            // Of those that do not cost questions about new answers anything, the one that gains most.
            let harmless = |tried: &Adaptation| tried.gain_on_new.delta.mean >= 0.0;
            let rank = |tried: &Adaptation| (tried.is_of_use(), harmless(tried), tried.gain.after);
            if best.as_ref().is_none_or(|best| rank(&tried) > rank(best)) {
                best = Some(tried);
            }
        }
        Ok(best)
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
        let judged = self.judged(dataset, false).await?;
        let before = self.measure(&judged, |_| None).await?;
        let after = self.measure(&judged, |_| Some(head)).await?;
        let seen: HashSet<PointId> = trained.questions.iter().flat_map(answers).collect();
        let known: Vec<bool> =
            judged.iter().map(|judged| answers(judged.question).any(|id| seen.contains(&id))).collect();
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
        judged: &[Judged<'_>],
        head: impl Fn(usize) -> Option<&'h Head>,
    ) -> Result<Vec<f64>, EvaluateError> {
        let measured = judged.iter().enumerate().map(|(place, judged)| {
            let head = head(place);
            async move {
                let failed = |source| EvaluateError::Search { question: judged.question.id.clone(), source };
                let found = self.found(&judged.vector, head).await.map_err(failed)?;
                let grades = &judged.question.grades;
                let found: Vec<u32> = found.iter().map(|id| grades.get(id).copied().unwrap_or_default()).collect();
                Ok(measures::ndcg(&found, &Ideal::new(grades.values().copied().collect()), HITS))
            }
        });
        stream::iter(measured).buffered(self.concurrency.get()).try_collect().await
    }

    /// What a question finds with a head, as if the collection were corrected where the head is for passages, too.
    async fn found(&self, question: &[f32], head: Option<&Head>) -> Result<Vec<PointId>, StoreError> {
        let corrected = head.map_or_else(|| question.to_vec(), |head| head.apply(question));
        let Some(head) = head.filter(|head| head.sides() == Sides::Both) else {
            return Ok(self.store.search(Search::dense(corrected, HITS)).await?.ids().collect());
        };
        let near = self.store.search(Search::dense(head.before(&corrected), COMPARED)).await?;
        let near: Vec<PointId> = near.ids().collect();
        let scored = |(id, passage): (PointId, Vec<f32>)| Scored {
            id,
            score: head.apply(&passage).iter().zip(&corrected).map(|(a, b)| a * b).sum(),
        };
        let compared = self.store.vectors(&near).await?.into_iter().map(scored).collect();
        Ok(Ranking::new(compared).top(HITS).ids().collect())
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

/// A question's right answers.
fn answers(question: &JudgedQuestion) -> impl Iterator<Item = PointId> {
    question.grades.iter().filter(|(_, grade)| **grade > 0).map(|(id, _)| *id)
}

/// Folds of the same size, at random: questions beside each other in a file are often alike.
fn folds_at_random(questions: usize) -> Vec<usize> {
    let mut folds: Vec<usize> = (0..questions).map(|question| question % FOLDS).collect();
    SplitMix64::new(SEED).shuffle(&mut folds);
    folds
}

/// Folds in which no right answer is in two of them: questions that share one are kept together, and whoever shares one
/// with those, too.
fn folds_by_answer(judged: &[Judged<'_>]) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..judged.len()).collect();
    let mut first: HashMap<PointId, usize> = HashMap::new();
    for (question, judged) in judged.iter().enumerate() {
        for answer in answers(judged.question) {
            let (one, other) = (groups[*first.entry(answer).or_insert(question)], groups[question]);
            groups.iter_mut().filter(|group| **group == other).for_each(|group| *group = one);
        }
    }
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    let next = |numbers: &HashMap<usize, usize>| numbers.len() % FOLDS;
    groups
        .into_iter()
        .map(|group| {
            let new = next(&numbers);
            *numbers.entry(group).or_insert(new)
        })
        .collect()
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
    fn questions_that_share_an_answer_share_a_fold() {
        let question = |id: u64, answers: &[u64]| JudgedQuestion {
            id: id.to_string(),
            text: String::new(),
            grades: answers.iter().map(|answer| (PointId::Number(*answer), 1)).collect(),
        };
        let questions = [
            question(0, &[1]),
            question(1, &[2]),
            question(2, &[1, 3]),
            question(3, &[3]),
            question(4, &[4]),
            question(5, &[2, 5]),
        ];
        let judged: Vec<Judged<'_>> =
            questions.iter().map(|question| Judged { question, vector: vec![], examples: vec![] }).collect();
        let folds = folds_by_answer(&judged);
        assert_eq!((folds[0], folds[2]), (folds[2], folds[3]), "by way of the third question");
        assert_eq!(folds[1], folds[5]);
        assert!(folds[0] != folds[1] && folds[0] != folds[4] && folds[1] != folds[4]);
    }
}

//! Training a linear head on judged questions: seconds on a CPU, pure, and the same every time.
//!
//! The loss is the cross-entropy of the right passage among the right ones of other questions and wrong ones that the
//! question found (`InfoNCE`; van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018),
//! the optimiser Adam (Kingma and Ba, ICLR 2015). Only the low-rank correction is learned; it begins at zero, so that
//! few questions move it little.

use super::random::SplitMix64;
use crate::{
    embed::{Head, Identity},
    ranking::PointId,
};

/// One judged question: its embedding, a right passage and what it found that is not right.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Example {
    /// The question's embedding, of length 1.
    pub question: Vec<f32>,
    /// The right passage.
    pub right: (PointId, Vec<f32>),
    /// Passages that stand high and are not right.
    pub wrong: Vec<Vec<f32>>,
    /// All its right passages: another question's right passage may be right for this one, too.
    pub all_right: Vec<PointId>,
}

impl Example {
    /// A judged question.
    #[must_use]
    pub fn new(question: Vec<f32>, right: (PointId, Vec<f32>), wrong: Vec<Vec<f32>>, all_right: Vec<PointId>) -> Self {
        Self { question, right, wrong, all_right }
    }
}

/// How a head is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Training {
    /// The rank of the correction.
    pub rank: usize,
    /// How often every example is seen.
    pub epochs: usize,
    /// The learning rate.
    pub rate: f32,
    /// How sharp the softmax is: scores are divided by this.
    pub temperature: f32,
}

impl Default for Training {
    fn default() -> Self {
        Self { rank: 16, epochs: 10, rate: 1e-3, temperature: 0.05 }
    }
}

/// How many questions share their right passages as wrong ones of each other.
const BATCH: usize = 32;
/// Adam's constants, as in its paper.
const DECAY: f32 = 0.9;
const DECAY_SQUARED: f32 = 0.999;
const TINY: f32 = 1e-8;
/// Any number; fixed, so that the same questions give the same head.
const SEED: u64 = 0x6164_6170_7468_6561;

/// Trains a head for a model; `None` if there is nothing to learn from.
#[must_use]
pub fn train(model: &Identity, examples: &[Example], training: Training) -> Option<Head> {
    let fits = |example: &&Example| {
        let vectors = [&example.question, &example.right.1].into_iter().chain(&example.wrong);
        vectors.into_iter().all(|vector| vector.len() == model.dimension)
    };
    let examples: Vec<&Example> = examples.iter().filter(fits).collect();
    if examples.is_empty() || training.rank == 0 {
        return None;
    }
    let mut random = SplitMix64::new(SEED);
    let size = model.dimension * training.rank;
    // One factor begins at zero, the other does not: the correction is nothing at first, and can be learned.
    let mut weights = Weights {
        up: Adam::new(vec![0.0; size]),
        down: Adam::new((0..size).map(|_| random.symmetric() * 0.1).collect()),
        rank: training.rank,
    };
    let mut order: Vec<usize> = (0..examples.len()).collect();
    for _ in 0..training.epochs {
        random.shuffle(&mut order);
        for batch in order.chunks(BATCH) {
            let batch: Vec<&Example> = batch.iter().map(|at| examples[*at]).collect();
            weights.learn(&batch, training);
        }
    }
    Head::new(model, training.rank, weights.up.values, weights.down.values)
}

/// The two factors of the correction under way.
struct Weights {
    up: Adam,
    down: Adam,
    rank: usize,
}

impl Weights {
    /// One step of gradient descent.
    fn learn(&mut self, batch: &[&Example], training: Training) {
        let size = self.up.values.len();
        let (mut up, mut down) = (vec![0.0; size], vec![0.0; size]);
        for example in batch {
            self.add_gradient(example, batch, training.temperature, (&mut up, &mut down));
        }
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        let share = 1.0 / batch.len() as f32;
        for gradient in up.iter_mut().chain(&mut down) {
            *gradient *= share;
        }
        self.up.step(&up, training.rate);
        self.down.step(&down, training.rate);
    }

    fn add_gradient(
        &self,
        example: &Example,
        batch: &[&Example],
        temperature: f32,
        (up, down): (&mut [f32], &mut [f32]),
    ) {
        let question = &example.question;
        let inner = project(&self.down.values, question, self.rank);
        let mut corrected = question.clone();
        for (own, row) in corrected.iter_mut().zip(self.up.values.chunks_exact(self.rank)) {
            *own += dot(row, &inner);
        }
        let length = dot(&corrected, &corrected).sqrt().max(TINY);
        let direction: Vec<f32> = corrected.iter().map(|x| x / length).collect();
        let others = batch.iter().filter(|other| !example.all_right.contains(&other.right.0));
        let wrong = example.wrong.iter().chain(others.map(|other| &other.right.1));
        let passages: Vec<&Vec<f32>> = std::iter::once(&example.right.1).chain(wrong).collect();
        // d loss / d direction = Σ (softmax − is right) · passage / temperature
        let mut slope = vec![0.0; question.len()];
        let shares = softmax(passages.iter().map(|passage| dot(&direction, passage) / temperature));
        for (at, (share, passage)) in shares.into_iter().zip(&passages).enumerate() {
            let error = (share - if at == 0 { 1.0 } else { 0.0 }) / temperature;
            slope.iter_mut().zip(*passage).for_each(|(slope, x)| *slope += error * x);
        }
        // Through the normalisation: what lies along the direction changes nothing.
        let along = dot(&slope, &direction);
        let slope: Vec<f32> = slope.iter().zip(&direction).map(|(slope, x)| (slope - along * x) / length).collect();
        let outer = project(&self.up.values, &slope, self.rank);
        for (at, (slope, own)) in slope.iter().zip(question).enumerate() {
            for column in 0..self.rank {
                up[at * self.rank + column] += slope * inner[column];
                down[at * self.rank + column] += own * outer[column];
            }
        }
    }
}

/// `matrixᵀ · vector`, for a matrix of `rank` columns.
fn project(matrix: &[f32], vector: &[f32], rank: usize) -> Vec<f32> {
    let mut projected = vec![0.0; rank];
    for (row, x) in matrix.chunks_exact(rank).zip(vector) {
        projected.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight * x);
    }
    projected
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn softmax(scores: impl Iterator<Item = f32>) -> Vec<f32> {
    let scores: Vec<f32> = scores.collect();
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = scores.iter().map(|score| (score - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// Numbers under Adam.
struct Adam {
    values: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
    steps: i32,
}

impl Adam {
    fn new(values: Vec<f32>) -> Self {
        let zeros = vec![0.0; values.len()];
        Self { values, mean: zeros.clone(), square: zeros, steps: 0 }
    }

    fn step(&mut self, gradient: &[f32], rate: f32) {
        self.steps = self.steps.saturating_add(1);
        let (first, second) = (1.0 - DECAY.powi(self.steps), 1.0 - DECAY_SQUARED.powi(self.steps));
        for (at, gradient) in gradient.iter().enumerate() {
            self.mean[at] = DECAY * self.mean[at] + (1.0 - DECAY) * gradient;
            self.square[at] = DECAY_SQUARED * self.square[at] + (1.0 - DECAY_SQUARED) * gradient * gradient;
            self.values[at] -= rate * (self.mean[at] / first) / ((self.square[at] / second).sqrt() + TINY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Questions lie along one axis, their answers along the next: what a head can learn and the model does not know.
    fn examples() -> Vec<Example> {
        let axis = |at: usize| (0..8).map(|i| if i == at % 8 { 1.0 } else { 0.0 }).collect::<Vec<f32>>();
        let id = |at: usize| PointId::Number(at as u64);
        (0..8)
            .map(|at| Example::new(axis(at), (id(at), axis(at + 1)), vec![axis(at), axis(at + 2)], vec![id(at)]))
            .collect()
    }

    #[test]
    fn a_head_learns_what_the_model_does_not_know() {
        let model = Identity::new("model", "weights", 8);
        let training = Training { rank: 8, epochs: 400, rate: 1e-2, ..Training::default() };
        let head = train(&model, &examples(), training).unwrap();
        for example in examples() {
            let corrected = head.apply(&example.question);
            let right = dot(&corrected, &example.right.1);
            assert!(example.wrong.iter().all(|wrong| dot(&corrected, wrong) < right), "{corrected:?}");
        }
        assert_eq!(train(&model, &examples(), training), Some(head), "the same questions give the same head");
    }

    #[test]
    fn nothing_is_learned_from_nothing() {
        let model = Identity::new("model", "weights", 8);
        assert_eq!(train(&model, &[], Training::default()), None);
        // Untrained, it changes nothing.
        let untrained = train(&model, &examples(), Training { epochs: 0, ..Training::default() }).unwrap();
        assert_eq!(untrained.apply(&examples()[0].question), examples()[0].question);
    }

    /// The gradient against finite differences.
    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let example = Example::new(
            vec![0.6, 0.8, 0.0],
            (PointId::Number(1), vec![0.0, 0.6, 0.8]),
            vec![vec![1.0, 0.0, 0.0]],
            vec![PointId::Number(1)],
        );
        let weights = |up: Vec<f32>, down: Vec<f32>| Weights { up: Adam::new(up), down: Adam::new(down), rank: 1 };
        let loss = |weights: &Weights| {
            let model = Identity::new("model", "weights", 3);
            let head = Head::new(&model, 1, weights.up.values.clone(), weights.down.values.clone()).unwrap();
            let corrected = head.apply(&example.question);
            let passages = [&example.right.1, &example.wrong[0]];
            -softmax(passages.iter().map(|passage| dot(&corrected, passage) / 0.5))[0].ln()
        };
        let (up, down) = (vec![0.3, -0.2, 0.1], vec![0.5, 0.4, -0.3]);
        let at = weights(up.clone(), down.clone());
        let (mut up_slope, mut down_slope) = (vec![0.0; 3], vec![0.0; 3]);
        at.add_gradient(&example, &[&example], 0.5, (&mut up_slope, &mut down_slope));
        for i in 0..3 {
            let moved =
                |by: f32, of: &[f32]| of.iter().enumerate().map(|(j, x)| if i == j { x + by } else { *x }).collect();
            let numeric = |a: Weights, b: Weights| (loss(&a) - loss(&b)) / 2e-3;
            let by_up = numeric(weights(moved(1e-3, &up), down.clone()), weights(moved(-1e-3, &up), down.clone()));
            let by_down = numeric(weights(up.clone(), moved(1e-3, &down)), weights(up.clone(), moved(-1e-3, &down)));
            assert!((by_up - up_slope[i]).abs() < 1e-2, "{by_up} {}", up_slope[i]);
            assert!((by_down - down_slope[i]).abs() < 1e-2, "{by_down} {}", down_slope[i]);
        }
    }
}

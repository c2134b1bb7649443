//! Training a linear head on judged questions: seconds on a CPU, pure, and the same every time.
//!
//! The loss is the cross-entropy of the right passage among the right ones of other questions and wrong ones that the
//! question found (`InfoNCE`; van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018),
//! the optimiser Adam (Kingma and Ba, ICLR 2015). The correction begins at zero and is drawn back towards it (a ridge,
//! Hoerl and Kennard 1970), so that few questions move it little.
//!
//! On both sides, a passage's corrected vector is not brought back to length 1 while training: that would cost a
//! multiplication by the matrix for every wrong passage. Corrections are small, and what a head is worth is measured with
//! lengths of 1.

use super::random::SplitMix64;
use crate::{
    embed::{Head, Identity, Sides},
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
    /// What the head is for.
    pub sides: Sides,
    /// How many batches of up to 32 examples are learned from; every example is seen before one is seen again.
    pub steps: usize,
    /// The learning rate.
    pub rate: f32,
    /// How sharp the softmax is: scores are divided by this.
    pub temperature: f32,
    /// How strongly each number of the correction is drawn towards zero.
    pub ridge: f32,
}

impl Default for Training {
    fn default() -> Self {
        Self { sides: Sides::Questions, steps: 600, rate: 3e-4, temperature: 0.05, ridge: 0.1 }
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
    train_until(model, examples, training, &[training.steps]).pop()
}

/// Trains once, and takes the head after each of these numbers of steps, which ascend. Empty if there is nothing to learn
/// from.
pub(super) fn train_until(model: &Identity, examples: &[Example], training: Training, steps: &[usize]) -> Vec<Head> {
    let fits = |example: &&Example| {
        let vectors = [&example.question, &example.right.1].into_iter().chain(&example.wrong);
        vectors.into_iter().all(|vector| vector.len() == model.dimension)
    };
    let examples: Vec<&Example> = examples.iter().filter(fits).collect();
    if examples.is_empty() {
        return vec![];
    }
    let mut random = SplitMix64::new(SEED);
    let mut weights = Weights::new(model.dimension);
    let (mut order, mut unseen) = (examples.clone(), 0..0);
    let (mut heads, mut done) = (vec![], 0);
    for wanted in steps {
        for _ in done..*wanted {
            if unseen.is_empty() {
                random.shuffle(&mut order);
                unseen = 0..order.len();
            }
            let batch = unseen.start..order.len().min(unseen.start + BATCH);
            unseen.start = batch.end;
            weights.learn(&order[batch], training);
        }
        done = *wanted;
        heads.extend(Head::new(model, training.sides, &weights.correction.values));
    }
    heads
}

/// The correction under way: a square matrix, a row for each number of the vector that is corrected.
struct Weights {
    dimension: usize,
    correction: Adam,
}

impl Weights {
    fn new(dimension: usize) -> Self {
        Self { dimension, correction: Adam::new(vec![0.0; dimension * dimension]) }
    }

    /// One step of gradient descent.
    fn learn(&mut self, batch: &[&Example], training: Training) {
        let mut gradient = vec![0.0; self.correction.values.len()];
        for example in batch {
            self.add_gradient(example, batch, training, &mut gradient);
        }
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        let share = 1.0 / batch.len() as f32;
        for (gradient, value) in gradient.iter_mut().zip(&self.correction.values) {
            *gradient = *gradient * share + training.ridge * value;
        }
        self.correction.step(&gradient, training.rate);
    }

    /// Adds the slope of one example's loss, without the ridge.
    fn add_gradient(&self, example: &Example, batch: &[&Example], training: Training, gradient: &mut [f32]) {
        let question = &example.question;
        let corrected = self.forward(question);
        let length = dot(&corrected, &corrected).sqrt().max(TINY);
        let direction: Vec<f32> = corrected.iter().map(|x| x / length).collect();
        // With passages corrected, too, u · (W p) is (Wᵀ u) · p.
        let target = match training.sides {
            Sides::Questions => direction.clone(),
            Sides::Both => self.backward(&direction),
        };
        let others = batch.iter().filter(|other| !example.all_right.contains(&other.right.0));
        let wrong = example.wrong.iter().chain(others.map(|other| &other.right.1));
        let passages: Vec<&Vec<f32>> = std::iter::once(&example.right.1).chain(wrong).collect();
        // d loss / d target = Σ (softmax − is right) · passage / temperature
        let mut slope = vec![0.0; question.len()];
        let shares = softmax(passages.iter().map(|passage| dot(&target, passage) / training.temperature));
        for (at, (share, passage)) in shares.into_iter().zip(&passages).enumerate() {
            let error = (share - if at == 0 { 1.0 } else { 0.0 }) / training.temperature;
            add(&mut slope, error, passage);
        }
        if training.sides == Sides::Both {
            self.add_outer(&slope, &direction, gradient);
            slope = self.forward(&slope);
        }
        // Through the normalisation: what lies along the direction changes nothing.
        let along = dot(&slope, &direction);
        let slope: Vec<f32> = slope.iter().zip(&direction).map(|(slope, x)| (slope - along * x) / length).collect();
        self.add_outer(question, &slope, gradient);
    }

    /// `W · vector`, where W is the identity and the correction.
    fn forward(&self, vector: &[f32]) -> Vec<f32> {
        let mut product = vector.to_vec();
        for (row, x) in self.correction.values.chunks_exact(self.dimension).zip(vector) {
            add(&mut product, *x, row);
        }
        product
    }

    /// `Wᵀ · vector`.
    fn backward(&self, vector: &[f32]) -> Vec<f32> {
        let rows = self.correction.values.chunks_exact(self.dimension);
        vector.iter().zip(rows).map(|(own, row)| own + dot(row, vector)).collect()
    }

    /// Adds what a change of the correction does to `W · from`, seen along `to`.
    fn add_outer(&self, from: &[f32], to: &[f32], gradient: &mut [f32]) {
        for (row, x) in gradient.chunks_exact_mut(self.dimension).zip(from) {
            add(row, *x, to);
        }
    }
}

/// `sum += factor · vector`
fn add(sum: &mut [f32], factor: f32, vector: &[f32]) {
    sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += factor * x);
}

/// In eight lanes, which a compiler may add beside each other.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, a_rest) = a.as_chunks::<8>();
    let (b_lanes, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        (0..8).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
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

    /// Question and answer share one number of seven; the question shares a larger one, the eighth, with what is wrong.
    /// A head can learn that it says nothing, and the model does not know.
    fn examples() -> Vec<Example> {
        let text = |at: usize, noise: f32| {
            let numbers = (0..8).map(|i| {
                if i == at % 7 {
                    1.0
                } else if i == 7 {
                    noise
                } else {
                    0.0
                }
            });
            let length = (1.0 + noise * noise).sqrt();
            numbers.map(|x| x / length).collect::<Vec<f32>>()
        };
        let id = |at: usize| PointId::Number(at as u64);
        let example = |at: usize| {
            let wrong = vec![text(at + 1, 2.0), text(at + 2, 2.0)];
            Example::new(text(at, 2.0), (id(at), text(at, 0.0)), wrong, vec![id(at)])
        };
        (0..7).map(example).collect()
    }

    #[test]
    fn a_head_learns_what_the_model_does_not_know() {
        let model = Identity::new("model", "weights", 8);
        for sides in [Sides::Questions, Sides::Both] {
            let training = Training { sides, steps: 400, rate: 1e-2, ridge: 1e-3, ..Training::default() };
            let head = train(&model, &examples(), training).unwrap();
            for example in examples() {
                let passage =
                    |passage: &[f32]| if sides == Sides::Both { head.apply(passage) } else { passage.to_vec() };
                let corrected = head.apply(&example.question);
                let right = dot(&corrected, &passage(&example.right.1));
                let wrong = example.wrong.iter().map(|wrong| dot(&corrected, &passage(wrong)));
                assert!(wrong.fold(f32::MIN, f32::max) < right, "{sides:?} {corrected:?}");
            }
            assert_eq!(train(&model, &examples(), training), Some(head), "the same questions give the same head");
        }
    }

    #[test]
    fn nothing_is_learned_from_nothing() {
        let model = Identity::new("model", "weights", 8);
        assert_eq!(train(&model, &[], Training::default()), None);
        // Untrained, it changes nothing.
        let untrained = train(&model, &examples(), Training { steps: 0, ..Training::default() }).unwrap();
        let question = examples().remove(0).question;
        let same = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
        assert!(untrained.apply(&question).iter().zip(&question).all(same), "but for rounding");
    }

    #[test]
    fn one_training_gives_the_heads_of_several() {
        let model = Identity::new("model", "weights", 8);
        let heads = train_until(&model, &examples(), Training::default(), &[2, 5]);
        let alone = |steps| train(&model, &examples(), Training { steps, ..Training::default() }).unwrap();
        assert_eq!(heads, [alone(2), alone(5)]);
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
        let start = [0.3, -0.2, 0.1, 0.5, 0.4, -0.3, -0.1, 0.2, 0.6];
        let weights = |correction: &[f32]| Weights { dimension: 3, correction: Adam::new(correction.to_vec()) };
        for sides in [Sides::Questions, Sides::Both] {
            let training = Training { sides, temperature: 0.5, ..Training::default() };
            let loss = |weights: &Weights| {
                let corrected = weights.forward(&example.question);
                let length = dot(&corrected, &corrected).sqrt();
                let score = |passage: &Vec<f32>| {
                    let passage = if sides == Sides::Both { weights.forward(passage) } else { passage.clone() };
                    dot(&corrected, &passage) / length / training.temperature
                };
                -softmax([&example.right.1, &example.wrong[0]].into_iter().map(score))[0].ln()
            };
            let mut slope = vec![0.0; 9];
            weights(&start).add_gradient(&example, &[&example], training, &mut slope);
            for at in 0..9 {
                let moved = |by: f32| {
                    let mut moved = start;
                    moved[at] += by;
                    weights(&moved)
                };
                let numeric = (loss(&moved(1e-3)) - loss(&moved(-1e-3))) / 2e-3;
                assert!((numeric - slope[at]).abs() < 1e-2, "{sides:?} {at}: {numeric} {}", slope[at]);
            }
        }
    }
}

//! Maximal marginal relevance: what is relevant and says something else than what was chosen before it.

use std::cmp::Ordering;

/// How many of the fused passages are chosen from unless said otherwise.
const DEFAULT_CANDIDATES: usize = 100;

/// Chooses hits one by one, each for its relevance less what it repeats (Carbonell and Goldstein, SIGIR 1998).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Mmr {
    /// How much repeating counts, from 0 (not at all: the fused order) to 1 (nothing else does). As in Qdrant it is
    /// 1 - λ of the paper.
    pub diversity: f64,
    /// How many of the best fused passages are chosen from: their vectors are fetched. With no more than the hits that
    /// are wanted, only their order could change.
    pub candidates: usize,
}

impl Mmr {
    /// Chooses among the best 100.
    #[must_use]
    pub fn new(diversity: f64) -> Self {
        Self { diversity, candidates: DEFAULT_CANDIDATES }
    }

    /// Sets how many of the best fused passages are chosen from.
    #[must_use]
    pub fn with_candidates(mut self, candidates: usize) -> Self {
        self.candidates = candidates;
        self
    }
}

/// The order in which candidates are chosen. The next is always the one with the highest
///
/// ```text
/// (1 - diversity) · relevance - diversity · max over the chosen (cosine similarity)
/// ```
///
/// where the relevances were brought to 0..=1 (the worst candidate's is 0, the best one's 1), so that they can be
/// compared with similarities whatever the fusion's scale is. The first chosen repeats nothing and is the most relevant
/// one. A candidate without a vector repeats nothing, either. Equal ones are chosen in the order they are given in.
///
/// ```
/// # use asktwice::refine::diversify;
/// // The second says the same as the first.
/// let vectors = [vec![1.0, 0.0], vec![1.0, 0.0], vec![0.0, 1.0]];
/// let vectors: Vec<_> = vectors.iter().map(|vector| Some(vector.as_slice())).collect();
/// assert_eq!(diversify(&[0.9, 0.8, 0.5], &vectors, 0.5), [0, 2, 1]);
/// assert_eq!(diversify(&[0.9, 0.8, 0.5], &vectors, 0.0), [0, 1, 2]);
/// ```
#[must_use]
pub fn diversify(relevances: &[f64], vectors: &[Option<&[f32]>], diversity: f64) -> Vec<usize> {
    let relevances = scaled(relevances);
    let lengths: Vec<f64> =
        vectors.iter().map(|vector| vector.map_or(0.0, |vector| dot(vector, vector).sqrt())).collect();
    // How much each repeats of what was chosen. Nothing is chosen yet.
    let mut repeats: Vec<Option<f64>> = vec![None; relevances.len()];
    let mut left: Vec<usize> = (0..relevances.len()).collect();
    let mut chosen = Vec::with_capacity(left.len());
    while !left.is_empty() {
        // The first is chosen for its relevance alone, also where nothing but diversity counts.
        let worth = |at: usize| match repeats[at] {
            Some(repeat) => (1.0 - diversity) * relevances[at] - diversity * repeat,
            None => relevances[at],
        };
        let best = (0..left.len()).reduce(|best, place| match worth(left[place]).total_cmp(&worth(left[best])) {
            Ordering::Greater => place,
            _ => best,
        });
        let next = left.remove(best.unwrap_or_default());
        for &other in &left {
            let similarity = match (vectors.get(next), vectors.get(other)) {
                (Some(Some(a)), Some(Some(b))) if lengths[next] * lengths[other] > 0.0 => {
                    dot(a, b) / (lengths[next] * lengths[other])
                }
                _ => 0.0,
            };
            repeats[other] = Some(repeats[other].map_or(similarity, |before| before.max(similarity)));
        }
        chosen.push(next);
    }
    chosen
}

/// The numbers brought to 0..=1; all 1 if they are equal.
fn scaled(numbers: &[f64]) -> Vec<f64> {
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    numbers.iter().map(|number| if high > low { (number - low) / (high - low) } else { 1.0 }).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

//! The measures, as `trec_eval` and BEIR define them: pure, over the grades of one question's ranking.

/// A question's judgements, as far as a measure needs them: the grades of its judged documents, best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ideal(Vec<u32>);

impl Ideal {
    /// Sorts the grades of all judged documents.
    pub(super) fn new(mut grades: Vec<u32>) -> Self {
        grades.sort_unstable_by(|a, b| b.cmp(a));
        Self(grades)
    }

    fn relevant(&self) -> usize {
        self.0.iter().filter(|grade| **grade > 0).count()
    }
}

/// Normalised discounted cumulative gain: the gain is the grade itself, as in `trec_eval`'s `ndcg_cut`, the discount
/// log2(rank + 1), the ideal that of all judged documents. 0 if none is relevant.
pub(super) fn ndcg(grades: &[u32], ideal: &Ideal, k: usize) -> f64 {
    let best = dcg(&ideal.0, k);
    if best == 0.0 { 0.0 } else { dcg(grades, k) / best }
}

fn dcg(grades: &[u32], k: usize) -> f64 {
    (1_u32..)
        .zip(grades.iter().take(k))
        .map(|(rank, grade)| f64::from(*grade) / f64::from(rank + 1).log2())
        .fold(0.0, |sum, gain| sum + gain)
}

/// One over the rank of the first relevant document; 0 if there is none among the first k.
#[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^52")]
pub(super) fn reciprocal_rank(grades: &[u32], k: usize) -> f64 {
    let first = grades.iter().take(k).position(|grade| *grade > 0);
    first.map_or(0.0, |index| 1.0 / (index + 1) as f64)
}

/// The share of the relevant documents that is among the first k; 0 if none is relevant.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn recall(grades: &[u32], ideal: &Ideal, k: usize) -> f64 {
    let found = grades.iter().take(k).filter(|grade| **grade > 0).count();
    match ideal.relevant() {
        0 => 0.0,
        relevant => found as f64 / relevant as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    #[test]
    fn ndcg_of_hand_computed_rankings() {
        // One relevant document at rank 3: (1 / log2 4) / (1 / log2 2).
        close(ndcg(&[0, 0, 1], &Ideal::new(vec![1]), 10), 0.5);
        // Grades 1, 0, 2 of judged 0, 1, 2: (1 + 2/2) / (2 + 1/1.5849625).
        close(ndcg(&[1, 0, 2], &Ideal::new(vec![0, 1, 2]), 10), 2.0 / 2.630_929_753_571_457);
        // A relevant document that was not found counts in the ideal: 1 / (1 + 1/1.5849625).
        close(ndcg(&[1], &Ideal::new(vec![1, 1]), 10), 1.0 / 1.630_929_753_571_457);
        // With k = 1 it does not: the ideal is cut at k, too.
        close(ndcg(&[1], &Ideal::new(vec![1, 1]), 1), 1.0);
        close(ndcg(&[0, 1], &Ideal::new(vec![1]), 1), 0.0);
        close(ndcg(&[], &Ideal::new(vec![0]), 10), 0.0);
    }

    #[test]
    fn reciprocal_rank_and_recall() {
        close(reciprocal_rank(&[0, 0, 0, 2, 1], 10), 0.25);
        close(reciprocal_rank(&[0, 0, 0, 2], 3), 0.0);
        let ideal = Ideal::new(vec![2, 1, 0, 1, 1]);
        close(recall(&[0, 2, 1, 0], &ideal, 10), 0.5);
        close(recall(&[0, 2, 1, 0], &ideal, 2), 0.25);
        close(recall(&[0], &Ideal::new(vec![]), 10), 0.0);
    }
}

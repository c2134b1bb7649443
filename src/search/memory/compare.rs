//! The arithmetic of the store in memory, the same as the engines': one vector with another, pure.

use crate::search::SparseVector;

/// The same direction at length 1, so that a dot product is a cosine. One that is as long already, or has no length, stays
/// as it is: what was read from a store is stored again unchanged.
pub(super) fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let square = dot(&vector, &vector);
    if square >= f32::EPSILON && (square - 1.0).abs() > 1e-6 {
        let length = square.sqrt();
        for number in &mut vector {
            *number /= length;
        }
    }
    vector
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A question's words, each weighed by its rarity among the passages: `ln(1 + (n - f + 0.5) / (f + 0.5))`, where `f` of
/// the `n` passages that have any word have this one (`VectorQueryContext::fancy_idf` in qdrant-edge 0.7.2).
pub(super) fn by_rarity<'a>(mut words: SparseVector, passages: impl Iterator<Item = &'a SparseVector>) -> SparseVector {
    let (mut count, mut having) = (0_u32, vec![0_u32; words.indices.len()]);
    for passage in passages.filter(|passage| !passage.is_empty()) {
        count += 1;
        for (word, having) in words.indices.iter().zip(&mut having) {
            *having += u32::from(passage.indices.binary_search(word).is_ok());
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "as the engine counts, and exact up to 16 million")]
    let (n, frequency) = (count as f32, having.into_iter().map(|having| having as f32));
    for (weight, f) in words.values.iter_mut().zip(frequency) {
        *weight *= ((n - f + 0.5) / (f + 0.5) + 1.0).ln();
    }
    words
}

/// The score of a passage's words for a question's; `None` if they share none.
pub(super) fn shared(question: &SparseVector, passage: &SparseVector) -> Option<f32> {
    let mut score = None;
    for (word, weight) in question.indices.iter().zip(&question.values) {
        if let Ok(at) = passage.indices.binary_search(word) {
            *score.get_or_insert(0.0) += weight * passage.values.get(at)?;
        }
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(of: &[(u32, f32)]) -> SparseVector {
        let (indices, values) = of.iter().copied().unzip();
        SparseVector { indices, values }
    }

    #[test]
    fn rare_words_weigh_more() {
        let passages = [words(&[(1, 1.0), (2, 1.0)]), words(&[(1, 1.0)]), words(&[(1, 1.0), (9, 1.0)]), words(&[])];
        let weighed = by_rarity(words(&[(1, 1.0), (2, 2.0), (3, 1.0)]), passages.iter());
        // By hand: n = 3, and f = 3, 1, 0.
        let wanted = [(0.5_f32 / 3.5 + 1.0).ln(), 2.0 * (2.5_f32 / 1.5 + 1.0).ln(), (3.5_f32 / 0.5 + 1.0).ln()];
        assert_eq!(weighed.values, wanted);
        assert_eq!(shared(&weighed, &passages[0]), Some(wanted[0] + wanted[1]));
        assert_eq!(shared(&words(&[(4, 1.0)]), &passages[0]), None);
    }

    #[test]
    fn directions_have_length_1() {
        assert_eq!(normalised(vec![3.0, 4.0]), [0.6, 0.8]);
        let once = normalised(vec![0.1, 0.7, 0.3]);
        assert_eq!(normalised(once.clone()), once);
        assert_eq!(normalised(vec![0.0, 0.0]), [0.0, 0.0]);
    }
}

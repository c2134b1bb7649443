//! How alike two embeddings are. Pure.

/// The cosine similarity of two embeddings; `None` if either has no length.
pub(crate) fn cosine(one: &[f32], other: &[f32]) -> Option<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let lengths = (dot(one, one) * dot(other, other)).sqrt();
    (lengths > 0.0).then(|| dot(one, other) / lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_direction_counts() {
        assert_eq!(cosine(&[2.0, 0.0], &[0.5, 0.0]), Some(1.0));
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 3.0]), Some(0.0));
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 0.0]), None);
    }
}

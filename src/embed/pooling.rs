//! How token vectors become one vector: pure arithmetic, shared by every model.

use serde::{Deserialize, Serialize};

/// How the vectors of a text's tokens become the vector of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pooling {
    /// The vector of the first token, `[CLS]`.
    Cls,
    /// The mean over all tokens.
    Mean,
    /// The vector of the last token.
    LastToken,
}

impl Pooling {
    /// Pools `tokens`, a row-major matrix of one row of `dimension` numbers per token. No row, no vector: zeros.
    #[must_use]
    pub fn pool(self, tokens: &[f32], dimension: usize) -> Vec<f32> {
        let mut rows = tokens.chunks_exact(dimension.max(1));
        let row = match self {
            Self::Cls => rows.next(),
            Self::LastToken => rows.next_back(),
            Self::Mean => return mean(rows, dimension),
        };
        row.map_or_else(|| vec![0.0; dimension], <[f32]>::to_vec)
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^24")]
fn mean<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]>, dimension: usize) -> Vec<f32> {
    let count = rows.len().max(1) as f32;
    let mut mean = vec![0.0; dimension];
    for row in rows {
        for (sum, value) in mean.iter_mut().zip(row) {
            *sum += value;
        }
    }
    for sum in &mut mean {
        *sum /= count;
    }
    mean
}

/// Scales a vector to length 1; a vector of length 0 stays as it is.
pub(crate) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        for value in vector {
            *value /= length;
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    const TOKENS: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 8.0, 0.0];

    #[test]
    fn pools_first_last_and_mean() {
        assert_eq!(Pooling::Cls.pool(&TOKENS, 2), [1.0, 2.0]);
        assert_eq!(Pooling::LastToken.pool(&TOKENS, 2), [8.0, 0.0]);
        assert_eq!(Pooling::Mean.pool(&TOKENS, 2), [4.0, 2.0]);
        assert_eq!(Pooling::Mean.pool(&[], 2), [0.0, 0.0]);
    }

    #[test]
    fn normalises_to_length_one() {
        let mut vector = [3.0, 4.0];
        normalise(&mut vector);
        assert_eq!(vector, [0.6, 0.8]);
        let mut zero = [0.0, 0.0];
        normalise(&mut zero);
        assert_eq!(zero, [0.0, 0.0]);
    }
}

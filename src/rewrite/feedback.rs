//! A second opinion without a language model: a vector made of the question's own and those of what it found first
//! (vector pseudo-relevance feedback; Li et al., "Pseudo Relevance Feedback with Deep Language Models and Dense
//! Retrievers", TOIS 2023). Pure.

use std::{fmt, str::FromStr};

/// How the vectors become one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Feedback {
    /// The mean of the question's vector and those of its first `top` hits.
    Average {
        /// How many hits.
        top: usize,
    },
    /// Rocchio's formula, `alpha · question + beta · mean of the first hits`.
    Rocchio {
        /// How many hits.
        top: usize,
        /// The question's share.
        alpha: f32,
        /// The hits' share.
        beta: f32,
    },
}

impl Feedback {
    /// Rocchio with the parameters of Pyserini's documented runs: five hits, 0.4 and 0.6.
    pub const ROCCHIO: Self = Self::Rocchio { top: 5, alpha: 0.4, beta: 0.6 };
    /// The average with the first three hits, as in Pyserini's documented runs.
    pub const AVERAGE: Self = Self::Average { top: 3 };

    /// How many hits it wants to see.
    #[must_use]
    pub fn top(self) -> usize {
        match self {
            Self::Average { top } | Self::Rocchio { top, .. } => top,
        }
    }

    /// The vector to search with; `None` if there is nothing to make one of.
    #[must_use]
    pub fn vector(self, question: &[f32], hits: &[Vec<f32>]) -> Option<Vec<f32>> {
        let hits: Vec<&Vec<f32>> = hits.iter().filter(|hit| hit.len() == question.len()).take(self.top()).collect();
        if hits.is_empty() {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a handful of hits")]
        let count = hits.len() as f32;
        let (alpha, beta) = match self {
            Self::Average { .. } => (1.0 / (count + 1.0), count / (count + 1.0)),
            Self::Rocchio { alpha, beta, .. } => (alpha, beta),
        };
        let mean = |at: usize| hits.iter().map(|hit| hit[at]).sum::<f32>() / count;
        Some(question.iter().enumerate().map(|(at, own)| alpha * own + beta * mean(at)).collect())
    }
}

impl fmt::Display for Feedback {
    /// As [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Average { top } => write!(f, "average:{top}"),
            Self::Rocchio { top, alpha, beta } => write!(f, "rocchio:{top}:{alpha}:{beta}"),
        }
    }
}

/// Why a name is not one of a feedback.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name:?} is not a feedback; use average, average:TOP, rocchio or rocchio:TOP:ALPHA:BETA")]
pub struct UnknownFeedback {
    name: String,
}

impl FromStr for Feedback {
    type Err = UnknownFeedback;

    /// Reads `average`, `average:TOP`, `rocchio` or `rocchio:TOP:ALPHA:BETA`.
    fn from_str(name: &str) -> Result<Self, UnknownFeedback> {
        let unknown = || UnknownFeedback { name: name.to_owned() };
        let top = |text: &str| text.parse().ok().filter(|top| (1..=100).contains(top)).ok_or_else(unknown);
        let share =
            |text: &str| text.parse().ok().filter(|share: &f32| share.is_finite() && *share >= 0.0).ok_or_else(unknown);
        match name.split(':').collect::<Vec<_>>()[..] {
            ["average"] => Ok(Self::AVERAGE),
            ["average", count] => Ok(Self::Average { top: top(count)? }),
            ["rocchio"] => Ok(Self::ROCCHIO),
            ["rocchio", count, alpha, beta] => {
                Ok(Self::Rocchio { top: top(count)?, alpha: share(alpha)?, beta: share(beta)? })
            }
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formulas() {
        let hits = [vec![0.0, 1.0], vec![0.0, 3.0], vec![9.0, 9.0]];
        assert_eq!(Feedback::Average { top: 1 }.vector(&[2.0, 0.0], &hits), Some(vec![1.0, 0.5]));
        let rocchio = Feedback::Rocchio { top: 2, alpha: 0.5, beta: 0.25 };
        assert_eq!(rocchio.vector(&[2.0, 0.0], &hits), Some(vec![1.0, 0.5]));
        assert_eq!(Feedback::ROCCHIO.vector(&[2.0, 0.0], &[]), None);
        assert_eq!(Feedback::ROCCHIO.vector(&[2.0, 0.0], &[vec![1.0]]), None);
    }

    #[test]
    fn the_names() {
        assert_eq!("rocchio:3:1:0.5".parse(), Ok(Feedback::Rocchio { top: 3, alpha: 1.0, beta: 0.5 }));
        assert_eq!("average:2".parse(), Ok(Feedback::Average { top: 2 }));
        for feedback in [Feedback::ROCCHIO, Feedback::AVERAGE] {
            assert_eq!(feedback.to_string().parse(), Ok(feedback));
        }
        for name in ["", "rocchio:0:1:1", "average:x", "rocchio:3:-1:1", "mean"] {
            assert!(name.parse::<Feedback>().is_err(), "{name}");
        }
    }
}

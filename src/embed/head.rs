//! A linear head on a model's question embeddings: a correction of low rank, learned from a user's own judged questions,
//! that moves a question nearer to the passages that answered questions like it. Passages stay as they are, so that a
//! collection need not be indexed again.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{Identity, pooling::normalise};

/// A correction of question embeddings: `q` becomes `q + U (Vᵀ q)`, brought back to length 1. Its file is JSON of tens to
/// hundreds of kilobytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The weights of the model that it belongs to, as [`Identity::weights`] names them.
    weights: String,
    dimension: usize,
    rank: usize,
    /// `U`, row by row: `dimension` rows of `rank` numbers.
    up: Vec<f32>,
    /// `V`, likewise.
    down: Vec<f32>,
}

/// Why a head cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// Its file cannot be read or written.
    #[error("the head {path} cannot be read or written")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its file is not a head's.
    #[error("the head {path} cannot be used: {problem}; make a new one with `asktwice adapt`")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It was trained for another model.
    #[error(
        "the head was trained for the model with the weights {trained}, this one has {given}; train one for this model \
         with `asktwice adapt`"
    )]
    Model {
        /// The beginning of the hash of the weights that it was trained for.
        trained: String,
        /// The beginning of the hash of the weights that are loaded.
        given: String,
    },
}

impl Head {
    /// A head from its two matrices, row by row: `dimension` rows of `rank` numbers each. `None` if their sizes do not fit
    /// or a number is not finite.
    #[must_use]
    pub fn new(model: &Identity, rank: usize, up: Vec<f32>, down: Vec<f32>) -> Option<Self> {
        let head = Self { weights: model.weights.clone(), dimension: model.dimension, rank, up, down };
        head.problem().is_none().then_some(head)
    }

    fn problem(&self) -> Option<String> {
        let size = self.dimension.checked_mul(self.rank);
        let numbers = self.up.iter().chain(&self.down);
        if size.is_none_or(|size| size == 0 || self.up.len() != size || self.down.len() != size) {
            return Some(format!("its matrices do not have {} rows of {} numbers", self.dimension, self.rank));
        }
        (!numbers.into_iter().all(|number| number.is_finite())).then(|| "it holds what is no number".to_owned())
    }

    /// Reads a head and checks that it belongs to this model.
    ///
    /// # Errors
    /// [`HeadError`] names the file and says what is wrong.
    pub fn read(path: &Path, model: &Identity) -> Result<Self, HeadError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| HeadError::File { path: name.clone(), source })?;
        let damaged = |problem: String| HeadError::Damaged { path: name.clone(), problem };
        let head: Self = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if let Some(problem) = head.problem() {
            return Err(damaged(problem));
        }
        if head.weights != model.weights || head.dimension != model.dimension {
            let short = |weights: &str| weights.chars().take(12).collect();
            return Err(HeadError::Model { trained: short(&head.weights), given: short(&model.weights) });
        }
        Ok(head)
    }

    /// Writes the head.
    ///
    /// # Errors
    /// [`HeadError::File`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), HeadError> {
        let text = serde_json::to_string(self).map_err(io::Error::from);
        let written = text.and_then(|text| fs::write(path, text));
        written.map_err(|source| HeadError::File { path: path.display().to_string(), source })
    }

    /// The embedding of a question, corrected. A vector of another dimension is left as it is.
    #[must_use]
    pub fn apply(&self, question: &[f32]) -> Vec<f32> {
        let mut corrected = question.to_vec();
        if question.len() != self.dimension {
            return corrected;
        }
        let mut inner = vec![0.0; self.rank];
        for (row, own) in self.down.chunks_exact(self.rank).zip(question) {
            inner.iter_mut().zip(row).for_each(|(inner, v)| *inner += v * own);
        }
        for (row, own) in self.up.chunks_exact(self.rank).zip(&mut corrected) {
            *own += row.iter().zip(&inner).map(|(u, inner)| u * inner).sum::<f32>();
        }
        normalise(&mut corrected);
        corrected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Identity {
        Identity::new("model", "weights", 2)
    }

    #[test]
    fn the_correction_is_of_low_rank_and_keeps_the_length() {
        // U Vᵀ adds the first coordinate to the second.
        let head = Head::new(&model(), 1, vec![0.0, 1.0], vec![1.0, 0.0]).unwrap();
        let corrected = head.apply(&[1.0, 0.0]);
        assert!((corrected[0] - corrected[1]).abs() < 1e-6 && (corrected[0] - 0.5_f32.sqrt()).abs() < 1e-6);
        assert_eq!(head.apply(&[0.0, 1.0]), [0.0, 1.0]);
        assert_eq!(head.apply(&[1.0]), [1.0]);
    }

    #[test]
    fn files_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.json");
        let head = Head::new(&model(), 1, vec![0.0, 1.0], vec![1.0, 0.0]).unwrap();
        head.write(&path).unwrap();
        assert_eq!(Head::read(&path, &model()).unwrap(), head);
        let other = Head::read(&path, &Identity::new("model", "others", 2)).unwrap_err();
        assert!(matches!(other, HeadError::Model { .. }), "{other}");
        for text in ["{}", r#"{"weights":"weights","dimension":2,"rank":1,"up":[1.0],"down":[1.0,2.0]}"#] {
            fs::write(&path, text).unwrap();
            assert!(matches!(Head::read(&path, &model()), Err(HeadError::Damaged { .. })));
        }
        assert!(matches!(Head::read(Path::new("/nowhere"), &model()), Err(HeadError::File { .. })));
        assert!(Head::new(&model(), 1, vec![f32::NAN, 1.0], vec![1.0, 0.0]).is_none());
    }
}

//! A linear head on a model's embeddings: a correction, learned from a user's own judged questions, that moves a question
//! nearer to the passages that answered questions like it. On questions alone, a collection stays as it is; on both sides,
//! its passages' vectors are corrected, too, and the collection remembers by which head.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Identity, pooling::normalise};

/// What one step of a written number is. Finer than a float's own error in a product of some hundred numbers.
const STEP: f32 = 1e-4;

/// Which embeddings a head corrects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sides {
    /// Those of questions; passages stay as they are.
    #[default]
    Questions,
    /// Those of questions and of passages.
    Both,
}

/// A correction of embeddings: `v` becomes `v + Δ v`, brought back to length 1. Its file is JSON of some hundreds of
/// kilobytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The weights of the model that it belongs to, as [`Identity::weights`] names them.
    weights: String,
    dimension: usize,
    sides: Sides,
    /// `Δ` in steps of a ten-thousandth; row by row, and a row says what one number of the embedding adds to each of the
    /// corrected one.
    correction: Vec<i16>,
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
    /// A head from its correction, row by row, each row what one number of an embedding adds to each of the corrected one.
    /// `None` if it is not square in the model's dimension, or a number is not finite or far from what a correction is.
    #[must_use]
    pub fn new(model: &Identity, sides: Sides, correction: &[f32]) -> Option<Self> {
        let correction = correction.iter().map(|number| in_steps(*number)).collect::<Option<_>>()?;
        let head = Self { weights: model.weights.clone(), dimension: model.dimension, sides, correction };
        head.problem().is_none().then_some(head)
    }

    fn problem(&self) -> Option<String> {
        let size = self.dimension.checked_mul(self.dimension);
        let fits = size.is_some_and(|size| size > 0 && self.correction.len() == size);
        (!fits).then(|| format!("its correction does not have {0} rows of {0} numbers", self.dimension))
    }

    /// Which embeddings it corrects.
    #[must_use]
    pub fn sides(&self) -> Sides {
        self.sides
    }

    /// The identity of a model with this head: another passage side where passages are corrected, too.
    #[must_use]
    pub fn identity(&self, model: &Identity) -> Identity {
        match self.sides {
            Sides::Questions => model.clone(),
            Sides::Both => Identity { head: Some(self.fingerprint()), ..model.clone() },
        }
    }

    /// SHA-256 of its numbers, in hexadecimal.
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.weights);
        self.correction.iter().for_each(|number| hash.update(number.to_le_bytes()));
        format!("{:x}", hash.finalize())
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

    /// An embedding, corrected and of length 1. A vector of another dimension is left as it is.
    #[must_use]
    pub fn apply(&self, embedding: &[f32]) -> Vec<f32> {
        let mut corrected = embedding.to_vec();
        if embedding.len() != self.dimension {
            return corrected;
        }
        for (row, own) in self.correction.chunks_exact(self.dimension).zip(embedding) {
            let own = own * STEP;
            corrected.iter_mut().zip(row).for_each(|(sum, steps)| *sum += own * f32::from(*steps));
        }
        normalise(&mut corrected);
        corrected
    }

    /// What a vector is compared with before passages are corrected, to find those that are nearest to it after: the
    /// transposed matrix's product, not of length 1. Exact but for the corrected passages' lengths.
    #[must_use]
    pub(crate) fn before(&self, corrected: &[f32]) -> Vec<f32> {
        let mut before = corrected.to_vec();
        for (sum, row) in before.iter_mut().zip(self.correction.chunks_exact(self.dimension)) {
            *sum += row.iter().zip(corrected).map(|(steps, x)| f32::from(*steps) * x).sum::<f32>() * STEP;
        }
        before
    }
}

/// A number in steps; `None` if it is none that a correction has.
#[expect(clippy::cast_possible_truncation, reason = "looked at before")]
fn in_steps(number: f32) -> Option<i16> {
    let steps = (number / STEP).round();
    (steps.abs() <= f32::from(i16::MAX)).then_some(steps as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Identity {
        Identity::new("model", "weights", 2)
    }

    /// Adds the first number to the second.
    fn head(sides: Sides) -> Head {
        Head::new(&model(), sides, &[0.0, 1.0, 0.0, 0.0]).unwrap()
    }

    #[test]
    fn the_correction_keeps_the_length() {
        let corrected = head(Sides::Questions).apply(&[1.0, 0.0]);
        assert!((corrected[0] - corrected[1]).abs() < 1e-6 && (corrected[0] - 0.5_f32.sqrt()).abs() < 1e-6);
        assert_eq!(head(Sides::Questions).apply(&[0.0, 1.0]), [0.0, 1.0]);
        assert_eq!(head(Sides::Questions).apply(&[1.0]), [1.0]);
    }

    #[test]
    fn before_passages_are_corrected_as_after() {
        let (head, passage) = (head(Sides::Both), [0.6_f32, 0.8]);
        let question = head.apply(&[1.0, 0.0]);
        // W p is (0.6, 0.8 + 0.6).
        let after = question[0] * 0.6 + question[1] * 1.4;
        let before = head.before(&question);
        assert!((before[0] * passage[0] + before[1] * passage[1] - after).abs() < 1e-6);
    }

    #[test]
    fn a_head_on_both_sides_is_another_passage_side() {
        let model = model();
        assert_eq!(head(Sides::Questions).identity(&model), model);
        let difference = model.difference(&head(Sides::Both).identity(&model)).unwrap();
        assert!(difference.starts_with("its head is none, this one's is "), "{difference}");
    }

    #[test]
    fn files_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.json");
        for sides in [Sides::Questions, Sides::Both] {
            head(sides).write(&path).unwrap();
            assert_eq!(Head::read(&path, &model()).unwrap(), head(sides));
        }
        let other = Head::read(&path, &Identity::new("model", "others", 2)).unwrap_err();
        assert!(matches!(other, HeadError::Model { .. }), "{other}");
        for text in ["{}", r#"{"weights":"weights","dimension":2,"sides":"both","correction":[1]}"#] {
            fs::write(&path, text).unwrap();
            assert!(matches!(Head::read(&path, &model()), Err(HeadError::Damaged { .. })));
        }
        assert!(matches!(Head::read(Path::new("/nowhere"), &model()), Err(HeadError::File { .. })));
        for number in [f32::NAN, f32::INFINITY, 4.0] {
            assert!(Head::new(&model(), Sides::Both, &[number, 1.0, 0.0, 0.0]).is_none(), "{number}");
        }
    }
}

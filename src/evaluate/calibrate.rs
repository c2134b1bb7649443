//! From what a retrieval shows of itself (how much its legs agree, how high its first hit scores) to the probability
//! that it found a right answer, learned from the user's own judged questions. There is no threshold that fits every
//! collection, so none is built in.
//!
//! A logistic regression of two signals, fitted by Newton's method. Each signal is scaled to mean 0 and variance 1, and
//! the fit is drawn towards "always the share that was right" as by one question's worth of doubt (a ridge of 1), so that
//! ten questions do not give certainty. What it is worth is said by leaving each question out once: the Brier score, the
//! mean squared distance of the probability from what was the case (Brier, "Verification of forecasts expressed in terms
//! of probability", 1950), beside that of always saying the share.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{Configuration, Searches, runs::Run, searches::SearchedQuestion};
use crate::ranking::PointId;

/// Fewer questions say too little.
pub const LEAST_QUESTIONS: usize = 10;
/// How strongly the fit is drawn towards knowing nothing.
const RIDGE: f64 = 1.0;
/// Newton's method doubles the right digits at each step; it needs fewer.
const STEPS: usize = 50;

impl Searches {
    /// Calibrates on the judged questions: of a companion's run, or of the question alone. `top` is how many of the first
    /// hits are looked at for a right answer.
    ///
    /// # Errors
    /// [`CalibrationError`] if there are too few questions, or all ended alike.
    pub fn calibrate(
        &self,
        configuration: &Configuration,
        companion: Option<usize>,
        top: usize,
    ) -> Result<Calibration, CalibrationError> {
        Calibration::fit(&self.observations(configuration, companion, top), &configuration.name, top)
    }

    /// What each judged question's retrieval shows of itself, and whether it found a right answer.
    #[must_use]
    pub fn observations(
        &self,
        configuration: &Configuration,
        companion: Option<usize>,
        top: usize,
    ) -> Vec<Observation> {
        let run = companion.map_or(Run::Asked, Run::Fused);
        let observe = |question: &SearchedQuestion| {
            let hits = question.fuse(configuration, run);
            let right = |id: &PointId| question.judged.grades.get(id).is_some_and(|grade| *grade > 0);
            Observation {
                agreement: question.agreement(configuration, run).unwrap_or_default(),
                score: hits.first().map_or(0.0, |hit| hit.normalised),
                right: question.documents(hits.iter().map(|hit| hit.id)).iter().take(top).any(right),
            }
        };
        self.questions.iter().map(observe).collect()
    }
}

/// One judged question's retrieval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// How much its legs agree, from 0 to 1.
    pub agreement: f64,
    /// The normalised score of its first hit, from 0 to 1.
    pub score: f64,
    /// Whether it found a right answer.
    pub right: bool,
}

impl Observation {
    fn signals(&self) -> [f64; 2] {
        [self.agreement, self.score]
    }
}

/// What turns the signals of a retrieval into a probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Calibration {
    /// The configuration that was measured; scores of another one mean something else.
    pub configuration: String,
    /// How many of the first hits were looked at for a right answer.
    pub top: usize,
    /// Over how many questions.
    pub questions: usize,
    /// The share of the questions with a right answer.
    pub right: f64,
    /// The Brier score of each question's probability, calibrated on the others; 0 is best.
    pub brier: f64,
    /// The Brier score of always saying the share of the others that was right.
    pub brier_of_share: f64,
    model: Model,
}

/// Log odds, a straight line of the signals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    intercept: f64,
    agreement: f64,
    score: f64,
}

/// Why there is no calibration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// There are too few questions.
    #[error("{questions} judged questions are too few to calibrate on; judge at least {LEAST_QUESTIONS}")]
    TooFew {
        /// How many there are.
        questions: usize,
    },
    /// All questions ended alike.
    #[error(
        "{} of the {questions} questions has a right answer among its first {top}: calibration needs some of both; add \
         questions, or look at another number of hits",
        if *right { "each" } else { "none" }
    )]
    Alike {
        /// How many questions there are.
        questions: usize,
        /// How many hits were looked at.
        top: usize,
        /// Whether all were right, or all wrong.
        right: bool,
    },
    /// The file cannot be read or written.
    #[error("{file}: cannot be read or written")]
    File {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not a calibration.
    #[error("{file} is not a calibration: make one with `asktwice calibrate`")]
    Form {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl Calibration {
    /// Fits. `configuration` says what was measured, `top` how many hits were looked at for a right answer.
    ///
    /// # Errors
    /// [`CalibrationError`] if there are too few questions, or all ended alike.
    pub fn fit(
        observations: &[Observation],
        configuration: impl Into<String>,
        top: usize,
    ) -> Result<Self, CalibrationError> {
        let questions = observations.len();
        if questions < LEAST_QUESTIONS {
            return Err(CalibrationError::TooFew { questions });
        }
        let right = observations.iter().filter(|observation| observation.right).count();
        if right == 0 || right == questions {
            return Err(CalibrationError::Alike { questions, top, right: right > 0 });
        }
        let (brier, brier_of_share) = left_out(observations);
        Ok(Self {
            configuration: configuration.into(),
            top,
            questions,
            right: number(right) / number(questions),
            brier,
            brier_of_share,
            model: Model::fit(observations),
        })
    }

    /// The probability that a retrieval found a right answer among its first [`top`](Self::top) hits: of its legs'
    /// agreement and its first hit's normalised score.
    #[must_use]
    pub fn probability(&self, agreement: f64, score: f64) -> f64 {
        self.model.probability([agreement, score])
    }

    /// Whether the signals say more than the share of right answers does.
    #[must_use]
    pub fn is_of_use(&self) -> bool {
        self.brier < self.brier_of_share
    }

    /// Reads a calibration from a file.
    ///
    /// # Errors
    /// [`CalibrationError`] names the file.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, CalibrationError> {
        let name = file.as_ref().display().to_string();
        let text = fs::read(&file).map_err(|source| CalibrationError::File { file: name.clone(), source })?;
        serde_json::from_slice(&text).map_err(|source| CalibrationError::Form { file: name, source })
    }

    /// Writes the calibration to a file.
    ///
    /// # Errors
    /// [`CalibrationError`] names the file.
    pub fn save(&self, file: impl AsRef<Path>) -> Result<(), CalibrationError> {
        let name = file.as_ref().display().to_string();
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|source| CalibrationError::Form { file: name.clone(), source })?;
        fs::write(&file, text + "\n").map_err(|source| CalibrationError::File { file: name, source })
    }
}

/// The Brier scores of the fit and of the share, each question judged by the others.
fn left_out(observations: &[Observation]) -> (f64, f64) {
    let mut others = observations.to_vec();
    let (mut fitted, mut share) = (0.0, 0.0);
    for place in 0..observations.len() {
        let left = others.swap_remove(place);
        let was = f64::from(u8::from(left.right));
        fitted += (Model::fit(&others).probability(left.signals()) - was).powi(2);
        share += (smoothed_share(&others) - was).powi(2);
        // Back to where it was: the order of the others never matters, their number does.
        others.push(left);
        let last = others.len() - 1;
        others.swap(place, last);
    }
    (fitted / number(observations.len()), share / number(observations.len()))
}

/// The share that was right, as if one more had been right and one wrong: never 0 or 1 (Laplace's rule).
fn smoothed_share(observations: &[Observation]) -> f64 {
    let right = observations.iter().filter(|observation| observation.right).count();
    (number(right) + 1.0) / (number(observations.len()) + 2.0)
}

impl Model {
    fn fit(observations: &[Observation]) -> Self {
        let scales = [0, 1].map(|signal| Scale::of(observations.iter().map(|o| o.signals()[signal])));
        let share = smoothed_share(observations);
        let centre = [(share / (1.0 - share)).ln(), 0.0, 0.0];
        let rows: Vec<([f64; 3], f64)> = observations
            .iter()
            .map(|o| ([1.0, scales[0].at(o.agreement), scales[1].at(o.score)], f64::from(u8::from(o.right))))
            .collect();
        let mut found = centre;
        for _ in 0..STEPS {
            let step = newton_step(&rows, found, centre);
            (0..3).for_each(|i| found[i] += step[i]);
            if step.iter().all(|part| part.abs() < 1e-10) {
                break;
            }
        }
        // From the scaled signals back to the signals themselves.
        let [intercept, agreement, score] = found;
        let (agreement, score) = (agreement / scales[0].spread, score / scales[1].spread);
        Self { intercept: intercept - agreement * scales[0].mean - score * scales[1].mean, agreement, score }
    }

    fn probability(self, [agreement, score]: [f64; 2]) -> f64 {
        sigmoid(self.intercept + self.agreement * agreement + self.score * score)
    }
}

/// One step of Newton's method on the log-likelihood with its ridge.
fn newton_step(rows: &[([f64; 3], f64)], at: [f64; 3], centre: [f64; 3]) -> [f64; 3] {
    let mut gradient = [0, 1, 2].map(|i| -RIDGE * (at[i] - centre[i]));
    let mut curvature = [[RIDGE, 0.0, 0.0], [0.0, RIDGE, 0.0], [0.0, 0.0, RIDGE]];
    for (row, was) in rows {
        let said = sigmoid((0..3).map(|i| at[i] * row[i]).sum());
        for i in 0..3 {
            gradient[i] += (was - said) * row[i];
            for j in 0..3 {
                curvature[i][j] += said * (1.0 - said) * row[i] * row[j];
            }
        }
    }
    solve(curvature, gradient)
}

/// Solves three equations by elimination. The matrix is positive definite, so that no pivot is 0.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> [f64; 3] {
    for pivot in 0..3 {
        for row in pivot + 1..3 {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            let above = matrix[pivot];
            (pivot..3).for_each(|column| matrix[row][column] -= factor * above[column]);
            right[row] -= factor * right[pivot];
        }
    }
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// A signal's mean and standard deviation; a signal that never varies says nothing and keeps its scale.
struct Scale {
    mean: f64,
    spread: f64,
}

impl Scale {
    fn of(values: impl ExactSizeIterator<Item = f64> + Clone) -> Self {
        let mean = super::bootstrap::mean(values.clone());
        let spread = super::bootstrap::mean(values.map(|value| (value - mean).powi(2))).sqrt();
        Self { mean, spread: if spread > 0.0 { spread } else { 1.0 } }
    }

    fn at(&self, value: f64) -> f64 {
        (value - self.mean) / self.spread
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(agreement: f64, score: f64, right: bool) -> Observation {
        Observation { agreement, score, right }
    }

    #[test]
    fn a_signal_that_tells_is_of_use_and_one_that_does_not_is_not() {
        let telling: Vec<_> = (0..40).map(|i| observed(f64::from(i) / 40.0, 0.5, i + (i * 7) % 11 > 25)).collect();
        let calibration = Calibration::fit(&telling, "c", 1).unwrap();
        assert!(calibration.is_of_use(), "{calibration:?}");
        assert!(calibration.probability(0.9, 0.5) > 0.8, "{calibration:?}");
        assert!(calibration.probability(0.1, 0.5) < 0.2, "{calibration:?}");
        assert_eq!(calibration.probability(0.3, 0.1), calibration.probability(0.3, 0.9), "a constant says nothing");
        // Right and wrong in turn, whatever the signals.
        let mute: Vec<_> = (0..40).map(|i| observed(f64::from(i / 2) / 20.0, 0.5, i % 2 == 0)).collect();
        assert!(!Calibration::fit(&mute, "c", 1).unwrap().is_of_use());
    }

    #[test]
    fn the_fit_is_where_the_likelihood_is_flat() {
        let observations: Vec<_> =
            (0..30).map(|i| observed(f64::from(i % 7) / 7.0, f64::from(i % 5) / 5.0, (i * i) % 7 > 2)).collect();
        let model = Model::fit(&observations);
        let scales = [0, 1].map(|signal| Scale::of(observations.iter().map(|o| o.signals()[signal])));
        let share = smoothed_share(&observations);
        let slopes = [model.agreement * scales[0].spread, model.score * scales[1].spread];
        let intercept = model.intercept + model.agreement * scales[0].mean + model.score * scales[1].mean;
        let mut gradient =
            [-RIDGE * (intercept - (share / (1.0 - share)).ln()), -RIDGE * slopes[0], -RIDGE * slopes[1]];
        for o in &observations {
            let missed = f64::from(u8::from(o.right)) - model.probability(o.signals());
            gradient[0] += missed;
            gradient[1] += missed * scales[0].at(o.agreement);
            gradient[2] += missed * scales[1].at(o.score);
        }
        assert!(gradient.iter().all(|part| part.abs() < 1e-8), "{gradient:?}");
    }

    #[test]
    fn perfect_separation_gives_no_certainty() {
        let observations: Vec<_> = (0..10).map(|i| observed(f64::from(i) / 10.0, 0.5, i >= 5)).collect();
        let probability = Calibration::fit(&observations, "c", 1).unwrap().probability(1.0, 0.5);
        assert!((0.8..0.99).contains(&probability), "{probability}");
    }

    #[test]
    fn too_few_or_all_alike_is_refused() {
        let right: Vec<_> = (0..12).map(|_| observed(0.5, 0.5, true)).collect();
        assert!(matches!(Calibration::fit(&right[..9], "c", 1), Err(CalibrationError::TooFew { questions: 9 })));
        assert!(matches!(Calibration::fit(&right, "c", 1), Err(CalibrationError::Alike { right: true, .. })));
    }

    #[test]
    fn a_file_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("calibration.json");
        let observations: Vec<_> = (0..10).map(|i| observed(f64::from(i) / 10.0, 0.5, i % 3 > 0)).collect();
        let calibration = Calibration::fit(&observations, "c", 3).unwrap();
        calibration.save(&file).unwrap();
        // JSON keeps a number to its last digit or so.
        let loaded = Calibration::load(&file).unwrap();
        assert!((loaded.probability(0.3, 0.5) - calibration.probability(0.3, 0.5)).abs() < 1e-12);
        assert_eq!((loaded.questions, &loaded.configuration), (calibration.questions, &calibration.configuration));
        fs::write(&file, "{}").unwrap();
        assert!(Calibration::load(&file).unwrap_err().to_string().contains("calibration.json is not a calibration"));
    }
}

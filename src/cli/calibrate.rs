//! `asktwice calibrate`: learns from judged questions how sure a retrieval may be of itself.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    judged::{self, Judged, Searched},
    say,
};
use crate::{
    config::{Settings, SettingsError},
    error::Error,
    evaluate::Calibration,
    retrieval::Report,
};

#[derive(Debug, Args)]
pub(super) struct Calibrate {
    #[command(flatten)]
    judged: Judged,
    /// Among how many of the first hits a right answer has to be.
    #[arg(long, default_value = "1", value_name = "HITS")]
    top: usize,
    /// Where to write the calibration.
    #[arg(long, default_value = "calibration.json", value_name = "FILE")]
    out: PathBuf,
    /// Print the calibration as JSON.
    #[arg(long)]
    json: bool,
}

impl Calibrate {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        if self.judged.rewrites.len() > 1 {
            let problem =
                "a calibration belongs to one rewriter; give one file, or none for the language model of the settings";
            return Err(Error::Settings { setting: "--rewrites".to_owned(), problem: problem.to_owned() }.into());
        }
        let choice = judged::chosen(settings)?;
        let Searched { searches, complete, .. } = self.judged.search(settings, choice.deepest(), vec![]).await?;
        let companion = (!searches.companions.is_empty()).then_some(0);
        let configuration = choice.named(choice.to_string());
        let calibration = searches.calibrate(&configuration, companion, self.top)?;
        if self.json {
            say(serde_json::to_string_pretty(&calibration)?)?;
        } else {
            let (questions, right) = (calibration.questions, 100.0 * calibration.right);
            say(format!(
                "{questions} questions, {right:.0} % with a right answer among the first {}.\n\
                 Brier score, each question judged by the others (0 is best): {:.4}; always saying {right:.0} %: {:.4}.",
                self.top, calibration.brier, calibration.brier_of_share
            ))?;
            let observations = searches.observations(&configuration, companion, self.top);
            for (percent, what) in [(10, "low"), (50, "middling"), (90, "high")] {
                let agreement = percentile(observations.iter().map(|one| one.agreement), percent);
                let score = percentile(observations.iter().map(|one| one.score), percent);
                let probability = 100.0 * calibration.probability(agreement, score);
                say(format!(
                    "  both {what} for these questions (agreement {agreement:.2}, first score {score:.2}): {probability:.0} %"
                ))?;
            }
        }
        if calibration.is_of_use() {
            calibration.save(&self.out)?;
            eprintln!("asktwice: {} is written", self.out.display());
        } else {
            eprintln!("asktwice: the signals say no more than the share of right answers does, so nothing was written");
        }
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The calibration that the settings name, if they are those that it was made with: the scores of others mean something
/// else.
pub(super) fn of(settings: &Settings) -> Result<Option<Calibration>, SettingsError> {
    let file = &settings.search.calibration;
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let refuse = |problem: String| SettingsError::Value { setting: "search.calibration", problem };
    let calibration = Calibration::load(file).map_err(|error| refuse(Report(&error).to_string()))?;
    let (made, own) = (&calibration.configuration, judged::chosen(settings)?.to_string());
    if *made != own {
        let file = file.display();
        return Err(refuse(format!(
            "{file} was made with {made}, and now it is {own}; run `asktwice calibrate` again"
        )));
    }
    Ok(Some(calibration))
}

/// The value below which this many percent of them lie.
fn percentile(values: impl Iterator<Item = f64>, percent: usize) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() * percent / 100).copied().unwrap_or_default()
}

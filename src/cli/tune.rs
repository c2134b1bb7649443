//! `asktwice tune`: chooses settings by the user's own judged questions, and writes them down if they are clearly better.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;

use super::{
    judged::{self, Judged, Searched},
    say,
};
use crate::{
    config::Settings,
    evaluate::{Choice, Delta, Grid, Searches, Tuning},
};

#[derive(Debug, Args)]
pub(super) struct Tune {
    #[command(flatten)]
    judged: Judged,
    /// Where to write the settings, if any can be recommended; --config FILE uses them.
    #[arg(long, default_value = "tuned.toml", value_name = "FILE")]
    out: PathBuf,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

impl Tune {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let base = judged::chosen(settings)?;
        let Searched { searches, complete, .. } = self.judged.search(settings, base.deepest(), vec![]).await?;
        let tunings = tune(&searches, base);
        if tunings.is_empty() {
            anyhow::bail!("{} judged questions are too few to tune on; judge at least ten", searches.questions());
        }
        if self.json {
            say(serde_json::to_string_pretty(&tunings)?)?;
        } else {
            tunings.iter().try_for_each(say)?;
        }
        // Of several sets of rewrites, the one that gains most.
        let best = tunings.iter().filter(|tuning| tuning.recommended().is_some());
        let best = best.max_by(|a, b| a.gain.mean.total_cmp(&b.gain.mean));
        if let Some((tuning, choice)) = best.and_then(|tuning| Some((tuning, tuning.recommended()?))) {
            let rewrites = tuning.rewrites.as_deref().unwrap_or("the question alone");
            let text = settings_file(rewrites, tuning.questions, tuning.gain, choice);
            fs::write(&self.out, text).with_context(|| format!("{} cannot be written", self.out.display()))?;
            let out = self.out.display();
            eprintln!("asktwice: {out} is written; --config {out} uses it");
        }
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Tunes for each set of rewrites, or for the question alone where there is none.
fn tune(searches: &Searches, base: Choice) -> Vec<Tuning> {
    let companions = searches.companions.len();
    let runs: Vec<Option<usize>> = if companions == 0 { vec![None] } else { (0..companions).map(Some).collect() };
    let bar = ProgressBar::new(0);
    let progress = |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let tuned = runs.into_iter().filter_map(|run| searches.tune(run, base, &Grid::default(), progress)).collect();
    bar.finish_and_clear();
    tuned
}

fn settings_file(rewrites: &str, questions: usize, gain: Delta, choice: Choice) -> String {
    let Choice { fusion, weight, legs, channels, depth, depths } = choice;
    let own = |depth: Option<usize>| depth.unwrap_or_default();
    format!(
        "# Written by `asktwice tune`: {questions} questions, {rewrites}; cross-validated gain in nDCG@10 {gain}.\n\
         [search]\nlegs = \"{legs}\"\ndense_weight = {:?}\nbm25_weight = {:?}\ndepth = {depth}\ndense_depth = {}\n\
         bm25_depth = {}\nrewrite_depth = {}\n\n[fuse]\nmethod = \"{fusion}\"\n\n[rewrite]\nweight = \"{weight}\"\n",
        channels.dense,
        channels.bm25,
        own(depths.dense),
        own(depths.bm25),
        own(depths.rewrite)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_was_chosen() {
        let settings = |file: Option<&std::path::Path>, flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            Settings::load(file, [].into(), &flags).unwrap()
        };
        let set = ["search.dense_weight=0.5", "search.bm25_weight=2", "search.rewrite_depth=20", "search.legs=bm25"];
        let chosen = judged::chosen(&settings(None, &set)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tuned.toml");
        fs::write(&file, settings_file("said", 20, Delta::default(), chosen)).unwrap();
        assert_eq!(judged::chosen(&settings(Some(&file), &[])).unwrap(), chosen);
    }
}

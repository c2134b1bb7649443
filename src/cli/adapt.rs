//! `asktwice adapt`: learns a small correction of the model's embeddings from judged questions, and corrects a collection
//! by one that is for passages, too.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use indicatif::ProgressBar;

use super::{
    corpus::{self, Corpus},
    parts::{self, AnyEmbedder},
    say,
};
use crate::{
    config::{Settings, SettingsError},
    embed::{Embedder as _, Head, Sides},
    evaluate::{Adapter, Dataset, FEWEST_QUESTIONS, Gain, Training},
    index::correct,
    search::VectorStore,
};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("judged").required(true).multiple(true).args(["data", "questions", "apply"])))]
pub(super) struct Adapt {
    /// A folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv. Its corpus is indexed and kept.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A file of questions, lines of {"question": …, "answers": [id, …]}, about the collection that the settings name.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    questions: Option<PathBuf>,
    /// Which judgements to learn from: qrels/SPLIT.tsv.
    #[arg(long, default_value = "train")]
    split: String,
    /// Which judgements to measure on afterwards; they must be of other questions.
    #[arg(long, value_name = "SPLIT", conflicts_with = "questions")]
    test_split: Option<String>,
    /// Correct passages, too: the head then needs a collection of its own (--into), made from the stored vectors.
    #[arg(long)]
    both: bool,
    /// How strongly the correction is drawn towards none: less gains more on answers that it was trained on, more costs less
    /// on others.
    #[arg(long, default_value_t = Training::default().ridge)]
    ridge: f32,
    /// Where to write the head; name it in embed.head to use it.
    #[arg(long, default_value = "head.json", value_name = "FILE")]
    out: PathBuf,
    /// Train nothing: take this head, which --into needs.
    #[arg(long, value_name = "FILE", requires = "into", conflicts_with_all = ["both", "test_split"])]
    apply: Option<PathBuf>,
    /// Write the passages, corrected by a head for both sides, into this collection of the store.
    #[arg(long, value_name = "COLLECTION")]
    into: Option<String>,
}

impl Adapt {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        if !settings.embed.head.as_os_str().is_empty() {
            let problem = "unset it while a new head is learned: one is learned for the bare model".to_owned();
            return Err(SettingsError::Value { setting: "embed.head", problem }.into());
        }
        if !(0.0..=100.0).contains(&self.ridge) {
            anyhow::bail!("--ridge {} is not a number from 0 to 100", self.ridge);
        }
        if self.into.is_some() && !self.both && self.apply.is_none() {
            anyhow::bail!("--into is for a head that corrects passages, too; train one with --both, or --apply one");
        }
        // Before indexing, which may take long: a file that cannot be read shows at once.
        let datasets = self.datasets()?;
        let (embedder, store) = self.parts(settings).await?;
        if let Some(file) = &self.apply {
            let head = Head::read(file, embedder.identity())?;
            self.correct(settings, &*store, &head, file).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let (dataset, test) = datasets.context("neither --data nor --questions is given")?;
        let sides = if self.both { Sides::Both } else { Sides::Questions };
        let adapter = Adapter::new(Arc::new(embedder), Arc::clone(&store)).with_sides(sides).with_ridge(self.ridge);
        let Some(head) = self.train(&adapter, &dataset, test.as_ref()).await? else { return Ok(ExitCode::FAILURE) };
        let Some(head) = head else { return Ok(ExitCode::SUCCESS) };
        head.write(&self.out)?;
        self.tell(settings, &*store, &head).await?;
        Ok(ExitCode::SUCCESS)
    }

    /// What to learn from, and what to measure on.
    fn datasets(&self) -> anyhow::Result<Option<(Dataset, Option<Dataset>)>> {
        Ok(match (&self.data, &self.questions) {
            (Some(data), _) if self.apply.is_none() => {
                let test = self.test_split.as_ref().map(|split| Dataset::open(data, split)).transpose()?;
                Some((Dataset::open(data, &self.split)?, test))
            }
            (_, Some(questions)) => Some((Dataset::of_answers(questions)?, None)),
            _ => None,
        })
    }

    async fn parts(&self, settings: &Settings) -> anyhow::Result<(AnyEmbedder, Arc<dyn VectorStore>)> {
        if let Some(data) = &self.data {
            let Corpus { embedder, store, .. } = corpus::indexed(settings, std::slice::from_ref(data)).await?;
            return Ok((embedder, store));
        }
        let embedder = parts::embedder(settings)?;
        let store = parts::store(&settings.store)?;
        if let Some(info) = store.info().await? {
            info.accepts(embedder.identity())?;
        }
        Ok((embedder, store))
    }

    /// Trains, measures and says so. The outer `None`: nothing could be learned; the inner: nothing of use was.
    async fn train(
        &self,
        adapter: &Adapter,
        dataset: &Dataset,
        test: Option<&Dataset>,
    ) -> anyhow::Result<Option<Option<Head>>> {
        let start = Instant::now();
        let Some(adaptation) = adapter.train(dataset).await? else {
            say(format!(
                "Nothing learned: at least {FEWEST_QUESTIONS} questions need a right answer that is indexed, a passage or a \
                 document of which they find one."
            ))?;
            return Ok(None);
        };
        let (steps, seconds) = (adaptation.training.steps, start.elapsed().as_secs_f64());
        say(describe(&format!("cross-validated ({steps} steps, {seconds:.0} s)"), &adaptation.gain))?;
        say(describe("  the same, each trained without its own answers", &adaptation.gain_on_new))?;
        if let (Some(test), Some(split)) = (test, &self.test_split) {
            let measured = adapter.measure_head(&adaptation.head, dataset, test).await?;
            say(describe(split, &measured.all))?;
            say(describe("  about answers of training questions", &measured.known))?;
            say(describe("  about other answers", &measured.new))?;
        }
        if adaptation.is_of_use() {
            return Ok(Some(Some(adaptation.head)));
        }
        say("The gain's interval does not lie above zero, or questions about new answers lose: no head was written.")?;
        Ok(Some(None))
    }

    /// Says how the head is used; writes the collection that it needs, if one was named.
    async fn tell(&self, settings: &Settings, store: &dyn VectorStore, head: &Head) -> anyhow::Result<()> {
        let path = self.out.display();
        if self.into.is_some() {
            return self.correct(settings, store, head, &self.out).await;
        }
        match head.sides() {
            Sides::Questions => {
                say(format!("{path} is written; --set embed.head={path} uses it. The collection stays as it is."))
            }
            Sides::Both => say(format!(
                "{path} is written. It needs a collection of its own: asktwice adapt --apply {path} --into NAME"
            )),
        }
    }

    async fn correct(
        &self,
        settings: &Settings,
        store: &dyn VectorStore,
        head: &Head,
        file: &Path,
    ) -> anyhow::Result<()> {
        let Some(name) = &self.into else { return Ok(()) };
        let mut target = settings.store.clone();
        target.collection.clone_from(name);
        let bar = ProgressBar::new(store.info().await?.map_or(0, |info| info.passages));
        let written = correct(store, head, &*parts::store(&target)?, |done| bar.set_position(done)).await;
        bar.finish_and_clear();
        let (written, file) = (written?, file.display());
        say(format!("{written} passages are corrected; --set embed.head={file} --collection {name} uses them."))
    }
}

fn describe(what: &str, gain: &Gain) -> String {
    let Gain { questions, before, after, delta, .. } = gain;
    format!("{what}: {questions} questions, nDCG@10 of dense search {before:.4} → {after:.4} ({delta})")
}

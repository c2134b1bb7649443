//! `asktwice demo`: the main job on the help-centre corpus that comes with the program, step by step.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;

use super::{index, parts, say, timeline};
use crate::{
    config::Settings,
    embed::Embedder as _,
    evaluate::{Dataset, JudgedQuestion},
    fuse::{Fuse as _, Fusion, Weighted},
    options::RetrieveOptions,
    ranking::{Hit, Ranking, Scored},
    retrieval::{Origin, Report, Retrieval},
    retriever::Retriever,
    rewrite::RecordedRewriter,
    server::Reply,
};

/// Where the demo keeps its corpus and its index.
const FOLDER: &str = ".asktwice/demo";
/// The files of the corpus, in BEIR's layout; compiled in, so that the program needs nothing beside itself.
const CORPUS: [(&str, &str); 4] = [
    ("corpus.jsonl", include_str!("../../examples/help-centre/corpus.jsonl")),
    ("queries.jsonl", include_str!("../../examples/help-centre/queries.jsonl")),
    ("qrels/test.tsv", include_str!("../../examples/help-centre/qrels/test.tsv")),
    ("rewrites.jsonl", include_str!("../../examples/help-centre/rewrites.jsonl")),
];
/// What is shown when nothing else is asked for. One rewrite misleads (q28), as rewrites sometimes do.
const SHOWN: [&str; 5] = ["q01", "q11", "q21", "q28", "q37"];
/// How long a replayed rewrite takes, so that the timeline shows what a real one would do to it.
const REPLAY_LATENCY: Duration = Duration::from_millis(60);
/// How many hits of each ranking are shown.
const PLACES: usize = 4;
/// How wide a column is, in characters.
const COLUMN: usize = 38;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Show all 40 questions.
    #[arg(long)]
    all: bool,
    /// Ask this instead; without a language model it is searched as asked only.
    #[arg(long)]
    question: Option<String>,
}

impl Demo {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let corpus = unpack()?;
        let dataset = Dataset::open(&corpus, "test")?;
        let retriever = prepare(settings, &corpus, &dataset).await?;
        let fusion = settings.fuse.fusion()?;
        if let Some(question) = &self.question {
            show(&retriever, &fusion, question, None).await?;
            return Ok(ExitCode::SUCCESS);
        }
        for question in &dataset.questions {
            if self.all || SHOWN.contains(&question.id.as_str()) {
                show(&retriever, &fusion, &question.text, Some(question)).await?;
            }
        }
        say("✓ marks an article that answers the question. Go on with a question of your own:")?;
        say("  target/release/asktwice demo --question \"my food is late and cold\" [--llm URL --model NAME]")?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the compiled-in corpus where it can be read as any other; returns the folder.
fn unpack() -> anyhow::Result<PathBuf> {
    let folder = Path::new(FOLDER).join("help-centre");
    for (name, content) in CORPUS {
        let file = folder.join(name);
        if fs::read(&file).is_ok_and(|found| found == content.as_bytes()) {
            continue;
        }
        let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, content));
        written.with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(folder)
}

/// Opens every part, indexes the corpus (a second time: only looks that nothing has changed) and says so.
async fn prepare(settings: &Settings, corpus: &Path, dataset: &Dataset) -> anyhow::Result<Retriever> {
    let embedder = parts::embedder(settings)?;
    let precision = settings.embed.precision;
    let (encoder, language) = (settings.bm25.encoder()?, settings.bm25.language.trim().to_lowercase());
    let name = format!("index-{precision}-{language}-{}", settings.store.quantization()?);
    let store = Arc::new(parts::edge(Path::new(FOLDER), &name, &settings.store)?);
    let model = &embedder.identity().model;
    say(format!("Embedding: {model}, {precision}, on this machine. Searching: the embedded engine, in {FOLDER}."))?;
    let report = index::index(&embedder, encoder, Arc::clone(&store) as _, &[corpus.join("corpus.jsonl")], 0).await?;
    if report.interrupted {
        anyhow::bail!("interrupted while indexing; the same command goes on from here");
    }
    let articles = report.indexed + report.skipped;
    let (rate, seconds) = (report.passages_per_second(), report.took.as_secs_f64());
    match report.indexed {
        0 => say(format!("The help centre's {articles} articles are indexed already."))?,
        _ => say(format!("Indexed the help centre's {articles} articles in {seconds:.1} s ({rate:.0} docs/s)."))?,
    }
    let retriever = parts::tuned(Retriever::new(embedder, store), settings)?;
    if let Some(llm) = parts::llm(&settings.rewrite)? {
        say(format!("Rewriting: {} at {}.\n", settings.rewrite.model, settings.rewrite.url))?;
        return Ok(retriever.with_rewriter(llm));
    }
    let milliseconds = REPLAY_LATENCY.as_millis();
    say("Rewriting: no language model is set, so rewrites written for this demo are replayed, each after")?;
    say(format!("{milliseconds} ms. `make demo ARGS=\"--llm URL --model NAME\"` asks a real one.\n"))?;
    Ok(retriever.with_rewriter(replay(corpus, dataset)?.with_latency(REPLAY_LATENCY)))
}

fn replay(corpus: &Path, dataset: &Dataset) -> anyhow::Result<RecordedRewriter> {
    let recorded = RecordedRewriter::read(corpus.join("rewrites.jsonl"))?;
    Ok(recorded.for_questions(dataset.questions.iter().map(|question| (&question.id, &question.text))))
}

async fn show(
    retriever: &Retriever,
    fusion: &Fusion,
    question: &str,
    judged: Option<&JudgedQuestion>,
) -> anyhow::Result<()> {
    // Far more hits than are shown, so that the first few of each leg are among them and can be shown one by one.
    let options = RetrieveOptions::default().with_depth(40).with_limit(40);
    let retrieval = retriever.retrieve_with(question, &options).await?;
    say("─".repeat(3 * COLUMN + 10))?;
    for variant in &retrieval.variants {
        say(format!("{:<8} {}", variant.origin.name(), variant.text()))?;
    }
    for degradation in &retrieval.degradations {
        say(format!("lost     {}", Report(degradation)))?;
    }
    say("")?;
    say(table(&retrieval, judged, fusion))?;
    say(timeline::draw(&Reply::from(retrieval)))?;
    Ok(())
}

/// What the question alone found, what the rewrite alone found, and both fused, side by side.
fn table(retrieval: &Retrieval, judged: Option<&JudgedQuestion>, fusion: &Fusion) -> String {
    let columns = [
        ("the question alone", alone(retrieval, Origin::Asked, fusion)),
        ("the rewrite alone", alone(retrieval, Origin::Rewrite, fusion)),
        ("fused", retrieval.hits.iter().collect()),
    ];
    let heads = columns.iter().map(|(head, _)| format!("     {head:<COLUMN$}"));
    let mut lines = vec![heads.collect::<String>().trim_end().to_owned()];
    for place in 0..PLACES {
        let cells = columns.iter().map(|(_, hits)| cell(hits.get(place).copied(), place, judged));
        lines.push(cells.collect::<String>().trim_end().to_owned());
    }
    lines.join("\n") + "\n"
}

fn cell(hit: Option<&Hit>, place: usize, judged: Option<&JudgedQuestion>) -> String {
    let Some(hit) = hit else { return " ".repeat(COLUMN + 5) };
    let right = judged.is_some_and(|judged| judged.grades.contains_key(&hit.point));
    let mark = if right { '✓' } else { ' ' };
    let title: String = match hit.passage.title.char_indices().nth(COLUMN - 2) {
        None => hit.passage.title.clone(),
        Some((at, _)) => format!("{}…", &hit.passage.title[..at]),
    };
    format!("{:>2} {mark} {title:<COLUMN$}", place + 1)
}

/// The hits of one origin's legs alone, in the order that fusing them gives.
fn alone<'a>(retrieval: &'a Retrieval, origin: Origin, fusion: &Fusion) -> Vec<&'a Hit> {
    let mut rankings: Vec<(usize, Ranking)> = vec![];
    for (at, leg) in retrieval.legs.iter().enumerate() {
        if retrieval.variants[leg.variant].origin == origin {
            let found = retrieval.hits.iter().filter_map(|hit| {
                let by = hit.found_by.iter().find(|by| by.leg == at)?;
                Some(Scored { id: hit.point, score: by.score })
            });
            rankings.push((at, Ranking::new(found.collect())));
        }
    }
    let mut weighted: Vec<Weighted<'_>> = vec![];
    for (at, ranking) in &rankings {
        let leg = &retrieval.legs[*at];
        weighted.push(Weighted::new(ranking, leg.variant).with_channel(leg.channel));
    }
    let hit = |id| retrieval.hits.iter().find(|hit| hit.point == id);
    fusion.fuse(&weighted, retrieval.hits.len()).into_iter().filter_map(|fused| hit(fused.id)).collect()
}

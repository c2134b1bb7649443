//! `asktwice eval --server`: the answers of a running sidecar. They are measured as a caller gets them, so what can be
//! chosen is what a request can choose.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::Eval;
use crate::{
    cli::remote::Remote,
    error::Error,
    evaluate::{Answer, Answers, Choice, Dataset, Evaluation},
    ranking::PointId,
    retrieval::{Origin, Step},
    server::{Reply, ReplyPassage},
};

/// Recall@100 looks at so many documents.
const MOST_DOCUMENTS: u64 = 100;
/// How long an answer may take, in milliseconds; an evaluation is in no hurry, and a sidecar allows what it allows.
const DEADLINE_MS: u64 = 30_000;
/// How many questions are under way at the same time.
const AT_ONCE: usize = 4;

impl Eval {
    /// Asks a sidecar every question, once alone and once with its rewrites, for each configuration.
    pub(super) async fn answered(&self, sidecar: &Remote, base: Choice) -> anyhow::Result<Evaluation> {
        self.refuse_what_needs_searches()?;
        let dataset = self.judged.dataset()?;
        let requests = self.requests(base)?;
        let own_depth = sidecar.settings().await?["search"]["depth"].as_u64();
        let bar = ProgressBar::new((requests.len() * 2 * dataset.questions.len()) as u64);
        let mut answers = vec![];
        let mut notes = vec![];
        for (configuration, mut request) in requests {
            // A larger limit would have every leg search deeper than it does for others.
            let depth = request["depth"].as_u64().or(own_depth).unwrap_or(MOST_DOCUMENTS);
            request["limit"] = depth.min(MOST_DOCUMENTS).into();
            request["deadline_ms"] = DEADLINE_MS.into();
            request["payload"] = json!({"include": []});
            request["rewrite"] = false.into();
            let asked = ask(sidecar, &dataset, &request, &bar).await?;
            request["rewrite"] = true.into();
            let fused = ask(sidecar, &dataset, &request, &bar).await?;
            notes.extend(losses(&configuration, &asked));
            notes.extend(losses(&configuration, &fused));
            let rewritten = fused.iter().any(|reply| rewriting(reply).is_some());
            if !rewritten {
                notes.push(format!(
                    "{configuration}: the sidecar rewrote no question, so there is nothing to compare with"
                ));
            }
            let answer = |reply: &Reply| answer(&dataset, reply);
            let fused = rewritten.then(|| ("the sidecar's".to_owned(), fused.iter().map(answer).collect()));
            answers.push(Answers { configuration, asked: asked.iter().map(answer).collect(), fused });
        }
        bar.finish_and_clear();
        let mut evaluation = Evaluation::of_answers(&dataset, &answers);
        evaluation.notes.extend(notes);
        Ok(evaluation)
    }

    /// What is computed from single searches cannot be had from answers.
    fn refuse_what_needs_searches(&self) -> anyhow::Result<()> {
        let why = "a sidecar gives answers, not its single searches; evaluate without --server for that";
        let refused = [
            (
                !self.judged.rewrites.is_empty(),
                "--rewrites",
                "a sidecar asks its own rewriter, as its settings name it",
            ),
            (!self.feedback.is_empty(), "--feedback", why),
            (self.ablation, "--ablation", why),
            (self.gate, "--gate", why),
            (self.recall, "--recall", why),
        ];
        match refused.into_iter().find(|(given, ..)| *given) {
            Some((_, flag, why)) => Err(refused_with(flag, why)),
            None => Ok(()),
        }
    }

    /// For each configuration its name, and what a request says of it.
    fn requests(&self, base: Choice) -> anyhow::Result<Vec<(String, Value)>> {
        let bare = self.legs.map_or_else(|| json!({}), |legs| json!({ "legs": legs }));
        let mut requests = vec![];
        for fusion in &self.fusion {
            let mut request = bare.clone();
            request["fusion"] = fusion.to_string().into();
            requests.push((fusion.to_string(), request));
        }
        for (name, parts) in self.named()? {
            // It says what is wrong with a part.
            let choice = base.changed(&parts)?;
            let mut request = bare.clone();
            for part in parts.split(',') {
                match part.split([':', '=']).next().unwrap_or_default().trim() {
                    "fusion" => request["fusion"] = choice.fusion.to_string().into(),
                    "legs" => request["legs"] = json!(choice.legs),
                    "depth" => request["depth"] = choice.depth.into(),
                    "" => {}
                    other => {
                        let why = "no request can choose it; set rewrite.weight, search.dense_weight and the like in the \
                                   sidecar's settings";
                        return Err(refused_with(&format!("{other}, of the configuration {name},"), why));
                    }
                }
            }
            requests.push((name, request));
        }
        Ok(if requests.is_empty() { vec![("the sidecar's".to_owned(), bare)] } else { requests })
    }
}

fn refused_with(what: &str, why: &str) -> anyhow::Error {
    Error::Settings { setting: "--server".to_owned(), problem: format!("{what} cannot be used with it: {why}") }.into()
}

async fn ask(sidecar: &Remote, dataset: &Dataset, request: &Value, bar: &ProgressBar) -> anyhow::Result<Vec<Reply>> {
    let asked = dataset.questions.iter().map(|question| {
        let mut request = request.clone();
        request["question"] = question.text.as_str().into();
        sidecar.ask(request)
    });
    stream::iter(asked).buffered(AT_ONCE).inspect_ok(|_| bar.inc(1)).try_collect().await
}

fn answer(dataset: &Dataset, reply: &Reply) -> Answer {
    // What is judged may be a passage, or the document that it was cut from.
    let judged = |passage: &ReplyPassage| {
        let id = PointId::of(&passage.id);
        if dataset.documents.contains(&id) { id } else { PointId::of(&passage.document_id) }
    };
    let documents = reply.hits.iter().map(|hit| judged(&hit.passage));
    let seconds = |milliseconds: f64| Duration::from_secs_f64(milliseconds.max(0.0) / 1e3);
    Answer { documents: documents.collect(), took: seconds(reply.took_ms), rewriting: rewriting(reply).map(seconds) }
}

/// How long the rewriter was waited for, if it was asked.
fn rewriting(reply: &Reply) -> Option<f64> {
    let asked = reply.timings.iter().find(|timing| timing.step == Step::Rewrite).map(|timing| timing.took_ms);
    // A rewrite that was remembered takes no time that anybody measured.
    asked.or_else(|| reply.variants.iter().any(|variant| variant.origin == Origin::Rewrite).then_some(0.0))
}

/// Says what was lost on the way to the answers: they are measured as they came.
fn losses(configuration: &str, replies: &[Reply]) -> Option<String> {
    let lost: Vec<_> = replies.iter().filter_map(|reply| reply.degradations.first()).collect();
    let first = lost.first()?;
    let (count, all) = (lost.len(), replies.len());
    Some(format!(
        "{configuration}: {count} of {all} answers lost something; the first: {}: {}",
        first.kind, first.message
    ))
}

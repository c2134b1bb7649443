//! `asktwice ask`: one question, answered.

use std::{ffi::OsString, io::Read as _, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Args;

use serde_json::{Value, json};

use super::{parts, remote::Remote, say, timeline};
use crate::{
    config::Settings,
    error::Error,
    fuse::Fusion,
    options::{Legs, RetrieveOptions, RewriteChoice},
    rewrite::RewriteKind,
    search::Filter,
    server::{Reply, ReplyHit},
};

/// How much of a passage is shown.
const SHOWN_CHARS: usize = 220;

#[derive(Debug, Args)]
pub(super) struct Ask {
    /// The question; `-` reads it from standard input.
    #[arg(allow_hyphen_values = true)]
    question: OsString,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
    /// Search with the question as asked only.
    #[arg(long)]
    no_rewrite: bool,
    /// The kinds of rewrites to ask for, with commas between them [rewrite.kinds].
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', conflicts_with = "no_rewrite")]
    kinds: Vec<RewriteKind>,
    /// How the rankings become one [fuse.method]; --help lists the names.
    #[arg(long, long_help = format!("How the rankings become one [fuse.method]: {}", Fusion::names()))]
    fusion: Option<Fusion>,
    /// Which channels to search: dense, bm25 or hybrid [search.legs].
    #[arg(long)]
    legs: Option<Legs>,
    /// How many hits to return [search.limit].
    #[arg(long)]
    limit: Option<usize>,
    /// Only passages that match, in Qdrant's JSON form.
    #[arg(long, value_name = "JSON")]
    filter: Option<Filter>,
    /// How long the whole answer may take, in milliseconds.
    #[arg(long, value_name = "MS")]
    deadline: Option<u64>,
    /// Ask a sidecar instead, such as `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

impl Ask {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let question = self.question()?;
        let reply = if let Some(url) = &self.server {
            Remote::new(url, settings)?.ask(self.request(&question)).await?
        } else {
            let options = self.options(settings);
            Reply::from(parts::retriever(settings)?.retrieve_with(&question, &options).await?)
        };
        say(if self.json { serde_json::to_string_pretty(&reply)? } else { describe(&reply) })?;
        Ok(ExitCode::SUCCESS)
    }

    /// What is asked of a sidecar; what is not chosen here is as the sidecar is set up.
    fn request(&self, question: &str) -> Value {
        let kinds = (!self.kinds.is_empty()).then(|| json!(self.kinds));
        let chosen = [
            ("limit", self.limit.map(Value::from)),
            ("filter", self.filter.as_ref().map(|filter| json!(filter))),
            ("deadline_ms", self.deadline.map(Value::from)),
            ("legs", self.legs.map(|legs| legs.to_string().into())),
            ("fusion", self.fusion.map(|fusion| fusion.to_string().into())),
            ("rewrite", if self.no_rewrite { Some(Value::Bool(false)) } else { kinds }),
        ];
        let mut request = json!({ "question": question });
        for (name, value) in chosen {
            if let Some(value) = value {
                request[name] = value;
            }
        }
        request
    }

    /// The question as text. Bytes that are not UTF-8 are an error, not a guess.
    fn question(&self) -> anyhow::Result<String> {
        let invalid = || Error::Question { problem: "it is not valid UTF-8; convert it first".to_owned() };
        if self.question == "-" {
            // One byte more than the longest question can have, so that a longer one is refused and not cut.
            let most = crate::question::MAX_QUESTION_CHARS as u64 * 4 + 1;
            let mut bytes = vec![];
            std::io::stdin().take(most).read_to_end(&mut bytes).context("standard input cannot be read")?;
            // A cut through a character at the end is not the user's mistake: the question is too long anyway.
            let text = match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) if error.as_bytes().len() as u64 == most => {
                    String::from_utf8_lossy(error.as_bytes()).into_owned()
                }
                Err(_) => return Err(invalid().into()),
            };
            return Ok(text);
        }
        Ok(self.question.to_str().ok_or_else(invalid)?.to_owned())
    }

    fn options(&self, settings: &Settings) -> RetrieveOptions {
        let limit = self.limit.unwrap_or(settings.search.limit);
        // A larger limit than the settings foresee needs deeper legs, or there would be nothing to fill it with.
        let mut options = RetrieveOptions::default()
            .with_limit(limit)
            .with_depth(settings.search.depth.max(limit))
            .with_depths(settings.search.depths());
        options.filter.clone_from(&self.filter);
        options.legs = self.legs;
        options.deadline = self.deadline.map(Duration::from_millis);
        if !self.kinds.is_empty() {
            options.rewrite = RewriteChoice::Kinds(self.kinds.clone());
        }
        if self.no_rewrite {
            options = options.without_rewrite();
        }
        match self.fusion {
            Some(fusion) => options.with_fusion(fusion),
            None => options,
        }
    }
}

fn describe(reply: &Reply) -> String {
    let mut lines = vec![];
    for variant in &reply.variants {
        lines.push(format!("{:<8} {}", variant.origin.name(), variant.text));
    }
    for lost in &reply.degradations {
        lines.push(format!("lost     {}", lost.message));
    }
    if let Some(probability) = reply.probability {
        lines.push(format!("{:<8} {:.0} %, as calibrated", "sure", 100.0 * probability));
    }
    lines.push(String::new());
    if reply.hits.is_empty() {
        lines.push("Nothing was found.".to_owned());
    }
    for (index, hit) in reply.hits.iter().enumerate() {
        lines.push(format!("{:>3}. {}", index + 1, title(hit)));
        lines.push(format!("     {}", excerpt(&hit.passage.text)));
        lines.push(format!("     {}", found_by(hit, reply)));
    }
    format!("{}\n\n{}", lines.join("\n"), timeline::draw(reply))
}

/// The title and id of a hit; only the id where there is no title.
fn title(hit: &ReplyHit) -> String {
    let passage = &hit.passage;
    if passage.title.is_empty() { passage.id.clone() } else { format!("{}  [{}]", passage.title, passage.id) }
}

/// The beginning of a text, on one line.
fn excerpt(text: &str) -> String {
    let text = crate::question::tidy(text);
    match text.char_indices().nth(SHOWN_CHARS) {
        None => text,
        Some((at, _)) => format!("{}…", text[..at].trim_end()),
    }
}

/// Why the hit is where it is: its rank and native score in each leg that found it.
fn found_by(hit: &ReplyHit, reply: &Reply) -> String {
    let legs = hit.found_by.iter().map(|by| {
        // A sidecar's answer comes from outside: what it numbers wrongly is left out, and not a crash.
        let leg = reply.legs.get(by.leg)?;
        let origin = reply.variants.get(leg.variant)?.origin.name();
        Some(format!("{origin} {} #{} ({:.3})", leg.channel.name(), by.rank, by.score))
    });
    let reranked = hit.reranked.map(|score| format!("reranked {score:.4}, ")).unwrap_or_default();
    format!("{reranked}score {:.4} = {}", hit.score, legs.flatten().collect::<Vec<_>>().join(" + "))
}

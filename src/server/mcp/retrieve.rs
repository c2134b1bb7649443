//! The tool `retrieve`: what the native route does, in words for a language model and in JSON for a program.

use std::fmt::Write as _;

use rmcp::{
    model::{CallToolResult, ContentBlock, Tool, ToolAnnotations},
    schemars::JsonSchema,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Tools, schema};
use crate::{
    retrieval::Origin,
    rewrite::RewriteKind,
    search::Filter,
    server::{
        problem::Problem,
        reply::{Reply, ReplyDegradation, ReplyHit},
        wire::{RetrieveRequest, RewriteWish},
    },
};

pub(super) const NAME: &str = "retrieve";

const DESCRIPTION: &str = "Search a collection for passages that answer a question. It searches with the question and \
                           with rewritten versions of it at the same time, by meaning and by words, and fuses what all \
                           of them find, so ask as the user did, in a whole sentence. Returns passages, best first.";

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    question: String,
    collection: Option<String>,
    limit: Option<usize>,
    filter: Option<Filter>,
    deadline_ms: Option<u64>,
    rewrite: Option<RewriteWish>,
}

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Found {
    /// The passages, best first.
    hits: Vec<FoundHit>,
    /// What was searched with: the question, then its rewrites.
    searched_with: Vec<String>,
    /// How much of what was meant to run did run: `full`, `asked_only` (the question without a rewrite), `partial`,
    /// `asked_lost` (only a rewrite, to be taken with care).
    outcome: &'static str,
    /// What was lost, and why.
    degradations: Vec<Lost>,
    /// How long it took, in milliseconds.
    took_ms: f64,
}

/// A passage.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct FoundHit {
    /// Its id.
    id: String,
    /// Its document's title; may be empty.
    title: String,
    /// Its text.
    text: String,
    /// The document that it was cut from.
    document_id: String,
    /// Its place there, counted from 0.
    position: u32,
    /// Its other fields.
    payload: Map<String, Value>,
    /// From 0 to 1, comparable within this result only.
    score: f64,
}

/// Something that was lost on the way.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Lost {
    /// A word for programs.
    kind: String,
    /// What happened.
    message: String,
}

/// The tool, over these collections.
pub(super) fn tool(collections: &[&str]) -> Tool {
    let kinds = RewriteKind::ALL.map(RewriteKind::name);
    let mut properties = json!({
        "question": {"type": "string", "description": "What to find out, as it was asked."},
        "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "How many passages at most."},
        "filter": schema::filter(),
        "deadline_ms": {
            "type": "integer",
            "minimum": 1,
            "description": "How long it may take, in milliseconds; what is late by then is left out.",
        },
        "rewrite": {
            "type": "array",
            "items": {"type": "string", "enum": kinds},
            "description": "How the question is rewritten; an empty list searches with the question alone. As the \
                            server is set up if it is left out.",
        },
    });
    let mut required = vec!["question"];
    schema::choice(&mut properties, &mut required, "collection", collections);
    Tool::new(NAME, DESCRIPTION, schema::object(properties, &required))
        .with_title("Search with the question and its rewritten version")
        .with_output_schema::<Found>()
        .with_annotations(ToolAnnotations::new().read_only(true).idempotent(true).open_world(false))
}

impl Tools {
    /// Calls the tool.
    pub(super) async fn retrieve(&self, arguments: Arguments) -> Result<CallToolResult, Problem> {
        let Arguments { question, collection, limit, filter, deadline_ms, rewrite } = arguments;
        let collection = self.collection("collection", collection.as_deref())?;
        let (question, collection) = (Some(question), Some(collection));
        let request =
            RetrieveRequest { question, collection, filter, limit, deadline_ms, rewrite, ..RetrieveRequest::default() };
        let reply = self.ask(request).await?;
        let mut result = CallToolResult::success(vec![ContentBlock::text(words(&reply))]);
        result.structured_content = Some(json!(Found::from(reply)));
        Ok(result)
    }
}

/// The answer as a language model reads it.
fn words(reply: &Reply) -> String {
    let mut text = match reply.hits.len() {
        0 => "Nothing was found.".to_owned(),
        1 => "1 passage.".to_owned(),
        count => format!("{count} passages, best first."),
    };
    let rewrites = reply.variants.iter().filter(|variant| variant.origin == Origin::Rewrite);
    let rewrites: Vec<&str> = rewrites.map(|variant| variant.text.as_str()).collect();
    // Writing to a text cannot fail.
    if !rewrites.is_empty() {
        let _ = write!(text, " Searched also with: {}", rewrites.join(" | "));
    }
    for ReplyDegradation { kind, message, .. } in &reply.degradations {
        let _ = write!(text, "\nNote: {kind}, so passages may be missing: {message}");
    }
    for (rank, hit) in (1..).zip(&reply.hits) {
        let passage = &hit.passage;
        let _ = write!(text, "\n\n[{rank}] {} (id {}, score {:.2})", passage.title, passage.id, hit.normalised);
        let _ = write!(text, "\n{}", passage.text);
        if !passage.payload.is_empty() {
            let _ = write!(text, "\n{}", Value::Object(passage.payload.clone()));
        }
    }
    text
}

impl From<Reply> for Found {
    fn from(reply: Reply) -> Self {
        let texts = reply.variants.into_iter().map(|variant| variant.text);
        let lost = |lost: ReplyDegradation| Lost { kind: lost.kind, message: lost.message };
        Self {
            hits: reply.hits.into_iter().map(FoundHit::from).collect(),
            searched_with: texts.filter(|text| !text.is_empty()).collect(),
            outcome: reply.outcome.word(),
            degradations: reply.degradations.into_iter().map(lost).collect(),
            took_ms: reply.took_ms,
        }
    }
}

impl From<ReplyHit> for FoundHit {
    fn from(hit: ReplyHit) -> Self {
        let passage = hit.passage;
        Self {
            id: passage.id,
            title: passage.title,
            text: passage.text,
            document_id: passage.document_id,
            position: passage.position,
            payload: passage.payload,
            score: hit.normalised,
        }
    }
}

//! `POST /v1/vector_stores/{id}/search`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{ErrorBody, filters};
use crate::{
    question::Question,
    retrieval::Origin,
    server::{
        admission::Admitted,
        body::{Size, Wire},
        observe,
        pipeline::{Asking, Call, Wanted},
        problem::Problem,
        reply::{Reply, ReplyHit, ReplyPassage},
        sidecar::Sidecar,
        wire::Refine,
    },
};

/// The most texts that one search takes: the question, and what may be rewrites of it.
const MOST_TEXTS: usize = 9;
/// The most hits, as published.
const MOST_HITS: usize = 50;
/// What may be in the attributes of a hit, as published.
const MOST_ATTRIBUTES: usize = 16;
const LONGEST_KEY: usize = 64;
const LONGEST_VALUE: usize = 512;

/// A search, as OpenAI publishes it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct SearchRequest {
    /// The question, or the question and the other ways to put it, which are searched beside it.
    query: Query,
    /// Whether to rewrite the question. A question with other ways to put it is not rewritten.
    #[serde(default)]
    rewrite_query: bool,
    /// How many hits come back at most.
    #[serde(default = "ten")]
    #[schema(minimum = 1, maximum = 50)]
    max_num_results: usize,
    /// A comparison of an attribute, or several joined by `and` or `or`.
    #[schema(value_type = Option<Object>)]
    filters: Option<Value>,
    /// How to rank.
    ranking_options: Option<RankingOptions>,
}

/// One text or several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum Query {
    /// The question.
    One(String),
    /// The question, then other ways to put it.
    Many(Vec<String>),
}

/// How to rank.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RankingOptions {
    /// Accepted and without effect: the sidecar's own fusion ranks.
    #[allow(dead_code, reason = "clients send it")]
    ranker: Option<Ranker>,
    /// Only hits with at least this score, from 0 to 1.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    score_threshold: f64,
}

/// OpenAI's rankers.
#[derive(Debug, Deserialize, ToSchema)]
enum Ranker {
    #[serde(rename = "none")]
    None,
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "default-2024-11-15")]
    Default20241115,
}

fn ten() -> usize {
    10
}

/// What was found, as OpenAI publishes it.
#[derive(Debug, Serialize, ToSchema)]
struct SearchPage {
    /// Always `vector_store.search_results.page`.
    object: &'static str,
    /// The question, and the rewrites that were searched beside it.
    search_query: Vec<String>,
    /// The hits, best first.
    data: Vec<SearchHit>,
    /// Always false: there is one page.
    has_more: bool,
    /// Always null.
    next_page: Option<String>,
}

/// A hit.
#[derive(Debug, Serialize, ToSchema)]
struct SearchHit {
    /// The document's id.
    file_id: String,
    /// The document's title, or its id if it has none.
    filename: String,
    /// From 0 to 1.
    score: f64,
    /// The passage's fields that are texts, numbers or truth values.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// The passage.
    content: Vec<TextContent>,
}

/// The text of a passage.
#[derive(Debug, Serialize, ToSchema)]
struct TextContent {
    /// Always `text`.
    r#type: &'static str,
    /// The text.
    text: String,
}

impl Wire for SearchRequest {
    const SIZE: Size = Size::Question;
}

/// Search a collection (OpenAI: search vector store).
#[utoipa::path(
    post, path = "/v1/vector_stores/{vector_store_id}/search", tag = "openai", request_body = SearchRequest,
    params(("vector_store_id" = String, Path, description = "A collection's name")),
    responses((status = OK, body = SearchPage), (status = "default", body = ErrorBody))
)]
pub(in crate::server) async fn search(
    State(sidecar): State<Arc<Sidecar>>,
    Path(id): Path<String>,
    asked: Admitted<SearchRequest>,
) -> Result<Response, Problem> {
    let Admitted { tenant, body, deadline, place: _place } = asked;
    let reply = Call::new(&sidecar, &tenant, body.wanted(id)?, deadline.left()?)?.run().await?;
    let timing = observe::server_timing(&reply.timings, reply.took_ms);
    let mut response = Json(SearchPage::from(reply)).into_response();
    response.headers_mut().extend(timing);
    Ok(response)
}

impl SearchRequest {
    fn threshold(&self) -> f64 {
        self.ranking_options.as_ref().map_or(0.0, |options| options.score_threshold)
    }

    fn wanted(self, collection: String) -> Result<Wanted, Problem> {
        let threshold = self.threshold();
        let mut texts = match self.query {
            Query::One(text) => vec![text],
            Query::Many(texts) => texts,
        };
        if !(1..=MOST_TEXTS).contains(&texts.len()) {
            return Err(Problem::field("query", format!("{} texts; send 1 to {MOST_TEXTS}", texts.len())));
        }
        if !(1..=MOST_HITS).contains(&self.max_num_results) {
            let problem = format!("{} is not from 1 to {MOST_HITS}", self.max_num_results);
            return Err(Problem::field("max_num_results", problem));
        }
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Problem::field("ranking_options.score_threshold", format!("{threshold} is not from 0 to 1")));
        }
        let question = Question::new(&texts.remove(0)).map_err(|error| Problem::field("query", error))?;
        for text in &texts {
            Question::new(text).map_err(|error| Problem::field("query", error))?;
        }
        let asking = match (texts.is_empty(), self.rewrite_query) {
            (false, _) => Asking::Supplied(texts),
            (true, true) => Asking::AsSetUp,
            (true, false) => Asking::Never,
        };
        let filter = self.filters.as_ref().map(filters::read).transpose()?;
        Ok(Wanted {
            collection: Some(collection),
            filter,
            limit: Some(self.max_num_results),
            asking,
            refine: Refine::at_least(threshold),
            ..Wanted::new(question)
        })
    }
}

impl From<Reply> for SearchPage {
    fn from(reply: Reply) -> Self {
        let texts = reply.variants.iter().filter(|variant| variant.origin != Origin::Feedback);
        Self {
            object: "vector_store.search_results.page",
            search_query: texts.map(|variant| variant.text.clone()).collect(),
            data: reply.hits.into_iter().map(SearchHit::from).collect(),
            has_more: false,
            next_page: None,
        }
    }
}

impl From<ReplyHit> for SearchHit {
    fn from(hit: ReplyHit) -> Self {
        let ReplyPassage { id, title, text, document_id, payload, .. } = hit.passage;
        let mut attributes: Map<String, Value> = payload.into_iter().filter(|(key, value)| fits(key, value)).collect();
        attributes.entry("passage_id").or_insert(Value::String(id.clone()));
        let file_id = if document_id.is_empty() { id } else { document_id };
        Self {
            filename: if title.is_empty() { file_id.clone() } else { title },
            file_id,
            score: hit.normalised.clamp(0.0, 1.0),
            attributes: attributes.into_iter().take(MOST_ATTRIBUTES).collect(),
            content: vec![TextContent { r#type: "text", text }],
        }
    }
}

/// Clients refuse a whole reply over one attribute that is a list.
fn fits(key: &str, value: &Value) -> bool {
    let scalar = match value {
        Value::String(text) => text.chars().count() <= LONGEST_VALUE,
        Value::Number(_) | Value::Bool(_) => true,
        _ => false,
    };
    scalar && key.chars().count() <= LONGEST_KEY
}

//! `POST /retrieval`: Dify's interface for external knowledge.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::openai::filters::{any, empty, equals, without};
use crate::{
    question::Question,
    search::{Condition, FieldRange, Filter, Range},
    server::{
        admission::Admitted,
        body::{Size, Wire},
        observe,
        pipeline::{Call, Wanted},
        problem::Problem,
        reply::ReplyHit,
        sidecar::Sidecar,
        wire::Refine,
    },
};

/// The most hits.
const MOST_HITS: usize = 1_000;

/// A question of Dify's.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DifyRequest {
    /// The collection.
    knowledge_id: String,
    /// The question.
    #[schema(pattern = r"\S")]
    query: String,
    /// How many hits.
    retrieval_setting: RetrievalSetting,
    /// What may be found.
    #[serde(default)]
    metadata_condition: Option<MetadataCondition>,
}

/// How many hits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetrievalSetting {
    /// At most so many.
    #[schema(minimum = 1)]
    top_k: usize,
    /// Only hits with at least this score, from 0 to 1.
    #[serde(default)]
    score_threshold: f64,
}

/// What may be found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MetadataCondition {
    /// How the conditions are joined.
    #[serde(default)]
    logical_operator: LogicalOperator,
    /// The conditions.
    conditions: Vec<DifyCondition>,
}

/// How conditions are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum LogicalOperator {
    #[default]
    And,
    Or,
}

/// A condition.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DifyCondition {
    /// The field, or several of which one has to hold.
    #[schema(value_type = String)]
    name: Names,
    /// `is`, `is not`, `in`, `not in`, `empty`, `not empty`, `=`, `≠`, `>`, `<`, `≥` or `≤`.
    comparison_operator: String,
    /// What it is compared with.
    #[serde(default)]
    value: Value,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected the name of a field, or a list of names")]
enum Names {
    One(String),
    Many(Vec<String>),
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Records {
    /// The hits, best first.
    records: Vec<Record>,
}

/// A hit.
#[derive(Debug, Serialize, ToSchema)]
struct Record {
    /// The passage.
    content: String,
    /// From 0 to 1.
    score: f64,
    /// The document's title, or its id if it has none.
    title: String,
    /// The passage's fields; never null.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// An error, in Dify's form.
#[derive(Debug, Serialize, ToSchema)]
struct DifyError {
    /// A number for programs.
    error_code: u16,
    /// What is wrong.
    error_msg: String,
}

impl Wire for DifyRequest {
    const SIZE: Size = Size::Question;
}

/// Search a collection (Dify: external knowledge).
#[utoipa::path(
    post, path = "/retrieval", tag = "dify", request_body = DifyRequest,
    responses((status = OK, body = Records), (status = "default", body = DifyError))
)]
pub(super) async fn retrieval(
    State(sidecar): State<Arc<Sidecar>>,
    asked: Admitted<DifyRequest>,
) -> Result<Response, Problem> {
    let Admitted { tenant, body, deadline, place: _place } = asked;
    let reply = Call::new(&sidecar, &tenant, body.wanted()?, deadline.left()?)?.run().await?;
    let timing = observe::server_timing(&reply.timings, reply.took_ms);
    let mut response = Json(Records { records: reply.hits.into_iter().map(Record::from).collect() }).into_response();
    response.headers_mut().extend(timing);
    Ok(response)
}

impl DifyRequest {
    fn wanted(self) -> Result<Wanted, Problem> {
        let limit = self.retrieval_setting.top_k;
        if !(1..=MOST_HITS).contains(&limit) {
            let problem = format!("{limit} is not from 1 to {MOST_HITS}");
            return Err(Problem::field("retrieval_setting.top_k", problem));
        }
        let filter = self.metadata_condition.filter(|metadata| !metadata.conditions.is_empty());
        Ok(Wanted {
            collection: Some(self.knowledge_id),
            filter: filter.map(MetadataCondition::filter).transpose()?,
            limit: Some(limit),
            refine: Refine::at_least(self.retrieval_setting.score_threshold),
            ..Wanted::new(Question::new(&self.query)?)
        })
    }
}

impl MetadataCondition {
    fn filter(self) -> Result<Filter, Problem> {
        let conditions = self.conditions.into_iter().enumerate().map(|(index, condition)| condition.compile(index));
        let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        Ok(match self.logical_operator {
            LogicalOperator::And => Filter { must: conditions, ..Filter::default() },
            LogicalOperator::Or => Filter { should: conditions, ..Filter::default() },
        })
    }
}

impl DifyCondition {
    fn compile(self, index: usize) -> Result<Condition, Problem> {
        let names = match self.name {
            Names::One(name) => vec![name],
            Names::Many(names) => names,
        };
        let place = format!("metadata_condition.conditions[{index}]");
        let one = |name: &String| compare(name, &self.comparison_operator, &self.value, &place);
        let mut each = names.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        Ok(if each.len() == 1 {
            each.remove(0)
        } else {
            Condition::Filter(Filter { should: each, ..Filter::default() })
        })
    }
}

fn compare(key: &str, operator: &str, value: &Value, place: &str) -> Result<Condition, Problem> {
    let number = || {
        // Dify writes numbers as texts too.
        let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        number.ok_or_else(|| Problem::field(format!("{place}.value"), "it is not a number"))
    };
    let list = || {
        let list = value.as_array().filter(|list| !list.is_empty());
        list.ok_or_else(|| Problem::field(format!("{place}.value"), "it is not a list of at least one value"))
    };
    let range = |range: Range| Condition::Range(FieldRange { key: key.to_owned(), range });
    Ok(match operator {
        "is" => equals(key, value),
        "is not" => without(vec![equals(key, value)]),
        "in" => any(key, list()?),
        "not in" => without(vec![any(key, list()?)]),
        "empty" => empty(key),
        "not empty" => without(vec![empty(key)]),
        "=" => range(Range { gte: Some(number()?), lte: Some(number()?), ..Range::default() }),
        "≠" => without(vec![range(Range { gte: Some(number()?), lte: Some(number()?), ..Range::default() })]),
        ">" => range(Range { gt: Some(number()?), ..Range::default() }),
        "<" => range(Range { lt: Some(number()?), ..Range::default() }),
        "≥" => range(Range { gte: Some(number()?), ..Range::default() }),
        "≤" => range(Range { lte: Some(number()?), ..Range::default() }),
        _ => {
            let problem = format!("{operator:?} is none of is, is not, in, not in, empty, not empty, =, ≠, >, <, ≥, ≤");
            return Err(Problem::field(format!("{place}.comparison_operator"), problem));
        }
    })
}

impl From<ReplyHit> for Record {
    fn from(hit: ReplyHit) -> Self {
        let passage = hit.passage;
        let mut metadata = passage.payload;
        metadata.entry("passage_id").or_insert(Value::String(passage.id));
        metadata.entry("document_id").or_insert(Value::String(passage.document_id.clone()));
        let title = if passage.title.is_empty() { passage.document_id } else { passage.title };
        Self { content: passage.text, score: hit.normalised, title, metadata }
    }
}

//! The tool `qdrant-find`, by the name, with the parameters and in the form of mcp-server-qdrant, so that its users need
//! change nothing but the command. It is `retrieve` underneath.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject, Tool, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tools, schema, store::METADATA};
use crate::{
    search::Filter,
    server::{
        problem::Problem,
        reply::{Reply, ReplyPassage},
        wire::RetrieveRequest,
    },
};

pub(super) const NAME: &str = "qdrant-find";

const DESCRIPTION: &str = "Look up what was remembered earlier: memories by their content, notes for further analysis, \
                           facts about the user.";

/// What is looked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    query: String,
    collection_name: Option<String>,
    query_filter: Option<Filter>,
}

/// The tool, over these collections.
pub(super) fn tool(collections: &[&str]) -> Tool {
    let query = json!({"type": "string", "description": "What to search for."});
    let mut properties = json!({"query": query, "query_filter": schema::filter()});
    let mut required = vec!["query"];
    schema::choice(&mut properties, &mut required, "collection_name", collections);
    Tool::new(NAME, DESCRIPTION, schema::object(properties, &required))
        .with_title("Look up memories")
        .with_annotations(ToolAnnotations::new().read_only(true).idempotent(true).open_world(false))
}

impl Tools {
    /// Calls the tool.
    pub(super) async fn find(&self, arguments: Arguments) -> Result<CallToolResult, Problem> {
        let Arguments { query, collection_name, query_filter: filter } = arguments;
        let collection = Some(self.collection("collection_name", collection_name.as_deref())?);
        let request = RetrieveRequest { question: Some(query.clone()), collection, filter, ..Default::default() };
        match self.ask(request).await {
            Ok(reply) => Ok(entries(&query, reply)),
            // A memory in which nothing was stored yet.
            Err(problem) if problem.code == "collection_missing" => Ok(nothing(&query)),
            Err(problem) => Err(problem),
        }
    }
}

fn nothing(query: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(format!("No information found for the query '{query}'"))])
}

/// A line that says what was asked, and an entry a hit. What was lost has no place in this form and goes beside it.
fn entries(query: &str, reply: Reply) -> CallToolResult {
    let mut result = if reply.hits.is_empty() {
        nothing(query)
    } else {
        let head = format!("Results for the query '{query}'");
        let entries = reply.hits.into_iter().map(|hit| entry(hit.passage));
        CallToolResult::success(std::iter::once(head).chain(entries).map(ContentBlock::text).collect())
    };
    let about = json!({"asktwice/outcome": reply.outcome.word(), "asktwice/degradations": reply.degradations});
    if let Value::Object(about) = about {
        result.meta = Some(MetaObject(about));
    }
    result
}

/// A passage that was stored by `qdrant-store` has its metadata in one field; of any other, all fields are metadata.
fn entry(passage: ReplyPassage) -> String {
    let ReplyPassage { title, text, mut payload, .. } = passage;
    let metadata = payload.remove(METADATA).unwrap_or(Value::Object(payload));
    let metadata = match &metadata {
        Value::Null => String::new(),
        Value::Object(fields) if fields.is_empty() => String::new(),
        fields => fields.to_string(),
    };
    let content = if title.is_empty() { text } else { format!("{title}\n{text}") };
    format!("<entry><content>{content}</content><metadata>{metadata}</metadata></entry>")
}

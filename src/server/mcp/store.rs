//! The tool `qdrant-store`, by the name and with the parameters of mcp-server-qdrant. What it acknowledges is on disk.

use rmcp::model::{CallToolResult, ContentBlock, Tool, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout_at;

use super::{Tools, schema};
use crate::{
    ranking::{Passage, PointId},
    search::check_field,
    server::problem::Problem,
};

pub(super) const NAME: &str = "qdrant-store";

/// The field of a passage that holds its metadata, so that filters name them as they would with mcp-server-qdrant.
pub(super) const METADATA: &str = "metadata";

const DESCRIPTION: &str = "Keep something for later, when you are asked to remember it. The same text is kept once; its \
                           metadata is replaced.";

/// What is stored.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    information: String,
    collection_name: Option<String>,
    metadata: Option<Map<String, Value>>,
}

/// The tool, over these collections.
pub(super) fn tool(collections: &[&str]) -> Tool {
    let mut properties = json!({
        "information": {"type": "string", "description": "The text to keep."},
        "metadata": {"type": "object", "description": "Anything that belongs to it, to be returned with it."},
    });
    let mut required = vec!["information"];
    schema::choice(&mut properties, &mut required, "collection_name", collections);
    Tool::new(NAME, DESCRIPTION, schema::object(properties, &required))
        .with_title("Remember something")
        .with_annotations(ToolAnnotations::new().read_only(false).destructive(false).idempotent(true).open_world(false))
}

impl Tools {
    /// Calls the tool.
    pub(super) async fn store(&self, arguments: Arguments) -> Result<CallToolResult, Problem> {
        self.tenant.check_may_write()?;
        let Arguments { information, collection_name, metadata } = arguments;
        let name = self.collection("collection_name", collection_name.as_deref())?;
        if information.trim().is_empty() {
            return Err(Problem::field("information", "it is empty"));
        }
        let metadata = metadata.filter(|metadata| !metadata.is_empty()).map(Value::Object);
        if let Some(Err(problem)) = metadata.as_ref().map(check_field) {
            return Err(Problem::field(METADATA, problem));
        }
        // By its text, so that a call which is sent again, because its answer got lost, stores nothing twice.
        let passage = Passage::new(format!("memory-{}", PointId::of(&information)), &information)
            .with_payload(metadata.map(|metadata| (METADATA.to_owned(), metadata)).into_iter().collect());
        let (deadline, _place) = self.enter(None).await?;
        let collection = self.sidecar.collection(&self.tenant, Some(&name))?;
        let indexer = self.sidecar.indexer(collection);
        timeout_at(deadline.at(), indexer.add(vec![passage])).await.map_err(|_| Problem::deadline())??;
        Ok(CallToolResult::success(vec![ContentBlock::text(format!("Remembered: {information} in collection {name}"))]))
    }
}

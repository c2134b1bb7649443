//! What a tool's arguments may be, in JSON Schema. Written out and kept plain: some clients know neither references nor
//! alternatives, and pass on to their language model only what they know.

use std::sync::Arc;

use rmcp::model::JsonObject;
use serde_json::{Value, json};

/// An object of these properties, of which some are required. No other is taken.
pub(super) fn object(properties: Value, required: &[&str]) -> Arc<JsonObject> {
    let mut schema = JsonObject::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties);
    schema.insert("required".into(), required.into());
    schema.insert("additionalProperties".into(), false.into());
    Arc::new(schema)
}

/// Adds the choice of a collection, where there is one to make.
pub(super) fn choice(properties: &mut Value, required: &mut Vec<&'static str>, name: &'static str, among: &[&str]) {
    if among.len() > 1 {
        properties[name] = json!({"type": "string", "enum": among, "description": "The collection."});
        required.push(name);
    }
}

/// A filter in Qdrant's form.
pub(super) fn filter() -> Value {
    let description = "Only what matches, in Qdrant's form, such as \
                       {\"must\": [{\"key\": \"topic\", \"match\": {\"value\": \"refunds\"}}]}.";
    json!({"type": "object", "description": description})
}

//! What is sent to an endpoint: the body of a chat completion.

use serde_json::{Map, Value, json};

use crate::rewrite::Task;

/// How many tokens the braces and keys of a JSON reply take.
const JSON_TOKENS: u32 = 64;

/// The body of a request. The user's own parameters win over the usual ones, but not over what makes the call work.
pub(super) fn body(
    model: &str,
    parameters: &Map<String, Value>,
    task: &Task,
    prompt: &str,
    structured: bool,
) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("temperature".into(), json!(0));
    body.insert("max_tokens".into(), json!(max_tokens(task)));
    if structured {
        body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": schema(task)}));
    }
    for (name, value) in parameters {
        if value.is_null() {
            body.remove(name);
        } else {
            body.insert(name.clone(), value.clone());
        }
    }
    body.insert("model".into(), json!(model));
    body.insert("messages".into(), json!([{"role": "user", "content": prompt}]));
    body.insert("stream".into(), json!(false));
    body
}

/// How long a model may write: twice what the longest rewrites of the task have.
fn max_tokens(task: &Task) -> u32 {
    let texts = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let of_kind = |kind: &_| texts(task.count_of(*kind)).saturating_mul(kind.profile().tokens);
    task.kinds.iter().map(of_kind).fold(JSON_TOKENS, u32::saturating_add)
}

/// A schema with a key for each kind, in the strict form that OpenAI accepts: all keys required, no others.
fn schema(task: &Task) -> Value {
    let text = json!({"type": "string"});
    let property = |kind: &crate::rewrite::RewriteKind| {
        let value = if kind.profile().many { json!({"type": "array", "items": text}) } else { text.clone() };
        (kind.name().to_owned(), value)
    };
    let properties: Map<String, Value> = task.kinds.iter().map(property).collect();
    let required: Vec<&str> = task.kinds.iter().map(|kind| kind.name()).collect();
    let schema = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    });
    json!({"name": "rewrites", "strict": true, "schema": schema})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{question::Question, rewrite::RewriteKind};

    #[test]
    fn tokens_and_schema_follow_the_kinds() {
        let task = |kinds: &[RewriteKind]| Task::new(Question::new("why?").unwrap(), kinds).with_count(4);
        let of = |kinds: &[RewriteKind]| body("m", &Map::new(), &task(kinds), "p", true);
        assert_eq!(of(&[RewriteKind::Paraphrase])["max_tokens"], 320);
        assert_eq!(of(&[RewriteKind::Multi, RewriteKind::Hyde])["max_tokens"], 64 + 4 * 128 + 512);
        let body = of(&[RewriteKind::Multi, RewriteKind::StepBack]);
        let schema = &body["response_format"]["json_schema"]["schema"];
        assert_eq!(schema["required"], json!(["multi", "step-back"]));
        assert_eq!(schema["properties"]["multi"]["type"], "array");
        assert_eq!(schema["properties"]["step-back"]["type"], "string");
    }

    #[test]
    fn own_parameters_win_but_not_over_what_makes_the_call_work() {
        let own = json!({"max_tokens": null, "top_p": 0.9, "stream": true, "response_format": {"type": "text"}});
        let task = Task::new(Question::new("why?").unwrap(), &[RewriteKind::Paraphrase]);
        let body = body("m", own.as_object().unwrap(), &task, "p", true);
        assert_eq!((body.get("max_tokens"), &body["top_p"], &body["stream"]), (None, &json!(0.9), &json!(false)));
        assert_eq!(body["response_format"], json!({"type": "text"}));
    }
}

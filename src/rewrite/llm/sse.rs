//! A chat completion out of a stream of server-sent events: some servers stream although asked not to.

use serde_json::{Map, Value, json};

/// The mark of a stream's end.
const DONE: &str = "[DONE]";

/// Whether a body is a stream of events.
pub(super) fn is_stream(body: &str) -> bool {
    body.starts_with("data:") || body.starts_with("event:") || body.starts_with(':')
}

/// Whether a stream has come to its end, though its connection may stay open.
pub(super) fn is_done(body: &[u8]) -> bool {
    const MARK: &[u8] = b"[DONE]";
    body.trim_ascii_end().ends_with(MARK)
}

/// The completion that a stream adds up to: the texts of its first choice, put together. `None` if it ends in the
/// middle, or is something else.
pub(super) fn completion(body: &str) -> Option<Value> {
    let mut message = Map::new();
    let mut finish = Value::Null;
    let mut usage = Value::Null;
    let mut done = false;
    for data in body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim) {
        if data == DONE {
            done = true;
            break;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else { continue };
        if event.get("error").is_some_and(|error| !error.is_null()) {
            return Some(event);
        }
        if let Some(said) = event.get("usage").filter(|usage| usage.is_object()) {
            usage = said.clone();
        }
        let Some(choice) = event.pointer("/choices/0") else { continue };
        if let Some(Value::Object(delta)) = choice.get("delta").or_else(|| choice.get("message")) {
            delta.iter().for_each(|(name, value)| add(&mut message, name, value));
        }
        if let Some(reason) = choice.get("finish_reason").filter(|reason| reason.is_string()) {
            finish = reason.clone();
        }
    }
    let whole = done || finish.is_string();
    whole.then(|| json!({"choices": [{"message": message, "finish_reason": finish}], "usage": usage}))
}

/// Adds a part of a field to what came of it before.
fn add(message: &mut Map<String, Value>, name: &str, part: &Value) {
    let Some(part) = part.as_str() else { return };
    match message.get_mut(name) {
        Some(Value::String(text)) => text.push_str(part),
        _ => {
            message.insert(name.to_owned(), part.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up() {
        let body = "event: x\n: comment\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"Why is \"}}]}\n\n\
                    data:{\"choices\":[{\"delta\":{\"content\":\"bread flat?\",\"reasoning_content\":\"hm\"},\"finish_reason\":\"stop\"}]}\r\n\r\n\
                    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}\n\ndata: [DONE]\n\n";
        let completion = completion(body).unwrap();
        assert_eq!(completion.pointer("/choices/0/message/content").unwrap(), "Why is bread flat?");
        assert_eq!(completion.pointer("/choices/0/message/reasoning_content").unwrap(), "hm");
        assert_eq!(completion.pointer("/usage/prompt_tokens").unwrap(), 3);
        assert!(is_stream(body) && is_done(body.as_bytes()));
    }

    #[test]
    fn streams_that_end_early_or_fail_say_so() {
        let cut = "data: {\"choices\":[{\"delta\":{\"content\":\"Why is \"}}]}\n\ndata: {\"cho";
        assert_eq!(completion(cut), None);
        assert_eq!(completion("data:"), None);
        assert!(!is_done(cut.as_bytes()));
        let failed = completion("data: {\"error\":{\"message\":\"overloaded\"}}\n\n").unwrap();
        assert_eq!(failed.pointer("/error/message").unwrap(), "overloaded");
    }
}

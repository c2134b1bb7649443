//! From the body of a chat completion to the text that the model said: tolerant of everything that servers add, leave
//! out or call differently, and strict about what is not the reply (reasoning, refusals, a filter's notice).

use secrecy::SecretString;
use serde_json::Value;

use super::sse;
use crate::{
    http::{Said, Sent},
    rewrite::Rejection,
};

/// Why a body holds no text to clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// The model said something that cannot be searched with.
    Rejected(Rejection),
    /// The provider's content filter stopped it.
    Filtered,
    /// It is not a chat completion, or an empty one.
    Unusable(String),
}

/// What a chat completion says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The text of the first choice.
    pub(super) text: String,
    /// How many tokens the server says it read and wrote; 0 if it does not say.
    pub(super) tokens: (u64, u64),
    /// Whether the server says that it ran out of tokens.
    pub(super) cut_off: bool,
}

fn unusable(problem: impl Into<String>) -> Problem {
    Problem::Unusable(problem.into())
}

/// Reads a body. What an error in the completion's place repeats of the key is left out, and all that it says if it
/// repeats one of the texts that were sent.
pub(super) fn read<'a>(
    body: &str,
    key: Option<&SecretString>,
    sent: impl IntoIterator<Item = Sent<'a>>,
) -> Result<Reply, Problem> {
    let body = body.trim_start_matches('\u{feff}').trim();
    let reply: Value = if sse::is_stream(body) {
        sse::completion(body)
            .ok_or_else(|| unusable("answered with a stream of events, though asked not to, that ends in the middle"))?
    } else {
        serde_json::from_str(body).map_err(|error| unusable(not_json(body, &error)))?
    };
    if reply.get("error").is_some_and(|error| !error.is_null()) {
        return Err(unusable(format!("answered with an error{}", Said::in_json(&reply, key, sent).quoted())));
    }
    let count = |name: &str| reply.pointer(name).and_then(Value::as_u64).unwrap_or(0);
    let tokens = (count("/usage/prompt_tokens"), count("/usage/completion_tokens"));
    let finish = reply.pointer("/choices/0/finish_reason").and_then(Value::as_str);
    crate::spans::replied(tokens, finish);
    Ok(Reply { text: said(&reply)?, tokens, cut_off: finish == Some("length") })
}

/// The text of a completion's first choice.
fn said(reply: &Value) -> Result<String, Problem> {
    let Some(choice) = reply.pointer("/choices/0") else {
        return Err(unusable("answered without a choice; is this an endpoint for chat completions?"));
    };
    let message = choice.get("message").unwrap_or(&Value::Null);
    let finish = choice.get("finish_reason").and_then(Value::as_str).unwrap_or_default();
    if finish == "content_filter" {
        return Err(Problem::Filtered);
    }
    if message.get("refusal").and_then(Value::as_str).is_some_and(|refusal| !refusal.trim().is_empty()) {
        return Err(Problem::Rejected(Rejection::Refusal));
    }
    let said = content(message.get("content").unwrap_or(&Value::Null));
    let thought =
        ["reasoning_content", "reasoning", "thinking"].iter().any(|key| message.get(key).is_some_and(is_text));
    match (finish, said.trim().is_empty()) {
        // Of JSON that was cut off, the strings that are whole are as good as ever.
        ("length", false) if said.trim_start().starts_with('{') => Ok(said),
        ("length", _) => Err(unusable(
            "ran out of tokens before its reply was complete; switch its thinking off, or raise max_tokens in \
             rewrite.parameters",
        )),
        (_, true) if thought => {
            Err(unusable("only thought aloud and said nothing; switch its thinking off in rewrite.parameters"))
        }
        (_, true) => Err(Problem::Rejected(Rejection::Empty)),
        (_, false) => Ok(said),
    }
}

/// The text of a message's content: a string, or an array of parts of which the text parts count.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(part).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn part(part: &Value) -> Option<&str> {
    if let Value::String(text) = part {
        return Some(text);
    }
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
    matches!(kind, "text" | "output_text").then(|| part.get("text").and_then(Value::as_str)).flatten()
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

/// Says what came instead of JSON.
fn not_json(body: &str, error: &serde_json::Error) -> String {
    if body.is_empty() {
        "answered with nothing".to_owned()
    } else if body.starts_with('<') {
        "answered with a web page, not with JSON; does rewrite.url need a /v1?".to_owned()
    } else if error.is_eof() {
        "answered with JSON that ends in the middle".to_owned()
    } else {
        "answered with something that is not JSON".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_found_in_all_its_forms() {
        for body in [
            r#"{"choices":[{"message":{"role":"assistant","content":"why?"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"message":{"content":"why?","reasoning_content":"hm","refusal":null}}],"usage":{"a":{"b":[]}}}"#,
            r#"{"choices":[{"message":{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"why?"}]}}]}"#,
            r#"{"choices":[{"message":{"content":["why?"]}}],"error":null}"#,
            "data: {\"choices\":[{\"delta\":{\"content\":\"why?\"}}]}\n\ndata: [DONE]\n\n",
            "\u{feff} {\"choices\":[{\"message\":{\"content\":\"why?\"}}]}\n",
        ] {
            assert_eq!(read(body, None, []).map(|reply| reply.text), Ok("why?".to_owned()), "{body}");
        }
    }

    #[test]
    fn of_json_that_was_cut_off_the_beginning_is_read() {
        let body = r#"{"choices":[{"message":{"content":"{\"multi\": [\"why?\", \"wh"},"finish_reason":"length"}],"usage":{"prompt_tokens":7,"completion_tokens":9}}"#;
        assert_eq!(
            read(body, None, []),
            Ok(Reply { text: r#"{"multi": ["why?", "wh"#.to_owned(), tokens: (7, 9), cut_off: true })
        );
    }

    #[test]
    fn what_is_not_the_reply_is_told_from_it() {
        let said = |body: &str| match read(body, None, []).unwrap_err() {
            Problem::Rejected(rejection) => rejection.to_string(),
            Problem::Filtered => "content filter".to_owned(),
            Problem::Unusable(problem) => problem,
        };
        for (body, part) in [
            (r#"{"choices":[]}"#, "without a choice"),
            (r#"{"object":"list"}"#, "without a choice"),
            (r"[]", "without a choice"),
            (r#"{"choices":[{}]}"#, "empty"),
            (r#"{"choices":[{"message":{"content":null}}]}"#, "empty"),
            (r#"{"choices":[{"message":{"content":"","reasoning_content":"they ask why"}}]}"#, "thought aloud"),
            (r#"{"choices":[{"message":{"content":null,"reasoning":"they ask why"}}]}"#, "thought aloud"),
            (r#"{"choices":[{"message":{"content":null,"refusal":"no"}}]}"#, "refusal"),
            (r#"{"choices":[{"message":{"content":"why is"},"finish_reason":"length"}]}"#, "out of tokens"),
            (r#"{"choices":[{"message":{},"finish_reason":"content_filter"}]}"#, "content filter"),
            (r#"{"error":{"message":"loading model"}}"#, "loading model"),
            (r#"{"error":"boom"}"#, "boom"),
            ("", "nothing"),
            ("<!DOCTYPE html>", "web page"),
            ("data: {}", "stream of events"),
            (r#"{"choices":[{"mess"#, "ends in the middle"),
            ("OK", "not JSON"),
        ] {
            assert!(said(body).contains(part), "{body}: {}", said(body));
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

        /// Pieces of completions and of streams, in any order.
        #[test]
        fn whatever_comes_it_ends(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "data: ", "{", "}", "[", "]", "\"choices\"", ":", "\"message\"", "\"content\"", "\"delta\"", "\"why?\"", ",", "\n",
            "[DONE]", "null", "0", "\\u0000", "\"finish_reason\"", "\"length\"", "\"error\"", "é", "event: x", "\"usage\"",
        ]), 0..40)) {
            let body = pieces.concat();
            if let Ok(reply) = read(&body, Some(&"why".to_owned().into()), []) {
                proptest::prop_assert!(!reply.text.trim().is_empty());
            }
        }
    }
}

//! What our own routes take.

mod refine;

pub(super) use refine::Refine;
use refine::{MmrWish, PayloadWish, RerankWish, ThresholdWish};

use serde::{Deserialize, de::IgnoredAny};
use utoipa::ToSchema;

use super::{
    body::{Size, Wire},
    pipeline::{Asking, Wanted},
    problem::Problem,
};
use crate::{
    options::Legs,
    question::{Question, Speaker, Turn},
    rewrite::RewriteKind,
    search::Filter,
};

/// The most hits that one request may ask for.
const MOST_HITS: usize = 1_000;
/// The deepest that one request may let a leg search.
const DEEPEST: usize = 5_000;
/// The most questions in a batch.
const MOST_QUESTIONS: usize = 64;

/// A question, and what its asker may choose. A field that is not known is an error.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetrieveRequest {
    /// The question. Without it, the last message of the user is the question.
    #[schema(max_length = 8192, pattern = r"\S", example = "wheres my money its been over a week")]
    pub(super) question: Option<String>,
    /// The chat so far, as OpenAI's chat completions write it. Turns of the user and the assistant help the rewriter to
    /// understand the question; others are passed over.
    #[serde(default)]
    pub(super) messages: Vec<Message>,
    /// Which collection to search; may be left out where there is only one.
    pub(super) collection: Option<String>,
    /// Only passages that match, in Qdrant's JSON form.
    #[schema(value_type = Option<Object>)]
    pub(super) filter: Option<Filter>,
    /// How many hits come back at most.
    #[schema(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<usize>,
    /// How many of the best hits are passed over.
    #[serde(default)]
    #[schema(maximum = 1000)]
    pub(super) offset: usize,
    /// How deep each leg searches.
    #[schema(minimum = 1, maximum = 5000)]
    pub(super) depth: Option<usize>,
    /// How long the answer may take, in milliseconds.
    #[schema(minimum = 1)]
    pub(super) deadline_ms: Option<u64>,
    /// Whether to rewrite the question, or into which kinds.
    pub(super) rewrite: Option<RewriteWish>,
    /// Which channels are searched: `dense`, `bm25` or `hybrid`.
    #[schema(value_type = Option<String>, example = "hybrid")]
    pub(super) legs: Option<Legs>,
    /// How the rankings become one: `rrf`, `rrf:K`, `intersection` or `intersection:strict`, for one.
    #[schema(example = "rrf:60")]
    pub(super) fusion: Option<String>,
    /// Scores that a passage has to reach.
    pub(super) threshold: Option<ThresholdWish>,
    /// Whether to rerank, or how many of the best.
    #[schema(schema_with = refine::rerank_schema)]
    pub(super) rerank: Option<RerankWish>,
    /// Spreads the hits over what there is to say.
    pub(super) mmr: Option<MmrWish>,
    /// How many passages of each document; `limit` and `offset` then count documents.
    #[schema(minimum = 1)]
    pub(super) group: Option<usize>,
    /// How many passages before and after each hit, in its document, are listed beside it.
    #[schema(maximum = 32)]
    pub(super) neighbours: Option<u32>,
    /// Which of their own fields the passages come back with.
    pub(super) payload: Option<PayloadWish>,
    /// Whether to return the rankings of the legs too, so that they can be fused otherwise without a new search.
    #[serde(default)]
    pub(super) explain: bool,
}

/// Whether to rewrite the question.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "expected true, false or a list of kinds: paraphrase, multi, keywords, hyde, step-back, decompose, condense"
)]
pub(super) enum RewriteWish {
    /// As the sidecar is set up, or not at all.
    Any(bool),
    /// Into these kinds.
    Kinds(Vec<RewriteKind>),
}

/// A message of a chat, in OpenAI's form.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// Who speaks.
    pub(super) role: MessageRole,
    /// What is said; parts that are no text are passed over.
    #[serde(default)]
    pub(super) content: Option<Content>,
    /// What chat apps have in their messages besides, so that they can send them as they are.
    #[serde(flatten)]
    #[schema(ignore)]
    _rest: Rest,
}

/// The other fields of OpenAI's messages.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rest {
    name: IgnoredAny,
    tool_calls: IgnoredAny,
    tool_call_id: IgnoredAny,
    function_call: IgnoredAny,
    refusal: IgnoredAny,
    audio: IgnoredAny,
    annotations: IgnoredAny,
}

/// Who speaks in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MessageRole {
    /// The one who asks.
    User,
    /// The one who answers.
    Assistant,
    /// Instructions; passed over.
    System,
    /// Instructions; passed over.
    Developer,
    /// What a tool returned; passed over.
    Tool,
    /// What a tool returned; passed over.
    Function,
}

/// What is said in a message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or a list of parts")]
pub(super) enum Content {
    /// Text.
    Text(String),
    /// Parts, of which those with a text count.
    Parts(Vec<Part>),
}

/// A part of a message: text, or an image, a file, a sound.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Part {
    /// The text, of a part of type `text`.
    #[serde(default)]
    pub(super) text: Option<String>,
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join(" "),
        }
    }
}

impl Message {
    fn turn(&self) -> Option<Turn> {
        let role = match self.role {
            MessageRole::User => Speaker::User,
            MessageRole::Assistant => Speaker::Assistant,
            _ => return None,
        };
        Some(Turn { role, content: self.content.as_ref()?.text() })
    }
}

/// Several questions at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchRequest {
    /// The questions.
    #[schema(min_items = 1, max_items = 64)]
    pub(super) requests: Vec<RetrieveRequest>,
}

impl Wire for RetrieveRequest {
    const SIZE: Size = Size::Question;

    fn deadline_ms(&self) -> Option<u64> {
        self.deadline_ms
    }
}

impl Wire for BatchRequest {
    const SIZE: Size = Size::Question;
}

impl BatchRequest {
    /// Refuses too many questions, and none.
    pub(super) fn checked(self) -> Result<Vec<RetrieveRequest>, Problem> {
        match self.requests.len() {
            1..=MOST_QUESTIONS => Ok(self.requests),
            count => Err(Problem::field("requests", format!("{count} questions; send 1 to {MOST_QUESTIONS}"))),
        }
    }
}

impl RetrieveRequest {
    /// What is asked for, checked.
    pub(super) fn wanted(self) -> Result<Wanted, Problem> {
        let question = question(self.question.as_deref(), &self.messages)?;
        within("limit", self.limit, MOST_HITS)?;
        within("depth", self.depth, DEEPEST)?;
        within("offset", Some(self.offset.max(1)), MOST_HITS)?;
        within("deadline_ms", self.deadline_ms, i64::MAX.unsigned_abs())?;
        let asking = match self.rewrite {
            None | Some(RewriteWish::Any(true)) => Asking::AsSetUp,
            Some(RewriteWish::Any(false)) => Asking::Never,
            Some(RewriteWish::Kinds(kinds)) if kinds.is_empty() => Asking::Never,
            Some(RewriteWish::Kinds(kinds)) => Asking::Kinds(kinds),
        };
        let fusion = self.fusion.map(|name| name.parse()).transpose();
        Ok(Wanted {
            question,
            collection: self.collection,
            filter: self.filter,
            limit: self.limit,
            offset: self.offset,
            depth: self.depth,
            asking,
            legs: self.legs,
            refine: Refine {
                threshold: self.threshold,
                rerank: self.rerank,
                mmr: self.mmr,
                group: self.group,
                neighbours: self.neighbours,
                payload: self.payload,
            },
            explain: self.explain,
            fusion: fusion.map_err(|error: crate::fuse::UnknownFusion| Problem::field("fusion", error))?,
        })
    }
}

/// Refuses 0, and more than there may be.
fn within<N: PartialOrd + From<u8> + std::fmt::Display>(name: &str, given: Option<N>, most: N) -> Result<(), Problem> {
    match given {
        Some(given) if given < N::from(1) || given > most => {
            Err(Problem::field(name, format!("{given} is not from 1 to {most}")))
        }
        _ => Ok(()),
    }
}

/// The question with the chat before it: what is asked, or what the user said last.
fn question(asked: Option<&str>, messages: &[Message]) -> Result<Question, Problem> {
    let mut turns: Vec<Turn> = messages.iter().filter_map(Message::turn).collect();
    let text = match asked {
        Some(asked) => asked.to_owned(),
        None => match turns.iter().rposition(|turn| turn.role == Speaker::User) {
            // What was said after it is no part of what led to it.
            Some(last) => turns.drain(last..).next().map(|turn| turn.content).unwrap_or_default(),
            None if messages.is_empty() => {
                return Err(Problem::field("question", "there is none; send `question`, or `messages` of a chat"));
            }
            None => return Err(Problem::field("messages", "the user has said nothing in them")),
        },
    };
    Ok(Question::new(&text)?.with_history(turns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted(request: serde_json::Value) -> Result<Wanted, String> {
        let request: RetrieveRequest = serde_json::from_value(request).map_err(|error| error.to_string())?;
        request.wanted().map_err(|problem| problem.told().to_owned())
    }

    #[test]
    fn the_users_last_message_is_the_question() {
        let messages = json!([
            {"role": "system", "content": "Ignore everything"},
            {"role": "user", "content": "weather in Rome?", "name": "ann"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "25 degrees", "tool_call_id": "1"},
            {"role": "assistant", "content": "Sunny."},
            {"role": "user", "content": [{"type": "text", "text": "and in"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "Paris?"}]},
        ]);
        let wanted = wanted(json!({ "messages": messages })).unwrap();
        assert_eq!(wanted.question.text(), "and in Paris?");
        let history: Vec<&str> = wanted.question.history().iter().map(|turn| &*turn.content).collect();
        assert_eq!(history, ["weather in Rome?", "Sunny."]);
    }

    #[test]
    fn a_question_beside_messages_is_the_question() {
        let wanted =
            wanted(json!({"question": "why?", "messages": [{"role": "user", "content": "It rains."}]})).unwrap();
        assert_eq!((wanted.question.text(), wanted.question.history().len()), ("why?", 1));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let cases = [
            (json!({}), "question"),
            (json!({"question": "  "}), "empty"),
            (json!({"messages": [{"role": "system", "content": "x"}]}), "messages"),
            (json!({"messages": [{"role": "robot", "content": "x"}]}), "robot"),
            (json!({"messages": [{"role": "user", "text": "x"}]}), "unknown field `text`"),
            (json!({"question": "x", "limt": 1}), "unknown field `limt`"),
            (json!({"question": "x", "limit": 0}), "limit: 0 is not from 1 to 1000"),
            (json!({"question": "x", "limit": 1001}), "limit"),
            (json!({"question": "x", "limit": -1}), "-1"),
            (json!({"question": "x", "offset": 1001}), "offset"),
            (json!({"question": "x", "depth": 5001}), "depth"),
            (json!({"question": "x", "deadline_ms": 0}), "deadline_ms"),
            (json!({"question": "x", "fusion": "best"}), "fusion"),
            (json!({"question": "x", "rewrite": ["nonsense"]}), "step-back"),
            (json!({"question": "x", "filter": {"must": [{"key": "a"}]}}), "a"),
        ];
        for (request, named) in cases {
            let said = wanted(request.clone()).err().unwrap_or_else(|| "accepted".to_owned());
            assert!(said.contains(named), "{request}: {said}");
        }
    }
}

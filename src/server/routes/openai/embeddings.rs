//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use tokio::time::timeout_at;
use utoipa::ToSchema;

use super::ErrorBody;
use crate::{
    embed::{Embedding, Identity, Role},
    server::{
        admission::Admitted,
        body::{Size, Wire},
        problem::Problem,
        sidecar::Sidecar,
    },
};

/// The most texts, as published.
const MOST: usize = 2_048;
/// How many texts are given to the embedder at a time, so that questions of others get between.
const AT_ONCE: usize = 32;

/// Texts to be embedded, as OpenAI publishes it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct EmbeddingsRequest {
    /// A text or a list of texts. Token numbers are refused: they would be those of another model.
    input: Input,
    /// The model's name, see `/v1/models`.
    model: String,
    /// As numbers, or as the bytes of 32-bit floats (little-endian) in base64.
    #[serde(default)]
    encoding_format: EncodingFormat,
    /// The dimension; only the model's own can be had.
    dimensions: Option<usize>,
    /// Accepted and without effect.
    #[allow(dead_code, reason = "clients send it")]
    user: Option<String>,
    /// Ours: which side of a search the texts stand on. Many models want another prefix for each.
    #[serde(default = "query")]
    input_type: Role,
}

/// A text or several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts; token numbers would be those of another model")]
enum Input {
    One(String),
    Many(Vec<String>),
}

fn query() -> Role {
    Role::Query
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum EncodingFormat {
    #[default]
    Float,
    Base64,
}

/// Vectors, as OpenAI publishes it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::server) struct EmbeddingsReply {
    /// Always `list`.
    object: &'static str,
    data: Vec<Item>,
    model: String,
    usage: Usage,
}

/// The vector of a text.
#[derive(Debug, Serialize, ToSchema)]
struct Item {
    /// Always `embedding`.
    object: &'static str,
    /// The place of its text.
    index: usize,
    embedding: Vector,
}

/// A vector, as numbers or in base64.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    Base64(String),
}

/// How many tokens were read.
#[derive(Debug, Serialize, ToSchema)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

impl Wire for EmbeddingsRequest {
    const SIZE: Size = Size::Texts;
}

/// Embed texts (OpenAI: create embeddings).
#[utoipa::path(
    post, path = "/v1/embeddings", tag = "openai", request_body = EmbeddingsRequest,
    responses((status = OK, body = EmbeddingsReply), (status = "default", body = ErrorBody))
)]
pub(in crate::server) async fn embeddings(
    State(sidecar): State<Arc<Sidecar>>,
    asked: Admitted<EmbeddingsRequest>,
) -> Result<Json<EmbeddingsReply>, Problem> {
    let Admitted { tenant, body, deadline, place: _place } = asked;
    let identity = sidecar.embedder.identity();
    body.check(identity)?;
    if tenant.local_only && sidecar.embedder.leaves_host() {
        let detail = "this key's texts stay on this host, and the model is elsewhere";
        return Err(Problem::new(StatusCode::FORBIDDEN, "local_only", detail));
    }
    let texts = texts(body.input)?;
    let work = async {
        let mut embedded: Vec<Embedding> = Vec::with_capacity(texts.len());
        for some in texts.chunks(AT_ONCE) {
            embedded.extend(sidecar.embedder.embed(body.input_type, some.to_vec()).await?);
        }
        Ok::<_, Problem>(embedded)
    };
    let embedded = timeout_at(deadline.at(), work).await.map_err(|_| Problem::deadline())??;
    let tokens = embedded.iter().map(|embedding| embedding.tokens).sum();
    let item = |(index, embedding): (usize, Embedding)| Item {
        object: "embedding",
        index,
        embedding: Vector::new(embedding.vector, body.encoding_format),
    };
    Ok(Json(EmbeddingsReply {
        object: "list",
        data: embedded.into_iter().enumerate().map(item).collect(),
        model: identity.model.clone(),
        usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
    }))
}

impl EmbeddingsRequest {
    fn check(&self, identity: &Identity) -> Result<(), Problem> {
        if self.model != identity.model {
            return Err(Problem::no_model(&self.model, &identity.model));
        }
        match self.dimensions {
            Some(wanted) if wanted != identity.dimension => {
                let problem = format!("the model's vectors have {} dimensions, not {wanted}", identity.dimension);
                Err(Problem::field("dimensions", problem))
            }
            _ => Ok(()),
        }
    }
}

fn texts(input: Input) -> Result<Vec<String>, Problem> {
    let texts = match input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    if !(1..=MOST).contains(&texts.len()) {
        return Err(Problem::field("input", format!("{} texts; send 1 to {MOST}", texts.len())));
    }
    match texts.iter().position(String::is_empty) {
        Some(index) => Err(Problem::field(format!("input[{index}]"), "it is empty")),
        None => Ok(texts),
    }
}

impl Vector {
    fn new(vector: Vec<f32>, format: EncodingFormat) -> Self {
        match format {
            EncodingFormat::Float => Self::Float(vector),
            EncodingFormat::Base64 => {
                let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
                Self::Base64(BASE64_STANDARD.encode(bytes))
            }
        }
    }
}

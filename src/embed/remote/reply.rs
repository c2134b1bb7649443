//! From the body of an embeddings reply to vectors, each where it belongs.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::embed::Embedding;

#[derive(Deserialize)]
struct Reply {
    data: Vec<Item>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Numbers,
}

/// A vector as it comes: as numbers, or as the base64 of little-endian 32-bit floating point numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    Plain(Vec<f32>),
    Base64(String),
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: usize,
}

/// The embeddings of a reply to `count` texts, in the order of the texts.
pub(super) fn embeddings(body: &[u8], count: usize, dimension: usize) -> Result<Vec<Embedding>, String> {
    let reply: Reply = serde_json::from_slice(body).map_err(|error| not_understood(body, &error))?;
    if reply.data.len() != count {
        return Err(format!("answered with {} vectors for {count} texts", reply.data.len()));
    }
    let tokens = reply.usage.map_or(0, |usage| usage.prompt_tokens).div_ceil(count.max(1));
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; count];
    for (place, item) in reply.data.into_iter().enumerate() {
        let index = item.index.unwrap_or(place);
        let vector = item.embedding.vector()?;
        if vector.len() != dimension {
            return Err(format!(
                "answered with vectors of dimension {}, {dimension} is set; check embed.dimension and embed.model",
                vector.len()
            ));
        }
        if vector.iter().any(|value| !value.is_finite()) {
            return Err("answered with a vector that is not made of numbers".to_owned());
        }
        match vectors.get_mut(index) {
            Some(slot @ None) => *slot = Some(vector),
            Some(Some(_)) => return Err(format!("answered with two vectors for text {index}")),
            None => return Err(format!("answered with a vector for text {index}; there are {count}")),
        }
    }
    // As many as there are texts, and none twice: each text has one.
    Ok(vectors.into_iter().flatten().map(|vector| Embedding::new(vector, tokens)).collect())
}

impl Numbers {
    fn vector(self) -> Result<Vec<f32>, String> {
        match self {
            Self::Plain(numbers) => Ok(numbers),
            Self::Base64(text) => {
                let bytes = STANDARD.decode(text).map_err(|_| "answered with base64 that is none".to_owned())?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err("answered with base64 that holds a part of a number".to_owned());
                }
                Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
        }
    }
}

fn not_understood(body: &[u8], error: &serde_json::Error) -> String {
    let start = body.trim_ascii_start();
    if start.is_empty() {
        "answered with nothing".to_owned()
    } else if start.starts_with(b"<") {
        "answered with a web page, not with JSON; does embed.url need a /v1?".to_owned()
    } else if error.is_eof() {
        "answered with JSON that ends in the middle".to_owned()
    } else {
        "answered with something else than embeddings; is this an endpoint for embeddings?".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_stand_where_their_index_says_in_both_forms() {
        let base64 = STANDARD.encode([1.0_f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>());
        let body = format!(
            r#"{{"data": [{{"index": 1, "embedding": "{base64}"}}, {{"index": 0, "embedding": [3, 4.5]}}],
                "usage": {{"prompt_tokens": 7}}}}"#
        );
        let embeddings = embeddings(body.as_bytes(), 2, 2).unwrap();
        assert_eq!(embeddings, [Embedding::new(vec![3.0, 4.5], 4), Embedding::new(vec![1.0, -2.0], 4)]);
        // Some servers leave the index out.
        let plain = br#"{"data": [{"embedding": [1]}, {"embedding": [2]}]}"#;
        assert_eq!(super::embeddings(plain, 2, 1).unwrap()[1].vector, [2.0]);
    }

    #[test]
    fn what_is_not_an_answer_is_told() {
        for (body, said) in [
            ("", "nothing"),
            ("<html>", "web page"),
            (r#"{"data": [{"ind"#, "ends in the middle"),
            (r#"{"choices": []}"#, "endpoint for embeddings"),
            (r#"{"data": [{"index": 0, "embedding": [1, 2]}]}"#, "1 vectors for 2 texts"),
            (r#"{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 0, "embedding": [1, 2]}]}"#, "two vectors"),
            (r#"{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 2, "embedding": [1, 2]}]}"#, "for text 2"),
            (r#"{"data": [{"index": 0, "embedding": [1, 2, 3]}, {"index": 1, "embedding": [1, 2]}]}"#, "dimension 3"),
            (r#"{"data": [{"index": 0, "embedding": "AAA="}, {"index": 1, "embedding": [1, 2]}]}"#, "part of a number"),
            (r#"{"data": [{"index": 0, "embedding": "!"}, {"index": 1, "embedding": [1, 2]}]}"#, "base64"),
            (
                r#"{"data": [{"index": 0, "embedding": [1e39, 2]}, {"index": 1, "embedding": [1, 2]}]}"#,
                "not made of numbers",
            ),
        ] {
            let problem = embeddings(body.as_bytes(), 2, 2).unwrap_err();
            assert!(problem.contains(said), "{body}: {problem}");
        }
    }
}

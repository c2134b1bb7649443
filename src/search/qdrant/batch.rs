//! Points cut into messages that a server takes.

use qdrant_client::qdrant::{NamedVectors, PointStruct, Vector};
use serde_json::{Map, Value};

use super::convert;
use crate::{
    ranking::Passage,
    search::{Channel, StoreError, Vectors, layout},
};

use super::connection::Connection;

/// The largest message, in bytes. Qdrant takes more, what stands between may not.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The most points in a message: each is acknowledged only when it is stored.
const MAX_POINTS: usize = 1_000;
/// What a value, a key or a vector takes at most beside its content.
const OVERHEAD: usize = 16;

/// Passages as points, in messages of bearable size.
pub(super) fn of(passages: Vec<(Passage, Vectors)>, to: &Connection) -> Result<Vec<Vec<PointStruct>>, StoreError> {
    let mut batches: Vec<Vec<PointStruct>> = vec![];
    let mut filled = usize::MAX;
    for (passage, vectors) in passages {
        let (point, bytes) = point(passage, vectors, to)?;
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_POINTS && filled.saturating_add(bytes) <= MAX_BYTES => {
                filled += bytes;
                batch.push(point);
            }
            _ => {
                filled = bytes;
                batches.push(vec![point]);
            }
        }
    }
    Ok(batches)
}

fn point(passage: Passage, vectors: Vectors, to: &Connection) -> Result<(PointStruct, usize), StoreError> {
    let refuse = |problem: String| to.request(format!("passage {:?}: {problem}", to.shown(&passage.id)));
    let payload = layout::to_payload(&passage, &to.place)?;
    let words = vectors.bm25.unwrap_or_default();
    let numbers = vectors.dense.len() + 2 * words.indices.len();
    let bytes = numbers * size_of::<f32>() + size(&payload) + 8 * OVERHEAD;
    if bytes > MAX_BYTES {
        return Err(refuse(format!("its text and fields are larger than {} MB", MAX_BYTES / 1024 / 1024)));
    }
    let payload = convert::to_payload(payload).map_err(refuse)?;
    let mut named = NamedVectors::default().add_vector(Channel::Dense.name(), vectors.dense);
    // As the embedded engine does, whose count of passages with any word goes wrong by empty ones that are replaced.
    if !words.is_empty() {
        named = named.add_vector(Channel::Bm25.name(), Vector::new_sparse(words.indices, words.values));
    }
    let id = convert::to_id(passage.point_id());
    Ok((PointStruct { id: Some(id), payload, vectors: Some(named.into()) }, bytes))
}

/// The size of fields in a message, at most.
fn size(fields: &Map<String, Value>) -> usize {
    fields.iter().map(|(key, value)| key.len() + OVERHEAD + size_of_value(value)).sum()
}

fn size_of_value(value: &Value) -> usize {
    let content = match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(size_of_value).sum(),
        Value::Object(fields) => size(fields),
        _ => 0,
    };
    content + OVERHEAD
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn connection() -> Connection {
        Connection::to("http://localhost:6334", "notes").unwrap()
    }

    #[test]
    fn messages_are_bounded_in_points_and_bytes() {
        let small = (0..2_500).map(|n| (Passage::new(n.to_string(), "text"), vec![0.0; 4].into())).collect();
        let counts: Vec<_> = of(small, &connection()).unwrap().iter().map(Vec::len).collect();
        assert_eq!(counts, [1_000, 1_000, 500]);

        let large = (0..10).map(|n| (Passage::new(n.to_string(), "x".repeat(5 << 20)), vec![0.0; 4].into())).collect();
        let counts: Vec<_> = of(large, &connection()).unwrap().iter().map(Vec::len).collect();
        assert_eq!(counts, [3, 3, 3, 1]);
        assert!(of(vec![], &connection()).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        let nested = (0..40).fold(json!(1), |inner, _| json!({ "a": inner }));
        for (field, wanted) in [(json!(u64::MAX), "9223372036854775807"), (nested, "nested more than")] {
            let Value::Object(payload) = json!({ "field": field }) else { unreachable!() };
            let passage = Passage::new("a", "text").with_payload(payload);
            let error = of(vec![(passage, vec![0.0].into())], &connection()).unwrap_err().to_string();
            assert!(error.contains("\"a\"") && error.contains("`field`") && error.contains(wanted), "{error}");
        }
        let refused = of(vec![(Passage::new("a", "x".repeat(17 << 20)), vec![0.0].into())], &connection());
        assert!(matches!(refused, Err(StoreError::Request { .. })));
    }
}

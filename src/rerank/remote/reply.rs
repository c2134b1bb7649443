//! From the body of a rerank reply to scores, each where it belongs.

use serde::Deserialize;

/// What servers answer with: an object with results (Cohere, Jina), or a list of them (text-embeddings-inference).
#[derive(Deserialize)]
#[serde(untagged)]
enum Reply {
    Results { results: Vec<Scored> },
    List(Vec<Scored>),
}

#[derive(Deserialize)]
struct Scored {
    index: usize,
    #[serde(alias = "score")]
    relevance_score: f32,
}

/// The scores of a reply to `count` passages, in the order of the passages.
pub(super) fn scores(body: &[u8], count: usize) -> Result<Vec<f32>, String> {
    let (Reply::Results { results } | Reply::List(results)) =
        serde_json::from_slice(body).map_err(|_| not_understood(body))?;
    let mut scores: Vec<Option<f32>> = vec![None; count];
    for Scored { index, relevance_score } in results {
        match scores.get_mut(index) {
            Some(slot @ None) => *slot = Some(relevance_score),
            Some(Some(_)) => return Err(format!("answered with two scores for passage {index}")),
            None => return Err(format!("answered with a score for passage {index}; there are {count}")),
        }
    }
    let missing = scores.iter().filter(|score| score.is_none()).count();
    if missing > 0 {
        return Err(format!("answered without a score for {missing} of {count} passages"));
    }
    Ok(scores.into_iter().flatten().collect())
}

fn not_understood(body: &[u8]) -> String {
    let start = body.trim_ascii_start();
    let said = if start.is_empty() {
        "answered with nothing"
    } else if start.starts_with(b"<") {
        "answered with a web page, not with JSON; does rerank.url need a /v1 or /v2?"
    } else {
        "answered with something else than an index and a score for each passage; is this an endpoint for reranking?"
    };
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_stand_where_their_index_says_in_each_shape() {
        for body in [
            r#"{"id": "1", "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": -0.5}]}"#,
            r#"{"model": "m", "results": [{"index": 1, "document": {"text": "x"}, "relevance_score": 0.9},
                {"index": 0, "relevance_score": -0.5}], "usage": {"total_tokens": 7}}"#,
            r#"[{"index": 1, "score": 0.9}, {"index": 0, "score": -0.5, "text": null}]"#,
        ] {
            assert_eq!(scores(body.as_bytes(), 2).unwrap(), [-0.5, 0.9], "{body}");
        }
    }

    #[test]
    fn what_is_not_an_answer_is_told() {
        for (body, said) in [
            ("", "nothing"),
            ("<html>", "web page"),
            (r#"{"data": []}"#, "endpoint for reranking"),
            (r#"{"results": [{"index": 0, "relevance_score": null}]}"#, "endpoint for reranking"),
            (r#"{"results": [{"index": 0, "relevance_score": NaN}]}"#, "endpoint for reranking"),
            (r#"{"results": [{"index": -1, "relevance_score": 1}]}"#, "endpoint for reranking"),
            (r#"[{"index": 0, "score": 1}]"#, "without a score for 1 of 2"),
            (r#"[{"index": 0, "score": 1}, {"index": 0, "score": 1}]"#, "two scores for passage 0"),
            (r#"[{"index": 0, "score": 1}, {"index": 2, "score": 1}]"#, "for passage 2; there are 2"),
        ] {
            let problem = scores(body.as_bytes(), 2).unwrap_err();
            assert!(problem.contains(said), "{body}: {problem}");
        }
    }
}

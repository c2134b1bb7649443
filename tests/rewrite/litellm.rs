//! A server that this project did not write: `LiteLLM`'s proxy with mocked replies. `make test-litellm` starts it and sets
//! `ASKTWICE_TEST_LITELLM` to its base URL.

use std::time::Duration;

use asktwice::{
    RewriteError, RewriteKind, Rewriter,
    rewrite::{Failure, LlmEndpoint, LlmRewriter, Structured},
};

use super::request;

/// The proxy's base URL; `None`, said aloud, where it was not started.
fn proxy() -> Option<String> {
    let url = std::env::var("ASKTWICE_TEST_LITELLM").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        eprintln!("skipped: LiteLLM's proxy is not running; use `make test-litellm`");
    }
    url
}

fn at(url: &str, model: &str) -> LlmEndpoint {
    LlmEndpoint::new(url, model).unwrap().with_api_key("sk-litellm-test".into()).unwrap()
}

fn rewriter(url: &str, model: &str) -> LlmRewriter {
    LlmRewriter::at(at(url, model)).unwrap().with_timeout(Duration::from_secs(30))
}

#[tokio::test]
async fn litellm_answers_the_same_rewriter() {
    let Some(url) = proxy() else { return };
    let asked = request("flat bread?");
    for structured in [Structured::Auto, Structured::On, Structured::Off] {
        let rewrites = rewriter(&url, "plain").with_structured(structured).rewrite(&asked).await.unwrap();
        assert_eq!(rewrites.texts().collect::<Vec<_>>(), ["Why is my bread flat?"], "{structured:?}");
    }
    let kinds = [RewriteKind::Paraphrase, RewriteKind::Keywords];
    let rewrites = rewriter(&url, "structured").with_kinds(kinds).rewrite(&asked).await.unwrap();
    let found: Vec<_> = rewrites.rewrites.iter().map(|rewrite| (rewrite.kind, rewrite.text.as_str())).collect();
    assert_eq!(found, [(kinds[0], "Why is my bread flat?"), (kinds[1], "dense crumb, yeast, proofing")]);
    let rewrites = rewriter(&url, "chatty").with_kinds([RewriteKind::Multi]).rewrite(&asked).await.unwrap();
    assert_eq!(rewrites.texts().collect::<Vec<_>>(), ["Why is my bread flat?", "What makes dough rise?"]);
}

#[tokio::test]
async fn litellm_fails_as_its_errors_say() {
    let Some(url) = proxy() else { return };
    let failure = async |llm: LlmRewriter| match llm.rewrite(&request("flat bread?")).await.unwrap_err() {
        RewriteError::Failed { failure, .. } => failure,
        error => panic!("{error}"),
    };
    assert_eq!(failure(rewriter(&url, "limited")).await, Failure::Status);
    assert_eq!(failure(rewriter(&url, "unknown")).await, Failure::Status);
    let wrong = LlmEndpoint::new(&url, "plain").unwrap().with_api_key("sk-wrong".into()).unwrap();
    let unauthorized = failure(LlmRewriter::at(wrong).unwrap()).await;
    assert!(matches!(unauthorized, Failure::Unauthorized | Failure::Status), "{unauthorized:?}");
    let refusing = rewriter(&url, "refusing").rewrite(&request("flat bread?")).await.unwrap_err();
    assert!(matches!(refusing, RewriteError::Rejected { .. }), "{refusing}");
    let healed = rewriter(&url, "limited").with_fallback(at(&url, "plain")).rewrite(&request("flat bread?")).await;
    assert_eq!(healed.unwrap().texts().next(), Some("Why is my bread flat?"));
}

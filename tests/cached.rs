//! The cache of question embeddings.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use asktwice::{
    EmbedError, Embedder,
    embed::{CachedEmbedder, Embedding, Identity, Role},
};
use async_trait::async_trait;

use crate::support::embedder::HashEmbedder;

const PLENTY: u64 = 1 << 20;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn questions_are_embedded_once_and_passages_every_time() {
    let inner = Arc::new(HashEmbedder::new());
    let cached = CachedEmbedder::new(Arc::clone(&inner), PLENTY);
    let first = cached.embed(Role::Query, texts(&["where is my food"])).await.unwrap();
    for _ in 0..3 {
        assert_eq!(cached.embed(Role::Query, texts(&["where is my food"])).await.unwrap(), first);
    }
    assert_eq!(inner.embedded(), 1);
    assert_eq!(inner.embed(Role::Query, texts(&["where is my food"])).await.unwrap(), first);
    // Exact: another case, another space is another question.
    cached.embed(Role::Query, texts(&["Where is my food"])).await.unwrap();
    cached.embed(Role::Query, texts(&["where is my food "])).await.unwrap();
    assert_eq!(inner.embedded(), 4);
    for _ in 0..2 {
        cached.embed(Role::Passage, texts(&["where is my food", "here"])).await.unwrap();
    }
    assert_eq!(inner.embedded(), 8);
    assert_eq!(cached.identity(), inner.identity());
}

#[tokio::test]
async fn of_several_questions_only_the_new_ones_are_embedded_in_one_call_and_in_order() {
    let inner = Arc::new(HashEmbedder::new());
    let cached = CachedEmbedder::new(Arc::clone(&inner), PLENTY);
    cached.embed(Role::Query, texts(&["b"])).await.unwrap();
    let all = texts(&["a", "b", "c", "a"]);
    let expected = HashEmbedder::new().embed(Role::Query, all.clone()).await.unwrap();
    assert_eq!(cached.embed(Role::Query, all.clone()).await.unwrap(), expected);
    assert_eq!(inner.calls.load(Ordering::SeqCst), 2);
    assert_eq!(cached.embed(Role::Query, all).await.unwrap(), expected);
    assert_eq!(inner.calls.load(Ordering::SeqCst), 2);
    assert_eq!(cached.embed(Role::Query, vec![]).await.unwrap(), []);
}

/// Waits before it embeds; fails where it is told to.
#[derive(Debug)]
struct Slow {
    inner: HashEmbedder,
    fails: AtomicBool,
}

#[async_trait]
impl Embedder for Slow {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let embeddings = self.inner.embed(role, texts).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        if self.fails.load(Ordering::SeqCst) {
            return Err(EmbedError::Inference { problem: "on purpose".to_owned() });
        }
        Ok(embeddings)
    }

    fn identity(&self) -> &Identity {
        self.inner.identity()
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_askers_of_the_same_question_make_one_call() {
    let slow = Arc::new(Slow { inner: HashEmbedder::new(), fails: AtomicBool::new(false) });
    let cached = CachedEmbedder::new(Arc::clone(&slow), PLENTY);
    let askers = (0..1000).map(|_| cached.embed(Role::Query, texts(&["where is my food"])));
    for answer in futures::future::join_all(askers).await {
        assert_eq!(answer.unwrap().len(), 1);
    }
    assert_eq!(slow.inner.embedded(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_asker_who_goes_away_leaves_the_others_their_answer() {
    let slow = Arc::new(Slow { inner: HashEmbedder::new(), fails: AtomicBool::new(false) });
    let cached = CachedEmbedder::new(Arc::clone(&slow), PLENTY);
    let first = cached.embed(Role::Query, texts(&["where is my food"]));
    let second = cached.embed(Role::Query, texts(&["where is my food"]));
    let (first, second) = tokio::join!(tokio::time::timeout(Duration::from_millis(10), first), second);
    assert!(first.is_err());
    assert_eq!(second.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn failures_are_not_remembered() {
    let slow = Arc::new(Slow { inner: HashEmbedder::new(), fails: AtomicBool::new(true) });
    let cached = CachedEmbedder::new(Arc::clone(&slow), PLENTY);
    let failed = cached.embed(Role::Query, texts(&["a"])).await.unwrap_err();
    assert!(failed.to_string().contains("on purpose"), "{failed}");
    cached.embed(Role::Query, texts(&["a", "b"])).await.unwrap_err();
    slow.fails.store(false, Ordering::SeqCst);
    assert_eq!(cached.embed(Role::Query, texts(&["a"])).await.unwrap().len(), 1);
    assert_eq!(cached.embed(Role::Query, texts(&["a", "b"])).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let inner = Arc::new(HashEmbedder::new());
    // Vectors of 64 numbers: room for about 40 of them.
    let cached = CachedEmbedder::new(Arc::clone(&inner), 20_000);
    let ask = async |n: usize| cached.embed(Role::Query, vec![format!("question number {n}")]).await.unwrap();
    for n in 0..2_000 {
        ask(n).await;
    }
    assert_eq!(inner.embedded(), 2_000);
    for n in 0..2_000 {
        ask(n).await;
    }
    let again = inner.embedded() - 2_000;
    assert!(again > 1_800, "{again} of 2000 were embedded again");
    // A bound of nothing remembers nothing, and answers all the same.
    let none = CachedEmbedder::new(Arc::clone(&inner), 0);
    assert_eq!(none.embed(Role::Query, texts(&["a"])).await.unwrap().len(), 1);
}

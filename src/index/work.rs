//! Writing: what becomes of one batch. Passages that the store already holds unchanged are skipped, the others are
//! embedded and stored, and what is left of documents that have become shorter is deleted.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    chunk::passage_id,
    read::{Batch, Ended},
    report::Problems,
};
use crate::{
    embed::{EmbedError, Embedder, Embedding, Role, SparseEncoder},
    ranking::{Passage, PointId},
    search::{SparseVector, StoreError, VectorStoreWriter, Vectors},
};

/// How often a batch is offered to an embedder that says it is overloaded, waiting twice as long each time.
const ATTEMPTS: u32 = 8;
/// How long to wait before the second attempt.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// How many passages beyond a document's end are looked for at once; none among so many means that there are no more.
/// A run that failed with its batches under way may have left gaps of several batches.
const STALE_WINDOW: usize = 512;
/// What is said of a batch whose words could not be encoded.
const PANICKED: &str = "the sparse encoder panicked";

/// What was done with a batch, or with several.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) documents: u64,
    pub(super) indexed: u64,
    pub(super) skipped: u64,
    pub(super) deleted: u64,
    pub(super) truncated: u64,
    pub(super) tokens: u64,
    pub(super) bytes: u64,
    pub(super) problems: Problems,
}

/// Why a batch failed.
#[derive(Debug)]
pub(super) enum Failure {
    Embed(EmbedError),
    Store(StoreError),
}

impl From<EmbedError> for Failure {
    fn from(error: EmbedError) -> Self {
        Self::Embed(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Who does the work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) embedder: &'a dyn Embedder,
    pub(super) sparse: Option<&'a Arc<dyn SparseEncoder>>,
    pub(super) store: &'a dyn VectorStoreWriter,
}

impl Work<'_> {
    /// Does a batch. What was done before a failure is returned beside it.
    pub(super) async fn batch(self, batch: Batch) -> (Done, Result<(), Failure>) {
        let Batch { passages, ended, documents, bytes, problems } = batch;
        let mut done = Done { documents, problems, ..Done::default() };
        let result = self.passages_and_ends(passages, &ended, &mut done).await;
        if result.is_ok() {
            done.bytes = bytes;
        }
        (done, result)
    }

    async fn passages_and_ends(self, passages: Vec<Passage>, ended: &[Ended], done: &mut Done) -> Result<(), Failure> {
        let beyond = |end: &Ended| PointId::of(&passage_id(&end.document_id, end.passages));
        let ids: Vec<PointId> = passages.iter().map(Passage::point_id).chain(ended.iter().map(beyond)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let stored: HashMap<PointId, Passage> = self.store.fetch(&ids).await?.into_iter().collect();
        let given = passages.len() as u64;
        let (changed, rewritten) = compare(passages, &stored);
        done.skipped += given - changed.len() as u64;
        self.store_passages(changed, done).await?;
        for end in ended {
            // Deleted last: until the new passages are stored, the old ones are better than none.
            if stored.contains_key(&beyond(end)) || rewritten.contains(&end.document_id) {
                self.delete_stale(end, done).await?;
            }
        }
        Ok(())
    }

    async fn store_passages(self, passages: Vec<Passage>, done: &mut Done) -> Result<(), Failure> {
        if passages.is_empty() {
            return Ok(());
        }
        let texts: Vec<String> = passages.iter().map(Passage::embedded_text).collect();
        let words = self.sparse.map(|encoder| encode(encoder.clone(), texts.clone()));
        let embeddings = self.embed(texts).await?;
        let words = match words {
            Some(words) => words.await.map_err(|_| EmbedError::inference(PANICKED))?,
            None => vec![],
        };
        let count = passages.len() as u64;
        let truncated = embeddings.iter().filter(|embedding| embedding.truncated).count() as u64;
        let tokens: u64 = embeddings.iter().map(|embedding| embedding.tokens as u64).sum();
        let mut vectors: Vec<Vectors> = embeddings.into_iter().map(|embedding| embedding.vector.into()).collect();
        for (vectors, words) in vectors.iter_mut().zip(words) {
            vectors.bm25 = Some(words);
        }
        self.store.upsert(passages.into_iter().zip(vectors).collect()).await?;
        done.indexed += count;
        done.truncated += truncated;
        done.tokens += tokens;
        Ok(())
    }

    /// Embeds texts, waiting for an embedder that is overloaded: indexing can wait, questions cannot.
    async fn embed(self, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let mut wait = FIRST_WAIT;
        for _ in 1..ATTEMPTS {
            match self.embedder.embed(Role::Passage, texts.clone()).await {
                Err(EmbedError::Overloaded { .. }) => tokio::time::sleep(wait).await,
                other => return checked(other?, texts.len()),
            }
            wait *= 2;
        }
        let count = texts.len();
        checked(self.embedder.embed(Role::Passage, texts).await?, count)
    }

    /// Deletes the passages of a document from its new end on, by their ids: a filter on their position would need an
    /// index that a collection need not have.
    async fn delete_stale(self, end: &Ended, done: &mut Done) -> Result<(), StoreError> {
        let mut stale = vec![];
        for from in (end.passages..).step_by(STALE_WINDOW) {
            let window = (from..).take(STALE_WINDOW).map(|at| PointId::of(&passage_id(&end.document_id, at)));
            let found = self.store.fetch(&window.collect::<Vec<_>>()).await?;
            if found.is_empty() {
                break;
            }
            stale.extend(found.into_iter().map(|(id, passage)| (passage.position, id)));
        }
        // The last ones first: a run that ends in between leaves the first, by which the next run notices the others.
        stale.sort_unstable_by_key(|(position, _)| std::cmp::Reverse(*position));
        for stale in stale.chunks(STALE_WINDOW) {
            let ids: Vec<PointId> = stale.iter().map(|(_, id)| *id).collect();
            self.store.delete(&ids).await?;
            done.deleted += ids.len() as u64;
        }
        Ok(())
    }
}

/// Encodes texts while others are embedded: a batch takes some milliseconds, too long for a thread that others wait for.
fn encode(encoder: Arc<dyn SparseEncoder>, texts: Vec<String>) -> JoinHandle<Vec<SparseVector>> {
    spawn_blocking(move || texts.iter().map(|text| encoder.encode(Role::Passage, text)).collect())
}

/// Leaves out the passages that are stored as they are; names the documents of which a stored passage has changed.
fn compare(passages: Vec<Passage>, stored: &HashMap<PointId, Passage>) -> (Vec<Passage>, Vec<String>) {
    let mut rewritten: Vec<String> = vec![];
    let mut changed = vec![];
    for passage in passages {
        match stored.get(&passage.point_id()) {
            Some(stored) if *stored == passage => continue,
            Some(_) if rewritten.last() != Some(&passage.document_id) => rewritten.push(passage.document_id.clone()),
            _ => {}
        }
        changed.push(passage);
    }
    (changed, rewritten)
}

/// Embeddings are matched with their texts by order: one missing would shift all that follow.
fn checked(embeddings: Vec<Embedding>, texts: usize) -> Result<Vec<Embedding>, EmbedError> {
    if embeddings.len() == texts {
        return Ok(embeddings);
    }
    let problem = format!("it returned {} embeddings for {texts} texts", embeddings.len());
    Err(EmbedError::inference(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_embedding_is_an_error_and_not_a_shift() {
        let embedding = || Embedding::new(vec![1.0], 1);
        assert!(checked(vec![embedding(), embedding()], 2).is_ok());
        let error = checked(vec![embedding()], 2).unwrap_err().to_string();
        assert_eq!(error, "the model failed: it returned 1 embeddings for 2 texts");
    }
}

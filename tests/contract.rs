//! What every store promises, written once and run against each of them.
//!
//! A Qdrant server is tested if `ASKTWICE_TEST_QDRANT` names one (with its key in `ASKTWICE_TEST_QDRANT_KEY`); every
//! test makes a collection of its own there and deletes it.

mod equal;
mod filters;
mod lexical;
mod passages;
mod quantization;
mod reads;
mod same;
mod searches;
mod succession;
mod writes;

use std::{any::Any, sync::Arc};

use asktwice::{
    Passage,
    embed::Identity,
    ranking::{PointId, Ranking},
    search::{
        EdgeStore, Filter, MemoryStore, QdrantStore, Search, SparseVector, StoreError, VectorStoreWriter, Vectors,
    },
};
use serde_json::{Map, Value};

use crate::support::front::Front;

/// A store whose collection does not exist yet, and what it needs to live.
pub struct Made {
    store: Arc<dyn VectorStoreWriter>,
    keep: Box<dyn Any + Send>,
    /// A server's collection, to be deleted.
    served: Option<(qdrant_client::Qdrant, String)>,
}

impl Made {
    pub fn new(store: impl VectorStoreWriter + 'static, keep: impl Any + Send) -> Self {
        Self { store: Arc::new(store), keep: Box::new(keep), served: None }
    }

    async fn tidy(self) {
        if let Some((client, collection)) = self.served {
            let aliases = client.list_aliases().await.unwrap().aliases;
            let ours = aliases.into_iter().filter(|alias| alias.alias_name == collection);
            for alias in ours {
                client.delete_collection(alias.collection_name).await.unwrap();
            }
            client.delete_collection(collection).await.unwrap();
        }
        drop(self.store);
        drop(self.keep);
    }
}

async fn memory() -> Option<Made> {
    Some(Made::new(MemoryStore::new(), ()))
}

async fn embedded() -> Option<Made> {
    let folder = tempfile::tempdir().unwrap();
    Some(Made::new(EdgeStore::open(folder.path().join("contract")).unwrap(), folder))
}

async fn qdrant_through_the_front() -> Option<Made> {
    front_as(|store| store).await
}

async fn qdrant_server() -> Option<Made> {
    server_as(|store| store)
}

/// A collection behind the front, of a store with settings of its own.
async fn front_as(set: impl FnOnce(QdrantStore) -> QdrantStore) -> Option<Made> {
    let front = Front::start().await;
    Some(Made::new(set(QdrantStore::connect(&front.url, "contract").unwrap()), front))
}

/// The same on a real server, if there is one.
fn server_as(set: impl FnOnce(QdrantStore) -> QdrantStore) -> Option<Made> {
    let Ok(url) = std::env::var("ASKTWICE_TEST_QDRANT") else {
        eprintln!("skipped: ASKTWICE_TEST_QDRANT is not set");
        return None;
    };
    let collection = format!("asktwice-test-{}", uuid::Uuid::new_v4());
    let key = std::env::var("ASKTWICE_TEST_QDRANT_KEY").ok();
    let mut store = set(QdrantStore::connect(&url, &collection).unwrap());
    if let Some(key) = &key {
        store = store.with_api_key(key.clone().into()).unwrap();
    }
    let client = qdrant_client::Qdrant::from_url(&url).api_key(key).skip_compatibility_check().build().unwrap();
    Some(Made { served: Some((client, collection)), ..Made::new(store, ()) })
}

/// Runs one promise, tidies up whether or not it held, and says so.
async fn run<F: Future<Output = ()> + Send + 'static>(
    made: Option<Made>,
    promise: impl FnOnce(Arc<dyn VectorStoreWriter>) -> F,
) {
    let Some(made) = made else { return };
    let outcome = tokio::spawn(promise(made.store.clone())).await;
    made.tidy().await;
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed.into_panic());
    }
}

macro_rules! promises {
    ($store:ident; $($file:ident: $($promise:ident)*;)*) => {
        mod $store {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let promise = |store: std::sync::Arc<_>| async move { super::$file::$promise(&*store).await };
                    super::run(super::$store().await, promise).await;
                }
            )*)*
        }
    };
}

macro_rules! contract {
    ($store:ident) => {
        promises! { $store;
            writes:
                a_collection_that_is_not_there_is_missing
                preparing_again_changes_nothing
                another_passage_side_is_refused
                another_dimension_is_refused
                an_upsert_replaces
                the_last_of_equal_ids_stays
                passages_are_deleted_by_id
                passages_are_deleted_by_filter
                an_index_may_be_built_again
                a_thousand_passages_fit
                searches_run_during_upserts;
            searches:
                the_nearest_come_first
                depth_bounds_a_ranking
                equal_scores_are_ordered_by_id
                an_empty_collection_finds_nothing
                a_batch_finds_what_its_searches_find
                an_empty_batch_finds_nothing
                a_search_that_fails_leaves_its_batch_alone;
            passages:
                passages_are_fetched_in_the_order_asked
                odd_ids_come_back
                payloads_come_back
                whole_passages_come_back
                reserved_names_are_refused;
            lexical:
                shared_words_are_found_and_rare_ones_count_more
                a_filter_does_not_change_scores
                no_word_finds_nothing
                depth_bounds_a_ranking_of_words
                a_batch_may_mix_channels
                replaced_words_are_forgotten
                deleted_passages_are_not_found_by_words
                passages_without_words_are_kept
                unsound_words_are_refused
                every_passage_has_a_vector_for_every_channel
                a_channel_that_nothing_fills_is_refused
                another_lexical_side_is_refused;
            reads:
                vectors_come_back_in_the_order_asked
                a_scroll_sees_every_passage_once
                a_scroll_goes_on_behind_what_is_gone
                a_scroll_is_filtered
                a_scroll_brings_vectors;
            succession:
                a_successor_takes_over_in_one_step
                a_successor_may_be_of_another_passage_side;
            filters:
                every_kind_of_condition_holds
                conditions_nest
                own_fields_can_be_filtered
                ids_can_be_filtered
                indexed_fields_filter_alike
                what_no_engine_can_compare_is_refused;
        }
    };
}

contract!(memory);
contract!(embedded);
contract!(qdrant_through_the_front);
contract!(qdrant_server);

const DIMENSION: usize = 4;

fn identity() -> Identity {
    Identity::new("a model for tests", "its weights", DIMENSION)
}

/// A vector whose cosine with [`QUERY`] falls as `angle` grows from 0 to 90.
fn at(angle: f32) -> Vec<f32> {
    vec![angle.to_radians().cos(), angle.to_radians().sin(), 0.0, 0.0]
}

const QUERY: [f32; DIMENSION] = [1.0, 0.0, 0.0, 0.0];

fn payload(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(payload) => payload,
        other => panic!("not an object: {other}"),
    }
}

fn search(depth: usize) -> Search {
    Search::dense(QUERY.to_vec(), depth)
}

async fn find(store: &dyn VectorStoreWriter, depth: usize, filter: Option<Filter>) -> Result<Ranking, StoreError> {
    let search = search(depth);
    store
        .search(match filter {
            Some(filter) => search.with_filter(filter),
            None => search,
        })
        .await
}

/// The ids of the passages found, best first.
async fn found(store: &dyn VectorStoreWriter, depth: usize, filter: Option<Filter>) -> Vec<String> {
    let ids: Vec<_> = find(store, depth, filter).await.unwrap().entries().iter().map(|entry| entry.id).collect();
    store.fetch(&ids).await.unwrap().into_iter().map(|(_, passage)| passage.id).collect()
}

/// Prepares the collection and writes passages, the first the nearest.
async fn fill(store: &dyn VectorStoreWriter, passages: impl IntoIterator<Item = Passage>) {
    store.prepare(&identity()).await.unwrap();
    let placed = passages.into_iter().enumerate().map(|(n, passage)| (passage, at(n as f32).into())).collect();
    store.upsert(placed).await.unwrap();
}

/// Words by their numbers, of these weights.
fn words<const N: usize>(of: [(u32, f32); N]) -> SparseVector {
    let (indices, values) = of.into_iter().unzip();
    SparseVector { indices, values }
}

/// Vectors for both channels.
fn both(angle: f32, words: SparseVector) -> Vectors {
    Vectors::from(at(angle)).with_bm25(words)
}

async fn fetch_one(store: &dyn VectorStoreWriter, id: &str) -> Option<Passage> {
    store.fetch(&[PointId::of(id)]).await.unwrap().pop().map(|(_, passage)| passage)
}

async fn count(store: &dyn VectorStoreWriter) -> u64 {
    store.info().await.unwrap().unwrap().passages
}

//! Heads, from training to a corrected collection.

use asktwice::{
    EmbedError, StoreError, VectorStore,
    embed::{AdaptedEmbedder, Embedding, Head, Identity, Sides},
    evaluate::{Adaptation, Adapter},
    index::correct,
    search::Search,
};
use async_trait::async_trait;

use super::*;
use crate::edge::Dice;

const WIDTH: usize = 16;
/// How many of the numbers say what a text is about. The others are noise, louder than these.
const SENSE: usize = 6;
const PASSAGES: u64 = 300;
const QUESTIONS: u64 = 120;

/// Embeds numbers: question and passage of one number are alike in what they say, and nothing else.
#[derive(Debug)]
struct Noisy(Identity);

impl Noisy {
    fn new() -> Self {
        Self(Identity::new("noisy", "weights", WIDTH))
    }

    fn vector(role: Role, number: u64) -> Vec<f32> {
        let (mut sense, mut noise) =
            (Dice(number + 1), Dice(number + if role == Role::Query { 10_000 } else { 20_000 }));
        let draw = |dice: &mut Dice| dice.below(2_001) as f32 / 1_000.0 - 1.0;
        let numbers = (0..WIDTH).map(|at| if at < SENSE { draw(&mut sense) } else { 1.2 * draw(&mut noise) });
        let vector: Vec<f32> = numbers.collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter().map(|x| x / length).collect()
    }
}

#[async_trait]
impl Embedder for Noisy {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        Ok(texts.iter().map(|text| Embedding::new(Self::vector(role, text.parse().unwrap()), 1)).collect())
    }

    fn identity(&self) -> &Identity {
        &self.0
    }
}

async fn stored() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    store.prepare(Noisy::new().identity()).await.unwrap();
    let passage = |number: u64| {
        (Passage::new(number.to_string(), number.to_string()), Noisy::vector(Role::Passage, number).into())
    };
    store.upsert((0..PASSAGES).map(passage).collect()).await.unwrap();
    store
}

/// Questions from one number to another, each with the passage of its number as its answer.
fn questions(numbers: std::ops::Range<u64>) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("questions.jsonl");
    let line = |number: u64| format!("{{\"question\": \"{number}\", \"answers\": [{number}]}}\n");
    fs::write(&file, numbers.map(line).collect::<String>()).unwrap();
    Dataset::of_answers(&file).unwrap()
}

/// The same passages, each cut from a document of its own that has another one, about the opposite.
async fn cut() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    store.prepare(Noisy::new().identity()).await.unwrap();
    let passages = (0..PASSAGES).flat_map(|number| {
        let vector = Noisy::vector(Role::Passage, number);
        let opposite: Vec<f32> = vector.iter().map(|x| -x).collect();
        let cut = |at| Passage::new(format!("{number}#{at}"), "").cut_from(number.to_string(), at);
        [(cut(0), opposite.into()), (cut(1), vector.into())]
    });
    store.upsert(passages.collect()).await.unwrap();
    store
}

/// How many of the held-out questions find their passage first.
async fn first(embedder: &dyn Embedder, store: &dyn VectorStore) -> usize {
    let mut right = 0;
    for number in QUESTIONS..PASSAGES {
        let vector = embedder.embed(Role::Query, vec![number.to_string()]).await.unwrap().remove(0).vector;
        let found = store.search(Search::dense(vector, 1)).await.unwrap();
        let passages = store.fetch(&found.ids().collect::<Vec<_>>()).await.unwrap();
        right += usize::from(passages[0].1.id == number.to_string());
    }
    right
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_is_learned_measured_and_used_on_either_side() {
    let store = stored().await;
    let bare = first(&Noisy::new(), &*store).await;
    for sides in [Sides::Questions, Sides::Both] {
        let adapter = Adapter::new(Arc::new(Noisy::new()), store.clone() as _).with_sides(sides);
        let dataset = questions(0..QUESTIONS);
        let adaptation = adapter.train(&dataset).await.unwrap().unwrap();
        assert!(adaptation.is_of_use(), "{sides:?}: {:?} {:?}", adaptation.gain, adaptation.gain_on_new);
        let measured = adapter.measure_head(&adaptation.head, &dataset, &questions(QUESTIONS..PASSAGES)).await.unwrap();
        assert!(measured.new.delta.low > 0.0, "{sides:?}: {measured:?}");
        assert_eq!((measured.known.questions, measured.all.questions), (0, (PASSAGES - QUESTIONS) as usize));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.json");
        adaptation.head.write(&path).unwrap();
        let head = Head::read(&path, Noisy::new().identity()).unwrap();
        let adapted = AdaptedEmbedder::new(Noisy::new(), head.clone());
        let found = match sides {
            Sides::Questions => {
                let error = correct(&*store, &head, &MemoryStore::new(), |_| {}).await.unwrap_err();
                assert!(error.to_string().contains("--both"), "{error}");
                store.info().await.unwrap().unwrap().accepts(adapted.identity()).unwrap();
                first(&adapted, &*store).await
            }
            Sides::Both => {
                let corrected = MemoryStore::new();
                assert_eq!(correct(&*store, &head, &corrected, |_| {}).await.unwrap(), PASSAGES);
                check_identities(&store, &corrected, &adapted).await;
                let error = correct(&corrected, &head, &MemoryStore::new(), |_| {}).await.unwrap_err();
                assert!(error.to_string().contains("corrected by a head already"), "{error}");
                first(&adapted, &corrected).await
            }
        };
        assert!(found > bare, "{sides:?}: {bare} {found}");
    }
}

/// Each collection takes the model that it was made with and refuses the other.
async fn check_identities(bare: &MemoryStore, corrected: &MemoryStore, adapted: &AdaptedEmbedder<Noisy>) {
    let (model, of_bare) = (Noisy::new(), bare.info().await.unwrap().unwrap());
    let of_corrected = corrected.info().await.unwrap().unwrap();
    of_bare.accepts(model.identity()).unwrap();
    of_corrected.accepts(adapted.identity()).unwrap();
    for (info, other) in [(&of_bare, adapted.identity()), (&of_corrected, model.identity())] {
        let error = info.accepts(other).unwrap_err();
        assert!(matches!(&error, StoreError::Identity { .. }) && error.to_string().contains("its head is "), "{error}");
    }
    // What is embedded anew is what was corrected.
    let embedded = adapted.embed(Role::Passage, vec!["7".to_owned()]).await.unwrap().remove(0).vector;
    let stored = corrected.vectors(&[asktwice::ranking::PointId::of("7")]).await.unwrap().remove(0).1;
    assert!(embedded.iter().zip(&stored).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_name_documents_are_learned_from_their_best_passages() {
    let adapter = Adapter::new(Arc::new(Noisy::new()), cut().await as _);
    let Adaptation { gain, .. } = adapter.train(&questions(0..QUESTIONS)).await.unwrap().unwrap();
    assert!(gain.questions > 40 && gain.before > 0.0 && gain.after > gain.before, "{gain:?}");
}

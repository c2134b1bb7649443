//! Four legs: the rows of the outcome table that only more than one channel has, and the weights of channels.

use std::{sync::Arc, time::Duration};

use asktwice::{
    Degradation, EmbedError, Embedder, Legs, Outcome, Passage, Question, Retrieval, RetrieveOptions, Retriever,
    Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites, Scope, VectorStoreWriter as _,
    embed::{Bm25, Embedding, Identity, Role, SparseEncoder as _},
    options::Depths,
    question::{Speaker, Turn},
    retrieval::{AskedOnly, Lost, Origin},
    rewrite::RecordedRewriter,
    search::{Channel, Filter, MemoryStore, Vectors},
};
use async_trait::async_trait;
use serde_json::json;

use crate::support::{
    embedder::{HashEmbedder, vector},
    fails_on::FailsOn,
};

const ASKED: &str = "late food";
const REWRITE: &str = "late order delayed";

/// A collection with both channels, and a retriever whose embedder fails on texts that hold a word.
async fn retriever(fails_on: &'static str) -> Retriever {
    retriever_with(FailsOn(fails_on, HashEmbedder::new())).await
}

async fn retriever_with(embedder: impl Embedder + 'static) -> Retriever {
    let bm25 = Arc::new(Bm25::new("english").unwrap());
    let store = MemoryStore::new();
    store.prepare(&embedder.identity().clone().with_bm25(bm25.identity())).await.unwrap();
    let passages = [("late", "late food"), ("order", "an order that is delayed"), ("other", "something else")];
    let passages = passages.map(|(id, text)| {
        let payload = json!({"tenant": if id == "order" { "b" } else { "a" }}).as_object().unwrap().clone();
        let vectors = Vectors::from(vector(text)).with_bm25(bm25.encode(Role::Passage, text));
        (Passage::new(id, text).with_payload(payload), vectors)
    });
    store.upsert(passages.into()).await.unwrap();
    Retriever::new(embedder, store).with_sparse_encoder(bm25)
}

/// Never gets done with texts that hold a word.
#[derive(Debug)]
struct HangsOn(&'static str, HashEmbedder);

#[async_trait]
impl Embedder for HangsOn {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        if texts.iter().any(|text| text.contains(self.0)) {
            std::future::pending::<()>().await;
        }
        self.1.embed(role, texts).await
    }

    fn identity(&self) -> &Identity {
        self.1.identity()
    }
}

/// Says something for every kind that it is asked for, so many times; and is not asked for none. Usually for these kinds.
#[derive(Debug)]
struct SaysAll(usize, &'static [RewriteKind]);

#[async_trait]
impl Rewriter for SaysAll {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        let kinds = if request.kinds.is_empty() { self.1 } else { &request.kinds };
        assert!(!kinds.is_empty());
        let of = |kind: &RewriteKind| {
            let kind = *kind;
            (0..self.0).map(move |n| Rewrite::new(kind, format!("{kind} number {n}")))
        };
        Ok(kinds.iter().flat_map(of).collect::<Vec<_>>().into())
    }

    fn usual_kinds(&self) -> &[RewriteKind] {
        self.1
    }
}

fn rewriter() -> RecordedRewriter {
    RecordedRewriter::from_pairs([(ASKED, [REWRITE])])
}

/// The question, as the last message of a chat.
fn in_chat() -> Question {
    let turn = Turn { role: Speaker::User, content: "what came?".to_owned() };
    Question::new(ASKED).unwrap().with_history([turn])
}

fn legs(retrieval: &Retrieval) -> Vec<(usize, Channel)> {
    retrieval.legs.iter().map(|leg| (leg.variant, leg.channel)).collect()
}

#[tokio::test]
async fn two_variants_through_two_channels_are_four_legs() {
    let retrieval = retriever("").await.with_rewriter(rewriter()).retrieve(ASKED).await.unwrap();
    assert_eq!((&retrieval.outcome, retrieval.degradations.len()), (&Outcome::Full, 0));
    let (dense, bm25) = (Channel::Dense, Channel::Bm25);
    assert_eq!(legs(&retrieval), [(0, dense), (0, bm25), (1, dense), (1, bm25)]);
    assert!(retrieval.agreement.is_some_and(|agreement| (0.0..=1.0).contains(&agreement)));
}

#[tokio::test]
async fn the_questions_embedding_is_lost_and_its_words_are_not() {
    let lost = vec![Lost { origin: Origin::Asked, channel: Channel::Dense }];
    for (rewriter, found) in [(None, 1), (Some(rewriter()), 3)] {
        let retriever = retriever("food").await;
        let retriever = match rewriter {
            Some(rewriter) => retriever.with_rewriter(rewriter),
            None => retriever,
        };
        let retrieval = retriever.retrieve(ASKED).await.unwrap();
        assert!(matches!(&retrieval.outcome, Outcome::Partial { lost: told } if *told == lost), "{retrieval:?}");
        let told = &retrieval.degradations[..];
        assert!(matches!(told, [Degradation::Leg { origin: Origin::Asked, channel: Channel::Dense, .. }]), "{told:?}");
        assert_eq!((retrieval.legs.len(), retrieval.hits[0].passage.id.as_str()), (found, "late"));
    }
}

#[tokio::test]
async fn one_leg_of_the_rewrite_is_lost() {
    let retrieval = retriever("delayed").await.with_rewriter(rewriter()).retrieve(ASKED).await.unwrap();
    let lost = Lost { origin: Origin::Rewrite, channel: Channel::Dense };
    assert!(matches!(&retrieval.outcome, Outcome::Partial { lost: told } if told[..] == [lost]), "{retrieval:?}");
}

#[tokio::test]
async fn what_is_in_of_a_late_rewrite_counts() {
    let retriever = retriever_with(HangsOn("delayed", HashEmbedder::new())).await.with_rewriter(rewriter());
    let retrieval = retriever.with_rewrite_deadline(Duration::from_millis(100)).retrieve(ASKED).await.unwrap();
    let lost = Lost { origin: Origin::Rewrite, channel: Channel::Dense };
    assert!(matches!(&retrieval.outcome, Outcome::Partial { lost: told } if told[..] == [lost]), "{retrieval:?}");
    assert_eq!(legs(&retrieval), [(0, Channel::Dense), (0, Channel::Bm25), (1, Channel::Bm25)]);
}

#[tokio::test]
async fn of_too_many_rewrites_the_first_of_each_kind_are_searched_with() {
    let options = RetrieveOptions::default().with_kinds(RewriteKind::ALL);
    let retrieval = retriever("").await.with_rewriter(SaysAll(3, &[])).ask(in_chat(), &options).await.unwrap();
    let kinds: Vec<_> = retrieval.variants.iter().filter_map(|variant| variant.kind).collect();
    assert_eq!((kinds.len(), &kinds[..7]), (8, &RewriteKind::ALL[..]));
    assert_eq!(retrieval.outcome, Outcome::Full);
    assert!(matches!(&retrieval.degradations[..], [Degradation::TooMany { left_out: 13 }]), "{retrieval:?}");
}

#[tokio::test]
async fn a_kind_that_no_channel_is_for_is_not_asked_for() {
    const BOTH: &[RewriteKind] = &[RewriteKind::Hyde, RewriteKind::Keywords];
    let words = RetrieveOptions::default().with_legs(Legs::Bm25);
    // Named by the call, and usual.
    for is_named in [true, false] {
        let ask = async |kinds: &'static [RewriteKind]| {
            let (usual, options) =
                if is_named { (&[][..], words.clone().with_kinds(kinds)) } else { (kinds, words.clone()) };
            retriever("").await.with_rewriter(SaysAll(1, usual)).retrieve_with(ASKED, &options).await.unwrap()
        };
        let retrieval = ask(&BOTH[..1]).await;
        assert_eq!(retrieval.outcome, Outcome::AskedOnly { reason: AskedOnly::NotNeeded });
        assert!(retrieval.degradations.is_empty());
        let retrieval = ask(BOTH).await;
        assert_eq!((legs(&retrieval).len(), retrieval.outcome), (2, Outcome::Full));
    }
}

#[tokio::test]
async fn a_call_chooses_its_legs() {
    let retriever = retriever("").await;
    for (wanted, channels) in [
        (Legs::Dense, vec![Channel::Dense]),
        (Legs::Bm25, vec![Channel::Bm25]),
        (Legs::Hybrid, vec![Channel::Dense, Channel::Bm25]),
    ] {
        let options = RetrieveOptions::default().with_legs(wanted);
        let retrieval = retriever.retrieve_with(ASKED, &options).await.unwrap();
        assert_eq!(retrieval.legs.iter().map(|leg| leg.channel).collect::<Vec<_>>(), channels);
    }
}

#[tokio::test]
async fn each_leg_may_search_as_deep_as_its_own() {
    let retriever = retriever("").await.with_rewriter(rewriter());
    let found = async |depths: Depths| {
        let options = RetrieveOptions::default().with_legs(Legs::Dense).with_depths(depths);
        let retrieval = retriever.retrieve_with(ASKED, &options).await.unwrap();
        retrieval.legs.iter().map(|leg| leg.found).collect::<Vec<_>>()
    };
    assert_eq!(found(Depths::default()).await, [3, 3]);
    assert_eq!(found(Depths { dense: Some(2), ..Depths::default() }).await, [2, 2]);
    let rewrite = Depths { dense: Some(2), rewrite: Some(1), bm25: Some(1) };
    assert_eq!(found(rewrite).await, [2, 1]);
    let options = RetrieveOptions::default().with_depths(Depths { bm25: Some(0), ..Depths::default() });
    let error = retriever.retrieve_with(ASKED, &options).await.unwrap_err().to_string();
    assert!(error.contains("bm25_depth"), "{error}");
}

#[tokio::test]
async fn a_collection_without_words_is_searched_by_its_embeddings() {
    let embedder = HashEmbedder::new();
    let store = MemoryStore::new();
    store.prepare(embedder.identity()).await.unwrap();
    store.upsert(vec![(Passage::new("a", ASKED), vector(ASKED).into())]).await.unwrap();
    let retriever = Retriever::new(embedder, store).with_sparse_encoder(Bm25::new("english").unwrap());
    assert_eq!(legs(&retriever.retrieve(ASKED).await.unwrap()), [(0, Channel::Dense)]);
    // Who asks for words on purpose is told.
    let options = RetrieveOptions::default().with_legs(Legs::Bm25);
    let error = retriever.retrieve_with(ASKED, &options).await.unwrap_err().to_string();
    assert!(error.contains("legs: ") && error.contains("no lexical vectors"), "{error}");
}

#[tokio::test]
async fn another_language_is_refused() {
    let retriever = retriever("").await.with_sparse_encoder(Bm25::new("german").unwrap());
    let error = retriever.retrieve(ASKED).await.unwrap_err();
    let error = asktwice::retrieval::Report(&error).to_string();
    assert!(error.contains("german"), "{error}");
}

#[tokio::test]
async fn a_gate_spares_the_model_where_the_legs_agree() {
    // One that is never reached: the model is asked.
    let open = retriever("").await.with_rewriter(rewriter()).with_gate(1.1);
    assert_eq!(open.retrieve(ASKED).await.unwrap().outcome, Outcome::Full);
    let shut = retriever("").await.with_rewriter(rewriter()).with_gate(0.01);
    let retrieval = shut.retrieve(ASKED).await.unwrap();
    assert_eq!(retrieval.outcome, Outcome::AskedOnly { reason: AskedOnly::Agreed });
    assert!(retrieval.degradations.is_empty());
    // The last message of a chat may find the same by all channels and still not say what was meant.
    let chat = async |shut: Retriever| shut.ask(in_chat(), &RetrieveOptions::default()).await.unwrap().outcome;
    assert_eq!(chat(shut.clone()).await, Outcome::Full);
    // Unless the rewriter does not put it into words that stand alone.
    let multi = shut.clone().with_rewriter(SaysAll(1, &[RewriteKind::Multi]));
    assert_eq!(chat(multi).await, Outcome::AskedOnly { reason: AskedOnly::Agreed });
    let condense = shut.with_rewriter(SaysAll(1, &[RewriteKind::Multi, RewriteKind::Condense]));
    assert_eq!(chat(condense).await, Outcome::Full);
}

#[tokio::test]
async fn a_scope_cannot_be_widened() {
    let retriever = retriever("").await.with_rewriter(rewriter());
    let scoped = retriever.clone().with_scope(Scope::new("a").with_filter(Filter::equals("tenant", "a")));
    let wide: Filter =
        r#"{"should": [{"key": "tenant", "match": {"value": "b"}}, {"is_empty": {"key": "x"}}]}"#.parse().unwrap();
    for options in [RetrieveOptions::default(), RetrieveOptions::default().with_filter(wide)] {
        let retrieval = scoped.retrieve_with(ASKED, &options).await.unwrap();
        assert!(!retrieval.hits.is_empty());
        assert!(retrieval.hits.iter().all(|hit| hit.passage.payload["tenant"] == "a"), "{retrieval:?}");
    }
    // A recorded rewriter asks nobody elsewhere.
    let local = retriever.with_scope(Scope::new("a").local_only());
    assert_eq!(local.retrieve(ASKED).await.unwrap().outcome, Outcome::Full);
}

#[tokio::test]
async fn an_explanation_says_what_each_variant_is_worth() {
    let retriever = retriever("").await.with_rewriter(rewriter());
    let plain = retriever.retrieve(ASKED).await.unwrap();
    assert!(plain.hits.iter().all(|hit| hit.without.is_empty() && !hit.found_by.is_empty()));
    let options = RetrieveOptions::default().with_explanation();
    let explained = retriever.retrieve_with(ASKED, &options).await.unwrap();
    for hit in &explained.hits {
        assert_eq!(hit.without.iter().map(|without| without.variant).collect::<Vec<_>>(), [0, 1]);
        assert!((0.0..=1.0).contains(&hit.normalised), "{hit:?}");
    }
}

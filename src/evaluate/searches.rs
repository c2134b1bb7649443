//! A dataset's questions and their rewrites, searched once through every channel. Everything else in this folder is
//! computed from these rankings, without searching again.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    EvaluateError, RewriteSet,
    dataset::{Dataset, JudgedQuestion},
};
use crate::{
    embed::{EmbedError, Embedder, Role, SparseEncoder, cosine},
    ranking::{PointId, Ranking},
    retrieval::Variant,
    rewrite::{Feedback, LeastCosines, Signs},
    search::{Channel, Search, StoreError, VectorStore},
};

/// How long one search may take; an evaluation is in no hurry.
const SEARCH_TIMEOUT: Duration = Duration::from_mins(1);

/// What a question is searched with beside itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Companion {
    /// What a rewriter says.
    Rewrites(RewriteSet),
    /// A vector made of what the question itself finds.
    Feedback(Feedback),
}

impl Companion {
    /// The name, for the results.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Rewrites(set) => set.name.clone(),
            Self::Feedback(feedback) => format!("feedback {feedback}"),
        }
    }
}

/// One variant's searches.
#[derive(Debug, Clone)]
pub(super) struct Searched {
    pub(super) variant: Variant,
    pub(super) vector: Vec<f32>,
    /// The similarity of its embedding to the question's.
    pub(super) cosine: f64,
    /// What its text shows.
    pub(super) signs: Signs,
    pub(super) legs: Vec<(Channel, Ranking)>,
    /// How long embedding and searching took.
    pub(super) took: Duration,
}

impl Searched {
    pub(super) fn ranking(&self, channel: Channel) -> Option<&Ranking> {
        self.legs.iter().find(|(of, _)| *of == channel).map(|(_, ranking)| ranking)
    }
}

/// One question, searched as asked and with each companion.
#[derive(Debug)]
pub(super) struct SearchedQuestion {
    pub(super) judged: JudgedQuestion,
    pub(super) asked: Searched,
    /// By companion.
    pub(super) companions: Vec<Vec<Searched>>,
    /// The documents of the found passages that are not documents themselves.
    documents: HashMap<PointId, PointId>,
    /// The question's own id, where questions may be taken from the corpus.
    own: Option<PointId>,
}

impl SearchedQuestion {
    /// The documents of passages, each where its best passage stands.
    pub(super) fn documents(&self, passages: impl Iterator<Item = PointId>) -> Vec<PointId> {
        let mut seen = std::collections::HashSet::new();
        passages
            .map(|id| self.documents.get(&id).copied().unwrap_or(id))
            .filter(|id| Some(*id) != self.own && seen.insert(*id))
            .collect()
    }
}

/// Runs the searches of one question.
#[derive(Clone, Copy)]
pub(super) struct Searcher<'a> {
    pub(super) embedder: &'a Arc<dyn Embedder>,
    /// `None` where there is no lexical channel.
    pub(super) sparse: Option<&'a Arc<dyn SparseEncoder>>,
    pub(super) store: &'a Arc<dyn VectorStore>,
    pub(super) depth: usize,
    pub(super) least_cosines: &'a LeastCosines,
    pub(super) dataset: &'a Dataset,
    pub(super) companions: &'a [Companion],
}

impl Searcher<'_> {
    /// Searches with the question that stands at a place of the dataset.
    pub(super) async fn question(self, place: usize) -> Result<SearchedQuestion, EvaluateError> {
        let judged = self.dataset.questions[place].clone();
        let asked = self.text(&judged, Variant::asked(&judged.text), Signs::default()).await?;
        let mut companions = Vec::with_capacity(self.companions.len());
        for companion in self.companions {
            let mut searched = match companion {
                Companion::Rewrites(set) => self.rewrites(&judged, set, place).await?,
                Companion::Feedback(feedback) => self.feedback(&judged, &asked, *feedback).await?,
            };
            for searched in &mut searched {
                searched.cosine = cosine(&asked.vector, &searched.vector).map_or(0.0, f64::from);
            }
            // Nor does a retriever search with what strayed too far.
            searched.retain(|searched| {
                searched.variant.kind.is_none_or(|kind| searched.cosine >= f64::from(self.least_cosines.of(kind)))
            });
            companions.push(searched);
        }
        let documents = self.documents(companions.iter().flatten().chain([&asked])).await;
        let documents = documents.map_err(|source| EvaluateError::Search { question: judged.id.clone(), source })?;
        let own = self.dataset.own(&judged);
        Ok(SearchedQuestion { judged, asked, companions, documents, own })
    }

    async fn rewrites(
        self,
        judged: &JudgedQuestion,
        set: &RewriteSet,
        place: usize,
    ) -> Result<Vec<Searched>, EvaluateError> {
        let mut searched = vec![];
        for rewrite in set.replies.get(place).map_or(&[][..], |reply| &reply.rewrites) {
            searched.push(self.text(judged, Variant::rewrite(rewrite.clone()), rewrite.signs).await?);
        }
        Ok(searched)
    }

    /// Searches by the vector that feedback makes of the question's first dense hits.
    async fn feedback(
        self,
        judged: &JudgedQuestion,
        asked: &Searched,
        feedback: Feedback,
    ) -> Result<Vec<Searched>, EvaluateError> {
        let failed = |source| EvaluateError::Search { question: judged.id.clone(), source };
        let started = Instant::now();
        let hits = asked.ranking(Channel::Dense).map(Ranking::entries).unwrap_or_default();
        let first: Vec<PointId> = hits.iter().take(feedback.top()).map(|hit| hit.id).collect();
        let vectors = self.store.vectors(&first).await.map_err(failed)?;
        let vectors: Vec<Vec<f32>> = vectors.into_iter().map(|(_, vector)| vector).collect();
        let Some(vector) = feedback.vector(&asked.vector, &vectors) else { return Ok(vec![]) };
        let search = vec![Search::dense(vector.clone(), self.depth)];
        let legs = self.search(search).await.map_err(failed)?.into_iter().map(|found| (Channel::Dense, found));
        let variant = Variant::feedback(vector.clone());
        let legs = legs.collect();
        Ok(vec![Searched { variant, vector, cosine: 1.0, signs: Signs::default(), legs, took: started.elapsed() }])
    }

    /// Embeds a variant's text and searches with it through every channel that it is for, as a retriever does.
    async fn text(self, judged: &JudgedQuestion, variant: Variant, signs: Signs) -> Result<Searched, EvaluateError> {
        let started = Instant::now();
        let vector = self.embed(variant.role, variant.text()).await;
        let vector = vector.map_err(|source| EvaluateError::Embed { question: judged.id.clone(), source })?;
        let mut searches = vec![Search::dense(vector.clone(), self.depth)];
        let words = self.sparse.map(|encoder| encoder.encode(variant.role, variant.text()));
        // A text without a word that counts finds nothing by its words.
        searches.extend(words.filter(|words| !words.indices.is_empty()).map(|words| Search::bm25(words, self.depth)));
        searches.retain(|search| variant.kind.is_none_or(|kind| kind.is_for(search.channel())));
        let channels: Vec<Channel> = searches.iter().map(Search::channel).collect();
        let found = self.search(searches).await;
        let found = found.map_err(|source| EvaluateError::Search { question: judged.id.clone(), source })?;
        let legs = channels.into_iter().zip(found).collect();
        Ok(Searched { variant, vector, cosine: 1.0, signs, legs, took: started.elapsed() })
    }

    async fn embed(self, role: Role, text: &str) -> Result<Vec<f32>, EmbedError> {
        let embedded = self.embedder.embed(role, vec![text.to_owned()]).await?;
        let none = || EmbedError::inference("it returned no vector");
        Ok(embedded.into_iter().next().ok_or_else(none)?.vector)
    }

    async fn search(self, searches: Vec<Search>) -> Result<Vec<Ranking>, StoreError> {
        let (count, depth) = (searches.len(), self.depth);
        let searches = searches.into_iter().map(|search| search.with_timeout(SEARCH_TIMEOUT)).collect();
        let found = self.store.search_batch(searches).await;
        if found.len() != count {
            let problem = format!("it returned {} rankings for {count} searches", found.len());
            return Err(StoreError::Unavailable { place: "the store".to_owned(), problem, source: None });
        }
        found.into_iter().map(|ranking| Ok(ranking?.top(depth))).collect()
    }

    /// Asks the store which documents the found passages were cut from. In a collection whose passages are the
    /// corpus's documents, as BEIR's are, there is nothing to ask.
    async fn documents(
        self,
        searched: impl Iterator<Item = &Searched>,
    ) -> Result<HashMap<PointId, PointId>, StoreError> {
        let rankings = searched.flat_map(|searched| &searched.legs).map(|(_, ranking)| ranking);
        let found = rankings.flat_map(Ranking::entries).map(|scored| scored.id);
        let mut cut: Vec<PointId> = found.filter(|id| !self.dataset.documents.contains(id)).collect();
        cut.sort_unstable();
        cut.dedup();
        if cut.is_empty() {
            return Ok(HashMap::new());
        }
        let passages = self.store.fetch(&cut).await?;
        Ok(passages.into_iter().map(|(id, passage)| (id, PointId::of(&passage.document_id))).collect())
    }
}

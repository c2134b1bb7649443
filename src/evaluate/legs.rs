//! One question's searches, and what each configuration makes of them.

use std::{collections::HashMap, time::Duration};

use super::{
    Configuration, EvaluateError, Evaluator,
    dataset::{Dataset, JudgedQuestion},
    measures::Ideal,
    result::{Measured, Measures},
};
use crate::{
    embed::{EmbedError, Role},
    fuse::Weighted,
    question::Question,
    ranking::{PointId, Ranking},
    search::{Search, StoreError},
};

/// How long one search may take; an evaluation is in no hurry.
const SEARCH_TIMEOUT: Duration = Duration::from_mins(1);

/// The least that makes rewrites fit to be searched with: each is a question, and another one than the user's and those
/// before it.
pub(super) fn trimmed(rewrites: &[String], question: &str) -> Vec<String> {
    let mut trimmed: Vec<String> = vec![];
    for rewrite in rewrites.iter().filter_map(|rewrite| Question::new(rewrite).ok()) {
        if rewrite.text() != question && !trimmed.iter().any(|earlier| earlier == rewrite.text()) {
            trimmed.push(rewrite.text().to_owned());
        }
    }
    trimmed
}

/// Runs searches.
#[derive(Clone, Copy)]
pub(super) struct Legs<'a> {
    pub(super) evaluator: &'a Evaluator,
    pub(super) dataset: &'a Dataset,
}

/// What a question's searches found.
pub(super) struct Searched {
    /// That of the question as asked, then those of its rewrites.
    rankings: Vec<Ranking>,
    /// The documents of the found passages that are not documents themselves.
    documents: HashMap<PointId, PointId>,
    /// The question's own id: BEIR leaves out a document of that id, where questions are taken from the corpus.
    own: PointId,
}

impl Legs<'_> {
    /// Searches with a question and its rewrites.
    pub(super) async fn search(
        self,
        question: &JudgedQuestion,
        rewrites: &[String],
    ) -> Result<Searched, EvaluateError> {
        let failed = |source| EvaluateError::Search { question: question.id.clone(), source };
        let mut texts = vec![question.text.clone()];
        texts.extend((self.evaluator.cleaner)(rewrites, &question.text));
        let vectors = self.embed(texts).await;
        let vectors = vectors.map_err(|source| EvaluateError::Embed { question: question.id.clone(), source })?;
        let rankings = self.find(vectors).await.map_err(failed)?;
        let documents = self.documents(&rankings).await.map_err(failed)?;
        Ok(Searched { rankings, documents, own: PointId::of(&question.id) })
    }

    async fn embed(self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let count = texts.len();
        let embeddings = self.evaluator.embedder.embed(Role::Query, texts).await?;
        if embeddings.len() != count {
            let problem = format!("it returned {} embeddings for {count} texts", embeddings.len());
            return Err(EmbedError::Inference { problem });
        }
        Ok(embeddings.into_iter().map(|embedding| embedding.vector).collect())
    }

    async fn find(self, vectors: Vec<Vec<f32>>) -> Result<Vec<Ranking>, StoreError> {
        let (count, depth) = (vectors.len(), self.evaluator.depth);
        let search = |vector| Search::dense(vector, depth).with_timeout(SEARCH_TIMEOUT);
        let found = self.evaluator.store.search_batch(vectors.into_iter().map(search).collect()).await;
        if found.len() != count {
            let problem = format!("it returned {} rankings for {count} searches", found.len());
            return Err(StoreError::Unavailable { place: "the store".to_owned(), problem, source: None });
        }
        found.into_iter().map(|ranking| Ok(ranking?.top(depth))).collect()
    }

    /// Asks the store which documents the found passages were cut from. In a collection whose passages are the
    /// corpus's documents, as BEIR's are, there is nothing to ask.
    async fn documents(self, rankings: &[Ranking]) -> Result<HashMap<PointId, PointId>, StoreError> {
        let found = rankings.iter().flat_map(Ranking::entries).map(|scored| scored.id);
        let mut cut: Vec<PointId> = found.filter(|id| !self.dataset.documents.contains(id)).collect();
        cut.sort_unstable();
        cut.dedup();
        if cut.is_empty() {
            return Ok(HashMap::new());
        }
        let passages = self.evaluator.store.fetch(&cut).await?;
        Ok(passages.into_iter().map(|(id, passage)| (id, PointId::of(&passage.document_id))).collect())
    }
}

impl Searched {
    /// Measures every configuration.
    pub(super) fn measure(&self, question: &JudgedQuestion, configurations: &[Configuration]) -> Measured {
        let ideal = Ideal::new(question.grades.values().copied().collect());
        let measures = |documents: &[PointId]| Measures::of(documents, question, &ideal);
        let asked = measures(&self.documents(self.rankings[0].entries().iter().map(|scored| scored.id)));
        let rewritten = self.rankings.len() > 1;
        let run = |configuration: &Configuration| {
            if !rewritten {
                return [asked; 3];
            }
            let weighted = self.weighted(configuration.rewrite_weight);
            let fused = |rankings: &[Weighted<'_>]| {
                let all = rankings.iter().map(|weighted| weighted.ranking.len()).sum();
                let fused = configuration.fusion.fuse(rankings, all);
                measures(&self.documents(fused.into_iter().map(|fused| fused.id)))
            };
            [asked, fused(&weighted[1..]), fused(&weighted)]
        };
        Measured { rewritten, runs: configurations.iter().map(run).collect() }
    }

    fn weighted(&self, rewrite_weight: f64) -> Vec<Weighted<'_>> {
        let weight = |variant| if variant == 0 { 1.0 } else { rewrite_weight };
        let weighted = |(variant, ranking)| Weighted::new(ranking, variant).with_weight(weight(variant));
        self.rankings.iter().enumerate().map(weighted).collect()
    }

    /// The documents of passages, each where its best passage stands.
    fn documents(&self, passages: impl Iterator<Item = PointId>) -> Vec<PointId> {
        let mut seen = std::collections::HashSet::new();
        passages
            .map(|id| self.documents.get(&id).copied().unwrap_or(id))
            .filter(|id| *id != self.own && seen.insert(*id))
            .collect()
    }
}

//! What configurations make of searches that were run once: pure, so that a hundred of them cost no search.

use super::{
    Configuration, Evaluation, JudgedQuestion,
    measures::{self, Ideal},
    searches::{Searched, SearchedQuestion},
};
use crate::{
    fuse::{Claim, Fuse as _, Fused, Weighted, Weighting, agreement},
    options::ChannelWeights,
    ranking::{PointId, Ranking},
    retrieval::Origin,
    search::Channel,
};

/// Which variants are fused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// The question's own legs.
    Asked,
    /// A companion's legs without the question's. Where it has none in the channels that are searched, the question's own.
    Companion(usize),
    /// The question's and a companion's.
    Fused(usize),
}

/// The searches of a dataset's questions and of what they are searched with beside themselves.
#[derive(Debug)]
#[non_exhaustive]
pub struct Searches {
    /// The names of the companions.
    pub companions: Vec<String>,
    /// What the numbers do not say by themselves, such as questions without a rewrite.
    pub notes: Vec<String>,
    /// How deep each leg was searched.
    pub depth: usize,
    pub(super) questions: Vec<SearchedQuestion>,
    /// What each companion cost.
    pub(super) costs: Vec<Cost>,
}

/// What a companion cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// How often a language model was asked, or would have been.
    pub(super) calls: usize,
    /// How long it took, a question, in milliseconds.
    pub(super) milliseconds: f64,
}

impl Searches {
    /// Measures configurations.
    #[must_use]
    pub fn evaluate(&self, configurations: &[Configuration]) -> Evaluation {
        Evaluation::new(self, configurations)
    }

    /// How many questions were searched.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.questions.len()
    }

    /// Says which questions have no answer that any search found: their answers' ids may be wrong.
    pub(super) fn never_found(&self) -> Option<String> {
        let lost: Vec<&str> =
            self.questions.iter().filter(|q| !q.is_answered()).map(|q| q.judged.id.as_str()).collect();
        let (count, first) = (lost.len(), lost.first()?);
        Some(format!(
            "no search found an answer of {count} questions, the first is {first}; are their answers' ids right?"
        ))
    }

    /// Every question's nDCG@10 in a run.
    pub(super) fn ndcg(&self, configuration: &Configuration, run: Run) -> Vec<f64> {
        let measured =
            |question: &SearchedQuestion| Measures::of(&question.ranked(configuration, run), &question.judged);
        self.questions.iter().map(|question| measured(question).ndcg_at_10).collect()
    }
}

impl SearchedQuestion {
    /// Whether any search found a right answer.
    fn is_answered(&self) -> bool {
        let all = self.companions.iter().flatten().chain([&self.asked]).flat_map(|searched| &searched.legs);
        let found = all.flat_map(|(_, ranking)| ranking.entries()).map(|hit| hit.id);
        self.documents(found).iter().any(|id| self.judged.grades.get(id).is_some_and(|grade| *grade > 0))
    }

    /// The documents that a run finds, best first.
    pub(super) fn ranked(&self, configuration: &Configuration, run: Run) -> Vec<PointId> {
        self.documents(self.fuse(configuration, run).into_iter().map(|fused| fused.id))
    }

    /// The passages that a run finds, best first.
    pub(super) fn fuse(&self, configuration: &Configuration, run: Run) -> Vec<Fused> {
        let legs = Legs::new(self, configuration, run);
        let weighted = legs.weighted(configuration.weighting);
        configuration.fusion.fuse(&weighted, usize::MAX)
    }

    /// How much the legs of a run agree; `None` if there is only one.
    pub(super) fn agreement(&self, configuration: &Configuration, run: Run) -> Option<f64> {
        agreement(&Legs::new(self, configuration, run).weighted(Weighting::Fixed(1.0)))
    }
}

/// The rankings of a run, cut as deep as its configuration says.
struct Legs<'a> {
    variants: Vec<&'a Searched>,
    rankings: Vec<(usize, Channel, Ranking)>,
    /// What the legs of each channel count, beside the weight of their variant.
    channels: ChannelWeights,
}

impl<'a> Legs<'a> {
    fn new(question: &'a SearchedQuestion, configuration: &Configuration, run: Run) -> Self {
        let with = |companion: usize| question.companions.get(companion).into_iter().flatten();
        let asked = std::iter::once(&question.asked);
        let has_legs =
            |variant: &Searched| variant.legs.iter().any(|(channel, _)| configuration.legs.include(*channel));
        let variants: Vec<&Searched> = match run {
            Run::Companion(companion) if with(companion).any(has_legs) => with(companion).collect(),
            Run::Asked | Run::Companion(_) => asked.collect(),
            Run::Fused(companion) => asked.chain(with(companion)).collect(),
        };
        let legs = variants.iter().enumerate().flat_map(|(at, variant)| variant.legs.iter().map(move |leg| (at, leg)));
        let wanted = legs.filter(|(_, (channel, _))| configuration.legs.include(*channel));
        let cut = |(at, (channel, found)): (usize, &(Channel, Ranking))| {
            let depth = configuration.depth_of(variants[at].variant.origin, *channel);
            (at, *channel, found.clone().top(depth))
        };
        let rankings = wanted.map(cut).collect();
        Self { variants, rankings, channels: configuration.channels }
    }

    fn weighted(&self, weighting: Weighting) -> Vec<Weighted<'_>> {
        let bare: Vec<Weighted<'_>> = self
            .rankings
            .iter()
            .map(|(variant, channel, ranking)| {
                Weighted::new(ranking, *variant).with_channel(*channel).with_weight(self.channels.of(*channel))
            })
            .collect();
        let weights = self.weights(weighting, &bare);
        bare.into_iter().map(|leg| leg.with_weight(weights[leg.variant] * leg.weight)).collect()
    }

    /// What each variant counts, as in a retrieval: the question and feedback 1, a rewrite by what can be seen of it; of a
    /// fixed weighting, which an evaluation tries, feedback as well. Without the question there is nothing to compare with,
    /// and all count the same.
    fn weights(&self, weighting: Weighting, legs: &[Weighted<'_>]) -> Vec<f64> {
        if self.variants[0].variant.origin != Origin::Asked {
            return vec![1.0; self.variants.len()];
        }
        let claim = |own: &&Searched| Some(Claim::new(own.variant.kind?, own.signs, Some(own.cosine)));
        let claims: Vec<Option<Claim>> = self.variants.iter().map(claim).collect();
        let of_rewrites = weighting.of_rewrites(legs, 0, &claims);
        let own = |(own, weight): (&&Searched, Option<f64>)| match (own.variant.origin, weighting) {
            (Origin::Feedback, Weighting::Fixed(fixed)) => fixed.clamp(0.0, 1.0),
            _ => weight.unwrap_or(own.variant.weight),
        };
        self.variants.iter().zip(of_rewrites).map(own).collect()
    }
}

/// What one ranking is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measures {
    pub(super) ndcg_at_10: f64,
    pub(super) mrr_at_10: f64,
    pub(super) recall_at_10: f64,
    pub(super) recall_at_100: f64,
}

impl Measures {
    pub(super) fn of(documents: &[PointId], question: &JudgedQuestion) -> Self {
        let ideal = Ideal::new(question.grades.values().copied().collect());
        let grade = |id: &PointId| question.grades.get(id).copied().unwrap_or_default();
        let grades: Vec<u32> = documents.iter().map(grade).collect();
        Self {
            ndcg_at_10: measures::ndcg(&grades, &ideal, 10),
            mrr_at_10: measures::reciprocal_rank(&grades, 10),
            recall_at_10: measures::recall(&grades, &ideal, 10),
            recall_at_100: measures::recall(&grades, &ideal, 100),
        }
    }
}

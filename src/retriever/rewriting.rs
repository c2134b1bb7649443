//! The rewriting of a call: who is asked, whether at all, what of the reply can be searched with, and its legs. Late,
//! failed, crashed and empty replies are all the same to the question: lost, and told.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::Poll,
};

use futures::{FutureExt as _, future::join_all, poll};
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

use super::{
    call::{Call, until},
    found::{Rewritten, Searched},
};
use crate::{
    embed::cosine,
    event::Event,
    options::RewriteChoice,
    question::Question,
    retrieval::{AskedOnly, Degradation, Origin, Step, Variant},
    rewrite::{Failure, Rejection, Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, counters},
    search::Channel,
};

/// How many rewrites are searched with at most; more would only drown the question.
const MOST_REWRITES: usize = 8;

impl Call<'_> {
    /// Asks for rewrites and searches with each of them.
    pub(super) async fn rewritten(&self, channels: &[Channel]) -> Rewritten {
        let rewriter = match self.rewriter().await {
            Ok(rewriter) => rewriter,
            Err(reason) => return Rewritten::Skipped(reason),
        };
        let asking = self.timed(Step::Rewrite, Some(Origin::Rewrite), self.rewrite(rewriter, channels));
        let (rewrites, left_out) = match never_at_once(asking).await {
            Ok(rewrites) if self.budget.has_time_for_legs(Instant::now()) => rewrites,
            Ok(_) => return Rewritten::Lost(RewriteError::Deadline { deadline: self.budget.reply_time() }),
            Err(error) => return Rewritten::Lost(error),
        };
        let legs = join_all(rewrites.into_iter().map(|rewrite| self.rewrite_legs(rewrite, channels))).await;
        let (mut searched, mut lost) = (vec![], vec![]);
        if left_out > 0 {
            lost.push(Degradation::TooMany { left_out });
        }
        for leg in legs {
            match leg {
                Ok(found) => searched.push(found),
                Err(degradation) => lost.push(degradation),
            }
        }
        Rewritten::Searched(searched, lost)
    }

    /// Who rewrites; or why nobody does.
    async fn rewriter(&self) -> Result<&Arc<dyn Rewriter>, AskedOnly> {
        let rewriter = self.parts.rewriter.as_ref().ok_or(AskedOnly::NoRewriter)?;
        if self.options.rewrite == RewriteChoice::None {
            return Err(AskedOnly::NotWanted);
        }
        if self.parts.scope.local_only && rewriter.leaves_host() {
            return Err(AskedOnly::LocalOnly);
        }
        if let Some(gate) = self.parts.gate
            && !self.may_be_replaced(rewriter)
            && self.asked_ended().await.agreement.is_some_and(|agreement| agreement >= gate)
        {
            return Err(AskedOnly::Agreed);
        }
        Ok(rewriter)
    }

    /// The kinds that are wanted, as far as it is known.
    fn wanted_kinds<'k>(&'k self, rewriter: &'k dyn Rewriter) -> Option<&'k [RewriteKind]> {
        match &self.options.rewrite {
            RewriteChoice::Kinds(kinds) => Some(kinds),
            _ => Some(rewriter.usual_kinds()).filter(|kinds| !kinds.is_empty()),
        }
    }

    /// Whether a rewrite may say what the question as asked leaves out, so that nothing follows from how well the
    /// question's own legs agree.
    fn may_be_replaced(&self, rewriter: &dyn Rewriter) -> bool {
        let possible = self.wanted_kinds(rewriter).unwrap_or(&RewriteKind::ALL);
        possible.iter().any(|kind| kind.profile().replaces && kind.is_of_use(self.question))
    }

    /// Asks the rewriter for what can be searched with through these channels. Also says how many rewrites were left out
    /// because there are too many.
    async fn rewrite(
        &self,
        rewriter: &Arc<dyn Rewriter>,
        channels: &[Channel],
    ) -> Result<(Vec<Rewrite>, usize), RewriteError> {
        let mut request = RewriteRequest::new(self.question.clone()).with_tenant(&self.parts.scope.tenant);
        if let Some(wanted) = self.wanted_kinds(rewriter) {
            let searchable = wanted.iter().copied().filter(|kind| is_searchable(*kind, channels));
            let kinds: Vec<RewriteKind> = searchable.collect();
            if kinds.is_empty() {
                return Err(RewriteError::NotNeeded);
            }
            // The usual ones go without saying, so that a cache finds what anybody had rewritten who named none.
            if kinds.len() < wanted.len() || matches!(self.options.rewrite, RewriteChoice::Kinds(_)) {
                request = request.with_kinds(kinds);
            }
        }
        request.deadline = self.budget.reply_end();
        // What a stranger's reply does to a rewriter must not reach the question.
        let reply = AssertUnwindSafe(rewriter.rewrite(&request)).catch_unwind();
        match until(self.budget.reply_end(), reply).await {
            Some(Ok(rewrites)) => usable(rewrites?.rewrites, self.question, channels),
            Some(Err(_)) => Err(RewriteError::because(Failure::Crashed, "crashed; the log says where")),
            None => Err(RewriteError::Deadline { deadline: self.budget.reply_time() }),
        }
    }

    /// A rewrite's legs. They may take as long as the question's own, but hold up the answer no longer than agreed.
    async fn rewrite_legs(&self, rewrite: Rewrite, channels: &[Channel]) -> Result<Searched, Degradation> {
        let (kind, signs) = (rewrite.kind, rewrite.signs);
        let variant = Variant::rewrite(rewrite);
        let channels: Vec<Channel> = channels.iter().copied().filter(|channel| kind.is_for(*channel)).collect();
        let overdue = async {
            match self.budget.rewrite_end() {
                Some(end) => sleep_until(end).await,
                None => pending().await,
            }
            self.asked_ended().await;
        };
        let overdue = overdue.shared();
        let chat = async {
            tokio::select! {
                biased;
                vector = self.chat_vector(kind) => vector,
                () = overdue.clone() => None,
            }
        };
        let (mut searched, chat) = tokio::join!(self.search_with(variant, &channels, overdue.clone()), chat);
        let question = chat.as_ref().or(self.asked_vector.get());
        searched.cosine = question.zip(searched.vector.as_ref()).and_then(|(a, b)| cosine(a, b));
        searched.signs = signs;
        self.check_strayed(&searched)?;
        self.tell(|| Event::Variant { variant: searched.variant.clone(), found: searched.found() });
        Ok(searched)
    }
}

/// Awaits work that is polled before the question's own is: what is ready at once, such as a rewrite that was remembered,
/// must not be embedded before the question.
async fn never_at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    match poll!(&mut work) {
        Poll::Ready(done) => {
            yield_now().await;
            done
        }
        Poll::Pending => work.await,
    }
}

/// Whether any of the channels is for a kind.
fn is_searchable(kind: RewriteKind, channels: &[Channel]) -> bool {
    channels.iter().any(|channel| kind.is_for(*channel))
}

/// What a rewriter returned, fit to be searched with: tidy, not the question itself, each text once, of a kind that a
/// channel is for; and how many are too many. A rewriter of the user's own may be careless, and every copy would be a
/// vote.
fn usable(
    mut rewrites: Vec<Rewrite>,
    question: &Question,
    channels: &[Channel],
) -> Result<(Vec<Rewrite>, usize), RewriteError> {
    let said_any = !rewrites.is_empty();
    rewrites.retain(|rewrite| is_searchable(rewrite.kind, channels));
    if said_any && rewrites.is_empty() {
        return Err(RewriteError::NotNeeded);
    }
    let mut seen = HashSet::from([question.text().to_lowercase()]);
    let tidy = rewrites.into_iter().filter_map(|rewrite| {
        let text = Question::new(&rewrite.text).ok()?.text().to_owned();
        Some(Rewrite { text, ..rewrite })
    });
    let mut of_kind: HashMap<RewriteKind, usize> = HashMap::new();
    let numbered = tidy.filter(|rewrite| seen.insert(rewrite.text.to_lowercase())).map(|rewrite| {
        let number = of_kind.entry(rewrite.kind).or_default();
        *number += 1;
        (*number, rewrite)
    });
    let mut usable: Vec<(usize, Rewrite)> = numbered.collect();
    if usable.is_empty() {
        return Err(RewriteError::failed("returned nothing new to search with"));
    }
    let left_out = usable.len().saturating_sub(MOST_REWRITES);
    if left_out > 0 {
        // The first of every kind before the second of any.
        usable.sort_by_key(|(number, _)| *number);
        usable.truncate(MOST_REWRITES);
        counters::rejected(&vec![Rejection::TooMany; left_out]);
    }
    Ok((usable.into_iter().map(|(_, rewrite)| rewrite).collect(), left_out))
}

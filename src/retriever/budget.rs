//! How one call's time is spent: until when each step may run, and which step is not worth starting. Pure: every
//! decision is made from moments that are handed in.

use std::time::Duration;

use tokio::time::Instant;

use super::pace::Pace;
use crate::{retrieval::Step, search::DEFAULT_SEARCH_TIMEOUT};

/// How long a leg may take when the caller set no deadline.
pub const LEG_TIMEOUT: Duration = DEFAULT_SEARCH_TIMEOUT;
/// The part of a caller's deadline that is kept for fusing and fetching when nothing is known yet: a tenth, at most
/// this.
const LONGEST_FINISH: Duration = Duration::from_millis(25);

/// One call's time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    start: Instant,
    /// The caller's own deadline.
    deadline: Option<Duration>,
    /// How long the rewrite may hold up the answer.
    rewrite: Duration,
    /// What embedding and searching with a rewrite takes, by what was observed lately.
    leg: Duration,
    /// What is kept for the steps after the legs.
    finish: Duration,
    /// What is kept of that for the steps after the reranker.
    last: Duration,
    /// How long the reranker may hold up the answer.
    rerank: Duration,
}

impl Budget {
    pub(super) fn new(start: Instant, deadline: Option<Duration>, rewrite: Duration, pace: &Pace) -> Self {
        let leg = pace.p95(Step::Embed) + pace.p95(Step::Search);
        let observed = pace.p95(Step::Fuse) + pace.p95(Step::Fetch);
        // Never more than half: a store that was slow once must not leave the legs without time for ever.
        let finish =
            deadline.map_or(Duration::ZERO, |whole| (whole / 10).min(LONGEST_FINISH).max(observed).min(whole / 2));
        Self { start, deadline, rewrite, leg, finish, last: finish, rerank: Duration::ZERO }
    }

    /// Keeps time for a reranker that may take as long as this: what it took lately, or a quarter of the caller's
    /// deadline where nothing is known yet. The legs keep at least half of it.
    pub(super) fn with_rerank(mut self, rerank: Duration, pace: &Pace) -> Self {
        self.rerank = rerank;
        if let Some(whole) = self.deadline {
            let observed = pace.p95(Step::Rerank);
            let expected = if observed.is_zero() { whole / 4 } else { observed };
            self.finish = self.finish.saturating_add(expected.min(rerank)).min(whole / 2);
        }
        self
    }

    /// When the call began.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// How long the whole call may take.
    pub(super) fn whole(&self) -> Duration {
        self.deadline.unwrap_or(LEG_TIMEOUT)
    }

    /// When the answer has to be out; `None` without a deadline.
    pub(super) fn end(&self) -> Option<Instant> {
        self.start.checked_add(self.deadline?)
    }

    /// When the legs have to be in, so that fusing and fetching still fit; `None` without a deadline.
    pub(super) fn legs_end(&self) -> Option<Instant> {
        self.start.checked_add(self.deadline?.saturating_sub(self.finish))
    }

    /// Until when a reranker that starts now is waited for, so that what follows still fits; `None` if for ever.
    pub(super) fn rerank_end(&self, now: Instant) -> Option<Instant> {
        let call = self.end().map(|end| end - self.last);
        [now.checked_add(self.rerank), call].into_iter().flatten().min()
    }

    /// Until when a rewrite and its legs may hold up the answer; `None` if for ever.
    pub(super) fn rewrite_end(&self) -> Option<Instant> {
        let own = self.start.checked_add(self.rewrite);
        [own, self.legs_end()].into_iter().flatten().min()
    }

    /// Until when the rewriter is waited for: what comes later could not be embedded and searched in time.
    pub(super) fn reply_end(&self) -> Option<Instant> {
        // At least half of the time is the rewriter's, however slow the legs were lately: they may have recovered.
        let end = self.rewrite_end()?;
        let half = (end - self.start) / 2;
        Some(end - self.leg.min(half))
    }

    /// How long the rewriter is waited for.
    pub(super) fn reply_time(&self) -> Duration {
        self.reply_end().map_or(Duration::MAX, |end| end - self.start)
    }

    /// Whether a rewrite's legs that start now are expected to be in in time.
    pub(super) fn has_time_for_legs(&self, now: Instant) -> bool {
        self.rewrite_end().is_none_or(|end| now + self.leg.min((end - self.start) / 2) <= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pace(embed: u32, search: u32, fetch: u32) -> Pace {
        let pace = Pace::default();
        for (step, took) in [(Step::Embed, embed), (Step::Search, search), (Step::Fetch, fetch)] {
            pace.note(step, MS * took);
        }
        pace
    }

    #[test]
    fn a_deadline_is_split_by_what_was_observed() {
        let start = Instant::now();
        let budget = Budget::new(start, Some(MS * 300), MS * 800, &pace(10, 5, 2));
        assert_eq!(budget.end(), Some(start + MS * 300));
        // A tenth, at most 25 ms, is kept for the end.
        assert_eq!(budget.legs_end(), Some(start + MS * 275));
        assert_eq!(budget.rewrite_end(), Some(start + MS * 275));
        assert_eq!(budget.reply_time(), MS * 260);
        assert!(budget.has_time_for_legs(start + MS * 260));
        assert!(!budget.has_time_for_legs(start + MS * 261));
    }

    #[test]
    fn a_slow_store_gets_more_of_the_end_but_never_more_than_half() {
        let start = Instant::now();
        let end = |fetch| Budget::new(start, Some(MS * 100), MS * 800, &pace(1, 1, fetch)).legs_end();
        assert_eq!(end(5), Some(start + MS * 90));
        assert_eq!(end(30), Some(start + MS * 70));
        assert_eq!(end(500), Some(start + MS * 50));
    }

    #[test]
    fn a_reranker_gets_what_it_took_lately() {
        let start = Instant::now();
        let budget = |deadline, took: Option<Duration>| {
            let pace = pace(1, 1, 2);
            if let Some(took) = took {
                pace.note(Step::Rerank, took);
            }
            Budget::new(start, deadline, MS * 800, &pace).with_rerank(MS * 200, &pace)
        };
        // A quarter where nothing is known, beside the tenth for the end.
        let unknown = budget(Some(MS * 100), None);
        assert_eq!(unknown.legs_end(), Some(start + MS * 65));
        assert_eq!(unknown.rerank_end(start + MS * 65), Some(start + MS * 90));
        assert_eq!(budget(Some(MS * 100), Some(MS * 10)).legs_end(), Some(start + MS * 80));
        // Never more than half, and never more than it may take.
        assert_eq!(budget(Some(MS * 100), Some(MS * 90)).legs_end(), Some(start + MS * 50));
        assert_eq!(budget(Some(MS * 1_000), Some(MS * 900)).legs_end(), Some(start + MS * 775));
        assert_eq!(budget(Some(MS * 1_000), None).rerank_end(start), Some(start + MS * 200));
        assert_eq!(budget(None, None).rerank_end(start), Some(start + MS * 200));
    }

    #[test]
    fn without_a_deadline_only_the_rewrite_is_bounded() {
        let start = Instant::now();
        let budget = Budget::new(start, None, MS * 800, &pace(10, 5, 2));
        assert_eq!((budget.end(), budget.legs_end()), (None, None));
        assert_eq!(budget.rewrite_end(), Some(start + MS * 800));
        assert_eq!(budget.reply_time(), MS * 785);
        assert_eq!(Budget::new(start, None, Duration::MAX, &Pace::default()).reply_end(), None);
    }

    #[test]
    fn legs_that_were_slow_once_do_not_keep_the_rewriter_from_being_asked() {
        let start = Instant::now();
        let budget = Budget::new(start, Some(MS * 100), MS * 800, &pace(5_000, 5_000, 0));
        assert_eq!(budget.reply_time(), MS * 45);
        assert!(budget.has_time_for_legs(start + MS * 45));
    }
}

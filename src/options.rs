//! What one call may choose, beside the question itself.

use std::{sync::Arc, time::Duration};

use crate::{error::Error, fuse::Fuse, search::Filter};

/// What one call may choose.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetrieveOptions {
    /// How many hits come back at most.
    pub limit: usize,
    /// How deep each leg searches.
    pub depth: usize,
    /// Only passages that match may be found.
    pub filter: Option<Filter>,
    /// How long the whole call may take. Without one, only the rewriter is bounded.
    pub deadline: Option<Duration>,
    /// Whether to ask the rewriter.
    pub rewrite: bool,
    /// How the rankings become one; the retriever's own fusion if `None`.
    pub fusion: Option<Arc<dyn Fuse>>,
}

impl Default for RetrieveOptions {
    fn default() -> Self {
        Self { limit: 10, depth: 100, filter: None, deadline: None, rewrite: true, fusion: None }
    }
}

impl RetrieveOptions {
    /// Sets how many hits come back at most.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how deep each leg searches.
    #[must_use]
    pub fn with_depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// Sets what may be found.
    #[must_use]
    pub fn with_filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Sets how long the whole call may take.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Searches with the question as asked only.
    #[must_use]
    pub fn without_rewrite(mut self) -> Self {
        self.rewrite = false;
        self
    }

    /// Sets how the rankings become one, for this call.
    #[must_use]
    pub fn with_fusion(mut self, fusion: impl Fuse + 'static) -> Self {
        self.fusion = Some(Arc::new(fusion));
        self
    }

    /// Refuses what contradicts itself.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |setting: &str, problem: String| Err(Error::Settings { setting: setting.to_owned(), problem });
        if self.limit == 0 {
            return refuse("limit", "at least one hit has to be asked for".to_owned());
        }
        if self.depth < self.limit {
            return refuse("depth", format!("{} is less than the limit of {} hits", self.depth, self.limit));
        }
        if let Some(Err(error)) = self.filter.as_ref().map(Filter::check) {
            return refuse("filter", error.to_string());
        }
        Ok(())
    }
}

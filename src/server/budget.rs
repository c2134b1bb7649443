//! What a tenant's questions may cost: so many calls of the language model a minute. Beyond it they are answered without
//! a rewrite, not refused.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;

use super::{bucket::Bucket, settings::ServerSettings};
use crate::rewrite::{Failure, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites};

/// A rewriter that each tenant may ask only so often. It belongs inside of a cache: what is remembered costs nothing.
#[derive(Debug)]
pub struct Budgeted<R> {
    rewriter: R,
    budgets: HashMap<String, Bucket>,
}

impl<R: Rewriter> Budgeted<R> {
    /// Bounds a rewriter as the settings of the tenants say.
    pub fn new(rewriter: R, settings: &ServerSettings) -> Self {
        let budget = |(name, tenant): (&String, &super::settings::TenantSettings)| {
            Some((name.clone(), Bucket::new(tenant.rewrites_per_minute)?))
        };
        Self { rewriter, budgets: settings.tenants.iter().filter_map(budget).collect() }
    }
}

#[async_trait]
impl<R: Rewriter> Rewriter for Budgeted<R> {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        let level = self.budgets.get(&request.tenant).map(Bucket::take);
        match level.filter(|level| level.wait.is_some()) {
            None => self.rewriter.rewrite(request).await,
            Some(level) => {
                let most = level.per_minute;
                // Said of the moment, so that no cache remembers it.
                Err(RewriteError::because(
                    Failure::OverBudget,
                    format!("was not asked: this key may have {most} questions a minute rewritten"),
                ))
            }
        }
    }

    fn leaves_host(&self) -> bool {
        self.rewriter.leaves_host()
    }

    fn usual_kinds(&self) -> &[RewriteKind] {
        self.rewriter.usual_kinds()
    }

    /// The rewriter's own: a budget changes no rewrite.
    fn identity(&self) -> String {
        self.rewriter.identity()
    }

    async fn drain(&self, timeout: Duration) -> usize {
        self.rewriter.drain(timeout).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{question::Question, rewrite::RecordedRewriter};

    #[tokio::test]
    async fn each_tenant_has_a_budget_of_its_own() {
        let settings =
            serde_json::json!({"tenants": {"a": {"rewrites_per_minute": 2}, "b": {"rewrites_per_minute": 1}, "c": {}}});
        let recorded = RecordedRewriter::from_pairs([("one", ["two"])]);
        let rewriter = Budgeted::new(recorded, &serde_json::from_value(settings).unwrap());
        let mut answered = HashMap::new();
        for _ in 0..4 {
            for tenant in ["a", "b", "c", ""] {
                let request = RewriteRequest::new(Question::new("one").unwrap()).with_tenant(tenant);
                *answered.entry(tenant).or_insert(0) += u32::from(rewriter.rewrite(&request).await.is_ok());
            }
        }
        assert_eq!(answered, HashMap::from([("a", 2), ("b", 1), ("c", 4), ("", 4)]));
    }

    #[test]
    fn it_is_set_up_for_what_its_rewriter_is() {
        #[derive(Debug)]
        struct Condenses;

        #[async_trait]
        impl Rewriter for Condenses {
            async fn rewrite(&self, _: &RewriteRequest) -> Result<Rewrites, RewriteError> {
                Err(RewriteError::NotNeeded)
            }

            fn usual_kinds(&self) -> &[RewriteKind] {
                &[RewriteKind::Condense]
            }
        }

        let rewriter = Budgeted::new(Condenses, &ServerSettings::default());
        assert_eq!(rewriter.usual_kinds(), [RewriteKind::Condense]);
    }
}

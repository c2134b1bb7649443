//! What a rewrite is found again by: everything that it depends on, and on whose behalf it was asked for.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::{question::Speaker, rewrite::RewriteRequest};

/// A digest of all that a rewrite depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// The key of a request to the rewriter with this identity. Every part goes in with its length before it, so that
    /// no two lists of parts read the same. The deadline is no part of it, and kinds have no order.
    pub(super) fn of(identity: &str, request: &RewriteRequest) -> Self {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(&request.tenant);
        add(identity);
        add(request.question.text());
        let kinds: BTreeSet<_> = request.kinds.iter().collect();
        add(&kinds.len().to_string());
        for kind in kinds {
            add(kind.name());
        }
        for turn in request.question.history() {
            add(match turn.role {
                Speaker::User => "user",
                Speaker::Assistant => "assistant",
            });
            add(&turn.content);
        }
        Self(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        question::{Question, Turn},
        rewrite::RewriteKind,
    };

    /// The parts of a key, from few values, so that equal ones are common and parts run into each other.
    type Parts = (String, String, String, Vec<(bool, String)>, Vec<usize>);

    fn parts() -> impl Strategy<Value = Parts> {
        let text = || prop::sample::select(vec!["a", "aa", "b", "user", "1", "hyde"]).prop_map(str::to_owned);
        let history = prop::collection::vec((any::<bool>(), text()), 0..3);
        (text(), text(), text(), history, prop::collection::vec(0..3_usize, 0..3))
    }

    fn request((tenant, _, question, history, kinds): &Parts) -> RewriteRequest {
        let turn = |(user, content): &(bool, String)| Turn {
            role: if *user { Speaker::User } else { Speaker::Assistant },
            content: content.clone(),
        };
        let question = Question::new(question).unwrap().with_history(history.iter().map(turn));
        let kinds: Vec<_> = kinds.iter().map(|kind| RewriteKind::ALL[*kind]).collect();
        RewriteRequest::new(question).with_tenant(tenant).with_kinds(kinds)
    }

    fn as_set(mut parts: Parts) -> Parts {
        parts.4.sort_unstable();
        parts.4.dedup();
        parts
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn keys_are_equal_exactly_when_all_parts_are(a in parts(), b in parts(), change in 0..6_usize) {
            // One part changed, or none: pairs that are nearly equal.
            let mut near = a.clone();
            match change {
                0 => near.0.clone_from(&b.0),
                1 => near.1.clone_from(&b.1),
                2 => near.2.clone_from(&b.2),
                3 => near.3.clone_from(&b.3),
                4 => near.4.clone_from(&b.4),
                _ => {}
            }
            for other in [b, near] {
                let same = Key::of(&a.1, &request(&a)) == Key::of(&other.1, &request(&other));
                prop_assert_eq!(same, as_set(a.clone()) == as_set(other));
            }
        }
    }

    #[test]
    fn a_deadline_makes_no_difference() {
        let request = request(&("t".into(), String::new(), "q".into(), vec![], vec![]));
        let hurried = request.clone().with_deadline(tokio::time::Instant::now());
        assert_eq!(Key::of("", &request), Key::of("", &hurried));
    }
}

//! The passages that stand before and after a hit in its document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    ranking::Passage,
    search::{Condition, FieldMatch, Filter, Match},
};

/// How many passages before and after a hit may be asked for.
pub const MOST_NEIGHBOURS: u32 = 32;
/// How many documents one filter asks for: three conditions each, beside what the caller's own filter has.
const DOCUMENTS_AT_ONCE: usize = 32;

/// Which places of which documents are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wanted(BTreeMap<String, BTreeSet<u32>>);

impl Wanted {
    /// The places around these hits, `count` to either side.
    pub(crate) fn around<'a>(hits: impl IntoIterator<Item = &'a Passage>, count: u32) -> Self {
        let mut wanted = Self::default();
        for hit in hits {
            let places = wanted.0.entry(hit.document_id.clone()).or_default();
            places.extend(places_around(hit.position, count));
        }
        wanted
    }

    /// Filters that find these passages and no others, and none that `narrow` hides. More than one where there are more
    /// documents than fit into one.
    pub(crate) fn filters(&self, narrow: Option<&Filter>) -> Vec<Filter> {
        let documents: Vec<Condition> = self.0.iter().map(|(document, places)| in_document(document, places)).collect();
        let filter = |documents: &[Condition]| {
            let any = Filter { should: documents.to_vec(), ..Filter::default() };
            let mut filter = narrow.cloned().unwrap_or_default();
            // Beside the conditions that are there, so that it is nested no deeper than before.
            filter.must.push(Condition::Filter(any));
            filter
        };
        documents.chunks(DOCUMENTS_AT_ONCE).map(filter).collect()
    }
}

/// Those of the passages that stand around a hit, in the order of the document.
pub(crate) fn of(hit: &Passage, passages: &[Passage], count: u32) -> Vec<Passage> {
    let places: BTreeSet<u32> = places_around(hit.position, count).collect();
    let is_near = |passage: &&Passage| passage.document_id == hit.document_id && places.contains(&passage.position);
    let mut near: Vec<Passage> = passages.iter().filter(is_near).cloned().collect();
    near.sort_by(|a, b| a.position.cmp(&b.position).then_with(|| a.id.cmp(&b.id)));
    near
}

fn places_around(position: u32, count: u32) -> impl Iterator<Item = u32> {
    (position.saturating_sub(count)..=position.saturating_add(count)).filter(move |place| *place != position)
}

/// A document's passages at these places.
fn in_document(document: &str, places: &BTreeSet<u32>) -> Condition {
    let places = places.iter().map(|place| Value::from(*place)).collect();
    let conditions = [("document_id", Match::Value(Value::from(document))), ("position", Match::Any(places))];
    let must = conditions.map(|(key, condition)| Condition::Match(FieldMatch { key: key.to_owned(), condition }));
    Condition::Filter(Filter { must: must.into(), ..Filter::default() })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn passage(document: u8, position: u32) -> Passage {
        let document = document.to_string();
        Passage::new(format!("{document}#{position}"), "text").cut_from(document, position)
    }

    fn is_near(hit: &Passage, other: &Passage, count: u32) -> bool {
        let apart = hit.position.abs_diff(other.position);
        hit.document_id == other.document_id && (1..=count).contains(&apart)
    }

    /// Whether a filter lets a passage through, by the only conditions that are used here.
    fn lets_through(filter: &Filter, passage: &Passage) -> bool {
        let holds = |condition: &Condition| match condition {
            Condition::Filter(filter) => lets_through(filter, passage),
            Condition::Match(FieldMatch { key, condition }) => {
                let value =
                    if key == "position" { passage.position.into() } else { Value::from(passage.document_id.as_str()) };
                match condition {
                    Match::Value(wanted) => *wanted == value,
                    Match::Any(wanted) => wanted.contains(&value),
                    Match::Except(_) => false,
                }
            }
            _ => false,
        };
        filter.must.iter().all(holds) && (filter.should.is_empty() || filter.should.iter().any(holds))
    }

    proptest! {
        #[test]
        fn what_is_asked_for_and_kept_is_what_is_near(
            hits in vec((0_u8..60, 0_u32..12), 1..50), count in 1_u32..4, narrowed in any::<bool>()
        ) {
            let hits: Vec<Passage> = hits.into_iter().map(|(document, position)| passage(document, position)).collect();
            let all: Vec<Passage> = (0..60).flat_map(|document| (0..16).map(move |at| passage(document, at))).collect();
            // Narrowed to what is not at the front of its document.
            let hidden = |passage: &Passage| narrowed && passage.position < 2;
            let places = (2..40).map(Value::from).collect();
            let narrow = Condition::Match(FieldMatch { key: "position".to_owned(), condition: Match::Any(places) });
            let narrow = narrowed.then(|| Filter { must: vec![narrow], ..Filter::default() });

            let filters = Wanted::around(&hits, count).filters(narrow.as_ref());
            prop_assert!(filters.iter().all(|filter| filter.check().is_ok()));
            let found: Vec<Passage> =
                filters.iter().flat_map(|f| all.iter().filter(|passage| lets_through(f, passage))).cloned().collect();
            let near = |passage: &&Passage| !hidden(passage) && hits.iter().any(|hit| is_near(hit, passage, count));
            prop_assert_eq!(found.len(), all.iter().filter(near).count());
            for hit in &hits {
                let wanted = all.iter().filter(|passage| !hidden(passage) && is_near(hit, passage, count));
                prop_assert_eq!(of(hit, &found, count), wanted.cloned().collect::<Vec<_>>());
            }
        }
    }
}

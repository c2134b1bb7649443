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

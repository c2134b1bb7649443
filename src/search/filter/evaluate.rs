//! Whether a passage matches, as Qdrant decides it: for the in-memory store.

use serde_json::{Map, Value};

use super::{Condition, Filter, Match, Path, Range};

impl Filter {
    /// Whether the passage of this id matches; `fields` is its payload as a collection keeps it.
    pub(in crate::search) fn matches(&self, id: &str, fields: &Map<String, Value>) -> bool {
        self.must.iter().all(|c| c.matches(id, fields))
            && (self.should.is_empty() || self.should.iter().any(|c| c.matches(id, fields)))
            && !self.must_not.iter().any(|c| c.matches(id, fields))
    }
}

impl Condition {
    fn matches(&self, id: &str, fields: &Map<String, Value>) -> bool {
        // A key that is no path finds nothing; `check` has refused it before.
        let path = self.key().and_then(Path::parse);
        let found = path.map(|path| path.find(fields)).unwrap_or_default();
        match self {
            Self::Match(field) => elements(found).any(|value| field.condition.matches(value)),
            Self::Range(field) => elements(found).filter_map(Value::as_f64).any(|n| field.range.contains(n)),
            // A list of nulls is not empty: Qdrant looks at the list, not into it.
            Self::IsEmpty(_) => {
                found.iter().all(|value| value.is_null() || value.as_array().is_some_and(Vec::is_empty))
            }
            Self::IsNull(_) => found.iter().any(|value| value.is_null()),
            Self::HasId(condition) => condition.has_id.iter().any(|wanted| wanted == id),
            Self::Filter(filter) => filter.matches(id, fields),
        }
    }
}

impl Match {
    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Value(wanted) => value == wanted,
            Self::Any(wanted) => wanted.contains(value),
            Self::Except(unwanted) => !value.is_null() && !unwanted.contains(value),
        }
    }
}

impl Range {
    fn contains(&self, number: f64) -> bool {
        self.lt.is_none_or(|bound| number < bound)
            && self.lte.is_none_or(|bound| number <= bound)
            && self.gt.is_none_or(|bound| number > bound)
            && self.gte.is_none_or(|bound| number >= bound)
    }
}

/// The values one by one, those of a list too, as Qdrant compares them.
fn elements(values: Vec<&Value>) -> impl Iterator<Item = &Value> {
    values.into_iter().flat_map(|value| match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    })
}

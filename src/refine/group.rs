//! Hits by document: the best passage of each document, or the best few.

use std::collections::HashMap;

/// Groups the hits by `document_id`. `limit` and `offset` then count documents, not passages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// How many passages of each document come back at most, at least one. They stand together, where the best of them
    /// would stand alone.
    pub passages: usize,
}

impl Group {
    /// The best passage of each document.
    #[must_use]
    pub fn best() -> Self {
        Self { passages: 1 }
    }

    /// The best `passages` of each document.
    #[must_use]
    pub fn of(passages: usize) -> Self {
        Self { passages }
    }

    /// Chooses among passages that are in order, best first, and known by their document: the index of each that is
    /// chosen, in the order of the hits. Passes over the first `offset` documents and takes at most `limit`.
    #[must_use]
    pub fn choose(&self, documents: &[&str], offset: usize, limit: usize) -> Vec<usize> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut groups: Vec<Vec<usize>> = vec![];
        for (index, document) in documents.iter().enumerate() {
            let place = *places.entry(document).or_insert(groups.len());
            if place == groups.len() {
                groups.push(vec![]);
            }
            if groups[place].len() < self.passages {
                groups[place].push(index);
            }
        }
        groups.into_iter().skip(offset).take(limit).flatten().collect()
    }

    /// How many hits there are when every document has as many passages as are wanted: more passages to choose from
    /// would change nothing.
    #[must_use]
    pub fn full(&self, limit: usize) -> usize {
        self.passages.saturating_mul(limit)
    }
}

//! Guards against the engine's quietest failure. It numbers writes by their place in its log, and a write to a point
//! that carries a higher number is skipped without an error: a log that was lost or cut short makes later writes
//! vanish. So a generation remembers how many writes it had, and the first write after opening is preceded by a
//! probe that shows where the engine counts now.

use std::{collections::HashMap, fs, path::Path};

use qdrant_edge::{
    Condition, Filter, HasIdCondition, PointId as EngineId, PointStructPersisted, SparseVector as EngineVector,
    VectorPersisted, VectorStructPersisted, external::uuid::Uuid,
};

use super::{fault::Fault, generation::Generation, operation};
use crate::search::{Channel, SearchParams, SearchVector, SparseVector};

/// The file that holds the number of writes.
const WRITES: &str = "writes";
/// The probe's id; no passage has it, since theirs are UUIDs of version 5.
pub(super) const PROBE: EngineId = EngineId::Uuid(Uuid::max());
/// The probe's only term in the sparse channel, so that no dense search ever finds it.
const TERM: u32 = u32::MAX;

/// How many writes the generation had, as far as it remembers; unreadable counts as more than any.
pub(super) fn remembered(generation: &Path) -> u64 {
    let text = fs::read_to_string(generation.join(WRITES)).unwrap_or_default();
    text.trim().parse().unwrap_or(u64::MAX)
}

/// Remembers how many writes the generation had. Neither atomic nor forced to disk: what a crash leaves half-written
/// counts as unreadable, which costs a copy, and a number that is too low only makes the guard less strict.
pub(super) fn remember(generation: &Path, writes: u64) -> Result<(), Fault> {
    fs::write(generation.join(WRITES), writes.to_string()).map_err(|error| Fault::io("counting writes", error))
}

impl Generation {
    /// Whether the engine counts on from where it was. If not, the generation must be replaced before it is written.
    pub(super) fn numbers_go_on(&self) -> Result<bool, Fault> {
        if self.holds_probe()? {
            // A crash in the middle of this function left it, with a number that says nothing about now.
            return Ok(false);
        }
        let writes = self.writes();
        let words = EngineVector { indices: vec![TERM], values: vec![1.0] };
        let named = HashMap::from([(Channel::Bm25.name().to_owned(), VectorPersisted::Sparse(words))]);
        self.update(operation::upsert(vec![probe(named)]))?;
        let number = self.number_of_probe()?;
        // Emptied first: the engine goes on counting a deleted point's words as words of the collection.
        self.update(operation::upsert(vec![probe(HashMap::new())]))?;
        self.update(operation::delete(vec![PROBE]))?;
        match number {
            Some(number) if number >= writes => {
                // The probe was write `number`, its emptying and its removal the next.
                self.count_from(number + 3);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn number_of_probe(&self) -> Result<Option<u64>, Fault> {
        let words = SparseVector { indices: vec![TERM], values: vec![1.0] };
        let only = Filter::new_must(Condition::HasId(HasIdCondition::from_iter([PROBE])));
        let found = self.nearest(SearchVector::Sparse(words), 1, Some(only), SearchParams::default())?;
        Ok(found.first().map(|point| point.version))
    }
}

fn probe(vectors: HashMap<String, VectorPersisted>) -> PointStructPersisted {
    PointStructPersisted { id: PROBE, vector: VectorStructPersisted::Named(vectors), payload: None }
}

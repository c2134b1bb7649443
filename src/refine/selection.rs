//! Which fields of a passage are returned.

use crate::ranking::Passage;

/// The fields that are always there.
const ALWAYS: [&str; 5] = ["id", "title", "text", "document_id", "position"];

/// Which of the caller's own fields come back with a passage. Its id, title, text, document and position always do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Selection {
    /// All of them.
    #[default]
    All,
    /// None.
    None,
    /// Those with these names, where a passage has them.
    Include(Vec<String>),
    /// All but those with these names.
    Exclude(Vec<String>),
}

impl Selection {
    /// Takes the other fields out of a passage.
    pub fn apply(&self, passage: &mut Passage) {
        match self {
            Self::All => {}
            Self::None => passage.payload.clear(),
            Self::Include(names) => passage.payload.retain(|name, _| names.contains(name)),
            Self::Exclude(names) => passage.payload.retain(|name, _| !names.contains(name)),
        }
    }

    /// Says what contradicts itself.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::Include(names) if names.is_empty() => Some("includes no field; ask for none instead".to_owned()),
            Self::Exclude(names) => {
                let always = names.iter().find(|name| ALWAYS.contains(&name.as_str()))?;
                Some(format!("excludes `{always}`, which is always there; only a passage's own fields are chosen"))
            }
            _ => None,
        }
    }
}

//! After fusion: what becomes of the fused passages before they are hits. Pure functions and the types that choose
//! them; [`retriever`](crate::retriever) does the fetching in between.
//!
//! The order is fixed:
//!
//! 1. [`Threshold::dense`] and [`Threshold::bm25`] drop what a leg found with too low a score, before it is fused;
//! 2. the legs are fused, and [`Threshold::normalised`] drops what came out too low;
//! 3. a [`Reranker`](crate::Reranker) reads the best of them and puts them into its own order;
//! 4. [`Mmr`] spreads them over what there is to say;
//! 5. [`Group`] keeps the best passages of each document;
//! 6. `offset` and `limit` choose the hits;
//! 7. their neighbours are fetched, and [`Selection`] says which of their fields are returned.
//!
//! `docs/refining.md` shows each.

mod group;
mod mmr;
mod neighbours;
mod selection;
mod threshold;

pub use group::Group;
pub use mmr::{Mmr, diversify};
pub use neighbours::MOST_NEIGHBOURS;
pub(crate) use neighbours::{Wanted, of as neighbours_of};
pub use selection::Selection;
pub use threshold::Threshold;

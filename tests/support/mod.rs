//! What the tests share.

pub mod front;

//! From a language model's reply to rewrites that can be searched with: pure, and with a typed reason for each refusal.

/// Why a reply, or a line of it, cannot be searched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Nothing is left of it.
    #[error("it is empty")]
    Empty,
}

/// Cleans a reply into rewrites.
///
/// # Errors
/// [`Rejection`] when nothing usable is left.
pub fn clean(reply: &str, question: &str) -> Result<Vec<String>, Rejection> {
    let _ = (reply, question);
    Err(Rejection::Empty)
}

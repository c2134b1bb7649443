//! Placeholder until the fusion branch lands.
use crate::rewrite::RewriteKind;

/// Signals.
#[derive(Debug, Clone, Copy)]
pub struct Signals {
    /// k
    pub kind: RewriteKind,
    /// c
    pub cosine: Option<f64>,
    /// o
    pub overlap: f64,
    /// a
    pub agreement: Option<f64>,
    /// s
    pub strayed: usize,
}
/// Weighting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weighting {
    /// f
    Fixed(f64),
}
impl Default for Weighting {
    fn default() -> Self {
        Self::Fixed(1.0)
    }
}
impl Weighting {
    /// w
    pub fn weight(&self, _signals: &Signals) -> f64 {
        let Self::Fixed(weight) = self;
        *weight
    }
}

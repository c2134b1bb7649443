//! What ran when, drawn in text: one bar per step, on a common scale.

use std::fmt::Write as _;

use crate::retrieval::{Origin, Retrieval, Step, Timing};

/// How many characters the longest bar has.
const WIDTH: usize = 48;

/// Draws the steps of a retrieval, one line each.
pub(super) fn draw(retrieval: &Retrieval) -> String {
    let total = retrieval.took.as_secs_f64().max(f64::EPSILON);
    let column = |seconds: f64| (seconds / total * f64::from(u32::try_from(WIDTH).unwrap_or(u32::MAX))).round();
    let mut drawing = String::new();
    for timing in &retrieval.timings {
        let start = (column(timing.start.as_secs_f64()) as usize).min(WIDTH - 1);
        let end = column((timing.start + timing.took).as_secs_f64()) as usize;
        let length = end.clamp(start + 1, WIDTH) - start;
        let bar = format!("{}{}", " ".repeat(start), glyph(timing).repeat(length));
        let milliseconds = timing.took.as_secs_f64() * 1e3;
        let lost = if timing.completed { "" } else { "  lost" };
        let _ = writeln!(drawing, "  {:<15} │{bar:<WIDTH$}│ {milliseconds:>7.1} ms{lost}", name(timing));
    }
    let _ = writeln!(drawing, "  {:<15}  {:<WIDTH$}  {:>7.1} ms", "the whole call", "", total * 1e3);
    drawing
}

fn name(timing: &Timing) -> String {
    let step = match timing.step {
        Step::Rewrite => return "rewrite".to_owned(),
        Step::Embed => "embed",
        Step::Search => "search",
        Step::Fuse => "fuse",
        Step::Fetch => "fetch",
    };
    match timing.origin {
        Some(Origin::Asked) => format!("{step}, asked"),
        Some(Origin::Rewrite) => format!("{step}, rewrite"),
        None => step.to_owned(),
    }
}

/// Waiting for the language model looks different from work done here.
fn glyph(timing: &Timing) -> &'static str {
    if timing.step == Step::Rewrite { "░" } else { "█" }
}

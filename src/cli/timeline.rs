//! What ran when, drawn in text: one bar per step, on a common scale.

use std::{fmt::Write as _, time::Duration};

use crate::retrieval::{Origin, Retrieval, Step, Timing};

/// How many characters the longest bar has.
const WIDTH: usize = 48;

/// Draws the steps of a retrieval, one line each.
pub(super) fn draw(retrieval: &Retrieval) -> String {
    let total = retrieval.took.as_micros().max(1);
    // The column of a moment, rounded to the nearest.
    let column = |moment: Duration| {
        let column = (moment.as_micros() * WIDTH as u128 + total / 2) / total;
        usize::try_from(column).map_or(WIDTH, |column| column.min(WIDTH))
    };
    let mut drawing = String::new();
    for timing in &retrieval.timings {
        let start = column(timing.start).min(WIDTH - 1);
        let length = column(timing.start + timing.took).max(start + 1) - start;
        let bar = format!("{}{}", " ".repeat(start), glyph(timing).repeat(length));
        let milliseconds = timing.took.as_secs_f64() * 1e3;
        let lost = if timing.completed { "" } else { "  lost" };
        let _ = writeln!(drawing, "  {:<15} │{bar:<WIDTH$}│ {milliseconds:>7.1} ms{lost}", name(timing));
    }
    let _ =
        writeln!(drawing, "  {:<15}  {:<WIDTH$}  {:>7.1} ms", "the whole call", "", retrieval.took.as_secs_f64() * 1e3);
    drawing
}

fn name(timing: &Timing) -> String {
    let step = match timing.step {
        Step::Rewrite => return "rewrite".to_owned(),
        Step::Embed => "embed",
        Step::Search => "search",
        Step::Fuse => "fuse",
        Step::Rerank => "rerank",
        Step::Fetch => "fetch",
    };
    match timing.origin {
        Some(Origin::Asked) => format!("{step}, asked"),
        Some(Origin::Rewrite) => format!("{step}, rewrite"),
        Some(Origin::Feedback) => format!("{step}, feedback"),
        None => step.to_owned(),
    }
}

/// Waiting for the language model looks different from work done here.
fn glyph(timing: &Timing) -> &'static str {
    if timing.step == Step::Rewrite { "░" } else { "█" }
}

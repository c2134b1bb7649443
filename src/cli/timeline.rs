//! What ran when, drawn in text: one bar per step, on a common scale.

use std::fmt::Write as _;

use crate::{
    retrieval::Step,
    server::{Reply, ReplyTiming},
};

/// How many characters the longest bar has.
const WIDTH: usize = 48;

/// Draws the steps of an answer, one line each.
pub(super) fn draw(reply: &Reply) -> String {
    let total = reply.took_ms.max(f64::MIN_POSITIVE);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "columns")]
    // The column of a moment, rounded to the nearest.
    let column = |moment: f64| (moment / total * WIDTH as f64).round().clamp(0.0, WIDTH as f64) as usize;
    let mut drawing = String::new();
    for timing in &reply.timings {
        let start = column(timing.start_ms).min(WIDTH - 1);
        let length = column(timing.start_ms + timing.took_ms).max(start + 1) - start;
        let bar = format!("{}{}", " ".repeat(start), glyph(timing).repeat(length));
        let lost = if timing.completed { "" } else { "  lost" };
        let _ = writeln!(drawing, "  {:<15} │{bar:<WIDTH$}│ {:>7.1} ms{lost}", name(timing), timing.took_ms);
    }
    let _ = writeln!(drawing, "  {:<15}  {:<WIDTH$}  {:>7.1} ms", "the whole call", "", reply.took_ms);
    drawing
}

fn name(timing: &ReplyTiming) -> String {
    let step = timing.step.name();
    match timing.origin {
        Some(origin) if timing.step != Step::Rewrite => format!("{step}, {}", origin.name()),
        _ => step.to_owned(),
    }
}

/// Waiting for the language model looks different from work done here.
fn glyph(timing: &ReplyTiming) -> &'static str {
    if timing.step == Step::Rewrite { "░" } else { "█" }
}

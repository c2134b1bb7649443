//! The report as a page: one file without scripts, styles or pictures from elsewhere, that any browser opens.

use std::fmt::Write as _;

use super::{Evaluation, RunMeasures};

/// The plots' width, and the height of a row in them, in pixels.
const WIDTH: f64 = 720.0;
const ROW: f64 = 22.0;
/// Where the labels end and the plot begins, in pixels.
const LABELS: f64 = 260.0;

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.25rem .5rem;border-bottom:1px solid #8884}\
th:nth-child(-n+3),td:nth-child(-n+3){text-align:left}svg{max-width:100%;height:auto}svg text{fill:currentColor;font-size:12px}\
.better{color:#187a3c;fill:#187a3c;stroke:#187a3c}.worse{color:#b3261e;fill:#b3261e;stroke:#b3261e}\
.even{fill:#888;stroke:#888}.scroll{overflow-x:auto}@media(prefers-color-scheme:dark){.better{color:#6fd08c;fill:#6fd08c;\
stroke:#6fd08c}.worse{color:#ff8a80;fill:#ff8a80;stroke:#ff8a80}}";

impl Evaluation {
    /// The report: the table, each run's gain with its interval, and each question's gain.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width,initial-scale=1\"><title>asktwice eval</title><style>{STYLE}</style>\
             <h1>Does asking twice help?</h1><p>{} questions. nDCG@10 is compared with the question alone, question by \
             question; the intervals are 95 % (paired bootstrap).</p>",
            self.questions.len()
        );
        page.push_str(&self.table());
        page.push_str(&self.intervals());
        for (at, run) in self.runs.iter().enumerate().filter(|(_, run)| run.name == "fused") {
            page.push_str(&self.question_by_question(at, run));
        }
        if !self.notes.is_empty() {
            page.push_str("<h2>Notes</h2><ul>");
            self.notes.iter().for_each(|note| add(&mut page, format_args!("<li>{}</li>", escaped(note))));
            page.push_str("</ul>");
        }
        page.push_str("</html>\n");
        page
    }

    fn table(&self) -> String {
        let mut table = String::from(
            "<div class=\"scroll\"><table><thead><tr><th>configuration</th><th>run</th><th>rewrites</th><th>nDCG@10</th>\
             <th>MRR@10</th><th>recall@10</th><th>recall@100</th><th>nDCG@10 − asked</th><th>better / same / worse</th>\
             <th>LLM calls</th><th>LLM ms</th><th>ms</th></tr></thead><tbody>",
        );
        for run in &self.runs {
            let (delta, won) = match run.name {
                "asked" => (String::new(), String::new()),
                _ => (run.delta_ndcg_at_10.to_string(), format!("{} / {} / {}", run.wins, run.ties, run.losses)),
            };
            let rewrites = run.rewrites.as_deref().unwrap_or_default();
            let (configuration, rewrites) = (escaped(&run.configuration), escaped(rewrites));
            add(
                &mut table,
                format_args!(
                    "<tr><td>{configuration}</td><td>{}</td><td>{rewrites}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td>\
                     <td>{:.4}</td><td class=\"{}\">{delta}</td><td>{won}</td><td>{}</td><td>{:.0}</td>\
                     <td>{:.1}</td></tr>",
                    run.name,
                    run.ndcg_at_10,
                    run.mrr_at_10,
                    run.recall_at_10,
                    run.recall_at_100,
                    verdict(run),
                    run.llm_calls,
                    run.llm_milliseconds,
                    run.search_milliseconds
                ),
            );
        }
        table.push_str("</tbody></table></div>");
        table
    }

    /// Each run's gain with its interval, around a line at 0.
    fn intervals(&self) -> String {
        let runs: Vec<&RunMeasures> = self.runs.iter().filter(|run| run.name != "asked").collect();
        let ends = runs.iter().flat_map(|run| [run.delta_ndcg_at_10.low, run.delta_ndcg_at_10.high]);
        let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
        if runs.is_empty() || high <= low {
            return String::new();
        }
        let at = |value: f64| LABELS + (WIDTH - LABELS - 90.0) * (value - low) / (high - low) + 10.0;
        let mut plot = figure("Gain in nDCG@10, with its interval", runs.len());
        let (zero, bottom) = (at(0.0), ROW * count(runs.len()));
        add(
            &mut plot,
            format_args!("<line class=\"even\" x1=\"{zero:.1}\" x2=\"{zero:.1}\" y1=\"0\" y2=\"{bottom:.1}\"/>"),
        );
        for (row, run) in runs.into_iter().enumerate() {
            let (delta, y) = (run.delta_ndcg_at_10, ROW * (count(row) + 0.5));
            let name = [run.configuration.as_str(), run.name, run.rewrites.as_deref().unwrap_or_default()].join(" ");
            add(
                &mut plot,
                format_args!(
                    "<text x=\"0\" y=\"{:.1}\">{}</text><line class=\"{class}\" stroke-width=\"2\" x1=\"{:.1}\" \
                     x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><circle class=\"{class}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\"/>\
                     <text x=\"{:.1}\" y=\"{:.1}\">{:+.4}</text>",
                    y + 4.0,
                    escaped(&shortened(&name, 38)),
                    at(delta.low),
                    at(delta.high),
                    at(delta.mean),
                    WIDTH - 70.0,
                    y + 4.0,
                    delta.mean,
                    class = verdict(run),
                ),
            );
        }
        plot + "</svg></figure>"
    }

    /// Each question's gain as a bar, best first, and the questions at both ends by name.
    fn question_by_question(&self, run: usize, measures: &RunMeasures) -> String {
        let asked = self.runs.iter().position(|run| run.name == "asked" && run.configuration == measures.configuration);
        let Some(asked) = asked else { return String::new() };
        let gain = |question: &super::QuestionMeasures| question.ndcg_at_10[run] - question.ndcg_at_10[asked];
        let mut gains: Vec<(f64, &str)> = self.questions.iter().map(|q| (gain(q), q.question.as_str())).collect();
        gains.sort_by(|a, b| b.0.total_cmp(&a.0));
        let rewrites = measures.rewrites.as_deref().unwrap_or_default();
        let mut part = figure(&format!("{}, {rewrites}: question by question", measures.configuration), 8);
        let (width, middle) = (WIDTH / count(gains.len().max(1)), ROW * 4.0);
        for (place, (gain, question)) in gains.iter().enumerate().filter(|(_, (gain, _))| *gain != 0.0) {
            let (height, class) = (gain.abs() * middle, if *gain > 0.0 { "better" } else { "worse" });
            let top = if *gain > 0.0 { middle - height } else { middle };
            let (x, question) = (width * count(place), escaped(question));
            add(
                &mut part,
                format_args!(
                    "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" height=\"{height:.2}\">\
                     <title>{gain:+.3} {question}</title></rect>"
                ),
            );
        }
        part.push_str("</svg></figure><ul>");
        let changed = |sign: f64| gains.iter().filter(move |(gain, _)| gain * sign > 0.0);
        for (gain, question) in changed(1.0).take(5).chain(changed(-1.0).rev().take(5)) {
            let class = if *gain > 0.0 { "better" } else { "worse" };
            add(&mut part, format_args!("<li><span class=\"{class}\">{gain:+.3}</span> {}</li>", escaped(question)));
        }
        part + "</ul>"
    }
}

/// The beginning of a figure with so many rows.
fn figure(title: &str, rows: usize) -> String {
    let (title, height) = (escaped(title), ROW * count(rows));
    format!(
        "<h2>{title}</h2><figure><svg role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\">"
    )
}

fn verdict(run: &RunMeasures) -> &'static str {
    match run.delta_ndcg_at_10 {
        delta if delta.low > 0.0 => "better",
        delta if delta.high < 0.0 => "worse",
        _ => "even",
    }
}

/// Text as it may stand in a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = page.write_fmt(text);
}

#[expect(clippy::cast_precision_loss, reason = "rows and questions")]
fn count(things: usize) -> f64 {
    things as f64
}

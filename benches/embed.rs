//! asktwice's side of `make bench-embed`: does one task and prints what came of it as one line of JSON.
//! `bench/embed.py` runs it beside its peers and makes the table.
//!
//! `embed TASK KEY=VALUE…`, with the tasks
//! - `alone`: one question after the other for `seconds`; `callers`: so many callers at once, each with a question at a
//!   time; `all`: all texts in one call;
//! - `cold`: a first text and no more; `idle`: what the process uses when nobody asks;
//! - `same`: how near a text's vector alone is to its vector among others; `soak`: memory over many texts.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark may fail, and prints what it found"
)]

#[allow(dead_code, reason = "the sides need different parts of it")]
mod settings;
#[allow(unreachable_pub, reason = "shared with the tests")]
#[path = "../tests/support/wide.rs"]
mod wide;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use asktwice::{
    Embedder,
    embed::{OnnxEmbedder, OnnxOptions, Role, library},
};
use futures::future::join_all;
use serde_json::{Value, json};
use settings::Settings;
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::sleep};

/// How long one tick of the kernel's account of CPU time is, in seconds.
const TICK: f64 = 0.01;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some((task, settings)) = arguments.split_first() else {
        println!("not a benchmark by itself: run `make bench-embed`");
        return;
    };
    let settings = Settings::parse(settings);
    let runtime = Runtime::new().unwrap();
    let model = Path::new(settings.get("model").unwrap_or(".asktwice/models/all-MiniLM-L6-v2"));
    let copy = (task == "soak").then(|| wide::widened(model));
    let embedder = settings.embedder(copy.as_ref().map_or(model, TempDir::path));
    let mut found = runtime.block_on(async {
        match task.as_str() {
            "alone" => alone(&embedder, &settings).await,
            "callers" => callers(&embedder, &settings).await,
            "all" => all(&embedder, &settings).await,
            "cold" => cold(&embedder, &settings).await,
            "idle" => idle(&embedder, &settings).await,
            "same" => same(&embedder, &settings).await,
            "soak" => soak(&embedder, &settings).await,
            _ => panic!("no such task: {task}"),
        }
    });
    found["peak_mb"] = json!(status("VmHWM"));
    found["cpu_seconds"] = json!(ticks() as f64 * TICK);
    found["provider"] = json!(embedder.provider());
    found["version"] = json!(format!("asktwice {}; {}", env!("CARGO_PKG_VERSION"), library::version()));
    println!("{found}");
}

impl Settings {
    fn span(&self) -> Duration {
        Duration::from_millis(self.number("milliseconds").unwrap_or(3_000))
    }

    fn embedder(&self, model: &Path) -> OnnxEmbedder {
        let mut options = OnnxOptions::default();
        if let Some(library) = self.get("library") {
            options.library = library.into();
        }
        options.precision = self.get("precision").unwrap_or("int8").parse().unwrap();
        options.provider = serde_json::from_value(json!(self.get("provider").unwrap_or("cpu"))).unwrap();
        options.threads = self.number("threads").unwrap_or(0);
        options.workers = self.number("workers").unwrap_or(0);
        OnnxEmbedder::open_with(model, &options).expect("run `make setup` first")
    }
}

async fn question(embedder: &OnnxEmbedder, text: &str) -> Vec<f32> {
    embedder.embed(Role::Query, vec![text.to_owned()]).await.unwrap().remove(0).vector
}

async fn alone(embedder: &OnnxEmbedder, settings: &Settings) -> Value {
    let texts = settings.texts("texts");
    for text in texts.iter().take(5) {
        question(embedder, text).await;
    }
    let (start, mut times) = (Instant::now(), vec![]);
    for text in texts.iter().cycle() {
        let asked = Instant::now();
        question(embedder, text).await;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        if start.elapsed() > settings.span() {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    json!({"p50_ms": times[times.len() / 2], "p95_ms": times[times.len() * 95 / 100], "calls": times.len()})
}

async fn callers(embedder: &OnnxEmbedder, settings: &Settings) -> Value {
    let (texts, count) = (settings.texts("texts"), settings.number::<u64>("callers").unwrap_or(8));
    let start = Instant::now();
    let caller = |n: u64| {
        let (embedder, texts, span) = (embedder.clone(), texts.clone(), settings.span());
        tokio::spawn(async move {
            let mut asked = 0_u64;
            let mine = texts.iter().cycle().skip(usize::try_from(n).unwrap());
            for text in mine {
                question(&embedder, text).await;
                asked += 1;
                if start.elapsed() > span {
                    break;
                }
            }
            asked
        })
    };
    let asked: u64 = join_all((0..count).map(caller)).await.into_iter().map(Result::unwrap).sum();
    json!({"per_second": asked as f64 / start.elapsed().as_secs_f64(), "calls": asked})
}

async fn all(embedder: &OnnxEmbedder, settings: &Settings) -> Value {
    let texts = settings.texts("texts");
    let (count, start) = (texts.len(), Instant::now());
    let embedded = embedder.embed(Role::Passage, texts).await.unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let tokens: usize = embedded.iter().map(|embedding| embedding.tokens).sum();
    json!({"per_second": count as f64 / seconds, "tokens_per_second": tokens as f64 / seconds, "count": count})
}

async fn cold(embedder: &OnnxEmbedder, settings: &Settings) -> Value {
    question(embedder, &settings.texts("texts")[0]).await;
    json!({"rss_mb": status("VmRSS")})
}

/// The share of one core that is used in three seconds after some work.
async fn idle(embedder: &OnnxEmbedder, settings: &Settings) -> Value {
    for text in settings.texts("texts").iter().take(50) {
        question(embedder, text).await;
    }
    let (before, start) = (ticks(), Instant::now());
    sleep(Duration::from_secs(3)).await;
    let used = (ticks() - before) as f64 * TICK;
    json!({"idle_percent": 100.0 * used / start.elapsed().as_secs_f64()})
}

async fn same(embedder: &OnnxEmbedder, settings: &Settings) -> Value {
    let texts = settings.texts("texts");
    let together = embedder.embed(Role::Query, texts.clone()).await.unwrap();
    let mut least = 1.0_f32;
    for (text, among) in texts.iter().zip(together) {
        let alone = question(embedder, text).await;
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let among = &among.vector;
        least = least.min(dot(&alone, among) / (dot(&alone, &alone) * dot(among, among)).sqrt());
    }
    json!({"least_cosine": least})
}

/// Embeds `count` texts of 3 to 512 tokens, special ones included, several at a time, and reports the memory on the way.
async fn soak(embedder: &OnnxEmbedder, settings: &Settings) -> Value {
    let (count, start) = (settings.number::<u64>("count").unwrap_or(1_000_000), Instant::now());
    let (mut done, mut tokens, mut longest, mut memory) = (0, 0, 0, vec![]);
    // A tenth of the first tenth, so that there is something to see soon.
    for stop in [count / 100, count / 10, count / 2, count] {
        while done < stop {
            let batch = (done..stop.min(done + 64)).map(text_of).collect::<Vec<_>>();
            done += batch.len() as u64;
            let embedded = embedder.embed(Role::Passage, batch).await.unwrap();
            assert!(embedded.iter().all(|embedding| !embedding.truncated), "a text was cut");
            tokens += embedded.iter().map(|embedding| embedding.tokens).sum::<usize>();
            longest = embedded.iter().map(|embedding| embedding.tokens).fold(longest, usize::max);
        }
        memory.push(json!({"texts": done, "rss_mb": status("VmRSS"), "seconds": start.elapsed().as_secs()}));
        eprintln!("{}", memory.last().unwrap());
    }
    json!({"memory": memory, "tokens": tokens, "longest": longest})
}

/// The nth text: 1 to 510 words of one token each. There are as many of 2 to 4 words as of 128 to 256: short ones are the
/// most, as among what people write, and every length is there.
fn text_of(n: u64) -> String {
    const WORDS: [&str; 8] = ["order", "late", "food", "cold", "money", "back", "where", "please"];
    // A linear congruential generator (Knuth's MMIX), so that every run has the same texts.
    let mut state = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let share = (state >> 33) as f64 / f64::from(1_u32 << 31);
    let length = 511_f64.powf(share) as usize;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[usize::try_from(state >> 61).unwrap()]
    };
    (0..length).map(|_| word()).collect::<Vec<_>>().join(" ")
}

/// A line of the kernel's account of this process, in MB.
fn status(line: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.split_whitespace().nth(1)?.parse::<f64>().ok());
    found.unwrap_or(f64::NAN) * 1_024.0 / 1e6
}

/// CPU time of this process, in ticks: fields 14 and 15 of `proc(5)`, the 12th and 13th behind the program's name.
fn ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap_or_default()).sum()
}

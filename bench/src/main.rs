//! The `fastembed` crate's side of `make bench-embed`: does one task and prints what came of it as one line of JSON. The
//! tasks are those of `benches/embed.rs`.
//!
//! `instances` and `threads` say how it is arranged: so many `TextEmbedding`s, each with so many threads, taken in turn
//! by whoever needs one; `threads=0` leaves them at its default. `batch=0` leaves the batch size at its default.

#[path = "../../benches/settings.rs"]
#[allow(dead_code, reason = "the sides need different parts of it")]
mod settings;

use std::{
    fs,
    sync::{Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use fastembed::TextEmbedding;
use serde_json::{Value, json};
use settings::Settings;

/// How long one tick of the kernel's account of CPU time is, in seconds.
const TICK: f64 = 0.01;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, settings) = arguments.split_first().expect("TASK KEY=VALUE…");
    let settings = Settings::parse(settings);
    let pool = Pool::open(&settings);
    let mut found = match task.as_str() {
        "alone" => alone(&pool, &settings),
        "callers" => callers(&pool, &settings),
        "all" => all(&pool, &settings),
        "cold" => cold(&pool, &settings),
        "idle" => idle(&pool, &settings),
        "same" => same(&pool, &settings),
        _ => panic!("no such task: {task}"),
    };
    found["peak_mb"] = json!(status("VmHWM"));
    found["cpu_seconds"] = json!(ticks() as f64 * TICK);
    found["version"] = json!(peers::version());
    println!("{found}");
}

impl Settings {
    fn span(&self) -> Duration {
        Duration::from_millis(self.number("milliseconds").unwrap_or(3_000))
    }

    fn batch(&self) -> Option<usize> {
        self.number("batch").filter(|batch| *batch > 0)
    }

    fn model(&self) -> TextEmbedding {
        let onnx = if self.text("precision") == "int8" { "model_int8.onnx" } else { "model.onnx" };
        peers::open(self.text("model"), onnx, self.number("threads").filter(|threads| *threads > 0))
    }
}

/// Instances that are lent to one caller at a time.
struct Pool {
    free: Mutex<Vec<TextEmbedding>>,
    returned: Condvar,
}

impl Pool {
    fn open(settings: &Settings) -> Self {
        let instances = (0..settings.number::<usize>("instances").unwrap_or(1)).map(|_| settings.model());
        Self { free: Mutex::new(instances.collect()), returned: Condvar::new() }
    }

    fn embed(&self, texts: &[&str], batch: Option<usize>) -> Vec<Vec<f32>> {
        let free = self.free.lock().unwrap();
        let mut free = self.returned.wait_while(free, |free| free.is_empty()).unwrap();
        let mut model = free.pop().unwrap();
        drop(free);
        let embedded = model.embed(texts, batch).expect("fastembed embeds");
        self.free.lock().unwrap().push(model);
        self.returned.notify_one();
        embedded
    }

    fn question(&self, text: &str) -> Vec<f32> {
        self.embed(&[text], None).remove(0)
    }
}

fn alone(pool: &Pool, settings: &Settings) -> Value {
    let texts = settings.texts("texts");
    for text in texts.iter().take(5) {
        pool.question(text);
    }
    let (start, mut times) = (Instant::now(), vec![]);
    for text in texts.iter().cycle() {
        let asked = Instant::now();
        pool.question(text);
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        if start.elapsed() > settings.span() {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    json!({"p50_ms": times[times.len() / 2], "p95_ms": times[times.len() * 95 / 100], "calls": times.len()})
}

fn callers(pool: &Pool, settings: &Settings) -> Value {
    let texts = settings.texts("texts");
    let start = Instant::now();
    let caller = |n: usize| {
        let mut asked = 0;
        for text in texts.iter().cycle().skip(n) {
            pool.question(text);
            asked += 1;
            if start.elapsed() > settings.span() {
                break;
            }
        }
        asked
    };
    let asked: u64 = thread::scope(|scope| {
        let callers: Vec<_> =
            (0..settings.number::<usize>("callers").unwrap_or(8)).map(|n| scope.spawn(move || caller(n))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    json!({"per_second": asked as f64 / start.elapsed().as_secs_f64(), "calls": asked})
}

/// All texts in one call, or a share of them for each instance.
fn all(pool: &Pool, settings: &Settings) -> Value {
    let (texts, instances) = (settings.texts("texts"), settings.number::<usize>("instances").unwrap_or(1));
    let start = Instant::now();
    thread::scope(|scope| {
        // Every so many, so that the shares are alike.
        for n in 0..instances {
            let share: Vec<&str> = texts.iter().skip(n).step_by(instances).map(String::as_str).collect();
            scope.spawn(move || pool.embed(&share, settings.batch()));
        }
    });
    json!({"per_second": texts.len() as f64 / start.elapsed().as_secs_f64(), "count": texts.len()})
}

fn cold(pool: &Pool, settings: &Settings) -> Value {
    pool.question(&settings.texts("texts")[0]);
    json!({"rss_mb": status("VmRSS")})
}

/// The share of one core that is used in three seconds after some work.
fn idle(pool: &Pool, settings: &Settings) -> Value {
    for text in settings.texts("texts").iter().take(50) {
        pool.question(text);
    }
    let (before, start) = (ticks(), Instant::now());
    thread::sleep(Duration::from_secs(3));
    let used = (ticks() - before) as f64 * TICK;
    json!({"idle_percent": 100.0 * used / start.elapsed().as_secs_f64()})
}

fn same(pool: &Pool, settings: &Settings) -> Value {
    let texts = settings.texts("texts");
    let all: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = pool.embed(&all, settings.batch());
    let mut least = 1.0_f32;
    for (text, among) in texts.iter().zip(together) {
        let alone = pool.question(text);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        least = least.min(dot(&alone, &among) / (dot(&alone, &alone) * dot(&among, &among)).sqrt());
    }
    json!({"least_cosine": least})
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

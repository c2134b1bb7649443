//! What is measured of a whole process: memory over many texts, and what it uses when nobody asks.

use std::{fs, time::Duration};

use super::*;
use crate::support::{
    child::{self, Running, memory},
    wide::{MOST_TOKENS, widened},
};

const SOAK: &str = "embed::process::memory_stays_flat_over_texts_of_all_lengths";
const IDLE: &str = "embed::process::after_its_work_an_embedder_rests";
/// How many texts are embedded; `make soak` embeds a million.
const TEXTS: usize = 800;
/// How much memory may grow from a tenth of the texts to all of them, in MB.
const GROWTH_MB: f64 = 20.0;
/// How long nobody asks.
const REST: Duration = Duration::from_secs(4);
/// The share of one core that may be used then.
const IDLE_SHARE: f64 = 0.005;

/// The nth text, of 1 to 510 words of a token each: with the two special ones, up to 512 tokens.
fn text(n: usize) -> String {
    let words = ["order", "late", "food", "cold", "money", "back", "where"];
    (0..=n * 7_919 % 510).map(|at| words[(n + at) % words.len()]).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_flat_over_texts_of_all_lengths() {
    let Some(folder) = support::model_folder() else { return };
    if child::task(SOAK).is_none() {
        let seen: Vec<f64> = Running::start(SOAK, "now").finish().iter().map(|word| word.parse().unwrap()).collect();
        let &[tenth, half, all] = seen.as_slice() else { return eprintln!("skipped: no account of memory here") };
        println!("{tenth:.1} MB after a tenth of {TEXTS} texts, {half:.1} after half, {all:.1} after all");
        assert!(half < tenth + GROWTH_MB && all < tenth + GROWTH_MB, "{tenth} {half} {all}");
        return;
    }
    let folder = widened(&folder);
    let embedder = OnnxEmbedder::open_with(folder.path(), &options(Precision::Int8)).unwrap();
    let (mut done, mut longest) = (0, 0);
    for stop in [TEXTS / 10, TEXTS / 2, TEXTS] {
        while done < stop {
            let batch: Vec<String> = (done..stop.min(done + 50)).map(text).collect();
            done += batch.len();
            let embedded = embedder.embed(Role::Passage, batch).await.unwrap();
            assert!(embedded.iter().all(|embedding| !embedding.truncated));
            longest = embedded.iter().map(|embedding| embedding.tokens).fold(longest, usize::max);
        }
        if let Some(memory) = memory("VmRSS") {
            child::say(&memory.to_string());
        }
    }
    assert_eq!(u64::try_from(longest).unwrap(), MOST_TOKENS);
}

/// How long this process's threads have run, in seconds: the first field of each one's `schedstat`, which counts in
/// nanoseconds, where `stat` counts in hundredths of a second.
fn cpu_seconds() -> Option<f64> {
    let threads = fs::read_dir("/proc/self/task").ok()?.flatten();
    let runs = |thread: fs::DirEntry| {
        let account = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        account.split_whitespace().next()?.parse::<f64>().ok()
    };
    Some(threads.filter_map(runs).sum::<f64>() / 1e9)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_work_an_embedder_rests() {
    let Some(embedder) = open(Precision::Int8) else { return };
    if child::task(IDLE).is_none() {
        drop(embedder);
        let words = Running::start(IDLE, "now").finish();
        let Some(share) = words.first() else { return eprintln!("skipped: no account of CPU time here") };
        println!("{share} of a core");
        assert!(share.parse::<f64>().unwrap() < IDLE_SHARE, "{share} of a core");
        return;
    }
    // Both ways of working: a question alone on all cores, and many texts on a core each.
    embedder.embed(Role::Query, vec![text(11)]).await.unwrap();
    embedder.embed(Role::Passage, (0..20).map(text).collect()).await.unwrap();
    embedder.embed(Role::Query, vec![text(12)]).await.unwrap();
    let Some(before) = cpu_seconds().filter(|seconds| *seconds > 0.0) else { return };
    tokio::time::sleep(REST).await;
    let used = cpu_seconds().unwrap() - before;
    child::say(&(used / REST.as_secs_f64()).to_string());
}

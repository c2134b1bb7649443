//! A process of its own that opens a store and works on it until it is killed: this test binary, started again.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use asktwice::{
    StoreError, VectorStore, VectorStoreWriter,
    search::{EdgeStore, Filter, PayloadKind},
};
use serde::{Deserialize, Serialize};

use super::{Dice, identity, options, point, written};

const TASK: &str = "ASKTWICE_TEST_EDGE_CHILD";
/// How many different passages the child writes.
pub const PASSAGES: u64 = 200;

/// What a child is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub folder: String,
    pub seed: u64,
    /// Versions are counted from here.
    pub version: u64,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// Everything, for ever.
    Work,
    /// Upserts without a reserve of disk space until something fails.
    Fill,
    /// Only open, and say how that went.
    Open,
}

/// One operation, announced before it is begun and again once it is acknowledged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Step {
    Upsert {
        ids: Vec<u64>,
        version: u64,
    },
    Delete {
        ids: Vec<u64>,
    },
    DeleteBucket {
        bucket: u64,
    },
    /// An index over a field that no passage has, so that each is new work until all are there.
    Index {
        field: u64,
    },
    Optimize,
    Compact,
}

/// What a child says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Word {
    Begun(Step),
    Done,
    Failed(String),
}

/// A started child; killed when dropped.
pub struct Running {
    pub process: Child,
    words: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(folder: &Path, seed: u64, version: u64, kind: Kind) -> Self {
        let task = Task { folder: folder.to_str().unwrap().to_owned(), seed, version, kind };
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "edge::child::child", "--nocapture", "--test-threads=1"])
            .env(TASK, serde_json::to_string(&task).unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let words = BufReader::new(process.stdout.take().unwrap());
        Self { process, words }
    }

    /// The next word; `None` once the child is dead. The test harness prints lines of its own.
    pub fn next(&mut self) -> Option<Word> {
        loop {
            let mut line = String::new();
            if self.words.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
                return None;
            }
            if let Some((_, word)) = line.split_once("@@") {
                return Some(serde_json::from_str(word).unwrap());
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(word: &Word) {
    let line = format!("@@{}\n", serde_json::to_string(word).unwrap());
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

/// Not a test: the child's side. Without its task it returns at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let task: Task = serde_json::from_str(&task).unwrap();
    // A low threshold, so that optimizing has something to do: merge, and build the approximate index.
    let options = if task.kind == Kind::Fill { options().with_reserve(0) } else { options().with_index_above(1) };
    let store = match EdgeStore::open_with(&task.folder, options) {
        Ok(store) => store,
        Err(error) => return say(&Word::Failed(error.to_string())),
    };
    if task.kind == Kind::Open {
        return say(&Word::Done);
    }
    store.prepare(&identity()).await.unwrap();
    let reader = tokio::spawn(read_always(store.clone()));
    let mut dice = Dice(task.seed * 2 + 1);
    for version in task.version.. {
        let step = if task.kind == Kind::Fill { fill(version) } else { roll(&mut dice, version, task.seed) };
        say(&Word::Begun(step.clone()));
        match apply(&store, &step).await {
            Ok(()) => say(&Word::Done),
            Err(error) => {
                say(&Word::Failed(error.to_string()));
                break;
            }
        }
    }
    reader.abort();
}

/// Searches that run beside the writes; they must neither fail nor stop them.
async fn read_always(store: EdgeStore) {
    loop {
        store.search(super::search(super::vector(1, 1), 10)).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

fn fill(version: u64) -> Step {
    Step::Upsert { ids: (version * 400..version * 400 + 400).collect(), version }
}

/// By its seed a child does everything, mostly the slow step that it is about, or, for one child in four, nothing so slow
/// that nearly every kill would hit it.
fn roll(dice: &mut Dice, version: u64, seed: u64) -> Step {
    match (seed % 4, version % 3) {
        (1, 0) => return Step::Optimize,
        (3, 0) => return Step::Compact,
        _ => {}
    }
    let small = seed.is_multiple_of(4);
    let mut some = |most: u64| {
        let mut ids: Vec<_> = (0..=dice.below(most)).map(|_| dice.below(PASSAGES)).collect();
        ids.sort_unstable();
        ids.dedup();
        (ids, dice.below(if small { 84 } else { 100 }))
    };
    let (ids, chance) = some(40);
    match chance {
        0..60 => Step::Upsert { ids, version },
        60..80 => Step::Delete { ids },
        80..82 => Step::DeleteBucket { bucket: ids[0] % 7 },
        82..84 => Step::Index { field: ids[0] % 10 },
        84..96 => Step::Optimize,
        _ => Step::Compact,
    }
}

pub async fn apply(store: &EdgeStore, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::Upsert { ids, version } => store.upsert(written(ids.iter().copied(), *version)).await,
        Step::Delete { ids } => store.delete(&ids.iter().copied().map(point).collect::<Vec<_>>()).await,
        Step::DeleteBucket { bucket } => store.delete_matching(&Filter::equals("bucket", *bucket)).await,
        Step::Index { field } => store.index_payload(&format!("field{field}"), PayloadKind::Keyword).await,
        Step::Optimize => store.optimize().await,
        Step::Compact => store.compact().await,
    }
}

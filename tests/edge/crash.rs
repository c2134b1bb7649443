//! More than a hundred times `kill -9`, in the same folder, so that damage would add up.

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use asktwice::{
    VectorStore, VectorStoreWriter,
    search::{EdgeStore, Search, SearchParams},
};

use super::{
    Dice,
    child::{Kind, PASSAGES, Running, Step, Word},
    open, point, search, vector, versions, words, written,
};

/// Rounds; in a third of them two children are killed.
const ROUNDS: u64 = 100;

/// What must be stored: per passage, the version that was acknowledged last.
type Model = Vec<Option<u64>>;

fn change(model: &mut Model, step: &Step) {
    match step {
        Step::Upsert { ids, version } => ids.iter().for_each(|id| model[*id as usize] = Some(*version)),
        Step::Delete { ids } => ids.iter().for_each(|id| model[*id as usize] = None),
        Step::DeleteBucket { bucket } => {
            (0..PASSAGES).filter(|id| id % 7 == *bucket).for_each(|id| model[id as usize] = None);
        }
        Step::Index { .. } | Step::Optimize | Step::Compact => {}
    }
}

fn changed(mut model: Model, step: &Step) -> Model {
    change(&mut model, step);
    model
}

/// When a child is killed.
#[derive(Debug, Clone, Copy)]
enum Kill {
    /// This long after its first acknowledgement.
    AtWork(Duration),
    /// This long after its start: while it opens the folder and finishes what the last one left, or soon after.
    FromStart(Duration),
}

/// What a killed child leaves behind.
struct Death {
    /// The step that it had begun and not finished.
    cut_off: Option<Step>,
    /// How many steps it finished.
    done: u64,
    /// From its start to its first word; `None` if it had no time to say one.
    opening: Option<Duration>,
}

/// Runs a child and kills it. `models` are the states that the store may be in, before and after.
fn work_and_die(folder: &Path, seed: u64, kill: Kill, models: &mut Vec<Model>) -> Death {
    let started = Instant::now();
    let mut child = Running::start(folder, seed, seed * 1_000_000, Kind::Work);
    let pid = child.process.id();
    let kill_after = |delay: Duration| {
        thread::spawn(move || {
            thread::sleep(delay);
            // By its id, while the parent still holds the child: the id cannot belong to anyone else.
            std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        })
    };
    let mut death = Death { cut_off: None, done: 0, opening: None };
    let mut killer = match kill {
        Kill::FromStart(delay) => Some(kill_after(delay)),
        Kill::AtWork(_) => None,
    };
    while let Some(word) = child.next() {
        death.opening.get_or_insert_with(|| started.elapsed());
        match word {
            Word::Begun(step) => death.cut_off = Some(step),
            Word::Done => {
                let step = death.cut_off.take().expect("an acknowledgement of nothing");
                for model in models.iter_mut() {
                    change(model, &step);
                }
                death.done += 1;
            }
            Word::Failed(error) => panic!("seed {seed}: the child failed: {error}"),
        }
        if let (Kill::AtWork(delay), None, 1) = (kill, &killer, death.done) {
            killer = Some(kill_after(delay));
        }
    }
    killer.unwrap_or_else(|| panic!("seed {seed}: the child died before its first word")).join().unwrap();
    let status = child.process.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "seed {seed}: the child ended by itself: {status}");
    if let Some(step) = &death.cut_off {
        let whole: Vec<_> = models.iter().cloned().map(|model| changed(model, step)).collect();
        models.extend(whole);
    }
    death
}

/// Everything acknowledged is there; each step that was cut off is there whole or not at all. Returns what is there.
async fn verify(store: &EdgeStore, round: u64, models: &[Model]) -> Model {
    let found = versions(store, 0..PASSAGES).await;
    assert!(models.contains(&found), "round {round}: possible {models:?}\nfound {found:?}");
    let present = found.iter().flatten().count() as u64;
    assert_eq!(store.info().await.unwrap().unwrap().passages, present, "round {round}: phantoms");
    for (id, version) in found.iter().enumerate().filter_map(|(id, version)| Some((id as u64, (*version)?))) {
        // Where the children have built the approximate index, deletions cut holes into it.
        let exactly = search(vector(id, version), 1).with_params(SearchParams::exact());
        let best = store.search(exactly).await.unwrap();
        let best = best.entries()[0];
        assert!(
            best.id == point(id) && best.score > 0.999,
            "round {round}: passage {id}, version {version}, has another vector"
        );
        let best = store.search(Search::bm25(words(id, version), 1)).await.unwrap();
        assert_eq!(best.entries()[0].id, point(id), "round {round}: passage {id}, version {version}, has other words");
    }
    found
}

/// A folder in memory where there is one: what a killed process wrote is in the kernel's hands either way, and the
/// disk's fsync would leave time for one step per kill.
fn memory_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_in_a_hundred_kills() {
    let folder = memory_folder();
    let mut model: Model = vec![None; PASSAGES as usize];
    let (started, mut steps, mut cuts) = (Instant::now(), 0, BTreeMap::new());
    let (mut opening, mut unopened, mut seed) = (Duration::ZERO, 0, 0);
    for round in 0..ROUNDS {
        let mut dice = Dice(round * 7919 + 1);
        let mut kills = vec![Kill::AtWork(Duration::from_millis(dice.below(300)))];
        if round % 3 == 2 {
            // On the folder as the first left it: this one is to die while it mends that.
            kills.push(Kill::FromStart(opening.mul_f64(0.2 + dice.below(100) as f64 / 100.0)));
        }
        let mut models = vec![model];
        for kill in kills {
            seed += 1;
            let death = work_and_die(folder.path(), seed, kill, &mut models);
            steps += death.done;
            match (kill, death.opening) {
                (Kill::AtWork(_), Some(took)) => opening = took,
                (Kill::FromStart(_), None) => unopened += 1,
                _ => {}
            }
            let name = death.cut_off.as_ref().map_or("none".into(), |step| format!("{step:?}"));
            *cuts.entry(name.split(' ').next().unwrap().to_owned()).or_insert(0) += 1;
        }
        let store = open(folder.path());
        model = verify(&store, round, &models).await;
        // Were the numbering of writes broken, this one would be skipped without a word.
        let version = seed * 1_000_000 + 500_000;
        let ids: Vec<_> = (0..PASSAGES).filter(|id| (id + round).is_multiple_of(3)).collect();
        store.upsert(written(ids.iter().copied(), version)).await.unwrap();
        change(&mut model, &Step::Upsert { ids, version });
        model = verify(&store, round, &[model]).await;
    }
    let took = started.elapsed().as_millis();
    println!(
        "{seed} kills, {unopened} of them while opening, {steps} acknowledged steps, cut off: {cuts:?}, {took} ms"
    );
    for step in ["Upsert", "Optimize", "Compact"] {
        assert!(cuts.contains_key(step), "no kill hit {step}: {cuts:?}");
    }
    assert!(unopened > 0, "no kill hit the opening");
}

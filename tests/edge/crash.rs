//! A hundred times `kill -9`, in the same folder, so that damage would add up.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use asktwice::{VectorStore, VectorStoreWriter, search::EdgeStore};

use super::{
    Dice,
    child::{Kind, PASSAGES, Running, Step, Word},
    open, point, search, vector, versions, written,
};

const KILLS: u64 = 100;

/// What must be stored: per passage, the version that was acknowledged last.
type Model = Vec<Option<u64>>;

fn change(model: &mut Model, step: &Step) {
    match step {
        Step::Upsert { ids, version } => ids.iter().for_each(|id| model[*id as usize] = Some(*version)),
        Step::Delete { ids } => ids.iter().for_each(|id| model[*id as usize] = None),
        Step::DeleteBucket { bucket } => {
            (0..PASSAGES).filter(|id| id % 7 == *bucket).for_each(|id| model[id as usize] = None);
        }
        Step::Optimize | Step::Compact => {}
    }
}

/// Runs a child and kills it; returns what it had begun and not finished, and how many steps it finished.
fn work_and_die(folder: &Path, round: u64, model: &mut Model) -> (Option<Step>, u64) {
    let mut child = Running::start(folder, round + 1, (round + 1) * 1_000_000, Kind::Work);
    let (mut open_step, mut done) = (None, 0);
    let mut hear = |word: Word, model: &mut Model| match word {
        Word::Begun(step) => open_step = Some(step),
        Word::Done => {
            change(model, &open_step.take().expect("an acknowledgement of nothing"));
            done += 1;
        }
        Word::Failed(error) => panic!("round {round}: the child failed: {error}"),
    };
    for _ in ["begun", "done"] {
        hear(child.next().unwrap_or_else(|| panic!("round {round}: the child died before its first word")), model);
    }
    let pid = child.process.id();
    let delay = Duration::from_millis(Dice(round * 7919 + 1).below(300));
    let killer = thread::spawn(move || {
        thread::sleep(delay);
        // By its id, while the parent still holds the child: the id cannot belong to anyone else.
        std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    });
    while let Some(word) = child.next() {
        hear(word, model);
    }
    killer.join().unwrap();
    let status = child.process.wait().unwrap();
    assert!(!status.success(), "round {round}: the child ended by itself: {status}");
    (open_step, done)
}

/// Everything acknowledged is there; the step that was cut off is there whole or not at all.
async fn verify(store: &EdgeStore, round: u64, model: &mut Model, cut_off: Option<&Step>) {
    let mut after = model.clone();
    if let Some(step) = cut_off {
        change(&mut after, step);
    }
    let found = versions(store, 0..PASSAGES).await;
    assert!(
        found == *model || found == after,
        "round {round}: acknowledged {model:?}\ncut off {cut_off:?}\nfound {found:?}"
    );
    let present = found.iter().flatten().count() as u64;
    assert_eq!(store.info().await.unwrap().unwrap().passages, present, "round {round}: phantoms after {cut_off:?}");
    for (id, version) in found.iter().enumerate().filter_map(|(id, version)| Some((id as u64, (*version)?))) {
        let best = store.search(search(vector(id, version), 1)).await.unwrap();
        let best = best.entries()[0];
        assert!(
            best.id == point(id) && best.score > 0.999,
            "round {round}: passage {id}, version {version}, has another vector; cut off {cut_off:?}"
        );
    }
    *model = found;
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
    let (started, mut steps, mut cuts) = (Instant::now(), 0, std::collections::BTreeMap::new());
    for round in 0..KILLS {
        let (cut_off, done) = work_and_die(folder.path(), round, &mut model);
        steps += done;
        let name = cut_off.as_ref().map_or("none".into(), |step| format!("{step:?}"));
        *cuts.entry(name.split(' ').next().unwrap().to_owned()).or_insert(0) += 1;

        let store = open(folder.path());
        verify(&store, round, &mut model, cut_off.as_ref()).await;
        // Were the numbering of writes broken, this one would be skipped without a word.
        let version = (round + 1) * 1_000_000 + 500_000;
        let ids: Vec<_> = (0..PASSAGES).filter(|id| (id + round).is_multiple_of(3)).collect();
        store.upsert(written(ids.iter().copied(), version)).await.unwrap();
        change(&mut model, &Step::Upsert { ids, version });
        verify(&store, round, &mut model, None).await;
    }
    let took = started.elapsed();
    println!("{KILLS} kills, {steps} acknowledged steps, cut off: {cuts:?}, {} ms", took.as_millis());
    assert!(took < Duration::from_secs(90), "{took:?}");
}

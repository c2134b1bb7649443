//! Whatever a language model's endpoint does: the caller gets exactly the plain question's hits, in time, and is told.
//!
//! The numbers are those of the project's list of faults. Each is made with real sockets and goes through the library's
//! `Retriever`. `ASKTWICE_FAULT_REPETITIONS` says how often (`make faults`: 100, one after another, so that the printed
//! times are good); 3 times otherwise, side by side.

mod cases;
mod clock;
mod network;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use asktwice::{
    Degradation, Embedder, Outcome, Passage, RetrieveOptions, Retriever, Rewriter, VectorStoreWriter,
    rewrite::LlmRewriter, search::MemoryStore,
};

use crate::support::embedder::{HashEmbedder, vector};

const QUESTION: &str = "Where is bread baked?";
/// How long the rewrite may hold up the answer where nothing stalls: not reached, however busy the machine.
const PATIENT: Duration = Duration::from_secs(20);
/// How long where something does.
const STALLED: Duration = Duration::from_millis(250);
/// How much longer than it may an answer takes at most, on a machine that runs other tests, too.
const MARGIN: Duration = Duration::from_secs(5);

/// What is to come of a fault.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// The plain question's hits, and one of these words as the reason.
    Plain(&'static [&'static str]),
    /// The rewrite is used: the fault is healed.
    Healed(&'static str),
}

/// A fault, ready to be met once.
struct Case {
    rewriter: Arc<dyn Rewriter>,
    /// How long the rewrite may hold up the answer.
    budget: Duration,
    /// How often the endpoint was asked, if that is known.
    requests: Box<dyn Fn() -> usize + Send + Sync>,
    /// How often it may be.
    most_requests: usize,
    /// What lives as long as the case.
    _kept: Box<dyn std::any::Any + Send + Sync>,
}

impl Case {
    /// A fault that shows at once, of which nobody counts the requests.
    fn new(rewriter: LlmRewriter, kept: impl std::any::Any + Send + Sync) -> Self {
        Self {
            rewriter: Arc::new(rewriter.with_timeout(PATIENT)),
            budget: PATIENT,
            requests: Box::new(|| 0),
            most_requests: 0,
            _kept: Box::new(kept),
        }
    }

    /// One that stalls.
    fn stalling(self) -> Self {
        Self { budget: STALLED, ..self }
    }
}

/// The store of a few passages, and what the plain question finds there.
struct Ground {
    store: Arc<MemoryStore>,
    plain: Vec<asktwice::Hit>,
}

impl Ground {
    async fn new() -> Self {
        let embedder = HashEmbedder::new();
        let store = MemoryStore::new();
        store.prepare(embedder.identity()).await.unwrap();
        let texts = [
            "bread is baked in an oven",
            "yeast makes bread rise",
            "a bakery sells bread and rolls",
            "the oven was cold",
            "where the wild things are",
            "a rewritten question about yeast",
        ];
        let passages =
            texts.iter().enumerate().map(|(n, text)| (Passage::new(n.to_string(), *text), vector(text).into()));
        store.upsert(passages.collect()).await.unwrap();
        let store = Arc::new(store);
        let plain = Retriever::new(embedder, Arc::clone(&store)).retrieve(QUESTION).await.unwrap();
        assert!(
            matches!(plain.outcome, Outcome::AskedOnly { .. }) && plain.degradations.is_empty() && plain.hits.len() > 3
        );
        Self { store, plain: plain.hits }
    }

    /// Meets a fault once; returns how long the answer took.
    async fn meet(&self, name: &str, expected: Expected, case: &Case) -> Duration {
        let retriever = Retriever::new(HashEmbedder::new(), Arc::clone(&self.store))
            .with_rewriter(Arc::clone(&case.rewriter))
            .with_rewrite_deadline(case.budget);
        let started = Instant::now();
        let found = retriever.retrieve_with(QUESTION, &RetrieveOptions::default()).await.unwrap();
        let took = started.elapsed();
        assert!(took < case.budget + MARGIN, "{name} took {took:?}");
        match expected {
            Expected::Plain(words) => {
                assert_eq!(found.hits, self.plain, "{name}: other hits than the plain question's");
                assert!(matches!(found.outcome, Outcome::AskedOnly { .. }), "{name}: {:?}", found.outcome);
                let [Degradation::Rewrite(error)] = &found.degradations[..] else {
                    panic!("{name}: {:?}", found.degradations)
                };
                assert!(words.contains(&error.word()), "{name}: {} ({error})", error.word());
            }
            Expected::Healed(text) => {
                assert!(found.degradations.is_empty(), "{name}: {:?}", found.degradations);
                assert!(matches!(found.outcome, Outcome::Full), "{name}: {:?}", found.outcome);
                assert_eq!(found.variants[1].text(), text, "{name}");
            }
        }
        let told = serde_json::to_string(&found).unwrap();
        assert!(!told.contains("hunter2"), "{name} shows the key");
        assert!((case.requests)() <= case.most_requests, "{name}: {} requests", (case.requests)());
        took
    }
}

/// One row of the table: a fault, how often it was met, and how long its answers took.
struct Row {
    number: &'static str,
    name: &'static str,
    expected: Expected,
    took: Vec<Duration>,
}

impl Row {
    fn print(&mut self) {
        self.took.sort_unstable();
        let milliseconds = |at: usize| self.took[at].as_secs_f64() * 1e3;
        let (middle, last) = (milliseconds(self.took.len() / 2), milliseconds(self.took.len() - 1));
        let expected = match self.expected {
            Expected::Plain(words) => format!("the plain hits, {}", words.join(" or ")),
            Expected::Healed(_) => "healed".to_owned(),
        };
        let (number, name) = (self.number, self.name);
        println!("{number:>3}  {name:<44} {expected:<38} {middle:>8.1} {last:>8.1} {:>5}", self.took.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_fault_of_an_endpoint_costs_a_hit() {
    let repetitions: usize = match std::env::var("ASKTWICE_FAULT_REPETITIONS") {
        Ok(text) => text.parse().expect("ASKTWICE_FAULT_REPETITIONS is a number"),
        Err(_) => 3,
    };
    let ground = Arc::new(Ground::new().await);
    println!(
        "  #  fault                                        what comes of it                         p50 ms   max ms times"
    );
    let meet = async |fault: cases::Fault| {
        let (number, name, expected) = (fault.number, fault.name, fault.expected);
        let mut took = vec![];
        for _ in 0..repetitions {
            let case = (fault.make)().await;
            took.push(ground.meet(name, expected, &case).await);
        }
        Row { number, name, expected, took }
    };
    let mut rows = vec![];
    if repetitions > 10 {
        for fault in cases::all() {
            rows.push(meet(fault).await);
        }
    } else {
        rows = futures::future::join_all(cases::all().into_iter().map(meet)).await;
    }
    rows.iter_mut().for_each(Row::print);
}

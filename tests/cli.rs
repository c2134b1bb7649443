//! The program as a user runs it: commands typed, output read, mistakes made. Needs what `make setup` installs; says so
//! and skips where it is absent.

mod collections;

use std::{
    fs,
    io::Write as _,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    self,
    front::Front,
    llm_server::{Answer, LlmServer},
    root,
};

/// A folder to work in, as a user would who has run `make setup` elsewhere.
struct Home {
    folder: tempfile::TempDir,
    model: String,
}

impl Home {
    fn new() -> Option<Self> {
        let model = support::model_folder()?.display().to_string();
        Some(Self { folder: tempfile::tempdir().unwrap(), model })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        let mut command = support::asktwice();
        command
            .current_dir(self.path())
            .env("ASKTWICE__EMBED__MODEL", &self.model)
            .env("ASKTWICE__EMBED__LIBRARY", support::library());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command().args(arguments).output().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let file = self.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    /// Three help articles, indexed.
    fn with_articles() -> Option<Self> {
        let home = Self::new()?;
        home.write("articles.jsonl", ARTICLES);
        let said = home.run(&["index", "articles.jsonl"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        Some(home)
    }
}

const ARTICLES: &str = r#"{"_id": "late", "title": "Your order is late", "text": "Follow the courier on the map.", "topic": "delivery"}
{"_id": "missing", "title": "Something is missing", "text": "Report missing items within 48 hours to be refunded.", "topic": "refunds"}
{"_id": "twice", "title": "Charged twice", "text": "A second payment that is pending disappears by itself.", "topic": "refunds"}
"#;

/// What a command said.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    /// Asserts that it failed with this code and said all of these.
    fn failed(&self, code: i32, named: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for name in named {
            assert!(self.err.contains(name), "{name:?} is not in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}

fn ids(retrieval: &Value) -> Vec<&str> {
    retrieval["hits"].as_array().unwrap().iter().map(|hit| hit["passage"]["id"].as_str().unwrap()).collect()
}

#[test]
fn a_question_is_answered_and_every_hit_explains_itself() {
    let Some(home) = Home::with_articles() else { return };
    let said = home.run(&["ask", "half of my food was gone"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("Something is missing  [missing]"), "{}", said.out);
    assert!(said.out.contains("asked dense #1"), "{}", said.out);

    let retrieval = home.run(&["ask", "half of my food was gone", "--json", "--limit", "2"]).json();
    assert_eq!(retrieval["outcome"]["kind"], "asked_only");
    assert_eq!(retrieval["degradations"], json!([]));
    assert_eq!(ids(&retrieval).len(), 2);
    let hit = &retrieval["hits"][0];
    assert_eq!(hit["passage"]["payload"]["topic"], "refunds");
    assert_eq!(hit["found_by"][0]["rank"], 1);
    assert!(hit["found_by"][0]["score"].as_f64().unwrap() > 0.2);
    let mut steps: Vec<_> =
        retrieval["timings"].as_array().unwrap().iter().map(|t| t["step"].as_str().unwrap()).collect();
    steps.sort_unstable();
    assert_eq!(steps, ["embed", "fetch", "fuse", "search", "search"], "both channels are searched");
}

#[test]
fn filters_fusions_and_limits_are_obeyed() {
    let Some(home) = Home::with_articles() else { return };
    let filter = r#"{"must_not": [{"key": "topic", "match": {"value": "refunds"}}]}"#;
    assert_eq!(ids(&home.run(&["ask", "money", "--json", "--filter", filter]).json()), ["late"]);
    assert_eq!(ids(&home.run(&["ask", "money", "--json", "--limit", "1"]).json()).len(), 1);
    for fusion in ["rrf", "rrf:2", "intersection", "intersection:strict"] {
        assert_eq!(ids(&home.run(&["ask", "money", "--json", "--fusion", fusion]).json()).len(), 3, "{fusion}");
    }
    home.run(&["ask", "money", "--filter", r#"{"must": [{"key": "topic"}]}"#]).failed(2, &["filter", "match, range"]);
    home.run(&["ask", "money", "--fusion", "bordeaux"]).failed(2, &["bordeaux", "rrf:K"]);
    home.run(&["ask", "money", "--limit", "0"]).failed(2, &["limit"]);
}

#[test]
fn recorded_rewrites_are_searched_beside_the_question() {
    let Some(home) = Home::with_articles() else { return };
    home.write("rewrites.jsonl", r#"{"question": "got done 2x", "rewrites": ["Why was I charged twice?"]}"#);
    let recorded = ["--set", "rewrite.recorded_file=rewrites.jsonl", "--json"];
    let retrieval = home.run(&[&["ask", "got done 2x"], &recorded[..]].concat()).json();
    assert_eq!(retrieval["outcome"]["kind"], "full", "{retrieval}");
    assert_eq!(retrieval["variants"][1]["text"], "Why was I charged twice?");
    assert_eq!(ids(&retrieval)[0], "twice");
    assert!(retrieval["hits"][0]["found_by"].as_array().unwrap().len() >= 2);

    let plain = home.run(&[&["ask", "got done 2x", "--no-rewrite"], &recorded[..]].concat()).json();
    assert_eq!(plain["outcome"]["kind"], "asked_only");
    // A question that was not recorded is a degradation, and so is a rewrite that comes too late.
    let unknown = home.run(&[&["ask", "where is it"], &recorded[..]].concat()).json();
    assert_eq!(
        (&unknown["outcome"]["kind"], unknown["degradations"].as_array().unwrap().len()),
        (&json!("asked_only"), 1)
    );
    let slow = ["--set", "rewrite.recorded_latency_ms=5000", "--set", "rewrite.deadline_ms=100"];
    let late = home.run(&[&["ask", "got done 2x"], &recorded[..], &slow[..]].concat()).json();
    assert!(late["degradations"][0]["message"].as_str().unwrap().contains("within 100 ms"), "{late}");
    assert_eq!(ids(&late), ids(&plain));
}

#[test]
fn a_reader_that_has_heard_enough_is_no_error() {
    let Some(home) = Home::with_articles() else { return };
    let mut child =
        home.command().args(["ask", "money"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_question_may_begin_with_a_dash() {
    let Some(home) = Home::with_articles() else { return };
    assert_eq!(home.run(&["ask", "-50% voucher", "--json"]).json()["variants"][0]["text"], "-50% voucher");
}

#[test]
fn a_checkpoint_that_cannot_be_used_is_not_imported() {
    let Some(home) = Home::new() else { return };
    for file in ["config.json", "tokenizer.json"] {
        home.write(&format!("bert/{file}"), fs::read(Path::new(&home.model).join(file)).unwrap());
    }
    home.run(&["import-model", "bert", "made"]).failed(3, &["model.safetensors"]);
    home.write("bert/model.safetensors", "nonsense");
    home.run(&["import-model", "bert", "made"]).failed(3, &["model.safetensors"]);
    home.write(
        "bert/config.json",
        r#"{"model_type": "xlm-roberta", "hidden_size": 4, "num_hidden_layers": 1,
        "num_attention_heads": 1, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}"#,
    );
    home.run(&["import-model", "bert", "made"]).failed(3, &["model_type", "xlm-roberta"]);
    assert!(!home.path().join("made").exists());
}

#[test]
fn bad_questions_are_refused_in_words() {
    let Some(home) = Home::with_articles() else { return };
    home.run(&["ask", ""]).failed(2, &["question", "empty"]);
    home.run(&["ask", " \u{200b} "]).failed(2, &["empty"]);
    let invalid = home.command().arg("ask").arg(std::ffi::OsStr::from_bytes(b"caf\xe9")).output().unwrap();
    Said::of(&invalid).failed(2, &["UTF-8"]);
    for (input, named) in [(vec![b'x'; 1 << 20], "8192"), (b"caf\xe9".to_vec(), "UTF-8")] {
        let mut child = home
            .command()
            .args(["ask", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The program reads no more than it needs, so the rest of the pipe may break.
        let _ = child.stdin.take().unwrap().write_all(&input);
        Said::of(&child.wait_with_output().unwrap()).failed(2, &[named]);
    }
}

#[test]
fn broken_input_is_named_and_the_rest_is_indexed() {
    let Some(home) = Home::new() else { return };
    home.write("notes.jsonl", "{\"_id\": \"a\", \"text\": \"one\"}\n{broken\n{\"_id\": \"b\", \"text\": \"two\"}\n");
    home.write("latin.txt", b"caf\xe9");
    let said = home.run(&["index", "notes.jsonl", "latin.txt"]);
    said.failed(1, &["notes.jsonl:2", "latin.txt", "2 passages indexed", "2 problems"]);
    home.run(&["index", "nowhere"]).failed(2, &["nowhere"]);
    let again = home.run(&["index", "notes.jsonl"]);
    again.failed(1, &["0 passages indexed", "2 unchanged"]);
}

#[test]
fn markdown_folders_are_cut_into_passages_and_a_second_run_skips() {
    let Some(home) = Home::new() else { return };
    home.write("docs/guide.md", format!("# Guide\n\n{}", "All about refunds and how they work.\n\n".repeat(100)));
    home.write("docs/deep/note.txt", "Couriers wait for ten minutes.");
    let report = home.run(&["index", "docs", "--json"]).json();
    assert_eq!((&report["documents"], &report["truncated"]), (&json!(2), &json!(0)), "{report}");
    assert!(report["indexed"].as_u64().unwrap() > 4, "{report}");
    let again = home.run(&["index", "docs", "--json"]).json();
    assert_eq!((&again["indexed"], &again["skipped"]), (&json!(0), &report["indexed"]));
    home.write("docs/guide.md", "# Guide\n\nShort now.");
    let shorter = home.run(&["index", "docs", "--json"]).json();
    assert_eq!(shorter["indexed"], 1, "{shorter}");
    assert!(shorter["deleted"].as_u64().unwrap() > 0, "{shorter}");
    let found = home.run(&["ask", "how long do couriers wait", "--json"]).json();
    assert_eq!(found["hits"][0]["passage"]["document_id"], "docs/deep/note.txt");
}

#[test]
fn set_up_mistakes_are_named_with_their_remedy() {
    let Some(home) = Home::new() else { return };
    home.run(&["ask", "anything"]).failed(3, &["asktwice index"]);
    home.run(&["ask", "x", "--set", "embed.model=nowhere"]).failed(3, &["nowhere", "make setup"]);
    home.run(&["ask", "x", "--set", "embed.modle=x"]).failed(2, &["modle"]);
    home.run(&["ask", "x", "--model", "small"]).failed(2, &["rewrite.model", "rewrite.url"]);
    home.run(&["ask", "x", "--config", "missing.toml"]).failed(2, &["missing.toml"]);
    home.run(&["ask", "x", "--store", "ftp://somewhere"]).failed(3, &["http"]);
    home.run(&["ask", "x", "--store", "http://127.0.0.1:9"]).failed(4, &["127.0.0.1:9"]);
    home.write("asktwice.toml", "[search]\ndepth = 5\n");
    home.run(&["ask", "x"]).failed(2, &["search.depth", "search.limit"]);
}

#[test]
fn a_collection_of_another_model_is_refused() {
    let Some(home) = Home::with_articles() else { return };
    let other = home.path().join("other");
    fs::create_dir_all(other.join("1_Pooling")).unwrap();
    for file in ["config.json", "1_Pooling/config.json", "tokenizer.json", "model_int8.onnx"] {
        fs::copy(Path::new(&home.model).join(file), other.join(file)).unwrap();
    }
    let settings = ["--set", "embed.model=other"];
    home.run(&[&["index", "articles.jsonl"], &settings[..]].concat()).failed(3, &["another passage side", "weights"]);
    home.run(&[&["ask", "money"], &settings[..]].concat()).failed(3, &["another passage side", "weights"]);
}

#[test]
fn a_second_process_on_the_same_folder_is_told_so() {
    let Some(home) = Home::with_articles() else { return };
    let _held = asktwice::search::EdgeStore::open(home.path().join(".asktwice/data/passages")).unwrap();
    home.run(&["ask", "money"]).failed(4, &["in use by another process"]);
}

#[test]
fn ctrl_c_leaves_a_usable_index_and_the_same_command_goes_on() {
    let Some(home) = Home::new() else { return };
    let line = |n: usize| {
        format!("{}\n", json!({"_id": n.to_string(), "text": format!("Article {n} on late orders. ").repeat(20)}))
    };
    home.write("many.jsonl", (0..20_000).map(line).collect::<String>());
    let child = home
        .command()
        .args(["index", "many.jsonl", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first passages are stored: by now the program listens, and there is far more to come.
    let begun = home.path().join(".asktwice/data/passages/CURRENT");
    let patience = Instant::now();
    while !begun.exists() {
        assert!(patience.elapsed() < Duration::from_secs(60), "nothing was indexed");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let said = Said::of(&child.wait_with_output().unwrap());
    said.failed(130, &["interrupted", "goes on from here"]);
    let indexed = said.json()["indexed"].as_u64().unwrap();
    assert!(indexed < 20_000, "{indexed}");
    home.write("few.jsonl", (0..20).map(line).collect::<String>());
    let again = home.run(&["index", "few.jsonl", "--json"]).json();
    let done = again["indexed"].as_u64().unwrap() + again["skipped"].as_u64().unwrap();
    assert_eq!(done, 20);
    assert_eq!(home.run(&["ask", "late", "--json", "--limit", "5"]).json()["hits"].as_array().unwrap().len(), 5);
}

#[test]
fn the_doctor_names_what_is_wrong_and_goes_on() {
    let Some(home) = Home::with_articles() else { return };
    let well = home.run(&["doctor"]);
    assert_eq!(well.code, Some(0), "{well:?}");
    assert!(well.out.contains("dimension 384") && well.out.contains("3 passages"), "{}", well.out);
    let ill = home.run(&["doctor", "--llm", "http://127.0.0.1:9/v1", "--model", "m", "--set", "embed.model=nowhere"]);
    assert_eq!(ill.code, Some(3), "{ill:?}");
    let failed: Vec<_> = ill.out.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert_eq!(failed.len(), 2, "{}", ill.out);
    assert!(failed[0].contains("nowhere") && failed[1].contains("127.0.0.1:9"), "{}", ill.out);
}

#[test]
fn the_demo_runs_the_main_job_and_starts_at_once_the_second_time() {
    let Some(home) = Home::new() else { return };
    let first = home.run(&["demo"]);
    assert_eq!(first.code, Some(0), "{}", first.err);
    for shown in
        ["Indexed the help centre's 206 articles", "are replayed", "the rewrite alone", "fused", "✓", "the whole call"]
    {
        assert!(first.out.contains(shown), "{shown:?} is not in: {}", first.out);
    }
    let start = Instant::now();
    let second = home.run(&["demo"]);
    assert!(second.out.contains("are indexed already"), "{}", second.out);
    // Under a second on a machine at rest; tests share theirs.
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn eval_prints_the_promised_json_and_keeps_its_index() {
    let Some(home) = Home::new() else { return };
    let data = root().join("examples/help-centre");
    let rewrites = data.join("rewrites.jsonl").display().to_string();
    let data = data.display().to_string();
    let eval = ["eval", "--data", &data, "--rewrites", &rewrites, "--legs", "dense", "--json"];
    let evaluation = home.run(&eval).json();
    let runs = evaluation["runs"].as_array().unwrap();
    let names: Vec<_> = runs.iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["asked", "rewrite", "fused"]);
    for run in runs {
        assert_eq!((&run["configuration"], &run["questions"]), (&json!("default"), &json!(40)));
        for measure in ["ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100"] {
            assert!((0.0..=1.0).contains(&run[measure].as_f64().unwrap()), "{run}");
        }
        let delta = &run["delta_ndcg_at_10"];
        assert!(delta["low"].as_f64() <= delta["mean"].as_f64() && delta["mean"].as_f64() <= delta["high"].as_f64());
    }
    // The rewrites speak the help centre's language; if they did not help here, they would not be searched with.
    assert!(runs[1]["ndcg_at_10"].as_f64() > runs[0]["ndcg_at_10"].as_f64(), "{evaluation}");
    // What took how long differs; what was found does not.
    assert_eq!(home.run(&eval).json()["questions"], evaluation["questions"]);
    let parts = "half=fusion:min-max,weight:0.5,depth:50";
    let table = home.run(&["eval", "--data", &data, "--fusion", "rrf:10", "--configuration", parts, "--gate"]);
    assert!(table.out.contains("rrf:10") && table.out.contains("half"), "{}", table.out);
    home.run(&["eval", "--data", &data, "--configuration", "half=weight:2"]).failed(2, &["weight:2"]);
    home.run(&["eval"]).failed(2, &["--data", "--questions"]);
    home.run(&["eval", "--data", &data, "--precision", "fp16"]).failed(2, &["embed.precision", "auto, int8 or fp32"]);
    let report = home.run(&["eval", "--data", &data, "--rewrites", &rewrites, "--html", "report.html"]);
    assert!(report.err.contains("report.html"), "{}", report.err);
    let ablation = home.run(&["eval", "--data", &data, "--rewrites", &rewrites, "--ablation", "--fusion", "rrf"]);
    assert!(ablation.out.contains("adaptive"), "{}", ablation.out);
}

#[test]
fn eval_says_what_its_numbers_do_not() {
    let Some(home) = Home::new() else { return };
    home.write("data/corpus.jsonl", format!("{ARTICLES}{{\"_id\": \"broken\"}}\n"));
    home.write(
        "data/queries.jsonl",
        "{\"_id\": \"q\", \"text\": \"paid double\"}\n{\"_id\": \"r\", \"text\": \"where\"}\n",
    );
    home.write("data/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq\ttwice\t1\nr\tlate\t1\n");
    home.write("rewrites.jsonl", "{\"_id\": \"q\", \"rewrites\": [\"Why was I charged twice?\"]}\n");
    let said = home.run(&["eval", "--data", "data", "--rewrites", "rewrites.jsonl", "--json"]);
    said.failed(
        1,
        &["not indexed", "corpus.jsonl:4", "note: 1 questions have no usable rewrite", "note: the store holds 3"],
    );
    assert_eq!(said.json()["runs"][1]["questions"], 2);
    home.write("others.jsonl", "{\"_id\": \"x\", \"rewrites\": [\"Why was I charged twice?\"]}\n");
    home.run(&["eval", "--data", "data", "--rewrites", "others.jsonl"])
        .failed(2, &["others.jsonl", "the ids of the questions"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_language_model_is_asked_over_http_and_its_key_is_never_shown() {
    let Some(home) = Home::with_articles() else { return };
    let llm = LlmServer::start([Answer::saying("Why was I charged twice?")]).await;
    let run = move |home: Home, url: String| {
        let output = home
            .command()
            .env("ASKTWICE__REWRITE__API_KEY", "canary-key")
            .env("ASKTWICE_LOG", "trace")
            .args(["ask", "got done 2x", "--json", "--llm", &url, "--model", "small"])
            .output()
            .unwrap();
        (home, Said::of(&output))
    };
    let url = llm.base_url();
    let (home, said) = tokio::task::spawn_blocking({
        let url = url.clone();
        move || run(home, url)
    })
    .await
    .unwrap();
    let retrieval = said.json();
    assert_eq!(
        (&retrieval["outcome"]["kind"], &retrieval["variants"][1]["text"]),
        (&json!("full"), &json!("Why was I charged twice?"))
    );
    let request = llm.requests().remove(0).to_lowercase();
    assert!(request.contains("authorization: bearer canary-key") && request.contains("\"small\""), "{request}");
    assert!(request.contains("got done 2x"), "{request}");

    let llm = LlmServer::start([Answer::status(401, r#"{"error": {"message": "bad key canary-key"}}"#)]).await;
    let url = llm.base_url();
    let (_home, refused) = tokio::task::spawn_blocking(move || run(home, url)).await.unwrap();
    let degradation = refused.json()["degradations"][0]["message"].as_str().unwrap().to_owned();
    assert!(degradation.contains("401"), "{degradation}");
    for said in [&said, &refused] {
        assert!(!said.out.contains("canary-key") && !said.err.contains("canary-key"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_commands_work_through_qdrants_protocol() {
    let Some(home) = Home::new() else { return };
    let front = Front::start().await;
    let url = front.url.clone();
    let said = tokio::task::spawn_blocking(move || {
        home.write("articles.jsonl", ARTICLES);
        let indexed = home.run(&["index", "articles.jsonl", "--store", &url]);
        assert_eq!(indexed.code, Some(0), "{indexed:?}");
        assert!(home.run(&["doctor", "--store", &url]).out.contains("3 passages"));
        home.run(&["ask", "half of my food was gone", "--json", "--store", &url])
    });
    assert_eq!(ids(&said.await.unwrap().json())[0], "missing");
}

#[test]
fn the_program_its_library_and_the_model_are_small() {
    let Some(model) = support::model_folder() else { return };
    let files = [
        support::library(),
        model.join("model_int8.onnx"),
        model.join("tokenizer.json"),
        env!("CARGO_BIN_EXE_asktwice").into(),
    ];
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(bytes < 120_000_000, "{bytes} bytes");
}

/// The figures on SciFact take minutes: they are `make eval`. This is the part of it that needs no model.
#[test]
fn scifact_is_read() {
    let Some(data) = support::shared_data("scifact") else { return };
    let dataset = asktwice::evaluate::Dataset::open(&data, "test").unwrap();
    assert_eq!((dataset.questions.len(), dataset.documents.len()), (300, 5_183));
}

#[test]
fn quantisation_is_measured_recorded_and_not_changed_by_accident() {
    let Some(home) = Home::with_articles() else { return };
    home.write("questions.jsonl", "{\"question\": \"half of my food was gone\", \"answers\": [\"missing\"]}\n");
    let rows = home.run(&["eval", "--questions", "questions.jsonl", "--recall", "--json"]).json();
    let rows = rows.as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"].as_str().unwrap().starts_with(name)).unwrap();
    assert_eq!((&row("this collection (none)")["indexed"], &row("index (HNSW)")["indexed"]), (&json!(0), &json!(3)));
    let own = row("this collection (none)");
    assert!(own["memory_bytes"].as_u64() >= Some(3 * 384 * 4) && own["memory_is_estimated"] == false, "{own}");
    assert_eq!(row("every vector compared")["recall_at_10"], 1.0);
    assert_eq!(row("binary, rescored, of 3 × the depth")["recall_at_10"], 1.0);
    assert!(!home.path().join(".asktwice/eval").read_dir().unwrap().any(|entry| entry.is_ok()), "the copies are gone");

    let binary = ["--collection", "small", "--set", "store.quantization=binary"];
    assert_eq!(home.run(&[&["index", "articles.jsonl"], &binary[..]].concat()).code, Some(0));
    let said = home.run(&["doctor", "--collection", "small"]).out;
    assert!(said.contains("quantization binary; store.quantization is none"), "{said}");
    let asked = home.run(&["ask", "half of my food was gone", "--collection", "small", "--json"]).json();
    assert_eq!(ids(&asked)[0], "missing", "who only reads need not set it");
    home.run(&["index", "articles.jsonl", "--collection", "small"])
        .failed(3, &["store.quantization = \"binary\"", "now it is \"none\"", "new collection"]);
}

#[test]
fn a_calibration_is_used_where_it_was_made_and_refused_elsewhere() {
    let Some(home) = Home::with_articles() else { return };
    let asked = [
        ("Your order is late", "late"),
        ("follow the courier", "late"),
        ("courier on the map", "late"),
        ("report missing items", "missing"),
        ("refunded within 48 hours", "missing"),
        ("something is missing", "missing"),
        ("charged twice", "twice"),
        ("second payment pending", "twice"),
        ("weather", "twice"),
        ("bananas", "late"),
        ("football", "missing"),
        ("music", "twice"),
    ];
    let lines = asked.map(|(question, answer)| json!({"question": question, "answers": [answer]}).to_string());
    home.write("questions.jsonl", lines.join("\n"));
    let calibrate = ["calibrate", "--questions", "questions.jsonl"];
    let said = home.run(&calibrate);
    assert!(said.err.contains("calibration.json is written"), "{said:?}");
    home.write("r.jsonl", "{\"_id\": \"1\", \"rewrites\": [\"late order\"]}\n");
    home.run(&[&calibrate[..], &["--rewrites", "r.jsonl", "--rewrites", "r.jsonl"]].concat())
        .failed(2, &["--rewrites", "one"]);
    let ask = |flags: &[&str]| home.run(&[&["ask", "charged twice"], flags].concat());
    assert_eq!(ask(&["--json"]).json()["probability"], Value::Null);
    let sure = ["--set", "search.calibration=calibration.json"];
    let probability = ask(&[&sure[..], &["--json"]].concat()).json()["probability"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&probability), "{probability}");
    assert!(ask(&sure).out.contains("%, as calibrated"));
    ask(&[&sure[..], &["--set", "fuse.method=rrf"]].concat())
        .failed(2, &["search.calibration", "fusion:dbsf", "now it is fusion:rrf", "asktwice calibrate"]);
    ask(&["--set", "search.calibration=none.json"]).failed(2, &["search.calibration", "none.json"]);
}

#[test]
fn models_are_compared_on_ones_own_files_and_within_a_budget() {
    let Some(home) = Home::new() else { return };
    home.write("notes/late.md", "# Your order is late\n\nFollow the courier on the map.");
    home.write("notes/twice.md", "# Charged twice\n\nA second payment that is pending disappears by itself.");
    home.write("questions.jsonl", "{\"question\": \"where is my courier?\", \"answers\": [\"notes/late.md\"]}\n");
    let model = home.model.clone();
    let compare = ["compare-models", &model, "--questions", "questions.jsonl", "--documents", "notes"];
    let compared = home.run(&[&compare[..], &["--json"]].concat()).json();
    assert_eq!((&compared[0]["runs"][0]["ndcg_at_10"], &compared[0]["dimension"]), (&json!(1.0), &json!(384)));
    assert!(compared[0]["question_milliseconds"].as_f64().unwrap() > 0.0);
    let within = |most: &str| home.run(&[&compare[..], &["--most-ms", most]].concat()).out;
    assert!(within("100000").contains("best within the budget: "));
    assert!(within("0").contains("no model is within the budget"));
    home.run(&["compare-models", &model, "--questions", "questions.jsonl"]).failed(2, &["--documents"]);
    home.run(&["compare-models", &model]).failed(2, &["--data"]);
}

#[test]
fn help_lists_the_fusions() {
    for command in ["ask", "eval"] {
        let help = Said::of(&support::asktwice().args([command, "--help"]).output().unwrap()).out;
        let words: Vec<&str> = help.split_whitespace().collect();
        assert!(words.join(" ").contains("dbsf, convex, convex:A (A from 0 to 1), borda"), "{help}");
    }
}

//! `asktwice serve` as a process: settings, signals, and the folder that it holds. Needs what `make setup` installs.

mod command_line;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::ready;
use crate::support::{self, http::Request};

/// A folder with a sidecar in it.
pub(super) struct Home {
    folder: tempfile::TempDir,
    model: String,
}

impl Home {
    pub(super) fn new() -> Option<Self> {
        let model = support::model_folder()?.display().to_string();
        Some(Self { folder: tempfile::tempdir().unwrap(), model })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = support::asktwice();
        command
            .current_dir(self.path())
            .args(arguments)
            .env("ASKTWICE__EMBED__MODEL", &self.model)
            .env("ASKTWICE__EMBED__LIBRARY", support::library())
            .env("ASKTWICE__SERVER__ADMIN", "127.0.0.1:0");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(super) fn serve(&self, arguments: &[&str]) -> Served {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().and_then(|address| address.parse().ok());
        let Some(address) = address else {
            let mut error = String::new();
            child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            panic!("it does not serve: {line}{error}");
        };
        Served { child, address }
    }
}

pub(super) struct Served {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Served {
    pub(super) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &process]).status().unwrap().success());
    }

    /// Waits for its end; its exit code and what it logged.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_an_empty_folder_keeps_what_is_written_and_says_who_holds_it() {
    let Some(home) = Home::new() else { return };
    let served = home.serve(&[]);
    ready(served.address).await;
    let passages = json!({"passages": [{"id": "late", "text": "Your order is late: follow the courier on the map."}]});
    let written = Request::post("/v1/passages", &passages).send(served.address).await;
    assert_eq!(written.json()["indexed"], 1, "{}", written.text());
    let locked = home.run(&["ask", "where is my food?"]);
    assert_eq!(locked.status.code(), Some(4));
    let said = error(&locked);
    assert!(said.contains(&format!("http://{}", served.address)) && said.contains("--server"), "{said}");
    assert!(said.contains(&served.child.id().to_string()), "{said}");
    let doctor = home.run(&["doctor"]);
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.success() && found.contains("holds it"), "{found}");
    served.signal("TERM");
    let (code, log) = served.end();
    assert_eq!(code, Some(0), "{log}");
    let asked = home.run(&["ask", "--json", "where is my food?"]);
    let answer: Value = serde_json::from_slice(&asked.stdout).unwrap_or_else(|_| panic!("{}", error(&asked)));
    assert_eq!(answer["hits"][0]["passage"]["id"], "late");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_again_and_a_mistake_leaves_the_old_ones() {
    let Some(home) = Home::new() else { return };
    let write = |text: &str| fs::write(home.path().join("asktwice.toml"), text).unwrap();
    write("[search]\nlimit = 7\n[server]\nlog = \"json\"\n");
    let served = home.serve(&[]);
    let limit = async || Request::get("/v1/settings").send(served.address).await.json()["search"]["limit"].clone();
    let becomes = async |wanted: Value| {
        for _ in 0..200 {
            if limit().await == wanted {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        false
    };
    assert_eq!(limit().await, 7);
    write("[search]\nlimit = 8\n[server]\nlog = \"json\"\n");
    served.signal("HUP");
    assert!(becomes(json!(8)).await);
    for bad in ["[search]\nlimt = 9\n", "[search]\nlimit = 9\n[server]\nlog = \"text\"\n"] {
        write(bad);
        served.signal("HUP");
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(limit().await, 8);
    }
    served.signal("INT");
    let (code, log) = served.end();
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let problems: Vec<&str> = lines.iter().filter_map(|line| line["problem"].as_str()).collect();
    assert!(problems[0].contains("limt") && problems[1].contains("server.log changed"), "{problems:?}");
}

#[test]
fn what_is_careless_or_wrong_does_not_start() {
    let Some(home) = Home::new() else { return };
    let cases = [
        (vec!["--listen", "0.0.0.0:0"], "nobody needs a key"),
        (vec!["--listen", "nowhere"], "server.listen"),
        (vec!["--set", "server.limits.concurrent=0"], "server.limits.concurrent"),
        (vec!["--set", "server.tenants.ann.key=short"], "server.tenants.ann"),
        (vec!["--set", "server.listn=1"], "listn"),
    ];
    for (arguments, named) in cases {
        let output = home.run(&[&["serve"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains(named), "{arguments:?}: {}", error(&output));
    }
}

#[test]
fn settings_can_be_checked_and_are_shown_without_their_secrets() {
    let Some(home) = Home::new() else { return };
    fs::write(home.path().join("keys"), "canary-key-of-ann\n").unwrap();
    let mut command = home.command(&["serve", "--check", "--set", "server.tenants.ann.key_file=keys"]);
    command
        .env("ASKTWICE__STORE__API_KEY", "canary-key-of-store")
        .env("ASKTWICE__SERVER__TENANTS__BOB__KEY", "canary-key-of-bob");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("canary"), "{text}");
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&shown["server"]["tenants"]["bob"]["key"], &shown["search"]["limit"]), (&json!("***"), &json!(10)));
    let same = ["server.tenants.ann.key=the-same-key-twice", "server.tenants.bob.key=the-same-key-twice"];
    let cases: [(&[&str], &str); 7] = [
        (&["server.tenants.ann.key_file=nowhere"], "nowhere"),
        (&same, "server.tenants.bob.key"),
        (&[same[0], "server.tenants.ann.collections=help"], "server.tenants.ann.collections"),
        (&["embed.api_key_file=nowhere"], "embed.api_key_file"),
        (&["rerank.api_key_file=nowhere"], "rerank.api_key_file"),
        (&["client.key_file=nowhere"], "client.key_file"),
        (&["store.url=not a url"], "url"),
    ];
    for (settings, named) in cases {
        let flags = settings.iter().flat_map(|setting| ["--set", setting]).collect::<Vec<_>>();
        let refused = home.run(&[&["serve", "--check"], &flags[..]].concat());
        assert!(
            refused.status.code() != Some(0) && error(&refused).contains(named),
            "{settings:?}: {}",
            error(&refused)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let Some(home) = Home::new() else { return };
    let served = home.serve(&["--set", "server.drain.delay_ms=60000"]);
    served.signal("TERM");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(Request::get("/livez").send(served.address).await.status, 200);
    served.signal("TERM");
    let start = Instant::now();
    let (code, log) = served.end();
    assert!(start.elapsed() < Duration::from_secs(10) && code == Some(0), "{code:?} {log}");
}

#[test]
fn tools_come_over_standard_output_and_nothing_else_does() {
    let Some(home) = Home::new() else { return };
    let talk = |arguments: &[&str], messages: &[Value]| {
        let mut command = home.command(&[&["mcp"], arguments].concat());
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.env("ASKTWICE_LOG", "trace").spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // Standard error is read beside, or a full pipe would stop the process.
        let mut log = child.stderr.take().unwrap();
        let logged = std::thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).map(|_| text).unwrap()
        });
        let mut answers = vec![];
        for message in messages {
            writeln!(input, "{message}").unwrap();
            if message["id"].is_null() {
                continue;
            }
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            answers.push(serde_json::from_str::<Value>(&line).unwrap_or_else(|_| panic!("{line}")));
        }
        drop(input);
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        assert_eq!(child.wait().unwrap().code(), Some(0));
        (answers, logged.join().unwrap())
    };
    let client = json!({"name": "test", "version": "1"});
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
    let begin = [
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ];
    let call = |id: u32, tool: &str, arguments: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
    let store = call(1, "qdrant-store", json!({"information": "The courier can be followed on the map."}));
    let (answers, log) = talk(&[], &[&begin[..], &[store]].concat());
    assert_eq!(answers[1]["result"]["isError"], false, "{}", answers[1]);
    assert!(log.contains("called"), "{log}");
    // Another process finds it, as a tenant that only reads.
    let find = call(1, "qdrant-find", json!({"query": "where is my food?"}));
    let store = call(2, "qdrant-store", json!({"information": "x"}));
    let tenant = ["--tenant", "ann", "--set", "server.tenants.ann.key=the-key-of-ann-0001"];
    let (answers, _) = talk(&tenant, &[&begin[..], &[find, store]].concat());
    let entry = answers[1]["result"]["content"][1]["text"].as_str().unwrap_or_else(|| panic!("{}", answers[1]));
    assert!(entry.contains("followed on the map"), "{entry}");
    assert_eq!(answers[2]["result"]["isError"], true, "{}", answers[2]);
    let nobody = home.run(&["mcp", "--tenant", "nobody"]);
    assert!(nobody.status.code() == Some(2) && error(&nobody).contains("server.tenants.nobody"), "{}", error(&nobody));
}

//! The examples run, and say what they promise.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::support::{self, front::Front};

/// An example's program; cargo builds the examples before it runs the tests.
fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_asktwice")).with_file_name("examples").join(name)
}

fn run(name: &str) -> String {
    run_with(name, &[])
}

fn run_with(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(example(name)).args(arguments).current_dir(support::root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn quickstart() {
    let said = run("quickstart");
    assert!(said.contains("missing-items  found by leg 0"), "{said}");
}

#[test]
fn custom_rewriter() {
    let said = run("custom_rewriter");
    assert!(said.contains("\"someone stolen my food order\""), "{said}");
    assert!(said.contains("is searched as asked"), "{said}");
}

#[test]
fn custom_fusion() {
    let said = run("custom_fusion");
    assert!(said.contains("best rank") && said.contains("reciprocal rank fusion"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn qdrant_server() {
    if support::model_folder().is_none() {
        return;
    }
    let front = Front::start().await;
    let url = front.url.clone();
    let said = tokio::task::spawn_blocking(move || {
        let folder = support::root();
        let indexed = support::asktwice()
            .current_dir(folder)
            .args(["index", "examples/help-centre", "--store", &url])
            .output()
            .unwrap();
        assert!(indexed.status.success(), "{}", String::from_utf8_lossy(&indexed.stderr));
        run_with("qdrant_server", &[&url, "my courier stole my soup"])
    });
    assert_eq!(said.await.unwrap().lines().count(), 5);
}

#[test]
fn local() {
    if support::model_folder().is_none() {
        return;
    }
    let said = run("local");
    assert!(said.lines().next().is_some_and(|line| line.starts_with("sourdough")), "{said}");
}

#[test]
fn chat() {
    if support::model_folder().is_none() {
        return;
    }
    let mut child = Command::new(example("chat"))
        .current_dir(support::root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"my courier stole my soup\nand what about the money?\n\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.lines().filter(|line| line.starts_with("  [1] ")).count() == 2, "{said}");
}

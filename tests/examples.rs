//! The examples run, and say what they promise.

use std::{path::PathBuf, process::Command};

use crate::support;

/// An example's program; cargo builds the examples before it runs the tests.
fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_asktwice")).with_file_name("examples").join(name)
}

fn run(name: &str) -> String {
    let output = Command::new(example(name)).current_dir(support::root()).output().unwrap();
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

#[test]
fn local() {
    if support::model_folder().is_none() {
        return;
    }
    let said = run("local");
    assert!(said.lines().next().is_some_and(|line| line.starts_with("sourdough")), "{said}");
}

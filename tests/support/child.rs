//! A test in a process of its own: this binary, started again for one of its tests, with a task in its environment. For
//! what has to be killed, and for what is measured of a whole process.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdout, Command, Stdio},
};

const TASK: &str = "ASKTWICE_TEST_TASK";

/// The task of this process, if it is such a child of this test.
pub fn task(test: &str) -> Option<String> {
    let task = std::env::var(TASK).ok()?;
    task.strip_prefix(test)?.strip_prefix(' ').map(str::to_owned)
}

/// Says something to the parent.
pub fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "@@{word}").unwrap();
    out.flush().unwrap();
}

/// A started child; killed when dropped.
pub struct Running {
    pub process: Child,
    words: BufReader<ChildStdout>,
}

impl Running {
    /// Starts the test of this full name with a task.
    pub fn start(test: &str, task: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(TASK, format!("{test} {task}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let words = BufReader::new(process.stdout.take().unwrap());
        Self { process, words }
    }

    /// The next word; `None` once the child has ended. The test harness prints lines of its own.
    pub fn next(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.words.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
                return None;
            }
            if let Some((_, word)) = line.trim_end().split_once("@@") {
                return Some(word.to_owned());
            }
        }
    }

    /// All words until it ends, which it has to do well.
    pub fn finish(mut self) -> Vec<String> {
        let words = std::iter::from_fn(|| self.next()).collect();
        assert!(self.process.wait().unwrap().success(), "the child failed: {words:?}");
        words
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A line of the kernel's account of this process, such as `VmRSS`, in MB; `None` where there is no such account.
pub fn memory(line: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib =
        status.lines().find_map(|text| text.strip_prefix(line)?.split_whitespace().nth(1)?.parse::<f64>().ok())?;
    Some(kib * 1_024.0 / 1e6)
}

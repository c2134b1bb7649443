//! How the threads that compute are scheduled: as Linux's batch work. They get the same share of the cores as ever, but
//! do not interrupt who wakes them. Otherwise a text's second thread takes the core from the very call that has just
//! handed the text in and would be done with it in a tenth of a millisecond: the rewriter is then asked a millisecond
//! later, and the text's first thread spins for as long as the second is put aside in turn. `docs/embedding.md` has the
//! measurements.

use std::{io, thread};

use super::EmbedError;

/// Does this on a thread of its own that is scheduled as one that computes, and so are all threads that it starts.
///
/// # Errors
/// [`EmbedError::Inference`] if no thread can be started, or if it panics.
pub(crate) fn on_computing_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, EmbedError> {
    let computing = || {
        #[cfg(target_os = "linux")]
        become_batch();
        work()
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("embed".to_owned()).spawn_scoped(scope, computing);
        let thread = thread.map_err(|error| not_started(&error))?;
        thread.join().map_err(|_| crashed())
    })
}

/// A thread that is to compute could not be started.
pub(super) fn not_started(error: &io::Error) -> EmbedError {
    EmbedError::inference(format!("no thread can be started: {error}"))
}

/// A thread that computes panicked.
pub(super) fn crashed() -> EmbedError {
    EmbedError::inference("it crashed; the log above says where")
}

/// Makes this thread batch work. Where the system forbids it, or somebody has chosen another policy or priority than the
/// usual ones, everything stays as it is.
#[cfg(target_os = "linux")]
fn become_batch() {
    use thread_priority::{
        NormalThreadSchedulePolicy as Policy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
    };

    /// What the crate, which counts from 0 to 99, makes a nice value of 0 of.
    const USUAL: u8 = 48;

    let policy = thread_schedule_policy();
    let is_usual = matches!(policy, Ok(ThreadSchedulePolicy::Normal(Policy::Other)));
    if !is_usual || rustix::process::getpriority_process(None) != Ok(0) {
        return;
    }
    let batch = ThreadSchedulePolicy::Normal(Policy::Batch);
    let usual = ThreadPriorityValue::try_from(USUAL).map(ThreadPriority::Crossplatform);
    let done = usual.map(|usual| set_thread_priority_and_policy(thread_native_id(), usual, batch));
    if !matches!(done, Ok(Ok(()))) {
        tracing::debug!(?done, "the threads that compute are scheduled as all others");
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// This thread's nice value and scheduling policy, fields 19 and 41 of its account (`proc_pid_stat(5)`).
    fn scheduled() -> [i32; 2] {
        let account = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // The second field may have spaces in it, and ends with the last parenthesis.
        let fields: Vec<&str> = account.rsplit_once(')').unwrap().1.split_whitespace().collect();
        [19, 41].map(|field| fields[field - 3].parse().unwrap())
    }

    #[test]
    fn who_computes_and_whom_that_starts_is_batch_work_and_nobody_else_is() {
        let before = scheduled();
        if before != [0, 0] {
            return eprintln!("skipped: this process is not scheduled as usual");
        }
        let computing = on_computing_thread(|| (scheduled(), thread::spawn(scheduled).join().unwrap())).unwrap();
        assert_eq!(computing, ([0, 3], [0, 3]), "SCHED_BATCH is 3");
        assert_eq!(scheduled(), before);
    }
}

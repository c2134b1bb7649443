//! Where texts wait for a worker: questions in one line, passages in another, both bounded. A question is never behind
//! a passage, and a text that finds the embedder idle is marked as alone, so that all cores may work on it.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{EmbedError, Embedding, Role};

/// How many questions may wait, and how many passages.
const PLACES: usize = 1_024;

/// One text to embed, and where its vector goes.
#[derive(Debug)]
pub(super) struct Job {
    pub role: Role,
    pub text: String,
    /// It is the only text of its call.
    pub single: bool,
    pub reply: oneshot::Sender<Result<Embedding, EmbedError>>,
}

/// A job whose turn it is. The embedder counts as busy until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub job: Job,
    /// Nothing else is to be done.
    pub alone: bool,
    running: Running<'a>,
}

impl Turn<'_> {
    /// Sends the result. The embedder is idle again before the caller can ask the next question.
    pub(super) fn end(self, embedded: Result<Embedding, EmbedError>) {
        drop(self.running);
        // Whoever asked may have gone.
        let _ = self.job.reply.send(embedded);
    }
}

/// The two lines.
#[derive(Debug)]
pub(super) struct Queue {
    lines: Mutex<Lines>,
    arrived: Condvar,
    /// The places in the line of passages.
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Lines {
    questions: VecDeque<Waiting>,
    passages: VecDeque<Waiting>,
    running: usize,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    job: Job,
    /// It found the embedder idle.
    alone: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Default for Queue {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(PLACES));
        Self { lines: Mutex::default(), arrived: Condvar::new(), places }
    }
}

impl Queue {
    /// Puts a question in line; it is refused when the line is full, because nobody waits that long.
    pub(super) fn ask(&self, job: Job) -> Result<(), EmbedError> {
        let mut lines = self.lines();
        if lines.questions.len() >= PLACES {
            lines.questions.retain(|waiting| !waiting.job.reply.is_closed());
        }
        let waiting = lines.questions.len();
        if waiting >= PLACES {
            return Err(EmbedError::Overloaded { waiting });
        }
        let alone = job.single && lines.is_idle();
        lines.questions.push_back(Waiting { job, alone, _place: None });
        drop(lines);
        self.arrived.notify_one();
        Ok(())
    }

    /// Puts a passage in line, once there is a place.
    pub(super) async fn hand_in(&self, job: Job) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let mut lines = self.lines();
        let alone = job.single && lines.is_idle();
        lines.passages.push_back(Waiting { job, alone, _place: place });
        drop(lines);
        self.arrived.notify_one();
    }

    /// Waits for a text that somebody waits for; `None` once the queue is closed.
    pub(super) fn next(&self) -> Option<Turn<'_>> {
        let mut lines = self.lines();
        loop {
            if lines.closed {
                return None;
            }
            let Some(Waiting { job, alone, .. }) = lines.take() else {
                lines = self.arrived.wait(lines).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let alone = alone && lines.is_idle();
            lines.running += 1;
            return Some(Turn { job, alone, running: Running(self) });
        }
    }

    /// Sends the workers home.
    pub(super) fn close(&self) {
        self.lines().closed = true;
        self.arrived.notify_all();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn is_idle(&self) -> bool {
        self.running == 0 && self.questions.is_empty() && self.passages.is_empty()
    }

    /// The next text that somebody still waits for. Its place in line is free from here on.
    fn take(&mut self) -> Option<Waiting> {
        while let Some(waiting) = self.questions.pop_front().or_else(|| self.passages.pop_front()) {
            if !waiting.job.reply.is_closed() {
                return Some(waiting);
            }
        }
        None
    }
}

/// A text is being embedded for as long as this lives.
#[derive(Debug)]
struct Running<'a>(&'a Queue);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lines().running -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reply = oneshot::Receiver<Result<Embedding, EmbedError>>;

    fn job(role: Role, text: &str) -> (Job, Reply) {
        let (reply, embedded) = oneshot::channel();
        (Job { role, text: text.to_owned(), single: true, reply }, embedded)
    }

    fn ask(queue: &Queue, text: &str) -> Reply {
        let (job, reply) = job(Role::Query, text);
        queue.ask(job).unwrap();
        reply
    }

    async fn hand_in(queue: &Queue, text: &str) -> Reply {
        let (job, reply) = job(Role::Passage, text);
        queue.hand_in(job).await;
        reply
    }

    #[tokio::test]
    async fn a_question_overtakes_every_passage() {
        let queue = Queue::default();
        let mut replies = vec![];
        for n in 0..PLACES {
            replies.push(hand_in(&queue, &n.to_string()).await);
        }
        replies.push(ask(&queue, "first question"));
        replies.push(ask(&queue, "second question"));
        let order = ["first question", "second question", "0", "1"];
        assert_eq!(order.map(|_| queue.next().unwrap().job.text), order);
    }

    #[tokio::test]
    async fn a_text_is_alone_if_nothing_runs_waits_or_has_come_since() {
        let queue = Queue::default();
        let _first = ask(&queue, "first");
        let turn = queue.next().unwrap();
        assert!(turn.alone);
        let _second = ask(&queue, "came while the first ran");
        drop(turn);
        assert!(!queue.next().unwrap().alone);
        let _third = hand_in(&queue, "came to an idle embedder").await;
        let _fourth = hand_in(&queue, "came behind it").await;
        assert!(!queue.next().unwrap().alone);
        assert!(!queue.next().unwrap().alone);
        let _fifth = hand_in(&queue, "came to an idle embedder again").await;
        assert!(queue.next().unwrap().alone);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_begun_and_takes_no_place() {
        let queue = Queue::default();
        for _ in 0..PLACES {
            drop(ask(&queue, "given up"));
        }
        let _kept = ask(&queue, "kept");
        assert_eq!(queue.next().unwrap().job.text, "kept");
        let replies: Vec<Reply> = (0..PLACES).map(|_| ask(&queue, "waits")).collect();
        let (one_more, _reply) = job(Role::Query, "one more");
        assert!(matches!(queue.ask(one_more), Err(EmbedError::Overloaded { waiting: PLACES })));
        drop(replies);
    }

    #[tokio::test]
    async fn a_passage_waits_for_a_place_and_gets_it() {
        let queue = Arc::new(Queue::default());
        let mut replies = vec![];
        for _ in 0..PLACES {
            replies.push(hand_in(&queue, "waits").await);
        }
        let late = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { drop(hand_in(&queue, "late").await) }
        });
        tokio::task::yield_now().await;
        assert!(!late.is_finished());
        drop(queue.next());
        late.await.unwrap();
    }

    #[test]
    fn closing_sends_a_waiting_worker_home() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| queue.next().is_none());
            queue.close();
            assert!(worker.join().unwrap());
        });
    }
}

//! Where texts wait for a worker: questions in one line, passages in another, both bounded. A question is never behind
//! a passage; questions of the same length may be taken together; and a text that finds the embedder idle is marked as
//! alone, so that all cores may work on it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{EmbedError, Embedding, onnx::Tokens};

/// How many questions may wait, and how many passages.
const PLACES: usize = 1_024;

/// How long a worker that has just worked looks out for the next text before it sleeps: to wake it takes so long that it
/// counts beside a short question. It costs a part of a core, after work only, that others may have first.
const LOOK_OUT: Duration = Duration::from_micros(200);

/// One text to embed, and where its vector goes.
#[derive(Debug)]
pub(super) struct Job {
    pub text: Text,
    /// It is the only text of its call.
    pub single: bool,
    pub reply: oneshot::Sender<Result<Embedding, EmbedError>>,
}

/// What is to be embedded.
#[derive(Debug)]
pub(super) enum Text {
    /// A question, which whoever asks tokenizes, so that its length is known in line.
    Question(Tokens),
    /// A passage. They come by the thousand, so the workers tokenize them.
    Passage(String),
}

/// Jobs whose turn it is: a passage, or questions of the same number of tokens. The embedder counts as busy until this
/// is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub jobs: Vec<Job>,
    /// Nothing else is to be done.
    pub alone: bool,
    running: Running<'a>,
}

impl Turn<'_> {
    /// Sends the results. The embedder is idle again before whoever asked can ask the next question.
    pub(super) fn end(self, embedded: Vec<Result<Embedding, EmbedError>>) {
        drop(self.running);
        for (job, embedded) in self.jobs.into_iter().zip(embedded) {
            // Whoever asked may have gone.
            let _ = job.reply.send(embedded);
        }
    }
}

/// The two lines.
#[derive(Debug)]
pub(super) struct Queue {
    lines: Mutex<Lines>,
    arrived: Condvar,
    /// How many texts have come so far.
    arrivals: AtomicUsize,
    /// The places in the line of passages.
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Lines {
    questions: VecDeque<Waiting>,
    passages: VecDeque<Waiting>,
    running: usize,
    /// Workers that look out for the next text.
    awake: usize,
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
        Self { lines: Mutex::default(), arrived: Condvar::new(), arrivals: AtomicUsize::new(0), places }
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
        self.tell(lines);
        Ok(())
    }

    /// Puts a passage in line, once there is a place.
    pub(super) async fn hand_in(&self, job: Job) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let mut lines = self.lines();
        let alone = job.single && lines.is_idle();
        lines.passages.push_back(Waiting { job, alone, _place: place });
        self.tell(lines);
    }

    /// Tells a worker that there is a text: one that is awake sees it by itself.
    fn tell(&self, lines: MutexGuard<'_, Lines>) {
        let asleep = lines.waiting() > lines.awake;
        drop(lines);
        self.arrivals.fetch_add(1, Ordering::Release);
        if asleep {
            self.arrived.notify_one();
        }
    }

    /// Lets go of the lines until something has come, or it is time to sleep.
    fn look_out<'a>(&'a self, mut lines: MutexGuard<'a, Lines>, until: Instant) -> MutexGuard<'a, Lines> {
        lines.awake += 1;
        let seen = self.arrivals.load(Ordering::Acquire);
        drop(lines);
        while self.arrivals.load(Ordering::Acquire) == seen && Instant::now() < until {
            thread::yield_now();
        }
        lines = self.lines();
        lines.awake -= 1;
        lines
    }

    /// Waits for a text that somebody waits for; `None` once the queue is closed. With a question come others of its
    /// length, `most` at the most, and no more than a worker's share of all that wait.
    pub(super) fn next(&self, most: usize, workers: usize) -> Option<Turn<'_>> {
        let mut lines = self.lines();
        let asleep_at = Instant::now() + LOOK_OUT;
        loop {
            if lines.closed {
                return None;
            }
            let share = lines.questions.len().div_ceil(workers.max(1)).min(most);
            let Some(Waiting { job, alone, .. }) = lines.take() else {
                lines = if Instant::now() < asleep_at {
                    self.look_out(lines, asleep_at)
                } else {
                    self.arrived.wait(lines).unwrap_or_else(PoisonError::into_inner)
                };
                continue;
            };
            let mut jobs = vec![job];
            lines.take_alike(&mut jobs, share);
            let alone = alone && lines.is_idle();
            lines.running += 1;
            return Some(Turn { jobs, alone, running: Running(self) });
        }
    }

    /// Sends the workers home.
    pub(super) fn close(&self) {
        self.lines().closed = true;
        self.arrivals.fetch_add(1, Ordering::Release);
        self.arrived.notify_all();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting() == 0
    }

    fn waiting(&self) -> usize {
        self.questions.len() + self.passages.len()
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

    /// Takes questions of the length of the first job, until there are so many.
    fn take_alike(&mut self, jobs: &mut Vec<Job>, count: usize) {
        let Some(length) = jobs[0].length() else { return };
        let mut place = 0;
        while jobs.len() < count && place < self.questions.len() {
            let job = &self.questions[place].job;
            if job.length() == Some(length) && !job.reply.is_closed() {
                jobs.extend(self.questions.remove(place).map(|waiting| waiting.job));
            } else {
                place += 1;
            }
        }
    }
}

impl Job {
    /// A question's number of tokens.
    fn length(&self) -> Option<usize> {
        match &self.text {
            Text::Question(tokens) => Some(tokens.ids.len()),
            Text::Passage(_) => None,
        }
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

    fn job(text: Text) -> (Job, Reply) {
        let (reply, embedded) = oneshot::channel();
        (Job { text, single: true, reply }, embedded)
    }

    /// A question of so many tokens, all of them `n`.
    fn question(n: i64, length: usize) -> (Job, Reply) {
        job(Text::Question(Tokens { ids: vec![n; length], truncated: false }))
    }

    fn ask(queue: &Queue, n: i64) -> Reply {
        let (job, reply) = question(n, 1);
        queue.ask(job).unwrap();
        reply
    }

    async fn hand_in(queue: &Queue, text: &str) -> Reply {
        let (job, reply) = job(Text::Passage(text.to_owned()));
        queue.hand_in(job).await;
        reply
    }

    fn next(queue: &Queue) -> Turn<'_> {
        queue.next(1, 1).unwrap()
    }

    /// What a turn's jobs are called.
    fn names(turn: &Turn<'_>) -> Vec<String> {
        let name = |job: &Job| match &job.text {
            Text::Question(tokens) => tokens.ids[0].to_string(),
            Text::Passage(text) => text.clone(),
        };
        turn.jobs.iter().map(name).collect()
    }

    #[tokio::test]
    async fn a_question_overtakes_every_passage() {
        let queue = Queue::default();
        let mut replies = vec![];
        for n in 0..PLACES {
            replies.push(hand_in(&queue, &format!("passage {n}")).await);
        }
        replies.push(ask(&queue, 1));
        replies.push(ask(&queue, 2));
        let order = ["1", "2", "passage 0", "passage 1"];
        assert_eq!(order.map(|_| names(&next(&queue)).concat()), order);
    }

    #[tokio::test]
    async fn a_text_is_alone_if_nothing_runs_waits_or_has_come_since() {
        let queue = Queue::default();
        let _first = ask(&queue, 1);
        let turn = next(&queue);
        assert!(turn.alone);
        let _while_the_first_ran = ask(&queue, 2);
        drop(turn);
        assert!(!next(&queue).alone);
        let _to_an_idle_embedder = hand_in(&queue, "3").await;
        let _behind_it = hand_in(&queue, "4").await;
        assert!(!next(&queue).alone);
        assert!(!next(&queue).alone);
        let _to_an_idle_embedder_again = hand_in(&queue, "5").await;
        assert!(next(&queue).alone);
        let (mut one_of_several, _reply) = question(6, 1);
        one_of_several.single = false;
        queue.ask(one_of_several).unwrap();
        assert!(!next(&queue).alone);
    }

    #[tokio::test]
    async fn a_worker_takes_its_share_of_the_questions_of_one_length() {
        let queue = Queue::default();
        let mut replies = vec![hand_in(&queue, "passage").await];
        for (n, length) in [(0, 9), (1, 7), (2, 9), (3, 9), (4, 7), (5, 9)] {
            let (job, reply) = question(n, length);
            queue.ask(job).unwrap();
            replies.push(reply);
        }
        let taken = |most| names(&queue.next(most, 2).unwrap());
        assert_eq!(taken(8), ["0", "2", "3"]);
        assert_eq!(taken(1), ["1"]);
        assert_eq!(taken(8), ["4"]);
        assert_eq!(taken(8), ["5"]);
        assert_eq!(taken(8), ["passage"]);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_begun_and_takes_no_place() {
        let queue = Queue::default();
        for n in 0..PLACES {
            drop(ask(&queue, i64::try_from(n).unwrap()));
        }
        let _kept = ask(&queue, -1);
        assert_eq!(names(&queue.next(8, 1).unwrap()), ["-1"]);
        let _replies: Vec<Reply> = (0..PLACES).map(|_| ask(&queue, 0)).collect();
        let (one_more, _reply) = question(1, 1);
        assert!(matches!(queue.ask(one_more), Err(EmbedError::Overloaded { waiting: PLACES })));
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
        drop(next(&queue));
        late.await.unwrap();
    }

    #[test]
    fn closing_sends_a_waiting_worker_home() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| queue.next(1, 1).is_none());
            queue.close();
            assert!(worker.join().unwrap());
        });
    }
}

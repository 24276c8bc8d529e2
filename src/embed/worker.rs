//! The threads that own the embedder, and the handle that everyone else has.
//!
//! One thread loads it and embeds anything, long texts first; where the embedder can be shared, another
//! is there for short texts alone, so that they start at once. It knows neither weights nor models.
//! Invariant: a caller always gets an answer, whether the embedder is loading, broken or panicking.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::queue::{Queue, Refused, Request, Turn};
use super::{EmbedError, Embedded, Embedder};

/// A failed load is tried again after this time at the earliest, as the weights may have come.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Makes the embedder, on the worker's thread; may block, and is called again after a failure.
pub type Loader = Box<dyn FnMut() -> Result<Box<dyn Embedder>, EmbedError> + Send>;

/// What the worker is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerState {
    /// Nobody has asked for an embedding yet.
    NotStarted,
    Loading,
    Ready {
        fingerprint: String,
    },
    /// Loading failed, for this reason.
    Unavailable(String),
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("not started: it loads with the first prompt"),
            Self::Loading => f.write_str("loading"),
            Self::Ready { fingerprint } => write!(f, "ready: {fingerprint}"),
            Self::Unavailable(reason) => write!(f, "unavailable: {reason}"),
        }
    }
}

/// A handle on the threads that embed; they end with their last handle.
#[derive(Clone)]
pub struct EmbedWorker {
    requests: Arc<Requests>,
    state: watch::Receiver<WorkerState>,
    unstarted: Arc<Mutex<Option<Worker>>>,
}

/// The handles' end of the queue, which closes with the last of them.
struct Requests(Arc<Queue>);

impl Drop for Requests {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The thread's end: where it goes, however it does, nobody is left waiting.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

struct Worker {
    loader: Loader,
    retry_after: Duration,
    queue: Arc<Queue>,
    state: watch::Sender<WorkerState>,
}

impl EmbedWorker {
    /// Makes a handle; thread and weights wait for the first text.
    pub fn new(loader: Loader) -> Self {
        Self::with_retry_after(loader, RETRY_AFTER)
    }

    fn with_retry_after(loader: Loader, retry_after: Duration) -> Self {
        let queue = Arc::new(Queue::default());
        let (state_sender, state) = watch::channel(WorkerState::NotStarted);
        let worker = Worker { loader, retry_after, queue: Arc::clone(&queue), state: state_sender };
        Self { requests: Arc::new(Requests(queue)), state, unstarted: Arc::new(Mutex::new(Some(worker))) }
    }

    /// Starts loading in the background, if that has not happened yet. Does not block.
    pub fn start(&self) {
        let Some(worker) = self.unstarted.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        worker.state.send_replace(WorkerState::Loading);
        let state = worker.state.clone();
        if let Err(error) = thread::Builder::new().name("embed".to_owned()).spawn(|| worker.run()) {
            state.send_replace(WorkerState::Unavailable(format!("no thread for the embedder: {error}")));
        }
    }

    /// Embeds a text, after waiting at most `patience` for the embedder to load.
    ///
    /// The time in the queue and in the model is not limited; drop the future to give up.
    ///
    /// # Errors
    /// [`EmbedError::Loading`] when `patience` is over, [`EmbedError::Busy`] when the queue is full,
    /// [`EmbedError::Unavailable`] when loading failed, [`EmbedError::Failed`] when embedding did.
    ///
    /// Cancel safe: yes, because a text whose caller is gone is skipped and nothing is written.
    pub async fn embed(&self, text: String, patience: Duration) -> Result<Embedded, EmbedError> {
        self.start();
        let (reply, mut answer) = oneshot::channel();
        match self.requests.0.push(Request { text, reply }) {
            Ok(()) => {}
            Err(Refused::Full) if self.state() == WorkerState::Loading => return Err(EmbedError::Loading),
            Err(Refused::Full) => return Err(EmbedError::Busy),
            Err(Refused::Closed) => return Err(self.closed()),
        }
        if let Ok(answered) = tokio::time::timeout(patience, &mut answer).await {
            return answered.unwrap_or_else(|_| Err(self.closed()));
        }
        match self.state() {
            WorkerState::Ready { .. } => answer.await.unwrap_or_else(|_| Err(self.closed())),
            WorkerState::Unavailable(reason) => Err(EmbedError::Unavailable(reason)),
            WorkerState::Loading | WorkerState::NotStarted => Err(EmbedError::Loading),
        }
    }

    /// Waits until loading has ended, well or not, after starting it where it has not begun.
    ///
    /// Cancel safe: yes, because loading goes on.
    pub async fn ready(&self) {
        self.start();
        let has_ended =
            |state: &WorkerState| !matches!(state, WorkerState::NotStarted | WorkerState::Loading);
        // A worker that is gone will not load any more.
        let _ = self.state.clone().wait_for(has_ended).await;
    }

    /// Gives the fingerprint of the embedder once it is loaded.
    pub fn fingerprint(&self) -> Option<String> {
        match self.state() {
            WorkerState::Ready { fingerprint } => Some(fingerprint),
            WorkerState::NotStarted | WorkerState::Loading | WorkerState::Unavailable(_) => None,
        }
    }

    /// Says what the worker is doing.
    pub fn state(&self) -> WorkerState {
        self.state.borrow().clone()
    }

    fn closed(&self) -> EmbedError {
        match self.state() {
            WorkerState::Unavailable(reason) => EmbedError::Unavailable(reason),
            _ => EmbedError::Failed("its thread has ended".to_owned()),
        }
    }
}

impl fmt::Debug for EmbedWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbedWorker").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Worker {
    fn run(mut self) {
        let _end = End(Arc::clone(&self.queue));
        let mut embedder = self.load();
        let mut tried_at = Instant::now();
        let mut for_short = self.help(&embedder);
        let mut turn = Turn::LongFirst;
        while let Some(requests) = self.queue.take(turn) {
            if embedder.is_err() && tried_at.elapsed() >= self.retry_after {
                embedder = self.load();
                tried_at = Instant::now();
                for_short = self.help(&embedder);
            }
            match &mut embedder {
                Ok(embedder) => answer(embedder.as_mut(), requests),
                Err(reason) => refuse(requests, reason),
            }
            // Alone, this thread lets the two kinds take turns.
            turn = match turn {
                Turn::LongFirst if for_short.is_none() => Turn::ShortFirst,
                _ => Turn::LongFirst,
            };
        }
        if let Some(for_short) = for_short {
            // One that panicked has answered nobody, and its callers know.
            let _ = for_short.join();
        }
    }

    /// Starts the thread for short texts, if the embedder can be shared and there is a thread.
    fn help(&self, embedder: &Result<Box<dyn Embedder>, String>) -> Option<JoinHandle<()>> {
        let mut another = embedder.as_ref().ok()?.another()?;
        let queue = Arc::clone(&self.queue);
        let work = move || {
            while let Some(requests) = queue.take(Turn::Short) {
                answer(another.as_mut(), requests);
            }
        };
        thread::Builder::new().name("embed-short".to_owned()).spawn(work).ok()
    }

    /// Loads the embedder, or remembers why not.
    fn load(&mut self) -> Result<Box<dyn Embedder>, String> {
        self.state.send_replace(WorkerState::Loading);
        let started_at = Instant::now();
        let loaded = match catch_unwind(AssertUnwindSafe(&mut self.loader)) {
            Ok(Ok(embedder)) => Ok(embedder),
            Ok(Err(EmbedError::Unavailable(reason))) => Err(reason),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("loading it panicked".to_owned()),
        };
        let state = match &loaded {
            Ok(embedder) => {
                let fingerprint = embedder.fingerprint().to_owned();
                let duration_ms = started_at.elapsed().as_millis();
                tracing::info!(embedder.fingerprint = %fingerprint, duration_ms, "the embedder is loaded");
                WorkerState::Ready { fingerprint }
            }
            Err(reason) => {
                tracing::warn!(%reason, "no embedder");
                WorkerState::Unavailable(reason.clone())
            }
        };
        self.state.send_replace(state);
        loaded
    }
}

/// Embeds texts and answers; a caller that gave up meanwhile has dropped the other end.
fn answer(embedder: &mut dyn Embedder, requests: Vec<Request>) {
    let texts: Vec<&str> = requests.iter().map(|request| request.text.as_str()).collect();
    // The payload of a panic may repeat the text, so it is not passed on.
    let together = catch_unwind(AssertUnwindSafe(|| embedder.embed_all(&texts)));
    let together = together.ok().filter(|embedded| embedded.len() == texts.len());
    let answers = together.unwrap_or_else(|| {
        let embed_or_catch = |text: &&str| {
            catch_unwind(AssertUnwindSafe(|| embedder.embed(text)))
                .unwrap_or_else(|_| Err(EmbedError::Failed("it panicked".to_owned())))
        };
        texts.iter().map(embed_or_catch).collect()
    });
    for (Request { reply, .. }, answer) in requests.into_iter().zip(answers) {
        let _ = reply.send(answer);
    }
}

fn refuse(requests: Vec<Request>, reason: &str) {
    for Request { reply, .. } in requests {
        let _ = reply.send(Err(EmbedError::Unavailable(reason.to_owned())));
    }
}

#[cfg(test)]
mod tests;

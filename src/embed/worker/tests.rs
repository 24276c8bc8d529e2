//! Tests of the threads that embed, with embedders that say what they see.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Waker};

use super::*;
use crate::domain::embedding::{DIMENSIONS, Embedding};
use crate::embed::queue::CAPACITY;

const PATIENT: Duration = Duration::from_secs(60);
const IMPATIENT: Duration = Duration::ZERO;

/// Says what it embeds, waits for a word if it has a gate, and says goodbye.
struct Fake {
    seen: Sender<String>,
    gate: Option<Receiver<()>>,
    is_shared: bool,
}

impl Embedder for Fake {
    fn fingerprint(&self) -> &str {
        "fake"
    }

    fn embed(&mut self, text: &str) -> Result<Embedded, EmbedError> {
        self.seen.send(text.to_owned()).unwrap();
        if let Some(gate) = &self.gate {
            gate.recv().unwrap();
        }
        assert_ne!(text, "panic");
        let mut numbers = vec![0.0; DIMENSIONS];
        numbers[0] = 1.0;
        let embedding = Embedding::new(numbers).unwrap();
        Ok(Embedded { embedding, tokens: text.len(), truncated: false, unknown_share: 0.0 })
    }

    fn another(&self) -> Option<Box<dyn Embedder>> {
        // Made only where it is wanted: the fake says goodbye.
        let another = || Fake { seen: self.seen.clone(), gate: None, is_shared: true };
        self.is_shared.then(|| Box::new(another()) as Box<dyn Embedder>)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.seen.send("dropped".to_owned());
    }
}

/// A worker whose loader gives one fake embedder.
fn worker(gate: Option<Receiver<()>>) -> (EmbedWorker, Receiver<String>) {
    let (seen, sights) = channel();
    let mut fake = Some(Fake { seen, gate, is_shared: false });
    (EmbedWorker::new(Box::new(move || Ok(Box::new(fake.take().unwrap())))), sights)
}

#[tokio::test]
async fn the_first_text_loads_the_embedder_and_the_last_handle_ends_the_thread() {
    let (worker, sights) = worker(None);
    assert_eq!((worker.state(), worker.fingerprint()), (WorkerState::NotStarted, None));
    assert_eq!(worker.embed("abc".to_owned(), PATIENT).await.unwrap().tokens, 3);
    assert_eq!(worker.fingerprint().as_deref(), Some("fake"));
    let other = worker.clone();
    drop(worker);
    assert_eq!(other.embed("abcd".to_owned(), IMPATIENT).await.unwrap().tokens, 4);
    drop(other);
    assert_eq!(sights.into_iter().collect::<Vec<_>>(), ["abc", "abcd", "dropped"]);
}

#[tokio::test]
async fn a_caller_waits_for_loading_only_as_long_as_its_patience() {
    let (go, gate) = channel();
    let (seen, sights) = channel();
    let mut fake = Some(Fake { seen, gate: None, is_shared: false });
    let worker = EmbedWorker::new(Box::new(move || {
        gate.recv().unwrap();
        Ok(Box::new(fake.take().unwrap()))
    }));
    for _ in 0..CAPACITY + 1 {
        let impatient = worker.embed("a".to_owned(), IMPATIENT).await;
        assert!(matches!(impatient, Err(EmbedError::Loading)), "{impatient:?}");
    }
    assert_eq!(worker.state(), WorkerState::Loading);
    go.send(()).unwrap();
    while worker.state() == WorkerState::Loading {
        tokio::task::yield_now().await;
    }
    worker.embed("b".to_owned(), PATIENT).await.unwrap();
    assert_eq!(sights.try_recv().unwrap(), "b", "texts whose callers are gone are skipped");
}

#[tokio::test]
async fn a_full_queue_is_said_and_not_waited_for() {
    let (go, gate) = channel();
    let (worker, sights) = worker(Some(gate));
    let mut waiting: Vec<_> = Vec::new();
    for _ in 0..CAPACITY + 1 {
        let mut answer = Box::pin(worker.embed("a".to_owned(), PATIENT));
        assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        if waiting.is_empty() {
            assert_eq!(sights.recv().unwrap(), "a");
        }
        waiting.push(answer);
    }
    let refused = worker.embed("b".to_owned(), PATIENT).await;
    assert!(matches!(refused, Err(EmbedError::Busy)), "{refused:?}");
    waiting.truncate(2);
    (0..2).for_each(|_| go.send(()).unwrap());
    for answer in waiting {
        answer.await.unwrap();
    }
}

#[tokio::test]
async fn a_short_text_does_not_wait_for_a_long_one_where_the_embedder_is_shared() {
    let (go, gate) = channel();
    let (seen, sights) = channel();
    let mut fake = Some(Fake { seen, gate: Some(gate), is_shared: true });
    let worker = EmbedWorker::new(Box::new(move || Ok(Box::new(fake.take().unwrap()))));
    let text = "long ".repeat(1_000);
    let mut long = Box::pin(worker.embed(text.clone(), PATIENT));
    assert!(long.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(sights.recv().unwrap(), text, "the long text is in the works");
    assert_eq!(worker.embed("short".to_owned(), PATIENT).await.unwrap().tokens, 5);
    go.send(()).unwrap();
    assert_eq!(long.await.unwrap().tokens, text.len());
}

#[tokio::test]
async fn a_panic_reaches_the_caller_as_an_error_and_the_next_text_is_embedded() {
    let (worker, _sights) = worker(None);
    let failed = worker.embed("panic".to_owned(), PATIENT).await;
    assert!(matches!(failed, Err(EmbedError::Failed(_))), "{failed:?}");
    worker.embed("calm".to_owned(), PATIENT).await.unwrap();
}

/// Loads twice without weights, and finds them the third time.
async fn check_retry(retry_after: Duration, expected: &[&str]) {
    let (seen, _sights) = channel();
    let mut fake = Some(Fake { seen, gate: None, is_shared: false });
    let mut loads = 0;
    let loader: Loader = Box::new(move || {
        loads += 1;
        match loads {
            1 => Err(EmbedError::Unavailable("first".to_owned())),
            2 => panic!("no weights"),
            _ => Ok(Box::new(fake.take().unwrap())),
        }
    });
    let worker = EmbedWorker::with_retry_after(loader, retry_after);
    worker.start();
    while worker.state() == WorkerState::Loading {
        tokio::task::yield_now().await;
    }
    assert_eq!(worker.state(), WorkerState::Unavailable("first".to_owned()));
    for expected in expected {
        let said = match worker.embed("a".to_owned(), PATIENT).await {
            Ok(_) => "embedded".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(&said, expected);
    }
}

#[tokio::test]
async fn a_failed_load_is_remembered_and_tried_again_later() {
    check_retry(RETRY_AFTER, &["no embedder: first", "no embedder: first"]).await;
    check_retry(Duration::ZERO, &["no embedder: loading it panicked", "embedded", "embedded"]).await;
}

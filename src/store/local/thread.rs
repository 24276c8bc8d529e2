//! One thread that owns one connection, behind a bounded queue.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use super::outcomes::Outcomes;
use super::schema;
use super::vectors::Vectors;
use crate::store::StoreError;

/// Statements that may wait; 1,000 concurrent requests fit.
const QUEUE: usize = 4_096;
/// How long a caller waits for its turn and its answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open store and what is remembered of it.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) connection: Connection,
    pub(super) vectors: Vectors,
    pub(super) outcomes: Outcomes,
}

impl Open {
    fn new(connection: Connection) -> Self {
        Self { connection, vectors: Vectors::default(), outcomes: Outcomes::default() }
    }
}

type Job = Box<dyn FnOnce(Result<&mut Open, StoreError>) + Send>;

/// A handle to the thread; the thread ends when the last handle is gone and the queue is empty.
#[derive(Debug, Clone)]
pub(super) struct StoreThread {
    jobs: mpsc::Sender<Job>,
    path: PathBuf,
}

impl StoreThread {
    pub(super) fn new(name: &str, path: PathBuf) -> Self {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let file = path.clone();
        let body = move || {
            let mut open: Option<Open> = None;
            while let Some(job) = queue.blocking_recv() {
                if open.is_none() {
                    match schema::open(&file) {
                        Ok(connection) => open = Some(Open::new(connection)),
                        Err(error) => {
                            job(Err(error));
                            continue;
                        }
                    }
                }
                if let Some(open) = &mut open {
                    job(Ok(open));
                }
            }
        };
        // Without a thread the queue has no reader, and every call says that the store failed.
        if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(body) {
            tracing::error!(%error, "the store's thread did not start");
        }
        Self { jobs, path }
    }

    /// Runs statements on the thread some time, if its queue has room; nobody hears of their result.
    pub(super) fn start(&self, statements: impl FnOnce(&mut Open) -> rusqlite::Result<()> + Send + 'static) {
        let job: Job = Box::new(move |open| {
            if let Ok(open) = open {
                let _ = statements(open);
            }
        });
        let _ = self.jobs.try_send(job);
    }

    /// Runs statements on the thread and waits for their result.
    ///
    /// Cancel safe: yes, because what was queued runs whether anybody waits or not.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        statements: impl FnOnce(&mut Open) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let path = self.path.clone();
        let job: Job = Box::new(move |open| {
            let result = match open {
                Ok(open) => statements(open).map_err(|error| meaning(&error, &path)),
                Err(error) => Err(error),
            };
            // Whoever asked may be gone; the statements have run.
            let _ = reply.send(result);
        });
        let work = async {
            self.jobs.send(job).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(StoreError::Busy))
    }
}

fn gone() -> StoreError {
    StoreError::Failed("its thread has ended".to_owned())
}

/// Says what an error of SQLite means for the caller.
pub(super) fn meaning(error: &rusqlite::Error, path: &Path) -> StoreError {
    let path = path.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { path },
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        Some(ErrorCode::CannotOpen) => {
            StoreError::CannotOpen { path, problem: "the file cannot be opened".to_owned() }
        }
        Some(code) => StoreError::Failed(format!("SQLite: {code:?}")),
        None => StoreError::Failed(error.to_string()),
    }
}

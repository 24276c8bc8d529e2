//! One thread that owns one connection, behind a bounded queue.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ErrorCode;
use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

/// Statements that may wait; 1,000 concurrent requests fit.
const QUEUE: usize = 4_096;
/// How long a caller waits for its turn and its answer.
const PATIENCE: Duration = Duration::from_secs(20);

type Job<State> = Box<dyn FnOnce(Result<&mut State, StoreError>) + Send>;

/// A handle to the thread; the thread ends when the last handle is gone and the queue is empty.
///
/// `State` is an open connection, with whatever is remembered beside it.
#[derive(Debug)]
pub(in crate::store) struct StoreThread<State> {
    jobs: mpsc::Sender<Job<State>>,
    path: PathBuf,
}

impl<State> Clone for StoreThread<State> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone(), path: self.path.clone() }
    }
}

impl<State: 'static> StoreThread<State> {
    /// Starts the thread; it opens the file when it is first needed, and again after it could not.
    pub(in crate::store) fn new(
        name: &str,
        path: PathBuf,
        open: fn(&Path) -> Result<State, StoreError>,
    ) -> Self {
        let (jobs, mut queue) = mpsc::channel::<Job<State>>(QUEUE);
        let file = path.clone();
        let body = move || {
            let mut opened: Option<State> = None;
            while let Some(job) = queue.blocking_recv() {
                if opened.is_none() {
                    match open(&file) {
                        Ok(state) => opened = Some(state),
                        Err(error) => {
                            job(Err(error));
                            continue;
                        }
                    }
                }
                if let Some(state) = &mut opened {
                    job(Ok(state));
                }
            }
        };
        // Without a thread the queue has no reader, and every call says that the store failed.
        if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(body) {
            tracing::error!(%error, "the store's thread did not start");
        }
        Self { jobs, path }
    }

    /// Gives the file.
    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs statements on the thread some time, if its queue has room; nobody hears of their result.
    pub(in crate::store) fn start(
        &self,
        statements: impl FnOnce(&mut State) -> rusqlite::Result<()> + Send + 'static,
    ) {
        let job: Job<State> = Box::new(move |open| {
            if let Ok(open) = open {
                let _ = statements(open);
            }
        });
        let _ = self.jobs.try_send(job);
    }

    /// Runs statements on the thread and waits for their result.
    ///
    /// Cancel safe: yes, because what was queued runs whether anybody waits or not.
    pub(in crate::store) async fn run<T: Send + 'static>(
        &self,
        statements: impl FnOnce(&mut State) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let path = self.path.clone();
        let job: Job<State> = Box::new(move |open| {
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
pub(in crate::store) fn meaning(error: &rusqlite::Error, path: &Path) -> StoreError {
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

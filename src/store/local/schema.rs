//! Opening files of the store, and bringing the store's to the program's schema.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::thread::meaning;
use crate::store::StoreError;

const MIGRATIONS: [&str; 11] = [
    include_str!("../../../migrations/local/0001_requests_and_cache.sql"),
    include_str!("../../../migrations/local/0002_requests_read_back.sql"),
    include_str!("../../../migrations/local/0003_request_sums.sql"),
    include_str!("../../../migrations/local/0004_routing_feedback.sql"),
    include_str!("../../../migrations/local/0005_compared_hits.sql"),
    include_str!("../../../migrations/local/0006_calibration.sql"),
    include_str!("../../../migrations/local/0007_routing_state.sql"),
    include_str!("../../../migrations/local/0008_model_performance_history.sql"),
    include_str!("../../../migrations/local/0009_experiments.sql"),
    include_str!("../../../migrations/local/0010_budgets.sql"),
    include_str!("../../../migrations/local/0011_saving_range.sql"),
];

/// The schema that this program reads and writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages of write-ahead log (4 KiB each) at which a commit moves them into the file itself, which takes tens of
/// milliseconds; long before that, the thread of the reports does it beside the requests.
const AUTOCHECKPOINT_PAGES: i64 = 32_768;

/// Statements that stay parsed: more than a connection uses, as parsing one takes longer than running it.
const STATEMENTS: usize = 128;

/// How long to wait before opening is tried again.
const OPEN_AGAIN: Duration = Duration::from_millis(20);

/// Opens the store, makes folder and file where they are missing, and applies what it lacks.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let opened = open_file(path, |mut connection| {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // A transaction that reads before it takes the lock fails where another process writes in between.
        connection.set_transaction_behavior(TransactionBehavior::Immediate);
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "foreign_keys", "on")?;
        connection.pragma_update(None, "wal_autocheckpoint", AUTOCHECKPOINT_PAGES)?;
        if let Some(found) = newer(&connection)? {
            return Ok(Err(found));
        }
        if version(&connection)? < SCHEMA_VERSION {
            connection.pragma_update(None, "journal_mode", "wal")?;
            migrate(&mut connection)?;
        }
        Ok(Ok(connection))
    })?;
    opened.map_err(|found| too_new(path, found))
}

/// Opens a file beside the store's, whose schema makes what is missing; `synchronous` is SQLite's.
pub(in crate::store) fn open_beside(
    path: &Path,
    synchronous: &str,
    schema: &str,
) -> Result<Connection, StoreError> {
    open_file(path, |connection| {
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.execute_batch(schema)?;
        Ok(connection)
    })
}

/// Opens a file and prepares it, again for as long as another process is in the way; makes its folder where it is
/// missing.
fn open_file<T>(path: &Path, prepare: impl Fn(Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
    if let Some(folder) = path.parent() {
        make_private_folder(folder).map_err(|error| StoreError::CannotOpen {
            path: path.display().to_string(),
            problem: error.to_string(),
        })?;
    }
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        prepare(connection)
    };
    let started = Instant::now();
    loop {
        match open() {
            // The switch to WAL does not wait for a process that is making it.
            Err(error) if is_busy(&error) && started.elapsed() < BUSY_TIMEOUT => {
                std::thread::sleep(OPEN_AGAIN);
            }
            opened => return opened.map_err(|error| meaning(&error, path)),
        }
    }
}

/// Gives the version of a schema that a newer program has made; `None` where it is ours.
pub(super) fn newer(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    version(connection).map(|found| Some(found).filter(|found| *found > SCHEMA_VERSION))
}

/// Says that a schema is of a newer program.
pub(super) fn too_new(path: &Path, found: i64) -> StoreError {
    StoreError::Newer { path: path.display().to_string(), found, known: SCHEMA_VERSION }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Applies the missing migrations; another process that is faster leaves nothing to do.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let found = usize::try_from(version(&transaction)?).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(found) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}

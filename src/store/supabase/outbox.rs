//! Records that wait on this machine until the project takes them.
//!
//! Each is a call of a function, idempotent by the id in it, kept with the user whose token it may be sent under. What
//! the project refuses for good is put aside and stays readable. The file holds answers, as the cache does.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};
use serde_json::Value;

use crate::domain::ids::UserId;
use crate::store::StoreError;
use crate::store::local::schema::open_beside;
use crate::store::local::thread::StoreThread;

/// Letters that are taken out at a time.
const BATCH: i64 = 64;
/// Letters that may wait; beyond that a record fails, and so does what would be paid for it.
const MOST_LETTERS: i64 = 100_000;

const SCHEMA: &str = "
create table if not exists outbox (
    letter_number integer primary key autoincrement,
    user_id       text    not null,
    function      text    not null,
    arguments     text    not null,
    created_at    integer not null
);
create index if not exists outbox_by_user on outbox (user_id, letter_number);
create table if not exists dead_letters (
    letter_number integer primary key,
    user_id       text    not null,
    function      text    not null,
    arguments     text    not null,
    created_at    integer not null,
    code          text    not null,
    refused_at    integer not null
);";

/// A call that is to be made.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its place in the outbox; 0 before it is there.
    pub number: i64,
    function: String,
    arguments: Value,
}

/// What is put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub user_id: String,
    pub function: String,
    /// Why the project refused it.
    pub code: String,
    pub created_at: Timestamp,
}

impl Letter {
    pub(super) fn new(function: &str, arguments: Value) -> Self {
        Self { number: 0, function: function.to_owned(), arguments }
    }

    pub(super) fn function(&self) -> &str {
        &self.function
    }

    pub(super) const fn arguments(&self) -> &Value {
        &self.arguments
    }
}

/// The records that wait, in a SQLite file that several processes share.
#[derive(Debug, Clone)]
pub struct Outbox(StoreThread<Connection>);

impl Outbox {
    /// Names the file; it is made by the first record that has to wait.
    pub fn new(path: PathBuf) -> Self {
        Self(StoreThread::new("outbox", path, open))
    }

    /// Keeps a letter until it is delivered, and gives its number.
    pub(super) async fn put(&self, user: UserId, letter: Letter) -> Result<i64, StoreError> {
        let arguments = letter.arguments.to_string();
        let number = self
            .0
            .run(move |connection| {
                let count: i64 = connection.query_row("select count(*) from outbox", [], |row| row.get(0))?;
                if count >= MOST_LETTERS {
                    return Ok(None);
                }
                connection
                    .prepare_cached(
                        "insert into outbox (user_id, function, arguments, created_at) values (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![
                        user.to_string(),
                        letter.function,
                        arguments,
                        Timestamp::now().as_microsecond()
                    ])?;
                Ok(Some(connection.last_insert_rowid()))
            })
            .await?;
        number.ok_or(StoreError::OutboxFull { most: MOST_LETTERS })
    }

    /// Gives the oldest letters of a user.
    pub(super) async fn waiting(&self, user: UserId) -> Result<Vec<Letter>, StoreError> {
        self.0
            .run(move |connection| {
                connection
                    .prepare_cached(
                        "select letter_number, function, arguments from outbox where user_id = ?1 \
                         order by letter_number limit ?2",
                    )?
                    .query_map(params![user.to_string(), BATCH], |row| {
                        let arguments: String = row.get(2)?;
                        Ok(Letter {
                            number: row.get(0)?,
                            function: row.get(1)?,
                            // It was written as JSON; a damaged one is refused by the project and put aside.
                            arguments: serde_json::from_str(&arguments).unwrap_or_default(),
                        })
                    })?
                    .collect()
            })
            .await
    }

    /// Forgets a letter, because the project has it.
    pub(super) async fn delivered(&self, number: i64) -> Result<(), StoreError> {
        self.0
            .run(move |connection| {
                connection
                    .prepare_cached("delete from outbox where letter_number = ?1")?
                    .execute([number])
                    .map(|_| ())
            })
            .await
    }

    /// Puts a letter aside that the project will never take.
    pub(super) async fn put_aside(&self, number: i64, code: &str) -> Result<(), StoreError> {
        tracing::error!(code, "the project refused a record for good; `doctor` lists it");
        let code = code.to_owned();
        self.0
            .run(move |connection| {
                let transaction = connection.transaction()?;
                transaction.execute(
                    "insert or ignore into dead_letters select letter_number, user_id, function, arguments, created_at, \
                     ?2, ?3 from outbox where letter_number = ?1",
                    params![number, code, Timestamp::now().as_microsecond()],
                )?;
                transaction.execute("delete from outbox where letter_number = ?1", [number])?;
                transaction.commit()
            })
            .await
    }

    /// Forgets all letters of a user, those that were put aside included.
    pub(super) async fn forget(&self, user: UserId) -> Result<(), StoreError> {
        if !self.0.path().exists() {
            return Ok(());
        }
        self.0
            .run(move |connection| {
                let transaction = connection.transaction()?;
                for table in ["outbox", "dead_letters"] {
                    transaction
                        .execute(&format!("delete from {table} where user_id = ?1"), [user.to_string()])?;
                }
                transaction.commit()?;
                connection.execute_batch("vacuum")
            })
            .await
    }

    /// Lists the users for whom something waits.
    pub async fn users(&self) -> Result<Vec<UserId>, StoreError> {
        if !self.0.path().exists() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = self
            .0
            .run(|connection| {
                connection
                    .prepare_cached("select distinct user_id from outbox")?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })
            .await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Says whether a letter could be kept now, and makes the file where there is none.
    pub async fn has_room(&self) -> Result<bool, StoreError> {
        self.0
            .run(|connection| {
                // The lock of a writer is taken and given back.
                let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let count: i64 = writing.query_row("select count(*) from outbox", [], |row| row.get(0))?;
                Ok(count < MOST_LETTERS)
            })
            .await
    }

    /// Says whether nothing waits.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.count().await? == 0)
    }

    /// Counts what waits, of all users.
    pub async fn count(&self) -> Result<u64, StoreError> {
        if !self.0.path().exists() {
            return Ok(0);
        }
        let count: i64 = self
            .0
            .run(|connection| connection.query_row("select count(*) from outbox", [], |row| row.get(0)))
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Lists what was put aside, latest first.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        if !self.0.path().exists() {
            return Ok(Vec::new());
        }
        self.0
            .run(|connection| {
                connection
                    .prepare_cached(
                        "select user_id, function, code, created_at from dead_letters \
                         order by letter_number desc limit 100",
                    )?
                    .query_map([], |row| {
                        Ok(DeadLetter {
                            user_id: row.get(0)?,
                            function: row.get(1)?,
                            code: row.get(2)?,
                            created_at: Timestamp::from_microsecond(row.get(3)?).unwrap_or_default(),
                        })
                    })?
                    .collect()
            })
            .await
    }
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    // A record that waits here is nowhere else.
    open_beside(path, "full", SCHEMA)
}

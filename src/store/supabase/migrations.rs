//! Brings a project's database to the schema of this program: `migrations/supabase`, each file once, in order, in a
//! transaction of its own.
//!
//! It alone speaks PostgreSQL's protocol, as the owner of the project; all else goes through REST, as a user. Only
//! simple queries are sent, and nothing is set beyond a transaction: behind a pooler in transaction mode the next
//! transaction may run on another connection.

mod address;
mod connection;
mod failure;
mod protection;

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use self::connection::Connected;

pub use self::address::DatabaseUrl;
pub use self::failure::MigrationError;

/// A file of `migrations/supabase`.
#[derive(Debug, Clone, Copy)]
struct Migration {
    /// What [`schema_version`] is after it.
    number: i64,
    file: &'static str,
    sql: &'static str,
}

/// Takes a file by its number and name.
macro_rules! migration {
    ($number:literal, $file:literal) => {
        Migration {
            number: $number,
            file: $file,
            sql: include_str!(concat!("../../../migrations/supabase/", $file)),
        }
    };
}

/// All files, in order.
const MIGRATIONS: [Migration; 14] = [
    migration!(1, "0001_requests_and_cache.sql"),
    migration!(2, "0002_cache_functions.sql"),
    migration!(3, "0003_routing_feedback.sql"),
    migration!(4, "0004_record_functions.sql"),
    migration!(5, "0005_cost_report.sql"),
    migration!(6, "0006_revision.sql"),
    migration!(7, "0007_isolation.sql"),
    migration!(8, "0008_calibration.sql"),
    migration!(9, "0009_routing_state.sql"),
    migration!(10, "0010_model_performance_history.sql"),
    migration!(11, "0011_experiments.sql"),
    migration!(12, "0012_budgets.sql"),
    migration!(13, "0013_forgetting.sql"),
    migration!(14, "0014_saving_range.sql"),
];

/// The schema that this program reads and writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// How long a short answer may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// How long a file waits for somebody else's lock, such as one who migrates too.
const LOCK_SECONDS: u64 = 30;
/// How long a statement may take: an index over many vectors takes minutes.
const STATEMENT_MINUTES: u64 = 30;
/// How long a file may take; the server gives up on a statement before.
const FILE_PATIENCE: Duration = Duration::from_secs(STATEMENT_MINUTES * 60 + 30);

/// Whether to apply what is missing, or only to list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrateMode {
    List,
    Apply,
}

/// What became of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The schema version before; 0: none of our files.
    pub from: i64,
    /// The schema version now.
    pub to: i64,
    /// The files that this run applied.
    pub applied: Vec<&'static str>,
    /// The files that are missing still.
    pub pending: Vec<&'static str>,
}

/// Applies the files that a database lacks; somebody else who does the same is waited for.
///
/// Cancel safe: yes, because a file that is not committed is rolled back, and the next run goes on from there.
pub async fn migrate(url: &DatabaseUrl, mode: MigrateMode) -> Result<Migrated, MigrationError> {
    let Connected { client, messages } = connection::open(url).await?;
    let mut work = std::pin::pin!(bring_up(&client, mode));
    tokio::select! {
        biased;
        result = &mut work => result,
        // Whoever waits for an answer of a connection that ended is told so.
        () = messages => work.await,
    }
}

async fn bring_up(client: &Client, mode: MigrateMode) -> Result<Migrated, MigrationError> {
    let from = schema_version(client).await?;
    if from > SCHEMA_VERSION {
        return Err(MigrationError::Newer { found: from, known: SCHEMA_VERSION });
    }
    let mut migrated = Migrated { from, to: from, applied: Vec::new(), pending: Vec::new() };
    for migration in MIGRATIONS.iter().filter(|migration| migration.number > from) {
        match mode {
            MigrateMode::List => migrated.pending.push(migration.file),
            // Somebody else was faster, by several files.
            MigrateMode::Apply if migration.number <= migrated.to => {}
            MigrateMode::Apply => match apply(client, migration).await {
                Ok(()) => {
                    migrated.to = migration.number;
                    migrated.applied.push(migration.file);
                }
                // It fails too where somebody else applied it meanwhile.
                Err(error) => match schema_version(client).await {
                    Ok(found) if found >= migration.number => migrated.to = found,
                    _ => return Err(error),
                },
            },
        }
    }
    Ok(migrated)
}

/// Says which file was applied last; 0: none.
async fn schema_version(client: &Client) -> Result<i64, MigrationError> {
    let asked = timeout(ANSWER_PATIENCE, client.simple_query("select public.schema_version()")).await;
    match asked.map_err(|_| MigrationError::late(ANSWER_PATIENCE))? {
        Ok(messages) => {
            let row = messages.iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            });
            row.and_then(|version| version.parse().ok()).ok_or(MigrationError::ForeignVersion)
        }
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_FUNCTION) => Ok(0),
        Err(error) => Err(MigrationError::answering(&error)),
    }
}

/// Applies one file in one transaction.
async fn apply(client: &Client, migration: &Migration) -> Result<(), MigrationError> {
    let file = format!(
        "begin;\n\
         set local lock_timeout = '{LOCK_SECONDS}s';\n\
         set local statement_timeout = '{STATEMENT_MINUTES}min';\n\
         {}",
        migration.sql
    );
    let applied = timeout(FILE_PATIENCE, async {
        client.batch_execute(&file).await?;
        // Sent apart, so that nothing is committed for somebody who went away meanwhile.
        client.batch_execute("commit").await
    });
    let Err(error) = applied.await.map_err(|_| MigrationError::late(FILE_PATIENCE))? else { return Ok(()) };
    // Where even this does not arrive, the end of the connection does the same.
    let _ = timeout(ANSWER_PATIENCE, client.batch_execute("rollback")).await;
    Err(MigrationError::applying(migration.file, &error))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_in_the_list_and_the_last_says_its_number() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/supabase");
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
        files.sort();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, MIGRATIONS.map(|migration| migration.file));
        for ((place, migration), file) in MIGRATIONS.iter().enumerate().zip(&files) {
            assert_eq!(migration.number, place as i64 + 1);
            assert!(migration.file.starts_with(&format!("{:04}_", migration.number)), "{}", migration.file);
            assert_eq!(migration.sql, fs::read_to_string(file).unwrap(), "{}", migration.file);
            let says = format!("set search_path = '' as 'select {}';", migration.number);
            assert!(migration.sql.contains(&says), "{} does not set schema_version()", migration.file);
        }
    }

    #[test]
    fn no_file_ends_the_transaction_it_is_in() {
        for migration in &MIGRATIONS {
            let ends = |line: &str| ["begin;", "commit;", "rollback;"].contains(&line.trim());
            assert!(!migration.sql.lines().any(ends), "{}", migration.file);
        }
    }
}

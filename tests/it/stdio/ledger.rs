//! What the program wrote down, read past the program.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

/// The file of a store.
pub(crate) struct Ledger(Connection);

impl Ledger {
    /// Opens a file, which must be there and sound.
    pub(crate) fn open(path: &Path) -> Self {
        assert!(path.is_file(), "{} is missing", path.display());
        let ledger = Self(Connection::open(path).unwrap());
        assert_eq!(ledger.text("pragma integrity_check"), "ok");
        ledger
    }

    /// Reads one number; null is `i64::MIN`.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.0
            .query_row(sql, [], |row| row.get::<_, Option<i64>>(0))
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .unwrap_or(i64::MIN)
    }

    /// Reads one text; null is empty.
    pub(crate) fn text(&self, sql: &str) -> String {
        self.0
            .query_row(sql, [], |row| row.get::<_, Option<String>>(0))
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .unwrap_or_default()
    }

    /// Gives the status of each request.
    pub(crate) fn statuses(&self) -> BTreeMap<String, String> {
        let mut statement = self.0.prepare("select id, status from requests").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    /// Changes the file.
    pub(crate) fn change(&self, sql: &str) {
        self.0.execute_batch(sql).unwrap();
    }

    /// Moves everything into the one file and closes it.
    pub(crate) fn fold(self) {
        assert_eq!(self.number("pragma wal_checkpoint(truncate)"), 0);
        self.0.close().unwrap();
    }
}

//! The vectors of the scopes in use, in memory, kept level with the file.
//!
//! SQLite holds the truth. A scope is read when it is first searched; later rows of this process and of
//! others are added, and rows that were deleted or retired are dropped, before each search. A search is an
//! exact scan.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::cache::{COLUMNS, entry};
use super::columns::from_bytes;
use crate::domain::embedding::{DIMENSIONS, dot};
use crate::domain::ids::UserId;
use crate::domain::record::{Neighbour, ScopeHash};
use crate::store::NearestQuery;

/// Vectors of one scope and one embedder, a row's number beside its 384 numbers.
#[derive(Debug, Default)]
struct Shelf {
    row_numbers: Vec<i64>,
    numbers: Vec<f32>,
}

#[derive(Debug, Default)]
pub(super) struct Vectors {
    shelves: HashMap<(ScopeHash, String), Shelf>,
    /// The last row that any shelf may lack is after this one.
    last_row: i64,
    last_change: i64,
    /// What `PRAGMA data_version` said; it moves when another connection commits.
    data_version: Option<i64>,
    has_own_changes: bool,
}

impl Vectors {
    /// Notes that this connection is about to change rows, which its `data_version` will not tell.
    pub(super) fn expect_changes(&mut self) {
        self.has_own_changes = true;
    }

    /// Finds the nearest servable entries of a scope, nearest first.
    pub(super) fn nearest(
        &mut self,
        connection: &Connection,
        query: &NearestQuery,
    ) -> rusqlite::Result<Vec<Neighbour>> {
        self.catch_up(connection)?;
        let key = (query.scope, query.embedding.fingerprint.clone());
        if !self.shelves.contains_key(&key) {
            let shelf = self.load(connection, &key)?;
            self.shelves.insert(key.clone(), shelf);
        }
        let Some(shelf) = self.shelves.get(&key) else { return Ok(Vec::new()) };
        let wanted = query.embedding.embedding.as_slice();
        let mut scored: Vec<(f32, i64)> = shelf
            .numbers
            .chunks_exact(DIMENSIONS)
            .zip(&shelf.row_numbers)
            .map(|(numbers, row)| (dot(numbers, wanted), *row))
            .collect();
        // Some of the nearest may have expired, so a few more are looked at.
        let looked_at = query.limit.saturating_mul(4).min(scored.len());
        if looked_at < scored.len() {
            scored.select_nth_unstable_by(looked_at, |left, right| right.0.total_cmp(&left.0));
            scored.truncate(looked_at);
        }
        scored.sort_by(|left, right| right.0.total_cmp(&left.0));
        let sql = format!(
            "select {COLUMNS} from response_cache where row_number = ?1 and expires_at > ?2 and retired_at is null"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut neighbours = Vec::new();
        for (similarity, row) in scored {
            if neighbours.len() == query.limit {
                break;
            }
            let mut rows = statement.query(params![row, query.now.as_microsecond()])?;
            if let Some(row) = rows.next()? {
                neighbours.push(Neighbour { similarity: similarity.clamp(-1.0, 1.0), entry: entry(row)? });
            }
        }
        Ok(neighbours)
    }

    fn load(&self, connection: &Connection, key: &(ScopeHash, String)) -> rusqlite::Result<Shelf> {
        let mut statement = connection.prepare_cached(
            "select row_number, embedding from response_cache where user_id = ?1 and scope_hash = ?2 \
             and embedder_fingerprint = ?3 and retired_at is null and row_number <= ?4",
        )?;
        let user_id = UserId::LOCAL.to_string();
        let mut rows = statement.query(params![user_id, key.0.0, key.1, self.last_row])?;
        let mut shelf = Shelf::default();
        while let Some(row) = rows.next()? {
            shelf.add(row.get(0)?, row.get_ref(1)?.as_blob()?);
        }
        Ok(shelf)
    }

    /// Adds the rows that came since, and drops those that went.
    fn catch_up(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let data_version: i64 = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.data_version == Some(data_version) && !self.has_own_changes {
            return Ok(());
        }
        if self.is_too_far_behind(connection)? {
            self.shelves.clear();
            self.last_row = number(connection, "select max(row_number) from response_cache")?;
            self.last_change = number(connection, "select max(change_number) from cache_changes")?;
        }
        let user_id = UserId::LOCAL.to_string();
        let mut statement = connection.prepare_cached(
            "select row_number, scope_hash, embedder_fingerprint, embedding from response_cache \
             where row_number > ?1 and user_id = ?2 order by row_number",
        )?;
        let mut rows = statement.query(params![self.last_row, user_id])?;
        while let Some(row) = rows.next()? {
            self.last_row = row.get(0)?;
            let Some(fingerprint) = row.get::<_, Option<String>>(2)? else { continue };
            let key = (ScopeHash(row.get(1)?), fingerprint);
            if let Some(shelf) = self.shelves.get_mut(&key) {
                shelf.add(self.last_row, row.get_ref(3)?.as_blob()?);
            }
        }
        let mut statement = connection
            .prepare_cached("select change_number, row_number from cache_changes where change_number > ?1")?;
        let mut rows = statement.query([self.last_change])?;
        while let Some(row) = rows.next()? {
            self.last_change = self.last_change.max(row.get(0)?);
            let gone: i64 = row.get(1)?;
            self.shelves.values_mut().for_each(|shelf| shelf.remove(gone));
        }
        self.data_version = Some(data_version);
        self.has_own_changes = false;
        Ok(())
    }

    /// Says whether nothing was read yet, or changes were trimmed away before they were read.
    fn is_too_far_behind(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let first = number(connection, "select min(change_number) from cache_changes")?;
        Ok(self.data_version.is_none() || first > self.last_change + 1)
    }
}

/// Reads one number; 0 where there is none.
fn number(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0))
}

impl Shelf {
    /// Adds a row; one whose bytes are no vector is left out.
    fn add(&mut self, row_number: i64, bytes: &[u8]) {
        let numbers = from_bytes(bytes);
        if numbers.len() == DIMENSIONS {
            self.row_numbers.push(row_number);
            self.numbers.extend(numbers);
        }
    }

    fn remove(&mut self, row_number: i64) {
        let Ok(place) = self.row_numbers.binary_search(&row_number) else { return };
        self.row_numbers.remove(place);
        self.numbers.drain(place * DIMENSIONS..(place + 1) * DIMENSIONS);
    }
}

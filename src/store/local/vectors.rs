//! The vectors of the scopes in use, in memory, kept level with the file.
//!
//! SQLite holds the truth. A scope is read when it is first searched; later rows of this process and of
//! others are added, and rows that were deleted or retired are dropped, before each search. A search scans
//! all rows of a scope as bytes and compares the best in full: what is served is decided on exact cosines only.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::cache::{COLUMNS, entry};
use super::columns::from_bytes;
use super::quantised::Wanted;
use super::shelf::Shelf;
use crate::domain::embedding::dot;
use crate::domain::ids::UserId;
use crate::domain::record::{Neighbour, ScopeHash};
use crate::store::NearestQuery;

/// Rows that look nearest and are compared again in full. With a scan of bytes alone the nearest is found for 96
/// of 100 prompts, with 16 compared again for all of 100.
const COMPARED_AGAIN: usize = 16;

/// A scope of which fewer than one row in so many is on the disk between its first and its last is sparse.
const SPARSE: i64 = 4;

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
        let exact = query.embedding.embedding.as_slice();
        let Some(wanted) = Wanted::new(exact) else { return Ok(Vec::new()) };
        let now = query.now.as_microsecond();
        let wrong = wrong_rows(connection, query)?;
        let looks_near = shelf.nearest(&wanted, COMPARED_AGAIN.max(query.limit) + wrong.len(), now);
        let mut numbers_of =
            connection.prepare_cached("select embedding from response_cache where row_number = ?1")?;
        let mut compared: Vec<(f32, i64)> = Vec::new();
        for near in looks_near.into_iter().filter(|near| !wrong.contains(&near.row_number)) {
            let mut rows = numbers_of.query([near.row_number])?;
            if let Some(row) = rows.next()? {
                compared.push((dot(&from_bytes(row.get_ref(0)?.as_blob()?), exact), near.row_number));
            }
        }
        compared.sort_by(|left, right| right.0.total_cmp(&left.0));
        let sql = format!(
            "select {COLUMNS} from response_cache where row_number = ?1 and expires_at > ?2 and retired_at is null"
        );
        let mut entry_of = connection.prepare_cached(&sql)?;
        let mut neighbours = Vec::new();
        for (similarity, row_number) in compared.into_iter().take(query.limit) {
            let mut rows = entry_of.query(params![row_number, now])?;
            if let Some(row) = rows.next()? {
                neighbours.push(Neighbour { similarity: similarity.clamp(-1.0, 1.0), entry: entry(row)? });
            }
        }
        Ok(neighbours)
    }

    /// Reads a scope's rows, in the order of their numbers, which is the order in which they lie on the disk.
    fn load(&self, connection: &Connection, key: &(ScopeHash, String)) -> rusqlite::Result<Shelf> {
        let (scope, fingerprint) = key;
        let user_id = UserId::LOCAL.to_string();
        let mut row_numbers: Vec<i64> = connection
            .prepare_cached(
                "select row_number from response_cache where user_id = ?1 and scope_hash = ?2 and row_number <= ?3",
            )?
            .query_map(params![user_id, scope.0, self.last_row], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        row_numbers.sort_unstable();
        // Rows are read past the index, which has them in another order: in one pass where they lie close together,
        // which is three times as fast, and one by one where other scopes' rows lie between them.
        let mut statement = connection.prepare_cached(
            "select row_number, embedding, expires_at from response_cache not indexed \
             where row_number between ?1 and ?2 and user_id = ?3 and scope_hash = ?4 and embedder_fingerprint = ?5 \
             and retired_at is null order by row_number",
        )?;
        let mut shelf = Shelf::with_capacity(row_numbers.len());
        let mut read = |first: i64, last: i64| -> rusqlite::Result<()> {
            let mut rows = statement.query(params![first, last, user_id, scope.0, fingerprint])?;
            while let Some(row) = rows.next()? {
                shelf.add(row.get(0)?, &from_bytes(row.get_ref(1)?.as_blob()?), row.get(2)?);
            }
            Ok(())
        };
        let ends = row_numbers.first().copied().zip(row_numbers.last().copied());
        match ends {
            Some((first, last)) if last - first < SPARSE * row_numbers.len() as i64 => read(first, last)?,
            _ => row_numbers.into_iter().try_for_each(|row_number| read(row_number, row_number))?,
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
            "select row_number, scope_hash, embedder_fingerprint, embedding, expires_at from response_cache \
             where row_number > ?1 and user_id = ?2 order by row_number",
        )?;
        let mut rows = statement.query(params![self.last_row, user_id])?;
        while let Some(row) = rows.next()? {
            self.last_row = row.get(0)?;
            let Some(fingerprint) = row.get::<_, Option<String>>(2)? else { continue };
            let key = (ScopeHash(row.get(1)?), fingerprint);
            if let Some(shelf) = self.shelves.get_mut(&key) {
                shelf.add(self.last_row, &from_bytes(row.get_ref(3)?.as_blob()?), row.get(4)?);
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

/// Finds the rows that were wrong for the prompt.
fn wrong_rows(connection: &Connection, query: &NearestQuery) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "select row_number from negative_pairs join response_cache \
             on response_cache.user_id = negative_pairs.user_id and id = cache_entry_id \
             where negative_pairs.user_id = ?1 and negative_pairs.prompt_sha256 = ?2 and scope_hash = ?3",
        )?
        .query_map(params![UserId::LOCAL.to_string(), query.prompt_sha256, query.scope.0], |row| row.get(0))?
        .collect()
}

/// Reads one number; 0 where there is none.
fn number(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0))
}

//! The search for the outcomes of similar prompts.
//!
//! The vectors of scored rows are kept in memory as bytes, and read up to the newest before each search; all that
//! is said of an outcome is read from SQLite when it is found, so a score that changed is seen at once.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{from_bytes, model, named, time, unreadable};
use super::quantised::Wanted;
use super::shelf::Shelf;
use crate::domain::embedding::dot;
use crate::domain::ids::UserId;
use crate::domain::outcome::{Outcome, OutcomeQuery};
use crate::domain::rating::Score;

#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// By the fingerprint of the embedder; rows go by their `scored_number`.
    shelves: HashMap<String, Shelf>,
    last: i64,
}

impl Outcomes {
    /// Finds the outcomes of the prompts nearest to one, nearest first.
    pub(super) fn nearest(
        &mut self,
        connection: &Connection,
        query: &OutcomeQuery,
    ) -> rusqlite::Result<Vec<Outcome>> {
        self.catch_up(connection)?;
        let exact = query.embedding.embedding.as_slice();
        let shelf = self.shelves.get(&query.embedding.fingerprint);
        let Some((shelf, wanted)) = shelf.zip(Wanted::new(exact)) else { return Ok(Vec::new()) };
        let mut statement = connection.prepare_cached(
            "select f.provider, f.model, f.score, f.source, f.created_at, f.embedding, r.session \
             from routing_feedback f left join requests r on r.user_id = f.user_id and r.id = f.request_id \
             where f.user_id = ?1 and f.scored_number = ?2 and f.score is not null and f.embedding is not null",
        )?;
        let user_id = UserId::LOCAL.to_string();
        let mut found = Vec::new();
        for near in shelf.nearest(&wanted, query.limit, 0) {
            let mut rows = statement.query(params![user_id, near.row_number])?;
            if let Some(row) = rows.next()? {
                let similarity = dot(&from_bytes(row.get_ref(5)?.as_blob()?), exact).clamp(-1.0, 1.0);
                found.push(Outcome {
                    similarity,
                    reference: model(row, 0)?,
                    score: Score::new(row.get(2)?).map_err(|error| unreadable(2, error))?,
                    source: named(row, 3)?,
                    age_seconds: age_seconds(time(row, 4)?, query.now),
                    session: row.get(6)?,
                });
            }
        }
        found.sort_by(|left, right| right.similarity.total_cmp(&left.similarity));
        Ok(found)
    }

    fn catch_up(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let user_id = UserId::LOCAL.to_string();
        let first: Option<i64> = connection
            .prepare_cached("select min(scored_number) from routing_feedback where user_id = ?1 and scored_number is not null")?
            .query_row([&user_id], |row| row.get(0))?;
        self.shelves.values_mut().for_each(|shelf| shelf.remove_before(first.unwrap_or(i64::MAX)));
        let mut statement = connection.prepare_cached(
            "select scored_number, embedder_fingerprint, embedding from routing_feedback \
             where user_id = ?1 and scored_number > ?2 order by scored_number",
        )?;
        let mut rows = statement.query(params![user_id, self.last])?;
        while let Some(row) = rows.next()? {
            self.last = row.get(0)?;
            if let Some(fingerprint) = row.get::<_, Option<String>>(1)? {
                let numbers = from_bytes(row.get_ref(2)?.as_blob()?);
                self.shelves.entry(fingerprint).or_default().add(self.last, &numbers, i64::MAX);
            }
        }
        Ok(())
    }
}

/// Says whether any outcome can be found at all, without reading one.
pub(super) fn are_there_any(connection: &Connection) -> rusqlite::Result<bool> {
    let found = connection
        .prepare_cached(
            "select 1 from routing_feedback where user_id = ?1 and scored_number is not null and score is not null \
             and embedder_fingerprint is not null limit 1",
        )?
        .query_row([UserId::LOCAL.to_string()], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

fn age_seconds(created_at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(created_at).as_secs()).unwrap_or(0)
}

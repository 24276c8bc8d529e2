//! Requests in order, and what makes them be forgotten.

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::requests;
use crate::domain::ids::UserId;
use crate::domain::record::RequestRecord;
use crate::store::RequestsQuery;

/// Lists requests in the order in which they came.
pub(super) fn list(connection: &Connection, query: &RequestsQuery) -> rusqlite::Result<Vec<RequestRecord>> {
    let after = query.after.map(|after| after.to_string()).unwrap_or_default();
    connection
        .prepare_cached(&format!(
            "select {} from requests where user_id = ?1 and id > ?2 and created_at >= ?3 and created_at < ?4 \
             order by id limit ?5",
            requests::COLUMNS
        ))?
        .query_map(
            params![
                UserId::LOCAL.to_string(),
                after,
                query.from.as_microsecond(),
                query.to.as_microsecond(),
                query.limit
            ],
            requests::record,
        )?
        .collect()
}

/// Lists the latest requests, the last one first.
pub(super) fn latest(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<RequestRecord>> {
    connection
        .prepare_cached(&format!(
            "select {} from requests where user_id = ?1 order by created_at desc, id desc limit ?2",
            requests::COLUMNS
        ))?
        .query_map(params![UserId::LOCAL.to_string(), limit], requests::record)?
        .collect()
}

/// Forgets requests of before a time with all that is known of them, oldest first; returns how many.
///
/// What is part of an experiment stays as long as that does; one that was put away before the time goes first.
pub(super) fn forget_before(
    transaction: &Transaction<'_>,
    before: Timestamp,
    limit: u32,
) -> rusqlite::Result<u64> {
    let (user_id, before) = (UserId::LOCAL.to_string(), before.as_microsecond());
    let ids = |sql: &str| -> rusqlite::Result<Vec<String>> {
        transaction
            .prepare_cached(sql)?
            .query_map(params![user_id, before, limit], |row| row.get(0))?
            .collect()
    };
    let archived = ids(
        "select id from experiments where user_id = ?1 and status = 'archived' and ended_at < ?2 limit ?3",
    )?;
    for id in archived {
        for table in ["experiment_results", "experiment_sums", "experiment_sessions"] {
            let sql = format!("delete from {table} where user_id = ?1 and experiment_id = ?2");
            transaction.prepare_cached(&sql)?.execute([&user_id, &id])?;
        }
        transaction
            .prepare_cached("delete from experiments where user_id = ?1 and id = ?2")?
            .execute([&user_id, &id])?;
    }
    let old = ids("select r.id from requests r where r.user_id = ?1 and r.created_at < ?2 and not exists (\
         select 1 from experiment_results e where e.user_id = r.user_id and e.request_id = r.id) \
         order by r.created_at limit ?3")?;
    for id in &old {
        for table in ["response_feedback", "routing_feedback", "response_cache", "budget_reservations"] {
            let sql = format!("delete from {table} where user_id = ?1 and request_id = ?2");
            transaction.prepare_cached(&sql)?.execute([&user_id, id])?;
        }
        transaction
            .prepare_cached("delete from requests where user_id = ?1 and id = ?2")?
            .execute([&user_id, id])?;
    }
    Ok(old.len() as u64)
}

/// Empties every table, and the file of what was in it.
pub(super) fn forget_everything(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    // Rows may go before those that they refer to.
    transaction.pragma_update(None, "defer_foreign_keys", "on")?;
    let tables: Vec<String> = transaction
        .prepare("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    // Triggers fill some tables while others are emptied.
    for table in tables.iter().chain(&tables) {
        transaction.execute(&format!("delete from {table}"), [])?;
    }
    transaction.commit()?;
    connection.execute_batch("vacuum")?;
    connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))
}

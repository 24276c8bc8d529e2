//! Rows of `routing_state`: what routing learned from all outcomes together.

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::count;
use crate::domain::ids::{RequestId, UserId};
use crate::domain::outcome::KeptRouting;

pub(super) fn read(
    connection: &Connection,
    fingerprint: &str,
    session: Option<&str>,
) -> rusqlite::Result<KeptRouting> {
    let user_id = UserId::LOCAL.to_string();
    let kept = connection
        .prepare_cached(
            "select state, revision from routing_state where user_id = ?1 and embedder_fingerprint = ?2",
        )?
        .query_row([user_id.as_str(), fingerprint], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let of_session = connection
        .prepare_cached(
            "select count(*) from requests r indexed by requests_by_session \
             join routing_feedback f on f.user_id = r.user_id and f.request_id = r.id where r.user_id = ?1 and r.session = ?2 and f.score is not null",
        )?
        .query_row(params![user_id, session], |row| count(row, 0))?;
    let (state, revision) = kept.unzip();
    Ok(KeptRouting { state, revision: revision.unwrap_or_default(), of_session })
}

/// Says whether it replaced the state: nobody else has since that revision.
pub(super) fn save(
    connection: &Connection,
    fingerprint: &str,
    state: &[u8],
    revision: i64,
) -> rusqlite::Result<bool> {
    let user_id = UserId::LOCAL.to_string();
    let changed = if revision == 0 {
        connection
            .prepare_cached(
                "insert into routing_state (user_id, embedder_fingerprint, revision, state) values (?1, ?2, 1, ?3) \
                 on conflict do nothing",
            )?
            .execute(params![user_id, fingerprint, state])?
    } else {
        connection
            .prepare_cached(
                "update routing_state set state = ?3, revision = revision + 1 \
                 where user_id = ?1 and embedder_fingerprint = ?2 and revision = ?4",
            )?
            .execute(params![user_id, fingerprint, state, revision])?
    };
    Ok(changed > 0)
}

/// Says whether a request has a forecast still.
pub(super) fn may_be_learned_from(connection: &Connection, id: RequestId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("select 1 from requests where user_id = ?1 and id = ?2 and forecast is not null")?
        .exists([UserId::LOCAL.to_string(), id.to_string()])
}

/// Replaces a forecast that is still there.
pub(super) fn keep_forecast(connection: &Connection, id: RequestId, forecast: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "update requests set forecast = ?3 where user_id = ?1 and id = ?2 and forecast is not null",
        )?
        .execute([UserId::LOCAL.to_string().as_str(), id.to_string().as_str(), forecast])?;
    Ok(())
}

pub(super) fn take_forecast(connection: &Connection, id: RequestId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("update requests set forecast = null where user_id = ?1 and id = ?2")?
        .execute([UserId::LOCAL.to_string(), id.to_string()])?;
    Ok(())
}

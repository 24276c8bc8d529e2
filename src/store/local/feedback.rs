//! Rows of `response_feedback`, and what they do to cached answers.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::cache::retirement::is_retired;
use crate::domain::ids::UserId;
use crate::domain::rating::{Rating, RatingEffect};

/// Records a rating; `None` where the request is not known.
///
/// The rating counts for the entry that answered the request, or that the request bought.
pub(super) fn rate(
    connection: &Connection,
    rating: &Rating,
    now: Timestamp,
) -> rusqlite::Result<Option<RatingEffect>> {
    let user_id = UserId::LOCAL.to_string();
    let request_id = rating.request_id.to_string();
    let served: Option<Option<String>> = connection
        .prepare_cached("select cache_entry_id from requests where user_id = ?1 and id = ?2")?
        .query_row(params![user_id, request_id], |row| row.get(0))
        .optional()?;
    let Some(served) = served else { return Ok(None) };
    let entry_id = match served {
        Some(entry_id) => Some(entry_id),
        None => connection
            .prepare_cached("select id from response_cache where user_id = ?1 and request_id = ?2")?
            .query_row(params![user_id, request_id], |row| row.get::<_, String>(0))
            .optional()?,
    };
    connection
        .prepare_cached(
            "insert into response_feedback (user_id, request_id, cache_entry_id, score, verdict, comment, created_at) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             on conflict (user_id, request_id) do update set score = excluded.score, verdict = excluded.verdict, \
             comment = excluded.comment, created_at = excluded.created_at",
        )?
        .execute(params![
            user_id,
            request_id,
            entry_id,
            rating.score.get(),
            rating.verdict.map(|verdict| verdict.to_string()),
            rating.comment,
            now.as_microsecond()
        ])?;
    let Some(entry_id) = entry_id else { return Ok(Some(RatingEffect::Recorded)) };
    let (approvals, ratings): (f64, i64) = connection
        .prepare_cached(
            "select coalesce(sum(score), 0.0), count(*) from response_feedback where user_id = ?1 and cache_entry_id = ?2",
        )?
        .query_row(params![user_id, entry_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let retired_at =
        is_retired(approvals, u64::try_from(ratings).unwrap_or(0)).then_some(now.as_microsecond());
    let changed = connection
        .prepare_cached(
            "update response_cache set approval_sum = ?3, rating_count = ?4, retired_at = coalesce(retired_at, ?5) \
             where user_id = ?1 and id = ?2",
        )?
        .execute(params![user_id, entry_id, approvals, ratings, retired_at])?;
    let is_out = retired_at.is_some() && changed > 0;
    Ok(Some(if is_out { RatingEffect::EntryRetired } else { RatingEffect::Recorded }))
}

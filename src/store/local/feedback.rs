//! Rows of `response_feedback` and of `negative_pairs`, and what they do to cached answers.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::cache::retirement::is_retired;
use crate::domain::ids::UserId;
use crate::domain::rating::{Rating, RatingEffect, Verdict};

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
    let rated: Option<(Option<String>, [u8; 32])> = connection
        .prepare_cached("select cache_entry_id, prompt_sha256 from requests where user_id = ?1 and id = ?2")?
        .query_row(params![user_id, request_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((served, prompt_sha256)) = rated else { return Ok(None) };
    let entry_id = match &served {
        Some(entry_id) => Some(entry_id.clone()),
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
    let pair_effect = match served {
        Some(entry_id) => pair(connection, Pair { prompt_sha256, entry_id }, rating.verdict, now)?,
        None => RatingEffect::Recorded,
    };
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
    Ok(Some(if is_out { RatingEffect::EntryRetired } else { pair_effect }))
}

/// A prompt, and the cached answer that it was served.
struct Pair {
    prompt_sha256: [u8; 32],
    entry_id: String,
}

/// Excludes a pair whose rating says that it is wrong; brings one back that no rating calls so any more.
fn pair(
    connection: &Connection,
    Pair { prompt_sha256, entry_id }: Pair,
    verdict: Option<Verdict>,
    now: Timestamp,
) -> rusqlite::Result<RatingEffect> {
    let user_id = UserId::LOCAL.to_string();
    if verdict == Some(Verdict::Wrong) {
        // An entry that is gone is served for no prompt.
        connection
            .prepare_cached(
                "insert into negative_pairs (user_id, prompt_sha256, cache_entry_id, created_at) \
                 select user_id, ?2, id, ?4 from response_cache where user_id = ?1 and id = ?3 \
                 on conflict do nothing",
            )?
            .execute(params![user_id, prompt_sha256, entry_id, now.as_microsecond()])?;
        let is_excluded: bool = connection
            .prepare_cached(
                "select exists (select 1 from negative_pairs \
                 where user_id = ?1 and prompt_sha256 = ?2 and cache_entry_id = ?3)",
            )?
            .query_row(params![user_id, prompt_sha256, entry_id], |row| row.get(0))?;
        return Ok(if is_excluded { RatingEffect::PairExcluded } else { RatingEffect::Recorded });
    }
    connection
        .prepare_cached(
            "delete from negative_pairs where user_id = ?1 and prompt_sha256 = ?2 and cache_entry_id = ?3 \
             and not exists (select 1 from response_feedback f join requests r \
             on r.user_id = f.user_id and r.id = f.request_id \
             where f.user_id = ?1 and f.cache_entry_id = ?3 and f.verdict = 'wrong' \
             and r.cache_entry_id = ?3 and r.prompt_sha256 = ?2)",
        )?
        .execute(params![user_id, prompt_sha256, entry_id])?;
    Ok(RatingEffect::Recorded)
}

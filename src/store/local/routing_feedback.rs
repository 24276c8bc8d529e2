//! Rows of `routing_feedback`: which models were asked, and how well they did.
//!
//! Old rows are dropped some at a time as new ones come: one that is scored and can be found when 20,000 were
//! scored after it, any other when 10,000 rows came after it.

use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::columns::to_bytes;
use super::requests;
use crate::domain::ids::UserId;
use crate::domain::outcome::AskedModel;
use crate::domain::rating::{Rating, Score};
use crate::domain::record::{RequestRecord, StoredEmbedding};
use crate::routing::outcomes::{RatedModel, asked_models, rated_model};

const KEPT_UNSCORED: i64 = 10_000;
const KEPT_SCORED: i64 = 20_000;
/// Rows written between two times that old ones are dropped, and the most dropped at one: they cannot pile up.
const DROPPED_EVERY: i64 = 16;
const DROPPED_AT_ONCE: i64 = 32;

/// Writes down the models that a request asked; what is known of one already stays.
pub(super) fn write(
    connection: &Connection,
    record: &RequestRecord,
    embedding: Option<&StoredEmbedding>,
) -> rusqlite::Result<()> {
    let asked = asked_models(record);
    if asked.is_empty() {
        return Ok(());
    }
    let bytes = embedding.map(|stored| to_bytes(&stored.embedding));
    let fingerprint = embedding.map(|stored| stored.fingerprint.as_str());
    for asked in asked {
        insert(connection, record, &asked, fingerprint.zip(bytes.as_deref()))?;
        // Neighbours lie on the same pages, so to drop many at times costs less than one each time.
        if connection.last_insert_rowid() % DROPPED_EVERY == 0 {
            drop_old(connection)?;
        }
    }
    Ok(())
}

/// Scores the model that a rated request was answered by, in place of what was thought of it before.
pub(super) fn rate(connection: &Connection, rating: &Rating) -> rusqlite::Result<()> {
    let Some((record, _)) = requests::find(connection, rating.request_id)? else { return Ok(()) };
    let Some(rated) = rated_model(&record, rating) else { return Ok(()) };
    let RatedModel { reference, score, source } = rated;
    let changed = connection
        .prepare_cached(
            "update routing_feedback set score = ?5, source = iif(?5 is null, null, ?6), \
             scored_number = iif(?5 is null or embedding is null, scored_number, coalesce(scored_number, \
             (select coalesce(max(scored_number), 0) + 1 from routing_feedback \
             where user_id = ?1 and scored_number is not null))) \
             where user_id = ?1 and request_id = ?2 and provider = ?3 and model = ?4",
        )?
        .execute(params![
            UserId::LOCAL.to_string(),
            record.id.to_string(),
            reference.provider.as_str(),
            reference.model,
            score.map(Score::get),
            source.to_string()
        ])?;
    // A request that the cache answered asked nobody, so its row begins with the rating.
    if let (0, Some(score), Some(hit)) = (changed, score, &record.cache) {
        let kept: Option<(Option<String>, Option<Vec<u8>>)> = connection
            .prepare_cached(
                "select embedder_fingerprint, embedding from response_cache where user_id = ?1 and id = ?2",
            )?
            .query_row(params![UserId::LOCAL.to_string(), hit.entry_id.to_string()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let (fingerprint, bytes) = kept.unwrap_or_default();
        let asked = AskedModel { reference, score: Some(score) };
        insert(connection, &record, &asked, fingerprint.as_deref().zip(bytes.as_deref()))?;
        connection
            .prepare_cached(
                "update routing_feedback set source = 'rating' where user_id = ?1 and request_id = ?2",
            )?
            .execute(params![UserId::LOCAL.to_string(), record.id.to_string()])?;
    }
    drop_old(connection)
}

fn insert(
    connection: &Connection,
    record: &RequestRecord,
    asked: &AskedModel,
    embedding: Option<(&str, &[u8])>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "insert into routing_feedback (user_id, request_id, provider, model, embedder_fingerprint, embedding, score, \
         source, created_at, scored_number) \
         values (:user_id, :request_id, :provider, :model, :fingerprint, :embedding, :score, \
         iif(:score is null, null, 'automatic'), :created_at, \
         iif(:score is null or :embedding is null, null, (select coalesce(max(scored_number), 0) + 1 \
         from routing_feedback where user_id = :user_id and scored_number is not null))) \
         on conflict do nothing",
    )?;
    statement.execute(named_params! {
        ":user_id": UserId::LOCAL.to_string(),
        ":request_id": record.id.to_string(),
        ":provider": asked.reference.provider.as_str(),
        ":model": asked.reference.model,
        ":fingerprint": embedding.map(|(fingerprint, _)| fingerprint),
        ":embedding": embedding.map(|(_, bytes)| bytes),
        ":score": asked.score.map(Score::get),
        ":created_at": record.created_at.as_microsecond(),
    })?;
    Ok(())
}

/// Drops some of the oldest of the rows that are too many.
fn drop_old(connection: &Connection) -> rusqlite::Result<()> {
    let user_id = UserId::LOCAL.to_string();
    connection
        .prepare_cached(
            "delete from routing_feedback where row_number in (select row_number from routing_feedback \
             where user_id = ?1 and scored_number is null \
             and row_number <= (select max(row_number) from routing_feedback) - ?2 order by row_number limit ?3)",
        )?
        .execute(params![user_id, KEPT_UNSCORED, DROPPED_AT_ONCE])?;
    connection
        .prepare_cached(
            "delete from routing_feedback where row_number in (select row_number from routing_feedback \
             where user_id = ?1 and scored_number <= (select max(scored_number) from routing_feedback \
             where user_id = ?1 and scored_number is not null) - ?2 order by scored_number limit ?3)",
        )?
        .execute(params![user_id, KEPT_SCORED, DROPPED_AT_ONCE])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::local::schema;

    const USER: &str = "00000000-0000-0000-0000-000000000001";

    fn number(connection: &Connection, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).expect("a number")
    }

    #[test]
    fn unscored_rows_are_dropped_by_the_newer_and_scored_ones_by_the_later_scored() {
        let folder = tempfile::tempdir().expect("a folder");
        let connection = schema::open(&folder.path().join("store.sqlite3")).expect("a store");
        connection
            .execute_batch(&format!(
                "with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 40128) \
                 insert into routing_feedback (user_id, request_id, provider, model, score, created_at, scored_number) \
                 select '{USER}', n, 'ollama', 'm', iif(n % 2, null, 1), 0, iif(n % 2, null, n / 2) from numbers"
            ))
            .expect("rows");
        let (unscored, scored) = ("score is null", "score is not null");
        let count =
            |rows: &str| number(&connection, &format!("select count(*) from routing_feedback where {rows}"));
        assert_eq!((count(unscored), count(scored)), (20_064, 20_064));
        drop_old(&connection).expect("the oldest are dropped");
        assert_eq!((count(unscored), count(scored)), (20_032, 20_032));
        assert_eq!(
            number(&connection, "select min(row_number) from routing_feedback"),
            65,
            "the oldest went"
        );
        for _ in 0..500 {
            drop_old(&connection).expect("the oldest are dropped");
        }
        assert_eq!((count(unscored), count(scored)), (5_000, 20_000), "the newest stay");
    }
}

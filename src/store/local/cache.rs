//! Rows of `response_cache`.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::columns::{count, from_bytes, model, money, named, time, to_bytes, whole};
use super::eviction::{MOST_ENTRIES, evict_at_times};
use crate::domain::embedding::dot;
use crate::domain::ids::{EntryId, UserId};
use crate::domain::money::Usd;
use crate::domain::record::{CacheEntry, Forget, ScopeHash, StoredEmbedding};
use crate::domain::usage::Usage;
use crate::store::{ExactQuery, ForgetMode};

/// The columns that [`entry`] reads, in its order.
pub(super) const COLUMNS: &str = "id, scope_hash, prompt_sha256, response_text, provider, model, input_tokens, \
     cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, finish_reason, request_id, \
     created_at, expires_at, prompt_text, normal_sha256";

/// Finds the entry of exactly this prompt, if it may be served, or else the newest of its normal form.
pub(super) fn find_exact(
    connection: &Connection,
    query: &ExactQuery,
) -> rusqlite::Result<Option<CacheEntry>> {
    let ExactQuery { scope, prompt_sha256, normal_sha256, now } = query;
    let user_id = UserId::LOCAL.to_string();
    let find = |column: &str, sha256: &[u8; 32]| {
        let parameters = params![user_id, scope.0, sha256, now.as_microsecond(), prompt_sha256];
        connection.prepare_cached(&newest_by(column))?.query_row(parameters, entry).optional()
    };
    match (find("prompt_sha256", prompt_sha256)?, normal_sha256) {
        (None, Some(normal_sha256)) => find("normal_sha256", normal_sha256),
        (found, _) => Ok(found),
    }
}

/// Words the search for the newest servable entry by one of its hashes.
fn newest_by(column: &str) -> String {
    format!(
        "select {COLUMNS} from response_cache where user_id = ?1 and scope_hash = ?2 and response_cache.{column} = ?3 \
         and expires_at > ?4 and retired_at is null and not exists (select 1 from negative_pairs \
         where negative_pairs.user_id = ?1 and negative_pairs.prompt_sha256 = ?5 and cache_entry_id = id) \
         order by created_at desc limit 1"
    )
}

/// Expired entries dropped with each new one, so that the file stops growing without a pause for cleaning.
const DROPPED_AT_ONCE: i64 = 8;
/// Changes that other processes may still have to read; one that lags further reads everything again.
const KEPT_CHANGES: i64 = 100_000;

/// Inserts an entry in the place of an older one to the same prompt, and drops a few that have expired, or are too many.
pub(super) fn insert(connection: &Connection, entry: &CacheEntry) -> rusqlite::Result<()> {
    let user_id = UserId::LOCAL.to_string();
    connection
        .prepare_cached(
            "delete from response_cache where row_number in \
             (select row_number from response_cache where expires_at <= ?1 order by expires_at limit ?2)",
        )?
        .execute(params![entry.created_at.as_microsecond(), DROPPED_AT_ONCE])?;
    connection
        .prepare_cached(
            "delete from cache_changes where change_number <= (select max(change_number) from cache_changes) - ?1",
        )?
        .execute([KEPT_CHANGES])?;
    connection
        .prepare_cached(
            "delete from response_cache where user_id = ?1 and scope_hash = ?2 and prompt_sha256 = ?3",
        )?
        .execute(params![user_id, entry.scope.0, entry.prompt_sha256])?;
    connection.prepare_cached(INSERT)?.execute(named_params! {
        ":user_id": user_id,
        ":id": entry.id.to_string(),
        ":scope_hash": entry.scope.0,
        ":prompt_sha256": entry.prompt_sha256,
        ":embedder_fingerprint": entry.embedding.as_ref().map(|stored| stored.fingerprint.as_str()),
        ":embedding": entry.embedding.as_ref().map(|stored| to_bytes(&stored.embedding)),
        ":response_text": entry.text,
        ":provider": entry.reference.provider.as_str(),
        ":model": entry.reference.model,
        ":input_tokens": whole(entry.usage.input_tokens),
        ":cached_input_tokens": whole(entry.usage.cached_input_tokens),
        ":cache_write_tokens": whole(entry.usage.cache_write_tokens),
        ":output_tokens": whole(entry.usage.output_tokens),
        ":reasoning_tokens": whole(entry.usage.reasoning_tokens),
        ":cost_pico": entry.cost.map(Usd::pico),
        ":finish_reason": entry.finish_reason.to_string(),
        ":request_id": entry.request_id.to_string(),
        ":created_at": entry.created_at.as_microsecond(),
        ":expires_at": entry.expires_at.as_microsecond(),
        ":prompt_text": entry.prompt_text,
        ":normal_sha256": entry.normal_sha256,
    })?;
    evict_at_times(connection, connection.last_insert_rowid(), entry.created_at, MOST_ENTRIES)
}

const INSERT: &str = "
insert into response_cache (
    user_id, id, scope_hash, prompt_sha256, embedder_fingerprint, embedding, response_text, provider, model,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico,
    finish_reason, request_id, created_at, expires_at, prompt_text, normal_sha256)
values (
    :user_id, :id, :scope_hash, :prompt_sha256, :embedder_fingerprint, :embedding, :response_text, :provider,
    :model, :input_tokens, :cached_input_tokens, :cache_write_tokens, :output_tokens, :reasoning_tokens,
    :cost_pico, :finish_reason, :request_id, :created_at, :expires_at, :prompt_text, :normal_sha256)";

/// Counts that an entry was served.
pub(super) fn count_hit(connection: &Connection, entry: EntryId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("update response_cache set hit_count = hit_count + 1 where user_id = ?1 and id = ?2")?
        .execute(params![UserId::LOCAL.to_string(), entry.to_string()])?;
    Ok(())
}

/// Deletes or counts the entries that a wish names.
pub(super) fn forget(connection: &Connection, forget: &Forget, mode: ForgetMode) -> rusqlite::Result<u64> {
    let user_id = UserId::LOCAL.to_string();
    let rows: Vec<i64> = match forget {
        Forget::All => rows_where(connection, "user_id = ?1", params![user_id])?,
        Forget::OlderThan(time) => rows_where(
            connection,
            "user_id = ?1 and created_at < ?2",
            params![user_id, time.as_microsecond()],
        )?,
        Forget::Request(request) => rows_where(
            connection,
            "user_id = ?1 and (request_id = ?2 or id = (select cache_entry_id from requests where user_id = ?1 and id = ?2))",
            params![user_id, request.to_string()],
        )?,
        Forget::Like { embedding, min_similarity } => like(connection, embedding, *min_similarity)?,
    };
    if mode == ForgetMode::Delete {
        let mut statement = connection.prepare_cached("delete from response_cache where row_number = ?1")?;
        for row in &rows {
            statement.execute([row])?;
        }
    }
    Ok(rows.len() as u64)
}

fn rows_where(
    connection: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(&format!("select row_number from response_cache where {condition}"))?
        .query_map(parameters, |row| row.get(0))?
        .collect()
}

fn like(connection: &Connection, near: &StoredEmbedding, min_similarity: f32) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "select row_number, embedding from response_cache where user_id = ?1 and embedder_fingerprint = ?2",
    )?;
    let mut rows = statement.query(params![UserId::LOCAL.to_string(), near.fingerprint])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let numbers = from_bytes(row.get_ref(1)?.as_blob()?);
        if dot(&numbers, near.embedding.as_slice()) >= min_similarity {
            found.push(row.get(0)?);
        }
    }
    Ok(found)
}

/// Reads an entry from [`COLUMNS`]; the embedding stays in the store.
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<CacheEntry> {
    Ok(CacheEntry {
        id: named(row, 0)?,
        scope: ScopeHash(row.get(1)?),
        prompt_sha256: row.get(2)?,
        normal_sha256: row.get(17)?,
        prompt_text: row.get(16)?,
        embedding: None,
        text: row.get(3)?,
        reference: model(row, 4)?,
        usage: Usage {
            input_tokens: count(row, 6)?,
            cached_input_tokens: count(row, 7)?,
            cache_write_tokens: count(row, 8)?,
            cache_write_1h_tokens: 0,
            output_tokens: count(row, 9)?,
            reasoning_tokens: count(row, 10)?,
        },
        cost: money(row, 11)?,
        finish_reason: named(row, 12)?,
        request_id: named(row, 13)?,
        created_at: time(row, 14)?,
        expires_at: time(row, 15)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::local::schema;

    #[test]
    fn an_entry_is_found_by_an_index_of_its_hash() {
        let folder = tempfile::tempdir().expect("a folder");
        let connection = schema::open(&folder.path().join("store.sqlite3")).expect("a store");
        for column in ["prompt_sha256", "normal_sha256"] {
            let mut statement = connection
                .prepare(&format!("explain query plan {}", newest_by(column)))
                .expect("a statement");
            let steps = statement.query_map([""; 5], |row| row.get(3));
            let steps: Vec<String> = steps.expect("a plan").collect::<Result<_, _>>().expect("its steps");
            let searched = format!("(user_id=? AND scope_hash=? AND {column}=?)");
            assert!(steps[0].starts_with("SEARCH") && steps[0].ends_with(&searched), "{steps:?}");
            assert!(
                !steps.iter().any(|step| step.contains("SCAN") || step.contains("TEMP B-TREE")),
                "{steps:?}"
            );
        }
    }
}

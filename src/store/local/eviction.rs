//! Bounds `response_cache`: when there are too many entries, those go that have expired, and then those that save the
//! least money for the bytes that they take.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::domain::ids::UserId;

/// Entries that may be kept; a few more are, until it is looked at again.
pub(super) const MOST_ENTRIES: i64 = 100_000;
/// Entries inserted between two times that they are counted: counting reads an index through.
const COUNTED_EVERY: i64 = 100;

/// Evicts a hundredth of the entries that may be kept, where there are more; looks with every hundredth insert only.
pub(super) fn evict_at_times(
    connection: &Connection,
    inserted_row: i64,
    now: Timestamp,
    most_entries: i64,
) -> rusqlite::Result<()> {
    if inserted_row % COUNTED_EVERY != 0 {
        return Ok(());
    }
    let user_id = UserId::LOCAL.to_string();
    let entries: i64 = connection
        .prepare_cached("select count(*) from response_cache where user_id = ?1")?
        .query_row([&user_id], |row| row.get(0))?;
    if entries <= most_entries {
        return Ok(());
    }
    let batch = (most_entries / 100).max(1);
    let expired = connection
        .prepare_cached(
            "delete from response_cache where row_number in \
             (select row_number from response_cache where expires_at <= ?1 order by expires_at limit ?2)",
        )?
        .execute(params![now.as_microsecond(), batch])?;
    let left = batch.saturating_sub_unsigned(expired as u64);
    if left > 0 {
        connection
            .prepare_cached(
                "delete from response_cache where row_number in (select row_number from response_cache \
                 where user_id = ?1 order by saved_per_byte, created_at, row_number limit ?2)",
            )?
            .execute(params![user_id, left])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::local::schema;

    const USER: &str = "00000000-0000-0000-0000-000000000001";

    #[test]
    fn of_too_many_the_expired_go_first_and_then_those_that_are_cheap_to_buy_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let connection = schema::open(&folder.path().join("store.sqlite3")).expect("a store");
        let all = || -> String {
            let sql = "select coalesce(group_concat(model, ' ' order by row_number), '') from response_cache";
            connection.query_row(sql, [], |row| row.get(0)).expect("the models")
        };
        let insert = |model: &str, cost: Option<i64>, hits: i64, octets: usize, expires_at: i64| {
            connection
                .execute(
                    "insert into response_cache (user_id, id, scope_hash, prompt_sha256, response_text, provider, \
                     model, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, \
                     cost_pico, finish_reason, request_id, created_at, expires_at, hit_count, prompt_text) \
                     values (?1, ?2, x'', ?2, ?3, 'p', ?2, 0, 0, 0, 0, 0, ?4, 'stop', ?2, 0, ?5, ?6, 'ab')",
                    params![USER, model, "é".repeat(octets / 2 - 1), cost, expires_at, hits],
                )
                .expect("a row");
        };
        let soon = Timestamp::from_microsecond(10).expect("a time");
        let evict = |row: i64, most: i64| evict_at_times(&connection, row, soon, most).expect("evicted");
        // Saved for a byte: 10, 10 by a later row, 20, 15 by two hits more, nothing that is known; and one has expired.
        insert("old", Some(1_000), 0, 100, 20);
        insert("young", Some(1_000), 0, 100, 20);
        insert("dear", Some(2_000), 0, 100, 20);
        insert("hit", Some(1_000), 2, 200, 20);
        insert("unpriced", None, 9, 100, 20);
        insert("expired", Some(1 << 60), 1 << 40, 10, 10);
        evict(100, 6);
        evict(199, 1);
        assert_eq!(all(), "old young dear hit unpriced expired", "not too many, or not the time to look");
        for expected in [
            "old young dear hit unpriced",
            "old young dear hit",
            "young dear hit",
            "dear hit",
            "dear",
            "dear",
        ] {
            evict(200, 1);
            assert_eq!(all(), expected);
        }
        for number in 0..400 {
            insert(&format!("cheap {number}"), Some(number), 0, 100, if number < 3 { 10 } else { 20 });
        }
        evict(300, 400);
        let kept = all();
        assert!(
            kept.starts_with("dear cheap 4 cheap 5 "),
            "a hundredth at once, the expired among it: {kept}"
        );
        assert_eq!(kept.matches("cheap").count(), 396);
    }
}

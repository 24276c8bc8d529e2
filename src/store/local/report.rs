//! Sums over `requests` and counts of `response_cache`, made by SQL.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::domain::ids::UserId;
use crate::domain::money::Usd;
use crate::domain::report::{CacheStats, Group, GroupBy, Report, ReportQuery, Totals};

/// What [`totals`] reads, in its order. An intent is in no sum but its own.
const SUMS: &str = "
    count(*) filter (where status <> 'intent'),
    coalesce(sum(cost_pico) filter (where status <> 'intent'), 0),
    coalesce(sum(baseline_cost_pico) filter (where saved_pico is not null), 0),
    coalesce(sum(saved_pico), 0),
    count(*) filter (where source in ('cache_exact', 'cache_semantic')),
    coalesce(sum(input_tokens) filter (where status <> 'intent'), 0),
    coalesce(sum(output_tokens) filter (where status <> 'intent'), 0),
    count(*) filter (where status <> 'intent' and cost_pico is null),
    count(*) filter (where status <> 'intent' and cost_estimated),
    count(*) filter (where status = 'failed'),
    count(*) filter (where status = 'intent'),
    coalesce(sum(worst_case_pico) filter (where status = 'intent'), 0)";

const ROWS: &str = "requests where user_id = ?1 and created_at >= ?2 and created_at < ?3";

/// Sums the requests of a time, split as asked.
pub(super) fn cost_report(connection: &Connection, query: ReportQuery) -> rusqlite::Result<Report> {
    let user_id = UserId::LOCAL.to_string();
    let parameters = params![user_id, query.from.as_microsecond(), query.to.as_microsecond()];
    let totals = connection
        .prepare_cached(&format!("select '', {SUMS} from {ROWS}"))?
        .query_row(parameters, totals)?;
    let Some(group_by) = query.group_by else { return Ok(Report { totals, groups: Vec::new() }) };
    let (key, rows) = match group_by {
        GroupBy::Provider => ("coalesce(provider, 'none')", ROWS),
        GroupBy::Model => ("coalesce(provider || '/' || model, 'none')", ROWS),
        GroupBy::Strategy => ("strategy", ROWS),
        GroupBy::Source => ("coalesce(source, status)", ROWS),
        GroupBy::Day => ("date(created_at / 1000000, 'unixepoch')", ROWS),
        GroupBy::Tag => (
            "tag.value",
            "requests, json_each(requests.tags) as tag where user_id = ?1 and created_at >= ?2 and created_at < ?3",
        ),
    };
    let order = if group_by == GroupBy::Day { "1" } else { "3 desc, 2 desc, 1" };
    let sql = format!("select {key}, {SUMS} from {rows} group by 1 order by {order}");
    let groups = connection
        .prepare_cached(&sql)?
        .query_map(parameters, |row| Ok(Group { key: row.get(0)?, totals: self::totals(row)? }))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Report { totals, groups })
}

fn totals(row: &Row<'_>) -> rusqlite::Result<Totals> {
    let count = |column: usize| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
    let money = |column: usize| row.get(column).map(Usd::from_pico);
    Ok(Totals {
        requests: count(1)?,
        cost: money(2)?,
        baseline_cost: money(3)?,
        saved: money(4)?,
        cache_hits: count(5)?,
        input_tokens: count(6)?,
        output_tokens: count(7)?,
        unpriced_requests: count(8)?,
        estimated_requests: count(9)?,
        failed_requests: count(10)?,
        unsettled_requests: count(11)?,
        unsettled_worst_case: money(12)?,
    })
}

/// Counts the entries by whether they may be served.
pub(super) fn cache_stats(connection: &Connection, now: Timestamp) -> rusqlite::Result<CacheStats> {
    connection
        .prepare_cached(
            "select count(*) filter (where retired_at is null and expires_at > ?2), \
             count(*) filter (where retired_at is null and expires_at <= ?2), \
             count(*) filter (where retired_at is not null), coalesce(sum(hit_count), 0) \
             from response_cache where user_id = ?1",
        )?
        .query_row(params![UserId::LOCAL.to_string(), now.as_microsecond()], |row| {
            let count =
                |column: usize| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
            Ok(CacheStats {
                entries: count(0)?,
                expired_entries: count(1)?,
                retired_entries: count(2)?,
                hits: count(3)?,
            })
        })
}

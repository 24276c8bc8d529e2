//! Sums over `requests` and counts of `response_cache`.
//!
//! A report adds up sums of whole quarters of days, and single rows where a time begins or ends within a
//! quarter; it is equal to the sum over all rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, named_params, params};

use super::periods::{Pieces, QUARTER, cut};
use crate::domain::ids::UserId;
use crate::domain::money::Usd;
use crate::domain::report::{CacheStats, Doubt, Group, GroupBy, Report, ReportQuery, Totals};

/// What [`Sums`] reads, in its order, of finished requests or of their sums.
const FINISHED: &str = "sum(requests), sum(cost_high), sum(cost_low), sum(baseline_high), sum(baseline_low), \
     sum(saved_high), sum(saved_low), sum(cache_hits), sum(input_tokens), sum(output_tokens), sum(unpriced_requests), \
     sum(estimated_requests), sum(failed_requests), 0, 0, 0, sum(audits), sum(audit_cost_high), sum(audit_cost_low)";

/// What [`Sums`] reads, in its order, of requests that were begun and not finished.
const UNFINISHED: &str =
    "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, count(*), sum(worst_case_high), sum(worst_case_low), 0, 0, 0";

/// Sums the requests of a time, split as asked.
pub(super) fn cost_report(connection: &mut Connection, query: ReportQuery) -> rusqlite::Result<Report> {
    // Totals and groups are of one moment, whatever is written meanwhile.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let pieces = cut((query.from.as_microsecond(), end(&transaction, query.to.as_microsecond())?));
    let groups = match query.group_by {
        Some(group_by) => sums_by(&transaction, pieces, split_of(group_by))?,
        None => BTreeMap::new(),
    };
    let totals = match query.group_by {
        // A request is in each of its tags, and one without tags in none.
        None | Some(GroupBy::Tag) => sums_by(&transaction, pieces, WHOLE)?.into_values().sum::<Sums>(),
        Some(_) => groups.values().copied().sum(),
    };
    let mut groups: Vec<Group> = groups
        .into_iter()
        .filter(|(_, sums)| sums.requests + sums.unsettled_requests > 0)
        .map(|(key, sums)| Group { key, totals: sums.totals() })
        .collect();
    if query.group_by != Some(GroupBy::Day) {
        groups.sort_by_key(|group| std::cmp::Reverse((group.totals.cost, group.totals.requests)));
    }
    let totals = totals.totals();
    let saved_between = match totals.estimated_requests {
        0 => None,
        _ => Some(doubt(&transaction, query)?.around(totals.saved)),
    };
    Ok(Report { totals, groups, saved_between })
}

/// Gives the end of the quarter for a time after which there is nothing, so that the sums of the quarter that runs count
/// as they are: its rows may be millions.
fn end(transaction: &Transaction<'_>, to: i64) -> rusqlite::Result<i64> {
    let has_later: bool = transaction
        .prepare_cached("select exists (select 1 from requests where user_id = ?1 and created_at >= ?2)")?
        .query_row(params![UserId::LOCAL.to_string(), to], |row| row.get(0))?;
    Ok(if has_later { to } else { to.saturating_add((-to).rem_euclid(QUARTER)) })
}

/// Reads how far the savings of a time may be off.
fn doubt(transaction: &Transaction<'_>, query: ReportQuery) -> rusqlite::Result<Doubt> {
    let mut statement = transaction.prepare_cached(
        "select saved_pico, cost_pico, coalesce(worst_case_pico, 0) from requests \
         where user_id = ?1 and created_at >= ?2 and created_at < ?3 and cost_estimated and saved_pico is not null",
    )?;
    let (from, to) = (query.from.as_microsecond(), query.to.as_microsecond());
    let mut rows = statement.query(params![UserId::LOCAL.to_string(), from, to])?;
    let mut doubt = Doubt::default();
    while let Some(row) = rows.next()? {
        let amount = |column: usize| row.get(column).map(Usd::from_pico);
        doubt.add(amount(0)?, amount(1)?, amount(2)?);
    }
    Ok(doubt)
}

/// Where the sums of a report are found, and the key that splits them.
#[derive(Debug, Clone, Copy)]
struct Split {
    sums: &'static str,
    key_of_sums: &'static str,
    rows: &'static str,
    key_of_rows: &'static str,
}

const WHOLE: Split =
    Split { sums: "request_sums", key_of_sums: "''", rows: "request_amounts", key_of_rows: "''" };

const fn split_of(group_by: GroupBy) -> Split {
    const fn by(key: &'static str) -> Split {
        Split { key_of_sums: key, key_of_rows: key, ..WHOLE }
    }
    match group_by {
        GroupBy::Provider => by("provider_key"),
        GroupBy::Model => by("model_key"),
        GroupBy::Strategy => by("strategy_key"),
        GroupBy::Source => by("source_key"),
        GroupBy::Day => by("date(start / 1000000, 'unixepoch')"),
        GroupBy::Tag => Split {
            sums: "request_tag_sums",
            key_of_sums: "tag",
            rows: "request_amounts, json_each(request_amounts.tags) as tag",
            key_of_rows: "tag.value",
        },
    }
}

fn sums_by(
    transaction: &Transaction<'_>,
    pieces: Pieces,
    split: Split,
) -> rusqlite::Result<BTreeMap<String, Sums>> {
    let Split { sums, key_of_sums, rows, key_of_rows } = split;
    let user_id = UserId::LOCAL.to_string();
    let mut found = BTreeMap::new();
    let mut add = |sql: &str, (from, to): (i64, i64)| -> rusqlite::Result<()> {
        let mut statement = transaction.prepare_cached(sql)?;
        let mut groups = statement.query(named_params! { ":user_id": user_id, ":from": from, ":to": to })?;
        while let Some(row) = groups.next()? {
            *found.entry(row.get(0)?).or_insert_with(Sums::default) += Sums::read(row)?;
        }
        Ok(())
    };
    let of_sums = format!(
        "select {key_of_sums}, {FINISHED} from {sums} where user_id = :user_id and start >= :from and start < :to group by 1"
    );
    let of_rows = |measures: &str, condition: &str| {
        format!(
            "select {key_of_rows}, {measures} from {rows} \
             where user_id = :user_id and created_at >= :from and created_at < :to and {condition} group by 1"
        )
    };
    add(&of_sums, pieces.quarters)?;
    for rest in [pieces.before, pieces.after] {
        add(&of_rows(FINISHED, "status <> 'intent'"), rest)?;
    }
    add(&of_rows(UNFINISHED, "status = 'intent'"), (pieces.before.0, pieces.after.1))?;
    Ok(found)
}

/// Money as SQL sums it, so that no sum of many amounts overflows on the way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pico(i128);

/// Sums as they come out of SQL, in the order of [`FINISHED`].
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    requests: i64,
    cost: Pico,
    baseline_cost: Pico,
    saved: Pico,
    cache_hits: i64,
    input_tokens: i64,
    output_tokens: i64,
    unpriced_requests: i64,
    estimated_requests: i64,
    failed_requests: i64,
    unsettled_requests: i64,
    unsettled_worst_case: Pico,
    audits: i64,
    audit_cost: Pico,
}

impl Pico {
    /// Reads a column of 2³² pico-dollars and the column after it of single ones.
    pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Self> {
        let (high, low): (i64, i64) = (row.get(column)?, row.get(column + 1)?);
        Ok(Self((i128::from(high) << 32) + i128::from(low)))
    }

    /// Gives the amount, which ends where [`Usd`] ends.
    pub(super) fn usd(self) -> Usd {
        Usd::from_pico(self.0.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }
}

impl Sums {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            requests: row.get(1)?,
            cost: Pico::read(row, 2)?,
            baseline_cost: Pico::read(row, 4)?,
            saved: Pico::read(row, 6)?,
            cache_hits: row.get(8)?,
            input_tokens: row.get(9)?,
            output_tokens: row.get(10)?,
            unpriced_requests: row.get(11)?,
            estimated_requests: row.get(12)?,
            failed_requests: row.get(13)?,
            unsettled_requests: row.get(14)?,
            unsettled_worst_case: Pico::read(row, 15)?,
            audits: row.get(17)?,
            audit_cost: Pico::read(row, 18)?,
        })
    }

    fn totals(self) -> Totals {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Totals {
            requests: count(self.requests),
            cost: self.cost.usd(),
            baseline_cost: self.baseline_cost.usd(),
            saved: self.saved.usd(),
            cache_hits: count(self.cache_hits),
            audits: count(self.audits),
            audit_cost: self.audit_cost.usd(),
            input_tokens: count(self.input_tokens),
            output_tokens: count(self.output_tokens),
            unpriced_requests: count(self.unpriced_requests),
            estimated_requests: count(self.estimated_requests),
            failed_requests: count(self.failed_requests),
            unsettled_requests: count(self.unsettled_requests),
            unsettled_worst_case: self.unsettled_worst_case.usd(),
        }
    }
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.cost.0 += other.cost.0;
        self.baseline_cost.0 += other.baseline_cost.0;
        self.saved.0 += other.saved.0;
        self.cache_hits += other.cache_hits;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.unpriced_requests += other.unpriced_requests;
        self.estimated_requests += other.estimated_requests;
        self.failed_requests += other.failed_requests;
        self.unsettled_requests += other.unsettled_requests;
        self.unsettled_worst_case.0 += other.unsettled_worst_case.0;
        self.audits += other.audits;
        self.audit_cost.0 += other.audit_cost.0;
    }
}

impl std::iter::Sum for Sums {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |mut sum, part| {
            sum += part;
            sum
        })
    }
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

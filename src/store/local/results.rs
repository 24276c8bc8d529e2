//! Rows of `experiment_results`, and the sums that are kept level with them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::columns::{count, money, named, time, unreadable, whole};
use crate::domain::exposure::{ExposedUnit, Exposure};
use crate::domain::ids::{ExperimentId, RequestId, UserId};
use crate::domain::money::Usd;
use crate::domain::record::RequestRecord;
use crate::experiments::definition::Metric;
use crate::experiments::outcomes::{End, Outcome};
use crate::experiments::sums::{Sums, Unit};
use crate::experiments::timeline::{Moment, Seen, Timeline};
use crate::experiments::verdict::Observed;

const COLUMNS: &str = "request_id, arm, unit, before, assigned_at, ended_at, is_answered, cost_pico, saved_pico, \
     latency_ms, rating, rated_at";

/// Sums over an arm, as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
struct ObservedRow {
    units: u64,
    requests: u64,
    spend_pico: i64,
    sums: BTreeMap<Metric, Sums>,
}

/// Outcomes of a session and their sum, by metric.
type OfSession = BTreeMap<Metric, (f64, f64)>;

/// Writes that a request is in the arms it is in, and how it ended as far as that is known. An end is kept.
pub(super) fn write(connection: &Connection, record: &RequestRecord) -> rusqlite::Result<()> {
    for exposure in &record.exposures {
        let Some(unit) = &exposure.unit else { continue };
        // A record is never lost for an experiment that is not there.
        if !is_there(connection, exposure.experiment_id)? {
            continue;
        }
        let known = find(connection, exposure.experiment_id, record.id)?;
        // Another process may have ended it before this one wrote its intent.
        let end = End::of(record, Timestamp::now());
        if known.as_ref().is_some_and(|known| known.end.is_some() || end.is_none()) {
            continue;
        }
        let outcome = match &known {
            Some(known) => Outcome { end, ..known.clone() },
            None => Outcome {
                request_id: record.id,
                arm: exposure.place,
                unit: match unit {
                    ExposedUnit::Request { .. } => record.id.to_string(),
                    ExposedUnit::Session(session) => session.clone(),
                },
                before: before(connection, exposure, unit)?,
                assigned_at: record.created_at,
                end,
                rating: None,
            },
        };
        put(connection, exposure.experiment_id, &outcome)?;
        count_in(connection, exposure.experiment_id, known.as_ref(), &outcome)?;
    }
    Ok(())
}

/// Adds a rating to what is known of a request, in place of an earlier one.
pub(super) fn rate(
    connection: &Connection,
    request_id: RequestId,
    rating: f64,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let experiments: Vec<ExperimentId> = connection
        .prepare_cached(
            "select experiment_id from experiment_results where user_id = ?1 and request_id = ?2",
        )?
        .query_map(params![UserId::LOCAL.to_string(), request_id.to_string()], |row| named(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in experiments {
        let Some(known) = find(connection, id, request_id)? else { continue };
        let outcome = Outcome { rating: Some((rating, at)), ..known.clone() };
        put(connection, id, &outcome)?;
        count_in(connection, id, Some(&known), &outcome)?;
    }
    Ok(())
}

/// Gives the sums over each arm that has been assigned to, by its place.
pub(super) fn statistics(connection: &Connection, id: ExperimentId) -> rusqlite::Result<Vec<Observed>> {
    let mut statement = connection.prepare_cached(
        "select arm, observed from experiment_sums where user_id = ?1 and experiment_id = ?2 order by arm",
    )?;
    let mut rows = statement.query(params![UserId::LOCAL.to_string(), id.to_string()])?;
    let mut arms = Vec::new();
    while let Some(row) = rows.next()? {
        let place = usize::try_from(count(row, 0)?).unwrap_or(usize::MAX);
        let ObservedRow { units, requests, spend_pico, sums } = json_of(row, 1)?;
        arms.resize(place.min(crate::experiments::validation::MAX_ARMS), Observed::default());
        arms.push(Observed { units, requests, spend: Usd::from_pico(spend_pico), sums });
    }
    Ok(arms)
}

/// Gives what was known of a metric at each of some times.
pub(super) fn timeline(
    connection: &Connection,
    id: ExperimentId,
    metric: Metric,
    points: usize,
) -> rusqlite::Result<Vec<Moment>> {
    let (mut known, mut arms) = (Vec::new(), 0);
    each(connection, id, None, i64::MAX, |outcome| {
        if let Some((value, at)) = outcome.metrics().remove(&metric) {
            let session = (outcome.unit != outcome.request_id.to_string()).then_some(outcome.unit);
            let arm = usize::try_from(outcome.arm).unwrap_or(usize::MAX);
            arms = arms.max(arm.saturating_add(1));
            known.push((arm, session, outcome.before, value, at));
        }
    })?;
    let times = || known.iter().map(|(.., at)| *at);
    let (Some(from), Some(to)) = (times().min(), times().max()) else { return Ok(Vec::new()) };
    let mut timeline = Timeline::new(arms, from, to, points);
    for (arm, session, before, value, at) in known {
        timeline.add(Seen { arm, session: session.as_deref(), before, value, at });
    }
    Ok(timeline.moments())
}

/// Lists requests of an experiment in the order in which they came, from after one on.
pub(super) fn outcomes(
    connection: &Connection,
    id: ExperimentId,
    after: Option<RequestId>,
    limit: u32,
) -> rusqlite::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    each(connection, id, after, i64::from(limit), |outcome| outcomes.push(outcome))?;
    Ok(outcomes)
}

fn each(
    connection: &Connection,
    id: ExperimentId,
    after: Option<RequestId>,
    limit: i64,
    mut take: impl FnMut(Outcome),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&format!(
        "select {COLUMNS} from experiment_results where user_id = ?1 and experiment_id = ?2 and request_id > ?3 \
         order by request_id limit ?4"
    ))?;
    let after = after.map(|after| after.to_string()).unwrap_or_default();
    let mut rows = statement.query(params![UserId::LOCAL.to_string(), id.to_string(), after, limit])?;
    while let Some(row) = rows.next()? {
        take(outcome(row)?);
    }
    Ok(())
}

fn is_there(connection: &Connection, id: ExperimentId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("select 1 from experiments where user_id = ?1 and id = ?2")?
        .exists([UserId::LOCAL.to_string(), id.to_string()])
}

fn find(
    connection: &Connection,
    id: ExperimentId,
    request_id: RequestId,
) -> rusqlite::Result<Option<Outcome>> {
    connection
        .prepare_cached(&format!(
            "select {COLUMNS} from experiment_results where user_id = ?1 and experiment_id = ?2 and request_id = ?3"
        ))?
        .query_row(params![UserId::LOCAL.to_string(), id.to_string(), request_id.to_string()], outcome)
        .optional()
}

fn outcome(row: &Row<'_>) -> rusqlite::Result<Outcome> {
    let optional_time =
        |column: usize| row.get::<_, Option<i64>>(column)?.map(|_| time(row, column)).transpose();
    let end = match optional_time(5)? {
        Some(at) => Some(End {
            at,
            is_answered: row.get(6)?,
            cost: money(row, 7)?,
            saved: money(row, 8)?,
            latency_ms: count(row, 9)?,
        }),
        None => None,
    };
    let rating: Option<f64> = row.get(10)?;
    Ok(Outcome {
        request_id: named(row, 0)?,
        arm: u32::try_from(count(row, 1)?).unwrap_or(u32::MAX),
        unit: row.get(2)?,
        before: row.get(3)?,
        assigned_at: time(row, 4)?,
        end,
        rating: rating.zip(optional_time(11)?),
    })
}

fn put(connection: &Connection, id: ExperimentId, outcome: &Outcome) -> rusqlite::Result<()> {
    let end = outcome.end.as_ref();
    connection
        .prepare_cached(
            "insert into experiment_results (user_id, experiment_id, request_id, arm, unit, before, assigned_at, \
             ended_at, is_answered, cost_pico, saved_pico, latency_ms, rating, rated_at) \
             values (:user_id, :experiment_id, :request_id, :arm, :unit, :before, :assigned_at, :ended_at, \
             :is_answered, :cost_pico, :saved_pico, :latency_ms, :rating, :rated_at) \
             on conflict do update set ended_at = excluded.ended_at, is_answered = excluded.is_answered, \
             cost_pico = excluded.cost_pico, saved_pico = excluded.saved_pico, latency_ms = excluded.latency_ms, \
             rating = excluded.rating, rated_at = excluded.rated_at",
        )?
        .execute(named_params! {
            ":user_id": UserId::LOCAL.to_string(),
            ":experiment_id": id.to_string(),
            ":request_id": outcome.request_id.to_string(),
            ":arm": outcome.arm,
            ":unit": outcome.unit,
            ":before": outcome.before,
            ":assigned_at": outcome.assigned_at.as_microsecond(),
            ":ended_at": end.map(|end| end.at.as_microsecond()),
            ":is_answered": end.map(|end| end.is_answered),
            ":cost_pico": end.and_then(|end| end.cost).map(Usd::pico),
            ":saved_pico": end.and_then(|end| end.saved).map(Usd::pico),
            ":latency_ms": end.map(|end| whole(end.latency_ms)),
            ":rating": outcome.rating.map(|(rating, _)| rating),
            ":rated_at": outcome.rating.map(|(_, at)| at.as_microsecond()),
        })?;
    Ok(())
}

/// Brings the sums of an arm level with an outcome, of which something was known before.
fn count_in(
    connection: &Connection,
    id: ExperimentId,
    known: Option<&Outcome>,
    now: &Outcome,
) -> rusqlite::Result<()> {
    let (user_id, id) = (UserId::LOCAL.to_string(), id.to_string());
    let mut row: ObservedRow = connection
        .prepare_cached(
            "select observed from experiment_sums where user_id = ?1 and experiment_id = ?2 and arm = ?3",
        )?
        .query_row(params![user_id, id, now.arm], |row| json_of(row, 0))
        .optional()?
        .unwrap_or_default();
    let cost = |outcome: &Outcome| outcome.end.and_then(|end| end.cost).unwrap_or_default();
    let before = known.map(cost).unwrap_or_default();
    row.spend_pico = (Usd::from_pico(row.spend_pico) + (cost(now) - before)).pico();
    row.requests += u64::from(known.is_none());
    let old = known.map(Outcome::metrics).unwrap_or_default();
    let new = now.metrics();
    if now.unit == now.request_id.to_string() {
        row.units += u64::from(known.is_none());
        let unit = |(total, _): &(f64, Timestamp)| Unit { outcomes: 1.0, total: *total, before: now.before };
        for (metric, value) in &old {
            row.sums.entry(*metric).or_default().remove(unit(value));
        }
        for (metric, value) in &new {
            row.sums.entry(*metric).or_default().add(unit(value));
        }
    } else {
        let found: Option<OfSession> = connection
            .prepare_cached(
                "select outcomes from experiment_sessions where user_id = ?1 and experiment_id = ?2 and session = ?3",
            )?
            .query_row(params![user_id, id, now.unit], |row| json_of(row, 0))
            .optional()?;
        row.units += u64::from(found.is_none());
        let mut session = found.unwrap_or_default();
        let metrics: std::collections::BTreeSet<Metric> = old.keys().chain(new.keys()).copied().collect();
        for metric in metrics {
            let (outcomes, total) = session.entry(metric).or_default();
            let sums = row.sums.entry(metric).or_default();
            let unit = |outcomes: f64, total: f64| Unit { outcomes, total, before: now.before };
            sums.remove(unit(*outcomes, *total));
            for (value, sign) in [(old.get(&metric), -1.0), (new.get(&metric), 1.0)] {
                if let Some((value, _)) = value {
                    *outcomes += sign;
                    *total += sign * value;
                }
            }
            sums.add(unit(*outcomes, *total));
        }
        connection
            .prepare_cached(
                "insert into experiment_sessions (user_id, experiment_id, session, before, outcomes) \
                 values (?1, ?2, ?3, ?4, ?5) on conflict do update set outcomes = excluded.outcomes",
            )?
            .execute(params![user_id, id, now.unit, now.before, json!(session).to_string()])?;
    }
    connection
        .prepare_cached(
            "insert into experiment_sums (user_id, experiment_id, arm, observed) values (?1, ?2, ?3, ?4) \
             on conflict do update set observed = excluded.observed",
        )?
        .execute(params![user_id, id, now.arm, json!(row).to_string()])?;
    Ok(())
}

/// Gives what was known of a unit before it was assigned.
fn before(connection: &Connection, exposure: &Exposure, unit: &ExposedUnit) -> rusqlite::Result<f64> {
    let session = match unit {
        ExposedUnit::Request { before } => return Ok(*before),
        ExposedUnit::Session(session) => session,
    };
    let (user_id, id) = (UserId::LOCAL.to_string(), exposure.experiment_id.to_string());
    // A session stays what it was when it came.
    let known: Option<f64> = connection
        .prepare_cached(
            "select before from experiment_sessions where user_id = ?1 and experiment_id = ?2 and session = ?3",
        )?
        .query_row(params![user_id, id, session], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    // Left to itself SQLite reads all requests of the user.
    let mean: Option<f64> = connection
        .prepare_cached(
            "select avg(r.cost_pico) / 1e12 from requests r indexed by requests_by_session \
             where r.user_id = ?1 and r.session = ?3 and r.status = 'completed' and r.created_at < \
             (select e.created_at from experiments e where e.user_id = ?1 and e.id = ?2)",
        )?
        .query_row(params![user_id, id, session], |row| row.get(0))?;
    Ok(mean.unwrap_or(0.0))
}

fn json_of<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(column, error))
}

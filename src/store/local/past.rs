//! What past requests were like, for an experiment to be planned by.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params};
use serde_json::json;

use super::columns::{count, money, named, time};
use crate::domain::ids::UserId;
use crate::domain::record::RequestStatus;
use crate::experiments::definition::{AssignmentUnit, Metric};
use crate::experiments::outcomes::{End, Outcome};
use crate::experiments::planning::{Past, PastQuery};
use crate::experiments::sums::Unit;

/// Sums up the newest requests that ended and would have taken part.
pub(super) fn past(connection: &Connection, query: &PastQuery) -> rusqlite::Result<Past> {
    let mut statement = connection.prepare_cached(
        "select r.id, r.session, r.created_at, r.status, r.cost_pico, r.saved_pico, r.latency_ms, f.score, f.created_at \
         from requests r left join response_feedback f on f.user_id = r.user_id and f.request_id = r.id \
         where r.user_id = :user_id and r.created_at >= :since and r.status <> 'intent' \
         and coalesce(r.source, '') <> 'exploration' \
         and (:quality is null or r.quality = :quality) and (:tier is null or r.complexity_tier = :tier) \
         and (:tags = '[]' or exists (select 1 from json_each(r.tags) t, json_each(:tags) w where t.value = w.value)) \
         order by r.created_at desc limit :limit",
    )?;
    let mut rows = statement.query(named_params! {
        ":user_id": UserId::LOCAL.to_string(),
        ":since": query.since.as_microsecond(),
        ":quality": query.eligibility.quality.map(|quality| quality.to_string()),
        ":tier": query.eligibility.tier.map(|tier| tier.to_string()),
        ":tags": json!(query.eligibility.tags).to_string(),
        ":limit": query.limit,
    })?;
    let mut past = Past::default();
    let mut units: HashMap<String, BTreeMap<Metric, (f64, f64)>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let session: Option<String> = row.get(1)?;
        let outcome = outcome(row)?;
        let unit = match query.unit {
            AssignmentUnit::Request => outcome.unit.clone(),
            AssignmentUnit::Session => match session {
                Some(session) => session,
                None => continue,
            },
        };
        past.requests += 1;
        let (first, last) = past.span.unwrap_or((outcome.assigned_at, outcome.assigned_at));
        past.span = Some((first.min(outcome.assigned_at), last.max(outcome.assigned_at)));
        let of_unit = units.entry(unit).or_default();
        for (metric, (value, _)) in outcome.metrics() {
            let (outcomes, total) = of_unit.entry(metric).or_default();
            *outcomes += 1.0;
            *total += value;
        }
    }
    for (metric, (outcomes, total)) in units.into_values().flatten() {
        past.sums.entry(metric).or_default().add(Unit { outcomes, total, before: 0.0 });
    }
    Ok(past)
}

fn outcome(row: &Row<'_>) -> rusqlite::Result<Outcome> {
    let at: Timestamp = time(row, 2)?;
    let score: Option<f64> = row.get(7)?;
    Ok(Outcome {
        request_id: named(row, 0)?,
        arm: 0,
        unit: row.get(0)?,
        before: 0.0,
        assigned_at: at,
        end: Some(End {
            at,
            is_answered: named::<RequestStatus>(row, 3)? == RequestStatus::Completed,
            cost: money(row, 4)?,
            saved: money(row, 5)?,
            latency_ms: count(row, 6)?,
        }),
        rating: score.zip(row.get::<_, Option<i64>>(8)?.map(|_| time(row, 8)).transpose()?),
    })
}

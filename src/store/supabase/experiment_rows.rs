//! Experiments as the project's functions take and give them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::rows::{Unreadable, count, parsed};
use crate::domain::money::Usd;
use crate::experiments::definition::{Experiment, Metric};
use crate::experiments::lifecycle::{Adopted, Ended, Kept};
use crate::experiments::outcomes::{End, Outcome};
use crate::experiments::planning::Past;
use crate::experiments::sums::Sums;
use crate::experiments::timeline::{Moment, Timeline};
use crate::experiments::validation::MAX_ARMS;
use crate::experiments::verdict::Observed;
use crate::store::Started;

/// The arguments of `start_experiment`.
pub(super) fn new_arguments(new: &Kept) -> Value {
    let knobs: Vec<&'static str> = new.experiment.knobs().into_iter().map(Into::into).collect();
    json!({
        "experiment": {
            "id": new.id.to_string(),
            "name": new.name(),
            "definition": new.experiment,
            "knobs": knobs,
            "status": new.status.to_string(),
            "created_at": new.created_at,
            "idempotency_key": new.idempotency_key,
        }
    })
}

/// What `start_experiment` gives.
#[derive(Debug, Deserialize)]
#[serde(tag = "started", rename_all = "snake_case")]
pub(super) enum StartedRow {
    New,
    Before { experiment: Box<KeptRow> },
    NameTaken,
    KnobTaken { knob: String, by: String },
}

impl TryFrom<StartedRow> for Started {
    type Error = Unreadable;

    fn try_from(row: StartedRow) -> Result<Self, Unreadable> {
        Ok(match row {
            StartedRow::New => Self::New,
            StartedRow::Before { experiment } => Self::Before(Box::new((*experiment).try_into()?)),
            StartedRow::NameTaken => Self::NameTaken,
            StartedRow::KnobTaken { knob, by } => Self::KnobTaken { knob, by },
        })
    }
}

/// A row of `experiments`; its name and what it sets are in the definition.
#[derive(Debug, Deserialize)]
pub(super) struct KeptRow {
    id: String,
    definition: Value,
    status: String,
    created_at: Timestamp,
    ended_by: Option<String>,
    ended_at: Option<Timestamp>,
    adopted: Option<String>,
    adopted_at: Option<Timestamp>,
    idempotency_key: Option<String>,
}

impl TryFrom<KeptRow> for Kept {
    type Error = Unreadable;

    fn try_from(row: KeptRow) -> Result<Self, Unreadable> {
        let experiment: Experiment =
            serde_json::from_value(row.definition).map_err(|_| Unreadable("definition"))?;
        let ended_by = row.ended_by.as_deref().map(parsed).transpose()?;
        Ok(Self {
            id: parsed(&row.id)?,
            experiment,
            status: parsed(&row.status)?,
            created_at: row.created_at,
            ended: ended_by.zip(row.ended_at).map(|(by, at)| Ended { by, at }),
            adopted: row.adopted.zip(row.adopted_at).map(|(arm, at)| Adopted { arm, at }),
            idempotency_key: row.idempotency_key,
        })
    }
}

/// An arm in what `experiment_statistics` gives.
#[derive(Debug, Deserialize)]
pub(super) struct ArmRow {
    arm: usize,
    units: u64,
    requests: u64,
    spend_pico: i64,
    sums: BTreeMap<Metric, Sums>,
}

impl ArmRow {
    /// Puts arms, given in their order, into their places; those that saw nothing are not given.
    pub(super) fn arms(rows: Vec<Self>) -> Result<Vec<Observed>, Unreadable> {
        let mut arms = Vec::new();
        for Self { arm, units, requests, spend_pico, sums } in rows {
            arms.resize(place(arm)?, Observed::default());
            arms.push(Observed { units, requests, spend: Usd::from_pico(spend_pico), sums });
        }
        Ok(arms)
    }
}

/// What `experiment_timeline` gives.
#[derive(Debug, Deserialize)]
pub(super) struct TimelineRow {
    from_time: Option<Timestamp>,
    to_time: Option<Timestamp>,
    added: Vec<AddedRow>,
}

#[derive(Debug, Deserialize)]
struct AddedRow {
    moment: usize,
    arm: usize,
    sums: Sums,
}

impl TimelineRow {
    pub(super) fn moments(self, points: usize) -> Result<Vec<Moment>, Unreadable> {
        let (Some(from), Some(to)) = (self.from_time, self.to_time) else { return Ok(Vec::new()) };
        let last = self.added.iter().map(|row| row.arm).max().unwrap_or(0);
        let mut timeline = Timeline::new(place(last)? + 1, from, to, points);
        for AddedRow { moment, arm, sums } in &self.added {
            timeline.merge(*moment, *arm, sums);
        }
        Ok(timeline.moments())
    }
}

fn place(arm: usize) -> Result<usize, Unreadable> {
    if arm < MAX_ARMS { Ok(arm) } else { Err(Unreadable("arm")) }
}

/// A row of `experiment_results`.
#[derive(Debug, Deserialize)]
pub(super) struct ResultRow {
    request_id: String,
    arm: u32,
    unit: String,
    before: f64,
    assigned_at: Timestamp,
    ended_at: Option<Timestamp>,
    is_answered: Option<bool>,
    cost_pico: Option<i64>,
    saved_pico: Option<i64>,
    latency_ms: Option<i64>,
    rating: Option<f64>,
    rated_at: Option<Timestamp>,
}

impl TryFrom<ResultRow> for Outcome {
    type Error = Unreadable;

    fn try_from(row: ResultRow) -> Result<Self, Unreadable> {
        let end = match (row.ended_at, row.is_answered, row.latency_ms) {
            (None, ..) => None,
            (Some(at), Some(is_answered), Some(latency_ms)) => Some(End {
                at,
                is_answered,
                cost: row.cost_pico.map(Usd::from_pico),
                saved: row.saved_pico.map(Usd::from_pico),
                latency_ms: count(latency_ms),
            }),
            (Some(_), ..) => return Err(Unreadable("end")),
        };
        Ok(Self {
            request_id: parsed(&row.request_id)?,
            arm: row.arm,
            unit: row.unit,
            before: row.before,
            assigned_at: row.assigned_at,
            end,
            rating: row.rating.zip(row.rated_at),
        })
    }
}

/// What `past_outcomes` gives.
#[derive(Debug, Deserialize)]
pub(super) struct PastRow {
    requests: u64,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    sums: BTreeMap<Metric, Sums>,
}

impl From<PastRow> for Past {
    fn from(row: PastRow) -> Self {
        Self { requests: row.requests, span: row.first_at.zip(row.last_at), sums: row.sums }
    }
}

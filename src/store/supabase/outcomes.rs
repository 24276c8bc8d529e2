//! Outcomes of routing as the project's functions give them.

use jiff::Timestamp;
use serde::Deserialize;

use super::rows::{Unreadable, bytes, parsed};
use crate::domain::model::ModelRef;
use crate::domain::outcome::{DayOfModel, KeptRouting, Outcome};
use crate::domain::rating::Score;

/// What `nearest_outcomes` gives.
#[derive(Debug, Deserialize)]
pub(super) struct OutcomeRow {
    similarity: f32,
    provider: String,
    model: String,
    score: f64,
    source: String,
    created_at: Timestamp,
    session: Option<String>,
}

impl OutcomeRow {
    pub(super) fn outcome(self, now: Timestamp) -> Result<Outcome, Unreadable> {
        Ok(Outcome {
            similarity: self.similarity.clamp(-1.0, 1.0),
            reference: ModelRef { provider: parsed(&self.provider)?, model: self.model },
            score: Score::new(self.score).map_err(|_| Unreadable("score"))?,
            source: parsed(&self.source)?,
            age_seconds: u64::try_from(now.duration_since(self.created_at).as_secs()).unwrap_or(0),
            session: self.session,
        })
    }
}

/// What `model_performance` gives.
#[derive(Debug, Deserialize)]
pub(super) struct DayRow {
    provider: String,
    model: String,
    day: i64,
    outcomes: u64,
    score_sum: f64,
}

impl TryFrom<DayRow> for DayOfModel {
    type Error = Unreadable;

    fn try_from(row: DayRow) -> Result<Self, Unreadable> {
        let DayRow { provider, model, day, outcomes, score_sum } = row;
        let reference = ModelRef { provider: parsed(&provider)?, model };
        let day = DayOfModel::date(day).ok_or(Unreadable("day"))?;
        Ok(Self { reference, day, outcomes, score_sum })
    }
}

/// What `routing_state_of` gives.
#[derive(Debug, Deserialize)]
pub(super) struct RoutingRow {
    state: Option<String>,
    revision: i64,
    of_session: u64,
}

impl TryFrom<RoutingRow> for KeptRouting {
    type Error = Unreadable;

    fn try_from(row: RoutingRow) -> Result<Self, Unreadable> {
        let state = row.state.as_deref().map(bytes).transpose()?;
        Ok(Self { state, revision: row.revision, of_session: row.of_session })
    }
}

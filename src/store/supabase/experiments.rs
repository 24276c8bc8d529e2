//! Experiments, kept and summed up by the project.

use serde_json::json;

use super::experiment_rows::{ArmRow, KeptRow, PastRow, ResultRow, StartedRow, TimelineRow, new_arguments};
use super::rest::Patience;
use super::rows::Unreadable;
use super::{SupabaseStore, instant};
use crate::domain::ids::{ExperimentId, RequestId};
use crate::experiments::definition::Metric;
use crate::experiments::lifecycle::{Adopted, Change, Ended, Kept, Which};
use crate::experiments::outcomes::Outcome;
use crate::experiments::planning::{Past, PastQuery};
use crate::experiments::timeline::Moment;
use crate::experiments::verdict::Observed;
use crate::store::{Started, StoreError};

impl SupabaseStore {
    pub(super) async fn start_one(&self, new: &Kept) -> Result<Started, StoreError> {
        let row: StartedRow = self.call("start_experiment", &new_arguments(new), Patience::Report).await?;
        Ok(row.try_into()?)
    }

    pub(super) async fn list_experiments(&self, which: &Which) -> Result<Vec<Kept>, StoreError> {
        let (arguments, patience) = match which {
            Which::All => (json!({}), Patience::Report),
            Which::InForce => (json!({ "in_force": true }), Patience::Request),
            Which::Named(name) => (json!({ "name": name }), Patience::Report),
        };
        let rows: Vec<KeptRow> = self.call("list_experiments", &arguments, patience).await?;
        Ok(rows.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?)
    }

    pub(super) async fn change_one(&self, id: ExperimentId, change: &Change) -> Result<bool, StoreError> {
        let experiment_id = id.to_string();
        let arguments = match change {
            Change::End(Ended { by, at }) => json!({
                "experiment_id": experiment_id, "change": "end", "ended_by": by.to_string(), "as_of": at,
            }),
            Change::Adopt(Adopted { arm, at }) => json!({
                "experiment_id": experiment_id, "change": "adopt", "adopted": arm, "as_of": at,
            }),
            Change::Archive => json!({ "experiment_id": experiment_id, "change": "archive" }),
        };
        self.call("change_experiment", &arguments, Patience::Report).await
    }

    pub(super) async fn statistics_of(&self, id: ExperimentId) -> Result<Vec<Observed>, StoreError> {
        let arguments = json!({ "experiment_id": id.to_string() });
        let rows: Vec<ArmRow> = self.call("experiment_statistics", &arguments, Patience::Report).await?;
        Ok(ArmRow::arms(rows)?)
    }

    pub(super) async fn timeline_of(
        &self,
        id: ExperimentId,
        metric: Metric,
        points: usize,
    ) -> Result<Vec<Moment>, StoreError> {
        let arguments = json!({
            "experiment_id": id.to_string(),
            "metric": metric,
            "points": i32::try_from(points).unwrap_or(i32::MAX),
        });
        let row: TimelineRow = self.call("experiment_timeline", &arguments, Patience::Report).await?;
        Ok(row.moments(points)?)
    }

    pub(super) async fn outcomes_of(
        &self,
        id: ExperimentId,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Outcome>, StoreError> {
        let arguments = json!({
            "experiment_id": id.to_string(),
            "after": after.map(|after| after.to_string()),
            "most": limit,
        });
        let rows: Vec<ResultRow> = self.call("experiment_outcomes", &arguments, Patience::Report).await?;
        Ok(rows.into_iter().map(TryInto::try_into).collect::<Result<_, Unreadable>>()?)
    }

    pub(super) async fn past(&self, query: &PastQuery) -> Result<Past, StoreError> {
        let arguments = json!({
            "unit": query.unit,
            "since": instant(query.since),
            "most": query.limit,
            "tags": query.eligibility.tags,
            "quality": query.eligibility.quality.map(|quality| quality.to_string()),
            "tier": query.eligibility.tier.map(|tier| tier.to_string()),
        });
        let row: PastRow = self.call("past_outcomes", &arguments, Patience::Report).await?;
        Ok(row.into())
    }
}

//! Every assignment of an experiment with its outcome, as comma-separated values.

use std::fmt::Write as _;

use super::report::csv_field;
use crate::domain::ids::RequestId;
use crate::domain::money::Usd;
use crate::experiments::lifecycle::Kept;
use crate::experiments::outcomes::Outcome;
use crate::pipeline::Pipeline;
use crate::store::StoreError;

/// Rows at a time.
pub const PAGE: u32 = 1_000;

/// Names of the columns.
pub const HEADING: &str = "request_id,arm,unit,before,assigned_at,ended_at,answered,cost_usd,cost_pico,saved_usd,\
     latency_ms,rating,rated_at,simulated";

/// A page of outcomes.
#[derive(Debug)]
pub struct Outcomes {
    arms: Vec<String>,
    outcomes: Vec<Outcome>,
    simulated: bool,
}

impl Outcomes {
    /// Reads the page from after a request on.
    pub async fn page(
        pipeline: &Pipeline,
        kept: &Kept,
        after: Option<RequestId>,
    ) -> Result<Self, StoreError> {
        let outcomes = pipeline.experiment_outcomes(kept, after, PAGE).await?;
        let arms = kept.experiment.definition().arms.iter().map(|arm| arm.name.clone()).collect();
        Ok(Self { arms, outcomes, simulated: pipeline.settings.simulated })
    }

    /// Gives the request from after which the next page goes on; `None` at the end.
    pub fn next(&self) -> Option<RequestId> {
        let is_full = self.outcomes.len() >= PAGE as usize;
        self.outcomes.last().filter(|_| is_full).map(|outcome| outcome.request_id)
    }

    /// Writes the rows.
    pub fn rows(&self) -> String {
        let mut text = String::new();
        for outcome in &self.outcomes {
            let Outcome { request_id, arm, unit, before, assigned_at, end, rating } = outcome;
            let arm = usize::try_from(*arm).ok().and_then(|place| self.arms.get(place));
            let shown = |value: Option<String>| value.unwrap_or_default();
            let cost = end.and_then(|end| end.cost);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{request_id},{},{},{before},{assigned_at},{},{},{},{},{},{},{},{},{}",
                csv_field(arm.map(String::as_str).unwrap_or_default()),
                csv_field(unit),
                shown(end.map(|end| end.at.to_string())),
                shown(end.map(|end| end.is_answered.to_string())),
                shown(cost.map(|cost| cost.dollars().to_string())),
                shown(cost.map(|cost| cost.pico().to_string())),
                shown(end.and_then(|end| end.saved).map(|saved: Usd| saved.dollars().to_string())),
                shown(end.map(|end| end.latency_ms.to_string())),
                shown(rating.map(|(rating, _)| rating.to_string())),
                shown(rating.map(|(_, at)| at.to_string())),
                self.simulated,
            );
        }
        text
    }

    /// Writes heading and rows, and how to go on.
    pub fn to_text(&self) -> String {
        let next = self.next().map(|id| format!("# more: after={id}\n")).unwrap_or_default();
        format!("{HEADING}\n{}{next}", self.rows())
    }
}

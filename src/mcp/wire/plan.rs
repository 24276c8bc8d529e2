//! What `route_prompt` gives back for a dry run.

use schemars::JsonSchema;
use serde::Serialize;

use super::route::RouteOutput;
use crate::domain::decision::{Candidate, CostEstimate, ExpectedQuality};
use crate::pipeline::Plan;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CandidateOutput {
    provider: String,
    model: String,
    tier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_cost_usd: Option<RangeOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_quality: Option<QualityOutput>,
}

/// Share of good answers, with its 90 % interval.
#[derive(Debug, Serialize, JsonSchema)]
struct QualityOutput {
    mean: f64,
    low: f64,
    high: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RangeOutput {
    low: f64,
    high: f64,
}

impl From<Plan> for RouteOutput {
    fn from(plan: Plan) -> Self {
        let mut output = Self::of(&plan.record);
        output.without_outcome();
        output.degraded = plan.degraded;
        output.simulated = plan.simulated;
        output.candidates = plan.candidates.iter().map(CandidateOutput::from).collect();
        output
    }
}

impl RouteOutput {
    /// Gives the plan as a short table.
    pub fn to_plan_text(&self) -> String {
        let mut text = format!(
            "{}plan (nothing was sent): {}\n",
            if self.simulated { "SIMULATED " } else { "" },
            self.reason
        );
        for (place, candidate) in self.candidates.iter().enumerate() {
            let cost = candidate.estimated_cost_usd.as_ref().map_or_else(
                || "price unknown".to_owned(),
                |range| format!("${} to ${}", range.low, range.high),
            );
            let quality = candidate.expected_quality.as_ref().map_or_else(String::new, |quality| {
                format!(", expected quality {:.2} ({:.2} to {:.2})", quality.mean, quality.low, quality.high)
            });
            text.push_str(&format!(
                "{}. {}/{} ({}) {cost}{quality}\n",
                place + 1,
                candidate.provider,
                candidate.model,
                candidate.tier
            ));
        }
        for problem in &self.degraded {
            text.push_str(&format!("note: {problem}\n"));
        }
        text
    }
}

impl From<&Candidate> for CandidateOutput {
    fn from(candidate: &Candidate) -> Self {
        let reference = &candidate.card.reference;
        Self {
            provider: reference.provider.to_string(),
            model: reference.model.clone(),
            tier: candidate.card.tier.to_string(),
            estimated_cost_usd: candidate.estimate.map(RangeOutput::from),
            expected_quality: candidate.expected_quality.map(QualityOutput::from),
        }
    }
}

impl From<ExpectedQuality> for QualityOutput {
    fn from(quality: ExpectedQuality) -> Self {
        let rounded = |share: f64| (share * 1e3).round() / 1e3;
        Self { mean: rounded(quality.mean), low: rounded(quality.low), high: rounded(quality.high) }
    }
}

impl From<CostEstimate> for RangeOutput {
    fn from(estimate: CostEstimate) -> Self {
        Self { low: estimate.low.dollars(), high: estimate.high.dollars() }
    }
}

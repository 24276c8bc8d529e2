//! Sums over requests, as reports and metrics show them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::report::{Group, Report, Totals};

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TotalsOutput {
    pub(super) requests: u64,
    pub(super) cost_usd: f64,
    pub(super) baseline_cost_usd: f64,
    pub(super) saved_usd: f64,
    /// [low, high], where a cost had to be estimated
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) saved_interval_usd: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) saved_percent: Option<f64>,
    pub(super) cache_hits: u64,
    pub(super) cache_hit_rate: f64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) audits: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audit_cost_usd: Option<f64>,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) unpriced_requests: u64,
    pub(super) estimated_requests: u64,
    pub(super) failed_requests: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) unsettled_requests: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unsettled_worst_case_usd: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct GroupOutput {
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) totals: TotalsOutput,
}

impl From<&Report> for TotalsOutput {
    fn from(report: &Report) -> Self {
        let interval = report.saved_between.map(|(low, high)| vec![low.dollars(), high.dollars()]);
        Self { saved_interval_usd: interval, ..report.totals.into() }
    }
}

impl From<Totals> for TotalsOutput {
    fn from(totals: Totals) -> Self {
        Self {
            requests: totals.requests,
            cost_usd: totals.cost.dollars(),
            baseline_cost_usd: totals.baseline_cost.dollars(),
            saved_usd: totals.saved.dollars(),
            saved_interval_usd: None,
            saved_percent: totals.saved_percent().map(|percent| (percent * 100.0).round() / 100.0),
            cache_hits: totals.cache_hits,
            cache_hit_rate: (totals.cache_hit_rate() * 1e4).round() / 1e4,
            audits: totals.audits,
            audit_cost_usd: (totals.audits > 0).then(|| totals.audit_cost.dollars()),
            input_tokens: totals.input_tokens,
            output_tokens: totals.output_tokens,
            unpriced_requests: totals.unpriced_requests,
            estimated_requests: totals.estimated_requests,
            failed_requests: totals.failed_requests,
            unsettled_requests: totals.unsettled_requests,
            unsettled_worst_case_usd: (totals.unsettled_requests > 0)
                .then(|| totals.unsettled_worst_case.dollars()),
        }
    }
}

impl From<&Group> for GroupOutput {
    fn from(group: &Group) -> Self {
        Self { key: group.key.clone(), totals: group.totals.into() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

//! What the dashboard shows.

use jiff::civil::Date;
use jiff::{Timestamp, Unit};
use serde::Serialize;

use super::budget::BudgetOutput;
use super::outlook::ForecastOutput;
use super::totals::{GroupOutput, TotalsOutput};
use crate::dashboard::chart::Chart;
use crate::dashboard::experiment::unit;
use crate::domain::money::Usd;
use crate::domain::record::RequestRecord;
use crate::experiments::lifecycle::Kept;
use crate::experiments::verdict::{Comparison, Report};

/// Everything that the dashboard shows, of one time.
#[derive(Debug, Serialize)]
pub struct DashboardOutput {
    pub(in crate::mcp) as_of: Timestamp,
    pub(in crate::mcp) from: Timestamp,
    pub(in crate::mcp) to: Timestamp,
    #[serde(skip_serializing_if = "super::is_false")]
    pub(in crate::mcp) simulated: bool,
    pub(in crate::mcp) totals: TotalsOutput,
    pub(in crate::mcp) by_day: Vec<GroupOutput>,
    pub(in crate::mcp) by_model: Vec<GroupOutput>,
    pub(in crate::mcp) by_strategy: Vec<GroupOutput>,
    pub(in crate::mcp) by_source: Vec<GroupOutput>,
    pub(in crate::mcp) cache: CacheOutput,
    pub(in crate::mcp) budgets: Vec<BudgetOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::mcp) forecast: Option<ForecastOutput>,
    pub(in crate::mcp) month: MonthOutput,
    pub(in crate::mcp) experiments: Vec<ExperimentOutput>,
    pub(in crate::mcp) requests: Vec<RequestOutput>,
    pub(in crate::mcp) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(in crate::mcp) struct CacheOutput {
    pub(in crate::mcp) entries: u64,
    pub(in crate::mcp) hits: u64,
    /// Upper bound of wrong answers per similar hit, at 95 %
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::mcp) error_bound: Option<f64>,
}

/// This month so far.
#[derive(Debug, Serialize)]
pub(in crate::mcp) struct MonthOutput {
    /// The first day after it
    pub(in crate::mcp) end: Date,
    pub(in crate::mcp) days: Vec<DayOutput>,
}

#[derive(Debug, Serialize)]
pub(in crate::mcp) struct DayOutput {
    day: Date,
    cost_usd: f64,
}

impl From<(Date, Usd)> for DayOutput {
    fn from((day, cost): (Date, Usd)) -> Self {
        Self { day, cost_usd: cost.dollars() }
    }
}

/// An experiment, and the interval of its effect over time.
#[derive(Debug, Serialize)]
pub(in crate::mcp) struct ExperimentOutput {
    name: String,
    status: String,
    metric: String,
    unit: &'static str,
    verdict: String,
    why: String,
    control: String,
    comparisons: Vec<ComparisonOutput>,
}

#[derive(Debug, Serialize)]
struct ComparisonOutput {
    arm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<[f64; 2]>,
    verdict: String,
    /// None where there are too many requests to read.
    points: Vec<PointOutput>,
}

#[derive(Debug, Serialize)]
struct PointOutput {
    at: Timestamp,
    effect: f64,
    low: f64,
    high: f64,
}

impl ExperimentOutput {
    /// Words what an experiment proves so far, with its picture where there is one.
    pub(in crate::mcp) fn new(kept: &Kept, report: &Report, chart: Option<&Chart>) -> Self {
        let definition = kept.experiment.definition();
        let points = |arm: &str| {
            let band = chart.and_then(|chart| chart.bands.iter().find(|band| band.name == arm));
            let points = band.into_iter().flat_map(|band| &band.points);
            points.map(|&(at, effect, (low, high))| PointOutput { at, effect, low, high }).collect()
        };
        let comparison = |comparison: &Comparison| ComparisonOutput {
            arm: comparison.arm.clone(),
            effect: comparison.effect,
            // JSON has no infinity.
            interval: comparison
                .interval
                .map(<[f64; 2]>::from)
                .filter(|ends| ends.iter().all(|end| end.is_finite())),
            verdict: comparison.verdict.to_string(),
            points: points(&comparison.arm),
        };
        Self {
            name: kept.name().to_owned(),
            status: kept.status.to_string(),
            metric: definition.metric.to_string(),
            unit: unit(definition.metric),
            verdict: report.verdict.to_string(),
            why: report.why.clone(),
            control: definition.arms.first().map(|arm| arm.name.clone()).unwrap_or_default(),
            comparisons: report.comparisons.iter().map(comparison).collect(),
        }
    }
}

/// A request, without anything that it said.
#[derive(Debug, Serialize)]
pub(in crate::mcp) struct RequestOutput {
    request_id: String,
    at: Timestamp,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved_usd: Option<f64>,
    latency_ms: u64,
}

impl From<&RequestRecord> for RequestOutput {
    fn from(record: &RequestRecord) -> Self {
        let reference = record.reference.as_ref();
        Self {
            request_id: record.id.to_string(),
            at: record.created_at.round(Unit::Second).unwrap_or(record.created_at),
            status: record.status.to_string(),
            source: record.source.map(|source| source.to_string()),
            provider: reference.map(|reference| reference.provider.to_string()),
            model: reference.map(|reference| reference.model.clone()),
            cost_usd: record.cost.map(Usd::dollars),
            saved_usd: record.saved().map(Usd::dollars),
            latency_ms: record.latency_ms,
        }
    }
}

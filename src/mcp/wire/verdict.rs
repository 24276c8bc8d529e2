//! What `experiment_report` takes and gives back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::experiments::lifecycle::Kept;
use crate::experiments::verdict::{ArmReport, Comparison, GuardrailReport, Report};

/// Arguments of `experiment_report`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerdictInput {
    pub name: String,
    /// csv: every assignment with its outcome, 1,000 at a time
    pub format: Option<VerdictFormat>,
    /// csv after this request_id
    pub after: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictFormat {
    #[default]
    Summary,
    Csv,
}

/// Result of `experiment_report`; intervals are [low, high].
#[derive(Debug, Serialize, JsonSchema)]
pub struct VerdictOutput {
    name: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<String>,
    /// The arm that is the default now
    #[serde(skip_serializing_if = "Option::is_none")]
    adopted: Option<String>,
    metric: String,
    /// treatment_better, control_better, equivalent, undecided or invalid
    verdict: String,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    best_arm: Option<String>,
    arms: Vec<ArmOutput>,
    /// Each treatment against control
    comparisons: Vec<ComparisonOutput>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    guardrails: Vec<GuardrailOutput>,
    sample_ratio: SampleRatioOutput,
    spend_usd: f64,
    /// What would change the verdict
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<NeededOutput>,
    #[serde(skip_serializing_if = "super::is_false")]
    simulated: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ArmOutput {
    name: String,
    /// Units with a known outcome
    n: u64,
    /// Units that were assigned
    exposed: u64,
    requests: u64,
    /// Share of requests without an outcome
    missing: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<Vec<f64>>,
    spend_usd: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ComparisonOutput {
    arm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_percent: Option<Vec<f64>>,
    p_adjusted: f64,
    verdict: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct GuardrailOutput {
    arm: String,
    metric: String,
    margin: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<Vec<f64>>,
    /// ok, violated or unknown
    status: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct SampleRatioOutput {
    p: f64,
    ok: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NeededOutput {
    units_per_arm: u64,
    requests: u64,
    what: String,
}

impl VerdictOutput {
    /// Words a report.
    pub fn new(kept: &Kept, report: &Report, simulated: bool) -> Self {
        Self {
            name: kept.name().to_owned(),
            status: kept.status.to_string(),
            ended_by: kept.ended.map(|ended| ended.by.to_string()),
            adopted: kept.adopted_arm().map(str::to_owned),
            metric: kept.experiment.definition().metric.to_string(),
            verdict: report.verdict.to_string(),
            why: report.why.clone(),
            best_arm: report.best_arm.clone(),
            arms: report.arms.iter().map(ArmOutput::from).collect(),
            comparisons: report.comparisons.iter().map(ComparisonOutput::from).collect(),
            guardrails: report.guardrails.iter().map(GuardrailOutput::from).collect(),
            sample_ratio: SampleRatioOutput {
                p: rounded(report.sample_ratio.p),
                ok: report.sample_ratio.is_ok,
            },
            spend_usd: report.spend.dollars(),
            needed: report.needed.as_ref().map(|needed| NeededOutput {
                units_per_arm: needed.units_per_arm,
                requests: needed.requests,
                what: needed.what.clone(),
            }),
            simulated,
        }
    }

    /// Gives what a person or model reads.
    pub fn to_text(&self) -> String {
        let simulated = if self.simulated { "SIMULATED · " } else { "" };
        let mut text = format!(
            "{simulated}experiment `{}` ({}): {} by {}\n{}",
            self.name, self.status, self.verdict, self.metric, self.why
        );
        if let Some(arm) = &self.best_arm {
            text.push_str(&format!("\nbest arm: {arm}"));
        }
        if let Some(arm) = &self.adopted {
            text.push_str(&format!("\nthe default by now: arm {arm}"));
        }
        text.push_str(
            "\n\n| arm | n | exposed | missing | mean | interval | spend |\n|---|---|---|---|---|---|---|",
        );
        for arm in &self.arms {
            text.push_str(&format!(
                "\n| {} | {} | {} | {:.1} % | {} | {} | ${} |",
                arm.name,
                arm.n,
                arm.exposed,
                100.0 * arm.missing,
                arm.mean.map_or_else(|| "–".to_owned(), |mean| mean.to_string()),
                range(arm.interval.as_deref()),
                arm.spend_usd
            ));
        }
        for comparison in &self.comparisons {
            let percent = comparison.effect_percent.map(|percent| format!(" ({percent:+.1} %)"));
            let percent_range = ends(comparison.interval_percent.as_deref())
                .map(|(low, high)| format!(" ({low:+.1} % to {high:+.1} %)"));
            text.push_str(&format!(
                "\n{}: {}; effect {}{}, interval {}{}, p {}",
                comparison.arm,
                comparison.verdict,
                comparison.effect.map_or_else(|| "–".to_owned(), |effect| effect.to_string()),
                percent.unwrap_or_default(),
                range(comparison.interval.as_deref()),
                percent_range.unwrap_or_default(),
                chance(comparison.p_adjusted)
            ));
        }
        for guardrail in &self.guardrails {
            text.push_str(&format!(
                "\nguardrail {} of {}: {} (margin {}, interval {})",
                guardrail.metric,
                guardrail.arm,
                guardrail.status,
                guardrail.margin,
                range(guardrail.interval.as_deref())
            ));
        }
        text.push_str(&format!(
            "\nsample ratio {} (p {}) · spend ${}",
            if self.sample_ratio.ok { "ok" } else { "BROKEN" },
            chance(self.sample_ratio.p),
            self.spend_usd
        ));
        if let Some(needed) = &self.needed {
            text.push_str(&format!("\nneeded: {}", needed.what));
        }
        text
    }
}

fn range(interval: Option<&[f64]>) -> String {
    ends(interval).map_or_else(|| "–".to_owned(), |(low, high)| format!("{low} to {high}"))
}

/// Writes a p-value; how small a tiny one is says nothing.
fn chance(p: f64) -> String {
    if p < 1e-4 { "below 0.0001".to_owned() } else { format!("{p:.4}") }
}

fn ends(interval: Option<&[f64]>) -> Option<(f64, f64)> {
    match interval {
        Some([low, high]) => Some((*low, *high)),
        _ => None,
    }
}

/// Six significant digits; the rest is noise.
fn rounded(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let scale = 10_f64.powf(5.0 - number.abs().log10().floor());
    if scale.is_finite() { (number * scale).round() / scale } else { number }
}

fn pair((low, high): (f64, f64)) -> Option<Vec<f64>> {
    // JSON has no infinity: an end that is not known makes no interval.
    (low.is_finite() && high.is_finite()).then(|| vec![rounded(low), rounded(high)])
}

impl From<&ArmReport> for ArmOutput {
    fn from(arm: &ArmReport) -> Self {
        Self {
            name: arm.name.clone(),
            n: arm.known_units,
            exposed: arm.units,
            requests: arm.requests,
            missing: rounded(arm.missing),
            mean: arm.mean.map(rounded),
            interval: arm.interval.and_then(pair),
            spend_usd: arm.spend.dollars(),
        }
    }
}

impl From<&Comparison> for ComparisonOutput {
    fn from(comparison: &Comparison) -> Self {
        Self {
            arm: comparison.arm.clone(),
            effect: comparison.effect.map(rounded),
            effect_percent: comparison.effect_percent.map(rounded),
            interval: comparison.interval.and_then(pair),
            interval_percent: comparison.interval_percent.and_then(pair),
            p_adjusted: rounded(comparison.p_adjusted),
            verdict: comparison.verdict.to_string(),
        }
    }
}

impl From<&GuardrailReport> for GuardrailOutput {
    fn from(guardrail: &GuardrailReport) -> Self {
        Self {
            arm: guardrail.arm.clone(),
            metric: guardrail.metric.to_string(),
            margin: guardrail.margin,
            effect: guardrail.effect.map(rounded),
            interval: guardrail.interval.and_then(pair),
            status: guardrail.status.to_string(),
        }
    }
}

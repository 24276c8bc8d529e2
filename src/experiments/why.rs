//! A verdict in plain words.

use super::definition::{Experiment, Metric};
use super::verdict::{GuardrailStatus, Report, Verdict};

/// Says why a report's verdict is what it is.
pub(super) fn why(experiment: &Experiment, report: &Report) -> String {
    let definition = experiment.definition();
    let metric = definition.metric;
    let control = definition.arms.first().map(|arm| arm.name.as_str()).unwrap_or_default();
    if report.verdict == Verdict::Invalid {
        let seen: Vec<String> = report.arms.iter().map(|arm| format!("{} {}", arm.units, arm.name)).collect();
        return format!(
            "units did not come to the arms in the shares that were meant ({}; p {}): something loses units of an arm, so the arms cannot be compared; hint: look for errors or time-outs of one arm, then start anew",
            seen.join(", "),
            significant(report.sample_ratio.p)
        );
    }
    let reasons = report.comparisons.iter().map(|comparison| {
        let arm = &comparison.arm;
        let of_arm = || report.guardrails.iter().filter(|guardrail| guardrail.arm == *arm);
        let range = |interval: Option<(f64, f64)>, metric| {
            interval.map_or_else(
                || "no interval yet".to_owned(),
                |(low, high)| format!("{} to {}", amount(metric, low), amount(metric, high)),
            )
        };
        let effect = comparison.effect.map_or_else(
            || format!("`{arm}` and `{control}` have no {metric} yet that varies"),
            |effect| {
                let interval = range(comparison.interval, metric);
                format!(
                    "{metric} of `{arm}` differs from `{control}` by {} ({interval})",
                    amount(metric, effect)
                )
            },
        );
        let violated = of_arm().find(|guardrail| guardrail.status == GuardrailStatus::Violated);
        let unknown = of_arm().find(|guardrail| guardrail.status == GuardrailStatus::Unknown);
        let guarded = |guardrail: &super::verdict::GuardrailReport, what: &str| {
            let (metric, margin) = (guardrail.metric, amount(guardrail.metric, guardrail.margin));
            format!("{metric} {what} worse by more than {margin} ({})", range(guardrail.interval, metric))
        };
        match (comparison.verdict, violated, unknown) {
            (_, Some(guardrail), _) => format!("{effect}; its {}", guarded(guardrail, "is")),
            (Verdict::Undecided, None, Some(guardrail)) => {
                format!("{effect}; it is not known whether its {}", guarded(guardrail, "is"))
            }
            (Verdict::Undecided, None, None) => format!("{effect}: that may be chance"),
            (Verdict::Equivalent, ..) => {
                let margin = definition.equivalence_margin.unwrap_or_default();
                format!("{effect}: less than {} either way", amount(metric, margin))
            }
            (Verdict::TreatmentBetter | Verdict::ControlBetter | Verdict::Invalid, None, _) => {
                format!("{effect}; {} is better", experiment.direction())
            }
        }
    });
    reasons.collect::<Vec<_>>().join("; ")
}

/// Writes a value of a metric with its unit.
fn amount(metric: Metric, value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let digits = significant(value.abs());
    match metric {
        Metric::CostUsd | Metric::SavedUsd => format!("{sign}${digits}"),
        Metric::LatencyMs => format!("{sign}{digits} ms"),
        Metric::Rating | Metric::Success => format!("{sign}{digits}"),
    }
}

/// Writes a number with three significant digits.
fn significant(number: f64) -> String {
    if !number.is_finite() {
        return "unbounded".to_owned();
    }
    let places = if number == 0.0 { 0.0 } else { (2.0 - number.abs().log10().floor()).clamp(0.0, 12.0) };
    format!("{number:.*}", places as usize)
}

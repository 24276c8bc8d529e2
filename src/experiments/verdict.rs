//! What an experiment proves so far.
//!
//! All claims of a report (each treatment better or worse than control, each guardrail kept or violated) hold together but
//! for the chance α, however often one looks; `best_arm` is one more claim of the same chance. What is not proved is
//! `undecided`, whatever the means say.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;
use strum::{Display, IntoStaticStr};

use super::definition::{Experiment, Metric};
use super::estimate::Estimate;
use super::holm::adjusted;
use super::judge::Judge;
use super::needed::{Needed, needed};
use super::sample_ratio::sample_ratio_p_value;
use super::sums::Sums;
use super::timeline::Moment;
use super::why::why;
use crate::domain::money::Usd;

/// Below it the counts of units are not by chance what they are.
const SAMPLE_RATIO_LEVEL: f64 = 0.001;

/// What was seen of one arm.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observed {
    /// Units that were assigned to it.
    pub units: u64,
    /// Their requests, with and without outcomes.
    pub requests: u64,
    pub spend: Usd,
    /// Of the outcomes that are known.
    pub sums: BTreeMap<Metric, Sums>,
}

impl Observed {
    /// Gives the sums of a metric; of no outcomes where there are none.
    pub fn of(&self, metric: Metric) -> Sums {
        self.sums.get(&metric).copied().unwrap_or_default()
    }
}

/// What is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    /// Better in the metric, and no guardrail is worse by more than its margin.
    TreatmentBetter,
    /// The treatment is worse in the metric, or in a guardrail by more than its margin.
    ControlBetter,
    /// They differ by less than the equivalence margin, and the guardrails are kept.
    Equivalent,
    Undecided,
    /// Units did not come to the arms as they should have: nothing can be said.
    Invalid,
}

/// Whether a guardrail is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum GuardrailStatus {
    Ok,
    Violated,
    Unknown,
}

/// One arm by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmReport {
    pub name: String,
    pub units: u64,
    /// Units with a known outcome of the metric.
    pub known_units: u64,
    pub requests: u64,
    /// Known outcomes of the metric.
    pub outcomes: f64,
    /// Share of requests without an outcome, in [0, 1].
    pub missing: f64,
    pub mean: Option<f64>,
    /// Of the mean, as sure as one claim.
    pub interval: Option<(f64, f64)>,
    pub spend: Usd,
}

/// A treatment against control.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub arm: String,
    /// Treatment's mean less control's, after what was known before.
    pub effect: Option<f64>,
    /// Of control's mean.
    pub effect_percent: Option<f64>,
    /// Of the effect in percent of control's mean; absent where that may be 0.
    pub interval_percent: Option<(f64, f64)>,
    /// Of the effect; with those of all other claims it holds with the chance 1 − α. Holm's procedure, which gives the
    /// verdict, may be surer of 0 than it.
    pub interval: Option<(f64, f64)>,
    /// Holm's, over all claims.
    pub p_adjusted: f64,
    pub verdict: Verdict,
}

/// A treatment in a metric that it must not worsen.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardrailReport {
    pub arm: String,
    pub metric: Metric,
    pub margin: f64,
    pub effect: Option<f64>,
    pub interval: Option<(f64, f64)>,
    /// Of "it is worse by just the margin"; Holm's, over all claims.
    pub p_adjusted: f64,
    pub status: GuardrailStatus,
}

/// Whether units came to the arms in the shares that were meant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRatio {
    pub p: f64,
    pub is_ok: bool,
}

/// What an experiment proves so far, and what would change that.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub verdict: Verdict,
    pub why: String,
    /// Surely better than every other arm.
    pub best_arm: Option<String>,
    pub arms: Vec<ArmReport>,
    pub comparisons: Vec<Comparison>,
    pub guardrails: Vec<GuardrailReport>,
    pub sample_ratio: SampleRatio,
    pub spend: Usd,
    pub needed: Option<Needed>,
}

impl Report {
    /// Gives the requests of all arms together.
    pub fn requests(&self) -> u64 {
        self.arms.iter().fold(0, |sum, arm| sum.saturating_add(arm.requests))
    }
}

/// A statement about a treatment in one metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    /// Its place among the arms.
    pub(super) arm: usize,
    pub(super) metric: Metric,
    /// Absent: it is the experiment's own metric.
    pub(super) margin: Option<f64>,
    /// What a difference is tested against: 0, or worse by the margin.
    pub(super) null: f64,
    pub(super) estimate: Option<Estimate>,
    pub(super) interval: Option<(f64, f64)>,
    p_adjusted: f64,
    /// Where the difference lies: better than the null, worse, or not known.
    side: Option<Ordering>,
    is_equivalent: bool,
}

/// Judges what was seen of the arms, in the order of the definition; an arm that is missing has seen nothing.
pub fn report(experiment: &Experiment, observed: &[Observed]) -> Report {
    let definition = experiment.definition();
    let nothing = Observed::default();
    let arms: Vec<&Observed> =
        (0..definition.arms.len()).map(|place| observed.get(place).unwrap_or(&nothing)).collect();
    let requests = arms.iter().fold(0_u64, |sum, arm| sum.saturating_add(arm.requests));
    let judge = Judge::new(experiment, requests);
    let counts: Vec<f64> = arms.iter().map(|arm| arm.units as f64).collect();
    let p = sample_ratio_p_value(&counts, &experiment.shares());
    let sample_ratio = SampleRatio { p, is_ok: p >= SAMPLE_RATIO_LEVEL };
    let claims = claims(experiment, &arms, judge);
    let verdicts: Vec<Verdict> = (1..arms.len())
        .map(|arm| if sample_ratio.is_ok { verdict_of(arm, &claims) } else { Verdict::Invalid })
        .collect();
    let name = |place: usize| definition.arms.get(place).map(|arm| arm.name.clone()).unwrap_or_default();
    let control_mean = arms.first().and_then(|control| control.of(definition.metric).mean());
    let percent =
        |effect: f64| control_mean.filter(|mean| *mean != 0.0).map(|mean| 100.0 * effect / mean.abs());
    let own = claims.iter().filter(|claim| claim.margin.is_none());
    let comparisons = own.zip(&verdicts).map(|(claim, verdict)| Comparison {
        arm: name(claim.arm),
        effect: claim.estimate.map(|estimate| estimate.value),
        effect_percent: claim.estimate.and_then(|estimate| percent(estimate.value)),
        interval_percent: claim
            .interval
            .and_then(|interval| claim.estimate?.relative(interval))
            .map(in_percent),
        interval: claim.interval,
        p_adjusted: claim.p_adjusted,
        verdict: *verdict,
    });
    let guardrails = claims.iter().filter_map(|claim| {
        Some(GuardrailReport {
            arm: name(claim.arm),
            metric: claim.metric,
            margin: claim.margin?,
            effect: claim.estimate.map(|estimate| estimate.value),
            interval: claim.interval,
            p_adjusted: claim.p_adjusted,
            status: claim.status(),
        })
    });
    let mut report = Report {
        verdict: overall(&verdicts),
        why: String::new(),
        best_arm: best(experiment, &arms, &verdicts, judge).map(name),
        arms: arms
            .iter()
            .enumerate()
            .map(|(place, arm)| arm_report(name(place), arm, definition.metric, judge))
            .collect(),
        comparisons: comparisons.collect(),
        guardrails: guardrails.collect(),
        sample_ratio,
        spend: arms.iter().map(|arm| arm.spend).sum(),
        needed: None,
    };
    if report.verdict == Verdict::Undecided {
        report.needed = needed(experiment, requests, &claims, judge);
    }
    report.why = why(experiment, &report);
    report
}

/// Gives the effect of a treatment on the metric as of a moment, with its interval; `None` where it is too early for one.
pub fn effect_at(experiment: &Experiment, moment: &Moment, place: usize) -> Option<(f64, (f64, f64))> {
    let metric = experiment.definition().metric;
    let outcomes: f64 = moment.arms.iter().map(|sums| sums.outcomes).sum();
    let estimate = Estimate::difference(metric, moment.arms.first()?, moment.arms.get(place)?)?;
    let interval = Judge::new(experiment, outcomes as u64).interval(&estimate)?;
    Some((estimate.value, interval))
}

fn in_percent((low, high): (f64, f64)) -> (f64, f64) {
    (100.0 * low, 100.0 * high)
}

fn arm_report(name: String, arm: &Observed, metric: Metric, judge: Judge) -> ArmReport {
    let sums = arm.of(metric);
    let missing = if arm.requests > 0 { 1.0 - sums.outcomes / arm.requests as f64 } else { 0.0 };
    ArmReport {
        name,
        units: arm.units,
        known_units: sums.units as u64,
        requests: arm.requests,
        outcomes: sums.outcomes,
        missing: missing.clamp(0.0, 1.0),
        mean: sums.mean(),
        interval: judge.mean_interval(metric, &sums),
        spend: arm.spend,
    }
}

/// Makes every claim, those about the experiment's own metric first.
fn claims(experiment: &Experiment, arms: &[&Observed], judge: Judge) -> Vec<Claim> {
    let definition = experiment.definition();
    let own = (definition.metric, experiment.direction(), None);
    let guarded = definition
        .guardrails
        .iter()
        .map(|guardrail| (guardrail.metric, guardrail.metric.direction(), Some(guardrail.margin)));
    let mut claims = Vec::new();
    for (metric, direction, margin) in std::iter::once(own).chain(guarded) {
        let Some((control, treatments)) = arms.split_first() else { continue };
        for (place, treatment) in treatments.iter().enumerate() {
            let (control, treatment) = (control.of(metric), treatment.of(metric));
            let null = margin.map_or(0.0, |margin| -margin * direction.sign());
            let estimate = Estimate::difference(metric, &control, &treatment);
            let p = match (margin, estimate) {
                (None, _) => judge.difference_p_value(metric, &control, &treatment),
                (Some(_), Some(estimate)) => judge.p_value(&estimate, null),
                (Some(_), None) => 1.0,
            };
            let interval = estimate.and_then(|estimate| judge.interval(&estimate));
            let is_equivalent = definition
                .equivalence_margin
                .zip(interval)
                .is_some_and(|(margin, (low, high))| -margin < low && high < margin);
            let side = estimate.map(|estimate| (direction.sign() * (estimate.value - null)).total_cmp(&0.0));
            let arm = place + 1;
            claims.push(Claim {
                arm,
                metric,
                margin,
                null,
                estimate,
                interval,
                p_adjusted: p,
                side,
                is_equivalent,
            });
        }
    }
    let adjusted = adjusted(&claims.iter().map(|claim| claim.p_adjusted).collect::<Vec<_>>());
    for (claim, p) in claims.iter_mut().zip(adjusted) {
        claim.p_adjusted = p;
        claim.side = claim.side.filter(|_| p <= definition.alpha);
    }
    claims
}

impl Claim {
    pub(super) const fn is_known(&self) -> bool {
        self.side.is_some() || self.is_equivalent
    }

    pub(super) fn status(&self) -> GuardrailStatus {
        match self.side {
            Some(Ordering::Greater) => GuardrailStatus::Ok,
            Some(Ordering::Less) => GuardrailStatus::Violated,
            Some(Ordering::Equal) | None => GuardrailStatus::Unknown,
        }
    }
}

fn verdict_of(arm: usize, claims: &[Claim]) -> Verdict {
    let guardrails =
        || claims.iter().filter(|claim| claim.arm == arm && claim.margin.is_some()).map(Claim::status);
    let own = claims.iter().find(|claim| claim.arm == arm && claim.margin.is_none());
    let verdict = match own.map(|claim| (claim.side, claim.is_equivalent)) {
        _ if guardrails().any(|status| status == GuardrailStatus::Violated) => Verdict::ControlBetter,
        Some((Some(Ordering::Less), false)) => Verdict::ControlBetter,
        Some((Some(Ordering::Greater), false)) => Verdict::TreatmentBetter,
        Some((_, true)) => Verdict::Equivalent,
        _ => Verdict::Undecided,
    };
    let is_kept = guardrails().all(|status| status == GuardrailStatus::Ok);
    if is_kept || verdict == Verdict::ControlBetter { verdict } else { Verdict::Undecided }
}

/// Sums up the treatments: one that is better decides, else all have to be known.
fn overall(verdicts: &[Verdict]) -> Verdict {
    for verdict in [Verdict::Invalid, Verdict::TreatmentBetter, Verdict::Undecided, Verdict::Equivalent] {
        if verdicts.contains(&verdict) {
            return verdict;
        }
    }
    Verdict::ControlBetter
}

/// Finds the arm that is surely better than each of the others. That it is not the true best takes one of so many
/// comparisons with that one to err, each of which has its part of α.
fn best(experiment: &Experiment, arms: &[&Observed], verdicts: &[Verdict], judge: Judge) -> Option<usize> {
    let definition = experiment.definition();
    if verdicts.iter().all(|verdict| *verdict == Verdict::ControlBetter) {
        return Some(0);
    }
    let level = definition.alpha / experiment.claims();
    let sums = |place: usize| arms.get(place).map(|arm| arm.of(definition.metric)).unwrap_or_default();
    let is_better = |one: usize, other: usize| {
        let difference = Estimate::difference(definition.metric, &sums(other), &sums(one));
        difference.is_some_and(|difference| difference.value * experiment.direction().sign() > 0.0)
            && judge.difference_p_value(definition.metric, &sums(other), &sums(one)) <= level
    };
    let treatments = || verdicts.iter().enumerate().map(|(place, verdict)| (place + 1, *verdict));
    treatments().filter(|(_, verdict)| *verdict == Verdict::TreatmentBetter).map(|(arm, _)| arm).find(|arm| {
        treatments().all(|(other, verdict)| {
            other == *arm || verdict == Verdict::ControlBetter || is_better(*arm, other)
        })
    })
}

//! What an experiment will take, by what past requests were like.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::definition::{AssignmentUnit, Definition, Eligibility, Experiment, Method, Metric};
use super::plan::Planned;
use super::sequence::Sequence;
use super::sums::Sums;
use crate::domain::money::Usd;

/// Past requests that are looked at, at most.
pub const MOST_PAST: u32 = 10_000;
/// How far back they may be.
pub const PAST: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Fewer units say nothing of a variance.
const FEWEST_UNITS: f64 = 30.0;

/// Which past requests to sum up.
#[derive(Debug, Clone, PartialEq)]
pub struct PastQuery {
    pub unit: AssignmentUnit,
    pub eligibility: Eligibility,
    pub since: Timestamp,
    /// The newest so many of them.
    pub limit: u32,
}

/// What past requests were like: those that ended, but for trials of other models.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    pub requests: u64,
    /// When the first and the last of them came.
    pub span: Option<(Timestamp, Timestamp)>,
    pub sums: BTreeMap<Metric, Sums>,
}

/// What an experiment will take.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outlook {
    /// Units in each arm after which the smallest effect that matters is found with a chance of 80 %.
    pub units_per_arm: Option<u64>,
    /// The same in requests, all arms together.
    pub requests: Option<u64>,
    pub days: Option<f64>,
    /// What those requests cost if they cost what past ones did.
    pub cost: Option<Usd>,
    /// What there is to know before it starts, each with its way out.
    pub warnings: Vec<String>,
}

/// Settles where intervals are tightest, so that the effect that matters is found soonest.
pub fn settle(definition: Definition, past: &Past) -> Definition {
    let sums = past.sums.get(&definition.metric).filter(|sums| sums.units >= FEWEST_UNITS);
    let planned = sums.and_then(|sums| planned(&definition, sums));
    let units = planned.and_then(|planned| planned.fixed_units(definition.alpha)).map(|units| units as u64);
    Definition { tightest_at: definition.tightest_at.or(units.filter(|units| *units > 0)), ..definition }
}

fn planned(definition: &Definition, sums: &Sums) -> Option<Planned> {
    Some(Planned { effect: definition.minimum_effect?, variance: sums.variance()? })
}

/// Says what an experiment will take.
pub fn outlook(experiment: &Experiment, past: &Past) -> Outlook {
    let definition = experiment.definition();
    let mut outlook = Outlook::default();
    let sums = past.sums.get(&definition.metric).filter(|sums| sums.units >= FEWEST_UNITS);
    let arms = definition.arms.len() as f64;
    let alpha = definition.alpha / experiment.claims();
    let units = sums.and_then(|sums| planned(definition, sums)).and_then(|planned| match definition.method {
        Method::Fixed => planned.fixed_units(alpha),
        Method::Sequential => planned.sequential_units(Sequence::new(alpha, experiment.tightest_at())),
    });
    // The smallest arm comes to its units last; a unit of several outcomes needs as many requests.
    let smallest = experiment.shares().into_iter().fold(1.0, f64::min);
    let per_unit = sums.map_or(1.0, |sums| sums.outcomes / sums.units.max(1.0));
    let answered = sums.map_or(1.0, |sums| sums.outcomes / (past.requests.max(1) as f64));
    let requests = units.map(|units| (units / smallest * per_unit / answered.clamp(1e-6, 1.0)).ceil());
    outlook.units_per_arm = units.map(|units| units as u64);
    outlook.requests = requests.map(|requests| requests as u64);
    let taken = definition
        .max_requests
        .map_or(requests, |most| Some(requests.map_or(most as f64, |requests| requests.min(most as f64))));
    let mean_cost = past.sums.get(&Metric::CostUsd).and_then(Sums::mean);
    outlook.cost = taken.zip(mean_cost).and_then(|(taken, mean)| Usd::from_dollars(taken * mean).ok());
    outlook.days = taken.zip(past.per_day()).map(|(taken, per_day)| taken / per_day);
    outlook.warnings = warnings(experiment, past, &outlook, arms);
    outlook
}

impl Past {
    /// Gives requests a day, where they are known over an hour at least.
    fn per_day(&self) -> Option<f64> {
        let (first, last) = self.span?;
        let days = last.duration_since(first).as_secs_f64() / 86_400.0;
        (self.requests >= 10 && days >= 1.0 / 24.0).then(|| self.requests as f64 / days)
    }
}

fn warnings(experiment: &Experiment, past: &Past, outlook: &Outlook, arms: f64) -> Vec<String> {
    let definition = experiment.definition();
    let metric = definition.metric;
    let mut warnings = Vec::new();
    let known = past.sums.get(&metric).map_or(0.0, |sums| sums.units);
    if known < FEWEST_UNITS {
        warnings.push(format!(
            "variance unknown: {known} past {} have {metric}, so how many are needed is not known",
            match definition.unit {
                AssignmentUnit::Request => "requests",
                AssignmentUnit::Session => "sessions",
            }
        ));
    } else if definition.minimum_effect.is_none() {
        warnings.push("how many are needed is not known; hint: give minimum_effect".to_owned());
    }
    if let (Some(needed), Some(most)) = (outlook.requests, definition.max_requests)
        && most < needed
    {
        warnings.push(format!(
            "underpowered: max_requests is {most}, and about {needed} are needed to find minimum_effect with a chance of 80 %"
        ));
    }
    if metric == Metric::Rating {
        warnings.push(
            "only rated requests count, and who rates may differ by arm; hint: see `missing` in the report"
                .to_owned(),
        );
    }
    let guards_success = definition.guardrails.iter().any(|guardrail| guardrail.metric == Metric::Success);
    if !matches!(metric, Metric::Success | Metric::Rating) && !guards_success {
        warnings.push(format!(
            "{metric} is of answered requests only; hint: a guardrail on success (margin 0.02) notices an arm that fails more"
        ));
    }
    let has_limit = definition.max_requests.is_some()
        || definition.max_days.is_some()
        || definition.max_spend_pico.is_some();
    if !has_limit && !definition.auto_stop {
        warnings.push(
            "it runs until stop_experiment; hint: max_requests, max_days, max_spend_usd or auto_stop"
                .to_owned(),
        );
    }
    if arms > 2.0 && definition.minimum_effect.is_some() {
        let claims = experiment.claims();
        warnings.push(format!("α is shared by {claims} claims, so each takes longer than alone"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::experiments::sums::Unit;

    fn definition(members: &Value) -> Definition {
        let mut definition = json!({
            "name": "x", "metric": "cost_usd", "arms": [{ "name": "a" }, { "name": "b", "model": "m" }],
            "minimum_effect": 0.001,
        });
        definition
            .as_object_mut()
            .expect("an object")
            .extend(members.as_object().expect("an object").clone());
        serde_json::from_value(definition).expect("a definition")
    }

    /// 200 requests in 10 days, of 0.01 or 0.03 dollars.
    fn past() -> Past {
        let mut sums = Sums::default();
        for number in 0..200 {
            let total = if number % 2 == 0 { 0.01 } else { 0.03 };
            sums.add(Unit { outcomes: 1.0, total, before: 0.0 });
        }
        let last = Timestamp::from_second(864_000).expect("a time");
        Past {
            requests: 200,
            span: Some((Timestamp::UNIX_EPOCH, last)),
            sums: [(Metric::CostUsd, sums)].into(),
        }
    }

    fn outlook_of(members: &Value, past: &Past) -> Outlook {
        let experiment = Experiment::try_from(settle(definition(members), past)).expect("an experiment");
        outlook(&experiment, past)
    }

    #[test]
    fn what_it_takes_follows_from_the_variance_of_the_past() {
        let fixed = outlook_of(&json!({ "method": "fixed", "max_requests": 10_000 }), &past());
        // 2 · 0.0001 · (1.96 + 0.8416)² / 0.001², the variance being over 199.
        assert_eq!((fixed.units_per_arm, fixed.requests), (Some(1_578), Some(3_156)));
        let (days, cost) = (fixed.days.expect("days"), fixed.cost.expect("a cost").dollars());
        assert!((days - 157.8).abs() < 0.1 && (cost - 63.12).abs() < 1e-6, "{days} {cost}");
        let sequential = outlook_of(&json!({}), &past()).units_per_arm.expect("units");
        assert!((1_578..3_200).contains(&sequential), "{sequential}");
        assert!(settle(definition(&json!({})), &past()).tightest_at.is_some_and(|units| units == 1_578));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let check = |members: &Value, past: &Past, words: &[&str]| {
            let warnings = outlook_of(members, past).warnings;
            for words in words {
                assert!(warnings.iter().any(|warning| warning.contains(words)), "{words}: {warnings:?}");
            }
        };
        check(
            &json!({}),
            &Past::default(),
            &["variance unknown", "guardrail on success", "until stop_experiment"],
        );
        check(&json!({ "minimum_effect": null }), &past(), &["give minimum_effect"]);
        check(&json!({ "max_requests": 100 }), &past(), &["underpowered: max_requests is 100"]);
        check(&json!({ "metric": "rating", "minimum_effect": 0.1 }), &past(), &["only rated requests count"]);
        let none = outlook_of(&json!({}), &Past::default());
        assert_eq!((none.units_per_arm, none.days, none.cost), (None, None, None));
    }
}

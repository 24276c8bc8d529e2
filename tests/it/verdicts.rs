//! What a report of an experiment says, and what it does not.

use std::collections::BTreeMap;

use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::experiments::definition::{Experiment, Metric};
use ai_cost_optimizer::experiments::sums::{Sums, Unit};
use ai_cost_optimizer::experiments::verdict::{GuardrailStatus, Observed, Report, Verdict, report};
use proptest::prelude::{prop, prop_assert, proptest};
use serde_json::{Value, json};

use crate::simulation::normal;

/// Makes an experiment on costs with some arms, control first.
fn experiment(arms: &[&str], more: &Value) -> Experiment {
    let arms: Vec<Value> = arms.iter().map(|name| json!({ "name": name, "model": name })).collect();
    let mut definition = json!({ "name": "x", "metric": "cost_usd", "arms": arms });
    definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(definition).unwrap()
}

/// An arm with so many requests, whose metrics have these means and a coefficient of variation of 1, but for those in [0, 1],
/// which are 0 or 1.
fn arm(seed: u64, requests: u64, means: &[(Metric, f64)]) -> Observed {
    let mut draw = fastrand::Rng::with_seed(seed);
    let mut sums: BTreeMap<Metric, Sums> = BTreeMap::new();
    for _ in 0..requests {
        for (metric, mean) in means {
            let total = if metric.is_bounded() {
                f64::from(u8::from(draw.f64() < *mean))
            } else {
                mean * (0.83 * normal(&mut draw)).exp() / (0.83 * 0.83 / 2.0_f64).exp()
            };
            sums.entry(*metric).or_default().add(Unit { outcomes: 1.0, total, before: 0.0 });
        }
    }
    Observed { units: requests, requests, spend: Usd::from_pico(requests as i64), sums }
}

fn costs(seed: u64, requests: u64, mean: f64) -> Observed {
    arm(seed, requests, &[(Metric::CostUsd, mean)])
}

fn verdict(report: &Report) -> (Verdict, Option<&str>) {
    (report.verdict, report.best_arm.as_deref())
}

#[test]
fn a_cost_three_times_as_high_is_found_within_300_requests_and_nothing_where_nothing_is() {
    let experiment = experiment(&["now", "new"], &json!({}));
    let runs = 200;
    let decided = |treatment: f64, expected: Verdict| {
        (0..runs)
            .filter(|run| {
                let observed = [costs(2 * run, 150, 0.001), costs(2 * run + 1, 150, treatment)];
                report(&experiment, &observed).verdict == expected
            })
            .count()
    };
    assert!(decided(0.003, Verdict::ControlBetter) >= 199, "{}", decided(0.003, Verdict::ControlBetter));
    assert!(decided(0.000_333, Verdict::TreatmentBetter) >= 199);
    assert!(decided(0.001, Verdict::Undecided) >= 199, "{}", decided(0.001, Verdict::Undecided));
}

#[test]
fn a_higher_mean_alone_wins_nothing() {
    let two = experiment(&["now", "new"], &json!({}));
    for observed in [
        vec![],
        vec![costs(1, 1, 1.0), costs(2, 1, 9.0)],
        vec![costs(1, 29, 0.001), costs(2, 29, 0.1)],
        vec![costs(1, 500, 0.001), costs(2, 500, 0.001_05)],
    ] {
        let report = report(&two, &observed);
        assert_eq!(verdict(&report), (Verdict::Undecided, None), "{report:?}");
        assert!(report.needed.is_some() && !report.why.is_empty(), "{report:?}");
    }
    // Nothing varies: nothing is measured.
    let free = report(&two, &[costs(1, 500, 0.0), costs(2, 500, 0.0)]);
    assert_eq!(verdict(&free), (Verdict::Undecided, None), "{free:?}");
}

#[test]
fn a_report_says_by_how_much_and_why() {
    let report =
        report(&experiment(&["now", "new"], &json!({})), &[costs(1, 400, 0.002), costs(2, 380, 0.001)]);
    assert_eq!(verdict(&report), (Verdict::TreatmentBetter, Some("new")));
    let comparison = &report.comparisons[0];
    let (low, high) = comparison.interval.unwrap();
    assert!(low < -0.001 && -0.001 < high && high < 0.0, "{comparison:?}");
    assert!((-60.0..-40.0).contains(&comparison.effect_percent.unwrap()), "{comparison:?}");
    let arm = &report.arms[1];
    let (low, high) = arm.interval.unwrap();
    assert!(arm.units == 380 && low < 0.001 && 0.001 < high && arm.missing == 0.0, "{arm:?}");
    assert_eq!(report.spend, Usd::from_pico(780));
    assert!(report.why.contains("cost_usd of `new` differs from `now` by −$0.00"), "{}", report.why);
    assert!(report.why.ends_with("lower is better"), "{}", report.why);
    assert_eq!(report.needed, None);
}

#[test]
fn a_guardrail_must_be_known_to_be_kept() {
    let experiment =
        experiment(&["now", "new"], &json!({ "guardrails": [{ "metric": "rating", "margin": 0.05 }] }));
    let seen = |rating: f64, requests: u64| {
        let means = |cost, rating| [(Metric::CostUsd, cost), (Metric::Rating, rating)];
        report(&experiment, &[arm(1, requests, &means(0.003, 0.9)), arm(2, requests, &means(0.001, rating))])
    };
    for (rating, requests, expected, status) in [
        (0.9, 200, Verdict::Undecided, GuardrailStatus::Unknown),
        (0.9, 4_000, Verdict::TreatmentBetter, GuardrailStatus::Ok),
        (0.6, 400, Verdict::ControlBetter, GuardrailStatus::Violated),
    ] {
        let report = seen(rating, requests);
        assert_eq!((report.verdict, report.guardrails[0].status), (expected, status), "{report:?}");
        assert_eq!(report.best_arm.is_some(), expected != Verdict::Undecided);
    }
    let undecided = seen(0.9, 200);
    assert!(
        undecided.why.contains("not known whether its rating is worse by more than 0.0500"),
        "{}",
        undecided.why
    );
    assert!(undecided.needed.unwrap().what.contains("if rating of `new` goes on"));
}

#[test]
fn arms_that_hardly_differ_are_equivalent_once_that_is_known() {
    let experiment = experiment(&["now", "new"], &json!({ "equivalence_margin": 0.0002 }));
    let seen = |requests| report(&experiment, &[costs(1, requests, 0.001), costs(2, requests, 0.001)]);
    assert_eq!(verdict(&seen(300)), (Verdict::Undecided, None));
    assert_eq!(verdict(&seen(3_000)), (Verdict::Equivalent, None));
    // What is said to be needed is about what is needed.
    let needed = seen(300).needed.unwrap().requests;
    assert!((300..4_000).contains(&needed), "{needed}");
}

#[test]
fn units_that_come_in_other_shares_make_it_invalid() {
    let two = experiment(&["now", "new"], &json!({}));
    let report = report(&two, &[costs(1, 1_200, 0.003), costs(2, 800, 0.001)]);
    assert_eq!(verdict(&report), (Verdict::Invalid, None));
    assert!(!report.sample_ratio.is_ok && report.why.contains("1200 now, 800 new"), "{report:?}");
    assert_eq!(report.comparisons[0].verdict, Verdict::Invalid);
}

#[test]
fn a_fixed_experiment_is_judged_at_its_end_only() {
    let fixed = experiment(&["now", "new"], &json!({ "method": "fixed", "max_requests": 1_000 }));
    let seen = |requests| report(&fixed, &[costs(1, requests, 0.003), costs(2, requests, 0.001)]);
    let early = seen(400);
    assert_eq!(verdict(&early), (Verdict::Undecided, None));
    assert_eq!((early.comparisons[0].interval, early.comparisons[0].p_adjusted), (None, 1.0));
    assert_eq!(early.needed.unwrap().requests, 200);
    assert_eq!(verdict(&seen(500)), (Verdict::TreatmentBetter, Some("new")));
    // The planned look errs as often as it may, and no claim is left open for later.
    let same = |run: u64| report(&fixed, &[costs(2 * run, 500, 0.001), costs(2 * run + 1, 500, 0.001)]);
    let undecided: Vec<Report> =
        (0..200).map(same).filter(|same| same.verdict == Verdict::Undecided).collect();
    assert!((181..200).contains(&undecided.len()), "{}", undecided.len());
    assert!(undecided.iter().all(|same| same.needed.is_none()));
    // Proportions have a test of their own.
    let fixed = experiment(
        &["now", "new"],
        &json!({ "method": "fixed", "max_requests": 1_000, "metric": "success" }),
    );
    let successes = |seed, share| arm(seed, 500, &[(Metric::Success, share)]);
    let report = report(&fixed, &[successes(1, 0.99), successes(2, 0.9)]);
    assert_eq!(verdict(&report), (Verdict::ControlBetter, Some("now")));
}

#[test]
fn the_best_of_several_arms_beats_each_of_them() {
    let four = experiment(&["now", "a", "b", "c"], &json!({}));
    let seen = |means: [f64; 4]| {
        let observed: Vec<Observed> =
            (0..4).map(|place| costs(place + 1, 800, means[place as usize])).collect();
        report(&four, &observed)
    };
    let clear = seen([0.003, 0.002, 0.001, 0.006]);
    assert_eq!(verdict(&clear), (Verdict::TreatmentBetter, Some("b")));
    let verdicts: Vec<Verdict> = clear.comparisons.iter().map(|comparison| comparison.verdict).collect();
    assert_eq!(verdicts, [Verdict::TreatmentBetter, Verdict::TreatmentBetter, Verdict::ControlBetter]);
    // Both beat control; which of them is best is not known.
    assert_eq!(verdict(&seen([0.003, 0.001, 0.001, 0.006])), (Verdict::TreatmentBetter, None));
    assert_eq!(verdict(&seen([0.001, 0.003, 0.003, 0.003])), (Verdict::ControlBetter, Some("now")));
    assert_eq!(verdict(&seen([0.001, 0.003, 0.001, 0.003])), (Verdict::Undecided, None));
}

#[test]
fn a_direction_can_be_turned_and_missing_outcomes_are_told() {
    let turned = experiment(&["now", "new"], &json!({ "direction": "higher" }));
    let mut observed = [costs(1, 400, 0.003), costs(2, 400, 0.001)];
    observed[1].requests = 800;
    let report = report(&turned, &observed);
    assert_eq!(verdict(&report), (Verdict::ControlBetter, Some("now")));
    assert_eq!((report.arms[0].missing, report.arms[1].missing), (0.0, 0.5));
}

proptest! {
    /// Sums that no store could have made end in no panic and no winner.
    #[test]
    fn nonsense_proves_nothing(numbers in prop::collection::vec(prop::num::f64::ANY, 14), is_fixed: bool) {
        let method = if is_fixed { "fixed" } else { "sequential" };
        let experiment = experiment(
            &["now", "new"],
            &json!({ "method": method, "max_requests": 60, "metric": "rating",
                "guardrails": [{ "metric": "cost_usd", "margin": 1.0 }], "equivalence_margin": 0.1 }),
        );
        let names = serde_json::to_value(Sums::default()).unwrap();
        let mut sums = Sums::default();
        for (slot, number) in [
            &mut sums.units, &mut sums.outcomes, &mut sums.total, &mut sums.before, &mut sums.outcomes_squared,
            &mut sums.total_squared, &mut sums.before_squared, &mut sums.outcomes_times_total,
            &mut sums.outcomes_times_before, &mut sums.total_times_before, &mut sums.outcomes_cubed,
            &mut sums.outcomes_squared_times_total, &mut sums.outcomes_times_total_squared, &mut sums.total_cubed,
        ].into_iter().zip(&numbers) {
            *slot = *number;
        }
        prop_assert!(names.as_object().unwrap().len() == numbers.len());
        let good = || arm(1, 60, &[(Metric::Rating, 0.5), (Metric::CostUsd, 1.0)]);
        let bad = || Observed { sums: [(Metric::Rating, sums), (Metric::CostUsd, sums)].into(), ..good() };
        for observed in [[good(), bad()], [bad(), good()], [bad(), bad()]] {
            let report = report(&experiment, &observed);
            let finite = |number: Option<f64>| number.is_none_or(f64::is_finite);
            prop_assert!(report.comparisons.iter().all(|comparison| finite(comparison.effect)), "{report:?}");
            prop_assert!(report.comparisons[0].p_adjusted <= 1.0, "{report:?}");
        }
    }
}

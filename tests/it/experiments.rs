//! The statistics of experiments: against other implementations, and against drawn truths.

use std::sync::LazyLock;

use ai_cost_optimizer::experiments::bounded;
use ai_cost_optimizer::experiments::definition::{Definition, Experiment, Metric};
use ai_cost_optimizer::experiments::estimate::Estimate;
use ai_cost_optimizer::experiments::fixed::{proportions_p_value, welch_interval, welch_p_value};
use ai_cost_optimizer::experiments::holm::adjusted;
use ai_cost_optimizer::experiments::plan::Planned;
use ai_cost_optimizer::experiments::sample_ratio::sample_ratio_p_value;
use ai_cost_optimizer::experiments::sequence::Sequence;
use ai_cost_optimizer::experiments::sums::{Sums, Unit};
use serde_json::{Value, json};

use crate::simulation::{Source, Trial, mean_is_missed, sample_ratio_found};

/// Made by `packaging/experiments/vectors.py`.
static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../fixtures/experiments/vectors.json")).expect("the vectors")
});

fn vectors(name: &str) -> &'static Vec<Value> {
    VECTORS[name].as_array().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[track_caller]
fn check(found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    let error = (found - expected).abs() / expected.abs().max(1e-9);
    assert!(error <= tolerance, "{found}, and another implementation says {expected}");
}

/// Sums units that are `[outcomes, total]`, `[before, total]` with one outcome, or a total alone.
fn sums(units: &Value, of: impl Fn(&Value) -> Unit) -> Sums {
    let mut sums = Sums::default();
    for unit in units.as_array().unwrap() {
        sums.add(of(unit));
    }
    sums
}

fn alone(unit: &Value) -> Unit {
    Unit { outcomes: 1.0, total: unit.as_f64().unwrap(), before: 0.0 }
}

#[test]
fn intervals_and_p_values_at_any_time_are_growthbooks() {
    for vector in vectors("sequences") {
        let number = |name: &str| vector[name].as_f64().unwrap();
        let sequence = Sequence::new(number("alpha"), number("tightest_at"));
        check(sequence.radius(number("units")), &vector["radius"], 1e-9);
        check(sequence.p_value(number("distance"), number("units")), &vector["p"], 1e-6);
    }
}

#[test]
fn welchs_test_is_scipys() {
    for vector in vectors("welch") {
        let [control, treatment] = ["control", "treatment"].map(|arm| sums(&vector[arm], alone));
        let estimate = Estimate::difference(Metric::CostUsd, &control, &treatment).unwrap();
        check(estimate.freedom, &vector["freedom"], 1e-9);
        check(welch_p_value(&estimate, 0.0), &vector["p"], 1e-6);
        let (low, high) = welch_interval(&estimate, vector["alpha"].as_f64().unwrap()).unwrap();
        check(low, &vector["low"], 1e-6);
        check(high, &vector["high"], 1e-6);
        let third = vector["treatment_third"].as_f64().unwrap() / treatment.units.powi(2)
            - vector["control_third"].as_f64().unwrap() / control.units.powi(2);
        // Counted twice: a sample shows half of what is there.
        check(estimate.skewness, &json!(2.0 * third / estimate.standard_error.powi(3)), 1e-6);
    }
}

#[test]
fn the_error_of_sessions_is_growthbooks() {
    let vector = &VECTORS["sessions"];
    let session = |unit: &Value| Unit {
        outcomes: unit[0].as_f64().unwrap(),
        total: unit[1].as_f64().unwrap(),
        before: 0.0,
    };
    let [control, treatment] = ["control", "treatment"].map(|arm| sums(&vector[arm], session));
    let estimate = Estimate::difference(Metric::CostUsd, &control, &treatment).unwrap();
    check(estimate.value, &vector["difference"], 1e-9);
    check(estimate.plain_error, &vector["error"], 1e-9);
}

#[test]
fn what_was_known_before_is_taken_out_as_by_growthbook() {
    let vector = &VECTORS["cuped"];
    let known = |unit: &Value| Unit {
        outcomes: 1.0,
        total: unit[1].as_f64().unwrap(),
        before: unit[0].as_f64().unwrap(),
    };
    let [control, treatment] = ["control", "treatment"].map(|arm| sums(&vector[arm], known));
    let estimate = Estimate::difference(Metric::CostUsd, &control, &treatment).unwrap();
    check(estimate.value, &vector["difference"], 1e-9);
    check(estimate.plain_error, &vector["error"], 1e-9);
    let unknown = |unit: &Value| Unit { before: 0.0, ..known(unit) };
    let [control, treatment] = ["control", "treatment"].map(|arm| sums(&vector[arm], unknown));
    let without = Estimate::difference(Metric::CostUsd, &control, &treatment).unwrap();
    assert!(estimate.standard_error < 0.6 * without.standard_error, "{estimate:?} {without:?}");
}

#[test]
fn the_sample_ratio_test_is_savvis() {
    for vector in vectors("sample_ratios") {
        check(
            sample_ratio_p_value(&numbers(&vector["counts"]), &numbers(&vector["shares"])),
            &vector["p"],
            1e-6,
        );
    }
}

#[test]
fn the_interval_of_a_bounded_mean_is_scipys() {
    for vector in vectors("bounded") {
        let number = |name: &str| vector[name].as_f64().unwrap();
        let units = number("units");
        let sums = Sums { units, outcomes: units, total: number("ones"), ..Sums::default() };
        let (low, high) = bounded::interval(&sums, number("alpha")).unwrap();
        let is_near = |found: f64, name: &str| (found - number(name)).abs() < 1e-8;
        assert!(is_near(low, "low") && is_near(high, "high"), "{low} {high} {vector}");
    }
}

#[test]
fn proportions_holm_and_power_are_statsmodels() {
    for vector in vectors("proportions") {
        let (successes, units) = (numbers(&vector["successes"]), numbers(&vector["units"]));
        let [control, treatment] = [0, 1].map(|arm| Sums {
            units: units[arm],
            outcomes: units[arm],
            total: successes[arm],
            ..Sums::default()
        });
        check(proportions_p_value(&control, &treatment), &vector["p"], 1e-6);
    }
    for vector in vectors("holm") {
        for (found, expected) in
            adjusted(&numbers(&vector["p"])).into_iter().zip(numbers(&vector["adjusted"]))
        {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
    for vector in vectors("power") {
        let number = |name: &str| vector[name].as_f64().unwrap();
        let planned = Planned { effect: number("effect"), variance: number("variance") };
        assert_eq!(planned.fixed_units(number("alpha")), Some(number("units").ceil()));
    }
}

#[test]
fn assignments_are_those_of_another_language() {
    for vector in vectors("assignment") {
        let arms: Vec<Value> = ["a", "b", "c", "d"].map(|name| json!({ "name": name, "model": name })).into();
        let definition = json!({ "name": "x", "metric": "cost_usd", "arms": arms, "salt": vector["salt"] });
        let experiment: Experiment =
            serde_json::from_value::<Definition>(definition).unwrap().try_into().unwrap();
        let text = |name: &str| vector[name].as_str().unwrap();
        let (place, _) = experiment.assign(text("experiment"), text("unit")).unwrap();
        assert_eq!(Some(place as u64), vector["arm_of_four"].as_u64(), "{vector}");
    }
}

/// Runs of each simulation here; `cargo bench --bench experiments` makes 2,000.
const RUNS: u64 = 200;
/// With a chance of 5 % each, 20 of 200 runs or more have a chance below 0.3 %.
const TOO_OFTEN: f64 = 0.095;

#[test]
fn equal_arms_are_seldom_ever_called_different_though_one_looks_all_the_time() {
    for source in [
        Source::Normal,
        Source::LogNormal(1.5),
        Source::Bernoulli(0.99),
        Source::ZeroInflated(0.9),
        Source::Rating(0.9),
        Source::Sessions,
        Source::Known,
    ] {
        let found =
            Trial::of_equals(source, 0.5, 4_000, Sequence::new(0.05, 1_000.0)).share_decided(RUNS, 1).0;
        assert!(found <= TOO_OFTEN, "{source:?}: {found}");
    }
    // Few units in one arm, which sees rare outcomes late.
    for share in [0.1, 0.9] {
        let found = Trial::of_equals(Source::Bernoulli(0.99), share, 4_000, Sequence::new(0.05, 100.0));
        assert!(found.share_decided(RUNS, 2).0 <= TOO_OFTEN, "{share}");
    }
    // The mean is the same, but one arm reaches it by rare large outcomes.
    let shift = 0.125_f64.exp() - 1.125_f64.exp();
    let trial = Trial::of_equals(Source::LogNormal(0.5), 0.5, 4_000, Sequence::new(0.05, 1_000.0));
    let found = Trial { treatment: Source::LogNormal(1.5), shift, ..trial }.share_decided(RUNS, 3).0;
    assert!(found <= TOO_OFTEN, "other shape: {found}");
}

#[test]
fn the_interval_of_a_mean_is_seldom_ever_beside_it() {
    let sequence = Sequence::new(0.05, 1_000.0);
    for source in [
        Source::Normal,
        Source::LogNormal(1.5),
        Source::Bernoulli(0.5),
        Source::Bernoulli(0.99),
        Source::Rating(0.9),
        Source::ZeroInflated(0.9),
    ] {
        let missed = (0..RUNS).filter(|seed| mean_is_missed(source, 2_000, sequence, *seed)).count();
        assert!(missed as f64 <= TOO_OFTEN * RUNS as f64, "{source:?}: {missed}");
    }
}

/// The same looks at intervals that are meant for one look: the tests above would see the difference.
#[test]
fn an_interval_for_one_look_would_be_found_out() {
    // A radius of 1.96 at all times.
    let trial = Trial::of_equals(Source::Normal, 0.5, 4_000, Sequence::new(0.05, 1_000.0));
    let found = Trial { radius: Some(1.96), ..trial }.share_decided(RUNS, 1).0;
    assert!(found > 0.25, "{found}");
}

#[test]
fn the_planned_effect_is_found_and_a_larger_one_sooner() {
    let planned = Planned { effect: 0.2, variance: 1.0 };
    let fixed = planned.fixed_units(0.05).unwrap();
    let sequence = Sequence::new(0.05, fixed);
    let units = planned.sequential_units(sequence).unwrap();
    let trial = Trial::of_equals(Source::Normal, 0.5, 2 * units as usize, sequence);
    let (found, _) = Trial { shift: 0.2, ..trial }.share_decided(RUNS, 4);
    assert!(found >= 0.8, "{found} at {units} units");
    let (found, outcomes) = Trial { shift: -0.4, ..trial }.share_decided(RUNS, 5);
    assert!(found >= 0.99 && outcomes / 2.0 <= 0.45 * fixed, "{found}, {outcomes} of {fixed}");
}

#[test]
fn a_fault_of_two_percent_is_found_and_no_other() {
    let found = |share| (0..RUNS).filter(|seed| sample_ratio_found(share, 20_000, *seed).is_some()).count();
    assert!(found(0.48) as f64 >= 0.92 * RUNS as f64, "{}", found(0.48));
    assert!(found(0.5) <= 2, "{}", found(0.5));
}

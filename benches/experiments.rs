//! How often experiments are wrong, how soon they are right, and what a report takes: 2,000 simulated experiments each.
//!
//! Prints figures for the README; it asserts nothing (`tests/it/experiments.rs` does, on fewer). Seeds are fixed, so figures
//! repeat. `cargo bench --bench experiments`

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench prints its figures, and stops where its setting cannot be built"
)]

use std::time::Instant;

use ai_cost_optimizer::experiments::definition::{Experiment, Metric};
use ai_cost_optimizer::experiments::plan::Planned;
use ai_cost_optimizer::experiments::sequence::Sequence;
use ai_cost_optimizer::experiments::sums::{Sums, Unit};
use ai_cost_optimizer::experiments::verdict::{Observed, report};

#[path = "../tests/it/simulation.rs"]
mod simulation;

use simulation::{Source, Trial, mean_is_missed, normal, sample_ratio_found};

const RUNS: u64 = 2_000;
const ALPHA: f64 = 0.05;
/// Both arms together.
const OUTCOMES: usize = 20_000;
const SOURCES: [Source; 12] = [
    Source::Normal,
    Source::LogNormal(0.5),
    Source::LogNormal(1.5),
    Source::Bernoulli(0.5),
    Source::Bernoulli(0.9),
    Source::Bernoulli(0.99),
    Source::Bernoulli(0.999),
    Source::ZeroInflated(0.9),
    Source::ZeroInflated(0.99),
    Source::Rating(0.9),
    Source::Known,
    Source::Sessions,
];

fn main() {
    false_alarms();
    other_shapes();
    means();
    power();
    sample_ratio();
    reports();
}

/// What a chance of exactly α shows in so many runs, but for one time in 20.
fn slack() -> f64 {
    ALPHA + 1.645 * (ALPHA * (1.0 - ALPHA) / RUNS as f64).sqrt()
}

fn false_alarms() {
    println!("equal arms called different, % of {RUNS} runs, 1,000 looks, {OUTCOMES} outcomes in two arms");
    println!("(5 % allowed; a true 5 % shows up to {:.1} %)", 100.0 * slack());
    println!("{:<20} {:>8} {:>8} {:>8} {:>14}", "outcomes", "50:50", "90:10", "10:90", "50:50, at 100");
    for source in SOURCES {
        let found = |share, tightest_at| {
            let trial = Trial::of_equals(source, share, OUTCOMES, Sequence::new(ALPHA, tightest_at));
            100.0 * trial.share_decided(RUNS, 1).0
        };
        let shares = [0.5, 0.1, 0.9].map(|share| found(share, 1_000.0));
        println!(
            "{:<20} {:>8.2} {:>8.2} {:>8.2} {:>14.2}",
            format!("{source:?}"),
            shares[0],
            shares[1],
            shares[2],
            found(0.5, 100.0)
        );
    }
}

fn other_shapes() {
    println!("\narms of other shapes with one mean called different, %");
    for (source, treatment) in [
        (Source::LogNormal(0.5), Source::LogNormal(1.5)),
        (Source::Normal, Source::LogNormal(1.5)),
        (Source::Normal, Source::ZeroInflated(0.9)),
    ] {
        for share in [0.5, 0.1, 0.9] {
            let shift = source.mean().unwrap() - treatment.mean().unwrap();
            let trial = Trial::of_equals(source, share, OUTCOMES, Sequence::new(ALPHA, 1_000.0));
            let (found, _) = Trial { treatment, shift, ..trial }.share_decided(RUNS, 2);
            println!("{source:?} against {treatment:?}, share {share}: {:.2}", 100.0 * found);
        }
    }
}

fn means() {
    println!("\nintervals of one arm's mean that ever miss it, % (10,000 outcomes)");
    let sequence = Sequence::new(ALPHA, 1_000.0);
    for source in SOURCES.into_iter().filter(|source| source.mean().is_some()) {
        let missed = (0..RUNS).filter(|seed| mean_is_missed(source, 10_000, sequence, *seed)).count();
        println!("{:<20} {:>8.2}", format!("{source:?}"), 100.0 * missed as f64 / RUNS as f64);
    }
}

fn power() {
    println!("\nwhat is planned for, and twice that (n per arm; fixed: of one look with 80 % power)");
    println!(
        "{:<36} {:>6} {:>6} {:>7} {:>9} {:>12} {:>16}",
        "", "fixed", "n", "n/fixed", "found, %", "E[n]/fixed", "twice: E[n]/fixed"
    );
    let cost = |sigma: f64, share: f64| {
        let mean = (sigma * sigma / 2.0).exp();
        (mean * share, mean * mean * (sigma * sigma).exp_m1())
    };
    for (source, (effect, variance)) in [
        (Source::Normal, (0.2, 1.0)),
        (Source::LogNormal(0.5), cost(0.5, 0.1)),
        (Source::LogNormal(1.5), cost(1.5, 0.2)),
        (Source::Known, (0.2, 0.36)),
    ] {
        let shifted = |times: f64, trial: Trial| Trial { shift: -times * effect, ..trial };
        row(&format!("{source:?} −{effect:.3}"), source, Planned { effect, variance }, shifted);
    }
    for (chance, effect) in [(0.5, 0.05), (0.9, 0.03), (0.98, -0.01)] {
        let other: f64 = chance + effect;
        let variance = f64::midpoint(chance * (1.0 - chance), other * (1.0 - other));
        let moved = |times: f64, trial: Trial| Trial {
            treatment: Source::Bernoulli(chance + times * effect),
            ..trial
        };
        let name = format!("Bernoulli {chance} to {other:.2}");
        row(&name, Source::Bernoulli(chance), Planned { effect, variance }, moved);
    }
}

fn row(name: &str, source: Source, planned: Planned, changed: impl Fn(f64, Trial) -> Trial) {
    let fixed = planned.fixed_units(ALPHA).unwrap();
    let sequence = Sequence::new(ALPHA, fixed);
    let units = planned.sequential_units(sequence).unwrap();
    let trial = Trial::of_equals(source, 0.5, 2 * units as usize, sequence);
    let (found, outcomes) = changed(1.0, trial).share_decided(RUNS, 3);
    let (_, twice) = changed(2.0, trial).share_decided(RUNS, 4);
    println!(
        "{name:<36} {fixed:>6.0} {units:>6.0} {:>7.2} {:>9.1} {:>12.2} {:>16.2}",
        units / fixed,
        100.0 * found,
        outcomes / 2.0 / fixed,
        twice / 2.0 / fixed
    );
}

fn sample_ratio() {
    println!("\nsample ratio meant to be 50:50, looked at every 10 units up to 20,000");
    for share in [0.5, 0.48, 0.45] {
        let mut found: Vec<usize> =
            (0..RUNS).filter_map(|seed| sample_ratio_found(share, OUTCOMES, seed)).collect();
        found.sort_unstable();
        println!(
            "share {share}: found in {:.2} % of runs, half of those by {} units",
            100.0 * found.len() as f64 / RUNS as f64,
            found.get(found.len() / 2).copied().unwrap_or_default()
        );
    }
}

fn reports() {
    let mut draw = fastrand::Rng::with_seed(1);
    let outcomes: Vec<f64> = (0..1_000_000).map(|_| normal(&mut draw).exp()).collect();
    let experiment: Experiment = serde_json::from_value(serde_json::json!({
        "name": "x", "metric": "cost_usd", "arms": [{ "name": "now" }, { "name": "new", "model": "m" }],
        "guardrails": [{ "metric": "rating", "margin": 0.02 }, { "metric": "latency_ms", "margin": 100.0 }],
    }))
    .unwrap();
    let started = Instant::now();
    let mut sums = [Sums::default(); 2];
    for (place, total) in outcomes.iter().enumerate() {
        sums[place % 2].add(Unit { outcomes: 1.0, total: *total, before: 0.0 });
    }
    let summed = started.elapsed();
    let observed = sums.map(|sums| Observed {
        units: 500_000,
        requests: 500_000,
        sums: [(Metric::CostUsd, sums), (Metric::LatencyMs, sums)].into(),
        ..Observed::default()
    });
    let started = Instant::now();
    let verdict = report(&experiment, &observed).verdict;
    println!("\nsum 1,000,000 outcomes: {summed:?}; report ({verdict}): {:?}", started.elapsed());
}

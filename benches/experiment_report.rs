//! How long a report takes over an experiment of 1,000,000 outcomes in the local store, which are written as requests are.
//!
//! Prints figures for the README. `cargo bench --bench experiment_report`; `OUTCOMES` sets another size.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench prints its figures, takes its size from the environment, and stops where its setting cannot be built"
)]

use std::time::{Duration, Instant};

use ai_cost_optimizer::domain::exposure::{ExposedUnit, Exposure};
use ai_cost_optimizer::domain::ids::{ExperimentId, RequestId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::record::RequestRecord;
use ai_cost_optimizer::experiments::definition::{Experiment, Metric};
use ai_cost_optimizer::experiments::lifecycle::{Kept, Status};
use ai_cost_optimizer::experiments::verdict::report;
use ai_cost_optimizer::store::Store;
use ai_cost_optimizer::store::local::LocalStore;
use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;

#[path = "../tests/it/store/samples.rs"]
#[expect(dead_code, reason = "it has more than is used here")]
mod samples;

/// Requests under way at once.
const AT_ONCE: usize = 64;
const REPORTS: u32 = 200;

#[tokio::main]
async fn main() {
    let outcomes: u64 =
        std::env::var("OUTCOMES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path().join("store.sqlite3"));
    for unit in ["request", "session"] {
        let kept = experiment(unit);
        store.start_experiment(kept.clone()).await.unwrap();
        let started = Instant::now();
        let (writes, experiment_id) = (&store, kept.id);
        stream::iter(0..outcomes)
            .for_each_concurrent(AT_ONCE, |number| async move {
                writes.record_request(record(experiment_id, number, unit), None).await.unwrap();
            })
            .await;
        let each = started.elapsed() / u32::try_from(outcomes).unwrap();
        println!("unit {unit}: {outcomes} outcomes written, {each:?} each");
        let times = (0..REPORTS).map(|_| async {
            let started = Instant::now();
            let observed = store.experiment_statistics(kept.id).await.unwrap();
            let report = report(&kept.experiment, &observed);
            assert_eq!(report.requests(), outcomes);
            started.elapsed()
        });
        let mut times: Vec<Duration> = stream::iter(times).buffered(1).collect().await;
        times.sort_unstable();
        println!("  report: p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
        let started = Instant::now();
        let moments = store.experiment_timeline(kept.id, Metric::CostUsd, 60).await.unwrap();
        println!("  interval at {} times: {:?}", moments.len(), started.elapsed());
    }
}

fn experiment(unit: &str) -> Kept {
    let knob = if unit == "request" { "model" } else { "system_prefix" };
    let definition = serde_json::json!({
        "name": unit, "unit": unit, "metric": "cost_usd",
        "guardrails": [{ "metric": "success", "margin": 0.02 }, { "metric": "latency_ms", "margin": 50 }],
        "arms": [{ "name": "a" }, { "name": "b", knob: "x" }],
    });
    Kept {
        id: ExperimentId::new(),
        experiment: serde_json::from_value::<Experiment>(definition).unwrap(),
        status: Status::Active,
        created_at: Timestamp::now(),
        ended: None,
        adopted: None,
        idempotency_key: None,
    }
}

/// One request of an arm; a session has 20.
fn record(experiment_id: ExperimentId, number: u64, unit: &str) -> RequestRecord {
    let session = number / 20;
    let unit = match unit {
        "request" => ExposedUnit::Request { before: (number % 7) as f64 },
        _ => ExposedUnit::Session(format!("session {session}")),
    };
    let place = u32::try_from(session % 2).unwrap();
    let arm = if place == 0 { "a" } else { "b" };
    let cost = 1_000_000 * (1 + i64::try_from(number * 7_919 % 1_000).unwrap());
    RequestRecord {
        id: RequestId::new(),
        cost: Some(Usd::from_pico(cost)),
        session: Some(format!("session {session}")),
        exposures: vec![Exposure {
            experiment_id,
            experiment: "x".to_owned(),
            arm: arm.to_owned(),
            place,
            unit: Some(unit),
        }],
        ..samples::record(cost)
    }
}

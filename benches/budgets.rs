//! How long a request takes to be admitted and settled: its intent and its reservation under three limits, then its end.
//!
//! Prints figures for the README. `cargo bench --bench budgets`; the project's need `TEST_SUPABASE_STACK` and
//! `TEST_POSTGRES_DIR`, as in `tests/run`.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench prints its figures"
)]

use std::time::{Duration, Instant};

use ai_cost_optimizer::budget::admission::Admission;
use ai_cost_optimizer::domain::limit::{Limit, OnBreach, Period, Scope, SetBy};
use ai_cost_optimizer::domain::model::{ModelRef, ProviderId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::record::{RequestRecord, RequestStatus};
use ai_cost_optimizer::store::local::LocalStore;
use ai_cost_optimizer::store::{Ask, Store};

#[path = "../tests/it/store/samples.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod samples;
#[path = "../tests/it/store/stack.rs"]
#[expect(dead_code, clippy::panic, reason = "the tests use more of it, and may fail as tests do")]
mod stack;

/// Requests of the month that are recorded before.
const BEFORE: u64 = 20_000;
const ADMITTED: u64 = 3_000;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalStore::new(folder.path().join("store.sqlite3"));
    measure("SQLite", &local, BEFORE).await;
    let Some(user) = stack::user() else { return };
    let project = user.store(&folder.path().join("here")).await;
    measure("project", &*project, BEFORE / 10).await;
}

/// A request of one of twenty models, on one of the days before the samples' now, with a tag.
fn request(number: u64) -> RequestRecord {
    let day = i64::try_from(number % 20).unwrap();
    RequestRecord {
        created_at: samples::later(-86_400 * day),
        reference: Some(ModelRef {
            provider: ProviderId::Anthropic,
            model: format!("model {}", number % 20),
        }),
        tags: vec![format!("tag {}", number % 50)],
        ..samples::record(1_000)
    }
}

fn limit(period: Period, tag: Option<&str>) -> Limit {
    Limit {
        scope: Scope { period, tag: tag.map(str::to_owned) },
        most: Usd::from_pico(i64::MAX),
        on_breach: OnBreach::Block,
        set_by: SetBy::Config,
    }
}

async fn measure(name: &str, store: &dyn Store, before: u64) {
    for number in 0..before {
        store.record_request(request(number), None).await.unwrap();
    }
    let limits =
        vec![limit(Period::Day, None), limit(Period::Month, None), limit(Period::Month, Some("tag 0"))];
    let (mut admissions, mut ends) = (Vec::new(), Vec::new());
    for number in 0..ADMITTED {
        let done = RequestRecord { created_at: samples::now(), ..request(number * 50) };
        let intent =
            RequestRecord { status: RequestStatus::Intent, cost: None, source: None, ..done.clone() };
        let ask = Ask { limits: limits.clone(), ..samples::no_limits() };
        let started = Instant::now();
        let begun = store.begin_request(intent, ask).await.unwrap();
        admissions.push(started.elapsed());
        assert!(matches!(begun.admission, Some(Admission::Admitted(standings)) if standings.len() == 3));
        let started = Instant::now();
        store.record_request(done, None).await.unwrap();
        ends.push(started.elapsed());
    }
    for (what, mut times) in [("admitted", admissions), ("settled", ends)] {
        times.sort_unstable();
        let at = |share: f64| -> Duration { times[((times.len() - 1) as f64 * share) as usize] };
        println!("{name}, {before} requests before: {what} p50 {:?}, p99 {:?}", at(0.5), at(0.99));
    }
}

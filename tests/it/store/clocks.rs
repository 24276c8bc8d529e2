//! Machines of one user whose clocks differ: the project says what time it is, where that matters to both.

use std::time::Duration;

use ai_cost_optimizer::budget::admission::Admission;
use ai_cost_optimizer::domain::limit::{Limit, OnBreach, Period, Scope, SetBy};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::record::{RequestRecord, RequestStatus};
use ai_cost_optimizer::store::supabase::SupabaseStore;
use ai_cost_optimizer::store::{Ask, Store as _};
use jiff::{SignedDuration, Timestamp};

use super::samples::{no_limits, record};
use super::stack;

/// Room for one request that may cost 1,500.
fn limits() -> Vec<Limit> {
    let scope = Scope { period: Period::Month, tag: None };
    vec![Limit { scope, most: Usd::from_pico(2_000), on_breach: OnBreach::Block, set_by: SetBy::Config }]
}

/// Asks for room on a machine with its own idea of the time, for a request of the project's time.
async fn is_admitted(store: &SupabaseStore, clock: Timestamp) -> bool {
    let intent = RequestRecord { status: RequestStatus::Intent, cost: None, source: None, ..record(500) };
    let ask = Ask { limits: limits(), now: clock, lease: Duration::from_secs(60), ..no_limits() };
    let begun = store.begin_request(intent, ask).await.unwrap();
    matches!(begun.admission, Some(Admission::Admitted(_)))
}

#[tokio::test]
async fn a_clock_that_is_wrong_frees_nothing_that_another_machine_has_reserved() {
    let Some(user) = stack::user() else { return };
    let folder = tempfile::tempdir().unwrap();
    let right = user.store(&folder.path().join("right")).await;
    let wrong = user.store(&folder.path().join("wrong")).await;
    assert!(is_admitted(&right, Timestamp::now()).await);
    for hours in [-24 * 7, -1, 1, 24 * 7] {
        let clock = Timestamp::now().checked_add(SignedDuration::from_hours(hours)).unwrap();
        assert!(!is_admitted(&wrong, clock).await, "{hours} h off");
    }
    let standing = wrong.budgets(limits(), super::samples::now()).await.unwrap();
    assert_eq!(standing[0].reserved, Usd::from_pico(1_500));
}

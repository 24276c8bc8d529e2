//! Many users of one project at once: no record is lost, none is somebody else's, and the sums are right.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ai_cost_optimizer::domain::ids::RequestId;
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::record::{RequestRecord, RequestStatus, ScopeHash};
use ai_cost_optimizer::domain::report::ReportQuery;
use ai_cost_optimizer::store::supabase::SupabaseStore;
use ai_cost_optimizer::store::{NearestQuery, Store as _, StoreError};
use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use super::samples::{at_angle, entry, exactly, no_limits, now, record};
use super::stack;

const USERS: u8 = 50;
const AT_ONCE: u8 = 20;
const SCOPE: u8 = 9;

/// Asks again while a machine that has much to do does not answer in time.
async fn sooner_or_later<T, F: Future<Output = Result<T, StoreError>>>(ask: impl Fn() -> F) -> T {
    for _ in 0..60 {
        match ask().await {
            Err(StoreError::Unavailable { .. }) => tokio::time::sleep(Duration::from_secs(1)).await,
            answered => return answered.unwrap(),
        }
    }
    panic!("the project did not answer for a minute");
}

/// What a request asks of the store: a miss, an intent, an end with its answer, and a hit for the next one.
async fn one_request(store: Arc<SupabaseStore>, user: u8, number: u8) -> RequestId {
    let paid = record(i64::from(user) * 1_000 + i64::from(number));
    let bought = entry(SCOPE, number, &paid);
    let (scope, hash) = (bought.scope, bought.prompt_sha256);
    let found = sooner_or_later(|| store.find_exact(exactly(scope, hash))).await;
    assert_eq!(found, None, "somebody else's answer");
    let intent = RequestRecord { status: RequestStatus::Intent, cost: None, ..paid.clone() };
    store.begin_request(intent, no_limits()).await.unwrap();
    store.record_request(paid.clone(), Some(bought)).await.unwrap();
    paid.id
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_users_with_twenty_requests_each_at_once_get_what_is_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = Vec::new();
    for number in 0..USERS {
        let Some(user) = stack::user() else { return };
        stores.push(user.store(&folder.path().join(number.to_string())).await);
    }
    let requests = stores.iter().zip(0..).map(|(store, user)| {
        let tasks = TaskTracker::new();
        try_join_all(
            (0..AT_ONCE).map(move |number| tasks.spawn(one_request(Arc::clone(store), user, number))),
        )
    });
    let ids: Vec<Vec<RequestId>> = join_all(requests).await.into_iter().map(Result::unwrap).collect();
    for ((store, own), user) in stores.iter().zip(&ids).zip(0_u8..) {
        // What had to wait is delivered first.
        let all = ReportQuery { from: Timestamp::UNIX_EPOCH, to: Timestamp::MAX, group_by: None };
        let totals = store.cost_report(all).await.unwrap().totals;
        let pico: i64 = (0..AT_ONCE).map(|number| i64::from(user) * 1_000 + i64::from(number)).sum();
        assert_eq!((totals.requests, totals.unsettled_requests), (u64::from(AT_ONCE), 0));
        assert_eq!(totals.cost, Usd::from_pico(pico));
        let query = NearestQuery {
            scope: ScopeHash([SCOPE; 32]),
            embedding: at_angle(0.0),
            prompt_sha256: [7; 32],
            limit: 200,
            now: now(),
        };
        let found = sooner_or_later(|| store.match_cache_entries(query.clone())).await;
        let found: HashSet<_> = found.into_iter().map(|neighbour| neighbour.entry.request_id).collect();
        assert_eq!(found, own.iter().copied().collect(), "all of the user's answers, and no other");
        let other = &ids[usize::from(user + 1) % ids.len()];
        assert_eq!(store.find_request(other[0]).await.unwrap(), None);
    }
}

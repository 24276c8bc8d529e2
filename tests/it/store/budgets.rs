//! Part of the suite over the trait `Store`: what is spent and reserved together never passes a limit.

use std::time::Duration;

use ai_cost_optimizer::budget::admission::Admission;
use ai_cost_optimizer::budget::standing::Standing;
use ai_cost_optimizer::domain::limit::{Limit, OnBreach, Period, Scope, SetBy};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::record::{RequestRecord, RequestStatus};
use ai_cost_optimizer::store::{Ask, Store};
use futures::future::join_all;
use jiff::Timestamp;

use super::stores;
use crate::store::Stores;
use crate::store::samples::{later, no_limits, now, record};

fn usd(pico: i64) -> Usd {
    Usd::from_pico(pico)
}

fn limit(period: Period, tag: Option<&str>, pico: i64) -> Limit {
    Limit {
        scope: Scope { period, tag: tag.map(str::to_owned) },
        most: usd(pico),
        on_breach: OnBreach::Block,
        set_by: SetBy::Config,
    }
}

fn under(limits: &[Limit]) -> Ask {
    Ask { limits: limits.to_vec(), ..no_limits() }
}

/// A request that will cost 500 and may cost 1,500.
fn request() -> RequestRecord {
    record(500)
}

fn intent(done: &RequestRecord) -> RequestRecord {
    RequestRecord { status: RequestStatus::Intent, cost: None, source: None, ..done.clone() }
}

async fn admit(store: &dyn Store, done: &RequestRecord, ask: Ask) -> bool {
    let begun = store.begin_request(intent(done), ask).await.unwrap();
    matches!(begun.admission, Some(Admission::Admitted(_)))
}

async fn finish(store: &dyn Store, done: &RequestRecord) {
    store.record_request(done.clone(), None).await.unwrap();
}

/// What is spent and reserved of each limit.
fn sums(standings: &[Standing]) -> Vec<(i64, i64)> {
    standings.iter().map(|standing| (standing.spent.pico(), standing.reserved.pico())).collect()
}

async fn stand(store: &dyn Store, limits: &[Limit], at: Timestamp) -> Vec<(i64, i64)> {
    sums(&store.budgets(limits.to_vec(), at).await.unwrap())
}

#[tokio::test]
async fn what_fits_is_reserved_and_spent_and_of_what_does_not_nothing_is_written() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let limits = [limit(Period::Day, None, 2_000)];
    let (first, second) = (request(), request());
    assert!(admit(&*here, &first, under(&limits)).await);
    assert_eq!(stand(&*there, &limits, now()).await, [(0, 1_500)]);
    let refused = there.begin_request(intent(&second), under(&limits)).await.unwrap();
    let Some(Admission::Refused(standings)) = refused.admission else { panic!("{refused:?}") };
    assert_eq!((standings[0].limit.clone(), sums(&standings)), (limits[0].clone(), vec![(0, 1_500)]));
    assert_eq!(there.find_request(second.id).await.unwrap(), None);
    finish(&*here, &first).await;
    assert_eq!(stand(&*there, &limits, now()).await, [(500, 0)]);
    assert!(admit(&*there, &second, under(&limits)).await, "to the last pico-dollar");
    let third = request();
    assert!(!admit(&*here, &third, under(&limits)).await);
    let failed = RequestRecord { status: RequestStatus::Failed, cost: Some(Usd::ZERO), ..second.clone() };
    finish(&*there, &failed).await;
    assert_eq!(stand(&*here, &limits, now()).await, [(500, 0)]);
    assert!(admit(&*here, &third, under(&limits)).await);
}

#[tokio::test]
async fn who_asks_again_replaces_what_it_had_and_keeps_it_where_more_does_not_fit() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let limits = [limit(Period::Month, None, 2_000)];
    let done = request();
    let asks = async |worst: i64| {
        admit(&*here, &RequestRecord { worst_case: Some(usd(worst)), ..done.clone() }, under(&limits)).await
    };
    for (worst, is_admitted, reserved) in
        [(1_500, true, 1_500), (2_000, true, 2_000), (2_001, false, 2_000), (7, true, 7)]
    {
        assert_eq!(asks(worst).await, is_admitted, "{worst}");
        assert_eq!(stand(&*there, &limits, now()).await, [(0, reserved)], "{worst}");
    }
    finish(&*there, &done).await;
    assert!(asks(1_000).await, "an end may come before another intent");
    assert_eq!(stand(&*here, &limits, now()).await, [(500, 0)]);
    // What a provider says later replaces what was known.
    finish(&*here, &RequestRecord { cost: Some(usd(90)), tags: vec!["a".into()], ..done }).await;
    let tagged = limit(Period::Day, Some("a"), 1);
    assert_eq!(stand(&*there, &[limits[0].clone(), tagged], now()).await, [(90, 0), (90, 0)]);
}

#[tokio::test]
async fn what_nobody_has_a_price_for_reserves_and_spends_nothing() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let limits = [limit(Period::Day, None, 0)];
    let unpriced = RequestRecord { cost: None, worst_case: None, baseline: None, ..request() };
    assert!(admit(&*here, &unpriced, under(&limits)).await);
    finish(&*here, &unpriced).await;
    assert_eq!(stand(&*there, &limits, now()).await, [(0, 0)]);
    assert!(!admit(&*here, &request(), under(&limits)).await);
}

#[tokio::test]
async fn a_limit_of_a_tag_counts_the_requests_with_it_alone() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let limits = [
        limit(Period::Day, None, 10_000),
        limit(Period::Day, Some("a"), 2_000),
        limit(Period::Month, Some("b, \"c\""), 2_000),
    ];
    let tagged = |tags: &[&str]| RequestRecord {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..request()
    };
    let both = tagged(&["a", "b, \"c\""]);
    let long = tagged(&["a".repeat(2_000).as_str(), ""]);
    assert!(admit(&*here, &both, under(&limits)).await);
    assert_eq!(stand(&*there, &limits, now()).await, [(0, 1_500); 3]);
    let refused = here.begin_request(intent(&tagged(&["a"])), under(&limits)).await.unwrap();
    let Some(Admission::Refused(standings)) = refused.admission else { panic!("{refused:?}") };
    assert_eq!(standings.len(), 2, "those that it counts for");
    for other in [tagged(&["c"]), tagged(&[]), long] {
        assert!(admit(&*there, &other, under(&limits)).await);
        finish(&*here, &other).await;
    }
    finish(&*there, &both).await;
    assert_eq!(stand(&*here, &limits, now()).await, [(2_000, 0), (500, 0), (500, 0)]);
}

#[tokio::test]
async fn each_request_is_of_the_utc_day_and_month_in_which_it_came() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let limits = [limit(Period::Day, None, 1_000_000), limit(Period::Month, None, 1_000_000)];
    for (time, pico) in [
        ("2026-10-31T23:59:59.999999Z", 1),
        ("2026-11-01T00:00:00Z", 10),
        ("2026-11-22T23:59:59.999999Z", 100),
        ("2026-11-23T00:00:00Z", 1_000),
        ("2026-11-23T23:59:59.999999Z", 10_000),
        ("2026-11-24T00:00:00Z", 100_000),
        ("2026-12-01T00:00:00Z", 1_000_000),
    ] {
        let done = RequestRecord { created_at: time.parse().unwrap(), ..record(pico) };
        // A clock that went wrong changes the day, and nothing else.
        assert!(admit(&*here, &done, no_limits()).await);
        finish(&*here, &done).await;
    }
    assert_eq!(stand(&*there, &limits, now()).await, [(11_000, 0), (111_110, 0)]);
    let reserved = RequestRecord { created_at: later(86_400), ..request() };
    assert!(admit(&*there, &reserved, no_limits()).await);
    assert_eq!(stand(&*here, &limits, now()).await, [(11_000, 0), (111_110, 1_500)]);
    assert_eq!(stand(&*here, &limits, later(86_400)).await, [(100_000, 1_500), (111_110, 1_500)]);
}

#[tokio::test]
async fn a_reservation_that_nobody_settles_ends_by_itself() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let limits = [limit(Period::Day, None, 2_000)];
    let ask = |lease: Duration, at: Timestamp| Ask { lease, now: at, ..under(&limits) };
    let (lost, next) = (request(), request());
    assert!(admit(&*here, &lost, ask(Duration::ZERO, now())).await);
    assert_eq!(stand(&*there, &limits, later(1)).await, [(0, 0)]);
    assert!(admit(&*there, &next, ask(Duration::from_secs(60), later(1))).await);
    // Whoever was thought dead ends all the same: both are spent.
    finish(&*here, &lost).await;
    finish(&*there, &next).await;
    assert_eq!(stand(&*there, &limits, later(2)).await, [(1_000, 0)]);
}

#[tokio::test]
async fn kept_limits_count_beside_those_that_are_given_and_a_models_own_only_gets_tighter() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let set = async |set_by: SetBy, pico: i64, on_breach: OnBreach| {
        let new = Limit { set_by, on_breach, ..limit(Period::Day, Some("a"), pico) };
        here.set_budget(new, now()).await.unwrap();
    };
    let listed = async || -> Vec<(SetBy, i64, OnBreach)> {
        let standings = there.budgets(Vec::new(), now()).await.unwrap();
        standings
            .iter()
            .map(|standing| &standing.limit)
            .map(|limit| (limit.set_by, limit.most.pico(), limit.on_breach))
            .collect()
    };
    set(SetBy::Cli, 1_000, OnBreach::Block).await;
    set(SetBy::Cli, 5_000, OnBreach::Warn).await;
    assert_eq!(listed().await, [(SetBy::Cli, 5_000, OnBreach::Warn)], "a person's is replaced");
    set(SetBy::Tool, 2_000, OnBreach::Downgrade).await;
    set(SetBy::Tool, 9_000, OnBreach::Block).await;
    set(SetBy::Tool, 1_600, OnBreach::Warn).await;
    assert_eq!(
        listed().await,
        [(SetBy::Cli, 5_000, OnBreach::Warn), (SetBy::Tool, 1_600, OnBreach::Block)],
        "a model's gets tighter in both ways"
    );
    let tagged = || RequestRecord { tags: vec!["a".into()], ..request() };
    assert!(admit(&*there, &tagged(), no_limits()).await);
    assert!(!admit(&*there, &tagged(), no_limits()).await);
    let scope = |tag: &str| Scope { period: Period::Day, tag: Some(tag.to_owned()) };
    assert!(!there.remove_budget(scope("b")).await.unwrap());
    assert!(!there.remove_budget(Scope { period: Period::Month, ..scope("a") }).await.unwrap());
    assert!(there.remove_budget(scope("a")).await.unwrap());
    assert_eq!(listed().await, []);
    assert!(admit(&*here, &tagged(), no_limits()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_ask_at_once_as_many_are_admitted_as_fit() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let limits = [limit(Period::Day, None, 15_000), limit(Period::Month, None, 1_000_000)];
    let all: Vec<RequestRecord> = (0..40).map(|_| request()).collect();
    let asked = all.iter().enumerate().map(|(place, done)| {
        let store = if place % 2 == 0 { &here } else { &there };
        admit(&**store, done, under(&limits))
    });
    let admitted = join_all(asked).await;
    assert_eq!(admitted.iter().filter(|is_admitted| **is_admitted).count(), 10);
    assert_eq!(stand(&*here, &limits, now()).await, [(0, 15_000); 2]);
    join_all(all.iter().zip(&admitted).filter(|(_, is_in)| **is_in).map(|(done, _)| finish(&*there, done)))
        .await;
    assert_eq!(stand(&*here, &limits, now()).await, [(5_000, 0); 2]);
    let fit = join_all(
        all.iter()
            .zip(&admitted)
            .filter(|(_, is_in)| !**is_in)
            .map(|(done, _)| admit(&*here, done, under(&limits))),
    )
    .await;
    assert_eq!(fit.iter().filter(|is_admitted| **is_admitted).count(), 6, "what was not spent is free again");
}

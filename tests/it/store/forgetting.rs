//! Part of the suite over the trait `Store`: requests are listed in order, and forgotten with all that is known of them.

use ai_cost_optimizer::domain::ids::RequestId;
use ai_cost_optimizer::domain::limit::{Limit, OnBreach, Period, Scope, SetBy};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::rating::{Rating, Score};
use ai_cost_optimizer::domain::record::RequestRecord;
use ai_cost_optimizer::domain::report::ReportQuery;
use ai_cost_optimizer::experiments::definition::AssignmentUnit;
use ai_cost_optimizer::experiments::lifecycle::{Change, Ended, EndedBy, Which};
use ai_cost_optimizer::store::{RequestsQuery, Store};
use jiff::Timestamp;
use serde_json::json;

use super::stores;
use crate::store::Stores;
use crate::store::samples::{entry, exactly, experiment, exposed, later, now, record};

fn at(seconds: i64, pico: i64) -> RequestRecord {
    RequestRecord { created_at: later(seconds), ..record(pico) }
}

fn everything() -> RequestsQuery {
    RequestsQuery { from: Timestamp::UNIX_EPOCH, to: later(1_000_000), after: None, limit: 100 }
}

async fn ids(store: &dyn Store, query: RequestsQuery) -> Vec<RequestId> {
    store.requests(query).await.unwrap().iter().map(|record| record.id).collect()
}

#[tokio::test]
async fn requests_are_listed_as_they_were_written_and_a_part_at_a_time() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let written: Vec<RequestRecord> = (0..5).map(|place| at(place, 100 + place)).collect();
    for record in &written {
        here.record_request(record.clone(), None).await.unwrap();
    }
    assert_eq!(there.requests(everything()).await.unwrap(), written);
    let inside = RequestsQuery { from: later(1), to: later(4), ..everything() };
    let expected: Vec<RequestId> = written[1..4].iter().map(|record| record.id).collect();
    assert_eq!(ids(&*there, inside).await, expected);
    let first = RequestsQuery { limit: 2, ..inside };
    assert_eq!(ids(&*there, first).await, expected[..2]);
    let second = RequestsQuery { after: Some(expected[1]), ..first };
    assert_eq!(ids(&*there, second).await, expected[2..]);
    assert_eq!(ids(&*there, RequestsQuery { after: Some(expected[2]), ..first }).await, []);
}

#[tokio::test]
async fn old_requests_go_with_all_that_is_known_of_them_and_experiments_keep_theirs() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let (old, young) = (at(0, 500), at(100, 70));
    let bought = entry(1, 1, &old);
    here.record_request(old.clone(), Some(bought.clone())).await.unwrap();
    here.record_request(young.clone(), Some(entry(1, 2, &young))).await.unwrap();
    let rating = Rating {
        request_id: old.id,
        score: Score::new(1.0).unwrap(),
        verdict: None,
        comment: Some("x".into()),
    };
    here.rate_response(rating, later(1)).await.unwrap();
    let kept = experiment("kept", AssignmentUnit::Request, &json!({ "model": "openai/gpt-5" }));
    here.start_experiment(kept.clone()).await.unwrap();
    let tested = RequestRecord { exposures: vec![exposed(&kept, 1, None)], ..at(0, 3) };
    here.record_request(tested.clone(), None).await.unwrap();

    assert_eq!(there.forget_requests(later(0), 100).await.unwrap(), 0, "nothing is that old");
    assert_eq!(there.forget_requests(later(50), 100).await.unwrap(), 1);
    assert_eq!(there.forget_requests(later(50), 100).await.unwrap(), 0);
    let mut left = [young.id, tested.id];
    left.sort();
    assert_eq!(ids(&*here, everything()).await, left);
    assert_eq!(here.find_exact(exactly(bought.scope, bought.prompt_sha256)).await.unwrap(), None);
    let query = ReportQuery { from: Timestamp::UNIX_EPOCH, to: later(1_000), group_by: None };
    let totals = there.cost_report(query).await.unwrap().totals;
    assert_eq!((totals.requests, totals.cost), (2, Usd::from_pico(73)), "reports are of what is there");

    for change in [Change::End(Ended { by: EndedBy::Person, at: later(10) }), Change::Archive] {
        assert!(here.change_experiment(kept.id, change).await.unwrap());
    }
    assert_eq!(there.forget_requests(later(50), 100).await.unwrap(), 1, "an experiment that was put away");
    assert_eq!(ids(&*here, everything()).await, [young.id]);
    assert_eq!(here.experiments(Which::All).await.unwrap(), []);
}

#[tokio::test]
async fn many_old_requests_go_a_part_at_a_time_oldest_first() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    for place in [3, 1, 2, 0] {
        here.record_request(at(place, 1), None).await.unwrap();
    }
    assert_eq!(there.forget_requests(later(3), 2).await.unwrap(), 2);
    let times: Vec<Timestamp> =
        here.requests(everything()).await.unwrap().iter().map(|record| record.created_at).collect();
    assert_eq!(times, [later(3), later(2)]);
}

#[tokio::test]
async fn everything_is_gone_and_the_store_goes_on() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let done = RequestRecord { tags: vec!["a".into()], ..record(500) };
    let kept = experiment("kept", AssignmentUnit::Request, &json!({ "model": "openai/gpt-5" }));
    here.start_experiment(kept.clone()).await.unwrap();
    here.record_request(
        RequestRecord { exposures: vec![exposed(&kept, 0, None)], ..done.clone() },
        Some(entry(1, 1, &done)),
    )
    .await
    .unwrap();
    let rating =
        Rating { request_id: done.id, score: Score::new(0.0).unwrap(), verdict: None, comment: None };
    here.rate_response(rating, now()).await.unwrap();
    let limit = Limit {
        scope: Scope { period: Period::Day, tag: Some("a".into()) },
        most: Usd::from_pico(1_000),
        on_breach: OnBreach::Warn,
        set_by: SetBy::Cli,
    };
    here.set_budget(limit.clone(), now()).await.unwrap();

    there.forget_everything().await.unwrap();
    assert_eq!(here.requests(everything()).await.unwrap(), []);
    assert_eq!(here.experiments(Which::All).await.unwrap(), []);
    assert_eq!(here.budgets(Vec::new(), now()).await.unwrap(), []);
    assert_eq!(here.cache_stats(now()).await.unwrap(), Default::default());
    let spent = here.budgets(vec![limit], now()).await.unwrap();
    assert_eq!((spent[0].spent, spent[0].reserved), (Usd::ZERO, Usd::ZERO));
    here.record_request(done.clone(), None).await.unwrap();
    assert_eq!(ids(&*there, everything()).await, [done.id]);
}

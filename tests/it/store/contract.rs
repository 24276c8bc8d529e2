//! One suite over the trait `Store`; each test gets a fresh store, and some a second process's view of it.

use ai_cost_optimizer::domain::ids::RequestId;
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::rating::{Rating, RatingEffect, Score, Verdict};
use ai_cost_optimizer::domain::record::{Forget, RequestRecord, RequestStatus, ScopeHash};
use ai_cost_optimizer::domain::report::{GroupBy, ReportQuery};
use ai_cost_optimizer::store::{ExactQuery, ForgetMode, NearestQuery, Store, StoreError};
use jiff::Timestamp;

use super::stores;
use crate::store::Stores;
use crate::store::samples::{at_angle, entry, exactly, hit, later, no_limits, now, record};

fn everything(group_by: Option<GroupBy>) -> ReportQuery {
    ReportQuery { from: Timestamp::UNIX_EPOCH, to: Timestamp::MAX, group_by }
}

fn nearest(scope: u8, radians: f32, at: Timestamp) -> NearestQuery {
    NearestQuery {
        scope: ScopeHash([scope; 32]),
        embedding: at_angle(radians),
        prompt_sha256: [7; 32],
        limit: 5,
        now: at,
    }
}

async fn similarities(store: &dyn Store, scope: u8, radians: f32) -> Vec<(String, f32)> {
    let neighbours = store.match_cache_entries(nearest(scope, radians, now())).await.unwrap();
    neighbours.into_iter().map(|neighbour| (neighbour.entry.text, neighbour.similarity)).collect()
}

#[tokio::test]
async fn an_intent_is_unsettled_until_its_request_is_recorded() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let done = record(500);
    let intent = RequestRecord { status: RequestStatus::Intent, cost: None, source: None, ..done.clone() };
    here.begin_request(intent, no_limits()).await.unwrap();
    let before = there.cost_report(everything(None)).await.unwrap().totals;
    assert_eq!((before.requests, before.unsettled_requests), (0, 1));
    assert_eq!(before.unsettled_worst_case, Usd::from_pico(1_500));
    here.record_request(done, None).await.unwrap();
    let after = there.cost_report(everything(None)).await.unwrap().totals;
    assert_eq!((after.requests, after.unsettled_requests, after.cost), (1, 0, Usd::from_pico(500)));
}

#[tokio::test]
async fn an_exact_answer_is_found_in_its_scope_until_it_expires() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let bought_by = record(500);
    let kept = entry(1, 1, &bought_by);
    here.record_request(bought_by, Some(kept.clone())).await.unwrap();
    for store in [&here, &there] {
        let find = |scope: u8, prompt: u8, now| {
            store.find_exact(ExactQuery { now, ..exactly(ScopeHash([scope; 32]), [prompt; 32]) })
        };
        let found = find(1, 1, now()).await.unwrap().unwrap();
        assert_eq!(
            (found.id, found.text.as_str(), found.cost),
            (kept.id, "answer 1", Some(Usd::from_pico(500)))
        );
        assert!(find(2, 1, now()).await.unwrap().is_none(), "another scope");
        assert!(find(1, 2, now()).await.unwrap().is_none(), "another prompt");
        assert!(find(1, 1, later(3_600)).await.unwrap().is_none(), "an hour later");
    }
}

#[tokio::test]
async fn a_newer_answer_takes_the_place_of_the_older() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let (first, second) = (record(1), record(2));
    here.record_request(first.clone(), Some(entry(1, 1, &first))).await.unwrap();
    assert_eq!(similarities(&*there, 1, 0.0).await.len(), 1);
    here.record_request(second.clone(), Some(entry(1, 1, &second))).await.unwrap();
    for store in [&here, &there] {
        let found = store.find_exact(exactly(ScopeHash([1; 32]), [1; 32])).await.unwrap().unwrap();
        assert_eq!(found.request_id, second.id);
        assert_eq!(similarities(&**store, 1, 0.0).await.len(), 1);
    }
}

#[tokio::test]
async fn neighbours_come_nearest_first_and_other_writers_are_seen_at_once() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    assert!(similarities(&*here, 1, 0.0).await.is_empty());
    assert!(similarities(&*there, 1, 0.0).await.is_empty());
    for prompt in [30, 10, 50, 20, 60, 40] {
        let bought_by = record(1);
        let kept = entry(1, prompt, &bought_by);
        here.record_request(bought_by, Some(kept)).await.unwrap();
    }
    for store in [&here, &there] {
        let found = similarities(&**store, 1, 0.1).await;
        let texts: Vec<&str> = found.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["answer 10", "answer 20", "answer 30", "answer 40", "answer 50"]);
        assert!((found[1].1 - 0.1_f32.cos()).abs() < 1e-6, "{found:?}");
        assert!(similarities(&**store, 2, 0.1).await.is_empty(), "another scope");
    }
    let expired = here.match_cache_entries(nearest(1, 0.1, later(3_600))).await.unwrap();
    assert!(expired.is_empty());
}

#[tokio::test]
async fn embeddings_of_different_makers_are_never_compared() {
    let Some(Stores { here, _folder, .. }) = stores().await else { return };
    let bought_by = record(1);
    here.record_request(bought_by.clone(), Some(entry(1, 0, &bought_by))).await.unwrap();
    let mut query = nearest(1, 0.0, now());
    query.embedding.fingerprint = "another".into();
    assert!(here.match_cache_entries(query).await.unwrap().is_empty());
}

#[tokio::test]
async fn four_bad_ratings_retire_an_entry_for_everybody() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let bought_by = record(1);
    let kept = entry(1, 1, &bought_by);
    here.record_request(bought_by.clone(), Some(kept.clone())).await.unwrap();
    let mut requests = vec![bought_by.id];
    for _ in 0..3 {
        let served = hit(&kept);
        requests.push(served.id);
        here.record_request(served, None).await.unwrap();
    }
    assert_eq!(similarities(&*there, 1, 0.01).await.len(), 1);
    for (place, request_id) in requests.iter().enumerate() {
        let rate = |verdict: Verdict| Rating {
            request_id: *request_id,
            score: Score::from(verdict),
            verdict: Some(verdict),
            comment: None,
        };
        // A rating that is given again replaces itself.
        here.rate_response(rate(Verdict::Good), now()).await.unwrap();
        let effect = here.rate_response(rate(Verdict::Wrong), now()).await.unwrap();
        let expected = match place {
            // It was bought, and not served.
            0 => RatingEffect::Recorded,
            3 => RatingEffect::EntryRetired,
            _ => RatingEffect::PairExcluded,
        };
        assert_eq!(effect, expected, "rating {place}");
    }
    for store in [&here, &there] {
        assert!(store.find_exact(exactly(kept.scope, kept.prompt_sha256)).await.unwrap().is_none());
        assert!(similarities(&**store, 1, 0.01).await.is_empty());
    }
    let stats = there.cache_stats(now()).await.unwrap();
    assert_eq!((stats.entries, stats.retired_entries, stats.hits), (0, 1, 3));
}

#[tokio::test]
async fn an_unknown_request_cannot_be_rated() {
    let Some(Stores { here, _folder, .. }) = stores().await else { return };
    let request_id = RequestId::new();
    let rating = Rating { request_id, score: Score::new(1.0).unwrap(), verdict: None, comment: None };
    let error = here.rate_response(rating, now()).await.unwrap_err();
    assert!(matches!(error, StoreError::UnknownRequest(id) if id == request_id));
}

#[tokio::test]
async fn what_is_forgotten_is_counted_first_and_gone_after() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let mut bought = Vec::new();
    for prompt in [0, 10, 100] {
        let bought_by = record(1);
        here.record_request(bought_by.clone(), Some(entry(1, prompt, &bought_by))).await.unwrap();
        bought.push(bought_by);
    }
    let check = async |forget: Forget, expected: u64| {
        assert_eq!(here.forget_cache(forget.clone(), ForgetMode::Count).await.unwrap(), expected);
        assert_eq!(there.forget_cache(forget.clone(), ForgetMode::Delete).await.unwrap(), expected);
        assert_eq!(here.forget_cache(forget, ForgetMode::Count).await.unwrap(), 0);
    };
    assert_eq!(similarities(&*here, 1, 0.0).await.len(), 3);
    check(Forget::OlderThan(now()), 0).await;
    check(Forget::Like { embedding: at_angle(0.0), min_similarity: 0.999 }, 1).await;
    assert_eq!(similarities(&*here, 1, 0.0).await.len(), 2);
    check(Forget::Request(bought[1].id), 1).await;
    check(Forget::All, 1).await;
    assert!(similarities(&*here, 1, 0.0).await.is_empty());
    let totals = here.cost_report(everything(None)).await.unwrap().totals;
    assert_eq!(totals.requests, 3, "records of cost stay");
}

#[tokio::test]
async fn a_report_covers_its_time_and_no_more() {
    let Some(Stores { here, _folder, .. }) = stores().await else { return };
    here.record_request(record(1), None).await.unwrap();
    let requests = async |from, to| {
        here.cost_report(ReportQuery { from, to, group_by: None }).await.unwrap().totals.requests
    };
    assert_eq!(requests(now(), later(1)).await, 1, "the first instant is inside");
    assert_eq!(requests(later(-1), now()).await, 0, "the last is not");
}

#[tokio::test]
async fn the_revision_moves_with_every_commit_whoever_makes_it() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let mut last = here.revision().await.unwrap();
    assert_eq!(here.revision().await.unwrap(), last, "nobody wrote");
    for (number, store) in [&here, &there, &there, &here].into_iter().enumerate() {
        store.record_request(record(number as i64), None).await.unwrap();
        let revision = here.revision().await.unwrap();
        assert_ne!(revision, last, "commit {number}");
        assert_eq!(here.revision().await.unwrap(), revision, "nobody wrote since");
        last = revision;
    }
    here.cost_report(everything(None)).await.unwrap();
    assert_eq!(here.revision().await.unwrap(), last, "reading is no commit");
}

//! Part of the suite over the trait `Store`: a prompt of the same normal form is served too, and an answer that was
//! wrong for a prompt never again.

use std::collections::BTreeMap;

use ai_cost_optimizer::domain::ids::{EntryId, RequestId};
use ai_cost_optimizer::domain::rating::{Rating, RatingEffect, Score, Verdict};
use ai_cost_optimizer::domain::record::{CacheEntry, RequestRecord, ScopeHash};
use ai_cost_optimizer::store::{ExactQuery, NearestQuery, Store};
use proptest::option;
use proptest::prelude::*;

use super::stores;
use crate::store::Stores;
use crate::store::samples::{at_angle, entry, exactly, hit, later, now, record};

const SCOPE: ScopeHash = ScopeHash([1; 32]);
const VERDICTS: [Verdict; 4] = [Verdict::Good, Verdict::Bad, Verdict::Wrong, Verdict::Stale];

fn normally(prompt: u8, normal: Option<u8>) -> ExactQuery {
    ExactQuery { normal_sha256: normal.map(|byte| [byte; 32]), ..exactly(SCOPE, [prompt; 32]) }
}

async fn found(store: &dyn Store, query: ExactQuery) -> Option<EntryId> {
    store.find_exact(query).await.unwrap().map(|entry| entry.id)
}

async fn nearby(store: &dyn Store, prompt: u8, limit: usize) -> Vec<EntryId> {
    let embedding = at_angle(0.0);
    let query = NearestQuery { scope: SCOPE, embedding, prompt_sha256: [prompt; 32], limit, now: now() };
    let neighbours = store.match_cache_entries(query).await.unwrap();
    neighbours.into_iter().map(|neighbour| neighbour.entry.id).collect()
}

/// Keeps an answer that was bought some seconds ago.
async fn keep(store: &dyn Store, prompt: u8, normal: Option<u8>, seconds_ago: i64) -> CacheEntry {
    let bought_by = record(1);
    let kept = CacheEntry {
        normal_sha256: normal.map(|byte| [byte; 32]),
        created_at: later(-seconds_ago),
        ..entry(1, prompt, &bought_by)
    };
    store.record_request(bought_by, Some(kept.clone())).await.unwrap();
    kept
}

/// Serves an answer to a prompt.
async fn serve(store: &dyn Store, prompt: u8, kept: &CacheEntry) -> RequestId {
    let served = RequestRecord { prompt_sha256: [prompt; 32], ..hit(kept) };
    store.record_request(served.clone(), None).await.unwrap();
    served.id
}

async fn rate(store: &dyn Store, request_id: RequestId, verdict: Verdict) -> RatingEffect {
    let rating = Rating { request_id, score: Score::from(verdict), verdict: Some(verdict), comment: None };
    store.rate_response(rating, now()).await.unwrap()
}

#[tokio::test]
async fn an_answer_is_found_by_its_prompt_and_else_the_newest_by_its_normal_form() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let mut kept = Vec::new();
    for (prompt, normal, seconds_ago) in [(1, Some(9), 30), (2, Some(9), 10), (3, Some(9), 20), (4, None, 0)]
    {
        kept.push(keep(&*here, prompt, normal, seconds_ago).await);
    }
    for store in [&here, &there] {
        let store = &**store;
        assert_eq!(found(store, normally(1, Some(9))).await, Some(kept[0].id), "the very prompt");
        assert_eq!(found(store, normally(5, Some(9))).await, Some(kept[1].id), "the newest");
        assert_eq!(found(store, normally(4, Some(9))).await, Some(kept[3].id), "it needs no normal form");
        for query in [normally(5, None), normally(5, Some(8)), normally(5, Some(4))] {
            assert_eq!(found(store, query).await, None, "{query:?}");
        }
        let elsewhere = ExactQuery { scope: ScopeHash([2; 32]), ..normally(5, Some(9)) };
        assert_eq!(found(store, elsewhere).await, None, "another scope");
        assert_eq!(found(store, ExactQuery { now: later(3_600), ..normally(5, Some(9)) }).await, None);
        let whole = store.find_exact(normally(5, Some(9))).await.unwrap().unwrap();
        let expected = CacheEntry { embedding: None, ..kept[1].clone() };
        assert!(whole == expected, "{:?} {:?}", whole.prompt_sha256, whole.normal_sha256);
    }
}

#[tokio::test]
async fn what_was_wrong_for_a_prompt_is_never_again_served_for_it_and_still_for_others() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let kept = [keep(&*here, 1, Some(9), 20).await, keep(&*here, 2, Some(9), 10).await];
    let ids = [kept[0].id, kept[1].id];
    assert_eq!(nearby(&*there, 5, 5).await, ids);
    let served = serve(&*here, 5, &kept[0]).await;
    assert_eq!(rate(&*here, served, Verdict::Bad).await, RatingEffect::Recorded, "it is bad, and not wrong");
    assert_eq!(rate(&*here, served, Verdict::Wrong).await, RatingEffect::PairExcluded);
    assert_eq!(rate(&*there, served, Verdict::Wrong).await, RatingEffect::PairExcluded, "and again");
    for store in [&here, &there] {
        let store = &**store;
        assert_eq!(nearby(store, 5, 1).await, [ids[1]], "the limit is of those that are left");
        assert_eq!(nearby(store, 6, 5).await, ids, "another prompt");
        assert_eq!(found(store, normally(6, Some(9))).await, Some(ids[1]));
    }
    let again = serve(&*here, 5, &kept[1]).await;
    rate(&*here, again, Verdict::Wrong).await;
    assert_eq!(found(&*there, normally(5, Some(9))).await, None);
    // The very prompt, and what it was bought for.
    let own = serve(&*here, 1, &kept[0]).await;
    assert_eq!(rate(&*here, own, Verdict::Wrong).await, RatingEffect::PairExcluded);
    assert_eq!(found(&*there, normally(1, None)).await, None);
    assert_eq!(found(&*there, normally(1, Some(9))).await, Some(ids[1]), "the next of its normal form");
    // An answer that takes the place of a wrong one was not called so.
    let newer = keep(&*here, 1, Some(9), 0).await;
    assert_eq!(found(&*there, normally(1, None)).await, Some(newer.id));
    assert_eq!(rate(&*here, own, Verdict::Wrong).await, RatingEffect::Recorded, "it is gone");
}

#[tokio::test]
async fn who_takes_the_verdict_back_takes_the_pair_back_unless_others_gave_it_too() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let kept = keep(&*here, 1, None, 0).await;
    // The prompt of the samples' own requests is 7.
    let (one, other) = (serve(&*here, 7, &kept).await, serve(&*here, 7, &kept).await);
    rate(&*here, one, Verdict::Wrong).await;
    rate(&*there, other, Verdict::Wrong).await;
    assert_eq!(rate(&*here, one, Verdict::Good).await, RatingEffect::Recorded);
    assert!(nearby(&*there, 7, 5).await.is_empty(), "the other still says so");
    // What a bought answer is called says nothing of a pair.
    assert_eq!(rate(&*here, kept.request_id, Verdict::Wrong).await, RatingEffect::Recorded);
    assert_eq!(rate(&*here, other, Verdict::Stale).await, RatingEffect::Recorded);
    assert_eq!(nearby(&*there, 7, 5).await, [kept.id]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_served_is_what_the_pairs_and_the_normal_forms_say(
        normals in prop::collection::vec(option::of(20..22_u8), 1..6),
        steps in prop::collection::vec((0..6_usize, 0..8_u8, 0..4_usize), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Some(Stores { here, there, _folder }) = stores().await else { return };
            let mut kept = Vec::new();
            for ((prompt, normal), seconds_ago) in (0..8_u8).zip(&normals).zip([5, 3, 8, 1, 9, 2]) {
                kept.push(keep(&*here, prompt, *normal, seconds_ago).await);
            }
            // Each answer is rated three times at most, so that none is retired.
            let mut ratings: BTreeMap<EntryId, Vec<(u8, Verdict)>> = BTreeMap::new();
            for (place, prompt, verdict) in steps {
                let entry = &kept[place % kept.len()];
                let earlier = ratings.entry(entry.id).or_default();
                if earlier.len() < 3 {
                    let (served, verdict) = (serve(&*here, prompt, entry).await, VERDICTS[verdict]);
                    rate(&*here, served, verdict).await;
                    earlier.push((prompt, verdict));
                }
            }
            let is_wrong = |entry: &CacheEntry, prompt: u8| {
                ratings.get(&entry.id).is_some_and(|given| given.contains(&(prompt, Verdict::Wrong)))
            };
            for prompt in 0..8_u8 {
                let left: Vec<&CacheEntry> = kept.iter().filter(|entry| !is_wrong(entry, prompt)).collect();
                let ids: Vec<EntryId> = left.iter().map(|entry| entry.id).collect();
                assert_eq!(nearby(&*there, prompt, 200).await, ids);
                assert_eq!(nearby(&*there, prompt, 2).await, &ids[..ids.len().min(2)]);
                for normal in [None, Some(20), Some(21)] {
                    let same = left.iter().find(|entry| entry.prompt_sha256 == [prompt; 32]);
                    let alike = left.iter().filter(|entry| {
                        normal.is_some() && entry.normal_sha256 == normal.map(|byte| [byte; 32])
                    });
                    let expected = same.or(alike.max_by_key(|entry| entry.created_at));
                    let expected = expected.map(|entry| entry.id);
                    assert_eq!(found(&*there, normally(prompt, normal)).await, expected);
                }
            }
        });
    }
}

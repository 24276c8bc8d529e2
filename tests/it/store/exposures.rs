//! Part of the suite over the trait `Store`: what is seen of the arms of experiments.

use std::collections::BTreeMap;

use ai_cost_optimizer::domain::answer::Source;
use ai_cost_optimizer::domain::exposure::Exposure;
use ai_cost_optimizer::domain::ids::{ExperimentId, RequestId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::rating::{Rating, Score};
use ai_cost_optimizer::domain::record::{RequestRecord, RequestStatus};
use ai_cost_optimizer::experiments::definition::{AssignmentUnit, Metric};
use ai_cost_optimizer::experiments::lifecycle::Kept;
use ai_cost_optimizer::experiments::outcomes::Outcome;
use ai_cost_optimizer::experiments::sums::{Sums, Unit};
use ai_cost_optimizer::experiments::timeline::{Seen, Timeline};
use ai_cost_optimizer::experiments::verdict::Observed;
use ai_cost_optimizer::store::{Started, Store};
use jiff::Timestamp;
use serde_json::json;
use strum::VariantArray as _;

use super::stores;
use crate::store::Stores;
use crate::store::samples::{experiment, exposed, later, no_limits, now, record};

async fn started(store: &dyn Store, unit: AssignmentUnit) -> Kept {
    let sets = match unit {
        AssignmentUnit::Request => json!({ "model": "openai/gpt-5" }),
        AssignmentUnit::Session => json!({ "system_prefix": "Be brief." }),
    };
    let kept = experiment(&unit.to_string(), unit, &sets);
    assert_eq!(store.start_experiment(kept.clone()).await.unwrap(), Started::New);
    kept
}

fn in_arm(exposure: Exposure, pico: i64) -> RequestRecord {
    RequestRecord { exposures: vec![exposure], created_at: later(10), ..record(pico) }
}

fn intent_of(done: &RequestRecord) -> RequestRecord {
    RequestRecord { status: RequestStatus::Intent, cost: None, source: None, ..done.clone() }
}

async fn finish(store: &dyn Store, done: &RequestRecord) {
    store.record_request(done.clone(), None).await.unwrap();
}

async fn rate(store: &dyn Store, request_id: RequestId, score: f64, at: Timestamp) {
    let rating = Rating { request_id, score: Score::new(score).unwrap(), verdict: None, comment: None };
    store.rate_response(rating, at).await.unwrap();
}

async fn outcomes(store: &dyn Store, id: ExperimentId) -> Vec<Outcome> {
    store.experiment_outcomes(id, None, 1_000).await.unwrap()
}

async fn statistics(store: &dyn Store, id: ExperimentId) -> Vec<Observed> {
    store.experiment_statistics(id).await.unwrap()
}

/// Asserts that sums are equal, but for what `f64` cannot tell.
fn alike(found: &Sums, expected: &Sums, told: &str) {
    let fields = |sums: &Sums| serde_json::to_value(sums).unwrap();
    let expected = fields(expected);
    for (field, found) in fields(found).as_object().unwrap() {
        let (found, expected) = (found.as_f64().unwrap(), expected[field].as_f64().unwrap());
        assert!(
            (found - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
            "{told}, {field}: {found}, not {expected}"
        );
    }
}

/// What outcomes come to, arm by arm, by the definition of each number.
fn observed(outcomes: &[Outcome]) -> Vec<Observed> {
    let arms = outcomes.iter().map(|outcome| outcome.arm + 1).max().unwrap_or(0);
    let observed = (0..arms).map(|arm| {
        let mut observed = Observed::default();
        let mut units: BTreeMap<&str, BTreeMap<Metric, Unit>> = BTreeMap::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.arm == arm) {
            observed.requests += 1;
            observed.spend += outcome.end.and_then(|end| end.cost).unwrap_or_default();
            let of_unit = units.entry(&outcome.unit).or_default();
            for (metric, (value, _)) in outcome.metrics() {
                let before = outcome.before;
                let unit = of_unit.entry(metric).or_insert(Unit { outcomes: 0.0, total: 0.0, before });
                unit.outcomes += 1.0;
                unit.total += value;
            }
        }
        observed.units = units.len() as u64;
        for (metric, unit) in units.into_values().flatten() {
            observed.sums.entry(metric).or_default().add(unit);
        }
        observed
    });
    observed.collect()
}

#[tokio::test]
async fn an_intent_is_exposed_and_missing_and_its_first_end_fills_it() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let kept = started(&*here, AssignmentUnit::Request).await;
    let done = in_arm(exposed(&kept, 1, None), 500);
    here.begin_request(intent_of(&done), no_limits()).await.unwrap();
    let missing = Outcome {
        request_id: done.id,
        arm: 1,
        unit: done.id.to_string(),
        before: 2.0,
        assigned_at: later(10),
        end: None,
        rating: None,
    };
    assert_eq!(outcomes(&*there, kept.id).await, std::slice::from_ref(&missing));
    let seen = Observed { units: 1, requests: 1, ..Observed::default() };
    assert_eq!(statistics(&*there, kept.id).await, [Observed::default(), seen]);

    let before = Timestamp::now();
    finish(&*here, &done).await;
    let filled = outcomes(&*there, kept.id).await.remove(0);
    let end = filled.end.unwrap();
    assert!(before.duration_until(end.at).as_secs().abs() < 60, "{end:?}");
    assert_eq!((end.is_answered, end.cost, end.saved, end.latency_ms), (true, done.cost, done.saved(), 5));
    assert_eq!(Outcome { end: None, ..filled.clone() }, missing);

    finish(&*there, &RequestRecord { cost: Some(Usd::from_pico(9)), latency_ms: 9, ..done.clone() }).await;
    here.begin_request(intent_of(&done), no_limits()).await.unwrap();
    assert_eq!(
        outcomes(&*here, kept.id).await,
        [filled],
        "neither a second end nor a late intent changes it"
    );
    let arms = statistics(&*there, kept.id).await;
    assert_eq!((arms[1].requests, arms[1].spend), (1, Usd::from_pico(500)));
}

#[tokio::test]
async fn exposures_come_back_and_no_record_is_lost_for_an_unknown_experiment() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let kept = started(&*here, AssignmentUnit::Request).await;
    let unknown = experiment("unknown", AssignmentUnit::Session, &json!({ "quality": "best" }));
    let default = Exposure { unit: None, ..exposed(&kept, 1, None) };
    let exposures =
        vec![exposed(&unknown, 1, Some("s")), exposed(&kept, 1, None), exposed(&unknown, 0, None)];
    let done = RequestRecord { exposures, ..record(1) };
    let by_default = RequestRecord { exposures: vec![default], ..record(1) };
    for done in [&done, &by_default] {
        here.begin_request(RequestRecord { exposures: Vec::new(), ..intent_of(done) }, no_limits())
            .await
            .unwrap();
        finish(&*here, done).await;
        assert_eq!(there.find_request(done.id).await.unwrap(), Some((done.clone(), None)));
    }
    let found = outcomes(&*there, kept.id).await;
    assert_eq!(found.iter().map(|outcome| outcome.request_id).collect::<Vec<_>>(), [done.id]);
    for id in [unknown.id, ExperimentId::new()] {
        assert_eq!(statistics(&*there, id).await, []);
        assert_eq!(outcomes(&*there, id).await, []);
        assert_eq!(there.experiment_timeline(id, Metric::Success, 3).await.unwrap(), []);
    }
}

#[tokio::test]
async fn ratings_come_late_and_the_last_one_counts() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let kept = started(&*here, AssignmentUnit::Request).await;
    let (rated, other) = (in_arm(exposed(&kept, 0, None), 1), in_arm(exposed(&kept, 0, None), 1));
    here.begin_request(intent_of(&rated), no_limits()).await.unwrap();
    rate(&*there, rated.id, 0.25, later(20)).await;
    assert_eq!(outcomes(&*here, kept.id).await[0].rating, Some((0.25, later(20))), "before its end");
    for done in [&rated, &other] {
        finish(&*here, done).await;
    }
    for (score, seconds) in [(1.0, 30), (0.5, 40)] {
        rate(&*there, rated.id, score, later(seconds)).await;
    }
    let ratings: Vec<_> = outcomes(&*here, kept.id).await.iter().map(|outcome| outcome.rating).collect();
    assert_eq!(ratings, [Some((0.5, later(40))), None]);
    let sums = statistics(&*here, kept.id).await[0].of(Metric::Rating);
    alike(&sums, &Sums { units: 1.0, outcomes: 1.0, total: 0.5, before: 2.0, ..sums }, "ratings");
}

#[tokio::test]
async fn what_is_no_outcome_is_missing_and_what_was_paid_counts() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let kept = started(&*here, AssignmentUnit::Request).await;
    let arm = || exposed(&kept, 0, None);
    let failed = RequestRecord { status: RequestStatus::Failed, ..in_arm(arm(), 700) };
    let cached = RequestRecord { source: Some(Source::CacheExact), ..in_arm(arm(), 0) };
    let unpriced = RequestRecord { cost: None, ..in_arm(arm(), 0) };
    let bought = in_arm(arm(), 500_000_000_000);
    for done in [&failed, &cached, &unpriced, &bought] {
        finish(&*here, done).await;
    }
    let arms = statistics(&*there, kept.id).await;
    let arm = &arms[0];
    assert_eq!((arms.len(), arm.units, arm.requests), (1, 4, 4));
    assert_eq!(arm.spend, Usd::from_pico(500_000_000_700));
    let of = |metric| (arm.of(metric).outcomes, arm.of(metric).total);
    assert_eq!(of(Metric::Success), (4.0, 3.0), "nobody answered one");
    assert_eq!(
        of(Metric::CostUsd),
        (2.0, 0.5),
        "the answered ones that have a price, that of the cache among them"
    );
    assert_eq!(of(Metric::SavedUsd), (2.0, 0.5));
    assert_eq!(of(Metric::LatencyMs), (3.0, 15.0));
    assert_eq!(of(Metric::Rating), (0.0, 0.0));
}

#[tokio::test]
async fn a_session_is_one_unit_and_stays_what_it_was_when_it_came() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let earlier = |session: &str, pico| RequestRecord {
        session: Some(session.into()),
        created_at: later(-100),
        ..record(pico)
    };
    for done in [
        earlier("old", 100_000_000_000),
        earlier("old", 300_000_000_000),
        RequestRecord { cost: None, ..earlier("old", 0) },
        RequestRecord { status: RequestStatus::Failed, ..earlier("old", 7) },
        RequestRecord { created_at: now(), ..earlier("old", 7) },
        earlier("another", 7),
    ] {
        finish(&*here, &done).await;
    }
    let kept = started(&*here, AssignmentUnit::Session).await;
    let of = |session: &str, pico| RequestRecord {
        session: Some(session.into()),
        ..in_arm(exposed(&kept, 1, Some(session)), pico)
    };
    finish(&*here, &of("old", 1_000_000_000_000)).await;
    finish(&*here, &earlier("old", 900_000_000_000)).await;
    let intent = of("old", 2_000_000_000_000);
    there.begin_request(intent_of(&intent), no_limits()).await.unwrap();
    finish(&*there, &intent).await;
    finish(&*there, &of("new", 4_000_000_000_000)).await;
    let befores: Vec<f64> = outcomes(&*here, kept.id).await.iter().map(|outcome| outcome.before).collect();
    assert!((befores[0] - 0.2).abs() < 1e-12, "{befores:?}");
    assert_eq!(befores[1..], [befores[0], 0.0]);
    let arms = statistics(&*here, kept.id).await;
    assert_eq!((arms[0].units, arms[1].units, arms[1].requests), (0, 2, 3));
    let sums = arms[1].of(Metric::CostUsd);
    assert_eq!((sums.units, sums.outcomes, sums.total, sums.total_squared), (2.0, 3.0, 7.0, 25.0));
    assert_eq!((sums.outcomes_squared, sums.outcomes_times_total), (5.0, 10.0));
}

/// Has requests of both units come to both arms in many ways, and in any order.
async fn play(handles: [&dyn Store; 2], experiments: &[Kept; 2], random: &mut fastrand::Rng) {
    let mut done: Vec<RequestRecord> = Vec::new();
    for step in 0..150_u8 {
        let store = handles[random.usize(0..2)];
        if random.f64() < 0.4 || done.is_empty() {
            let session = random.u32(0..7);
            let named = format!("session {session}");
            let mut exposures = vec![exposed(&experiments[0], random.u32(0..2), None)];
            if random.bool() {
                exposures.push(exposed(&experiments[1], session % 2, Some(&named)));
            }
            let request = RequestRecord {
                exposures,
                session: Some(named),
                created_at: later(random.i64(-20..20)),
                status: if random.f64() < 0.2 { RequestStatus::Failed } else { RequestStatus::Completed },
                latency_ms: random.u64(0..9_000),
                ..record(random.i64(0..3) * random.i64(0..5_000_000_000))
            };
            let is_priced = random.f64() < 0.8;
            let request = RequestRecord { cost: request.cost.filter(|_| is_priced), ..request };
            store.begin_request(intent_of(&request), no_limits()).await.unwrap();
            done.push(request);
            continue;
        }
        let request = &done[random.usize(0..done.len())];
        match random.u32(0..3) {
            0 => rate(store, request.id, random.f64(), later(i64::from(step))).await,
            // The second time it changes nothing.
            _ => finish(store, request).await,
        }
    }
}

#[tokio::test]
async fn statistics_and_timeline_are_what_the_outcomes_come_to() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let early =
        RequestRecord { session: Some("session 3".into()), created_at: later(-9), ..record(7_000_000) };
    finish(&*here, &early).await;
    let experiments =
        [started(&*here, AssignmentUnit::Request).await, started(&*there, AssignmentUnit::Session).await];
    play([&*here, &*there], &experiments, &mut fastrand::Rng::with_seed(7)).await;
    for kept in &experiments {
        let outcomes = outcomes(&*here, kept.id).await;
        assert!(outcomes.len() > 20, "{}", outcomes.len());
        let (found, expected) = (statistics(&*there, kept.id).await, observed(&outcomes));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let counts = |arm: &Observed| (arm.units, arm.requests, arm.spend);
            assert_eq!(counts(found), counts(expected));
        }
        for metric in Metric::VARIANTS {
            for (arm, (found, expected)) in found.iter().zip(&expected).enumerate() {
                alike(&found.of(*metric), &expected.of(*metric), &format!("{} {metric} {arm}", kept.name()));
            }
            let known: Vec<(&Outcome, f64, Timestamp)> = outcomes
                .iter()
                .filter_map(|outcome| outcome.metrics().get(metric).map(|(value, at)| (outcome, *value, *at)))
                .collect();
            let times = || known.iter().map(|(.., at)| *at);
            let (from, to) = (times().min().unwrap(), times().max().unwrap());
            for points in [1, 7, 1_000] {
                let mut timeline = Timeline::new(2, from, to, points);
                for (outcome, value, at) in &known {
                    let session = (outcome.unit != outcome.request_id.to_string()).then_some(&*outcome.unit);
                    timeline.add(Seen {
                        arm: outcome.arm as usize,
                        session,
                        before: outcome.before,
                        value: *value,
                        at: *at,
                    });
                }
                let moments = there.experiment_timeline(kept.id, *metric, points).await.unwrap();
                assert_eq!(moments.len(), points);
                for (place, (moment, expected)) in moments.iter().zip(timeline.moments()).enumerate() {
                    assert_eq!(moment.at, expected.at, "{metric} {place}");
                    for (sums, expected) in moment.arms.iter().zip(&expected.arms) {
                        alike(sums, expected, &format!("{} {metric} {place}", kept.name()));
                    }
                }
                let last = moments.last().unwrap();
                for (sums, arm) in last.arms.iter().zip(&found) {
                    alike(sums, &arm.of(*metric), "the last moment knows all");
                }
            }
        }
    }
}

#[tokio::test]
async fn outcomes_are_listed_page_by_page() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let kept = started(&*here, AssignmentUnit::Request).await;
    let mut ids = Vec::new();
    for place in [0, 1, 0, 1, 0] {
        let done = in_arm(exposed(&kept, place, None), 1);
        ids.push(done.id);
        finish(&*here, &done).await;
    }
    let page = async |after, limit| {
        let page = there.experiment_outcomes(kept.id, after, limit).await.unwrap();
        page.iter().map(|outcome| outcome.request_id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, ids[..2]);
    assert_eq!(page(Some(ids[1]), 2).await, ids[2..4]);
    assert_eq!(page(Some(ids[3]), 2).await, ids[4..]);
    assert_eq!(page(Some(ids[4]), 2).await, []);
    assert_eq!(page(None, 0).await, []);
}

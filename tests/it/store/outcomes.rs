//! Part of the suite over the trait `Store`: what routing may learn from, and what it finds.

use ai_cost_optimizer::domain::answer::{Attempt, AttemptOutcome, FinishReason};
use ai_cost_optimizer::domain::ids::RequestId;
use ai_cost_optimizer::domain::model::{ModelRef, ProviderId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::outcome::{KeptRouting, Outcome, OutcomeQuery, OutcomeSource};
use ai_cost_optimizer::domain::rating::{Rating, Score, Verdict};
use ai_cost_optimizer::domain::record::RequestRecord;
use ai_cost_optimizer::store::Store;
use jiff::civil::{Date, date};

use super::stores;
use crate::store::Stores;
use crate::store::samples::{at_angle, entry, hit, later, model, now, record};

fn attempt(reference: ModelRef, outcome: AttemptOutcome) -> Attempt {
    Attempt { reference, outcome, cost: Some(Usd::ZERO), cost_estimated: false, latency_ms: 1 }
}

/// A request that the model of the samples answered.
fn answered() -> RequestRecord {
    RequestRecord { attempts: vec![attempt(model(), AttemptOutcome::Answered)], ..record(1) }
}

async fn write(store: &dyn Store, request: &RequestRecord, radians: f32) {
    store.record_embedded(request.clone(), None, Some(at_angle(radians))).await.unwrap();
}

async fn rate(store: &dyn Store, request_id: RequestId, verdict: Verdict) {
    let rating = Rating { request_id, score: Score::from(verdict), verdict: Some(verdict), comment: None };
    store.rate_response(rating, now()).await.unwrap();
}

async fn outcomes(store: &dyn Store, radians: f32) -> Vec<Outcome> {
    let query = OutcomeQuery { embedding: at_angle(radians), limit: 200, now: later(86_400) };
    store.nearest_outcomes(query).await.unwrap()
}

/// What is found, as model, score and source.
async fn found(store: &dyn Store) -> Vec<(String, f64, OutcomeSource)> {
    let outcomes = outcomes(store, 0.0).await.into_iter();
    outcomes.map(|outcome| (outcome.reference.model, outcome.score.get(), outcome.source)).collect()
}

#[tokio::test]
async fn a_rating_is_an_outcome_of_the_model_that_answered() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let (near, far, unrated) = (answered(), answered(), answered());
    for (request, radians) in [(&far, 0.5), (&near, 0.1), (&unrated, 0.0)] {
        write(&*here, request, radians).await;
    }
    assert!(!there.has_outcomes().await.unwrap());
    assert!(outcomes(&*there, 0.0).await.is_empty(), "nobody has rated yet");
    rate(&*here, far.id, Verdict::Bad).await;
    rate(&*here, near.id, Verdict::Good).await;
    for store in [&here, &there] {
        assert!(store.has_outcomes().await.unwrap());
        let found = outcomes(&**store, 0.0).await;
        let scores: Vec<f64> = found.iter().map(|outcome| outcome.score.get()).collect();
        assert_eq!(scores, [1.0, 0.0], "nearest first");
        assert!((found[0].similarity - 0.1_f32.cos()).abs() < 1e-6, "{found:?}");
        assert_eq!((&found[0].reference, found[0].age_seconds), (&model(), 86_400));
        assert_eq!(found[0].source, OutcomeSource::Rating);
    }
    rate(&*there, near.id, Verdict::Bad).await;
    assert_eq!(outcomes(&*here, 0.0).await[0].score.get(), 0.0, "the last rating counts");
    let one = OutcomeQuery { embedding: at_angle(0.0), limit: 1, now: now() };
    assert_eq!(here.nearest_outcomes(one).await.unwrap().len(), 1);
}

#[tokio::test]
async fn how_a_call_ended_is_an_outcome_where_it_is_the_models_doing() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let gone = ModelRef { provider: ProviderId::Gemini, model: "gone".into() };
    let mut request = answered();
    request.finish_reason = Some(FinishReason::Refusal);
    request.attempts.insert(0, attempt(gone, AttemptOutcome::ModelNotFound));
    for outcome in [AttemptOutcome::Timeout, AttemptOutcome::Overloaded, AttemptOutcome::ProviderError] {
        let elsewhere = ModelRef { provider: ProviderId::Cerebras, model: outcome.to_string() };
        request.attempts.insert(0, attempt(elsewhere, outcome));
    }
    write(&*here, &request, 0.0).await;
    let automatic = OutcomeSource::Automatic;
    let billed = model().model;
    let mut seen = found(&*there).await;
    seen.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(seen, [(billed.clone(), 0.1, automatic), ("gone".to_owned(), 0.0, automatic)]);
    rate(&*here, request.id, Verdict::Good).await;
    let mut seen = found(&*there).await;
    seen.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(seen[0], (billed, 1.0, OutcomeSource::Rating), "a rating replaces what was concluded");
    // Written again, as after a lost reply: the rating stays.
    write(&*here, &request, 0.0).await;
    assert_eq!(found(&*there).await.len(), 2);
}

#[tokio::test]
async fn a_cached_answer_counts_for_the_model_that_gave_it_but_the_caches_faults_do_not() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let bought_by = answered();
    let kept = entry(1, 1, &bought_by);
    let served = hit(&kept);
    here.record_request(bought_by.clone(), Some(kept)).await.unwrap();
    here.record_request(served.clone(), None).await.unwrap();
    for verdict in [Verdict::Wrong, Verdict::Stale] {
        rate(&*here, served.id, verdict).await;
        assert!(found(&*there).await.is_empty(), "{verdict}");
    }
    rate(&*here, served.id, Verdict::Good).await;
    assert_eq!(found(&*there).await, [(model().model, 1.0, OutcomeSource::Rating)]);
    rate(&*here, served.id, Verdict::Wrong).await;
    assert!(found(&*there).await.is_empty(), "the rating was taken back");
    assert!(!here.has_outcomes().await.unwrap());
    rate(&*here, bought_by.id, Verdict::Bad).await;
    assert_eq!(found(&*there).await, [(model().model, 0.0, OutcomeSource::Rating)]);
}

#[tokio::test]
async fn outcomes_without_an_embedding_or_of_another_embedder_are_not_found() {
    let Some(Stores { here, _folder, .. }) = stores().await else { return };
    let (bare, other) = (answered(), answered());
    here.record_embedded(bare.clone(), None, None).await.unwrap();
    let mut embedding = at_angle(0.0);
    embedding.fingerprint = "another".into();
    here.record_embedded(other.clone(), None, Some(embedding)).await.unwrap();
    rate(&*here, bare.id, Verdict::Good).await;
    assert!(!here.has_outcomes().await.unwrap());
    rate(&*here, other.id, Verdict::Good).await;
    assert!(here.has_outcomes().await.unwrap());
    assert!(found(&*here).await.is_empty());
}

#[tokio::test]
async fn what_is_learned_is_kept_once_and_by_one_at_a_time() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let state = async |fingerprint: &str, session: Option<&str>| {
        there.routing_state(fingerprint.into(), session.map(Into::into)).await.unwrap()
    };
    assert_eq!(state("f", Some("s")).await, KeptRouting::default());
    let asked = |number: u8| RequestRecord {
        session: Some("s".into()),
        forecast: Some(format!("forecast {number}")),
        ..answered()
    };
    let requests = [asked(1), asked(2), asked(3)];
    for request in &requests {
        write(&*here, request, 0.1).await;
    }
    let [first, second, third] = requests.each_ref().map(|request| request.id);
    let forecast = async |id| there.find_request(id).await.unwrap().and_then(|(record, _)| record.forecast);
    assert_eq!(forecast(first).await.as_deref(), Some("forecast 1"));
    let save = async |store: &dyn Store, bytes: &[u8], revision, id| {
        store.save_routing_state("f".into(), bytes.to_vec(), revision, id).await.unwrap()
    };
    assert!(save(&*here, &[0, 255], 0, first).await);
    assert_eq!(forecast(first).await, None);
    let kept = |bytes: &[u8], revision| KeptRouting { state: Some(bytes.to_vec()), revision, of_session: 0 };
    assert_eq!(state("f", None).await, kept(&[0, 255], 1));
    assert_eq!(state("another", None).await, KeptRouting::default());
    // Somebody who has not seen it begins again; what was learned from counts no second time.
    assert!(!save(&*there, &[9], 0, second).await);
    assert_eq!(forecast(second).await.as_deref(), Some("forecast 2"));
    assert!(save(&*there, &[9], 1, first).await);
    assert_eq!(state("f", None).await, kept(&[0, 255], 1));
    assert!(save(&*there, &[2], 1, second).await);
    assert!(!save(&*here, &[3], 1, third).await);
    assert!(save(&*here, &[3], 2, third).await);
    assert_eq!(state("f", None).await, kept(&[3], 3));
    rate(&*here, first, Verdict::Good).await;
    rate(&*here, second, Verdict::Bad).await;
    assert_eq!(state("f", Some("s")).await.of_session, 2);
    assert_eq!(state("f", Some("another")).await.of_session, 0);
    let sessions: Vec<Option<String>> =
        outcomes(&*here, 0.0).await.into_iter().map(|outcome| outcome.session).collect();
    assert_eq!(sessions, [Some("s".to_owned()), Some("s".to_owned())]);
}

#[tokio::test]
async fn a_models_days_are_summed_and_no_session_counts_for_more_than_20() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let (day, next) = (date(2026, 11, 23), date(2026, 11, 24));
    let days = async |from: Date| {
        let days = there.model_performance(from).await.unwrap();
        let told = days.into_iter().map(|day| (day.day, day.outcomes, day.score_sum));
        told.collect::<Vec<_>>()
    };
    let note = async |day| here.note_model_performance(model(), day).await.unwrap();
    note(day).await;
    assert_eq!(days(day).await, [], "nothing is known");
    let (good, bad) = (answered(), answered());
    let tomorrow = RequestRecord { created_at: later(86_400), ..answered() };
    for (request, verdict) in [
        (&good, Verdict::Good),
        (&bad, Verdict::Bad),
        (&tomorrow, Verdict::Good),
        (&answered(), Verdict::Bad),
    ] {
        write(&*here, request, 0.1).await;
        rate(&*here, request.id, verdict).await;
    }
    note(day).await;
    note(next).await;
    assert_eq!(days(day).await, [(day, 3, 1.0), (next, 1, 1.0)]);
    assert_eq!(days(next).await, [(next, 1, 1.0)]);
    rate(&*there, bad.id, Verdict::Good).await;
    for _ in 0..25 {
        let request = RequestRecord { session: Some("angry".into()), ..answered() };
        write(&*here, &request, 0.1).await;
        rate(&*here, request.id, Verdict::Bad).await;
    }
    note(day).await;
    assert_eq!(days(day).await, [(day, 23, 2.0), (next, 1, 1.0)]);
    let long_after = date(2028, 1, 1);
    let late = RequestRecord { created_at: "2028-01-01T00:00:00Z".parse().unwrap(), ..answered() };
    write(&*here, &late, 0.1).await;
    rate(&*here, late.id, Verdict::Good).await;
    note(long_after).await;
    assert_eq!(days(day).await, [(long_after, 1, 1.0)], "days of more than 400 days before are dropped");
}

#[tokio::test]
async fn a_forecast_is_replaced_until_it_was_learned_from() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let (asked, bare) = (RequestRecord { forecast: Some("before".into()), ..answered() }, answered());
    write(&*here, &asked, 0.1).await;
    write(&*here, &bare, 0.1).await;
    let forecast = async |id| there.find_request(id).await.unwrap().and_then(|(record, _)| record.forecast);
    for id in [asked.id, bare.id, RequestId::new()] {
        here.keep_forecast(id, "after".into()).await.unwrap();
    }
    assert_eq!((forecast(asked.id).await.as_deref(), forecast(bare.id).await), (Some("after"), None));
    assert!(here.save_routing_state("f".into(), vec![1], 0, asked.id).await.unwrap());
    here.keep_forecast(asked.id, "again".into()).await.unwrap();
    assert_eq!(forecast(asked.id).await, None);
}

//! Part of the suite over the trait `Store`: what past requests were like, for an experiment to be planned by.

use ai_cost_optimizer::domain::answer::Source;
use ai_cost_optimizer::domain::decision::{Complexity, ComplexityTier, Quality};
use ai_cost_optimizer::domain::rating::{Rating, Score};
use ai_cost_optimizer::domain::record::{RequestRecord, RequestStatus};
use ai_cost_optimizer::experiments::definition::{AssignmentUnit, Eligibility, Metric};
use ai_cost_optimizer::experiments::planning::{Past, PastQuery};
use serde_json::{Value, json};

use super::stores;
use crate::store::Stores;
use crate::store::samples::{later, no_limits, record};

#[tokio::test]
async fn past_requests_that_would_have_taken_part_are_summed_up() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let at = |seconds: i64, pico: i64, session: Option<&str>| RequestRecord {
        created_at: later(seconds),
        session: session.map(Into::into),
        ..record(pico * 1_000_000_000_000)
    };
    let tier = |tier| Some(Complexity { score: 0.5, tier });
    let rated = RequestRecord { tags: vec!["a".into(), "b".into()], ..at(1, 1, Some("s")) };
    for done in [
        &rated,
        &RequestRecord { quality: Quality::Best, ..at(2, 2, Some("s")) },
        &RequestRecord {
            tags: vec!["c".into()],
            complexity: tier(ComplexityTier::Complex),
            ..at(3, 4, None)
        },
        &RequestRecord { status: RequestStatus::Failed, ..at(4, 8, Some("t")) },
        &RequestRecord { source: Some(Source::Exploration), ..at(5, 16, Some("s")) },
        &at(-100, 32, Some("s")),
    ] {
        here.record_request(done.clone(), None).await.unwrap();
    }
    let intent = RequestRecord { status: RequestStatus::Intent, ..at(6, 64, None) };
    here.begin_request(intent, no_limits()).await.unwrap();
    let score = Score::new(0.5).unwrap();
    let rating = Rating { request_id: rated.id, score, verdict: None, comment: None };
    here.rate_response(rating, later(50)).await.unwrap();
    let of = async |unit, eligibility: Value, limit| -> Past {
        let eligibility: Eligibility = serde_json::from_value(eligibility).unwrap();
        there.past_outcomes(PastQuery { unit, eligibility, since: later(0), limit }).await.unwrap()
    };
    let (request, session) = (AssignmentUnit::Request, AssignmentUnit::Session);
    let sums = |past: &Past, metric| {
        let sums = past.sums.get(&metric).copied().unwrap_or_default();
        (sums.units, sums.outcomes, sums.total, sums.total_squared)
    };
    let all = of(request, json!({}), 100).await;
    assert_eq!((all.requests, all.span), (4, Some((later(1), later(4)))));
    assert_eq!(sums(&all, Metric::CostUsd), (3.0, 3.0, 7.0, 21.0));
    assert_eq!(sums(&all, Metric::Success), (4.0, 4.0, 3.0, 3.0));
    assert_eq!(sums(&all, Metric::Rating), (1.0, 1.0, 0.5, 0.25));
    let sessions = of(session, json!({}), 100).await;
    assert_eq!((sessions.requests, sessions.span), (3, Some((later(1), later(4)))));
    assert_eq!(sums(&sessions, Metric::CostUsd), (1.0, 2.0, 3.0, 9.0));
    assert_eq!(sums(&sessions, Metric::Success), (2.0, 3.0, 2.0, 4.0));
    let newest = of(session, json!({}), 2).await;
    assert_eq!(
        (newest.requests, newest.span),
        (1, Some((later(4), later(4)))),
        "one of the two has no session"
    );
    for (eligibility, cost) in [
        (json!({ "tags": ["b", "c"] }), 5.0),
        (json!({ "quality": "best" }), 2.0),
        (json!({ "tier": "complex" }), 4.0),
        (json!({ "tags": ["a"], "quality": "balanced" }), 1.0),
        (json!({ "tags": ["a"], "tier": "simple" }), 0.0),
    ] {
        let past = of(request, eligibility.clone(), 100).await;
        assert_eq!(sums(&past, Metric::CostUsd).2, cost, "{eligibility}");
    }
    let none = of(request, json!({ "tags": ["none"] }), 100).await;
    assert_eq!(none, Past::default());
    assert_eq!(of(session, json!({}), 0).await, Past::default());
}

//! What a Supabase project says: the rows of PostgREST, its errors, and the messages of Realtime.

use std::fmt::Debug;
use std::time::Duration;

use ai_cost_optimizer::auth::{Auth, Project};
use ai_cost_optimizer::domain::embedding::{DIMENSIONS, Embedding};
use ai_cost_optimizer::domain::evidence::EvidenceKey;
use ai_cost_optimizer::domain::ids::{ExperimentId, RequestId};
use ai_cost_optimizer::domain::outcome::OutcomeQuery;
use ai_cost_optimizer::domain::rating::{Rating, Score};
use ai_cost_optimizer::domain::record::{Forget, RequestRecord, ScopeHash, StoredEmbedding};
use ai_cost_optimizer::domain::report::{GroupBy, ReportQuery};
use ai_cost_optimizer::experiments::definition::Metric;
use ai_cost_optimizer::experiments::lifecycle::Which;
use ai_cost_optimizer::store::supabase::outbox::Outbox;
use ai_cost_optimizer::store::supabase::{SupabaseStore, realtime_says};
use ai_cost_optimizer::store::{Ask, ExactQuery, ForgetMode, NearestQuery, RequestsQuery, Store, StoreError};
use jiff::Timestamp;
use serde_json::Value;

use super::wire::{Answer, Wire};

const MOST_ERROR_BYTES: usize = 300;
/// A user's token, signed by a secret that is not here.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMDAwMDAwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDEiLCJyb2xlIjoiYXV0aGVudGljYXRlZCIsImF1ZCI6ImF1dGhlbnRpY2F0ZWQifQ.c2ln";

/// The first byte, from `a` on, says what is asked for; three digits of a status follow, and the body.
pub(super) fn project(bytes: &[u8]) {
    let Some((method, rest)) = bytes.split_first() else { return };
    let Some((status, body)) = rest.split_at_checked(3) else { return };
    let status = super::text(status).and_then(|status| status.parse().ok());
    let Some(status) = status.filter(|status| (200..=599).contains(status)) else { return };
    Wire::with(|wire| {
        wire.answer(&Answer { status, ..Answer::json(body) });
        let result = wire.runtime.block_on(ask(wire, *method));
        if let Some(Err(error)) = result {
            let words = error.to_string();
            assert!(words.len() <= MOST_ERROR_BYTES, "an error repeats what came: {words}");
            let answered = !words.contains("no answer within") && !words.contains("not reachable");
            assert!(answered && !words.contains("did not answer"), "{words}");
        }
    });
}

fn store(wire: &Wire) -> SupabaseStore {
    let url = "http://project.test".parse().expect("it is a URL");
    let project = Project::new(url, "sb_publishable_x".into()).expect("it is a project");
    let folder = wire.folder.path().to_owned();
    let auth = Auth::new(wire.client.clone(), &project, Some(TOKEN.into()), folder.clone());
    let outbox = Outbox::new(folder.join("outbox.sqlite3"));
    SupabaseStore::new(wire.client.clone(), wire.client.clone(), project, auth, outbox)
}

fn embedding() -> StoredEmbedding {
    let mut numbers = vec![0.0; DIMENSIONS];
    numbers[0] = 1.0;
    StoredEmbedding {
        fingerprint: "fuzz".to_owned(),
        embedding: Embedding::new(numbers).expect("it has length 1"),
    }
}

/// Asks for something; `None` where the byte names nothing.
async fn ask(wire: &Wire, method: u8) -> Option<Result<(), StoreError>> {
    let (store, now, scope) = (store(wire), Timestamp::UNIX_EPOCH, ScopeHash([0; 32]));
    let id: RequestId = "019a0000-0000-7000-8000-000000000001".parse().expect("it is an id");
    let experiment: ExperimentId = "019a0000-0000-7000-8000-000000000002".parse().expect("it is an id");
    let prompt_sha256 = [0; 32];
    let far = Timestamp::from_second(4_000_000_000).expect("it is a time");
    Some(match method {
        b'a' => said(store.find_exact(ExactQuery { scope, prompt_sha256, normal_sha256: None, now }).await),
        b'b' => {
            let query = NearestQuery { scope, embedding: embedding(), prompt_sha256, limit: 5, now };
            store.match_cache_entries(query).await.map(|neighbours| {
                let is_cosine = |similarity: f32| (-1.0..=1.0).contains(&similarity);
                assert!(neighbours.iter().all(|neighbour| is_cosine(neighbour.similarity)), "{neighbours:?}");
            })
        }
        b'c' => match store.find_request(id).await {
            Ok(Some((record, _))) => {
                comes_back(wire, &store, record).await;
                Ok(())
            }
            other => said(other),
        },
        b'd' => {
            let score = Score::new(1.0).expect("it is a score");
            said(
                store
                    .rate_response(Rating { request_id: id, score, verdict: None, comment: None }, now)
                    .await,
            )
        }
        b'e' => said(store.forget_cache(Forget::All, ForgetMode::Count).await),
        b'f' => {
            let query = OutcomeQuery { embedding: embedding(), limit: 5, now };
            store.nearest_outcomes(query).await.map(|outcomes| {
                let is_sane =
                    |score: f64, cosine: f32| (0.0..=1.0).contains(&score) && (-1.0..=1.0).contains(&cosine);
                assert!(
                    outcomes.iter().all(|each| is_sane(each.score.get(), each.similarity)),
                    "{outcomes:?}"
                );
            })
        }
        b'g' => said(store.routing_state("fuzz".to_owned(), None).await),
        b'h' => said(store.model_performance(jiff::civil::date(2026, 1, 1)).await),
        b'i' => {
            let key = EvidenceKey { scope, fingerprint: "fuzz".to_owned() };
            said(store.cache_evidence(key).await)
        }
        b'j' => said(store.experiments(Which::All).await),
        b'k' => said(store.experiment_statistics(experiment).await),
        b'l' => said(store.experiment_timeline(experiment, Metric::CostUsd, 10).await),
        b'm' => said(store.experiment_outcomes(experiment, None, 10).await),
        b'n' => said(store.budgets(Vec::new(), far).await),
        b'o' => {
            let query = ReportQuery { from: now, to: far, group_by: Some(GroupBy::Model) };
            said(store.cost_report(query).await)
        }
        b'p' => said(store.daily_spend(now, far).await),
        b'q' => said(store.requests(RequestsQuery { from: now, to: far, after: None, limit: 10 }).await),
        b'r' => said(store.cache_stats(now).await),
        b's' => said(store.revision().await),
        _ => return None,
    })
}

/// Has a value worded, as a log would.
fn said<T: Debug>(result: Result<T, StoreError>) -> Result<(), StoreError> {
    result.map(|value| drop(format!("{value:?}")))
}

/// A request that the project gave is written as it was read, and read again the same.
async fn comes_back(wire: &Wire, store: &SupabaseStore, record: RequestRecord) {
    wire.answer(&Answer::json(b"null"));
    store.record_request(record.clone(), None).await.expect("the project takes it");
    let sent: Value = serde_json::from_slice(&wire.asked()).expect("a call is JSON");
    let row = sent["request"].to_string();
    wire.answer(&Answer::json(row.as_bytes()));
    let again = store.find_request(record.id).await.expect("what we write we read").expect("it is there").0;
    // A text cannot hold a NUL there.
    assert_eq!(format!("{again:?}"), format!("{record:?}").replace("\\0", "\u{fffd}"));
    // It begins as any does: the intent has the same row.
    let ask = Ask {
        limits: Vec::new(),
        must_hold: false,
        owner: "fuzz".into(),
        now: record.created_at,
        lease: Duration::from_secs(60),
    };
    wire.answer(&Answer::json(b"null"));
    let _ = store.begin_request(record, ask).await;
}

/// A message of Realtime: what it says is read again the same, and a refusal is told by its first word.
pub(super) fn realtime(bytes: &[u8]) {
    let Some(text) = super::text(bytes) else { return };
    let Some((written, meaning)) = realtime_says(text) else { return };
    let again = realtime_says(&written).expect("what we write we read");
    assert_eq!((&written, &meaning), (&again.0, &again.1));
    assert!(meaning.len() <= 64, "a log repeats what came: {meaning}");
}

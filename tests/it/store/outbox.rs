//! The outbox: records wait while the project does not answer, and nothing is sent twice or under another's token.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ai_cost_optimizer::auth::{Auth, Project};
use ai_cost_optimizer::domain::record::{RequestRecord, RequestStatus};
use ai_cost_optimizer::providers::http;
use ai_cost_optimizer::store::supabase::SupabaseStore;
use ai_cost_optimizer::store::supabase::outbox::Outbox;
use ai_cost_optimizer::store::{Recorded, Store, StoreError};
use serde_json::{Value, json};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::samples::{no_limits, record};
use super::tokens::{ALICE, BOB};

fn store(server: &MockServer, token: &str, folder: &Path) -> Arc<SupabaseStore> {
    let client = http::client().unwrap();
    let project = Project::new(server.uri().parse().unwrap(), "sb_publishable_x".into()).unwrap();
    let auth = Auth::new(client.clone(), &project, Some(token.into()), folder.to_owned());
    Arc::new(SupabaseStore::new(
        client,
        http::socket_client().unwrap(),
        project,
        auth,
        Outbox::new(folder.join("outbox.sqlite3")),
    ))
}

async fn answer(server: &MockServer, status: u16, body: Value) {
    server.reset().await;
    let response = ResponseTemplate::new(status).set_body_json(body);
    Mock::given(any()).respond_with(response).mount(server).await;
}

async fn sent(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

fn error(code: &str) -> Value {
    json!({ "code": code, "message": "canary", "details": null, "hint": null })
}

fn intent(record: &RequestRecord) -> RequestRecord {
    RequestRecord { status: RequestStatus::Intent, cost: None, ..record.clone() }
}

#[tokio::test]
async fn what_the_project_does_not_take_now_waits_and_is_delivered_once() {
    let (server, folder) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let here = store(&server, ALICE, folder.path());
    let paid = record(500);
    answer(&server, 503, error("PGRST000")).await;
    let begun = here.begin_request(intent(&paid), no_limits()).await.unwrap().recorded;
    assert!(matches!(&begun, Recorded::Later { problem } if problem == "PGRST000"), "{begun:?}");
    assert!(matches!(here.record_request(paid.clone(), None).await.unwrap(), Recorded::Later { .. }));
    assert_eq!(here.outbox().count().await.unwrap(), 2);
    assert!(matches!(here.deliver().await.unwrap_err(), StoreError::Unavailable { .. }));
    assert_eq!(here.outbox().count().await.unwrap(), 2, "nothing is lost by trying");

    // Another process, after a restart.
    drop(here);
    let restarted = store(&server, ALICE, folder.path());
    answer(&server, 200, json!(true)).await;
    assert_eq!(restarted.deliver().await.unwrap(), 2);
    assert!(restarted.outbox().is_empty().await.unwrap());
    assert_eq!(restarted.deliver().await.unwrap(), 0);
    let delivered = sent(&server).await;
    let statuses: Vec<Value> = delivered
        .iter()
        .map(|request| request.body_json::<Value>().unwrap()["request"]["status"].clone())
        .collect();
    assert_eq!(statuses.len(), 2);
    assert!(statuses.contains(&json!("intent")) && statuses.contains(&json!("completed")), "{statuses:?}");
    for request in delivered {
        assert_eq!(request.headers["apikey"], "sb_publishable_x");
        assert_eq!(request.headers["authorization"], format!("Bearer {ALICE}"));
        assert_eq!(request.body_json::<Value>().unwrap()["request"]["id"], paid.id.to_string());
    }
}

#[tokio::test]
async fn a_letter_is_sent_under_its_own_users_token_only() {
    let (server, folder) = (MockServer::start().await, tempfile::tempdir().unwrap());
    answer(&server, 503, json!({})).await;
    store(&server, ALICE, folder.path()).record_request(record(1), None).await.unwrap();
    answer(&server, 200, json!(true)).await;
    let bob = store(&server, BOB, folder.path());
    assert_eq!(bob.deliver().await.unwrap(), 0);
    assert_eq!(bob.outbox().count().await.unwrap(), 1, "it waits for Alice");
    assert!(sent(&server).await.is_empty());
    assert_eq!(store(&server, ALICE, folder.path()).deliver().await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_refused_for_good_is_put_aside_and_holds_up_nothing() {
    let (server, folder) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let here = store(&server, ALICE, folder.path());
    answer(&server, 503, json!({})).await;
    for pico in [1, 2] {
        here.record_request(record(pico), None).await.unwrap();
    }
    server.reset().await;
    let refusal = ResponseTemplate::new(401).set_body_json(error("42501"));
    Mock::given(any()).respond_with(refusal).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(true)).mount(&server).await;
    assert_eq!(here.deliver().await.unwrap(), 2);
    assert!(here.outbox().is_empty().await.unwrap());
    let dead = here.outbox().dead_letters().await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].function.as_str(), dead[0].code.as_str()), ("record_request", "42501"));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_begun_and_what_was_paid_is_kept() {
    let (server, folder) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let here = store(&server, ALICE, folder.path());
    for (status, code, words) in [
        (404, "PGRST202", "migrat"),
        (400, "22023", "refused it (22023)"),
        (401, "PGRST303", "SUPABASE_ACCESS_TOKEN"),
    ] {
        answer(&server, status, error(code)).await;
        let problem = here.begin_request(intent(&record(1)), no_limits()).await.unwrap_err().to_string();
        assert!(problem.contains(words) && !problem.contains("canary"), "{code}: {problem}");
        // Nothing is asked again and again: a token from the environment cannot be renewed.
        assert_eq!(sent(&server).await.len(), 1, "{code}");
        assert_eq!(here.outbox().count().await.unwrap(), 0, "{code}");
        let recorded = here.record_request(record(1), None).await.unwrap();
        if code == "22023" {
            assert_eq!(recorded, Recorded::Aside { code: code.to_owned() });
            assert_eq!(here.outbox().dead_letters().await.unwrap()[0].code, code);
        } else {
            assert!(
                matches!(&recorded, Recorded::Later { problem } if problem.contains(words)),
                "{recorded:?}"
            );
            answer(&server, 200, json!(true)).await;
            assert_eq!(here.deliver().await.unwrap(), 1, "{code}");
        }
    }
    assert_eq!(here.outbox().count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_project_that_is_slow_holds_a_request_up_for_two_seconds_at_the_most() {
    let (server, folder) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let slow = ResponseTemplate::new(200).set_body_json(true).set_delay(Duration::from_secs(20));
    Mock::given(path("/rest/v1/rpc/record_request")).respond_with(slow).mount(&server).await;
    let here = store(&server, ALICE, folder.path());
    let started = std::time::Instant::now();
    assert!(matches!(here.record_request(record(1), None).await.unwrap(), Recorded::Later { .. }));
    // Once: those that come next do not wait for it.
    for pico in [2, 3] {
        assert!(matches!(here.record_request(record(pico), None).await.unwrap(), Recorded::Later { .. }));
    }
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(sent(&server).await.len(), 1);
    assert_eq!(here.outbox().count().await.unwrap(), 3);
    // Whoever wants just that finds out when it is back.
    answer(&server, 200, json!(true)).await;
    assert_eq!(here.deliver().await.unwrap(), 3);
    assert_eq!(here.record_request(record(4), None).await.unwrap(), Recorded::Now);
}

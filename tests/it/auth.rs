//! The session of a Supabase user: renewed once by whoever comes first, and over when the server says so.

use std::path::Path;
use std::time::Duration;

use ai_cost_optimizer::auth::{Auth, AuthError, Project};
use ai_cost_optimizer::providers::http;
use futures::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::store::tokens::{ALICE, BOB};

/// The users of the two tokens.
const USERS: [&str; 2] = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];

/// Opens the session as one process does.
fn process(server: &MockServer, folder: &Path) -> Auth {
    let project = Project::new(server.uri().parse().unwrap(), "sb_publishable_x".into()).unwrap();
    Auth::new(http::client().unwrap(), &project, None, folder.to_owned())
}

/// Answers a grant with a session of so many seconds.
async fn grants(server: &MockServer, kind: &str, seconds: u32, refresh_token: &str) {
    grants_to(server, ALICE, kind, seconds, refresh_token).await;
}

async fn grants_to(server: &MockServer, token: &str, kind: &str, seconds: u32, refresh_token: &str) {
    let session = json!({
        "access_token": token, "token_type": "bearer", "expires_in": seconds, "refresh_token": refresh_token,
        "user": { "id": if token == ALICE { USERS[0] } else { USERS[1] }, "email": "somebody@example.com" },
    });
    let response = ResponseTemplate::new(200).set_body_json(session).set_delay(Duration::from_millis(150));
    let grant = Mock::given(method("POST")).and(path("/auth/v1/token")).and(query_param("grant_type", kind));
    grant.respond_with(response).mount(server).await;
}

async fn refuses(server: &MockServer, status: u16, body: Value) {
    server.reset().await;
    let response = ResponseTemplate::new(status).set_body_json(body);
    Mock::given(path("/auth/v1/token")).respond_with(response).mount(server).await;
}

/// Lists the refresh tokens that were used, in order.
async fn used(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.unwrap();
    let renewals = requests.iter().filter(|request| request.url.query() == Some("grant_type=refresh_token"));
    let token = |request: &wiremock::Request| request.body_json::<Value>().unwrap()["refresh_token"].clone();
    renewals.map(|request| token(request).as_str().unwrap().to_owned()).collect()
}

async fn signed_in(server: &MockServer, folder: &Path, seconds: u32) -> Auth {
    grants(server, "password", seconds, "first").await;
    let auth = process(server, folder);
    auth.sign_in("alice@example.com", &SecretString::from("secret")).await.unwrap();
    auth
}

#[tokio::test]
async fn a_session_that_is_about_to_expire_is_renewed_once_by_all_tasks_and_processes() {
    let (server, folder) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let here = signed_in(&server, folder.path(), 60).await;
    let there = process(&server, folder.path());
    grants(&server, "refresh_token", 3_600, "second").await;
    let tokens =
        join_all((0..20).map(|number| if number % 2 == 0 { here.token() } else { there.token() })).await;
    assert!(tokens.into_iter().all(|token| token.unwrap().bearer.expose_secret() == ALICE));
    assert_eq!(used(&server).await, ["first"]);
    // A third process finds what was saved, and asks nobody.
    process(&server, folder.path()).token().await.unwrap();
    assert_eq!(used(&server).await, ["first"]);
    here.sign_out().await.unwrap();
    assert!(matches!(process(&server, folder.path()).token().await, Err(AuthError::SignedOut)));
}

#[tokio::test]
async fn a_session_that_is_over_says_so_and_a_server_that_is_away_is_no_end() {
    let (server, folder) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let auth = signed_in(&server, folder.path(), 60).await;
    for (status, body, words) in [
        // Both forms of the server's errors.
        (400, json!({ "code": 400, "error_code": "refresh_token_already_used", "msg": "canary" }), "login"),
        (400, json!({ "code": "refresh_token_not_found", "message": "canary" }), "login"),
        (503, json!({}), "does not answer"),
        (401, json!({ "message": "Invalid API key" }), "SUPABASE_ANON_KEY"),
    ] {
        refuses(&server, status, body).await;
        let problem = auth.token().await.unwrap_err().to_string();
        assert!(problem.contains(words) && !problem.contains("canary"), "{problem}");
    }
    // It is still there when the server is back.
    server.reset().await;
    grants(&server, "refresh_token", 3_600, "second").await;
    auth.token().await.unwrap();
    assert_eq!(used(&server).await, ["first"]);
    auth.sign_out().await.unwrap();
}

#[tokio::test]
async fn a_server_does_not_go_on_as_somebody_else() {
    let (server, folder) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let alice = signed_in(&server, folder.path(), 60).await;
    // Bob signs in on the same machine.
    server.reset().await;
    grants_to(&server, BOB, "password", 3_600, "bobs").await;
    let bob = process(&server, folder.path());
    bob.sign_in("bob@example.com", &SecretString::from("secret")).await.unwrap();
    let problem = alice.token().await.map(drop).unwrap_err();
    assert!(matches!(problem, AuthError::OtherUser), "{problem}");
    assert!(used(&server).await.is_empty(), "nobody's session is renewed by it");
    assert_eq!(bob.token().await.unwrap().bearer.expose_secret(), BOB);
    bob.sign_out().await.unwrap();
}

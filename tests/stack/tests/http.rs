//! The stack as a client meets it: keys, tokens, faults, and what REST does with our functions.

use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use supabase_stack::gateway::{Fault, FaultKind};
use supabase_stack::keys::Signing;
use supabase_stack::stack::{Options, Stack};
use uuid::Uuid;

async fn stack(options: Options) -> Option<Stack> {
    let Some(distribution) = supabase_stack::distribution() else {
        eprintln!("SKIPPED: TEST_POSTGRES_DIR names no PostgreSQL");
        return None;
    };
    Some(Stack::start(&distribution, options).await.unwrap())
}

async fn call(stack: &Stack, token: &str, function: &str, arguments: &Value) -> (StatusCode, Value) {
    let request =
        Client::builder().no_proxy().build().unwrap().post(format!("{}/rest/v1/rpc/{function}", stack.url));
    let request = request.header("apikey", &stack.key).bearer_auth(token).json(arguments);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap_or_default())
}

async fn grant(stack: &Stack, kind: &str, body: &Value) -> (StatusCode, Value) {
    let url = format!("{}/auth/v1/token?grant_type={kind}", stack.url);
    let request =
        Client::builder().no_proxy().build().unwrap().post(url).header("apikey", &stack.key).json(body);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn tokens_of_either_kind_are_taken_until_they_expire() {
    for signing in [Signing::Es256, Signing::Hs256] {
        let Some(stack) = stack(Options { signing, ..Options::default() }).await else { return };
        let user = &stack.users[0];
        let body = json!({ "email": user.email, "password": user.password });
        let (status, session) = grant(&stack, "password", &body).await;
        assert_eq!(status, StatusCode::OK, "{session}");
        let token = session["access_token"].as_str().unwrap();
        let (_, version) = call(&stack, token, "schema_version", &json!({})).await;
        assert!(version.as_u64().unwrap() >= 5, "{version}");
        let expired = stack.auth.access_token(user, Uuid::new_v4(), -60);
        let (status, error) = call(&stack, &expired, "schema_version", &json!({})).await;
        assert_eq!((status, error["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("PGRST303")), "{error}");
        let published = stack.auth.keys.jwks().to_string();
        assert!(!published.contains("oct") && !published.contains("\"d\""), "{published}");
        let refresh = json!({ "refresh_token": session["refresh_token"] });
        assert_eq!(grant(&stack, "refresh_token", &refresh).await.0, StatusCode::OK);
        stack.auth.revoke_all();
        let (status, error) = grant(&stack, "refresh_token", &refresh).await;
        assert_eq!(
            (status, error["error_code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("refresh_token_not_found"))
        );
        let grants = stack.auth.grants();
        assert_eq!((grants.password, grants.refresh), (1, 2));
    }
}

#[tokio::test]
async fn a_project_that_was_not_migrated_has_no_version() {
    let Some(stack) = stack(Options { is_migrated: false, ..Options::default() }).await else { return };
    let token = stack.auth.access_token(&stack.users[0], Uuid::new_v4(), 60);
    let (status, error) = call(&stack, &token, "schema_version", &json!({})).await;
    assert_eq!((status, error["code"].as_str()), (StatusCode::NOT_FOUND, Some("PGRST202")), "{error}");
}

#[tokio::test]
async fn the_next_calls_fail_or_wait_as_told_and_those_after_do_not() {
    let Some(stack) = stack(Options::default()).await else { return };
    let token = stack.auth.access_token(&stack.users[0], Uuid::new_v4(), 60);
    let down = Fault {
        path: "/rest/v1".into(),
        times: 2,
        kind: FaultKind::Status(StatusCode::SERVICE_UNAVAILABLE),
        delay: Duration::ZERO,
    };
    stack.gateway.set_fault(down);
    for expected in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK] {
        assert_eq!(call(&stack, &token, "schema_version", &json!({})).await.0, expected);
    }
    let delay = Duration::from_millis(300);
    let slow = Fault { path: "/rest/v1".into(), times: 1, kind: FaultKind::Slow, delay };
    stack.gateway.set_fault(slow);
    let began = Instant::now();
    assert_eq!(call(&stack, &token, "schema_version", &json!({})).await.0, StatusCode::OK);
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn what_rest_cuts_off_a_report_does_not() {
    let Some(stack) = stack(Options::default()).await else { return };
    let user = &stack.users[0];
    let token = stack.auth.access_token(user, Uuid::new_v4(), 60);
    let mut session = stack.project.signed_in(user.id).await.unwrap();
    let rows =
        "insert into public.requests (id, created_at, status, prompt_sha256, quality, strategy, reason, tags)
        select gen_random_uuid(), now(), 'completed', sha256(''), 'best', 'hybrid', '', array['tag ' || n]
        from generate_series(1, 1500) n";
    session.rows(rows).await.unwrap();
    let url = format!("{}/rest/v1/requests?select=id", stack.url);
    let request = Client::builder().no_proxy().build().unwrap().get(url).header("apikey", &stack.key);
    let rows: Value = request.bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1_000);
    let (_, report) = call(&stack, &token, "cost_report", &json!({ "group_by": "tag" })).await;
    assert_eq!(report["groups"].as_array().unwrap().len(), 1_500);
    assert_eq!(report["totals"]["requests"], 1_500);
    let other = stack.auth.access_token(&stack.users[1], Uuid::new_v4(), 60);
    let (_, report) = call(&stack, &other, "cost_report", &json!({ "group_by": "tag" })).await;
    assert_eq!(report["totals"]["requests"], 0);
}

//! What balancers, supervisors and clients ask before anything else; nothing of it is secret.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::refusal::json_response;
use super::site::Site;

/// The process lives.
pub(super) async fn lives() -> Response {
    json_response(StatusCode::OK, &json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// Whether requests can be served: 503 where not.
pub(super) async fn is_ready(State(site): State<Arc<Site>>) -> Response {
    let is_draining = site.stop.is_cancelled();
    let health = site.health().await;
    let is_ready = !is_draining && health.can_serve();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let project = match &health.project {
        Ok(()) => "reachable",
        Err(problem) => problem,
    };
    let body = json!({
        "ready": is_ready,
        "draining": is_draining,
        "project": project,
        "signing_keys": if health.has_keys { "known" } else { "unknown" },
        "embedder": health.embedder,
        "spool": { "waiting": health.waiting, "has_room": health.has_room },
        "users": health.users,
    });
    json_response(status, &body)
}

/// Who gives out tokens for this server (RFC 9728).
pub(super) async fn metadata(State(site): State<Arc<Site>>) -> Response {
    let mut body = Map::new();
    body.insert("resource".to_owned(), json!(site.names.resource));
    body.insert("resource_name".to_owned(), json!("AI cost optimizer"));
    if let Some(server) = &site.authorization_server {
        body.insert("authorization_servers".to_owned(), json!([server]));
    }
    body.insert("bearer_methods_supported".to_owned(), json!(["header"]));
    json_response(StatusCode::OK, &Value::Object(body))
}

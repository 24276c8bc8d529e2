//! What stands before REST, Auth and Realtime: it wants the project's key, and can be told to fail.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

/// What the next calls meet instead of an answer.
#[derive(Debug, Clone, Default)]
pub struct Fault {
    /// Calls whose path begins so.
    pub path: String,
    pub times: u32,
    pub kind: FaultKind,
    pub delay: Duration,
}

/// What a call meets after the delay.
#[derive(Debug, Clone, Copy, Default)]
pub enum FaultKind {
    /// It is let through.
    #[default]
    Slow,
    /// It is answered with a status.
    Status(StatusCode),
    /// Its connection is cut before anything is done.
    CutBefore,
    /// It is done, and its connection is cut instead of the answer.
    CutAfter,
}

/// The gateway's state.
#[derive(Debug)]
pub struct Gateway {
    key: String,
    fault: Mutex<Fault>,
}

impl Gateway {
    pub fn new(key: String) -> Arc<Self> {
        Arc::new(Self { key, fault: Mutex::default() })
    }

    /// Lets the next calls fail or wait.
    pub fn set_fault(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    fn next_fault(&self, path: &str) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if fault.times == 0 || !path.starts_with(&fault.path) {
            return None;
        }
        fault.times -= 1;
        Some(fault.clone())
    }
}

/// Puts the gateway before routes.
pub fn before(routes: Router, gateway: Arc<Gateway>) -> Router {
    routes.layer(middleware::from_fn_with_state(gateway, pass))
}

/// Breaks the connection off in the middle of an answer.
fn cut() -> Response {
    let parts = [Ok("{"), Err(io::Error::from(io::ErrorKind::ConnectionAborted))];
    Response::new(Body::from_stream(futures::stream::iter(parts)))
}

async fn pass(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<HashMap<String, String>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    if let Some(fault) = gateway.next_fault(&path) {
        tokio::time::sleep(fault.delay).await;
        match fault.kind {
            FaultKind::Slow => {}
            FaultKind::Status(status) => {
                let message = axum::Json(json!({ "message": "The upstream server is unavailable" }));
                return (status, message).into_response();
            }
            FaultKind::CutBefore => return cut(),
            FaultKind::CutAfter => {
                next.run(request).await;
                return cut();
            }
        }
    }
    let in_header = request.headers().get("apikey").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let refused =
        |message: &str| (StatusCode::UNAUTHORIZED, axum::Json(json!({ "message": message }))).into_response();
    if path != "/auth/v1/.well-known/jwks.json" {
        match in_header.as_ref().or_else(|| query.get("apikey")) {
            None => return refused("No API key found in request"),
            Some(key) if *key != gateway.key => return refused("Invalid API key"),
            Some(_) => {}
        }
    }
    // A key of the new kind is no token; clients that nobody has signed in with send it as if it were.
    let as_bearer = HeaderValue::try_from(format!("Bearer {}", gateway.key)).ok();
    if request.headers().get(header::AUTHORIZATION) == as_bearer.as_ref() {
        request.headers_mut().remove(header::AUTHORIZATION);
    }
    next.run(request).await
}

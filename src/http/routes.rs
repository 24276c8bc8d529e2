//! What is served at which path, and how a request gets to its user's server.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{any, get};
use futures::StreamExt as _;
use secrecy::SecretString;
use serde::de::IgnoredAny;
use tokio::sync::Semaphore;

use super::address::{METADATA_PATH, PATH};
use super::health;
use super::held::holding;
use super::limits::{LONGEST_UPLOAD, MAX_BODY_BYTES};
use super::refusal::Refusal;
use super::site::Site;
use super::tenants::Tenant;

/// Routes all paths.
pub(super) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route(PATH, any(mcp))
        .route(METADATA_PATH, get(health::metadata))
        .route(&format!("{METADATA_PATH}{PATH}"), get(health::metadata))
        .route("/healthz", get(health::lives))
        .route("/readyz", get(health::is_ready))
        .with_state(site)
}

async fn mcp(State(site): State<Arc<Site>>, request: Request) -> Response {
    match serve(&site, request).await {
        Ok(response) => response,
        Err(refusal) => {
            tracing::debug!(%refusal, "a request was refused");
            refusal.response(&site.names.metadata)
        }
    }
}

async fn serve(site: &Site, request: Request) -> Result<Response, Refusal> {
    if site.stop.is_cancelled() {
        return Err(Refusal::Draining);
    }
    site.names.check(request.uri(), request.headers())?;
    let verified = site.verifier.verify(bearer(request.headers())?).await?;
    if !site.allowed.hold(verified.token.user, verified.email.as_deref()) {
        return Err(Refusal::NotAllowed);
    }
    let tenant = site.tenants.welcome(&verified).map_err(|error| {
        tracing::error!(%error, "a user's server cannot be made");
        Refusal::Failed
    })?;
    tenant.take_turn(Instant::now()).map_err(|wait_seconds| Refusal::TooFast { wait_seconds })?;
    let permit =
        |of: &Arc<Semaphore>, refusal: Refusal| Arc::clone(of).try_acquire_owned().map_err(|_| refusal);
    let permits = (permit(&tenant.at_once, Refusal::TooManyAtOnce)?, permit(&site.at_once, Refusal::Busy)?);
    // A stream that only listens is not waited for at the end.
    let call = (request.method() == Method::POST).then(|| site.calls.token());
    let response = answer(&tenant, request).await?;
    Ok(holding(response, (permits, call, tenant)))
}

/// Gives the token of a request; one in an address is none.
fn bearer(headers: &HeaderMap) -> Result<SecretString, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().and_then(|value| value.to_str().ok()).ok_or(Refusal::NoToken)?;
    let (scheme, token) = value.split_once(' ').ok_or(Refusal::NoToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") || values.next().is_some() {
        return Err(Refusal::NoToken);
    }
    Ok(SecretString::from(token.trim()))
}

async fn answer(tenant: &Tenant, request: Request) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    // What handlers see of a request is no place for a token.
    parts.headers.remove(header::AUTHORIZATION);
    if parts.method != Method::POST {
        let is_end = parts.method == Method::DELETE;
        let mut response = tenant.service.handle(Request::from_parts(parts, Body::empty())).await;
        if is_end && response.status() == StatusCode::ACCEPTED {
            // The session has ended; the official Python client takes rmcp's 202 for a failure.
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        return Ok(response.map(Body::new));
    }
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > 2 * MAX_BODY_BYTES)
    {
        return Err(Refusal::TooLong);
    }
    let body = tokio::time::timeout(LONGEST_UPLOAD, whole(body));
    let body = body.await.map_err(|_| Refusal::TooSlow)??;
    let is_json = is_json(&parts.headers);
    if is_json && serde_json::from_slice::<IgnoredAny>(&body).is_err() {
        return Err(Refusal::NotJson);
    }
    let response = tenant.service.handle(Request::from_parts(parts, Body::from(body))).await;
    // rmcp says so of JSON that is no message.
    if is_json && response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        return Err(Refusal::NotAMessage);
    }
    Ok(response.map(Body::new))
}

/// Reads a body. Of one that is a little too long the rest is read too and let go: its sender reads no
/// refusal before it has sent everything.
async fn whole(body: Body) -> Result<Vec<u8>, Refusal> {
    let (mut parts, mut bytes, mut length) = (body.into_data_stream(), Vec::new(), 0);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Refusal::TooLong)?;
        length += part.len();
        if length <= MAX_BODY_BYTES {
            bytes.extend_from_slice(&part);
        } else if length > 2 * MAX_BODY_BYTES {
            break;
        }
    }
    if length > MAX_BODY_BYTES { Err(Refusal::TooLong) } else { Ok(bytes) }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

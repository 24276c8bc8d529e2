//! Requests that are refused before anybody reads them, as a client hears of it.
//!
//! The body is a JSON-RPC error without an id, as the specification has it; nothing of the request is repeated.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::limits::MAX_BODY_BYTES;
use crate::auth::verifier::TokenRefusal;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "the Host header names another server; hint: use the server's own address, or have the proxy pass Host on"
    )]
    Host,
    #[error(
        "the Origin header is another site's; hint: call from no page, or from one of this server's own address"
    )]
    Origin,
    #[error(
        "no token came with the request; hint: send `Authorization: Bearer` with a user's token of the project"
    )]
    NoToken,
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    #[error("this user is not among those that may use this server; hint: ask whoever runs it")]
    NotAllowed,
    #[error("the body is longer than {MAX_BODY_BYTES} bytes; hint: send less")]
    TooLong,
    #[error("the body took too long to arrive; hint: try again")]
    TooSlow,
    #[error("the body is not JSON")]
    NotJson,
    #[error("the body is no JSON-RPC message; hint: send one message, and no batch")]
    NotAMessage,
    #[error("this user sends requests too fast; hint: wait as long as Retry-After says")]
    TooFast { wait_seconds: u64 },
    #[error("this user has too many requests under way; hint: wait for their answers")]
    TooManyAtOnce,
    #[error("the server has too many requests under way; hint: try again")]
    Busy,
    #[error("the server is about to end; hint: try again")]
    Draining,
    #[error("the server failed inside; its log says where")]
    Failed,
}

const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;
const INTERNAL_ERROR: i32 = -32_603;

impl Refusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::NoToken | Self::Token(TokenRefusal::Bad(_) | TokenRefusal::Expired) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Host | Self::Origin | Self::NotAllowed | Self::Token(TokenRefusal::Anonymous) => {
                StatusCode::FORBIDDEN
            }
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NotJson | Self::NotAMessage => StatusCode::BAD_REQUEST,
            Self::TooFast { .. } | Self::TooManyAtOnce => StatusCode::TOO_MANY_REQUESTS,
            Self::Token(TokenRefusal::NoKeys) | Self::Busy | Self::Draining => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::TooFast { wait_seconds } => Some(wait_seconds),
            Self::TooManyAtOnce | Self::Busy | Self::Draining => Some(1),
            Self::Token(TokenRefusal::NoKeys) => Some(10),
            _ => None,
        }
    }

    /// Words it; `metadata` is the address at which a client learns who gives out tokens.
    pub(super) fn response(self, metadata: &str) -> Response {
        let status = self.status();
        let code = match self {
            Self::NotJson => PARSE_ERROR,
            _ if status.is_server_error() => INTERNAL_ERROR,
            _ => INVALID_REQUEST,
        };
        let error = json!({ "code": code, "message": self.to_string() });
        let mut response = json_response(status, &json!({ "jsonrpc": "2.0", "id": null, "error": error }));
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            // Who sent no token made no mistake (RFC 6750).
            let problem = if self == Self::NoToken { "" } else { ", error=\"invalid_token\"" };
            let challenge = format!("Bearer resource_metadata=\"{metadata}\"{problem}");
            headers.extend(HeaderValue::from_str(&challenge).map(|value| (header::WWW_AUTHENTICATE, value)));
        }
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if matches!(self, Self::Draining | Self::TooLong | Self::TooSlow) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Answers with JSON that nobody keeps.
pub(super) fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

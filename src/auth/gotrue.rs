//! Speaks to the project's sign-in server.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::session::{Session, UserToken};
use super::{AuthError, Project};

const TIMEOUT: Duration = Duration::from_secs(10);
/// The life of a token that does not say how long it lives.
const USUAL_LIFE: i64 = 3_600;
/// Which form of errors is wanted; older servers do not know it.
const API_VERSION: &str = "2024-01-01";

/// What a session is asked for with.
pub(super) enum Grant<'a> {
    Password { email: &'a str, password: &'a SecretString },
    Refresh { refresh_token: &'a SecretString },
}

/// The sign-in server of a project.
pub(super) struct GoTrue {
    client: Client,
    project: Project,
}

impl GoTrue {
    pub(super) const fn new(client: Client, project: Project) -> Self {
        Self { client, project }
    }

    /// Asks for a session.
    ///
    /// Cancel safe: no for a refresh token, which is used up; the server gives the same session to a second try
    /// within 10 s.
    pub(super) async fn ask(&self, grant: Grant<'_>) -> Result<Session, AuthError> {
        let (name, body) = match &grant {
            Grant::Password { email, password } => {
                ("password", json!({ "email": email, "password": password.expose_secret() }))
            }
            Grant::Refresh { refresh_token } => {
                ("refresh_token", json!({ "refresh_token": refresh_token.expose_secret() }))
            }
        };
        let mut url = self.project.endpoint(&["auth", "v1", "token"]);
        url.set_query(Some(&format!("grant_type={name}")));
        let now = Timestamp::now();
        let response = self.send(self.client.post(url).json(&body)).await?;
        let status = response.status();
        let answer = response.bytes().await.map_err(|_| unavailable("its answer broke off"))?;
        if !status.is_success() {
            return Err(refusal(status, &answer, &grant));
        }
        let answer: Answer =
            serde_json::from_slice(&answer).map_err(|_| unavailable("its answer is no session"))?;
        let life =
            SignedDuration::from_secs(answer.expires_in.unwrap_or(USUAL_LIFE).clamp(0, 7 * 24 * 3_600));
        Ok(Session {
            user: answer.user.id.parse().map_err(|_| unavailable("its answer names no user"))?,
            email: answer.user.email.filter(|email| !email.is_empty()),
            access_token: answer.access_token.into(),
            refresh_token: answer.refresh_token.into(),
            expires_at: now.checked_add(life).unwrap_or(now),
        })
    }

    /// Revokes the session of a token, and no other session of its user.
    pub(super) async fn revoke(&self, token: &UserToken) -> Result<(), AuthError> {
        let mut url = self.project.endpoint(&["auth", "v1", "logout"]);
        url.set_query(Some("scope=local"));
        let response = self.send(self.client.post(url).bearer_auth(token.bearer.expose_secret())).await?;
        match response.status() {
            // A session that is over already needs no revoking.
            status if status.is_success() || matches!(status.as_u16(), 401 | 403 | 404) => Ok(()),
            status => Err(unavailable(&format!("HTTP {}", status.as_u16()))),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, AuthError> {
        request
            .header("apikey", self.project.key_header())
            .header("x-supabase-api-version", API_VERSION)
            .timeout(TIMEOUT)
            .send()
            .await
            // The error's own words may hold the URL.
            .map_err(|error| unavailable(if error.is_timeout() { "time-out" } else { "not reachable" }))
    }
}

fn unavailable(problem: &str) -> AuthError {
    AuthError::Unavailable { problem: problem.to_owned() }
}

/// Reads a refusal, in its old form or its new one; its message is left out.
fn refusal(status: StatusCode, body: &[u8], grant: &Grant<'_>) -> AuthError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let texts =
        ["/error_code", "/code", "/error"].iter().filter_map(|pointer| body.pointer(pointer)?.as_str());
    let is_code = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let code =
        texts.into_iter().find(is_code).map_or_else(|| format!("http_{}", status.as_u16()), str::to_owned);
    match (status.as_u16(), grant) {
        (429 | 500.., _) => unavailable(&code),
        (401, _) => AuthError::KeyRefused { code },
        (_, Grant::Password { .. }) => AuthError::WrongPassword { code },
        (_, Grant::Refresh { .. }) => AuthError::Over { code },
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    refresh_token: String,
    /// Seconds.
    expires_in: Option<i64>,
    user: AnswerUser,
}

#[derive(Deserialize)]
struct AnswerUser {
    id: String,
    email: Option<String>,
}

//! A stub of Supabase Auth: password and refresh grants, logout, the user, and the public keys.
//!
//! A refresh token is used once. One that comes again is answered with the newest where it is that one's parent or was
//! used within ten seconds; otherwise it is taken for stolen and its whole family ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::keys::{Keys, unix_seconds};

/// How long after its use a refresh token may come again.
const REUSE: Duration = Duration::from_secs(10);

/// Somebody who can sign in.
#[derive(Debug, Clone)]
pub struct User {
    pub id: Uuid,
    pub email: String,
    pub password: String,
}

/// How often each grant was asked for, refused ones included.
#[derive(Debug, Clone, Copy, Default)]
pub struct Grants {
    pub password: u64,
    pub refresh: u64,
}

/// The stub's state.
#[derive(Debug)]
pub struct Auth {
    pub keys: Keys,
    issuer: String,
    token_seconds: u64,
    users: Vec<User>,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    grants: Grants,
    tokens: HashMap<String, RefreshToken>,
    /// The newest token of each session that is not over.
    newest: HashMap<Uuid, String>,
}

#[derive(Debug, Clone)]
struct RefreshToken {
    session: Uuid,
    user: Uuid,
    parent: Option<String>,
    used: Option<Instant>,
}

/// An error of Auth: status, code and message.
type Refusal = (StatusCode, &'static str, &'static str);

const BAD: StatusCode = StatusCode::BAD_REQUEST;

impl Auth {
    pub fn new(keys: Keys, issuer: String, token_seconds: u64, users: Vec<User>) -> Arc<Self> {
        Arc::new(Self { keys, issuer, token_seconds, users, books: Mutex::default() })
    }

    /// Gives how often each grant was asked for.
    pub fn grants(&self) -> Grants {
        self.books().grants
    }

    /// Signs an access token of a user that is valid for so many seconds from now; negative: it was.
    pub fn access_token(&self, user: &User, session: Uuid, seconds: i64) -> String {
        let now = unix_seconds();
        self.keys.sign(&json!({
            "iss": self.issuer, "sub": user.id, "aud": "authenticated",
            "exp": now.saturating_add_signed(seconds), "iat": now.saturating_add_signed(seconds.min(0)),
            "email": user.email, "phone": "", "role": "authenticated", "aal": "aal1",
            "amr": [{ "method": "password", "timestamp": now }], "session_id": session, "is_anonymous": false,
            "app_metadata": { "provider": "email", "providers": ["email"] }, "user_metadata": {},
        }))
    }

    /// Ends every session, as after a global logout.
    pub fn revoke_all(&self) {
        let mut books = self.books();
        books.tokens.clear();
        books.newest.clear();
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn user(&self, id: Uuid) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    fn sign_in(&self, body: &Value) -> Result<Value, Refusal> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        self.books().grants.password += 1;
        let known =
            self.users.iter().find(|user| user.email == text("email") && user.password == text("password"));
        let user = known.ok_or((BAD, "invalid_credentials", "Invalid login credentials"))?;
        let session = Uuid::new_v4();
        let token = self.books().issue(session, user.id, None);
        Ok(self.grant(user, session, &token))
    }

    fn refresh(&self, body: &Value) -> Result<Value, Refusal> {
        let presented = body.get("refresh_token").and_then(Value::as_str).unwrap_or_default();
        let mut books = self.books();
        books.grants.refresh += 1;
        let unknown = (BAD, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found");
        let token = books.tokens.get(presented).cloned().ok_or(unknown)?;
        let user = self.user(token.user).ok_or(unknown)?;
        let newest = books.newest.get(&token.session).cloned().ok_or(unknown)?;
        let next = match token.used {
            None => {
                if let Some(token) = books.tokens.get_mut(presented) {
                    token.used = Some(Instant::now());
                }
                books.issue(token.session, user.id, Some(presented.to_owned()))
            }
            Some(used) => {
                let is_parent =
                    books.tokens.get(&newest).and_then(|token| token.parent.as_deref()) == Some(presented);
                if !is_parent && used.elapsed() > REUSE {
                    books.newest.remove(&token.session);
                    books.tokens.retain(|_, other| other.session != token.session);
                    return Err((BAD, "refresh_token_already_used", "Invalid Refresh Token: Already Used"));
                }
                newest
            }
        };
        drop(books);
        Ok(self.grant(user, token.session, &next))
    }

    fn grant(&self, user: &User, session: Uuid, refresh_token: &str) -> Value {
        json!({
            "access_token": self.access_token(user, session, self.token_seconds as i64),
            "token_type": "bearer",
            "expires_in": self.token_seconds,
            "expires_at": unix_seconds() + self.token_seconds,
            "refresh_token": refresh_token,
            "user": shown(user),
        })
    }

    /// Gives the claims of the token in `Authorization`, if its session is not over.
    fn bearer(&self, headers: &HeaderMap) -> Result<Value, Refusal> {
        let token = headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let invalid = (StatusCode::FORBIDDEN, "bad_jwt", "invalid JWT: unable to parse or verify signature");
        let claims = self.keys.verify(token).map_err(|_| invalid)?;
        if claims.get("aud").and_then(Value::as_str) != Some("authenticated") {
            return Err((BAD, "validation_failed", "Token audience doesn't match request audience"));
        }
        let session = id_in(&claims, "session_id").ok_or(invalid)?;
        if self.books().newest.contains_key(&session) {
            return Ok(claims);
        }
        Err((
            StatusCode::FORBIDDEN,
            "session_not_found",
            "Session from session_id claim in JWT does not exist",
        ))
    }
}

impl Books {
    fn issue(&mut self, session: Uuid, user: Uuid, parent: Option<String>) -> String {
        let token: String = Uuid::new_v4().simple().to_string().chars().take(12).collect();
        self.tokens.insert(token.clone(), RefreshToken { session, user, parent, used: None });
        self.newest.insert(session, token.clone());
        token
    }
}

fn id_in(claims: &Value, name: &str) -> Option<Uuid> {
    claims.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok())
}

fn shown(user: &User) -> Value {
    json!({
        "id": user.id, "aud": "authenticated", "role": "authenticated", "email": user.email, "phone": "",
        "app_metadata": { "provider": "email", "providers": ["email"] }, "user_metadata": {}, "identities": [],
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "is_anonymous": false,
    })
}

/// Writes an error in the form that the client asked for.
fn refuse(headers: &HeaderMap, (status, code, message): Refusal) -> Response {
    let is_new = headers.get("x-supabase-api-version").is_some_and(|version| version == "2024-01-01");
    let body = if is_new {
        json!({ "code": code, "message": message })
    } else {
        json!({ "code": status.as_u16(), "error_code": code, "msg": message })
    };
    (status, [("x-sb-error-code", code), ("x-supabase-api-version", "2024-01-01")], axum::Json(body))
        .into_response()
}

fn answer(headers: &HeaderMap, result: Result<Value, Refusal>) -> Response {
    match result {
        Ok(body) => axum::Json(body).into_response(),
        Err(refusal) => refuse(headers, refusal),
    }
}

async fn token(
    State(auth): State<Arc<Auth>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let result = match query.get("grant_type").map(String::as_str) {
        Some("password") => auth.sign_in(&body),
        Some("refresh_token") => auth.refresh(&body),
        _ => Err((BAD, "validation_failed", "unsupported_grant_type")),
    };
    answer(&headers, result)
}

async fn logout(
    State(auth): State<Arc<Auth>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let claims = match auth.bearer(&headers) {
        Ok(claims) => claims,
        Err(refusal) => return refuse(&headers, refusal),
    };
    let (user, session) = (id_in(&claims, "sub"), id_in(&claims, "session_id"));
    let scope = query.get("scope").map_or("global", String::as_str).to_owned();
    let ends = |token: &RefreshToken| match scope.as_str() {
        "local" => Some(token.session) == session,
        "others" => Some(token.user) == user && Some(token.session) != session,
        _ => Some(token.user) == user,
    };
    let mut books = auth.books();
    let over: Vec<Uuid> =
        books.tokens.values().filter(|token| ends(token)).map(|token| token.session).collect();
    books.tokens.retain(|_, token| !ends(token));
    for session in over {
        books.newest.remove(&session);
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn user(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    let found = auth.bearer(&headers).and_then(|claims| {
        let user = id_in(&claims, "sub").and_then(|id| auth.user(id));
        user.map(shown).ok_or((
            StatusCode::FORBIDDEN,
            "user_not_found",
            "User from sub claim in JWT does not exist",
        ))
    });
    answer(&headers, found)
}

async fn jwks(State(auth): State<Arc<Auth>>) -> Response {
    ([("cache-control", "public, max-age=600")], axum::Json(auth.keys.jwks())).into_response()
}

/// Routes below `/auth/v1`.
pub fn router(auth: Arc<Auth>) -> Router {
    Router::new()
        .route("/token", post(token))
        .route("/logout", post(logout))
        .route("/user", get(user))
        .route("/.well-known/jwks.json", get(jwks))
        .with_state(auth)
}

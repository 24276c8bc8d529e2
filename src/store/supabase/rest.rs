//! Calls the project's functions through PostgREST, as the signed-in user.
//!
//! Whether an error is the token's, the schema's, the request's or the network's is told by its code, not by its
//! status. A refused token is renewed once; nothing else is tried again here.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use postgrest::Postgrest;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::auth::{Auth, AuthError, Project, UserToken};
use crate::store::StoreError;

/// Bytes that an answer may have.
const MAX_ANSWER_BYTES: usize = 32 << 20;

/// How long requests leave a project alone that has kept one waiting in vain.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// It holds up somebody's request: 2 s.
    Request,
    /// Somebody wants just this, or nobody waits: 10 s.
    Report,
}

impl Patience {
    const fn limit(self) -> Duration {
        match self {
            Self::Request => Duration::from_secs(2),
            Self::Report => Duration::from_secs(10),
        }
    }
}

/// The functions of one project.
pub(super) struct Rest {
    client: Client,
    project: Project,
    auth: Auth,
    builder: Arc<OnceLock<Postgrest>>,
    /// Until when requests do not wait for the project again, whoever's they are.
    silent_until: Arc<Mutex<Option<Instant>>>,
}

/// Why a call was not answered, by what the caller can do about it.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The token was refused; another may do.
    Token {
        code: String,
    },
    Auth(AuthError),
    /// What was asked for is not there.
    Missing,
    /// The database lacks the function or a table of it.
    NotMigrated {
        code: String,
    },
    /// The call as it stands will never be taken.
    Refused {
        code: String,
    },
    /// It may be taken later.
    Unavailable {
        problem: String,
    },
}

impl Rest {
    pub(super) fn new(client: Client, project: Project, auth: Auth) -> Self {
        Self { client, project, auth, builder: Arc::default(), silent_until: Arc::default() }
    }

    /// Calls the same project as another user.
    pub(super) fn of_another(&self, auth: Auth) -> Self {
        Self {
            client: self.client.clone(),
            project: self.project.clone(),
            auth,
            builder: Arc::clone(&self.builder),
            silent_until: Arc::clone(&self.silent_until),
        }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) const fn project(&self) -> &Project {
        &self.project
    }

    pub(super) const fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Calls a function as the user that is signed in; a token that is refused is replaced once.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        function: &str,
        arguments: &Value,
        patience: Patience,
    ) -> Result<T, Failure> {
        if patience == Patience::Request && self.is_silent() {
            return Err(Failure::Unavailable { problem: "it did not answer a moment ago".to_owned() });
        }
        let token = self.auth.token().await?;
        self.call_for(&token, function, arguments, patience).await
    }

    /// Calls a function as the user of a token; a token that is refused is replaced once, by one of the same user.
    pub(super) async fn call_for<T: DeserializeOwned>(
        &self,
        token: &UserToken,
        function: &str,
        arguments: &Value,
        patience: Patience,
    ) -> Result<T, Failure> {
        match self.call_as(token, function, arguments, patience).await {
            Err(Failure::Token { code }) => {
                let renewed = self.auth.instead_of(token, &code).await?;
                if renewed.user != token.user {
                    return Err(Failure::Token { code });
                }
                self.call_as(&renewed, function, arguments, patience).await
            }
            result => result,
        }
    }

    /// Calls a function under one token.
    async fn call_as<T: DeserializeOwned>(
        &self,
        token: &UserToken,
        function: &str,
        arguments: &Value,
        patience: Patience,
    ) -> Result<T, Failure> {
        let request = self.request(function, arguments)?.bearer_auth(token.bearer.expose_secret());
        self.answer_to(request, patience).await
    }

    /// Says whether database and gateway answer: nobody may ask this as nobody, and the database is who says so.
    pub(super) async fn is_there(&self) -> Result<(), Failure> {
        let request = self.request("schema_version", &Value::Object(serde_json::Map::new()))?;
        match self.answer_to::<Value>(request, Patience::Report).await {
            Ok(_) => Ok(()),
            Err(Failure::Refused { code }) if code == "42501" => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    async fn answer_to<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        patience: Patience,
    ) -> Result<T, Failure> {
        let answer = tokio::time::timeout(patience.limit(), async {
            let response = request.send().await.map_err(|error| {
                let problem = if error.is_connect() { "not reachable" } else { "the connection broke" };
                Failure::Unavailable { problem: problem.to_owned() }
            })?;
            let status = response.status();
            let body = response
                .bytes()
                .await
                .map_err(|_| Failure::Unavailable { problem: "its answer broke off".to_owned() })?;
            Ok::<_, Failure>((status, body))
        });
        let answer = answer.await;
        self.note_silence(answer.is_err());
        let (status, body) = answer.map_err(|_| Failure::Unavailable {
            problem: format!("no answer within {} s", patience.limit().as_secs()),
        })??;
        if !status.is_success() {
            return Err(failure(status, &body));
        }
        let unreadable = || Failure::Unavailable { problem: "its answer cannot be read".to_owned() };
        if body.len() > MAX_ANSWER_BYTES {
            return Err(unreadable());
        }
        // A function without a result is answered by an empty body.
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(body).map_err(|_| unreadable())
    }

    fn is_silent(&self) -> bool {
        let until = *self.silent_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Notes whether the project let somebody wait in vain: a prompt asks it several times, and waits once.
    fn note_silence(&self, is_silent: bool) {
        let until = is_silent.then(|| Instant::now() + LEFT_ALONE);
        *self.silent_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Takes method, URL, headers and body from the builder of the crate `postgrest`, whose own HTTP client is an old
    /// one and opens no connection: the program's client sends.
    fn request(&self, function: &str, arguments: &Value) -> Result<reqwest::RequestBuilder, Failure> {
        let broken = || Failure::Refused { code: "unsendable".to_owned() };
        let builder =
            self.builder.get_or_init(|| Postgrest::new(self.project.endpoint(&["rest", "v1"]).as_str()));
        let built = builder.rpc(function, body_of(arguments)).build().build().map_err(|_| broken())?;
        let method = Method::from_bytes(built.method().as_str().as_bytes()).map_err(|_| broken())?;
        let url = Url::parse(built.url().as_str()).map_err(|_| broken())?;
        let mut request = self.client.request(method, url);
        for (name, value) in built.headers() {
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).map_err(|_| broken())?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| broken())?;
            request = request.header(name, value);
        }
        let body = built.body().and_then(|body| body.as_bytes()).unwrap_or_default().to_vec();
        Ok(request.header("apikey", self.project.key_header()).body(body))
    }
}

/// Writes arguments down, without those that are null: a function's own defaults say the same, and not every server
/// tells a null from the word.
fn body_of(arguments: &Value) -> String {
    let mut given = arguments.clone();
    if let Value::Object(arguments) = &mut given {
        arguments.retain(|_, value| !value.is_null());
    }
    let body = given.to_string();
    if !body.contains("\\u0000") {
        return body;
    }
    replace_nul(&mut given);
    given.to_string()
}

/// Puts U+FFFD in the place of U+0000, which PostgreSQL stores in no text.
fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(values) => values.iter_mut().for_each(replace_nul),
        Value::Object(fields) => fields.values_mut().for_each(replace_nul),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Reads an error by its code; the message may tell of rows and is left out.
fn failure(status: StatusCode, body: &[u8]) -> Failure {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = body.get("code").and_then(Value::as_str).unwrap_or_default();
    let is_code = (1..=16).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let code = if is_code { code.to_owned() } else { format!("http{}", status.as_u16()) };
    match code.as_str() {
        "PGRST301" | "PGRST302" | "PGRST303" => Failure::Token { code },
        "PT404" => Failure::Missing,
        "PGRST202" | "PGRST205" | "42883" | "42P01" | "42703" | "3F000" => Failure::NotMigrated { code },
        // The gateway refuses a key before the database sees the call.
        "http401" | "http403" => Failure::Auth(AuthError::KeyRefused { code }),
        _ if code.starts_with("22") || code.starts_with("23") || code == "42501" => Failure::Refused { code },
        // PostgREST gives a code with every refusal of its own.
        "http404" | "http405" | "http410" => {
            Failure::Unavailable { problem: format!("no project is there: {code}") }
        }
        // Out of quota, too many at once, too slow: all of them pass.
        _ if status.is_client_error()
            && status != StatusCode::PAYMENT_REQUIRED
            && status != StatusCode::TOO_MANY_REQUESTS
            && status != StatusCode::REQUEST_TIMEOUT =>
        {
            Failure::Refused { code }
        }
        _ => Failure::Unavailable { problem: code },
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unavailable { problem } => Self::Unavailable { problem },
            other => Self::Auth(other),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Token { code } => Self::Auth(AuthError::Over { code }),
            Failure::Auth(error) => Self::Auth(error),
            Failure::Missing => Self::Refused { code: "PT404".to_owned() },
            Failure::NotMigrated { code } => Self::NotMigrated { code },
            Failure::Refused { code } => Self::Refused { code },
            Failure::Unavailable { problem } => Self::Unavailable { problem },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_are_written_without_nulls_and_without_what_no_text_may_hold() {
        let body = |arguments: Value| body_of(&arguments);
        assert_eq!(body(json!({ "a": null, "b": { "c": null } })), r#"{"b":{"c":null}}"#);
        let arguments = json!({ "a": ["x\0y", { "b": "\\u0000" }] });
        assert_eq!(body(arguments), "{\"a\":[\"x\u{fffd}y\",{\"b\":\"\\\\u0000\"}]}");
    }

    #[test]
    fn an_error_is_told_by_its_code_and_its_message_goes_nowhere() {
        let check = |status: u16, body: &str, expected: &str| {
            let found = format!("{:?}", failure(StatusCode::from_u16(status).unwrap(), body.as_bytes()));
            assert!(found.starts_with(expected) && !found.contains("canary"), "{status} {body}: {found}");
        };
        let body = |code: &str| format!(r#"{{"code":"{code}","message":"canary","details":"canary"}}"#);
        check(401, &body("PGRST301"), "Token");
        check(401, &body("PGRST303"), "Token");
        // A missing grant is 401 with some servers and 403 with others; it is never the token's fault.
        check(401, &body("42501"), "Refused");
        check(403, &body("42501"), "Refused");
        check(404, &body("PGRST202"), "NotMigrated");
        check(404, &body("PT404"), "Missing");
        check(400, &body("22000"), "Refused");
        check(409, &body("23505"), "Refused");
        check(500, &body("57014"), "Unavailable");
        check(503, &body("PGRST000"), "Unavailable");
        check(429, "", "Unavailable");
        check(402, r#"{"message":"exceed_egress_quota canary"}"#, "Unavailable { problem: \"http402");
        check(502, "<html>canary</html>", "Unavailable");
        check(404, "<html>canary</html>", "Unavailable { problem: \"no project");
        check(413, "", "Refused { code: \"http413\"");
        check(401, r#"{"message":"Invalid API key canary"}"#, "Auth(KeyRefused");
        check(400, r#"{"code":"a sentence, not a code: canary"}"#, "Refused { code: \"http400\"");
    }
}

//! The stack that all tests share, and what a client asks it and is answered.

use std::sync::LazyLock;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use supabase_stack::auth::User;
use supabase_stack::session::Session;
use supabase_stack::stack::{Options, Stack};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// The stack serves from here, so it outlives the test that happened to start it.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap());
static STACK: OnceCell<Option<Stack>> = OnceCell::const_new();
static CLIENT: LazyLock<Client> = LazyLock::new(|| Client::builder().no_proxy().build().unwrap());

/// Runs a test on the stack; says so where there is no PostgreSQL.
pub(super) fn play(test: impl AsyncFnOnce(&'static Stack)) {
    RUNTIME.block_on(async {
        let stack = STACK.get_or_init(|| async {
            let distribution = supabase_stack::distribution()?;
            Some(Stack::start(&distribution, Options::default()).await.unwrap())
        });
        match stack.await {
            Some(stack) => test(stack).await,
            None => eprintln!("SKIPPED: TEST_POSTGRES_DIR names no PostgreSQL"),
        }
    });
}

pub(super) async fn superuser(stack: &Stack) -> Session {
    stack.project.session("postgres").await.unwrap()
}

/// Makes users that own nothing.
pub(super) async fn users(stack: &Stack, count: usize) -> Vec<User> {
    let ids: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
    stack.project.add_users(&ids).await.unwrap();
    let user = |id: Uuid| User { id, email: format!("{id}@example.com"), password: String::new() };
    ids.into_iter().map(user).collect()
}

pub(super) fn token(stack: &Stack, user: &User) -> String {
    stack.auth.access_token(user, Uuid::new_v4(), 3_600)
}

/// One question.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Below `/rest/v1/`, with the query.
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Ask {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: String::new() }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn rpc(function: &str, arguments: &Value) -> Self {
        Self::new(Method::POST, format!("rpc/{function}")).json(arguments)
    }

    pub(super) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.text(body.to_string())
    }

    pub(super) fn text(mut self, body: String) -> Self {
        self.body = body;
        self.with("content-type", "application/json")
    }

    /// All that is said in it.
    pub(super) fn said(&self) -> String {
        let headers: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{} {}\n{}{}", self.method, decoded(&self.path), headers.concat(), self.body)
    }

    /// The beginning of what is said, for messages.
    pub(super) fn shown(&self) -> String {
        self.said().chars().take(600).collect()
    }

    pub(super) async fn send(&self, stack: &Stack) -> Answer {
        let url = format!("{}/rest/v1/{}", stack.url, self.path);
        let mut request = CLIENT.request(self.method.clone(), url);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = request.body(self.body.clone()).send().await.unwrap();
        let status = response.status().as_u16();
        let mut headers: Vec<String> = response
            .headers()
            .iter()
            // These differ from call to call, and are about the call alone.
            .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        headers.sort();
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    /// Sends as somebody who is signed in.
    pub(super) async fn send_as(&self, stack: &Stack, token: &str) -> Answer {
        let ask = self.clone().with("apikey", &stack.key).with("authorization", format!("Bearer {token}"));
        ask.send(stack).await
    }
}

/// What a path says.
fn decoded(path: &str) -> String {
    let mut pieces = path.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        match piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => bytes.extend([&[byte], &piece.as_bytes()[2..]].concat()),
            None => bytes.extend([b"%", piece.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What was answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<String>,
    pub(super) body: String,
}

impl Answer {
    /// All that is said in it.
    pub(super) fn said(&self) -> String {
        format!("{}\n{}\n{}", self.status, self.headers.join("\n"), self.body)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The code of an error; the empty text where there is none.
    pub(super) fn code(&self) -> String {
        self.json().get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The total of `Content-Range`, where one was given.
    pub(super) fn count(&self) -> Option<&str> {
        let range = self.headers.iter().find_map(|header| header.strip_prefix("content-range: "))?;
        range.split_once('/').map(|(_, count)| count)
    }
}

/// 32 bytes as PostgreSQL writes them.
pub(super) fn hash() -> String {
    format!("\\x{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// A vector of some length that begins with these numbers.
pub(super) fn vector(begin: &[f64], length: usize) -> Value {
    let numbers = begin.iter().copied().chain(std::iter::repeat(0.0));
    json!(numbers.take(length).collect::<Vec<_>>())
}

/// A finished request that cost something.
pub(super) fn request(id: Uuid, cost_pico: i64) -> Value {
    json!({
        "id": id, "created_at": "2026-11-23T12:00:00Z", "status": "completed", "prompt_sha256": hash(),
        "quality": "balanced", "strategy": "complexity", "reason": "a test", "source": "provider",
        "provider": "anthropic", "model": "m", "cost_pico": cost_pico, "saved_pico": 1,
    })
}

/// An answer that a request bought.
pub(super) fn bought(id: Uuid, request_id: Uuid, scope_hash: &str) -> Value {
    json!({
        "id": id, "scope_hash": scope_hash, "prompt_sha256": hash(), "embedder_fingerprint": "test",
        "embedding": vector(&[0.5, 0.25], 384), "response_text": "an answer", "provider": "anthropic", "model": "m",
        "cost_pico": 500, "finish_reason": "stop", "request_id": request_id, "created_at": "2026-11-23T12:00:00Z",
        "expires_at": "2099-11-23T12:00:00Z",
    })
}

/// An experiment that sets nothing anybody else sets.
pub(super) fn experiment(id: Uuid) -> Value {
    json!({
        "id": id, "name": id, "definition": {}, "knobs": [id], "status": "active",
        "created_at": "2026-11-23T12:00:00Z",
    })
}

//! The provider adapters against a server on a real socket that answers in recorded shapes.

mod anthropic;
mod faults;
mod gemini;
mod ollama;
mod openai_chat;
mod streams;

use std::path::Path;
use std::time::Duration;

use ai_cost_optimizer::domain::answer::Completion;
use ai_cost_optimizer::domain::prompt::{Role, Turn};
use ai_cost_optimizer::providers::http::{self, Endpoint};
use ai_cost_optimizer::providers::{Delivery, Draft, Provider, ProviderCall, ProviderError};
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// A key and a prompt that must turn up in no error.
const KEY: &str = "canary-key-4711";
const PROMPT: &str = "canary-prompt";

type Connect = fn(reqwest::Client, Endpoint) -> Box<dyn Provider>;

fn call(model: &str) -> ProviderCall {
    ProviderCall {
        model: model.into(),
        system: Some("Be brief.".into()),
        turns: vec![turn(Role::User, PROMPT)],
        max_visible_tokens: 1_024,
        thinking_allowance: 0,
        temperature: Some(0.5),
        context_window: 131_072,
        delivery: Delivery::Whole,
        timeout: Duration::from_secs(10),
        first_byte_timeout: Duration::from_secs(10),
        gap_timeout: Duration::from_secs(10),
    }
}

fn turn(role: Role, text: &str) -> Turn {
    Turn { role, text: text.into() }
}

fn endpoint(base_url: &str) -> Endpoint {
    Endpoint { base_url: base_url.parse().unwrap(), key: Some(KEY.into()), key_variable: "SOME_KEY" }
}

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/providers").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// What was sent, and what the adapter made of the response.
struct Exchange {
    request: Request,
    outcome: Result<Completion, ProviderError>,
}

impl Exchange {
    fn body(&self) -> Value {
        self.request.body_json().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name)?.to_str().ok()
    }

    fn completion(self) -> Completion {
        self.outcome.unwrap()
    }

    /// Gives the error as `Debug` shows it, after looking for the canaries.
    fn error(self) -> String {
        shown(&self.outcome.unwrap_err())
    }
}

fn shown(error: &ProviderError) -> String {
    let debug = format!("{error:?}");
    for text in [&debug, &error.to_string()] {
        assert!(!text.contains(KEY) && !text.contains(PROMPT) && !text.contains("http://"), "{text}");
    }
    debug
}

/// What was sent to have tokens counted, and what came of it; an error in words.
struct Counting {
    request: Request,
    counted: Result<Option<u64>, String>,
}

impl Counting {
    fn body(&self) -> Value {
        self.request.body_json().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name)?.to_str().ok()
    }
}

async fn count(connect: Connect, call: &ProviderCall, response: ResponseTemplate) -> Counting {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(response).expect(1).mount(&server).await;
    let provider = connect(http::client().unwrap(), endpoint(&server.uri()));
    let counted = provider.count_tokens(call).await.map_err(|error| error.to_string());
    Counting { request: server.received_requests().await.unwrap().remove(0), counted }
}

async fn exchange(connect: Connect, call: &ProviderCall, response: ResponseTemplate) -> Exchange {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(response).expect(1).mount(&server).await;
    let provider = connect(http::client().unwrap(), endpoint(&server.uri()));
    let outcome = provider.complete(call, &Draft::default()).await;
    let request = server.received_requests().await.unwrap().remove(0);
    assert!(!request.url.as_str().contains(KEY), "the key is in the URL");
    Exchange { request, outcome }
}

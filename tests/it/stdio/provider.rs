//! A provider on loopback that answers as it is told, and counts what it would bill.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::driver::at;

/// Tokens of every answer.
pub(crate) const INPUT_TOKENS: u64 = 21;
pub(crate) const OUTPUT_TOKENS: u64 = 9;

/// A running stub.
pub(crate) struct Provider {
    runtime: Runtime,
    server: MockServer,
}

impl Provider {
    /// Starts one that answers each call as `respond` says.
    pub(crate) fn start(respond: impl Respond + 'static) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            Mock::given(any()).respond_with(respond).mount(&server).await;
            server
        });
        Self { runtime, server }
    }

    /// Starts one that answers at once.
    pub(crate) fn quick() -> Self {
        Self::start(answer)
    }

    /// Starts one that answers after a time.
    pub(crate) fn slow(delay: Duration) -> Self {
        Self::start(move |request: &Request| answer(request).set_delay(delay))
    }

    /// Gives its base URL.
    pub(crate) fn url(&self) -> String {
        self.server.uri()
    }

    /// Lists the models that were asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.received().iter().map(model).collect()
    }

    /// Lists what was sent, in order.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.received().iter().map(|request| request.body_json().unwrap()).collect()
    }

    /// Counts all requests.
    pub(crate) fn count(&self) -> usize {
        self.received().len()
    }

    /// Lists the models whose tokens were to be counted, which nobody bills.
    pub(crate) fn counted(&self) -> Vec<String> {
        self.all().iter().filter(|request| is_count(request)).map(model).collect()
    }

    fn received(&self) -> Vec<Request> {
        self.all().into_iter().filter(|request| !is_count(request)).collect()
    }

    fn all(&self) -> Vec<Request> {
        self.runtime.block_on(self.server.received_requests()).unwrap()
    }

    /// Waits until somebody has asked.
    pub(crate) fn await_call(&self) {
        while self.asked().is_empty() {
            std::thread::yield_now();
        }
    }
}

/// Names the model that a request asks.
pub(crate) fn model(request: &Request) -> String {
    let body: Value = request.body_json().unwrap();
    at(&body, "/model").as_str().unwrap().to_owned()
}

/// Says whether tokens are to be counted.
pub(crate) fn is_count(request: &Request) -> bool {
    request.url.path().ends_with("/count_tokens")
}

/// Answers as Anthropic or, under `/chat/completions`, as OpenAI-shaped servers do.
pub(crate) fn answer(request: &Request) -> ResponseTemplate {
    ended_by(request, "end_turn")
}

/// Answers as Anthropic with a stop reason.
pub(crate) fn ended_by(request: &Request, stop_reason: &str) -> ResponseTemplate {
    let model = model(request);
    let text = format!("An answer by {model}.");
    let body = if request.url.path().ends_with("/chat/completions") {
        let message = json!({ "role": "assistant", "content": text });
        json!({
            "id": "1", "object": "chat.completion", "created": 1, "model": model,
            "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
            "usage": {
                "prompt_tokens": INPUT_TOKENS,
                "completion_tokens": OUTPUT_TOKENS,
                "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
            },
        })
    } else {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": model,
            "content": [{ "type": "text", "text": text }],
            "stop_reason": stop_reason, "stop_sequence": null,
            "usage": { "input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS },
        })
    };
    ResponseTemplate::new(200).set_body_json(body)
}

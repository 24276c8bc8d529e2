//! Ollama's own chat API.

use ai_cost_optimizer::domain::answer::{Completion, FinishReason, Terms};
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::providers::ProviderCall;
use ai_cost_optimizer::providers::http::Endpoint;
use ai_cost_optimizer::providers::ollama::Ollama;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{Connect, PROMPT, call, exchange, fixture, ok};

const CONNECT: Connect = |client, endpoint| Box::new(Ollama::new(client, Endpoint { key: None, ..endpoint }));

#[tokio::test]
async fn the_request_names_the_context_that_prompt_and_answer_need() {
    async fn check(call: ProviderCall, num_predict: u32, num_ctx: u64) {
        let sent = exchange(CONNECT, &call, ok(&fixture("ollama.json"))).await;
        assert_eq!(sent.request.url.path(), "/api/chat");
        assert_eq!(sent.header("authorization"), None);
        let body = sent.body();
        assert_eq!(body["stream"], false);
        let options = json!({ "num_predict": num_predict, "num_ctx": num_ctx, "temperature": 0.5 });
        assert_eq!(body["options"], options);
        assert_eq!(body["messages"][0], json!({ "role": "system", "content": "Be brief." }));
        assert_eq!(body["messages"][1]["role"], "user");
    }
    check(call("qwen3:8b"), 1_024, 8_192).await;
    check(ProviderCall { thinking_allowance: 4_096, ..call("qwen3:8b") }, 5_120, 8_192).await;
    let long = vec![super::turn(ai_cost_optimizer::domain::prompt::Role::User, &"word ".repeat(8_000))];
    check(ProviderCall { turns: long.clone(), ..call("qwen3:8b") }, 1_024, 32_768).await;
    let small = ProviderCall { turns: long, context_window: 20_000, ..call("qwen3:8b") };
    check(small, 1_024, 20_000).await;
}

#[tokio::test]
async fn an_answer_becomes_a_completion_without_its_thoughts() {
    let found = exchange(CONNECT, &call("asked-for"), ok(&fixture("ollama.json"))).await.completion();
    let expected = Completion {
        text: "Scattering.".into(),
        model: "qwen3:8b".into(),
        usage: Some(Usage { input_tokens: 26, output_tokens: 4, ..Usage::default() }),
        reported_cost: None,
        terms: Terms::LIST,
        finish_reason: FinishReason::Stop,
    };
    assert_eq!((&found.text, &found), (&expected.text, &expected));
}

#[tokio::test]
async fn a_refusal_says_what_the_caller_can_do_about_it() {
    async fn check(status: u16, body: Value, expected: &str) {
        let response = ResponseTemplate::new(status).set_body_json(body);
        assert_eq!(exchange(CONNECT, &call("asked-for"), response).await.error(), expected);
    }
    let error = |text: &str| json!({ "error": text });
    check(404, error("model 'x' not found"), r#"ModelNotFound { code: "http_404" }"#).await;
    check(400, error("the prompt is too long: context length"), r#"TooLong { code: "http_400" }"#).await;
    check(400, error(PROMPT), r#"Rejected { code: "http_400" }"#).await;
    check(500, error("out of memory"), r#"Upstream { status: 500, code: "http_500" }"#).await;
    check(200, error("llama runner has crashed"), r#"Upstream { status: 500, code: "http_500" }"#).await;
    let mut unfinished = fixture("ollama.json");
    unfinished["done"] = json!(false);
    check(200, unfinished, r#"Malformed("an answer that is not done")"#).await;
}

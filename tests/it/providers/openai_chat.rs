//! The chat-completions format, in all its flavours.

use ai_cost_optimizer::domain::answer::{Completion, FinishReason, Terms};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::prompt::Role;
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::providers::ProviderCall;
use ai_cost_optimizer::providers::http::{self, Endpoint};
use ai_cost_optimizer::providers::openai_chat::{Flavour, OpenAiChat};
use ai_cost_optimizer::providers::{Draft, Provider, ProviderError};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{Connect, KEY, PROMPT, call, endpoint, exchange, fixture, ok, turn};

const CEREBRAS: Connect = |client, endpoint| Box::new(OpenAiChat::new(client, endpoint, Flavour::Cerebras));
const OPEN_ROUTER: Connect =
    |client, endpoint| Box::new(OpenAiChat::new(client, endpoint, Flavour::OpenRouter));
const COMPATIBLE: Connect =
    |client, endpoint| Box::new(OpenAiChat::new(client, endpoint, Flavour::Compatible));

#[tokio::test]
async fn each_flavour_is_asked_in_its_own_words() {
    async fn check(connect: Connect, path: &str, authorization: Option<&str>, limit: &str) {
        let call = ProviderCall { thinking_allowance: 512, ..call("some/model") };
        let sent = exchange(connect, &call, ok(&fixture("compatible.json"))).await;
        assert_eq!(sent.request.url.path(), path);
        assert_eq!(sent.header("authorization"), authorization);
        assert_eq!(
            sent.body(),
            json!({
                "model": "some/model",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": PROMPT},
                ],
                limit: 1536,
                "temperature": 0.5,
            })
        );
    }
    let bearer = format!("Bearer {KEY}");
    let bearer = Some(bearer.as_str());
    check(CEREBRAS, "/chat/completions", bearer, "max_completion_tokens").await;
    check(OPEN_ROUTER, "/chat/completions", bearer, "max_completion_tokens").await;
    check(COMPATIBLE, "/chat/completions", bearer, "max_tokens").await;
}

#[tokio::test]
async fn the_assistant_may_speak_first() {
    let turns = vec![turn(Role::Assistant, "Hello."), turn(Role::User, "Hi.")];
    let call = ProviderCall { turns, system: None, ..call("gpt-oss-120b") };
    let sent = exchange(CEREBRAS, &call, ok(&fixture("cerebras_reasoning.json"))).await;
    let expected = json!([{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Hi."}]);
    assert_eq!(sent.body()["messages"], expected);
}

#[tokio::test]
async fn a_missing_key_is_named_before_anything_is_sent() {
    let endpoint = Endpoint { key: None, ..endpoint("http://127.0.0.1:9") };
    let provider = OpenAiChat::new(http::client().unwrap(), endpoint, Flavour::Cerebras);
    let error = provider.complete(&call("gpt-oss-120b"), &Draft::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "the key was refused (no_key); hint: check SOME_KEY");
}

#[tokio::test]
async fn an_answer_becomes_a_completion_with_every_token_in_its_place() {
    async fn check(connect: Connect, name: &str, expected: Completion) {
        let found = exchange(connect, &call("asked-for"), ok(&fixture(name))).await.completion();
        assert_eq!((&found.text, &found), (&expected.text, &expected), "{name}");
    }
    check(
        CEREBRAS,
        "cerebras_reasoning.json",
        Completion {
            text: "Rayleigh scattering.".into(),
            model: "gpt-oss-120b".into(),
            usage: Some(Usage {
                input_tokens: 120,
                cached_input_tokens: 64,
                output_tokens: 75,
                reasoning_tokens: 60,
                ..Usage::default()
            }),
            reported_cost: None,
            terms: Terms::LIST,
            finish_reason: FinishReason::Stop,
        },
    )
    .await;
    check(
        CEREBRAS,
        "cerebras_reasoning_only.json",
        Completion {
            text: String::new(),
            model: "gpt-oss-120b".into(),
            usage: Some(Usage {
                input_tokens: 120,
                output_tokens: 16,
                reasoning_tokens: 16,
                ..Usage::default()
            }),
            reported_cost: None,
            terms: Terms::LIST,
            finish_reason: FinishReason::Length,
        },
    )
    .await;
    check(
        OPEN_ROUTER,
        "openrouter_cost.json",
        Completion {
            text: "Rayleigh scattering.".into(),
            model: "openai/gpt-oss-120b".into(),
            usage: Some(Usage {
                input_tokens: 194,
                cached_input_tokens: 128,
                cache_write_tokens: 10,
                cache_write_1h_tokens: 0,
                output_tokens: 30,
                reasoning_tokens: 22,
            }),
            reported_cost: Some(Usd::from_pico(47_100_000)),
            terms: Terms::LIST,
            finish_reason: FinishReason::Stop,
        },
    )
    .await;
}

#[tokio::test]
async fn a_reported_cost_of_zero_is_believed_of_a_free_model_only() {
    async fn check(connect: Connect, model: &str, cost: Value, expected_pico: Option<i64>) {
        let mut body = fixture("openrouter_cost.json");
        body["model"] = model.into();
        body["usage"]["cost"] = cost;
        let found = exchange(connect, &call("asked-for"), ok(&body)).await.completion();
        assert_eq!(found.reported_cost, expected_pico.map(Usd::from_pico));
    }
    check(OPEN_ROUTER, "openai/gpt-oss-120b", json!(0), None).await;
    check(OPEN_ROUTER, "openai/gpt-oss-120b:free", json!(0), Some(0)).await;
    check(OPEN_ROUTER, "openai/gpt-oss-120b", json!(null), None).await;
    check(OPEN_ROUTER, "openai/gpt-oss-120b", json!(-0.1), None).await;
    check(OPEN_ROUTER, "openai/gpt-oss-120b", json!(1e-12), Some(1)).await;
    check(COMPATIBLE, "openai/gpt-oss-120b", json!(0.5), None).await;
}

#[tokio::test]
async fn a_key_of_the_users_own_upstream_costs_the_fee_and_the_upstream_price() {
    let body = fixture("openrouter_byok.json");
    let found = exchange(OPEN_ROUTER, &call("asked-for"), ok(&body)).await.completion();
    assert_eq!(found.reported_cost, Some(Usd::from_pico(15_750_000)));
    let mut unknown = body;
    unknown["usage"]["cost_details"]["upstream_inference_cost"] = Value::Null;
    let found = exchange(OPEN_ROUTER, &call("asked-for"), ok(&unknown)).await.completion();
    assert_eq!(found.reported_cost, None);
}

#[tokio::test]
async fn a_failure_under_status_200_is_a_failure() {
    async fn check(body: Value, expected: &str) {
        assert_eq!(exchange(OPEN_ROUTER, &call("asked-for"), ok(&body)).await.error(), expected);
    }
    let overloaded = r#"Overloaded { code: "http_429", retry_after: None }"#;
    check(fixture("openrouter_error_in_200.json"), overloaded).await;
    check(fixture("openrouter_choice_error.json"), r#"Upstream { status: 502, code: "http_502" }"#).await;
    check(json!({"error": {"code": 402, "message": PROMPT}}), r#"OutOfCredit { code: "http_402" }"#).await;
    check(json!({"error": {"code": "odd"}}), r#"Upstream { status: 200, code: "odd" }"#).await;
    check(json!({"error": PROMPT}), r#"Upstream { status: 200, code: "http_200" }"#).await;
    check(json!({"choices": []}), r#"Malformed("no choices")"#).await;
    check(json!({}), r#"Malformed("no choices")"#).await;
    // What was answered is an answer, counted or not.
    let uncounted = ok(&json!({"choices": [{"message": {"content": "a"}}]}));
    let found = exchange(OPEN_ROUTER, &call("asked-for"), uncounted).await.completion();
    assert_eq!((found.text.as_str(), found.usage, found.reported_cost), ("a", None, None));
}

#[tokio::test]
async fn every_finish_reason_has_its_meaning() {
    for (finish_reason, expected) in [
        (json!("content_filter"), FinishReason::ContentFilter),
        (json!("tool_calls"), FinishReason::Other),
        (json!(null), FinishReason::Other),
    ] {
        let mut body = fixture("compatible.json");
        body["choices"][0]["finish_reason"] = finish_reason;
        let found = exchange(COMPATIBLE, &call("asked-for"), ok(&body)).await.completion();
        assert_eq!(found.finish_reason, expected);
    }
    let mut body = fixture("compatible.json");
    body["choices"][0]["message"] = json!({"content": null, "refusal": "I can't help."});
    let found = exchange(COMPATIBLE, &call("asked-for"), ok(&body)).await.completion();
    assert_eq!((found.text.as_str(), found.finish_reason), ("I can't help.", FinishReason::Refusal));
}

#[tokio::test]
async fn a_refusal_says_what_the_caller_can_do_about_it() {
    async fn check(connect: Connect, status: u16, body: Value, expected: &str) {
        let response = ResponseTemplate::new(status).set_body_json(body).insert_header("retry-after", "0.25");
        assert_eq!(exchange(connect, &call("asked-for"), response).await.error(), expected);
    }
    let error = |code: &str| json!({"error": {"message": format!("{KEY} {PROMPT}"), "code": code}});
    check(CEREBRAS, 400, error("bad"), r#"Rejected { code: "bad" }"#).await;
    check(CEREBRAS, 413, error("bad"), r#"TooLong { code: "bad" }"#).await;
    check(CEREBRAS, 422, error("bad"), r#"Rejected { code: "bad" }"#).await;
    check(
        CEREBRAS,
        401,
        json!({"message": KEY, "type": "invalid_request_error", "code": "wrong_api_key"}),
        r#"Unauthorized { code: "wrong_api_key", variable: "SOME_KEY" }"#,
    )
    .await;
    check(
        OPEN_ROUTER,
        403,
        json!({"error": {"code": 403, "message": PROMPT}}),
        r#"Blocked { code: "http_403" }"#,
    )
    .await;
    check(OPEN_ROUTER, 402, json!({"error": {"code": 402}}), r#"OutOfCredit { code: "http_402" }"#).await;
    check(COMPATIBLE, 429, error("insufficient_quota"), r#"OutOfCredit { code: "insufficient_quota" }"#)
        .await;
    check(
        COMPATIBLE,
        429,
        error("rate_limit_exceeded"),
        r#"Overloaded { code: "rate_limit_exceeded", retry_after: Some(250ms) }"#,
    )
    .await;
    check(COMPATIBLE, 500, error("oops"), r#"Upstream { status: 500, code: "oops" }"#).await;
    check(COMPATIBLE, 500, json!("a sentence"), r#"Upstream { status: 500, code: "http_500" }"#).await;
    let unavailable = r#"Overloaded { code: "busy", retry_after: Some(250ms) }"#;
    check(COMPATIBLE, 503, error("busy"), unavailable).await;
}

#[tokio::test]
async fn a_key_that_fits_no_header_is_named_and_not_shown() {
    let endpoint = Endpoint { key: Some(format!("{KEY}\n").into()), ..endpoint("http://127.0.0.1:9") };
    let provider = OpenAiChat::new(http::client().unwrap(), endpoint, Flavour::Compatible);
    let error = provider.complete(&call("model"), &Draft::default()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unauthorized { .. }), "{}", super::shown(&error));
    assert!(!format!("{provider:?}").contains(KEY));
}

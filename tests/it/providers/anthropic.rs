//! Anthropic's Messages API.

use ai_cost_optimizer::domain::answer::{Completion, FinishReason, Terms};
use ai_cost_optimizer::domain::prompt::Role;
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::providers::ProviderCall;
use ai_cost_optimizer::providers::anthropic::Anthropic;
use serde_json::json;
use wiremock::ResponseTemplate;

use super::{Connect, KEY, PROMPT, call, count, exchange, fixture, ok, turn};

const CONNECT: Connect = |client, endpoint| Box::new(Anthropic::new(client, endpoint));

#[tokio::test]
async fn the_request_is_a_messages_call_with_the_key_in_its_header() {
    let sent = exchange(CONNECT, &call("claude-haiku-5-5"), ok(&fixture("anthropic_plain.json"))).await;
    assert_eq!(sent.request.url.path(), "/v1/messages");
    assert_eq!(sent.header("x-api-key"), Some(KEY));
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(
        sent.body(),
        json!({
            "model": "claude-haiku-5-5",
            "max_tokens": 1024,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": PROMPT}],
            "temperature": 0.5,
        })
    );
}

#[tokio::test]
async fn a_thinking_model_gets_its_allowance_and_no_temperature() {
    let call = ProviderCall { thinking_allowance: 4_096, system: None, ..call("claude-sonnet-5-5") };
    let sent = exchange(CONNECT, &call, ok(&fixture("anthropic_thinking_first.json"))).await;
    assert_eq!(
        sent.body(),
        json!({
            "model": "claude-sonnet-5-5",
            "max_tokens": 5120,
            "messages": [{"role": "user", "content": PROMPT}],
        })
    );
}

#[tokio::test]
async fn turns_are_sent_alternating() {
    let turns = vec![turn(Role::Assistant, "Hello."), turn(Role::User, "One."), turn(Role::User, "Two.")];
    let call = ProviderCall { turns, ..call("claude-haiku-5-5") };
    let sent = exchange(CONNECT, &call, ok(&fixture("anthropic_plain.json"))).await;
    assert_eq!(
        sent.body()["messages"],
        json!([
            {"role": "user", "content": "(The conversation begins with the assistant.)"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "One.\n\nTwo."},
        ])
    );
}

#[tokio::test]
async fn an_answer_becomes_a_completion_with_every_token_in_its_place() {
    async fn check(name: &str, text: &str, model: &str, usage: Usage, finish_reason: FinishReason) {
        let found = exchange(CONNECT, &call("asked-for"), ok(&fixture(name))).await.completion();
        let (text, model) = (text.into(), model.into());
        let usage = Some(usage);
        assert_eq!(
            found,
            Completion { text, model, usage, reported_cost: None, terms: Terms::LIST, finish_reason },
            "{name}"
        );
    }
    check(
        "anthropic_plain.json",
        "Blue light scatters more than red.",
        "claude-haiku-5-5-20261001",
        Usage { input_tokens: 21, output_tokens: 9, ..Usage::default() },
        FinishReason::Stop,
    )
    .await;
    check(
        "anthropic_cached.json",
        "As I said.",
        "claude-haiku-5-5",
        Usage {
            input_tokens: 52_100,
            cached_input_tokens: 50_000,
            cache_write_tokens: 2_000,
            cache_write_1h_tokens: 500,
            output_tokens: 300,
            reasoning_tokens: 0,
        },
        FinishReason::Stop,
    )
    .await;
    check(
        "anthropic_thinking_first.json",
        "Because of Rayleigh scattering.",
        "claude-sonnet-5-5",
        Usage { input_tokens: 40, output_tokens: 512, reasoning_tokens: 480, ..Usage::default() },
        FinishReason::Stop,
    )
    .await;
    check(
        "anthropic_refusal.json",
        "",
        "claude-opus-5-5",
        Usage { input_tokens: 33, output_tokens: 1, ..Usage::default() },
        FinishReason::Refusal,
    )
    .await;
    check(
        "anthropic_max_tokens.json",
        "The sky is",
        "claude-haiku-5-5",
        Usage { input_tokens: 21, output_tokens: 3, ..Usage::default() },
        FinishReason::Length,
    )
    .await;
}

#[tokio::test]
async fn every_stop_reason_has_its_meaning() {
    for (stop_reason, expected) in [
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::Other),
        ("pause_turn", FinishReason::Other),
        ("something_new", FinishReason::Other),
    ] {
        let mut body = fixture("anthropic_plain.json");
        body["stop_reason"] = stop_reason.into();
        let found = exchange(CONNECT, &call("asked-for"), ok(&body)).await.completion();
        assert_eq!(found.finish_reason, expected, "{stop_reason}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_the_caller_can_do_about_it() {
    async fn check(status: u16, kind: &str, headers: &[(&str, &str)], expected: &str) {
        let message = format!("x-api-key {KEY} is wrong for {PROMPT}");
        let body = json!({"type": "error", "error": {"type": kind, "message": message}});
        let response = headers
            .iter()
            .fold(ResponseTemplate::new(status).set_body_json(body), |response, (name, value)| {
                response.insert_header(*name, *value)
            });
        assert_eq!(exchange(CONNECT, &call("asked-for"), response).await.error(), expected);
    }
    check(400, "invalid_request_error", &[], r#"Rejected { code: "invalid_request_error" }"#).await;
    check(
        401,
        "authentication_error",
        &[],
        r#"Unauthorized { code: "authentication_error", variable: "SOME_KEY" }"#,
    )
    .await;
    check(402, "billing_error", &[], r#"OutOfCredit { code: "billing_error" }"#).await;
    check(403, "permission_error", &[], r#"Unauthorized { code: "permission_error", variable: "SOME_KEY" }"#)
        .await;
    check(404, "not_found_error", &[], r#"ModelNotFound { code: "not_found_error" }"#).await;
    check(413, "request_too_large", &[], r#"TooLong { code: "request_too_large" }"#).await;
    check(
        429,
        "rate_limit_error",
        &[("retry-after", "7")],
        r#"Overloaded { code: "rate_limit_error", retry_after: Some(7s) }"#,
    )
    .await;
    check(
        529,
        "overloaded_error",
        &[("retry-after-ms", "1500"), ("retry-after", "2")],
        r#"Overloaded { code: "overloaded_error", retry_after: Some(1.5s) }"#,
    )
    .await;
    check(500, "api_error", &[], r#"Upstream { status: 500, code: "api_error" }"#).await;
    check(504, "timeout_error", &[], r#"Upstream { status: 504, code: "timeout_error" }"#).await;
    check(408, "timeout_error", &[], r#"Upstream { status: 408, code: "timeout_error" }"#).await;
    check(400, "a sentence, not a code", &[], r#"Rejected { code: "http_400" }"#).await;
}

#[tokio::test]
async fn a_spending_limit_is_no_overload() {
    let body = json!({"type": "error", "error": {
        "type": "rate_limit_error",
        "message": "limit reached",
        "details": {"error_code": "enforced_spend_limit_reached"},
    }});
    let response = ResponseTemplate::new(429).set_body_json(body);
    assert_eq!(
        exchange(CONNECT, &call("asked-for"), response).await.error(),
        r#"OutOfCredit { code: "enforced_spend_limit_reached" }"#
    );
}

#[tokio::test]
async fn tokens_are_counted_of_what_would_be_sent_and_an_odd_count_is_none() {
    let sent = count(CONNECT, &call("claude-haiku-5-5"), ok(&json!({ "input_tokens": 2095 }))).await;
    assert_eq!(sent.request.url.path(), "/v1/messages/count_tokens");
    assert_eq!(sent.header("x-api-key"), Some(KEY));
    assert_eq!(
        sent.body(),
        json!({
            "model": "claude-haiku-5-5",
            "system": "Be brief.",
            "messages": [{"role": "user", "content": PROMPT}],
        })
    );
    assert_eq!(sent.counted, Ok(Some(2_095)));
    for odd in [json!({}), json!({ "input_tokens": -1 }), json!({ "input_tokens": "many" })] {
        assert_eq!(count(CONNECT, &call("m"), ok(&odd)).await.counted, Ok(None), "{odd}");
    }
    let refused = count(CONNECT, &call("m"), ResponseTemplate::new(401)).await.counted.unwrap_err();
    assert!(refused.contains("SOME_KEY") && !refused.contains(PROMPT) && !refused.contains(KEY), "{refused}");
}

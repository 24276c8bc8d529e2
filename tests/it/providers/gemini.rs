//! Gemini's native API.

use ai_cost_optimizer::domain::answer::{Completion, FinishReason, Terms};
use ai_cost_optimizer::domain::prompt::Role;
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::providers::gemini::Gemini;
use ai_cost_optimizer::providers::http;
use ai_cost_optimizer::providers::{Draft, Provider, ProviderCall};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{Connect, KEY, PROMPT, call, count, endpoint, exchange, fixture, ok, shown, turn};

const CONNECT: Connect = |client, endpoint| Box::new(Gemini::new(client, endpoint));

#[tokio::test]
async fn the_request_is_a_generate_content_call_with_the_key_in_its_header() {
    let turns = vec![turn(Role::User, "One."), turn(Role::Assistant, "Two."), turn(Role::User, PROMPT)];
    let call = ProviderCall { turns, thinking_allowance: 1_000, ..call("gemini-2.5-flash") };
    let sent = exchange(CONNECT, &call, ok(&fixture("gemini_plain.json"))).await;
    assert_eq!(sent.request.url.path(), "/v1beta/models/gemini-2.5-flash:generateContent");
    assert_eq!(sent.request.url.query(), None);
    assert_eq!(sent.header("x-goog-api-key"), Some(KEY));
    assert_eq!(
        sent.body(),
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "One."}]},
                {"role": "model", "parts": [{"text": "Two."}]},
                {"role": "user", "parts": [{"text": PROMPT}]},
            ],
            "generationConfig": {"maxOutputTokens": 2024, "temperature": 0.5},
        })
    );
}

#[tokio::test]
async fn what_the_caller_leaves_out_is_not_sent() {
    let call = ProviderCall { system: None, temperature: None, ..call("gemini-2.5-flash") };
    let body = exchange(CONNECT, &call, ok(&fixture("gemini_plain.json"))).await.body();
    assert_eq!(body.get("systemInstruction"), None);
    assert_eq!(body["generationConfig"], json!({"maxOutputTokens": 1024}));
}

#[tokio::test]
async fn a_model_name_cannot_change_the_path() {
    let provider = Gemini::new(http::client().unwrap(), endpoint("http://127.0.0.1:9"));
    for model in ["", "../files", "a/b", "a?key=b", "a:countTokens", "a%2Fb", "a b", "ä"] {
        let error = provider.complete(&call(model), &Draft::default()).await.unwrap_err();
        assert_eq!(shown(&error), r#"ModelNotFound { code: "not_a_model_id" }"#, "{model}");
    }
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
        "gemini_plain.json",
        "Blue light scatters.",
        "gemini-2.5-flash-lite-001",
        Usage { input_tokens: 12, output_tokens: 5, ..Usage::default() },
        FinishReason::Stop,
    )
    .await;
    check(
        "gemini_thoughts_cached.json",
        "Rayleigh scattering.",
        "gemini-2.5-flash",
        Usage {
            input_tokens: 1_008,
            cached_input_tokens: 400,
            output_tokens: 120,
            reasoning_tokens: 70,
            ..Usage::default()
        },
        FinishReason::Stop,
    )
    .await;
    check(
        "gemini_max_tokens.json",
        "",
        "gemini-2.5-flash",
        Usage { input_tokens: 12, output_tokens: 64, reasoning_tokens: 64, ..Usage::default() },
        FinishReason::Length,
    )
    .await;
    check(
        "gemini_safety.json",
        "",
        "asked-for",
        Usage { input_tokens: 12, ..Usage::default() },
        FinishReason::ContentFilter,
    )
    .await;
}

#[tokio::test]
async fn a_blocked_prompt_still_costs_its_tokens() {
    let response = ok(&fixture("gemini_blocked_prompt.json"));
    let found = exchange(CONNECT, &call("asked-for"), response).await.completion();
    assert_eq!(found.text, "");
    assert_eq!(found.finish_reason, FinishReason::ContentFilter);
    assert_eq!(found.usage, Some(Usage { input_tokens: 31, ..Usage::default() }));
}

#[tokio::test]
async fn an_answer_without_candidates_is_none_and_one_without_usage_is_one() {
    async fn check(body: Value, expected: &str) {
        assert_eq!(exchange(CONNECT, &call("asked-for"), ok(&body)).await.error(), expected);
    }
    let mut unmetered = fixture("gemini_plain.json");
    unmetered["usageMetadata"] = Value::Null;
    let found = exchange(CONNECT, &call("asked-for"), ok(&unmetered)).await.completion();
    assert_eq!((found.text.as_str(), found.usage), ("Blue light scatters.", None));
    check(json!({"usageMetadata": {"promptTokenCount": 1}}), r#"Malformed("no candidates")"#).await;
    check(json!({"candidates": PROMPT}), r#"Malformed("JSON of another shape")"#).await;
}

#[tokio::test]
async fn every_finish_reason_has_its_meaning() {
    for (finish_reason, expected) in [
        ("RECITATION", FinishReason::ContentFilter),
        ("LANGUAGE", FinishReason::ContentFilter),
        ("BLOCKLIST", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("SPII", FinishReason::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", FinishReason::Other),
        ("SOMETHING_NEW", FinishReason::Other),
    ] {
        let mut body = fixture("gemini_plain.json");
        body["candidates"][0]["finishReason"] = finish_reason.into();
        let found = exchange(CONNECT, &call("asked-for"), ok(&body)).await.completion();
        assert_eq!(found.finish_reason, expected, "{finish_reason}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_the_caller_can_do_about_it() {
    async fn check(code: u16, status: &str, details: Value, expected: &str) {
        let message = format!("API key {KEY} not valid for {PROMPT}");
        let body = json!({"error": {"code": code, "message": message, "status": status, "details": details}});
        let response = ResponseTemplate::new(code).set_body_json(body);
        assert_eq!(exchange(CONNECT, &call("asked-for"), response).await.error(), expected);
    }
    let quota = |id: &str, value: &str| {
        json!([
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaMetric": "requests", "quotaId": id, "quotaValue": value}],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"},
        ])
    };
    let bad_key = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]);
    let exhausted = "RESOURCE_EXHAUSTED";
    let used_up = r#"QuotaUsedUp { code: "RESOURCE_EXHAUSTED" }"#;
    check(
        400,
        "INVALID_ARGUMENT",
        bad_key,
        r#"Unauthorized { code: "API_KEY_INVALID", variable: "SOME_KEY" }"#,
    )
    .await;
    check(400, "INVALID_ARGUMENT", Value::Null, r#"Rejected { code: "INVALID_ARGUMENT" }"#).await;
    check(
        403,
        "PERMISSION_DENIED",
        json!([]),
        r#"Unauthorized { code: "PERMISSION_DENIED", variable: "SOME_KEY" }"#,
    )
    .await;
    check(404, "NOT_FOUND", json!([]), r#"ModelNotFound { code: "NOT_FOUND" }"#).await;
    check(
        429,
        exhausted,
        quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "5"),
        r#"Overloaded { code: "RESOURCE_EXHAUSTED", retry_after: Some(7.5s) }"#,
    )
    .await;
    check(429, exhausted, quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "20"), used_up).await;
    check(429, exhausted, quota("GenerateContentInputTokensPerModelPerMinute-FreeTier", "0"), used_up).await;
    check(429, exhausted, Value::Null, r#"Overloaded { code: "RESOURCE_EXHAUSTED", retry_after: None }"#)
        .await;
    check(500, "INTERNAL", json!([]), r#"Upstream { status: 500, code: "INTERNAL" }"#).await;
    check(503, "UNAVAILABLE", json!([]), r#"Overloaded { code: "UNAVAILABLE", retry_after: None }"#).await;
}

#[tokio::test]
async fn tokens_are_counted_of_the_whole_request() {
    let told = ok(&json!({ "totalTokens": 31, "promptTokensDetails": [] }));
    let sent = count(CONNECT, &call("gemini-2.5-flash"), told).await;
    assert_eq!(sent.request.url.path(), "/v1beta/models/gemini-2.5-flash:countTokens");
    assert_eq!(sent.header("x-goog-api-key"), Some(KEY));
    assert_eq!(
        sent.body(),
        json!({
            "generateContentRequest": {
                "model": "models/gemini-2.5-flash",
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
                "contents": [{"role": "user", "parts": [{"text": PROMPT}]}],
            },
        })
    );
    assert_eq!(sent.counted, Ok(Some(31)));
    let provider = Gemini::new(http::client().unwrap(), endpoint("http://127.0.0.1:9"));
    assert!(provider.count_tokens(&call("../files")).await.is_err());
}

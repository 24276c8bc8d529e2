//! What each provider says, whole and in pieces, in the shapes of its documentation.

use ai_cost_optimizer::domain::model::ProviderId;
use serde_json::{Value, json};

/// Tokens of every answer.
pub(super) const INPUT_TOKENS: u64 = 21;
pub(super) const OUTPUT_TOKENS: u64 = 9;

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Stop,
    Refusal,
    Filtered,
}

/// Gives an answer in one piece.
pub(super) fn whole(provider: ProviderId, model: &str, text: &str, end: End) -> Value {
    match provider {
        ProviderId::Anthropic => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": model,
            "content": [{ "type": "text", "text": text }],
            "stop_reason": anthropic_reason(end), "stop_sequence": null,
            "usage": { "input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS },
        }),
        ProviderId::Gemini => gemini(model, text, Some(end)),
        ProviderId::Ollama => json!({
            "model": model, "created_at": "2026-11-25T00:00:00Z",
            "message": { "role": "assistant", "content": text },
            "done": true, "done_reason": "stop", "total_duration": 1,
            "prompt_eval_count": INPUT_TOKENS, "eval_count": OUTPUT_TOKENS,
        }),
        _ => {
            let message = match end {
                End::Refusal => json!({ "role": "assistant", "content": null, "refusal": text }),
                _ => json!({ "role": "assistant", "content": text }),
            };
            json!({
                "id": "1", "object": "chat.completion", "created": 1, "model": model,
                "choices": [{ "index": 0, "message": message, "finish_reason": openai_reason(end) }],
                "usage": openai_usage(provider),
            })
        }
    }
}

/// Gives an answer in the pieces in which it is sent, each with its frame.
pub(super) fn pieces(provider: ProviderId, model: &str, words: &[&str], end: End) -> Vec<String> {
    match provider {
        ProviderId::Anthropic => {
            let start = json!({ "type": "message_start", "message": {
                "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [],
                "stop_reason": null, "usage": { "input_tokens": INPUT_TOKENS, "output_tokens": 1 },
            }});
            let block = json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
            let delta = |word: &&str| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": word } });
            let end = json!({
                "type": "message_delta", "delta": { "stop_reason": anthropic_reason(end), "stop_sequence": null },
                "usage": { "output_tokens": OUTPUT_TOKENS },
            });
            let mut events = vec![start, block, json!({ "type": "ping" })];
            events.extend(words.iter().map(delta));
            events.extend([
                json!({ "type": "content_block_stop", "index": 0 }),
                end,
                json!({ "type": "message_stop" }),
            ]);
            let frame =
                |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
            events.iter().map(frame).collect()
        }
        ProviderId::Gemini => {
            let frame = |piece: Value| format!("data: {piece}\r\n\r\n");
            let mut pieces: Vec<_> = words.iter().map(|word| frame(gemini(model, word, None))).collect();
            pieces.push(frame(gemini(model, "", Some(end))));
            pieces
        }
        ProviderId::Ollama => {
            let line = |word: &&str| json!({ "model": model, "message": { "role": "assistant", "content": word }, "done": false });
            let mut lines: Vec<Value> = words.iter().map(line).collect();
            lines.push(whole(provider, model, "", end));
            lines.iter().map(|line| format!("{line}\n")).collect()
        }
        _ => {
            let chunk = |delta: Value, reason: Option<&str>| json!({ "id": "1", "object": "chat.completion.chunk", "model": model, "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }] });
            let field = if end == End::Refusal { "refusal" } else { "content" };
            let mut chunks = vec![chunk(json!({ "role": "assistant", "content": "" }), None)];
            chunks.extend(words.iter().map(|word| chunk(json!({ field: word }), None)));
            chunks.push(chunk(json!({}), Some(openai_reason(end))));
            // The usage rides in a chunk of its own, without choices.
            chunks.push(json!({ "id": "1", "model": model, "choices": [], "usage": openai_usage(provider) }));
            let frames = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
            let opening = [": OPENROUTER PROCESSING\n\n".to_owned()];
            opening.into_iter().chain(frames).chain(["data: [DONE]\n\n".to_owned()]).collect()
        }
    }
}

/// Gives an error's body as the provider words it.
pub(super) fn error(provider: ProviderId, status: u16, message: &str) -> Value {
    match provider {
        ProviderId::Anthropic => {
            let kind = match status {
                401 => "authentication_error",
                402 => "billing_error",
                403 => "permission_error",
                404 => "not_found_error",
                413 => "request_too_large",
                429 => "rate_limit_error",
                529 => "overloaded_error",
                400..500 => "invalid_request_error",
                _ => "api_error",
            };
            json!({ "type": "error", "error": { "type": kind, "message": message } })
        }
        ProviderId::Gemini => {
            json!({ "error": { "code": status, "message": message, "status": "SOME_STATUS" } })
        }
        ProviderId::Cerebras => json!({ "message": message, "type": "some_error", "code": "some_code" }),
        ProviderId::OpenRouter => json!({ "error": { "code": status, "message": message } }),
        ProviderId::OpenAiCompatible => {
            json!({ "error": { "message": message, "type": "some_error", "code": null } })
        }
        ProviderId::Ollama => json!({ "error": message }),
    }
}

/// Gives the body of a limit that waiting does not lift, where the provider has one of its own.
pub(super) fn spend_limit(provider: ProviderId) -> Option<Value> {
    let message = "limit reached";
    match provider {
        ProviderId::Anthropic => Some(json!({ "type": "error", "error": {
            "type": "rate_limit_error", "message": message,
            "details": { "error_code": "enforced_spend_limit_reached" },
        }})),
        ProviderId::Cerebras => {
            Some(json!({ "message": message, "type": "quota", "code": "insufficient_quota" }))
        }
        ProviderId::OpenAiCompatible => {
            Some(json!({ "error": { "message": message, "code": "insufficient_quota" } }))
        }
        ProviderId::Gemini | ProviderId::OpenRouter | ProviderId::Ollama => None,
    }
}

/// Gives the body of a quota that is gone for the day; only Gemini says so.
pub(super) fn daily_quota(provider: ProviderId) -> Option<Value> {
    (provider == ProviderId::Gemini).then(|| {
        json!({ "error": { "code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [
            { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
                { "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "20" },
            ]},
            { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s" },
        ]}})
    })
}

fn gemini(model: &str, text: &str, end: Option<End>) -> Value {
    let mut usage = json!({ "promptTokenCount": INPUT_TOKENS });
    if end == Some(End::Filtered) {
        return json!({ "promptFeedback": { "blockReason": "SAFETY" }, "usageMetadata": usage, "modelVersion": model });
    }
    // Thoughts are apart from the answer's tokens.
    usage["candidatesTokenCount"] = json!(if end.is_some() { OUTPUT_TOKENS - 2 } else { 1 });
    usage["thoughtsTokenCount"] = json!(2);
    let mut candidate = json!({ "content": { "role": "model", "parts": [{ "text": text }] }, "index": 0 });
    if end.is_some() {
        candidate["finishReason"] = json!("STOP");
    }
    json!({ "candidates": [candidate], "usageMetadata": usage, "modelVersion": model })
}

fn openai_usage(provider: ProviderId) -> Value {
    let mut usage = json!({
        "prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    });
    if provider == ProviderId::OpenRouter {
        usage["cost"] = json!(0.000123);
    }
    usage
}

const fn anthropic_reason(end: End) -> &'static str {
    match end {
        End::Stop | End::Filtered => "end_turn",
        End::Refusal => "refusal",
    }
}

const fn openai_reason(end: End) -> &'static str {
    match end {
        End::Stop | End::Refusal => "stop",
        End::Filtered => "content_filter",
    }
}

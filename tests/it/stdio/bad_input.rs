//! Arguments that no tool takes: each refusal names what is wrong and a way out, and the next call is answered.

use std::time::Duration;

use serde_json::{Value, json};

use super::driver::Program;

/// Calls a tool with arguments that it must refuse in words that hold all of these.
fn check(tool: &str, cases: &[(Value, &[&str])]) {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::simulated(folder.path()).greet();
    for (arguments, words) in cases {
        let text = conversation.refused(tool, arguments);
        let shown: String = arguments.to_string().chars().take(100).collect();
        for word in *words {
            assert!(text.contains(word), "{shown}: `{word}` is not in `{text}`");
        }
        assert!(text.chars().count() < 2_000, "{shown}: {} characters", text.len());
        assert!(!text.contains("panic"), "{shown}: {text}");
        conversation.ping();
    }
    let ended = conversation.hang_up();
    ended.check(Duration::from_secs(2));
}

/// Arguments of `route_prompt` with a good prompt and one more.
fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut arguments = json!({ "prompt": "Hello" });
    arguments.as_object_mut().unwrap().insert(name.to_owned(), value.into());
    arguments
}

#[test]
fn a_prompt_that_is_none_is_refused() {
    check(
        "route_prompt",
        &[
            (json!({}), &["prompt"]),
            (json!({ "prompt": "" }), &["prompt is empty", "pass"]),
            (json!({ "prompt": " \n\t" }), &["prompt is empty"]),
            (json!({ "prompt": "a".repeat(10 << 20) }), &["prompt", "200000", "shorten"]),
            (json!({ "prompt": "a\0b" }), &["prompt", "NUL", "remove"]),
            (json!({ "prompt": 7 }), &["prompt", "string"]),
            (json!({ "prompt": null }), &["prompt", "string"]),
            (json!({ "prompt": ["Hello"] }), &["prompt", "string"]),
        ],
    );
}

#[test]
fn an_argument_of_the_wrong_name_or_kind_is_refused_by_its_name() {
    check(
        "route_prompt",
        &[
            (with("colour", "red"), &["colour", "max_cost_usd"]),
            (with("dry_run", "yes"), &["dry_run", "boolean"]),
            (with("dry_run", "x".repeat(100_000)), &["dry_run"]),
            (with("tags", "a"), &["tags", "sequence"]),
            (with("tags", json!([1])), &["tags", "string"]),
            (with("context", json!([{ "role": "system", "text": "x" }])), &["context", "user", "assistant"]),
            (
                with("context", json!([{ "role": "user", "text": "x", "image": 1 }])),
                &["context", "image", "text"],
            ),
            (with("strategy", "magic"), &["strategy", "complexity", "learning", "hybrid"]),
            (with("quality", "superb"), &["quality", "economy", "balanced", "best"]),
            (with("cache", "maybe"), &["cache", "refresh", "off"]),
            (with("max_output_tokens", 1.5), &["max_output_tokens"]),
            (with("max_output_tokens", -1), &["max_output_tokens"]),
            (with("max_output_tokens", 1_u64 << 40), &["max_output_tokens"]),
            (with("temperature", "hot"), &["temperature"]),
            (with("max_cost_usd", "1"), &["max_cost_usd"]),
        ],
    );
}

#[test]
fn a_value_out_of_range_is_refused_with_the_range() {
    let many: Vec<String> = (0..300).map(|number| format!("tag-{number}")).collect();
    let turns = vec![json!({ "role": "user", "text": "x" }); 500];
    check(
        "route_prompt",
        &[
            (with("max_output_tokens", 0), &["max_output_tokens", "1 to 128000"]),
            (with("max_output_tokens", 128_001), &["max_output_tokens", "1 to 128000"]),
            (with("temperature", 2.1), &["temperature", "0 to 2"]),
            (with("temperature", -0.1), &["temperature", "0 to 2"]),
            (with("max_cost_usd", -1), &["max_cost_usd", "negative"]),
            (with("max_cost_usd", 1e300), &["max_cost_usd", "9.2 million"]),
            (with("max_cost_usd", 0), &["max_cost_usd", "hint: raise max_cost_usd"]),
            (with("max_cost_usd", 1e-9), &["max_cost_usd", "hint: raise max_cost_usd"]),
            (with("tags", many), &["300 tags", "20"]),
            (with("tags", json!([""])), &["tag", "blank"]),
            (with("tags", json!(["x".repeat(101)])), &["tag", "100 characters"]),
            (with("session", "a\nb"), &["session", "control character"]),
            (with("context", turns), &["context", "500 turns", "drop the oldest"]),
            (with("system", "a\0b"), &["system", "NUL", "remove"]),
            (with("system", "x".repeat(1 << 20)), &["system", "limits"]),
            (with("model", "no-such-model"), &["unknown model `no-such-model`", "provider/model", "one of"]),
            (with("model", "nobody/model"), &["unknown model `nobody/model`", "one of"]),
            (with("model", "openrouter/nobody/knows-it"), &["price", "allow_unpriced"]),
        ],
    );
}

#[test]
fn a_report_over_no_time_is_refused() {
    check(
        "cost_report",
        &[
            (json!({ "from": "2026-02-02", "to": "2026-01-01" }), &["from", "to", "exchange"]),
            (json!({ "from": "2026-01-01", "to": "2026-01-01" }), &["from", "not before"]),
            (json!({ "from": "yesterday" }), &["from is `yesterday`", "accepted: 2026-11-23"]),
            (json!({ "to": "2026-13-45" }), &["to is `2026-13-45`", "accepted"]),
            (json!({ "from": "x".repeat(100_000) }), &["from is `xxx", "accepted"]),
            (json!({ "period": "7d", "from": "2026-01-01" }), &["period", "from", "pass one"]),
            (json!({ "period": "fortnight" }), &["period", "today", "7d"]),
            (json!({ "limit": 0 }), &["limit", "1 to 1000"]),
            (json!({ "limit": 1_001 }), &["limit", "1 to 1000"]),
            (json!({ "limit": -1 }), &["limit"]),
            (json!({ "group_by": "mood" }), &["group_by", "provider", "tag"]),
            (json!({ "format": "pdf" }), &["format", "csv"]),
            (json!({ "format": "csv", "colour": 1 }), &["colour", "group_by"]),
        ],
    );
}

#[test]
fn a_rating_of_nothing_is_refused() {
    let unknown = "01900000-0000-7000-8000-000000000000";
    check(
        "rate_response",
        &[
            (json!({}), &["request_id"]),
            (json!({ "request_id": "no-id", "rating": 1 }), &["request_id", "`no-id`", "route_prompt"]),
            (json!({ "request_id": "", "rating": 1 }), &["request_id", "route_prompt"]),
            (json!({ "request_id": "x".repeat(100_000), "rating": 1 }), &["request_id", "route_prompt"]),
            (json!({ "request_id": unknown, "rating": 1 }), &[unknown, "request_id", "route_prompt"]),
            (json!({ "request_id": unknown, "rating": 1.1 }), &["rating", "0", "1"]),
            (json!({ "request_id": unknown, "rating": -1 }), &["rating", "0", "1"]),
            (json!({ "request_id": unknown }), &["rating", "verdict"]),
            (json!({ "request_id": unknown, "rating": 1, "verdict": "good" }), &["either rating", "verdict"]),
            (json!({ "request_id": unknown, "verdict": "meh" }), &["verdict", "good", "stale"]),
            (
                json!({ "request_id": unknown, "rating": 1, "comment": "x".repeat(2_001) }),
                &["comment", "shorten"],
            ),
        ],
    );
}

#[test]
fn forgetting_needs_exactly_one_wish() {
    check(
        "forget_cache",
        &[
            (json!({}), &["exactly one", "request_id", "like", "older_than", "all"]),
            (json!({ "all": true, "older_than": "7d" }), &["exactly one"]),
            (json!({ "all": true, "min_similarity": 0.9 }), &["like", "min_similarity", "both"]),
            (json!({ "like": "x" }), &["min_similarity", "both"]),
            (json!({ "like": "x", "min_similarity": 0 }), &["min_similarity", "above 0"]),
            (json!({ "like": "x", "min_similarity": 1.5 }), &["min_similarity", "at most 1"]),
            (json!({ "like": "", "min_similarity": 0.9 }), &["like is empty", "pass"]),
            (json!({ "like": "x", "min_similarity": 0.9 }), &["hint"]),
            (json!({ "older_than": "long ago" }), &["older_than is `long ago`", "7d"]),
            (json!({ "older_than": "-7d" }), &["older_than", "7d"]),
            (json!({ "request_id": "no-id" }), &["request_id", "`no-id`"]),
            (json!({ "all": "yes" }), &["all", "boolean"]),
            (json!({ "everything": true }), &["everything", "older_than"]),
        ],
    );
}

//! Tokens are counted where an estimate of them would refuse a request that fits.

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::stdio::driver::{Conversation, Program, at};
use crate::stdio::provider::{Provider, answer, is_count};

const MODEL: &str = "anthropic/claude-haiku-5-5";

fn question() -> Value {
    let prompt = "The cheapest answer that is still good enough is the best one. ".repeat(400);
    json!({ "prompt": prompt, "max_output_tokens": 16, "cache": "off", "model": MODEL })
}

/// Answers, and counts so many tokens; `None`: the endpoint is out of order.
fn counting(tokens: Option<u64>) -> Provider {
    Provider::start(move |request: &Request| match tokens {
        _ if !is_count(request) => answer(request),
        Some(tokens) => ResponseTemplate::new(200).set_body_json(json!({ "input_tokens": tokens })),
        None => ResponseTemplate::new(500),
    })
}

/// What the question may cost at the most, in pico-dollars, as a plan says.
fn high(conversation: &mut Conversation, question: &Value) -> i64 {
    let mut plan = question.clone();
    plan["dry_run"] = json!(true);
    let plan = conversation.done("route_prompt", &plan);
    let high = at(&plan, "/candidates/0/estimated_cost_usd/high");
    (high.as_f64().unwrap_or_else(|| panic!("{plan}")) * 1e12).round() as i64
}

fn dollars(pico: i64) -> f64 {
    pico as f64 / 1e12
}

#[test]
fn what_fits_a_budget_by_count_is_admitted_and_what_does_not_is_not() {
    let cases = [
        // By estimate it may have up to 20,000 tokens.
        (Some(6_000), 1, true),
        (Some(19_000), 1, false),
        (None, 1, false),
    ];
    for (tokens, counts, is_admitted) in cases {
        let provider = counting(tokens);
        let folder = tempfile::tempdir().unwrap();
        let most = high(&mut Program::local(folder.path(), &provider).greet(), &question());
        assert_eq!(provider.counted().len(), 0, "a plan asks nobody where nothing is in its way");
        let limit = format!("{:.12}", dollars(most / 2));
        let mut conversation =
            Program::local(folder.path(), &provider).with("DAILY_BUDGET_USD", limit).greet();
        let result = conversation.call("route_prompt", &question());
        assert_eq!(at(&result, "/isError") != true, is_admitted, "{tokens:?}: {result}");
        assert_eq!(provider.counted(), vec!["claude-haiku-5-5"; counts], "{tokens:?}");
        assert_eq!(provider.asked().len(), usize::from(is_admitted));
    }
}

#[test]
fn what_cannot_fit_by_any_count_is_not_counted() {
    let provider = counting(Some(10));
    let folder = tempfile::tempdir().unwrap();
    let mut conversation =
        Program::local(folder.path(), &provider).with("DAILY_BUDGET_USD", "0.000001").greet();
    let refused = conversation.refused("route_prompt", &question());
    assert!(refused.contains("nothing was sent"), "{refused}");
    assert_eq!(provider.counted().len(), 0);
}

#[test]
fn a_limit_of_the_request_is_held_against_the_count_too() {
    let provider = counting(Some(6_000));
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::local(folder.path(), &provider).greet();
    let most = high(&mut conversation, &question());
    let mut limited = question();
    limited["max_cost_usd"] = json!(dollars(most / 2));
    conversation.done("route_prompt", &limited);
    assert_eq!((provider.counted().len(), provider.asked().len()), (1, 1));
    limited["max_cost_usd"] = json!(dollars(most / 10));
    let refused = conversation.refused("route_prompt", &limited);
    assert!(refused.contains("max_cost_usd"), "{refused}");
    assert_eq!(provider.asked().len(), 1);
}

#[test]
fn where_no_provider_counts_the_tokenizer_here_does() {
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::bare(folder.path(), "optimizer.sqlite3")
        .with("CEREBRAS_BASE_URL", provider.url())
        .with("CEREBRAS_API_KEY", "canary")
        .greet();
    let mut long = question();
    long["model"] = json!("cerebras/gpt-oss-120b");
    let counted = high(&mut conversation, &long);
    // A short one is not worth a count: from it, what a character costs at the most.
    let short =
        json!({ "prompt": "a".repeat(900), "max_output_tokens": 16, "model": "cerebras/gpt-oss-120b" });
    let tiny = json!({ "prompt": "a", "max_output_tokens": 16, "model": "cerebras/gpt-oss-120b" });
    let (short, tiny) = (high(&mut conversation, &short), high(&mut conversation, &tiny));
    let by_characters = (short - tiny) / 899 * long["prompt"].as_str().unwrap().len() as i64;
    assert!(counted < by_characters / 2, "{counted} of {by_characters}");
    long["max_cost_usd"] = json!(dollars(counted));
    let routed = conversation.done("route_prompt", &long);
    assert_eq!(at(&routed, "/model"), "gpt-oss-120b");
}

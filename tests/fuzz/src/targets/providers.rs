//! The four wire formats of the providers: answers in one piece, streams, and refusals.
//!
//! The first byte says which: `w` is a whole answer, `j` a whole one where a stream was asked for, `s` a stream, and
//! `r429 30` and a line's end a refusal of that status, which asks for a wait of 30. The rest is the body.

use std::time::Duration;

use ai_cost_optimizer::cost::bill::bill;
use ai_cost_optimizer::cost::catalogue::Catalogue;
use ai_cost_optimizer::domain::answer::Completion;
use ai_cost_optimizer::domain::model::{ModelRef, ProviderId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::prompt::{Prompt, Role, RouteRequest, Turn};
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::providers::anthropic::Anthropic;
use ai_cost_optimizer::providers::draft::Arrived;
use ai_cost_optimizer::providers::gemini::Gemini;
use ai_cost_optimizer::providers::http::Endpoint;
use ai_cost_optimizer::providers::ollama::Ollama;
use ai_cost_optimizer::providers::openai_chat::{Flavour, OpenAiChat};
use ai_cost_optimizer::providers::{Delivery, Draft, Provider, ProviderCall, ProviderError};
use jiff::Timestamp;

use super::wire::{Answer, Wire};

/// The longest words of an error: an error code of 64 bytes, and our own.
const MOST_ERROR_BYTES: usize = 200;
const KEY: &str = "sk-this-key-is-in-no-error";

pub(super) fn anthropic(bytes: &[u8]) {
    let model = ModelRef { provider: ProviderId::Anthropic, model: "claude-haiku-5-5".to_owned() };
    check(bytes, &model, |wire| Box::new(Anthropic::new(wire.client.clone(), endpoint())));
}

pub(super) fn gemini(bytes: &[u8]) {
    let model = ModelRef { provider: ProviderId::Gemini, model: "gemini-3-flash".to_owned() };
    check(bytes, &model, |wire| Box::new(Gemini::new(wire.client.clone(), endpoint())));
}

/// Here one more byte comes first: `c` for Cerebras, `o` for OpenRouter, `a` for any other server.
pub(super) fn openai_chat(bytes: &[u8]) {
    let Some((flavour, bytes)) = bytes.split_first() else { return };
    let (flavour, provider, model) = match flavour {
        b'c' => (Flavour::Cerebras, ProviderId::Cerebras, "gpt-oss-120b"),
        b'o' => (Flavour::OpenRouter, ProviderId::OpenRouter, "z-ai/glm-5.2"),
        b'a' => (Flavour::Compatible, ProviderId::OpenAiCompatible, "any"),
        _ => return,
    };
    let model = ModelRef { provider, model: model.to_owned() };
    check(bytes, &model, |wire| Box::new(OpenAiChat::new(wire.client.clone(), endpoint(), flavour)));
}

pub(super) fn ollama(bytes: &[u8]) {
    let model = ModelRef { provider: ProviderId::Ollama, model: "llama3.2".to_owned() };
    check(bytes, &model, |wire| Box::new(Ollama::new(wire.client.clone(), endpoint())));
}

fn endpoint() -> Endpoint {
    let base_url = "http://server.test".parse().expect("it is a URL");
    Endpoint { base_url, key: Some(KEY.into()), key_variable: "SOME_KEY" }
}

/// What came of a call: the answer or the words of its error, and what had arrived.
type Outcome = (Result<Completion, String>, Arrived);

fn check(bytes: &[u8], model: &ModelRef, connect: impl Fn(&Wire) -> Box<dyn Provider>) {
    let Some((kind, body)) = bytes.split_first() else { return };
    Wire::with(|wire| {
        let provider = connect(wire);
        let ask = |delivery: Delivery, answer: &Answer<'_>| {
            wire.answer(answer);
            let (call, draft) = (call(&model.model, delivery), Draft::default());
            let answer = wire.runtime.block_on(provider.complete(&call, &draft));
            if let Err(error) = &answer {
                check_error(error);
            }
            let outcome: Outcome = (answer.map_err(|error| error.to_string()), draft.arrived());
            check_outcome(&outcome, model, body.len());
            outcome
        };
        match kind {
            b'w' => drop(ask(Delivery::Whole, &Answer::json(body))),
            b'j' => drop(ask(Delivery::Streamed, &Answer::json(body))),
            b's' => {
                let stream = |chunks| Answer { content_type: "text/event-stream", ..in_chunks(chunks) };
                let whole = ask(Delivery::Streamed, &stream(vec![body]));
                // The place depends on the bytes alone, so that a crash comes again.
                let sum =
                    body.iter().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
                let (left, right) = body.split_at(sum % (body.len() + 1));
                same(&whole, &ask(Delivery::Streamed, &stream(vec![left, right])));
                same(&whole, &ask(Delivery::Streamed, &stream(body.chunks(1 + sum % 7).collect())));
            }
            b'r' => {
                let Some((head, body)) =
                    body.iter().position(|byte| *byte == b'\n').map(|end| body.split_at(end))
                else {
                    return;
                };
                let Some((status, wait)) = super::text(head).and_then(|head| head.split_at_checked(3)) else {
                    return;
                };
                let Some(status) = status.parse().ok().filter(|status| (300..=599).contains(status)) else {
                    return;
                };
                let is_header = wait.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
                let retry_after = Some(wait.trim()).filter(|wait| is_header && !wait.is_empty());
                let refused = ask(Delivery::Whole, &Answer { status, retry_after, ..Answer::json(body) });
                assert!(refused.0.is_err(), "status {status} is no answer");
                same(
                    &refused,
                    &ask(Delivery::Streamed, &Answer { status, retry_after, ..Answer::json(body) }),
                );
            }
            _ => {}
        }
    });
}

fn in_chunks(chunks: Vec<&[u8]>) -> Answer<'_> {
    Answer { chunks, ..Answer::json(b"") }
}

fn call(model: &str, delivery: Delivery) -> ProviderCall {
    ProviderCall {
        model: model.to_owned(),
        system: None,
        turns: vec![Turn { role: Role::User, text: "this-prompt-is-in-no-error".to_owned() }],
        max_visible_tokens: 1_024,
        thinking_allowance: 0,
        temperature: None,
        context_window: 200_000,
        delivery,
        timeout: Duration::from_secs(5),
        first_byte_timeout: Duration::from_secs(5),
        gap_timeout: Duration::from_secs(5),
    }
}

/// However a stream is cut into chunks, it says the same.
fn same(one: &Outcome, other: &Outcome) {
    assert_eq!(one.0, other.0);
    assert_eq!((&one.1.text, one.1.usage), (&other.1.text, other.1.usage));
}

fn check_error(error: &ProviderError) {
    let words = error.to_string();
    assert!(words.len() <= MOST_ERROR_BYTES, "an error repeats what came: {words}");
    assert!(!words.contains("in-no-error"), "an error tells a secret: {words}");
    assert!(!words.contains(char::is_control), "an error is one line: {words:?}");
    // Here nothing waits and nothing is away.
    let is_ours = matches!(error, ProviderError::Timeout(_) | ProviderError::Cancelled);
    assert!(!is_ours, "{error}");
    if let ProviderError::Overloaded { retry_after: Some(wait), .. } = error {
        assert!(*wait <= Duration::from_secs(3_600), "{wait:?}");
    }
}

fn check_outcome((answer, arrived): &Outcome, asked: &ModelRef, body_bytes: usize) {
    arrived.usage.iter().for_each(|usage| check_usage(usage, asked.provider));
    assert!(arrived.text.len() <= body_bytes, "text that nobody sent");
    let Ok(answer) = answer else { return };
    assert!(answer.text.len() <= body_bytes, "text that nobody sent");
    answer.usage.iter().for_each(|usage| check_usage(usage, asked.provider));
    let request = RouteRequest::new(Prompt::new("a question").expect("it is a prompt"));
    thread_local! {
        static CATALOGUE: Catalogue = Catalogue::new(&[]).expect("the built-in prices are valid");
    }
    let at = Timestamp::from_second(1_795_000_000).expect("it is a time");
    let bill = CATALOGUE.with(|catalogue| bill(catalogue, &request, asked, answer, at));
    assert!(bill.cost.is_none_or(|cost| cost >= Usd::ZERO), "a bill that pays: {bill:?}");
    let is_free = asked.provider == ProviderId::Ollama;
    assert!(!is_free || bill.cost == Some(Usd::ZERO), "one's own hardware costs nothing: {bill:?}");
}

/// Where a provider counts the parts, their sum is the whole; where it counts both, it may contradict itself.
fn check_usage(usage: &Usage, provider: ProviderId) {
    let special = usage.cached_input_tokens.saturating_add(usage.cache_write_tokens);
    match provider {
        ProviderId::Anthropic => assert!(special <= usage.input_tokens, "{usage:?}"),
        ProviderId::Gemini => assert!(usage.reasoning_tokens <= usage.output_tokens, "{usage:?}"),
        _ => {}
    }
    assert!(usage.cache_write_1h_tokens <= usage.cache_write_tokens, "{usage:?}");
    assert!(
        usage.input_tokens > 0 || usage.output_tokens > 0,
        "what counts nothing was not counted: {usage:?}"
    );
}

//! Progress while a provider works, and answers that come after the deadline.

use std::time::Duration;

use serde_json::json;

use super::driver::{Program, at};
use super::provider::Provider;

#[test]
fn progress_comes_once_a_second_and_grows_and_names_the_model_but_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::slow(Duration::from_millis(3_500));
    let mut conversation = Program::local(folder.path(), &provider).greet();
    let id = conversation.request(
        "tools/call",
        &json!({
            "name": "route_prompt",
            "arguments": { "prompt": "canary-prompt, please" },
            "_meta": { "progressToken": "token-1" },
        }),
    );
    let mut told = Vec::new();
    let answer = loop {
        let message = conversation.next().unwrap();
        if at(&message, "/id") == &id {
            break message;
        }
        assert_eq!(at(&message, "/method"), "notifications/progress", "{message}");
        assert_eq!(at(&message, "/params/progressToken"), "token-1");
        told.push(message);
    };
    assert_ne!(at(&answer, "/result/isError"), true, "{answer}");
    assert!((2..=4).contains(&told.len()), "{told:?}");
    let seconds: Vec<f64> =
        told.iter().map(|message| at(message, "/params/progress").as_f64().unwrap()).collect();
    assert!(seconds.windows(2).all(|pair| pair[1] - pair[0] >= 0.9), "{seconds:?}");
    let last = at(told.last().unwrap(), "/params/message").as_str().unwrap();
    assert!(last.contains("anthropic/") && !last.contains("canary-prompt"), "{last}");
    conversation.hang_up().check(Duration::from_secs(2));
}

#[test]
fn a_call_without_a_token_hears_of_no_progress() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::slow(Duration::from_millis(2_200));
    let mut conversation = Program::local(folder.path(), &provider).greet();
    let id = conversation.begin("route_prompt", &json!({ "prompt": "Hello" }));
    assert_eq!(at(&conversation.next().unwrap(), "/id"), &id);
}

#[test]
fn the_answer_of_a_call_with_progress_survives_the_end_of_input() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::slow(Duration::from_millis(2_500));
    let mut conversation = Program::local(folder.path(), &provider).greet();
    let id = conversation.request(
        "tools/call",
        &json!({ "name": "route_prompt", "arguments": { "prompt": "Hello" }, "_meta": { "progressToken": 7 } }),
    );
    provider.await_call();
    let ended = conversation.hang_up();
    ended.check(Duration::from_secs(4));
    let answer = ended.rest.iter().find(|message| at(message, "/id") == &id).expect("the answer came");
    assert_ne!(at(answer, "/result/isError"), true, "{answer}");
}

#[test]
fn what_is_late_is_brought_by_resume_and_its_words_say_how() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::slow(Duration::from_millis(1_800));
    let program = Program::local(folder.path(), &provider).with("REQUEST_DEADLINE_MS", "1000");
    let mut conversation = program.greet();
    let text = conversation.refused("route_prompt", &json!({ "prompt": "Hello" }));
    let (_, rest) = text.split_once("resume `").unwrap();
    let (id, _) = rest.split_once('`').unwrap();
    let output = conversation.done("route_prompt", &json!({ "prompt": "", "resume": id }));
    assert_eq!(at(&output, "/request_id"), id);
    assert!(at(&output, "/text").as_str().unwrap().starts_with("An answer by"), "{output}");
    assert_eq!(provider.asked().len(), 1);
    for (id, problem) in [("nonsense", "not an id"), ("00000000-0000-7000-8000-000000000000", "not known")] {
        let text = conversation.refused("route_prompt", &json!({ "prompt": "", "resume": id }));
        assert!(text.contains(problem), "{text}");
    }
}

#[test]
fn what_is_left_alone_after_a_failure_is_in_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::start(|_: &wiremock::Request| {
        wiremock::ResponseTemplate::new(429).insert_header("retry-after", "600")
    });
    let mut conversation = Program::local(folder.path(), &provider).greet();
    conversation.refused("route_prompt", &json!({ "prompt": "Hello", "model": "claude-haiku-5-5" }));
    let id = conversation.request("resources/read", &json!({ "uri": "metrics://providers" }));
    let answer = conversation.answer(&id);
    let text = at(&answer, "/result/contents/0/text").as_str().unwrap();
    let metrics: serde_json::Value = serde_json::from_str(text).unwrap();
    let anthropic = at(&metrics, "/providers/0");
    assert_eq!(at(anthropic, "/provider"), "anthropic");
    assert_eq!(at(anthropic, "/left_alone/0/model"), "claude-haiku-5-5");
    assert_eq!(at(anthropic, "/left_alone/0/after"), "overloaded");
    let until: jiff::Timestamp = at(anthropic, "/left_alone/0/until").as_str().unwrap().parse().unwrap();
    let left = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((590..=760).contains(&left), "{left}");
    assert_eq!(at(&metrics, "/providers/1/left_alone"), &json!([]));
}

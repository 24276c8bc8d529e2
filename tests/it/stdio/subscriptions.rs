//! Metrics that tell when they changed, whichever process changed them.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::driver::{Conversation, Program, at};

const SUMMARY: &str = "metrics://summary";
const CACHE: &str = "metrics://cache";
/// Within this a write must be heard of, on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(2);
/// The same where other tests run beside.
const PATIENCE: Duration = Duration::from_secs(6);
/// Two looks of the server, in which nothing must come.
const QUIET: Duration = Duration::from_millis(2_500);

fn pay(conversation: &mut Conversation, prompt: &str) {
    conversation.done("route_prompt", &json!({ "prompt": prompt, "cache": "off" }));
}

fn subscribe(conversation: &mut Conversation, method: &str, uri: &str) -> Value {
    let id = conversation.request(&format!("resources/{method}"), &json!({ "uri": uri }));
    conversation.answer(&id)
}

/// Opens a stream and gives its id and what the server took on.
fn listen(conversation: &mut Conversation, notifications: &Value) -> (Value, Value) {
    let id = conversation.modern("subscriptions/listen", json!({ "notifications": notifications }));
    let acknowledged = conversation.notification(PATIENCE).unwrap();
    assert_eq!(at(&acknowledged, "/method"), "notifications/subscriptions/acknowledged");
    assert_eq!(stream(&acknowledged), &id);
    (id, at(&acknowledged, "/params/notifications").clone())
}

/// The id of the stream that a notification belongs to.
fn stream(notification: &Value) -> &Value {
    at(notification, "/params/_meta/io.modelcontextprotocol~1subscriptionId")
}

fn updated(conversation: &mut Conversation, uri: &str) {
    hears(conversation, &[(uri, &Value::Null)]);
}

/// Two processes on one data folder; the second one's first call opens its store.
fn pair(folder: &Path) -> (Conversation, Conversation) {
    let program = Program::simulated(folder);
    let mut other = program.greet();
    pay(&mut other, "Hello");
    (program.start(), other)
}

#[test]
fn the_server_says_that_resources_can_be_subscribed_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::simulated(folder.path()).start();
    let id = conversation.modern("server/discover", json!({}));
    assert_eq!(at(&conversation.answer(&id), "/result/capabilities/resources/subscribe"), true);
    let answer = conversation.initialize("2025-11-25");
    assert_eq!(at(&answer, "/result/capabilities/resources/subscribe"), true, "{answer}");
}

#[test]
fn an_older_client_hears_of_its_own_and_of_another_process_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut here, mut there) = pair(folder.path());
    here.initialize("2025-11-25");
    assert!(at(&subscribe(&mut here, "subscribe", SUMMARY), "/result").is_object());
    assert_eq!(here.notification(QUIET), None, "nothing was written");
    let mut quickest = PATIENCE;
    for number in 0..3 {
        pay(&mut there, &format!("What is {number} plus one?"));
        let started = Instant::now();
        updated(&mut here, SUMMARY);
        quickest = quickest.min(started.elapsed());
    }
    assert!(quickest <= SOON, "{quickest:?}");
    pay(&mut here, "What is nine plus one?");
    updated(&mut here, SUMMARY);
    let paid = there.done("route_prompt", &json!({ "prompt": "Rate me", "cache": "off" }));
    updated(&mut here, SUMMARY);
    drain(&mut here);
    there.done("rate_response", &json!({ "request_id": at(&paid, "/request_id"), "rating": 1 }));
    assert_eq!(here.notification(QUIET), None, "a rating is in no summary");
    assert!(at(&subscribe(&mut here, "unsubscribe", SUMMARY), "/result").is_object());
    drain(&mut here);
    pay(&mut there, "Unheard");
    assert_eq!(here.notification(QUIET), None, "nobody subscribes any more");
    here.hang_up().check(SOON);
    there.hang_up().check(SOON);
}

#[test]
fn a_client_of_2026_hears_on_its_stream_until_it_cancels() {
    let folder = tempfile::tempdir().unwrap();
    let (mut here, mut there) = pair(folder.path());
    let wanted = json!({ "resourceSubscriptions": [SUMMARY, "metrics://weather"], "toolsListChanged": true });
    let (id, accepted) = listen(&mut here, &wanted);
    assert_eq!(accepted, json!({ "resourceSubscriptions": [SUMMARY] }), "only what there is");
    let (other, _) = listen(&mut here, &json!({ "resourceSubscriptions": [CACHE] }));
    pay(&mut there, "What is two plus one?");
    // The cache counts its sources, so that a payment changes both.
    hears(&mut here, &[(SUMMARY, &id), (CACHE, &other)]);
    drain(&mut here);
    here.notify("notifications/cancelled", &json!({ "requestId": id }));
    let list = here.modern("tools/list", json!({}));
    here.answer(&list);
    pay(&mut there, "What is four plus one?");
    let after = hears(&mut here, &[(CACHE, &other)]);
    assert!(
        after.iter().chain(&drain(&mut here)).all(|(_, stream)| stream == &other),
        "a cancelled stream is silent"
    );
    let ended = here.hang_up();
    ended.check(SOON);
    assert!(ended.rest.iter().all(|message| at(message, "/id") != &id), "{:?}", ended.rest);
}

/// Reads what is told, a resource and its stream each, until all that is expected was; in whichever order.
fn hears(conversation: &mut Conversation, expected: &[(&str, &Value)]) -> Vec<(String, Value)> {
    let mut heard: Vec<(String, Value)> = Vec::new();
    let is_heard = |heard: &[(String, Value)], (uri, id): &(&str, &Value)| {
        heard.iter().any(|(heard_uri, heard_id)| heard_uri == uri && heard_id == *id)
    };
    while !expected.iter().all(|wanted| is_heard(&heard, wanted)) {
        let notification = conversation.notification(PATIENCE);
        heard.push(told(&notification.unwrap_or_else(|| panic!("only {heard:?} was told"))));
    }
    heard
}

/// Reads what is still told until nothing is: a look between an intent and its record tells of a payment twice.
fn drain(conversation: &mut Conversation) -> Vec<(String, Value)> {
    std::iter::from_fn(|| conversation.notification(QUIET)).map(|notification| told(&notification)).collect()
}

fn told(notification: &Value) -> (String, Value) {
    assert_eq!(at(notification, "/method"), "notifications/resources/updated", "{notification}");
    (at(notification, "/params/uri").as_str().unwrap().to_owned(), stream(notification).clone())
}

#[test]
fn what_cannot_be_subscribed_to_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::simulated(folder.path()).start();
    conversation.initialize("2025-11-25");
    for method in ["subscribe", "unsubscribe"] {
        let answer = subscribe(&mut conversation, method, "metrics://weather");
        assert_eq!(at(&answer, "/error/code"), -32_002, "{answer}");
        assert_eq!(at(&answer, "/error/data/uri"), "metrics://weather", "{answer}");
    }
    let wanted = json!({ "notifications": { "resourceSubscriptions": ["metrics://weather"] } });
    let id = conversation.modern("subscriptions/listen", wanted);
    let answer = conversation.answer(&id);
    assert_eq!(at(&answer, "/error/code"), -32_602, "{answer}");
    assert_eq!(at(&answer, "/error/data/uri"), "metrics://weather", "{answer}");
    conversation.hang_up().check(SOON);
}

#[test]
fn streams_are_bounded_and_a_cancelled_one_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::simulated(folder.path()).start();
    let wanted = json!({ "resourceSubscriptions": [SUMMARY, SUMMARY] });
    let mut ids = Vec::new();
    for _ in 0..32 {
        ids.push(listen(&mut conversation, &wanted).0);
    }
    let one_more = conversation.modern("subscriptions/listen", json!({ "notifications": wanted }));
    let answer = conversation.answer(&one_more);
    assert!(at(&answer, "/error/message").as_str().unwrap().contains("hint:"), "{answer}");
    conversation.notify("notifications/cancelled", &json!({ "requestId": ids[0] }));
    let started = Instant::now();
    // The place is free once the stream's task has ended.
    loop {
        let id = conversation.modern("subscriptions/listen", json!({ "notifications": wanted }));
        if conversation.notification(Duration::from_secs(1)).is_some() {
            break;
        }
        assert!(conversation.refusal(&id).is_some(), "neither taken on nor refused");
        assert!(started.elapsed() < PATIENCE, "a cancelled stream keeps its place");
    }
    let ended = conversation.hang_up();
    ended.check(SOON);
    let results = ended.rest.iter().filter(|message| at(message, "/result/resultType") == "complete");
    assert_eq!(results.count(), 32, "each open stream is ended by a result");
}

#[test]
fn neither_the_end_of_input_nor_a_signal_waits_for_a_subscriber() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::simulated(folder.path());
    let subscribed = || {
        let mut conversation = program.start();
        listen(&mut conversation, &json!({ "resourceSubscriptions": [SUMMARY] }));
        conversation.initialize("2025-11-25");
        subscribe(&mut conversation, "subscribe", CACHE);
        conversation
    };
    subscribed().hang_up().check(SOON);
    #[cfg(unix)]
    subscribed().signal("TERM").check(SOON);
    // A write that was not told of yet holds nobody up either.
    let mut conversation = subscribed();
    conversation.begin("route_prompt", &json!({ "prompt": "What is one plus one?" }));
    conversation.hang_up().check(SOON);
}

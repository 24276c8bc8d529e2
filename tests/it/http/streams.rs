//! Who asked to be told of changes is told, in both eras.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::caller::Caller;
use super::server::Program;
use super::tokens::{ALICE, BOB, token};
use crate::stdio::driver::at;

/// A stream of events.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    /// Waits for the next message; `None` at the end of the stream, or where none comes in time.
    async fn next(&mut self, within: Duration) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let data = line.strip_prefix("data:").map(|data| data.trim().to_owned());
                self.text = rest.to_owned();
                match data {
                    Some(data) if !data.is_empty() => return Some(serde_json::from_str(&data).unwrap()),
                    _ => continue,
                }
            }
            let chunk = tokio::time::timeout(within, self.response.chunk()).await.ok()?;
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }
}

const PATIENT: Duration = Duration::from_secs(20);
const URI: &str = "metrics://summary";

fn prompt(text: &str) -> Value {
    json!({ "prompt": text })
}

#[tokio::test]
async fn a_stream_of_2026_tells_its_user_of_changes_and_ends_with_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::simulated(folder.path()).start();
    let (alice, bob) = (Caller::new(&server, token(ALICE)), Caller::new(&server, token(BOB)));
    let wanted = json!({ "notifications": { "resourceSubscriptions": [URI] } });
    let response = alice.modern_request("subscriptions/listen", wanted.clone()).send().await.unwrap();
    let mut events = Events { response, text: String::new() };
    let first = events.next(PATIENT).await.unwrap();
    assert_eq!(at(&first, "/method"), "notifications/subscriptions/acknowledged", "{first}");
    let updated = |event: &Value| {
        assert_eq!(at(event, "/method"), "notifications/resources/updated", "{event}");
        assert_eq!(at(event, "/params/uri"), URI);
    };
    // Once at the beginning, for what it may have missed.
    updated(&events.next(PATIENT).await.unwrap());
    bob.done("route_prompt", &prompt("Something of Bob's")).await;
    assert_eq!(events.next(Duration::from_secs(2)).await, None, "Bob's doings are no news for Alice");
    alice.done("route_prompt", &prompt("Something of Alice's")).await;
    updated(&events.next(PATIENT).await.unwrap());
    let unknown = json!({ "notifications": { "resourceSubscriptions": ["metrics://nothing"] } });
    let refused = alice.modern("subscriptions/listen", unknown).await.message();
    assert_eq!(at(&refused, "/error/code"), -32_602, "{refused}");
    // The end of the server ends it with a result.
    server.terminate();
    let last = events.next(PATIENT).await.unwrap();
    assert!(at(&last, "/result").is_object(), "{last}");
    let ended = server.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(4), "{:?}", ended.took);
}

#[tokio::test]
async fn a_session_of_before_2026_is_told_on_its_own_stream() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::simulated(folder.path()).start();
    let alice = Caller::new(&server, token(ALICE)).greet().await;
    let other = Caller::new(&server, token(ALICE)).greet().await;
    let stream = |caller: &Caller| caller.begin(Method::GET).send();
    let mut events = Events { response: stream(&alice).await.unwrap(), text: String::new() };
    let mut others = Events { response: stream(&other).await.unwrap(), text: String::new() };
    let subscribed = alice.ask("resources/subscribe", json!({ "uri": URI })).await.message();
    assert_eq!(at(&subscribed, "/result"), &json!({}), "{subscribed}");
    alice.done("route_prompt", &prompt("Anything at all")).await;
    let event = events.next(PATIENT).await.unwrap();
    assert_eq!(at(&event, "/method"), "notifications/resources/updated", "{event}");
    assert_eq!(
        others.next(Duration::from_secs(2)).await,
        None,
        "a session that asked for nothing hears nothing"
    );
    // Open streams hold up no end.
    let ended = server.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(4), "{:?}", ended.took);
}

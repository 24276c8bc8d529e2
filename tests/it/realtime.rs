//! Metrics of a team: told by Realtime within moments, of the user's own rows and of no others.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::machine::Machine;
use crate::stdio::driver::{Conversation, at};
use crate::stdio::provider::Provider;
use crate::store::stack::{self, Stack};

const SUMMARY: &str = "metrics://summary";
/// Well below the 15 s after which the server would look by itself.
const SOON: Duration = Duration::from_secs(8);
/// In which nothing must come.
const QUIET: Duration = Duration::from_secs(2);

/// Starts the server on a machine with somebody who wants to hear of the summary, and waits until it listens.
fn subscriber(machine: &Machine<'_>, provider: &Provider) -> Conversation {
    let mut conversation = machine.greet(provider);
    let id = conversation.request("resources/subscribe", &json!({ "uri": SUMMARY }));
    assert!(at(&conversation.answer(&id), "/result").is_object());
    conversation
}

fn pay(conversation: &mut Conversation, prompt: &str) {
    conversation.done("route_prompt", &json!({ "prompt": prompt, "cache": "off" }));
}

fn hears(conversation: &mut Conversation) -> Duration {
    let started = Instant::now();
    let told = conversation.notification(SOON).expect("it is told");
    assert_eq!(at(&told, "/params/uri"), SUMMARY, "{told}");
    started.elapsed()
}

fn drain(conversation: &mut Conversation) {
    while conversation.notification(QUIET).is_some() {}
}

#[test]
fn a_users_other_machine_hears_of_a_row_and_nobody_else_does() {
    let (Some(alice), Some(bob)) = (stack::user(), stack::user()) else { return };
    let provider = Provider::quick();
    let machines = [Machine::of(&alice), Machine::of(&alice), Machine::of(&bob)];
    for machine in &machines {
        machine.login();
    }
    let mut alices = subscriber(&machines[1], &provider);
    let mut bobs = subscriber(&machines[2], &provider);
    drain(&mut alices);
    let mut first = machines[0].greet(&provider);
    let mut quickest = SOON;
    for number in 0..3 {
        pay(&mut first, &format!("What is {number} plus one?"));
        quickest = quickest.min(hears(&mut alices));
        drain(&mut alices);
    }
    assert!(quickest < QUIET, "{quickest:?}");
    assert_eq!(bobs.notification(Duration::ZERO), None, "another user's rows are no news");
    pay(&mut bobs, "What is nine plus one?");
    hears(&mut bobs);
    // What was heard of is what can be read.
    let id = alices.request("resources/read", &json!({ "uri": SUMMARY }));
    let read = alices.answer(&id);
    let text = at(&read, "/result/contents/0/text").as_str().unwrap().to_owned();
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(at(&summary, "/all_time/requests"), 3, "{summary}");
    for conversation in [alices, bobs, first] {
        conversation.hang_up().check(SOON);
    }
}

#[test]
fn it_goes_on_after_the_socket_was_cut_and_after_its_token_has_expired() {
    // Tokens are renewed for each call, and Realtime closes the channel after four seconds.
    let Some(stack) = Stack::start(&["--token-seconds", "4"]) else { return };
    let (alice, provider) = (stack.user(0), Provider::quick());
    let (here, there) = (Machine::of(&alice), Machine::of(&alice));
    here.login();
    there.login();
    let (mut here, mut there) = (subscriber(&here, &provider), there.greet(&provider));
    drain(&mut here);
    pay(&mut there, "One");
    hears(&mut here);
    stack.tell(&json!({ "close_sockets": true }));
    drain(&mut here);
    pay(&mut there, "Two");
    hears(&mut here);
    drain(&mut here);
    // Three tokens later.
    std::thread::sleep(Duration::from_secs(9));
    drain(&mut here);
    pay(&mut there, "Three");
    hears(&mut here);
    here.hang_up().check(SOON);
}

//! A project that fails in the middle of things: everything is answered, nothing is lost, nothing is counted twice.

use std::time::Duration;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::stdio::driver::{Conversation, at};
use crate::stdio::provider::Provider;
use crate::store::stack::{Stack, User};

/// The words of an answer whose record could not go to the project.
const WAITS: &str = "the record waits on this machine";
/// `reserve_budget`, which writes intents, and `record_request`.
const RECORD: &str = "/rest/v1/rpc/re";

fn degraded(answer: &Value) -> String {
    at(answer, "/degraded").to_string()
}

/// Sums money as the program does: in whole pico-dollars.
fn pico(usd: &Value) -> i64 {
    (usd.as_f64().unwrap() * 1e12).round() as i64
}

fn fault(stack: &Stack, path: &str, times: u32, kind: &Value) {
    stack.tell(&json!({ "fault": { "path": path, "times": times, "kind": kind } }));
}

fn setting(users: &str) -> Option<(Stack, Provider)> {
    Some((Stack::start(&["--users", users])?, Provider::slow(Duration::from_millis(30))))
}

fn signed_in(user: &User) -> Machine<'_> {
    let machine = Machine::of(user);
    machine.login();
    machine
}

fn routed(conversation: &mut Conversation, id: &Value) -> Value {
    let answer = conversation.answer(id);
    assert_ne!(at(&answer, "/result/isError"), true, "{answer}");
    at(&answer, "/result/structuredContent").clone()
}

#[test]
fn of_a_hundred_requests_around_an_outage_every_one_is_in_the_report() {
    let Some((stack, provider)) = setting("1") else { return };
    let alice = stack.user(0);
    let machine = signed_in(&alice);
    let mut conversation = machine.greet(&provider);
    let prompt = |number: u32| json!({ "prompt": format!("What is {number} plus one?") });
    let mut ids: Vec<Value> =
        (0..50).map(|number| conversation.begin("route_prompt", &prompt(number))).collect();
    let mut answers: Vec<Value> = ids.drain(..10).map(|id| routed(&mut conversation, &id)).collect();
    stack.tell(&json!({ "plugged": false }));
    ids.extend((50..100).map(|number| conversation.begin("route_prompt", &prompt(number))));
    answers.extend(ids.iter().map(|id| routed(&mut conversation, id)));
    let waiting = answers.iter().filter(|answer| degraded(answer).contains(WAITS)).count();
    assert!(waiting >= 50, "{waiting} answers say so");
    // Nobody can rate or sum what is not there, and both say why.
    let rating = json!({ "request_id": at(&answers[99], "/request_id"), "verdict": "good" });
    let refused = conversation.refused("rate_response", &rating);
    assert!(refused.contains("the project does not answer") && refused.contains("hint:"), "{refused}");
    let refused = conversation.refused("cost_report", &json!({}));
    assert!(refused.contains("the project does not answer"), "{refused}");
    // The process dies with all that waits.
    drop(conversation);
    let doctor = machine.run(&["doctor"], "");
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(!doctor.status.success() && found.contains("records wait"), "{found}");

    stack.tell(&json!({ "plugged": true }));
    let report = machine.report();
    assert_eq!(at(&report, "/totals/requests"), 100, "{report}");
    assert_eq!(at(&report, "/totals/unsettled_requests").as_u64().unwrap_or(0), 0, "{report}");
    let paid: i64 = answers.iter().map(|answer| pico(at(answer, "/cost_usd"))).sum();
    assert_eq!(pico(at(&report, "/totals/cost_usd")), paid, "{report}");
    assert_eq!(provider.asked().len(), 100);
    let mut conversation = machine.greet(&provider);
    conversation.done("rate_response", &rating);
    let hit = conversation.done("route_prompt", &prompt(99));
    assert_eq!(at(&hit, "/source"), "cache_exact", "an answer that waited is served");
}

#[test]
fn a_reply_that_is_lost_is_neither_a_lost_record_nor_a_second_one() {
    let Some((stack, provider)) = setting("3") else { return };
    let prompt = json!({ "prompt": "What is one plus one?" });
    let kinds = [json!("cut_after"), json!("cut_before"), json!(503)];
    for (place, kind) in kinds.iter().enumerate() {
        let user = stack.user(place);
        let machine = signed_in(&user);
        let mut conversation = machine.greet(&provider);
        // Intent and end.
        fault(&stack, RECORD, 2, kind);
        let paid = conversation.done("route_prompt", &prompt);
        assert_eq!(at(&paid, "/source"), "provider", "{kind}");
        assert!(degraded(&paid).contains(WAITS), "{kind}: {paid}");
        let totals = at(&machine.report(), "/totals").clone();
        assert_eq!((at(&totals, "/requests"), at(&totals, "/cost_usd")), (&json!(1), at(&paid, "/cost_usd")));
        fault(&stack, RECORD, 1, kind);
        let hit = conversation.done("route_prompt", &prompt);
        assert_eq!(at(&hit, "/source"), "cache_exact", "{kind}");
        // Both the server and the report may deliver it.
        let totals = at(&machine.report(), "/totals").clone();
        assert_eq!((at(&totals, "/requests"), at(&totals, "/cache_hits")), (&json!(2), &json!(1)), "{kind}");
        let hits = "select string_agg(hit_count::text, ' ') from response_cache c join auth.users u on u.id = c.user_id";
        let hits = stack.tell(&json!({ "sql": format!("{hits} where u.id = '{}'", user.id) }));
        assert_eq!(hits, "1", "{kind}");
        fault(&stack, "/", 0, &json!("slow"));
    }
    assert_eq!(provider.asked().len(), 3);
}

#[test]
fn lookups_that_fail_are_misses_and_a_session_that_ends_meanwhile_loses_nothing() {
    // Tokens that are renewed for each call.
    let Some(stack) = Stack::start(&["--token-seconds", "60"]) else { return };
    let (alice, provider) = (stack.user(0), Provider::quick());
    let machine = signed_in(&alice);
    let mut conversation = machine.greet(&provider);
    let prompt = json!({ "prompt": "What is one plus one?" });
    conversation.done("route_prompt", &prompt);
    fault(&stack, "/rest/v1/rpc/find_cache_entry", 1, &json!(500));
    let again = conversation.done("route_prompt", &prompt);
    assert_eq!(at(&again, "/source"), "provider");
    assert!(degraded(&again).contains("the cache was not read"), "{again}");

    // The session is revoked between the intent and the end.
    let slow = Provider::slow(Duration::from_secs(4));
    let mut conversation = machine.greet(&slow);
    let id = conversation.begin("route_prompt", &json!({ "prompt": "What is two plus one?" }));
    slow.await_call();
    stack.tell(&json!({ "revoke_all": true }));
    let paid = routed(&mut conversation, &id);
    assert!(degraded(&paid).contains("ai-cost-optimizer login"), "{paid}");
    let refused = conversation.refused("route_prompt", &json!({ "prompt": "What is three plus one?" }));
    assert!(refused.contains("ai-cost-optimizer login"), "{refused}");
    assert_eq!(slow.asked().len(), 1, "nobody is paid who could not be recorded");
    // A new session takes what waited.
    machine.login();
    conversation.done("route_prompt", &json!({ "prompt": "What is four plus one?" }));
    let report = machine.report();
    assert_eq!(at(&report, "/totals/requests"), 4, "{report}");
    assert_eq!(at(&report, "/totals/unsettled_requests").as_u64().unwrap_or(0), 0, "{report}");
}

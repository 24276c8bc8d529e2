//! Spending more than a little takes a yes: by elicitation where the client can ask, else by `confirm`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stdio::driver::{Conversation, Program, at};
use crate::stdio::provider::Provider;

fn dear(confirm: bool) -> Value {
    json!({
        "name": "x", "metric": "cost_usd", "max_spend_usd": 50, "confirm": confirm,
        "arms": [{ "name": "now" }, { "name": "new", "model": "claude-opus-5-5" }],
    })
}

fn experiments(program: &Program) -> usize {
    let (_, list, _) = program.run(&["experiment", "list", "--json"]);
    serde_json::from_str::<Vec<Value>>(&list).unwrap().len()
}

#[test]
fn who_cannot_be_asked_passes_confirm() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::quick();
    let program = Program::local(folder.path(), &provider);
    let mut conversation = program.greet();
    let problem = conversation.refused("start_experiment", &dear(false));
    assert!(problem.contains("it may spend $50.00, more than $5.00; hint: pass confirm: true"), "{problem}");
    assert_eq!(experiments(&program), 0);
    conversation.done("start_experiment", &dear(true));
    conversation.hang_up();
}

#[test]
fn a_client_of_the_old_era_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::quick();
    let program = Program::local(folder.path(), &provider);
    for (said, is_started) in [
        (json!({ "action": "decline" }), false),
        (json!({ "action": "cancel" }), false),
        (json!({ "action": "accept", "content": { "confirm": false } }), false),
        (json!({ "action": "accept", "content": { "confirm": true } }), true),
    ] {
        let mut conversation = program.start();
        conversation.initialize_able("2025-11-25", &json!({ "elicitation": {} }));
        let id = conversation.begin("start_experiment", &dear(false));
        let question = conversation.notification(Duration::from_secs(10)).unwrap();
        assert_eq!(at(&question, "/method"), "elicitation/create");
        let message = at(&question, "/params/message").as_str().unwrap();
        assert!(message.contains("`x` may spend $50.00"), "{message}");
        conversation.say(json!({ "jsonrpc": "2.0", "id": at(&question, "/id"), "result": said }).to_string());
        let answer = conversation.answer(&id);
        assert_eq!(at(&answer, "/result/isError") == true, !is_started, "{answer}");
        assert_eq!(experiments(&program), usize::from(is_started));
        conversation.hang_up();
    }
}

/// Calls as a client of the new era; `back` is what the user said and the state that is brought back.
fn call(conversation: &mut Conversation, arguments: &Value, back: Option<(&Value, &Value)>) -> Value {
    let mut params = json!({ "name": "start_experiment", "arguments": arguments });
    if let Some((said, state)) = back {
        params["inputResponses"] = json!({ "confirm": said });
        params["requestState"] = state.clone();
    }
    let id = conversation.modern_able("tools/call", params, &json!({ "elicitation": { "form": {} } }));
    at(&conversation.answer(&id), "/result").clone()
}

/// Has a client asked, and gives the state that it is to bring back.
fn asked(conversation: &mut Conversation, arguments: &Value) -> Value {
    let asked = call(conversation, arguments, None);
    assert_eq!(at(&asked, "/resultType"), "input_required", "{asked}");
    let question = at(&asked, "/inputRequests/confirm/params/message").as_str().unwrap();
    assert!(question.contains("may spend $50.00"), "{question}");
    at(&asked, "/requestState").clone()
}

fn yes() -> Value {
    json!({ "action": "accept", "content": { "confirm": true } })
}

#[test]
fn a_client_of_the_new_era_asks_and_calls_again() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::quick();
    let program = Program::local(folder.path(), &provider);
    let mut conversation = program.start();
    let state = asked(&mut conversation, &dear(false));
    let no = json!({ "action": "decline" });
    let declined = call(&mut conversation, &dear(false), Some((&no, &state)));
    assert_eq!(at(&declined, "/isError"), true, "{declined}");
    assert_eq!(experiments(&program), 0);
    let started = call(&mut conversation, &dear(false), Some((&yes(), &state)));
    assert_eq!(at(&started, "/structuredContent/status"), "active", "{started}");
    conversation.hang_up();
}

/// What is brought back is of whoever brings it; only what was asked here, of this, is a yes.
#[test]
fn a_state_that_was_tampered_with_or_is_of_another_call_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::quick();
    let program = Program::local(folder.path(), &provider);
    let mut conversation = program.start();
    let state = asked(&mut conversation, &dear(false));
    let mut dearer = dear(false);
    dearer["max_spend_usd"] = json!(5_000);
    let mut tampered = state.as_str().unwrap().to_owned().into_bytes();
    let middle = tampered.len() / 2;
    tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
    let tampered = json!(String::from_utf8(tampered).unwrap());
    for (arguments, state) in [
        (&dearer, &state),
        (&dear(false), &tampered),
        (&dear(false), &json!("")),
        (&dear(false), &json!("rs1.x.y")),
    ] {
        let refused = call(&mut conversation, arguments, Some((&yes(), state)));
        assert_eq!(at(&refused, "/isError"), true, "{refused}");
        let words = at(&refused, "/content/0/text").as_str().unwrap();
        assert!(words.contains("is not of this question") && words.contains("hint:"), "{words}");
    }
    assert_eq!(experiments(&program), 0);
    // Another process knows it only where both have the key.
    let keyed = |key: &str| program.clone().with("COST_OPTIMIZER_STATE_KEY", key);
    let key = "k".repeat(32);
    let state = asked(&mut keyed(&key).start(), &dear(false));
    let refused = call(&mut keyed(&"x".repeat(32)).start(), &dear(false), Some((&yes(), &state)));
    assert_eq!(at(&refused, "/isError"), true, "{refused}");
    let started = call(&mut keyed(&key).start(), &dear(false), Some((&yes(), &state)));
    assert_eq!(at(&started, "/structuredContent/status"), "active", "{started}");
    let (code, _, complaint) = keyed("short").run(&["doctor"]);
    assert!(
        code != 0 && complaint.contains("COST_OPTIMIZER_STATE_KEY") && !complaint.contains("`short`"),
        "{complaint}"
    );
}

#[test]
fn a_client_without_forms_is_shown_no_form_and_what_answers_nothing_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::quick();
    let mut conversation = Program::local(folder.path(), &provider).start();
    let mut asked = |arguments: Value, responses: Option<Value>, able: &Value| {
        let mut params = json!({ "name": "start_experiment", "arguments": arguments });
        if let Some(responses) = responses {
            params["inputResponses"] = responses;
        }
        let id = conversation.modern_able("tools/call", params, able);
        at(&conversation.answer(&id), "/result").clone()
    };
    let (urls, forms) = (json!({ "elicitation": { "url": {} } }), json!({ "elicitation": {} }));
    let refused = asked(dear(false), None, &urls);
    assert!(
        at(&refused, "/content/0/text").as_str().unwrap().contains("hint: pass confirm: true"),
        "{refused}"
    );
    let other = json!({ "other": { "action": "accept" } });
    let again = asked(dear(false), Some(other), &forms);
    assert_eq!(at(&again, "/resultType"), "input_required", "{again}");
    let schema = at(&again, "/inputRequests/confirm/params/requestedSchema");
    assert_eq!((schema.get("$schema"), schema.get("description")), (None, None), "{schema}");
    let mut cheap = dear(false);
    cheap["max_spend_usd"] = json!(1);
    let started = asked(cheap, Some(json!({})), &forms);
    assert_eq!(at(&started, "/structuredContent/status"), "active", "{started}");
}

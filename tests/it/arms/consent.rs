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

#[test]
fn a_client_of_the_new_era_asks_and_calls_again() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::quick();
    let program = Program::local(folder.path(), &provider);
    let mut conversation = program.start();
    let call = |conversation: &mut Conversation, said: Option<Value>| {
        let mut params = json!({ "name": "start_experiment", "arguments": dear(false) });
        if let Some(said) = said {
            params["inputResponses"] = json!({ "confirm": said });
        }
        let id = conversation.modern_able("tools/call", params, &json!({ "elicitation": { "form": {} } }));
        at(&conversation.answer(&id), "/result").clone()
    };
    let asked = call(&mut conversation, None);
    assert_eq!(at(&asked, "/resultType"), "input_required", "{asked}");
    let question = at(&asked, "/inputRequests/confirm/params/message").as_str().unwrap();
    assert!(question.contains("may spend $50.00"), "{question}");
    let declined = call(&mut conversation, Some(json!({ "action": "decline" })));
    assert_eq!(at(&declined, "/isError"), true, "{declined}");
    assert_eq!(experiments(&program), 0);
    let yes = json!({ "action": "accept", "content": { "confirm": true } });
    let started = call(&mut conversation, Some(yes));
    assert_eq!(at(&started, "/structuredContent/status"), "active", "{started}");
    conversation.hang_up();
}

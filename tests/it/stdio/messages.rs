//! Log messages: how budgets stand, to clients of both eras and at the level that each asks for.

use std::time::Duration;

use serde_json::{Value, json};

use super::driver::{Conversation, Program, at};
use super::provider::Provider;

const QUIET: Duration = Duration::from_millis(300);

fn question(number: u32) -> Value {
    json!({ "prompt": format!("What is {number} plus one?"), "max_output_tokens": 16, "cache": "off" })
}

/// Starts the program with a budget of which any request uses more than everything, and which only warns.
fn over_budget(folder: &std::path::Path) -> Program {
    let path = folder.join("config.toml");
    let budget = "[[budgets]]\nperiod = \"day\"\nlimit_usd = 0.000000000001\non_breach = \"warn\"\n";
    std::fs::write(&path, budget).unwrap();
    Program::local(folder, &Provider::quick()).with("COST_OPTIMIZER_CONFIG", path)
}

/// Gives what was told before the answer to a call came.
fn told(conversation: &mut Conversation, id: &Value) -> Vec<Value> {
    let mut told = Vec::new();
    loop {
        let message = conversation.next().unwrap();
        if at(&message, "/id") == id {
            let alerts = at(&message, "/result/structuredContent/budget/alerts");
            assert!(alerts.is_array(), "the answer says it too: {message}");
            return told;
        }
        assert_eq!(at(&message, "/method"), "notifications/message", "{message}");
        told.push(at(&message, "/params").clone());
    }
}

#[test]
fn a_client_of_before_2026_is_warned_unless_it_wants_less() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = over_budget(folder.path()).start();
    let answer = conversation.initialize("2025-11-25");
    assert!(at(&answer, "/result/capabilities/logging").is_object(), "{answer}");
    let id = conversation.begin("route_prompt", &question(1));
    let heard = told(&mut conversation, &id);
    let [message] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((at(message, "/level"), at(message, "/logger")), (&json!("warning"), &json!("budgets")));
    let words = at(message, "/data").as_str().unwrap();
    assert!(words.starts_with("100 % of the budget of $0.000000000001 a day") && !words.contains("plus one"));

    for (level, count) in [("error", 0), ("warning", 1), ("emergency", 0), ("debug", 1)] {
        let set = conversation.request("logging/setLevel", &json!({ "level": level }));
        assert_eq!(at(&conversation.answer(&set), "/result"), &json!({}));
        let id = conversation.begin("route_prompt", &question(2));
        assert_eq!(told(&mut conversation, &id).len(), count, "{level}");
    }
    let bad = conversation.request("logging/setLevel", &json!({ "level": "loud" }));
    assert_eq!(at(&conversation.answer(&bad), "/error/code"), -32_602);
    assert_eq!(conversation.notification(QUIET), None);
    conversation.hang_up().check(Duration::from_secs(2));
}

#[test]
fn a_client_of_2026_is_told_where_its_request_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = over_budget(folder.path()).start();
    for (level, count) in [(None, 0), (Some("info"), 1), (Some("error"), 0), (Some("warning"), 1), (None, 0)]
    {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        if let Some(level) = level {
            meta["io.modelcontextprotocol/logLevel"] = json!(level);
        }
        let call = json!({ "name": "route_prompt", "arguments": question(3), "_meta": meta });
        let id = conversation.request("tools/call", &call);
        assert_eq!(told(&mut conversation, &id).len(), count, "{level:?}");
    }
    conversation.hang_up().check(Duration::from_secs(2));
}

//! Prompts, answers, comments, keys and tokens go through every path; none of them is in a log at `trace`, an error,
//! an export, a page or a live line.

use std::path::Path;

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::machine::Machine;
use crate::stdio::driver::{KEY, Program, at};
use crate::stdio::provider::{Provider, model};
use crate::store::stack;

const PROMPT: &str = "Which canaryword is the capital of France?";
const CANARIES: [&str; 12] = [
    "canaryword",
    "canaryreply",
    "canarysystem",
    "canarycontext",
    "canarycomment",
    "canaryfail",
    "canarylong",
    "canarylike",
    "canaryarms",
    "canaryjson",
    "canaryprefix",
    KEY,
];

/// Answers with a text of ours; to one that is to fail, like a provider that repeats what it was sent.
fn respond(request: &Request) -> ResponseTemplate {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    if body.contains("canaryfail") {
        let message = format!("cannot do: {body} {KEY}");
        let error = json!({ "type": "invalid_request_error", "message": message });
        return ResponseTemplate::new(400).set_body_json(json!({ "type": "error", "error": error }));
    }
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "1", "type": "message", "role": "assistant", "model": model(request),
        "content": [{ "type": "text", "text": "The canaryreply is Paris." }], "stop_reason": "end_turn",
        "usage": { "input_tokens": 20, "output_tokens": 9 },
    }))
}

/// Goes every way there is, and gives everything that was said but for the answers themselves.
fn said_everywhere(program: &Program, folder: &Path) -> String {
    let program = program.clone().with("LOG_LEVEL", "trace");
    let mut said = String::new();
    let mut conversation = program.start();
    let apps = json!({ "extensions": { "io.modelcontextprotocol/ui": {} } });
    conversation.initialize_able("2025-11-25", &apps);
    let arms = json!([{ "name": "a" }, { "name": "b", "system_prefix": "canaryprefix" }]);
    conversation.done(
        "start_experiment",
        &json!({ "name": "x", "metric": "cost_usd", "arms": arms, "confirm": true }),
    );
    let context =
        json!([{ "role": "user", "text": "canarycontext" }, { "role": "assistant", "text": "Yes." }]);
    for arguments in [
        json!({ "prompt": PROMPT }),
        json!({ "prompt": PROMPT }),
        json!({ "prompt": PROMPT, "system": "canarysystem", "context": context }),
        json!({ "prompt": PROMPT, "dry_run": true }),
    ] {
        let routed = conversation.done("route_prompt", &arguments);
        if let Some(id) = routed.get("request_id").filter(|_| arguments.get("dry_run").is_none()) {
            let rating = json!({ "request_id": id, "rating": 0.0, "comment": "canarycomment" });
            conversation.done("rate_response", &rating);
        }
    }
    said.push_str(&conversation.refused("route_prompt", &json!({ "prompt": "Say canaryfail please." })));
    conversation.refused("route_prompt", &json!({ "prompt": "canarylong ".repeat(30_000) }));
    let like = json!({ "like": "canarylike", "min_similarity": 0.5, "dry_run": true });
    conversation.refused("forget_cache", &like);
    conversation
        .refused("start_experiment", &json!({ "name": "y", "metric": "cost_usd", "arms": "canaryarms" }));
    let shown = conversation.call("cost_report", &json!({ "period": "all", "format": "json" }));
    assert!(at(&shown, "/_meta/ai-cost-optimizer~1dashboard/requests/0").is_object(), "{shown}");
    said.push_str(&shown.to_string());
    said.push_str(&conversation.call("experiment_report", &json!({ "name": "x" })).to_string());
    for metric in ["summary", "routing", "cache", "providers", "budgets"] {
        said.push_str(&conversation.resource(&format!("metrics://{metric}")).to_string());
    }
    conversation.say("{\"canaryjson\": ");
    conversation.ping();
    said.push_str(&conversation.hang_up().stderr);

    let (log, page) = (folder.join("log.txt"), folder.join("page.html"));
    let (log_file, page_file) = (log.to_str().unwrap(), page.to_str().unwrap());
    let log_to = ["--log-file", log_file];
    for words in [
        &["route", "--no-such-flag", "canaryjson"][..],
        &["report", "--html", page_file],
        &["doctor"],
        &["export"],
        &["export", "--format", "jsonl"],
        &["budget"],
        &["experiment", "list"],
        &["experiment", "report", "x", "--csv"],
    ] {
        let (_, stdout, stderr) = program.run(&[&log_to, words].concat());
        said.push_str(&stdout);
        said.push_str(&stderr);
    }
    said.push_str(&std::fs::read_to_string(&log).unwrap());
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("claude") && said.contains("tools/call"), "something was shown and logged");
    said.push_str(&page);
    said
}

fn check(said: &str, texts: &[&str]) {
    for text in texts {
        let place = said.find(text);
        let around = place.map(|place| said.get(place.saturating_sub(200)..place + 40).map(str::to_owned));
        assert_eq!(around, None, "{text}");
    }
}

#[test]
fn nothing_that_is_said_is_shown_or_logged_on_this_machine() {
    let (provider, folder) = (Provider::start(respond), tempfile::tempdir().unwrap());
    let program = Program::local(folder.path(), &provider);
    check(&said_everywhere(&program, folder.path()), &CANARIES);
}

#[test]
fn nothing_that_is_said_is_shown_logged_or_told_live_by_a_project() {
    let Some(user) = stack::user() else { return };
    let Some(stack) = stack::shared() else { return };
    let provider = Provider::start(respond);
    let machine = Machine::of(&user);
    machine.login();
    let program = machine.program(&provider);
    let mut said = said_everywhere(&program, machine.folder.path());
    let live = "select coalesce(string_agg(m::text, ' '), '') from routing_metrics m";
    let live = stack.tell(&json!({ "sql": format!("{live} where m.user_id = '{}'", user.id) }));
    assert!(live.as_str().is_some_and(|lines| lines.contains("claude")), "{live}");
    said.push_str(live.as_str().unwrap());
    check(&said, &CANARIES);
    // Three parts of which the first two are objects in base64: a token of anybody.
    check(&said, &[user.password.as_str(), "eyJhbGci", "eyJ"]);

    // What is exported there is what is reported there.
    let (_, jsonl, _) = program.run(&["export", "--format", "jsonl"]);
    let rows: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let totals = at(&machine.report(), "/totals").clone();
    assert_eq!(at(&totals, "/requests"), rows.len(), "{totals}");
    for (name, pointer) in [("cost_pico", "/cost_usd"), ("saved_pico", "/saved_usd")] {
        let amounts = rows.iter().filter_map(|row| row.get(name)?.as_str());
        let sum: i64 = amounts.map(|pico| pico.parse::<i64>().unwrap()).sum();
        assert_eq!(sum, (at(&totals, pointer).as_f64().unwrap() * 1e12).round() as i64, "{name}");
    }
}

//! The dashboard: as an MCP App, as a picture for hosts without, and as a file for people without any host.

use serde_json::{Value, json};

use crate::stdio::driver::{Conversation, Program, at};

const URI: &str = "ui://ai-cost-optimizer/dashboard.html";
const MIME_TYPE: &str = "text/html;profile=mcp-app";

/// Routes prompts as a program that makes its answers up.
fn spend(conversation: &mut Conversation) {
    for number in 0..4 {
        let question = json!({ "prompt": format!("How far is it to {}?", number / 2), "tags": ["trip"] });
        conversation.done("route_prompt", &question);
    }
    conversation.done("set_budget", &json!({ "period": "month", "limit_usd": 5, "on_breach": "warn" }));
    let arms = json!([{ "name": "plain" }, { "name": "best", "quality": "best" }]);
    let test = json!({ "name": "better", "arms": arms, "metric": "cost_usd", "max_spend_usd": 1 });
    conversation.done("start_experiment", &test);
    for number in 0..12 {
        let question = json!({ "prompt": format!("Which colour has number {number}?"), "cache": "off" });
        conversation.done("route_prompt", &question);
    }
}

fn able(conversation: &mut Conversation) {
    let apps = json!({ "extensions": { "io.modelcontextprotocol/ui": { "mimeTypes": [MIME_TYPE] } } });
    let answer = conversation.initialize_able("2025-11-25", &apps);
    let offered = at(&answer, "/result/capabilities/extensions/io.modelcontextprotocol~1ui");
    assert!(offered.is_object(), "{answer}");
}

#[test]
fn a_host_with_apps_gets_the_page_and_everything_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::simulated(folder.path()).start();
    able(&mut conversation);
    spend(&mut conversation);

    let id = conversation.request("tools/list", &json!({}));
    let listed = conversation.answer(&id);
    let tools = at(&listed, "/result/tools").as_array().unwrap();
    let report = tools.iter().find(|tool| tool["name"] == "cost_report").unwrap();
    let meta = json!({ "ui": { "resourceUri": URI, "visibility": ["model", "app"] }, "ui/resourceUri": URI });
    assert_eq!(report["_meta"], meta);

    let id = conversation.request("resources/read", &json!({ "uri": URI }));
    let page = conversation.answer(&id);
    let page = at(&page, "/result/contents/0");
    assert_eq!((at(page, "/uri"), at(page, "/mimeType")), (&json!(URI), &json!(MIME_TYPE)));
    for list in ["connectDomains", "resourceDomains", "frameDomains", "baseUriDomains"] {
        assert_eq!(at(page, &format!("/_meta/ui/csp/{list}")), &json!([]), "{list}");
    }
    assert!(at(page, "/text").as_str().unwrap().contains("<html"));

    let result = conversation.call("cost_report", &json!({ "group_by": "model" }));
    let kinds: Vec<&Value> = result["content"].as_array().unwrap().iter().map(|part| &part["type"]).collect();
    assert_eq!(kinds, ["text"], "the page is the picture");
    let data = &result["_meta"]["ai-cost-optimizer/dashboard"];
    let plain = &result["structuredContent"];
    assert_eq!(data["totals"], plain["totals"]);
    assert_eq!((&data["simulated"], &data["totals"]["requests"]), (&json!(true), &json!(16)));
    assert_eq!(data["by_model"], plain["groups"], "one sum, wherever it is shown");
    let sum = |list: &str| {
        let groups = data[list].as_array().unwrap_or_else(|| panic!("{list}: {data}"));
        groups.iter().map(|group| group["requests"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!([sum("by_day"), sum("by_model"), sum("by_strategy"), sum("by_source")], [16; 4]);
    assert_eq!(at(data, "/budgets/0/limit_usd"), &json!(5.0));
    assert_eq!(at(data, "/cache/hits"), &json!(2));
    assert_eq!(data["requests"].as_array().unwrap().len(), 16);
    assert!(data["month"]["days"].as_array().is_some_and(|days| days.len() == 1), "{data}");
    let test = at(data, "/experiments/0");
    assert_eq!(
        (&test["name"], &test["control"], &test["unit"]),
        (&json!("better"), &json!("plain"), &json!("US$"))
    );
    assert_eq!(at(test, "/comparisons/0/arm"), "best");
    let words = data.to_string();
    for prompt in ["How far", "Which colour"] {
        assert!(!words.contains(prompt), "no text of a prompt is shown");
    }
}

#[test]
fn a_host_without_apps_gets_a_picture_where_it_did_not_ask_for_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::simulated(folder.path()).greet();
    let kinds = |result: &Value| -> Vec<String> {
        let parts = result["content"].as_array().unwrap().iter();
        parts.map(|part| part["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&conversation.call("cost_report", &json!({}))), ["text"], "nothing to draw yet");
    spend(&mut conversation);
    let result = conversation.call("cost_report", &json!({}));
    assert_eq!(kinds(&result), ["text", "image"]);
    assert!(result.get("_meta").is_none(), "nobody shows it");
    assert_eq!(at(&result, "/content/1/annotations/audience"), &json!(["user"]));
    assert!(at(&result, "/content/1/data").as_str().unwrap().starts_with("iVBORw0KGgo"));
    assert_eq!(kinds(&conversation.call("cost_report", &json!({ "format": "csv" }))), ["text"]);
}

#[test]
fn who_has_no_host_gets_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::simulated(folder.path());
    let mut conversation = program.greet();
    spend(&mut conversation);
    let path = folder.path().join("report.html");
    let file = path.to_str().unwrap();
    let (code, stdout, stderr) = program.run(&["report", "--html", file]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("SIMULATED: 16 requests"), "{stdout}");
    let page = std::fs::read_to_string(&path).unwrap();
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(at(&data, "/totals/requests"), &json!(16));

    let (code, _, stderr) = program.run(&["report", "--html", folder.path().to_str().unwrap()]);
    assert!(code == 2 && stderr.contains("cannot be written"), "{stderr}");
}

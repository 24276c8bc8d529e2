//! The tools as clients see them: a changed snapshot is a changed contract.

use std::collections::HashMap;

use ai_cost_optimizer::app::App;
use ai_cost_optimizer::config::{Config, Mode};
use ai_cost_optimizer::embed::weights::Reach;
use rmcp::model::Tool;
use serde_json::Value;

fn tools() -> Vec<Tool> {
    let folder = tempfile::tempdir().unwrap();
    let environment = HashMap::from([("COST_OPTIMIZER_DATA_DIR", folder.path().display().to_string())]);
    let config = Config::from_environment(Mode::Simulate, environment).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    App::new(config, Reach::LocalOnly).unwrap().server().unwrap().tools()
}

#[test]
fn the_tools_are_those_of_the_snapshot() {
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_json_snapshot!("it__contract__tools", tools());
    });
}

#[test]
fn every_tool_has_a_title_and_says_what_it_touches() {
    for tool in tools() {
        assert!(tool.title.is_some(), "{}", tool.name);
        let annotations = tool.annotations.unwrap();
        for hint in [
            annotations.read_only_hint,
            annotations.destructive_hint,
            annotations.idempotent_hint,
            annotations.open_world_hint,
        ] {
            assert!(hint.is_some(), "{}", tool.name);
        }
        assert!(tool.output_schema.is_some(), "{}", tool.name);
    }
}

#[test]
fn the_list_of_tools_leaves_the_model_room_to_think() {
    let tokens = |value: &Value| tiktoken_rs::o200k_base_singleton().count_ordinary(&value.to_string());
    let tools = tools();
    let whole = tokens(&serde_json::to_value(&tools).unwrap());
    let without_output: Vec<Tool> = tools
        .into_iter()
        .map(|mut tool| {
            tool.output_schema = None;
            tool
        })
        .collect();
    let inputs = tokens(&serde_json::to_value(&without_output).unwrap());
    assert!(inputs <= 3_000 && whole <= 5_000, "inputs {inputs}, whole {whole}");
}

#[test]
fn schemas_use_only_what_every_client_reads() {
    fn check(value: &Value, path: &str) {
        match value {
            Value::Object(object) => {
                for (key, inner) in object {
                    let is_banned =
                        matches!(key.as_str(), "$ref" | "$defs" | "$schema" | "anyOf" | "oneOf" | "allOf");
                    assert!(!is_banned, "{path} has {key}");
                    if key == "type" {
                        assert!(inner.is_string() || inner.is_object(), "{path} has a list of types");
                    }
                    check(inner, &format!("{path}/{key}"));
                }
            }
            Value::Array(values) => values.iter().for_each(|inner| check(inner, path)),
            _ => {}
        }
    }
    for tool in tools() {
        let input = Value::Object((*tool.input_schema).clone());
        assert_eq!(input["type"], "object", "{}", tool.name);
        check(&input, &tool.name);
        let output = Value::Object((*tool.output_schema.unwrap()).clone());
        assert_eq!(output["type"], "object", "{}", tool.name);
        check(&output, &tool.name);
    }
}

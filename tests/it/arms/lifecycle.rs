//! Who takes part, and what becomes of an experiment.

use serde_json::{Value, json};

use super::{arm, between, program, with};
use crate::stdio::driver::{Conversation, at};

fn ask(conversation: &mut Conversation, members: Value) -> Value {
    let request = json!({ "prompt": "What is it?", "cache": "off" });
    conversation.done("route_prompt", &with(request, members))
}

#[test]
fn a_session_stays_in_its_arm_in_every_process() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path());
    let (mut here, mut there) = (program.greet(), program.greet());
    here.done("start_experiment", &with(between("cheap", "dear"), json!({ "unit": "session" })));
    let mut arms = std::collections::HashSet::new();
    for session in 0..12 {
        let name = format!("session {session}");
        let arm_in = |conversation: &mut Conversation| {
            let answer = ask(conversation, json!({ "session": name }));
            at(&answer, "/experiment/arm").as_str().unwrap().to_owned()
        };
        let arm = arm_in(&mut here);
        assert_eq!((&arm_in(&mut there), &arm_in(&mut here)), (&arm, &arm));
        arms.insert(arm);
    }
    assert_eq!(arms.len(), 2);
    assert!(at(&ask(&mut here, json!({})), "/experiment").is_null(), "without a session it takes no part");
    let report = there.done("experiment_report", &json!({ "name": "x" }));
    let [units, requests] = ["/n", "/requests"].map(|path| {
        let arms = at(&report, "/arms").as_array().unwrap().iter();
        arms.map(|arm| at(arm, path).as_u64().unwrap()).sum::<u64>()
    });
    assert_eq!((units, requests), (12, 36));
    here.hang_up();
    there.hang_up();
}

#[test]
fn what_a_caller_asks_for_goes_before_an_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = program(folder.path()).greet();
    let definition = with(between("cheap", "dear"), json!({ "eligibility": { "tags": ["a", "b"] } }));
    conversation.done("start_experiment", &definition);
    let tagged = json!({ "tags": ["b"] });
    let answer = ask(&mut conversation, tagged.clone());
    let model = at(&answer, "/model").as_str().unwrap().to_owned();
    let in_arm = if at(&answer, "/experiment/arm") == "now" { "cheap" } else { "dear" };
    assert_eq!(model, in_arm);
    for members in [
        json!({}),
        json!({ "tags": ["c"] }),
        with(tagged.clone(), json!({ "model": "ollama/alike" })),
        with(tagged.clone(), json!({ "quality": "best" })),
        with(tagged.clone(), json!({ "strategy": "complexity" })),
    ] {
        let answer = ask(&mut conversation, members);
        assert!(at(&answer, "/experiment").is_null(), "{answer}");
    }
    // Nobody is made to fail by an arm that cannot take the request.
    let answer = ask(&mut conversation, with(tagged, json!({ "max_output_tokens": 6_000 })));
    assert!(at(&answer, "/experiment/arm").is_string() && at(&answer, "/text").is_string(), "{answer}");
    assert!(at(&answer, "/degraded/0").as_str().unwrap().contains("was not followed"), "{answer}");
    conversation.hang_up();
}

#[test]
fn experiments_on_different_knobs_run_at_once_and_independently() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = program(folder.path()).greet();
    conversation.done("start_experiment", &between("cheap", "dear"));
    let prefixes = json!([{ "name": "plain" }, { "name": "short", "system_prefix": "Be short." }]);
    conversation
        .done("start_experiment", &json!({ "name": "prefix", "metric": "latency_ms", "arms": prefixes }));
    let mut seen = std::collections::HashSet::new();
    for _ in 0..60 {
        let answer = ask(&mut conversation, json!({}));
        let reason = at(&answer, "/reason").as_str().unwrap();
        assert!(reason.contains("also of experiment `"), "{reason}");
        let both = format!("{}{reason}", at(&answer, "/experiment"));
        seen.insert(
            ["now", "plain"]
                .map(|arm| both.contains(&format!("`{arm}`")) || both.contains(&format!("\"{arm}\""))),
        );
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    conversation.hang_up();
}

#[test]
fn a_limit_ends_it_and_a_winner_becomes_the_default_until_it_is_put_away() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path());
    let mut conversation = program.greet();
    let definition = with(between("dear", "cheap"), json!({ "auto_stop": true, "max_requests": 2_000 }));
    conversation.done("start_experiment", &definition);
    let mut requests = 0;
    while at(&ask(&mut conversation, json!({})), "/experiment").is_object() {
        requests += 1;
        assert!(requests < 400, "no verdict ended it");
    }
    let report = conversation.done("experiment_report", &json!({ "name": "x" }));
    assert_eq!((at(&report, "/status"), at(&report, "/ended_by")), (&json!("stopped"), &json!("verdict")));
    assert_eq!(at(&report, "/verdict"), "treatment_better", "{report}");
    // Nobody adopted it yet.
    assert_ne!(at(&ask(&mut conversation, json!({})), "/model"), "dear");
    let state = conversation.done("stop_experiment", &json!({ "name": "x", "adopt": "now" }));
    assert_eq!((at(&state, "/status"), at(&state, "/adopted")), (&json!("stopped"), &json!("now")));
    for _ in 0..3 {
        let answer = ask(&mut conversation, json!({}));
        assert_eq!(at(&answer, "/experiment"), &json!({ "name": "x", "arm": "now", "adopted": true }));
        assert_eq!(at(&answer, "/model"), "dear");
    }
    let plan = ask(&mut conversation, json!({ "dry_run": true }));
    assert_eq!(at(&plan, "/candidates").as_array().unwrap().len(), 1, "a plan follows it too: {plan}");
    let other = ask(&mut conversation, json!({ "model": "ollama/alike" }));
    assert_eq!(at(&other, "/model"), "alike", "what a caller pins goes before");
    conversation.done("stop_experiment", &json!({ "name": "x", "adopt": "new" }));
    assert_eq!(at(&ask(&mut conversation, json!({})), "/model"), "cheap");
    let counted = conversation.done("experiment_report", &json!({ "name": "x" }));
    assert_eq!(at(&counted, "/arms"), at(&report, "/arms"), "what an adopted arm answers is no outcome");
    conversation.hang_up();
    let (code, text, _) = program.run(&["experiment", "stop", "x", "--archive"]);
    assert_eq!((code, text.trim()), (0, "experiment `x` is archived (by verdict)"));
    let (code, _, complaint) = program.run(&["experiment", "stop", "x", "--adopt", "now"]);
    assert!(code != 0 && complaint.trim().ends_with("is archived already (by verdict)"), "{complaint}");
    let mut conversation = program.greet();
    assert!(at(&ask(&mut conversation, json!({})), "/experiment").is_null());
    conversation.hang_up();
}

#[test]
fn max_requests_and_max_spend_end_it() {
    for limit in [json!({ "max_requests": 60 }), json!({ "max_spend_usd": 0.01 })] {
        let folder = tempfile::tempdir().unwrap();
        let mut conversation = program(folder.path()).greet();
        conversation.done("start_experiment", &with(between("cheap", "alike"), limit.clone()));
        let mut requests = 0;
        while at(&ask(&mut conversation, json!({})), "/experiment").is_object() && requests < 200 {
            requests += 1;
        }
        let report = conversation.done("experiment_report", &json!({ "name": "x" }));
        let by = if limit["max_requests"].is_null() { "max_spend" } else { "max_requests" };
        assert_eq!(at(&report, "/ended_by"), by, "{report}");
        // It is looked at after answers, so some go over it.
        assert!((1..80).contains(&requests), "{requests}");
        conversation.hang_up();
    }
}

#[test]
fn the_command_line_starts_lists_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path());
    let (code, text, _) = program.run(&["experiment", "list"]);
    assert_eq!(code, 0);
    assert!(text.contains("hint: `experiment start --help`"), "{text}");
    let start = [
        "experiment",
        "start",
        "x",
        "--metric",
        "cost_usd",
        "--arm",
        "now,model=ollama/cheap",
        "--arm",
        r#"{"name":"new","model":"ollama/dear","weight":2}"#,
        "--guardrail",
        "success=0.05",
        "--tag",
        "a",
        "--unit",
        "session",
        "--max-days",
        "3",
    ];
    let (code, text, complaint) = program.run(&start);
    assert_eq!(code, 0, "{complaint}");
    assert!(text.starts_with("SIMULATED · experiment `x` is started (active, "), "{text}");
    let (_, text, _) = program.run(&["experiment", "list"]);
    assert!(text.contains("x     active  cost_usd  now, new"), "{text}");
    let (code, text, _) = program.run(&["experiment", "report", "x", "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, at(&report, "/verdict")), (0, &json!("undecided")), "a report on nothing");
    let (code, _, complaint) = program.run(&["experiment", "stop", "x", "--archive"]);
    assert!(code != 0 && complaint.contains("`x` still runs; hint: stop it first"), "{complaint}");
    let (code, text, _) = program.run(&["experiment", "stop", "x"]);
    assert_eq!((code, text.trim()), (0, "experiment `x` is stopped (by person)"));
}

#[test]
fn an_arm_with_more_weight_gets_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = program(folder.path()).greet();
    let arms = json!([with(arm("now", "cheap"), json!({ "weight": 9 })), arm("new", "dear")]);
    conversation.done("start_experiment", &json!({ "name": "x", "metric": "cost_usd", "arms": arms }));
    let new = (0..200).filter(|_| at(&ask(&mut conversation, json!({})), "/experiment/arm") == "new").count();
    // 20 expected; beyond these ends once in a million.
    assert!((3..=45).contains(&new), "{new}");
    let report = conversation.done("experiment_report", &json!({ "name": "x" }));
    assert_eq!(at(&report, "/sample_ratio/ok"), true);
    conversation.hang_up();
}

//! What a report says, and that it is what the requests say.

use serde_json::{Value, json};

use super::{between, program, with};
use crate::stdio::driver::{Conversation, at};

/// Sends so many prompts of their own, and gives the report.
fn after(conversation: &mut Conversation, requests: usize) -> Value {
    for number in 0..requests {
        conversation.done("route_prompt", &json!({ "prompt": format!("question {number}"), "cache": "off" }));
    }
    conversation.done("experiment_report", &json!({ "name": "x" }))
}

#[test]
fn three_times_the_cost_is_found_within_300_requests() {
    for (control, treatment, verdict, best) in
        [("cheap", "dear", "control_better", "now"), ("dear", "cheap", "treatment_better", "new")]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut conversation = program(folder.path()).greet();
        conversation.done("start_experiment", &between(control, treatment));
        let report = after(&mut conversation, 300);
        assert_eq!((at(&report, "/verdict"), at(&report, "/best_arm")), (&json!(verdict), &json!(best)));
        assert_eq!(at(&report, "/simulated"), true);
        let [low, high] = [0, 1]
            .map(|end| at(&report, &format!("/comparisons/0/interval_percent/{end}")).as_f64().unwrap());
        let truth = if control == "dear" { -200.0 / 3.0 } else { 200.0 };
        assert!(low < truth && truth < high && low * high > 0.0, "{report}");
        conversation.hang_up();
    }
}

#[test]
fn what_differs_in_nothing_measurable_is_not_decided() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = program(folder.path()).greet();
    conversation.done("start_experiment", &between("cheap", "alike"));
    let report = after(&mut conversation, 300);
    assert_eq!(at(&report, "/verdict"), "undecided", "{report}");
    assert!(at(&report, "/best_arm").is_null() && at(&report, "/needed/what").is_string(), "{report}");
    conversation.hang_up();
}

#[test]
fn the_report_the_csv_and_the_costs_are_the_same_requests() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path());
    let mut conversation = program.greet();
    conversation.done("start_experiment", &between("cheap", "dear"));
    let report = after(&mut conversation, 80);
    let costs = conversation.done("cost_report", &json!({ "period": "all" }));
    let sum = |path: &str| {
        let arms = at(&report, "/arms").as_array().unwrap().iter();
        arms.map(|arm| at(arm, path).as_f64().unwrap()).sum::<f64>()
    };
    assert_eq!((sum("/n"), sum("/exposed"), sum("/requests")), (80.0, 80.0, 80.0));
    let paid = at(&costs, "/totals/cost_usd").as_f64().unwrap();
    assert!((sum("/spend_usd") - paid).abs() < 1e-12 && at(&report, "/spend_usd") == paid, "{report}");
    let result = conversation.call("experiment_report", &json!({ "name": "x", "format": "csv" }));
    let csv = at(&result, "/content/0/text").as_str().unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("request_id,arm,unit,before,") && lines.len() == 81, "{csv}");
    let pico = |line: &&str| line.split(',').nth(8).unwrap().parse::<i64>().unwrap();
    let pico: i64 = lines[1..].iter().map(pico).sum();
    assert!((pico as f64 / 1e12 - paid).abs() < 1e-12);
    assert!(lines[1].ends_with(",true"), "it says that it is simulated");
    let (code, text, _) = program.run(&["experiment", "report", "x", "--csv"]);
    assert_eq!((code, text.trim_end()), (0, csv.trim_end()));
    conversation.hang_up();
}

#[test]
fn a_report_has_a_picture_of_the_interval_over_time() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path());
    let mut conversation = program.greet();
    conversation.done("start_experiment", &between("cheap", "dear"));
    let early = conversation.call("experiment_report", &json!({ "name": "x" }));
    assert_eq!(at(&early, "/content").as_array().unwrap().len(), 1, "nothing to draw yet");
    after(&mut conversation, 120);
    let result = conversation.call("experiment_report", &json!({ "name": "x" }));
    let image = at(&result, "/content/1");
    assert_eq!((at(image, "/type"), at(image, "/mimeType")), (&json!("image"), &json!("image/png")));
    assert!(at(image, "/data").as_str().unwrap().starts_with("iVBORw0KGgo"));
    let [svg, png] = ["x.svg", "x.png"].map(|name| folder.path().join(name).display().to_string());
    let (code, ..) = program.run(&["experiment", "report", "x", "--svg", &svg, "--png", &png]);
    assert_eq!(code, 0);
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.contains("SIMULATED") && svg.contains("difference from now"), "{svg}");
    assert!(std::fs::read(png).unwrap().starts_with(b"\x89PNG"));
    conversation.hang_up();
}

#[test]
fn cached_answers_count_in_their_arm_and_arms_share_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = program(folder.path()).greet();
    let request = json!({ "prompt": "What is the capital of France?" });
    assert_eq!(at(&conversation.done("route_prompt", &request), "/source"), "provider");
    conversation.done("start_experiment", &between("cheap", "dear"));
    let mut sources: [Vec<Value>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..40 {
        let answer = conversation.done("route_prompt", &request);
        let place = usize::from(at(&answer, "/experiment/arm") == "new");
        sources[place].push(at(&answer, "/source").clone());
    }
    for sources in &sources {
        assert_eq!(sources[0], "provider", "not from before, nor from the other arm");
        assert!(sources[1..].iter().all(|source| source == "cache_exact"), "{sources:?}");
    }
    let report = conversation.done("experiment_report", &json!({ "name": "x" }));
    let [now, new] = [0, 1].map(|place| at(&report, &format!("/arms/{place}/n")).as_u64().unwrap());
    assert_eq!((now as usize, new as usize), (sources[0].len(), sources[1].len()));
    conversation.hang_up();
}

#[test]
fn ratings_count_when_they_come_also_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = program(folder.path()).greet();
    conversation.done("start_experiment", &with(between("cheap", "dear"), json!({ "metric": "rating" })));
    let ask = |conversation: &mut Conversation, number: usize| {
        let answer = conversation
            .done("route_prompt", &json!({ "prompt": format!("question {number}"), "cache": "off" }));
        at(&answer, "/request_id").as_str().unwrap().to_owned()
    };
    let ids: Vec<String> = (0..10).map(|number| ask(&mut conversation, number)).collect();
    let missing = |conversation: &mut Conversation| {
        let report = conversation.done("experiment_report", &json!({ "name": "x" }));
        let arms = at(&report, "/arms").as_array().unwrap().clone();
        let known: u64 = arms.iter().map(|arm| at(arm, "/n").as_u64().unwrap()).sum();
        let spent = at(&report, "/spend_usd").as_f64().unwrap();
        (known, arms.iter().any(|arm| at(arm, "/missing").as_f64().unwrap() > 0.0), spent > 0.0)
    };
    assert_eq!(missing(&mut conversation), (0, true, true));
    conversation.done("rate_response", &json!({ "request_id": ids[0], "verdict": "good" }));
    conversation.done("stop_experiment", &json!({ "name": "x" }));
    for id in &ids {
        conversation.done("rate_response", &json!({ "request_id": id, "rating": 0.25 }));
    }
    assert_eq!(missing(&mut conversation), (10, false, true), "a second rating takes the first one's place");
    let report = conversation.done("experiment_report", &json!({ "name": "x" }));
    assert_eq!(at(&report, "/arms/0/mean"), 0.25);
    conversation.hang_up();
}

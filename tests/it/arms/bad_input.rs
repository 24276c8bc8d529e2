//! What is refused, with the way out, and leaves nothing behind.

use serde_json::json;

use super::{arm, between, program, with};
use crate::stdio::driver::at;

#[test]
fn a_bad_experiment_is_refused_and_nothing_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path());
    let mut conversation = program.greet();
    let good = || between("cheap", "dear");
    let arms = |one, other| with(good(), json!({ "arms": [one, other] }));
    let weighed = |weight| arms(arm("a", "cheap"), with(arm("b", "dear"), json!({ "weight": weight })));
    for (arguments, words) in [
        (json!({}), "missing field `name`"),
        (with(good(), json!({ "arms": [] })), "arms has 0"),
        (with(good(), json!({ "arms": [arm("a", "cheap")] })), "arms has 1"),
        (arms(arm("a", "cheap"), arm("a", "dear")), "two arms are named `a`"),
        (weighed(json!(-1)), "weight of arm `b` is -1"),
        (weighed(json!(0)), "weight of arm `b` is 0"),
        (weighed(json!("much")), "`arms[1].weight`"),
        (arms(arm("a", "cheap"), json!({ "name": "b", "strategy": "guess" })), "`arms[1].strategy`"),
        (
            arms(arm("a", "cheap"), json!({ "name": "b", "model": "nothing" })),
            "arm `b`: unknown model `nothing`",
        ),
        (arms(json!({ "name": "a" }), json!({ "name": "b", "strategy": "hybrid" })), "act alike"),
        (arms(json!({ "name": "a" }), json!({ "name": "b", "quality": "balanced" })), "act alike"),
        (arms(json!({ "name": "a" }), json!({ "name": "b", "cache_error_rate": 0.02 })), "act alike"),
        (arms(arm("a", "cheap"), json!({ "name": "b", "model": "cheap" })), "act alike"),
        (with(good(), json!({ "metric": "fame" })), "`metric`"),
        (with(good(), json!({ "method": "fixed" })), "method fixed needs max_requests"),
        (with(good(), json!({ "max_requests": 10 })), "max_requests is 10"),
        (with(good(), json!({ "max_spend_usd": 1e300 })), "max_spend_usd"),
        (with(good(), json!({ "max_spend_usd": 0 })), "max_spend_usd is 0 or less"),
        (with(good(), json!({ "alpha": 2 })), "alpha is 2"),
        (with(good(), json!({ "name": "\u{7}" })), "control character"),
        (with(good(), json!({ "idempotency_key": " " })), "idempotency_key is blank"),
        (
            with(good(), json!({ "guardrails": [{ "metric": "cost_usd", "margin": 1 }] })),
            "guardrail on cost_usd",
        ),
        (with(good(), json!({ "salt": "x" })), "unknown field `salt`"),
    ] {
        let problem = conversation.refused("start_experiment", &arguments);
        assert!(problem.contains(words), "{arguments}: {problem}");
    }
    let (_, list, _) = program.run(&["experiment", "list", "--json"]);
    assert_eq!(list.trim(), "[]");
    conversation.hang_up();
}

#[test]
fn what_is_in_the_way_of_a_start_or_a_stop_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = program(folder.path()).greet();
    let unknown = conversation.refused("experiment_report", &json!({ "name": "x" }));
    assert!(
        unknown.contains("no experiment is named `x`") && unknown.contains("start_experiment"),
        "{unknown}"
    );
    let keyed = with(between("cheap", "dear"), json!({ "idempotency_key": "k" }));
    let first = conversation.done("start_experiment", &keyed);
    let again = conversation.done("start_experiment", &keyed);
    assert_eq!(at(&again, "/experiment_id"), at(&first, "/experiment_id"));
    assert_eq!((at(&again, "/repeated"), at(&first, "/repeated").is_null()), (&json!(true), true));
    for (tool, arguments, words) in [
        (
            "start_experiment",
            with(keyed, json!({ "minimum_effect": 0.5 })),
            "idempotency_key began experiment `x`, which is another",
        ),
        ("start_experiment", between("cheap", "alike"), "an experiment is named `x` already"),
        (
            "start_experiment",
            with(between("cheap", "alike"), json!({ "name": "y" })),
            "experiment `x` tests route already; hint: stop it first",
        ),
        ("experiment_report", json!({ "name": "y" }), "no experiment is named `y`; hint: x"),
        ("experiment_report", json!({ "name": "x", "format": "pdf" }), "`format`"),
        ("experiment_report", json!({ "name": "x", "after": "1" }), "after `1` is not an id"),
        ("stop_experiment", json!({ "name": "y" }), "no experiment is named `y`"),
        ("stop_experiment", json!({ "name": "x", "adopt": "z" }), "has no arm `z`; its arms: now, new"),
        (
            "rate_response",
            json!({ "request_id": "01a21576-2bfe-73cd-9316-ecb8cb6177c3", "rating": 1 }),
            "is not known",
        ),
    ] {
        let problem = conversation.refused(tool, &arguments);
        assert!(problem.contains(words), "{tool} {arguments}: {problem}");
    }
    conversation.done("stop_experiment", &json!({ "name": "x" }));
    let twice = conversation.refused("stop_experiment", &json!({ "name": "x" }));
    assert!(twice.contains("is stopped already (by person); hint: pass adopt"), "{twice}");
    conversation.done("start_experiment", &with(between("cheap", "alike"), json!({ "name": "y" })));
    conversation.hang_up();
}

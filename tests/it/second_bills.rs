//! Prompts that are paid for twice: a stronger model after a faulty answer, and trials of other models.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::stdio::driver::{Conversation, Program, at};
use crate::stdio::provider::{self, Provider};

/// Asks for what the provider's answer, a sentence, is not.
const JSON: &str = "List three colours in JSON.";
const CHEAP: &str = "claude-haiku-5-5";

struct Setting {
    provider: Provider,
    conversation: Conversation,
    _folder: tempfile::TempDir,
}

fn setting(provider: Provider, exploration: &str) -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::local(folder.path(), &provider).with("EXPLORATION_BUDGET_USD", exploration);
    Setting { conversation: program.greet(), provider, _folder: folder }
}

fn outcomes(answer: &Value) -> Vec<&str> {
    let attempts = at(answer, "/attempts").as_array().unwrap().iter();
    attempts.map(|attempt| at(attempt, "/outcome").as_str().unwrap()).collect()
}

fn sum(answer: &Value) -> f64 {
    let attempts = at(answer, "/attempts").as_array().unwrap().iter();
    attempts.map(|attempt| at(attempt, "/cost_usd").as_f64().unwrap()).sum()
}

#[test]
fn with_economy_a_faulty_answer_is_bought_again_and_both_bills_are_told() {
    let mut setting = setting(Provider::quick(), "0");
    let request = json!({ "prompt": JSON, "quality": "economy", "cache": "off" });
    let answer = setting.conversation.done("route_prompt", &request);
    let asked = setting.provider.asked();
    assert_eq!((asked.len(), asked[0].as_str()), (2, CHEAP), "{answer}");
    assert_ne!(asked[1], CHEAP);
    assert_eq!(outcomes(&answer), ["faulty", "answered"]);
    assert_eq!(at(&answer, "/model"), asked[1].as_str());
    assert!((sum(&answer) - at(&answer, "/cost_usd").as_f64().unwrap()).abs() < 1e-12, "{answer}");
    let reason = at(&answer, "/reason").as_str().unwrap();
    assert!(reason.contains("was asked too, because of the first answer it is not in the form"), "{reason}");
    let report = setting.conversation.done("cost_report", &json!({}));
    assert_eq!(at(&report, "/totals/cost_usd"), at(&answer, "/cost_usd"));
    // Nothing is wrong with a sentence where one was asked for; and other qualities pay once.
    for request in [
        json!({ "prompt": "Name a colour.", "quality": "economy", "cache": "off" }),
        json!({ "prompt": JSON, "cache": "off" }),
        json!({ "prompt": JSON, "quality": "economy", "cache": "off", "model": CHEAP }),
        json!({ "prompt": JSON, "quality": "economy", "cache": "off", "max_cost_usd": 0.006 }),
    ] {
        let answer = setting.conversation.done("route_prompt", &request);
        assert_eq!(outcomes(&answer), ["answered"], "{answer}");
    }
}

#[test]
fn where_the_stronger_model_fails_the_first_answer_stands() {
    let respond = |request: &Request| {
        if provider::model(request) == CHEAP { provider::answer(request) } else { ResponseTemplate::new(500) }
    };
    let mut setting = setting(Provider::start(respond), "0");
    let request = json!({ "prompt": JSON, "quality": "economy" });
    let answer = setting.conversation.done("route_prompt", &request);
    assert_eq!(at(&answer, "/model"), CHEAP);
    assert_eq!(outcomes(&answer)[0], "answered");
    assert!(outcomes(&answer).len() > 1, "{answer}");
    let reason = at(&answer, "/reason").as_str().unwrap();
    assert!(reason.contains("so it stands"), "{reason}");
}

/// Asks prompts until somebody was asked who is not in an answer, or so many were asked.
fn explore(setting: &mut Setting, prompts: usize) -> usize {
    let began = Instant::now();
    for number in 0..prompts {
        let prompt = format!("What is {number} plus one, in words?");
        setting.conversation.done("route_prompt", &json!({ "prompt": prompt, "cache": "refresh" }));
        if setting.provider.count() > number + 1 || began.elapsed() > Duration::from_secs(60) {
            return number + 1;
        }
    }
    prompts
}

#[test]
fn trials_are_requests_of_their_own_and_stay_within_their_budget() {
    let mut open = setting(Provider::quick(), "1");
    let prompts = explore(&mut open, 150);
    let began = Instant::now();
    let found = loop {
        let report = open.conversation.done("cost_report", &json!({ "group_by": "source" }));
        let groups = at(&report, "/groups").as_array().unwrap().clone();
        let found = groups.iter().find(|group| at(group, "/key") == "exploration").cloned();
        let is_over = |group: &&Value| at(group, "/requests").as_u64() > Some(0);
        if let Some(found) = found.as_ref().filter(is_over) {
            break found.clone();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{prompts} prompts: {report}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let cost = at(&found, "/cost_usd").as_f64().unwrap();
    assert!(cost > 0.0, "{found}");
    // It saved nothing: it would not have been asked otherwise.
    assert!((at(&found, "/saved_usd").as_f64().unwrap() + cost).abs() < 1e-12, "{found}");

    let mut spent = setting(Provider::quick(), "0.000001");
    let prompts = explore(&mut spent, 60);
    assert_eq!((prompts, spent.provider.count()), (60, 60), "no call fits such a budget");
}

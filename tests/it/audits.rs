//! Similar prompts under the calibrated policy: served within a bound, or paid for to learn from.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::embedding;
use crate::stdio::driver::{Conversation, Program, at};
use crate::stdio::provider::Provider;

const PROMPT: &str = "How do I reset my password?";
const SIMILAR: &str = "How can I reset my password?";

struct Setting {
    provider: Provider,
    conversation: Conversation,
    _folder: TempDir,
}

impl Setting {
    /// Starts a program that audits such a share of hits, waits for the weights, and asks the first prompt; `None`
    /// without weights.
    fn new(audit_rate: &str) -> Option<Self> {
        let Some(model) = embedding::model_folder() else {
            embedding::say("skipped: no embedding model on this machine, so nothing is similar");
            return None;
        };
        let (folder, provider) = (tempfile::tempdir().unwrap(), Provider::quick());
        let program = Program::local(folder.path(), &provider)
            .with("EMBEDDING_MODEL_PATH", model)
            .with("CACHE_AUDIT_RATE", audit_rate);
        let mut setting = Self { provider, conversation: program.greet(), _folder: folder };
        let loads = json!({ "like": "x", "min_similarity": 0.99, "dry_run": true });
        setting.conversation.done("forget_cache", &loads);
        assert_eq!(at(&setting.route(PROMPT), "/source"), "provider");
        Some(setting)
    }

    fn route(&mut self, prompt: &str) -> Value {
        self.conversation.done("route_prompt", &json!({ "prompt": prompt }))
    }

    fn report(&mut self) -> Value {
        self.conversation.done("cost_report", &json!({ "period": "all" }))
    }

    /// Reads `metrics://cache` until so many labels are counted.
    fn policy(&mut self, labels: u64) -> Value {
        let began = Instant::now();
        loop {
            let policy = at(&self.conversation.resource("metrics://cache"), "/policy").clone();
            let count =
                |of: &str| policy.pointer(&format!("/labels/{of}")).and_then(Value::as_u64).unwrap_or(0);
            if count("right") + count("wrong") + count("undecided") >= labels {
                return policy;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{policy}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn an_audit_is_paid_for_reported_and_learned_from() {
    let Some(mut setting) = Setting::new("1") else { return };
    let audited = setting.route(SIMILAR);
    assert_eq!(at(&audited, "/source"), "provider", "{audited}");
    assert_eq!(setting.provider.asked().len(), 2);
    let reason = at(&audited, "/reason").as_str().unwrap();
    assert!(reason.contains("an audit: the cache could have answered"), "{reason}");
    let policy = setting.policy(1);
    assert_eq!(at(&policy, "/kind"), "calibrated");
    // The provider says the same to every prompt.
    assert_eq!(at(&policy, "/labels"), &json!({ "right": 1, "wrong": 0, "undecided": 0, "audits": 1 }));
    assert_eq!(at(&policy, "/new_scopes/served_by"), "prior");
    let report = setting.report();
    let hits = (at(&report, "/totals/audits"), at(&report, "/totals/cache_hits"));
    assert_eq!(hits, (&json!(1), &json!(0)), "{report}");
    assert_eq!(at(&report, "/totals/audit_cost_usd"), at(&audited, "/cost_usd"));
    assert_eq!(at(&report, "/cache_error_bound"), at(&policy, "/new_scopes/error_bound"));
    // What an audit bought is kept like any other answer, and is found exactly.
    let again = setting.route(SIMILAR);
    assert_eq!(at(&again, "/source"), "cache_exact");
    assert_eq!(again.pointer("/cache/error_bound"), None);
}

#[test]
fn a_hit_says_within_which_bound_it_was_served() {
    let Some(mut setting) = Setting::new("0.000001") else { return };
    let hit = setting.route(SIMILAR);
    assert_eq!(at(&hit, "/source"), "cache_semantic", "{hit}");
    let bound = at(&hit, "/cache/error_bound").as_f64().unwrap();
    assert!(bound > 0.0 && bound <= 0.02, "{hit}");
    let score = at(&hit, "/cache/score").as_f64().unwrap();
    assert!((0.88..=1.0).contains(&score), "{hit}");
    assert_eq!(setting.provider.asked().len(), 1);
    // Equal but for case, courtesy and punctuation is equal.
    assert_eq!(at(&setting.route("please, how do I reset my password"), "/source"), "cache_exact");
    assert_eq!(at(&setting.route("How do I delete my account?"), "/source"), "provider");
}

#[test]
fn without_audits_a_cosine_decides_and_no_bound_is_claimed() {
    let Some(mut setting) = Setting::new("0") else { return };
    let hit = setting.route(SIMILAR);
    assert_eq!(at(&hit, "/source"), "cache_semantic", "{hit}");
    assert_eq!(hit.pointer("/cache/error_bound"), None);
    let policy = setting.policy(0);
    assert_eq!(policy, json!({ "kind": "plain", "similarity_threshold": 0.95 }));
    assert_eq!(setting.report().pointer("/cache_error_bound"), None);
}

#[test]
fn after_other_turns_only_what_they_do_not_change_is_served() {
    let Some(mut setting) = Setting::new("0.000001") else { return };
    let mut ask = |prompt: &str, turns: &[&str]| {
        let turns: Vec<Value> = turns.iter().map(|text| json!({ "role": "user", "text": text })).collect();
        let answer =
            setting.conversation.done("route_prompt", &json!({ "prompt": prompt, "context": turns }));
        at(&answer, "/source").as_str().unwrap_or_default().to_owned()
    };
    let (maps, dogs) = (["Hi, does Acme sell maps?"], ["Hi, is my dog welcome at Acme?"]);
    // A whole question about something that it names.
    let whole = "What deposit does Acme ask for a holiday cottage in Brittany?";
    assert_eq!(ask(whole, &maps), "provider");
    assert_eq!(ask(whole, &dogs), "cache_semantic");
    assert_eq!(ask(whole, &[]), "provider");
    // One that leans on facts, which are the same, and then are not.
    let fee = "How much will it cost me?";
    let flat = ["I want the flat in Lyon for six months", "It is £900 a month"];
    assert_eq!(ask(fee, &flat), "provider");
    assert_eq!(
        ask(
            fee,
            &[
                "Hello! We found a lovely sunny flat in Lyon, which we would rent for 6 months paying £900 a month"
            ]
        ),
        "cache_semantic"
    );
    assert_eq!(ask(fee, &["I want the flat in Lyon for six months", "It is £950 a month"]), "provider");
    // One that answers a turn.
    assert_eq!(ask("yes please", &maps), "provider");
    assert_eq!(ask("yes please", &dogs), "provider");
    assert_eq!(ask("Yes, please.", &maps), "cache_exact");
}

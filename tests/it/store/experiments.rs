//! Part of the suite over the trait `Store`: experiments begin, are listed, and go on.

use ai_cost_optimizer::domain::ids::ExperimentId;
use ai_cost_optimizer::experiments::definition::AssignmentUnit;
use ai_cost_optimizer::experiments::lifecycle::{Adopted, Change, Ended, EndedBy, Kept, Status, Which};
use ai_cost_optimizer::store::{Started, Store};
use serde_json::json;

use super::stores;
use crate::store::Stores;
use crate::store::samples::{experiment, later};

/// An experiment on which model answers.
fn routing(name: &str) -> Kept {
    experiment(name, AssignmentUnit::Request, &json!({ "model": "openai/gpt-5" }))
}

/// An experiment on what the system prompt begins with.
fn wording(name: &str) -> Kept {
    experiment(name, AssignmentUnit::Session, &json!({ "system_prefix": "Be brief." }))
}

async fn start(store: &dyn Store, new: &Kept) -> Started {
    store.start_experiment(new.clone()).await.unwrap()
}

async fn list(store: &dyn Store, which: Which) -> Vec<Kept> {
    store.experiments(which).await.unwrap()
}

async fn change(store: &dyn Store, id: ExperimentId, change: Change) -> bool {
    store.change_experiment(id, change).await.unwrap()
}

fn end() -> Change {
    Change::End(Ended { by: EndedBy::Person, at: later(60) })
}

fn adopt(arm: &str, seconds: i64) -> Change {
    Change::Adopt(Adopted { arm: arm.into(), at: later(seconds) })
}

/// An experiment in which every field that may be absent is given.
fn whole() -> Kept {
    let definition = json!({
        "name": "naïve \"quotes\", 引用", "hypothesis": "cheaper\nand as good",
        "arms": [
            { "name": "control", "weight": 3.0 },
            { "name": "b", "weight": 0.1, "strategy": "complexity", "quality": "best", "system_prefix": "\t\\",
              "cache_error_rate": 1e-7 },
            { "name": "c", "model": "openai/gpt-5" },
        ],
        "unit": "session", "metric": "latency_ms", "direction": "higher",
        "guardrails": [{ "metric": "success", "margin": 0.02 }],
        "minimum_effect": 0.1, "equivalence_margin": 1e-9, "alpha": 0.049_999_999_999_999_996, "method": "fixed",
        "max_requests": 123_456_789, "max_days": 30, "max_spend_pico": i64::MAX,
        "eligibility": { "tags": ["a", "b"], "quality": "economy", "tier": "simple" },
        "auto_stop": true, "salt": "s", "tightest_at": 7,
    });
    Kept {
        experiment: serde_json::from_value(definition).unwrap(),
        idempotency_key: Some("key".into()),
        ..routing("replaced")
    }
}

#[tokio::test]
async fn an_experiment_is_read_back_equal_and_two_starts_with_one_key_are_one() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let kept = whole();
    assert_eq!(start(&*here, &kept).await, Started::New);
    let again = Kept { idempotency_key: kept.idempotency_key.clone(), ..routing("another") };
    for store in [&here, &there] {
        assert_eq!(start(&**store, &again).await, Started::Before(Box::new(kept.clone())));
        assert_eq!(start(&**store, &kept).await, Started::Before(Box::new(kept.clone())));
        assert_eq!(list(&**store, Which::All).await, std::slice::from_ref(&kept));
    }
    assert!(change(&*there, kept.id, end()).await);
    let Started::Before(ended) = start(&*here, &again).await else {
        panic!("a key is one experiment's for good")
    };
    assert_eq!((ended.id, ended.status), (kept.id, Status::Stopped));
}

#[tokio::test]
async fn a_name_is_taken_for_good_and_a_knob_until_the_end() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let first = routing("first");
    assert_eq!(start(&*here, &first).await, Started::New);
    assert_eq!(start(&*there, &wording("first")).await, Started::NameTaken);
    let knob_taken = Started::KnobTaken { knob: "route".into(), by: "first".into() };
    assert_eq!(start(&*there, &routing("second")).await, knob_taken);
    assert_eq!(
        list(&*here, Which::All).await,
        std::slice::from_ref(&first),
        "nothing is kept of those in whose way it is"
    );
    assert_eq!(start(&*there, &wording("other")).await, Started::New, "it sets something else");
    assert!(change(&*here, first.id, end()).await);
    assert_eq!(start(&*there, &routing("first")).await, Started::NameTaken);
    assert_eq!(start(&*there, &routing("second")).await, Started::New);
    let both = json!({ "strategy": "learning", "system_prefix": "Be brief." });
    let both = experiment("both", AssignmentUnit::Request, &both);
    assert!(matches!(start(&*here, &both).await, Started::KnobTaken { .. }));
    assert!(matches!(start(&*here, &whole()).await, Started::KnobTaken { .. }));
}

#[tokio::test]
async fn of_two_starts_at_once_on_one_knob_one_wins() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    for round in 0..6 {
        let pair = ["here", "there"].map(|side| routing(&format!("{side} {round}")));
        let (one, other) = tokio::join!(start(&*here, &pair[0]), start(&*there, &pair[1]));
        let (winner, lost) = if one == Started::New { (0, other) } else { (1, one) };
        let by = pair[winner].name().to_owned();
        assert_eq!(lost, Started::KnobTaken { knob: "route".into(), by });
        assert_eq!(list(&*here, Which::InForce).await, [pair[winner].clone()]);
        assert!(change(&*there, pair[winner].id, end()).await);
    }
}

#[tokio::test]
async fn experiments_are_listed_newest_first() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    assert_eq!(list(&*here, Which::All).await, []);
    let (old, new) = (routing("old"), wording("new"));
    // Kept in another order than they were made in.
    for kept in [&new, &old] {
        assert_eq!(start(&*here, kept).await, Started::New);
    }
    for store in [&here, &there] {
        assert_eq!(list(&**store, Which::All).await, [new.clone(), old.clone()]);
        assert_eq!(list(&**store, Which::InForce).await, [new.clone(), old.clone()]);
        assert_eq!(list(&**store, Which::Named("old".into())).await, std::slice::from_ref(&old));
        assert_eq!(list(&**store, Which::Named("ol".into())).await, []);
    }
    let in_force = async || {
        let listed = list(&*there, Which::InForce).await;
        listed.iter().map(|kept| kept.name().to_owned()).collect::<Vec<_>>()
    };
    assert!(change(&*here, new.id, end()).await);
    assert_eq!(in_force().await, ["old"]);
    assert!(change(&*here, new.id, adopt("treatment", 70)).await);
    assert_eq!(in_force().await, ["new", "old"], "its arm is the default");
    assert!(change(&*here, new.id, Change::Archive).await);
    assert_eq!(in_force().await, ["old"]);
    assert_eq!(list(&*there, Which::All).await.len(), 2);
}

#[tokio::test]
async fn an_experiment_goes_on_from_active_to_stopped_to_archived() {
    let Some(Stores { here, there, _folder }) = stores().await else { return };
    let kept = routing("one");
    let id = kept.id;
    assert_eq!(start(&*here, &kept).await, Started::New);
    for unknown in [end(), adopt("control", 1), Change::Archive] {
        assert!(!change(&*here, ExperimentId::new(), unknown).await);
    }
    let found = async || list(&*there, Which::Named("one".into())).await.remove(0);
    assert!(!change(&*here, id, adopt("treatment", 1)).await, "it is not over");
    assert!(!change(&*here, id, Change::Archive).await);
    assert_eq!(found().await, kept);

    assert!(change(&*here, id, end()).await);
    let late = Change::End(Ended { by: EndedBy::MaxDays, at: later(90) });
    assert!(!change(&*there, id, late).await, "it ends once");
    let ended = Some(Ended { by: EndedBy::Person, at: later(60) });
    let stopped = Kept { status: Status::Stopped, ended, ..kept };
    assert_eq!(found().await, stopped);

    for (arm, seconds) in [("treatment", 100), ("control", 200)] {
        assert!(change(&*here, id, adopt(arm, seconds)).await);
        let adopted = Some(Adopted { arm: arm.into(), at: later(seconds) });
        assert_eq!(found().await, Kept { adopted, ..stopped.clone() });
    }

    assert!(change(&*here, id, Change::Archive).await);
    for over in [end(), adopt("treatment", 300), Change::Archive] {
        assert!(!change(&*here, id, over).await);
    }
    let adopted = Some(Adopted { arm: "control".into(), at: later(200) });
    assert_eq!(found().await, Kept { status: Status::Archived, adopted, ..stopped });
}

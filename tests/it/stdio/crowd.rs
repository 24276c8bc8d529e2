//! Many calls at once on one connection.

use std::collections::BTreeSet;

use serde_json::json;

use super::driver::{Program, at};
use super::ledger::Ledger;

#[test]
fn a_thousand_calls_at_once_are_each_answered_once_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::simulated(folder.path());
    let mut conversation = program.greet();
    let ids: Vec<_> = (0..1_000)
        .map(|number| {
            conversation.begin("route_prompt", &json!({ "prompt": format!("What is {number} plus one?") }))
        })
        .collect();
    let mut request_ids = BTreeSet::new();
    for id in &ids {
        let answer = conversation.answer(id);
        let request_id = at(&answer, "/result/structuredContent/request_id");
        request_ids.insert(request_id.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned());
    }
    let ended = conversation.hang_up();
    ended.check(std::time::Duration::from_secs(5));
    assert!(ended.rest.is_empty(), "{:?}", ended.rest);

    let statuses = Ledger::open(program.store()).statuses();
    assert_eq!(statuses.keys().cloned().collect::<BTreeSet<_>>(), request_ids);
    assert_eq!(request_ids.len(), 1_000);
    assert!(statuses.values().all(|status| status == "completed"));
}

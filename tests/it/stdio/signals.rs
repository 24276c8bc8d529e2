//! What a server that is told to stop still does.

use std::time::Duration;

use serde_json::json;

use super::driver::Program;
use super::ledger::Ledger;
use super::provider::Provider;

/// Long enough for a process on a busy machine to end that has nothing to wait for.
const PROMPTLY: Duration = Duration::from_secs(2);

#[test]
fn a_signal_ends_an_idle_server_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["TERM", "INT"] {
        let conversation = Program::simulated(folder.path()).greet();
        conversation.signal(name).check(PROMPTLY);
    }
}

/// Stops a server whose provider takes a time, and gives how long it lived on and the status on the disk.
fn stopped_while_paying(provider: &Provider) -> (Duration, String) {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::local(folder.path(), provider);
    let mut conversation = program.greet();
    conversation.begin("route_prompt", &json!({ "prompt": "Hello", "cache": "off" }));
    provider.await_call();
    let ended = conversation.signal("TERM");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    (ended.took, Ledger::open(program.store()).text("select status from requests"))
}

#[test]
fn a_signal_waits_for_a_payment_that_is_almost_done() {
    let (took, status) = stopped_while_paying(&Provider::slow(Duration::from_secs(3)));
    assert_eq!(status, "completed");
    assert!(took < Duration::from_secs(7), "{took:?}");
}

#[test]
fn a_signal_breaks_a_payment_without_end_off_and_records_what_it_may_have_cost() {
    let (took, status) = stopped_while_paying(&Provider::slow(Duration::from_secs(40)));
    assert_eq!(status, "failed");
    assert!(took < Duration::from_millis(7_500), "{took:?}");
}

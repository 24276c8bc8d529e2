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

/// A host that dies may leave its end of the pipe open in another process.
#[test]
fn a_server_whose_host_died_ends_though_its_input_does_not() {
    let folder = tempfile::tempdir().unwrap();
    // The shell starts the program beside a sleeper that holds the same input, and dies a second later.
    let script = r#"exec 3<&0; sleep 60 <&3 >/dev/null 2>&1 & "$@" <&3 & sleep 1"#;
    let program = Program::simulated(folder.path()).under(&["sh", "-c", script, "sh"]);
    let ended = program.start().ended_by_itself();
    assert!(ended.took < Duration::from_secs(15), "{:?}", ended.took);
    assert!(ended.stderr.contains("whoever started this process is gone"), "{}", ended.stderr);
}

//! Where slow tests are asked for: ten minutes at 200 requests a second lose no record, and take no more memory; nor does
//! an hour in which nothing is asked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stdio::driver::{Conversation, Program, at};
use crate::stdio::ledger::Ledger;

const PER_SECOND: u32 = 200;
/// Requests under way; beyond them the load waits.
const MOST_UNDER_WAY: usize = 400;
const SECONDS: u32 = 600;
/// Sent before, as fast as they are answered: as many as may be are under way, and memory comes to what that takes.
const BURST: u32 = 5_000;
/// When memory is first looked at: queues, caches and the store's pages have been filled.
const SETTLED: u32 = 120;
const HOUR: Duration = Duration::from_secs(3_600);
/// What tasks that wake now and then may change, in KiB.
const PLAY_KIB: u64 = 1_024;

#[expect(clippy::disallowed_methods, reason = "slow tests are asked for by the environment")]
fn is_asked_for() -> bool {
    std::env::var_os("RUN_SLOW_TESTS").is_some()
}

fn answered(conversation: &mut Conversation, id: &Value) {
    let answer = conversation.answer(id);
    assert_eq!(at(&answer, "/result/structuredContent/source"), "provider", "{answer}");
}

#[test]
fn ten_minutes_of_load_lose_no_record_and_take_no_more_memory() {
    if !is_asked_for() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = Program::simulated(folder.path()).with("LOG_LEVEL", "warn");
    let mut conversation = program.greet();
    let (mut under_way, mut sent, mut settled) = (VecDeque::new(), 0_u32, None);
    let mut send = |conversation: &mut Conversation| {
        let arguments = json!({ "prompt": format!("What is {sent} plus one?"), "cache": "off" });
        under_way.push_back(conversation.begin("route_prompt", &arguments));
        sent += 1;
        while under_way.len() > MOST_UNDER_WAY {
            answered(conversation, &under_way.pop_front().unwrap());
        }
    };
    (0..BURST).for_each(|_| send(&mut conversation));
    let started = Instant::now();
    for second in 0..SECONDS {
        for part in 0..PER_SECOND {
            let due = Duration::from_secs(second.into()) + Duration::from_secs(1) * part / PER_SECOND;
            std::thread::sleep(due.saturating_sub(started.elapsed()));
            send(&mut conversation);
        }
        if second == SETTLED {
            settled = Some(conversation.memory_kib());
        }
    }
    let took = started.elapsed();
    under_way.iter().for_each(|id| answered(&mut conversation, id));
    let (before, after) = (settled.unwrap(), conversation.memory_kib());
    let said = format!("{sent} requests in {took:?}, {before} KiB after {SETTLED} s, {after} KiB at the end");
    assert!(took < Duration::from_secs(u64::from(SECONDS) * 11 / 10), "too slow for the load: {said}");
    assert!(after < before + before / 10, "it grows: {said}");
    let totals = conversation.done("cost_report", &json!({ "period": "all" }));
    assert_eq!(at(&totals, "/totals/requests"), sent);
    conversation.hang_up().check(Duration::from_secs(10));
    let ledger = Ledger::open(program.store());
    assert_eq!(ledger.number("select count(*) from requests where status = 'completed'"), i64::from(sent));
    assert_eq!(ledger.number("select count(*) from requests where status <> 'completed'"), 0);
    println(&said);
}

#[test]
fn an_hour_idle_with_a_subscriber_takes_no_more_memory() {
    if !is_asked_for() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::simulated(folder.path()).with("LOG_LEVEL", "warn").greet();
    let id = conversation.request("resources/subscribe", &json!({ "uri": "metrics://summary" }));
    conversation.answer(&id);
    conversation.done("route_prompt", &json!({ "prompt": "Hello" }));
    std::thread::sleep(HOUR / 12);
    let before = conversation.memory_kib();
    std::thread::sleep(HOUR);
    let after = conversation.memory_kib();
    assert!(after <= before + PLAY_KIB, "it grows: {before} KiB, then {after} KiB");
    println(&format!("{before} KiB, after an hour {after} KiB"));
    conversation.hang_up().check(Duration::from_secs(2));
}

#[expect(clippy::print_stdout, reason = "the numbers are what the test is for")]
fn println(said: &str) {
    println!("{said}");
}

//! Ten minutes at 200 requests a second, where slow tests are asked for: no record is lost, and memory stays flat.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stdio::driver::{Conversation, Program, at};
use crate::stdio::ledger::Ledger;

const PER_SECOND: u32 = 200;
/// Requests under way; beyond them the load waits.
const MOST_UNDER_WAY: usize = 400;
const SECONDS: u32 = 600;
/// When memory is first looked at: queues, caches and the store's pages have been filled.
const SETTLED: u32 = 120;

fn answered(conversation: &mut Conversation, id: &Value) {
    let answer = conversation.answer(id);
    assert_eq!(at(&answer, "/result/structuredContent/source"), "provider", "{answer}");
}

#[test]
fn ten_minutes_of_load_lose_no_record_and_take_no_more_memory() {
    #[expect(clippy::disallowed_methods, reason = "slow tests are asked for by the environment")]
    if std::env::var_os("RUN_SLOW_TESTS").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = Program::simulated(folder.path()).with("LOG_LEVEL", "warn");
    let mut conversation = program.greet();
    let (mut under_way, mut sent, mut settled) = (VecDeque::new(), 0_u32, None);
    let started = Instant::now();
    for second in 0..SECONDS {
        for part in 0..PER_SECOND {
            let due = Duration::from_secs(second.into()) + Duration::from_secs(1) * part / PER_SECOND;
            std::thread::sleep(due.saturating_sub(started.elapsed()));
            let arguments = json!({ "prompt": format!("What is {sent} plus one?"), "cache": "off" });
            under_way.push_back(conversation.begin("route_prompt", &arguments));
            sent += 1;
            while under_way.len() > MOST_UNDER_WAY {
                answered(&mut conversation, &under_way.pop_front().unwrap());
            }
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

#[expect(clippy::print_stdout, reason = "the numbers are what the test is for")]
fn println(said: &str) {
    println!("{said}");
}

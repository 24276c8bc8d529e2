//! The program is killed in the middle of things, again and again: what the provider billed is recorded once, or listed as
//! unsettled; nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ai_cost_optimizer::cache::scope::prompt_sha256;
use ai_cost_optimizer::domain::prompt::{Prompt, RouteRequest};
use serde_json::{Value, json};

use crate::stdio::driver::{Program, at};
use crate::stdio::ledger::Ledger;
use crate::stdio::provider::Provider;

/// Requests between two kills.
const AT_ONCE: u32 = 1_000;
const LIMIT_USD: f64 = 100_000.0;
/// How long a reservation lives at least.
const RESERVED: Duration = Duration::from_secs(60);

fn prompt(number: u32) -> String {
    format!("What is {number} plus one?")
}

/// Says how a prompt is named in the store.
fn name(number: u32) -> String {
    let request = RouteRequest::new(Prompt::new(prompt(number)).unwrap());
    prompt_sha256(&request).iter().map(|byte| format!("{byte:02X}")).collect()
}

fn kills() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "slow tests are asked for by the environment")]
    let is_slow = std::env::var_os("RUN_SLOW_TESTS").is_some();
    if is_slow { 100 } else { 5 }
}

/// Every prompt that was billed, with how often: the stub is in the test's process, which is never killed.
fn bills(provider: &Provider) -> BTreeMap<String, u32> {
    let mut bills = BTreeMap::new();
    for body in provider.bodies() {
        let text = at(&body, "/messages/0/content").as_str().unwrap().to_owned();
        *bills.entry(text).or_default() += 1;
    }
    bills
}

/// What is kept of a request.
struct Row {
    status: String,
    cost_pico: u64,
}

/// Reads all that is kept, by the name of its prompt.
fn rows(ledger: &Ledger) -> BTreeMap<String, Vec<Row>> {
    let all = "select group_concat(hex(prompt_sha256) || ' ' || status || ' ' || coalesce(cost_pico, 0), x'0A') \
               from requests";
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for line in ledger.text(all).lines() {
        let [name, status, cost_pico] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let row = Row { status: status.to_owned(), cost_pico: cost_pico.parse().unwrap() };
        rows.entry(name.to_owned()).or_default().push(row);
    }
    rows
}

#[test]
fn every_bill_outlives_the_process_that_ran_it_up() {
    let mut random = fastrand::Rng::with_seed(8);
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::slow(Duration::from_millis(30));
    let program = Program::local(folder.path(), &provider)
        .with("DAILY_BUDGET_USD", LIMIT_USD.to_string())
        .with("REQUEST_DEADLINE_MS", "1000");
    let started = Instant::now();
    let mut answered = BTreeSet::new();
    for kill in 0..kills() {
        let mut conversation = program.greet();
        let ids: Vec<(u32, Value)> = (0..AT_ONCE)
            .map(|place| {
                let number = kill * AT_ONCE + place;
                let arguments = json!({ "prompt": prompt(number), "max_output_tokens": 16, "cache": "off" });
                (number, conversation.begin("route_prompt", &arguments))
            })
            .collect();
        // Now and then one is over, however busy the machine is.
        if let Some((number, id)) = ids.first().filter(|_| kill % 2 == 1) {
            let first = conversation.answer(id);
            if at(&first, "/result/structuredContent/source") == "provider" {
                answered.insert(*number);
            }
        }
        std::thread::sleep(Duration::from_millis(random.u64(0..400)));
        let ended = conversation.signal("KILL");
        assert_eq!(ended.code, None);
        let numbers: BTreeMap<String, u32> =
            ids.iter().map(|(number, id)| (id.to_string(), *number)).collect();
        for message in &ended.rest {
            if at(message, "/result/structuredContent/source") == "provider" {
                answered.insert(numbers[&at(message, "/id").to_string()]);
            }
        }
    }
    // Whatever was still on its way to the stub has arrived.
    std::thread::sleep(Duration::from_millis(100));
    let bills = bills(&provider);
    let sent = kills() * AT_ONCE;
    assert!(!bills.is_empty() && bills.len() < sent as usize, "{} of {sent} were billed", bills.len());
    assert!(bills.values().all(|times| *times == 1), "nobody was asked twice");

    // The next process opens the store as if nothing had happened.
    let mut conversation = program.greet();
    let report = conversation.done("cost_report", &json!({ "period": "all" }));
    let ledger = Ledger::open(program.store());
    assert_eq!(ledger.text("pragma integrity_check"), "ok");
    let rows = rows(&ledger);
    let nothing = Vec::new();
    for number in 0..sent {
        let rows = rows.get(&name(number)).unwrap_or(&nothing);
        let was_billed = bills.contains_key(&prompt(number));
        let is = |status: &str| rows.iter().any(|row| row.status == status);
        let is_paid = rows.iter().any(|row| row.cost_pico > 0);
        assert!(rows.len() <= 1, "{number}: {} rows", rows.len());
        assert!(!was_billed || is("intent") || is_paid, "{number} was billed, and is neither paid nor open");
        assert!(was_billed || !is("completed"), "{number} is recorded, and nobody was asked");
        assert!(is("completed") || !answered.contains(&number), "{number} was answered, and is not recorded");
    }
    let count = |status: &str| rows.values().flatten().filter(|row| row.status == status).count();
    let (done, failed, unsettled) = (count("completed"), count("failed"), count("intent"));
    for (total, expected) in
        [("requests", done + failed), ("failed_requests", failed), ("unsettled_requests", unsettled)]
    {
        assert_eq!(at(&report, &format!("/totals/{total}")), &json!(expected), "{total}");
    }
    assert!(done > 0 && unsettled > 0, "{done} {unsettled}");
    let worst = ledger.number("select sum(worst_case_pico) from requests where status = 'intent'");
    let told = at(&report, "/totals/unsettled_worst_case_usd").as_f64().unwrap();
    assert_eq!((told * 1e12).round() as i64, worst);

    // What the dead had reserved is reserved still, and free once its time is over.
    let reserved = |conversation: &mut crate::stdio::driver::Conversation| {
        let budgets = conversation.resource("metrics://budgets");
        (at(&budgets, "/budgets/0/reserved_usd").as_f64().unwrap() * 1e12).round() as i64
    };
    let still = reserved(&mut conversation);
    // After many kills the time of the first is over already.
    assert!(still == worst || still < worst && started.elapsed() > RESERVED, "{still} of {worst}");
    let latest =
        "select max(expires_at) - cast(unixepoch('subsec') * 1000000 as integer) from budget_reservations";
    assert!((1..=64_000_000).contains(&ledger.number(latest)), "four deadlines and a minute");
    ledger.change("update budget_reservations set expires_at = 1");
    assert_eq!(reserved(&mut conversation), 0);
    conversation.done("route_prompt", &json!({ "prompt": "Hello", "cache": "off" }));
    assert_eq!(ledger.number("select count(*) from budget_reservations"), 0, "they are cleared away");
}

//! Stores that are broken, full, closed to us or shared: nobody is paid unrecorded, and nothing is lost.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::embedding::say;
use crate::stdio::driver::{Conversation, Program, at};
use crate::stdio::ledger::Ledger;
use crate::stdio::provider::Provider;

const AT_ONCE: Duration = Duration::from_secs(5);

fn ask(number: usize) -> Value {
    json!({ "prompt": format!("What is {number} plus one?"), "cache": "off" })
}

/// Fills a store with some requests and closes it.
fn filled(program: &Program) {
    let mut conversation = program.greet();
    for number in 0..40 {
        conversation.done("route_prompt", &json!({ "prompt": format!("What is {number} plus one?") }));
    }
    conversation.hang_up().check(AT_ONCE);
    Ledger::open(program.store()).fold();
}

/// Checks that a program refuses to pay, in words that name the store and a way out, and lives on.
fn check(program: &Program, provider: &Provider, words: &[&str]) {
    let before = provider.asked().len();
    let mut conversation = program.greet();
    for (tool, arguments) in [
        ("route_prompt", json!({ "prompt": "A question that nobody has asked" })),
        ("route_prompt", ask(1)),
        ("forget_cache", json!({ "all": true })),
    ] {
        let text = conversation.refused(tool, &arguments);
        for word in words.iter().copied().chain([program.store().to_str().unwrap(), "hint:"]) {
            assert!(text.contains(word), "{tool}: `{word}` is not in `{text}`");
        }
        if tool == "route_prompt" {
            assert!(text.contains("nothing was sent"), "{text}");
        }
        conversation.ping();
    }
    conversation.hang_up().check(AT_ONCE);
    assert_eq!(provider.asked().len(), before, "somebody was paid unrecorded");
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::local(folder.path(), &provider);
    let garbage = "garbage ".repeat(4_096);
    fs::write(program.store(), &garbage).unwrap();
    check(&program, &provider, &["damaged", "move it away"]);
    assert_eq!(fs::read_to_string(program.store()).unwrap(), garbage);
}

#[test]
fn a_file_with_garbage_inside_is_damaged_and_what_can_be_restored_is() {
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::local(folder.path(), &provider);
    filled(&program);
    let whole = fs::read(program.store()).unwrap();
    let mut damaged = whole.clone();
    // The first page is the schema's; all others go.
    damaged.iter_mut().skip(4_096).for_each(|byte| *byte = 0xA5);
    fs::write(program.store(), &damaged).unwrap();
    check(&program, &provider, &["damaged", "restore a copy"]);
    let mut conversation = program.greet();
    let text = conversation.refused("cost_report", &json!({}));
    assert!(text.contains("damaged") && text.contains("hint:"), "{text}");
    drop(conversation);
    for rest in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{rest}", program.store().display()));
    }
    fs::write(program.store(), &whole).unwrap();
    assert_eq!(Ledger::open(program.store()).number("select count(*) from requests"), 40);
}

#[test]
fn a_newer_schema_is_left_to_a_newer_program() {
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::local(folder.path(), &provider);
    filled(&program);
    Ledger::open(program.store()).change("pragma user_version = 99");
    check(&program, &provider, &["schema version 99", "update ai-cost-optimizer"]);
    let ledger = Ledger::open(program.store());
    assert_eq!(ledger.number("pragma user_version"), 99);
    assert_eq!(ledger.number("select count(*) from requests"), 40);
}

/// A newer program comes while an older one runs: nobody is paid any more by the older one, and what it has paid for is
/// recorded.
#[test]
fn of_two_versions_at_once_the_older_pays_nobody_and_loses_nothing() {
    let provider = Provider::slow(Duration::from_millis(1_500));
    let folder = tempfile::tempdir().unwrap();
    let program = Program::local(folder.path(), &provider);
    let mut conversation = program.greet();
    let prompt = |number: u32| json!({ "prompt": format!("What is {number} plus one?"), "cache": "off" });
    let paid = conversation.begin("route_prompt", &prompt(1));
    while provider.asked().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // As its migration would: a column more, a table more.
    Ledger::open(program.store()).change(
        "begin; alter table requests add column news text; create table news (id integer primary key); \
         pragma user_version = 99; commit",
    );
    let answer = conversation.answer(&paid);
    let answer = at(&answer, "/result/structuredContent");
    assert_eq!(
        (at(answer, "/source"), at(answer, "/degraded")),
        (&json!("provider"), &Value::Null),
        "{answer}"
    );

    let refused = conversation.refused("route_prompt", &prompt(2));
    assert!(
        refused.contains("schema version 99") && refused.contains("update ai-cost-optimizer"),
        "{refused}"
    );
    assert_eq!(provider.asked().len(), 1);
    drop(conversation);
    let ledger = Ledger::open(program.store());
    assert_eq!(ledger.number("select count(*) from requests where status = 'completed'"), 1);
    assert_eq!(ledger.number("select count(*) from requests where status = 'intent'"), 0);
}

/// Makes a program that may not write where root may; `None` where no command drops root's rights.
fn unprivileged(program: &Program) -> Option<Program> {
    if !is_root() {
        return Some(program.clone());
    }
    let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut command = Command::new("setpriv");
    command.args(words.iter().skip(1)).args([env!("CARGO_BIN_EXE_ai-cost-optimizer"), "--version"]);
    let works = works_quietly(&mut command);
    works.then(|| program.clone().under(&words))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn works_quietly(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_or_file_that_cannot_be_written_is_named() {
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    permit(folder.path(), 0o755);
    let data = folder.path().join("data");
    let program = Program::local(&data, &provider);
    let Some(stranger) = unprivileged(&program) else {
        say("skipped: this is root, and setpriv cannot drop its rights");
        return;
    };
    // A folder that cannot be made, then a file in a folder that cannot be written, then one that can.
    permit(folder.path(), 0o555);
    check(&stranger, &provider, &["COST_OPTIMIZER_DATA_DIR"]);
    permit(folder.path(), 0o755);
    fs::create_dir(&data).unwrap();
    filled(&program);
    permit(program.store(), 0o444);
    permit(&data, 0o555);
    check(&stranger, &provider, &["COST_OPTIMIZER_DATA_DIR"]);
    permit(&data, 0o777);
    check(&stranger, &provider, &["read-only", "COST_OPTIMIZER_DATA_DIR"]);
    permit(program.store(), 0o644);
    assert_eq!(Ledger::open(program.store()).number("select count(*) from requests"), 40);
}

/// A small disk of its own.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        let option = format!("size={size}");
        let mut command = Command::new("mount");
        let command = command.args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(folder);
        (is_root() && works_quietly(command)).then(|| Self(folder.to_owned()))
    }

    fn grow(&self, size: &str) {
        let option = format!("remount,size={size}");
        assert!(works_quietly(Command::new("mount").args(["-o", &option]).arg(&self.0)));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        works_quietly(Command::new("umount").arg("-l").arg(&self.0));
    }
}

#[test]
fn a_full_disk_stops_payments_and_room_lets_them_go_on() {
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let Some(disk) = Disk::mount(&data, "512k") else {
        say("skipped: a small disk cannot be mounted here");
        return;
    };
    let program = Program::local(&data, &provider);
    let mut conversation = program.greet();
    let mut recorded = BTreeSet::new();
    let mut refusal = None;
    let mut unrecorded = 0;
    for number in 0..2_000 {
        let result = conversation.call("route_prompt", &ask(number));
        if at(&result, "/isError") == true {
            refusal = Some(at(&result, "/content/0/text").as_str().unwrap().to_owned());
            break;
        }
        let output = at(&result, "/structuredContent");
        if at(output, "/degraded").to_string().contains("is in no report") {
            unrecorded += 1;
        } else {
            recorded.insert(at(output, "/request_id").as_str().unwrap().to_owned());
        }
    }
    let text = refusal.expect("the disk was full after 2,000 requests");
    for word in ["nothing was sent", "no space", program.store().to_str().unwrap(), "hint:"] {
        assert!(text.contains(word), "`{word}` is not in `{text}`");
    }
    assert_eq!(provider.asked().len(), recorded.len() + unrecorded, "somebody was paid unrecorded");
    assert!(unrecorded <= 2, "{unrecorded} answers were paid for with a full disk");
    disk.grow("8m");
    let output = conversation.done("route_prompt", &ask(0));
    recorded.insert(at(&output, "/request_id").as_str().unwrap().to_owned());
    conversation.hang_up().check(AT_ONCE);
    let statuses = Ledger::open(program.store()).statuses();
    for id in &recorded {
        assert_eq!(statuses.get(id).map(String::as_str), Some("completed"), "{id}");
    }
    let intents = statuses.values().filter(|status| *status == "intent").count();
    assert_eq!((statuses.len(), intents), (recorded.len() + unrecorded, unrecorded));
}

#[test]
fn a_killed_process_has_recorded_whatever_it_answered() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::simulated(folder.path());
    let mut conversation = program.greet();
    let ids: Vec<_> = (0..400).map(|number| conversation.begin("route_prompt", &ask(number))).collect();
    let mut answered: Vec<Value> = ids.iter().take(60).map(|id| conversation.answer(id)).collect();
    let ended = conversation.signal("KILL");
    assert_eq!(ended.code, None, "{}", ended.stderr);
    answered.extend(ended.rest);
    let statuses = Ledger::open(program.store()).statuses();
    for answer in &answered {
        let id = at(answer, "/result/structuredContent/request_id").as_str();
        let id = id.unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(statuses.get(id).map(String::as_str), Some("completed"), "{id}");
    }
    let is_known = |status: &String| status == "completed" || status == "intent";
    assert!(statuses.values().all(is_known) && statuses.len() <= 400, "{statuses:?}");
    // The next process goes on where this one was stopped.
    let mut conversation = program.greet();
    conversation.done("route_prompt", &ask(0));
    let report = conversation.done("cost_report", &json!({ "period": "all" }));
    let completed = statuses.values().filter(|status| *status == "completed").count();
    assert_eq!(at(&report, "/totals/requests"), completed + 1, "{report}");
    let unsettled = at(&report, "/totals/unsettled_requests").as_u64().unwrap_or(0);
    assert_eq!(unsettled, (statuses.len() - completed) as u64, "{report}");
}

#[test]
fn two_processes_may_start_at_once_on_nothing() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::simulated(&folder.path().join("not/there/yet"));
        let folder_of_home = program.store().parent().unwrap().to_owned();
        let mut pair = [program.start(), program.start()];
        let say_hello = |conversation: &mut Conversation| {
            conversation.initialize("2025-11-25");
        };
        pair.iter_mut().for_each(say_hello);
        let ids: Vec<_> = pair.iter_mut().map(|one| one.begin("route_prompt", &ask(1))).collect();
        for (conversation, id) in pair.iter_mut().zip(&ids) {
            let answer = conversation.answer(id);
            let output = at(&answer, "/result/structuredContent");
            assert_eq!(at(output, "/source"), "provider", "{answer}");
            assert!(at(output, "/degraded").is_null(), "{answer}");
        }
        pair.into_iter().for_each(|one| one.hang_up().check(AT_ONCE));
        let mode = fs::metadata(folder_of_home).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(
            Ledger::open(program.store()).number("select count(*) from requests where status = 'completed'"),
            2
        );
    }
}

#[test]
fn two_processes_lose_nothing_and_serve_each_others_answers() {
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::local(folder.path(), &provider);
    let simulated = Program::simulated(folder.path());
    let mut pair = [simulated.greet(), simulated.greet()];
    let ids: Vec<Vec<Value>> = pair
        .iter_mut()
        .map(|one| (0..150).map(|number| one.begin("route_prompt", &ask(number))).collect())
        .collect();
    for (conversation, ids) in pair.iter_mut().zip(&ids) {
        for id in ids {
            let answer = conversation.answer(id);
            assert!(at(&answer, "/result/structuredContent/request_id").is_string(), "{answer}");
        }
    }
    let ledger = Ledger::open(simulated.store());
    assert_eq!(ledger.number("select count(*) from requests where status = 'completed'"), 300);

    // A rating reads before it writes, and the other process writes all the time.
    let [one, other] = &mut pair;
    let first_id = at(&one.done("route_prompt", &ask(0)), "/request_id").clone();
    let rating = json!({ "request_id": first_id, "rating": 1 });
    let rated: Vec<Value> = (0..100).map(|_| one.begin("rate_response", &rating)).collect();
    let asked: Vec<Value> = (0..100).map(|number| other.begin("route_prompt", &ask(number))).collect();
    for (conversation, ids) in [(one, rated), (other, asked)] {
        for id in &ids {
            let answer = conversation.answer(id);
            assert_ne!(at(&answer, "/result/isError"), true, "{answer}");
        }
    }

    let [mut first, mut second] = [program.greet(), program.greet()];
    for number in 0..10 {
        let question = json!({ "prompt": format!("What is {number} plus one?") });
        let bought = first.done("route_prompt", &question);
        let served = second.done("route_prompt", &question);
        assert_eq!(at(&bought, "/source"), "provider");
        assert_eq!(at(&served, "/source"), "cache_exact", "{served}");
        std::mem::swap(&mut first, &mut second);
    }
    assert_eq!(provider.asked().len(), 10);
}

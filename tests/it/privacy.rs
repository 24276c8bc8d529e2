//! What is kept of prompts, answers and comments, and what becomes of it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{Request, ResponseTemplate};

use crate::stdio::driver::{KEY, Program, at};
use crate::stdio::ledger::Ledger;
use crate::stdio::provider::{Provider, model};

const SECRET: &str = "jane.canary@example.com";
const PROMPT: &str = "Which canaryword is the capital of France?";
const ANSWER: &str = "The canaryreply is Paris.";

/// Answers with a text of ours; a prompt with an address in it with that address.
fn respond(request: &Request) -> ResponseTemplate {
    let is_private = String::from_utf8_lossy(&request.body).contains(SECRET);
    let text = if is_private { format!("{ANSWER} {SECRET}") } else { ANSWER.to_owned() };
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "1", "type": "message", "role": "assistant", "model": model(request),
        "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn",
        "usage": { "input_tokens": 20, "output_tokens": 9 },
    }))
}

/// Says whether some file below a folder holds a text.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, text);
        }
        std::fs::read(path).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes())
    })
}

struct Setting {
    provider: Provider,
    program: Program,
    folder: TempDir,
}

impl Setting {
    fn new(kept: &str) -> Self {
        let (provider, folder) = (Provider::start(respond), tempfile::tempdir().unwrap());
        let program = Program::local(folder.path(), &provider).with("STORE_PROMPTS", kept);
        Self { provider, program, folder }
    }

    /// Has a prompt answered twice and rated with a comment; says how often it was paid for.
    fn asked_twice(&self, prompt: &str) -> usize {
        let before = self.provider.asked().len();
        let mut conversation = self.program.greet();
        let mut last = Value::Null;
        for _ in 0..2 {
            last = conversation.done("route_prompt", &json!({ "prompt": prompt }));
        }
        let comment = format!("as {SECRET} said, canarycomment");
        let rating = json!({ "request_id": at(&last, "/request_id"), "rating": 1.0, "comment": comment });
        conversation.done("rate_response", &rating);
        conversation.hang_up().check(Duration::from_secs(5));
        self.provider.asked().len() - before
    }
}

#[test]
fn of_each_way_to_keep_prompts_no_more_is_in_the_files_than_it_says() {
    // Whether an answer without, or with, something private is served again, and what is in the files.
    for (kept, again, private_again, has_answer, has_comment, has_secret) in [
        ("redacted", true, false, true, true, false),
        ("full", true, true, true, true, true),
        ("hash", true, false, true, false, false),
        ("off", true, false, true, false, false),
    ] {
        let setting = Setting::new(kept);
        assert_eq!(setting.asked_twice(PROMPT), if again { 1 } else { 2 }, "{kept}");
        let private = format!("Is {SECRET} an address?");
        assert_eq!(setting.asked_twice(&private), if private_again { 1 } else { 2 }, "{kept}");
        let ledger = Ledger::open(setting.program.store());
        let hashes = "select count(*) from requests where prompt_sha256 = zeroblob(32)";
        assert_eq!(ledger.number(hashes), if kept == "off" { 4 } else { 0 }, "{kept}");
        let texts = ledger.number("select count(prompt_text) + count(embedding) from response_cache");
        assert_eq!(texts > 0, ["redacted", "full"].contains(&kept), "{kept}");
        drop(ledger);
        let folder = setting.folder.path();
        for (text, is_there) in [
            ("canaryreply", has_answer),
            ("canarycomment", has_comment),
            (SECRET, has_secret),
            ("canaryword", ["redacted", "full"].contains(&kept)),
            (KEY, false),
        ] {
            assert_eq!(holds(folder, text), is_there, "{kept}: {text}");
        }
    }
}

/// Without a hash of its prompt a request cannot say which answer was wrong for it.
#[test]
fn an_answer_that_was_wrong_is_not_served_again_whatever_is_kept() {
    for kept in ["redacted", "hash", "off"] {
        let setting = Setting::new(kept);
        let mut conversation = setting.program.greet();
        let mut route = || conversation.done("route_prompt", &json!({ "prompt": PROMPT }));
        route();
        let served = route();
        assert_eq!(at(&served, "/source"), "cache_exact", "{kept}: {served}");
        let wrong = json!({ "request_id": at(&served, "/request_id"), "verdict": "wrong" });
        conversation.done("rate_response", &wrong);
        let next = conversation.done("route_prompt", &json!({ "prompt": PROMPT }));
        assert_eq!(at(&next, "/source"), "provider", "{kept}: {next}");
    }
}

#[test]
fn exports_show_every_request_and_their_sum_is_the_report() {
    let setting = Setting::new("redacted");
    setting.asked_twice(PROMPT);
    setting.asked_twice("=1+1 is what?");
    let (code, report, _) = setting.program.run(&["report", "--period", "all", "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(code, 0);
    let (code, csv, _) = setting.program.run(&["export"]);
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let heading = lines.next().unwrap();
    let column = |name: &str| heading.iter().position(|column| *column == name).unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    assert!(code == 0 && rows.len() == 4 && rows.iter().all(|row| row.len() == heading.len()), "{csv}");
    let (code, jsonl, _) = setting.program.run(&["export", "--format", "jsonl"]);
    let objects: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, objects.len()), (0, 4));
    for (name, pointer) in [("cost", "/totals/cost_usd"), ("saved", "/totals/saved_usd")] {
        let reported = (at(&report, pointer).as_f64().unwrap() * 1e12).round() as i64;
        let pico = format!("{name}_pico");
        let in_csv: i64 = rows.iter().map(|row| row[column(&pico)].parse::<i64>().unwrap()).sum();
        let in_json: i64 =
            objects.iter().map(|object| object[&pico].as_str().unwrap().parse::<i64>().unwrap()).sum();
        assert_eq!((in_csv, in_json), (reported, reported), "{name}");
        let decimals: f64 =
            rows.iter().map(|row| row[column(&format!("{name}_usd"))].parse::<f64>().unwrap()).sum();
        assert_eq!((decimals * 1e12).round() as i64, reported);
    }
    assert!(!csv.contains("canary") && !jsonl.contains("canary"), "no text of prompts or answers");
    let (_, none, _) = setting.program.run(&["export", "--to", "2026-01-01"]);
    assert_eq!(none.lines().count(), 1);
    let (code, _, complaint) = setting.program.run(&["export", "--from", "yesterday"]);
    assert!(code != 0 && complaint.contains("from is `yesterday`"), "{complaint}");
}

#[test]
fn what_is_to_be_forgotten_is_in_no_file_any_more() {
    let setting = Setting::new("full");
    setting.asked_twice(PROMPT);
    let (code, _, complaint) = setting.program.run(&["forget", "--everything"]);
    assert!(
        code != 0 && complaint.contains("--yes") && complaint.contains("optimizer.sqlite3"),
        "{complaint}"
    );
    assert!(holds(setting.folder.path(), "canaryreply"));
    let (code, said, _) = setting.program.run(&["forget", "--older-than-days", "1", "--yes"]);
    assert!(code == 0 && said.contains("0 requests"), "{said}");
    let (code, said, _) = setting.program.run(&["forget", "--older-than-days", "0", "--yes", "--json"]);
    assert!(code == 0 && said.contains("\"requests\": 2"), "{said}");
    setting.asked_twice(PROMPT);
    let (code, said, _) = setting.program.run(&["forget", "--everything", "--yes"]);
    assert!(code == 0 && said.contains("was forgotten"), "{said}");
    for text in ["canaryreply", "canarycomment", "canaryword", SECRET] {
        assert!(!holds(setting.folder.path(), text), "{text}");
    }
    assert_eq!(setting.asked_twice(PROMPT), 1, "it goes on, and has forgotten the answer");
}

#[test]
fn requests_older_than_they_may_get_go_by_themselves() {
    let setting = Setting::new("redacted");
    setting.asked_twice(PROMPT);
    let ledger = Ledger::open(setting.program.store());
    ledger.change("update requests set created_at = created_at - 40 * 86400000000 where source = 'provider'");
    drop(ledger);
    let program = setting.program.with("RETENTION_DAYS", "39");
    let mut conversation = program.greet();
    let left = || Ledger::open(program.store()).number("select count(*) from requests");
    for _ in 0..100 {
        if left() == 1 {
            break;
        }
        conversation.ping();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(left(), 1, "the one that is young");
    for days in ["31", "3651", "0.5", "-1"] {
        let (code, _, complaint) =
            Program::bare(setting.folder.path(), "x").with("RETENTION_DAYS", days).run(&["report"]);
        assert!(code != 0 && complaint.contains("RETENTION_DAYS"), "{complaint}");
    }
}

//! A minute at 200 requests a second through one real process: exact hits and misses mixed, simulated.
//!
//! Says whether anything was lost, whether memory stays flat, and whether the sum of the answers is the report.
//! Prints figures for the README; it asserts only what must hold on any machine. `cargo bench --bench load`

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench prints its figures")]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const REQUESTS_A_SECOND: u32 = 200;
const SECONDS: u32 = 60;
const REQUESTS: u32 = REQUESTS_A_SECOND * SECONDS;
/// Different prompts among the exact hits; each is a miss once.
const REPEATED_PROMPTS: u32 = 500;
const SAMPLE_EVERY: u32 = REQUESTS_A_SECOND * 10;

/// Every other request repeats one of a few prompts; the others are new.
fn prompt(number: u32) -> String {
    match number % 2 {
        0 => format!("Explain repeated prompt number {}", (number / 2) % REPEATED_PROMPTS),
        _ => format!("Explain new prompt number {number}"),
    }
}

fn call(id: u32, tool: &str, arguments: &Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }))
}

/// Resident memory in megabytes, where the system says.
fn memory_mb(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut process = Command::new(env!("CARGO_BIN_EXE_ai-cost-optimizer"))
        .arg("--simulate")
        .env("COST_OPTIMIZER_DATA_DIR", folder.path())
        // An empty folder: without weights no time is spent on embedding.
        .env("EMBEDDING_MODEL_PATH", folder.path())
        .env("LOG_LEVEL", "error")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut input = process.stdin.take().expect("stdin is piped");
    let output = BufReader::new(process.stdout.take().expect("stdout is piped"));
    let id = process.id();
    let began = Instant::now();
    let due = move |number: u32| began + Duration::from_secs(1) * number / REQUESTS_A_SECOND;
    let sender = std::thread::spawn(move || {
        let client = json!({ "name": "bench", "version": "0" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let hello = json!({ "jsonrpc": "2.0", "id": REQUESTS, "method": "initialize", "params": params });
        writeln!(input, "{hello}\n{}", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .expect("the server reads");
        for number in 0..REQUESTS {
            std::thread::sleep(due(number).saturating_duration_since(Instant::now()));
            let line = call(number, "route_prompt", &json!({ "prompt": prompt(number) }));
            input.write_all(line.as_bytes()).expect("the server reads");
            if number % SAMPLE_EVERY == SAMPLE_EVERY - 1 {
                println!("after {:>3} s: {:?} MB", (number + 1) / REQUESTS_A_SECOND, memory_mb(id));
            }
        }
        input
    });
    let mut answers: HashMap<u32, (Duration, Value)> = HashMap::new();
    for line in output.lines() {
        let message: Value = serde_json::from_str(&line.expect("a line")).expect("an answer is JSON");
        let now = Instant::now();
        let number = message["id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("an id");
        let late = now.saturating_duration_since(due(number));
        assert!(message["result"]["isError"] != true, "{message}");
        let before = answers.insert(number, (late, message["result"]["structuredContent"].clone()));
        assert!(before.is_none(), "two answers to request {number}");
        if answers.len() as u32 == REQUESTS + 1 {
            break;
        }
    }
    answers.remove(&REQUESTS);
    let mut input = sender.join().expect("the sender ends");
    assert_eq!(answers.len() as u32, REQUESTS, "an answer was lost");
    drop(input.flush());
    drop(input);
    process.wait().expect("the server ends");

    let report = Command::new(env!("CARGO_BIN_EXE_ai-cost-optimizer"))
        .args(["--simulate", "report", "--period", "all", "--json"])
        .env("COST_OPTIMIZER_DATA_DIR", folder.path())
        .output()
        .expect("the binary reports");
    let report: Value = serde_json::from_slice(&report.stdout).expect("a report is JSON");
    let pico = |amount: &Value| (amount.as_f64().expect("an amount") * 1e12).round() as i64;
    let paid: i64 = answers.values().map(|(_, answer)| pico(&answer["cost_usd"])).sum();
    assert_eq!(report["totals"]["requests"], REQUESTS, "a record was lost");
    assert_eq!(
        pico(&report["totals"]["cost_usd"]),
        paid,
        "the answers cost something else than the report says"
    );
    for (what, is_hit) in [("exact hits", true), ("misses", false)] {
        let of_kind = answers.values().filter(|(_, answer)| (answer["source"] == "cache_exact") == is_hit);
        let mut times: Vec<Duration> = of_kind.map(|(late, _)| *late).collect();
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!(
            "{what:<12} n {:<6} p50 {:.3} ms  p99 {:.3} ms  max {:.3} ms, from the due time",
            times.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    println!(
        "{REQUESTS} requests, {REQUESTS} answers, {REQUESTS} records; the report is the sum of the answers"
    );
}

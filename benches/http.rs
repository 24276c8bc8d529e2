//! A team over HTTP: a thousand users' exact hits at a fixed rate, and the same call over stdin and stdout beside it.
//!
//! One real process each, simulated, without weights; the load generator is on the same cores. Times of the thousand
//! are from when a request was due, so that a server that falls behind shows. An exact hit reads the entry and
//! writes a record into its user's own file; what HTTP adds to it is the difference to the call through stdio.
//! Prints figures for the README; it asserts only that every answer is an exact hit. `cargo bench --bench http`

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints its figures, and one that meets an answer of another shape has failed"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ai_cost_optimizer::providers::http;
use futures::StreamExt as _;
use jsonwebtoken::{EncodingKey, Header, encode};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

const USERS: usize = 1_000;
const REQUESTS_A_SECOND: u32 = 300;
const SECONDS: u32 = 60;
const ONE_BY_ONE: usize = 500;
const SECRET: &str = "a-secret-of-this-bench-of-32-bytes-or-more";
const PROMPT: &str = "What is the capital of France?";

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ai-cost-optimizer"));
    command
        .arg("--simulate")
        .env("COST_OPTIMIZER_DATA_DIR", folder)
        .env("COST_OPTIMIZER_CONFIG", "/dev/null")
        // An empty folder: without weights no time is spent on embedding.
        .env("EMBEDDING_MODEL_PATH", folder)
        .env("HTTP_ALLOWED_USERS", "*")
        .env("SUPABASE_JWT_SECRET", SECRET);
    command
}

fn serve(folder: &Path) -> (Child, String) {
    let mut process = program(folder)
        .args(["serve", "--http", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(process.stderr.take().expect("stderr is piped")).lines();
    let address = lines.find_map(|line| {
        let line = line.expect("a log is text");
        let (_, rest) = line.split_once("serving over HTTP address=")?;
        rest.split_whitespace().next().map(str::to_owned)
    });
    // Somebody has to read what is logged later.
    std::thread::spawn(move || lines.for_each(drop));
    (process, format!("http://{}/mcp", address.expect("the server serves")))
}

fn token(user: usize) -> String {
    let claims = json!({
        "sub": format!("5a3b6f0e-0000-4000-8000-{user:012x}"), "aud": "authenticated", "role": "authenticated",
        "exp": jiff::Timestamp::now().as_second() + 3_600,
    });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))
        .expect("claims are JSON")
}

fn arguments() -> Value {
    json!({ "name": "route_prompt", "arguments": { "prompt": PROMPT } })
}

fn request(client: &Client, url: &str, token: &str) -> RequestBuilder {
    let mut params = arguments();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    client
        .post(url)
        .bearer_auth(token)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "route_prompt")
        .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
}

async fn source(request: RequestBuilder) -> String {
    let answer: Value =
        request.send().await.expect("the server answers").json().await.expect("an answer is JSON");
    let source = answer["result"]["structuredContent"]["source"].as_str();
    assert!(source.is_some(), "{answer}");
    source.unwrap_or_default().to_owned()
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{what:<64} n {:<6} p50 {:>7.2} ms  p99 {:>7.2} ms  max {:>7.2} ms",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// Resident memory in megabytes, where the system says.
fn memory_mb(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}

/// The same call through stdin and stdout, one after another.
fn stdio() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut process = program(folder.path())
        .env("LOG_LEVEL", "error")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut input = process.stdin.take().expect("stdin is piped");
    let mut output = BufReader::new(process.stdout.take().expect("stdout is piped"));
    let mut ask = |method: &str, params: &Value| {
        let line = format!("{}\n", json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }));
        input.write_all(line.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        output.read_line(&mut answer).expect("the server answers");
        serde_json::from_str::<Value>(&answer).expect("an answer is JSON")
    };
    let client = json!({ "name": "bench", "version": "0" });
    ask("initialize", &json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }));
    ask("tools/call", &arguments());
    let times = (0..ONE_BY_ONE).map(|_| {
        let began = Instant::now();
        let answer = ask("tools/call", &arguments());
        assert_eq!(answer["result"]["structuredContent"]["source"], "cache_exact", "{answer}");
        began.elapsed()
    });
    report("exact hit through stdio, one by one", times.collect());
    drop(input);
    process.wait().expect("the server ends");
}

async fn team(client: &Client, url: &str, process: u32) {
    let tokens: Arc<[String]> = (0..USERS).map(token).collect();
    let began = Instant::now();
    let bought = futures::stream::iter(tokens.iter()).map(|token| source(request(client, url, token)));
    let bought: Vec<String> = bought.buffer_unordered(8).collect().await;
    assert!(bought.iter().all(|source| source == "provider"));
    println!("{USERS} users come and buy an answer each in {:.1} s", began.elapsed().as_secs_f64());

    let mut times = Vec::new();
    for place in 0..ONE_BY_ONE {
        // As many users as there is no limit on the rate of.
        let request = request(client, url, &tokens[place % USERS]);
        let began = Instant::now();
        assert_eq!(source(request).await, "cache_exact");
        times.push(began.elapsed());
    }
    report("exact hit over HTTP, one by one", times);

    let began = Instant::now();
    let (mut answers, calls) = (Vec::new(), TaskTracker::new());
    for number in 0..REQUESTS_A_SECOND * SECONDS {
        let due = began + Duration::from_secs(1) * number / REQUESTS_A_SECOND;
        tokio::time::sleep_until(due.into()).await;
        // Users in an order in which none follows himself.
        let user = number as usize * 617 % USERS;
        let request = request(client, url, &tokens[user]);
        answers.push(calls.spawn(async move {
            assert_eq!(source(request).await, "cache_exact");
            due.elapsed()
        }));
    }
    let mut times = Vec::new();
    for answer in answers {
        times.push(answer.await.expect("it is an exact hit"));
    }
    report(
        &format!("exact hits of {USERS} users over HTTP, {REQUESTS_A_SECOND}/s, from the due time"),
        times,
    );
    if let Some(memory) = memory_mb(process) {
        println!("resident memory with {USERS} users: {memory:.0} MB");
    }
}

fn main() {
    stdio();
    let folder = tempfile::tempdir().expect("a folder");
    let (mut process, url) = serve(folder.path());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = http::client().expect("a client");
    runtime.block_on(team(&client, &url, process.id()));
    let _ = process.kill();
    let _ = process.wait();
}

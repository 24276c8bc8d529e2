//! The server as a client feels it: whole processes, real pipes, the simulated provider.
//!
//! Prints figures for the README; it asserts nothing, because machines differ. `cargo bench --bench stdio`
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a bench prints its figures, and one that meets an answer of another shape has failed"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const STARTS: usize = 40;
const EXACT_HITS: usize = 3_000;
const MISSES_A_SECOND: u32 = 100;
const MISSES: u32 = 1_500;
/// Above every id that a client has used by then.
const FIRST_ID: u64 = 10_000;
const BURST: u64 = 1_000;
const READS: u64 = 20_000;
const AT_ONCE: u64 = 20;

struct Client {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next_id: u64,
}

impl Client {
    fn start(folder: &Path) -> Self {
        let mut client = Self::spawn(folder);
        client.ask(
            "initialize",
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "bench", "version": "0" } }),
        );
        client.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client
    }

    fn spawn(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ai-cost-optimizer"))
            .arg("--simulate")
            .env("COST_OPTIMIZER_DATA_DIR", folder)
            .env("LOG_LEVEL", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary starts");
        let input = process.stdin.take().expect("stdin is piped");
        let output = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Self { process, input, output, next_id: 0 }
    }

    fn say(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.input.write_all(line.as_bytes()).expect("the server reads");
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the server answers");
        serde_json::from_str(&line).expect("an answer is JSON")
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        self.say(&json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params }));
        self.read()
    }

    fn route(&mut self, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({ "name": "route_prompt", "arguments": arguments }));
        assert!(answer["result"]["isError"] != true, "{answer}");
        answer["result"]["structuredContent"].clone()
    }

    /// Resident memory in megabytes, where the system says.
    fn memory_mb(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes / 1024.0)
    }

    fn stop(self) {
        let Self { mut process, input, .. } = self;
        drop(input);
        process.wait().expect("the server ends");
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{what:<48} n {:<6} p50 {:>8.3} ms  p99 {:>8.3} ms  max {:>8.3} ms",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// The time of a client of 2026 from the start to who we are, and of an idle server from the end of its input to its own.
fn discoveries_and_ends() {
    let (mut discoveries, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let folder = tempfile::tempdir().expect("a folder");
        let started = Instant::now();
        let mut client = Client::spawn(folder.path());
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let answer = client.ask("server/discover", json!({ "_meta": meta }));
        discoveries.push(started.elapsed());
        assert!(answer["result"]["capabilities"].is_object(), "{answer}");
        let hung_up = Instant::now();
        client.stop();
        ends.push(hung_up.elapsed());
    }
    report("process start to server/discover", discoveries);
    report("end of input to end of an idle process", ends);
}

/// Keeps some reads under way that touch no store.
fn reads(client: &mut Client) {
    let read = |id: u64| {
        let params = json!({ "name": "cut_costs", "arguments": { "period": "7d" } });
        json!({ "jsonrpc": "2.0", "id": id, "method": "prompts/get", "params": params })
    };
    let started = Instant::now();
    for id in 0..AT_ONCE {
        client.say(&read(FIRST_ID + id));
    }
    for id in AT_ONCE..READS + AT_ONCE {
        let answer = client.read();
        assert!(answer["result"].is_object(), "{answer}");
        if id < READS {
            client.say(&read(FIRST_ID + id));
        }
    }
    let each = READS as f64 / started.elapsed().as_secs_f64();
    println!("{each:.0} reads a second (prompts/get, {AT_ONCE} at once, this client included)");
}

fn starts() {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let folder = tempfile::tempdir().expect("a folder");
        let started = Instant::now();
        let mut client = Client::start(folder.path());
        client.ask("tools/list", json!({}));
        times.push(started.elapsed());
        client.stop();
    }
    report("process start to tools/list", times);
}

fn exact_hits(client: &mut Client) {
    let prompt = json!({ "prompt": "What is the capital of France?", "cache": "use" });
    client.route(prompt.clone());
    let times = (0..EXACT_HITS).map(|_| {
        let started = Instant::now();
        let answer = client.route(prompt.clone());
        let elapsed = started.elapsed();
        assert_eq!(answer["source"], "cache_exact");
        elapsed
    });
    let times = times.collect();
    report("exact hit through stdio", times);
}

/// Sends pings and misses in turn, each at a fixed rate, whether or not the last one was answered.
///
/// A ping passes the same pipes and does nothing: in the same run it is the floor of the miss.
fn pings_and_misses(folder: &Path) {
    let Client { mut process, mut input, mut output, .. } = Client::start(folder);
    let began = Instant::now();
    let due = move |place: u32| began + Duration::from_secs(1) * place / (2 * MISSES_A_SECOND);
    let sender = std::thread::spawn(move || {
        for place in 0..2 * MISSES {
            let mut message = if place % 2 == 0 { json!({ "method": "ping" }) } else { miss(place) };
            message["jsonrpc"] = json!("2.0");
            message["id"] = json!(FIRST_ID + u64::from(place));
            let line = format!("{message}\n");
            std::thread::sleep(due(place).saturating_duration_since(Instant::now()));
            input.write_all(line.as_bytes()).expect("the server reads");
        }
        input
    });
    let mut times = [Vec::new(), Vec::new()];
    let mut line = String::new();
    for _ in 0..2 * MISSES {
        line.clear();
        output.read_line(&mut line).expect("the server answers");
        let now = Instant::now();
        let answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
        let place = answer["id"].as_u64().expect("an id") - FIRST_ID;
        let due = due(u32::try_from(place).expect("a small id"));
        times[usize::from(place % 2 == 1)].push(now.saturating_duration_since(due));
    }
    let [pings, misses] = times;
    report(&format!("ping, {MISSES_A_SECOND}/s, from the due time"), pings);
    report(&format!("miss, no cache, {MISSES_A_SECOND}/s, from the due time"), misses);
    drop(sender.join());
    process.wait().expect("the server ends");
}

fn miss(place: u32) -> Value {
    let arguments = json!({ "prompt": format!("Explain prompt number {place}"), "cache": "off" });
    json!({ "method": "tools/call", "params": { "name": "route_prompt", "arguments": arguments } })
}

fn burst(client: &mut Client) {
    let before = client.memory_mb();
    let started = Instant::now();
    for id in 0..BURST {
        let arguments = json!({ "prompt": format!("Burst number {id}"), "cache": "off" });
        client.say(&json!({ "jsonrpc": "2.0", "id": 50_000 + id, "method": "tools/call", "params": { "name": "route_prompt", "arguments": arguments } }));
    }
    let mut ids: Vec<u64> = (0..BURST).map(|_| client.read()["id"].as_u64().expect("an id")).collect();
    let elapsed = started.elapsed();
    ids.sort_unstable();
    ids.dedup();
    println!(
        "{BURST} concurrent calls: {} answered in {:.0} ms; memory {:?} MB before, {:?} MB after",
        ids.len(),
        elapsed.as_secs_f64() * 1e3,
        before,
        client.memory_mb()
    );
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    starts();
    discoveries_and_ends();
    for _ in 0..3 {
        pings_and_misses(folder.path());
    }
    let mut client = Client::start(folder.path());
    client.ask("tools/list", json!({}));
    println!("idle memory before the model: {:?} MB", client.memory_mb());
    reads(&mut client);
    burst(&mut client);
    exact_hits(&mut client);
    client.route(json!({ "prompt": "Why is the sky blue?" }));
    println!("memory after the model was used or found missing: {:?} MB", client.memory_mb());
    client.stop();
}

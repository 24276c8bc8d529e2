//! What a client sends: lines of JSON-RPC, and the arguments of each tool.
//!
//! One conversation goes on for many inputs, so that it shows whether some bytes end it, or leave a client waiting.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ai_cost_optimizer::app::App;
use ai_cost_optimizer::config::{Config, Mode};
use ai_cost_optimizer::embed::weights::Reach;
use ai_cost_optimizer::mcp;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::wire::Wire;

/// How long an answer may take; every provider is simulated.
const PATIENCE: Duration = Duration::from_secs(5);
/// Inputs after which another conversation begins, on an empty store.
const INPUTS: usize = 2_000;
const PIPE_BYTES: usize = 1 << 20;
const TOOLS: [&str; 8] = [
    "route_prompt",
    "cost_report",
    "rate_response",
    "forget_cache",
    "start_experiment",
    "experiment_report",
    "stop_experiment",
    "set_budget",
];

struct Conversation {
    to_server: WriteHalf<DuplexStream>,
    from_server: Lines<BufReader<ReadHalf<DuplexStream>>>,
    inputs: usize,
    _folder: TempDir,
}

/// Lines: each is answered where anybody waits, and none ends the conversation.
pub(super) fn json_rpc(bytes: &[u8]) {
    with_conversation(|wire, conversation| wire.runtime.block_on(conversation.send(bytes)));
}

/// A call: the first byte, from `a` on, names the tool, the rest is its arguments.
pub(super) fn arguments(bytes: &[u8]) {
    let Some((tool, arguments)) = bytes.split_first() else { return };
    let Some(tool) = TOOLS.get(usize::from(tool.wrapping_sub(b'a'))) else { return };
    let Ok(arguments) = serde_json::from_slice::<Map<String, Value>>(arguments) else { return };
    with_conversation(|wire, conversation| {
        let params = json!({ "name": tool, "arguments": arguments });
        let call = json!({ "jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": params });
        let answers = wire.runtime.block_on(conversation.send(call.to_string().as_bytes()));
        let answer = answers.into_iter().find(|answer| answer["id"] == "call").expect("a call is answered");
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str().expect("a result has words");
        assert!(!text.is_empty(), "{tool} {arguments:?}: {answer}");
        let is_error = result["isError"] == true;
        assert_ne!(is_error, result["structuredContent"].is_object(), "{tool} {arguments:?}: {answer}");
        if is_error {
            let given = arguments.values().map(|value| value.to_string().len()).sum::<usize>();
            assert!(text.len() <= 2_000 + given, "{tool}: {text}");
        }
        check_amounts(result);
    });
}

/// No amount of a result but what was saved is negative.
fn check_amounts(value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let is_cost = name.ends_with("cost_usd") || name == "spent_usd" || name == "limit_usd";
                assert!(!is_cost || inner.as_f64().is_none_or(|amount| amount >= 0.0), "{name}: {inner}");
                check_amounts(inner);
            }
        }
        Value::Array(values) => values.iter().for_each(check_amounts),
        _ => {}
    }
}

fn with_conversation<T>(look: impl FnOnce(&Wire, &mut Conversation) -> T) -> T {
    thread_local! {
        static CONVERSATION: RefCell<Option<Conversation>> = const { RefCell::new(None) };
    }
    Wire::with(|wire| {
        CONVERSATION.with_borrow_mut(|kept| {
            let conversation = kept.take().filter(|conversation| conversation.inputs < INPUTS);
            let mut conversation = conversation.unwrap_or_else(|| wire.runtime.block_on(begin()));
            conversation.inputs += 1;
            let seen = look(wire, &mut conversation);
            *kept = Some(conversation);
            seen
        })
    })
}

async fn begin() -> Conversation {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let data_dir = folder.path().display().to_string();
    let environment = HashMap::from([
        ("COST_OPTIMIZER_DATA_DIR", data_dir.clone()),
        ("COST_OPTIMIZER_CONFIG", "/dev/null".to_owned()),
        // There is nothing: weights that this machine may have would only be slow.
        ("EMBEDDING_MODEL_PATH", data_dir),
    ]);
    let config = Config::from_environment(Mode::Simulate, environment).expect("it is valid");
    let server = App::new(config, Reach::LocalOnly)
        .expect("a simulation can be put together")
        .server()
        .expect("a simulation offers tools");
    let (here, there) = tokio::io::duplex(PIPE_BYTES);
    let (input, output) = tokio::io::split(there);
    let serving = mcp::serve_over(server, (input, output), CancellationToken::new(), std::future::pending());
    tokio::runtime::Handle::current().spawn(async move { drop(serving.await) });
    let (read, to_server) = tokio::io::split(here);
    let from_server = BufReader::new(read).lines();
    let mut conversation = Conversation { to_server, from_server, inputs: 0, _folder: folder };
    let hello = json!({
        "jsonrpc": "2.0", "id": "hello", "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "fuzz", "version": "0" },
        },
    });
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    conversation.write(hello.to_string().as_bytes()).await;
    let answer = conversation.read().await;
    assert_eq!(answer["id"], "hello");
    conversation.write(ready.to_string().as_bytes()).await;
    conversation
}

impl Conversation {
    async fn write(&mut self, line: &[u8]) {
        self.to_server.write_all(line).await.expect("the server reads on");
        self.to_server.write_all(b"\n").await.expect("the server reads on");
    }

    async fn read(&mut self) -> Value {
        let line = timeout(PATIENCE, self.from_server.next_line()).await.expect("the server answers in time");
        let line = line.expect("the server writes text").expect("no line ends the conversation");
        assert!(!line.contains("failed inside"), "a tool panicked: {line}");
        let message: Value = serde_json::from_str(&line).expect("a line is JSON");
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        message
    }

    /// Sends lines and another request after them, and gives what came until all were answered.
    async fn send(&mut self, bytes: &[u8]) -> Vec<Value> {
        let (mut waiting, is_sure) = asked(bytes);
        let last = Value::from(format!("last of {}", self.inputs));
        waiting.insert(last.to_string());
        let ping = json!({ "jsonrpc": "2.0", "id": last, "method": "ping" });
        self.write(bytes).await;
        self.write(ping.to_string().as_bytes()).await;
        let mut answers = Vec::new();
        while if is_sure { !waiting.is_empty() } else { waiting.contains(&last.to_string()) } {
            let message = self.read().await;
            if message["method"].is_string() {
                // The server asks back where some bytes said that this client can be asked.
                if !message["id"].is_null() {
                    let no =
                        json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "action": "cancel" } });
                    self.write(no.to_string().as_bytes()).await;
                }
                continue;
            }
            waiting.remove(&message["id"].to_string());
            answers.push(message);
        }
        answers
    }
}

/// Reads which requests are in some lines, by their ids, and whether each of them must be answered.
fn asked(bytes: &[u8]) -> (HashSet<String>, bool) {
    let (mut ids, mut is_sure) = (HashSet::new(), true);
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        let Ok(Value::Object(message)) = serde_json::from_slice(line) else { continue };
        let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
        // What was cancelled, and what is listened to, is not answered while the conversation goes on.
        is_sure &= !matches!(method, "notifications/cancelled" | "subscriptions/listen");
        let is_response = message.contains_key("result") || message.contains_key("error");
        let id = message.get("id").filter(|id| id.is_string() || id.as_i64().is_some());
        if let Some(id) = id.filter(|_| !is_response) {
            // Of two requests with one id, one answer may be all there is.
            is_sure &= ids.insert(id.to_string());
        }
    }
    (ids, is_sure)
}

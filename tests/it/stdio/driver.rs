//! Drives the program by hand, as no client library would let us.
//!
//! Each line on stdout must be one JSON-RPC message; anything else fails the test that reads it. Nothing here
//! sleeps: a line, the end of stdout and the end of the process are awaited, each for a limited time.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::provider::Provider;

/// The longest wait for a line or for the end.
const PATIENCE: Duration = Duration::from_secs(30);
/// The key that every configured provider has, and that must turn up nowhere.
pub(crate) const KEY: &str = "sk-ant-canary-4711-canary-4711";

/// How the program is started.
#[derive(Clone)]
pub(crate) struct Program {
    words: Vec<OsString>,
    variables: HashMap<String, OsString>,
    store: PathBuf,
}

impl Program {
    /// Names the program without any provider, with its store in a folder and without an embedder.
    pub(crate) fn bare(folder: &Path, store: &str) -> Self {
        let program = Self { words: vec![binary()], variables: HashMap::new(), store: folder.join(store) };
        let nowhere = folder.join("no-model");
        program.with("COST_OPTIMIZER_DATA_DIR", folder).with("EMBEDDING_MODEL_PATH", nowhere)
    }

    /// Names the program that makes its answers up.
    pub(crate) fn simulated(folder: &Path) -> Self {
        let mut program = Self::bare(folder, "simulated.sqlite3");
        program.words.push("--simulate".into());
        program
    }

    /// Names the program with one Anthropic-shaped provider.
    pub(crate) fn local(folder: &Path, provider: &Provider) -> Self {
        Self::bare(folder, "optimizer.sqlite3")
            .with("ANTHROPIC_BASE_URL", provider.url())
            .with("ANTHROPIC_API_KEY", KEY)
    }

    /// Sets a variable.
    pub(crate) fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Starts it through another command, such as one that drops privileges.
    pub(crate) fn under(mut self, words: &[&str]) -> Self {
        self.words.splice(..0, words.iter().map(OsString::from));
        self
    }

    /// Gives the file of the store.
    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    #[expect(clippy::disallowed_methods, reason = "the child gets PATH and nothing else of ours")]
    fn command(&self) -> Command {
        let (word, rest) = self.words.split_first().unwrap();
        let mut command = Command::new(word);
        command
            .args(rest)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.store.parent().unwrap())
            .envs(&self.variables);
        command
    }

    /// Runs a subcommand to its end, and gives its exit code, stdout and stderr.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command().args(arguments).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    /// Starts the process; nothing is said yet.
    pub(crate) fn start(&self) -> Conversation {
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.split(b'\n') {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let stdin = child.stdin.take();
        Conversation {
            child,
            stdin,
            lines,
            stderr: Some(stderr),
            unread: HashMap::new(),
            heard: VecDeque::new(),
            next_id: 0,
        }
    }

    /// Starts it and shakes hands as a client of 2025-11-25.
    pub(crate) fn greet(&self) -> Conversation {
        let mut conversation = self.start();
        assert_eq!(at(&conversation.initialize("2025-11-25"), "/result/protocolVersion"), "2025-11-25");
        conversation
    }
}

/// The program as cargo built it.
fn binary() -> OsString {
    env!("CARGO_BIN_EXE_ai-cost-optimizer").into()
}

/// Reads a value at a JSON pointer; what is not there is null.
pub(crate) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// A running process.
pub(crate) struct Conversation {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    stderr: Option<JoinHandle<String>>,
    /// Answers that came before somebody asked for them, by id.
    unread: HashMap<String, Value>,
    /// Notifications that came while an answer was awaited.
    heard: VecDeque<Value>,
    next_id: u64,
}

/// How a process ended.
pub(crate) struct Ended {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) took: Duration,
    /// Messages that nobody had read.
    pub(crate) rest: Vec<Value>,
    pub(crate) stderr: String,
}

impl Conversation {
    /// Writes bytes and the end of a line.
    pub(crate) fn say(&mut self, line: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("stdin is open until the process is told to end");
        stdin.write_all(line.as_ref()).and_then(|()| stdin.write_all(b"\n")).unwrap();
        stdin.flush().unwrap();
    }

    /// Sends a request and gives its id.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> Value {
        self.next_id += 1;
        let id = json!(self.next_id);
        self.say(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        id
    }

    /// Sends a request as clients of 2026-07-28 do, and gives its id.
    pub(crate) fn modern(&mut self, method: &str, params: Value) -> Value {
        self.modern_able(method, params, &json!({}))
    }

    /// The same, as a client that is able to do something.
    pub(crate) fn modern_able(&mut self, method: &str, mut params: Value, capabilities: &Value) -> Value {
        params.as_object_mut().unwrap().insert(
            "_meta".to_owned(),
            json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": capabilities,
                "io.modelcontextprotocol/clientInfo": { "name": "driver", "version": "1" },
            }),
        );
        self.request(method, &params)
    }

    /// Sends a notification.
    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.say(json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
    }

    /// Sends a call of a tool and gives its id.
    pub(crate) fn begin(&mut self, tool: &str, arguments: &Value) -> Value {
        self.request("tools/call", &json!({ "name": tool, "arguments": arguments }))
    }

    /// Waits for the next message; `None` at the end of stdout.
    pub(crate) fn next(&mut self) -> Option<Value> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(message(&line)),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing came on stdout for {PATIENCE:?}"),
        }
    }

    /// Waits for the answer to an id; others are kept for later.
    pub(crate) fn answer(&mut self, id: &Value) -> Value {
        loop {
            if let Some(answer) = self.unread.remove(&id.to_string()) {
                return answer;
            }
            let message = self.next().unwrap_or_else(|| panic!("the process ended before it answered {id}"));
            if message.get("method").is_some() {
                self.heard.push_back(message);
                continue;
            }
            let unread = self.unread.insert(at(&message, "/id").to_string(), message);
            assert!(unread.is_none(), "two answers to one id: {unread:?}");
        }
    }

    /// Waits for the next notification; `None` where none comes in time. Answers are kept for later.
    pub(crate) fn notification(&mut self, within: Duration) -> Option<Value> {
        let until = Instant::now() + within;
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Some(heard);
            }
            let left = until.saturating_duration_since(Instant::now());
            let message = message(&self.lines.recv_timeout(left).ok()?);
            if message.get("method").is_some() {
                return Some(message);
            }
            self.unread.insert(at(&message, "/id").to_string(), message);
        }
    }

    /// Takes an error that has come for an id, without waiting.
    pub(crate) fn refusal(&mut self, id: &Value) -> Option<Value> {
        self.unread.remove(&id.to_string()).filter(|answer| answer.get("error").is_some())
    }

    /// Shakes hands and gives the answer.
    pub(crate) fn initialize(&mut self, version: &str) -> Value {
        self.initialize_able(version, &json!({}))
    }

    /// Shakes hands as a client that is able to do something, and gives the answer.
    pub(crate) fn initialize_able(&mut self, version: &str, capabilities: &Value) -> Value {
        let client = json!({ "name": "driver", "version": "1" });
        let params =
            json!({ "protocolVersion": version, "capabilities": capabilities, "clientInfo": client });
        let id = self.request("initialize", &params);
        let answer = self.answer(&id);
        self.notify("notifications/initialized", &json!({}));
        answer
    }

    /// Calls a tool and gives its result.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let id = self.begin(tool, arguments);
        let answer = self.answer(&id);
        at(&answer, "/result").as_object().unwrap_or_else(|| panic!("no result: {answer}"));
        at(&answer, "/result").clone()
    }

    /// Calls a tool that must succeed, and gives its structured content.
    pub(crate) fn done(&mut self, tool: &str, arguments: &Value) -> Value {
        let result = self.call(tool, arguments);
        assert_ne!(at(&result, "/isError"), true, "{result}");
        at(&result, "/structuredContent").clone()
    }

    /// Reads a resource of JSON.
    pub(crate) fn resource(&mut self, uri: &str) -> Value {
        let id = self.request("resources/read", &json!({ "uri": uri }));
        let answer = self.answer(&id);
        let text = at(&answer, "/result/contents/0/text").as_str().unwrap();
        serde_json::from_str(text).unwrap()
    }

    /// Calls a tool that must refuse, and gives its words.
    pub(crate) fn refused(&mut self, tool: &str, arguments: &Value) -> String {
        let result = self.call(tool, arguments);
        assert_eq!(at(&result, "/isError"), true, "{result}");
        at(&result, "/content/0/text").as_str().unwrap().to_owned()
    }

    /// Checks that the process still answers.
    pub(crate) fn ping(&mut self) {
        let id = self.request("ping", &json!({}));
        let answer = self.answer(&id);
        assert!(at(&answer, "/result").is_object(), "{answer}");
    }

    /// Gives the memory that the process has in the machine's.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Waits for the end, with stdin open.
    pub(crate) fn ended_by_itself(mut self) -> Ended {
        self.ended()
    }

    /// Closes stdin and waits for the end.
    pub(crate) fn hang_up(mut self) -> Ended {
        self.stdin = None;
        self.ended()
    }

    /// Sends a signal such as `TERM` or `KILL` and waits for the end.
    #[cfg(unix)]
    pub(crate) fn signal(mut self, name: &str) -> Ended {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
        if name == "KILL" {
            // The last line may be half of one.
            let lines: Vec<Vec<u8>> = self.lines.iter().collect();
            let whole = lines.iter().filter_map(|line| serde_json::from_slice(line).ok());
            self.heard.extend(whole);
        }
        self.ended()
    }

    fn ended(&mut self) -> Ended {
        let started = Instant::now();
        let mut rest: Vec<Value> = self.unread.drain().map(|(_, message)| message).collect();
        rest.extend(self.heard.drain(..));
        while let Some(message) = self.next() {
            rest.push(message);
        }
        let code = self.child.wait().unwrap().code();
        let took = started.elapsed();
        let stderr = self.stderr.take().map(|reader| reader.join().unwrap()).unwrap_or_default();
        Ended { code, took, rest, stderr }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Checks that it ended by itself, without an error, in time and without a panic.
    pub(crate) fn check(&self, at_most: Duration) {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        assert!(self.took <= at_most, "it took {:?}", self.took);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

fn message(line: &[u8]) -> Value {
    let shown = || String::from_utf8_lossy(line).chars().take(300).collect::<String>();
    let message: Value =
        serde_json::from_slice(line).unwrap_or_else(|error| panic!("not JSON ({error}): {}", shown()));
    assert_eq!(at(&message, "/jsonrpc"), "2.0", "{}", shown());
    let has = |key: &str| message.get(key).is_some();
    let is_answer = has("id") && (has("result") != has("error")) && !has("method");
    let is_asked = has("method") && !has("result") && !has("error");
    let is_complaint = has("error") && !has("result");
    assert!(is_answer || is_asked || is_complaint, "{}", shown());
    message
}

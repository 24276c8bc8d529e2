//! Starts `serve --http` and ends it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::tokens::SECRET;
use crate::stdio::driver::KEY;
use crate::stdio::provider::Provider;
use crate::store::stack::User;

const PATIENCE: Duration = Duration::from_secs(30);

/// How a server is started.
#[derive(Clone)]
pub(crate) struct Program {
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
}

impl Program {
    fn bare(folder: &Path) -> Self {
        let program = Self { arguments: Vec::new(), variables: Vec::new() };
        program
            .with("HOME", folder)
            .with("COST_OPTIMIZER_DATA_DIR", folder)
            .with("COST_OPTIMIZER_CONFIG", "/dev/null")
            .with("EMBEDDING_MODEL_PATH", folder.join("no-model"))
            .with("HTTP_ALLOWED_USERS", "*")
    }

    /// Names a server that makes its answers up, for users whose tokens [`SECRET`] signed.
    pub(crate) fn simulated(folder: &Path) -> Self {
        Self::bare(folder).with("SUPABASE_JWT_SECRET", SECRET).and(&[
            "--simulate",
            "serve",
            "--http",
            "127.0.0.1:0",
        ])
    }

    /// Names a server for the users of a project, who spend at a provider.
    pub(crate) fn of_project(folder: &Path, user: &User, provider: &Provider) -> Self {
        Self::bare(folder)
            .with("SUPABASE_URL", &user.url)
            .with("SUPABASE_ANON_KEY", &user.key)
            .with("DAILY_BUDGET_USD", "5")
            .with("ANTHROPIC_BASE_URL", provider.url())
            .with("ANTHROPIC_API_KEY", KEY)
            .and(&["serve", "--http", "127.0.0.1:0"])
    }

    /// Sets a variable; empty: unset.
    pub(crate) fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Adds arguments.
    pub(crate) fn and(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Listens at another address.
    pub(crate) fn replaced(mut self, address: &str) -> Self {
        if let Some(place) = self.arguments.iter().position(|argument| argument == "127.0.0.1:0") {
            self.arguments[place] = address.into();
        }
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ai-cost-optimizer"));
        command.args(&self.arguments).env_clear().envs(self.variables.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, for one that does not start.
    pub(crate) fn output(&self) -> Output {
        self.command().output().unwrap()
    }

    /// Starts it and waits until it serves.
    pub(crate) fn start(&self) -> Server {
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (told, address) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            for line in lines.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("serving over HTTP address=") {
                    let _ = told.send(rest.split_whitespace().next().unwrap_or_default().to_owned());
                }
                text.push_str(&line);
                text.push('\n');
            }
            text
        });
        let address = wait_for(&address, &mut child);
        Server { child: Some(child), stderr: Some(stderr), url: format!("http://{address}"), address }
    }
}

fn wait_for(address: &Receiver<String>, child: &mut Child) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Ok(address) = address.recv_timeout(Duration::from_millis(50)) {
            return address;
        }
        assert!(child.try_wait().unwrap().is_none() && Instant::now() < until, "the server did not start");
    }
}

/// A running server; it is killed with its handle.
pub(crate) struct Server {
    child: Option<Child>,
    stderr: Option<JoinHandle<String>>,
    pub(crate) address: String,
    pub(crate) url: String,
}

/// How a server ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) took: Duration,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Server {
    /// Tells it to end, and does not wait.
    pub(crate) fn terminate(&self) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let began = Instant::now();
        let mut child = self.child.take().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut stdout = String::new();
        out.read_to_string(&mut stdout).unwrap();
        let code = child.wait().unwrap().code();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        Ended { code, took: began.elapsed(), stdout, stderr }
    }

    /// Tells it to end and waits for that.
    pub(crate) fn stop(self) -> Ended {
        self.terminate();
        self.ended()
    }

    /// Ends it without a word, as a crash does.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

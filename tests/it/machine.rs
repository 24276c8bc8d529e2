//! A machine of one member of a team, with the program on it.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::stdio::driver::{Conversation, Program};
use crate::stdio::provider::Provider;
use crate::store::stack::User;

/// One user on one machine.
pub(crate) struct Machine<'a> {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) user: &'a User,
    variables: Vec<(&'static str, OsString)>,
}

impl<'a> Machine<'a> {
    pub(crate) fn of(user: &'a User) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap(), user, variables: Vec::new() };
        match &user.access_token {
            Some(token) => machine.with("SUPABASE_ACCESS_TOKEN", token),
            None => machine,
        }
    }

    /// Sets a variable for whatever runs here.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs a command of the program with something on stdin.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ai-cost-optimizer"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("COST_OPTIMIZER_DATA_DIR", self.folder.path())
            .env("COST_OPTIMIZER_CONFIG", "/dev/null")
            .env("SUPABASE_URL", &self.user.url)
            .env("SUPABASE_ANON_KEY", &self.user.key)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    pub(crate) fn login(&self) -> Value {
        if self.user.access_token.is_some() {
            return json!({ "email": self.user.email });
        }
        let output = self.run(&["login", "--email", &self.user.email, "--json"], &self.user.password);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Names the server on this machine.
    pub(crate) fn program(&self, provider: &Provider) -> Program {
        let program = Program::local(self.folder.path(), provider)
            .with("SUPABASE_URL", &self.user.url)
            .with("SUPABASE_ANON_KEY", &self.user.key);
        self.variables.iter().fold(program, |program, (name, value)| program.with(name, value))
    }

    pub(crate) fn greet(&self, provider: &Provider) -> Conversation {
        self.program(provider).greet()
    }

    pub(crate) fn report(&self) -> Value {
        let output = self.run(&["report", "--period", "all", "--json"], "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn session_file(&self) -> Option<std::path::PathBuf> {
        let is_session = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with("session-");
        let mut entries = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.find(|path| is_session(path))
    }
}

//! The Supabase stack of `tests/stack`, one for all tests of this program, and a fresh user for each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use ai_cost_optimizer::auth::{Auth, Project};
use ai_cost_optimizer::providers::http;
use ai_cost_optimizer::store::supabase::SupabaseStore;
use ai_cost_optimizer::store::supabase::outbox::Outbox;
use secrecy::SecretString;
use serde_json::{Value, json};

/// Users of the stack; each test, and each case of a property, takes one.
const USERS: usize = 600;

static SHARED: LazyLock<Option<Stack>> =
    LazyLock::new(|| Stack::start(&["--users", &USERS.to_string(), "--shared"]));
static NEXT_USER: AtomicUsize = AtomicUsize::new(0);

/// A running stack; it ends when its handle, or this process, does, because its input ends.
pub(crate) struct Stack {
    process: Child,
    lines: Mutex<BufReader<ChildStdout>>,
    told: Value,
}

/// A user of a stack.
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) email: String,
    pub(crate) password: String,
    /// A token, where nobody can sign in: the project is not ours.
    pub(crate) access_token: Option<String>,
}

impl Stack {
    /// Starts one with options of its own; `None`, said aloud, where there is none to start.
    #[expect(
        clippy::disallowed_methods,
        reason = "`tests/run` says where the stack is, and nothing else is read"
    )]
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let Some(program) = std::env::var_os("TEST_SUPABASE_STACK") else {
            skipped();
            return None;
        };
        let mut process =
            Command::new(program).args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let told = next_line(&mut lines);
        Some(Self { process, lines: Mutex::new(lines), told })
    }

    /// Gives the user of a place.
    pub(crate) fn user(&self, place: usize) -> User {
        let user = self.told["users"].get(place).expect("the stack has as many users as it was told to");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        User {
            id: text(&user["id"]),
            url: text(&self.told["url"]),
            key: text(&self.told["anon_key"]),
            email: text(&user["email"]),
            password: text(&user["password"]),
            access_token: user["access_token"].as_str().map(str::to_owned),
        }
    }

    /// Gives the PostgreSQL URL of the project's owner, who is no superuser.
    pub(crate) fn db_url(&self) -> &str {
        self.told["db_url"].as_str().unwrap()
    }

    /// Has a stack do something, as `tests/stack/src/control.rs` lists, and gives what came of it.
    pub(crate) fn tell(&self, command: &Value) -> Value {
        let mut lines = self.lines.lock().unwrap();
        let mut input = self.process.stdin.as_ref().unwrap();
        input.write_all(format!("{command}\n").as_bytes()).unwrap();
        let answer = next_line(&mut lines);
        answer.get("done").unwrap_or_else(|| panic!("{command}: {answer}")).clone()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Gives the stack that all tests share, for what disturbs nobody; `None`, said aloud, where it is not ours.
pub(crate) fn shared() -> Option<&'static Stack> {
    let ours = SHARED.as_ref().filter(|stack| stack.told["is_remote"].is_null());
    if ours.is_none() {
        skipped();
    }
    ours
}

fn next_line(lines: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

/// Gives a user of the shared stack that no other test has; `None` where there is no stack.
pub(crate) fn user() -> Option<User> {
    let place = NEXT_USER.fetch_add(1, Ordering::Relaxed);
    Some(SHARED.as_ref()?.user(place))
}

#[expect(clippy::print_stderr, reason = "a test that skips says so")]
fn skipped() {
    eprintln!("SKIPPED: this needs a stack of our own; hint: use tests/run");
}

impl User {
    /// Signs the user in.
    pub(crate) async fn token(&self) -> SecretString {
        if let Some(token) = &self.access_token {
            return SecretString::from(token.as_str());
        }
        let body = json!({ "email": self.email, "password": self.password });
        let url = format!("{}/auth/v1/token?grant_type=password", self.url);
        let request = http::client().unwrap().post(url).header("apikey", &self.key).json(&body);
        let session: Value = request.send().await.unwrap().json().await.unwrap();
        SecretString::from(session["access_token"].as_str().unwrap())
    }

    /// Opens the project as this user, with a data folder as one machine has it.
    pub(crate) async fn store(&self, folder: &Path) -> Arc<SupabaseStore> {
        let client = http::client().unwrap();
        let project = Project::new(self.url.parse().unwrap(), self.key.clone().into()).unwrap();
        let token = self.token().await;
        let auth = Auth::new(client.clone(), &project, Some(token), folder.to_owned());
        let outbox = Outbox::new(folder.join("outbox.sqlite3"));
        let socket_client = http::socket_client().unwrap();
        Arc::new(SupabaseStore::new(client, socket_client, project, auth, outbox))
    }
}

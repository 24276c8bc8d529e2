//! The Supabase stack of `tests/stack`, one for all tests of this program, and a fresh user for each.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use ai_cost_optimizer::auth::{Auth, Project};
use ai_cost_optimizer::providers::http;
use ai_cost_optimizer::store::supabase::SupabaseStore;
use ai_cost_optimizer::store::supabase::outbox::Outbox;
use secrecy::SecretString;
use serde_json::{Value, json};

/// Users of the stack; each test, and each case of a property, takes one.
const USERS: usize = 400;

static STACK: LazyLock<Option<Running>> = LazyLock::new(start);
static NEXT_USER: AtomicUsize = AtomicUsize::new(0);

/// A running stack; it ends when this process does, because its input ends.
struct Running {
    _process: Child,
    told: Value,
}

/// A user of the stack who is signed in.
pub(crate) struct User {
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) email: String,
    pub(crate) password: String,
    token: SecretString,
}

#[expect(
    clippy::disallowed_methods,
    reason = "`tests/run` says where the stack is, and nothing else is read"
)]
fn start() -> Option<Running> {
    let program = PathBuf::from(std::env::var_os("TEST_SUPABASE_STACK")?);
    let mut process = Command::new(program)
        .args(["--users", &USERS.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Some(Running { told: serde_json::from_str(&line).unwrap(), _process: process })
}

/// Signs a user in that no other test has; `None`, said aloud, where there is no stack.
pub(crate) async fn user() -> Option<User> {
    let Some(running) = &*STACK else {
        skipped();
        return None;
    };
    let place = NEXT_USER.fetch_add(1, Ordering::Relaxed);
    let user = running.told["users"].get(place).expect("the stack has a user for each test: raise USERS");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (url, key) = (text(&running.told["url"]), text(&running.told["anon_key"]));
    let body = json!({ "email": user["email"], "password": user["password"] });
    let request = http::client().unwrap().post(format!("{url}/auth/v1/token?grant_type=password"));
    let response = request.header("apikey", &key).json(&body).send().await.unwrap();
    let session: Value = response.json().await.unwrap();
    let token = SecretString::from(text(&session["access_token"]));
    let (email, password) = (text(&user["email"]), text(&user["password"]));
    Some(User { url, key, email, password, token })
}

#[expect(clippy::print_stderr, reason = "a test that skips says so")]
fn skipped() {
    eprintln!("SKIPPED: TEST_SUPABASE_STACK names no stack; hint: use tests/run");
}

impl User {
    /// Opens the project as this user, with a data folder as one machine has it.
    pub(crate) fn store(&self, folder: &Path) -> Arc<SupabaseStore> {
        let client = http::client().unwrap();
        let project = Project::new(self.url.parse().unwrap(), self.key.clone().into()).unwrap();
        let auth = Auth::new(client.clone(), &project, Some(self.token.clone()), folder.to_owned());
        let outbox = Outbox::new(folder.join("outbox.sqlite3"));
        Arc::new(SupabaseStore::new(client, project, auth, outbox))
    }
}

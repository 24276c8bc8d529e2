//! `doctor` through the real binary: what is missing fails, what is old warns, and no key is shown.

use std::path::Path;

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::stdio::driver::{KEY, Program, at};
use crate::stdio::ledger::Ledger;
use crate::stdio::provider::Provider;

/// Runs it with `--json`; gives the exit code and the checks, after looking for the key.
fn examined(program: &Program, arguments: &[&str]) -> (i32, Vec<Value>) {
    let arguments: Vec<&str> = ["doctor", "--json"].iter().chain(arguments).copied().collect();
    let (code, stdout, stderr) = program.run(&arguments);
    assert!(!stdout.contains(KEY) && !stderr.contains(KEY), "{stdout}{stderr}");
    assert!(!stdout.contains("http://"), "{stdout}");
    (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")))
}

fn check(checks: &[Value], name: &str, state: &str, words: &[&str]) {
    let found = checks.iter().find(|check| at(check, "/name") == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {checks:?}"));
    assert_eq!(at(found, "/state"), state, "{found}");
    for word in words {
        assert!(found.to_string().contains(word), "{word} is not in {found}");
    }
}

/// Answers each provider's free call where the key is in its place.
fn all_providers(request: &Request) -> ResponseTemplate {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = format!("Bearer {KEY}");
    let is_taken = match request.url.path() {
        "/anthropic/v1/models" => {
            header("x-api-key") == Some(KEY) && header("anthropic-version") == Some("2023-06-01")
        }
        "/gemini/v1beta/models" => header("x-goog-api-key") == Some(KEY),
        "/cerebras/models" | "/openrouter/key" => header("authorization") == Some(&bearer),
        "/compatible/models" | "/ollama/api/tags" => header("authorization").is_none(),
        _ => return ResponseTemplate::new(404),
    };
    if !is_taken || request.url.query().is_some() || request.method != "GET" {
        return ResponseTemplate::new(401).set_body_json(json!({ "error": { "message": KEY } }));
    }
    ResponseTemplate::new(200).set_body_json(json!({ "data": [] }))
}

fn with_all(folder: &Path, url: &str) -> Program {
    let mut program = Program::bare(folder, "optimizer.sqlite3").with("NO_PROXY", "127.0.0.1");
    for (provider, name) in [
        ("ANTHROPIC", "anthropic"),
        ("GEMINI", "gemini"),
        ("CEREBRAS", "cerebras"),
        ("OPENROUTER", "openrouter"),
    ] {
        program = program
            .with(&format!("{provider}_API_KEY"), KEY)
            .with(&format!("{provider}_BASE_URL"), format!("{url}/{name}"));
    }
    program
        .with("OPENAI_COMPATIBLE_BASE_URL", format!("{url}/compatible"))
        .with("OLLAMA_HOST", format!("{url}/ollama"))
}

#[test]
fn without_a_provider_it_fails_and_says_which_variables_to_set() {
    let folder = tempfile::tempdir().unwrap();
    let (code, checks) = examined(&Program::bare(folder.path(), "optimizer.sqlite3"), &[]);
    assert_eq!(code, 1);
    check(&checks, "providers", "failed", &["set one of", "ANTHROPIC_API_KEY"]);
    check(&checks, "store", "ok", &["writable", "schema ", "MB"]);
    check(&checks, "embedding model", "warning", &["hint"]);
    check(&checks, "built-in prices", "ok", &["2026-11-22"]);
}

#[test]
fn a_configured_program_is_well_and_asks_nobody() {
    let provider = Provider::start(all_providers);
    let folder = tempfile::tempdir().unwrap();
    let program = with_all(folder.path(), &provider.url());
    let (code, checks) = examined(&program, &[]);
    assert_eq!(code, 0, "{checks:?}");
    check(&checks, "provider anthropic", "ok", &["ANTHROPIC_API_KEY", "not shown", "3 models"]);
    check(&checks, "provider ollama", "ok", &["OLLAMA_HOST", "0 models", "[[models]]"]);
    check(&checks, "savings baseline", "ok", &["anthropic/claude-opus-5-5"]);
    check(&checks, "live prices openrouter", "ok", &["none yet", "prices refresh"]);
    check(&checks, "clock", "ok", &["UTC"]);
    assert_eq!(provider.count(), 0);
    let (code, text, _) = program.run(&["doctor"]);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("state ") && text.contains("\n                ") && text.contains("hint: "),
        "{text}"
    );
}

#[test]
fn online_every_provider_is_asked_once_for_something_free() {
    let provider = Provider::start(all_providers);
    let folder = tempfile::tempdir().unwrap();
    let (code, checks) = examined(&with_all(folder.path(), &provider.url()), &["--online"]);
    assert_eq!(code, 0, "{checks:?}");
    for name in ["anthropic", "gemini", "cerebras", "openrouter", "openai_compatible", "ollama"] {
        check(&checks, &format!("online {name}"), "ok", &["it answers"]);
    }
    assert_eq!(provider.count(), 6);
}

#[test]
fn online_a_refused_key_and_a_page_fail_and_a_wrong_clock_warns() {
    let folder = tempfile::tempdir().unwrap();
    let answered = |respond: fn(&Request) -> ResponseTemplate| {
        let provider = Provider::start(respond);
        let program = Program::local(folder.path(), &provider).with("NO_PROXY", "127.0.0.1");
        examined(&program, &["--online"])
    };
    let (code, checks) = answered(|_| ResponseTemplate::new(401).set_body_string(format!("bad key {KEY}")));
    assert_eq!(code, 1);
    check(&checks, "online anthropic", "failed", &["ANTHROPIC_API_KEY", "http_401"]);
    let (code, checks) = answered(|_| ResponseTemplate::new(200).set_body_string("<html>log in</html>"));
    assert_eq!(code, 1);
    check(&checks, "online anthropic", "failed", &["not JSON"]);
    let (code, checks) = answered(|_| {
        ResponseTemplate::new(200)
            .set_body_json(json!({ "data": [] }))
            .insert_header("date", "Mon, 23 Nov 2026 10:00:00 GMT")
    });
    assert_eq!(code, 0, "{checks:?}");
    check(&checks, "online clock", "warning", &["against the providers' clocks", "set the clock"]);
}

#[test]
fn a_store_that_cannot_be_used_fails_and_a_clock_behind_its_records_warns() {
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::local(folder.path(), &provider).with("NO_PROXY", "127.0.0.1");
    assert_eq!(program.run(&["route", "Hello"]).0, 0);
    let ledger = Ledger::open(program.store());
    ledger.change("update requests set created_at = created_at + 86400 * 1000000");
    ledger.fold();
    let (code, checks) = examined(&program, &[]);
    assert_eq!(code, 0);
    check(&checks, "clock", "warning", &["later than now"]);
    std::fs::write(program.store(), "garbage ".repeat(1_024)).unwrap();
    let (code, checks) = examined(&program, &[]);
    assert_eq!(code, 1);
    check(&checks, "store", "failed", &["damaged", "hint"]);
}

#[test]
fn ends_and_price_changes_ahead_are_told() {
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let row = |model: &str, retires: &str| {
        format!(
            "[[models]]\nprovider = \"anthropic\"\nmodel = \"{model}\"\ntier = \"best\"\ncontext_window = 10000\n\
             max_output = 4096\n{retires}\n"
        )
    };
    let text = row("claude-opus-4", "") + &row("my-model", "retires = \"2020-01-01\"");
    std::fs::write(&config, text).unwrap();
    let program = Program::local(folder.path(), &provider)
        .with("COST_OPTIMIZER_CONFIG", config)
        .with("GEMINI_API_KEY", KEY);
    let (code, checks) = examined(&program, &[]);
    assert_eq!(code, 0, "a warning is no failure: {checks:?}");
    check(&checks, "model anthropic/claude-opus-4", "warning", &["since 2026-06-15"]);
    check(&checks, "model anthropic/my-model", "warning", &["since 2020-01-01"]);
}

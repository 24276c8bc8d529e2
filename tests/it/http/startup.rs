//! What a server for a team does not start without.

use super::server::Program;
use super::tokens::SECRET;
use crate::stdio::provider::Provider;
use crate::store::stack::User;

fn nobody() -> User {
    User {
        id: String::new(),
        url: "http://127.0.0.1:9".to_owned(),
        key: "sb_publishable_x".to_owned(),
        email: String::new(),
        password: String::new(),
        access_token: None,
    }
}

#[test]
fn what_would_open_the_keys_to_others_is_a_start_up_error() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::quick();
    let simulated = || Program::simulated(folder.path());
    let project = || Program::of_project(folder.path(), &nobody(), &provider);
    for (program, words) in [
        (project().with("HTTP_ALLOWED_USERS", ""), ["HTTP_ALLOWED_USERS", "hint:"]),
        (simulated().with("HTTP_ALLOWED_USERS", ""), ["HTTP_ALLOWED_USERS", "hint:"]),
        (project().with("HTTP_ALLOWED_USERS", "alice"), ["HTTP_ALLOWED_USERS", "`alice`"]),
        (project().with("HTTP_ALLOWED_USERS", "*, a@b.c"), ["HTTP_ALLOWED_USERS", "`*` alone"]),
        (project().with("DAILY_BUDGET_USD", ""), ["DAILY_BUDGET_USD", "HTTP_ALLOWED_USERS"]),
        (project().with("SUPABASE_JWT_SECRET", "canary"), ["SUPABASE_JWT_SECRET", "32 bytes"]),
        (project().with("SUPABASE_URL", ""), ["SUPABASE_URL", "hint:"]),
        (project().with("SUPABASE_URL", "").with("SUPABASE_JWT_SECRET", SECRET), ["SUPABASE_URL", "hint:"]),
        (project().with("MCP_SERVER_PORT", "http"), ["MCP_SERVER_PORT", "`http`"]),
        (simulated().with("SUPABASE_JWT_SECRET", ""), ["SUPABASE_JWT_SECRET", "hint:"]),
        (project().replaced("0.0.0.0:0"), ["--behind-tls-proxy", "in the clear"]),
        (simulated().replaced("0.0.0.0:0"), ["--behind-tls-proxy", "in the clear"]),
        (
            simulated().replaced("0.0.0.0:0").and(&["--behind-tls-proxy", "https://a.example"]),
            ["simulation", "this machine alone"],
        ),
        (simulated().and(&["--behind-tls-proxy", "https://a.example"]), ["simulation", "this machine alone"]),
        (project().and(&["--behind-tls-proxy", "http://a.example"]), ["--behind-tls-proxy", "https"]),
    ] {
        let output = program.output();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
        assert!(!text.contains("canary") && output.stdout.is_empty(), "{text}");
    }
}

#[test]
fn a_port_comes_from_the_variable_where_the_address_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::simulated(folder.path()).replaced("127.0.0.1").with("MCP_SERVER_PORT", "0");
    let ended = program.start().stop();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
}

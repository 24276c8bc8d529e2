//! Where MCP servers lose answers, hang or fall over: junk lines, early ends, signals, and both eras at once.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::driver::{Conversation, KEY, Program, at};
use super::ledger::Ledger;
use super::provider::Provider;

/// All of them.
const TOOLS: usize = 8;
/// Long enough for a process on a busy machine to end that has nothing to wait for.
const PROMPTLY: Duration = Duration::from_secs(2);

/// Holds a conversation with a simulating program, which must then end by itself.
fn check(talk: impl FnOnce(&mut Conversation)) {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::simulated(folder.path()).start();
    talk(&mut conversation);
    let ended = conversation.hang_up();
    ended.check(PROMPTLY);
    assert!(ended.rest.is_empty(), "{:?}", ended.rest);
}

fn ask(prompt: &str) -> Value {
    json!({ "prompt": prompt, "cache": "off" })
}

#[test]
fn every_client_gets_the_version_it_speaks() {
    for (asked, given) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
    ] {
        check(|conversation| {
            let answer = conversation.initialize(asked);
            assert_eq!(at(&answer, "/result/protocolVersion"), given, "asked for {asked}");
            conversation.ping();
            let output = conversation.done("route_prompt", &ask("Hello"));
            assert_eq!(at(&output, "/simulated"), true);
        });
    }
}

#[test]
fn a_client_of_2026_needs_no_handshake() {
    check(|conversation| {
        let id = conversation.modern("server/discover", json!({}));
        let answer = conversation.answer(&id);
        let versions = at(&answer, "/result/supportedVersions").as_array().unwrap();
        assert!(versions.contains(&json!("2026-07-28")), "{answer}");
        let id = conversation.modern("tools/list", json!({}));
        let answer = conversation.answer(&id);
        assert_eq!(at(&answer, "/result/tools").as_array().unwrap().len(), TOOLS);
        assert!(at(&answer, "/result/ttlMs").as_u64().unwrap() > 0, "{answer}");
        let id =
            conversation.modern("tools/call", json!({ "name": "route_prompt", "arguments": ask("Hello") }));
        let answer = conversation.answer(&id);
        assert_eq!(at(&answer, "/result/structuredContent/source"), "provider", "{answer}");
        assert_eq!(at(&answer, "/result/resultType"), "complete", "{answer}");
    });
}

#[test]
fn a_probe_locks_no_era_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let mut conversation = Program::simulated(&data).start();
    let id = conversation.modern("server/discover", json!({}));
    assert!(at(&conversation.answer(&id), "/result").is_object());
    let answer = conversation.initialize("2025-11-25");
    assert_eq!(at(&answer, "/result/protocolVersion"), "2025-11-25");
    let id = conversation.request("tools/list", &json!({}));
    assert_eq!(at(&conversation.answer(&id), "/result/tools").as_array().unwrap().len(), TOOLS);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "the store was opened before anybody asked");
    conversation.hang_up().check(PROMPTLY);
}

#[test]
fn a_request_of_2026_inside_an_older_session_is_answered() {
    check(|conversation| {
        conversation.initialize("2025-06-18");
        let id = conversation.modern("tools/list", json!({}));
        assert_eq!(at(&conversation.answer(&id), "/result/tools").as_array().unwrap().len(), TOOLS);
        conversation.ping();
    });
}

#[test]
fn a_call_under_way_at_the_end_of_input_is_answered() {
    let provider = Provider::slow(Duration::from_millis(700));
    let folder = tempfile::tempdir().unwrap();
    let program = Program::local(folder.path(), &provider);
    for meta in [json!({}), json!({ "progressToken": "p" })] {
        let mut conversation = program.greet();
        let params = json!({ "name": "route_prompt", "arguments": ask("Hello"), "_meta": meta });
        let id = conversation.request("tools/call", &params);
        let ended = conversation.hang_up();
        ended.check(Duration::from_millis(700) + PROMPTLY);
        let answer = ended.rest.iter().find(|message| at(message, "/id") == &id).expect("an answer");
        assert_eq!(at(answer, "/result/structuredContent/source"), "provider", "{answer}");
    }
    assert_eq!(
        Ledger::open(program.store()).number("select count(*) from requests where status = 'completed'"),
        2
    );
}

#[test]
fn the_end_of_input_ends_a_session_that_only_listens() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::simulated(folder.path()).start();
    conversation.modern("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));
    let id = conversation.modern("tools/list", json!({}));
    assert!(at(&conversation.answer(&id), "/result/tools").is_array());
    conversation.hang_up().check(PROMPTLY);
}

#[test]
fn a_notification_before_the_first_request_is_harmless() {
    check(|conversation| {
        conversation.notify("notifications/cancelled", &json!({ "requestId": 1, "reason": "time-out" }));
        conversation.notify("notifications/initialized", &json!({}));
        conversation.initialize("2025-11-25");
        conversation.ping();
    });
}

#[test]
fn a_line_that_cannot_be_read_is_answered_and_the_next_one_is_too() {
    let prompt = r#"{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{"name":"route_prompt","arguments":{"prompt":"\ud800"}}}"#;
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#;
    check(|conversation| {
        conversation.initialize("2025-11-25");
        for (line, code, id) in [
            ("{", -32_700, Value::Null),
            ("hello", -32_700, Value::Null),
            ("\u{7f}\u{1}", -32_700, Value::Null),
            (prompt, -32_700, json!("s")),
            (r#"{"jsonrpc":"2.0","id":77,"method":"ping"} {"#, -32_700, Value::Null),
            (batch, -32_600, Value::Null),
            ("[]", -32_600, Value::Null),
            ("7", -32_600, Value::Null),
            (r#"{"id":8,"method":"ping"}"#, -32_600, json!(8)),
        ] {
            conversation.say(line);
            let answer = conversation.next().unwrap();
            assert_eq!(at(&answer, "/error/code"), code, "{line}: {answer}");
            assert_eq!(at(&answer, "/id"), &id, "{line}: {answer}");
            conversation.ping();
        }
        // Blank lines and notifications of other protocols ask for nothing.
        for line in ["", " \t\r", r#"{"jsonrpc":"2.0","method":"$/setTrace","params":[1]}"#] {
            conversation.say(line);
            conversation.ping();
        }
        conversation.say(b"\xff\xfe");
        assert_eq!(at(&conversation.next().unwrap(), "/error/code"), -32_700);
        conversation.ping();
    });
}

#[test]
fn a_line_of_more_than_16_mib_is_refused_and_the_connection_lives() {
    check(|conversation| {
        conversation.initialize("2025-11-25");
        let mut line = br#"{"jsonrpc":"2.0","id":5,"method":"ping","params":{"x":""#.to_vec();
        line.resize(17 << 20, b'a');
        line.extend_from_slice(b"\"}}");
        conversation.say(&line);
        let answer = conversation.next().unwrap();
        assert_eq!(at(&answer, "/error/code"), -32_600, "{answer}");
        conversation.ping();
    });
}

#[test]
fn what_is_not_offered_is_a_protocol_error() {
    check(|conversation| {
        conversation.initialize("2025-11-25");
        for (method, params, code) in [
            ("no/such/method", json!({}), -32_601),
            ("tools/call", json!({ "name": "no_such_tool", "arguments": {} }), -32_602),
            ("resources/read", json!({ "uri": "metrics://nothing" }), -32_002),
            ("resources/read", json!({ "url": "metrics://summary" }), -32_602),
            ("tools/call", json!({ "name": 7 }), -32_602),
            ("tools/call", json!({ "name": "cost_report", "arguments": [1] }), -32_602),
            ("logging/setLevel", json!({ "level": "loud" }), -32_602),
            ("tools/list", json!({ "cursor": "nowhere" }), -32_602),
            ("resources/list", json!({ "cursor": "nowhere" }), -32_602),
        ] {
            let id = conversation.request(method, &params);
            let answer = conversation.answer(&id);
            assert_eq!(at(&answer, "/error/code"), code, "{method}: {answer}");
        }
        let id = conversation.request("tools/call", &json!({ "name": "no\u{202e}_such_tool" }));
        let answer = conversation.answer(&id);
        let said = at(&answer, "/error/message").as_str().unwrap();
        assert!(said.starts_with("no tool is named `no_such_tool`; hint: cost_report, "), "{said}");
        conversation.ping();
    });
}

#[test]
fn what_the_new_era_has_no_more_is_not_found() {
    check(|conversation| {
        // rmcp answers a ping that comes before everything else.
        for (method, params) in [("logging/setLevel", json!({ "level": "info" })), ("ping", json!({}))] {
            let id = conversation.modern(method, params);
            let answer = conversation.answer(&id);
            assert_eq!(at(&answer, "/error/code"), -32_601, "{method}: {answer}");
        }
    });
}

#[test]
fn a_cancelled_call_is_never_answered_and_others_go_on() {
    let provider = Provider::slow(Duration::from_millis(500));
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Program::local(folder.path(), &provider).greet();
    let cancelled = conversation.begin("route_prompt", &ask("Hello"));
    provider.await_call();
    conversation.notify("notifications/cancelled", &json!({ "requestId": cancelled }));
    let started = Instant::now();
    conversation.ping();
    assert!(started.elapsed() < PROMPTLY);
    assert_eq!(at(&conversation.done("route_prompt", &ask("Hello again")), "/source"), "provider");
    let ended = conversation.hang_up();
    ended.check(PROMPTLY);
    assert!(ended.rest.is_empty(), "{:?}", ended.rest);
}

#[test]
fn neither_keys_nor_prompts_nor_answers_are_on_stderr_at_any_level() {
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::local(folder.path(), &provider).with("LOG_LEVEL", "trace");
    let mut conversation = program.greet();
    conversation.done("route_prompt", &json!({
        "prompt": "canary-prompt", "system": "canary-system", "tags": ["canary-tag"], "session": "canary-session",
        "context": [{ "role": "user", "text": "canary-turn" }],
    }));
    conversation.refused("route_prompt", &json!({ "prompt": "canary-prompt", "colour": "canary-colour" }));
    conversation.refused("route_prompt", &json!({ "prompt": "canary-prompt\0" }));
    conversation.refused("forget_cache", &json!({ "like": "canary-like", "min_similarity": 0.5 }));
    conversation
        .refused("rate_response", &json!({ "request_id": "canary-id", "rating": 1, "comment": "canary" }));
    conversation.say(r#"{"jsonrpc":"2.0","id":99,"method":"tools/call","canary":"canary-\ud800"}"#);
    assert_eq!(at(&conversation.next().unwrap(), "/id"), 99);
    let ended = conversation.hang_up();
    ended.check(PROMPTLY);
    for secret in ["canary", KEY, "An answer by"] {
        assert!(!ended.stderr.contains(secret), "{secret} is in:\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    let mut kept = Vec::new();
    for file in fs::read_dir(folder.path()).unwrap() {
        kept.extend(fs::read(file.unwrap().path()).unwrap_or_default());
    }
    let kept = String::from_utf8_lossy(&kept);
    for secret in ["canary-prompt", "canary-system", "canary-turn", KEY] {
        assert!(!kept.contains(secret), "{secret} is on the disk");
    }
}

//! Both eras over HTTP: sessions of clients of before 2026, and requests that stand alone.

use reqwest::Method;
use serde_json::{Value, json};

use super::caller::{Caller, read};
use super::server::Program;
use super::tokens::{ALICE, BOB, token};
use crate::stdio::driver::at;

const SERVER_INFO: &str = "/result/_meta/io.modelcontextprotocol~1serverInfo/name";

#[tokio::test]
async fn a_client_of_before_2026_has_a_session_that_is_its_users_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::simulated(folder.path()).start();
    let alice = Caller::new(&server, token(ALICE)).greet().await;
    let tools = alice.ask("tools/list", json!({})).await.message();
    assert_eq!(at(&tools, "/result/tools").as_array().unwrap().len(), 8, "{tools}");
    let call = json!({ "name": "route_prompt", "arguments": { "prompt": "What is one plus one?" } });
    let answer = alice.ask("tools/call", call.clone()).await.message();
    assert_eq!(at(&answer, "/result/structuredContent/source"), "provider", "{answer}");
    let hit = alice.ask("tools/call", call.clone()).await.message();
    assert_eq!(at(&hit, "/result/structuredContent/source"), "cache_exact", "{hit}");
    assert_eq!(at(&alice.ask("ping", json!({})).await.message(), "/result"), &json!({}));
    let read_one = json!({ "uri": "metrics://requests/01890a5d-ac96-774b-bcce-b302099a8057" });
    assert_eq!(at(&alice.ask("resources/read", read_one).await.message(), "/error/code"), -32_002);

    // A session's id opens nothing for another user, and is as unknown as one that never was.
    let bob = Caller::new(&server, token(BOB)).in_session(alice.session());
    let never = bob.in_session("01890a5d-ac96-774b-bcce-b302099a8057");
    for method in ["tools/list", "tools/call"] {
        let answers = [bob.ask(method, call.clone()).await, never.ask(method, call.clone()).await];
        let [bobs, nevers] = answers.map(|answer| (answer.status, answer.text));
        assert_eq!(bobs, nevers);
        assert_eq!(bobs.0, 404);
    }
    assert_eq!(read(bob.begin(Method::GET)).await.status, 404);
    // Ending it as another user ends nothing.
    read(bob.begin(Method::DELETE)).await;
    assert_eq!(alice.ask("ping", json!({})).await.status, 200);
    // A later token of the same user goes on in it; a session of one's own does not open another's answers.
    assert_eq!(alice.with_token(token(ALICE)).ask("ping", json!({})).await.status, 200);
    let own = Caller::new(&server, token(BOB)).greet().await;
    let answer = own.ask("tools/call", call).await.message();
    assert_eq!(at(&answer, "/result/structuredContent/source"), "provider", "{answer}");

    assert_eq!(read(alice.begin(Method::DELETE)).await.status, 204);
    assert_eq!(alice.ask("ping", json!({})).await.status, 404);
    let without = Caller::new(&server, token(ALICE)).ask("tools/list", json!({})).await;
    assert_eq!(without.status, 400, "{}", without.text);
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_the_one_used_longest_ago_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::simulated(folder.path()).start();
    let caller = Caller::new(&server, token(ALICE));
    let (first, second) = (caller.clone().greet().await, caller.clone().greet().await);
    assert_eq!(first.ask("ping", json!({})).await.status, 200);
    for _ in 0..31 {
        caller.clone().greet().await;
    }
    assert_eq!(first.ask("ping", json!({})).await.status, 200);
    assert_eq!(second.ask("ping", json!({})).await.status, 404);
}

#[tokio::test]
async fn a_request_of_2026_stands_alone_and_its_result_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::simulated(folder.path()).start();
    let alice = Caller::new(&server, token(ALICE));
    let discovered = alice.modern("server/discover", json!({})).await;
    assert_eq!(discovered.status, 200, "{}", discovered.text);
    assert_eq!(discovered.header("mcp-session-id"), "");
    assert!(at(&discovered.message(), "/result/supportedVersions").to_string().contains("2026-07-28"));
    let prompt = json!({ "name": "cut_costs", "arguments": {} });
    let argument = json!({
        "ref": { "type": "ref/prompt", "name": "compare_models" }, "argument": { "name": "control", "value": "c" },
    });
    for (method, params) in [
        ("tools/list", json!({})),
        ("tools/call", json!({ "name": "cost_report", "arguments": {} })),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "metrics://summary" })),
        ("prompts/list", json!({})),
        ("prompts/get", prompt),
        ("completion/complete", argument),
    ] {
        let answer = alice.modern(method, params).await;
        assert_eq!(answer.header("content-type"), "application/json", "{method}");
        let message = answer.message();
        assert_eq!(at(&message, SERVER_INFO), "ai-cost-optimizer", "{method}: {message}");
        assert_eq!(at(&message, "/result/resultType"), "complete", "{method}");
    }
    // What the new era has no more, and what nobody has, by the era's own codes.
    for (method, params, status, code) in [
        ("ping", json!({}), 404, -32_601),
        ("no/such", json!({}), 404, -32_601),
        ("resources/read", json!({ "uri": "metrics://nothing" }), 200, -32_602),
        ("tools/call", json!({ "name": "nothing", "arguments": {} }), 200, -32_602),
    ] {
        let answer = alice.modern(method, params).await;
        let message = answer.message();
        assert_eq!(
            (answer.status, at(&message, "/error/code")),
            (status, &json!(code)),
            "{method}: {message}"
        );
    }
    // What the body says of the era the header has to say too.
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let unmarked = alice.ask("tools/list", json!({ "_meta": meta })).await;
    assert_eq!(unmarked.status, 400, "{}", unmarked.text);
}

#[tokio::test]
async fn another_users_request_is_as_unknown_as_one_that_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::simulated(folder.path()).start();
    let (alice, bob) = (Caller::new(&server, token(ALICE)), Caller::new(&server, token(BOB)));
    let prompt = json!({ "prompt": "What is a canary-prompt?" });
    let paid = alice.done("route_prompt", &prompt).await;
    let id = at(&paid, "/request_id").as_str().unwrap();
    let never = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (tool, arguments) in [
        ("rate_response", json!({ "request_id": id, "verdict": "good" })),
        ("route_prompt", json!({ "prompt": "", "resume": id })),
        ("forget_cache", json!({ "request_id": id })),
    ] {
        let words = |arguments: Value, id: &str| {
            let text: Value = serde_json::from_str(&arguments.to_string().replace(id, never)).unwrap();
            text
        };
        let of = |arguments: Value| {
            let bob = bob.clone();
            async move {
                bob.modern("tools/call", json!({ "name": tool, "arguments": arguments })).await.message()
            }
        };
        let (his, nobodys) = (of(arguments.clone()).await, of(words(arguments.clone(), id)).await);
        let plain = |message: &Value| message.to_string().replace(id, never);
        assert_eq!(plain(&his), plain(&nobodys), "{tool}");
        assert!(!his.to_string().contains("canary"), "{tool}: {his}");
    }
    for uri in [format!("metrics://requests/{id}"), format!("metrics://requests/{never}")] {
        let message = bob.modern("resources/read", json!({ "uri": uri })).await.message();
        assert_eq!(at(&message, "/error/code"), -32_602, "{message}");
    }
    let alices = alice.modern("resources/read", json!({ "uri": format!("metrics://requests/{id}") })).await;
    assert!(at(&alices.message(), "/result/contents/0/text").as_str().unwrap().contains(id));
    // The same prompt is bought again, and each sees only what is his.
    assert_eq!(at(&bob.done("route_prompt", &prompt).await, "/source"), "provider");
    assert_eq!(at(&alice.done("route_prompt", &prompt).await, "/source"), "cache_exact");
    for (caller, requests) in [(&alice, 2), (&bob, 1)] {
        let report = caller.done("cost_report", &json!({ "period": "all" })).await;
        assert_eq!(at(&report, "/totals/requests"), requests, "{report}");
        let csv = json!({ "period": "all", "format": "csv", "group_by": "source" });
        let export = caller.done("cost_report", &csv).await;
        assert!(!export.to_string().contains("canary"), "{export}");
    }
}

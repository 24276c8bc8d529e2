//! A team on a real project: what each has is his own, on whichever copy of the server.

use ai_cost_optimizer::providers::http;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::runtime::Runtime;
use wiremock::{Request, ResponseTemplate};

use super::caller::Caller;
use super::server::{Program, Server};
use crate::stdio::driver::at;
use crate::stdio::provider::{Provider, model};
use crate::store::stack::{self, User};

fn caller(runtime: &Runtime, server: &Server, user: &User) -> Caller {
    Caller::new(server, runtime.block_on(user.token()).expose_secret())
}

#[test]
fn two_users_on_two_copies_pay_once_each_and_see_their_own() {
    let (Some(alice), Some(bob)) = (stack::user(), stack::user()) else { return };
    let runtime = Runtime::new().unwrap();
    let provider = Provider::quick();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let copies =
        folders.each_ref().map(|folder| Program::of_project(folder.path(), &alice, &provider).start());
    let [first, second] = &copies;
    let prompt = json!({ "prompt": "What happened today in the canary office?" });
    let ask = |server: &Server, user: &User| {
        let caller = caller(&runtime, server, user);
        runtime.block_on(caller.done("route_prompt", &prompt))
    };
    let paid = ask(first, &alice);
    assert_eq!(at(&paid, "/source"), "provider");
    for (server, user, source) in [
        (second, &alice, "cache_exact"),
        (first, &alice, "cache_exact"),
        (first, &bob, "provider"),
        (second, &bob, "cache_exact"),
    ] {
        assert_eq!(at(&ask(server, user), "/source"), source);
    }
    assert_eq!(provider.asked().len(), 2);
    for (user, requests) in [(&alice, 3), (&bob, 2)] {
        let report =
            runtime.block_on(caller(&runtime, second, user).done("cost_report", &json!({ "period": "all" })));
        assert_eq!(at(&report, "/totals/requests"), requests, "{report}");
        assert_eq!(at(&report, "/totals/cost_usd"), at(&paid, "/cost_usd"));
    }
    let id = at(&paid, "/request_id");
    let bobs = caller(&runtime, first, &bob);
    let refused =
        runtime.block_on(bobs.refused("rate_response", &json!({ "request_id": id, "verdict": "good" })));
    assert!(refused.contains("not known"), "{refused}");
    let uri = format!("metrics://requests/{}", id.as_str().unwrap());
    let message = runtime.block_on(bobs.modern("resources/read", json!({ "uri": uri }))).message();
    assert_eq!(at(&message, "/error/code"), -32_602, "{message}");
    let ready = runtime.block_on(Caller::nobody(first).page("/readyz"));
    assert_eq!(ready.status, 200, "{}", ready.text);
    let ready = ready.message();
    assert_eq!((at(&ready, "/project"), at(&ready, "/users")), (&json!("reachable"), &json!(2)), "{ready}");
    let metadata =
        runtime.block_on(Caller::nobody(first).page("/.well-known/oauth-protected-resource")).message();
    assert_eq!(at(&metadata, "/authorization_servers"), &json!([format!("{}/auth/v1", alice.url)]));
    for copy in copies {
        let ended = copy.stop();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
        assert!(!ended.stderr.contains("eyJ") && !ended.stderr.contains("canary"), "{}", ended.stderr);
    }
}

/// Answers at a cost that soon fills a small budget.
fn dear(request: &Request) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": model(request),
        "content": [{ "type": "text", "text": "A long answer." }],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": { "input_tokens": 20, "output_tokens": 900 },
    }))
}

#[test]
fn the_operators_limit_is_each_users_own_and_nobody_raises_it() {
    let (Some(alice), Some(bob)) = (stack::user(), stack::user()) else { return };
    let runtime = Runtime::new().unwrap();
    let provider = Provider::start(dear);
    let folder = tempfile::tempdir().unwrap();
    let server =
        Program::of_project(folder.path(), &alice, &provider).with("DAILY_BUDGET_USD", "0.005").start();
    let alices = caller(&runtime, &server, &alice);
    let prompt = |number: usize| json!({ "prompt": format!("What is {number} plus {number}?") });
    let refusal = (0..60).find_map(|number| {
        let params = json!({ "name": "route_prompt", "arguments": prompt(number) });
        let message = runtime.block_on(alices.modern("tools/call", params)).message();
        let is_refused = at(&message, "/result/isError") == true;
        is_refused.then(|| at(&message, "/result/content/0/text").as_str().unwrap().to_owned())
    });
    let refusal = refusal.expect("sixty answers cost more than half a cent");
    assert!(refusal.contains("budget") && refusal.contains("$0.005"), "{refusal}");
    let asked = provider.asked().len();
    let looser = json!({ "period": "day", "limit_usd": 100.0, "on_breach": "warn" });
    let words = runtime.block_on(alices.refused("set_budget", &looser));
    assert!(words.contains("as tight"), "{words}");
    // Her rows are her own, and she may delete them past this program; the server has its own books.
    let token = runtime.block_on(alice.token());
    let url = format!("{}/rest/v1/requests?user_id=eq.{}", alice.url, alice.id);
    let delete =
        http::client().unwrap().delete(url).header("apikey", &alice.key).bearer_auth(token.expose_secret());
    assert!(runtime.block_on(delete.send()).unwrap().status().is_success());
    let report = runtime.block_on(alices.done("cost_report", &json!({ "period": "all" })));
    assert_eq!(at(&report, "/totals/requests"), 0, "{report}");
    let words = runtime.block_on(alices.refused("route_prompt", &prompt(100)));
    assert!(words.contains("budget") && words.contains("$0.005"), "{words}");
    // They outlive the server.
    server.kill();
    let server =
        Program::of_project(folder.path(), &alice, &provider).with("DAILY_BUDGET_USD", "0.005").start();
    let (alices, bobs) = (caller(&runtime, &server, &alice), caller(&runtime, &server, &bob));
    runtime.block_on(alices.refused("route_prompt", &prompt(100)));
    assert_eq!(provider.asked().len(), asked);
    let other = runtime.block_on(bobs.done("route_prompt", &prompt(0)));
    assert_eq!(at(&other, "/source"), "provider", "Alice's spend is not Bob's");
}

//! Money over HTTP is the operator's: nobody is paid whose record has no place, and what was paid is never lost.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::caller::Caller;
use super::server::{Program, Server};
use crate::stdio::driver::at;
use crate::stdio::provider::Provider;
use crate::store::stack::{Stack, User};

/// A project of our own, its users, and a provider.
struct Setting {
    runtime: Runtime,
    stack: Stack,
    alice: User,
    provider: Provider,
    folder: tempfile::TempDir,
}

impl Setting {
    fn with(provider: Provider) -> Option<Self> {
        let stack = Stack::start(&[])?;
        let alice = stack.user(0);
        let folder = tempfile::tempdir().unwrap();
        Some(Self { runtime: Runtime::new().unwrap(), stack, alice, provider, folder })
    }

    /// A server that limits nobody, so that no limit refuses what it is to refuse.
    fn start(&self) -> Server {
        let users: Vec<String> = [0, 1].map(|place| self.stack.user(place).id).into();
        let folder: &Path = self.folder.path();
        let program = Program::of_project(folder, &self.alice, &self.provider);
        program.with("HTTP_ALLOWED_USERS", users.join(",")).with("DAILY_BUDGET_USD", "").start()
    }

    /// A client of a user whose token lives so long.
    fn caller(&self, server: &Server, user: usize, seconds: i64) -> Caller {
        let token = self.stack.tell(&json!({ "token": { "user": user, "seconds": seconds } }));
        Caller::new(server, token.as_str().unwrap())
    }

    fn ready(&self, server: &Server) -> (u16, Value) {
        let answer = self.runtime.block_on(Caller::nobody(server).page("/readyz"));
        (answer.status, answer.message())
    }

    /// Waits until readiness is as wanted.
    fn await_ready(&self, server: &Server, is_so: impl Fn(u16, &Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let (status, ready) = self.ready(server);
            if is_so(status, &ready) {
                return ready;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{status} {ready}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn prompt(text: &str) -> Value {
    json!({ "prompt": text })
}

fn waiting(ready: &Value) -> u64 {
    at(ready, "/spool/waiting").as_u64().unwrap()
}

#[test]
fn while_the_project_is_away_nobody_is_paid() {
    let Some(setting) = Setting::with(Provider::quick()) else { return };
    let server = setting.start();
    let alice = setting.caller(&server, 0, 3_600);
    let route = |text: &str| setting.runtime.block_on(alice.done("route_prompt", &prompt(text)));
    assert_eq!(at(&route("One"), "/source"), "provider");
    setting.stack.tell(&json!({ "plugged": false }));
    for text in ["Two", "Three", "One"] {
        let words = setting.runtime.block_on(alice.refused("route_prompt", &prompt(text)));
        assert!(words.contains("does not answer"), "{words}");
    }
    assert_eq!(setting.provider.asked().len(), 1, "an intent that cannot be written is paid for by nobody");
    let ready = setting.await_ready(&server, |status, _| status == 503);
    assert_eq!(at(&ready, "/ready"), false);
    assert!(at(&ready, "/project").as_str().unwrap().contains("does not answer"), "{ready}");
    assert_eq!(waiting(&ready), 0);
    // Who it is can still be told.
    let tools = setting.runtime.block_on(alice.modern("tools/list", json!({})));
    assert_eq!(tools.status, 200);
    setting.stack.tell(&json!({ "plugged": true }));
    setting.await_ready(&server, |status, _| status == 200);
    assert_eq!(at(&route("Two"), "/source"), "provider");
    assert_eq!(at(&route("One"), "/source"), "cache_exact");
}

#[test]
fn a_record_that_cannot_be_written_waits_through_a_crash_for_its_own_users_token() {
    let Some(setting) = Setting::with(Provider::quick()) else { return };
    let fault = |times: u32| {
        let fault = json!({ "path": "/rest/v1/rpc/record_request", "times": times, "kind": 503 });
        setting.stack.tell(&json!({ "fault": fault }));
    };
    let server = setting.start();
    let alice = setting.caller(&server, 0, 3_600);
    fault(1_000);
    let paid = setting.runtime.block_on(alice.done("route_prompt", &prompt("One")));
    assert!(at(&paid, "/degraded").to_string().contains("waits on this machine"), "{paid}");
    let ready = setting.await_ready(&server, |status, ready| status == 200 && waiting(ready) == 1);
    assert_eq!(at(&ready, "/spool/has_room"), true);
    server.kill();

    fault(0);
    let server = setting.start();
    assert_eq!(waiting(&setting.ready(&server).1), 1);
    let bob = setting.caller(&server, 1, 3_600);
    let report = setting.runtime.block_on(bob.done("cost_report", &json!({ "period": "all" })));
    assert_eq!(at(&report, "/totals/requests"), 0, "{report}");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(waiting(&setting.ready(&server).1), 1, "it is sent under its own user's token alone");
    let alice = setting.caller(&server, 0, 3_600);
    assert_eq!(setting.runtime.block_on(alice.modern("tools/list", json!({}))).status, 200);
    setting.await_ready(&server, |_, ready| waiting(ready) == 0);
    let report = setting.runtime.block_on(alice.done("cost_report", &json!({ "period": "all" })));
    assert_eq!(at(&report, "/totals/requests"), 1, "{report}");
    assert_eq!(at(&report, "/totals/cost_usd"), at(&paid, "/cost_usd"), "{report}");
}

#[test]
fn a_token_that_ends_while_a_provider_is_paid_loses_nothing() {
    let Some(setting) = Setting::with(Provider::slow(Duration::from_secs(5))) else { return };
    let server = setting.start();
    let short = setting.caller(&server, 0, 3);
    let call =
        json!({ "name": "route_prompt", "arguments": prompt("One"), "_meta": { "progressToken": "p" } });
    let answer = setting.runtime.block_on(short.modern("tools/call", call));
    // What is told on the way makes a stream of the answer.
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert!(answer.text.contains("notifications/progress"), "{}", answer.text);
    let message = answer.message();
    let paid = at(&message, "/result/structuredContent");
    assert!(at(paid, "/degraded").to_string().contains("waits on this machine"), "{paid}");
    setting.await_ready(&server, |_, ready| waiting(ready) == 1);
    let fresh = setting.caller(&server, 0, 3_600);
    let report = setting.runtime.block_on(fresh.done("cost_report", &json!({ "period": "all" })));
    assert_eq!(at(&report, "/totals/requests"), 1, "{report}");
    setting.await_ready(&server, |_, ready| waiting(ready) == 0);
    // An older token that is still good does not take the place of a fresh one.
    let older = setting.caller(&server, 0, 60);
    assert_eq!(setting.runtime.block_on(older.modern("tools/list", json!({}))).status, 200);
    let hit = setting.runtime.block_on(older.done("route_prompt", &prompt("One")));
    assert_eq!(at(&hit, "/source"), "cache_exact", "{hit}");
}

#[test]
fn a_server_that_is_told_to_end_answers_what_it_has_begun_and_nothing_new() {
    let Some(setting) = Setting::with(Provider::slow(Duration::from_millis(2_500))) else { return };
    let server = setting.start();
    let alice = setting.caller(&server, 0, 3_600);
    let under_way = {
        let alice = alice.clone();
        setting.runtime.spawn(async move { alice.done("route_prompt", &prompt("One")).await })
    };
    setting.provider.await_call();
    server.terminate();
    let (status, ready) = setting.ready(&server);
    assert_eq!((status, at(&ready, "/draining")), (503, &json!(true)), "{ready}");
    let refused = setting.runtime.block_on(alice.modern("tools/list", json!({})));
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{}", refused.text);
    assert_eq!(setting.runtime.block_on(Caller::nobody(&server).page("/healthz")).status, 200);
    let answer = setting.runtime.block_on(under_way).unwrap();
    assert_eq!(at(&answer, "/source"), "provider", "{answer}");
    let ended = server.ended();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(4), "{:?}", ended.took);
    let sql = "select count(*) filter (where status = 'completed') from requests";
    assert_eq!(setting.stack.tell(&json!({ "sql": sql })), "1");
}

#[test]
fn a_payment_without_end_is_broken_off_at_the_end_and_recorded() {
    let Some(setting) = Setting::with(Provider::slow(Duration::from_secs(40))) else { return };
    let server = setting.start();
    let alice = setting.caller(&server, 0, 3_600);
    let under_way = setting.runtime.spawn(async move { alice.refused("route_prompt", &prompt("One")).await });
    setting.provider.await_call();
    server.terminate();
    let words = setting.runtime.block_on(under_way).unwrap();
    assert!(words.contains("the program is stopping"), "{words}");
    let ended = server.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(9), "{:?}", ended.took);
    let sql = "select status || ' ' || (cost_pico > 0) from requests";
    assert_eq!(setting.stack.tell(&json!({ "sql": sql })), "failed true");
}

#[test]
fn a_client_that_goes_away_breaks_its_payment_off() {
    let Some(setting) = Setting::with(Provider::slow(Duration::from_secs(40))) else { return };
    let server = setting.start();
    let alice = setting.caller(&server, 0, 3_600);
    let under_way = setting.runtime.spawn(async move { alice.done("route_prompt", &prompt("One")).await });
    setting.provider.await_call();
    under_way.abort();
    let began = Instant::now();
    let sql = "select status || ' ' || (cost_pico > 0) from requests";
    while setting.stack.tell(&json!({ "sql": sql })) != "failed true" {
        assert!(began.elapsed() < Duration::from_secs(20), "the payment was not broken off");
        std::thread::sleep(Duration::from_millis(200));
    }
}

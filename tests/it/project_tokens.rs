//! Tokens, keys, addresses and clocks that are wrong: each is told by what is wrong with it, and nobody is paid.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::stdio::driver::at;
use crate::stdio::provider::Provider;
use crate::store::stack::{self, Stack};

fn prompt() -> Value {
    json!({ "prompt": "What is one plus one?" })
}

/// Says what a prompt, a report and the doctor are told on a machine; nobody may be paid.
fn refusals(machine: &Machine<'_>) -> [String; 3] {
    let provider = Provider::quick();
    let mut conversation = machine.greet(&provider);
    let words =
        [conversation.refused("route_prompt", &prompt()), conversation.refused("cost_report", &json!({}))];
    assert!(provider.asked().is_empty(), "{words:?}");
    let doctor = machine.run(&["doctor"], "");
    assert!(!doctor.status.success());
    let [route, report] = words;
    [route, report, String::from_utf8_lossy(&doctor.stdout).into_owned()]
}

fn is_told(machine: &Machine<'_>, what: &str, words: &[&str], secret: &str) {
    for told in refusals(machine) {
        let is_said = words.iter().any(|word| told.contains(word));
        assert!(is_said && told.contains("hint:") && !told.contains(secret), "{what}: {told}");
    }
}

#[test]
fn a_token_that_is_not_good_is_told_by_what_is_wrong_with_it() {
    let Some(shared) = stack::shared() else { return };
    let alice = stack::user().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let good = runtime.block_on(alice.token()).expose_secret().to_owned();
    let (claims, signature) = {
        let mut parts = good.split('.').skip(1);
        (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned())
    };
    // {"alg":"none"}, and {"alg":"HS256","typ":"JWT"}.
    let unsigned = format!("eyJhbGciOiJub25lIn0.{claims}.");
    let resigned = format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{claims}.{signature}");
    let expired = shared.tell(&json!({ "token": { "user": 0, "seconds": -60 } }));
    let foreign =
        Stack::start(&[]).map(|other| other.tell(&json!({ "token": { "user": 0, "seconds": 600 } })));
    let text = |token: Value| token.as_str().unwrap().to_owned();
    for (what, token, words) in [
        ("expired", text(expired), "refused (PGRST303)"),
        ("garbage", "garbage".to_owned(), "cannot be read"),
        ("alg none", unsigned, "cannot be read"),
        ("another algorithm", resigned, "refused (PGRST301)"),
        ("another project's", text(foreign.unwrap()), "no key of the project signed it"),
        ("the project's key", alice.key.clone(), "cannot be read"),
    ] {
        let machine = Machine::of(&alice).with("SUPABASE_ACCESS_TOKEN", &token);
        is_told(&machine, what, &[words], &token);
    }
    // The same with one that is good, so that the others can fail.
    let machine = Machine::of(&alice).with("SUPABASE_ACCESS_TOKEN", good);
    let provider = Provider::quick();
    machine.greet(&provider).done("route_prompt", &prompt());
    assert_eq!(at(&machine.report(), "/totals/requests"), 1);
}

#[test]
fn a_wrong_key_and_a_wrong_address_are_told() {
    let (Some(_), Some(alice)) = (stack::shared(), stack::user()) else { return };
    let machine = Machine::of(&alice);
    machine.login();
    // The session is there; the key is another project's.
    let machine = machine.with("SUPABASE_ANON_KEY", "sb_publishable_canary");
    is_told(&machine, "wrong key", &["SUPABASE_ANON_KEY"], "canary");

    // Nobody listens, or somebody else does: it is said each time, and what is paid waits.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let token = runtime.block_on(alice.token()).expose_secret().to_owned();
    let page = Provider::start(|_: &wiremock::Request| {
        wiremock::ResponseTemplate::new(404).set_body_raw("<html>no such page</html>", "text/html")
    });
    for url in ["http://127.0.0.1:9".to_owned(), page.url()] {
        let machine = Machine::of(&alice).with("SUPABASE_ACCESS_TOKEN", &token).with("SUPABASE_URL", &url);
        let provider = Provider::quick();
        let mut conversation = machine.greet(&provider);
        let answer = conversation.done("route_prompt", &prompt());
        assert!(at(&answer, "/degraded").to_string().contains("waits on this machine"), "{url}: {answer}");
        let report = conversation.refused("cost_report", &json!({}));
        assert!(report.contains("SUPABASE_URL"), "{url}: {report}");
        let doctor = machine.run(&["doctor"], "");
        let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(!doctor.status.success() && found.contains("SUPABASE_URL"), "{found}");
        // With the right address it is all there.
        drop(conversation);
        let machine = machine.with("SUPABASE_URL", &alice.url);
        assert!(at(&machine.report(), "/totals/requests").as_u64().unwrap() >= 1);
    }
    assert_eq!(at(&machine_of(&alice, &token).report(), "/totals/requests"), 2);
}

fn machine_of<'a>(user: &'a stack::User, token: &str) -> Machine<'a> {
    Machine::of(user).with("SUPABASE_ACCESS_TOKEN", token)
}

/// Moves the clock that a process reads, by some seconds.
const OTHER_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (clock == CLOCK_REALTIME) time->tv_sec += SECONDS;
    return result;
}
"#;

/// Builds a library that moves the clock; `None` where there is no C compiler, or no preloading.
fn other_clock(folder: &Path, seconds: i32) -> Option<PathBuf> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let (source, library) = (folder.join("clock.c"), folder.join(format!("clock{seconds}.so")));
    std::fs::write(&source, OTHER_CLOCK).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg(format!("-DSECONDS={seconds}"));
    compiler.arg("-ldl").status().ok()?.success().then_some(library)
}

#[test]
fn a_clock_that_is_off_by_an_hour_locks_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    for seconds in [3_600, -3_600] {
        let (Some(shared), Some(library)) = (stack::shared(), other_clock(folder.path(), seconds)) else {
            return;
        };
        let alice = stack::user().unwrap();
        let machine = Machine::of(&alice).with("LD_PRELOAD", OsString::from(library));
        machine.login();
        let provider = Provider::quick();
        let mut conversation = machine.greet(&provider);
        let paid = conversation.done("route_prompt", &prompt());
        assert_eq!(at(&paid, "/source"), "provider", "{seconds}");
        let hit = conversation.done("route_prompt", &prompt());
        assert_eq!(at(&hit, "/source"), "cache_exact", "{seconds}: {hit}");
        // The clock of the machine, not the project's, is in the records: it was moved indeed.
        let id = at(&paid, "/request_id").as_str().unwrap();
        let sql = format!(
            "select round(extract(epoch from now() - created_at) / 3600) from requests where id = '{id}'"
        );
        let off = shared.tell(&json!({ "sql": sql }));
        assert_eq!(off.as_str().unwrap().parse::<i32>().unwrap(), -seconds / 3_600);
        let report = machine.report();
        assert_eq!(at(&report, "/totals/requests"), 2, "{seconds}: {report}");
    }
}

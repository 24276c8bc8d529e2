//! The program with a Supabase project: sign-in, one store for several machines, and nothing of anybody else.

use std::process::Command;

use serde_json::json;

use crate::machine::Machine;
use crate::stdio::driver::at;
use crate::stdio::provider::Provider;
use crate::store::stack;

#[test]
fn two_users_pay_once_each_and_a_second_machine_has_the_firsts_answers() {
    let (Some(alice), Some(bob)) = (stack::user(), stack::user()) else { return };
    let provider = Provider::quick();
    let (first, second, other) = (Machine::of(&alice), Machine::of(&alice), Machine::of(&bob));
    for machine in [&first, &second, &other] {
        let session = machine.login();
        assert_eq!(at(&session, "/email"), machine.user.email.as_str());
    }
    let prompt = json!({ "prompt": "What happened today in the office?" });
    let paid = first.greet(&provider).done("route_prompt", &prompt);
    assert_eq!(at(&paid, "/source"), "provider");
    let hit = second.greet(&provider).done("route_prompt", &prompt);
    assert_eq!((at(&hit, "/source"), at(&hit, "/cost_usd")), (&json!("cache_exact"), &json!(0.0)), "{hit}");
    let others = other.greet(&provider).done("route_prompt", &prompt);
    assert_eq!(at(&others, "/source"), "provider", "nothing is shared between users");
    assert_eq!(provider.asked().len(), 2);
    for (machine, requests, hits) in [(&first, 2, 1), (&second, 2, 1), (&other, 1, 0)] {
        let report = machine.report();
        assert_eq!(at(&report, "/totals/requests"), requests, "{report}");
        assert_eq!(at(&report, "/totals/cache_hits"), hits);
        assert_eq!(at(&report, "/totals/cost_usd"), at(&paid, "/cost_usd"));
    }
    // A request of another user is as unknown as one that never was.
    let id = at(&paid, "/request_id");
    let mut conversation = other.greet(&provider);
    let rate = conversation.refused("rate_response", &json!({ "request_id": id, "verdict": "good" }));
    assert!(rate.contains("not known"), "{rate}");
    let resume = conversation.refused("route_prompt", &json!({ "prompt": "", "resume": id }));
    assert!(resume.contains("not known"), "{resume}");
}

#[test]
fn who_is_not_signed_in_is_told_how_and_who_signs_out_is_forgotten() {
    let (Some(_), Some(alice)) = (stack::shared(), stack::user()) else { return };
    let provider = Provider::quick();
    let machine = Machine::of(&alice);
    let prompt = json!({ "prompt": "Hello" });
    let text = machine.greet(&provider).refused("route_prompt", &prompt);
    assert!(text.contains("ai-cost-optimizer login"), "{text}");
    assert!(provider.asked().is_empty(), "nobody is paid for what cannot be recorded");
    let wrong = machine.run(&["login", "--email", &alice.email], "not the password\n");
    let complaint = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && complaint.contains("e-mail or password is wrong"), "{complaint}");
    assert!(!complaint.contains("not the password"), "{complaint}");
    machine.login();
    #[cfg(unix)]
    if let Some(file) = machine.session_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    }
    machine.greet(&provider).done("route_prompt", &prompt);
    let output = machine.run(&["logout"], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(machine.session_file().is_none());
    let text = machine.greet(&provider).refused("route_prompt", &prompt);
    assert!(text.contains("ai-cost-optimizer login"), "{text}");
}

#[test]
fn the_wrong_key_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let run = |key: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_ai-cost-optimizer"))
            .args(["report"])
            .env_clear()
            .env("HOME", folder.path())
            .env("COST_OPTIMIZER_DATA_DIR", folder.path())
            .env("SUPABASE_URL", "https://project.invalid")
            .env("SUPABASE_ANON_KEY", key)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(run("sb_secret_canary").contains("row-level security"));
    assert!(!run("sb_secret_canary").contains("canary"));
    assert!(run("").contains("SUPABASE_ANON_KEY"));
}

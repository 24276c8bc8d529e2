//! Budgets as users meet them: what may be spent is never passed, and everything says how it stands.

use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::ResponseTemplate;

use crate::stdio::driver::{Conversation, Program, at};
use crate::stdio::provider::Provider;

/// Asks for few tokens, so that what it may cost is near what it costs.
fn question(number: u32) -> Value {
    json!({ "prompt": format!("What is {number} plus one?"), "max_output_tokens": 16, "cache": "off" })
}

fn pico(dollars: &Value) -> i64 {
    (dollars.as_f64().unwrap_or_else(|| panic!("{dollars} is no amount")) * 1e12).round() as i64
}

fn dollars(pico: i64) -> String {
    format!("{:.12}", pico as f64 / 1e12)
}

/// What the choice and the cheapest candidate for a question may cost, with a quality.
fn worst_cases(quality: &str) -> (i64, i64) {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::quick();
    let mut conversation = Program::local(folder.path(), &provider).greet();
    let mut plan = question(1);
    plan["dry_run"] = json!(true);
    plan["quality"] = json!(quality);
    let plan = conversation.done("route_prompt", &plan);
    let highs = at(&plan, "/candidates").as_array().unwrap().iter();
    let highs: Vec<i64> = highs.map(|candidate| pico(at(candidate, "/estimated_cost_usd/high"))).collect();
    (highs[0], *highs.iter().min().unwrap())
}

struct Setting {
    provider: Provider,
    program: Program,
    folder: TempDir,
}

impl Setting {
    fn new(provider: Provider) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::local(folder.path(), &provider);
        Self { provider, program, folder }
    }

    fn with(mut self, name: &str, value: impl Into<std::ffi::OsString>) -> Self {
        self.program = self.program.with(name, value);
        self
    }

    /// Adds tables to the TOML file.
    fn with_file(self, text: &str) -> Self {
        let path = self.folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        self.with("COST_OPTIMIZER_CONFIG", path)
    }
}

fn budgets(conversation: &mut Conversation) -> Value {
    at(&conversation.resource("metrics://budgets"), "/budgets").clone()
}

#[test]
fn what_may_pass_a_limit_that_blocks_is_not_sent_and_the_words_say_why() {
    let (worst, _) = worst_cases("balanced");
    let setting = Setting::new(Provider::quick()).with("DAILY_BUDGET_USD", dollars(worst + 1));
    let mut conversation = setting.program.greet();
    let first = conversation.done("route_prompt", &question(1));
    let cost = pico(at(&first, "/cost_usd"));
    assert!(cost > 1 && cost < worst, "{first}");
    let shown = at(&first, "/budget");
    assert_eq!((at(shown, "/period"), pico(at(shown, "/spent_usd"))), (&json!("day"), cost), "{first}");
    assert_eq!(pico(at(shown, "/remaining_usd")), worst + 1 - cost, "{first}");

    let refused = conversation.refused("route_prompt", &question(2));
    for words in ["nothing was sent", "a day (block, set by config)", "hint:", "`ai-cost-optimizer budget`"] {
        assert!(refused.contains(words), "{words}: {refused}");
    }
    assert_eq!(setting.provider.asked().len(), 1);
    let report = conversation.done("cost_report", &json!({ "period": "all" }));
    assert_eq!(
        (at(&report, "/totals/requests"), at(&report, "/totals/unsettled_requests")),
        (&json!(1), &Value::Null)
    );
    let listed = at(&report, "/budgets/0");
    let kept = at(&budgets(&mut conversation), "/0").clone();
    assert_eq!(
        (at(&kept, "/set_by"), at(&kept, "/on_breach")),
        (&json!("config"), &json!("block")),
        "{kept}"
    );
    for field in ["/spent_usd", "/remaining_usd", "/limit_usd"] {
        assert_eq!(at(listed, field), at(&kept, field), "{report}");
    }
    assert_eq!(pico(at(listed, "/spent_usd")), cost);
    // What costs nothing is served.
    let mut cached = question(1);
    cached["cache"] = json!("use");
    conversation.refused("route_prompt", &cached);
}

#[test]
fn a_limit_that_downgrades_asks_the_best_model_that_still_fits() {
    let (best, cheapest) = worst_cases("best");
    assert!(cheapest < best);
    let limit = |pico: i64, tag: &str| {
        format!(
            "[[budgets]]\nperiod = \"month\"\nlimit_usd = {}\non_breach = \"downgrade\"\n{tag}",
            dollars(pico)
        )
    };
    let setting = Setting::new(Provider::quick()).with_file(&limit(best - 1, "tag = \"a\""));
    let mut conversation = setting.program.greet();
    let mut asked = question(1);
    asked["quality"] = json!("best");
    let usual = conversation.done("route_prompt", &asked);
    assert_eq!(at(&usual, "/budget"), &Value::Null, "it has not the tag: {usual}");
    asked["tags"] = json!(["a"]);
    let fits = conversation.done("route_prompt", &asked);
    assert_ne!(at(&fits, "/model"), at(&usual, "/model"), "{fits}");
    let reason = at(&fits, "/reason").as_str().unwrap();
    assert!(reason.contains("a month for the tag `a`") && reason.contains("is left, so"), "{reason}");
    assert_eq!(at(&fits, "/budget/tag"), "a");
    drop(conversation);

    let setting = Setting::new(Provider::quick()).with_file(&limit(cheapest - 1, ""));
    let refused = setting.program.greet().refused("route_prompt", &asked);
    assert!(refused.contains("nothing was sent"), "{refused}");
    assert!(setting.provider.asked().is_empty());
}

#[test]
fn a_limit_that_warns_goes_on_and_tells_at_half_four_fifths_and_all_of_it() {
    let cost = pico(at(
        &Setting::new(Provider::quick()).program.greet().done("route_prompt", &question(0)),
        "/cost_usd",
    ));
    let setting = Setting::new(Provider::quick()).with_file(&format!(
        "[[budgets]]\nperiod = \"day\"\nlimit_usd = {}\non_breach = \"warn\"\n",
        dollars(10 * cost)
    ));
    let mut conversation = setting.program.greet();
    let mut told = Vec::new();
    for number in 1..=12 {
        let routed = conversation.done("route_prompt", &question(number));
        let alerts = at(&routed, "/budget/alerts").as_array().cloned().unwrap_or_default();
        told.extend(alerts.iter().map(|alert| (number, alert.as_str().unwrap().to_owned())));
    }
    let numbers: Vec<u32> = told.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [5, 8, 10, 11, 12], "{told:?}");
    for ((_, words), start) in told.iter().zip(["50 %", "80 %", "100 %", "the budget of", "the budget of"]) {
        assert!(words.starts_with(start), "{words}");
    }
}

#[test]
fn a_model_can_tighten_and_never_loosen_and_a_person_can_do_both() {
    let setting = Setting::new(Provider::quick()).with("MONTHLY_BUDGET_USD", "10");
    let mut conversation = setting.program.greet();
    let set = |limit: f64, on_breach: &str| json!({ "period": "month", "limit_usd": limit, "on_breach": on_breach });
    for (looser, words) in
        [(set(11.0, "block"), "as tight is in force already"), (set(10.0, "warn"), "$10.00 a month (block")]
    {
        let refused = conversation.refused("set_budget", &looser);
        assert!(refused.contains(words), "{refused}");
    }
    for (bad, words) in [
        (set(-1.0, "block"), "limit_usd is -1"),
        (set(1e300, "block"), "limit_usd is 1"),
        (json!({ "period": "year", "limit_usd": 1, "on_breach": "block" }), "`period`"),
        (json!({ "period": "day", "limit_usd": 1, "on_breach": "block", "tag": "" }), "tag is empty"),
        (json!({ "period": "day", "limit_usd": 1 }), "on_breach"),
    ] {
        let refused = conversation.refused("set_budget", &bad);
        assert!(refused.contains(words), "{words}: {refused}");
    }
    let tightened = conversation.done("set_budget", &set(5.0, "downgrade"));
    assert_eq!((at(&tightened, "/limit_usd"), at(&tightened, "/remaining_usd")), (&json!(5.0), &json!(5.0)));
    assert_eq!(
        conversation.done("set_budget", &set(5.0, "downgrade")),
        tightened,
        "the same again is no error"
    );
    assert_eq!(budgets(&mut conversation).as_array().unwrap().len(), 2, "each counts by itself");
    let refused = conversation.refused("set_budget", &set(6.0, "downgrade"));
    assert!(refused.contains("$5.00 a month (downgrade, set by tool)"), "{refused}");
    drop(conversation);

    let run = |arguments: &[&str]| setting.program.run(arguments);
    let (code, listed, _) = run(&["budget", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((code, at(&listed, "/budgets").as_array().unwrap().len()), (0, 2), "{listed}");
    let (code, shown, _) = run(&["budget", "set", "day", "2.5", "--on-breach", "warn", "--tag", "night"]);
    assert!(code == 0 && shown.contains("budget a day for the tag `night`: $0 of $2.5 spent"), "{shown}");
    let (code, shown, _) = run(&["budget", "set", "day", "7", "--tag", "night"]);
    assert!(code == 0 && shown.contains("of $7 spent") && shown.contains("(block, set by cli)"), "{shown}");
    let (code, shown, _) = run(&["budget", "remove", "month"]);
    assert!(code == 0 && !shown.contains("set by tool") && shown.contains("set by config"), "{shown}");
    let (code, _, complaint) = run(&["budget", "remove", "month"]);
    assert!(code != 0 && complaint.contains("no limit a month was set here"), "{complaint}");
    let (code, _, complaint) = run(&["budget", "set", "week", "7"]);
    assert!(code == 2 && complaint.contains("week"), "{complaint}");
}

#[test]
fn bad_limits_in_the_configuration_are_named_at_the_start() {
    for (text, words) in [
        ("[[budgets]]\nperiod = \"day\"\nlimit_usd = -1\n", "limit_usd is -1"),
        ("[[budgets]]\nperiod = \"week\"\nlimit_usd = 1\n", "week"),
        ("[[budgets]]\nperiod = \"day\"\n", "limit_usd"),
        ("[[budgets]]\nperiod = \"day\"\nlimit_usd = 1\nbreach = 1\n", "breach"),
    ] {
        let setting = Setting::new(Provider::quick()).with_file(text);
        let (code, _, complaint) = setting.program.run(&["budget"]);
        assert!(code != 0 && complaint.contains(words), "{words}: {complaint}");
    }
    for value in ["nan", "-1", "1e9", "ten"] {
        let setting = Setting::new(Provider::quick()).with("DAILY_BUDGET_USD", value);
        let (code, _, complaint) = setting.program.run(&["budget"]);
        assert!(
            code != 0 && complaint.contains("DAILY_BUDGET_USD") && complaint.contains(value),
            "{complaint}"
        );
    }
}

/// Whoever fails after a part of an answer may be billed for it: another is asked only where both fit.
#[test]
fn a_second_bill_is_not_risked_where_it_may_pass_a_limit() {
    // An answer that nobody can read, and that may be billed all the same.
    let cut = |_: &wiremock::Request| ResponseTemplate::new(200).set_body_string("{\"half\":");
    let (worst, _) = worst_cases("balanced");
    let (dearest, _) = worst_cases("best");
    let ask = |limit: i64| {
        let setting = Setting::new(Provider::start(cut)).with("DAILY_BUDGET_USD", dollars(limit));
        let mut conversation = setting.program.greet();
        let refused = conversation.refused("route_prompt", &question(1));
        (setting.provider.asked().len(), refused)
    };
    let (asked, refused) = ask(worst + 1);
    assert_eq!(asked, 1, "{refused}");
    let (asked, refused) = ask(10 * dearest);
    assert!(asked > 1, "{refused}");
}

#[test]
fn a_thousand_calls_of_four_processes_spend_no_more_than_there_is_and_no_less() {
    let (worst, _) = worst_cases("balanced");
    let provider = Provider::quick();
    let folder = tempfile::tempdir().unwrap();
    // Enough for some hundred calls.
    let limit = 40 * worst;
    let program = Program::local(folder.path(), &provider).with("DAILY_BUDGET_USD", dollars(limit));
    let mut processes: Vec<Conversation> = (0..4).map(|_| program.greet()).collect();
    let mut ids: Vec<(usize, Value)> = Vec::new();
    for number in 0..1_000_u32 {
        let place = number as usize % 4;
        let id = processes[place].begin("route_prompt", &question(number));
        ids.push((place, id));
    }
    let (mut spent, mut answered, mut refusals) = (0, 0, 0);
    for (place, id) in ids {
        let answer = processes[place].answer(&id);
        let result = at(&answer, "/result");
        if at(result, "/isError") == true {
            let words = at(result, "/content/0/text").as_str().unwrap();
            assert!(words.contains("nothing was sent"), "{words}");
            refusals += 1;
        } else {
            spent += pico(at(result, "/structuredContent/cost_usd"));
            answered += 1;
        }
    }
    assert!(spent <= limit, "{spent} of {limit}");
    assert_eq!((answered + refusals, provider.asked().len()), (1_000, answered));
    // Nothing is refused that fits once all is settled, and nothing that does not fit gets through.
    let standing = budgets(&mut processes[0]);
    assert_eq!((pico(at(&standing, "/0/spent_usd")), pico(at(&standing, "/0/reserved_usd"))), (spent, 0));
    let mut number = 1_000;
    while limit - spent >= worst {
        spent +=
            pico(at(&processes[number as usize % 4].done("route_prompt", &question(number)), "/cost_usd"));
        number += 1;
    }
    let refused = processes[1].refused("route_prompt", &question(number));
    assert!(refused.contains("nothing was sent") && spent <= limit, "{refused}");
}

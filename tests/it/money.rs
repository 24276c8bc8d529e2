//! What is billed, what is recorded and what is reported are the same, to the pico-dollar.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ai_cost_optimizer::domain::money::Usd;
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{Request, ResponseTemplate};

use crate::embedding;
use crate::stdio::driver::{Conversation, Program, at};
use crate::stdio::ledger::Ledger;
use crate::stdio::provider::{INPUT_TOKENS, OUTPUT_TOKENS, Provider, answer, ended_by};

const MODEL: &str = "anthropic/claude-haiku-5-5";

/// A program with one provider, and the conversation with it.
struct Setting {
    provider: Provider,
    program: Program,
    conversation: Conversation,
    _folder: TempDir,
}

impl Setting {
    fn new(provider: Provider, configure: impl FnOnce(Program) -> Program) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = configure(Program::local(folder.path(), &provider));
        let conversation = program.greet();
        Self { provider, program, conversation, _folder: folder }
    }

    fn of(provider: Provider) -> Self {
        Self::new(provider, |program| program)
    }

    fn route(&mut self, arguments: &Value) -> Value {
        self.conversation.done("route_prompt", arguments)
    }

    fn report(&mut self) -> Value {
        self.conversation.done("cost_report", &json!({ "period": "all", "group_by": "source" }))
    }

    fn ledger(&self) -> Ledger {
        Ledger::open(self.program.store())
    }

    fn end(self) -> Ledger {
        let Self { program, conversation, .. } = self;
        conversation.hang_up().check(Duration::from_secs(5));
        Ledger::open(program.store())
    }
}

fn pico(dollars: &Value) -> i64 {
    Usd::from_dollars(dollars.as_f64().unwrap_or_else(|| panic!("{dollars} is no amount"))).unwrap().pico()
}

/// Checks that the answers, the report and the rows agree on cost, baseline and savings.
fn check(setting: &mut Setting, outputs: &[Value]) {
    let report = setting.report();
    let ledger = setting.ledger();
    let sum =
        |pointer: &str| -> i64 { outputs.iter().map(|output| output.pointer(pointer).map_or(0, pico)).sum() };
    for (pointer, field, column) in [
        ("/cost_usd", "/cost_usd", "cost_pico"),
        ("/saved_usd", "/saved_usd", "saved_pico"),
        ("/baseline/cost_usd", "/baseline_cost_usd", "baseline_cost_pico"),
    ] {
        let in_groups: i64 =
            at(&report, "/groups").as_array().unwrap().iter().map(|group| pico(at(group, field))).sum();
        let reported = pico(at(&report, &format!("/totals{field}")));
        let stored = ledger.number(&format!("select coalesce(sum({column}), 0) from requests"));
        assert_eq!((sum(pointer), reported, in_groups), (stored, stored, stored), "{field}: {report}");
    }
    assert_eq!(at(&report, "/totals/requests"), outputs.len(), "{report}");
}

#[test]
fn answers_reports_and_rows_agree_to_the_pico_dollar() {
    let mut setting = Setting::of(Provider::quick());
    let question = json!({ "prompt": "What is the capital of France?" });
    let mut outputs = vec![setting.route(&question)];
    let output = &outputs[0];
    assert_eq!(at(output, "/source"), "provider", "{output}");
    assert_eq!(at(output, "/usage/input_tokens"), INPUT_TOKENS);
    assert_eq!(at(output, "/usage/output_tokens"), OUTPUT_TOKENS);
    assert!(pico(at(output, "/cost_usd")) > 0, "{output}");
    let bought = at(output, "/request_id").clone();

    outputs.push(setting.route(&question));
    let hit = &outputs[1];
    assert_eq!(at(hit, "/source"), "cache_exact", "{hit}");
    assert_eq!(at(hit, "/text"), at(&outputs[0], "/text"));
    assert_eq!(pico(at(hit, "/cost_usd")), 0);
    assert_eq!(at(hit, "/saved_usd"), at(hit, "/baseline/cost_usd"));
    assert_eq!(setting.provider.asked().len(), 1);
    check(&mut setting, &outputs);

    let rated = json!({ "request_id": bought, "rating": 1.0 });
    assert_eq!(at(&setting.conversation.done("rate_response", &rated), "/entry_retired"), false);
    check(&mut setting, &outputs);
    let dropped = setting.conversation.done("forget_cache", &json!({ "all": true }));
    assert_eq!(at(&dropped, "/entries"), 1);
    outputs.push(setting.route(&question));
    assert_eq!(at(&outputs[2], "/source"), "provider");
    check(&mut setting, &outputs);
    let report = setting.report();
    assert_eq!(at(&report, "/totals/cache_hits"), 1, "{report}");
    assert_eq!(setting.end().number("select count(*) from response_feedback where score = 1"), 1);
}

#[test]
fn a_similar_prompt_costs_nothing_and_bad_ratings_end_that() {
    let Some(model) = embedding::model_folder() else {
        embedding::say("skipped: no embedding model on this machine, so nothing is similar");
        return;
    };
    let with_model =
        |program: Program| program.with("EMBEDDING_MODEL_PATH", model).with("SIMILARITY_THRESHOLD", "0.9");
    let mut setting = Setting::new(Provider::quick(), with_model);
    // The first miss waits at most two seconds for the weights; a plan would not load them.
    let loaded = |setting: &mut Setting| {
        let forget = json!({ "like": "x", "min_similarity": 0.99, "dry_run": true });
        at(&setting.conversation.done("forget_cache", &forget), "/entries").clone()
    };
    assert_eq!(loaded(&mut setting), 0);
    let mut outputs = vec![setting.route(&json!({ "prompt": "What is the capital of France?" }))];
    outputs.push(setting.route(&json!({ "prompt": "What is the capital city of France?" })));
    let hit = &outputs[1];
    assert_eq!(at(hit, "/source"), "cache_semantic", "{hit}");
    let similarity = at(hit, "/cache/similarity").as_f64().unwrap();
    assert!((0.9..1.0).contains(&similarity), "{similarity}");
    assert_eq!((pico(at(hit, "/cost_usd")), setting.provider.asked().len()), (0, 1));
    check(&mut setting, &outputs);

    for round in 0..20 {
        let prompt = json!({ "prompt": "What is the capital city of France?" });
        let output = setting.route(&prompt);
        let is_hit = at(&output, "/source") == "cache_semantic";
        let id = at(&output, "/request_id").clone();
        outputs.push(output);
        if !is_hit {
            break;
        }
        assert!(round < 19, "twenty bad ratings retired nothing");
        setting.conversation.done("rate_response", &json!({ "request_id": id, "verdict": "bad" }));
    }
    check(&mut setting, &outputs);
}

#[test]
fn an_answer_that_was_wrong_for_a_prompt_is_bought_anew() {
    let mut setting = Setting::of(Provider::quick());
    let question = json!({ "prompt": "What is the capital of France?" });
    let mut outputs = vec![setting.route(&question), setting.route(&question)];
    assert_eq!(at(&outputs[1], "/source"), "cache_exact");
    let rated = json!({ "request_id": at(&outputs[1], "/request_id"), "verdict": "wrong" });
    let result = setting.conversation.call("rate_response", &rated);
    assert_eq!(at(&result, "/structuredContent/pair_excluded"), true, "{result}");
    assert_eq!(at(&result, "/structuredContent/entry_retired"), false, "{result}");
    let words = at(&result, "/content/0/text").as_str().unwrap();
    assert!(words.contains("no longer served for this prompt"), "{words}");
    for source in ["provider", "cache_exact"] {
        outputs.push(setting.route(&question));
        assert_eq!(at(outputs.last().unwrap(), "/source"), source);
    }
    check(&mut setting, &outputs);
}

#[test]
fn after_a_failure_the_next_candidate_answers_and_one_bill_comes() {
    for status in [529, 500, 429] {
        let count = AtomicUsize::new(0);
        let provider = Provider::start(move |request: &Request| {
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                ResponseTemplate::new(status)
            } else {
                answer(request)
            }
        });
        let mut setting = Setting::of(provider);
        let output = setting.route(&json!({ "prompt": "What is the capital of France?" }));
        let attempts = at(&output, "/attempts").as_array().unwrap();
        assert_eq!(attempts.len(), 2, "{output}");
        assert_ne!(at(&attempts[0], "/outcome"), "answered");
        assert_eq!(at(&attempts[1], "/outcome"), "answered");
        assert_eq!(at(&attempts[1], "/model"), at(&output, "/model"));
        assert_eq!(pico(at(&attempts[0], "/cost_usd")), 0);
        assert_eq!(at(&attempts[1], "/cost_usd"), at(&output, "/cost_usd"));
        let asked = setting.provider.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(at(&attempts[0], "/model"), asked[0].as_str());
        check(&mut setting, &[output]);
        let ledger = setting.end();
        assert_eq!(ledger.number("select json_array_length(attempts) from requests"), 2);
    }
}

#[test]
fn when_all_fail_the_error_names_each_failure_and_the_request() {
    let mut setting = Setting::of(Provider::start(|_: &Request| ResponseTemplate::new(500)));
    let text = setting.conversation.refused("route_prompt", &json!({ "prompt": "Hello" }));
    let asked = setting.provider.asked();
    assert!(asked.len() > 1, "{asked:?}");
    for model in &asked {
        assert!(text.contains(&format!("anthropic/{model}: the provider failed (HTTP 500")), "{text}");
    }
    let report = setting.report();
    assert_eq!(at(&report, "/totals/failed_requests"), 1, "{report}");
    let ledger = setting.end();
    assert!(text.contains(&ledger.text("select id from requests")), "{text}");
    assert_eq!(ledger.text("select status from requests"), "failed");
    assert_eq!(ledger.number("select cost_pico from requests"), 0);
    assert!(!ledger.text("select error from requests").is_empty());
}

#[test]
fn a_time_out_ends_the_call_in_time_and_its_cost_is_estimated() {
    let short = |program: Program| program.with("REQUEST_DEADLINE_MS", "1000");
    let mut setting = Setting::new(Provider::slow(Duration::from_secs(20)), short);
    let started = Instant::now();
    let text = setting.conversation.refused("route_prompt", &json!({ "prompt": "Hello" }));
    let took = started.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_millis(2_500), "{took:?}");
    assert!(text.contains("resume") && text.contains("REQUEST_DEADLINE_MS"), "{text}");
    assert_eq!(setting.provider.asked().len(), 1, "there was no time for a second call");
    assert_eq!(at(&setting.report(), "/totals/unsettled_requests"), 1, "the call goes on");
    let ledger = setting.end();
    assert_eq!(ledger.text("select status from requests"), "failed");
    assert_eq!(ledger.number("select cost_estimated from requests"), 1);
    assert!(ledger.number("select cost_pico from requests") > 0);
}

#[test]
fn a_model_without_a_price_is_asked_only_where_that_is_wanted() {
    let provider = Provider::quick();
    let url = format!("{}/v1", provider.url());
    let mut setting = Setting::new(provider, |program| program.with("OPENAI_COMPATIBLE_BASE_URL", url));
    let pinned = |allow: bool| json!({ "prompt": "Hello", "model": "openai_compatible/mystery", "allow_unpriced": allow });
    let text = setting.conversation.refused("route_prompt", &pinned(false));
    assert!(text.contains("openai_compatible/mystery") && text.contains("allow_unpriced"), "{text}");
    assert!(setting.provider.asked().is_empty());
    let output = setting.route(&pinned(true));
    assert_eq!(at(&output, "/unpriced"), true, "{output}");
    assert!(at(&output, "/cost_usd").is_null() && at(&output, "/saved_usd").is_null(), "{output}");
    let report = setting.report();
    assert_eq!(at(&report, "/totals/unpriced_requests"), 1, "{report}");
    assert_eq!(pico(at(&report, "/totals/cost_usd")), 0);
    assert_eq!(
        setting.end().number("select cost_pico from requests"),
        i64::MIN,
        "an unknown price is not zero"
    );
}

/// Asks the same twice; says which sources answered and how many entries are kept.
fn twice(provider: Provider, arguments: &Value) -> (Vec<Value>, i64) {
    let mut setting = Setting::of(provider);
    let outputs = [setting.route(arguments), setting.route(arguments)];
    check(&mut setting, &outputs);
    let sources = outputs.iter().map(|output| at(output, "/source").clone()).collect();
    (sources, setting.end().number("select count(*) from response_cache"))
}

#[test]
fn what_may_not_be_repeated_is_paid_for_each_time() {
    let paid_twice = || (vec![json!("provider"), json!("provider")], 0);
    let ask = json!({ "prompt": "What is the capital of France?", "model": MODEL });
    let with = |name: &str, value: Value| {
        let mut arguments = ask.clone();
        arguments.as_object_mut().unwrap().insert(name.to_owned(), value);
        arguments
    };
    assert_eq!(
        twice(Provider::start(|request: &Request| ended_by(request, "max_tokens")), &ask),
        paid_twice()
    );
    assert_eq!(twice(Provider::start(|request: &Request| ended_by(request, "refusal")), &ask), paid_twice());
    assert_eq!(twice(Provider::quick(), &with("temperature", json!(0.9))), paid_twice());
    assert_eq!(twice(Provider::quick(), &with("cache", json!("off"))), paid_twice());
    assert_eq!(twice(Provider::quick(), &ask), (vec![json!("provider"), json!("cache_exact")], 1));
}

#[test]
fn a_refreshed_answer_takes_the_place_of_the_old_one() {
    let count = AtomicUsize::new(0);
    let numbered = move |request: &Request| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let mut body: Value = request.body_json().unwrap();
        let model = body.as_object_mut().unwrap().remove("model");
        ResponseTemplate::new(200).set_body_json(json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": model,
            "content": [{ "type": "text", "text": format!("Answer {number}") }],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": { "input_tokens": 5, "output_tokens": 5 },
        }))
    };
    let mut setting = Setting::of(Provider::start(numbered));
    let mut outputs = Vec::new();
    for (cache, source, text) in [
        ("use", "provider", "Answer 0"),
        ("refresh", "provider", "Answer 1"),
        ("use", "cache_exact", "Answer 1"),
        ("off", "provider", "Answer 2"),
        ("use", "cache_exact", "Answer 1"),
    ] {
        let output = setting.route(&json!({ "prompt": "What is the capital of France?", "cache": cache }));
        assert_eq!((at(&output, "/source"), at(&output, "/text")), (&json!(source), &json!(text)), "{cache}");
        outputs.push(output);
    }
    check(&mut setting, &outputs);
}

#[test]
fn a_plan_costs_nothing_and_leaves_no_trace() {
    let mut setting = Setting::of(Provider::quick());
    let plan = setting.route(&json!({ "prompt": "Hello", "dry_run": true }));
    assert_eq!(at(&plan, "/source"), "plan");
    assert!(!at(&plan, "/candidates").as_array().unwrap().is_empty(), "{plan}");
    assert!(at(&plan, "/request_id").is_null());
    assert!(setting.provider.asked().is_empty());
    assert_eq!(setting.end().number("select count(*) from requests"), 0);
}

#[test]
fn a_cancelled_request_breaks_its_call_off_and_is_recorded_with_what_it_may_have_cost() {
    let mut setting = Setting::of(Provider::slow(Duration::from_secs(20)));
    let id = setting.conversation.begin("route_prompt", &json!({ "prompt": "Hello" }));
    setting.provider.await_call();
    setting.conversation.notify("notifications/cancelled", &json!({ "requestId": id }));
    let started = Instant::now();
    let ledger = setting.end();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(ledger.text("select status from requests"), "failed");
    assert_eq!(ledger.text("select json_extract(attempts, '$[0].outcome') from requests"), "cancelled");
    assert_eq!(ledger.number("select cost_estimated from requests"), 1);
    assert!(ledger.number("select cost_pico from requests") > 0);
}

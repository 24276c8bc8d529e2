//! Live price lists over real HTTP, on the disk, and through the real binary.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ai_cost_optimizer::cost::catalogue::Catalogue;
use ai_cost_optimizer::cost::quote::Origin;
use ai_cost_optimizer::domain::model::{ModelRef, ProviderId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::providers::http;
use ai_cost_optimizer::providers::price_list::{PriceCache, PriceLists, PriceSource, Refreshed};
use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::stdio::driver::{KEY, Program, at};
use crate::stdio::provider::{Provider, answer};

const GLM: &str = "z-ai/glm-5.2";

/// A list in OpenRouter's shape, of which one model is in the built-in table at $0.62 and $2.42.
fn list() -> Value {
    json!({ "data": [
        {
            "id": GLM, "name": "GLM", "context_length": 1_048_576, "expiration_date": "2026-12-31",
            "pricing": { "prompt": "0.00000093", "completion": "0.00000242", "request": "0", "image": "0" },
        },
        { "id": "openrouter/auto", "pricing": { "prompt": "-1", "completion": "-1" } },
        { "id": "new/model", "pricing": { "prompt": "0.000001", "completion": "0.000002" } },
        { "id": "new/model:free", "pricing": { "prompt": "0", "completion": "0" } },
    ] })
}

fn lists(base_url: &str, provider: ProviderId, folder: &Path) -> PriceLists {
    PriceLists {
        sources: vec![PriceSource::new(provider, &base_url.parse().unwrap()).unwrap()],
        client: http::client().unwrap(),
        cache: PriceCache::new(folder.join("prices")),
        catalogue: Arc::new(Catalogue::new(&[]).unwrap()),
    }
}

/// The price in force of one prompt token.
fn input_pico(catalogue: &Catalogue, provider: ProviderId, model: &str) -> Option<i64> {
    let reference = ModelRef { provider, model: model.to_owned() };
    let one = Usage { input_tokens: 1, ..Usage::default() };
    catalogue.cost_of(&reference, &one, Timestamp::now()).map(Usd::pico)
}

/// Refreshes once from a server that answers as told; gives the error, after checking that no price moved.
async fn refused(response: ResponseTemplate) -> String {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(response).mount(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let lists = lists(&server.uri(), ProviderId::OpenRouter, folder.path());
    let error = lists.refresh(&lists.sources[0]).await.unwrap_err().to_string();
    assert_eq!(input_pico(&lists.catalogue, ProviderId::OpenRouter, GLM), Some(620_000));
    assert_eq!(input_pico(&lists.catalogue, ProviderId::OpenRouter, "new/model"), None);
    assert!(!folder.path().join("prices/openrouter.json").exists(), "a bad list was kept");
    let host = server.address().to_string();
    assert!(error.contains(&host) && !error.contains("http:") && !error.contains("canary"), "{error}");
    error
}

/// Starts a server that gives OpenRouter's list to the one who asks.
async fn one_time_router() -> MockServer {
    let server = MockServer::start().await;
    let list = ResponseTemplate::new(200).set_body_json(list());
    Mock::given(method("GET")).and(path("/models")).respond_with(list).expect(1).mount(&server).await;
    server
}

#[tokio::test]
async fn a_list_is_fetched_without_a_key_and_put_in_force() {
    let server = one_time_router().await;
    let folder = tempfile::tempdir().unwrap();
    let here = lists(&server.uri(), ProviderId::OpenRouter, folder.path());
    let Refreshed { list, drift } = here.refresh(&here.sources[0]).await.unwrap();
    assert_eq!(list.priced(), 3);
    assert_eq!(drift.iter().map(|drift| drift.percent.round()).collect::<Vec<_>>(), [50.0]);
    let headers = server.received_requests().await.unwrap().remove(0).headers;
    assert!(!headers.contains_key("authorization"), "{headers:?}");
    for (model, pico) in [(GLM, Some(930_000)), ("new/model", Some(1_000_000)), ("new/model:free", Some(0))] {
        assert_eq!(input_pico(&here.catalogue, ProviderId::OpenRouter, model), pico, "{model}");
    }
    assert_eq!(input_pico(&here.catalogue, ProviderId::OpenRouter, "openrouter/auto"), None);

    // Another process starts with what was kept.
    let there = lists(&server.uri(), ProviderId::OpenRouter, folder.path());
    there.load();
    assert_eq!(input_pico(&there.catalogue, ProviderId::OpenRouter, GLM), Some(930_000));
    let reference = ModelRef { provider: ProviderId::OpenRouter, model: GLM.to_owned() };
    let quote = there.catalogue.quote(&reference, Timestamp::now()).unwrap();
    assert_eq!(quote.origin, Origin::Live(list.fetched_at));
}

#[tokio::test]
async fn the_list_of_cerebras_is_beside_its_api() {
    let server = MockServer::start().await;
    let pricing = json!({ "prompt": "0.00000040", "completion": "0.00000075" });
    let body = json!({ "object": "list", "data": [{ "id": "gpt-oss-120b", "pricing": pricing }] });
    Mock::given(path("/public/v1/models"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    let folder = tempfile::tempdir().unwrap();
    let lists = lists(&format!("{}/v1", server.uri()), ProviderId::Cerebras, folder.path());
    lists.refresh(&lists.sources[0]).await.unwrap();
    assert_eq!(input_pico(&lists.catalogue, ProviderId::Cerebras, "gpt-oss-120b"), Some(400_000));
    assert_eq!(input_pico(&lists.catalogue, ProviderId::Cerebras, "qwen-3.8-27b"), Some(990_000));
}

#[tokio::test]
async fn a_bad_list_changes_no_price_and_is_not_kept() {
    let text = |text: &str| ResponseTemplate::new(200).set_body_string(text);
    assert!(refused(text("<html>canary</html>")).await.contains("not a list"));
    assert!(refused(text("")).await.contains("not a list"));
    assert!(
        refused(text(r#"{"data":[{"id":"z-ai/glm-5.2","pricing":{"prompt":NaN}}]}"#)).await.contains("not a")
    );
    let huge = format!(r#"{{"data":[{{"id":"canary{}"}}]}}"#, "a".repeat(10 << 20));
    assert!(refused(text(&huge)).await.contains("4 MiB"));
    let hostile = json!({ "data": [
        { "id": GLM, "pricing": { "prompt": "1e300", "completion": "NaN" } },
        { "id": "new/model", "pricing": { "prompt": "0", "completion": "0" } },
        { "id": "canary\u{1b}[2J\n", "pricing": { "prompt": "0.000001", "completion": "0.000001" } },
    ] });
    assert!(refused(ResponseTemplate::new(200).set_body_json(hostile)).await.contains("no usable price"));
    assert!(refused(ResponseTemplate::new(500).set_body_string("canary")).await.contains("500"));
    assert!(
        refused(ResponseTemplate::new(302).insert_header("location", "/other")).await.contains("redirect")
    );
}

#[tokio::test]
async fn nobody_fetches_what_is_of_today() {
    let server = one_time_router().await;
    let folder = tempfile::tempdir().unwrap();
    let here = lists(&server.uri(), ProviderId::OpenRouter, folder.path());
    here.refresh(&here.sources[0]).await.unwrap();
    let there = lists(&server.uri(), ProviderId::OpenRouter, folder.path());
    // Longer than the first look waits.
    let looked = tokio::time::timeout(Duration::from_secs(4), there.keep_fresh()).await;
    assert!(looked.is_err(), "it goes on until it is dropped");
    assert_eq!(input_pico(&there.catalogue, ProviderId::OpenRouter, GLM), Some(930_000));
}

/// Answers prompts, and lists prices.
fn router(request: &Request) -> ResponseTemplate {
    if request.url.path() == "/models" {
        assert!(!request.headers.contains_key("authorization"));
        ResponseTemplate::new(200).set_body_json(list())
    } else {
        answer(request)
    }
}

fn with_router(folder: &Path, url: &str) -> Program {
    Program::bare(folder, "optimizer.sqlite3")
        .with("OPENROUTER_API_KEY", KEY)
        .with("OPENROUTER_BASE_URL", url)
        .with("NO_PROXY", "127.0.0.1")
}

fn prices(program: &Program) -> Vec<Value> {
    let (code, stdout, stderr) = program.run(&["prices", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

fn of<'a>(rows: &'a [Value], model: &str) -> &'a Value {
    rows.iter().find(|row| at(row, "/model") == model).unwrap_or_else(|| panic!("no {model} in {rows:?}"))
}

#[test]
fn what_one_process_fetched_the_next_one_shows_and_bills_by() {
    let provider = Provider::start(router);
    let folder = tempfile::tempdir().unwrap();
    let program = with_router(folder.path(), &provider.url());
    let rows = prices(&program);
    assert_eq!(at(of(&rows, GLM), "/source"), "built_in");
    assert_eq!(at(of(&rows, GLM), "/input_usd_per_mtok"), 0.62);

    let (code, stdout, stderr) = program.run(&["prices", "refresh"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("openrouter: 3 models") && stdout.contains("+50.0 %"), "{stdout}");

    let rows = prices(&program);
    let row = of(&rows, GLM);
    assert_eq!(at(row, "/source"), "live");
    assert_eq!(at(row, "/input_usd_per_mtok"), 0.93);
    assert_eq!(at(row, "/output_usd_per_mtok"), 2.42);
    assert_eq!(at(row, "/drift_percent"), 50.0);
    assert_eq!(at(row, "/retires"), "2026-12-31");
    assert_eq!(at(of(&rows, "claude-haiku-5-5"), "/source"), "built_in");
    let (_, table, _) = program.run(&["prices", "--all"]);
    assert!(table.contains("live list of 20") && table.contains("openrouter/new/model:free"), "{table}");

    let arguments = ["route", "--model", "openrouter/new/model", "--max-cost-usd", "1", "--json", "Hello"];
    let (code, stdout, stderr) = program.run(&arguments);
    assert_eq!(code, 0, "{stderr}");
    let routed: Value = serde_json::from_str(&stdout).unwrap();
    // 21 tokens at $1 and 9 at $2 a million.
    assert_eq!(at(&routed, "/cost_usd"), 0.000_039, "{routed}");
}

#[test]
fn the_users_own_price_wins_over_the_list() {
    let provider = Provider::start(router);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let row = format!(
        "[[prices]]\nprovider = \"openrouter\"\nmodel = \"{GLM}\"\ninput_usd_per_mtok = 7.0\noutput_usd_per_mtok = 8.0\n"
    );
    std::fs::write(&config, row).unwrap();
    let program = with_router(folder.path(), &provider.url()).with("COST_OPTIMIZER_CONFIG", config);
    assert_eq!(program.run(&["prices", "refresh"]).0, 0);
    let rows = prices(&program);
    assert_eq!(at(of(&rows, GLM), "/source"), "user");
    assert_eq!(at(of(&rows, GLM), "/input_usd_per_mtok"), 7.0);
}

#[test]
fn without_a_network_a_refresh_names_the_host_and_the_prices_stay() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens on a port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let program = with_router(folder.path(), &url);
    let (code, stdout, stderr) = program.run(&["prices", "refresh"]);
    let host = url.trim_start_matches("http://");
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(
        stderr.contains(host) && stderr.contains("connection refused") && !stderr.contains(KEY),
        "{stderr}"
    );
    let (code, stdout, _) = program.run(&["prices", "refresh", "--json"]);
    let rows: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, at(&rows, "/0/host")), (1, &json!(host)));
    assert!(at(&rows, "/0/error").as_str().unwrap().contains("not reachable"), "{rows}");
    assert_eq!(at(of(&prices(&program), GLM), "/source"), "built_in");
    let bare = Program::bare(folder.path(), "optimizer.sqlite3");
    let (code, stdout, _) = bare.run(&["prices", "refresh"]);
    assert_eq!(code, 3);
    assert!(stdout.contains("OPENROUTER_API_KEY"), "{stdout}");
}

#[test]
fn the_server_fetches_beside_the_conversation_and_a_simulation_never() {
    let provider = Provider::start(router);
    let folder = tempfile::tempdir().unwrap();
    let program = with_router(folder.path(), &provider.url());
    let mut silent = program.start();
    let mut conversation = program.greet();
    let kept = folder.path().join("prices/openrouter.json");
    let started = std::time::Instant::now();
    while !kept.exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "no list was fetched");
        conversation.ping();
        std::thread::sleep(Duration::from_millis(50));
    }
    conversation.hang_up().check(Duration::from_secs(2));
    assert_eq!(at(of(&prices(&program), GLM), "/source"), "live");
    assert_eq!(provider.count(), 1, "one process was never spoken to, and asked nobody");
    silent.initialize("2025-11-25");
    silent.hang_up().check(Duration::from_secs(2));

    let simulated = Program::simulated(folder.path())
        .with("OPENROUTER_API_KEY", KEY)
        .with("OPENROUTER_BASE_URL", provider.url());
    assert_eq!(simulated.run(&["prices", "refresh"]).0, 3);
    assert_eq!(at(of(&prices(&simulated), GLM), "/source"), "built_in");
    assert_eq!(provider.count(), 1);
}

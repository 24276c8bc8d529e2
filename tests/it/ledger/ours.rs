//! The ledger against this program: a real socket, the adapters, and the bill they lead to.

use std::collections::BTreeMap;
use std::time::Duration;

use ai_cost_optimizer::config::PriceRow;
use ai_cost_optimizer::cost::bill::bill;
use ai_cost_optimizer::cost::catalogue::Catalogue;
use ai_cost_optimizer::cost::estimate::usage_of_part;
use ai_cost_optimizer::domain::model::{ModelRef, ProviderId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::prompt::{Prompt, Role, RouteRequest, Turn};
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::providers::anthropic::Anthropic;
use ai_cost_optimizer::providers::gemini::Gemini;
use ai_cost_optimizer::providers::http::{self, Endpoint};
use ai_cost_optimizer::providers::ollama::Ollama;
use ai_cost_optimizer::providers::openai_chat::{Flavour, OpenAiChat};
use ai_cost_optimizer::providers::{Delivery, Draft, Provider, ProviderCall};
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::{Line, assert_none, lines};

/// Answers `/{number of the line}/…` with that line's answer.
struct Recorded(Vec<ResponseTemplate>);

impl Respond for Recorded {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let number: usize = request.url.path_segments().unwrap().next().unwrap().parse().unwrap();
        self.0[number].clone()
    }
}

fn response(line: &Line) -> ResponseTemplate {
    let template = ResponseTemplate::new(line.status);
    let Some(pieces) = &line.stream else { return template.set_body_json(line.body.as_ref().unwrap()) };
    let written = |piece: &Value| match piece {
        Value::String(text) => text.clone(),
        _ => piece.to_string(),
    };
    if line.provider == "ollama" {
        let body: String = pieces.iter().map(|piece| written(piece) + "\n").collect();
        return template.set_body_raw(body, "application/x-ndjson");
    }
    let event = |piece: &Value| match piece.get("type").and_then(Value::as_str) {
        Some(kind) => format!("event: {kind}\ndata: {}\n\n", written(piece)),
        None => format!("data: {}\n\n", written(piece)),
    };
    template.set_body_raw(pieces.iter().map(event).collect::<String>(), "text/event-stream")
}

fn provider(id: ProviderId, client: reqwest::Client, endpoint: Endpoint) -> Box<dyn Provider> {
    let chat = |client, endpoint, flavour| Box::new(OpenAiChat::new(client, endpoint, flavour));
    match id {
        ProviderId::Anthropic => Box::new(Anthropic::new(client, endpoint)),
        ProviderId::Gemini => Box::new(Gemini::new(client, endpoint)),
        ProviderId::Ollama => Box::new(Ollama::new(client, endpoint)),
        ProviderId::Cerebras => chat(client, endpoint, Flavour::Cerebras),
        ProviderId::OpenRouter => chat(client, endpoint, Flavour::OpenRouter),
        ProviderId::OpenAiCompatible => chat(client, endpoint, Flavour::Compatible),
    }
}

fn catalogue(line: &Line) -> Catalogue {
    let row = |prices: &BTreeMap<String, String>| {
        let of = |kind: &str| prices.get(kind).map(|price| price.parse().unwrap());
        PriceRow {
            provider: line.provider.clone(),
            model: line.model.clone(),
            input_usd_per_mtok: of("input").unwrap(),
            output_usd_per_mtok: of("output").unwrap(),
            cached_input_usd_per_mtok: of("cache_read"),
            cache_write_usd_per_mtok: of("cache_write_5m"),
        }
    };
    let rows: Vec<_> = line.price_row.iter().map(row).collect();
    Catalogue::new(&rows).unwrap()
}

/// What the program makes of a line.
#[derive(Debug, PartialEq)]
struct Found {
    finish_reason: Option<String>,
    error: Option<String>,
    billed: String,
    usage: Option<Usage>,
    cost: Option<Usd>,
    estimated: bool,
}

fn expected(line: &Line) -> Found {
    Found {
        finish_reason: line.finish_reason.clone(),
        error: line.error.clone(),
        billed: line.billed.as_ref().unwrap_or(&line.model).clone(),
        usage: line.usage.map(Usage::from),
        cost: line.cost_pico().map(|pico| Usd::from_pico(pico.try_into().unwrap())),
        estimated: line.estimated,
    }
}

/// Asks as the fallback does, and prices as the pipeline does.
async fn found(line: &Line, client: &reqwest::Client, url: &str) -> Found {
    let request = RouteRequest::new(Prompt::new("a".repeat(400)).unwrap());
    let id: ProviderId = line.provider.parse().unwrap();
    let asked = ModelRef { provider: id, model: line.model.clone() };
    let is_streamed = line.stream.is_some() || line.streamed;
    let call = ProviderCall {
        model: line.model.clone(),
        system: None,
        turns: vec![Turn { role: Role::User, text: request.prompt.as_str().to_owned() }],
        max_visible_tokens: 1_024,
        thinking_allowance: 0,
        temperature: None,
        context_window: 131_072,
        delivery: if is_streamed { Delivery::Streamed } else { Delivery::Whole },
        timeout: Duration::from_secs(20),
        first_byte_timeout: Duration::from_secs(20),
        gap_timeout: Duration::from_secs(20),
    };
    let endpoint =
        Endpoint { base_url: url.parse().unwrap(), key: Some("key".into()), key_variable: "SOME_KEY" };
    let draft = Draft::default();
    let catalogue = catalogue(line);
    match provider(id, client.clone(), endpoint).complete(&call, &draft).await {
        Ok(completion) => {
            let bill = bill(&catalogue, &request, &asked, &completion, line.at);
            Found {
                finish_reason: Some(completion.finish_reason.to_string()),
                error: None,
                billed: bill.reference.model,
                usage: Some(bill.usage),
                cost: bill.cost,
                estimated: bill.is_estimated && !id.is_local(),
            }
        }
        Err(error) => {
            let arrived = draft.arrived();
            let has_begun = arrived.usage.is_some() || !arrived.text.is_empty();
            assert!(has_begun || !error.may_be_billed(), "{}: nothing tells what it cost", line.name);
            let usage =
                has_begun.then(|| usage_of_part(&request, &asked, &arrived.text, arrived.usage.as_ref()));
            Found {
                finish_reason: None,
                error: Some(error.outcome().to_string()),
                billed: line.model.clone(),
                usage,
                cost: match &usage {
                    Some(usage) => catalogue.cost_of(&asked, usage, line.at),
                    None => Some(Usd::ZERO),
                },
                estimated: has_begun && !id.is_local(),
            }
        }
    }
}

#[tokio::test]
async fn every_line_costs_what_the_ledger_says() {
    let lines = lines();
    let server = MockServer::start().await;
    let recorded = Recorded(lines.iter().map(response).collect());
    Mock::given(any()).respond_with(recorded).mount(&server).await;
    let client = http::client().unwrap();
    let mut wrong = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let found = found(line, &client, &format!("{}/{number}", server.uri())).await;
        let expected = expected(line);
        if found != expected {
            wrong.push(format!("{}\n  found    {found:?}\n  expected {expected:?}", line.name));
        }
    }
    assert_none(&wrong);
}

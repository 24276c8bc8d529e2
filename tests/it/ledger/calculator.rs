//! The ledger against genai-prices, asked without this program in between: it prices the tokens, and reads the bodies.

use std::time::SystemTime;

use genai_prices::{Calculator, ExtractRequest, PriceRequest, Usage as PricedUsage, UsageKey};

use super::{Line, Tokens, assert_none, lines};

const PRICES: &[u8] = include_bytes!("../../../src/cost/data/prices.json");

/// The name and the response format that genai-prices has for a provider.
fn known(line: &Line) -> Option<(&'static str, &'static str)> {
    match line.provider.as_str() {
        "anthropic" => Some(("anthropic", "default")),
        "gemini" => Some(("google", "default")),
        "cerebras" => Some(("cerebras", "chat")),
        _ => None,
    }
}

fn priced(tokens: Tokens) -> PricedUsage {
    let kept_5m = tokens.cache_write_tokens - tokens.cache_write_1h_tokens;
    PricedUsage::from([
        (UsageKey::INPUT_TOKENS, tokens.input_tokens as f64),
        (UsageKey::CACHE_READ_TOKENS, tokens.cached_input_tokens as f64),
        (UsageKey::CACHE_WRITE_TOKENS, tokens.cache_write_tokens as f64),
        (UsageKey::CACHE_WRITE_5M_TOKENS, kept_5m as f64),
        (UsageKey::CACHE_WRITE_1H_TOKENS, tokens.cache_write_1h_tokens as f64),
        (UsageKey::OUTPUT_TOKENS, tokens.output_tokens as f64),
    ])
}

/// Prices a request on the terms and at the time of its line, in pico-dollars.
fn cost(calculator: &Calculator, line: &Line, request: PriceRequest<'_>) -> Result<i128, String> {
    let request = request.with_timestamp(SystemTime::from(line.at));
    let with_context =
        |request: PriceRequest<'_>| calculator.calculate(&request).map_err(|error| error.to_string());
    let priced = match line.context.first() {
        Some((key, value)) => with_context(request.with_price_context(key, value)),
        None => with_context(request),
    }?;
    Ok((priced.total_price * 1e12).round() as i128)
}

#[test]
fn genai_prices_says_the_same() {
    let calculator = Calculator::from_json(PRICES).unwrap();
    let (mut wrong, mut by_tokens, mut by_body) = (Vec::new(), 0, 0);
    for line in lines().iter().filter(|line| line.genai_prices) {
        let (Some((provider, flavor)), Some(expected), Some(tokens)) =
            (known(line), line.cost_pico(), line.usage)
        else {
            continue;
        };
        let usage = priced(tokens);
        let request = PriceRequest::new(&line.model, &usage).with_provider_id(provider);
        let found = cost(&calculator, line, request);
        by_tokens += 1;
        if found != Ok(expected) {
            wrong.push(format!("{}: {found:?} by tokens, not {expected}", line.name));
        }
        let is_readable = line.extracted && !line.is("guessed") && line.error.is_none();
        let Some(body) = line.body.as_ref().filter(|_| is_readable) else { continue };
        let request = ExtractRequest::from_value(body).with_provider_id(provider).with_api_flavor(flavor);
        let extracted = calculator.extract_usage(&request).map_err(|error| error.to_string());
        let found = extracted.and_then(|extracted| {
            let request = extracted.price_request().ok_or("no model in it")?;
            cost(&calculator, line, request)
        });
        by_body += 1;
        if found != Ok(expected) {
            wrong.push(format!("{}: {found:?} by body, not {expected}", line.name));
        }
    }
    assert!(by_tokens >= 170 && by_body >= 130, "{by_tokens} by tokens, {by_body} by body");
    assert_none(&wrong);
}

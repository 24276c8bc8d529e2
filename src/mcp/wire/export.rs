//! A request as exports show it. Money is exact: dollars as decimals, and pico-dollars as a string.

use serde_json::{Value, json};

use super::report::csv_field;
use crate::domain::answer::Attempt;
use crate::domain::money::Usd;
use crate::domain::record::RequestRecord;

/// The columns of [`csv_line`], and the end of the line.
pub const HEADING: &str = "request_id,created_at,status,source,provider,model,strategy,quality,tags,session,input_tokens,cached_input_tokens,cache_write_tokens,output_tokens,reasoning_tokens,cost_usd,cost_pico,cost_estimated,baseline_model,baseline_cost_usd,baseline_cost_pico,saved_usd,saved_pico,latency_ms,finish_reason,simulated\n";

/// Words a request as comma-separated values, without the end of the line.
pub fn csv_line(record: &RequestRecord, simulated: bool) -> String {
    let dollars = |amount: Option<Usd>| amount.map(exact).unwrap_or_default();
    let pico = |amount: Option<Usd>| amount.map(|amount| amount.pico().to_string()).unwrap_or_default();
    let baseline = record.baseline.as_ref();
    let reference = record.reference.as_ref();
    let usage = &record.usage;
    [
        record.id.to_string(),
        record.created_at.to_string(),
        record.status.to_string(),
        record.source.map(|source| source.to_string()).unwrap_or_default(),
        reference.map(|reference| reference.provider.to_string()).unwrap_or_default(),
        csv_field(reference.map_or("", |reference| &reference.model)),
        record.strategy.to_string(),
        record.quality.to_string(),
        csv_field(&record.tags.join(" ")),
        csv_field(record.session.as_deref().unwrap_or_default()),
        usage.input_tokens.to_string(),
        usage.cached_input_tokens.to_string(),
        usage.cache_write_tokens.to_string(),
        usage.output_tokens.to_string(),
        usage.reasoning_tokens.to_string(),
        dollars(record.cost),
        pico(record.cost),
        record.cost_estimated.to_string(),
        csv_field(&baseline.map(|baseline| baseline.reference.to_string()).unwrap_or_default()),
        dollars(baseline.map(|baseline| baseline.cost)),
        pico(baseline.map(|baseline| baseline.cost)),
        dollars(record.saved()),
        pico(record.saved()),
        record.latency_ms.to_string(),
        record.finish_reason.map(|reason| reason.to_string()).unwrap_or_default(),
        simulated.to_string(),
    ]
    .join(",")
}

/// Words a request as JSON, with its calls.
pub fn json_line(record: &RequestRecord, simulated: bool) -> Value {
    let reference = record.reference.as_ref();
    let usage = &record.usage;
    let mut line = json!({
        "request_id": record.id.to_string(),
        "created_at": record.created_at,
        "status": record.status.to_string(),
        "source": record.source.map(|source| source.to_string()),
        "provider": reference.map(|reference| reference.provider.as_str()),
        "model": reference.map(|reference| &reference.model),
        "strategy": record.strategy.to_string(),
        "quality": record.quality.to_string(),
        "reason": record.reason,
        "tags": record.tags,
        "session": record.session,
        "usage": {
            "input_tokens": usage.input_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "output_tokens": usage.output_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
        },
        "cost_usd": record.cost.map(Usd::dollars),
        "cost_pico": record.cost.map(pico),
        "cost_estimated": record.cost_estimated,
        "worst_case_pico": record.worst_case.map(pico),
        "baseline": record.baseline.as_ref().map(|baseline| json!({
            "model": baseline.reference.to_string(),
            "cost_usd": baseline.cost.dollars(),
            "cost_pico": pico(baseline.cost),
        })),
        "saved_usd": record.saved().map(Usd::dollars),
        "saved_pico": record.saved().map(pico),
        "latency_ms": record.latency_ms,
        "finish_reason": record.finish_reason.map(|reason| reason.to_string()),
        "attempts": record.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "error": record.error,
        "simulated": simulated,
    });
    if let Value::Object(fields) = &mut line {
        fields.retain(|_, value| !value.is_null());
    }
    line
}

fn attempt(attempt: &Attempt) -> Value {
    json!({
        "provider": attempt.reference.provider.as_str(),
        "model": attempt.reference.model,
        "outcome": attempt.outcome.to_string(),
        "cost_pico": attempt.cost.map(pico),
        "cost_estimated": attempt.cost_estimated,
        "latency_ms": attempt.latency_ms,
    })
}

fn pico(amount: Usd) -> String {
    amount.pico().to_string()
}

/// Writes dollars with all their digits, as no `f64` can above $2,251.
fn exact(amount: Usd) -> String {
    amount.to_string().replace('$', "")
}

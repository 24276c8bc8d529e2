//! Rows of `requests`.

use rusqlite::{Connection, named_params};
use serde_json::json;

use crate::domain::ids::UserId;
use crate::domain::record::RequestRecord;

/// Inserts a request or replaces what is known of it.
pub(super) fn write(connection: &Connection, record: &RequestRecord) -> rusqlite::Result<()> {
    let attempts: Vec<_> = record
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "provider": attempt.reference.provider.as_str(),
                "model": attempt.reference.model,
                "outcome": attempt.outcome.to_string(),
                "cost_pico": attempt.cost.map(|cost| cost.pico()),
                "cost_estimated": attempt.cost_estimated,
                "latency_ms": attempt.latency_ms,
            })
        })
        .collect();
    let mut statement = connection.prepare_cached(WRITE)?;
    statement.execute(named_params! {
        ":user_id": UserId::LOCAL.to_string(),
        ":id": record.id.to_string(),
        ":created_at": record.created_at.as_microsecond(),
        ":status": record.status.to_string(),
        ":prompt_sha256": record.prompt_sha256,
        ":session": record.session,
        ":tags": json!(record.tags).to_string(),
        ":quality": record.quality.to_string(),
        ":strategy": record.strategy.to_string(),
        ":complexity_score": record.complexity.map(|complexity| complexity.score),
        ":complexity_tier": record.complexity.map(|complexity| complexity.tier.to_string()),
        ":confidence": record.confidence.map(|confidence| confidence.to_string()),
        ":reason": record.reason,
        ":source": record.source.map(|source| source.to_string()),
        ":provider": record.reference.as_ref().map(|reference| reference.provider.as_str()),
        ":model": record.reference.as_ref().map(|reference| reference.model.as_str()),
        ":input_tokens": whole(record.usage.input_tokens),
        ":cached_input_tokens": whole(record.usage.cached_input_tokens),
        ":cache_write_tokens": whole(record.usage.cache_write_tokens),
        ":output_tokens": whole(record.usage.output_tokens),
        ":reasoning_tokens": whole(record.usage.reasoning_tokens),
        ":cost_pico": record.cost.map(|cost| cost.pico()),
        ":cost_estimated": record.cost_estimated,
        ":worst_case_pico": record.worst_case.map(|cost| cost.pico()),
        ":baseline_provider": record.baseline.as_ref().map(|baseline| baseline.reference.provider.as_str()),
        ":baseline_model": record.baseline.as_ref().map(|baseline| baseline.reference.model.as_str()),
        ":baseline_cost_pico": record.baseline.as_ref().map(|baseline| baseline.cost.pico()),
        ":saved_pico": record.saved().map(|saved| saved.pico()),
        ":latency_ms": whole(record.latency_ms),
        ":provider_latency_ms": whole(record.provider_latency_ms),
        ":finish_reason": record.finish_reason.map(|reason| reason.to_string()),
        ":attempts": serde_json::Value::from(attempts).to_string(),
        ":cache_entry_id": record.cache.as_ref().map(|hit| hit.entry_id.to_string()),
        ":similarity": record.cache.as_ref().map(|hit| hit.similarity),
        ":error": record.error,
    })?;
    Ok(())
}

/// SQLite's integers are signed; a count past their end is cut there.
pub(super) fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

const WRITE: &str = "
insert into requests (
    user_id, id, created_at, status, prompt_sha256, session, tags, quality, strategy, complexity_score,
    complexity_tier, confidence, reason, source, provider, model, input_tokens, cached_input_tokens,
    cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, cost_estimated, worst_case_pico,
    baseline_provider, baseline_model, baseline_cost_pico, saved_pico, latency_ms, provider_latency_ms,
    finish_reason, attempts, cache_entry_id, similarity, error)
values (
    :user_id, :id, :created_at, :status, :prompt_sha256, :session, :tags, :quality, :strategy,
    :complexity_score, :complexity_tier, :confidence, :reason, :source, :provider, :model, :input_tokens,
    :cached_input_tokens, :cache_write_tokens, :output_tokens, :reasoning_tokens, :cost_pico,
    :cost_estimated, :worst_case_pico, :baseline_provider, :baseline_model, :baseline_cost_pico,
    :saved_pico, :latency_ms, :provider_latency_ms, :finish_reason, :attempts, :cache_entry_id,
    :similarity, :error)
on conflict (user_id, id) do update set
    status = excluded.status, reason = excluded.reason, source = excluded.source,
    provider = excluded.provider, model = excluded.model, input_tokens = excluded.input_tokens,
    cached_input_tokens = excluded.cached_input_tokens, cache_write_tokens = excluded.cache_write_tokens,
    output_tokens = excluded.output_tokens, reasoning_tokens = excluded.reasoning_tokens,
    cost_pico = excluded.cost_pico, cost_estimated = excluded.cost_estimated,
    baseline_provider = excluded.baseline_provider, baseline_model = excluded.baseline_model,
    baseline_cost_pico = excluded.baseline_cost_pico, saved_pico = excluded.saved_pico,
    latency_ms = excluded.latency_ms, provider_latency_ms = excluded.provider_latency_ms,
    finish_reason = excluded.finish_reason, attempts = excluded.attempts,
    cache_entry_id = excluded.cache_entry_id, similarity = excluded.similarity, error = excluded.error";

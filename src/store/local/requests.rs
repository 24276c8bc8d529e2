//! Rows of `requests`.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::columns::{count, model_if_any, money, named, named_if_any, time, tokens, unreadable, whole};
use crate::domain::answer::{Attempt, CacheHit};
use crate::domain::decision::Complexity;
use crate::domain::exposure::Exposure;
use crate::domain::ids::{EntryId, RequestId, UserId};
use crate::domain::model::ModelRef;
use crate::domain::money::Usd;
use crate::domain::record::{Baseline, RequestRecord};
use crate::domain::usage::Usage;
use crate::store::exposures::ExposureRow;

/// Inserts a request or replaces what is known of it; the time at which it came stays, and an end is never turned
/// back into an intent.
pub(super) fn write(connection: &Connection, record: &RequestRecord) -> rusqlite::Result<()> {
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
        ":input_tokens": tokens(record.usage.input_tokens),
        ":cached_input_tokens": tokens(record.usage.cached_input_tokens),
        ":cache_write_tokens": tokens(record.usage.cache_write_tokens),
        ":cache_write_1h_tokens": tokens(record.usage.cache_write_1h_tokens),
        ":output_tokens": tokens(record.usage.output_tokens),
        ":reasoning_tokens": tokens(record.usage.reasoning_tokens),
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
        ":attempts": write_attempts(&record.attempts),
        ":cache_entry_id": record.cache.as_ref().map(|hit| hit.entry_id.to_string()),
        ":similarity": record.cache.as_ref().map(|hit| hit.similarity),
        ":cache_score": record.cache.as_ref().and_then(|hit| hit.score),
        ":cache_age_seconds": record.cache.as_ref().map(|hit| whole(hit.age_seconds)),
        ":is_audit": record.is_audit,
        ":forecast": record.forecast,
        ":exposures": write_exposures(record),
        ":error": record.error,
    })?;
    Ok(())
}

/// Finds a request by its id, with the text that it was answered with where the cache still keeps it.
pub(super) fn find(
    connection: &Connection,
    id: RequestId,
) -> rusqlite::Result<Option<(RequestRecord, Option<String>)>> {
    let user_id = UserId::LOCAL.to_string();
    let found = connection
        .prepare_cached(&format!("select {COLUMNS} from requests where user_id = ?1 and id = ?2"))?
        .query_row(params![user_id, id.to_string()], record)
        .optional()?;
    let Some(record) = found else { return Ok(None) };
    // A request that was served from the cache has bought nothing.
    let (sql, key) = match &record.cache {
        Some(hit) => (
            "select response_text from response_cache where user_id = ?1 and id = ?2",
            hit.entry_id.to_string(),
        ),
        None => (
            "select response_text from response_cache where user_id = ?1 and request_id = ?2",
            id.to_string(),
        ),
    };
    let text =
        connection.prepare_cached(sql)?.query_row(params![user_id, key], |row| row.get(0)).optional()?;
    Ok(Some((record, text)))
}

/// Reads a record from [`COLUMNS`].
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<RequestRecord> {
    let tags: String = row.get(5)?;
    let attempts: String = row.get(29)?;
    let exposures: String = row.get(38)?;
    let score: Option<f64> = row.get(8)?;
    let complexity = score.zip(named_if_any(row, 9)?).map(|(score, tier)| Complexity { score, tier });
    let baseline = model_if_any(row, 23)?.zip(money(row, 25)?);
    let entry_id: Option<EntryId> = named_if_any(row, 30)?;
    let similarity: Option<f32> = row.get(31)?;
    let age: Option<i64> = row.get(32)?;
    let cache_score: Option<f64> = row.get(35)?;
    Ok(RequestRecord {
        id: named(row, 0)?,
        created_at: time(row, 1)?,
        status: named(row, 2)?,
        prompt_sha256: row.get(3)?,
        session: row.get(4)?,
        tags: serde_json::from_str(&tags).map_err(|error| unreadable(5, error))?,
        quality: named(row, 6)?,
        strategy: named(row, 7)?,
        complexity,
        confidence: named_if_any(row, 10)?,
        reason: row.get(11)?,
        source: named_if_any(row, 12)?,
        reference: model_if_any(row, 13)?,
        usage: Usage {
            input_tokens: count(row, 15)?,
            cached_input_tokens: count(row, 16)?,
            cache_write_tokens: count(row, 17)?,
            cache_write_1h_tokens: count(row, 18)?,
            output_tokens: count(row, 19)?,
            reasoning_tokens: count(row, 20)?,
        },
        cost: money(row, 21)?,
        cost_estimated: row.get(22)?,
        worst_case: money(row, 26)?,
        baseline: baseline.map(|(reference, cost)| Baseline { reference, cost }),
        latency_ms: count(row, 27)?,
        provider_latency_ms: count(row, 28)?,
        attempts: read_attempts(&attempts).map_err(|error| unreadable(29, error))?,
        cache: entry_id.zip(similarity).map(|(entry_id, similarity)| CacheHit {
            entry_id,
            similarity,
            score: cache_score,
            error_bound: None,
            age_seconds: age.and_then(|age| u64::try_from(age).ok()).unwrap_or(0),
        }),
        is_audit: row.get(36)?,
        forecast: row.get(37)?,
        exposures: read_exposures(&exposures).map_err(|error| unreadable(38, error))?,
        finish_reason: named_if_any(row, 33)?,
        error: row.get(34)?,
    })
}

/// One call as the column `attempts` keeps it.
#[derive(Serialize, Deserialize)]
struct AttemptRow {
    provider: String,
    model: String,
    outcome: String,
    cost_pico: Option<i64>,
    cost_estimated: bool,
    latency_ms: u64,
}

fn write_attempts(attempts: &[Attempt]) -> String {
    let rows: Vec<AttemptRow> = attempts
        .iter()
        .map(|attempt| AttemptRow {
            provider: attempt.reference.provider.to_string(),
            model: attempt.reference.model.clone(),
            outcome: attempt.outcome.to_string(),
            cost_pico: attempt.cost.map(Usd::pico),
            cost_estimated: attempt.cost_estimated,
            latency_ms: attempt.latency_ms,
        })
        .collect();
    json!(rows).to_string()
}

fn read_attempts(text: &str) -> Result<Vec<Attempt>, serde_json::Error> {
    let attempt = |row: AttemptRow| {
        Ok(Attempt {
            reference: ModelRef {
                provider: row.provider.parse().map_err(serde_json::Error::custom)?,
                model: row.model,
            },
            outcome: row.outcome.parse().map_err(serde_json::Error::custom)?,
            cost: row.cost_pico.map(Usd::from_pico),
            cost_estimated: row.cost_estimated,
            latency_ms: row.latency_ms,
        })
    };
    serde_json::from_str::<Vec<AttemptRow>>(text)?.into_iter().map(attempt).collect()
}

fn write_exposures(record: &RequestRecord) -> String {
    let rows: Vec<ExposureRow> =
        record.exposures.iter().map(|exposure| ExposureRow::new(exposure, record.id)).collect();
    json!(rows).to_string()
}

fn read_exposures(text: &str) -> Result<Vec<Exposure>, serde_json::Error> {
    let rows = serde_json::from_str::<Vec<ExposureRow>>(text)?.into_iter();
    rows.map(|row| row.exposure().map_err(serde_json::Error::custom)).collect()
}

/// The columns that [`record`] reads, in its order.
pub(super) const COLUMNS: &str = "id, created_at, status, prompt_sha256, session, tags, quality, strategy, complexity_score, \
     complexity_tier, confidence, reason, source, provider, model, input_tokens, cached_input_tokens, \
     cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_pico, cost_estimated, \
     baseline_provider, baseline_model, baseline_cost_pico, worst_case_pico, latency_ms, provider_latency_ms, attempts, \
     cache_entry_id, similarity, cache_age_seconds, finish_reason, error, cache_score, is_audit, forecast, exposures";

const WRITE: &str = "
insert into requests (
    user_id, id, created_at, status, prompt_sha256, session, tags, quality, strategy, complexity_score,
    complexity_tier, confidence, reason, source, provider, model, input_tokens, cached_input_tokens,
    cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_pico, cost_estimated,
    worst_case_pico, baseline_provider, baseline_model, baseline_cost_pico, saved_pico, latency_ms,
    provider_latency_ms, finish_reason, attempts, cache_entry_id, similarity, cache_age_seconds, error,
    cache_score, is_audit, forecast, exposures)
values (
    :user_id, :id, :created_at, :status, :prompt_sha256, :session, :tags, :quality, :strategy,
    :complexity_score, :complexity_tier, :confidence, :reason, :source, :provider, :model, :input_tokens,
    :cached_input_tokens, :cache_write_tokens, :cache_write_1h_tokens, :output_tokens, :reasoning_tokens,
    :cost_pico, :cost_estimated, :worst_case_pico, :baseline_provider, :baseline_model, :baseline_cost_pico,
    :saved_pico, :latency_ms, :provider_latency_ms, :finish_reason, :attempts, :cache_entry_id,
    :similarity, :cache_age_seconds, :error, :cache_score, :is_audit, :forecast, :exposures)
on conflict (user_id, id) do update set
    status = excluded.status, session = excluded.session, tags = excluded.tags, quality = excluded.quality,
    strategy = excluded.strategy, complexity_score = excluded.complexity_score,
    complexity_tier = excluded.complexity_tier, confidence = excluded.confidence,
    worst_case_pico = excluded.worst_case_pico, reason = excluded.reason, source = excluded.source,
    provider = excluded.provider, model = excluded.model, input_tokens = excluded.input_tokens,
    cached_input_tokens = excluded.cached_input_tokens, cache_write_tokens = excluded.cache_write_tokens,
    cache_write_1h_tokens = excluded.cache_write_1h_tokens, output_tokens = excluded.output_tokens,
    reasoning_tokens = excluded.reasoning_tokens,
    cost_pico = excluded.cost_pico, cost_estimated = excluded.cost_estimated,
    baseline_provider = excluded.baseline_provider, baseline_model = excluded.baseline_model,
    baseline_cost_pico = excluded.baseline_cost_pico, saved_pico = excluded.saved_pico,
    latency_ms = excluded.latency_ms, provider_latency_ms = excluded.provider_latency_ms,
    finish_reason = excluded.finish_reason, attempts = excluded.attempts,
    cache_entry_id = excluded.cache_entry_id, similarity = excluded.similarity,
    cache_age_seconds = excluded.cache_age_seconds, error = excluded.error, cache_score = excluded.cache_score,
    is_audit = excluded.is_audit, exposures = excluded.exposures
where requests.status = 'intent' or excluded.status <> 'intent'";

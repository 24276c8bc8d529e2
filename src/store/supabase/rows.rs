//! Rows as the project's functions take and give them.
//!
//! Hashes are `\x…`, times RFC 3339, money whole pico-dollars, embeddings `[…]`.

use std::fmt::Write as _;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::answer::{Attempt, CacheHit};
use crate::domain::decision::Complexity;
use crate::domain::embedding::Embedding;
use crate::domain::model::ModelRef;
use crate::domain::money::Usd;
use crate::domain::record::{Baseline, CacheEntry, RequestRecord, ScopeHash};
use crate::domain::usage::Usage;
use crate::store::exposures::ExposureRow;

/// A row that is not what this program writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) &'static str);

/// A row of `requests`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RequestRow {
    id: String,
    created_at: Timestamp,
    status: String,
    prompt_sha256: String,
    session: Option<String>,
    tags: Vec<String>,
    quality: String,
    strategy: String,
    complexity_score: Option<f64>,
    complexity_tier: Option<String>,
    confidence: Option<String>,
    reason: String,
    source: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    input_tokens: i64,
    cached_input_tokens: i64,
    cache_write_tokens: i64,
    cache_write_1h_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    cost_pico: Option<i64>,
    cost_estimated: bool,
    worst_case_pico: Option<i64>,
    baseline_provider: Option<String>,
    baseline_model: Option<String>,
    baseline_cost_pico: Option<i64>,
    saved_pico: Option<i64>,
    latency_ms: i64,
    provider_latency_ms: i64,
    finish_reason: Option<String>,
    attempts: Vec<AttemptRow>,
    cache_entry_id: Option<String>,
    similarity: Option<f32>,
    cache_age_seconds: Option<i64>,
    cache_score: Option<f64>,
    is_audit: bool,
    forecast: Option<String>,
    exposures: Vec<ExposureRow>,
    error: Option<String>,
    /// The answer, where the cache still keeps it; not a column.
    #[serde(default, skip_serializing)]
    pub(super) response_text: Option<String>,
}

/// One call, in the column `attempts`.
#[derive(Debug, Serialize, Deserialize)]
struct AttemptRow {
    provider: String,
    model: String,
    outcome: String,
    cost_pico: Option<i64>,
    cost_estimated: bool,
    latency_ms: u64,
}

impl From<&RequestRecord> for RequestRow {
    fn from(record: &RequestRecord) -> Self {
        let (provider, model) = named(record.reference.as_ref());
        let baseline = record.baseline.as_ref();
        let (baseline_provider, baseline_model) = named(baseline.map(|baseline| &baseline.reference));
        Self {
            id: record.id.to_string(),
            created_at: record.created_at,
            status: record.status.to_string(),
            prompt_sha256: hex(&record.prompt_sha256),
            session: record.session.clone(),
            tags: record.tags.clone(),
            quality: record.quality.to_string(),
            strategy: record.strategy.to_string(),
            complexity_score: record.complexity.map(|complexity| complexity.score),
            complexity_tier: record.complexity.map(|complexity| complexity.tier.to_string()),
            confidence: record.confidence.map(|confidence| confidence.to_string()),
            reason: record.reason.clone(),
            source: record.source.map(|source| source.to_string()),
            provider,
            model,
            input_tokens: whole(record.usage.input_tokens),
            cached_input_tokens: whole(record.usage.cached_input_tokens),
            cache_write_tokens: whole(record.usage.cache_write_tokens),
            cache_write_1h_tokens: whole(record.usage.cache_write_1h_tokens),
            output_tokens: whole(record.usage.output_tokens),
            reasoning_tokens: whole(record.usage.reasoning_tokens),
            cost_pico: record.cost.map(Usd::pico),
            cost_estimated: record.cost_estimated,
            worst_case_pico: record.worst_case.map(Usd::pico),
            baseline_provider,
            baseline_model,
            baseline_cost_pico: baseline.map(|baseline| baseline.cost.pico()),
            saved_pico: record.saved().map(Usd::pico),
            latency_ms: whole(record.latency_ms),
            provider_latency_ms: whole(record.provider_latency_ms),
            finish_reason: record.finish_reason.map(|reason| reason.to_string()),
            attempts: record.attempts.iter().map(AttemptRow::from).collect(),
            cache_entry_id: record.cache.as_ref().map(|hit| hit.entry_id.to_string()),
            similarity: record.cache.as_ref().map(|hit| hit.similarity),
            cache_score: record.cache.as_ref().and_then(|hit| hit.score),
            cache_age_seconds: record.cache.as_ref().map(|hit| whole(hit.age_seconds)),
            is_audit: record.is_audit,
            forecast: record.forecast.clone(),
            exposures: record
                .exposures
                .iter()
                .map(|exposure| ExposureRow::new(exposure, record.id))
                .collect(),
            error: record.error.clone(),
            response_text: None,
        }
    }
}

impl TryFrom<RequestRow> for RequestRecord {
    type Error = Unreadable;
    fn try_from(row: RequestRow) -> Result<Self, Unreadable> {
        let baseline = reference(row.baseline_provider, row.baseline_model)?;
        let entry_id = row.cache_entry_id.as_deref().map(parsed).transpose()?;
        let tier = row.complexity_tier.as_deref().map(parsed).transpose()?;
        Ok(Self {
            id: parsed(&row.id)?,
            created_at: row.created_at,
            status: parsed(&row.status)?,
            prompt_sha256: hash(&row.prompt_sha256)?,
            session: row.session,
            tags: row.tags,
            quality: parsed(&row.quality)?,
            strategy: parsed(&row.strategy)?,
            complexity: row.complexity_score.zip(tier).map(|(score, tier)| Complexity { score, tier }),
            confidence: row.confidence.as_deref().map(parsed).transpose()?,
            reason: row.reason,
            source: row.source.as_deref().map(parsed).transpose()?,
            reference: reference(row.provider, row.model)?,
            usage: Usage {
                input_tokens: count(row.input_tokens),
                cached_input_tokens: count(row.cached_input_tokens),
                cache_write_tokens: count(row.cache_write_tokens),
                cache_write_1h_tokens: count(row.cache_write_1h_tokens),
                output_tokens: count(row.output_tokens),
                reasoning_tokens: count(row.reasoning_tokens),
            },
            cost: row.cost_pico.map(Usd::from_pico),
            cost_estimated: row.cost_estimated,
            worst_case: row.worst_case_pico.map(Usd::from_pico),
            baseline: baseline
                .zip(row.baseline_cost_pico)
                .map(|(reference, cost)| Baseline { reference, cost: Usd::from_pico(cost) }),
            latency_ms: count(row.latency_ms),
            provider_latency_ms: count(row.provider_latency_ms),
            finish_reason: row.finish_reason.as_deref().map(parsed).transpose()?,
            attempts: row.attempts.into_iter().map(Attempt::try_from).collect::<Result<_, _>>()?,
            cache: entry_id.zip(row.similarity).map(|(entry_id, similarity)| CacheHit {
                entry_id,
                similarity,
                score: row.cache_score,
                error_bound: None,
                age_seconds: row.cache_age_seconds.map_or(0, count),
            }),
            is_audit: row.is_audit,
            forecast: row.forecast,
            exposures: row
                .exposures
                .into_iter()
                .map(|row| row.exposure().map_err(|_| Unreadable("exposure")))
                .collect::<Result<_, _>>()?,
            error: row.error,
        })
    }
}

impl From<&Attempt> for AttemptRow {
    fn from(attempt: &Attempt) -> Self {
        Self {
            provider: attempt.reference.provider.to_string(),
            model: attempt.reference.model.clone(),
            outcome: attempt.outcome.to_string(),
            cost_pico: attempt.cost.map(Usd::pico),
            cost_estimated: attempt.cost_estimated,
            latency_ms: attempt.latency_ms,
        }
    }
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = Unreadable;
    fn try_from(row: AttemptRow) -> Result<Self, Unreadable> {
        Ok(Self {
            reference: ModelRef { provider: parsed(&row.provider)?, model: row.model },
            outcome: parsed(&row.outcome)?,
            cost: row.cost_pico.map(Usd::from_pico),
            cost_estimated: row.cost_estimated,
            latency_ms: row.latency_ms,
        })
    }
}

/// A row of `response_cache`, as it is written.
#[derive(Debug, Serialize)]
pub(super) struct BoughtRow {
    id: String,
    scope_hash: String,
    prompt_sha256: String,
    normal_sha256: Option<String>,
    prompt_text: Option<String>,
    embedder_fingerprint: Option<String>,
    embedding: Option<String>,
    response_text: String,
    provider: String,
    model: String,
    input_tokens: i64,
    cached_input_tokens: i64,
    cache_write_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    cost_pico: Option<i64>,
    finish_reason: String,
    request_id: String,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl From<&CacheEntry> for BoughtRow {
    fn from(entry: &CacheEntry) -> Self {
        let stored = entry.embedding.as_ref();
        Self {
            id: entry.id.to_string(),
            scope_hash: hex(&entry.scope.0),
            prompt_sha256: hex(&entry.prompt_sha256),
            normal_sha256: entry.normal_sha256.map(|sha256| hex(&sha256)),
            prompt_text: entry.prompt_text.clone(),
            embedder_fingerprint: stored.map(|stored| stored.fingerprint.clone()),
            embedding: stored.map(|stored| vector(&stored.embedding)),
            response_text: entry.text.clone(),
            provider: entry.reference.provider.to_string(),
            model: entry.reference.model.clone(),
            input_tokens: whole(entry.usage.input_tokens),
            cached_input_tokens: whole(entry.usage.cached_input_tokens),
            cache_write_tokens: whole(entry.usage.cache_write_tokens),
            output_tokens: whole(entry.usage.output_tokens),
            reasoning_tokens: whole(entry.usage.reasoning_tokens),
            cost_pico: entry.cost.map(Usd::pico),
            finish_reason: entry.finish_reason.to_string(),
            request_id: entry.request_id.to_string(),
            created_at: entry.created_at,
            expires_at: entry.expires_at,
        }
    }
}

/// A row of `response_cache`, as it is found.
#[derive(Debug, Deserialize)]
pub(super) struct EntryRow {
    /// Absent where the prompt is the very same, or of the same normal form.
    pub(super) similarity: Option<f32>,
    id: String,
    prompt_sha256: String,
    normal_sha256: Option<String>,
    prompt_text: Option<String>,
    response_text: String,
    provider: String,
    model: String,
    input_tokens: i64,
    cached_input_tokens: i64,
    cache_write_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    cost_pico: Option<i64>,
    finish_reason: String,
    request_id: String,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl EntryRow {
    /// Gives the entry; its scope is the one that was looked in.
    pub(super) fn entry(self, scope: ScopeHash) -> Result<CacheEntry, Unreadable> {
        Ok(CacheEntry {
            id: parsed(&self.id)?,
            scope,
            prompt_sha256: hash(&self.prompt_sha256)?,
            normal_sha256: self.normal_sha256.as_deref().map(hash).transpose()?,
            prompt_text: self.prompt_text,
            embedding: None,
            text: self.response_text,
            reference: ModelRef { provider: parsed(&self.provider)?, model: self.model },
            usage: Usage {
                input_tokens: count(self.input_tokens),
                cached_input_tokens: count(self.cached_input_tokens),
                cache_write_tokens: count(self.cache_write_tokens),
                cache_write_1h_tokens: 0,
                output_tokens: count(self.output_tokens),
                reasoning_tokens: count(self.reasoning_tokens),
            },
            cost: self.cost_pico.map(Usd::from_pico),
            finish_reason: parsed(&self.finish_reason)?,
            request_id: parsed(&self.request_id)?,
            created_at: self.created_at,
            expires_at: self.expires_at,
        })
    }
}

/// Writes a hash as PostgreSQL reads bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hash(text: &str) -> Result<[u8; 32], Unreadable> {
    bytes(text)?.try_into().map_err(|_| Unreadable("hash"))
}

/// Reads what [`hex`] wrote, or PostgreSQL of a `bytea`.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, Unreadable> {
    let digits =
        text.strip_prefix("\\x").filter(|digits| digits.len() % 2 == 0).ok_or(Unreadable("bytea"))?;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.as_bytes().chunks_exact(2).map(byte).collect::<Option<_>>().ok_or(Unreadable("bytea"))
}

/// Writes an embedding as pgvector reads it.
pub(super) fn vector(embedding: &Embedding) -> String {
    let mut text = String::with_capacity(embedding.as_slice().len() * 12);
    for number in embedding.as_slice() {
        text.push(if text.is_empty() { '[' } else { ',' });
        let _ = write!(text, "{number}");
    }
    text.push(']');
    text
}

pub(super) fn parsed<T: FromStr>(text: &str) -> Result<T, Unreadable> {
    text.parse().map_err(|_| Unreadable("name"))
}

fn named(reference: Option<&ModelRef>) -> (Option<String>, Option<String>) {
    (
        reference.map(|reference| reference.provider.to_string()),
        reference.map(|reference| reference.model.clone()),
    )
}

fn reference(provider: Option<String>, model: Option<String>) -> Result<Option<ModelRef>, Unreadable> {
    match provider.zip(model) {
        Some((provider, model)) => Ok(Some(ModelRef { provider: parsed(&provider)?, model })),
        None => Ok(None),
    }
}

/// The database's integers are signed; a count past their end is cut there.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

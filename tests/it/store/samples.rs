//! Records and entries for tests.

use std::time::Duration;

use ai_cost_optimizer::domain::answer::{CacheHit, FinishReason, Source};
use ai_cost_optimizer::domain::decision::{Quality, StrategyName};
use ai_cost_optimizer::domain::embedding::{DIMENSIONS, Embedding};
use ai_cost_optimizer::domain::exposure::{ExposedUnit, Exposure};
use ai_cost_optimizer::domain::ids::{EntryId, ExperimentId, RequestId};
use ai_cost_optimizer::domain::model::{ModelRef, ProviderId};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::record::{
    Baseline, CacheEntry, RequestRecord, RequestStatus, ScopeHash, StoredEmbedding,
};
use ai_cost_optimizer::domain::usage::Usage;
use ai_cost_optimizer::experiments::definition::AssignmentUnit;
use ai_cost_optimizer::experiments::lifecycle::{Kept, Status};
use ai_cost_optimizer::store::{Ask, ExactQuery};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(super) fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub(super) fn later(seconds: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

pub(super) fn model() -> ModelRef {
    ModelRef { provider: ProviderId::Anthropic, model: "claude-haiku-5-5".into() }
}

/// A completed request that a provider answered for `pico` pico-dollars.
pub(super) fn record(pico: i64) -> RequestRecord {
    RequestRecord {
        id: RequestId::new(),
        created_at: now(),
        status: RequestStatus::Completed,
        prompt_sha256: [7; 32],
        session: None,
        tags: Vec::new(),
        quality: Quality::Balanced,
        strategy: StrategyName::Complexity,
        complexity: None,
        confidence: None,
        reason: "a test".into(),
        source: Some(Source::Provider),
        reference: Some(model()),
        usage: Usage { input_tokens: 10, output_tokens: 20, ..Usage::default() },
        cost: Some(Usd::from_pico(pico)),
        cost_estimated: false,
        worst_case: Some(Usd::from_pico(pico.saturating_mul(3))),
        baseline: Some(Baseline { reference: model(), cost: Usd::from_pico(pico.saturating_mul(2)) }),
        latency_ms: 5,
        provider_latency_ms: 4,
        finish_reason: Some(FinishReason::Stop),
        attempts: Vec::new(),
        cache: None,
        is_audit: false,
        forecast: None,
        exposures: Vec::new(),
        error: None,
    }
}

/// What a request asks where nothing is limited; it reserves for days.
pub(super) fn no_limits() -> Ask {
    Ask {
        limits: Vec::new(),
        must_hold: false,
        owner: "a test".into(),
        now: now(),
        lease: Duration::from_secs(7 * 24 * 60 * 60),
    }
}

/// A request that an entry answered.
pub(super) fn hit(entry: &CacheEntry) -> RequestRecord {
    RequestRecord {
        source: Some(Source::CacheExact),
        cache: Some(CacheHit {
            entry_id: entry.id,
            similarity: 1.0,
            score: None,
            error_bound: None,
            age_seconds: 1,
        }),
        usage: Usage::default(),
        ..record(0)
    }
}

/// A search in a scope for the answer to exactly a prompt.
pub(super) fn exactly(scope: ScopeHash, prompt_sha256: [u8; 32]) -> ExactQuery {
    ExactQuery { scope, prompt_sha256, normal_sha256: None, now: now() }
}

/// A unit vector at an angle to the first axis.
pub(super) fn at_angle(radians: f32) -> StoredEmbedding {
    let mut numbers = vec![0.0; DIMENSIONS];
    numbers[0] = radians.cos();
    numbers[1] = radians.sin();
    StoredEmbedding { fingerprint: "test".into(), embedding: Embedding::new(numbers).unwrap() }
}

/// An entry of a scope, bought by a request, that lives for an hour.
pub(super) fn entry(scope: u8, prompt: u8, bought_by: &RequestRecord) -> CacheEntry {
    CacheEntry {
        id: EntryId::new(),
        scope: ScopeHash([scope; 32]),
        prompt_sha256: [prompt; 32],
        normal_sha256: None,
        prompt_text: Some(format!("prompt {prompt}")),
        embedding: Some(at_angle(f32::from(prompt) / 100.0)),
        text: format!("answer {prompt}"),
        reference: model(),
        usage: bought_by.usage,
        cost: bought_by.cost,
        finish_reason: FinishReason::Stop,
        request_id: bought_by.id,
        created_at: now(),
        expires_at: later(3_600),
    }
}

/// An active experiment that compares control with an arm that sets something, given as JSON.
pub(super) fn experiment(name: &str, unit: AssignmentUnit, treatment: &Value) -> Kept {
    let mut arm = json!({ "name": "treatment" });
    arm.as_object_mut().unwrap().extend(treatment.as_object().unwrap().clone());
    let arms = [json!({ "name": "control" }), arm];
    let definition = json!({ "name": name, "arms": arms, "unit": unit, "metric": "cost_usd" });
    Kept {
        id: ExperimentId::new(),
        experiment: serde_json::from_value(definition).unwrap(),
        status: Status::Active,
        created_at: now(),
        ended: None,
        adopted: None,
        idempotency_key: None,
    }
}

/// An exposure of a request by itself, of which 2 was known before; of a session, where one is named.
pub(super) fn exposed(kept: &Kept, place: u32, session: Option<&str>) -> Exposure {
    let unit = match session {
        Some(session) => ExposedUnit::Session(session.to_owned()),
        None => ExposedUnit::Request { before: 2.0 },
    };
    Exposure {
        experiment_id: kept.id,
        experiment: kept.name().to_owned(),
        arm: ["control", "treatment"][place as usize].to_owned(),
        place,
        unit: Some(unit),
    }
}

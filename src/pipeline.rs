//! The flow of one request: prompt → exact lookup → embed → semantic lookup → route → provider → price →
//! record → answer.
//!
//! Whatever is decided is decided in `routing`, `cache` and `cost`; here it is only put in order. Nobody is
//! paid before an intent is written, and once somebody may be paid, a tracked task sees it through to the
//! record, whether or not the caller still waits.

mod lookup;
mod outcome;
mod payment;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use strum::VariantArray;
use tokio_util::task::TaskTracker;

use crate::cost::catalogue::Catalogue;
use crate::cost::models::Models;
use crate::cost::savings;
use crate::domain::answer::Source;
use crate::domain::decision::Decision;
use crate::domain::ids::RequestId;
use crate::domain::model::{ModelRef, ProviderId};
use crate::domain::money::Usd;
use crate::domain::outcome::Outcome;
use crate::domain::prompt::RouteRequest;
use crate::domain::record::{Baseline, RequestRecord, RequestStatus};
use crate::domain::usage::Usage;
use crate::embed::worker::EmbedWorker;
use crate::providers::fallback::Providers;
use crate::routing::candidates::{Supply, eligible, no_provider};
use crate::routing::{Question, strategy};
use crate::store::Store;

use self::lookup::{CachePlan, Found};
pub use self::outcome::{Plan, RouteError, Routed};

/// Choices that hold for every request.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Cosine from which an entry is served.
    pub similarity_threshold: f32,
    /// Life of answers that do not age.
    pub cache_ttl: Duration,
    /// The model that savings are stated against; absent: the first priced one of the best tier.
    pub baseline: Option<ModelRef>,
    pub request_deadline: Duration,
    /// Whether answers are made up on this machine.
    pub simulated: bool,
}

/// Everything a request passes through.
#[derive(Clone)]
pub struct Pipeline {
    pub settings: Settings,
    pub models: Arc<Models>,
    pub catalogue: Arc<Catalogue>,
    pub store: Arc<dyn Store>,
    pub embedder: EmbedWorker,
    pub providers: Providers,
    /// The payments under way; drained before the program ends.
    pub payments: TaskTracker,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A request on its way.
struct Journey {
    id: RequestId,
    at: Timestamp,
    started: Instant,
    request: RouteRequest,
    cache: CachePlan,
    degraded: Vec<String>,
}

impl Pipeline {
    /// Answers a prompt at the lowest cost that still answers it well.
    ///
    /// Cancel safe: yes, because a payment that has begun is finished and recorded by its own task.
    pub async fn route(&self, request: RouteRequest) -> Result<Routed, RouteError> {
        let mut journey = Journey::new(request, self.settings.cache_ttl);
        if let Some(found) = self.find_exact(&mut journey).await {
            return Ok(self.serve(journey, found).await);
        }
        let embedding = self.embed(&mut journey).await;
        if let Some(found) = self.find_similar(&mut journey, embedding.as_ref()).await {
            return Ok(self.serve(journey, found).await);
        }
        let (embedding, evidence) = self.evidence(&mut journey, embedding).await;
        let decision = self.decide(&journey.request, journey.at, &self.providers.ids(), &evidence)?;
        let id = journey.id;
        let pipeline = self.clone();
        // The intent is part of the task: an intent whose caller went away would stand for a payment never made.
        let payment = self.payments.spawn(async move {
            pipeline.store.begin_request(journey.intent(&decision)).await?;
            pipeline.pay(journey, decision, embedding).await
        });
        payment.await.unwrap_or(Err(RouteError::Stopped(id)))
    }

    /// Says what [`Pipeline::route`] would ask, and at what price; nobody is asked and nothing recorded.
    ///
    /// Without any configured provider it plans as if all were.
    pub fn plan(&self, request: RouteRequest) -> Result<Plan, RouteError> {
        let journey = Journey::new(request, self.settings.cache_ttl);
        let mut degraded = Vec::new();
        let mut configured = self.providers.ids();
        if configured.is_empty() {
            configured = ProviderId::VARIANTS.to_vec();
            degraded.push(no_provider().to_string());
        }
        let decision = self.decide(&journey.request, journey.at, &configured, &[])?;
        let mut record = journey.intent(&decision);
        record.source = Some(Source::Plan);
        Ok(Plan { record, candidates: decision.candidates, degraded, simulated: self.settings.simulated })
    }

    fn decide(
        &self,
        request: &RouteRequest,
        at: Timestamp,
        configured: &[ProviderId],
        evidence: &[Outcome],
    ) -> Result<Decision, RouteError> {
        let supply = Supply { models: &self.models, catalogue: &self.catalogue, configured };
        let candidates = eligible(supply, request, at)?;
        Ok(strategy(request.strategy).decide(&Question { request, candidates: &candidates, evidence }))
    }

    /// Answers from the cache: it costs nothing, and saves what the baseline would have cost.
    async fn serve(&self, mut journey: Journey, found: Found) -> Routed {
        let Found { entry, hit, source } = found;
        let mut record = journey.record(RequestStatus::Completed);
        record.reason = format!(
            "a cached answer to {} prompt, {} s old, similarity {:.3}",
            if source == Source::CacheExact { "this very" } else { "a similar" },
            hit.age_seconds,
            hit.similarity
        );
        record.source = Some(source);
        record.baseline = self.baseline(&entry.usage, journey.at);
        record.finish_reason = Some(entry.finish_reason);
        record.reference = Some(entry.reference);
        record.cache = Some(hit);
        record.latency_ms = journey.elapsed_ms();
        // Nobody was paid, so an answer that could not be recorded is given all the same.
        if let Err(error) = self.store.record_request(record.clone(), None).await {
            tracing::error!(request.id = %journey.id, %error, "a cache hit was not recorded");
            journey.degraded.push(format!("this request is in no report: {error}"));
        }
        Routed { record, text: entry.text, degraded: journey.degraded, simulated: self.settings.simulated }
    }

    /// Names the model that savings are stated against at a time; `None` where no priced one is configured.
    pub fn baseline_model(&self, at: Timestamp) -> Option<ModelRef> {
        self.settings.baseline.clone().or_else(|| {
            let configured = self.providers.ids();
            savings::default_baseline(&self.models, &self.catalogue, |id| configured.contains(&id), at)
        })
    }

    fn baseline(&self, usage: &Usage, at: Timestamp) -> Option<Baseline> {
        savings::baseline(&self.catalogue, &self.baseline_model(at)?, usage, at)
    }
}

impl Journey {
    fn new(request: RouteRequest, cache_ttl: Duration) -> Self {
        let at = Timestamp::now();
        Self {
            id: RequestId::new(),
            at,
            started: Instant::now(),
            cache: CachePlan::new(&request, at, cache_ttl),
            request,
            degraded: Vec::new(),
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Starts the record of this request: nothing paid, nobody asked.
    fn record(&self, status: RequestStatus) -> RequestRecord {
        RequestRecord {
            id: self.id,
            created_at: self.at,
            status,
            prompt_sha256: self.cache.prompt_sha256,
            session: self.request.session.clone(),
            tags: self.request.tags.clone(),
            quality: self.request.quality,
            strategy: self.request.strategy,
            complexity: None,
            confidence: None,
            reason: String::new(),
            source: None,
            reference: None,
            usage: Usage::default(),
            cost: Some(Usd::ZERO),
            cost_estimated: false,
            worst_case: None,
            baseline: None,
            latency_ms: 0,
            provider_latency_ms: 0,
            finish_reason: None,
            attempts: Vec::new(),
            cache: None,
            error: None,
        }
    }

    /// Writes the decision into the record, with the most that it may cost.
    fn intent(&self, decision: &Decision) -> RequestRecord {
        let first = decision.candidates.first();
        let worst_cases =
            decision.candidates.iter().map(|candidate| candidate.estimate.map(|cost| cost.high));
        RequestRecord {
            strategy: decision.strategy,
            complexity: Some(decision.complexity),
            confidence: Some(decision.confidence),
            reason: decision.reason.clone(),
            reference: first.map(|candidate| candidate.card.reference.clone()),
            cost: None,
            worst_case: worst_cases.max().flatten(),
            ..self.record(RequestStatus::Intent)
        }
    }
}

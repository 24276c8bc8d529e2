//! The flow of one request: prompt → assign → exact lookup → embed → semantic lookup → route → reserve → provider →
//! price → record → answer.
//!
//! Whatever is decided is decided in `routing`, `cache`, `budget` and `cost`; here it is only put in order. Nobody is
//! paid before an intent is written, and once somebody may be paid, a tracked task sees it through to the
//! record, whether or not the caller still waits.

mod asking;
mod audit;
mod books;
mod counting;
mod experiments;
mod exploration;
mod flights;
mod journey;
mod learning;
mod lookup;
mod outcome;
mod outlook;
mod payment;
mod progress;
mod retention;
mod sessions;
mod spending;
mod team;
mod verdicts;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use strum::VariantArray;
use tokio_util::task::TaskTracker;

use crate::cache::admission::CachePolicy;
use crate::cost::catalogue::Catalogue;
use crate::cost::models::Models;
use crate::cost::savings;
use crate::domain::answer::Source;
use crate::domain::decision::{Decision, StrategyName};
use crate::domain::model::{ModelRef, ProviderId};
use crate::domain::money::Usd;
use crate::domain::prompt::{RouteRequest, StorePrompts};
use crate::domain::record::{Baseline, RequestStatus};
use crate::domain::usage::Usage;
use crate::embed::worker::EmbedWorker;
use crate::providers::fallback::Providers;
use crate::routing::candidates::{eligible, no_provider};
use crate::routing::drift::demote;
use crate::routing::escalation::Escalation;
use crate::routing::forecast::{Forecast, expect_of_all};
use crate::routing::{Question, strategy};
use crate::store::Store;

pub use self::audit::Calibrations;
pub use self::experiments::Experiments;
pub use self::exploration::Trials;
use self::flights::Boarding;
pub use self::flights::Flights;
use self::journey::Journey;
use self::learning::Known;
pub use self::learning::Learning;
use self::lookup::Found;
pub use self::outcome::{Plan, RouteError, Routed};
pub use self::progress::Progress;
pub use self::sessions::Sessions;
pub use self::spending::{BudgetError, Budgets, Spent};
pub use self::verdicts::{Consent, ExperimentError, Launch};
pub use self::waiting::Ending;

/// Choices that hold for every request.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When the answer to a similar prompt is served.
    pub cache_policy: CachePolicy,
    /// Life of answers that do not age.
    pub cache_ttl: Duration,
    /// The model that savings are stated against; absent: the first priced one of the best tier.
    pub baseline: Option<ModelRef>,
    pub request_deadline: Duration,
    /// How a model is chosen for callers that do not say.
    pub default_strategy: StrategyName,
    /// What trials of other models may cost in a month.
    pub exploration_budget: Usd,
    /// What is kept of prompts, answers and comments.
    pub store_prompts: StorePrompts,
    /// How long requests are kept; absent: for ever.
    pub retention: Option<SignedDuration>,
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
    pub flights: Flights,
    pub calibrations: Calibrations,
    pub learning: Learning,
    pub sessions: Sessions,
    pub trials: Trials,
    pub experiments: Experiments,
    pub budgets: Budgets,
    pub ending: Ending,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Answers a prompt at the lowest cost that still answers it well.
    ///
    /// Cancel safe: yes: a payment that nobody waits for any more is broken off, and recorded by its own task
    /// with what it may have cost.
    pub async fn route(&self, request: RouteRequest, progress: &Progress) -> Result<Routed, RouteError> {
        let mut journey = Journey::new(request, &self.settings);
        self.assign(&mut journey).await;
        if let Some(found) = self.find_exact(&mut journey).await {
            return Ok(self.serve(journey, found).await);
        }
        if let Some(seat) = self.flights.join(journey.cache.flight_key(), journey.started) {
            return self.share(journey, seat, progress).await;
        }
        let embedding = self.embed(&mut journey).await;
        if let Some(found) = self.find_similar(&mut journey, embedding.as_ref()).await {
            return Ok(self.serve(journey, found).await);
        }
        progress.is_routing();
        let known = self.known_of(&mut journey, embedding).await;
        let decision = self.decide_counting(&mut journey, &self.providers.ids(), &known).await?;
        let embedding = known.embedding;
        let key = journey.cache.flight_key();
        match self.flights.board(key, journey.started, journey.intent(&decision), &self.ending.abort) {
            Boarding::Follow(seat) => self.share(journey, seat, progress).await,
            Boarding::Lead(seat, pilot) => {
                let (pipeline, request, started) = (self.clone(), journey.request.clone(), journey.started);
                self.payments.spawn(async move {
                    let landing = pipeline.pay(journey, decision, embedding, &pilot).await;
                    pilot.land(landing);
                });
                self.wait(seat, Some(&request), started, progress).await.map(|(routed, _)| routed)
            }
        }
    }

    /// Says what [`Pipeline::route`] would ask, and at what price; nobody is asked and nothing recorded.
    ///
    /// Without any configured provider it plans as if all were.
    pub async fn plan(&self, request: RouteRequest) -> Result<Plan, RouteError> {
        let mut journey = Journey::new(request, &self.settings);
        self.adopt(&mut journey).await;
        let mut degraded = Vec::new();
        let mut configured = self.providers.ids();
        if configured.is_empty() {
            configured = ProviderId::VARIANTS.to_vec();
            degraded.push(no_provider().to_string());
        }
        // A plan waits for no embedder that has nothing to find.
        let has_outcomes = self.store.has_outcomes().await.unwrap_or(false);
        let embedding = if has_outcomes { self.embed(&mut journey).await } else { None };
        let known = self.known_of(&mut journey, embedding).await;
        self.count_for_plan(&mut journey).await;
        let decision = self.decide_counting(&mut journey, &configured, &known).await?;
        degraded.append(&mut journey.degraded);
        let mut record = journey.intent(&decision);
        record.source = Some(Source::Plan);
        Ok(Plan { record, candidates: decision.candidates, degraded, simulated: self.settings.simulated })
    }

    fn decide(
        &self,
        journey: &mut Journey,
        configured: &[ProviderId],
        known: &Known,
    ) -> Result<Decision, RouteError> {
        journey.warm = self.sessions.warm(journey.request.session.as_deref());
        let size = journey.size();
        let candidates = eligible(self.supply(journey, configured, &size), &journey.request, journey.at)?;
        let question = Question {
            request: &journey.request,
            candidates: &candidates,
            evidence: &known.evidence,
            learned: &known.learned,
            embedding: known.embedding.as_ref().map(|stored| &stored.embedding),
        };
        let mut decision = strategy(journey.request.strategy).decide(&question);
        expect_of_all(&question, &mut decision.candidates);
        demote(&mut decision, &known.demoted);
        journey.escalation = Escalation::plan(&journey.request, &mut decision, known.learned.cascade());
        journey.learned = Arc::clone(&known.learned);
        journey.forecast = Forecast::of(&question, &decision.candidates);
        Ok(decision)
    }

    /// Answers from the cache: it costs nothing, and saves what the baseline would have cost.
    async fn serve(&self, mut journey: Journey, found: Found) -> Routed {
        let Found { entry, hit, source } = found;
        let mut record = journey.record(RequestStatus::Completed);
        record.reason = format!(
            "a cached answer to {} prompt, {} s old, similarity {:.3}",
            if entry.prompt_sha256 == journey.cache.prompt_sha256 { "this very" } else { "a similar" },
            hit.age_seconds,
            hit.similarity
        );
        record.source = Some(source);
        record.baseline = self.baseline(&entry.usage, journey.at);
        record.finish_reason = Some(entry.finish_reason);
        record.reference = Some(entry.reference);
        record.cache = Some(hit);
        record.latency_ms = journey.elapsed_ms();
        self.record_unpaid(&mut journey, &record).await;
        Routed {
            record,
            text: entry.text,
            degraded: journey.degraded,
            spent: None,
            simulated: self.settings.simulated,
        }
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

//! A request on its way: what is known of it, and the record that it leaves.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::Settings;
use super::audit::Comparand;
use super::lookup::CachePlan;
use crate::cost::estimate::Warm;
use crate::cost::tokens::Size;
use crate::domain::decision::{Candidate, Decision};
use crate::domain::exposure::Exposure;
use crate::domain::ids::RequestId;
use crate::domain::money::Usd;
use crate::domain::prompt::{RouteRequest, StorePrompts};
use crate::domain::record::{RequestRecord, RequestStatus};
use crate::domain::usage::Usage;
use crate::routing::candidates::Counted;
use crate::routing::escalation::Escalation;
use crate::routing::forecast::Forecast;
use crate::routing::success::Learned;

/// A request on its way.
pub(super) struct Journey {
    pub(super) id: RequestId,
    pub(super) at: Timestamp,
    pub(super) started: Instant,
    pub(super) request: RouteRequest,
    pub(super) cache: CachePlan,
    pub(super) degraded: Vec<String>,
    /// What the cache could answer, to compare with what is bought.
    pub(super) comparand: Option<Comparand>,
    /// What was expected of each candidate.
    pub(super) forecast: Option<Forecast>,
    /// Whether the forecast got to know the first answer after it was written down.
    pub(super) is_judged: bool,
    /// What routing had learned when it decided.
    pub(super) learned: Arc<Learned>,
    /// Who may be asked after the first answer.
    pub(super) escalation: Option<Escalation>,
    /// What is to be added to the reason.
    pub(super) remark: Option<String>,
    /// The arms of experiments that it is answered by.
    pub(super) exposures: Vec<Exposure>,
    /// Bound on wrong answers per semantic hit, where an arm sets one.
    pub(super) cache_error_rate: Option<f64>,
    /// The request as it came, where an arm changed it.
    pub(super) own: Option<Box<RouteRequest>>,
    /// What a provider keeps at hand of its session.
    pub(super) warm: Option<Warm>,
    /// How long it is, once that is counted here.
    pub(super) tokenized: Option<Size>,
    /// What providers have counted of it.
    pub(super) counted: Counted,
}

impl Journey {
    pub(super) fn new(request: RouteRequest, settings: &Settings) -> Self {
        // Stores keep microseconds; a record is the same before and after.
        let now = Timestamp::now();
        let at = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        Self {
            id: RequestId::new(),
            at,
            started: Instant::now(),
            cache: CachePlan::new(&request, at, settings, &[]),
            request,
            degraded: Vec::new(),
            comparand: None,
            forecast: None,
            is_judged: false,
            learned: Arc::default(),
            escalation: None,
            remark: None,
            exposures: Vec::new(),
            cache_error_rate: None,
            own: None,
            warm: None,
            tokenized: None,
            counted: Counted::new(),
        }
    }

    /// Says how long the prompt is, as well as that is known.
    pub(super) fn size(&self) -> Size {
        self.tokenized.unwrap_or_else(|| Size::of(&self.request))
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Starts the record of this request: nothing paid, nobody asked.
    pub(super) fn record(&self, status: RequestStatus) -> RequestRecord {
        RequestRecord {
            id: self.id,
            created_at: self.at,
            status,
            prompt_sha256: match self.cache.kept {
                StorePrompts::Off => [0; 32],
                _ => self.cache.prompt_sha256,
            },
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
            is_audit: false,
            forecast: None,
            exposures: self.exposures.clone(),
            error: None,
        }
    }

    /// Writes the decision into the record, with the most that it may cost.
    pub(super) fn intent(&self, decision: &Decision) -> RequestRecord {
        let first = decision.candidates.first();
        let high = |candidate: &Candidate| candidate.estimate.map(|cost| cost.high);
        let both =
            self.escalation.as_ref().filter(|escalation| escalation.acts).and_then(|escalation| {
                Some(high(first?)? + high(decision.candidates.get(escalation.place)?)?)
            });
        RequestRecord {
            strategy: decision.strategy,
            complexity: Some(decision.complexity),
            confidence: Some(decision.confidence),
            reason: decision.reason.clone(),
            forecast: self.forecast.as_ref().map(Forecast::to_text),
            reference: first.map(|candidate| candidate.card.reference.clone()),
            cost: None,
            worst_case: decision.candidates.iter().filter_map(high).chain(both).max(),
            ..self.record(RequestStatus::Intent)
        }
    }
}

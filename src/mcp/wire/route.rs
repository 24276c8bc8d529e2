//! What `route_prompt` gives back for an answer.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::answer::{Attempt, CacheHit};
use crate::domain::decision::Complexity;
use crate::domain::exposure::Exposure;
use crate::domain::record::{Baseline, RequestRecord};
use crate::domain::usage::Usage;
use crate::mcp::wire::budget::LeftOutput;
use crate::mcp::wire::plan::CandidateOutput;
use crate::mcp::words::{clean, fenced};
use crate::pipeline::Routed;

/// Bytes of an answer in a result; with the text beside it that stays below the 1 MiB that hosts take.
const MOST_TEXT: usize = 700_000;

/// Result of `route_prompt`; a plan has candidates and no text.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RouteOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// provider, cache_exact, cache_semantic or plan
    pub(super) source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<String>,
    /// The model that was billed
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    pub(super) strategy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) confidence: Option<String>,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) complexity: Option<ComplexityOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<CacheOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "super::is_false")]
    cost_estimated: bool,
    /// The price is unknown, so there is no cost
    #[serde(skip_serializing_if = "super::is_false")]
    unpriced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<BaselineOutput>,
    /// Baseline less cost
    #[serde(skip_serializing_if = "Option::is_none")]
    saved_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<LatencyOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<AttemptOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<ExperimentOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<LeftOutput>,
    /// What did not work, with the way out
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) degraded: Vec<String>,
    #[serde(skip_serializing_if = "super::is_false")]
    pub(super) simulated: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) candidates: Vec<CandidateOutput>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ComplexityOutput {
    score: f64,
    tier: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CacheOutput {
    similarity: f64,
    /// How surely the cached answer answers this prompt, 0-1; absent for an exact hit
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    entry_id: String,
    age_seconds: u64,
    /// Upper bound on the share of such hits that are wrong, at 95 %
    #[serde(skip_serializing_if = "Option::is_none")]
    error_bound: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct UsageOutput {
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BaselineOutput {
    model: String,
    cost_usd: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LatencyOutput {
    total: u64,
    provider: u64,
    overhead: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ExperimentOutput {
    name: String,
    arm: String,
    /// The experiment is over, and the arm the default since
    #[serde(skip_serializing_if = "super::is_false")]
    adopted: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AttemptOutput {
    provider: String,
    model: String,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
    latency_ms: u64,
}

impl RouteOutput {
    /// Words a record; `text` and what surrounds it are the caller's.
    pub(super) fn of(record: &RequestRecord) -> Self {
        let reference = record.reference.as_ref();
        let mut arms = shown_first(&record.exposures);
        let overhead = record.latency_ms.saturating_sub(record.provider_latency_ms);
        Self {
            request_id: Some(record.id.to_string()),
            text: None,
            source: record.source.map(|source| source.to_string()).unwrap_or_default(),
            provider: reference.map(|reference| reference.provider.to_string()),
            model: reference.map(|reference| reference.model.clone()),
            strategy: record.strategy.to_string(),
            confidence: record.confidence.map(|confidence| confidence.to_string()),
            reason: reason_with(&record.reason, &record.exposures),
            complexity: record.complexity.map(ComplexityOutput::from),
            cache: record.cache.as_ref().map(CacheOutput::from),
            usage: record.cache.is_none().then(|| UsageOutput::from(record.usage)),
            cost_usd: record.cost.map(|cost| cost.dollars()),
            cost_estimated: record.cost_estimated,
            unpriced: record.cost.is_none(),
            baseline: record.baseline.as_ref().map(BaselineOutput::from),
            saved_usd: record.saved().map(|saved| saved.dollars()),
            latency_ms: Some(LatencyOutput {
                total: record.latency_ms,
                provider: record.provider_latency_ms,
                overhead,
            }),
            finish_reason: record.finish_reason.map(|reason| reason.to_string()),
            attempts: record.attempts.iter().map(AttemptOutput::from).collect(),
            experiment: arms.next(),
            budget: None,
            degraded: Vec::new(),
            simulated: false,
            candidates: Vec::new(),
        }
    }

    /// Takes out what only an asked provider can tell.
    pub(super) fn without_outcome(&mut self) {
        self.request_id = None;
        self.usage = None;
        self.unpriced = false;
        self.latency_ms = None;
    }

    /// Gives what a person reads: the answer, then one line on where it came from and its cost.
    pub fn to_text(&self) -> String {
        self.to_text_of(&clean(self.text.as_deref().unwrap_or_default()))
    }

    /// Gives what a model reads: the same with the answer fenced.
    pub fn to_fenced_text(&self) -> String {
        self.to_text_of(&fenced(self.text.as_deref().unwrap_or_default()))
    }

    /// Cuts an answer that no host would take whole.
    pub fn fit(&mut self) {
        let Some(text) = &mut self.text else { return };
        if text.len() <= MOST_TEXT {
            return;
        }
        let (whole, id) = (text.len(), self.request_id.as_deref().unwrap_or_default());
        text.truncate(text.floor_char_boundary(MOST_TEXT));
        self.degraded.push(format!(
            "the answer has {whole} bytes, of which the first {} are here; hint: `ai-cost-optimizer route --resume {id}` prints the whole",
            text.len()
        ));
    }

    fn to_text_of(&self, answer: &str) -> String {
        let cost = match self.cost_usd {
            Some(cost) => format!("${cost}{}", if self.cost_estimated { " (estimated)" } else { "" }),
            None => "unknown (unpriced model)".to_owned(),
        };
        let saved = match (&self.baseline, self.saved_usd) {
            (Some(baseline), Some(saved)) => format!(" · saved ${saved} against {}", baseline.model),
            _ => String::new(),
        };
        let model = format!(
            "{}/{}",
            self.provider.as_deref().unwrap_or_default(),
            self.model.as_deref().unwrap_or_default()
        );
        let mut text = format!(
            "{}\n\n— {}{model} via {} · cost {cost}{saved} · request_id {}",
            answer,
            if self.simulated { "SIMULATED · " } else { "" },
            self.source,
            self.request_id.as_deref().unwrap_or_default(),
        );
        if let Some(reason) = self.finish_reason.as_deref().filter(|reason| *reason != "stop") {
            text.push_str(&format!(" · finish_reason {reason}"));
        }
        if let Some(experiment) = &self.experiment {
            let adopted = if experiment.adopted { ", the default since" } else { "" };
            text.push_str(&format!(" · experiment {}, arm {}{adopted}", experiment.name, experiment.arm));
        }
        for alert in self.budget.iter().flat_map(LeftOutput::alerts) {
            text.push_str(&format!("\nalert: {alert}"));
        }
        for problem in &self.degraded {
            text.push_str(&format!("\nnote: {problem}"));
        }
        text
    }
}

/// Lists arms, those of experiments that run first.
fn shown_first(exposures: &[Exposure]) -> impl Iterator<Item = ExperimentOutput> {
    let (assigned, adopted): (Vec<_>, Vec<_>) =
        exposures.iter().partition(|exposure| exposure.unit.is_some());
    assigned.into_iter().chain(adopted).map(|exposure| ExperimentOutput {
        name: exposure.experiment.clone(),
        arm: exposure.arm.clone(),
        adopted: exposure.unit.is_none(),
    })
}

/// Names the arms beyond the one that has its own field.
fn reason_with(reason: &str, exposures: &[Exposure]) -> String {
    let mut text = reason.to_owned();
    for ExperimentOutput { name, arm, adopted } in shown_first(exposures).skip(1) {
        let is = if adopted { "arm adopted" } else { "arm" };
        text.push_str(&format!("; also of experiment `{name}`, {is} `{arm}`"));
    }
    text
}

impl From<Routed> for RouteOutput {
    fn from(routed: Routed) -> Self {
        Self {
            text: Some(routed.text),
            budget: routed.spent.map(Into::into),
            degraded: routed.degraded,
            simulated: routed.simulated,
            ..Self::of(&routed.record)
        }
    }
}

impl From<Complexity> for ComplexityOutput {
    fn from(complexity: Complexity) -> Self {
        Self { score: (complexity.score * 1e4).round() / 1e4, tier: complexity.tier.to_string() }
    }
}

impl From<&CacheHit> for CacheOutput {
    fn from(hit: &CacheHit) -> Self {
        Self {
            similarity: (f64::from(hit.similarity) * 1e6).round() / 1e6,
            score: hit.score.map(|score| (score * 1e6).round() / 1e6),
            entry_id: hit.entry_id.to_string(),
            age_seconds: hit.age_seconds,
            error_bound: hit.error_bound.map(|bound| (bound * 1e4).ceil() / 1e4),
        }
    }
}

impl From<Usage> for UsageOutput {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            cached_input_tokens: usage.cached_input_tokens,
            cache_write_tokens: usage.cache_write_tokens,
            output_tokens: usage.output_tokens,
            reasoning_tokens: usage.reasoning_tokens,
        }
    }
}

impl From<&Baseline> for BaselineOutput {
    fn from(baseline: &Baseline) -> Self {
        Self { model: baseline.reference.to_string(), cost_usd: baseline.cost.dollars() }
    }
}

impl From<&Attempt> for AttemptOutput {
    fn from(attempt: &Attempt) -> Self {
        Self {
            provider: attempt.reference.provider.to_string(),
            model: attempt.reference.model.clone(),
            outcome: attempt.outcome.to_string(),
            cost_usd: attempt.cost.map(|cost| cost.dollars()),
            latency_ms: attempt.latency_ms,
        }
    }
}

//! What `start_experiment` takes and gives back, and what `stop_experiment` does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::request::{QualityInput, StrategyInput};
use crate::domain::decision::{ComplexityTier, Quality, StrategyName};
use crate::domain::money::Usd;
use crate::experiments::definition::{
    Arm, AssignmentUnit, Definition, Direction, Eligibility, Guardrail, Method, Metric,
};
use crate::experiments::lifecycle::Kept;
use crate::pipeline::{Consent, Launch};

/// Characters of an idempotency key.
const MAX_KEY_CHARS: usize = 200;

/// Arguments of `start_experiment`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartInput {
    name: String,
    hypothesis: Option<String>,
    /// 2 to 8; the first is control
    #[schemars(length(min = 2, max = 8))]
    arms: Vec<ArmInput>,
    /// What is assigned to an arm (default request)
    unit: Option<UnitInput>,
    metric: MetricInput,
    /// Which way the metric is better; absent: its usual
    direction: Option<DirectionInput>,
    /// Metrics that a treatment must not worsen by more than margin
    #[serde(default)]
    guardrails: Vec<GuardrailInput>,
    /// Smallest difference that matters, in the metric's unit
    minimum_effect: Option<f64>,
    /// A smaller difference is none
    equivalence_margin: Option<f64>,
    /// Chance that any claim is false (default 0.05)
    alpha: Option<f64>,
    /// sequential: look at any time; fixed: judged once, after max_requests
    method: Option<MethodInput>,
    max_requests: Option<u64>,
    max_days: Option<u32>,
    max_spend_usd: Option<f64>,
    /// Requests that take part (default all)
    eligibility: Option<EligibilityInput>,
    /// End at the first verdict
    #[serde(default)]
    auto_stop: bool,
    /// The user agrees to what it may spend
    #[serde(default)]
    confirm: bool,
    /// Two starts with the same key are one
    idempotency_key: Option<String>,
}

/// What is absent is as without the experiment
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ArmInput {
    name: String,
    /// Relative share (default 1)
    weight: Option<f64>,
    strategy: Option<StrategyInput>,
    model: Option<String>,
    quality: Option<QualityInput>,
    /// Put before the system prompt
    system_prefix: Option<String>,
    cache_error_rate: Option<f64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GuardrailInput {
    metric: MetricInput,
    margin: f64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EligibilityInput {
    /// At least one of them
    #[serde(default)]
    tags: Vec<String>,
    quality: Option<QualityInput>,
    /// How hard the prompt looks
    tier: Option<TierInput>,
}

names!(UnitInput, AssignmentUnit, Request, Session);
names!(MetricInput, Metric, CostUsd, Rating, LatencyMs, Success, SavedUsd);
names!(DirectionInput, Direction, Lower, Higher);
names!(MethodInput, Method, Sequential, Fixed);
names!(TierInput, ComplexityTier, Simple, Moderate, Complex);

/// What a call of `start_experiment` wants.
#[derive(Debug, Clone)]
pub struct Start {
    pub definition: Definition,
    pub consent: Consent,
    pub idempotency_key: Option<String>,
}

impl StartInput {
    /// Reads the arguments; what they say together is checked when the experiment is started.
    pub fn into_start(self) -> Result<Start, String> {
        let max_spend = self.max_spend_usd.map(Usd::from_dollars).transpose();
        let max_spend_pico = max_spend.map_err(|error| format!("max_spend_usd: {error}"))?;
        let key = self.idempotency_key.as_deref();
        if key.is_some_and(|key| key.trim().is_empty() || key.chars().count() > MAX_KEY_CHARS) {
            return Err(format!("idempotency_key is blank or longer than {MAX_KEY_CHARS} characters"));
        }
        let eligibility = self.eligibility.map(Eligibility::from).unwrap_or_default();
        let definition = Definition {
            name: self.name,
            hypothesis: self.hypothesis,
            arms: self.arms.into_iter().map(Arm::from).collect(),
            unit: self.unit.map(AssignmentUnit::from).unwrap_or_default(),
            metric: self.metric.into(),
            direction: self.direction.map(Direction::from),
            guardrails: self.guardrails.into_iter().map(Guardrail::from).collect(),
            minimum_effect: self.minimum_effect,
            equivalence_margin: self.equivalence_margin,
            alpha: self.alpha.unwrap_or(Definition::DEFAULT_ALPHA),
            method: self.method.map(Method::from).unwrap_or_default(),
            max_requests: self.max_requests,
            max_days: self.max_days,
            max_spend_pico,
            eligibility,
            auto_stop: self.auto_stop,
            salt: String::new(),
            tightest_at: None,
        };
        let consent = if self.confirm { Consent::Given } else { Consent::Missing };
        Ok(Start { definition, consent, idempotency_key: self.idempotency_key })
    }
}

impl From<ArmInput> for Arm {
    fn from(input: ArmInput) -> Self {
        Self {
            name: input.name,
            weight: input.weight.unwrap_or(1.0),
            strategy: input.strategy.map(StrategyName::from),
            model: input.model,
            quality: input.quality.map(Quality::from),
            system_prefix: input.system_prefix,
            cache_error_rate: input.cache_error_rate,
        }
    }
}

impl From<GuardrailInput> for Guardrail {
    fn from(input: GuardrailInput) -> Self {
        Self { metric: input.metric.into(), margin: input.margin }
    }
}

impl From<EligibilityInput> for Eligibility {
    fn from(input: EligibilityInput) -> Self {
        Self {
            tags: input.tags,
            quality: input.quality.map(Quality::from),
            tier: input.tier.map(ComplexityTier::from),
        }
    }
}

/// Result of `start_experiment`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StartOutput {
    experiment_id: String,
    name: String,
    status: String,
    /// Units in each arm to find minimum_effect with a chance of 80 %
    #[serde(skip_serializing_if = "Option::is_none")]
    needed_per_arm: Option<u64>,
    /// The same in requests of all arms
    #[serde(skip_serializing_if = "Option::is_none")]
    needed_requests: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_days: Option<f64>,
    /// What its requests cost if they cost what past ones did
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// It ran already, by the same idempotency_key
    #[serde(skip_serializing_if = "super::is_false")]
    repeated: bool,
    #[serde(skip_serializing_if = "super::is_false")]
    simulated: bool,
}

impl StartOutput {
    /// Words what was started.
    pub fn new(launch: Launch, simulated: bool) -> Self {
        let Launch { kept, outlook, is_repeated } = launch;
        Self {
            experiment_id: kept.id.to_string(),
            name: kept.name().to_owned(),
            status: kept.status.to_string(),
            needed_per_arm: outlook.units_per_arm,
            needed_requests: outlook.requests,
            expected_days: outlook.days.map(|days| (days * 10.0).round() / 10.0),
            expected_cost_usd: outlook.cost.map(Usd::dollars),
            warnings: outlook.warnings,
            repeated: is_repeated,
            simulated,
        }
    }

    /// Gives what a person or model reads.
    pub fn to_text(&self) -> String {
        let simulated = if self.simulated { "SIMULATED · " } else { "" };
        let verb = if self.repeated { "was started before" } else { "is started" };
        let mut text =
            format!("{simulated}experiment `{}` {verb} ({}, {})", self.name, self.status, self.experiment_id);
        if let (Some(units), Some(requests)) = (self.needed_per_arm, self.needed_requests) {
            text.push_str(&format!("\nneeds about {units} units per arm, {requests} requests in all"));
        }
        if let Some(days) = self.expected_days {
            text.push_str(&format!("\nexpected to take {days} days"));
        }
        if let Some(cost) = self.expected_cost_usd {
            text.push_str(&format!("\nexpected to cost ${cost}"));
        }
        for warning in &self.warnings {
            text.push_str(&format!("\nwarning: {warning}"));
        }
        text
    }
}

/// Arguments of `stop_experiment`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopInput {
    pub name: String,
    /// Arm that becomes the default
    pub adopt: Option<String>,
}

/// An experiment as it is now.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StateOutput {
    name: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<String>,
    /// The arm that is the default now
    #[serde(skip_serializing_if = "Option::is_none")]
    adopted: Option<String>,
    #[serde(skip_serializing_if = "super::is_false")]
    simulated: bool,
}

impl StateOutput {
    /// Words an experiment.
    pub fn new(kept: &Kept, simulated: bool) -> Self {
        Self {
            name: kept.name().to_owned(),
            status: kept.status.to_string(),
            ended_by: kept.ended.map(|ended| ended.by.to_string()),
            adopted: kept.adopted_arm().map(str::to_owned),
            simulated,
        }
    }

    /// Gives what a person or model reads.
    pub fn to_text(&self) -> String {
        let mut text = format!("experiment `{}` is {}", self.name, self.status);
        if let Some(by) = &self.ended_by {
            text.push_str(&format!(" (by {by})"));
        }
        if let Some(arm) = &self.adopted {
            text.push_str(&format!("; arm `{arm}` is the default"));
        }
        text
    }
}

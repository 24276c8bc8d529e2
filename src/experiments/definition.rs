//! What an experiment is: its arms, what is measured, and when it ends.
//!
//! A [`Definition`] is what was asked for; an [`Experiment`] is one that passed every check ([`super::validation`]). Both
//! have the same JSON, in which a store keeps them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::validation::{BadDefinition, check};
use crate::domain::decision::{ComplexityTier, Quality, StrategyName};
use crate::domain::money::Usd;

/// Units per arm at which intervals are tightest where nothing else is planned.
const USUAL_UNITS: f64 = 1_000.0;

/// What is assigned to an arm, and analysed as one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Display, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AssignmentUnit {
    #[default]
    Request,
    /// All requests of a session; requests without one take no part.
    Session,
}

/// What is measured of a request.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Metric {
    /// What it cost, all attempts together, in dollars; 0 where the cache answered.
    CostUsd,
    /// A rating in [0, 1]; most requests have none.
    Rating,
    LatencyMs,
    /// 1 where somebody answered, else 0.
    Success,
    /// What the baseline would have cost more, in dollars.
    SavedUsd,
}

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Direction {
    Lower,
    Higher,
}

impl Metric {
    /// Gives the direction that is better unless the experiment says otherwise.
    pub const fn direction(self) -> Direction {
        match self {
            Self::CostUsd | Self::LatencyMs => Direction::Lower,
            Self::Rating | Self::Success | Self::SavedUsd => Direction::Higher,
        }
    }

    /// Says whether outcomes lie in [0, 1].
    pub const fn is_bounded(self) -> bool {
        matches!(self, Self::Rating | Self::Success)
    }
}

impl Direction {
    /// Gives 1 where higher is better, else −1.
    pub const fn sign(self) -> f64 {
        match self {
            Self::Lower => -1.0,
            Self::Higher => 1.0,
        }
    }
}

/// One way to answer; what is absent is as without the experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    pub name: String,
    /// How often, relative to the other arms; any positive number.
    #[serde(default = "one")]
    pub weight: f64,
    #[serde(default, with = "as_text", skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyName>,
    /// The model that is pinned, as written: `provider/model` or a bare id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, with = "as_text", skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Put before the system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prefix: Option<String>,
    /// Bound on wrong answers per semantic hit, in (0, 0.5].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_error_rate: Option<f64>,
}

impl Arm {
    /// Makes an arm that changes nothing.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            weight: 1.0,
            strategy: None,
            model: None,
            quality: None,
            system_prefix: None,
            cache_error_rate: None,
        }
    }

    /// Lists what it sets.
    pub fn knobs(&self) -> impl Iterator<Item = Knob> {
        let sets_route = self.strategy.is_some() || self.quality.is_some() || self.model.is_some();
        let knobs = [
            (Knob::Route, sets_route),
            (Knob::SystemPrefix, self.system_prefix.is_some()),
            (Knob::CacheErrorRate, self.cache_error_rate.is_some()),
        ];
        knobs.into_iter().filter(|(_, is_set)| *is_set).map(|(knob, _)| knob)
    }
}

/// Something that arms set differently. Two experiments on one knob must not run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Knob {
    /// Which model answers: by strategy, quality or pin.
    Route,
    SystemPrefix,
    CacheErrorRate,
}

/// A metric that a treatment must not worsen by more than a margin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardrail {
    pub metric: Metric,
    /// In the metric's unit; positive.
    pub margin: f64,
}

/// How often one may look.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Display, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Method {
    /// At any time: confidence sequences.
    #[default]
    Sequential,
    /// Once, after `max_requests`: Welch's t and the test of two proportions.
    Fixed,
}

/// Which requests take part; what is absent lets all pass.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eligibility {
    /// At least one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, with = "as_text", skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    #[serde(default, with = "as_text", skip_serializing_if = "Option::is_none")]
    pub tier: Option<ComplexityTier>,
}

impl Eligibility {
    /// Says whether a request takes part.
    pub fn admits(&self, tags: &[String], quality: Quality, tier: ComplexityTier) -> bool {
        (self.tags.is_empty() || self.tags.iter().any(|tag| tags.contains(tag)))
            && self.quality.is_none_or(|wanted| wanted == quality)
            && self.tier.is_none_or(|wanted| wanted == tier)
    }
}

/// An experiment as it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypothesis: Option<String>,
    /// Two to eight; the first is control.
    pub arms: Vec<Arm>,
    #[serde(default)]
    pub unit: AssignmentUnit,
    pub metric: Metric,
    /// Absent: the metric's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<Guardrail>,
    /// The smallest difference that matters, in the metric's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_effect: Option<f64>,
    /// A difference below it is none, in the metric's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equivalence_margin: Option<f64>,
    /// The chance that anything the report claims is false, in (0, 0.5].
    #[serde(default = "usual_alpha")]
    pub alpha: f64,
    #[serde(default)]
    pub method: Method,
    /// In all arms together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_days: Option<u32>,
    /// In pico-dollars.
    #[serde(default, with = "as_pico", skip_serializing_if = "Option::is_none")]
    pub max_spend_pico: Option<Usd>,
    #[serde(default)]
    pub eligibility: Eligibility,
    /// Whether the first verdict ends it.
    #[serde(default)]
    pub auto_stop: bool,
    /// Makes assignments differ from those of an experiment of the same id elsewhere.
    #[serde(default)]
    pub salt: String,
    /// Units per arm at which intervals are tightest, such as [`super::plan::Planned::fixed_units`] of the minimum effect;
    /// settled before the first request. Absent: half of `max_requests`, at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tightest_at: Option<u64>,
}

impl Definition {
    /// The chance of a false claim where none is given.
    pub const DEFAULT_ALPHA: f64 = 0.05;

    /// Whether both ask for the same; where intervals are tightest may have been settled by what was known of the past.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let unsettled = |definition: &Self| Self { tightest_at: None, ..definition.clone() };
        unsettled(self) == unsettled(other)
    }
}

const fn one() -> f64 {
    1.0
}

const fn usual_alpha() -> f64 {
    Definition::DEFAULT_ALPHA
}

/// An experiment that can run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Definition", into = "Definition")]
pub struct Experiment(Definition);

impl TryFrom<Definition> for Experiment {
    type Error = BadDefinition;
    fn try_from(definition: Definition) -> Result<Self, BadDefinition> {
        check(&definition)?;
        Ok(Self(definition))
    }
}

impl From<Experiment> for Definition {
    fn from(experiment: Experiment) -> Self {
        experiment.0
    }
}

impl Experiment {
    /// Gives what was asked for.
    pub const fn definition(&self) -> &Definition {
        &self.0
    }

    /// Gives the shares of units that come to the arms, in their order; they are positive and sum to 1.
    pub fn shares(&self) -> Vec<f64> {
        let sum: f64 = self.0.arms.iter().map(|arm| arm.weight).sum();
        self.0.arms.iter().map(|arm| arm.weight / sum).collect()
    }

    /// Lists what its arms set.
    pub fn knobs(&self) -> BTreeSet<Knob> {
        self.0.arms.iter().flat_map(Arm::knobs).collect()
    }

    /// Gives the direction that is better.
    pub fn direction(&self) -> Direction {
        self.0.direction.unwrap_or(self.0.metric.direction())
    }

    /// Gives the claims that a report may make, among which α is shared: each treatment in each metric.
    pub fn claims(&self) -> f64 {
        ((self.0.arms.len() - 1) * (1 + self.0.guardrails.len())) as f64
    }

    /// Gives the units per arm at which intervals are tightest.
    pub fn tightest_at(&self) -> f64 {
        let half = |requests: u64| requests as f64 / self.0.arms.len() as f64 / 2.0;
        match (self.0.tightest_at, self.0.max_requests) {
            (Some(units), _) => units as f64,
            (None, Some(requests)) => half(requests).min(USUAL_UNITS),
            (None, None) => USUAL_UNITS,
        }
    }
}

/// Names of the domain in JSON, as everywhere.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let unknown = |text: &str| serde::de::Error::custom(format!("`{text}` is unknown here"));
        text.map(|text| text.parse().map_err(|_| unknown(&text))).transpose()
    }
}

/// Whole pico-dollars in JSON.
mod as_pico {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::domain::money::Usd;

    pub(super) fn serialize<S: Serializer>(value: &Option<Usd>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Usd::pico).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Usd>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(Usd::from_pico))
    }
}

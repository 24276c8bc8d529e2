//! What routing decided, and why.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::model::ModelCard;
use super::money::Usd;

/// How good the answer has to be, as the caller asked for it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Quality {
    Economy,
    #[default]
    Balanced,
    Best,
}

/// The way a model is chosen.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum StrategyName {
    /// By the prompt's surface alone.
    Complexity,
    /// By the outcomes of similar prompts.
    Learning,
    /// By outcomes as far as there are any, by the surface otherwise.
    #[default]
    Hybrid,
}

/// How far the decision may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Confidence {
    Low,
    Medium,
    High,
}

/// How hard a prompt looks, in three steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ComplexityTier {
    Simple,
    Moderate,
    Complex,
}

/// How hard a prompt looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Complexity {
    /// In [0, 1]; harder is higher.
    pub score: f64,
    pub tier: ComplexityTier,
}

/// What a call would cost, before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostEstimate {
    /// A short answer to the prompt at its lowest token estimate.
    pub low: Usd,
    /// The usual answer; candidates are compared by it.
    pub expected: Usd,
    /// The full output limit at the highest token estimate: the most the call may cost.
    pub high: Usd,
}

/// How well a model is expected to answer, in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedQuality {
    pub mean: f64,
    /// The true share of good answers lies above it with a probability of 95 %.
    pub low: f64,
    /// The true share of good answers lies below it with a probability of 95 %.
    pub high: f64,
}

/// A model that could answer, with its price where it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub card: ModelCard,
    /// Absent: the model has no known price.
    pub estimate: Option<CostEstimate>,
    /// Absent: the decision was made without expecting anything.
    pub expected_quality: Option<ExpectedQuality>,
}

/// Models to ask, in order, and why in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The strategy that decided; it differs from the one asked for when that had no evidence.
    pub strategy: StrategyName,
    pub complexity: Complexity,
    pub confidence: Confidence,
    pub reason: String,
    /// The first is the choice, the others stand in for it in this order; never empty.
    pub candidates: Vec<Candidate>,
}

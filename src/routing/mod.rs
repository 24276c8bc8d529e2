//! Pure: which model to ask, and which to ask instead.
//!
//! A strategy sees the prompt, the models that may be asked and what is known of similar prompts, and decides; it calls nobody, keeps
//! nothing and reads no clock.

pub mod candidates;
pub mod complexity;
pub mod dominance;
pub mod drift;
pub mod escalation;
pub mod evidence;
mod explanation;
pub mod exploration;
pub mod features;
pub mod forecast;
pub mod learning;
pub mod ledger;
pub mod outcomes;
pub mod success;

pub mod focus;
pub mod input;
pub mod ridge;
pub mod surface;

mod arithmetic;
pub mod cascade;
pub mod checks;
mod words;

#[cfg(test)]
mod samples;

use self::success::Learned;
use crate::domain::decision::{Candidate, Decision, StrategyName};
use crate::domain::embedding::Embedding;
use crate::domain::outcome::Outcome;
use crate::domain::prompt::RouteRequest;

/// What a strategy may look at.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub request: &'a RouteRequest,
    /// The models that may be asked; never empty.
    pub candidates: &'a [Candidate],
    /// How similar prompts were answered, in any order; empty where nothing is known.
    pub evidence: &'a [Outcome],
    /// What all outcomes together say.
    pub learned: &'a Learned,
    /// Of the prompt, or of [`focus::focus`] of it where it is longer than the embedder reads.
    pub embedding: Option<&'a Embedding>,
}

/// A way to choose a model.
pub trait Strategy: Send + Sync {
    /// Puts the candidates in the order in which to ask them, and says why.
    fn decide(&self, question: &Question<'_>) -> Decision;
}

/// Finds the strategy of a name.
pub fn strategy(name: StrategyName) -> &'static dyn Strategy {
    match name {
        StrategyName::Complexity => &complexity::ByComplexity,
        StrategyName::Learning => &learning::ByOutcomes::LEARNING,
        StrategyName::Hybrid => &learning::ByOutcomes::HYBRID,
    }
}

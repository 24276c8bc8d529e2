//! Pure: which model to ask, and which to ask instead.
//!
//! A strategy sees the prompt and the models that may be asked, and decides; it calls nobody, keeps
//! nothing and reads no clock.

pub mod candidates;
pub mod complexity;
pub mod features;
pub mod learning;

use crate::domain::decision::{Candidate, Decision, StrategyName};
use crate::domain::prompt::RouteRequest;

/// What a strategy may look at.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub request: &'a RouteRequest,
    /// The models that may be asked; never empty.
    pub candidates: &'a [Candidate],
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
        StrategyName::Learning => &learning::WithoutEvidence::LEARNING,
        StrategyName::Hybrid => &learning::WithoutEvidence::HYBRID,
    }
}

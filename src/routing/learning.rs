//! Strategies that learn from outcomes, as long as there are none to learn from.

use super::complexity::ByComplexity;
use super::{Question, Strategy};
use crate::domain::decision::{Confidence, Decision};

/// Chooses by complexity and says that nothing was learned.
#[derive(Debug, Clone, Copy)]
pub struct WithoutEvidence {
    preface: &'static str,
}

impl WithoutEvidence {
    pub const LEARNING: Self =
        Self { preface: "learning has no outcomes of similar prompts to go by, so complexity decides: " };
    pub const HYBRID: Self =
        Self { preface: "hybrid has no outcomes of similar prompts yet, so complexity alone decides: " };
}

impl Strategy for WithoutEvidence {
    fn decide(&self, question: &Question<'_>) -> Decision {
        let decision = ByComplexity.decide(question);
        Decision {
            confidence: Confidence::Low,
            reason: format!("{}{}", self.preface, decision.reason),
            ..decision
        }
    }
}

//! A candidate for tests.

use crate::domain::decision::{Candidate, CostEstimate, ExpectedQuality};
use crate::domain::model::{ModelCard, ModelRef, ProviderId, Tier};
use crate::domain::money::Usd;

/// Makes a candidate that is expected to be good with a chance `[low, mean, high]`, and costs the same in any case.
pub(super) fn candidate(model: &str, [low, mean, high]: [f64; 3], pico: i64) -> Candidate {
    let cost = Usd::from_pico(pico);
    Candidate {
        card: ModelCard {
            reference: ModelRef { provider: ProviderId::OpenRouter, model: model.to_owned() },
            tier: Tier::Best,
            context_window: 100_000,
            max_output: 8_000,
            thinking_allowance: 0,
            quality_prior: 0.5,
            is_streamed: true,
            source: "a test".to_owned(),
        },
        estimate: Some(CostEstimate { low: cost, expected: cost, high: cost }),
        expected_quality: Some(ExpectedQuality { mean, low, high }),
    }
}

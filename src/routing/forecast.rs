//! What a decision forecast, kept with the request until its outcomes are known and can be learned from.

use serde::{Deserialize, Serialize};

use super::Question;
use super::input::input;
use super::ledger::Trial;
use super::success::{RoutingState, session_weight};
use crate::domain::decision::Candidate;
use crate::domain::model::ModelRef;
use crate::domain::rating::Score;

/// What was known of a prompt and expected of its candidates: some 700 bytes as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// As [`input`] gives it, to three digits.
    input: Vec<f32>,
    candidates: Vec<Forecasted>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Forecasted {
    provider: String,
    model: String,
    /// Expected quality, in [0, 1].
    expected: f32,
    /// Forecast cost, in pico-dollars.
    cost: i64,
}

impl Forecast {
    /// Takes down what was decided; `None` where nothing was expected of any candidate, or no price is known.
    pub fn of(question: &Question<'_>, candidates: &[Candidate]) -> Option<Self> {
        let forecasted = candidates.iter().filter_map(|candidate| {
            let reference = &candidate.card.reference;
            Some(Forecasted {
                provider: reference.provider.to_string(),
                model: reference.model.clone(),
                expected: rounded(candidate.expected_quality?.mean),
                cost: candidate.estimate?.expected.pico(),
            })
        });
        let candidates: Vec<Forecasted> = forecasted.collect();
        let input = input(question.request.prompt.as_str(), question.embedding);
        (!candidates.is_empty()).then(|| Self { input: input.into_iter().map(rounded).collect(), candidates })
    }

    /// Writes it as text that [`Forecast::read`] reads.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what was written; `None` where it is something else.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Adds what came of it: the scores of the models that were asked, of a prompt that is the nth of its session, from 1.
    pub fn learn(&self, state: &mut RoutingState, scores: &[(ModelRef, Score)], nth: Option<u64>) {
        let known: Vec<(ModelRef, &Forecasted)> = self
            .candidates
            .iter()
            .filter_map(|forecasted| {
                let provider = forecasted.provider.parse().ok()?;
                Some((ModelRef { provider, model: forecasted.model.clone() }, forecasted))
            })
            .collect();
        let trials: Vec<Trial<'_>> = known
            .iter()
            .map(|(reference, forecasted)| Trial {
                reference,
                expected: f64::from(forecasted.expected),
                cost: forecasted.cost as f64,
                score: scores
                    .iter()
                    .find(|(billed, _)| reference.is_billed_as(billed))
                    .map(|(_, score)| score.get()),
            })
            .collect();
        let input: Vec<f64> = self.input.iter().copied().map(f64::from).collect();
        state.learn(&input, &trials, nth.map_or(1.0, session_weight));
    }
}

/// Keeps three digits after the point.
fn rounded(number: f64) -> f32 {
    ((number * 1e3).round() / 1e3) as f32
}

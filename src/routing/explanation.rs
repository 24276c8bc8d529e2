//! Why a model was chosen, in words: the nearest evidence, the floor, the price, the runner-up, and whether the prompt's
//! looks alone would have chosen another.

use super::Question;
use super::evidence::Expectation;
use super::ledger::{Rule, floor};
use crate::domain::decision::{Candidate, StrategyName};

/// Models whose outcomes are told.
const TOLD: usize = 3;

/// A candidate and what is expected of it.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) candidate: Candidate,
    pub(super) expectation: Expectation,
}

impl Expected {
    /// Gives the expected quality, in [0, 1].
    pub(super) const fn mean(&self) -> f64 {
        self.expectation.quality.mean
    }

    /// Gives the expected cost in pico-dollars, as a number to weigh; `None` where no price is known.
    pub(super) fn cost(&self) -> Option<f64> {
        self.candidate.estimate.map(|estimate| estimate.expected.pico() as f64)
    }

    fn told(&self) -> String {
        let price = self
            .candidate
            .estimate
            .map_or_else(|| "price unknown".to_owned(), |estimate| format!("about {}", estimate.expected));
        format!("{} (expected quality {:.2}, {price})", self.candidate.card.reference, self.mean())
    }
}

/// Says why the first of the candidates is first; `other` is what complexity alone would have chosen instead.
pub(super) fn reason(
    name: StrategyName,
    question: &Question<'_>,
    rule: Rule,
    expected: &[Expected],
    other: Option<&Candidate>,
) -> String {
    let mut known: Vec<&Expected> =
        expected.iter().filter(|expected| expected.expectation.outcomes > 0).collect();
    known.sort_by(|left, right| right.expectation.weight.total_cmp(&left.expectation.weight));
    let told: Vec<String> = known
        .iter()
        .take(TOLD)
        .map(|expected| {
            let Expectation { good, outcomes, .. } = expected.expectation;
            format!(
                "{good} of {outcomes} similar prompts rated good on {}",
                expected.candidate.card.reference
            )
        })
        .collect();
    let told = if told.is_empty() { "no similar prompt has an outcome".to_owned() } else { told.join(", ") };
    let quality = question.request.quality;
    let mut reason = format!("{name}: {told}; quality {quality} asks for {:.2} of the best", floor(quality));
    reason.push_str(&match rule {
        Rule::Unknown => " as expected, too few outcomes to promise it".to_owned(),
        Rule::Price(_) => format!(" single model, kept over {:.0} past prompts", question.learned.prompts()),
        Rule::BestAlone => " single model, which no other choice is sure to keep".to_owned(),
    });
    if let Some(chosen) = expected.first() {
        reason.push_str(&format!("; {} is chosen", chosen.told()));
    }
    if let Some(next) = expected.get(1) {
        reason.push_str(&format!("; next would be {}", next.told()));
    }
    if let Some(other) = other {
        reason.push_str(&format!("; by its looks alone it would be {}", other.card.reference));
    }
    reason
}

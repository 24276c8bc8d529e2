//! Trials: now and then another model answers the same prompt beside the choice, only to learn how it does.

use crate::domain::decision::Candidate;
use crate::domain::model::ModelRef;
use crate::domain::money::Usd;

/// Trials of each model that are wanted for so many prompts, and once more for each time that there are as many again.
const TRIALS: f64 = 10.0;
/// How good an answer is taken to be that differs from one that is itself wrong; judged, not measured.
const RIGHT_WHERE_OTHER_IS_WRONG: f64 = 0.5;

/// Gives the share of prompts to try, in [0, 1], after so many that were learned from.
pub fn share(models: usize, learned: f64) -> f64 {
    (TRIALS * models as f64 / (learned.max(0.0) + 1.0)).min(1.0)
}

/// Lists the places of those of whom one may be tried, by chance: those that could come to be chosen and that the money
/// is enough for.
///
/// One that is dearer than another that surely is as good is none.
pub fn open(candidates: &[Candidate], asked: &[ModelRef], budget: Usd) -> Vec<usize> {
    let figures = |candidate: &Candidate| Some((candidate.expected_quality?, candidate.estimate?));
    let could_be_chosen = |candidate: &Candidate| {
        let Some((quality, cost)) = figures(candidate) else { return false };
        !candidates
            .iter()
            .filter_map(figures)
            .any(|(other, price)| other.mean >= quality.high && price.expected < cost.expected)
    };
    let is_asked =
        |candidate: &Candidate| asked.iter().any(|billed| candidate.card.reference.is_billed_as(billed));
    candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| !is_asked(candidate) && could_be_chosen(candidate))
        .filter(|(_, candidate)| candidate.estimate.is_some_and(|cost| cost.high <= budget))
        .map(|(place, _)| place)
        .collect()
}

/// Scores a tried answer by whether it agrees with that of the choice, which is good with a chance: one that differs can
/// be good only where the other is wrong.
pub fn score(agrees: bool, expected: f64) -> f64 {
    let expected = expected.clamp(0.0, 1.0);
    if agrees { expected } else { (1.0 - expected) * RIGHT_WHERE_OTHER_IS_WRONG }
}

#[cfg(test)]
mod tests {
    use super::super::samples::candidate;
    use super::*;
    use crate::domain::model::ProviderId;

    fn reference(model: &str) -> ModelRef {
        ModelRef { provider: ProviderId::OpenRouter, model: model.to_owned() }
    }

    #[test]
    fn whoever_could_be_chosen_may_be_tried() {
        let candidates = [
            candidate("choice", [0.7, 0.8, 0.9], 10),
            candidate("hopeless", [0.3, 0.4, 0.5], 20),
            candidate("cheap", [0.3, 0.4, 0.5], 5),
            candidate("unknown", [0.0, 0.5, 1.0], 20),
            candidate("too dear", [0.0, 0.5, 1.0], 101),
            Candidate { estimate: None, ..candidate("unpriced", [0.0, 0.5, 1.0], 1) },
        ];
        let asked = [reference("choice")];
        let budget = Usd::from_pico(100);
        assert_eq!(open(&candidates, &asked, budget), [2, 3]);
        assert!(open(&candidates[..2], &asked, budget).is_empty());
        assert!(open(&candidates, &asked, Usd::from_pico(4)).is_empty());
    }

    #[test]
    fn trials_become_rare() {
        assert_eq!((share(3, 0.0), share(3, 29.0), share(3, 299.0)), (1.0, 1.0, 0.1));
        assert_eq!(share(3, f64::NAN), 1.0);
    }

    #[test]
    fn an_answer_that_differs_from_a_good_one_is_bad() {
        assert_eq!((score(true, 0.9), score(true, 7.0)), (0.9, 1.0));
        assert!((score(false, 0.9) - 0.05).abs() < 1e-9 && (score(false, 0.2) - 0.4).abs() < 1e-9);
    }
}

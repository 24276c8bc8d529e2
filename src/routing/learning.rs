//! Strategies that go by the outcomes of similar prompts, and by complexity where there are none.
//!
//! Of the models that are expected to answer nearly as well as the best, the cheapest is chosen. The two
//! strategies differ in what they expect before they have seen anything.

use std::cmp::Reverse;

use super::complexity::{ByComplexity, required_tier};
use super::evidence::{Expectation, Prior, expectation};
use super::{Question, Strategy};
use crate::domain::decision::{Candidate, Complexity, Confidence, Decision, Quality, StrategyName};
use crate::domain::model::ModelCard;

/// `learning` leaves its prior soon.
const LEARNING_STRENGTH: f64 = 2.0;
/// `hybrid` takes more to be talked out of what the prompt looks like.
const HYBRID_STRENGTH: f64 = 8.0;
/// What `hybrid` expects of every model that is good enough for the prompt's looks; judged, not measured.
const GOOD_ENOUGH: f64 = 0.9;
/// What each missing tier takes from it; judged, not measured.
const MISSING_TIER: f64 = 0.2;

/// Evidence of the chosen model (outcomes of the very same prompt) from which a decision may be trusted.
const MEDIUM_FROM: f64 = 2.0;
const HIGH_FROM: f64 = 10.0;
/// Models whose outcomes are told.
const TOLD: usize = 3;

/// Chooses by outcomes.
#[derive(Debug, Clone, Copy)]
pub struct ByOutcomes {
    name: StrategyName,
    without_evidence: &'static str,
}

impl ByOutcomes {
    /// Expects of each model what the models table says.
    pub const LEARNING: Self = Self {
        name: StrategyName::Learning,
        without_evidence: "learning has no outcomes of similar prompts to go by, so complexity decides: ",
    };
    /// Expects of each model what the prompt's looks say.
    pub const HYBRID: Self = Self {
        name: StrategyName::Hybrid,
        without_evidence: "hybrid has no outcomes of similar prompts yet, so complexity alone decides: ",
    };

    fn prior(self, card: &ModelCard, quality: Quality, complexity: Complexity) -> Prior {
        if self.name == StrategyName::Learning {
            return Prior { mean: card.quality_prior, strength: LEARNING_STRENGTH };
        }
        let wanted = required_tier(quality, complexity.tier);
        let missing = (wanted as u8).saturating_sub(card.tier as u8);
        Prior { mean: GOOD_ENOUGH - MISSING_TIER * f64::from(missing), strength: HYBRID_STRENGTH }
    }
}

impl Strategy for ByOutcomes {
    fn decide(&self, question: &Question<'_>) -> Decision {
        let by_complexity = ByComplexity.decide(question);
        let quality = question.request.quality;
        let expect = |candidate: &Candidate| {
            let prior = self.prior(&candidate.card, quality, by_complexity.complexity);
            expectation(&candidate.card.reference, prior, question.evidence)
        };
        let mut expected: Vec<(Candidate, Expectation)> =
            question.candidates.iter().map(|candidate| (candidate.clone(), expect(candidate))).collect();
        if expected.iter().all(|(_, expectation)| expectation.outcomes == 0) {
            return Decision {
                confidence: Confidence::Low,
                reason: format!("{}{}", self.without_evidence, by_complexity.reason),
                ..by_complexity
            };
        }
        let best = expected.iter().map(|(_, expectation)| expectation.quality).fold(0.0, f64::max);
        let reaches = |expectation: &Expectation| expectation.quality >= floor(quality) * best;
        expected.sort_by(|(left, left_expectation), (right, right_expectation)| {
            let key = |candidate: &Candidate, expectation: &Expectation| {
                let price = candidate.estimate.map(|estimate| estimate.expected);
                // Those that reach the floor by price, where an unknown one is last; the others by quality alone.
                let price = reaches(expectation).then_some((price.is_none(), price));
                (Reverse(price.is_some()), price)
            };
            key(left, left_expectation)
                .cmp(&key(right, right_expectation))
                .then(right_expectation.quality.total_cmp(&left_expectation.quality))
                .then_with(|| left.card.reference.cmp(&right.card.reference))
        });
        let reaching = expected.iter().filter(|(_, expectation)| reaches(expectation)).count();
        let reason = explain(self.name, quality, &expected, reaching);
        let weight = expected.first().map_or(0.0, |(_, expectation)| expectation.weight);
        Decision {
            strategy: self.name,
            complexity: by_complexity.complexity,
            confidence: confidence(weight),
            reason,
            candidates: expected.into_iter().map(|(candidate, _)| candidate).collect(),
        }
    }
}

/// Gives the share of the best model's expected quality that a choice must reach.
const fn floor(quality: Quality) -> f64 {
    match quality {
        Quality::Economy => 0.90,
        Quality::Balanced => 0.95,
        Quality::Best => 1.0,
    }
}

fn confidence(weight: f64) -> Confidence {
    match weight {
        weight if weight < MEDIUM_FROM => Confidence::Low,
        weight if weight < HIGH_FROM => Confidence::Medium,
        _ => Confidence::High,
    }
}

fn explain(
    name: StrategyName,
    quality: Quality,
    expected: &[(Candidate, Expectation)],
    reaching: usize,
) -> String {
    let mut known: Vec<&(Candidate, Expectation)> =
        expected.iter().filter(|(_, expectation)| expectation.outcomes > 0).collect();
    known.sort_by(|left, right| right.1.weight.total_cmp(&left.1.weight));
    let told: Vec<String> = known
        .iter()
        .take(TOLD)
        .map(|(candidate, expectation)| {
            format!(
                "{} of {} similar prompts went well on {} (expected quality {:.2})",
                expectation.good, expectation.outcomes, candidate.card.reference, expectation.quality
            )
        })
        .collect();
    let mut reason = format!("{name}: {}", told.join(", "));
    // Of equals the first, and the choice is the first of all.
    let best = expected.iter().rev().max_by(|left, right| left.1.quality.total_cmp(&right.1.quality));
    if let (Some((chosen, expectation)), Some((best, best_expectation))) = (expected.first(), best) {
        let price = chosen
            .estimate
            .map_or_else(|| "price unknown".to_owned(), |estimate| format!("about {}", estimate.expected));
        reason.push_str(&format!(
            "; quality {quality} asks for {:.2} of the best ({:.2}, {}); {} ({:.2}) is chosen: the cheapest of {reaching} \
             that reach it, {price}",
            floor(quality),
            best_expectation.quality,
            best.card.reference,
            chosen.card.reference,
            expectation.quality
        ));
    }
    if let Some((next, expectation)) = expected.get(1) {
        reason.push_str(&format!("; next would be {} ({:.2})", next.card.reference, expectation.quality));
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::super::evidence::tests::outcome;
    use super::*;
    use crate::domain::decision::CostEstimate;
    use crate::domain::model::{ModelRef, ProviderId, Tier};
    use crate::domain::money::Usd;
    use crate::domain::outcome::Outcome;
    use crate::domain::prompt::{Prompt, RouteRequest};
    use proptest::prelude::{Just, Strategy as _, prop, prop_assert_eq, proptest};

    fn candidate(model: &str, tier: Tier, quality_prior: f64, pico: i64) -> Candidate {
        let cost = Usd::from_pico(pico);
        Candidate {
            card: ModelCard {
                reference: ModelRef { provider: ProviderId::Anthropic, model: model.to_owned() },
                tier,
                context_window: 100_000,
                max_output: 8_000,
                thinking_allowance: 0,
                quality_prior,
                is_streamed: true,
                source: "a test".to_owned(),
            },
            estimate: Some(CostEstimate { low: cost, expected: cost, high: cost }),
        }
    }

    fn candidates() -> Vec<Candidate> {
        vec![
            candidate("good", Tier::Best, 0.95, 900),
            candidate("cheap", Tier::Economy, 0.8, 10),
            candidate("middle", Tier::Balanced, 0.9, 100),
            candidate("cheap-too", Tier::Economy, 0.8, 20),
        ]
    }

    fn decide(strategy: ByOutcomes, quality: Quality, evidence: &[Outcome]) -> Decision {
        let prompt = Prompt::new("What is the capital of France?").expect("a prompt");
        let request = RouteRequest { quality, ..RouteRequest::new(prompt) };
        strategy.decide(&Question { request: &request, candidates: &candidates(), evidence })
    }

    fn order(decision: &Decision) -> Vec<&str> {
        decision.candidates.iter().map(|candidate| candidate.card.reference.model.as_str()).collect()
    }

    fn times(count: usize, model: &str, score: f64) -> Vec<Outcome> {
        vec![outcome(model, 0.95, score); count]
    }

    #[test]
    fn the_cheapest_model_that_outcomes_do_not_speak_against_is_chosen() {
        let check = |strategy, quality, evidence: Vec<Outcome>, expected: &[&str]| {
            let decision = decide(strategy, quality, &evidence);
            assert_eq!(order(&decision), expected, "{}", decision.reason);
        };
        let (hybrid, learning) = (ByOutcomes::HYBRID, ByOutcomes::LEARNING);
        let (economy, balanced, best) = (Quality::Economy, Quality::Balanced, Quality::Best);
        check(hybrid, balanced, vec![], &["cheap", "cheap-too", "middle", "good"]);
        check(hybrid, balanced, times(1, "cheap", 1.0), &["cheap", "cheap-too", "middle", "good"]);
        check(hybrid, balanced, times(3, "cheap", 0.0), &["cheap-too", "middle", "good", "cheap"]);
        check(hybrid, balanced, vec![outcome("cheap", 0.5, 0.0)], &["cheap", "cheap-too", "middle", "good"]);
        // A model that the prompt's looks speak against is chosen once outcomes speak for it.
        check(hybrid, best, times(1, "cheap", 1.0), &["good", "middle", "cheap", "cheap-too"]);
        check(hybrid, best, times(300, "cheap", 1.0), &["cheap", "good", "middle", "cheap-too"]);
        check(learning, balanced, times(1, "cheap", 1.0), &["good", "middle", "cheap", "cheap-too"]);
        check(learning, balanced, times(9, "cheap", 1.0), &["cheap", "good", "middle", "cheap-too"]);
        check(learning, economy, times(9, "cheap", 0.0), &["middle", "good", "cheap-too", "cheap"]);
    }

    #[test]
    fn without_evidence_both_decide_as_complexity_does_and_say_so() {
        for strategy in [ByOutcomes::HYBRID, ByOutcomes::LEARNING] {
            for evidence in [vec![], times(9, "another", 0.0)] {
                let decision = decide(strategy, Quality::Balanced, &evidence);
                let prompt = Prompt::new("What is the capital of France?").expect("a prompt");
                let request = RouteRequest::new(prompt);
                let question = Question { request: &request, candidates: &candidates(), evidence: &evidence };
                let by_complexity = ByComplexity.decide(&question);
                assert_eq!(decision.candidates, by_complexity.candidates);
                assert_eq!(decision.strategy, StrategyName::Complexity);
                assert!(
                    decision.reason.contains("has no outcomes of similar prompts"),
                    "{}",
                    decision.reason
                );
            }
        }
    }

    #[test]
    fn the_reason_names_evidence_floor_and_runner_up() {
        let mut evidence = times(4, "cheap", 1.0);
        evidence.extend(times(2, "cheap", 0.0));
        let decision = decide(ByOutcomes::HYBRID, Quality::Balanced, &evidence);
        assert_eq!(
            decision.reason,
            "hybrid: 4 of 6 similar prompts went well on anthropic/cheap (expected quality 0.81); quality balanced asks \
             for 0.95 of the best (0.90, anthropic/cheap-too); anthropic/cheap-too (0.90) is chosen: the cheapest of 3 \
             that reach it, about $0.00000000002; next would be anthropic/middle (0.90)"
        );
        assert_eq!((decision.strategy, decision.confidence), (StrategyName::Hybrid, Confidence::Low));
        let sure = decide(ByOutcomes::HYBRID, Quality::Balanced, &times(20, "cheap", 1.0));
        assert_eq!(sure.confidence, Confidence::High);
    }

    proptest! {
        #[test]
        fn every_candidate_stays_and_the_order_of_evidence_does_not_matter(
            (evidence, shuffled) in prop::collection::vec(("cheap|middle|good", 0.0..1.0_f32, 0.0..=1.0_f64), 0..20)
                .prop_map(|outcomes| {
                    outcomes.iter().map(|(model, near, score)| outcome(model, *near, *score)).collect::<Vec<_>>()
                })
                .prop_flat_map(|evidence| (Just(evidence.clone()), Just(evidence).prop_shuffle())),
        ) {
            for strategy in [ByOutcomes::HYBRID, ByOutcomes::LEARNING] {
                let decision = decide(strategy, Quality::Balanced, &evidence);
                prop_assert_eq!(&decision, &decide(strategy, Quality::Balanced, &shuffled));
                let mut models = order(&decision);
                models.sort_unstable();
                prop_assert_eq!(models, ["cheap", "cheap-too", "good", "middle"]);
            }
        }
    }
}

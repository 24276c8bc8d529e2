//! Strategies that go by outcomes, and by complexity where there are none.
//!
//! Of every model a quality is expected: what the prompt's looks or the models table say, then what all outcomes say
//! ([`super::success`]), then what the outcomes of similar prompts say. Once the past tells what a price of quality does
//! ([`super::ledger`]), the model of the largest quality − price · cost is chosen; before that, the cheapest that is
//! expected to reach the floor. The two strategies differ in what they expect before they have seen anything.

use std::cmp::Ordering;

use super::complexity::{ByComplexity, required_tier};
use super::evidence::{Expectation, Prior, expectation};
use super::explanation::{Expected, reason};
use super::input::input;
use super::ledger::{Rule, floor};
use super::{Question, Strategy};
use crate::domain::decision::{Candidate, Complexity, Confidence, Decision, Quality, StrategyName};
use crate::domain::model::ModelCard;

/// What `hybrid` expects of every model that is good enough for the prompt's looks; judged, not measured.
const GOOD_ENOUGH: f64 = 0.9;
/// What each missing tier takes from it; judged, not measured.
const MISSING_TIER: f64 = 0.2;

/// A mean score that is lower by no more is as good.
const AS_GOOD: f64 = 1e-3;

/// Evidence of the chosen model (outcomes of the very same prompt) from which a decision may be trusted; 200 outcomes
/// of prompts that have nothing to do with each other make about 10.
const MEDIUM_FROM: f64 = 10.0;
const HIGH_FROM: f64 = 30.0;

/// Chooses by outcomes.
#[derive(Debug, Clone, Copy)]
pub struct ByOutcomes {
    name: StrategyName,
    without_evidence: &'static str,
    /// Outcomes of a model, of any prompts, that outweigh what was thought of it before.
    doubt: f64,
    /// Outcomes of the very same prompt that outweigh what all other outcomes say.
    strength: f64,
}

impl ByOutcomes {
    /// Expects of each model what the models table says.
    pub const LEARNING: Self = Self {
        name: StrategyName::Learning,
        without_evidence: "learning has no outcomes of similar prompts to go by, so complexity decides: ",
        doubt: 2.0,
        strength: 4.0,
    };
    /// Expects of each model what the prompt's looks say.
    pub const HYBRID: Self = Self {
        name: StrategyName::Hybrid,
        without_evidence: "hybrid has no outcomes of similar prompts yet, so complexity alone decides: ",
        doubt: 8.0,
        strength: 10.0,
    };

    /// Expects something of every candidate, in their order.
    pub fn expect(self, question: &Question<'_>) -> Vec<Expectation> {
        self.expect_beside(question, ByComplexity.decide(question).complexity)
    }

    fn expect_beside(self, question: &Question<'_>, complexity: Complexity) -> Vec<Expectation> {
        let input = (!question.learned.is_empty())
            .then(|| input(question.request.prompt.as_str(), question.embedding));
        let expect = |candidate: &Candidate| {
            let reference = &candidate.card.reference;
            let mut prior = self.prior(&candidate.card, question.request.quality, complexity);
            if let (Some(input), Some(fit)) = (&input, question.learned.fit(reference)) {
                let mean = fit.mean(input).clamp(0.0, 1.0);
                prior.mean = (fit.weight() * mean + self.doubt * prior.mean) / (fit.weight() + self.doubt);
                // As many outcomes of one kind as would leave the mean as unsure.
                prior.outcomes = (0.25 / fit.variance(input).max(1e-6)).min(fit.weight() + self.doubt);
            }
            expectation(reference, prior, question.evidence)
        };
        question.candidates.iter().map(expect).collect()
    }

    fn prior(self, card: &ModelCard, quality: Quality, complexity: Complexity) -> Prior {
        let mean = if self.name == StrategyName::Learning {
            card.quality_prior
        } else {
            let wanted = required_tier(quality, complexity.tier);
            let missing = (wanted as u8).saturating_sub(card.tier as u8);
            GOOD_ENOUGH - MISSING_TIER * f64::from(missing)
        };
        Prior { mean, strength: self.strength, outcomes: self.doubt }
    }
}

impl Strategy for ByOutcomes {
    fn decide(&self, question: &Question<'_>) -> Decision {
        let by_complexity = ByComplexity.decide(question);
        let quality = question.request.quality;
        let expected = self.expect_beside(question, by_complexity.complexity);
        let knows = |candidate: &Candidate| question.learned.fit(&candidate.card.reference).is_some();
        if expected.iter().all(|expectation| expectation.outcomes == 0)
            && !question.candidates.iter().any(knows)
        {
            return Decision {
                confidence: Confidence::Low,
                reason: format!("{}{}", self.without_evidence, by_complexity.reason),
                ..by_complexity
            };
        }
        let mut expected: Vec<Expected> = question
            .candidates
            .iter()
            .zip(expected)
            .map(|(candidate, expectation)| Expected {
                candidate: Candidate { expected_quality: Some(expectation.quality), ..candidate.clone() },
                expectation,
            })
            .collect();
        let rule = question.learned.rule(floor(quality));
        sort(&mut expected, rule, quality, question);
        let differs = by_complexity.candidates.first().filter(|first| {
            expected.first().is_some_and(|chosen| chosen.candidate.card.reference != first.card.reference)
        });
        let reason = reason(self.name, question, rule, &expected, differs);
        let weight = expected.first().map_or(0.0, |chosen| chosen.expectation.weight);
        Decision {
            strategy: self.name,
            complexity: by_complexity.complexity,
            confidence: confidence(weight),
            reason,
            candidates: expected.into_iter().map(|expected| expected.candidate).collect(),
        }
    }
}

/// Puts first what is to be asked first.
fn sort(expected: &mut [Expected], rule: Rule, quality: Quality, question: &Question<'_>) {
    let best = expected.iter().map(Expected::mean).fold(0.0, f64::max);
    let learned = |expected: &Expected| question.learned.mean(&expected.candidate.card.reference);
    let best_alone = expected.iter().filter_map(learned).fold(0.0, f64::max);
    expected.sort_by(|left, right| {
        let by_quality = right.mean().total_cmp(&left.mean());
        let by_rule = match rule {
            // An unknown price sorts after every known one.
            Rule::Price(price) => {
                let utility =
                    |expected: &Expected| expected.cost().map(|cost| expected.mean() - price * cost);
                match (utility(left), utility(right)) {
                    (Some(left), Some(right)) => right.total_cmp(&left),
                    (left, right) => right.is_some().cmp(&left.is_some()),
                }
            }
            Rule::BestAlone => {
                let is_best =
                    |expected: &Expected| learned(expected).is_some_and(|mean| mean >= best_alone - AS_GOOD);
                match (is_best(left), is_best(right)) {
                    (true, true) => Ordering::Equal,
                    (false, false) => by_quality,
                    (left, right) => right.cmp(&left),
                }
            }
            // Those that reach the floor by price, the others by quality alone.
            Rule::Unknown => {
                let reaches = |expected: &Expected| expected.mean() >= floor(quality) * best;
                match (reaches(left), reaches(right)) {
                    (true, true) => Ordering::Equal,
                    (false, false) => by_quality,
                    (left, right) => right.cmp(&left),
                }
            }
        };
        let price = |expected: &Expected| {
            let price = expected.candidate.estimate.map(|estimate| estimate.expected);
            (price.is_none(), price)
        };
        by_rule
            .then_with(|| price(left).cmp(&price(right)))
            .then(by_quality)
            .then_with(|| left.candidate.card.reference.cmp(&right.candidate.card.reference))
    });
}

fn confidence(weight: f64) -> Confidence {
    match weight {
        weight if weight < MEDIUM_FROM => Confidence::Low,
        weight if weight < HIGH_FROM => Confidence::Medium,
        _ => Confidence::High,
    }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::tests::outcome;
    use super::super::ledger::Trial;
    use super::super::samples;
    use super::super::success::{Learned, RoutingState};
    use super::*;
    use crate::domain::model::{ModelRef, ProviderId, Tier};
    use crate::domain::outcome::Outcome;
    use crate::domain::prompt::{Prompt, RouteRequest};
    use proptest::prelude::{
        Just, ProptestConfig, Strategy as _, prop, prop_assert, prop_assert_eq, proptest,
    };

    fn candidate(model: &str, tier: Tier, quality_prior: f64, pico: i64) -> Candidate {
        let sample = samples::candidate(model, [0.0; 3], pico);
        let reference = ModelRef { provider: ProviderId::Anthropic, model: model.to_owned() };
        let card = ModelCard { reference, tier, quality_prior, ..sample.card };
        Candidate { card, expected_quality: None, ..sample }
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
        let learned = Learned::default();
        strategy.decide(&question(&request, &candidates(), evidence, &learned))
    }

    fn question<'a>(
        request: &'a RouteRequest,
        candidates: &'a [Candidate],
        evidence: &'a [Outcome],
        learned: &'a Learned,
    ) -> Question<'a> {
        Question { request, candidates, evidence, learned, embedding: None }
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
                let (candidates, learned) = (candidates(), Learned::default());
                let question = question(&request, &candidates, &evidence, &learned);
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
            "hybrid: 4 of 6 similar prompts rated good on anthropic/cheap; quality balanced asks for 0.95 of the best as \
             expected, too few outcomes to promise it; anthropic/cheap-too (expected quality 0.90, about \
             $0.00000000002) is chosen; next would be anthropic/middle (expected quality 0.90, about $0.0000000001); \
             by its looks alone it would be anthropic/cheap"
        );
        assert_eq!((decision.strategy, decision.confidence), (StrategyName::Hybrid, Confidence::Low));
        let sure = decide(ByOutcomes::HYBRID, Quality::Balanced, &times(40, "cheap", 1.0));
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

    /// Learns from prompts that all models answer as well as these scores say.
    fn learned(scores: [f64; 4]) -> Learned {
        let (candidates, mut state) = (candidates(), RoutingState::default());
        let input = input("What is the capital of France?", None);
        for place in 0..400 {
            let trial = |(candidate, score): (&Candidate, f64)| (candidate.card.reference.clone(), score);
            let trials: Vec<_> = candidates.iter().zip(scores).map(trial).collect();
            let trials: Vec<Trial<'_>> = trials
                .iter()
                .zip(&candidates)
                .map(|((reference, score), candidate)| Trial {
                    reference,
                    expected: *score,
                    cost: candidate.estimate.map_or(0.0, |estimate| estimate.expected.pico() as f64),
                    score: Some(f64::from(u8::from(f64::from(place % 20) < 20.0 * score))),
                    propensity: 1.0,
                })
                .collect();
            state.learn(&input, &trials, 1.0);
        }
        state.fit()
    }

    fn decide_after(learned: &Learned, quality: Quality) -> Decision {
        let prompt = Prompt::new("What is the capital of France?").expect("a prompt");
        let request = RouteRequest { quality, ..RouteRequest::new(prompt) };
        ByOutcomes::HYBRID.decide(&question(&request, &candidates(), &[], learned))
    }

    #[test]
    fn what_was_learned_keeps_the_floor_at_the_least_cost() {
        let check = |scores: [f64; 4], quality, expected: &str| {
            let decision = decide_after(&learned(scores), quality);
            assert_eq!(order(&decision).first(), Some(&expected), "{}", decision.reason);
            assert_eq!(decision.confidence, Confidence::Low, "no similar prompt has an outcome");
            let quality = decision.candidates[0].expected_quality.expect("something is expected");
            assert!(quality.low <= quality.mean && quality.mean <= quality.high);
        };
        // In the order good, cheap, middle, cheap-too; their costs are 900, 10, 100 and 20.
        check([0.9, 0.9, 0.9, 0.9], Quality::Balanced, "cheap");
        check([0.9, 0.5, 0.9, 0.5], Quality::Balanced, "middle");
        check([0.9, 0.5, 0.5, 0.5], Quality::Balanced, "good");
        check([0.9, 0.5, 0.85, 0.5], Quality::Economy, "middle");
        check([0.9, 0.5, 0.85, 0.5], Quality::Best, "good");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_dearer_and_worse_model_is_never_chosen(
            scores in prop::array::uniform4(0.0..=1.0_f64),
            quality in prop::sample::select(vec![Quality::Economy, Quality::Balanced, Quality::Best]),
        ) {
            let decision = decide_after(&learned(scores), quality);
            let figures = |candidate: &Candidate| {
                let quality = candidate.expected_quality.map_or(0.0, |quality| quality.mean);
                (candidate.estimate.map(|estimate| estimate.expected), quality)
            };
            let (cost, quality) = figures(&decision.candidates[0]);
            for (other_cost, other_quality) in decision.candidates.iter().skip(1).map(figures) {
                prop_assert!(other_cost >= cost || other_quality <= quality + 0.02, "{}", decision.reason);
            }
        }
    }
}

//! Outcomes, costs and prompts that make no sense: routing decides sanely, and says how little it is sure.

use ai_cost_optimizer::domain::decision::{Candidate, Confidence, CostEstimate, Decision, StrategyName};
use ai_cost_optimizer::domain::embedding::{DIMENSIONS, Embedding};
use ai_cost_optimizer::domain::model::{ModelCard, ModelRef, ProviderId, Tier};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::outcome::{Outcome, OutcomeSource};
use ai_cost_optimizer::domain::prompt::{Prompt, RouteRequest};
use ai_cost_optimizer::domain::rating::Score;
use ai_cost_optimizer::routing::forecast::{Forecast, expect_of_all};
use ai_cost_optimizer::routing::success::{Learned, RoutingState};
use ai_cost_optimizer::routing::{Question, strategy};
use strum::VariantArray;

const QUESTION: &str = "What is the capital of France?";

fn reference(model: &str) -> ModelRef {
    ModelRef { provider: ProviderId::OpenRouter, model: model.to_owned() }
}

fn candidate(model: &str, tier: Tier, pico: i64) -> Candidate {
    let cost = Usd::from_pico(pico);
    Candidate {
        card: ModelCard {
            reference: reference(model),
            tier,
            context_window: 1_000_000,
            max_output: 8_000,
            thinking_allowance: 0,
            quality_prior: 0.8,
            is_streamed: true,
            source: "a test".to_owned(),
        },
        estimate: Some(CostEstimate { low: cost, expected: cost, high: cost }),
        expected_quality: None,
    }
}

fn candidates() -> Vec<Candidate> {
    vec![candidate("cheap", Tier::Economy, 1_000), candidate("dear", Tier::Best, 100_000)]
}

fn outcome(model: &str, score: f64, session: Option<&str>) -> Outcome {
    Outcome {
        similarity: 0.95,
        reference: reference(model),
        score: Score::new(score).unwrap(),
        source: OutcomeSource::Rating,
        age_seconds: 60,
        session: session.map(str::to_owned),
    }
}

fn embedding() -> Embedding {
    let mut numbers = vec![0.0; DIMENSIONS];
    numbers[0] = 1.0;
    Embedding::new(numbers).unwrap()
}

/// Decides by each strategy; every candidate is there once, and what is expected of it is a probability.
fn decide(prompt: &str, candidates: &[Candidate], evidence: &[Outcome], learned: &Learned) -> Vec<Decision> {
    let request = RouteRequest::new(Prompt::new(prompt).unwrap());
    let embedding = embedding();
    let question = Question { request: &request, candidates, evidence, learned, embedding: Some(&embedding) };
    let decided = StrategyName::VARIANTS.iter().map(|name| {
        let mut decision = strategy(*name).decide(&question);
        expect_of_all(&question, &mut decision.candidates);
        assert!(!decision.reason.is_empty());
        let mut names: Vec<_> = decision.candidates.iter().map(|one| one.card.reference.clone()).collect();
        names.sort();
        let mut all: Vec<_> = candidates.iter().map(|one| one.card.reference.clone()).collect();
        all.sort();
        assert_eq!(names, all, "{}", decision.reason);
        for candidate in &decision.candidates {
            let quality = candidate.expected_quality.unwrap();
            let numbers = [quality.low, quality.mean, quality.high];
            assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)), "{name}: {numbers:?}");
            assert!(quality.low <= quality.mean && quality.mean <= quality.high, "{name}: {numbers:?}");
        }
        decision
    });
    decided.collect()
}

/// Learns a score of a model for the same prompt so many times, with what is forecast at the time.
fn learn(state: &mut RoutingState, model: &str, scores: impl Iterator<Item = f64>) {
    let request = RouteRequest::new(Prompt::new(QUESTION).unwrap());
    let (candidates, embedding) = (candidates(), embedding());
    for score in scores {
        let learned = state.fit();
        let question = Question {
            request: &request,
            candidates: &candidates,
            evidence: &[],
            learned: &learned,
            embedding: Some(&embedding),
        };
        let mut forecast = candidates.clone();
        expect_of_all(&question, &mut forecast);
        let forecast = Forecast::of(&question, &forecast).unwrap();
        forecast.learn(state, &[(reference(model), Score::new(score).unwrap())], None);
    }
}

fn chosen(decision: &Decision) -> &str {
    &decision.candidates[0].card.reference.model
}

#[test]
fn without_outcomes_and_with_one_model_there_is_a_decision_of_low_confidence() {
    let nothing = Learned::default();
    for decision in decide(QUESTION, &candidates(), &[], &nothing) {
        assert!(decision.confidence != Confidence::High && chosen(&decision) == "cheap", "{decision:?}");
    }
    for evidence in [vec![], vec![outcome("cheap", 0.0, None); 300]] {
        for decision in decide(QUESTION, &candidates()[..1], &evidence, &nothing) {
            assert_eq!(chosen(&decision), "cheap");
        }
    }
}

#[test]
fn equal_and_contradictory_outcomes_leave_the_cheapest_that_does_as_well() {
    for score in [0.0, 0.5, 1.0] {
        let evidence: Vec<Outcome> =
            ["cheap", "dear"].iter().flat_map(|model| vec![outcome(model, score, None); 100]).collect();
        let mut state = RoutingState::default();
        for model in ["cheap", "dear"] {
            learn(&mut state, model, std::iter::repeat_n(score, 80));
        }
        let decisions = decide(QUESTION, &candidates(), &evidence, &state.fit());
        assert!(decisions.iter().all(|decision| chosen(decision) == "cheap"), "{score}: {decisions:?}");
    }
    let contradictory: Vec<Outcome> =
        (0..200).map(|number| outcome("cheap", f64::from(number % 2), None)).collect();
    let mut state = RoutingState::default();
    learn(&mut state, "cheap", (0..100).map(|number| f64::from(number % 2)));
    for decision in decide(QUESTION, &candidates(), &contradictory, &state.fit()) {
        let cheap = decision.candidates.iter().find(|one| one.card.reference == reference("cheap")).unwrap();
        let quality = cheap.expected_quality.unwrap();
        assert!(
            (quality.mean - 0.5).abs() < 0.2 || decision.strategy == StrategyName::Complexity,
            "{quality:?}"
        );
    }
}

#[test]
fn a_thousand_ratings_of_one_session_starve_no_model() {
    let mut evidence = vec![outcome("cheap", 0.0, Some("angry")); 1_000];
    evidence.extend((0..100).map(|number| outcome("cheap", 1.0, Some(&format!("s{number}")))));
    for decision in decide(QUESTION, &candidates(), &evidence, &Learned::default()) {
        assert_eq!(chosen(&decision), "cheap", "{}", decision.reason);
    }
}

#[test]
fn ratings_of_models_that_are_gone_mean_nothing() {
    let evidence = vec![outcome("gone", 1.0, None); 200];
    let mut state = RoutingState::default();
    learn(&mut state, "gone", std::iter::repeat_n(1.0, 80));
    for decision in decide(QUESTION, &candidates(), &evidence, &state.fit()) {
        assert_eq!((chosen(&decision), decision.confidence == Confidence::High), ("cheap", false));
    }
}

#[test]
fn absurd_and_absent_costs_are_asked_last() {
    let mut odd = vec![
        Candidate { estimate: None, ..candidate("unpriced", Tier::Economy, 0) },
        candidate("absurd", Tier::Economy, i64::MAX),
        candidate("free", Tier::Economy, 0),
    ];
    odd.extend(candidates());
    let mut state = RoutingState::default();
    learn(&mut state, "cheap", std::iter::repeat_n(0.9, 80));
    let evidence: Vec<Outcome> =
        odd.iter().flat_map(|one| vec![outcome(&one.card.reference.model, 0.9, None); 40]).collect();
    for (evidence, learned) in [(&[][..], Learned::default()), (&evidence, state.fit())] {
        for decision in decide(QUESTION, &odd, evidence, &learned) {
            assert_eq!(chosen(&decision), "free", "{}", decision.reason);
        }
    }
}

#[test]
fn prompts_of_any_language_and_length_are_decided() {
    let mut state = RoutingState::default();
    learn(&mut state, "cheap", std::iter::repeat_n(1.0, 60));
    let long = "가나다 ".repeat(50_000);
    let prompts = [
        "프랑스의 수도는?",
        "ما هي عاصمة فرنسا؟",
        "法国的首都是哪里？",
        "🙂",
        ".",
        "\u{202e}\u{feff}a",
        long.as_str(),
    ];
    for prompt in prompts {
        for decision in decide(prompt, &candidates(), &[outcome("cheap", 1.0, None)], &state.fit()) {
            assert_ne!(decision.confidence, Confidence::High, "one outcome is little: {}", decision.reason);
        }
    }
    assert!(Prompt::new("").is_err());
}

//! What a decision takes once the prompt is embedded and a store has found the nearest outcomes: nine models that have
//! learned from 100,000 outcomes, and the outcomes of 200 similar prompts.
//!
//! Prints figures for the README; it asserts nothing, because machines differ. `cargo bench --bench routing`

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench prints its figures")]

use std::time::{Duration, Instant};

use ai_cost_optimizer::domain::decision::{Candidate, CostEstimate, StrategyName};
use ai_cost_optimizer::domain::embedding::{DIMENSIONS, Embedding};
use ai_cost_optimizer::domain::model::{ModelCard, ModelRef, ProviderId, Tier};
use ai_cost_optimizer::domain::money::Usd;
use ai_cost_optimizer::domain::outcome::{Outcome, OutcomeSource};
use ai_cost_optimizer::domain::prompt::{Prompt, RouteRequest};
use ai_cost_optimizer::domain::rating::Score;
use ai_cost_optimizer::routing::input::{INPUTS, input};
use ai_cost_optimizer::routing::ledger::Trial;
use ai_cost_optimizer::routing::success::RoutingState;
use ai_cost_optimizer::routing::{Question, strategy};

const MODELS: usize = 9;
const OUTCOMES: usize = 100_000;
const NEAREST: usize = 200;
const DECISIONS: usize = 20_000;

fn embedding(draw: &mut fastrand::Rng) -> Embedding {
    let numbers: Vec<f32> = (0..DIMENSIONS).map(|_| draw.f32() - 0.5).collect();
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    Embedding::new(numbers.iter().map(|number| number / length).collect()).expect("a unit vector")
}

fn candidates() -> Vec<Candidate> {
    let candidate = |place: usize| {
        let cost = Usd::from_pico(1_000_000 << place);
        Candidate {
            card: ModelCard {
                reference: ModelRef { provider: ProviderId::Ollama, model: format!("model-{place}") },
                tier: Tier::Balanced,
                context_window: 100_000,
                max_output: 8_000,
                thinking_allowance: 0,
                quality_prior: 0.8,
                is_streamed: true,
                source: "a bench".to_owned(),
            },
            estimate: Some(CostEstimate { low: cost, expected: cost, high: cost }),
            expected_quality: None,
        }
    };
    (0..MODELS).map(candidate).collect()
}

fn main() {
    let mut draw = fastrand::Rng::with_seed(1);
    let candidates = candidates();
    let text = "Which of these is not a mammal, and why?\nA. a whale\nB. a shark\nC. a bat\nD. a dog";
    let mut state = RoutingState::default();
    let started = Instant::now();
    for _ in 0..OUTCOMES / MODELS {
        let input = input(text, Some(&embedding(&mut draw)));
        let trials: Vec<Trial<'_>> = candidates
            .iter()
            .enumerate()
            .map(|(place, candidate)| Trial {
                reference: &candidate.card.reference,
                expected: 0.5,
                cost: (place + 1) as f64,
                score: Some(f64::from(u8::from(draw.f64() < 0.5 + place as f64 / 20.0))),
                propensity: 1.0,
            })
            .collect();
        state.learn(&input, &trials, 1.0);
    }
    let learning = started.elapsed() / OUTCOMES as u32;
    let started = Instant::now();
    let learned = state.fit();
    println!("learn one outcome: {learning:?}; fit {MODELS} models: {:?}", started.elapsed());
    println!("kept a model: {:.1} KB", ((INPUTS * (INPUTS + 1) / 2 + INPUTS) * 4) as f64 / 1e3);

    let request = RouteRequest::new(Prompt::new(text).expect("a prompt"));
    for name in [StrategyName::Learning, StrategyName::Hybrid] {
        let mut times: Vec<Duration> = (0..DECISIONS)
            .map(|_| {
                let evidence: Vec<Outcome> = (0..NEAREST)
                    .map(|place| Outcome {
                        similarity: 0.3 + 0.6 * draw.f32(),
                        reference: candidates[place % MODELS].card.reference.clone(),
                        score: Score::new(f64::from(u8::from(draw.bool()))).expect("a score"),
                        source: OutcomeSource::Rating,
                        age_seconds: draw.u64(..10_000_000),
                        session: None,
                    })
                    .collect();
                let embedding = embedding(&mut draw);
                let question = Question {
                    request: &request,
                    candidates: &candidates,
                    evidence: &evidence,
                    learned: &learned,
                    embedding: Some(&embedding),
                };
                let started = Instant::now();
                std::hint::black_box(strategy(name).decide(&question));
                started.elapsed()
            })
            .collect();
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!("{name:<9} decision: p50 {:.3} ms  p99 {:.3} ms  max {:.3} ms", at(0.5), at(0.99), at(1.0));
    }
}

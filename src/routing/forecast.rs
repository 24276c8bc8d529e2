//! What a decision forecast, kept with the request until its outcomes are known and can be learned from.

use serde::{Deserialize, Serialize};

use super::Question;
use super::cascade::Answer;
use super::input::input;
use super::learning::ByOutcomes;
use super::ledger::Trial;
use super::success::{RoutingState, session_weight};
use crate::domain::decision::Candidate;
use crate::domain::model::ModelRef;
use crate::domain::rating::Score;

/// Steps of a number of the input; what it describes is no finer.
const STEPS: f64 = 50.0;
/// The first candidates of a decision, which may be asked, are kept whatever was expected of them.
const ASKED: usize = 4;

/// What was known of a prompt and expected of its candidates: some 500 bytes as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// As [`input`] gives it, in steps of 1/50.
    input: Vec<i16>,
    /// Provider and model, expected quality in [0, 1], and forecast cost in pico-dollars.
    candidates: Vec<(String, String, f32, i64)>,
    /// What the first answer was judged by, where a stronger model could have been asked after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Judged>,
    /// The models of which one by chance was asked; absent: the choice was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tried_among: Option<u32>,
}

/// An answer of a cheap model, by the places of both models among the candidates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Judged {
    cheap: usize,
    strong: usize,
    /// As [`Answer`] gives it, in steps of 1/50.
    input: Vec<i16>,
}

/// Says of each candidate what the models table and outcomes let expect, where the strategy has not.
pub fn expect_of_all(question: &Question<'_>, candidates: &mut [Candidate]) {
    let expected = ByOutcomes::LEARNING.expect(question);
    for (known, expectation) in question.candidates.iter().zip(expected) {
        let same = candidates.iter_mut().find(|candidate| candidate.card.reference == known.card.reference);
        if let Some(candidate) = same {
            candidate.expected_quality.get_or_insert(expectation.quality);
        }
    }
}

impl Forecast {
    /// Takes down what was expected of those that may be asked, and of those that a price of quality could choose: no
    /// other is as cheap and as good. `None` where no candidate has an expectation and a price.
    pub fn of(question: &Question<'_>, candidates: &[Candidate]) -> Option<Self> {
        let figures = |candidate: &Candidate| {
            Some((candidate.expected_quality?.mean, candidate.estimate?.expected.pico()))
        };
        let is_beaten = |(expected, cost): (f64, i64)| {
            let others = candidates.iter().filter_map(figures);
            others.into_iter().any(|(other, price)| {
                other >= expected && price <= cost && (other, price) != (expected, cost)
            })
        };
        let candidates: Vec<(String, String, f32, i64)> = candidates
            .iter()
            .enumerate()
            .filter_map(|(place, candidate)| Some((place, candidate, figures(candidate)?)))
            .filter(|(place, _, figures)| *place < ASKED || !is_beaten(*figures))
            .map(|(_, candidate, (expected, cost))| {
                let ModelRef { provider, model } = &candidate.card.reference;
                (provider.to_string(), model.clone(), ((expected * 1e3).round() / 1e3) as f32, cost)
            })
            .collect();
        let input = input(question.request.prompt.as_str(), question.embedding);
        (!candidates.is_empty()).then(|| Self {
            input: steps(&input),
            candidates,
            answer: None,
            tried_among: None,
        })
    }

    /// Makes the forecast of a trial: of so many models one is asked by chance.
    pub fn of_trial(self, models: usize) -> Self {
        Self { answer: None, tried_among: u32::try_from(models).ok(), ..self }
    }

    /// Takes down what the first answer is judged by.
    pub fn note_answer(&mut self, cheap: &ModelRef, strong: &ModelRef, answer: &Answer<'_>) {
        let place = |reference: &ModelRef| {
            let is_it = |(provider, model, _, _): &(String, String, f32, i64)| {
                *provider == reference.provider.to_string() && *model == reference.model
            };
            self.candidates.iter().position(is_it)
        };
        if let (Some(cheap), Some(strong)) = (place(cheap), place(strong)) {
            self.answer = Some(Judged { cheap, strong, input: steps(&answer.input()) });
        }
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
        let reference = |(provider, model, _, _): &(String, String, f32, i64)| {
            Some(ModelRef { provider: provider.parse().ok()?, model: model.clone() })
        };
        let known: Vec<(ModelRef, f32, i64)> = self
            .candidates
            .iter()
            .filter_map(|candidate| Some((reference(candidate)?, candidate.2, candidate.3)))
            .collect();
        let score_of = |reference: &ModelRef| {
            let scored = scores.iter().find(|(billed, _)| reference.is_billed_as(billed));
            scored.map(|(_, score)| score.get())
        };
        let trials: Vec<Trial<'_>> = known
            .iter()
            .map(|(reference, expected, cost)| Trial {
                reference,
                expected: f64::from(*expected),
                cost: *cost as f64,
                score: score_of(reference),
                propensity: match (self.tried_among, score_of(reference)) {
                    (Some(models), _) => 1.0 / f64::from(models.max(1)),
                    (None, Some(_)) => 1.0,
                    (None, None) => 0.0,
                },
            })
            .collect();
        let weight = nth.map_or(1.0, session_weight);
        if let Some(Judged { cheap, strong, input }) = &self.answer {
            let score = |place: &usize| trials.get(*place).and_then(|trial| trial.score);
            state.learn_answer(&numbers(input), [score(cheap), score(strong)], weight);
        }
        state.learn(&numbers(&self.input), &trials, weight);
    }
}

fn steps(numbers: &[f64]) -> Vec<i16> {
    numbers.iter().map(|number| (number * STEPS).round() as i16).collect()
}

fn numbers(steps: &[i16]) -> Vec<f64> {
    steps.iter().map(|steps| f64::from(*steps) / STEPS).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::domain::model::ProviderId;
    use crate::domain::prompt::{Prompt, RouteRequest};
    use crate::routing::success::Learned;

    fn candidate(model: &str, mean: f64, pico: i64) -> Candidate {
        samples::candidate(model, [0.0, mean, 1.0], pico)
    }

    fn forecast(candidates: &[Candidate]) -> Option<Forecast> {
        let request = RouteRequest::new(Prompt::new("How deep is the Rhine?").unwrap());
        let learned = Learned::default();
        let question =
            Question { request: &request, candidates, evidence: &[], learned: &learned, embedding: None };
        Forecast::of(&question, candidates)
    }

    #[test]
    fn what_nobody_would_ask_is_left_out() {
        let mut candidates = vec![
            candidate("a/first", 0.5, 90),
            candidate("second", 0.5, 80),
            candidate("third", 0.5, 70),
            candidate("fourth", 0.5, 60),
            candidate("beaten", 0.5, 61),
            candidate("good", 0.9, 100),
            candidate("beaten too", 0.8, 100),
        ];
        let unpriced = Candidate { estimate: None, ..candidate("unpriced", 0.9, 1) };
        candidates.push(unpriced.clone());
        let kept = forecast(&candidates).unwrap();
        let names: Vec<&str> = kept.candidates.iter().map(|(_, model, _, _)| model.as_str()).collect();
        assert_eq!(names, ["a/first", "second", "third", "fourth", "good"]);
        assert_eq!(forecast(&[unpriced]), None);
    }

    #[test]
    fn what_was_written_is_learned_from() {
        let text = forecast(&[candidate("a/b", 0.5, 9), candidate("c", 0.6, 10)]).unwrap().to_text();
        assert!(text.len() < 600, "{} bytes", text.len());
        let read = Forecast::read(&text).unwrap();
        let mut state = RoutingState::default();
        let asked = ModelRef { provider: ProviderId::OpenRouter, model: "a/b".to_owned() };
        for nth in 1..=3 {
            read.learn(&mut state, &[(asked.clone(), Score::new(1.0).unwrap())], Some(nth));
        }
        let kept = RoutingState::read(&state.to_bytes()).unwrap();
        assert_eq!(kept, state);
        assert!(!kept.fit().is_empty());
        for other in ["", "{}", "[]", "{\"input\":[1.5],\"candidates\":[]}"] {
            assert_eq!(Forecast::read(other), None, "{other}");
        }
        let mut bytes = state.to_bytes();
        bytes.truncate(bytes.len() - 1);
        assert_eq!((RoutingState::read(&bytes), RoutingState::read(&[])), (None, None));
    }
}

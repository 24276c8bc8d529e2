//! What is learned of every model from all outcomes, beside those of similar prompts.
//!
//! [`RoutingState`] is what a store keeps: sums, at most 14 KB a model, added to outcome by outcome and never rebuilt from
//! rows. [`Learned`] is what a decision reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cascade::{Cascade, CascadeState};
use super::input::INPUTS;
use super::ledger::{Ledger, Rule, Trial};
use super::ridge::{Fit, Sums};
use crate::domain::model::ModelRef;

/// After so many outcomes of a model one counts half: models change under their names.
const HALF_LIFE: f64 = 5_000.0;
/// Outcomes of one session that count in full.
const SESSION: f64 = 20.0;

/// How much the nth outcome of one session counts, from 1: all together count at most twice the first 20.
pub fn session_weight(nth: u64) -> f64 {
    let share = SESSION / (nth as f64).max(1.0);
    if share >= 1.0 { 1.0 } else { share * share }
}

/// Counts up when an input or a sum changes its meaning.
const VERSION: u8 = 2;

/// How sums are kept.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u8,
    /// Provider, model and its sums.
    models: Vec<(String, String, Sums)>,
    ledger: Ledger,
    answers: CascadeState,
}

/// Sums over all outcomes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoutingState {
    models: BTreeMap<ModelRef, Sums>,
    ledger: Ledger,
    answers: CascadeState,
}

impl RoutingState {
    /// Learns from one prompt: what was expected of each candidate and how those did that were asked.
    ///
    /// `input` is [`super::input::input`] of the prompt; `weight` is [`session_weight`] where a session is known, else 1.
    pub fn learn(&mut self, input: &[f64], trials: &[Trial<'_>], weight: f64) {
        if let Some(best) = self.best(trials) {
            self.ledger.add(trials, best, weight);
        }
        for trial in trials {
            let Some(score) = trial.score.filter(|score| (0.0..=1.0).contains(score)) else { continue };
            let sums = self.models.entry(trial.reference.clone()).or_insert_with(|| Sums::new(INPUTS));
            sums.fade((-weight / HALF_LIFE).exp2());
            sums.add(input, score, weight);
        }
    }

    /// Learns from an answer of a cheap model, as [`CascadeState::learn`] does.
    pub(super) fn learn_answer(&mut self, input: &[f64], scores: [Option<f64>; 2], weight: f64) {
        self.answers.learn_from(input, scores, weight);
    }

    /// Finds the model that did best so far, of those in a trial.
    fn best<'a>(&self, trials: &[Trial<'a>]) -> Option<&'a ModelRef> {
        let mean = |reference: &ModelRef| self.models.get(reference).and_then(Sums::mean);
        let done: Vec<(f64, &'a ModelRef)> =
            trials.iter().filter_map(|trial| Some((mean(trial.reference)?, trial.reference))).collect();
        done.into_iter().max_by(|left, right| left.0.total_cmp(&right.0)).map(|(_, reference)| reference)
    }

    /// Writes it as bytes that [`RoutingState::read`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let models = self
            .models
            .iter()
            .map(|(reference, sums)| (reference.provider.to_string(), reference.model.clone(), sums.clone()))
            .collect();
        let (ledger, answers) = (self.ledger.clone(), self.answers.clone());
        let snapshot = Snapshot { version: VERSION, models, ledger, answers };
        // Writing to memory fails for no value of these types.
        postcard::to_allocvec(&snapshot).unwrap_or_default()
    }

    /// Reads what was written; `None` where it is something else, or of another version: what it learned is lost then.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let Snapshot { version, models, ledger, answers } = postcard::from_bytes(bytes).ok()?;
        let is_known = version == VERSION
            && ledger.is_whole()
            && answers.is_whole()
            && models.iter().all(|(_, _, sums)| sums.is_of(INPUTS));
        let model = |(provider, model, sums): (String, String, Sums)| {
            Some((ModelRef { provider: provider.parse().ok()?, model }, sums))
        };
        is_known.then(|| Self { models: models.into_iter().filter_map(model).collect(), ledger, answers })
    }

    /// Fits what a decision reads; half a millisecond a model.
    pub fn fit(&self) -> Learned {
        Learned {
            models: self
                .models
                .iter()
                .filter_map(|(reference, sums)| Some((reference.clone(), sums.fit()?, sums.mean()?)))
                .collect(),
            ledger: self.ledger.clone(),
            cascade: self.answers.fit(),
        }
    }
}

/// What was learned, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Learned {
    models: Vec<(ModelRef, Fit, f64)>,
    ledger: Ledger,
    cascade: Cascade,
}

impl Learned {
    /// Says whether nothing was learned yet.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Gives the fit of a model, also of one that is billed under another's name.
    pub(super) fn fit(&self, asked: &ModelRef) -> Option<&Fit> {
        self.models.iter().find(|(billed, _, _)| asked.is_billed_as(billed)).map(|(_, fit, _)| fit)
    }

    /// Gives the mean score of a model over all its outcomes, in [0, 1].
    pub(super) fn mean(&self, asked: &ModelRef) -> Option<f64> {
        self.models.iter().find(|(billed, _, _)| asked.is_billed_as(billed)).map(|(_, _, mean)| *mean)
    }

    /// Gives what was learned about answers.
    pub const fn cascade(&self) -> &Cascade {
        &self.cascade
    }

    /// Says how a floor is to be kept.
    pub(super) fn rule(&self, floor: f64) -> Rule {
        self.ledger.rule(floor)
    }

    /// Gives the prompts that the rule rests on.
    pub fn prompts(&self) -> f64 {
        self.ledger.prompts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::ProviderId;

    fn model(name: &str) -> ModelRef {
        ModelRef { provider: ProviderId::Ollama, model: name.to_owned() }
    }

    fn input(hard: f64) -> Vec<f64> {
        let mut input = vec![0.0; INPUTS];
        input[0] = 1.0;
        input[1] = hard;
        input
    }

    fn trial(reference: &ModelRef, score: f64) -> Trial<'_> {
        Trial { reference, expected: 0.5, cost: 1.0, score: Some(score), propensity: 1.0 }
    }

    #[test]
    fn a_model_is_learned_by_what_its_prompts_look_like() {
        let weak = model("weak");
        let mut state = RoutingState::default();
        for place in 0..200 {
            let hard = if place % 2 == 0 { 1.0 } else { -1.0 };
            state.learn(&input(hard), &[trial(&weak, (1.0 - hard) / 2.0)], 1.0);
        }
        let learned = state.fit();
        let fit = learned.fit(&weak).expect("a fit");
        assert!(fit.mean(&input(1.0)) < 0.1 && fit.mean(&input(-1.0)) > 0.9);
        assert!(learned.mean(&weak).is_some_and(|mean| (mean - 0.5).abs() < 0.05));
        assert!(learned.fit(&model("another")).is_none());
    }

    #[test]
    fn a_thousand_ratings_of_one_session_count_as_forty_at_most() {
        let together: f64 = (1..=1_000).map(session_weight).sum();
        assert!((20.0..=40.0).contains(&together), "{together}");
    }

    #[test]
    fn a_score_that_is_none_teaches_nothing() {
        let weak = model("weak");
        let mut state = RoutingState::default();
        for score in [f64::NAN, -1.0, 2.0] {
            state.learn(&input(0.0), &[trial(&weak, score)], 1.0);
        }
        assert!(state.fit().is_empty());
    }
}

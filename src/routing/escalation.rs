//! A cheap model first, and a stronger one after it where that is worth a second bill.
//!
//! With `economy` the answer of the first model is looked over for plain faults, and judged by what was learned of such
//! answers ([`super::cascade`]). With the other qualities both only begin once enough is learned; then a cheaper model is
//! tried first where that is expected to save money. It asks nobody.

use super::cascade::{Answer, Cascade};
use super::checks::fault;
use super::ledger::floor;
use crate::domain::decision::{Candidate, Decision, Quality};
use crate::domain::prompt::RouteRequest;

/// Judged answers from which the judgement counts.
const ENOUGH_ANSWERS: f64 = 50.0;
/// The share of the best expected quality that is strong enough to ask after a first answer.
const STRONG: f64 = 0.95;
/// Less expected quality more is not worth a second bill.
const WORTH_IT: f64 = 0.05;
/// A model that costs more than this share of the choice saves too little to be tried before it.
const MUCH_CHEAPER: f64 = 0.25;

/// Who may be asked after the first candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Escalation {
    /// The stronger candidate's place.
    pub place: usize,
    /// Whether an answer may be bought again; else it is only judged, to learn.
    pub acts: bool,
    quality: Quality,
    /// What was expected of the first and of the stronger candidate, in [0, 1].
    expected: [f64; 2],
}

/// Why the first answer is not enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Doubt {
    /// Something is plainly wrong with it.
    Fault(&'static str),
    /// The stronger model is expected to do better; both in [0, 1].
    Judged { first: f64, stronger: f64 },
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fault(what) => f.write_str(what),
            Self::Judged { first, stronger } => {
                write!(f, "it is good with a chance of {first:.2}, a stronger one's with {stronger:.2}")
            }
        }
    }
}

impl Escalation {
    /// Finds the candidate that may be asked after the first, and puts a cheaper one first where that pays.
    ///
    /// Candidates must have expectations; `None` where there is none that is stronger, or `max_cost_usd` does not allow
    /// two bills.
    pub fn plan(request: &RouteRequest, decision: &mut Decision, cascade: &Cascade) -> Option<Self> {
        let is_learned = cascade.answers() >= ENOUGH_ANSWERS;
        // Nobody is tried first whose answer could not be bought again.
        if is_learned
            && request.quality != Quality::Economy
            && let Some(tried) = with_cheaper_first(decision)
            && let Some(escalation) = Self::of(request, &tried, is_learned)
        {
            *decision = tried;
            return Some(escalation);
        }
        Self::of(request, decision, is_learned)
    }

    fn of(request: &RouteRequest, decision: &Decision, is_learned: bool) -> Option<Self> {
        let mean = |candidate: &Candidate| candidate.expected_quality.map(|quality| quality.mean);
        let candidates = &decision.candidates;
        let first = candidates.first()?;
        let best = candidates.iter().filter_map(mean).fold(0.0, f64::max);
        let (place, stronger) = candidates
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, other)| {
                mean(other)
                    .zip(mean(first))
                    .is_some_and(|(other, first)| other >= STRONG * best && other >= first + WORTH_IT)
            })
            .filter(|(_, other)| other.estimate.is_some())
            .min_by_key(|(_, other)| other.estimate.map(|estimate| estimate.expected))?;
        let both = first.estimate?.high + stronger.estimate?.high;
        if request.max_cost.is_some_and(|limit| both > limit) {
            return None;
        }
        let acts = is_learned || request.quality == Quality::Economy;
        Some(Self { place, acts, quality: request.quality, expected: [mean(first)?, mean(stronger)?] })
    }

    /// Gives what the first answer is judged by.
    pub fn answer<'a>(&self, prompt: &'a str, text: &'a str) -> Answer<'a> {
        Answer { prompt, text, expected: self.expected }
    }

    /// Says why an answer of the first candidate is not enough; `None` where it is, or nothing is to be done about it.
    pub fn doubt(&self, answer: &Answer<'_>, cascade: &Cascade) -> Option<Doubt> {
        if !self.acts {
            return None;
        }
        if let Some(fault) = fault(answer.prompt, answer.text) {
            return Some(Doubt::Fault(fault));
        }
        let [first, stronger] = cascade.expect(answer);
        let is_worse = cascade.answers() >= ENOUGH_ANSWERS
            && first < floor(self.quality) * stronger
            && first + WORTH_IT <= stronger;
        is_worse.then_some(Doubt::Judged { first, stronger })
    }
}

/// Puts the candidate first that is expected to save most by being tried before the choice: how often its answer will do
/// times what the choice costs, less what it costs itself.
fn with_cheaper_first(decision: &Decision) -> Option<Decision> {
    let cost = |candidate: &Candidate| candidate.estimate.map(|estimate| estimate.expected.dollars());
    let choice = decision.candidates.first().and_then(cost)?;
    let saving = |candidate: &Candidate| {
        let (cost, quality) = (cost(candidate)?, candidate.expected_quality?);
        (cost <= MUCH_CHEAPER * choice).then_some(quality.mean * choice - cost)
    };
    let (place, _) = decision
        .candidates
        .iter()
        .enumerate()
        .skip(1)
        .filter_map(|(place, candidate)| Some((place, saving(candidate)?)))
        .filter(|(_, saving)| *saving > 0.5 * choice)
        .max_by(|left, right| left.1.total_cmp(&right.1))?;
    let mut tried = decision.clone();
    let cheaper = tried.candidates.remove(place);
    let named = &cheaper.card.reference;
    tried.reason.push_str(&format!("; {named} is tried first, since its answer can be judged"));
    tried.candidates.insert(0, cheaper);
    Some(tried)
}

#[cfg(test)]
mod tests {
    use super::super::cascade::CascadeState;
    use super::super::samples;
    use super::*;
    use crate::domain::decision::{Complexity, ComplexityTier, Confidence, StrategyName};
    use crate::domain::money::Usd;
    use crate::domain::prompt::Prompt;

    fn candidate(model: &str, mean: f64, pico: i64) -> Candidate {
        samples::candidate(model, [0.0, mean, 1.0], pico)
    }

    fn decision(candidates: &[Candidate]) -> Decision {
        Decision {
            strategy: StrategyName::Hybrid,
            complexity: Complexity { score: 0.5, tier: ComplexityTier::Moderate },
            confidence: Confidence::Low,
            reason: String::new(),
            candidates: candidates.to_vec(),
        }
    }

    fn request(quality: Quality) -> RouteRequest {
        RouteRequest { quality, ..RouteRequest::new(Prompt::new("Give me JSON").expect("a prompt")) }
    }

    /// What is learned where short answers are bad.
    fn learned() -> Cascade {
        let mut state = CascadeState::default();
        for _ in 0..40 {
            for (text, score) in [("No.", 0.0), ("{\"a\": \"a long and good answer, is it not\"}", 1.0)] {
                let answer = Answer { prompt: "Give me JSON", text, expected: [0.6, 0.9] };
                state.learn(&answer, [Some(score), Some(0.9)], 1.0);
            }
        }
        state.fit()
    }

    #[test]
    fn the_cheapest_that_is_much_better_may_be_asked_after_the_first() {
        let check =
            |quality, candidates: &[Candidate], cascade: &Cascade, expected: Option<(&str, &str, bool)>| {
                let mut decision = decision(candidates);
                let found = Escalation::plan(&request(quality), &mut decision, cascade);
                let name = |place: usize| decision.candidates[place].card.reference.model.as_str();
                let found = found.map(|escalation| (name(0), name(escalation.place), escalation.acts));
                assert_eq!(found, expected);
            };
        let (economy, balanced) = (Quality::Economy, Quality::Balanced);
        let nothing = Cascade::default();
        let three = [candidate("cheap", 0.6, 1), candidate("good", 0.9, 50), candidate("fair", 0.87, 40)];
        check(economy, &three, &nothing, Some(("cheap", "fair", true)));
        check(balanced, &three, &nothing, Some(("cheap", "fair", false)));
        check(economy, &three[..1], &nothing, None);
        check(economy, &[candidate("cheap", 0.88, 1), candidate("good", 0.9, 50)], &nothing, None);
        // Once answers can be judged, a cheaper one is tried first where that saves money.
        let dear_first = [candidate("good", 0.9, 50), candidate("cheap", 0.6, 1), candidate("half", 0.8, 25)];
        check(balanced, &dear_first, &nothing, None);
        check(balanced, &dear_first, &learned(), Some(("cheap", "good", true)));
        check(balanced, &[dear_first[0].clone(), candidate("bad", 0.3, 1)], &learned(), None);
        let mut poor = request(economy);
        poor.max_cost = Some(Usd::from_pico(40));
        assert_eq!(Escalation::plan(&poor, &mut decision(&three), &nothing), None, "41 for both");
        // Nor is a cheaper one tried whose answer could not be bought again.
        let mut patient = RouteRequest { max_cost: Some(Usd::from_pico(50)), ..request(balanced) };
        let mut before = decision(&dear_first);
        assert_eq!(Escalation::plan(&patient, &mut before, &learned()), None, "51 for both");
        assert_eq!(before, decision(&dear_first));
        patient.max_cost = Some(Usd::from_pico(51));
        assert!(Escalation::plan(&patient, &mut before, &learned()).is_some());
    }

    #[test]
    fn an_answer_is_doubted_for_a_fault_or_by_what_was_learned() {
        let check = |quality, cascade: &Cascade, text: &str, expected: Option<&str>| {
            let two = [candidate("cheap", 0.6, 1), candidate("good", 0.9, 50)];
            let escalation = Escalation::plan(&request(quality), &mut decision(&two), cascade).expect("two");
            let doubt = escalation.doubt(&escalation.answer("Give me JSON", text), cascade);
            let said = doubt.map(|doubt| doubt.to_string());
            assert_eq!(said.as_deref().map(|said| &said[..said.len().min(10)]), expected, "{said:?}");
        };
        let nothing = Cascade::default();
        let good = "{\"a\": \"a long and good answer, is it not\"}";
        check(Quality::Economy, &nothing, good, None);
        check(Quality::Economy, &nothing, "{\"a\": ", Some("it is not "));
        check(Quality::Balanced, &nothing, "{\"a\": ", None);
        check(Quality::Balanced, &learned(), good, None);
        check(Quality::Economy, &learned(), "\"No.\"", Some("it is good"));
    }
}

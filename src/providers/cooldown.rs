//! Models and providers that are left alone for a while, because they failed.
//!
//! Pure: the time and the jitter are arguments, and the clock is monotonic, so a clock that jumps changes
//! nothing. When the while is over one call goes out as a probe; the others wait for what becomes of it.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::error::{Action, ProviderError};
use crate::domain::answer::AttemptOutcome;
use crate::domain::model::{ModelRef, ProviderId};

/// The shortest while: a date of a clock that goes wrong may lie in the past.
const SHORTEST: Duration = Duration::from_millis(500);
/// The longest while that grows by repeated failure; a provider may ask for more.
const LONGEST: Duration = Duration::from_secs(300);
/// Share of a while that is added at random, so that several processes do not come back at once.
const JITTER: f64 = 0.25;
/// A probe that is not heard of for this long is given up.
const PROBE_LIMIT: Duration = Duration::from_secs(300);
/// Places remembered at the most; those that are over go first.
const MOST_PLACES: usize = 1_000;

/// What is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    Provider(ProviderId),
    Model(ModelRef),
}

impl Place {
    /// Says whether a model is this place, or at it.
    pub fn holds(&self, reference: &ModelRef) -> bool {
        match self {
            Self::Provider(provider) => *provider == reference.provider,
            Self::Model(model) => model == reference,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(provider) => provider.fmt(f),
            Self::Model(reference) => reference.fmt(f),
        }
    }
}

/// Whether a model may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Open,
    /// Yes, by this one call, to see whether it has recovered.
    Probe,
    /// Not before this time.
    Closed(Instant),
}

/// One place that is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resting {
    pub place: Place,
    pub outcome: AttemptOutcome,
    /// Until it may be asked again; zero while it is being probed, or waits for the probe.
    pub left: Duration,
}

#[derive(Debug)]
struct Rest {
    until: Instant,
    length: Duration,
    outcome: AttemptOutcome,
    probed_since: Option<Instant>,
}

/// All places that are left alone.
#[derive(Debug, Default)]
pub struct CoolDowns(HashMap<Place, Rest>);

impl CoolDowns {
    /// Says whether a model may be asked now; a [`Admission::Probe`] is taken by whoever hears of it.
    pub fn admit(&mut self, reference: &ModelRef, now: Instant) -> Admission {
        let places = places(reference);
        let closed = places.iter().filter_map(|place| self.0.get(place)?.closed_until(now)).max();
        if let Some(until) = closed {
            return Admission::Closed(until);
        }
        let mut admission = Admission::Open;
        for place in &places {
            if let Some(rest) = self.0.get_mut(place) {
                rest.probed_since = Some(now);
                admission = Admission::Probe;
            }
        }
        admission
    }

    /// Leaves a model or its provider alone after a failure; `jitter` is in [0, 1).
    pub fn failed(&mut self, reference: &ModelRef, error: &ProviderError, now: Instant, jitter: f64) {
        let Some(length) = error.cool_down() else { return self.released(reference) };
        let place = match error.action() {
            Action::NextProvider => Place::Provider(reference.provider),
            _ => Place::Model(reference.clone()),
        };
        let is_told = matches!(error.action(), Action::Wait(Some(_)));
        let length = match self.0.get(&place) {
            Some(before) if !is_told => length.max(before.length.saturating_mul(2).min(LONGEST)),
            _ => length,
        };
        let length = length.max(SHORTEST);
        self.released(reference);
        if self.0.len() >= MOST_PLACES {
            self.0.retain(|_, rest| rest.until > now);
        }
        if self.0.len() < MOST_PLACES || self.0.contains_key(&place) {
            let until = now + length.mul_f64(1.0 + JITTER * jitter);
            self.0.insert(place, Rest { until, length, outcome: error.outcome(), probed_since: None });
        }
    }

    /// Opens a model and its provider again, because the model answered.
    pub fn answered(&mut self, reference: &ModelRef) {
        for place in places(reference) {
            self.0.remove(&place);
        }
    }

    /// Gives a probe back that came to no result, so that the next call may take it.
    pub fn released(&mut self, reference: &ModelRef) {
        for place in places(reference) {
            if let Some(rest) = self.0.get_mut(&place) {
                rest.probed_since = None;
            }
        }
    }

    /// Lists what is left alone or being probed, in a fixed order.
    pub fn list(&self, now: Instant) -> Vec<Resting> {
        let mut list: Vec<_> = self
            .0
            .iter()
            .map(|(place, rest)| Resting {
                place: place.clone(),
                outcome: rest.outcome,
                left: rest.until.saturating_duration_since(now),
            })
            .collect();
        list.sort_by(|left, right| left.place.cmp(&right.place));
        list
    }
}

impl Rest {
    fn closed_until(&self, now: Instant) -> Option<Instant> {
        let probe_ends = self.probed_since.map(|since| since + PROBE_LIMIT);
        Some(self.until).max(probe_ends).filter(|until| *until > now)
    }
}

fn places(reference: &ModelRef) -> [Place; 2] {
    [Place::Provider(reference.provider), Place::Model(reference.clone())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> ModelRef {
        ModelRef { provider: ProviderId::Anthropic, model: name.to_owned() }
    }

    fn busy(retry_after: Option<u64>) -> ProviderError {
        ProviderError::Overloaded {
            code: "busy".to_owned(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_busy_model_is_asked_again_when_it_said_so_and_by_one_call_only() {
        let (start, mut cool_downs) = (Instant::now(), CoolDowns::default());
        let busy_model = model("a");
        assert_eq!(cool_downs.admit(&busy_model, start), Admission::Open);
        cool_downs.failed(&busy_model, &busy(Some(7)), start, 0.0);
        assert_eq!(cool_downs.admit(&busy_model, after(start, 6)), Admission::Closed(after(start, 7)));
        assert_eq!(cool_downs.admit(&model("b"), after(start, 6)), Admission::Open);
        assert_eq!(cool_downs.admit(&busy_model, after(start, 7)), Admission::Probe);
        assert!(matches!(cool_downs.admit(&busy_model, after(start, 8)), Admission::Closed(_)));
        cool_downs.answered(&busy_model);
        assert_eq!(cool_downs.admit(&busy_model, after(start, 9)), Admission::Open);
        assert_eq!(cool_downs.list(after(start, 9)), []);
    }

    #[test]
    fn a_probe_that_came_to_nothing_is_taken_by_the_next_call() {
        let (start, mut cool_downs) = (Instant::now(), CoolDowns::default());
        cool_downs.failed(&model("a"), &busy(Some(1)), start, 0.0);
        assert_eq!(cool_downs.admit(&model("a"), after(start, 2)), Admission::Probe);
        cool_downs.released(&model("a"));
        assert_eq!(cool_downs.admit(&model("a"), after(start, 2)), Admission::Probe);
        // A probe whose call died with its task does not close the model for ever.
        assert_eq!(cool_downs.admit(&model("a"), after(start, 2) + PROBE_LIMIT), Admission::Probe);
    }

    #[test]
    fn repeated_failure_doubles_the_while_up_to_a_limit_and_jitter_adds_at_most_a_quarter() {
        let (mut now, mut cool_downs) = (Instant::now(), CoolDowns::default());
        let mut lengths = Vec::new();
        for _ in 0..10 {
            cool_downs.failed(&model("a"), &busy(None), now, 0.0);
            let Admission::Closed(until) = cool_downs.admit(&model("a"), now) else { panic!("it is open") };
            lengths.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(lengths, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        let mut jittered = CoolDowns::default();
        jittered.failed(&model("a"), &busy(Some(8)), now, 0.999);
        let Admission::Closed(until) = jittered.admit(&model("a"), now) else { panic!("it is open") };
        assert!((8.0..10.0).contains(&(until - now).as_secs_f64()));
    }

    #[test]
    fn what_is_wrong_with_the_account_closes_the_provider_and_what_is_wrong_with_the_request_nobody() {
        let (start, mut cool_downs) = (Instant::now(), CoolDowns::default());
        cool_downs.failed(&model("a"), &ProviderError::TooLong { code: "http_413".to_owned() }, start, 0.0);
        assert_eq!(cool_downs.admit(&model("a"), start), Admission::Open);
        let refused = ProviderError::OutOfCredit { code: "http_402".to_owned() };
        cool_downs.failed(&model("a"), &refused, start, 0.0);
        assert!(matches!(cool_downs.admit(&model("b"), start), Admission::Closed(_)));
        let elsewhere = ModelRef { provider: ProviderId::Gemini, model: "a".to_owned() };
        assert_eq!(cool_downs.admit(&elsewhere, start), Admission::Open);
        let resting = cool_downs.list(start);
        assert_eq!(resting.len(), 1);
        assert_eq!(resting[0].place, Place::Provider(ProviderId::Anthropic));
        assert_eq!(resting[0].outcome, AttemptOutcome::OutOfCredit);
    }

    #[test]
    fn places_are_not_remembered_without_end() {
        let (start, mut cool_downs) = (Instant::now(), CoolDowns::default());
        for number in 0..3 * MOST_PLACES {
            cool_downs.failed(&model(&number.to_string()), &busy(Some(60)), start, 0.0);
        }
        assert_eq!(cool_downs.list(start).len(), MOST_PLACES);
        cool_downs.failed(&model("late"), &busy(Some(60)), after(start, 61), 0.0);
        assert_eq!(cool_downs.list(after(start, 61)).len(), 1);
    }
}

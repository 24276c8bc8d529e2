//! Asking candidates in turn until one answers.
//!
//! Each call that was made is in the result, paid or not, so that nothing is paid twice unsaid. Whoever failed
//! is left alone for a while, by this request and by those after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::cooldown::{Admission, CoolDowns, Resting};
use super::draft::{Arrived, Draft};
use super::error::Action;
use super::{Delivery, Provider, ProviderCall, ProviderError};
use crate::domain::answer::{AttemptOutcome, Completion, FinishReason};
use crate::domain::decision::Candidate;
use crate::domain::model::ProviderId;
use crate::domain::money::Usd;
use crate::domain::prompt::RouteRequest;

/// The most calls for one request.
const MAX_ATTEMPTS: usize = 4;
/// Less time than this is not worth a call.
const SHORTEST_CALL: Duration = Duration::from_millis(500);

/// The configured providers, and how they have fared.
#[derive(Clone, Default)]
pub struct Providers {
    of: Arc<HashMap<ProviderId, Arc<dyn Provider>>>,
    cool_downs: Arc<Mutex<CoolDowns>>,
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.of.keys()).finish()
    }
}

impl FromIterator<(ProviderId, Arc<dyn Provider>)> for Providers {
    fn from_iter<I: IntoIterator<Item = (ProviderId, Arc<dyn Provider>)>>(providers: I) -> Self {
        Self { of: Arc::new(providers.into_iter().collect()), cool_downs: Arc::default() }
    }
}

/// Says whether the calls of a request may cost so much in all.
pub type MayCost<'a> = dyn Fn(Usd) -> BoxFuture<'a, bool> + Send + Sync + 'a;

/// What is to be asked, and how long it may take.
#[derive(Clone, Copy)]
pub struct Errand<'a> {
    pub candidates: &'a [Candidate],
    pub request: &'a RouteRequest,
    /// When the time for the request began.
    pub started: Instant,
    /// No call begins after this much time.
    pub deadline: Duration,
    /// A call that has begun may go on for this much time in all.
    pub limit: Duration,
    /// Where the answer grows.
    pub draft: &'a Draft,
    /// Cancelled when nobody wants the answer any more.
    pub abandon: &'a CancellationToken,
    /// The most that calls before these may be billed.
    pub at_risk: Usd,
    /// Asked before a call that may be billed on top of others.
    pub may_cost: &'a MayCost<'a>,
}

impl std::fmt::Debug for Errand<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Errand").field("candidates", &self.candidates).finish_non_exhaustive()
    }
}

/// What came of asking.
#[derive(Debug, Default)]
pub struct Asked {
    /// The call that brought the answer, or what stands in for one, by its place in `calls`.
    pub answer: Option<usize>,
    /// Every call, in order.
    pub calls: Vec<Call>,
    /// Each failure in words, in order.
    pub failures: Vec<String>,
    /// The most that these calls and those before them may be billed.
    pub at_risk: Usd,
}

/// One call that was made.
#[derive(Debug)]
pub struct Call {
    /// The candidate's place.
    pub candidate: usize,
    pub outcome: AttemptOutcome,
    pub latency_ms: u64,
    pub bill: Bill,
}

impl Call {
    fn text_length(&self) -> usize {
        match &self.bill {
            Bill::Nothing => 0,
            Bill::Answer(completion) => completion.text.len(),
            Bill::Part(arrived) => arrived.text.len(),
        }
    }
}

/// What a call may be billed for.
#[derive(Debug)]
pub enum Bill {
    Nothing,
    /// A whole answer, as the provider reports it.
    Answer(Completion),
    /// An answer that did not come to its end: what had arrived of it.
    Part(Arrived),
}

/// Whom to ask next.
enum Next {
    Candidate(usize),
    /// All are left alone; the first may be asked again at this time.
    Wait(Instant),
    Nobody,
}

/// What one request has learned about its candidates.
struct Round<'a> {
    candidates: &'a [Candidate],
    /// Candidates that may still be asked.
    is_in: Vec<bool>,
}

impl Providers {
    /// Lists the providers, in a fixed order.
    pub fn ids(&self) -> Vec<ProviderId> {
        let mut ids: Vec<_> = self.of.keys().copied().collect();
        ids.sort();
        ids
    }

    /// Lists the models and providers that are left alone for a while.
    pub fn resting(&self) -> Vec<Resting> {
        self.with_cool_downs(|cool_downs| cool_downs.list(Instant::now()))
    }

    /// Asks the candidates in order until one answers, the deadline is near or the attempts are used up.
    ///
    /// If nobody answers, an answer that a filter emptied, or the longest part of one that broke off, stands in
    /// for it. Cancel safe: no, because a dropped call may still be billed; cancel `abandon` instead.
    pub async fn ask(&self, errand: &Errand<'_>) -> Asked {
        let mut asked = Asked { at_risk: errand.at_risk, ..Asked::default() };
        let mut stand_in: Option<usize> = None;
        let mut round = Round::new(errand.candidates, &self.of);
        let deadline = errand.started + errand.deadline;
        while asked.calls.len() < MAX_ATTEMPTS && deadline > Instant::now() + SHORTEST_CALL {
            let place = match self.with_cool_downs(|cool_downs| round.next(cool_downs, Instant::now())) {
                Next::Candidate(place) => place,
                Next::Wait(until) if until + SHORTEST_CALL < deadline => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until.into()) => continue,
                        () = errand.abandon.cancelled() => break,
                    }
                }
                Next::Wait(_) | Next::Nobody => break,
            };
            let (Some(candidate), Some(provider)) =
                (errand.candidates.get(place), self.of_candidate(errand, place))
            else {
                break;
            };
            let reference = &candidate.card.reference;
            let total = asked.at_risk + candidate.estimate.map_or(Usd::ZERO, |estimate| estimate.high);
            if asked.at_risk > Usd::ZERO && !(errand.may_cost)(total).await {
                self.with_cool_downs(|cool_downs| cool_downs.released(reference));
                asked
                    .failures
                    .push(format!("{reference} was not asked: with what was billed it may pass a budget"));
                round.keep(|candidate| candidate.card.reference != *reference);
                continue;
            }
            let started = Instant::now();
            errand.draft.begin(reference);
            let call = call(candidate, errand, started);
            let result = tokio::select! {
                result = provider.complete(&call, errand.draft) => result,
                () = errand.abandon.cancelled() => Err(ProviderError::Cancelled),
            };
            let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let number = asked.calls.len();
            let (outcome, bill) = match result {
                Ok(completion) => {
                    self.with_cool_downs(|cool_downs| cool_downs.answered(reference));
                    let is_withheld =
                        completion.finish_reason == FinishReason::ContentFilter && completion.text.is_empty();
                    if is_withheld {
                        asked.failures.push(format!("{reference}: the content filter withheld the answer"));
                        round.close(reference.provider);
                        stand_in = stand_in.or(Some(number));
                    } else {
                        asked.answer = Some(number);
                    }
                    let outcome =
                        if is_withheld { AttemptOutcome::Blocked } else { AttemptOutcome::Answered };
                    (outcome, Bill::Answer(completion))
                }
                Err(error) => {
                    tracing::warn!(provider.name = %reference.provider, model.id = reference.model, %error, "a provider gave no answer");
                    let jitter = fastrand::f64();
                    self.with_cool_downs(|cool_downs| {
                        cool_downs.failed(reference, &error, Instant::now(), jitter);
                    });
                    asked.failures.push(format!("{reference}: {error}"));
                    round.learn(place, &error);
                    let arrived = errand.draft.arrived();
                    // The longest part there is comes nearest to an answer.
                    let length =
                        stand_in.and_then(|place| asked.calls.get(place)).map_or(0, Call::text_length);
                    if arrived.text.trim().len() > length {
                        stand_in = Some(number);
                    }
                    let is_billed =
                        error.may_be_billed() || arrived.usage.is_some() || !arrived.text.is_empty();
                    (error.outcome(), if is_billed { Bill::Part(arrived) } else { Bill::Nothing })
                }
            };
            if !matches!(bill, Bill::Nothing) {
                asked.at_risk = total;
            }
            asked.calls.push(Call { candidate: place, outcome, latency_ms, bill });
            if asked.answer.is_some() || errand.abandon.is_cancelled() {
                break;
            }
        }
        if asked.calls.is_empty() && asked.failures.is_empty() {
            asked.failures.extend(self.why_nobody(errand));
        }
        asked.answer = asked.answer.or(stand_in);
        asked
    }

    fn of_candidate(&self, errand: &Errand<'_>, place: usize) -> Option<&Arc<dyn Provider>> {
        self.provider(errand.candidates.get(place)?.card.reference.provider)
    }

    pub(super) fn provider(&self, id: ProviderId) -> Option<&Arc<dyn Provider>> {
        self.of.get(&id)
    }

    /// Says why nobody was asked at all.
    fn why_nobody(&self, errand: &Errand<'_>) -> Vec<String> {
        let concerns = |resting: &Resting| {
            errand.candidates.iter().any(|candidate| resting.place.holds(&candidate.card.reference))
        };
        let resting = self.resting().into_iter().filter(concerns).map(|resting| {
            format!(
                "{} is left alone for {} s more ({})",
                resting.place,
                resting.left.as_secs(),
                resting.outcome
            )
        });
        let mut reasons: Vec<String> = resting.collect();
        if reasons.is_empty() {
            reasons.push("there was no time left to ask anybody; hint: raise REQUEST_DEADLINE_MS".to_owned());
        }
        reasons
    }

    fn with_cool_downs<T>(&self, change: impl FnOnce(&mut CoolDowns) -> T) -> T {
        change(&mut self.cool_downs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<'a> Round<'a> {
    fn new(candidates: &'a [Candidate], configured: &HashMap<ProviderId, Arc<dyn Provider>>) -> Self {
        let is_configured =
            |candidate: &Candidate| configured.contains_key(&candidate.card.reference.provider);
        Self { candidates, is_in: candidates.iter().map(is_configured).collect() }
    }

    /// Finds the first candidate that may be asked.
    fn next(&self, cool_downs: &mut CoolDowns, now: Instant) -> Next {
        let mut earliest: Option<Instant> = None;
        for (place, candidate) in self.candidates.iter().enumerate() {
            if !self.is_in.get(place).is_some_and(|is_in| *is_in) {
                continue;
            }
            match cool_downs.admit(&candidate.card.reference, now) {
                Admission::Open | Admission::Probe => return Next::Candidate(place),
                Admission::Closed(until) => {
                    earliest = Some(earliest.map_or(until, |before| before.min(until)));
                }
            }
        }
        earliest.map_or(Next::Nobody, Next::Wait)
    }

    /// Takes out whoever cannot answer this request after such a failure.
    fn learn(&mut self, place: usize, error: &ProviderError) {
        let Some(card) = self.candidates.get(place).map(|candidate| &candidate.card) else { return };
        match (error.action(), error) {
            (Action::Wait(_), _) => {}
            (Action::NextProvider, _) => self.close(card.reference.provider),
            (_, ProviderError::TooLong { .. }) => {
                self.keep(|candidate| candidate.card.context_window > card.context_window);
            }
            (Action::NextModel, _) => self.keep(|candidate| candidate.card.reference != card.reference),
            (Action::Stop, _) => self.keep(|_| false),
        }
    }

    fn close(&mut self, provider: ProviderId) {
        self.keep(|candidate| candidate.card.reference.provider != provider);
    }

    fn keep(&mut self, stays: impl Fn(&Candidate) -> bool) {
        for (is_in, candidate) in self.is_in.iter_mut().zip(self.candidates) {
            *is_in &= stays(candidate);
        }
    }
}

fn call(candidate: &Candidate, errand: &Errand<'_>, now: Instant) -> ProviderCall {
    let Errand { request, deadline, started, .. } = *errand;
    let card = &candidate.card;
    let timeout = (started + errand.limit).saturating_duration_since(now);
    let left = (started + deadline).saturating_duration_since(now);
    // Where no time would be left to ask somebody else, giving up early wins nothing.
    let patience = |wanted: Duration| if wanted + SHORTEST_CALL <= left { wanted } else { timeout };
    let first_byte_timeout = patience(deadline.mul_f64(2.0 / 3.0));
    // A model that thinks says nothing meanwhile.
    let gap_timeout = if card.thinking_allowance > 0 { first_byte_timeout } else { patience(deadline / 3) };
    ProviderCall {
        model: card.reference.model.clone(),
        system: request.system.clone(),
        turns: request.turns(),
        max_visible_tokens: request.max_output_tokens,
        thinking_allowance: card.thinking_allowance,
        temperature: request.temperature,
        context_window: card.context_window,
        delivery: if card.is_streamed { Delivery::Streamed } else { Delivery::Whole },
        timeout,
        first_byte_timeout,
        gap_timeout,
    }
}

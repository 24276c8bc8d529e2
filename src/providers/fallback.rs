//! Asking candidates in turn until one answers.
//!
//! Each call that was made is in the result, paid or not, so that nothing is paid twice unsaid. A call that
//! may have been billed although it brought no answer counts at its expected price, marked as estimated.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Provider, ProviderCall, ProviderError};
use crate::domain::answer::{Attempt, AttemptOutcome, Completion};
use crate::domain::decision::Candidate;
use crate::domain::model::{ModelRef, ProviderId};
use crate::domain::money::Usd;
use crate::domain::prompt::{Role, RouteRequest, Turn};

/// The most calls for one request.
const MAX_ATTEMPTS: usize = 4;
/// Less time than this is not worth a call.
const SHORTEST_CALL: Duration = Duration::from_millis(500);

/// The configured providers.
#[derive(Clone, Default)]
pub struct Providers(HashMap<ProviderId, Arc<dyn Provider>>);

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(ProviderId, Arc<dyn Provider>)> for Providers {
    fn from_iter<I: IntoIterator<Item = (ProviderId, Arc<dyn Provider>)>>(providers: I) -> Self {
        Self(providers.into_iter().collect())
    }
}

/// What came of asking.
#[derive(Debug)]
pub struct Asked {
    /// Who answered, as it was asked for, and what it said.
    pub answer: Option<(ModelRef, Completion)>,
    /// Every call, in order; an answered one is not priced yet.
    pub attempts: Vec<Attempt>,
    /// Each failure in words, in order.
    pub failures: Vec<String>,
}

impl Providers {
    /// Lists the providers, in a fixed order.
    pub fn ids(&self) -> Vec<ProviderId> {
        let mut ids: Vec<_> = self.0.keys().copied().collect();
        ids.sort();
        ids
    }

    /// Asks the candidates in order until one answers, the deadline is near or the attempts are used up.
    ///
    /// Cancel safe: no, because a dropped call may still be billed; run it in a task of its own.
    pub async fn ask(&self, candidates: &[Candidate], request: &RouteRequest, deadline: Instant) -> Asked {
        let mut asked = Asked { answer: None, attempts: Vec::new(), failures: Vec::new() };
        let mut closed: Vec<ProviderId> = Vec::new();
        for candidate in candidates {
            let reference = &candidate.card.reference;
            let Some(provider) = self.0.get(&reference.provider) else { continue };
            let left = deadline.saturating_duration_since(Instant::now());
            if left < SHORTEST_CALL || asked.attempts.len() == MAX_ATTEMPTS {
                break;
            }
            if closed.contains(&reference.provider) {
                continue;
            }
            let started = Instant::now();
            let result = provider.complete(&call(candidate, request, left)).await;
            let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let attempt = |outcome, cost, cost_estimated| Attempt {
                reference: reference.clone(),
                outcome,
                cost,
                cost_estimated,
                latency_ms,
            };
            match result {
                Ok(completion) => {
                    asked.attempts.push(attempt(AttemptOutcome::Answered, None, false));
                    asked.answer = Some((reference.clone(), completion));
                    break;
                }
                Err(error) => {
                    tracing::warn!(provider.name = %reference.provider, model.id = reference.model, %error, "a provider gave no answer");
                    let is_billed = error.may_be_billed();
                    let expected = candidate.estimate.map(|estimate| estimate.expected);
                    let cost = if is_billed { expected } else { Some(Usd::ZERO) };
                    asked.attempts.push(attempt(error.outcome(), cost, is_billed));
                    asked.failures.push(format!("{reference}: {error}"));
                    if is_provider_wide(&error) {
                        closed.push(reference.provider);
                    }
                }
            }
        }
        asked
    }
}

/// Says whether the provider's other models would fail in the same way.
const fn is_provider_wide(error: &ProviderError) -> bool {
    matches!(
        error,
        ProviderError::OutOfCredit { .. }
            | ProviderError::Unauthorized { .. }
            | ProviderError::Unreachable(_)
    )
}

fn call(candidate: &Candidate, request: &RouteRequest, timeout: Duration) -> ProviderCall {
    let mut turns = request.context.clone();
    turns.push(Turn { role: Role::User, text: request.prompt.as_str().to_owned() });
    ProviderCall {
        model: candidate.card.reference.model.clone(),
        system: request.system.clone(),
        turns,
        max_visible_tokens: request.max_output_tokens,
        thinking_allowance: candidate.card.thinking_allowance,
        temperature: request.temperature,
        timeout,
    }
}

//! Counting the tokens of a prompt where an estimate of them stands in its way.
//!
//! From characters the most that a call may cost is found at once, and is two to three times what English has. So where
//! a limit refuses it, and a count could make the difference, the tokens are counted: by the provider where it does that
//! for nothing, else by the tokenizer that is here.

use futures::future::join_all;

use super::Pipeline;
use super::journey::Journey;
use super::learning::Known;
use super::outcome::RouteError;
use crate::cost::estimate::{Load, estimate};
use crate::cost::tokens::{InputTokens, Size};
use crate::domain::decision::{Candidate, CostEstimate, Decision};
use crate::domain::model::ProviderId;
use crate::domain::money::Usd;
use crate::domain::prompt::RouteRequest;
use crate::routing::candidates::{NoCandidate, Supply, eligible};

/// Models whose providers are asked to count, for one request.
const MOST_COUNTED: usize = 4;
/// Bytes of a prompt from which a plan counts its tokens; of a shorter one they make no difference.
const COUNTED_IN_PLANS: usize = 1_000;

impl Pipeline {
    /// Decides; where `max_cost_usd` leaves nobody to ask, once more with counted tokens.
    pub(super) async fn decide_counting(
        &self,
        journey: &mut Journey,
        configured: &[ProviderId],
        known: &Known,
    ) -> Result<Decision, RouteError> {
        let decided = self.decide_in_arms(journey, configured, known);
        let Err(RouteError::NoCandidate(NoCandidate::TooDear { limit, .. })) = &decided else {
            return decided;
        };
        let unlimited = RouteRequest { max_cost: None, ..journey.request.clone() };
        let size = journey.size();
        let supply = self.supply(journey, configured, &size);
        let candidates = eligible(supply, &unlimited, journey.at)?;
        if self.count(journey, &candidates, *limit).await {
            self.decide_in_arms(journey, configured, known)
        } else {
            decided
        }
    }

    /// Says what can be asked.
    pub(super) fn supply<'a>(
        &'a self,
        journey: &'a Journey,
        configured: &'a [ProviderId],
        size: &'a Size,
    ) -> Supply<'a> {
        let (models, catalogue) = (&self.models, &self.catalogue);
        let (warm, counted) = (journey.warm.as_ref(), &journey.counted);
        Supply { models, catalogue, configured, warm, size, counted }
    }

    /// Counts the tokens of a long prompt for a plan.
    pub(super) async fn count_for_plan(&self, journey: &mut Journey) {
        if journey.request.prompt.as_str().len() >= COUNTED_IN_PLANS {
            self.tokenize(journey).await;
        }
    }

    /// Counts tokens for the candidates that so much money is too little for by estimate, and may be enough for by
    /// count; says whether more is known than before.
    pub(super) async fn count(&self, journey: &mut Journey, candidates: &[Candidate], room: Usd) -> bool {
        let high = |candidate: &Candidate| candidate.estimate.map_or(Usd::ZERO, |estimate| estimate.high);
        let may_fit = |candidate: &Candidate| {
            let InputTokens { low, .. } = journey.size().tokens(&candidate.card.reference);
            let least = InputTokens { low, expected: low, high: low };
            self.estimated(journey, candidate, least).is_some_and(|estimate| estimate.high <= room)
        };
        let doubtful: Vec<Candidate> = candidates
            .iter()
            .take_while(|candidate| high(candidate) > room)
            .filter(|candidate| {
                may_fit(candidate) && !journey.counted.contains_key(&candidate.card.reference)
            })
            .take(MOST_COUNTED)
            .cloned()
            .collect();
        if doubtful.is_empty() {
            return false;
        }
        let was_tokenized = journey.tokenized.is_some();
        self.tokenize(journey).await;
        let counts =
            doubtful.iter().map(|candidate| self.providers.count_tokens(candidate, &journey.request));
        let counts = join_all(counts).await;
        let is_news = !was_tokenized || counts.iter().any(Option::is_some);
        let references = doubtful.into_iter().map(|candidate| candidate.card.reference);
        journey.counted.extend(references.zip(counts));
        is_news
    }

    /// Estimates the candidates of a decision again, by what is counted.
    pub(super) fn estimate_again(&self, journey: &Journey, decision: &mut Decision) {
        let size = journey.size();
        for candidate in &mut decision.candidates {
            let input = self.supply(journey, &[], &size).input(&candidate.card);
            candidate.estimate = self.estimated(journey, candidate, input);
        }
    }

    fn estimated(
        &self,
        journey: &Journey,
        candidate: &Candidate,
        input: InputTokens,
    ) -> Option<CostEstimate> {
        let load = Load { input, visible: journey.request.max_output_tokens, warm: journey.warm.as_ref() };
        estimate(&self.catalogue, &candidate.card, load, journey.at)
    }

    async fn tokenize(&self, journey: &mut Journey) {
        if journey.tokenized.is_some() {
            return;
        }
        let request = journey.request.clone();
        // The tokenizer is read at its first use, and 200,000 characters take some 20 ms.
        let tokenized = tokio::task::spawn_blocking(move || Size::tokenized(&request)).await;
        journey.tokenized = tokenized.ok();
    }
}

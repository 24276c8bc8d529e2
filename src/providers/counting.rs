//! Having a provider count the tokens of a prompt, where it does that for nothing.

use std::time::Duration;

use super::fallback::Providers;
use super::{Delivery, ProviderCall};
use crate::domain::decision::Candidate;
use crate::domain::prompt::RouteRequest;

/// How long a count may take.
const PATIENCE: Duration = Duration::from_secs(3);

impl Providers {
    /// Counts the tokens of a request for a model; `None` where its provider does not do that, or not now.
    ///
    /// Cancel safe: yes, because nothing is billed.
    pub async fn count_tokens(&self, candidate: &Candidate, request: &RouteRequest) -> Option<u64> {
        let card = &candidate.card;
        let provider = self.provider(card.reference.provider)?;
        let call = ProviderCall {
            model: card.reference.model.clone(),
            system: request.system.clone(),
            turns: request.turns(),
            max_visible_tokens: request.max_output_tokens,
            thinking_allowance: card.thinking_allowance,
            temperature: request.temperature,
            context_window: card.context_window,
            delivery: Delivery::Whole,
            timeout: PATIENCE,
            first_byte_timeout: PATIENCE,
            gap_timeout: PATIENCE,
        };
        provider.count_tokens(&call).await.unwrap_or_else(|error| {
            tracing::debug!(model.id = call.model, %error, "the tokens were not counted");
            None
        })
    }
}

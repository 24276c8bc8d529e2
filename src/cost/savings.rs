//! Savings: the same tokens, at the same time's prices, from the model one would have taken otherwise.

use jiff::Timestamp;

use super::catalogue::Catalogue;
use super::models::Models;
use crate::domain::model::{ModelRef, ProviderId, Tier};
use crate::domain::record::Baseline;
use crate::domain::usage::Usage;

/// Chooses the model to compare with, where the user names none: the first priced one of the best
/// tier there is among the configured providers, in the order of the models table.
pub fn default_baseline(
    models: &Models,
    catalogue: &Catalogue,
    is_configured: impl Fn(ProviderId) -> bool,
    at: Timestamp,
) -> Option<ModelRef> {
    let some_tokens = Usage { input_tokens: 1, output_tokens: 1, ..Usage::default() };
    let priced = |reference: &ModelRef| catalogue.cost_of(reference, &some_tokens, at).is_some();
    [Tier::Best, Tier::Balanced, Tier::Economy].into_iter().find_map(|tier| {
        models
            .iter()
            .filter(|card| card.tier == tier && is_configured(card.reference.provider))
            .map(|card| &card.reference)
            .find(|reference| priced(reference))
            .cloned()
    })
}

/// Prices an answer's tokens at the baseline; `None` where the baseline has no price.
///
/// Tokens that the provider's prompt cache made cheaper are as cheap for the baseline, so its cost is not
/// overstated.
pub fn baseline(
    catalogue: &Catalogue,
    reference: &ModelRef,
    usage: &Usage,
    at: Timestamp,
) -> Option<Baseline> {
    let cost = catalogue.cost_of(reference, usage, at)?;
    Some(Baseline { reference: reference.clone(), cost })
}

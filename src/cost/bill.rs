//! What an answer is billed at: by the provider's own word, or else by the list and the terms that the answer names.

use jiff::Timestamp;

use super::catalogue::Catalogue;
use super::estimate::usage_of_part;
use crate::domain::answer::Completion;
use crate::domain::model::ModelRef;
use crate::domain::money::Usd;
use crate::domain::prompt::RouteRequest;
use crate::domain::usage::Usage;

/// What an answer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerBill {
    /// The model that is billed, by the name the provider gives it.
    pub reference: ModelRef,
    pub usage: Usage,
    /// Absent: no price is known.
    pub cost: Option<Usd>,
    /// Whether tokens or terms had to be guessed.
    pub is_estimated: bool,
}

/// Prices a whole answer at the prices of a time.
pub fn bill(
    catalogue: &Catalogue,
    request: &RouteRequest,
    asked: &ModelRef,
    completion: &Completion,
    at: Timestamp,
) -> AnswerBill {
    let reference = ModelRef { provider: asked.provider, model: completion.model.clone() };
    let usage = completion.usage.unwrap_or_else(|| usage_of_part(request, asked, &completion.text, None));
    let price =
        |reference: &ModelRef| catalogue.cost_of(reference, &usage, at).map(|list| completion.terms.of(list));
    // A dated or aliased name that the catalogue lacks is the model that was asked for.
    let is_alias = reference.model.starts_with(&asked.model);
    let cost = completion
        .reported_cost
        .or_else(|| price(&reference))
        .or_else(|| is_alias.then(|| price(asked)).flatten());
    let is_told = completion.usage.is_some() && completion.terms.is_published;
    AnswerBill { reference, usage, cost, is_estimated: !is_told && completion.reported_cost.is_none() }
}

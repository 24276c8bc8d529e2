//! Which models may be asked at all: configured, known, priced, big enough and cheap enough.

use std::collections::BTreeMap;

use jiff::Timestamp;
use strum::VariantArray;

use crate::cost::catalogue::Catalogue;
use crate::cost::estimate::{Load, Warm, estimate, fits};
use crate::cost::models::{Models, UnknownModel};
use crate::cost::tokens::{InputTokens, Size};
use crate::domain::decision::Candidate;
use crate::domain::model::{ModelCard, ModelRef, ProviderId};
use crate::domain::money::Usd;
use crate::domain::prompt::{RouteRequest, UnpricedModels};

/// Why no model may be asked, and the way out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoCandidate {
    #[error("no provider is configured; hint: set one of {0}")]
    NoProvider(String),
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    #[error("model `{model}` needs provider {provider}, which is not configured; hint: set {variable}")]
    NotConfigured { model: String, provider: ProviderId, variable: &'static str },
    #[error(
        "no model of the configured providers is in the models table; hint: pin one with `model`, or add [[models]] to the TOML file"
    )]
    NoModel,
    #[error(
        "about {input} prompt tokens and {output} output tokens fit no model that may be asked (the largest reads {window} and writes {max_output}); hint: shorten the prompt or lower max_output_tokens"
    )]
    TooLong { input: u64, output: u32, window: u32, max_output: u32 },
    #[error("the price of {0} is not known; hint: set allow_unpriced, or add [[prices]] to the TOML file")]
    Unpriced(String),
    #[error(
        "max_cost_usd is {limit}, and the cheapest model may cost up to {cheapest}; hint: raise max_cost_usd, shorten the prompt or lower max_output_tokens"
    )]
    TooDear { limit: Usd, cheapest: Usd },
}

/// What can be asked at all.
#[derive(Debug, Clone, Copy)]
pub struct Supply<'a> {
    pub models: &'a Models,
    pub catalogue: &'a Catalogue,
    /// Each provider that has what it needs.
    pub configured: &'a [ProviderId],
    /// What is at hand of the prompt's session.
    pub warm: Option<&'a Warm>,
    /// How long the prompt is.
    pub size: &'a Size,
    /// Prompt tokens that a provider has counted for a model.
    pub counted: &'a Counted,
}

/// Prompt tokens of a request, as providers have counted them; `None` where one was asked in vain.
pub type Counted = BTreeMap<ModelRef, Option<u64>>;

impl Supply<'_> {
    /// Gives the prompt tokens of a model, as well as they are known.
    pub fn input(&self, card: &ModelCard) -> InputTokens {
        let counted = self.counted.get(&card.reference).copied().flatten();
        counted.map_or_else(|| self.size.tokens(&card.reference), InputTokens::counted)
    }
}

/// Gives the variable that configures a provider.
pub const fn variable(provider: ProviderId) -> &'static str {
    match provider {
        ProviderId::Anthropic => "ANTHROPIC_API_KEY",
        ProviderId::Gemini => "GEMINI_API_KEY",
        ProviderId::Cerebras => "CEREBRAS_API_KEY",
        ProviderId::OpenRouter => "OPENROUTER_API_KEY",
        ProviderId::OpenAiCompatible => "OPENAI_COMPATIBLE_BASE_URL",
        ProviderId::Ollama => "OLLAMA_HOST",
    }
}

/// Says that no provider is configured, and which variables would configure one.
pub fn no_provider() -> NoCandidate {
    let variables: Vec<_> = ProviderId::VARIANTS.iter().copied().map(variable).collect();
    NoCandidate::NoProvider(variables.join(", "))
}

/// Lists the models that may answer a request, with their prices at a time; never an empty list.
pub fn eligible(
    supply: Supply<'_>,
    request: &RouteRequest,
    at: Timestamp,
) -> Result<Vec<Candidate>, NoCandidate> {
    let cards = asked_for(supply, request)?;
    let visible = request.max_output_tokens;
    let sized = cards.iter().map(|card| (card, supply.input(card)));
    let fitting: Vec<(&ModelCard, InputTokens)> =
        sized.clone().filter(|(card, input)| fits(card, *input, visible)).collect();
    if fitting.is_empty() {
        return Err(NoCandidate::TooLong {
            input: sized.map(|(_, input)| input.expected).min().unwrap_or_default(),
            output: visible,
            window: cards.iter().map(|card| card.context_window).max().unwrap_or_default(),
            max_output: cards
                .iter()
                .map(|card| card.max_output.saturating_sub(card.thinking_allowance))
                .max()
                .unwrap_or_default(),
        });
    }
    let candidates: Vec<Candidate> = fitting
        .into_iter()
        .map(|(card, input)| Candidate {
            card: card.clone(),
            estimate: estimate(supply.catalogue, card, Load { input, visible, warm: supply.warm }, at),
            expected_quality: None,
        })
        .collect();
    affordable(candidates, request)
}

fn asked_for(supply: Supply<'_>, request: &RouteRequest) -> Result<Vec<ModelCard>, NoCandidate> {
    if let Some(name) = &request.pinned_model {
        let card = supply.models.find(name)?;
        let provider = card.reference.provider;
        if !supply.configured.contains(&provider) {
            return Err(NoCandidate::NotConfigured {
                model: card.reference.model,
                provider,
                variable: variable(provider),
            });
        }
        return Ok(vec![card]);
    }
    if supply.configured.is_empty() {
        return Err(no_provider());
    }
    let cards: Vec<ModelCard> = supply
        .models
        .iter()
        .filter(|card| supply.configured.contains(&card.reference.provider))
        .cloned()
        .collect();
    if cards.is_empty() { Err(NoCandidate::NoModel) } else { Ok(cards) }
}

fn affordable(candidates: Vec<Candidate>, request: &RouteRequest) -> Result<Vec<Candidate>, NoCandidate> {
    let first_name = candidates.first().map(|candidate| candidate.card.reference.to_string());
    // A limit cannot be promised for a model whose price is unknown.
    let takes_unpriced = request.unpriced == UnpricedModels::Allow && request.max_cost.is_none();
    let priced: Vec<Candidate> =
        candidates.into_iter().filter(|candidate| candidate.estimate.is_some() || takes_unpriced).collect();
    if priced.is_empty() {
        return Err(NoCandidate::Unpriced(first_name.unwrap_or_default()));
    }
    let Some(limit) = request.max_cost else { return Ok(priced) };
    let worst_case = |candidate: &Candidate| candidate.estimate.map(|estimate| estimate.high);
    let cheapest = priced.iter().filter_map(worst_case).min().unwrap_or_default();
    let within: Vec<Candidate> = priced
        .into_iter()
        .filter(|candidate| worst_case(candidate).is_some_and(|cost| cost <= limit))
        .collect();
    if within.is_empty() { Err(NoCandidate::TooDear { limit, cheapest }) } else { Ok(within) }
}

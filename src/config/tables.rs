//! The tables of the TOML file: the user's own models and prices.

use serde::Deserialize;

use crate::domain::limit::{Limit, OnBreach, Period, Scope, SetBy};
use crate::domain::money::Usd;

/// A model, as users and the built-in table write it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRow {
    pub provider: String,
    pub model: String,
    /// economy, balanced or best.
    pub tier: String,
    /// Tokens of prompt and answer together.
    pub context_window: u32,
    /// Tokens of one answer, thinking included.
    pub max_output: u32,
    /// Tokens added to the visible limit because the model thinks first; default: 0.
    #[serde(default)]
    pub thinking_allowance: u32,
    /// In [0, 1]; default: 0.8.
    pub quality_prior: Option<f64>,
    /// `false` for a server that cannot stream; default: true.
    pub streamed: Option<bool>,
    #[serde(default)]
    pub source: String,
    /// The day from which the provider does not offer it any more, such as 2027-05-07.
    pub retires: Option<String>,
}

/// A flat price, as users and the built-in table write it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceRow {
    pub provider: String,
    pub model: String,
    /// US dollars for a million prompt tokens.
    pub input_usd_per_mtok: f64,
    /// US dollars for a million generated tokens, thinking included.
    pub output_usd_per_mtok: f64,
    /// US dollars for a million tokens read from the provider's prompt cache; default: the input price.
    pub cached_input_usd_per_mtok: Option<f64>,
    /// US dollars for a million tokens written to the provider's prompt cache; default: the input price.
    pub cache_write_usd_per_mtok: Option<f64>,
}

/// A limit of what may be spent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetRow {
    pub period: Period,
    /// US dollars, from 0 to 1,000,000.
    pub limit_usd: f64,
    /// Default: block.
    #[serde(default)]
    pub on_breach: OnBreach,
    /// Only requests with this tag; default: all.
    pub tag: Option<String>,
}

/// A limit that cannot be one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadBudget {
    #[error("limit_usd is {0}; accepted: US dollars from 0 to {MOST_USD}")]
    Amount(f64),
    #[error("tag is empty or longer than {MAX_TAG_BYTES} bytes; hint: leave it out to limit all requests")]
    Tag,
}

/// The largest limit, in US dollars.
pub(super) const MOST_USD: f64 = 1e6;
/// Bytes of a tag that may have a limit; stores keep no sums of longer ones.
const MAX_TAG_BYTES: usize = 1_000;

impl BudgetRow {
    /// Makes a limit that somebody set.
    pub fn into_limit(self, set_by: SetBy) -> Result<Limit, BadBudget> {
        let most = Some(self.limit_usd)
            .filter(|dollars| (0.0..=MOST_USD).contains(dollars))
            .and_then(|dollars| Usd::from_dollars(dollars).ok())
            .ok_or(BadBudget::Amount(self.limit_usd))?;
        if self.tag.as_ref().is_some_and(|tag| tag.is_empty() || tag.len() > MAX_TAG_BYTES) {
            return Err(BadBudget::Tag);
        }
        let scope = Scope { period: self.period, tag: self.tag };
        Ok(Limit { scope, most, on_breach: self.on_breach, set_by })
    }
}

/// Everything the TOML file may hold: the variables under their own names, and the tables.
#[derive(Debug, Default, Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) models: Vec<ModelRow>,
    #[serde(default)]
    pub(super) prices: Vec<PriceRow>,
    #[serde(default)]
    pub(super) budgets: Vec<BudgetRow>,
    #[serde(flatten)]
    pub(super) variables: std::collections::BTreeMap<String, toml::Value>,
}

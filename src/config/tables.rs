//! The tables of the TOML file: the user's own models and prices.

use serde::Deserialize;

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

/// Everything the TOML file may hold: the variables under their own names, and the tables.
#[derive(Debug, Default, Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) models: Vec<ModelRow>,
    #[serde(default)]
    pub(super) prices: Vec<PriceRow>,
    #[serde(flatten)]
    pub(super) variables: std::collections::BTreeMap<String, toml::Value>,
}

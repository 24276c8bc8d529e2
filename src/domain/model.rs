//! Who answers: a provider, a model, and what is known about it.

use std::fmt;

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// An outside system that answers prompts for money (or, on this machine, for nothing).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum ProviderId {
    Anthropic,
    Gemini,
    Cerebras,
    #[strum(serialize = "openrouter")]
    OpenRouter,
    #[strum(serialize = "openai_compatible")]
    OpenAiCompatible,
    Ollama,
}

impl ProviderId {
    /// Gives the name used in JSON, SQL, logs and TOML.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Says whether the model runs on the user's own hardware, so that a call costs nothing.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Ollama)
    }
}

/// A model at a provider; written `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelRef {
    pub provider: ProviderId,
    /// The id that the provider's API takes; it may contain `/` itself.
    pub model: String,
}

impl ModelRef {
    /// Says whether a provider that was asked for this model may bill it under another's name: the same one, or
    /// the same one with a date or a version after it.
    pub fn is_billed_as(&self, billed: &Self) -> bool {
        let version = billed.model.strip_prefix(self.model.as_str());
        let is_version = |version: &str| {
            version.is_empty()
                || version.starts_with(['-', '@', ':'])
                    && version.chars().skip(1).all(|character| character.is_ascii_digit() || character == '-')
        };
        self.provider == billed.provider && version.is_some_and(is_version)
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// How good a model is, in three steps; a later one answers all that an earlier one does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Tier {
    Economy,
    Balanced,
    Best,
}

/// One row of the models table: what routing may assume about a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCard {
    pub reference: ModelRef,
    pub tier: Tier,
    /// Tokens of prompt and answer together.
    pub context_window: u32,
    /// Tokens that one answer may have, thinking included.
    pub max_output: u32,
    /// Output tokens added to the visible limit because the model thinks before it answers.
    pub thinking_allowance: u32,
    /// Expected share of prompts answered well, in [0, 1], before any outcome is known.
    pub quality_prior: f64,
    /// Whether the server sends the answer in pieces as it is made.
    pub is_streamed: bool,
    /// Where the row comes from, with its date.
    pub source: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dated_name_is_the_same_model_and_a_longer_one_is_not() {
        let model = |model: &str| ModelRef { provider: ProviderId::Anthropic, model: model.to_owned() };
        for (billed, is_same) in [
            ("gpt-6", true),
            ("gpt-6-2026-11-01", true),
            ("gpt-6@20261101", true),
            ("gpt-6-mini", false),
            ("gpt-60", false),
            ("gpt", false),
        ] {
            assert_eq!(model("gpt-6").is_billed_as(&model(billed)), is_same, "{billed}");
        }
        let elsewhere = ModelRef { provider: ProviderId::OpenRouter, model: "gpt-6".to_owned() };
        assert!(!model("gpt-6").is_billed_as(&elsewhere));
    }
}

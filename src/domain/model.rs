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

//! Adapter: the providers, one wire format per file, behind one trait.
//!
//! It does not choose a model and does not price a call; it never retries by itself, because a
//! second call may be a second bill. Prompts, answers and keys are in none of its errors.

pub mod anthropic;
pub mod check;
mod conversation;
pub mod cooldown;
mod counting;
pub mod draft;
pub mod error;
pub mod fallback;
pub mod gemini;
pub mod http;
pub mod ollama;
pub mod openai_chat;
pub mod price_list;
pub mod simulated;
mod stream;
mod tokens;

use std::time::Duration;

use async_trait::async_trait;

pub use self::draft::Draft;
pub use self::error::ProviderError;
use crate::domain::answer::Completion;
use crate::domain::prompt::Turn;

/// How an answer comes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// In pieces as it is made, so that a part of it is there when time runs out.
    Streamed,
    /// At once, for servers that cannot stream.
    Whole,
}

/// One call: a conversation and the limits of its answer.
#[derive(Debug, Clone)]
pub struct ProviderCall {
    /// The id that the provider's API takes.
    pub model: String,
    pub system: Option<String>,
    /// Oldest first; the last is the user's prompt.
    pub turns: Vec<Turn>,
    /// Tokens the reader may see.
    pub max_visible_tokens: u32,
    /// Tokens the model may think on top; 0 for a model that does not think.
    pub thinking_allowance: u32,
    pub temperature: Option<f64>,
    /// Tokens that the model can read and write together.
    pub context_window: u32,
    pub delivery: Delivery,
    /// How long the whole answer may take.
    pub timeout: Duration,
    /// How long a streamed answer may take to begin.
    pub first_byte_timeout: Duration,
    /// How long a streamed answer may pause.
    pub gap_timeout: Duration,
}

impl ProviderCall {
    /// Gives the output limit that goes over the wire: visible tokens and thinking together.
    pub const fn max_output_tokens(&self) -> u32 {
        self.max_visible_tokens.saturating_add(self.thinking_allowance)
    }
}

/// An outside system that answers a prompt.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Asks once and waits for the whole answer, at most `call.timeout`; a streamed one grows in `draft`.
    ///
    /// Cancel safe: no, because a dropped call may still be billed; the draft says how far it came.
    async fn complete(&self, call: &ProviderCall, draft: &Draft) -> Result<Completion, ProviderError>;

    /// Counts the tokens of what a call sends, within `call.timeout`; `None` where the provider does not tell that for
    /// nothing.
    async fn count_tokens(&self, _: &ProviderCall) -> Result<Option<u64>, ProviderError> {
        Ok(None)
    }
}

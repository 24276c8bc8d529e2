//! What a caller asks: the prompt and how it wants it answered.

use std::fmt;

use super::decision::{Quality, StrategyName};
use super::money::Usd;

/// The longest prompt in characters.
pub const MAX_PROMPT_CHARS: usize = 200_000;

/// A text of 1 to 200,000 characters that is not blank and holds no NUL.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompt(String);

/// A text that is no prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPrompt {
    #[error("prompt is empty: pass the text that you would send to the model")]
    Empty,
    #[error("prompt has {0} characters, the limit is {MAX_PROMPT_CHARS}: shorten or split it")]
    TooLong(usize),
    #[error("prompt holds a NUL character at position {0}: remove it")]
    Nul(usize),
}

impl Prompt {
    /// Takes a text as it is; nothing is trimmed or replaced.
    pub fn new(text: impl Into<String>) -> Result<Self, NotAPrompt> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(NotAPrompt::Empty);
        }
        // A text of few bytes cannot have too many characters, so most are not counted.
        if text.len() > MAX_PROMPT_CHARS {
            let chars = text.chars().count();
            if chars > MAX_PROMPT_CHARS {
                return Err(NotAPrompt::TooLong(chars));
            }
        }
        match text.chars().position(|character| character == '\0') {
            Some(position) => Err(NotAPrompt::Nul(position)),
            None => Ok(Self(text)),
        }
    }

    /// Gives the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Prompt {
    /// Shows the length only: prompts are in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prompt({} bytes)", self.0.len())
    }
}

/// Says whether at least half of the letters are of the Latin script.
pub fn is_mostly_latin(text: &str) -> bool {
    let letters = text.chars().filter(|character| character.is_alphabetic());
    let (latin, other) = letters.fold((0_usize, 0_usize), |(latin, other), letter| {
        if letter < '\u{0250}' { (latin + 1, other) } else { (latin, other + 1) }
    });
    latin >= other
}

/// Who spoke an earlier turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    User,
    Assistant,
}

impl Role {
    /// Gives the name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One earlier turn of the conversation.
#[derive(Clone, PartialEq, Eq)]
pub struct Turn {
    pub role: Role,
    pub text: String,
}

impl fmt::Debug for Turn {
    /// Shows the length only: prompts are in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({}, {} bytes)", self.role.as_str(), self.text.len())
    }
}

/// Whether a stored answer may be read and a new one stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheMode {
    /// Read and store.
    #[default]
    Use,
    /// Pay for a fresh answer, then store it.
    Refresh,
    /// Neither read nor store.
    Off,
}

/// What is kept of what people write.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum StorePrompts {
    /// Nothing that holds a key, a card number or an e-mail address.
    #[default]
    Redacted,
    Full,
    /// A prompt's SHA-256, and no text of it.
    Hash,
    /// Of requests not even that.
    Off,
}

impl StorePrompts {
    /// Says whether prompts are kept in a form that tells what they say: as text, or as an embedding.
    pub const fn keeps_text(self) -> bool {
        matches!(self, Self::Redacted | Self::Full)
    }

    /// Says whether texts with a key, a card number or an e-mail address may be kept.
    pub const fn keeps_private_text(self) -> bool {
        matches!(self, Self::Full)
    }
}

/// Whether a model without a known price may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnpricedModels {
    #[default]
    Refuse,
    Allow,
}

/// A prompt with everything the caller said about how to answer it.
#[derive(Debug, Clone)]
pub struct RouteRequest {
    pub prompt: Prompt,
    pub system: Option<String>,
    /// Earlier turns, oldest first.
    pub context: Vec<Turn>,
    /// Visible tokens; a thinking model's allowance comes on top.
    pub max_output_tokens: u32,
    /// Absent: the caller does not care.
    pub temperature: Option<f64>,
    pub quality: Quality,
    pub strategy: StrategyName,
    /// The model the caller insists on, as written: `provider/model` or a bare id.
    pub pinned_model: Option<String>,
    pub max_cost: Option<Usd>,
    pub unpriced: UnpricedModels,
    pub cache: CacheMode,
    pub session: Option<String>,
    pub tags: Vec<String>,
}

impl RouteRequest {
    /// The limit on visible output where the caller gives none, in tokens.
    pub const DEFAULT_MAX_OUTPUT_TOKENS: u32 = 1_024;

    /// Makes a request that leaves every choice to its default.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            system: None,
            context: Vec::new(),
            max_output_tokens: Self::DEFAULT_MAX_OUTPUT_TOKENS,
            temperature: None,
            quality: Quality::default(),
            strategy: StrategyName::default(),
            pinned_model: None,
            max_cost: None,
            unpriced: UnpricedModels::default(),
            cache: CacheMode::default(),
            session: None,
            tags: Vec::new(),
        }
    }

    /// Gives the earlier turns with the prompt after them.
    pub fn turns(&self) -> Vec<Turn> {
        let mut turns = self.context.clone();
        turns.push(Turn { role: Role::User, text: self.prompt.as_str().to_owned() });
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_refused_with_the_way_out() {
        let check = |text: String, expected: Result<(), NotAPrompt>| {
            assert_eq!(Prompt::new(text).map(|_| ()), expected);
        };
        check("é".repeat(MAX_PROMPT_CHARS), Ok(()));
        check("a".repeat(MAX_PROMPT_CHARS + 1), Err(NotAPrompt::TooLong(MAX_PROMPT_CHARS + 1)));
        check(" \n\t".into(), Err(NotAPrompt::Empty));
        check("ab\0c".into(), Err(NotAPrompt::Nul(2)));
    }

    #[test]
    fn a_prompt_does_not_show_itself_in_a_log() {
        let prompt = Prompt::new("my secret").map(|prompt| format!("{prompt:?}"));
        assert_eq!(prompt.as_deref(), Ok("Prompt(9 bytes)"));
    }
}

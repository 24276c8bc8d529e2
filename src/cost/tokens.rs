//! How many tokens a request's texts have, before a provider has counted them.
//!
//! Two ways, by what is at hand: from the kinds of characters, or from the count of the one tokenizer that is here
//! (o200k), each with what was measured for the tokenizer of a model's family: `packaging/tokens/README.md`.

use std::sync::OnceLock;

use tiktoken_rs::CoreBPE;

use super::families::{Family, Features};
use crate::domain::model::ModelRef;
use crate::domain::prompt::RouteRequest;

/// Tokens that a chat format adds to each turn, at the most.
const TOKENS_PER_TURN: u64 = 8;
/// Tokens that it may begin with: gpt-oss has a preamble of some 70.
const PREAMBLE: u64 = 100;
/// Providers say that their own count may be off by a few tokens.
const COUNT_SLACK: u64 = 16;

/// Prompt tokens, before anybody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputTokens {
    pub low: u64,
    pub expected: u64,
    /// The prompt has no more than this.
    pub high: u64,
}

impl InputTokens {
    /// Takes a provider's own count.
    pub const fn counted(tokens: u64) -> Self {
        Self { low: tokens, expected: tokens, high: tokens + tokens / 64 + COUNT_SLACK }
    }
}

/// What is known of the length of everything that would be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    features: Features,
    turns: u64,
}

impl Size {
    /// Looks at the characters of a text that stands alone.
    pub fn of_text(text: &str) -> Self {
        let mut features = Features::default();
        features.add(text);
        Self { features, turns: 0 }
    }

    /// Looks at the characters.
    pub fn of(request: &RouteRequest) -> Self {
        let mut features = Features::default();
        texts(request).for_each(|text| features.add(text));
        Self { features, turns: request.context.len() as u64 + 2 }
    }

    /// Counts tokens of o200k as well; the first call in a process takes a third of a second, and each some 0.1 ms for
    /// 1,000 characters.
    pub fn tokenized(request: &RouteRequest) -> Self {
        static TOKENIZER: OnceLock<Option<CoreBPE>> = OnceLock::new();
        let mut size = Self::of(request);
        if let Some(tokenizer) = TOKENIZER.get_or_init(|| tiktoken_rs::o200k_base().ok()) {
            size.features.o200k =
                Some(texts(request).map(|text| tokenizer.count_ordinary(text) as u64).sum());
        }
        size
    }

    /// Estimates the tokens that a model's tokenizer makes of the texts alone.
    pub fn tokens_alone(&self, reference: &ModelRef) -> u64 {
        Family::of(reference).expected(&self.features)
    }

    /// Estimates the tokens that a model's tokenizer makes of it, with what a chat format adds.
    pub fn tokens(&self, reference: &ModelRef) -> InputTokens {
        let family = Family::of(reference);
        let (expected, overhead) = (family.expected(&self.features), TOKENS_PER_TURN * self.turns);
        InputTokens {
            low: expected * family.low_percent(&self.features) / 100,
            expected: expected + overhead / 2,
            high: family.high(&self.features) + overhead + PREAMBLE,
        }
    }
}

fn texts(request: &RouteRequest) -> impl Iterator<Item = &str> {
    let turns = request.context.iter().map(|turn| turn.text.as_str());
    std::iter::once(request.prompt.as_str()).chain(request.system.as_deref()).chain(turns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::ProviderId;
    use crate::domain::prompt::Prompt;

    #[test]
    fn counting_brings_the_ends_nearer_together() {
        let text = "The cheapest answer that is still good enough is the best one. ".repeat(200);
        let request = RouteRequest::new(Prompt::new(text).expect("a prompt"));
        let (guessed, counted) = (Size::of(&request), Size::tokenized(&request));
        for model in ["openai/gpt-oss-120b", "gemini-3.8-flash", "qwen-3.8-27b", "z-ai/glm-5.2"] {
            let reference = ModelRef { provider: ProviderId::OpenRouter, model: model.to_owned() };
            let (wide, narrow) = (guessed.tokens(&reference), counted.tokens(&reference));
            assert!(narrow.low <= narrow.expected && narrow.expected <= narrow.high, "{model}: {narrow:?}");
            assert!(narrow.high < wide.high && wide.low < narrow.low, "{model}: {narrow:?} in {wide:?}");
        }
        let exact = InputTokens::counted(6_400);
        assert_eq!((exact.low, exact.expected, exact.high), (6_400, 6_400, 6_516));
    }
}

//! Plays a provider: deterministic answers with realistic token counts, for `--simulate`.
//!
//! It does no I/O. Its text says that it is simulated, so nobody takes it for an answer.

use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{Draft, Provider, ProviderCall, ProviderError};
use crate::domain::answer::{Completion, FinishReason, Terms};
use crate::domain::usage::Usage;

/// Begins every answer.
pub const LABEL: &str = "[simulated] ";

/// Characters of one token, about what English text has.
const CHARS_PER_TOKEN: usize = 4;
/// Visible tokens of an answer, where the caller's limit allows them.
const SHORTEST_ANSWER: u64 = 20;
const LONGEST_ANSWER: u64 = 400;
/// Thinking tokens of an answer, where the allowance allows them.
const LONGEST_THOUGHT: u64 = 800;
const WORDS: [&str; 8] = ["amber", "river", "under", "seven", "quiet", "stone", "north", "light"];

/// Answers every model's calls; the same call gets the same answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Simulated {
    /// How long each answer takes; zero by default.
    pub latency: Duration,
}

#[async_trait]
impl Provider for Simulated {
    async fn complete(&self, call: &ProviderCall, _: &Draft) -> Result<Completion, ProviderError> {
        if !self.latency.is_zero() {
            tokio::time::timeout(call.timeout, tokio::time::sleep(self.latency))
                .await
                .map_err(|_| ProviderError::Timeout(call.timeout))?;
        }
        let [answer_seed, thought_seed, word_seed, _] = seeds(call);
        let longest = LONGEST_ANSWER.min(call.max_visible_tokens.into());
        let visible_tokens = between(SHORTEST_ANSWER.min(longest), longest, answer_seed);
        let longest_thought = LONGEST_THOUGHT.min(call.thinking_allowance.into());
        let reasoning_tokens = between(longest_thought.min(1), longest_thought, thought_seed);
        Ok(Completion {
            text: text(visible_tokens, word_seed),
            model: call.model.clone(),
            usage: Some(Usage {
                input_tokens: input_tokens(call),
                output_tokens: visible_tokens + reasoning_tokens,
                reasoning_tokens,
                ..Usage::default()
            }),
            reported_cost: None,
            terms: Terms::LIST,
            finish_reason: FinishReason::Stop,
        })
    }

    async fn count_tokens(&self, call: &ProviderCall) -> Result<Option<u64>, ProviderError> {
        Ok(Some(input_tokens(call)))
    }
}

/// Draws four numbers from the model and the prompt.
fn seeds(call: &ProviderCall) -> [u64; 4] {
    let prompt = call.turns.last().map_or("", |turn| turn.text.as_str());
    let digest = Sha256::new().chain_update(&call.model).chain_update([0]).chain_update(prompt).finalize();
    let mut numbers = digest
        .chunks_exact(8)
        .map(|bytes| bytes.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)));
    std::array::from_fn(|_| numbers.next().unwrap_or_default())
}

/// Picks a number from `low..=high`.
const fn between(low: u64, high: u64, seed: u64) -> u64 {
    low + seed % (high - low + 1)
}

fn input_tokens(call: &ProviderCall) -> u64 {
    let texts = call.system.iter().chain(call.turns.iter().map(|turn| &turn.text));
    let chars: usize = texts.map(|text| text.chars().count()).sum();
    chars.div_ceil(CHARS_PER_TOKEN) as u64
}

fn text(tokens: u64, seed: u64) -> String {
    let chars = usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(CHARS_PER_TOKEN);
    let start = usize::from(seed.to_le_bytes()[0]) % WORDS.len();
    let words = WORDS.iter().cycle().skip(start).flat_map(|word| [*word, " "]).flat_map(str::chars);
    let filler: String = words.take(chars.saturating_sub(LABEL.len())).collect();
    format!("{LABEL}{}", filler.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::prompt::{Role, Turn};
    use crate::providers::Delivery;

    fn call(model: &str, prompt: &str) -> ProviderCall {
        ProviderCall {
            model: model.into(),
            system: Some("Be brief.".into()),
            turns: vec![Turn { role: Role::User, text: prompt.into() }],
            max_visible_tokens: 1_024,
            thinking_allowance: 0,
            temperature: None,
            context_window: 8_192,
            delivery: Delivery::Whole,
            timeout: Duration::from_secs(1),
            first_byte_timeout: Duration::from_secs(1),
            gap_timeout: Duration::from_secs(1),
        }
    }

    async fn answer(call: &ProviderCall) -> Completion {
        Simulated::default().complete(call, &Draft::default()).await.unwrap()
    }

    #[tokio::test]
    async fn the_same_call_gets_the_same_answer() {
        let first = answer(&call("model-a", "Why is the sky blue?")).await;
        assert_eq!(first, answer(&call("model-a", "Why is the sky blue?")).await);
        assert_ne!(first.text, answer(&call("model-b", "Why is the sky blue?")).await.text);
        assert_ne!(first.text, answer(&call("model-a", "Why is the sky red?")).await.text);
        assert!(first.text.starts_with(LABEL));
        // 9 characters of system prompt and 20 of prompt.
        assert_eq!(first.usage.unwrap().input_tokens, 8);
    }

    #[tokio::test]
    async fn an_answer_keeps_its_limits_and_its_length_fits_its_tokens() {
        for max_visible_tokens in [0, 1, 5, 20, 100, 100_000] {
            for thinking_allowance in [0, 1, 50_000] {
                for prompt in ["a", "b", "c", "d"] {
                    let call =
                        ProviderCall { max_visible_tokens, thinking_allowance, ..call("model", prompt) };
                    let Completion { usage, text, .. } = answer(&call).await;
                    let usage = usage.unwrap();
                    let visible = usage.output_tokens - usage.reasoning_tokens;
                    assert!(visible <= LONGEST_ANSWER.min(max_visible_tokens.into()));
                    assert!(visible >= SHORTEST_ANSWER.min(max_visible_tokens.into()));
                    assert!(usage.reasoning_tokens <= thinking_allowance.into());
                    assert_eq!(usage.reasoning_tokens > 0, thinking_allowance > 0);
                    assert!(text.len() as u64 <= (visible * 4).max(LABEL.len() as u64));
                    assert!(text.len() as u64 + 1 >= visible * 4 || visible * 4 <= LABEL.len() as u64);
                }
            }
        }
    }

    #[tokio::test]
    async fn a_latency_beyond_the_timeout_is_a_timeout() {
        let slow = Simulated { latency: Duration::from_secs(60) };
        let call = ProviderCall { timeout: Duration::from_millis(5), ..call("model", "a") };
        let error = slow.complete(&call, &Draft::default()).await.unwrap_err();
        assert!(matches!(error, ProviderError::Timeout(_)), "{error}");
    }
}

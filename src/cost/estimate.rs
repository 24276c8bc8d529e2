//! What a call would cost, before it is made.
//!
//! Tokens are estimated from characters: English text has about 4 to a token, code and digits fewer,
//! other scripts about one. The estimate's `high` end is made to hold, not to be close.

use jiff::Timestamp;

use super::catalogue::Catalogue;
use crate::domain::decision::CostEstimate;
use crate::domain::model::{ModelCard, ModelRef};
use crate::domain::prompt::RouteRequest;
use crate::domain::usage::Usage;

/// Visible tokens of a usual answer; longer limits are rarely used up.
const USUAL_ANSWER_TOKENS: u32 = 400;
const SHORT_ANSWER_TOKENS: u32 = 16;
/// Tokens that a chat format adds to each turn.
const TOKENS_PER_TURN: u64 = 8;

/// Prompt tokens, before any tokenizer has seen the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputTokens {
    pub low: u64,
    pub expected: u64,
    /// The prompt has fewer tokens than this with every tokenizer in use.
    pub high: u64,
}

/// Estimates the tokens of everything that would be sent.
pub fn input_tokens(request: &RouteRequest) -> InputTokens {
    let texts = [request.prompt.as_str(), request.system.as_deref().unwrap_or_default()];
    let turns = request.context.iter().map(|turn| turn.text.as_str());
    let (mut ascii, mut other) = (0_u64, 0_u64);
    for text in texts.into_iter().chain(turns) {
        let (text_ascii, text_other) = characters(text);
        ascii += text_ascii;
        other += text_other;
    }
    let overhead = TOKENS_PER_TURN * (request.context.len() as u64 + 2);
    InputTokens {
        low: ascii / 5 + other / 3 + 1,
        expected: ascii / 4 + other * 3 / 4 + overhead / 2,
        high: ascii / 2 + other * 2 + overhead,
    }
}

/// Counts the characters of a text: those of ASCII, and the others.
fn characters(text: &str) -> (u64, u64) {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    (ascii as u64, text.chars().count().saturating_sub(ascii) as u64)
}

/// Estimates the tokens of an answer that the provider did not count, or that broke off.
///
/// What the provider did say is the least that it billed.
pub fn usage_of_part(request: &RouteRequest, text: &str, told: Option<&Usage>) -> Usage {
    let (ascii, other) = characters(text);
    let output_tokens = ascii.div_ceil(4) + other * 3 / 4;
    let told = told.copied().unwrap_or_default();
    let input_tokens = if told.input_tokens > 0 { told.input_tokens } else { input_tokens(request).expected };
    Usage { input_tokens, output_tokens: told.output_tokens.max(output_tokens), ..told }
}

/// The beginning of a conversation that a provider keeps at hand for one of its models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warm {
    pub reference: ModelRef,
    /// As the provider said in its last answer.
    pub tokens: u64,
}

/// Estimates the price of a call; `None` where the model has no known price.
///
/// What is warm makes it cheaper to be expected, never at the most.
pub fn estimate(
    catalogue: &Catalogue,
    card: &ModelCard,
    request: &RouteRequest,
    warm: Option<&Warm>,
    at: Timestamp,
) -> Option<CostEstimate> {
    let input = input_tokens(request);
    let visible = request.max_output_tokens;
    let warm = warm.filter(|warm| card.reference.is_billed_as(&warm.reference));
    let warm = warm.map_or(0, |warm| warm.tokens);
    let cost = |input_tokens: u64, cached: u64, output_tokens: u32| {
        let output_tokens = output_tokens.into();
        let cached_input_tokens = cached.min(input_tokens);
        let usage = Usage { input_tokens, cached_input_tokens, output_tokens, ..Usage::default() };
        catalogue.cost_of(&card.reference, &usage, at)
    };
    Some(CostEstimate {
        low: cost(input.low, warm, visible.min(SHORT_ANSWER_TOKENS))?,
        expected: cost(input.expected, warm, visible.min(USUAL_ANSWER_TOKENS) + card.thinking_allowance / 4)?,
        high: cost(input.high, 0, visible.saturating_add(card.thinking_allowance))?,
    })
}

/// Says whether prompt and answer fit the model.
pub fn fits(card: &ModelCard, request: &RouteRequest) -> bool {
    let output = request.max_output_tokens.saturating_add(card.thinking_allowance);
    output <= card.max_output
        && input_tokens(request).expected.saturating_add(output.into()) <= card.context_window.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::models::Models;
    use crate::domain::prompt::Prompt;

    #[test]
    fn an_estimate_is_ordered_and_grows_with_the_prompt() {
        let catalogue = Catalogue::new(&[]).expect("built-in prices are usable");
        let models = Models::new(&[]).expect("built-in rows are usable");
        let request = |chars: usize| RouteRequest::new(Prompt::new("a".repeat(chars)).expect("a prompt"));
        for card in models.iter() {
            let at = Timestamp::UNIX_EPOCH;
            let of = |chars| estimate(&catalogue, card, &request(chars), None, at).expect("a known price");
            let (short, long) = (of(10), of(10_000));
            assert!(short.low < short.expected && short.expected < short.high, "{}", card.reference);
            assert!(short.expected < long.expected && short.high < long.high, "{}", card.reference);
        }
    }

    #[test]
    fn what_a_provider_keeps_at_hand_is_cheaper_for_its_model_alone() {
        let catalogue = Catalogue::new(&[]).expect("built-in prices are usable");
        let models = Models::new(&[]).expect("built-in rows are usable");
        let request = RouteRequest::new(Prompt::new("a".repeat(40_000)).expect("a prompt"));
        let named = |name: &str| models.find(name).expect("a built-in row");
        let (own, other) = (named("anthropic/claude-haiku-5-5"), named("anthropic/claude-sonnet-5-5"));
        let warm = Warm { reference: own.reference.clone(), tokens: 9_000 };
        let of = |card: &ModelCard, warm| {
            estimate(&catalogue, card, &request, warm, Timestamp::UNIX_EPOCH).expect("a known price")
        };
        let (cold, cheap) = (of(&own, None), of(&own, Some(&warm)));
        assert!(cheap.expected < cold.expected && cheap.low < cold.low);
        assert_eq!(cheap.high, cold.high);
        assert_eq!(of(&other, Some(&warm)), of(&other, None));
    }

    #[test]
    fn a_part_of_an_answer_counts_what_arrived_and_at_least_what_was_told() {
        let request = RouteRequest::new(Prompt::new("a".repeat(400)).expect("a prompt"));
        let guessed = usage_of_part(&request, &"b".repeat(10), None);
        assert_eq!((guessed.input_tokens, guessed.output_tokens), (108, 3));
        let told = Usage { input_tokens: 90, cached_input_tokens: 50, output_tokens: 7, ..Usage::default() };
        assert_eq!(usage_of_part(&request, "short", Some(&told)), told);
        assert_eq!(usage_of_part(&request, &"b".repeat(400), Some(&told)).output_tokens, 100);
    }

    #[test]
    fn a_prompt_that_does_not_fit_the_window_does_not_fit() {
        let models = Models::new(&[]).expect("built-in rows are usable");
        let small = models.find("cerebras/qwen-3.8-27b").expect("a built-in row");
        let request =
            |chars: usize| RouteRequest::new(Prompt::new("a ".repeat(chars / 2)).expect("a prompt"));
        assert!(fits(&small, &request(100_000)));
        let too_long = RouteRequest { context: vec![], ..request(200_000) };
        assert!(fits(&small, &too_long), "50,000 of 65,536 tokens");
        let long_answer = RouteRequest { max_output_tokens: 40_000, ..request(10) };
        assert!(!fits(&small, &long_answer), "32,768 tokens is the most it writes");
    }
}

//! What a call would cost, before it is made.
//!
//! The estimate's `high` end is made to hold, not to be close.

use jiff::Timestamp;

use super::catalogue::Catalogue;
use super::tokens::{InputTokens, Size};
use crate::domain::decision::CostEstimate;
use crate::domain::model::{ModelCard, ModelRef};
use crate::domain::prompt::RouteRequest;
use crate::domain::usage::Usage;

/// Visible tokens of a usual answer; longer limits are rarely used up.
const USUAL_ANSWER_TOKENS: u32 = 400;
const SHORT_ANSWER_TOKENS: u32 = 16;

/// What a call would send and may get.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    pub input: InputTokens,
    /// The most tokens of the answer that its reader sees.
    pub visible: u32,
    pub warm: Option<&'a Warm>,
}

/// Estimates the tokens of an answer that the provider did not count, or that broke off.
///
/// What the provider did say is the least that it billed.
pub fn usage_of_part(request: &RouteRequest, asked: &ModelRef, text: &str, told: Option<&Usage>) -> Usage {
    let output_tokens = Size::of_text(text).tokens_alone(asked);
    let told = told.copied().unwrap_or_default();
    let input_tokens = match told.input_tokens {
        0 => Size::of(request).tokens(asked).expected,
        told => told,
    };
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
    load: Load<'_>,
    at: Timestamp,
) -> Option<CostEstimate> {
    let Load { input, visible, warm } = load;
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
pub fn fits(card: &ModelCard, input: InputTokens, visible: u32) -> bool {
    let output = visible.saturating_add(card.thinking_allowance);
    output <= card.max_output && input.expected.saturating_add(output.into()) <= card.context_window.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::models::Models;
    use crate::domain::prompt::Prompt;

    fn request(text: &str) -> RouteRequest {
        RouteRequest::new(Prompt::new(text).expect("a prompt"))
    }

    fn load<'a>(card: &ModelCard, text: &str, warm: Option<&'a Warm>) -> Load<'a> {
        Load { input: Size::of(&request(text)).tokens(&card.reference), visible: 1_024, warm }
    }

    #[test]
    fn an_estimate_is_ordered_and_grows_with_the_prompt() {
        let catalogue = Catalogue::new(&[]).expect("built-in prices are usable");
        let models = Models::new(&[]).expect("built-in rows are usable");
        for card in models.iter() {
            let of = |chars| {
                let load = load(card, &"a".repeat(chars), None);
                estimate(&catalogue, card, load, Timestamp::UNIX_EPOCH).expect("a known price")
            };
            let (short, long) = (of(10), of(10_000));
            assert!(short.low < short.expected && short.expected < short.high, "{}", card.reference);
            assert!(short.expected < long.expected && short.high < long.high, "{}", card.reference);
        }
    }

    #[test]
    fn what_a_provider_keeps_at_hand_is_cheaper_for_its_model_alone() {
        let catalogue = Catalogue::new(&[]).expect("built-in prices are usable");
        let models = Models::new(&[]).expect("built-in rows are usable");
        let named = |name: &str| models.find(name).expect("a built-in row");
        let (own, other) = (named("anthropic/claude-haiku-5-5"), named("anthropic/claude-sonnet-5-5"));
        let warm = Warm { reference: own.reference.clone(), tokens: 9_000 };
        let of = |card: &ModelCard, warm| {
            let load = load(card, &"a".repeat(40_000), warm);
            estimate(&catalogue, card, load, Timestamp::UNIX_EPOCH).expect("a known price")
        };
        let (cold, cheap) = (of(&own, None), of(&own, Some(&warm)));
        assert!(cheap.expected < cold.expected && cheap.low < cold.low);
        assert_eq!(cheap.high, cold.high);
        assert_eq!(of(&other, Some(&warm)), of(&other, None));
    }

    #[test]
    fn a_part_of_an_answer_counts_what_arrived_and_at_least_what_was_told() {
        let models = Models::new(&[]).expect("built-in rows are usable");
        let asked = models.find("anthropic/claude-haiku-5-5").expect("a built-in row").reference;
        let request = request(&"a".repeat(400));
        let guessed = usage_of_part(&request, &asked, &"b".repeat(10), None);
        assert_eq!((guessed.input_tokens, guessed.output_tokens), (144 + 8, 4));
        let told = Usage { input_tokens: 90, cached_input_tokens: 50, output_tokens: 7, ..Usage::default() };
        assert_eq!(usage_of_part(&request, &asked, "short", Some(&told)), told);
        assert_eq!(usage_of_part(&request, &asked, &"b".repeat(400), Some(&told)).output_tokens, 144);
    }

    #[test]
    fn a_prompt_that_does_not_fit_the_window_does_not_fit() {
        let models = Models::new(&[]).expect("built-in rows are usable");
        let small = models.find("cerebras/qwen-3.8-27b").expect("a built-in row");
        let of = |tokens: u64, visible: u32| {
            fits(&small, InputTokens { low: 1, expected: tokens, high: 2 * tokens }, visible)
        };
        assert!(of(50_000, 1_024), "of 65,536 tokens");
        assert!(!of(65_000, 1_024));
        assert!(!of(10, 40_000), "32,768 tokens is the most it writes");
    }
}

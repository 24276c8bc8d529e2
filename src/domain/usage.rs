//! Tokens of one provider call, in one convention for all providers.

use std::ops::AddAssign;

/// Tokens that a provider billed.
///
/// Providers disagree on what includes what; here every part is included in its whole:
/// cached and cache-write tokens in `input_tokens`, reasoning tokens in `output_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All prompt tokens, from the provider's prompt cache or not.
    pub input_tokens: u64,
    /// Prompt tokens read from the provider's prompt cache.
    pub cached_input_tokens: u64,
    /// Prompt tokens written to the provider's prompt cache, whatever their time to live.
    pub cache_write_tokens: u64,
    /// The part of `cache_write_tokens` that is kept for an hour and costs more.
    pub cache_write_1h_tokens: u64,
    /// All generated tokens, thinking included.
    pub output_tokens: u64,
    /// The part of `output_tokens` spent on thinking.
    pub reasoning_tokens: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens += other.input_tokens;
        self.cached_input_tokens += other.cached_input_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.cache_write_1h_tokens += other.cache_write_1h_tokens;
        self.output_tokens += other.output_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
    }
}

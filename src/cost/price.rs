//! A flat price list of one model, in whole pico-dollars a token.

use crate::config::PriceRow;
use crate::domain::money::{NotAnAmount, Usd};
use crate::domain::usage::Usage;

/// A flat price, for one token of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlatPrice {
    pub input: Usd,
    pub output: Usd,
    /// A token read from the provider's prompt cache.
    pub cached_input: Usd,
    /// A token written to the provider's prompt cache.
    pub cache_write: Usd,
}

impl FlatPrice {
    /// The price of a model that runs on the user's own hardware.
    pub const FREE: Self =
        Self { input: Usd::ZERO, output: Usd::ZERO, cached_input: Usd::ZERO, cache_write: Usd::ZERO };

    /// Takes the dearer of two prices for each kind of token.
    pub fn dearest(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cached_input: self.cached_input.max(other.cached_input),
            cache_write: self.cache_write.max(other.cache_write),
        }
    }

    /// Gives the price of tokens; exact.
    pub fn cost_of(&self, usage: &Usage) -> Usd {
        let special = usage.cached_input_tokens.saturating_add(usage.cache_write_tokens);
        [
            (usage.input_tokens.saturating_sub(special), self.input),
            (usage.cached_input_tokens, self.cached_input),
            (usage.cache_write_tokens, self.cache_write),
            (usage.output_tokens, self.output),
        ]
        .into_iter()
        .map(|(tokens, each)| {
            let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
            Usd::from_pico(each.pico().saturating_mul(tokens))
        })
        .sum()
    }
}

impl TryFrom<&PriceRow> for FlatPrice {
    type Error = NotAnAmount;
    fn try_from(row: &PriceRow) -> Result<Self, NotAnAmount> {
        let each = |usd_per_mtok: f64| match Usd::from_dollars(usd_per_mtok / 1e6) {
            Ok(amount) if amount >= Usd::ZERO => Ok(amount),
            _ => Err(NotAnAmount(usd_per_mtok)),
        };
        let input = each(row.input_usd_per_mtok)?;
        Ok(Self {
            input,
            output: each(row.output_usd_per_mtok)?,
            cached_input: row.cached_input_usd_per_mtok.map_or(Ok(input), each)?,
            cache_write: row.cache_write_usd_per_mtok.map_or(Ok(input), each)?,
        })
    }
}

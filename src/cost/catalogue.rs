//! The price catalogue: what tokens cost at a provider at a time.
//!
//! Prices come, in this order, from the user's own rows, from a provider's live list, from the rows of the
//! models table, and from genai-prices' data, which knows tiers and dated changes. A price that is missing or
//! empty is no price, and one that a live list lacks is the built-in one.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::SystemTime;

use genai_prices::{Calculator, PriceRequest, Usage as PricedUsage, UsageKey};
use jiff::Timestamp;
use jiff::civil::Date;

use super::live::{ListedModel, LiveList};
use super::models::{BuiltIn, unknown_provider};
use super::price::FlatPrice;
use crate::config::PriceRow;
use crate::domain::model::{ModelRef, ProviderId};
use crate::domain::money::Usd;
use crate::domain::usage::Usage;

const PRICES: &[u8] = include_bytes!("data/prices.json");

/// The day as of which the built-in prices and models are; `data/README.md` says from where.
pub const BUILT_IN_DATE: Date = jiff::civil::date(2026, 11, 22);

/// A price row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("price of {name}: {problem}")]
pub struct BadPriceRow {
    name: String,
    problem: String,
}

/// What every known model costs.
#[derive(Debug)]
pub struct Catalogue {
    user: HashMap<ModelRef, FlatPrice>,
    /// One list a provider; replaced whole, so that a reader holds the lock for a look-up only.
    live: RwLock<Vec<Arc<LiveList>>>,
    table: HashMap<ModelRef, FlatPrice>,
    /// Decoded on first use: it takes milliseconds that start-up need not wait for.
    calculator: OnceLock<Calculator>,
}

impl Catalogue {
    /// Takes the user's price rows, which win over the built-in ones.
    pub fn new(user_rows: &[PriceRow]) -> Result<Self, BadPriceRow> {
        Ok(Self {
            user: flat_prices(user_rows)?,
            live: RwLock::default(),
            table: flat_prices(&BuiltIn::read().prices)?,
            calculator: OnceLock::new(),
        })
    }

    /// Puts a provider's live list in force, in place of the one before.
    pub fn set_live(&self, list: Arc<LiveList>) {
        let mut lists = self.live.write().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|known| known.provider != list.provider);
        lists.push(list);
    }

    /// Gives the live list of a provider that is in force.
    pub fn live(&self, provider: ProviderId) -> Option<Arc<LiveList>> {
        let lists = self.live.read().unwrap_or_else(PoisonError::into_inner);
        lists.iter().find(|list| list.provider == provider).map(Arc::clone)
    }

    /// Finds what the user set for a model.
    pub(super) fn set_by_user(&self, reference: &ModelRef) -> Option<FlatPrice> {
        self.user.get(reference).copied()
    }

    /// Finds what the live list in force says of a model.
    pub(super) fn listed(&self, reference: &ModelRef) -> Option<ListedModel> {
        let lists = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let list = lists.iter().find(|list| list.provider == reference.provider)?;
        list.models.get(&reference.model).copied()
    }

    /// Prices tokens by the rules in force at a time; `None` where no price is known.
    ///
    /// A model on the user's own hardware costs nothing.
    pub fn cost_of(&self, reference: &ModelRef, usage: &Usage, at: Timestamp) -> Option<Usd> {
        if let Some(price) = self.set_by_user(reference) {
            return Some(price.cost_of(usage));
        }
        if let Some(price) = self.listed(reference).and_then(|listed| listed.price) {
            return Some(price.cost_of(usage));
        }
        self.built_in_cost_of(reference, usage, at)
    }

    /// Prices tokens by what came with the program.
    pub(super) fn built_in_cost_of(&self, reference: &ModelRef, usage: &Usage, at: Timestamp) -> Option<Usd> {
        if let Some(price) = self.table.get(reference) {
            return Some(price.cost_of(usage));
        }
        if reference.provider.is_local() {
            return Some(FlatPrice::FREE.cost_of(usage));
        }
        let provider_id = match reference.provider {
            ProviderId::Anthropic => "anthropic",
            ProviderId::Gemini => "google",
            ProviderId::Cerebras => "cerebras",
            ProviderId::OpenRouter | ProviderId::OpenAiCompatible | ProviderId::Ollama => return None,
        };
        let calculator = self.calculator.get_or_init(|| {
            Calculator::from_json(PRICES).expect("the built-in price data is valid; a test reads it")
        });
        let tokens = priced_usage(usage);
        let request = PriceRequest::new(&reference.model, &tokens)
            .with_provider_id(provider_id)
            .with_timestamp(SystemTime::from(at));
        let priced = calculator.calculate(&request).ok()?;
        // An empty price map prices everything at zero without an error.
        let is_empty =
            priced.total_price == 0.0 && usage.input_tokens.saturating_add(usage.output_tokens) > 0;
        let is_partial = !priced.warnings.is_empty();
        if is_empty || is_partial { None } else { Usd::from_dollars(priced.total_price).ok() }
    }
}

fn flat_prices(rows: &[PriceRow]) -> Result<HashMap<ModelRef, FlatPrice>, BadPriceRow> {
    let priced = |row: &PriceRow| {
        let bad = |problem: String| BadPriceRow { name: format!("{}/{}", row.provider, row.model), problem };
        let provider = row.provider.parse().map_err(|_| bad(unknown_provider(&row.provider)))?;
        let price = FlatPrice::try_from(row)
            .map_err(|amount| bad(format!("{} US dollars a million tokens is no price", amount.0)))?;
        Ok((ModelRef { provider, model: row.model.clone() }, price))
    };
    rows.iter().map(priced).collect()
}

/// Words our usage in genai-prices' keys; both count the parts in their whole.
fn priced_usage(usage: &Usage) -> PricedUsage {
    let mut tokens = PricedUsage::default();
    let cache_write_5m_tokens = usage.cache_write_tokens.saturating_sub(usage.cache_write_1h_tokens);
    for (key, count) in [
        (UsageKey::INPUT_TOKENS, usage.input_tokens),
        (UsageKey::CACHE_READ_TOKENS, usage.cached_input_tokens),
        (UsageKey::CACHE_WRITE_TOKENS, usage.cache_write_tokens),
        (UsageKey::CACHE_WRITE_5M_TOKENS, cache_write_5m_tokens),
        (UsageKey::CACHE_WRITE_1H_TOKENS, usage.cache_write_1h_tokens),
        (UsageKey::OUTPUT_TOKENS, usage.output_tokens),
    ] {
        if count > 0 {
            tokens.insert(key, count as f64);
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "2026-11-23T12:00:00Z";

    fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage { input_tokens, output_tokens, ..Usage::default() }
    }

    fn check(name: &str, usage: Usage, at: &str, expected_pico: Option<i64>) {
        let catalogue = Catalogue::new(&[]).expect("built-in prices are usable");
        let (provider, model) = name.split_once('/').expect("a test names provider/model");
        let reference =
            ModelRef { provider: provider.parse().expect("a known provider"), model: model.to_owned() };
        let at = at.parse().expect("a time");
        let cost = catalogue.cost_of(&reference, &usage, at).map(Usd::pico);
        assert_eq!(cost, expected_pico, "{name} at {at}");
    }

    #[test]
    fn a_call_costs_what_the_provider_bills() {
        // 100 fresh + 1,500 written for 5 minutes + 500 for an hour + 50,000 read, 300 out:
        // 100×.1 + 1500×.125 + 500×.2 + 50000×.01 + 300×.5 = 947.5 micro-dollars.
        let cached = Usage {
            input_tokens: 52_100,
            cached_input_tokens: 50_000,
            cache_write_tokens: 2_000,
            cache_write_1h_tokens: 500,
            output_tokens: 300,
            reasoning_tokens: 0,
        };
        check("anthropic/claude-haiku-5-5", cached, BEFORE, Some(947_500_000));
        // 600×.1 + 400×.01 + 120×.4 = 112 micro-dollars.
        let thinking = Usage { cached_input_tokens: 400, reasoning_tokens: 70, ..usage(1_000, 120) };
        check("gemini/gemini-2.5-flash-lite", thinking, BEFORE, Some(112_000_000));
        check("cerebras/gpt-oss-120b", usage(1_000_000, 1_000_000), BEFORE, Some(1_100_000_000_000));
    }

    #[test]
    fn a_long_prompt_pays_the_higher_tier_for_every_token() {
        check("anthropic/claude-haiku-5-5", usage(100_000, 1_000), BEFORE, Some(10_500_000_000));
        check("anthropic/claude-haiku-5-5", usage(100_001, 1_000), BEFORE, Some(52_500_500_000));
    }

    #[test]
    fn a_dated_price_is_that_of_the_requests_time() {
        let million = usage(1_000_000, 1_000_000);
        check("gemini/gemini-4-argon", million, BEFORE, Some(12_000_000_000_000));
        check("gemini/gemini-4-argon", million, "2026-12-02T00:00:00Z", Some(24_000_000_000_000));
    }

    #[test]
    fn a_missing_or_empty_price_is_no_price() {
        check("anthropic/claude-fable-5-2", usage(10, 10), BEFORE, None);
        check("gemini/gemma-4-31b-it", usage(10, 10), BEFORE, None);
        check("cerebras/qwen-3-coder-480b", usage(10, 10), BEFORE, None);
        check("openai_compatible/anything", usage(10, 10), BEFORE, None);
    }

    #[test]
    fn a_local_model_is_free_unless_the_user_prices_it() {
        check("ollama/llama3.2", usage(10, 10), BEFORE, Some(0));
        let row = PriceRow {
            provider: "ollama".into(),
            model: "llama3.2".into(),
            input_usd_per_mtok: 0.5,
            output_usd_per_mtok: 1.0,
            cached_input_usd_per_mtok: Some(0.1),
            cache_write_usd_per_mtok: None,
        };
        let catalogue = Catalogue::new(std::slice::from_ref(&row)).expect("the row is usable");
        let reference = ModelRef { provider: ProviderId::Ollama, model: "llama3.2".into() };
        let tokens = Usage { cached_input_tokens: 4, ..usage(10, 10) };
        let cost = catalogue.cost_of(&reference, &tokens, Timestamp::UNIX_EPOCH);
        assert_eq!(cost, Some(Usd::from_pico(6 * 500_000 + 4 * 100_000 + 10 * 1_000_000)));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Catalogue::new(&[PriceRow { input_usd_per_mtok: bad, ..row.clone() }]).is_err());
        }
    }
}

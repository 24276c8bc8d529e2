//! Quotes: the price of a model as people read it, where it is from, and how it moves.
//!
//! Bills never come from here: a quote is per token of a short prompt, and tiers are said beside it or not at all.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::catalogue::{BUILT_IN_DATE, Catalogue};
use super::live::LongPrice;
use super::price::FlatPrice;
use crate::domain::model::ModelRef;
use crate::domain::money::Usd;
use crate::domain::usage::Usage;

/// Tokens that a built-in price is read off with; no known tier begins below.
const SAMPLE_TOKENS: u64 = 1_000;

/// Where a price is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `[[prices]]` of the user's TOML file.
    User,
    /// The provider's public list, as it was at a time.
    Live(Timestamp),
    /// The data that came with the program, as of a day.
    BuiltIn(Date),
    /// The model runs on the user's own hardware.
    Local,
}

/// What a model costs, for one token of each kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quote {
    pub price: FlatPrice,
    /// What a live list asks for long prompts.
    pub long: Option<LongPrice>,
    pub origin: Origin,
    /// How far a live price is from the built-in one, in percent of that: input or output, whichever moved more.
    pub drift_percent: Option<f64>,
}

/// A price that will not be what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceChange {
    /// The first day, in UTC, that ends with another price.
    pub on: Date,
    /// In percent of today's price, for as many tokens of output as of input.
    pub percent: f64,
}

impl Catalogue {
    /// Says what a model costs at a time, and where that is from; `None` where no price is known.
    pub fn quote(&self, reference: &ModelRef, at: Timestamp) -> Option<Quote> {
        if let Some(price) = self.set_by_user(reference) {
            return Some(Quote { price, long: None, origin: Origin::User, drift_percent: None });
        }
        let built_in = self.built_in_price(reference, at);
        let listed = self.listed(reference).and_then(|listed| listed.price);
        if let (Some(listed), Some(list)) = (listed, self.live(reference.provider)) {
            return Some(Quote {
                price: listed.base,
                long: listed.long,
                origin: Origin::Live(list.fetched_at),
                drift_percent: built_in.map(|built_in| drift_percent(&built_in, &listed.base)),
            });
        }
        let is_local = reference.provider.is_local();
        let origin = if is_local { Origin::Local } else { Origin::BuiltIn(BUILT_IN_DATE) };
        built_in.map(|price| Quote { price, long: None, origin, drift_percent: None })
    }

    /// Gives the day from which a live list says that a model is not offered any more.
    pub fn listed_retirement(&self, reference: &ModelRef) -> Option<Date> {
        self.listed(reference)?.retires
    }

    /// Finds the next change of a price within some days, by pricing the same tokens on each of them.
    pub fn next_change(&self, reference: &ModelRef, from: Timestamp, days: u16) -> Option<PriceChange> {
        let usage = Usage { input_tokens: SAMPLE_TOKENS, output_tokens: SAMPLE_TOKENS, ..Usage::default() };
        let today = self.cost_of(reference, &usage, from)?;
        (1..=i64::from(days)).find_map(|day| {
            let then = from.checked_add(SignedDuration::from_hours(24 * day)).ok()?;
            let cost = self.cost_of(reference, &usage, then)?;
            let on = then.to_zoned(TimeZone::UTC).date();
            (cost != today).then(|| PriceChange { on, percent: change_percent(today, cost) })
        })
    }

    fn built_in_price(&self, reference: &ModelRef, at: Timestamp) -> Option<FlatPrice> {
        let each = |usage: Usage| {
            let cost = self.built_in_cost_of(reference, &usage, at)?;
            Some(Usd::from_pico(cost.pico() / i64::try_from(SAMPLE_TOKENS).ok()?))
        };
        let input_tokens = SAMPLE_TOKENS;
        let input = each(Usage { input_tokens, ..Usage::default() })?;
        let output = each(Usage { output_tokens: SAMPLE_TOKENS, ..Usage::default() })?;
        let cached = Usage { input_tokens, cached_input_tokens: SAMPLE_TOKENS, ..Usage::default() };
        let written = Usage { input_tokens, cache_write_tokens: SAMPLE_TOKENS, ..Usage::default() };
        // Who has no price for these bills them as input.
        Some(FlatPrice {
            input,
            output,
            cached_input: each(cached).unwrap_or(input),
            cache_write: each(written).unwrap_or(input),
        })
    }
}

/// Gives the larger of the changes of input and output.
fn drift_percent(built_in: &FlatPrice, live: &FlatPrice) -> f64 {
    let input = change_percent(built_in.input, live.input);
    let output = change_percent(built_in.output, live.output);
    if input.abs() > output.abs() { input } else { output }
}

/// Gives a change in percent of what was; from nothing to something it is 100.
fn change_percent(before: Usd, after: Usd) -> f64 {
    if before == after {
        0.0
    } else if before == Usd::ZERO {
        100.0
    } else {
        (after.pico() as f64 / before.pico() as f64 - 1.0) * 100.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::PriceRow;
    use crate::cost::live::{LiveList, parse};
    use crate::domain::model::ProviderId;

    const NOW: &str = "2026-11-25T12:00:00Z";
    const LIST: &str = r#"{"data": [
        {"id": "z-ai/glm-5.2", "pricing": {"prompt": "0.00000093", "completion": "0.00000242"},
         "expiration_date": "2027-01-15"},
        {"id": "openai/gpt-oss-120b", "pricing": {"prompt": "-1", "completion": ""}},
        {"id": "new/model", "pricing": {"prompt": "0.000001", "completion": "0.000002"}}
    ]}"#;

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn model(name: &str) -> ModelRef {
        let (provider, model) = name.split_once('/').unwrap();
        ModelRef { provider: provider.parse().unwrap(), model: model.to_owned() }
    }

    fn catalogue(user_rows: &[PriceRow]) -> Catalogue {
        let catalogue = Catalogue::new(user_rows).unwrap();
        let models = parse(LIST.as_bytes()).unwrap();
        let list = LiveList { provider: ProviderId::OpenRouter, fetched_at: now(), models };
        catalogue.set_live(Arc::new(list));
        catalogue
    }

    fn check(catalogue: &Catalogue, name: &str, origin: Option<Origin>, input_pico: i64) {
        let reference = model(name);
        let quote = catalogue.quote(&reference, now());
        assert_eq!(quote.map(|quote| quote.origin), origin, "{name}");
        let input = Usage { input_tokens: 1, ..Usage::default() };
        let cost = catalogue.cost_of(&reference, &input, now());
        let quoted = quote.map(|quote| quote.price.input);
        assert_eq!((cost, quoted), (quoted, origin.map(|_| Usd::from_pico(input_pico))), "{name}");
    }

    #[test]
    fn the_users_price_wins_over_the_live_one_and_that_over_the_built_in_one() {
        let with_list = catalogue(&[]);
        let built_in = Some(Origin::BuiltIn(BUILT_IN_DATE));
        check(&with_list, "openrouter/z-ai/glm-5.2", Some(Origin::Live(now())), 930_000);
        check(&with_list, "openrouter/new/model", Some(Origin::Live(now())), 1_000_000);
        // What the list has no price for keeps the one it had, or none.
        check(&with_list, "openrouter/openai/gpt-oss-120b", built_in, 150_000);
        check(&with_list, "openrouter/nobody/knows", None, 0);
        check(&with_list, "anthropic/claude-haiku-5-5", built_in, 100_000);
        check(&with_list, "ollama/llama3.2", Some(Origin::Local), 0);
        let row = PriceRow {
            provider: "openrouter".into(),
            model: "z-ai/glm-5.2".into(),
            input_usd_per_mtok: 7.0,
            output_usd_per_mtok: 8.0,
            cached_input_usd_per_mtok: None,
            cache_write_usd_per_mtok: None,
        };
        check(&catalogue(&[row]), "openrouter/z-ai/glm-5.2", Some(Origin::User), 7_000_000);
    }

    #[test]
    fn drift_is_what_moved_most() {
        let drift =
            |name: &str| catalogue(&[]).quote(&model(name), now()).and_then(|quote| quote.drift_percent);
        assert_eq!(drift("openrouter/z-ai/glm-5.2").map(f64::round), Some(50.0));
        assert_eq!(drift("openrouter/new/model"), None);
        assert_eq!(drift("openrouter/openai/gpt-oss-120b"), None);
    }

    #[test]
    fn a_listed_end_is_told() {
        let retirement = catalogue(&[]).listed_retirement(&model("openrouter/z-ai/glm-5.2"));
        assert_eq!(retirement, Some(jiff::civil::date(2027, 1, 15)));
    }

    #[test]
    fn a_change_ahead_is_found_by_its_day() {
        let change = |name: &str, days: u16| catalogue(&[]).next_change(&model(name), now(), days);
        let doubled = change("gemini/gemini-4-argon", 60).unwrap();
        assert_eq!((doubled.on, doubled.percent.round()), (jiff::civil::date(2026, 12, 1), 100.0));
        assert_eq!(change("gemini/gemini-4-argon", 3), None);
        assert_eq!(change("gemini/gemini-3.8-flash", 60).unwrap().on, jiff::civil::date(2027, 1, 1));
        assert_eq!(change("anthropic/claude-haiku-5-5", 60), None);
        assert_eq!(change("openrouter/nobody/knows", 60), None);
    }

    #[test]
    fn a_newer_list_replaces_the_one_before() {
        let catalogue = catalogue(&[]);
        let body = r#"{"data": [{"id": "other", "pricing": {"prompt": "0.1e-6", "completion": "1e-6"}}]}"#;
        let models = parse(body.as_bytes()).unwrap();
        let list = LiveList { provider: ProviderId::OpenRouter, fetched_at: now(), models };
        catalogue.set_live(Arc::new(list));
        check(&catalogue, "openrouter/other", Some(Origin::Live(now())), 100_000);
        check(&catalogue, "openrouter/z-ai/glm-5.2", Some(Origin::BuiltIn(BUILT_IN_DATE)), 620_000);
    }
}

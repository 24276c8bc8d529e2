//! Live prices: what a provider's public list says, and how much of it is believed.
//!
//! The list is data from a network: a price that is missing, empty, negative, not finite or absurd is no price,
//! and 0 is one only where the model's id says so (`:free`). What a flat price cannot say is taken at its
//! dearest: a condition on the time of day as if it always held, and from the first limit of prompt length
//! that the list names, the dearest of all its prices. Fees per request are not modelled: such a model is
//! unpriced. Nothing here fails on one bad row, and a list without any price is refused whole.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::price::FlatPrice;
use crate::domain::model::ProviderId;
use crate::domain::money::Usd;
use crate::domain::usage::Usage;

/// Models that one list may have; the longest known has some hundreds.
const MAX_MODELS: usize = 5_000;
const MAX_ID_BYTES: usize = 200;
/// The most that a token may cost: $10,000 a million, some fifteen times the dearest model there was.
const MAX_PICO_A_TOKEN: i64 = 10_000_000_000;

/// A price by length of prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedPrice {
    pub base: FlatPrice,
    pub long: Option<LongPrice>,
}

/// What every token of a long prompt's call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongPrice {
    /// Prompt tokens from which it holds.
    pub from_input_tokens: u64,
    pub price: FlatPrice,
}

impl ListedPrice {
    /// Gives the price of tokens.
    pub fn cost_of(&self, usage: &Usage) -> Usd {
        let long = self.long.filter(|long| usage.input_tokens >= long.from_input_tokens);
        long.map_or(self.base, |long| long.price).cost_of(usage)
    }
}

/// What a list says of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListedModel {
    /// Absent: the list has no price that can be believed.
    pub price: Option<ListedPrice>,
    /// The day from which the model is not offered any more.
    pub retires: Option<Date>,
}

/// A provider's public list, as it was at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveList {
    pub provider: ProviderId,
    pub fetched_at: Timestamp,
    /// By the id that the provider's API takes.
    pub models: HashMap<String, ListedModel>,
}

impl LiveList {
    /// Counts the models with a price.
    pub fn priced(&self) -> usize {
        self.models.values().filter(|model| model.price.is_some()).count()
    }
}

/// Why a list is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    #[error("not a list of models in JSON")]
    NotAList,
    #[error("more than {MAX_MODELS} models")]
    TooLong,
    #[error("no usable price in it")]
    NoPrice,
}

/// Reads a list in the shape that OpenRouter and Cerebras share.
pub fn parse(body: &[u8]) -> Result<HashMap<String, ListedModel>, BadList> {
    let list: RawList = serde_json::from_slice(body).map_err(|_| BadList::NotAList)?;
    if list.data.len() > MAX_MODELS {
        return Err(BadList::TooLong);
    }
    let mut models = HashMap::new();
    for row in list.data {
        let Row::Model(model) = row else { continue };
        if is_id(&model.id) {
            let listed = ListedModel { price: price(&model), retires: retires(&model) };
            models.insert(model.id, listed);
        }
    }
    if models.values().all(|model| model.price.is_none()) {
        return Err(BadList::NoPrice);
    }
    Ok(models)
}

/// Says whether a text can be the id of a model, and so is safe to show.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Says whether a price for one token can be true.
pub fn is_plausible(price: &FlatPrice) -> bool {
    let range = Usd::ZERO..=Usd::from_pico(MAX_PICO_A_TOKEN);
    [price.input, price.output, price.cached_input, price.cache_write].iter().all(|each| range.contains(each))
}

#[derive(Deserialize)]
struct RawList {
    data: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Model(Box<RawModel>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct RawModel {
    id: String,
    #[serde(default)]
    pricing: Option<RawPricing>,
    #[serde(default)]
    expiration_date: Option<String>,
}

#[derive(Deserialize)]
struct RawPricing {
    #[serde(flatten)]
    rates: RawRates,
    #[serde(default)]
    overrides: Vec<RawOverride>,
}

#[derive(Deserialize)]
struct RawOverride {
    /// Of the conditions only this one is looked at; any other is taken as met.
    #[serde(default)]
    min_prompt_tokens: Option<u64>,
    #[serde(flatten)]
    rates: RawRates,
}

/// US dollars for one token, or for one request.
#[derive(Deserialize)]
struct RawRates {
    prompt: Option<RawPrice>,
    completion: Option<RawPrice>,
    internal_reasoning: Option<RawPrice>,
    input_cache_read: Option<RawPrice>,
    input_cache_write: Option<RawPrice>,
    request: Option<RawPrice>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPrice {
    Text(String),
    Number(f64),
    Other(IgnoredAny),
}

impl RawPrice {
    /// Rounds to whole pico-dollars; `None` for what is no price.
    fn amount(&self) -> Option<Usd> {
        let dollars = match self {
            Self::Text(text) => text.trim().parse().ok()?,
            Self::Number(number) => *number,
            Self::Other(_) => return None,
        };
        let amount = Usd::from_dollars(dollars).ok()?;
        let is_plausible = dollars >= 0.0 && amount.pico() <= MAX_PICO_A_TOKEN;
        // What is too small to be counted is not free.
        let is_lost = dollars > 0.0 && amount == Usd::ZERO;
        (is_plausible && !is_lost).then_some(amount)
    }
}

fn price(model: &RawModel) -> Option<ListedPrice> {
    let pricing = model.pricing.as_ref()?;
    let rates = &pricing.rates;
    let (input, output) = (rates.prompt.as_ref()?.amount()?, rates.completion.as_ref()?.amount()?);
    let is_free = input == Usd::ZERO && output == Usd::ZERO && model.id.ends_with(":free");
    let has_zero = input == Usd::ZERO || output == Usd::ZERO;
    if has_zero && !is_free {
        return None;
    }
    let unset = FlatPrice { input, output, cached_input: input, cache_write: input };
    let mut base = rates.over(unset)?;
    let mut long: Option<LongPrice> = None;
    for entry in &pricing.overrides {
        let rates = entry.rates.over(base)?;
        match entry.min_prompt_tokens.filter(|tokens| *tokens > 0) {
            None => base = base.dearest(rates),
            Some(tokens) => {
                let known = long.unwrap_or(LongPrice { from_input_tokens: tokens, price: rates });
                long = Some(LongPrice {
                    from_input_tokens: known.from_input_tokens.min(tokens),
                    price: known.price.dearest(rates),
                });
            }
        }
    }
    let long = long.map(|long| LongPrice { price: long.price.dearest(base), ..long });
    Some(ListedPrice { base, long })
}

impl RawRates {
    /// Lays these rates over a price; `None` where one of them cannot be used.
    fn over(&self, under: FlatPrice) -> Option<FlatPrice> {
        let or = |rate: &Option<RawPrice>, fallback: Usd| match rate {
            // A part that is said to cost nothing costs as much as the whole it is part of.
            Some(rate) => rate.amount().map(|amount| if amount == Usd::ZERO { fallback } else { amount }),
            None => Some(fallback),
        };
        let has_fee = or(&self.request, Usd::ZERO)? > Usd::ZERO;
        let output = or(&self.completion, under.output)?;
        let price = FlatPrice {
            input: or(&self.prompt, under.input)?,
            // Thinking is part of the output, and may be dearer than the rest of it.
            output: output.max(or(&self.internal_reasoning, output)?),
            cached_input: or(&self.input_cache_read, under.cached_input)?,
            cache_write: or(&self.input_cache_write, under.cache_write)?,
        };
        (!has_fee).then_some(price)
    }
}

fn retires(model: &RawModel) -> Option<Date> {
    model.expiration_date.as_ref()?.get(..10)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// A list of one model beside one that is well priced.
    fn listed(model: &Value) -> Option<ListedModel> {
        let sound = json!({ "id": "sound", "pricing": { "prompt": "0.000001", "completion": "0.000002" } });
        let body = json!({ "data": [sound, model] }).to_string();
        let models = parse(body.as_bytes()).unwrap();
        models.get(model["id"].as_str()?).copied()
    }

    fn check(id: &str, pricing: &Value, expected_pico: Option<[i64; 4]>) {
        let found = listed(&json!({ "id": id, "pricing": pricing })).and_then(|model| model.price);
        let pico = found.map(|price| {
            let FlatPrice { input, output, cached_input, cache_write } = price.base;
            [input.pico(), output.pico(), cached_input.pico(), cache_write.pico()]
        });
        assert_eq!(pico, expected_pico, "{id}: {pricing}");
    }

    #[test]
    fn a_listed_price_is_taken_to_the_pico_dollar() {
        let whole = json!({
            "prompt": "0.00000015", "completion": "0.0000006", "request": "0", "image": "0.01",
            "input_cache_read": "0.000000075", "input_cache_write": "0.0000001875", "internal_reasoning": "0",
        });
        check("m", &whole, Some([150_000, 600_000, 75_000, 187_500]));
        check(
            "m",
            &json!({ "prompt": "1e-7", "completion": 4e-7 }),
            Some([100_000, 400_000, 100_000, 100_000]),
        );
        let thinking = json!({ "prompt": "1e-7", "completion": "2e-7", "internal_reasoning": "3e-7" });
        check("m", &thinking, Some([100_000, 300_000, 100_000, 100_000]));
    }

    #[test]
    fn only_an_id_that_says_free_costs_nothing() {
        let zero = json!({ "prompt": "0", "completion": "0" });
        check("some/model:free", &zero, Some([0; 4]));
        check("some/model", &zero, None);
        check("some/model", &json!({ "prompt": "0", "completion": "0.000001" }), None);
        let free_reads = json!({ "prompt": "0.000001", "completion": "0.000001", "input_cache_read": "0" });
        check("some/model", &free_reads, Some([1_000_000; 4]));
    }

    #[test]
    fn what_is_no_price_is_no_price() {
        for bad in ["", " ", "-1", "-0.000001", "NaN", "inf", "1e300", "-1e300", "1", "1e-30", "0x1", "free"]
        {
            check("m", &json!({ "prompt": bad, "completion": "0.000001" }), None);
            check("m", &json!({ "prompt": "0.000001", "completion": bad }), None);
            let reads = json!({ "prompt": "1e-6", "completion": "1e-6", "input_cache_read": bad });
            check("m", &reads, None);
        }
        for bad in [json!(null), json!(true), json!([]), json!({}), json!(1e300), json!(-1)] {
            check("m", &json!({ "prompt": bad, "completion": "0.000001" }), None);
        }
        check("m", &json!({ "completion": "0.000001" }), None);
        check("m", &json!({ "prompt": "1e-6", "completion": "1e-6", "request": "0.01" }), None);
        check("m", &json!(null), None);
    }

    #[test]
    fn what_a_flat_price_cannot_say_is_taken_at_its_dearest() {
        let model = json!({ "id": "m", "pricing": {
            "prompt": "0.000001", "completion": "0.000002",
            "overrides": [
                { "min_prompt_tokens": 200_000, "prompt": "0.000004" },
                { "utc_start": 100, "utc_end": 900, "completion": "0.000003" },
                { "utc_start": 100, "utc_end": 900, "prompt": "0.0000005" },
                { "min_prompt_tokens": 100_000, "completion": "0.000005" },
            ],
        } });
        let price = listed(&model).unwrap().price.unwrap();
        let cost = |input_tokens: u64| {
            price.cost_of(&Usage { input_tokens, output_tokens: 10, ..Usage::default() }).pico()
        };
        assert_eq!(cost(99_999), 99_999 * 1_000_000 + 10 * 3_000_000);
        assert_eq!(cost(100_000), 100_000 * 4_000_000 + 10 * 5_000_000);
    }

    #[test]
    fn a_strange_row_costs_itself_only() {
        let control =
            listed(&json!({ "id": "a\u{1b}[2J", "pricing": { "prompt": "1e-6", "completion": "1e-6" } }));
        assert_eq!(control, None);
        assert_eq!(listed(&json!({ "id": "x".repeat(201) })), None);
        assert_eq!(listed(&json!({ "id": 7 })), None);
        assert_eq!(listed(&json!([[["deep"]]])), None);
        let dated = listed(&json!({ "id": "m", "expiration_date": "2026-12-31T00:00:00Z" })).unwrap();
        assert_eq!(dated, ListedModel { price: None, retires: Some(jiff::civil::date(2026, 12, 31)) });
        for bad in ["soon", "2026-13-01", "ééééééééé", ""] {
            assert_eq!(listed(&json!({ "id": "m", "expiration_date": bad })), Some(ListedModel::default()));
        }
    }

    #[test]
    fn a_list_without_a_price_is_refused_whole() {
        let check =
            |body: &str, expected: BadList| assert_eq!(parse(body.as_bytes()), Err(expected), "{body}");
        for body in ["", "<html>", "[]", "{}", r#"{"data":7}"#, r#"{"data":[{"id":"m","x":NaN}]}"#] {
            check(body, BadList::NotAList);
        }
        check(&format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)), BadList::NotAList);
        check(r#"{"data":[]}"#, BadList::NoPrice);
        check(r#"{"data":[{"id":"m","pricing":{"prompt":"-1","completion":"-1"}}]}"#, BadList::NoPrice);
        check(&json!({ "data": vec![0; MAX_MODELS + 1] }).to_string(), BadList::TooLong);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_price_that_is_not_plausible(prompt in ".{0,24}", completion in "[-+0-9.eE]{0,12}") {
            let model = json!({ "id": "m", "pricing": { "prompt": prompt, "completion": completion } });
            if let Some(price) = listed(&model).and_then(|model| model.price) {
                prop_assert!(is_plausible(&price.base) && price.base.output > Usd::ZERO);
            }
        }
    }
}

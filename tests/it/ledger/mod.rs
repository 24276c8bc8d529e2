//! The golden ledger: what providers answer, read and priced as their price pages say, to the pico-dollar.
//!
//! `packaging/ledger` writes the lines; each has its cost as a sum of terms, which are added up here.

mod calculator;
mod ours;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use ai_cost_optimizer::domain::usage::Usage;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

const FILES: [&str; 6] = ["anthropic", "gemini", "cerebras", "openrouter", "openai_compatible", "ollama"];

/// What an answer can be, and how many lines of the kind there are at least.
const SHAPES: [(&str, usize); 23] = [
    ("plain", 60),
    ("stream", 30),
    ("cache_read", 40),
    ("cache_write_5m", 10),
    ("cache_write_1h", 10),
    ("thinking", 25),
    ("over_100k", 10),
    ("over_200k", 15),
    ("dated", 15),
    ("batch", 6),
    ("flex", 6),
    ("priority", 6),
    ("us", 5),
    ("blocked_prompt", 5),
    ("refusal", 15),
    ("max_tokens", 15),
    ("tool_less", 40),
    ("aborted_stream", 12),
    ("empty_choices_cost", 5),
    ("error", 60),
    ("odd", 55),
    ("guessed", 40),
    ("unpriced", 6),
];

/// A line of the ledger; `packaging/ledger/README.md` says what the fields mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    shapes: Vec<String>,
    provider: String,
    model: String,
    at: Timestamp,
    status: u16,
    body: Option<Value>,
    stream: Option<Vec<Value>>,
    #[serde(default)]
    streamed: bool,
    usage: Option<Tokens>,
    finish_reason: Option<String>,
    error: Option<String>,
    billed: Option<String>,
    #[serde(default)]
    estimated: bool,
    prices: Option<BTreeMap<String, String>>,
    price_row: Option<BTreeMap<String, String>>,
    terms: Option<Vec<(u64, String)>>,
    cost_usd: Option<String>,
    /// Whether genai-prices knows the price.
    #[serde(default = "yes")]
    genai_prices: bool,
    /// Whether genai-prices can read the body.
    #[serde(default = "yes")]
    extracted: bool,
    #[serde(default)]
    context: Vec<(String, String)>,
    /// For the reader.
    #[serde(rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(deny_unknown_fields, default)]
struct Tokens {
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    cache_write_1h_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self {
            input_tokens: tokens.input_tokens,
            cached_input_tokens: tokens.cached_input_tokens,
            cache_write_tokens: tokens.cache_write_tokens,
            cache_write_1h_tokens: tokens.cache_write_1h_tokens,
            output_tokens: tokens.output_tokens,
            reasoning_tokens: tokens.reasoning_tokens,
        }
    }
}

impl Line {
    /// The cost that the line states, in pico-dollars; `None` where there is no price.
    fn cost_pico(&self) -> Option<i128> {
        self.cost_usd.as_deref().map(|text| scaled(text, 12))
    }

    fn is(&self, shape: &str) -> bool {
        self.shapes.iter().any(|own| own == shape)
    }
}

const fn yes() -> bool {
    true
}

/// Reads a decimal number as a whole number of units of 10⁻ᵈⁱᵍⁱᵗˢ.
fn scaled(text: &str, digits: usize) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= digits, "{text} has more than {digits} digits after the point");
    format!("{whole}{fraction:0<digits$}").parse().unwrap()
}

/// Adds up terms: a dollar for a million tokens is a million pico-dollars for one.
fn sum(terms: &[(u64, String)]) -> i128 {
    terms.iter().map(|(tokens, usd_per_mtok)| i128::from(*tokens) * scaled(usd_per_mtok, 6)).sum()
}

fn lines() -> Vec<Line> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ledger");
    let of_file = |name: &&str| {
        let text = std::fs::read_to_string(folder.join(name).with_extension("jsonl")).unwrap();
        let lines: Vec<Line> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        lines
    };
    FILES.iter().flat_map(of_file).collect()
}

/// Checks every line and shows all that are wrong.
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} lines are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_ledger_has_every_shape_of_answer() {
    let lines = lines();
    let names: HashSet<_> = lines.iter().map(|line| &line.name).collect();
    assert_eq!(names.len(), lines.len(), "a name stands twice");
    let answers = lines.iter().filter(|line| line.error.is_none()).count();
    assert!(lines.len() >= 380 && answers >= 200, "{} lines, {answers} answers", lines.len());
    for (shape, least) in SHAPES {
        let count = lines.iter().filter(|line| line.is(shape)).count();
        assert!(count >= least, "{count} lines are {shape}");
    }
    let known = |shape: &String| SHAPES.iter().any(|(known, _)| known == shape);
    assert!(lines.iter().flat_map(|line| &line.shapes).all(known));
}

#[test]
fn every_cost_is_the_sum_of_its_terms() {
    let mut wrong = Vec::new();
    for line in lines() {
        let added = line.terms.as_deref().map(sum);
        if added != line.cost_pico() {
            wrong.push(format!("{}: {added:?}, not {:?}", line.name, line.cost_usd));
        }
        let prices = line.prices.iter().flat_map(BTreeMap::values);
        let stated: Vec<_> = prices.map(|price| scaled(price, 6)).collect();
        let is_stated = |(_, price): &(u64, String)| stated.contains(&scaled(price, 6));
        // An answer of OpenRouter has its cost in it, which may be any.
        if line.provider != "openrouter" && !line.terms.iter().flatten().all(is_stated) {
            wrong.push(format!("{}: a term has a price that the line does not state", line.name));
        }
    }
    assert_none(&wrong);
}

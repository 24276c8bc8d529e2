//! The models table: what routing may assume about each model.

use std::collections::HashMap;

use jiff::civil::Date;
use serde::Deserialize;

use crate::config::{ModelRow, PriceRow};
use crate::domain::model::{ModelCard, ModelRef, ProviderId, Tier};

const BUILT_IN: &str = include_str!("data/models.toml");

/// The least a model without a row is assumed to read and write, in tokens.
const UNKNOWN_CONTEXT_WINDOW: u32 = 32_768;
const UNKNOWN_MAX_OUTPUT: u32 = 8_192;

/// The built-in file: models, the prices that the price data lacks, and what is known to end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuiltIn {
    models: Vec<ModelRow>,
    pub(super) prices: Vec<PriceRow>,
    retirements: Vec<RetirementRow>,
}

/// A model outside the table, which users may still name, and the day of its end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetirementRow {
    provider: String,
    model: String,
    retires: Date,
}

impl BuiltIn {
    /// Reads the file that is compiled in.
    pub(super) fn read() -> Self {
        toml::from_str(BUILT_IN).expect("the built-in models table is valid TOML; a test reads it")
    }
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("model {provider}/{model}: {problem}")]
pub struct BadModelRow {
    provider: String,
    model: String,
    problem: String,
}

impl TryFrom<&ModelRow> for ModelCard {
    type Error = BadModelRow;
    fn try_from(row: &ModelRow) -> Result<Self, BadModelRow> {
        let bad = |problem: String| BadModelRow {
            provider: row.provider.clone(),
            model: row.model.clone(),
            problem,
        };
        let quality_prior = row.quality_prior.unwrap_or(0.8);
        if !(0.0..=1.0).contains(&quality_prior) {
            return Err(bad(format!("quality_prior is {quality_prior}; it goes from 0 to 1")));
        }
        if row.model.trim().is_empty() || row.max_output == 0 || row.context_window == 0 {
            return Err(bad("model, context_window and max_output must not be empty or 0".to_owned()));
        }
        Ok(Self {
            reference: ModelRef {
                provider: row.provider.parse().map_err(|_| bad(unknown_provider(&row.provider)))?,
                model: row.model.clone(),
            },
            tier: row
                .tier
                .parse()
                .map_err(|_| bad(format!("tier is `{}`; it is one of economy, balanced, best", row.tier)))?,
            context_window: row.context_window,
            max_output: row.max_output,
            thinking_allowance: row.thinking_allowance,
            quality_prior,
            is_streamed: row.streamed.unwrap_or(true),
            source: row.source.clone(),
        })
    }
}

/// Says that a name is no provider, and which names are.
pub fn unknown_provider(name: &str) -> String {
    use strum::VariantArray;
    let known: Vec<_> = ProviderId::VARIANTS.iter().map(|provider| provider.as_str()).collect();
    format!("`{name}` is not a provider; known: {}", known.join(", "))
}

/// A pin that names no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown model `{0}`; write `provider/model` for one that is not in the models table, or one of: {1}"
)]
pub struct UnknownModel(pub String, pub String);

/// All models that may be chosen, in the order of the file.
#[derive(Debug, Clone)]
pub struct Models {
    cards: Vec<ModelCard>,
    retirements: HashMap<ModelRef, Date>,
}

impl Models {
    /// Joins the built-in rows with the user's, which replace those of the same name.
    pub fn new(user_rows: &[ModelRow]) -> Result<Self, BadModelRow> {
        let built_in = BuiltIn::read();
        let known = built_in.retirements.into_iter();
        let mut retirements: HashMap<ModelRef, Date> = known
            .filter_map(|row| {
                Some((ModelRef { provider: row.provider.parse().ok()?, model: row.model }, row.retires))
            })
            .collect();
        let mut cards: Vec<ModelCard> = Vec::new();
        for row in built_in.models.iter().chain(user_rows) {
            let card = ModelCard::try_from(row)?;
            if let Some(day) = &row.retires {
                let retires = day.parse().map_err(|_| BadModelRow {
                    provider: row.provider.clone(),
                    model: row.model.clone(),
                    problem: format!("retires is `{day}`; write a day such as 2027-05-07"),
                })?;
                retirements.insert(card.reference.clone(), retires);
            }
            match cards.iter_mut().find(|known| known.reference == card.reference) {
                Some(known) => *known = card,
                None => cards.push(card),
            }
        }
        Ok(Self { cards, retirements })
    }

    /// Lists the models.
    pub fn iter(&self) -> impl Iterator<Item = &ModelCard> {
        self.cards.iter()
    }

    /// Gives the day from which a model is not offered any more, where one is known.
    pub fn retires(&self, reference: &ModelRef) -> Option<Date> {
        self.retirements.get(reference).copied()
    }

    /// Finds what a caller pinned: a bare id of the table, or `provider/model`, in the table or not.
    pub fn find(&self, name: &str) -> Result<ModelCard, UnknownModel> {
        let is_named = |card: &&ModelCard| card.reference.model == name || card.reference.to_string() == name;
        if let Some(card) = self.cards.iter().find(is_named) {
            return Ok(card.clone());
        }
        let unlisted = name.split_once('/').and_then(|(provider, model)| {
            let provider = provider.parse().ok()?;
            (!model.trim().is_empty()).then(|| ModelRef { provider, model: model.to_owned() })
        });
        match unlisted {
            Some(reference) => Ok(ModelCard {
                reference,
                tier: Tier::Balanced,
                context_window: UNKNOWN_CONTEXT_WINDOW,
                max_output: UNKNOWN_MAX_OUTPUT,
                thinking_allowance: 0,
                quality_prior: 0.5,
                is_streamed: true,
                source: "pinned; not in the models table".to_owned(),
            }),
            None => {
                let known: Vec<_> = self.cards.iter().map(|card| card.reference.to_string()).collect();
                Err(UnknownModel(name.chars().take(100).collect(), known.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_row_is_usable_and_states_its_source() {
        let models = Models::new(&[]).expect("built-in rows are usable");
        assert!(models.iter().count() >= 10);
        for card in models.iter() {
            assert!(card.source.contains("2026-"), "{}", card.reference);
            assert!(card.max_output > card.thinking_allowance, "{}", card.reference);
        }
    }

    #[test]
    fn a_pin_is_found_by_id_by_full_name_or_taken_as_written() {
        let models = Models::new(&[]).expect("built-in rows are usable");
        let check = |name: &str, expected: Option<&str>| {
            let found = models.find(name).ok().map(|card| card.reference.to_string());
            assert_eq!(found.as_deref(), expected, "{name}");
        };
        check("claude-haiku-5-5", Some("anthropic/claude-haiku-5-5"));
        check("anthropic/claude-haiku-5-5", Some("anthropic/claude-haiku-5-5"));
        check("openrouter/z-ai/glm-5.2", Some("openrouter/z-ai/glm-5.2"));
        check("z-ai/glm-5.2", Some("openrouter/z-ai/glm-5.2"));
        check("ollama/llama3.2", Some("ollama/llama3.2"));
        check("no-such-model", None);
        check("nobody/model", None);
        check("ollama/", None);
    }

    #[test]
    fn a_model_that_ends_is_known_to_though_it_is_not_in_the_table() {
        let models = Models::new(&[]).expect("built-in rows are usable");
        let reference = ModelRef { provider: ProviderId::Anthropic, model: "claude-sonnet-4-5".to_owned() };
        assert_eq!(models.retires(&reference), Some(jiff::civil::date(2026, 11, 30)));
    }

    #[test]
    fn a_users_row_replaces_the_built_in_one_and_a_bad_row_is_named() {
        let row = |tier: &str| ModelRow {
            provider: "anthropic".into(),
            model: "claude-haiku-5-5".into(),
            tier: tier.into(),
            context_window: 10,
            max_output: 5,
            thinking_allowance: 0,
            quality_prior: None,
            streamed: None,
            source: "me, 2026-11-23".into(),
            retires: Some("2027-01-01".into()),
        };
        let models = Models::new(&[row("best")]).expect("the row is usable");
        assert_eq!(models.find("claude-haiku-5-5").map(|card| card.tier), Ok(Tier::Best));
        let reference = ModelRef { provider: ProviderId::Anthropic, model: "claude-haiku-5-5".to_owned() };
        assert_eq!(models.retires(&reference), Some(jiff::civil::date(2027, 1, 1)));
        let undated = ModelRow { retires: Some("soon".into()), ..row("best") };
        let problem = Models::new(&[undated]).map(|_| ()).expect_err("the day is none");
        assert!(problem.to_string().contains("`soon`"), "{problem}");
        let problem = Models::new(&[row("great")]).map(|_| ()).expect_err("the tier is unknown");
        assert!(problem.to_string().contains("`great`"), "{problem}");
    }
}

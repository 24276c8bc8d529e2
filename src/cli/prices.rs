//! `prices`: what models cost, where that is from, and the providers' lists of today.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::table::{Align, Table};
use super::{Exit, Form, complain, print, print_json};
use crate::app::App;
use crate::config::Config;
use crate::cost::calendar::retirement;
use crate::cost::catalogue::BUILT_IN_DATE;
use crate::cost::live::LongPrice;
use crate::cost::price::FlatPrice;
use crate::cost::quote::{Origin, Quote};
use crate::domain::model::ModelRef;
use crate::domain::money::Usd;
use crate::embed::weights::Reach;
use crate::providers::price_list::{Drift, PriceListError, PriceSource, Refreshed};

/// Tokens of a quoted price.
const MTOK: i64 = 1_000_000;

#[derive(Debug, Args)]
pub(super) struct PricesArguments {
    /// Also list what only a provider's live list has
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    command: Option<PricesCommand>,
}

#[derive(Debug, Subcommand)]
enum PricesCommand {
    /// Fetch the price lists of the configured providers now
    Refresh,
}

pub(super) async fn run(config: Config, arguments: &PricesArguments, form: Form) -> anyhow::Result<Exit> {
    let app = App::new(config, Reach::LocalOnly)?;
    match arguments.command {
        Some(PricesCommand::Refresh) => refresh(&app, form).await,
        None => show(&app, arguments, form),
    }
}

/// US dollars a million tokens.
#[derive(Debug, Serialize)]
struct Rates {
    input_usd_per_mtok: f64,
    output_usd_per_mtok: f64,
    cached_input_usd_per_mtok: f64,
    cache_write_usd_per_mtok: f64,
}

#[derive(Debug, Serialize)]
struct Long {
    from_input_tokens: u64,
    #[serde(flatten)]
    rates: Rates,
}

/// One model; without rates it is unpriced.
#[derive(Debug, Serialize)]
struct Row {
    provider: &'static str,
    model: String,
    #[serde(flatten)]
    rates: Option<Rates>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long_prompts: Option<Long>,
    /// user, live, built_in, local or unpriced.
    source: &'static str,
    /// When the price was so: a time for a live list, a day for what is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retires: Option<String>,
}

fn show(app: &App, arguments: &PricesArguments, form: Form) -> anyhow::Result<Exit> {
    let now = Timestamp::now();
    let references = references(app, arguments);
    let quotes: Vec<(ModelRef, Option<Quote>)> = references
        .into_iter()
        .map(|reference| {
            let quote = app.pipeline.catalogue.quote(&reference, now);
            (reference, quote)
        })
        .collect();
    match form {
        Form::Json => {
            let rows: Vec<Row> =
                quotes.iter().map(|(reference, quote)| row(app, reference, quote.as_ref())).collect();
            print_json(&rows)?;
        }
        Form::Text => print(&table(app, &quotes)),
    }
    Ok(Exit::Success)
}

/// Lists the models of the table and those that the user priced, and on demand those of the live lists.
fn references(app: &App, arguments: &PricesArguments) -> Vec<ModelRef> {
    let mut references: Vec<ModelRef> =
        app.pipeline.models.iter().map(|card| card.reference.clone()).collect();
    let mut more: BTreeSet<ModelRef> = BTreeSet::new();
    let priced_by_user =
        app.config.prices.iter().filter_map(|row| {
            Some(ModelRef { provider: row.provider.parse().ok()?, model: row.model.clone() })
        });
    more.extend(priced_by_user);
    if arguments.all {
        for source in sources(app) {
            let list = app.pipeline.catalogue.live(source.provider());
            let models = list.iter().flat_map(|list| list.models.keys());
            more.extend(models.map(|model| ModelRef { provider: source.provider(), model: model.clone() }));
        }
    }
    more.retain(|reference| !references.contains(reference));
    references.extend(more);
    references
}

fn row(app: &App, reference: &ModelRef, quote: Option<&Quote>) -> Row {
    let (source, as_of) = match quote.map(|quote| quote.origin) {
        Some(Origin::User) => ("user", None),
        Some(Origin::Live(at)) => ("live", Some(at.to_string())),
        Some(Origin::BuiltIn(day)) => ("built_in", Some(day.to_string())),
        Some(Origin::Local) => ("local", None),
        None => ("unpriced", None),
    };
    Row {
        provider: reference.provider.as_str(),
        model: reference.model.clone(),
        rates: quote.map(|quote| Rates::from(quote.price)),
        long_prompts: quote.and_then(|quote| quote.long).map(Long::from),
        source,
        as_of,
        drift_percent: quote
            .and_then(|quote| quote.drift_percent)
            .map(|percent| (percent * 10.0).round() / 10.0),
        retires: retirement(&app.pipeline.models, &app.pipeline.catalogue, reference)
            .map(|day| day.to_string()),
    }
}

fn table(app: &App, quotes: &[(ModelRef, Option<Quote>)]) -> String {
    let mut table = Table::new(&[
        ("model", Align::Left),
        ("input", Align::Right),
        ("output", Align::Right),
        ("cached", Align::Right),
        ("write", Align::Right),
        ("from", Align::Left),
        ("drift", Align::Right),
        ("retires", Align::Left),
    ]);
    for (reference, quote) in quotes {
        let price = quote.map(|quote| quote.price);
        let amount = |each: fn(&FlatPrice) -> Usd| {
            price.map_or_else(|| "–".to_owned(), |price| per_mtok(each(&price)).to_string())
        };
        let from = match quote.map(|quote| quote.origin) {
            Some(Origin::User) => "your TOML file".to_owned(),
            Some(Origin::Live(at)) => format!("live list of {}", at.strftime("%Y-%m-%d")),
            Some(Origin::BuiltIn(day)) => format!("built-in of {day}"),
            Some(Origin::Local) => "your own hardware".to_owned(),
            None => "unpriced".to_owned(),
        };
        let drift = quote.and_then(|quote| quote.drift_percent);
        table.add(vec![
            reference.to_string(),
            amount(|price| price.input),
            amount(|price| price.output),
            amount(|price| price.cached_input),
            amount(|price| price.cache_write),
            from,
            drift.map_or_else(String::new, |percent| format!("{percent:+.1} %")),
            retirement(&app.pipeline.models, &app.pipeline.catalogue, reference)
                .map_or_else(String::new, |day| day.to_string()),
        ]);
    }
    format!("US dollars a million tokens, at the length of a short prompt\n{table}")
}

/// A list that was asked for.
#[derive(Debug, Serialize)]
struct ListRow {
    provider: &'static str,
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priced_models: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drift: Vec<DriftRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct DriftRow {
    model: String,
    percent: f64,
}

async fn refresh(app: &App, form: Form) -> anyhow::Result<Exit> {
    let mut rows = Vec::new();
    if let Some(lists) = &app.price_lists {
        for source in &lists.sources {
            rows.push(list_row(source, lists.refresh(source).await));
        }
    }
    let has_failed = rows.iter().any(|row| row.error.is_some());
    let is_empty = rows.is_empty();
    match form {
        Form::Json => print_json(&rows)?,
        Form::Text if is_empty => print(&format!(
            "no configured provider publishes a price list; the built-in prices of {BUILT_IN_DATE} hold; hint: \
             set OPENROUTER_API_KEY or CEREBRAS_API_KEY"
        )),
        Form::Text => rows.iter().for_each(ListRow::print),
    }
    Ok(match (is_empty, has_failed) {
        (true, _) => Exit::NotConfigured,
        (false, true) => Exit::Failure,
        (false, false) => Exit::Success,
    })
}

fn list_row(source: &PriceSource, result: Result<Refreshed, PriceListError>) -> ListRow {
    let (refreshed, error) = match result {
        Ok(refreshed) => (Some(refreshed), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let drift = refreshed.iter().flat_map(|refreshed| &refreshed.drift);
    let of = |drift: &Drift| DriftRow {
        model: drift.reference.to_string(),
        percent: (drift.percent * 10.0).round() / 10.0,
    };
    ListRow {
        provider: source.provider().as_str(),
        host: source.host(),
        fetched_at: refreshed.as_ref().map(|refreshed| refreshed.list.fetched_at),
        priced_models: refreshed.as_ref().map(|refreshed| refreshed.list.priced()),
        drift: drift.map(of).collect(),
        error,
    }
}

impl ListRow {
    fn print(&self) {
        if let Some(error) = &self.error {
            complain(error);
            return;
        }
        let models = self.priced_models.unwrap_or_default();
        let mut text = format!("{}: {models} models priced by the list at {}", self.provider, self.host);
        for DriftRow { model, percent } in &self.drift {
            text.push_str(&format!(
                "\n  {model}: {percent:+.1} % against the built-in price of {BUILT_IN_DATE}"
            ));
        }
        print(&text);
    }
}

fn sources(app: &App) -> &[PriceSource] {
    app.price_lists.as_ref().map_or(&[], |lists| &lists.sources)
}

fn per_mtok(each: Usd) -> Usd {
    Usd::from_pico(each.pico().saturating_mul(MTOK))
}

impl From<FlatPrice> for Rates {
    fn from(price: FlatPrice) -> Self {
        Self {
            input_usd_per_mtok: per_mtok(price.input).dollars(),
            output_usd_per_mtok: per_mtok(price.output).dollars(),
            cached_input_usd_per_mtok: per_mtok(price.cached_input).dollars(),
            cache_write_usd_per_mtok: per_mtok(price.cache_write).dollars(),
        }
    }
}

impl From<LongPrice> for Long {
    fn from(long: LongPrice) -> Self {
        Self { from_input_tokens: long.from_input_tokens, rates: long.price.into() }
    }
}

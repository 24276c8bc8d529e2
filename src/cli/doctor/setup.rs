//! What a request needs: configuration, providers, store, weights.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use strum::VariantArray;

use super::{Check, State};
use crate::app::{App, weights_source};
use crate::config::{Config, Mode};
use crate::domain::model::{ModelRef, ProviderId};
use crate::domain::record::Forget;
use crate::domain::report::{CacheStats, ReportQuery};
use crate::domain::usage::Usage;
use crate::embed::choice::DeviceChoice;
use crate::embed::weights::Reach;
use crate::routing::candidates::{no_provider, variable};
use crate::routing::dominance::{Offer, dominated};
use crate::routing::drift::Demotion;
use crate::store::supabase::{SupabaseStore, migrations};
use crate::store::{ForgetMode, StoreError, local};

/// Requests may be recorded a little after the clock was read.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn configuration(config: &Config) -> Check {
    let file = config.file.as_ref().map_or_else(
        || "no TOML file; everything is from the environment".to_owned(),
        |path| path.display().to_string(),
    );
    Check::new("configuration", State::Ok, &format!("version {}, {file}", env!("CARGO_PKG_VERSION")))
}

/// Lists the configured providers and the model that savings are stated against; no key is shown.
pub(super) fn providers(app: &App, now: Timestamp) -> Vec<Check> {
    let configured = app.pipeline.providers.ids();
    let mut checks: Vec<Check> = ProviderId::VARIANTS
        .iter()
        .filter(|provider| configured.contains(provider))
        .map(|provider| {
            let count =
                app.pipeline.models.iter().filter(|card| card.reference.provider == *provider).count();
            let is_simulated = app.config.mode == Mode::Simulate;
            let how = if is_simulated { "simulated" } else { "set, not shown" };
            let hint = if count == 0 { "; hint: add [[models]] to the TOML file, or pin one" } else { "" };
            let sentence = format!("{}: {how}; {count} models{hint}", variable(*provider));
            Check::new(format!("provider {provider}"), State::Ok, &sentence)
        })
        .collect();
    if checks.is_empty() {
        checks.push(Check::new("providers", State::Failed, &no_provider().to_string()));
    }
    checks.push(match app.pipeline.baseline_model(now) {
        Some(reference) => Check::new("savings baseline", State::Ok, &reference.to_string()),
        None => {
            let sentence = "none: no priced model is configured; hint: set BASELINE_MODEL";
            Check::new("savings baseline", State::Warning, sentence)
        }
    });
    checks
}

/// Names the models that another one leaves no reason to ask; nothing where there is none.
pub(super) fn dominated_models(app: &App, now: Timestamp) -> Option<Check> {
    let configured = app.pipeline.providers.ids();
    let price = |reference: &ModelRef, usage: Usage| app.pipeline.catalogue.cost_of(reference, &usage, now);
    let of_input = Usage { input_tokens: 1, ..Usage::default() };
    let of_output = Usage { output_tokens: 1, ..Usage::default() };
    let cards = app.pipeline.models.iter().filter(|card| configured.contains(&card.reference.provider));
    let offers: Vec<Offer> = cards
        .filter_map(|card| {
            let reference = card.reference.clone();
            let prices = [price(&reference, of_input)?, price(&reference, of_output)?];
            let (quality_prior, context_window) = (card.quality_prior, card.context_window);
            Some(Offer { reference, prices, quality_prior, context_window })
        })
        .collect();
    let names: Vec<String> = dominated(&offers)
        .into_iter()
        .map(|(offer, by)| format!("{} (by {})", offer.reference, by.reference))
        .collect();
    (!names.is_empty()).then(|| {
        let sentence = format!(
            "dearer than another and by the models table no better, so asked only where outcomes speak for them: {}",
            names.join(", ")
        );
        Check::new("dominated models", State::Ok, &sentence)
    })
}

/// Opens the store, or asks the project.
pub(super) async fn store(app: &App, now: Timestamp) -> Check {
    let checked = match &app.team {
        Some(team) => project(app, team, now).await,
        None => file(app, now).await,
    };
    checked.unwrap_or_else(|error| Check::new("store", State::Failed, &error.to_string()))
}

async fn file(app: &App, now: Timestamp) -> Result<Check, StoreError> {
    let path = app.config.store_path();
    let stats = usable(app, now).await?;
    let sentence = format!(
        "{}: writable, schema {}, {:.1} MB, {} cached answers",
        path.display(),
        local::SCHEMA_VERSION,
        megabytes(&path),
        stats.entries
    );
    Ok(Check::new("store", State::Ok, &sentence))
}

/// Asks for the schema first: a project whose schema is older may lack what the rest needs.
async fn project(app: &App, team: &SupabaseStore, now: Timestamp) -> Result<Check, StoreError> {
    const KNOWN: i64 = migrations::SCHEMA_VERSION;
    let found = team.schema_version().await?;
    if found < KNOWN {
        let sentence = format!(
            "the project has schema {found}, this program needs {KNOWN}; hint: run `ai-cost-optimizer migrate`, as the owner of the project"
        );
        return Ok(Check::new("store", State::Failed, &sentence));
    }
    let stats = usable(app, now).await?;
    let sentence =
        format!("the project answers: schema {found}, {} cached answers of this user", stats.entries);
    Ok(if found == KNOWN {
        Check::new("store", State::Ok, &sentence)
    } else {
        // Files only add to what is there, so this program may well go on with it.
        let sentence =
            format!("{sentence}; this program knows schema {KNOWN}; hint: update ai-cost-optimizer");
        Check::new("store", State::Warning, &sentence)
    })
}

/// Begins to write without writing anything, and counts what is cached.
async fn usable(app: &App, now: Timestamp) -> Result<CacheStats, StoreError> {
    // Counting for deletion takes the lock that writing takes.
    app.pipeline.store.forget_cache(Forget::OlderThan(Timestamp::UNIX_EPOCH), ForgetMode::Count).await?;
    app.pipeline.store.cache_stats(now).await
}

/// Says what waits for the project, and what it will never take; a local store has neither.
pub(super) async fn outbox(app: &App) -> Vec<Check> {
    let Some(team) = &app.team else { return Vec::new() };
    let waiting = match team.outbox().count().await {
        Ok(0) => Check::new("outbox", State::Ok, "nothing waits for the project"),
        Ok(count) => {
            let sentence = format!("{count} records wait; hint: start the server, or run `report`");
            Check::new("outbox", State::Warning, &sentence)
        }
        Err(error) => Check::new("outbox", State::Failed, &error.to_string()),
    };
    let dead = team.outbox().dead_letters().await.unwrap_or_default();
    let refused = dead.iter().map(|letter| {
        let sentence = format!(
            "{} of {} for user {} was refused for good ({})",
            letter.function, letter.created_at, letter.user_id, letter.code
        );
        Check::new("dead letter", State::Warning, &sentence)
    });
    std::iter::once(waiting).chain(refused).collect()
}

/// Names the models whose latest outcomes are worse; a store that cannot be read is reported by its own check.
pub(super) async fn worse_models(app: &App) -> Vec<Check> {
    let demotions = app.pipeline.demotions().await.unwrap_or_default();
    let warn = |demotion: &Demotion| {
        let sentence =
            format!("{demotion}; hint: others are asked before it until its outcomes are two weeks old");
        Check::new("model", State::Warning, &sentence)
    };
    demotions.iter().map(warn).collect()
}

/// Says whether the store holds requests from after now.
pub(super) async fn has_later_requests(app: &App, now: Timestamp) -> bool {
    let Ok(from) = now.checked_add(CLOCK_TOLERANCE) else { return false };
    let query = ReportQuery { from, to: Timestamp::MAX, group_by: None };
    // A store that cannot be read is reported by its own check.
    let report = app.pipeline.store.cost_report(query).await;
    report.is_ok_and(|report| report.totals.requests + report.totals.unsettled_requests > 0)
}

/// Adds up the file and its write-ahead log.
fn megabytes(path: &Path) -> f64 {
    let log = path.with_extension("sqlite3-wal");
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    (size(path) + size(&log)) as f64 / 1e6
}

pub(super) fn weights(config: &Config) -> Check {
    let found = || -> anyhow::Result<String> {
        let device: DeviceChoice = config.embedding.device.parse()?;
        let device = device.resolve()?;
        let weights = weights_source(config)?.load(Reach::LocalOnly)?;
        Ok(format!("{}, on {device}", weights.folder.display()))
    };
    match found() {
        Ok(sentence) => Check::new("embedding model", State::Ok, &sentence),
        Err(error) => Check::new("embedding model", State::Warning, &format!("{error:#}")),
    }
}

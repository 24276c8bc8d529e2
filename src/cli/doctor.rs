//! `doctor`: is everything there that a request needs?

use jiff::Timestamp;
use serde::Serialize;
use strum::{Display, VariantArray};

use super::{Exit, Form, print, print_json};
use crate::app::{App, weights_source};
use crate::config::{Config, Mode};
use crate::domain::model::ProviderId;
use crate::embed::weights::Reach;
use crate::routing::candidates::{no_provider, variable};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
enum State {
    Ok,
    /// It works, but less well.
    Degraded,
    Failed,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    state: State,
    detail: String,
}

pub(super) async fn run(config: &Config, form: Form) -> anyhow::Result<Exit> {
    let app = App::new(config.clone(), Reach::LocalOnly)?;
    let mut checks = vec![configuration(config), store(&app).await, weights(config)];
    checks.extend(providers(&app));
    let has_failed = checks.iter().any(|check| check.state == State::Failed);
    match form {
        Form::Json => print_json(&checks)?,
        Form::Text => {
            let line = |check: &Check| format!("{:<9} {:<28} {}", check.state, check.name, check.detail);
            print(&checks.iter().map(line).collect::<Vec<_>>().join("\n"));
        }
    }
    Ok(if has_failed { Exit::Failure } else { Exit::Success })
}

fn check(name: impl Into<String>, state: State, detail: impl Into<String>) -> Check {
    Check { name: name.into(), state, detail: detail.into() }
}

fn configuration(config: &Config) -> Check {
    let file =
        config.file.as_ref().map_or_else(|| "no TOML file".to_owned(), |path| path.display().to_string());
    check("configuration", State::Ok, format!("version {}, {file}", env!("CARGO_PKG_VERSION")))
}

async fn store(app: &App) -> Check {
    let path = app.config.store_path().display().to_string();
    match app.pipeline.store.cache_stats(Timestamp::now()).await {
        Ok(stats) => check("store", State::Ok, format!("{path}, {} cached answers", stats.entries)),
        Err(error) => check("store", State::Failed, error.to_string()),
    }
}

fn weights(config: &Config) -> Check {
    let found = weights_source(config).and_then(|source| Ok(source.load(Reach::LocalOnly)?));
    match found {
        Ok(weights) => check("embedding model", State::Ok, weights.folder.display().to_string()),
        Err(error) => check("embedding model", State::Degraded, format!("{error:#}")),
    }
}

fn providers(app: &App) -> Vec<Check> {
    let configured = app.pipeline.providers.ids();
    let simulated = if app.config.mode == Mode::Simulate { ", simulated" } else { "" };
    let mut checks: Vec<Check> = ProviderId::VARIANTS
        .iter()
        .filter(|provider| configured.contains(provider))
        .map(|provider| {
            let count =
                app.pipeline.models.iter().filter(|card| card.reference.provider == *provider).count();
            let hint = if count == 0 { "; hint: add [[models]] to the TOML file, or pin one" } else { "" };
            let name = format!("provider {provider}");
            check(name, State::Ok, format!("{} is set, {count} models{simulated}{hint}", variable(*provider)))
        })
        .collect();
    if checks.is_empty() {
        let problem = no_provider().to_string();
        checks.push(check("providers", State::Failed, problem));
    }
    let baseline = app.pipeline.baseline_model(Timestamp::now());
    checks.push(match baseline {
        Some(reference) => check("savings baseline", State::Ok, reference.to_string()),
        None => check(
            "savings baseline",
            State::Degraded,
            "none: no priced model is configured; hint: set BASELINE_MODEL",
        ),
    });
    checks
}

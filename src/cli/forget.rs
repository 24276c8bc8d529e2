//! `forget`: what this program keeps, gone for good.

use anyhow::bail;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Exit, Form, show};
use crate::app::App;
use crate::config::Config;
use crate::embed::weights::Reach;

#[derive(Debug, Args)]
pub(super) struct ForgetArguments {
    /// Forget all requests, answers, ratings, experiments, limits and what was learned
    #[arg(long, required_unless_present = "older_than_days")]
    everything: bool,
    /// Forget requests that are older, with their answers and ratings; what is part of an experiment stays
    #[arg(long, value_name = "DAYS", conflicts_with = "everything")]
    older_than_days: Option<u32>,
    /// Agree; without it nothing is forgotten
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
struct Forgotten {
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<u64>,
    everything: bool,
}

pub(super) async fn run(config: Config, arguments: ForgetArguments, form: Form) -> anyhow::Result<Exit> {
    let app = App::new(config, Reach::LocalOnly)?;
    let place = match &app.team {
        Some(_) => "of yours in the project and on this machine".to_owned(),
        None => format!("in {}", app.config.store_path().display()),
    };
    if !arguments.yes {
        bail!("this cannot be undone, and concerns what is {place}; hint: pass --yes");
    }
    let (requests, text) = match arguments.older_than_days {
        Some(days) => {
            let age = SignedDuration::from_hours(24 * i64::from(days));
            let before = Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN);
            let requests = app.pipeline.forget_before(before).await?;
            (Some(requests), format!("{requests} requests {place} were forgotten"))
        }
        None => {
            app.pipeline.store.forget_everything().await?;
            (None, format!("everything {place} was forgotten"))
        }
    };
    show(form, &Forgotten { requests, everything: arguments.everything }, &text)?;
    Ok(Exit::Success)
}

//! `budget`: limits of what may be spent.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{Exit, Form, show};
use crate::app::App;
use crate::config::{BudgetRow, Config};
use crate::domain::limit::{Limit, OnBreach, Period, Scope, SetBy};
use crate::embed::weights::Reach;
use crate::mcp::wire::budget::BudgetsOutput;

#[derive(Debug, Args)]
pub(super) struct BudgetArguments {
    #[command(subcommand)]
    command: Option<BudgetCommand>,
}

#[derive(Debug, Subcommand)]
enum BudgetCommand {
    /// List all limits and how they stand (the default)
    List,
    /// Set a limit, in place of the one that was set here before
    Set {
        /// day or month; UTC
        period: Period,
        /// US dollars, from 0 on
        limit_usd: f64,
        /// block, downgrade or warn
        #[arg(long, default_value_t)]
        on_breach: OnBreach,
        /// Only requests with this tag
        #[arg(long)]
        tag: Option<String>,
    },
    /// Take a limit away that was set here or by a model; the variables' stay
    Remove {
        /// day or month
        period: Period,
        #[arg(long)]
        tag: Option<String>,
    },
}

pub(super) async fn run(config: Config, arguments: BudgetArguments, form: Form) -> anyhow::Result<Exit> {
    let app = App::new(config, Reach::LocalOnly)?;
    let (pipeline, now) = (&app.pipeline, Timestamp::now());
    let standings = match arguments.command.unwrap_or(BudgetCommand::List) {
        BudgetCommand::List => pipeline.budgets(now).await?,
        BudgetCommand::Set { period, limit_usd, on_breach, tag } => {
            let limit: Limit = BudgetRow { period, limit_usd, on_breach, tag }.into_limit(SetBy::Cli)?;
            pipeline.set_budget(limit, now).await?
        }
        BudgetCommand::Remove { period, tag } => {
            let scope = Scope { period, tag };
            if !pipeline.store.remove_budget(scope.clone()).await? {
                anyhow::bail!("no limit {scope} was set here or by a model; hint: `budget` lists all");
            }
            pipeline.budgets(now).await?
        }
    };
    let output = BudgetsOutput::new(&standings, pipeline.settings.simulated);
    show(form, &output, &output.to_text())?;
    Ok(Exit::Success)
}

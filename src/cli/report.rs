//! `report`: spend and savings.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;

use super::{Exit, Form, print, print_json};
use crate::app::App;
use crate::config::Config;
use crate::embed::weights::Reach;
use crate::mcp::wire::report::{FormatInput, GroupByInput, PeriodInput, ReportInput};
use crate::mcp::{html_of, report_of};

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// today, 7d, 30d, month or all (default 30d); days are UTC
    #[arg(long, value_parser = parse_with::<PeriodInput>("today, 7d, 30d, month or all"))]
    period: Option<PeriodInput>,
    /// First instant: 2026-11-23 or RFC 3339
    #[arg(long)]
    from: Option<String>,
    /// First instant after
    #[arg(long)]
    to: Option<String>,
    /// provider, model, strategy, day, tag or source (default model)
    #[arg(long, value_parser = parse_with::<GroupByInput>("provider, model, strategy, day, tag or source"))]
    group_by: Option<GroupByInput>,
    /// Most groups (default 50)
    #[arg(long)]
    limit: Option<usize>,
    /// Print comma-separated values
    #[arg(long)]
    csv: bool,
    /// Write the dashboard to this file too, for any browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) async fn run(config: Config, arguments: ReportArguments, form: Form) -> anyhow::Result<Exit> {
    let app = App::new(config, Reach::LocalOnly)?;
    let input = ReportInput {
        period: arguments.period,
        from: arguments.from,
        to: arguments.to,
        group_by: Some(arguments.group_by.unwrap_or(GroupByInput::Model)),
        format: None,
        limit: arguments.limit,
    };
    if let Some(path) = &arguments.html {
        let query = input.query(Timestamp::now()).map_err(anyhow::Error::msg)?;
        let page = html_of(&app.pipeline, query).await.map_err(anyhow::Error::msg)?;
        std::fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let output = report_of(&app.pipeline, &input).await.map_err(anyhow::Error::msg)?;
    match form {
        Form::Json => print_json(&output)?,
        Form::Text if arguments.csv => print(&output.to_text(FormatInput::Csv)),
        Form::Text => print(&output.to_text(FormatInput::Summary)),
    }
    Ok(Exit::Success)
}

/// Parses by a type's own names, and says which there are.
fn parse_with<T: std::str::FromStr + Clone + Send + Sync + 'static>(
    accepted: &'static str,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| text.parse().map_err(|_| format!("accepted: {accepted}"))
}

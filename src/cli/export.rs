//! `export`: every request, one line each.

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::Exit;
use crate::app::App;
use crate::config::Config;
use crate::embed::weights::Reach;
use crate::mcp::wire::export::{HEADING, csv_line, json_line};
use crate::mcp::wire::report::ReportInput;
use crate::store::RequestsQuery;

/// Requests that are read at once.
const PAGE: u32 = 1_000;

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    #[arg(long, value_enum, default_value_t)]
    format: ExportFormat,
    /// First instant: 2026-11-23 or RFC 3339 (default: the beginning)
    #[arg(long)]
    from: Option<String>,
    /// First instant after (default: now)
    #[arg(long)]
    to: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ExportFormat {
    #[default]
    Csv,
    Jsonl,
}

pub(super) async fn run(config: Config, arguments: ExportArguments) -> anyhow::Result<Exit> {
    let app = App::new(config, Reach::LocalOnly)?;
    let times = ReportInput {
        from: Some(arguments.from.unwrap_or_else(|| "1970-01-01".to_owned())),
        to: arguments.to,
        ..ReportInput::default()
    };
    let query = times.query(Timestamp::now()).map_err(anyhow::Error::msg)?;
    let simulated = app.pipeline.settings.simulated;
    let mut page = RequestsQuery { from: query.from, to: query.to, after: None, limit: PAGE };
    let mut is_first = true;
    loop {
        let requests = app.pipeline.store.requests(page).await?;
        let mut lines = String::new();
        if std::mem::take(&mut is_first) && matches!(arguments.format, ExportFormat::Csv) {
            lines.push_str(HEADING);
        }
        for request in &requests {
            lines.push_str(&match arguments.format {
                ExportFormat::Csv => csv_line(request, simulated),
                ExportFormat::Jsonl => json_line(request, simulated).to_string(),
            });
            lines.push('\n');
        }
        std::io::stdout().lock().write_all(lines.as_bytes()).context("stdout cannot be written")?;
        let Some(last) = requests.last().filter(|_| requests.len() == PAGE as usize) else {
            return Ok(Exit::Success);
        };
        page.after = Some(last.id);
    }
}

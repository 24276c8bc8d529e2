//! The dashboard: an MCP App that shows what `cost_report` finds, a picture for hosts without, and a file for people
//! without any host.

use futures::try_join;
use jiff::Timestamp;
use rmcp::RoleServer;
use rmcp::model::{MetaObject, Resource, ResourceContents};
use rmcp::service::RequestContext;
use serde_json::{Value, json};

use super::cache_policy::Known;
use super::wire::budget::BudgetOutput;
use super::wire::dashboard::{CacheOutput, DashboardOutput, ExperimentOutput, MonthOutput};
use super::wire::outlook::ForecastOutput;
use super::wire::report::ReportOutput;
use super::wire::totals::GroupOutput;
use crate::dashboard::chart::Chart;
use crate::dashboard::experiment::{MOST_DRAWN, POINTS, effect_over_time};
use crate::dashboard::page;
use crate::dashboard::spend::spend_over_time;
use crate::domain::limit::Period;
use crate::domain::report::{GroupBy, Report, ReportQuery};
use crate::experiments::lifecycle::Status;
use crate::pipeline::{ExperimentError, Pipeline};
use crate::store::StoreError;

pub(super) const URI: &str = "ui://ai-cost-optimizer/dashboard.html";
const MIME_TYPE: &str = "text/html;profile=mcp-app";
/// The extension that hosts with Apps declare.
pub(super) const EXTENSION: &str = "io.modelcontextprotocol/ui";
/// Where a result of `cost_report` has what the dashboard shows; no host puts it before a model.
pub(super) const META_KEY: &str = "ai-cost-optimizer/dashboard";

/// Requests that are listed.
const LATEST: u32 = 20;
/// Experiments that are shown, running ones first.
const MOST_EXPERIMENTS: usize = 6;
const MOST_GROUPS: usize = 20;
/// Days that are drawn, the latest ones.
const MOST_DAYS: usize = 366;
/// How far ahead ends and price changes are told.
const AHEAD_DAYS: u16 = 30;

/// Says which view shows a tool's result, in the words of newer and of older hosts.
pub(super) fn tool_meta() -> MetaObject {
    meta(json!({ "ui": { "resourceUri": URI, "visibility": ["model", "app"] }, "ui/resourceUri": URI }))
}

/// Says whether the client of a request shows Apps.
pub(super) fn is_shown(context: &RequestContext<RoleServer>) -> bool {
    let client = context.client_capabilities();
    client.and_then(|client| client.extensions).is_some_and(|extensions| extensions.contains_key(EXTENSION))
}

/// Lists the page.
pub(super) fn resource() -> Resource {
    Resource::new(URI, "dashboard")
        .with_title("Dashboard")
        .with_description("Spend, savings, cache, budgets, forecast and experiments, as an MCP App")
        .with_mime_type(MIME_TYPE)
}

/// Gives the page; it needs no other origin.
pub(super) fn contents() -> ResourceContents {
    let nothing = json!([]);
    let csp = json!({
        "connectDomains": nothing, "resourceDomains": nothing, "frameDomains": nothing, "baseUriDomains": nothing
    });
    ResourceContents::text(page::app(), URI)
        .with_mime_type(MIME_TYPE)
        .with_meta(meta(json!({ "ui": { "csp": csp, "prefersBorder": true } })))
}

fn meta(value: Value) -> MetaObject {
    serde_json::from_value(value).unwrap_or_default()
}

/// Draws the spend of a time for hosts that show pictures only; `None` where there is nothing to draw.
pub(super) async fn picture(pipeline: &Pipeline, query: ReportQuery) -> Result<Option<Vec<u8>>, StoreError> {
    let now = Timestamp::now();
    let days =
        pipeline.store.cost_report(ReportQuery { group_by: Some(GroupBy::Day), ..query }).await?.groups;
    let forecast = pipeline.forecast(now, &[]).await?;
    let chart = spend_over_time(&days, &forecast, now, pipeline.settings.simulated);
    let drawn = chart.and_then(|chart| {
        chart.png().inspect_err(|error| tracing::warn!(%error, "a report goes without its picture")).ok()
    });
    Ok(drawn)
}

/// Writes the page that shows a time, for people without any host; an error says what to do.
pub async fn html_of(pipeline: &Pipeline, query: ReportQuery) -> Result<String, String> {
    let output = read(pipeline, query).await.map_err(|error| error.to_string())?;
    serde_json::to_string(&output).map(|data| page::report(&data)).map_err(|error| error.to_string())
}

/// Gathers what the dashboard shows of a time.
pub(super) async fn read(pipeline: &Pipeline, query: ReportQuery) -> Result<DashboardOutput, StoreError> {
    let now = Timestamp::now();
    let by = |group_by| pipeline.store.cost_report(ReportQuery { group_by: Some(group_by), ..query });
    let (month, _) = Period::Month.bounds(now);
    let (by_day, by_model, by_strategy, by_source) =
        try_join!(by(GroupBy::Day), by(GroupBy::Model), by(GroupBy::Strategy), by(GroupBy::Source))?;
    let (stats, budgets, days, requests, known) = try_join!(
        pipeline.store.cache_stats(now),
        pipeline.budgets(now),
        pipeline.store.daily_spend(month, now),
        pipeline.store.latest_requests(LATEST),
        Known::read(pipeline)
    )?;
    let (_, next_month) = Period::Month.days(now);
    Ok(DashboardOutput {
        as_of: now,
        from: query.from,
        to: query.to,
        simulated: pipeline.settings.simulated,
        totals: (&by_day).into(),
        by_day: latest_days(&by_day),
        by_model: groups(&by_model, MOST_GROUPS),
        by_strategy: groups(&by_strategy, MOST_GROUPS),
        by_source: groups(&by_source, MOST_GROUPS),
        cache: CacheOutput {
            entries: stats.entries,
            hits: stats.hits,
            error_bound: known.and_then(|known| known.error_bound()),
        },
        forecast: ForecastOutput::of(&pipeline.forecast(now, &budgets).await?),
        budgets: budgets.iter().map(BudgetOutput::from).collect(),
        month: MonthOutput { end: next_month, days: days.into_iter().map(Into::into).collect() },
        experiments: experiments(pipeline).await?,
        requests: requests.iter().map(Into::into).collect(),
        warnings: ReportOutput::warnings(&pipeline.notices(now, AHEAD_DAYS)),
    })
}

fn groups(report: &Report, most: usize) -> Vec<GroupOutput> {
    report.groups.iter().take(most).map(Into::into).collect()
}

fn latest_days(report: &Report) -> Vec<GroupOutput> {
    let left_out = report.groups.len().saturating_sub(MOST_DAYS);
    report.groups.iter().skip(left_out).map(Into::into).collect()
}

async fn experiments(pipeline: &Pipeline) -> Result<Vec<ExperimentOutput>, StoreError> {
    let mut all = pipeline.experiments().await?;
    all.retain(|kept| kept.status != Status::Archived);
    all.sort_by_key(|kept| kept.status != Status::Active);
    let mut shown = Vec::new();
    for kept in all.into_iter().take(MOST_EXPERIMENTS) {
        let (kept, report) = match pipeline.experiment_report(kept.name()).await {
            Ok(found) => found,
            Err(ExperimentError::Store(error)) => return Err(error),
            // Somebody has put it away meanwhile.
            Err(_) => continue,
        };
        let mut chart: Option<Chart> = None;
        if report.requests() <= MOST_DRAWN {
            let moments = pipeline.experiment_timeline(&kept, POINTS).await?;
            chart = effect_over_time(&kept, &moments, pipeline.settings.simulated);
        }
        shown.push(ExperimentOutput::new(&kept, &report, chart.as_ref()));
    }
    Ok(shown)
}

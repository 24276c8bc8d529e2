//! What `cost_report` takes and gives back.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::budget::LeftOutput;
use super::outlook::ForecastOutput;
use super::totals::{GroupOutput, TotalsOutput};
use crate::budget::standing::Standing;
use crate::cost::calendar::Notice;
use crate::cost::forecast::Forecast;
use crate::domain::limit::Period;
use crate::domain::report::{GroupBy, Report, ReportQuery};
use crate::mcp::words::clean_line;

/// Groups shown where the caller sets no limit.
const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 1_000;

/// Arguments of `cost_report`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportInput {
    /// Time covered (default 30d); days are UTC
    pub period: Option<PeriodInput>,
    /// Instead of period: first instant, RFC 3339 or YYYY-MM-DD
    pub from: Option<String>,
    /// First instant after (default now)
    pub to: Option<String>,
    pub group_by: Option<GroupByInput>,
    pub format: Option<FormatInput>,
    /// Most groups (default 50)
    #[schemars(range(min = 1, max = 1_000))]
    pub limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum PeriodInput {
    #[serde(rename = "today")]
    Today,
    #[serde(rename = "7d")]
    #[strum(serialize = "7d")]
    Week,
    #[serde(rename = "30d")]
    #[strum(serialize = "30d")]
    ThirtyDays,
    #[serde(rename = "month")]
    Month,
    #[serde(rename = "all")]
    All,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema, strum::EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum GroupByInput {
    Provider,
    Model,
    Strategy,
    Day,
    Tag,
    Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormatInput {
    #[default]
    Summary,
    Csv,
    Json,
}

/// Result of `cost_report`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReportOutput {
    from: String,
    to: String,
    totals: TotalsOutput,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupOutput>,
    /// Groups left out by limit
    #[serde(skip_serializing_if = "Option::is_none")]
    more_groups: Option<usize>,
    /// Upper bound of wrong answers per similar hit, 95 %
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_error_bound: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forecast: Option<ForecastOutput>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    budgets: Vec<LeftOutput>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "super::is_false")]
    simulated: bool,
}

impl ReportInput {
    /// Checks the arguments; an error names the one that is wrong and what is accepted.
    pub fn query(&self, now: Timestamp) -> Result<ReportQuery, String> {
        if self.limit.is_some_and(|limit| !(1..=MAX_LIMIT).contains(&limit)) {
            return Err(format!(
                "limit is {}; it goes from 1 to {MAX_LIMIT}",
                self.limit.unwrap_or_default()
            ));
        }
        let group_by = self.group_by.map(GroupBy::from);
        if self.from.is_none() && self.to.is_none() {
            let from = self.period.unwrap_or(PeriodInput::ThirtyDays).start(now);
            // Rows of this very instant are inside.
            let to = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
            return Ok(ReportQuery { from, to, group_by });
        }
        if self.period.is_some() {
            return Err("period and from/to exclude each other: pass one of them".to_owned());
        }
        let time = |name: &str, text: &Option<String>, default: Timestamp| match text {
            Some(text) => parse_time(text).ok_or_else(|| {
                let shown: String = text.chars().take(40).collect();
                format!("{name} is `{shown}`; accepted: 2026-11-23 or 2026-11-23T12:00:00Z")
            }),
            None => Ok(default),
        };
        let from = time("from", &self.from, Timestamp::UNIX_EPOCH)?;
        let to = time("to", &self.to, now)?;
        if from >= to {
            return Err(format!("from ({from}) is not before to ({to}): exchange them"));
        }
        Ok(ReportQuery { from, to, group_by })
    }
}

impl PeriodInput {
    fn start(self, now: Timestamp) -> Timestamp {
        let days_ago = |days: i64| now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(now);
        match self {
            Self::Today => Period::Day.bounds(now).0,
            Self::Week => days_ago(7),
            Self::ThirtyDays => days_ago(30),
            Self::Month => Period::Month.bounds(now).0,
            Self::All => Timestamp::UNIX_EPOCH,
        }
    }
}

fn parse_time(text: &str) -> Option<Timestamp> {
    let midnight = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(midnight)
}

impl ReportOutput {
    /// Words a report, with as many groups as asked for.
    pub fn new(
        query: ReportQuery,
        report: &Report,
        input: &ReportInput,
        cache_error_bound: Option<f64>,
        simulated: bool,
    ) -> Self {
        let limit = input.limit.unwrap_or(DEFAULT_LIMIT);
        let left_out = report.groups.len().saturating_sub(limit);
        Self {
            from: query.from.to_string(),
            to: query.to.to_string(),
            totals: report.into(),
            groups: report.groups.iter().take(limit).map(GroupOutput::from).collect(),
            more_groups: (left_out > 0).then_some(left_out),
            cache_error_bound,
            forecast: None,
            budgets: Vec::new(),
            warnings: Vec::new(),
            simulated,
        }
    }

    /// Adds how limits stand now.
    pub fn with_budgets(self, standings: &[Standing]) -> Self {
        Self {
            budgets: standings.iter().map(|standing| LeftOutput::new(standing, Vec::new())).collect(),
            ..self
        }
    }

    /// Adds what this month will have cost.
    pub fn with_forecast(self, forecast: &Forecast) -> Self {
        Self { forecast: ForecastOutput::of(forecast), ..self }
    }

    /// Adds what is known of the time to come.
    pub fn with_notices(self, notices: &[Notice]) -> Self {
        Self { warnings: Self::warnings(notices), ..self }
    }

    /// Words what is known of the time to come.
    pub(in crate::mcp) fn warnings(notices: &[Notice]) -> Vec<String> {
        notices.iter().map(|notice| format!("{}: {}", notice.reference, notice.event)).collect()
    }

    /// Gives the report as text of a format; CSV has a line a group, or the totals.
    pub fn to_text(&self, format: FormatInput) -> String {
        match format {
            FormatInput::Summary => self.to_summary(),
            FormatInput::Csv => self.to_csv(),
            FormatInput::Json => serde_json::to_string(self).unwrap_or_default(),
        }
    }

    fn to_summary(&self) -> String {
        let totals = &self.totals;
        let mut text = format!(
            "{}{} requests, cost ${}, saved ${}{} against the baseline, {} answered from the cache\n",
            if self.simulated { "SIMULATED: " } else { "" },
            totals.requests,
            totals.cost_usd,
            totals.saved_usd,
            totals.saved_percent.map(|percent| format!(" ({percent:.1} %)")).unwrap_or_default(),
            totals.cache_hits,
        );
        if let Some(cost) = totals.audit_cost_usd {
            text.push_str(&format!("{} paid for to check the cache, cost ${cost}\n", totals.audits));
        }
        if let Some(bound) = self.cache_error_bound {
            let percent = (bound * 1e4).round() / 100.0;
            text.push_str(&format!(
                "of answers to similar prompts at most {percent} % are wrong, at 95 %, as the labels so far say\n"
            ));
        }
        if let Some([low, high]) = totals.saved_interval_usd.as_deref() {
            text.push_str(&format!(
                "the saving is between ${low} and ${high}, as {} costs are estimates\n",
                totals.estimated_requests
            ));
        }
        for (count, what) in [
            (totals.failed_requests, "failed"),
            (totals.unpriced_requests, "have no known price and are in no sum of money"),
            (totals.estimated_requests, "have an estimated cost"),
            (totals.unsettled_requests, "were begun and not finished; their cost is not known"),
        ] {
            if count > 0 {
                text.push_str(&format!("{count} {what}\n"));
            }
        }
        for budget in &self.budgets {
            text.push_str(&format!("{}\n", budget.to_text()));
        }
        for line in self.forecast.iter().flat_map(ForecastOutput::lines) {
            text.push_str(&format!("{line}\n"));
        }
        for warning in &self.warnings {
            text.push_str(&format!("warning: {warning}\n"));
        }
        let widest = self.groups.iter().map(|group| group.totals.cost_usd).fold(0.0, f64::max);
        let name_width = self.groups.iter().map(|group| group.key.chars().count()).max().unwrap_or(0).min(50);
        for group in &self.groups {
            let share = if widest > 0.0 { group.totals.cost_usd / widest } else { 0.0 };
            let bar = "█".repeat((share * 20.0).round() as usize);
            text.push_str(&format!(
                "{:<name_width$}  {:>6}  ${:<14} {bar}\n",
                clean_line(&group.key),
                group.totals.requests,
                group.totals.cost_usd
            ));
        }
        if let Some(more) = self.more_groups {
            text.push_str(&format!("… and {more} more; raise limit to see them\n"));
        }
        text
    }

    fn to_csv(&self) -> String {
        let mut text = String::from(
            "key,requests,cost_usd,baseline_cost_usd,saved_usd,cache_hits,input_tokens,output_tokens,unpriced_requests,estimated_requests,failed_requests,audits,audit_cost_usd,simulated\n",
        );
        let mut line = |key: &str, totals: &TotalsOutput| {
            text.push_str(&format!(
                "{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                csv_field(key),
                totals.requests,
                totals.cost_usd,
                totals.baseline_cost_usd,
                totals.saved_usd,
                totals.cache_hits,
                totals.input_tokens,
                totals.output_tokens,
                totals.unpriced_requests,
                totals.estimated_requests,
                totals.failed_requests,
                totals.audits,
                totals.audit_cost_usd.unwrap_or(0.0),
                self.simulated
            ));
        };
        for group in &self.groups {
            line(&group.key, &group.totals);
        }
        if self.groups.is_empty() {
            line("total", &self.totals);
        }
        text
    }
}

/// Quotes a field, and keeps spreadsheets from running it as a formula.
pub(super) fn csv_field(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    if text.contains([',', '"', '\n', '\r']) || !guard.is_empty() {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

impl From<GroupByInput> for GroupBy {
    fn from(group_by: GroupByInput) -> Self {
        match group_by {
            GroupByInput::Provider => Self::Provider,
            GroupByInput::Model => Self::Model,
            GroupByInput::Strategy => Self::Strategy,
            GroupByInput::Day => Self::Day,
            GroupByInput::Tag => Self::Tag,
            GroupByInput::Source => Self::Source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Usd;
    use crate::domain::report::Totals;

    #[test]
    fn audits_are_told_where_there_are_any_and_are_always_columns() {
        let check = |audits: u64, cost: Option<f64>, line: &str, end: &str| {
            let audit_cost = Usd::from_pico(i64::try_from(audits).unwrap_or_default() * 250_000_000_000);
            let totals = Totals { requests: 9, audits, audit_cost, ..Totals::default() };
            let report = Report { totals, ..Report::default() };
            let input = ReportInput::default();
            let query = input.query(Timestamp::UNIX_EPOCH).expect("a query");
            let output = ReportOutput::new(query, &report, &input, None, false);
            assert_eq!(output.totals.audit_cost_usd, cost);
            assert_eq!(output.to_text(FormatInput::Json).contains("audit"), audits > 0);
            let summary = output.to_text(FormatInput::Summary);
            assert!(summary.ends_with(line), "{summary}");
            let csv = output.to_text(FormatInput::Csv);
            let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
            assert!(csv.ends_with(end) && columns == [14, 14], "{csv}");
        };
        check(0, None, "0 answered from the cache\n", ",0,0,false\n");
        check(2, Some(0.5), "2 paid for to check the cache, cost $0.5\n", ",2,0.5,false\n");
    }
}

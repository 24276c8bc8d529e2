//! The resources `metrics://…`: the store's own sums, as JSON.

use jiff::{SignedDuration, Timestamp, Unit};
use rmcp::model::{Annotations, Resource, Role};
use serde_json::{Value, json};
use strum::VariantArray;

use super::cache_policy;
use super::wire::budget::BudgetOutput;
use super::wire::totals::TotalsOutput;
use crate::domain::model::ProviderId;
use crate::domain::report::{Group, GroupBy, Report, ReportQuery};
use crate::pipeline::Pipeline;
use crate::providers::cooldown::{Place, Resting};
use crate::routing::candidates::variable;
use crate::routing::drift::{Demotion, Period};
use crate::store::StoreError;

/// How long clients may keep what they read.
pub(super) const TTL_MS: u64 = 2_000;

/// One resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, VariantArray)]
pub(super) enum Metric {
    Summary,
    Routing,
    Cache,
    Providers,
    Budgets,
}

impl Metric {
    /// Gives the URI.
    pub(super) const fn uri(self) -> &'static str {
        match self {
            Self::Summary => "metrics://summary",
            Self::Routing => "metrics://routing",
            Self::Cache => "metrics://cache",
            Self::Providers => "metrics://providers",
            Self::Budgets => "metrics://budgets",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Summary => "Requests, spend and savings: last day, 7 days, 30 days, all time",
            Self::Routing => {
                "Requests and spend by model and by strategy, last 30 days; models that got worse"
            }
            Self::Cache => "Cached answers, hits and what they saved",
            Self::Providers => {
                "Providers: configured or not, what is left alone after failures, requests and spend, last 30 days"
            }
            Self::Budgets => "Limits of what may be spent: what is spent, reserved and left of each",
        }
    }

    /// Finds the resource of a URI.
    pub(super) fn of(uri: &str) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|metric| metric.uri() == uri)
    }

    /// Reads the numbers.
    pub(super) async fn read(self, pipeline: &Pipeline) -> Result<Value, StoreError> {
        let now = Timestamp::now();
        let mut value = match self {
            Self::Summary => json!({
                "last_day": totals(&sums(pipeline, now, Some(1), None).await?),
                "last_7_days": totals(&sums(pipeline, now, Some(7), None).await?),
                "last_30_days": totals(&sums(pipeline, now, Some(30), None).await?),
                "all_time": totals(&sums(pipeline, now, None, None).await?),
            }),
            Self::Routing => json!({
                "last_30_days": {
                    "by_model": groups(&sums(pipeline, now, Some(30), Some(GroupBy::Model)).await?),
                    "by_strategy": groups(&sums(pipeline, now, Some(30), Some(GroupBy::Strategy)).await?),
                },
                "demoted": demoted(&pipeline.demotions().await?),
            }),
            Self::Cache => {
                let stats = pipeline.store.cache_stats(now).await?;
                json!({
                    "entries": stats.entries,
                    "expired_entries": stats.expired_entries,
                    "retired_entries": stats.retired_entries,
                    "hits": stats.hits,
                    "policy": cache_policy::describe(pipeline).await?,
                    "embedder": pipeline.embedder.state().to_string(),
                    "last_30_days": {
                        "by_source": groups(&sums(pipeline, now, Some(30), Some(GroupBy::Source)).await?),
                    },
                })
            }
            Self::Providers => {
                let configured = pipeline.providers.ids();
                let resting = pipeline.providers.resting();
                let report = sums(pipeline, now, Some(30), Some(GroupBy::Provider)).await?;
                let of = |provider: ProviderId| {
                    let group = report.groups.iter().find(|group| group.key == provider.as_str());
                    json!({
                        "provider": provider.as_str(),
                        "configured": configured.contains(&provider),
                        "variable": variable(provider),
                        "left_alone": left_alone(&resting, provider, now),
                        "last_30_days": group.map(|group| TotalsOutput::from(group.totals)),
                    })
                };
                json!({ "providers": ProviderId::VARIANTS.iter().copied().map(of).collect::<Vec<_>>() })
            }
            Self::Budgets => {
                let standings = pipeline.budgets(now).await?;
                json!({ "budgets": standings.iter().map(BudgetOutput::from).collect::<Vec<_>>() })
            }
        };
        if let Value::Object(object) = &mut value {
            object.insert("as_of".to_owned(), json!(now));
            if pipeline.settings.simulated {
                object.insert("simulated".to_owned(), json!(true));
            }
        }
        Ok(value)
    }
}

/// Lists the resources.
pub(super) fn resources() -> Vec<Resource> {
    let resource = |metric: &Metric| {
        let name = metric.uri().trim_start_matches("metrics://");
        Resource::new(metric.uri(), format!("{name}-metrics"))
            .with_title(format!("Metrics: {name}"))
            .with_description(metric.description())
            .with_mime_type("application/json")
            .with_annotations(Annotations::default().with_audience(vec![Role::User, Role::Assistant]))
    };
    Metric::VARIANTS.iter().map(resource).collect()
}

async fn sums(
    pipeline: &Pipeline,
    now: Timestamp,
    days: Option<i64>,
    group_by: Option<GroupBy>,
) -> Result<Report, StoreError> {
    let from = days
        .and_then(|days| now.checked_sub(SignedDuration::from_hours(24 * days)).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH);
    pipeline.store.cost_report(ReportQuery { from, to: Timestamp::MAX, group_by }).await
}

/// Lists what is left alone at a provider: the provider itself, or single models.
fn left_alone(resting: &[Resting], provider: ProviderId, now: Timestamp) -> Vec<Value> {
    let of = |resting: &Resting| {
        let model = match &resting.place {
            Place::Provider(name) => (*name == provider).then_some("*"),
            Place::Model(reference) => (reference.provider == provider).then_some(reference.model.as_str()),
        }?;
        let left = SignedDuration::try_from(resting.left).unwrap_or_default();
        let until = now.checked_add(left).ok().and_then(|until| until.round(Unit::Second).ok());
        // Once the time is over, the next call is a probe.
        let until = until.filter(|_| !resting.left.is_zero());
        Some(json!({ "model": model, "after": resting.outcome.to_string(), "until": until }))
    };
    resting.iter().filter_map(of).collect()
}

/// Lists the models that got worse, which are asked after all others.
fn demoted(demotions: &[Demotion]) -> Vec<Value> {
    let period = |period: Period| json!({ "outcomes": period.outcomes, "mean_score": (period.mean() * 1e4).round() / 1e4 });
    let of = |demotion: &Demotion| {
        json!({
            "model": demotion.reference.to_string(),
            "since": demotion.since,
            "latest": period(demotion.latest),
            "before": period(demotion.before),
            "why": demotion.to_string(),
        })
    };
    demotions.iter().map(of).collect()
}

fn totals(report: &Report) -> Value {
    json!(TotalsOutput::from(report))
}

fn groups(report: &Report) -> Value {
    let group = |group: &Group| json!({ "key": group.key, "totals": TotalsOutput::from(group.totals) });
    report.groups.iter().map(group).collect()
}

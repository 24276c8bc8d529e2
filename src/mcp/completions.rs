//! Completions of what is typed into prompts and resource templates: models, strategies, experiments, tags, requests.

use jiff::{SignedDuration, Timestamp};
use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};
use strum::VariantArray;

use super::templates;
use crate::domain::decision::StrategyName;
use crate::domain::report::{GroupBy, ReportQuery};
use crate::experiments::definition::Metric;
use crate::pipeline::Pipeline;
use crate::store::StoreError;

/// How far back tags are looked for.
const TAGS_OF: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Requests among which one is looked for.
const LATEST: u32 = 100;
const PERIODS: [&str; 5] = ["today", "7d", "30d", "month", "all"];

/// Completes one argument; an error says that there is no such argument.
pub(super) async fn complete(
    pipeline: &Pipeline,
    request: &CompleteRequestParams,
) -> Result<CompleteResult, ErrorData> {
    let (of, argument) = (name_of(&request.r#ref), request.argument.name.as_str());
    let failed = |error: StoreError| ErrorData::internal_error(error.to_string(), None);
    let known: Vec<String> = match (of.as_str(), argument) {
        ("cut_costs", "period") => PERIODS.map(str::to_owned).to_vec(),
        ("cut_costs", "strategy") => StrategyName::VARIANTS.iter().map(ToString::to_string).collect(),
        ("cut_costs", "tag") => tags(pipeline).await.map_err(failed)?,
        ("compare_models", "control" | "treatment") => {
            pipeline.models.iter().map(|card| card.reference.to_string()).collect()
        }
        ("compare_models", "metric") => Metric::VARIANTS.iter().map(ToString::to_string).collect(),
        (templates::EXPERIMENT, "name") => {
            let kept = pipeline.experiments().await.map_err(failed)?;
            kept.iter().map(|kept| kept.name().to_owned()).collect()
        }
        (templates::REQUEST, "request_id") => {
            let latest = pipeline.store.latest_requests(LATEST).await.map_err(failed)?;
            latest.iter().map(|record| record.id.to_string()).collect()
        }
        _ => return Err(ErrorData::invalid_params(format!("`{of}` has no argument `{argument}`"), None)),
    };
    let found = matching(known, &request.argument.value);
    let total = u32::try_from(found.len()).ok();
    let has_more = found.len() > CompletionInfo::MAX_VALUES;
    let values = found.into_iter().take(CompletionInfo::MAX_VALUES).collect();
    let info = CompletionInfo::with_pagination(values, total, has_more)
        .map_err(|problem| ErrorData::internal_error(problem, None))?;
    Ok(CompleteResult::new(info))
}

fn name_of(reference: &Reference) -> String {
    let name = match reference {
        Reference::Prompt(prompt) => prompt.name.as_str(),
        Reference::Resource(resource) => resource.uri.as_str(),
        _ => "",
    };
    name.chars().take(200).collect()
}

/// Keeps what holds the typed text; what begins with it comes first.
fn matching(known: Vec<String>, typed: &str) -> Vec<String> {
    let typed = typed.to_lowercase();
    let (mut first, mut rest): (Vec<String>, Vec<String>) = known
        .into_iter()
        .filter(|value| value.to_lowercase().contains(&typed))
        .partition(|value| value.to_lowercase().starts_with(&typed));
    first.append(&mut rest);
    first
}

async fn tags(pipeline: &Pipeline) -> Result<Vec<String>, StoreError> {
    let now = Timestamp::now();
    let from = now.checked_sub(TAGS_OF).unwrap_or(Timestamp::UNIX_EPOCH);
    let query = ReportQuery { from, to: Timestamp::MAX, group_by: Some(GroupBy::Tag) };
    let report = pipeline.store.cost_report(query).await?;
    Ok(report.groups.into_iter().map(|group| group.key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_the_typed_text_comes_before_what_holds_it() {
        let known = ["gemini/flash", "anthropic/claude", "openrouter/google/gemini"].map(str::to_owned);
        let of = |typed: &str| matching(known.to_vec(), typed);
        assert_eq!(of("GEM"), ["gemini/flash", "openrouter/google/gemini"]);
        assert_eq!(of("").len(), 3);
        assert_eq!(of("llama"), Vec::<String>::new());
    }
}

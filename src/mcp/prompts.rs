//! Prompts that a user can pick: how to spend less, and how to find out which of two models is worth it.

use rmcp::ErrorData;
use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};
use serde_json::Value;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// Characters of an argument that are passed on.
const MOST_CHARS: usize = 200;

/// One prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Template {
    CutCosts,
    CompareModels,
}

/// Lists the prompts.
pub(super) fn prompts() -> Vec<Prompt> {
    Template::VARIANTS.iter().map(|template| template.described()).collect()
}

/// Fills a prompt in; an error names what is wrong and what there is.
pub(super) fn fill(name: &str, arguments: Option<&JsonObject>) -> Result<GetPromptResult, ErrorData> {
    let template: Template = name.parse().map_err(|_| {
        let names: Vec<&str> = Template::VARIANTS.iter().map(Into::into).collect();
        let shown: String = name.chars().take(MOST_CHARS).collect();
        ErrorData::invalid_params(
            format!("no prompt is named `{shown}`; there are: {}", names.join(", ")),
            None,
        )
    })?;
    let text = template.text(&Arguments(arguments))?;
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)])
        .with_description(template.description()))
}

/// What was filled in, as one line each.
struct Arguments<'a>(Option<&'a JsonObject>);

impl Arguments<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let value = self.0?.get(name)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let line: String = text
            .chars()
            .filter(|character| !character.is_control() && *character != '`')
            .take(MOST_CHARS)
            .collect();
        (!line.trim().is_empty() && !value.is_null()).then(|| line.trim().to_owned())
    }

    fn required(&self, name: &str) -> Result<String, ErrorData> {
        self.get(name).ok_or_else(|| {
            let given = self.0.and_then(|arguments| arguments.get(name)).map_or("missing", kind);
            ErrorData::invalid_params(format!("argument `{name}` is {given}; pass a text"), None)
        })
    }
}

fn kind(value: &Value) -> &'static str {
    if value.is_string() { "empty" } else { "no text" }
}

impl Template {
    const fn description(self) -> &'static str {
        match self {
            Self::CutCosts => "Find out what costs most, and what would cost less without answering worse",
            Self::CompareModels => "Find out by an experiment which of two models is worth its price",
        }
    }

    fn described(self) -> Prompt {
        let argument = |name: &str, description: &str, is_required: bool| {
            PromptArgument::new(name).with_description(description).with_required(is_required)
        };
        let (title, arguments) = match self {
            Self::CutCosts => (
                "Cut costs",
                vec![
                    argument("period", "today, 7d, 30d (default), month or all", false),
                    argument("tag", "Only requests with this tag", false),
                    argument("strategy", "Only requests that this strategy routed", false),
                ],
            ),
            Self::CompareModels => (
                "Compare models",
                vec![
                    argument("control", "The model that is used now, as provider/model", true),
                    argument("treatment", "The model to compare it with", true),
                    argument("metric", "cost_usd (default), rating, latency_ms, success or saved_usd", false),
                ],
            ),
        };
        let name: &str = self.into();
        Prompt::new(name, Some(self.description()), Some(arguments)).with_title(title)
    }

    fn text(self, arguments: &Arguments<'_>) -> Result<String, ErrorData> {
        match self {
            Self::CutCosts => Ok(cut_costs(arguments)),
            Self::CompareModels => compare_models(arguments),
        }
    }
}

fn cut_costs(arguments: &Arguments<'_>) -> String {
    let period = arguments.get("period").unwrap_or_else(|| "30d".to_owned());
    let mut only = String::new();
    if let Some(tag) = arguments.get("tag") {
        only.push_str(&format!(" Look at the requests with the tag `{tag}` above all (group_by: tag)."));
    }
    if let Some(strategy) = arguments.get("strategy") {
        only.push_str(&format!(
            " Look at what the strategy `{strategy}` routed above all (group_by: strategy)."
        ));
    }
    format!(
        "Find out how I could spend less on AI calls without getting worse answers.\n\n\
         1. Call cost_report with period `{period}`, once each with group_by model, source and day.{only}\n\
         2. Read metrics://cache and metrics://routing: how much the cache answers and within which bound on wrong \
         answers, and which models got worse.\n\
         3. Name the three changes that would save most: for each what it saves in dollars a month by these numbers, \
         what could get worse, and how sure you are. Where costs are estimates or requests are unpriced, say so.\n\
         4. For a change that you are not sure of, describe the experiment (start_experiment) that would settle it, \
         and what it may cost.\n\n\
         Change nothing before I have agreed."
    )
}

fn compare_models(arguments: &Arguments<'_>) -> Result<String, ErrorData> {
    let (control, treatment) = (arguments.required("control")?, arguments.required("treatment")?);
    let metric = arguments.get("metric").unwrap_or_else(|| "cost_usd".to_owned());
    Ok(format!(
        "Find out whether `{treatment}` is worth using in the place of `{control}`, by {metric}.\n\n\
         1. Call route_prompt with dry_run, once with each model pinned, on a prompt like those I usually have, and show \
         what each may cost.\n\
         2. Propose an experiment: arms `{control}` (control) and `{treatment}`, metric {metric}, a guardrail on success, \
         and on rating where I rate answers; say how many requests it needs, how long that takes and what it may cost. \
         Start it with start_experiment once I have agreed.\n\
         3. Later, read experiment_report: tell me its verdict, the interval and what would change it. A mean that is \
         merely better is no winner."
    ))
}

//! What `set_budget` takes, and how limits stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::budget::standing::Standing;
use crate::config::{BadBudget, BudgetRow};
use crate::domain::limit::{Limit, OnBreach, Period, SetBy};
use crate::pipeline::Spent;

/// Arguments of `set_budget`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetInput {
    /// UTC
    pub period: PeriodInput,
    /// From 0 on
    pub limit_usd: f64,
    /// A request that may pass it is refused, or a cheaper model asked, or it only says so
    pub on_breach: BreachInput,
    /// Only requests with this tag (default all)
    pub tag: Option<String>,
}

names!(pub PeriodInput, Period, Day, Month);
names!(pub BreachInput, OnBreach, Block, Downgrade, Warn);

impl BudgetInput {
    /// Checks the arguments; an error names the one that is wrong and what is accepted.
    pub fn into_limit(self, set_by: SetBy) -> Result<Limit, BadBudget> {
        let Self { period, limit_usd, on_breach, tag } = self;
        BudgetRow { period: period.into(), limit_usd, on_breach: on_breach.into(), tag }.into_limit(set_by)
    }
}

/// How a limit stands.
#[derive(Debug, Serialize)]
pub struct BudgetOutput {
    period: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    limit_usd: f64,
    on_breach: String,
    set_by: String,
    spent_usd: f64,
    /// The most that requests under way may cost
    reserved_usd: f64,
    remaining_usd: f64,
}

// What is left of a limit.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LeftOutput {
    period: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    limit_usd: f64,
    spent_usd: f64,
    remaining_usd: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alerts: Vec<String>,
}

/// All limits in force.
#[derive(Debug, Serialize)]
pub struct BudgetsOutput {
    budgets: Vec<BudgetOutput>,
    #[serde(skip_serializing_if = "super::is_false")]
    simulated: bool,
}

impl From<&Standing> for BudgetOutput {
    fn from(standing: &Standing) -> Self {
        let limit = &standing.limit;
        Self {
            period: limit.scope.period.to_string(),
            tag: limit.scope.tag.clone(),
            limit_usd: limit.most.dollars(),
            on_breach: limit.on_breach.to_string(),
            set_by: limit.set_by.to_string(),
            spent_usd: standing.spent.dollars(),
            reserved_usd: standing.reserved.dollars(),
            remaining_usd: standing.remaining().dollars(),
        }
    }
}

impl LeftOutput {
    /// Words what is left of a limit.
    pub fn new(standing: &Standing, alerts: Vec<String>) -> Self {
        let scope = &standing.limit.scope;
        Self {
            period: scope.period.to_string(),
            tag: scope.tag.clone(),
            limit_usd: standing.limit.most.dollars(),
            spent_usd: standing.spent.dollars(),
            remaining_usd: standing.remaining().dollars(),
            alerts,
        }
    }

    /// Gives a line: what is left of how much.
    pub(super) fn to_text(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(" for the tag `{tag}`")).unwrap_or_default();
        let Self { period, limit_usd, spent_usd, remaining_usd, .. } = self;
        format!("budget a {period}{tag}: ${spent_usd} of ${limit_usd} spent, ${remaining_usd} left")
    }

    pub(super) fn alerts(&self) -> &[String] {
        &self.alerts
    }
}

impl From<Spent> for LeftOutput {
    fn from(spent: Spent) -> Self {
        Self::new(&spent.standing, spent.alerts)
    }
}

impl BudgetOutput {
    /// Gives a line: what is left of how much, and what was told.
    pub fn to_text(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(" for the tag `{tag}`")).unwrap_or_default();
        format!(
            "budget a {}{tag}: ${} of ${} spent, ${} reserved, ${} left ({}, set by {})",
            self.period,
            self.spent_usd,
            self.limit_usd,
            self.reserved_usd,
            self.remaining_usd,
            self.on_breach,
            self.set_by
        )
    }
}

impl BudgetsOutput {
    /// Words limits in force.
    pub fn new(standings: &[Standing], simulated: bool) -> Self {
        Self { budgets: standings.iter().map(BudgetOutput::from).collect(), simulated }
    }

    /// Gives a line a limit.
    pub fn to_text(&self) -> String {
        let simulated = if self.simulated { "SIMULATED\n" } else { "" };
        if self.budgets.is_empty() {
            return format!("{simulated}no budget is set");
        }
        let lines: Vec<String> = self.budgets.iter().map(BudgetOutput::to_text).collect();
        format!("{simulated}{}", lines.join("\n"))
    }
}

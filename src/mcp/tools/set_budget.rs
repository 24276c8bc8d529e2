//! The tool `set_budget`.

use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::{tool, tool_router};

use super::{answered, refused};
use crate::budget::standing::Standing;
use crate::domain::limit::SetBy;
use crate::mcp::server::Server;
use crate::mcp::wire::budget::{BudgetInput, BudgetsOutput, LeftOutput};
use crate::mcp::wire::read;

#[tool_router(router = set_budget_tool, vis = "pub(in crate::mcp)")]
impl Server {
    /// Limit what may be spent a day or month. Limits only get tighter here; the user can raise them.
    #[tool(
        title = "Set a budget",
        annotations(
            title = "Set a budget",
            read_only_hint = false,
            destructive_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        ),
        input_schema = schema_for_type::<BudgetInput>(),
        output_schema = schema_for_output::<LeftOutput>()
    )]
    async fn set_budget(&self, Parameters(arguments): Parameters<JsonObject>) -> CallToolResult {
        let limit = match read(arguments).map(|input: BudgetInput| input.into_limit(SetBy::Tool)) {
            Ok(Ok(limit)) => limit,
            Ok(Err(problem)) => return refused(problem),
            Err(problem) => return refused(problem),
        };
        let scope = limit.scope.clone();
        match self.pipeline().tighten_budget(limit).await {
            Ok(standings) => {
                let text = BudgetsOutput::new(&standings, self.pipeline().settings.simulated).to_text();
                let is_set = |standing: &&Standing| {
                    standing.limit.set_by == SetBy::Tool && standing.limit.scope == scope
                };
                match standings.iter().find(is_set) {
                    Some(standing) => answered(&LeftOutput::new(standing, Vec::new()), text),
                    None => refused("the limit was taken away at once; hint: look at metrics://budgets"),
                }
            }
            Err(error) => refused(error),
        }
    }
}

//! The tool `cost_report`.

use jiff::Timestamp;
use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::{tool, tool_router};

use super::{answered, refused};
use crate::mcp::cache_policy::Known;
use crate::mcp::server::Server;
use crate::mcp::wire::read;
use crate::mcp::wire::report::{ReportInput, ReportOutput};
use crate::pipeline::Pipeline;

/// How far ahead ends and price changes are told.
const AHEAD_DAYS: u16 = 30;

#[tool_router(router = cost_report_tool, vis = "pub(in crate::mcp)")]
impl Server {
    /// Spend, savings against the baseline and cache hits over a time, grouped as asked.
    #[tool(
        title = "Cost report",
        annotations(
            title = "Cost report",
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        ),
        input_schema = schema_for_type::<ReportInput>(),
        output_schema = schema_for_output::<ReportOutput>()
    )]
    async fn cost_report(&self, Parameters(arguments): Parameters<JsonObject>) -> CallToolResult {
        let input: ReportInput = match read(arguments) {
            Ok(input) => input,
            Err(problem) => return refused(problem),
        };
        match report_of(self.pipeline(), &input).await {
            Ok(output) => {
                let text = output.to_text(input.format.unwrap_or_default());
                answered(&output, text)
            }
            Err(problem) => refused(problem),
        }
    }
}

/// Makes the report that the arguments ask for; an error names what is wrong and the way out.
pub async fn report_of(pipeline: &Pipeline, input: &ReportInput) -> Result<ReportOutput, String> {
    let query = input.query(Timestamp::now())?;
    let report = pipeline.store.cost_report(query).await.map_err(|error| error.to_string())?;
    let known = Known::read(pipeline).await.map_err(|error| error.to_string())?;
    let error_bound = known.and_then(|known| known.error_bound());
    let now = Timestamp::now();
    let budgets = pipeline.budgets(now).await.map_err(|error| error.to_string())?;
    let output = ReportOutput::new(query, &report, input, error_bound, pipeline.settings.simulated);
    let output = match pipeline.forecast(now, &budgets).await {
        Ok(forecast) => output.with_forecast(&forecast),
        Err(error) => return Err(error.to_string()),
    };
    Ok(output.with_budgets(&budgets).with_notices(&pipeline.notices(now, AHEAD_DAYS)))
}

//! The tool `cost_report`.

use jiff::Timestamp;
use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};

use super::{answered, picture, refused};
use crate::mcp::cache_policy::Known;
use crate::mcp::dashboard;
use crate::mcp::server::Server;
use crate::mcp::wire::read;
use crate::mcp::wire::report::{FormatInput, ReportInput, ReportOutput};
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
        output_schema = schema_for_output::<ReportOutput>(),
        meta = dashboard::tool_meta()
    )]
    async fn cost_report(
        &self,
        Parameters(arguments): Parameters<JsonObject>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let input: ReportInput = match read(arguments) {
            Ok(input) => input,
            Err(problem) => return refused(problem),
        };
        let format = input.format.unwrap_or_default();
        let output = match report_of(self.pipeline(), &input).await {
            Ok(output) => output,
            Err(problem) => return refused(problem),
        };
        let mut result = answered(&output, output.to_text(format));
        // Who shows Apps gets what the page shows, and others a picture of it where they asked for no table.
        let shown = if dashboard::is_shown(&context) {
            self.show(&input, &mut result).await
        } else if format == FormatInput::Summary {
            self.draw(&input, &mut result).await
        } else {
            Ok(())
        };
        if let Err(problem) = shown {
            tracing::warn!(%problem, "a report goes without its dashboard");
        }
        result
    }

    async fn show(&self, input: &ReportInput, result: &mut CallToolResult) -> Result<(), String> {
        let query = input.query(Timestamp::now())?;
        let output = dashboard::read(self.pipeline(), query).await.map_err(|error| error.to_string())?;
        let meta = result.meta.get_or_insert_default();
        meta.0.insert(dashboard::META_KEY.to_owned(), serde_json::to_value(output).unwrap_or_default());
        Ok(())
    }

    async fn draw(&self, input: &ReportInput, result: &mut CallToolResult) -> Result<(), String> {
        let pipeline = self.pipeline();
        let query = input.query(Timestamp::now())?;
        let drawn = dashboard::picture(pipeline, query).await.map_err(|error| error.to_string())?;
        if let Some(png) = drawn {
            result.content.push(picture(&png));
        }
        Ok(())
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

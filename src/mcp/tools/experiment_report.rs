//! The tool `experiment_report`.

use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::{tool, tool_router};

use super::{answered, picture, refused};
use crate::dashboard::experiment::{MOST_DRAWN, POINTS, effect_over_time};
use crate::domain::ids::NotAnId;
use crate::mcp::server::Server;
use crate::mcp::wire::outcomes::Outcomes;
use crate::mcp::wire::read;
use crate::mcp::wire::verdict::{VerdictFormat, VerdictInput, VerdictOutput};

#[tool_router(router = experiment_report_tool, vis = "pub(in crate::mcp)")]
impl Server {
    /// What an experiment proves so far, however often it is asked: means, effects with intervals, verdict, and
    /// what would change it. A mean that is merely better is no winner.
    #[tool(
        title = "Experiment report",
        annotations(
            title = "Experiment report",
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        ),
        input_schema = schema_for_type::<VerdictInput>(),
        output_schema = schema_for_output::<VerdictOutput>()
    )]
    async fn experiment_report(&self, Parameters(arguments): Parameters<JsonObject>) -> CallToolResult {
        let input: VerdictInput = match read(arguments) {
            Ok(input) => input,
            Err(problem) => return refused(problem),
        };
        self.verdict(input).await.unwrap_or_else(refused)
    }

    async fn verdict(&self, input: VerdictInput) -> Result<CallToolResult, String> {
        let after = input.after.map(|id| id.parse()).transpose();
        let after = after.map_err(|error: NotAnId| format!("after {error}"))?;
        let pipeline = self.pipeline();
        let report = pipeline.experiment_report(&input.name).await;
        let (kept, report) = report.map_err(|error| error.to_string())?;
        let output = VerdictOutput::new(&kept, &report, pipeline.settings.simulated);
        if input.format.unwrap_or_default() == VerdictFormat::Csv {
            let page = Outcomes::page(pipeline, &kept, after).await.map_err(|error| error.to_string())?;
            return Ok(answered(&output, page.to_text()));
        }
        let mut result = answered(&output, output.to_text());
        if report.requests() <= MOST_DRAWN {
            let moments =
                pipeline.experiment_timeline(&kept, POINTS).await.map_err(|error| error.to_string())?;
            let chart = effect_over_time(&kept, &moments, pipeline.settings.simulated);
            match chart.map(|chart| chart.png()).transpose() {
                Ok(Some(png)) => result.content.push(picture(&png)),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "a report goes without its picture"),
            }
        }
        Ok(result)
    }
}

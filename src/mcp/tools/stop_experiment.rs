//! The tool `stop_experiment`.

use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::{tool, tool_router};

use super::{answered, refused};
use crate::mcp::server::Server;
use crate::mcp::wire::experiment::{StateOutput, StopInput};
use crate::mcp::wire::read;

#[tool_router(router = stop_experiment_tool, vis = "pub(in crate::mcp)")]
impl Server {
    /// End an experiment; with adopt, make one of its arms the default for all requests like those it tested.
    #[tool(
        title = "Stop an experiment",
        annotations(
            title = "Stop an experiment",
            read_only_hint = false,
            destructive_hint = true,
            idempotent_hint = false,
            open_world_hint = false
        ),
        input_schema = schema_for_type::<StopInput>(),
        output_schema = schema_for_output::<StateOutput>()
    )]
    async fn stop_experiment(&self, Parameters(arguments): Parameters<JsonObject>) -> CallToolResult {
        let input: StopInput = match read(arguments) {
            Ok(input) => input,
            Err(problem) => return refused(problem),
        };
        match self.pipeline().stop_experiment(&input.name, input.adopt).await {
            Ok(kept) => {
                let output = StateOutput::new(&kept, self.pipeline().settings.simulated);
                let text = output.to_text();
                answered(&output, text)
            }
            Err(error) => refused(error),
        }
    }
}

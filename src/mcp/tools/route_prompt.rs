//! The tool `route_prompt`.

use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::{tool, tool_router};

use super::{answered, refused};
use crate::mcp::server::Server;
use crate::mcp::wire::read;
use crate::mcp::wire::request::RouteInput;
use crate::mcp::wire::route::RouteOutput;

#[tool_router(router = route_prompt_tool, vis = "pub(in crate::mcp)")]
impl Server {
    /// Answer a prompt at the lowest cost that still answers it well: from the cache, or by the cheapest
    /// model that is good enough. Returns the answer with its true cost. dry_run only plans.
    #[tool(
        title = "Route a prompt",
        annotations(
            title = "Route a prompt",
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = true
        ),
        input_schema = schema_for_type::<RouteInput>(),
        output_schema = schema_for_output::<RouteOutput>()
    )]
    async fn route_prompt(&self, Parameters(arguments): Parameters<JsonObject>) -> CallToolResult {
        let input: RouteInput = match read(arguments) {
            Ok(input) => input,
            Err(problem) => return refused(problem),
        };
        let is_plan = input.dry_run;
        let request = match input.into_request(self.default_strategy) {
            Ok(request) => request,
            Err(problem) => return refused(problem),
        };
        if is_plan {
            return match self.pipeline().plan(request) {
                Ok(plan) => {
                    let output = RouteOutput::from(plan);
                    let text = output.to_plan_text();
                    answered(&output, text)
                }
                Err(error) => refused(error),
            };
        }
        match self.pipeline().route(request).await {
            Ok(routed) => {
                let output = RouteOutput::from(routed);
                let text = output.to_text();
                answered(&output, text)
            }
            Err(error) => refused(error),
        }
    }
}

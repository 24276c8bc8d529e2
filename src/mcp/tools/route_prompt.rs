//! The tool `route_prompt`.

use std::time::Duration;

use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, JsonObject, ProgressNotificationParam};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use tokio::time::MissedTickBehavior;

use super::{answered, refused};
use crate::mcp::server::Server;
use crate::mcp::wire::read;
use crate::mcp::wire::request::{RouteInput, Wish};
use crate::mcp::wire::route::RouteOutput;
use crate::pipeline::{Progress, RouteError, Routed};

/// Time between two notifications of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

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
    async fn route_prompt(
        &self,
        Parameters(arguments): Parameters<JsonObject>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let input: RouteInput = match read(arguments) {
            Ok(input) => input,
            Err(problem) => return refused(problem),
        };
        let wish = match input.into_wish(self.pipeline().settings.default_strategy) {
            Ok(wish) => wish,
            Err(problem) => return refused(problem),
        };
        let progress = Progress::default();
        let answering = async {
            match wish {
                Wish::Plan(request) => {
                    let output = RouteOutput::from(self.pipeline().plan(*request).await?);
                    let text = output.to_plan_text();
                    Ok::<_, RouteError>(answered(&output, text))
                }
                Wish::Route(request) => {
                    let routed = self.pipeline().route(*request, &progress).await?;
                    if let Some(spent) = &routed.spent {
                        self.messages.warn(&context, &spent.alerts).await;
                    }
                    Ok(shown(routed))
                }
                Wish::Resume(id) => Ok(shown(self.pipeline().resume(id, &progress).await?)),
            }
        };
        tokio::select! {
            // First of all: where the client has hung up as well, the payment would be let go on.
            biased;
            // Dropping the answer breaks the payment off; nobody reads what is said here.
            () = context.ct.cancelled() => refused("cancelled"),
            answer = answering => answer.unwrap_or_else(refused),
            () = show(&progress, &context) => refused("cancelled"),
        }
    }
}

fn shown(routed: Routed) -> CallToolResult {
    let mut output = RouteOutput::from(routed);
    output.fit();
    let text = output.to_fenced_text();
    answered(&output, text)
}

/// Tells the client how far a request has come, where it wants to know; it never ends.
async fn show(progress: &Progress, context: &RequestContext<RoleServer>) {
    let Some(token) = context.meta.get_progress_token() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is due at once; nothing has happened yet.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let told = ProgressNotificationParam::new(token.clone(), progress.seconds())
            .with_message(progress.message());
        // A client that went away is found out elsewhere.
        let _ = context.peer.notify_progress(told).await;
    }
}

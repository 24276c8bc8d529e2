//! One file a tool: read the arguments, call the pipeline or the store, word the result.

mod cost_report;
mod experiment_report;
mod forget_cache;
mod rate_response;
mod route_prompt;
mod set_budget;
mod start_experiment;
mod stop_experiment;

use std::fmt::Display;

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;

pub use self::cost_report::report_of;

/// Words a result twice: for programs as it is, for readers as text.
pub(super) fn answered(output: &impl Serialize, text: String) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = serde_json::to_value(output).ok();
    result
}

/// Words an error that the model can read and mend.
pub(super) fn refused(problem: impl Display) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(problem.to_string())])
}

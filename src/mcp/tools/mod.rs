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

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rmcp::model::{Annotations, CallToolResult, ContentBlock, ImageContent, Role};
use serde::Serialize;

pub use self::cost_report::report_of;

/// Words a result twice: for programs as it is, for readers as text.
pub(super) fn answered(output: &impl Serialize, text: String) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = serde_json::to_value(output).ok();
    result
}

/// Shows a picture to whoever sits before the screen; all that it says is in the text too.
pub(super) fn picture(png: &[u8]) -> ContentBlock {
    let audience = Annotations::default().with_audience(vec![Role::User]);
    ContentBlock::Image(ImageContent::new(BASE64.encode(png), "image/png").with_annotations(audience))
}

/// Words an error that the model can read and mend.
pub(super) fn refused(problem: impl Display) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(problem.to_string())])
}

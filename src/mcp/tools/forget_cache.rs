//! The tool `forget_cache`.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, Unit};
use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{answered, refused};
use crate::domain::ids::NotAnId;
use crate::domain::prompt::Prompt;
use crate::domain::record::{Forget, StoredEmbedding};
use crate::mcp::server::Server;
use crate::mcp::wire::read;
use crate::store::ForgetMode;

const EMBEDDER_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ForgetInput {
    /// The answer of this request
    request_id: Option<String>,
    /// Answers to prompts like this text; with min_similarity
    like: Option<String>,
    /// Cosine above 0, at most 1
    #[schemars(range(min = 0.0, max = 1.0))]
    min_similarity: Option<f32>,
    /// A time span such as 7d, or an instant in RFC 3339
    older_than: Option<String>,
    /// Everything
    #[serde(default)]
    all: bool,
    /// Only count
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ForgetOutput {
    /// Entries deleted, or that would be
    entries: u64,
    dry_run: bool,
}

#[tool_router(router = forget_cache_tool, vis = "pub(in crate::mcp)")]
impl Server {
    /// Delete cached answers: of one request, like a text, older than a time, or all. Records of cost stay.
    #[tool(
        title = "Forget cached answers",
        annotations(
            title = "Forget cached answers",
            read_only_hint = false,
            destructive_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        ),
        input_schema = schema_for_type::<ForgetInput>(),
        output_schema = schema_for_output::<ForgetOutput>()
    )]
    async fn forget_cache(&self, Parameters(arguments): Parameters<JsonObject>) -> CallToolResult {
        let input: ForgetInput = match read(arguments) {
            Ok(input) => input,
            Err(problem) => return refused(problem),
        };
        let mode = if input.dry_run { ForgetMode::Count } else { ForgetMode::Delete };
        let forget = match self.what_to_forget(input).await {
            Ok(forget) => forget,
            Err(problem) => return refused(problem),
        };
        match self.pipeline().store.forget_cache(forget, mode).await {
            Ok(entries) => {
                let dry_run = mode == ForgetMode::Count;
                let verb = if dry_run { "would be deleted" } else { "deleted" };
                answered(&ForgetOutput { entries, dry_run }, format!("{entries} cached answers {verb}"))
            }
            Err(error) => refused(error),
        }
    }

    async fn what_to_forget(&self, input: ForgetInput) -> Result<Forget, String> {
        let wishes =
            [input.request_id.is_some(), input.like.is_some(), input.older_than.is_some(), input.all];
        if wishes.iter().filter(|wish| **wish).count() != 1 {
            return Err("pass exactly one of request_id, like, older_than, all".to_owned());
        }
        if input.min_similarity.is_some() != input.like.is_some() {
            return Err("like and min_similarity go together: pass both".to_owned());
        }
        if let Some(id) = input.request_id {
            return id.parse().map(Forget::Request).map_err(|error: NotAnId| format!("request_id {error}"));
        }
        if let Some(text) = input.older_than {
            return older_than(&text).map(Forget::OlderThan).ok_or_else(|| {
                let shown: String = text.chars().take(40).collect();
                format!("older_than is `{shown}`; accepted: 12h, 7d or 2026-11-23T12:00:00Z")
            });
        }
        let (Some(text), Some(min_similarity)) = (input.like, input.min_similarity) else {
            return Ok(Forget::All);
        };
        if !(min_similarity > 0.0 && min_similarity <= 1.0) {
            return Err(format!("min_similarity is {min_similarity}; it is above 0 and at most 1"));
        }
        let text = Prompt::new(text).map_err(|error| error.to_string().replacen("prompt", "like", 1))?;
        let embedder = &self.pipeline().embedder;
        let embedded = embedder.embed(text.as_str().to_owned(), EMBEDDER_PATIENCE).await;
        let embedding = embedded.map_err(|error| error.to_string())?.embedding;
        let fingerprint = embedder.fingerprint().ok_or("the embedder is still loading; try again")?;
        Ok(Forget::Like { embedding: StoredEmbedding { fingerprint, embedding }, min_similarity })
    }
}

fn older_than(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let span: Span = text.parse().ok()?;
    let seconds = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok()?;
    let seconds = (0.0..1e10).contains(&seconds).then_some(seconds as i64)?;
    Timestamp::now().checked_sub(SignedDuration::from_secs(seconds)).ok()
}

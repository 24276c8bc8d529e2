//! The tool `rate_response`.

use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{answered, refused};
use crate::domain::ids::NotAnId;
use crate::domain::rating::{Rating, RatingEffect, Score, Verdict};
use crate::mcp::server::Server;
use crate::mcp::wire::read;

const MAX_COMMENT_CHARS: usize = 2_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RateInput {
    /// As route_prompt returned it
    request_id: String,
    /// 0 useless to 1 perfect; or pass verdict
    #[schemars(range(min = 0.0, max = 1.0))]
    rating: Option<f64>,
    /// wrong: this cached answer does not answer my prompt; stale: it did once
    verdict: Option<VerdictInput>,
    comment: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum VerdictInput {
    Good,
    Bad,
    Wrong,
    Stale,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RateOutput {
    request_id: String,
    rating: f64,
    /// Whether the cached answer is no longer served
    entry_retired: bool,
    /// Whether it is no longer served for this prompt
    #[serde(skip_serializing_if = "crate::mcp::wire::is_false")]
    pair_excluded: bool,
}

#[tool_router(router = rate_response_tool, vis = "pub(in crate::mcp)")]
impl Server {
    /// Say whether an answer was good. Routing and cache learn from it; the last rating of a request counts.
    #[tool(
        title = "Rate a response",
        annotations(
            title = "Rate a response",
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        ),
        input_schema = schema_for_type::<RateInput>(),
        output_schema = schema_for_output::<RateOutput>()
    )]
    async fn rate_response(&self, Parameters(arguments): Parameters<JsonObject>) -> CallToolResult {
        let input: RateInput = match read(arguments) {
            Ok(input) => input,
            Err(problem) => return refused(problem),
        };
        let rating = match input.into_rating() {
            Ok(rating) => rating,
            Err(problem) => return refused(problem),
        };
        let (request_id, score) = (rating.request_id, rating.score);
        match self.pipeline().rate(rating).await {
            Ok(effect) => {
                let output = RateOutput {
                    request_id: request_id.to_string(),
                    rating: score.get(),
                    entry_retired: effect == RatingEffect::EntryRetired,
                    pair_excluded: effect == RatingEffect::PairExcluded,
                };
                let effect = match effect {
                    RatingEffect::Recorded => "",
                    RatingEffect::EntryRetired => "; the cached answer is no longer served",
                    RatingEffect::PairExcluded => "; the cached answer is no longer served for this prompt",
                };
                answered(&output, format!("rated {request_id} with {}{effect}", score.get()))
            }
            Err(error) => refused(error),
        }
    }
}

impl RateInput {
    fn into_rating(self) -> Result<Rating, String> {
        let request_id = self.request_id.parse().map_err(|error: NotAnId| format!("request_id {error}"))?;
        let verdict = self.verdict.map(Verdict::from);
        let score = match (self.rating, verdict) {
            (Some(rating), None) => Score::new(rating).map_err(|error| error.to_string())?,
            (None, Some(verdict)) => Score::from(verdict),
            _ => return Err("pass either rating (0 to 1) or verdict (good, bad, wrong, stale)".to_owned()),
        };
        if self.comment.as_ref().is_some_and(|comment| comment.chars().count() > MAX_COMMENT_CHARS) {
            return Err(format!("comment is longer than {MAX_COMMENT_CHARS} characters: shorten it"));
        }
        Ok(Rating { request_id, score, verdict, comment: self.comment })
    }
}

impl From<VerdictInput> for Verdict {
    fn from(verdict: VerdictInput) -> Self {
        match verdict {
            VerdictInput::Good => Self::Good,
            VerdictInput::Bad => Self::Bad,
            VerdictInput::Wrong => Self::Wrong,
            VerdictInput::Stale => Self::Stale,
        }
    }
}

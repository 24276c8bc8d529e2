//! Speaks to Anthropic: the Messages API.
//!
//! It asks for no thinking and no caching; models that always think get their allowance on top
//! of the output limit.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::conversation;
use super::http::{self, Endpoint, Refusal, Reply};
use super::{Provider, ProviderCall, ProviderError};
use crate::domain::answer::{Completion, FinishReason};
use crate::domain::usage::Usage;

/// Where Anthropic listens unless the user says otherwise.
pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

const API_VERSION: &str = "2023-06-01";

/// Asks Claude models.
#[derive(Debug)]
pub struct Anthropic {
    client: reqwest::Client,
    endpoint: Endpoint,
}

impl Anthropic {
    /// Takes the shared client; the path `/v1/messages` is appended to the base URL.
    pub const fn new(client: reqwest::Client, endpoint: Endpoint) -> Self {
        Self { client, endpoint }
    }
}

#[async_trait]
impl Provider for Anthropic {
    async fn complete(&self, call: &ProviderCall) -> Result<Completion, ProviderError> {
        let key = self.endpoint.required_key("")?;
        let turns = conversation::alternating(&call.turns);
        let request = self
            .client
            .post(self.endpoint.url(&["v1", "messages"]))
            .header("x-api-key", key)
            .header("anthropic-version", API_VERSION)
            .json(&Request {
                model: &call.model,
                max_tokens: call.max_output_tokens(),
                system: conversation::system(call),
                messages: turns
                    .iter()
                    .map(|turn| Message { role: turn.role.as_str(), content: &turn.text })
                    .collect(),
                // A model that thinks refuses a temperature.
                temperature: call.temperature.filter(|_| call.thinking_allowance == 0),
            });
        match http::send(request, call.timeout).await? {
            Reply::Answer(body) => Ok(http::parse::<Answer>(&body)?.into()),
            Reply::Refusal(refusal) => Err(error(refusal, self.endpoint.key_variable)),
        }
    }
}

fn error(refusal: Refusal, variable: &'static str) -> ProviderError {
    const SPEND_LIMIT: &str = "enforced_spend_limit_reached";
    let code = refusal.code(&["/error/details/error_code", "/error/type"]);
    if code == SPEND_LIMIT {
        // It holds until the month ends, so it is no overload.
        ProviderError::OutOfCredit { code }
    } else {
        refusal.by_status(code, variable)
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    model: String,
    content: Vec<Block>,
    stop_reason: Option<String>,
    usage: WireUsage,
}

/// A block of text, thinking, or something that was not asked for.
#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// Here `input_tokens` leaves out both kinds of cache tokens.
#[derive(Deserialize)]
struct WireUsage {
    input_tokens: u64,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    output_tokens: u64,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct CacheCreation {
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl From<Answer> for Completion {
    fn from(answer: Answer) -> Self {
        let text_blocks = answer.content.into_iter().filter(|block| block.kind == "text");
        Self {
            text: text_blocks.filter_map(|block| block.text).collect(),
            model: answer.model,
            usage: answer.usage.into(),
            reported_cost: None,
            finish_reason: match answer.stop_reason.as_deref() {
                Some("end_turn" | "stop_sequence") => FinishReason::Stop,
                Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
                Some("refusal") => FinishReason::Refusal,
                _ => FinishReason::Other,
            },
        }
    }
}

impl From<WireUsage> for Usage {
    fn from(usage: WireUsage) -> Self {
        let cached = usage.cache_read_input_tokens.unwrap_or(0);
        let written = usage.cache_creation_input_tokens.unwrap_or(0);
        Self {
            input_tokens: usage.input_tokens.saturating_add(cached).saturating_add(written),
            cached_input_tokens: cached,
            cache_write_tokens: written,
            cache_write_1h_tokens: usage
                .cache_creation
                .and_then(|creation| creation.ephemeral_1h_input_tokens)
                .unwrap_or(0),
            output_tokens: usage.output_tokens,
            reasoning_tokens: usage
                .output_tokens_details
                .and_then(|details| details.thinking_tokens)
                .unwrap_or(0),
        }
    }
}

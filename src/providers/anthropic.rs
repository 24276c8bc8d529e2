//! Speaks to Anthropic: the Messages API.
//!
//! It asks for no thinking and no caching; models that always think get their allowance on top
//! of the output limit.

use async_trait::async_trait;
use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};

use super::conversation;
use super::http::{self, Endpoint, Refusal, Reply};
use super::stream::{self, Framing, Opened, Part, Pieces};
use super::tokens;
use super::{Delivery, Draft, Provider, ProviderCall, ProviderError};
use crate::domain::answer::{Completion, FinishReason, Terms};
use crate::domain::prompt::Turn;
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
    async fn complete(&self, call: &ProviderCall, draft: &Draft) -> Result<Completion, ProviderError> {
        let turns = conversation::alternating(&call.turns);
        let request = self.post(&["v1", "messages"])?.json(&Request {
            model: &call.model,
            max_tokens: call.max_output_tokens(),
            system: conversation::system(call),
            messages: messages(&turns),
            // A model that thinks refuses a temperature.
            temperature: call.temperature.filter(|_| call.thinking_allowance == 0),
            stream: call.delivery == Delivery::Streamed,
        });
        match stream::open(request, call, Framing::ServerSentEvents).await? {
            Opened::Answer(body) => Ok(http::parse::<Answer>(&body)?.into()),
            Opened::Stream(pieces) => self.assemble(pieces, call, draft).await,
            Opened::Refusal(refusal) => Err(error(refusal, self.endpoint.key_variable)),
        }
    }

    async fn count_tokens(&self, call: &ProviderCall) -> Result<Option<u64>, ProviderError> {
        let turns = conversation::alternating(&call.turns);
        let request = self.post(&["v1", "messages", "count_tokens"])?.json(&CountRequest {
            model: &call.model,
            system: conversation::system(call),
            messages: messages(&turns),
        });
        match http::send(request, call.timeout).await? {
            Reply::Answer(body) => Ok(http::parse::<Count>(&body)?.input_tokens),
            Reply::Refusal(refusal) => Err(error(refusal, self.endpoint.key_variable)),
        }
    }
}

fn messages(turns: &[Turn]) -> Vec<Message<'_>> {
    turns.iter().map(|turn| Message { role: turn.role.as_str(), content: &turn.text }).collect()
}

impl Anthropic {
    fn post(&self, path: &[&str]) -> Result<RequestBuilder, ProviderError> {
        let key = self.endpoint.required_key("")?;
        let request = self.client.post(self.endpoint.url(path));
        Ok(request.header("x-api-key", key).header("anthropic-version", API_VERSION))
    }

    /// Puts a streamed answer together. Its usage comes in snapshots, not in sums.
    async fn assemble(
        &self,
        pieces: Pieces,
        call: &ProviderCall,
        draft: &Draft,
    ) -> Result<Completion, ProviderError> {
        let mut model = call.model.clone();
        let mut usage: Option<WireUsage> = None;
        let mut stop_reason = None;
        let mut note = |snapshot: WireUsage| {
            let merged = match usage.take() {
                Some(before) => before.updated(snapshot),
                None => snapshot,
            };
            if let Some(counted) = merged.counted() {
                draft.set_usage(counted);
            }
            usage = Some(merged);
        };
        pieces
            .each(|piece| {
                match http::parse(piece.as_bytes())? {
                    Event::MessageStart { message } => {
                        model = message.model;
                        message.usage.into_iter().for_each(&mut note);
                    }
                    Event::ContentBlockStart { content_block: block }
                    | Event::ContentBlockDelta { delta: block } => {
                        if matches!(block.kind.as_str(), "text" | "text_delta") {
                            draft.push(block.text.as_deref().unwrap_or_default());
                        }
                    }
                    Event::MessageDelta { delta, usage } => {
                        usage.into_iter().for_each(&mut note);
                        stop_reason = delta.stop_reason.or(stop_reason.take());
                        return Ok(if stop_reason.is_some() { Part::Finish } else { Part::More });
                    }
                    Event::MessageStop => return Ok(Part::Last),
                    Event::Error { error: failure } => {
                        return Err(self.failure(&failure));
                    }
                    Event::Other => {}
                }
                Ok(Part::More)
            })
            .await?;
        Ok(Completion {
            text: draft.take_text(),
            model,
            usage: usage.as_ref().and_then(WireUsage::counted),
            reported_cost: None,
            terms: terms(usage.as_ref()),
            finish_reason: finish_reason(stop_reason.as_deref()),
        })
    }

    /// Reads an error that came after status 200, by the status it would have had.
    fn failure(&self, failure: &serde_json::Value) -> ProviderError {
        let status = match failure.get("type").and_then(serde_json::Value::as_str) {
            Some("overloaded_error") => 529,
            Some("rate_limit_error") => 429,
            Some("timeout_error") => 504,
            Some("invalid_request_error") => 400,
            Some("request_too_large") => 413,
            Some("authentication_error" | "permission_error") => 401,
            Some("billing_error") => 402,
            Some("not_found_error") => 404,
            _ => 500,
        };
        let body = serde_json::json!({ "error": failure });
        error(Refusal { status, retry_after: None, body }, self.endpoint.key_variable)
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

/// The same without the limits of an answer; the endpoint costs nothing.
#[derive(Serialize)]
struct CountRequest<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct Count {
    #[serde(default, deserialize_with = "tokens::count")]
    input_tokens: Option<u64>,
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
    #[serde(default, deserialize_with = "tokens::detail")]
    usage: Option<WireUsage>,
}

/// One event of a stream; an unknown kind says nothing that is needed here.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: Block,
    },
    MessageDelta {
        delta: MessageDelta,
        #[serde(default, deserialize_with = "tokens::detail")]
        usage: Option<WireUsage>,
    },
    MessageStop,
    Error {
        error: serde_json::Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Start {
    model: String,
    #[serde(default, deserialize_with = "tokens::detail")]
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct MessageDelta {
    stop_reason: Option<String>,
}

/// A block of text, thinking, or something that was not asked for, or a piece of one.
#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// Here `input_tokens` leaves out both kinds of cache tokens; a stream's last snapshot may leave out the input.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WireUsage {
    #[serde(deserialize_with = "tokens::count")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "tokens::count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "tokens::count")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(deserialize_with = "tokens::detail")]
    cache_creation: Option<CacheCreation>,
    #[serde(deserialize_with = "tokens::count")]
    output_tokens: Option<u64>,
    #[serde(deserialize_with = "tokens::detail")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(deserialize_with = "tokens::detail")]
    service_tier: Option<String>,
    #[serde(deserialize_with = "tokens::detail")]
    speed: Option<String>,
    #[serde(deserialize_with = "tokens::detail")]
    inference_geo: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    #[serde(deserialize_with = "tokens::count")]
    ephemeral_5m_input_tokens: Option<u64>,
    #[serde(deserialize_with = "tokens::count")]
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    #[serde(deserialize_with = "tokens::count")]
    thinking_tokens: Option<u64>,
}

impl WireUsage {
    /// Takes what a later snapshot says over what this one said.
    fn updated(self, later: Self) -> Self {
        Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            cache_read_input_tokens: later.cache_read_input_tokens.or(self.cache_read_input_tokens),
            cache_creation_input_tokens: later
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens),
            cache_creation: later.cache_creation.or(self.cache_creation),
            output_tokens: later.output_tokens.or(self.output_tokens),
            output_tokens_details: later.output_tokens_details.or(self.output_tokens_details),
            service_tier: later.service_tier.or(self.service_tier),
            speed: later.speed.or(self.speed),
            inference_geo: later.inference_geo.or(self.inference_geo),
        }
    }

    /// Gives the tokens in our convention; `None` where prompt or answer was not counted.
    fn counted(&self) -> Option<Usage> {
        let (input, output_tokens) = (self.input_tokens?, self.output_tokens?);
        let of_creation = |part: fn(&CacheCreation) -> Option<u64>| {
            self.cache_creation.as_ref().and_then(part).unwrap_or(0)
        };
        let kept_5m = of_creation(|creation| creation.ephemeral_5m_input_tokens);
        let kept_1h = of_creation(|creation| creation.ephemeral_1h_input_tokens);
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        // Either of the sum and its parts may be missing.
        let written = self.cache_creation_input_tokens.unwrap_or(0).max(kept_5m.saturating_add(kept_1h));
        let details = self.output_tokens_details.as_ref();
        tokens::told(Usage {
            input_tokens: input.saturating_add(cached).saturating_add(written),
            cached_input_tokens: cached,
            cache_write_tokens: written,
            cache_write_1h_tokens: kept_1h,
            output_tokens,
            reasoning_tokens: details.and_then(|details| details.thinking_tokens).unwrap_or(0),
        })
    }
}

/// Reads what an answer says of its price: a batch costs half, and inference in the US, which may be the default of
/// the key's workspace, a tenth more.
fn terms(usage: Option<&WireUsage>) -> Terms {
    let Some(usage) = usage else { return Terms::LIST };
    let batch_percent = match usage.service_tier.as_deref() {
        None | Some("standard") => 100,
        Some("batch") => 50,
        // Committed capacity has a price by contract.
        Some(_) => return Terms::UNKNOWN,
    };
    if !matches!(usage.speed.as_deref(), None | Some("standard")) {
        return Terms::UNKNOWN;
    }
    let percent =
        if usage.inference_geo.as_deref() == Some("us") { batch_percent * 11 / 10 } else { batch_percent };
    Terms { percent, is_published: true }
}

impl From<Answer> for Completion {
    fn from(answer: Answer) -> Self {
        let text_blocks = answer.content.into_iter().filter(|block| block.kind == "text");
        Self {
            text: text_blocks.filter_map(|block| block.text).collect(),
            model: answer.model,
            usage: answer.usage.as_ref().and_then(WireUsage::counted),
            reported_cost: None,
            terms: terms(answer.usage.as_ref()),
            finish_reason: finish_reason(answer.stop_reason.as_deref()),
        }
    }
}

fn finish_reason(stop_reason: Option<&str>) -> FinishReason {
    match stop_reason {
        Some("end_turn" | "stop_sequence") => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("refusal") => FinishReason::Refusal,
        _ => FinishReason::Other,
    }
}

//! Speaks to Gemini: the native `generateContent`, because the OpenAI-compatible one hides
//! thoughts and blocked prompts.
//!
//! The key travels in a header, never in the URL.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::conversation;
use super::http::{self, Endpoint, Refusal, Reply};
use super::stream::{self, Framing, Opened, Part, Pieces};
use super::tokens;
use super::{Delivery, Draft, Provider, ProviderCall, ProviderError};
use crate::domain::answer::{Completion, FinishReason, Terms};
use crate::domain::prompt::{Role, Turn};
use crate::domain::usage::Usage;

/// Where Gemini listens unless the user says otherwise.
pub const DEFAULT_BASE_URL: &str = "https://generativelanguage.googleapis.com";

/// Asks Gemini models.
#[derive(Debug)]
pub struct Gemini {
    client: reqwest::Client,
    endpoint: Endpoint,
}

impl Gemini {
    /// Takes the shared client; `/v1beta/models/{model}:generateContent` or `:streamGenerateContent` is appended to
    /// the base URL.
    pub const fn new(client: reqwest::Client, endpoint: Endpoint) -> Self {
        Self { client, endpoint }
    }
}

#[async_trait]
impl Provider for Gemini {
    async fn complete(&self, call: &ProviderCall, draft: &Draft) -> Result<Completion, ProviderError> {
        let (verb, query) = match call.delivery {
            // Without it the stream is one JSON array.
            Delivery::Streamed => ("streamGenerateContent", Some("alt=sse")),
            Delivery::Whole => ("generateContent", None),
        };
        let turns = conversation::alternating(&call.turns);
        let request = self.post(call, verb, query)?.json(&Request {
            system_instruction: system(call),
            contents: turns.iter().map(Content::from).collect(),
            generation_config: GenerationConfig {
                max_output_tokens: call.max_output_tokens(),
                temperature: call.temperature,
            },
        });
        match stream::open(request, call, Framing::ServerSentEvents).await? {
            Opened::Answer(body) => completion(call, http::parse(&body)?),
            Opened::Stream(pieces) => self.assemble(pieces, call, draft).await,
            Opened::Refusal(refusal) => Err(error(refusal, self.endpoint.key_variable)),
        }
    }

    async fn count_tokens(&self, call: &ProviderCall) -> Result<Option<u64>, ProviderError> {
        let turns = conversation::alternating(&call.turns);
        let request = self.post(call, "countTokens", None)?.json(&CountRequest {
            generate_content_request: CountedRequest {
                model: format!("models/{}", call.model),
                system_instruction: system(call),
                contents: turns.iter().map(Content::from).collect(),
            },
        });
        match http::send(request, call.timeout).await? {
            Reply::Answer(body) => Ok(http::parse::<Count>(&body)?.total_tokens),
            Reply::Refusal(refusal) => Err(error(refusal, self.endpoint.key_variable)),
        }
    }
}

fn system(call: &ProviderCall) -> Option<Content<'_>> {
    conversation::system(call).map(|text| Content { role: None, parts: [TextPart { text }] })
}

impl Gemini {
    fn post(
        &self,
        call: &ProviderCall,
        verb: &str,
        query: Option<&str>,
    ) -> Result<RequestBuilder, ProviderError> {
        let key = self.endpoint.required_key("")?;
        if !is_model_id(&call.model) {
            return Err(ProviderError::ModelNotFound { code: "not_a_model_id".into() });
        }
        let mut url = self.endpoint.url(&["v1beta", "models", &format!("{}:{verb}", call.model)]);
        url.set_query(query);
        Ok(self.client.post(url).header("x-goog-api-key", key))
    }

    /// Puts a streamed answer together: each piece has the form of a whole answer, its usage the sum so far.
    async fn assemble(
        &self,
        pieces: Pieces,
        call: &ProviderCall,
        draft: &Draft,
    ) -> Result<Completion, ProviderError> {
        let mut model = call.model.clone();
        let mut usage: Option<UsageMetadata> = None;
        let mut finish_reason = FinishReason::Other;
        pieces
            .each(|piece| {
                let answer: Answer = http::parse(piece.as_bytes())?;
                if let Some(failure) = answer.error {
                    let status = failure.get("code").and_then(Value::as_u64);
                    let status = status.and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
                    let body = serde_json::json!({ "error": failure });
                    let refusal = Refusal { status, retry_after: None, body };
                    return Err(error(refusal, self.endpoint.key_variable));
                }
                if let Some(version) = answer.model_version {
                    model = version;
                }
                if let Some(sum) = answer.usage_metadata {
                    sum.counted().into_iter().for_each(|counted| draft.set_usage(counted));
                    usage = Some(sum);
                }
                if answer.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some()) {
                    finish_reason = FinishReason::ContentFilter;
                    return Ok(Part::Finish);
                }
                let Some(candidate) = answer.candidates.first() else { return Ok(Part::More) };
                draft.push(&candidate.text());
                if candidate.finish_reason.is_none() {
                    return Ok(Part::More);
                }
                finish_reason = candidate.finish_reason();
                Ok(Part::Finish)
            })
            .await?;
        Ok(Completion {
            text: draft.take_text(),
            model,
            usage: usage.as_ref().and_then(UsageMetadata::counted),
            reported_cost: None,
            terms: terms(usage.as_ref()),
            finish_reason,
        })
    }
}

/// Says whether a model's name is one plain path segment, so that it cannot ask another method.
fn is_model_id(model: &str) -> bool {
    !model.is_empty() && model.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn completion(call: &ProviderCall, answer: Answer) -> Result<Completion, ProviderError> {
    let (text, finish_reason) = match answer.candidates.into_iter().next() {
        Some(candidate) => (candidate.text(), candidate.finish_reason()),
        // A blocked prompt has been read, and is paid for.
        None if answer.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some()) => {
            (String::new(), FinishReason::ContentFilter)
        }
        None => return Err(ProviderError::Malformed("no candidates".into())),
    };
    Ok(Completion {
        text,
        model: answer.model_version.unwrap_or_else(|| call.model.clone()),
        usage: answer.usage_metadata.as_ref().and_then(UsageMetadata::counted),
        reported_cost: None,
        terms: terms(answer.usage_metadata.as_ref()),
        finish_reason,
    })
}

fn error(mut refusal: Refusal, variable: &'static str) -> ProviderError {
    const BAD_KEY: &str = "API_KEY_INVALID";
    let code = refusal.code(&["/error/status"]);
    let details = refusal.body.pointer("/error/details").and_then(Value::as_array);
    let details = details.map(Vec::as_slice).unwrap_or_default();
    if details.iter().any(|detail| field(detail, "reason") == Some(BAD_KEY)) {
        return ProviderError::Unauthorized { code: BAD_KEY.into(), variable };
    }
    if refusal.status == 429 && details.iter().any(is_used_up) {
        return ProviderError::QuotaUsedUp { code };
    }
    let delay = details.iter().find_map(|detail| retry_delay(field(detail, "retryDelay")?));
    refusal.retry_after = delay.or(refusal.retry_after);
    refusal.by_status(code, variable)
}

/// Says whether a quota is gone for today, or was never granted; any other refills within a minute.
fn is_used_up(detail: &Value) -> bool {
    let violations = detail.get("violations").and_then(Value::as_array);
    violations.into_iter().flatten().any(|violation| {
        field(violation, "quotaId").is_some_and(|id| id.contains("PerDay"))
            || field(violation, "quotaValue") == Some("0")
    })
}

fn field<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// Reads a duration as Google writes it: `7s`, `7.5s`.
fn retry_delay(text: &str) -> Option<Duration> {
    http::wait(text.strip_suffix('s')?.parse().ok()?)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    generation_config: GenerationConfig,
}

/// What `countTokens` takes: only within a whole request does it count the system instruction.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountRequest<'a> {
    generate_content_request: CountedRequest<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountedRequest<'a> {
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    #[serde(default, deserialize_with = "tokens::count")]
    total_tokens: Option<u64>,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: [TextPart<'a>; 1],
}

#[derive(Serialize)]
struct TextPart<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    max_output_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

impl<'a> From<&'a Turn> for Content<'a> {
    fn from(turn: &'a Turn) -> Self {
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "model",
        };
        Self { role: Some(role), parts: [TextPart { text: &turn.text }] }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    candidates: Vec<Candidate>,
    prompt_feedback: Option<PromptFeedback>,
    #[serde(default, deserialize_with = "tokens::detail")]
    usage_metadata: Option<UsageMetadata>,
    model_version: Option<String>,
    /// A failure after the stream had begun.
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<AnswerContent>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct AnswerContent {
    #[serde(default)]
    parts: Vec<AnswerPart>,
}

#[derive(Deserialize)]
struct AnswerPart {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
}

impl Candidate {
    fn text(&self) -> String {
        let parts = self.content.iter().flat_map(|content| &content.parts);
        parts.filter(|part| !part.thought).filter_map(|part| part.text.as_deref()).collect()
    }

    fn finish_reason(&self) -> FinishReason {
        match self.finish_reason.as_deref() {
            Some("STOP") => FinishReason::Stop,
            Some("MAX_TOKENS") => FinishReason::Length,
            Some("SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE") => {
                FinishReason::ContentFilter
            }
            _ => FinishReason::Other,
        }
    }
}

/// Here thoughts are not among the candidates' tokens; a count of zero is left out.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct UsageMetadata {
    #[serde(deserialize_with = "tokens::count")]
    prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "tokens::count")]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "tokens::count")]
    cached_content_token_count: Option<u64>,
    #[serde(deserialize_with = "tokens::count")]
    candidates_token_count: Option<u64>,
    #[serde(deserialize_with = "tokens::count")]
    thoughts_token_count: Option<u64>,
    #[serde(deserialize_with = "tokens::detail")]
    service_tier: Option<String>,
}

impl UsageMetadata {
    /// Gives the tokens in our convention; `None` where the prompt was not counted.
    fn counted(&self) -> Option<Usage> {
        let prompt = self.prompt_token_count?;
        let thoughts = self.thoughts_token_count.unwrap_or(0);
        tokens::told(Usage {
            input_tokens: prompt.saturating_add(self.tool_use_prompt_token_count.unwrap_or(0)),
            cached_input_tokens: self.cached_content_token_count.unwrap_or(0),
            cache_write_tokens: 0,
            cache_write_1h_tokens: 0,
            output_tokens: self.candidates_token_count.unwrap_or(0).saturating_add(thoughts),
            reasoning_tokens: thoughts,
        })
    }
}

/// Reads what an answer says of its price.
///
/// Flex is half of it, except that cached tokens are halved for some models only; priority is dearer by 75 to
/// 100 %, by model, and ×1.8 for those of late 2026.
fn terms(usage: Option<&UsageMetadata>) -> Terms {
    let Some(usage) = usage else { return Terms::LIST };
    let tier = usage.service_tier.as_deref().map(str::to_ascii_lowercase);
    match tier.as_deref() {
        None | Some("standard" | "unspecified") => Terms::LIST,
        Some("flex") => {
            Terms { percent: 50, is_published: usage.cached_content_token_count.unwrap_or(0) == 0 }
        }
        Some("priority") => Terms { percent: 180, is_published: false },
        Some(_) => Terms::UNKNOWN,
    }
}

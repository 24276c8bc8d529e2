//! Speaks the chat-completions format of OpenAI: Cerebras, OpenRouter, and whoever else understands it.
//!
//! What differs between them is [`Flavour`]; OpenRouter's cost is reported, not checked.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{self, Endpoint, Refusal};
use super::stream::{self, Framing, Opened, Part, Pieces};
use super::tokens;
use super::{Delivery, Draft, Provider, ProviderCall, ProviderError};
use crate::domain::answer::{Completion, FinishReason, Terms};
use crate::domain::money::Usd;
use crate::domain::usage::Usage;

/// Which system speaks the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    Cerebras,
    OpenRouter,
    /// Any other server; it may want no key.
    Compatible,
}

impl Flavour {
    /// Gives the base URL that is used unless the user says otherwise.
    pub const fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::Cerebras => Some("https://api.cerebras.ai/v1"),
            Self::OpenRouter => Some("https://openrouter.ai/api/v1"),
            Self::Compatible => None,
        }
    }

    const fn needs_key(self) -> bool {
        matches!(self, Self::Cerebras | Self::OpenRouter)
    }
}

/// Asks models through the chat-completions format.
#[derive(Debug)]
pub struct OpenAiChat {
    client: reqwest::Client,
    endpoint: Endpoint,
    flavour: Flavour,
}

impl OpenAiChat {
    /// Takes the shared client; `/chat/completions` is appended to the base URL.
    pub const fn new(client: reqwest::Client, endpoint: Endpoint, flavour: Flavour) -> Self {
        Self { client, endpoint, flavour }
    }

    fn error(&self, refusal: Refusal) -> ProviderError {
        // Cerebras puts into the top level what others put into `error`.
        let code = refusal.code(&["/error/code", "/error/type", "/code", "/type"]);
        match (code.as_str(), refusal.status) {
            ("insufficient_quota", _) => ProviderError::OutOfCredit { code },
            ("content_filter" | "content_policy_violation", _) => ProviderError::Blocked { code },
            // Here OpenRouter says that the model's moderation flagged the prompt; a bad key gets 401.
            (_, 403) if self.flavour == Flavour::OpenRouter => ProviderError::Blocked { code },
            _ => refusal.by_status(code, self.endpoint.key_variable),
        }
    }

    /// Reads an error that came under status 200, as OpenRouter has sent before the model behind it failed.
    fn failure(&self, failure: &Value) -> ProviderError {
        let status = failure.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let body = serde_json::json!({ "error": failure });
        self.error(Refusal { status: status.unwrap_or(200), retry_after: None, body })
    }

    fn reported_cost(&self, call: &ProviderCall, model: &String, usage: &WireUsage) -> Option<Usd> {
        match self.flavour {
            Flavour::OpenRouter => usage.cost_in_usd([&call.model, model]),
            _ => None,
        }
    }

    fn completion(&self, call: &ProviderCall, answer: Answer) -> Result<Completion, ProviderError> {
        let choice = answer.choices.unwrap_or_default().into_iter().next();
        let failure = answer.error.as_ref().or_else(|| choice.as_ref()?.error.as_ref());
        if let Some(failure) = failure {
            return Err(self.failure(failure));
        }
        let choice = choice.ok_or_else(|| ProviderError::Malformed("no choices".into()))?;
        let model = answer.model.unwrap_or_else(|| call.model.clone());
        let reported_cost = answer.usage.as_ref().and_then(|usage| self.reported_cost(call, &model, usage));
        let message = choice.message.unwrap_or_default();
        let finish_reason = finish_reason(choice.finish_reason.as_deref(), message.refusal.is_some());
        let text = message.content.or(message.refusal).unwrap_or_default();
        let usage = answer.usage.as_ref().and_then(WireUsage::counted);
        let terms = terms(answer.service_tier.as_deref());
        Ok(Completion { text, model, usage, reported_cost, terms, finish_reason })
    }

    /// Puts a streamed answer together; its usage rides in a chunk of its own, without choices.
    async fn assemble(
        &self,
        pieces: Pieces,
        call: &ProviderCall,
        draft: &Draft,
    ) -> Result<Completion, ProviderError> {
        let mut model = call.model.clone();
        let mut usage: Option<WireUsage> = None;
        let mut service_tier: Option<String> = None;
        let mut reason: Option<String> = None;
        let mut is_refusal = false;
        pieces
            .each(|piece| {
                if piece == "[DONE]" {
                    return Ok(Part::Last);
                }
                let chunk: Answer = http::parse(piece.as_bytes())?;
                let choice = chunk.choices.unwrap_or_default().into_iter().next();
                let failure = chunk.error.as_ref().or_else(|| choice.as_ref()?.error.as_ref());
                if let Some(failure) = failure {
                    return Err(self.failure(failure));
                }
                if let Some(name) = chunk.model {
                    model = name;
                }
                if let Some(said) = chunk.usage {
                    said.counted().into_iter().for_each(|counted| draft.set_usage(counted));
                    usage = Some(said);
                }
                service_tier = chunk.service_tier.or(service_tier.take());
                let Some(choice) = choice else { return Ok(Part::More) };
                let delta = choice.delta.unwrap_or_default();
                is_refusal |= delta.refusal.is_some();
                draft.push(delta.content.or(delta.refusal).as_deref().unwrap_or_default());
                reason = choice.finish_reason.or(reason.take());
                Ok(if reason.is_some() { Part::Finish } else { Part::More })
            })
            .await?;
        let reported_cost = usage.as_ref().and_then(|usage| self.reported_cost(call, &model, usage));
        let finish_reason = finish_reason(reason.as_deref(), is_refusal);
        let usage = usage.as_ref().and_then(WireUsage::counted);
        let terms = terms(service_tier.as_deref());
        Ok(Completion { text: draft.take_text(), model, usage, reported_cost, terms, finish_reason })
    }
}

/// Reads the tier that an answer was billed in; servers have names of their own for the usual one.
fn terms(service_tier: Option<&str>) -> Terms {
    match service_tier {
        Some("flex" | "priority" | "batch" | "scale") => Terms::UNKNOWN,
        _ => Terms::LIST,
    }
}

fn finish_reason(reason: Option<&str>, is_refusal: bool) -> FinishReason {
    match reason {
        _ if is_refusal => FinishReason::Refusal,
        Some("stop") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

#[async_trait]
impl Provider for OpenAiChat {
    async fn complete(&self, call: &ProviderCall, draft: &Draft) -> Result<Completion, ProviderError> {
        const BEARER: &str = "Bearer ";
        let key = if self.flavour.needs_key() {
            Some(self.endpoint.required_key(BEARER)?)
        } else {
            self.endpoint.key(BEARER)?
        };
        let mut request = self
            .client
            .post(self.endpoint.url(&["chat", "completions"]))
            .json(&Request::new(self.flavour, call));
        if let Some(key) = key {
            request = request.header(reqwest::header::AUTHORIZATION, key);
        }
        match stream::open(request, call, Framing::ServerSentEvents).await? {
            Opened::Answer(body) => self.completion(call, http::parse(&body)?),
            Opened::Stream(pieces) => self.assemble(pieces, call, draft).await,
            Opened::Refusal(refusal) => Err(self.error(refusal)),
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

/// Without it a stream ends before it has told its usage; OpenRouter tells it always.
#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Request<'a> {
    fn new(flavour: Flavour, call: &'a ProviderCall) -> Self {
        let system = call.system.iter().map(|text| Message { role: "system", content: text });
        let turns = call.turns.iter().map(|turn| Message { role: turn.role.as_str(), content: &turn.text });
        let limit = Some(call.max_output_tokens());
        let (max_completion_tokens, max_tokens) = match flavour {
            Flavour::Cerebras | Flavour::OpenRouter => (limit, None),
            // Servers of this kind know the older name only.
            Flavour::Compatible => (None, limit),
        };
        let messages = system.chain(turns).collect();
        let is_streamed = call.delivery == Delivery::Streamed;
        Self {
            model: &call.model,
            messages,
            max_completion_tokens,
            max_tokens,
            temperature: call.temperature,
            stream: is_streamed,
            stream_options: is_streamed.then_some(StreamOptions { include_usage: true }),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    #[serde(default, deserialize_with = "tokens::detail")]
    usage: Option<WireUsage>,
    #[serde(default, deserialize_with = "tokens::detail")]
    service_tier: Option<String>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<AnswerMessage>,
    /// What a chunk adds to the message.
    delta: Option<AnswerMessage>,
    finish_reason: Option<String>,
    error: Option<Value>,
}

#[derive(Deserialize, Default)]
struct AnswerMessage {
    /// `null` when the output limit was spent on thinking.
    content: Option<String>,
    refusal: Option<String>,
}

/// Here each part is included in its whole, as in [`Usage`].
#[derive(Deserialize)]
struct WireUsage {
    #[serde(default, deserialize_with = "tokens::count")]
    prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "tokens::detail")]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default, deserialize_with = "tokens::count")]
    completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "tokens::detail")]
    completion_tokens_details: Option<CompletionDetails>,
    #[serde(default, deserialize_with = "tokens::count")]
    total_tokens: Option<u64>,
    /// US dollars; OpenRouter only.
    #[serde(default, deserialize_with = "tokens::amount")]
    cost: Option<f64>,
    #[serde(default, deserialize_with = "tokens::detail")]
    cost_details: Option<CostDetails>,
    #[serde(default, deserialize_with = "tokens::detail")]
    is_byok: Option<bool>,
}

#[derive(Deserialize)]
struct PromptDetails {
    #[serde(default, deserialize_with = "tokens::count")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "tokens::count")]
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    #[serde(default, deserialize_with = "tokens::count")]
    reasoning_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CostDetails {
    #[serde(default, deserialize_with = "tokens::amount")]
    upstream_inference_cost: Option<f64>,
}

impl WireUsage {
    /// Gives what the call cost; a zero is believed of a free model only.
    fn cost_in_usd(&self, model_names: [&String; 2]) -> Option<Usd> {
        let mut cost = Usd::from_dollars(self.cost?).ok()?;
        if self.is_byok == Some(true) {
            // The user's own key at the upstream provider is billed there, the fee for it here.
            cost += Usd::from_dollars(self.cost_details.as_ref()?.upstream_inference_cost?).ok()?;
        }
        let used = self.counted().is_some();
        let free = model_names.iter().any(|name| name.ends_with(":free"));
        let believable = cost > Usd::ZERO || (cost == Usd::ZERO && (free || !used));
        believable.then_some(cost)
    }

    /// Gives the tokens in our convention; `None` where prompt or answer was not counted.
    fn counted(&self) -> Option<Usage> {
        let input_tokens = self.prompt_tokens?;
        // Some servers count thoughts in the total only.
        let beside_the_prompt = self.total_tokens.map(|total| total.saturating_sub(input_tokens));
        let prompt = self.prompt_tokens_details.as_ref();
        let completion = self.completion_tokens_details.as_ref();
        tokens::told(Usage {
            input_tokens,
            cached_input_tokens: prompt.and_then(|details| details.cached_tokens).unwrap_or(0),
            cache_write_tokens: prompt.and_then(|details| details.cache_write_tokens).unwrap_or(0),
            cache_write_1h_tokens: 0,
            output_tokens: self.completion_tokens.max(beside_the_prompt)?,
            reasoning_tokens: completion.and_then(|details| details.reasoning_tokens).unwrap_or(0),
        })
    }
}

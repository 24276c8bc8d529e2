//! Speaks the chat-completions format of OpenAI: Cerebras, OpenRouter, Ollama, and whoever else
//! understands it.
//!
//! What differs between them is [`Flavour`]; OpenRouter's cost is reported, not checked.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{self, Endpoint, Refusal, Reply};
use super::{Provider, ProviderCall, ProviderError};
use crate::domain::answer::{Completion, FinishReason};
use crate::domain::money::Usd;
use crate::domain::usage::Usage;

/// Which system speaks the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    Cerebras,
    OpenRouter,
    /// Any other server; it may want no key.
    Compatible,
    /// A model on the user's own hardware; it wants no key.
    Ollama,
}

impl Flavour {
    /// Gives the base URL that is used unless the user says otherwise.
    pub const fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::Cerebras => Some("https://api.cerebras.ai/v1"),
            Self::OpenRouter => Some("https://openrouter.ai/api/v1"),
            Self::Compatible => None,
            Self::Ollama => Some("http://127.0.0.1:11434"),
        }
    }

    /// Gives the path below the base URL; only Ollama's base URL is the bare host.
    const fn path(self) -> &'static [&'static str] {
        match self {
            Self::Ollama => &["v1", "chat", "completions"],
            _ => &["chat", "completions"],
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
    /// Takes the shared client; `/chat/completions` is appended to the base URL, after `/v1` for Ollama.
    pub const fn new(client: reqwest::Client, endpoint: Endpoint, flavour: Flavour) -> Self {
        Self { client, endpoint, flavour }
    }

    fn error(&self, refusal: Refusal) -> ProviderError {
        // Cerebras puts into the top level what others put into `error`.
        let code = refusal.code(&["/error/code", "/error/type", "/code", "/type"]);
        if code == "insufficient_quota" {
            ProviderError::OutOfCredit { code }
        } else {
            refusal.by_status(code, self.endpoint.key_variable)
        }
    }

    fn completion(&self, call: &ProviderCall, answer: Answer) -> Result<Completion, ProviderError> {
        let choice = answer.choices.unwrap_or_default().into_iter().next();
        // OpenRouter has sent status 200 before the model behind it failed.
        let failure = answer.error.as_ref().or_else(|| choice.as_ref()?.error.as_ref());
        if let Some(failure) = failure {
            let status =
                failure.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
            let body = serde_json::json!({ "error": failure });
            return Err(self.error(Refusal { status: status.unwrap_or(200), retry_after: None, body }));
        }
        let choice = choice.ok_or_else(|| ProviderError::Malformed("no choices".into()))?;
        let usage = answer.usage.ok_or_else(|| ProviderError::Malformed("no usage".into()))?;
        let model = answer.model.unwrap_or_else(|| call.model.clone());
        let reported_cost = match self.flavour {
            Flavour::OpenRouter => usage.cost_in_usd([&call.model, &model]),
            _ => None,
        };
        let message = choice.message.unwrap_or_default();
        let finish_reason = match choice.finish_reason.as_deref() {
            _ if message.refusal.is_some() => FinishReason::Refusal,
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            _ => FinishReason::Other,
        };
        let text = message.content.or(message.refusal).unwrap_or_default();
        Ok(Completion { text, model, usage: usage.into(), reported_cost, finish_reason })
    }
}

#[async_trait]
impl Provider for OpenAiChat {
    async fn complete(&self, call: &ProviderCall) -> Result<Completion, ProviderError> {
        const BEARER: &str = "Bearer ";
        let key = if self.flavour.needs_key() {
            Some(self.endpoint.required_key(BEARER)?)
        } else {
            self.endpoint.key(BEARER)?
        };
        let mut request =
            self.client.post(self.endpoint.url(self.flavour.path())).json(&Request::new(self.flavour, call));
        if let Some(key) = key {
            request = request.header(reqwest::header::AUTHORIZATION, key);
        }
        match http::send(request, call.timeout).await? {
            Reply::Answer(body) => self.completion(call, http::parse(&body)?),
            Reply::Refusal(refusal) => Err(self.error(refusal)),
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
            Flavour::Compatible | Flavour::Ollama => (None, limit),
        };
        let messages = system.chain(turns).collect();
        Self {
            model: &call.model,
            messages,
            max_completion_tokens,
            max_tokens,
            temperature: call.temperature,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<WireUsage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<AnswerMessage>,
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
    prompt_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens: u64,
    completion_tokens_details: Option<CompletionDetails>,
    /// US dollars; OpenRouter only.
    cost: Option<f64>,
    cost_details: Option<CostDetails>,
    is_byok: Option<bool>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CostDetails {
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
        let used = self.prompt_tokens.saturating_add(self.completion_tokens) > 0;
        let free = model_names.iter().any(|name| name.ends_with(":free"));
        let believable = cost > Usd::ZERO || (cost == Usd::ZERO && (free || !used));
        believable.then_some(cost)
    }
}

impl From<WireUsage> for Usage {
    fn from(usage: WireUsage) -> Self {
        let prompt = usage.prompt_tokens_details.as_ref();
        let completion = usage.completion_tokens_details.as_ref();
        Self {
            input_tokens: usage.prompt_tokens,
            cached_input_tokens: prompt.and_then(|details| details.cached_tokens).unwrap_or(0),
            cache_write_tokens: prompt.and_then(|details| details.cache_write_tokens).unwrap_or(0),
            cache_write_1h_tokens: 0,
            output_tokens: usage.completion_tokens,
            reasoning_tokens: completion.and_then(|details| details.reasoning_tokens).unwrap_or(0),
        }
    }
}

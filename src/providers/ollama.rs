//! Speaks to Ollama: its own chat API, because the OpenAI-shaped one cuts long prompts off without a word.
//!
//! A model on the user's own hardware needs no key and is never billed.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{self, Endpoint, Refusal};
use super::stream::{self, Framing, Opened, Part, Pieces};
use super::tokens;
use super::{Delivery, Draft, Provider, ProviderCall, ProviderError};
use crate::domain::answer::{Completion, FinishReason, Terms};
use crate::domain::usage::Usage;

/// Where Ollama listens unless the user says otherwise.
pub const DEFAULT_BASE_URL: &str = "http://127.0.0.1:11434";

/// The smallest context that is asked for. Another size loads the model anew, so there are few sizes.
const SMALLEST_CONTEXT: u64 = 8_192;
/// Characters of one token at the least, outside of rare scripts.
const CHARS_PER_TOKEN: u64 = 2;

/// Asks models that run on Ollama.
#[derive(Debug)]
pub struct Ollama {
    client: reqwest::Client,
    endpoint: Endpoint,
}

impl Ollama {
    /// Takes the shared client; `/api/chat` is appended to the base URL.
    pub const fn new(client: reqwest::Client, endpoint: Endpoint) -> Self {
        Self { client, endpoint }
    }

    fn error(&self, refusal: Refusal) -> ProviderError {
        let code = refusal.code(&[]);
        refusal.by_status(code, self.endpoint.key_variable)
    }

    /// Puts the answer together from its lines; an answer in one piece is a single line.
    async fn assemble(
        &self,
        pieces: Pieces,
        call: &ProviderCall,
        draft: &Draft,
    ) -> Result<Completion, ProviderError> {
        let mut last = None;
        pieces
            .each(|piece| {
                let line = self.line(piece.as_bytes())?;
                draft.push(line.text());
                let is_last = line.done;
                last = Some(line);
                Ok(if is_last { Part::Last } else { Part::More })
            })
            .await?;
        let last = last.ok_or_else(|| ProviderError::Malformed("no message".into()))?;
        Ok(last.completion(call, draft.take_text()))
    }

    fn line(&self, line: &[u8]) -> Result<Line, ProviderError> {
        let line: Line = http::parse(line)?;
        match line.error {
            Some(error) => {
                let body = serde_json::json!({ "error": error });
                Err(self.error(Refusal { status: 500, retry_after: None, body }))
            }
            None => Ok(line),
        }
    }
}

#[async_trait]
impl Provider for Ollama {
    async fn complete(&self, call: &ProviderCall, draft: &Draft) -> Result<Completion, ProviderError> {
        let mut request = self.client.post(self.endpoint.url(&["api", "chat"])).json(&Request::from(call));
        if let Some(key) = self.endpoint.key("Bearer ")? {
            request = request.header(reqwest::header::AUTHORIZATION, key);
        }
        match stream::open(request, call, Framing::JsonLines).await? {
            Opened::Answer(body) => {
                let line = self.line(&body)?;
                if !line.done {
                    return Err(ProviderError::Malformed("an answer that is not done".into()));
                }
                let text = line.text().to_owned();
                Ok(line.completion(call, text))
            }
            Opened::Stream(pieces) => self.assemble(pieces, call, draft).await,
            Opened::Refusal(refusal) => Err(self.error(refusal)),
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    /// Streaming is what it does unless told otherwise.
    stream: bool,
    options: Options,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct Options {
    num_predict: u32,
    num_ctx: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

impl<'a> From<&'a ProviderCall> for Request<'a> {
    fn from(call: &'a ProviderCall) -> Self {
        let system = call.system.iter().map(|text| Message { role: "system", content: text });
        let turns = call.turns.iter().map(|turn| Message { role: turn.role.as_str(), content: &turn.text });
        let messages: Vec<_> = system.chain(turns).collect();
        let chars: u64 = messages.iter().map(|message| message.content.len() as u64).sum();
        let needed = chars / CHARS_PER_TOKEN + u64::from(call.max_output_tokens());
        let num_ctx = needed.next_power_of_two().max(SMALLEST_CONTEXT).min(call.context_window.into());
        let num_predict = call.max_output_tokens();
        Self {
            model: &call.model,
            messages,
            stream: call.delivery == Delivery::Streamed,
            options: Options { num_predict, num_ctx, temperature: call.temperature },
        }
    }
}

/// One line of an answer; the last has the counts.
#[derive(Deserialize)]
struct Line {
    model: Option<String>,
    message: Option<AnswerMessage>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    #[serde(default, deserialize_with = "tokens::count")]
    prompt_eval_count: Option<u64>,
    /// The part of the prompt that was still in memory; older servers leave it out of the prompt's count instead.
    #[serde(default, deserialize_with = "tokens::count")]
    prompt_eval_cached_count: Option<u64>,
    #[serde(default, deserialize_with = "tokens::count")]
    eval_count: Option<u64>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct AnswerMessage {
    /// Thinking comes in a field of its own.
    #[serde(default)]
    content: String,
}

impl Line {
    fn text(&self) -> &str {
        self.message.as_ref().map(|message| message.content.as_str()).unwrap_or_default()
    }

    fn completion(self, call: &ProviderCall, text: String) -> Completion {
        let usage = self.eval_count.and_then(|output_tokens| {
            tokens::told(Usage {
                input_tokens: self.prompt_eval_count.unwrap_or(0),
                cached_input_tokens: self.prompt_eval_cached_count.unwrap_or(0),
                output_tokens,
                ..Usage::default()
            })
        });
        Completion {
            text,
            model: self.model.unwrap_or_else(|| call.model.clone()),
            usage,
            reported_cost: None,
            terms: Terms::LIST,
            finish_reason: match self.done_reason.as_deref() {
                Some("stop") => FinishReason::Stop,
                Some("length") => FinishReason::Length,
                _ => FinishReason::Other,
            },
        }
    }
}

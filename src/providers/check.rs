//! One free call to a provider: is it there, does it take the key, and what time is it there?
//!
//! Nothing is asked of a model. Neither URL, key nor body is in what comes back.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::error::ProviderError;
use super::http::{Endpoint, Refusal, content_type, not_answered};
use crate::domain::model::ProviderId;

const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// A provider that answered, and took the key where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    pub took: Duration,
    /// This machine's clock less the provider's, to the second.
    pub skew: Option<SignedDuration>,
}

/// Asks a provider for something that costs nothing.
///
/// Cancel safe: yes, because nothing is written and nothing billed.
pub async fn contact(
    client: &Client,
    endpoint: &Endpoint,
    provider: ProviderId,
) -> Result<Contact, ProviderError> {
    let request = request(client, endpoint, provider)?;
    let started = Instant::now();
    let response = timeout(CHECK_TIMEOUT, request.send())
        .await
        .map_err(|_| ProviderError::Timeout(CHECK_TIMEOUT))?
        .map_err(|error| not_answered(&error))?;
    if !response.status().is_success() {
        let status = response.status().as_u16();
        let refusal = Refusal { status, retry_after: None, body: Value::Null };
        let code = refusal.code(&[]);
        return Err(refusal.by_status(code, endpoint.key_variable));
    }
    // A network that wants a login first answers everything, with a page.
    if !content_type(&response)?.contains("json") {
        return Err(ProviderError::Malformed("not JSON".into()));
    }
    let skew = date(response.headers()).map(|date| Timestamp::now().duration_since(date));
    Ok(Contact { took: started.elapsed(), skew })
}

fn request(
    client: &Client,
    endpoint: &Endpoint,
    provider: ProviderId,
) -> Result<RequestBuilder, ProviderError> {
    let get = |segments: &[&str]| client.get(endpoint.url(segments));
    Ok(match provider {
        ProviderId::Anthropic => get(&["v1", "models"])
            .header("x-api-key", endpoint.required_key("")?)
            .header("anthropic-version", "2023-06-01"),
        ProviderId::Gemini => get(&["v1beta", "models"]).header("x-goog-api-key", endpoint.required_key("")?),
        ProviderId::Cerebras => get(&["models"]).header(AUTHORIZATION, endpoint.required_key("Bearer ")?),
        // Its list of models is open to everybody, and so says nothing about the key.
        ProviderId::OpenRouter => get(&["key"]).header(AUTHORIZATION, endpoint.required_key("Bearer ")?),
        ProviderId::OpenAiCompatible => match endpoint.key("Bearer ")? {
            Some(key) => get(&["models"]).header(AUTHORIZATION, key),
            None => get(&["models"]),
        },
        ProviderId::Ollama => get(&["api", "tags"]),
    })
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text.trim()).ok()
}

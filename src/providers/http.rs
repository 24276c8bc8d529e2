//! The one way to a provider: posts JSON, reads a bounded answer, keeps the time-out.
//!
//! It knows no wire format and never retries. Whatever fails is told in words of its own or by a
//! sanitised error code: no URL, key, prompt or message of a provider passes through it.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::error::ProviderError;

/// Bytes that an answer may have.
pub(super) const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Bytes read of an error's body; what it needs to say fits.
const MAX_REFUSAL_BYTES: usize = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest wait that a provider may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
const USER_AGENT: &str = concat!("ai-cost-optimizer/", env!("CARGO_PKG_VERSION"));

/// Where a provider listens, and the key that opens it.
pub struct Endpoint {
    pub base_url: Url,
    /// Absent: the user has set none.
    pub key: Option<SecretString>,
    /// The environment variable that holds the key, for hints.
    pub key_variable: &'static str,
}

impl Endpoint {
    /// Appends path segments to the base URL, each percent-encoded.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Gives the key as a header value that no log shows; without a key it is an error.
    pub(super) fn required_key(&self, prefix: &str) -> Result<HeaderValue, ProviderError> {
        self.key(prefix)?.ok_or_else(|| self.unauthorized("no_key"))
    }

    /// Gives the key, if there is one, as a header value that no log shows.
    pub(super) fn key(&self, prefix: &str) -> Result<Option<HeaderValue>, ProviderError> {
        let Some(key) = &self.key else { return Ok(None) };
        let mut value = HeaderValue::try_from(format!("{prefix}{}", key.expose_secret()))
            .map_err(|_| self.unauthorized("key_has_control_characters"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn unauthorized(&self, code: &str) -> ProviderError {
        ProviderError::Unauthorized { code: code.into(), variable: self.key_variable }
    }
}

impl fmt::Debug for Endpoint {
    /// Shows the host only: a URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.base_url.host_str()).finish_non_exhaustive()
    }
}

/// Builds the client that all providers share.
///
/// On a machine without CA certificates it still speaks plain HTTP, so local models stay
/// reachable; each HTTPS call then fails as not trusted.
pub fn client() -> Result<Client, reqwest::Error> {
    built(builder)
}

/// Builds the same client for websockets, which begin as HTTP/1.1.
pub fn socket_client() -> Result<Client, reqwest::Error> {
    built(|| builder().http1_only())
}

fn built(builder: impl Fn() -> ClientBuilder) -> Result<Client, reqwest::Error> {
    // Somebody may have installed a provider before: any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder().build().or_else(|_| {
        tracing::warn!("no CA certificates on this machine: HTTPS will fail; hint: set SSL_CERT_FILE");
        builder().tls_certs_only([]).build()
    })
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect could carry the key to another host.
        .redirect(reqwest::redirect::Policy::none())
}

/// What came back over HTTP.
pub(super) enum Reply {
    /// Status 2xx, with the whole body.
    Answer(Vec<u8>),
    Refusal(Refusal),
}

/// A status other than 2xx.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// `null` where it is not JSON or too long.
    pub(super) body: Value,
}

/// Sends a request once and reads what comes back; all of it takes at most `timeout`.
pub(super) async fn send(request: RequestBuilder, timeout: Duration) -> Result<Reply, ProviderError> {
    let deadline = Instant::now() + timeout;
    let late = |_| ProviderError::Timeout(timeout);
    let mut response =
        timeout_at(deadline, request.send()).await.map_err(late)?.map_err(|error| not_answered(&error))?;
    if !response.status().is_success() {
        return Ok(Reply::Refusal(Refusal::read(response, deadline).await));
    }
    content_type(&response)?;
    let mut body = Vec::new();
    match timeout_at(deadline, read(&mut response, &mut body, MAX_ANSWER_BYTES)).await.map_err(late)? {
        Ok(Length::Whole) => Ok(Reply::Answer(body)),
        Ok(Length::CutOff) => Err(ProviderError::Malformed("more than 16 MiB".into())),
        Err(_) => Err(broken_off()),
    }
}

/// Names the type of an answer's body; a web page comes from somebody else on the way, who bills nothing.
pub(super) fn content_type(response: &Response) -> Result<&str, ProviderError> {
    let value = response.headers().get(reqwest::header::CONTENT_TYPE);
    let content_type = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.starts_with("text/html") {
        Err(ProviderError::Unreachable("a web page answers in its place".into()))
    } else {
        Ok(content_type)
    }
}

/// Says that the connection broke in the middle of an answer.
pub(super) fn broken_off() -> ProviderError {
    ProviderError::Malformed("the connection broke in the middle of it".into())
}

/// Parses an answer; what it holds is not repeated in the error.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProviderError> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Eof => "JSON that ends too early",
            serde_json::error::Category::Data => "JSON of another shape",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not JSON",
        };
        ProviderError::Malformed(problem.into())
    })
}

impl Refusal {
    /// Reads what a refusal says; its status says enough, however much of the body arrives.
    pub(super) async fn read(mut response: Response, deadline: Instant) -> Self {
        let mut body = Vec::new();
        let _ = timeout_at(deadline, read(&mut response, &mut body, MAX_REFUSAL_BYTES)).await;
        Self {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers(), Timestamp::now()),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// Says whether the provider's message speaks of a prompt that is too long for the model.
    ///
    /// Not every provider has a code for it, so the words decide; they go nowhere else.
    pub(super) fn is_too_long(&self, pointers: &[&str]) -> bool {
        const SIGNS: [&str; 7] = [
            "prompt is too long",
            "context length",
            "context window",
            "context_length_exceeded",
            "maximum context",
            "token count exceeds",
            "exceeds the maximum number of tokens",
        ];
        let texts = pointers.iter().filter_map(|pointer| self.body.pointer(pointer)?.as_str());
        let says = |text: &str| SIGNS.iter().any(|sign| text.to_ascii_lowercase().contains(sign));
        self.status == 413 || (matches!(self.status, 400 | 422) && texts.into_iter().any(says))
    }

    /// Finds the provider's error code at the first of these JSON pointers that holds one.
    pub(super) fn code(&self, pointers: &[&str]) -> String {
        if (300..400).contains(&self.status) {
            return "redirect".into();
        }
        let mut codes = pointers.iter().filter_map(|pointer| self.body.pointer(pointer)?.as_str());
        codes.find(|code| is_code(code)).map_or_else(|| format!("http_{}", self.status), String::from)
    }

    /// Classifies by status alone, which is right wherever a provider has no rule of its own.
    pub(super) fn by_status(self, code: String, variable: &'static str) -> ProviderError {
        let is_too_long = self.is_too_long(&["/error/message", "/error/code", "/error", "/message", "/code"]);
        let Self { status, retry_after, .. } = self;
        match status {
            _ if is_too_long => ProviderError::TooLong { code },
            401 | 403 => ProviderError::Unauthorized { code, variable },
            402 => ProviderError::OutOfCredit { code },
            404 => ProviderError::ModelNotFound { code },
            429 | 503 | 529 => ProviderError::Overloaded { code, retry_after },
            // 408 is a time-out on the provider's side, not a fault of the request.
            400..500 if status != 408 => ProviderError::Rejected { code },
            _ => ProviderError::Upstream { status, code },
        }
    }
}

/// Limits the wait that a provider asks for; a number of seconds that is no duration is none.
pub(super) fn wait(seconds: f64) -> Option<Duration> {
    if seconds > MAX_RETRY_AFTER.as_secs_f64() {
        Some(MAX_RETRY_AFTER)
    } else {
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// Says whether a text can be an error code, and so cannot be a sentence.
fn is_code(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

enum Length {
    Whole,
    CutOff,
}

async fn read(response: &mut Response, body: &mut Vec<u8>, limit: usize) -> Result<Length, reqwest::Error> {
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(Length::CutOff);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Length::Whole)
}

/// Reads `retry-after-ms`, or `retry-after` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let number = |name: &str| text(name)?.trim().parse::<f64>().ok();
    let until = || {
        let dates = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
        let date = dates.parse_timestamp(text("retry-after")?.trim()).ok()?;
        wait(date.duration_since(now).as_secs_f64().max(0.0))
    };
    number("retry-after-ms")
        .and_then(|milliseconds| wait(milliseconds / 1e3))
        .or_else(|| number("retry-after").and_then(wait))
        .or_else(until)
}

/// Tells why no status came back. A request that went out may have been billed.
pub(super) fn not_answered(error: &reqwest::Error) -> ProviderError {
    if error.is_connect() {
        ProviderError::Unreachable(if error.is_timeout() { "connect time-out" } else { cause(error) }.into())
    } else {
        ProviderError::Malformed("the connection broke before it".into())
    }
}

/// Names the cause of a failed connection; its own text could hold the URL.
fn cause(error: &reqwest::Error) -> &'static str {
    let mut next = error.source();
    while let Some(source) = next {
        let io = source.downcast_ref::<io::Error>();
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return "connection refused",
            Some(io::ErrorKind::ConnectionReset) => return "connection reset",
            Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => return "no route",
            _ => {}
        }
        match source.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(_)) => return "tls failure: certificate not trusted",
            Some(_) => return "tls failure",
            None => {}
        }
        if source.to_string() == "dns error" {
            return "dns failure";
        }
        // An I/O error passes over the error it wraps when it is asked for its source.
        next = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => source.source(),
        };
    }
    "connection failed"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_waited_for_as_it_asks_and_at_most_an_hour() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let check = |headers: &[(&'static str, &'static str)], expected_ms: Option<u64>| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            assert_eq!(retry_after(&headers.collect(), now), expected_ms.map(Duration::from_millis));
        };
        check(&[], None);
        check(&[("retry-after", "7")], Some(7_000));
        check(&[("retry-after", "0.5")], Some(500));
        check(&[("retry-after", "7"), ("retry-after-ms", "1250")], Some(1_250));
        check(&[("retry-after", "Mon, 23 Nov 2026 10:00:30 GMT")], Some(30_000));
        check(&[("retry-after", "Mon, 23 Nov 2026 09:00:00 GMT")], Some(0));
        check(&[("retry-after", "1e300")], Some(3_600_000));
        for nonsense in ["-1", "NaN", "soon", ""] {
            check(&[("retry-after", nonsense)], None);
        }
    }

    #[test]
    fn an_error_code_is_never_a_sentence() {
        let check = |body: Value, expected: &str| {
            let refusal = Refusal { status: 400, retry_after: None, body };
            assert_eq!(refusal.code(&["/error/code", "/error/type"]), expected);
        };
        check(serde_json::json!({"error": {"code": "model.not-found_1"}}), "model.not-found_1");
        check(serde_json::json!({"error": {"code": "key sk-1 is bad", "type": "auth"}}), "auth");
        check(serde_json::json!({"error": {"code": "a".repeat(65)}}), "http_400");
        check(serde_json::json!({"error": {"code": ""}}), "http_400");
        check(Value::Null, "http_400");
    }

    #[test]
    fn a_segment_cannot_change_the_path() {
        let check = |base: &str, segment: &str, expected: &str| {
            let endpoint = Endpoint { base_url: base.parse().unwrap(), key: None, key_variable: "SOME_KEY" };
            assert_eq!(endpoint.url(&["v1", segment]).as_str(), expected);
        };
        check("https://host", "chat", "https://host/v1/chat");
        check("https://host/proxy/", "a/../b", "https://host/proxy/v1/a%2F..%2Fb");
        check("https://host/proxy", "a?key=1#x", "https://host/proxy/v1/a%3Fkey=1%23x");
    }

    #[test]
    fn without_ca_certificates_there_is_still_a_client() {
        client().unwrap();
        builder().tls_certs_only([]).build().unwrap();
    }
}

//! The public price lists of OpenRouter and Cerebras: where they are, and how one is fetched.
//!
//! No key is sent, nothing is retried here, and what a list may say is `cost::live`'s business.

mod cache;
mod refresh;

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, Url};

use super::error::ProviderError;
use super::http::{self, Reply};
use crate::cost::live::{BadList, LiveList, parse};
use crate::domain::model::ProviderId;

pub use self::cache::PriceCache;
pub use self::refresh::{Drift, PriceLists, Refreshed};

/// Bytes that a list may have; OpenRouter's has about one million.
const MAX_LIST_BYTES: usize = 4 << 20;
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a list is not there, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum PriceListError {
    /// Trying again may help.
    #[error("the price list of {from} was not fetched: {problem}")]
    NotFetched { from: String, problem: ProviderError },
    /// The prices in force stay.
    #[error("the price list of {from} is of no use: {problem}")]
    Unusable { from: String, problem: BadList },
    #[error("the price list of {from} has more than 4 MiB")]
    TooLong { from: String },
    #[error(
        "the price list of {from} was not kept in {folder} ({problem}); hint: check COST_OPTIMIZER_DATA_DIR"
    )]
    NotKept { from: String, folder: String, problem: std::io::Error },
}

/// A provider's list and where it is.
#[derive(Debug, Clone)]
pub struct PriceSource {
    provider: ProviderId,
    url: Url,
}

impl PriceSource {
    /// Finds the list of a provider by its base URL; most publish none.
    pub fn new(provider: ProviderId, base_url: &Url) -> Option<Self> {
        let mut url = base_url.clone();
        match provider {
            ProviderId::OpenRouter => {
                url.path_segments_mut().ok()?.pop_if_empty().push("models");
            }
            // Its list is beside the API, not below it.
            ProviderId::Cerebras => url.set_path("/public/v1/models"),
            _ => return None,
        }
        Some(Self { provider, url })
    }

    /// Gives the provider.
    pub const fn provider(&self) -> ProviderId {
        self.provider
    }

    /// Gives the host, with the port where it is not the usual one.
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Fetches the list once.
    ///
    /// Cancel safe: yes, because nothing is written.
    pub async fn fetch(&self, client: &Client) -> Result<LiveList, PriceListError> {
        let from = self.name();
        let failed = |problem| PriceListError::NotFetched { from: self.name(), problem };
        let body = match http::send(client.get(self.url.clone()), FETCH_TIMEOUT).await.map_err(failed)? {
            Reply::Answer(body) => body,
            Reply::Refusal(refusal) => {
                let code = refusal.code(&[]);
                return Err(failed(ProviderError::Upstream { status: refusal.status, code }));
            }
        };
        if body.len() > MAX_LIST_BYTES {
            return Err(PriceListError::TooLong { from });
        }
        // Megabytes of JSON take milliseconds that the runtime must not wait for.
        let parsed = tokio::task::spawn_blocking(move || parse(&body)).await;
        let models = parsed
            .unwrap_or(Err(BadList::NotAList))
            .map_err(|problem| PriceListError::Unusable { from, problem })?;
        Ok(LiveList { provider: self.provider, fetched_at: Timestamp::now(), models })
    }

    /// Names the list in messages.
    fn name(&self) -> String {
        format!("{} at {}", self.provider, self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_found_by_the_base_url_and_named_by_its_host() {
        let check = |provider: ProviderId, base: &str, expected: Option<(&str, &str)>| {
            let source = PriceSource::new(provider, &base.parse().unwrap());
            let found = source.as_ref().map(|source| (source.url.as_str(), source.host()));
            let found = found.as_ref().map(|(url, host)| (*url, host.as_str()));
            assert_eq!(found, expected, "{base}");
        };
        check(
            ProviderId::OpenRouter,
            "https://router.example.com/api/v1",
            Some(("https://router.example.com/api/v1/models", "router.example.com")),
        );
        check(
            ProviderId::OpenRouter,
            "http://127.0.0.1:8080/",
            Some(("http://127.0.0.1:8080/models", "127.0.0.1:8080")),
        );
        check(
            ProviderId::Cerebras,
            "https://api.example.com/v1",
            Some(("https://api.example.com/public/v1/models", "api.example.com")),
        );
        check(ProviderId::Anthropic, "https://api.example.com", None);
    }
}

//! What is written down: requests and cached answers, as the stores keep them.

use jiff::Timestamp;
use strum::{Display, EnumString, IntoStaticStr};

use super::answer::{Attempt, CacheHit, FinishReason, Source};
use super::decision::{Complexity, Confidence, Quality, StrategyName};
use super::embedding::Embedding;
use super::exposure::Exposure;
use super::ids::{EntryId, RequestId};
use super::model::ModelRef;
use super::money::Usd;
use super::usage::Usage;

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RequestStatus {
    /// A provider is about to be paid; if the row stays so, the process died before it knew the bill.
    Intent,
    Completed,
    /// Nobody answered. Attempts may still have cost money.
    Failed,
}

/// What the same answer would have cost from the model one would have taken otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    pub reference: ModelRef,
    /// The same tokens at the same time's prices.
    pub cost: Usd,
}

/// One routed request, as a row of `requests`.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRecord {
    pub id: RequestId,
    pub created_at: Timestamp,
    pub status: RequestStatus,
    /// SHA-256 of the prompt's bytes; the text itself is not kept.
    pub prompt_sha256: [u8; 32],
    pub session: Option<String>,
    pub tags: Vec<String>,
    pub quality: Quality,
    pub strategy: StrategyName,
    pub complexity: Option<Complexity>,
    pub confidence: Option<Confidence>,
    pub reason: String,
    /// Absent until somebody answered.
    pub source: Option<Source>,
    /// The model billed; in an intent the one about to be asked.
    pub reference: Option<ModelRef>,
    pub usage: Usage,
    /// The sum over all attempts; absent: at least one was billed at an unknown price.
    pub cost: Option<Usd>,
    pub cost_estimated: bool,
    /// The most the request may cost, reserved by the intent.
    pub worst_case: Option<Usd>,
    pub baseline: Option<Baseline>,
    pub latency_ms: u64,
    pub provider_latency_ms: u64,
    pub finish_reason: Option<FinishReason>,
    pub attempts: Vec<Attempt>,
    pub cache: Option<CacheHit>,
    /// Whether the cache could have answered, and the answer was bought to learn whether it would have been right.
    pub is_audit: bool,
    /// What was expected of each candidate, as `routing` writes and reads it, to learn from once outcomes are known.
    pub forecast: Option<String>,
    /// The arms of experiments that it was answered by.
    pub exposures: Vec<Exposure>,
    /// Why nobody answered.
    pub error: Option<String>,
}

impl RequestRecord {
    /// Gives what was saved against the baseline; absent where either side is unknown or nobody answered.
    pub fn saved(&self) -> Option<Usd> {
        match (self.status, &self.baseline, self.cost) {
            (RequestStatus::Completed, Some(baseline), Some(cost)) => Some(baseline.cost - cost),
            _ => None,
        }
    }
}

/// Everything that must be equal before a stored answer may be considered at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScopeHash(pub [u8; 32]);

/// A stored answer, as a row of `response_cache`.
#[derive(Clone, PartialEq)]
pub struct CacheEntry {
    pub id: EntryId,
    pub scope: ScopeHash,
    pub prompt_sha256: [u8; 32],
    /// SHA-256 of the prompt without what means nothing: case, spaces, closing punctuation; absent where it might.
    pub normal_sha256: Option<[u8; 32]>,
    /// What an answer to a similar prompt is checked by; absent where it may not be kept.
    pub prompt_text: Option<String>,
    /// Absent: this answer is found by its exact prompt only.
    pub embedding: Option<StoredEmbedding>,
    pub text: String,
    pub reference: ModelRef,
    pub usage: Usage,
    /// What the answer cost when it was bought; absent: unpriced.
    pub cost: Option<Usd>,
    pub finish_reason: FinishReason,
    /// The request that bought it.
    pub request_id: RequestId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for CacheEntry {
    /// Leaves out the text: answers are in no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheEntry").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An embedding with the fingerprint of what made it; two of different makers cannot be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEmbedding {
    pub fingerprint: String,
    pub embedding: Embedding,
}

/// A stored answer near a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    /// Cosine in [-1, 1].
    pub similarity: f32,
    pub entry: CacheEntry,
}

/// Which cached answers to forget.
#[derive(Debug, Clone, PartialEq)]
pub enum Forget {
    /// The one that a request was answered with or bought.
    Request(RequestId),
    /// Those at least this similar to a text.
    Like {
        embedding: StoredEmbedding,
        min_similarity: f32,
    },
    OlderThan(Timestamp),
    All,
}

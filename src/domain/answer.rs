//! What a provider or the cache answered.

use std::fmt;

use strum::{Display, EnumString, IntoStaticStr};

use super::ids::EntryId;
use super::model::ModelRef;
use super::money::Usd;
use super::usage::Usage;

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// The output limit, or the context window, cut it off.
    Length,
    /// The model declined to answer.
    Refusal,
    /// The provider's filter withheld prompt or answer.
    ContentFilter,
    /// The connection or the deadline cut it off: the text is a part of the answer.
    Interrupted,
    /// Anything else a provider may say.
    Other,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Source {
    Provider,
    CacheExact,
    CacheSemantic,
    /// Nothing was asked: a dry run.
    Plan,
    /// A trial of another model, for routing to learn from; nobody sees the answer.
    Exploration,
}

/// How one call to a provider ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AttemptOutcome {
    Answered,
    /// It answered, and something was plainly wrong with that, so another model was asked too.
    Faulty,
    /// It answered, and another model was asked too, because that was expected to be better.
    Doubted,
    /// Too many requests, or too busy.
    Overloaded,
    /// A spending limit or an empty account.
    OutOfCredit,
    /// The model's quota is gone for the day.
    QuotaUsedUp,
    /// The key was refused.
    Unauthorized,
    /// The provider does not have the model.
    ModelNotFound,
    /// Prompt and answer do not fit the model.
    TooLong,
    /// The provider's content filter withheld prompt or answer.
    Blocked,
    /// The request was refused as it stands.
    Rejected,
    Timeout,
    /// Nobody was reached, or the connection broke.
    Unreachable,
    /// The provider failed, or answered something that is no answer.
    ProviderError,
    /// The caller went away before it was answered.
    Cancelled,
}

/// One call to a provider, paid or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub reference: ModelRef,
    pub outcome: AttemptOutcome,
    /// Absent: the call was billed at a price that is not known.
    pub cost: Option<Usd>,
    pub cost_estimated: bool,
    pub latency_ms: u64,
}

/// What a provider said, before it is priced.
#[derive(Clone, PartialEq)]
pub struct Completion {
    pub text: String,
    /// The model that the provider says answered; it is the one billed.
    pub model: String,
    /// Absent: the provider did not say.
    pub usage: Option<Usage>,
    /// What the provider itself says the call cost.
    pub reported_cost: Option<Usd>,
    pub finish_reason: FinishReason,
}

impl fmt::Debug for Completion {
    /// Leaves out the text: answers are in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("text_bytes", &self.text.len())
            .field("model", &self.model)
            .field("usage", &self.usage)
            .field("reported_cost", &self.reported_cost)
            .field("finish_reason", &self.finish_reason)
            .finish()
    }
}

/// How a cached answer was found.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheHit {
    pub entry_id: EntryId,
    /// Cosine of prompt and cached prompt in [-1, 1]; 1 for an exact hit.
    pub similarity: f32,
    /// How surely this answers the prompt, in [0, 1]; absent for an exact hit.
    pub score: Option<f64>,
    /// The upper bound on the share of wrong hits that it was served within; absent for an exact hit, where nothing is
    /// calibrated, and in what a store gives back.
    pub error_bound: Option<f64>,
    pub age_seconds: u64,
}

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

/// What a call was billed at, against the list price.
///
/// Nobody here asks for other terms than the list's, but an account can be set to have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Hundredths of the list price.
    pub percent: u16,
    /// Whether the provider publishes that these terms come to this price; where it does not, the cost is an estimate.
    pub is_published: bool,
}

impl Terms {
    /// The list price.
    pub const LIST: Self = Self { percent: 100, is_published: true };

    /// Terms whose price is not known: the list's is the nearest there is.
    pub const UNKNOWN: Self = Self { percent: 100, is_published: false };

    /// Gives what is billed where the list says this; a half pico-dollar is rounded up.
    pub fn of(self, list: Usd) -> Usd {
        let pico = (i128::from(list.pico()) * i128::from(self.percent) + 50).div_euclid(100);
        Usd::from_pico(i64::try_from(pico).unwrap_or(i64::MAX))
    }
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
    /// What it says of the terms; a reported cost keeps them already.
    pub terms: Terms,
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
            .field("terms", &self.terms)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_hundredths_of_the_list_price() {
        let check = |percent: u16, pico: i64, expected: i64| {
            let terms = Terms { percent, is_published: true };
            assert_eq!(terms.of(Usd::from_pico(pico)).pico(), expected, "{percent} % of {pico}");
        };
        check(100, 947_500_000, 947_500_000);
        check(50, 947_500_000, 473_750_000);
        check(110, 947_500_000, 1_042_250_000);
        check(55, 3, 2);
        check(50, 1, 1);
        check(180, i64::MAX, i64::MAX);
    }
}

//! What can go wrong with a provider, by what the caller can do about it.

use std::time::Duration;

use crate::domain::answer::AttemptOutcome;

/// Why a provider gave no answer.
///
/// It carries the provider's own error code, never its message: messages may repeat prompt or key.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Busy (429, 503, 529): another model may answer now, this one after `retry_after`.
    #[error("too many requests or overloaded ({code})")]
    Overloaded { code: String, retry_after: Option<Duration> },
    /// A spending limit, a used-up quota or an empty account: waiting does not help.
    #[error("out of credit or quota ({code}); hint: check the provider's billing page")]
    OutOfCredit { code: String },
    #[error("the key was refused ({code}); hint: check {variable}")]
    Unauthorized { code: String, variable: &'static str },
    #[error("the provider does not have this model ({code})")]
    ModelNotFound { code: String },
    /// The request as it stands is refused; another provider may still take it.
    #[error("the provider refused the request ({code})")]
    Rejected { code: String },
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// No connection came about: nothing was sent.
    #[error("not reachable ({0}); hint: check the network and the base URL")]
    Unreachable(String),
    #[error("the provider failed (HTTP {status}, {code})")]
    Upstream { status: u16, code: String },
    /// An answer that cannot be read, or that broke off after the request went out; it may have been billed.
    #[error("the provider's answer cannot be read ({0})")]
    Malformed(String),
}

impl ProviderError {
    /// Names the error for `attempts`.
    pub const fn outcome(&self) -> AttemptOutcome {
        match self {
            Self::Overloaded { .. } => AttemptOutcome::Overloaded,
            Self::OutOfCredit { .. } => AttemptOutcome::OutOfCredit,
            Self::Unauthorized { .. } => AttemptOutcome::Unauthorized,
            Self::ModelNotFound { .. } => AttemptOutcome::ModelNotFound,
            Self::Rejected { .. } => AttemptOutcome::Rejected,
            Self::Timeout(_) => AttemptOutcome::Timeout,
            Self::Unreachable(_) => AttemptOutcome::Unreachable,
            Self::Upstream { .. } | Self::Malformed(_) => AttemptOutcome::ProviderError,
        }
    }

    /// Says whether the provider may bill the call although it gave no answer.
    pub const fn may_be_billed(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Malformed(_))
    }
}

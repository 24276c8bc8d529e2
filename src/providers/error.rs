//! What can go wrong with a provider, by what the caller can do about it.

use std::time::Duration;

use crate::domain::answer::AttemptOutcome;

/// Why a provider gave no answer.
///
/// It carries the provider's own error code, never its message: messages may repeat prompt or key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// Busy (429, 503, 529): this model may answer after `retry_after`.
    #[error("too many requests or overloaded ({code})")]
    Overloaded { code: String, retry_after: Option<Duration> },
    /// A spending limit or an empty account: waiting does not help.
    #[error("out of credit ({code}); hint: check the provider's billing page")]
    OutOfCredit { code: String },
    /// This model's quota is gone for the day, or was never granted.
    #[error("the quota for this model is used up ({code}); hint: check the provider's quota page")]
    QuotaUsedUp { code: String },
    #[error("the key was refused ({code}); hint: check {variable}")]
    Unauthorized { code: String, variable: &'static str },
    #[error("the provider does not have this model ({code})")]
    ModelNotFound { code: String },
    /// Prompt and answer do not fit this model.
    #[error("the prompt is too long for this model ({code})")]
    TooLong { code: String },
    /// The provider's filter refuses to read the prompt.
    #[error("the provider's content filter refused the prompt ({code})")]
    Blocked { code: String },
    /// The request as it stands is refused; another model may still take it.
    #[error("the provider refused the request ({code})")]
    Rejected { code: String },
    /// Nothing, or nothing more, came for this long.
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
    /// The caller went away, or the program is stopping.
    #[error("the call was cancelled")]
    Cancelled,
}

/// What to do after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ask somebody else now, and this model again after a while: as long as it says, where it says.
    Wait(Option<Duration>),
    /// Another model, at this provider or elsewhere.
    NextModel,
    /// The provider's other models would fail in the same way.
    NextProvider,
    /// Nobody wants an answer any more.
    Stop,
}

impl ProviderError {
    /// Says what to do about it.
    pub const fn action(&self) -> Action {
        match self {
            Self::Overloaded { retry_after, .. } => Action::Wait(*retry_after),
            // A failure of the provider's own, which is not billed, is often over at once.
            Self::Upstream { status: 500.. | 408, .. } => Action::Wait(None),
            Self::OutOfCredit { .. }
            | Self::Unauthorized { .. }
            | Self::Blocked { .. }
            | Self::Unreachable(_)
            | Self::Upstream { status: 300..=399, .. } => Action::NextProvider,
            Self::QuotaUsedUp { .. }
            | Self::ModelNotFound { .. }
            | Self::TooLong { .. }
            | Self::Rejected { .. }
            | Self::Timeout(_)
            | Self::Upstream { .. }
            | Self::Malformed(_) => Action::NextModel,
            Self::Cancelled => Action::Stop,
        }
    }

    /// Says for how long the model or provider should be left alone; `None` where the fault is the request's.
    ///
    /// The times are judgements: long where only a person can mend it, short where it may be over at once.
    pub const fn cool_down(&self) -> Option<Duration> {
        match self {
            Self::Overloaded { retry_after: Some(wait), .. } => Some(*wait),
            Self::OutOfCredit { .. } | Self::QuotaUsedUp { .. } | Self::ModelNotFound { .. } => {
                Some(Duration::from_secs(15 * 60))
            }
            Self::Unauthorized { .. } => Some(Duration::from_secs(60)),
            Self::Unreachable(_) => Some(Duration::from_secs(5)),
            Self::Overloaded { retry_after: None, .. }
            | Self::Timeout(_)
            | Self::Upstream { .. }
            | Self::Malformed(_) => Some(Duration::from_secs(2)),
            Self::TooLong { .. } | Self::Blocked { .. } | Self::Rejected { .. } | Self::Cancelled => None,
        }
    }

    /// Names the error for `attempts`.
    pub const fn outcome(&self) -> AttemptOutcome {
        match self {
            Self::Overloaded { .. } => AttemptOutcome::Overloaded,
            Self::OutOfCredit { .. } => AttemptOutcome::OutOfCredit,
            Self::QuotaUsedUp { .. } => AttemptOutcome::QuotaUsedUp,
            Self::Unauthorized { .. } => AttemptOutcome::Unauthorized,
            Self::ModelNotFound { .. } => AttemptOutcome::ModelNotFound,
            Self::TooLong { .. } => AttemptOutcome::TooLong,
            Self::Blocked { .. } => AttemptOutcome::Blocked,
            Self::Rejected { .. } => AttemptOutcome::Rejected,
            Self::Timeout(_) => AttemptOutcome::Timeout,
            Self::Unreachable(_) => AttemptOutcome::Unreachable,
            Self::Upstream { .. } | Self::Malformed(_) => AttemptOutcome::ProviderError,
            Self::Cancelled => AttemptOutcome::Cancelled,
        }
    }

    /// Says whether the provider may bill the call although it gave no answer.
    pub const fn may_be_billed(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Malformed(_) | Self::Cancelled)
    }
}

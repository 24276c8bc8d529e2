//! The table: what can go wrong, and what must come of it.

use ai_cost_optimizer::domain::answer::AttemptOutcome;
use ai_cost_optimizer::domain::model::ProviderId;

use super::shapes;

/// What a provider does on its first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A bare status with the provider's own error body.
    Status(u16),
    /// 429 with this `retry-after`.
    Busy(&'static str),
    SpendLimit,
    DailyQuota,
    ContentBlock,
    Refusal,
    MalformedJson,
    SlowHeaders,
    /// Bytes that never amount to anything.
    SlowBody,
    /// Half an answer, then silence.
    Stall,
    /// Half an answer, then the end of the connection.
    Cut,
    /// Words without end.
    Endless,
    Reset,
    Dns,
    Tls,
    Redirect,
    /// An error body of ten megabytes.
    LongError,
    WebPage,
}

pub(super) const FAULTS: [Fault; 32] = [
    Fault::Status(429),
    Fault::Busy("7"),
    Fault::Busy("0.2"),
    Fault::Busy("Wed, 25 Nov 2026 09:00:00 GMT"),
    // A clock that jumped, on either side: long ago, and beyond every patience.
    Fault::Busy("Fri, 31 Dec 1999 23:59:59 GMT"),
    Fault::Busy("Thu, 31 Dec 2099 23:59:59 GMT"),
    Fault::SpendLimit,
    Fault::DailyQuota,
    Fault::Status(402),
    Fault::Status(401),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(408),
    Fault::Status(413),
    Fault::Status(500),
    Fault::Status(502),
    Fault::Status(503),
    Fault::Status(529),
    Fault::ContentBlock,
    Fault::Refusal,
    Fault::MalformedJson,
    Fault::SlowHeaders,
    Fault::SlowBody,
    Fault::Stall,
    Fault::Cut,
    Fault::Endless,
    Fault::Reset,
    Fault::Dns,
    Fault::Tls,
    Fault::Redirect,
    Fault::LongError,
    Fault::WebPage,
];

/// Who answers in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The same provider's next model.
    NextModel,
    NextProvider,
    /// The call itself: it has brought an answer.
    Itself,
    /// Nobody before the deadline; what has arrived by then is the answer, or there is none.
    Deadline,
}

/// What must come of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) outcome: AttemptOutcome,
    pub(super) then: Then,
    /// Whether the first call counts in the costs, and whether as an estimate.
    pub(super) bill: Billed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Billed {
    No,
    AsReported,
    Estimated,
}

/// Says what must come of a fault; `None` where the provider cannot have it.
pub(super) fn expected(fault: Fault, provider: ProviderId, is_streamed: bool) -> Option<Expected> {
    use AttemptOutcome as Outcome;
    let row = |outcome, then, bill| Some(Expected { outcome, then, bill });
    let is_chat =
        matches!(provider, ProviderId::Cerebras | ProviderId::OpenRouter | ProviderId::OpenAiCompatible);
    match fault {
        Fault::Status(429 | 503 | 529) | Fault::Busy(_) => {
            row(Outcome::Overloaded, Then::NextModel, Billed::No)
        }
        Fault::SpendLimit => {
            shapes::spend_limit(provider)?;
            row(Outcome::OutOfCredit, Then::NextProvider, Billed::No)
        }
        Fault::DailyQuota => {
            shapes::daily_quota(provider)?;
            row(Outcome::QuotaUsedUp, Then::NextModel, Billed::No)
        }
        Fault::Status(402) => row(Outcome::OutOfCredit, Then::NextProvider, Billed::No),
        Fault::Status(403) if provider == ProviderId::OpenRouter => {
            row(Outcome::Blocked, Then::NextProvider, Billed::No)
        }
        Fault::Status(401 | 403) => row(Outcome::Unauthorized, Then::NextProvider, Billed::No),
        Fault::Status(404) => row(Outcome::ModelNotFound, Then::NextModel, Billed::No),
        Fault::Status(413) => row(Outcome::TooLong, Then::NextModel, Billed::No),
        Fault::Status(_) | Fault::LongError => row(Outcome::ProviderError, Then::NextModel, Billed::No),
        Fault::ContentBlock if is_chat || provider == ProviderId::Gemini => {
            row(Outcome::Blocked, Then::NextProvider, Billed::AsReported)
        }
        Fault::Refusal if is_chat || provider == ProviderId::Anthropic => {
            row(Outcome::Answered, Then::Itself, Billed::AsReported)
        }
        Fault::ContentBlock | Fault::Refusal => None,
        Fault::MalformedJson | Fault::Cut | Fault::Reset => {
            row(Outcome::ProviderError, Then::NextModel, Billed::Estimated)
        }
        Fault::SlowHeaders | Fault::Stall if is_streamed => {
            row(Outcome::Timeout, Then::NextModel, Billed::Estimated)
        }
        Fault::Endless if !is_streamed => None,
        // A whole answer may take its time: nothing tells a slow one from one that never comes.
        Fault::SlowHeaders | Fault::SlowBody | Fault::Stall | Fault::Endless => {
            row(Outcome::Cancelled, Then::Deadline, Billed::Estimated)
        }
        Fault::Dns | Fault::Tls | Fault::WebPage => row(Outcome::Unreachable, Then::NextProvider, Billed::No),
        Fault::Redirect => row(Outcome::ProviderError, Then::NextProvider, Billed::No),
    }
}

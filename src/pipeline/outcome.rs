//! What the pipeline gives back.

use super::spending::Spent;
use crate::budget::standing::Standing;
use crate::domain::decision::Candidate;
use crate::domain::ids::RequestId;
use crate::domain::money::Usd;
use crate::domain::record::RequestRecord;
use crate::routing::candidates::NoCandidate;
use crate::store::StoreError;

/// An answered request.
#[derive(Clone)]
pub struct Routed {
    /// What was written down, word for word.
    pub record: RequestRecord,
    pub text: String,
    /// What did not work on the way, each with its way out.
    pub degraded: Vec<String>,
    /// How its fullest budget stands, where it was paid for and has one.
    pub spent: Option<Spent>,
    /// Whether the answer was made up on this machine.
    pub simulated: bool,
}

impl std::fmt::Debug for Routed {
    /// Leaves out the text: answers are in no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routed").field("record", &self.record).finish_non_exhaustive()
    }
}

/// What would be asked.
#[derive(Debug, Clone)]
pub struct Plan {
    pub record: RequestRecord,
    pub candidates: Vec<Candidate>,
    /// Remarks, such as that no provider is configured.
    pub degraded: Vec<String>,
    pub simulated: bool,
}

/// Why a request was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RouteError {
    #[error(transparent)]
    NoCandidate(#[from] NoCandidate),
    /// Nobody is paid before the request is written down.
    #[error("nothing was sent, because the request could not be recorded first: {0}")]
    NotRecorded(#[from] StoreError),
    #[error(
        "nothing was sent: the request may cost {needs}, and of the budget of {} only {} is left ({} spent, {} reserved by requests under way); hint: wait for the next {}, raise the limit with `ai-cost-optimizer budget` or where it is configured, or send a shorter prompt or a smaller max_output_tokens",
        .standing.limit, .standing.remaining(), .standing.spent, .standing.reserved, .standing.limit.scope.period
    )]
    OverBudget { standing: Box<Standing>, needs: Usd },
    #[error("no model answered request {id}: {}", failures.join("; "))]
    NoAnswer { id: RequestId, failures: Vec<String> },
    #[error(
        "no answer yet, after {after_ms} ms: a provider still works on request {id}; hint: while the program runs, route_prompt with resume `{id}` brings it, or raise REQUEST_DEADLINE_MS"
    )]
    StillRunning { id: RequestId, after_ms: u64 },
    #[error("request {0} was given up because the program is stopping")]
    Stopped(RequestId),
    /// What `resume` finds of a request that it cannot bring back.
    #[error("{0}")]
    NotResumable(String),
}

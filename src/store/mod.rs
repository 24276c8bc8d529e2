//! Adapter: where requests and cached answers are kept, behind one trait.
//!
//! It decides nothing: what may be served or stored is `cache`'s business, what a call cost is
//! `cost`'s. Each method is one transaction.

mod exposures;
pub mod local;
pub mod supabase;
pub mod tally;

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::auth::AuthError;
use crate::budget::admission::Admission;
use crate::budget::standing::Standing;
use crate::domain::evidence::{CacheEvidence, EvidenceKey, Label};
use crate::domain::ids::{ExperimentId, RequestId};
use crate::domain::limit::{Limit, Scope};
use crate::domain::model::ModelRef;
use crate::domain::money::Usd;
use crate::domain::outcome::{DayOfModel, KeptRouting, Outcome, OutcomeQuery};
use crate::domain::rating::{Rating, RatingEffect};
use crate::domain::record::{CacheEntry, Forget, Neighbour, RequestRecord, ScopeHash, StoredEmbedding};
use crate::domain::report::{CacheStats, GroupBy, Report, ReportQuery};
use crate::experiments::definition::Metric;
use crate::experiments::lifecycle::{Change, Kept, Which};
use crate::experiments::outcomes::Outcome as ExperimentOutcome;
use crate::experiments::planning::{Past, PastQuery};
use crate::experiments::timeline::Moment;
use crate::experiments::verdict::Observed;

/// Why the store did not do it, by what the caller can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("request {0} is not known; hint: pass a request_id that `route_prompt` returned")]
    UnknownRequest(RequestId),
    #[error(
        "the store {path} is read-only; hint: give this user write access to it and its folder, or set COST_OPTIMIZER_DATA_DIR"
    )]
    ReadOnly { path: String },
    #[error(
        "no space is left for the store {path}; hint: free some, or set COST_OPTIMIZER_DATA_DIR to a folder with space"
    )]
    Full { path: String },
    #[error("the store {path} is damaged; hint: move it away and start again, or restore a copy")]
    Corrupt { path: String },
    #[error(
        "the store {path} has schema version {found}, this program knows {known}; hint: update ai-cost-optimizer"
    )]
    Newer { path: String, found: i64, known: i64 },
    #[error("the store {path} cannot be opened ({problem}); hint: check COST_OPTIMIZER_DATA_DIR")]
    CannotOpen { path: String, problem: String },
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(
        "the project's database lacks what this program needs ({code}); hint: run `ai-cost-optimizer migrate`, as the owner of the project"
    )]
    NotMigrated { code: String },
    /// The project will never take it as it stands.
    #[error("the project refused it ({code})")]
    Refused { code: String },
    #[error("the project does not answer ({problem}); hint: check SUPABASE_URL and the network")]
    Unavailable { problem: String },
    #[error(
        "{most} records wait for the project already; hint: check SUPABASE_URL and the network, and run `ai-cost-optimizer doctor`"
    )]
    OutboxFull { most: i64 },
    /// Too much is waiting, or somebody else holds the lock for too long.
    #[error("the store is busy; hint: try again")]
    Busy,
    #[error("the store failed ({0})")]
    Failed(String),
}

/// A search for the answer to exactly a prompt.
#[derive(Debug, Clone, Copy)]
pub struct ExactQuery {
    pub scope: ScopeHash,
    pub prompt_sha256: [u8; 32],
    /// Serves too, where no entry has the other; entries without one are not found by it.
    pub normal_sha256: Option<[u8; 32]>,
    pub now: Timestamp,
}

/// A search for answers to similar prompts.
#[derive(Debug, Clone)]
pub struct NearestQuery {
    pub scope: ScopeHash,
    pub embedding: StoredEmbedding,
    /// Entries that were wrong for this prompt are left out.
    pub prompt_sha256: [u8; 32],
    /// The most neighbours to return.
    pub limit: usize,
    pub now: Timestamp,
}

/// A part of the requests.
#[derive(Debug, Clone, Copy)]
pub struct RequestsQuery {
    /// First instant inside.
    pub from: Timestamp,
    /// First instant outside.
    pub to: Timestamp,
    /// The last one of the part before.
    pub after: Option<RequestId>,
    pub limit: u32,
}

/// What a request asks its budgets.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The limits that are configured; those that are kept count beside them.
    pub limits: Vec<Limit>,
    /// Whether nobody may be paid where the limits cannot be looked at.
    pub must_hold: bool,
    /// The process that asks.
    pub owner: String,
    pub now: Timestamp,
    /// How long the reservation lives if nobody settles it.
    pub lease: Duration,
}

impl Ask {
    /// Gives the time from which the reservation counts no more.
    pub fn expires_at(&self) -> Timestamp {
        self.now.checked_add(self.lease).unwrap_or(Timestamp::MAX)
    }
}

/// What came of beginning a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Nothing is, where it was not admitted.
    pub recorded: Recorded,
    /// Absent: the limits could not be looked at.
    pub admission: Option<Admission>,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    Now,
    /// It waits on this machine until the store answers again.
    Later {
        problem: String,
    },
    /// The store will never take it; it is put aside on this machine.
    Aside {
        code: String,
    },
}

/// What came of starting an experiment.
#[derive(Debug, Clone, PartialEq)]
pub enum Started {
    New,
    /// One with the same idempotency key was there already.
    Before(Box<Kept>),
    NameTaken,
    /// An active experiment sets the same.
    KnobTaken {
        knob: String,
        by: String,
    },
}

/// Whether to forget, or only to count what would be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgetMode {
    Count,
    Delete,
}

/// Keeps requests and cached answers of one tenant.
///
/// Every method is cancel safe: a statement that was handed over runs to its end, whoever waits.
#[async_trait]
pub trait Store: Send + Sync {
    /// Finds the servable answer to exactly this prompt, unless it was wrong for it.
    async fn find_exact(&self, query: ExactQuery) -> Result<Option<CacheEntry>, StoreError>;

    /// Finds the servable answers nearest to an embedding, nearest first.
    async fn match_cache_entries(&self, query: NearestQuery) -> Result<Vec<Neighbour>, StoreError>;

    /// Writes down that a provider is about to be paid, and reserves the most that it may cost, in one step; neither
    /// where that would pass a limit. A later end leaves the forecast as it is.
    ///
    /// Who begins again, as with another worst case, replaces what was reserved.
    async fn begin_request(&self, intent: RequestRecord, ask: Ask) -> Result<Begun, StoreError>;

    /// Writes a finished request whose prompt has no embedding but that of the answer it bought.
    async fn record_request(
        &self,
        record: RequestRecord,
        bought: Option<CacheEntry>,
    ) -> Result<Recorded, StoreError> {
        let embedding = bought.as_ref().and_then(|entry| entry.embedding.clone());
        self.record_embedded(record, bought, embedding).await
    }

    /// Writes a finished request, replacing its intent and its reservation, with the answer it bought where that is kept, and the
    /// models it asked, with the embedding of its prompt, for routing to learn from; a request answered from the
    /// cache counts as a hit of its entry.
    async fn record_embedded(
        &self,
        record: RequestRecord,
        bought: Option<CacheEntry>,
        embedding: Option<StoredEmbedding>,
    ) -> Result<Recorded, StoreError>;

    /// Finds a request as it was recorded, to the microsecond, with the text of the answer that it bought or was
    /// served where the cache still keeps it.
    async fn find_request(
        &self,
        id: RequestId,
    ) -> Result<Option<(RequestRecord, Option<String>)>, StoreError>;

    /// Records a rating, the last one of a request counting, scores the model that answered, and retires an
    /// entry that has earned it.
    async fn rate_response(&self, rating: Rating, now: Timestamp) -> Result<RatingEffect, StoreError>;

    /// Deletes cached answers; returns how many.
    async fn forget_cache(&self, forget: Forget, mode: ForgetMode) -> Result<u64, StoreError>;

    /// Finds how the models that were asked similar prompts did, nearest prompt first.
    async fn nearest_outcomes(&self, query: OutcomeQuery) -> Result<Vec<Outcome>, StoreError>;

    /// Says whether [`Store::nearest_outcomes`] could find any, which is cheaper than an embedding.
    async fn has_outcomes(&self) -> Result<bool, StoreError>;

    /// Reads what was learned from all outcomes under an embedder, and how many a session has.
    async fn routing_state(
        &self,
        fingerprint: String,
        session: Option<String>,
    ) -> Result<KeptRouting, StoreError>;

    /// Replaces what was learned with what a request added to it, and takes the request's forecast away, so that none
    /// is learned from twice. Says whether that is done, now or before; not where somebody else has replaced it since
    /// that revision.
    async fn save_routing_state(
        &self,
        fingerprint: String,
        state: Vec<u8>,
        revision: i64,
        learned_from: RequestId,
    ) -> Result<bool, StoreError>;

    /// Replaces the forecast of a request, unless it has been learned from.
    async fn keep_forecast(&self, id: RequestId, forecast: String) -> Result<(), StoreError>;

    /// Sums a model's outcomes of a day anew, for [`Store::model_performance`].
    async fn note_model_performance(&self, reference: ModelRef, day: Date) -> Result<(), StoreError>;

    /// Lists how well each model did on each day from one on, oldest first.
    async fn model_performance(&self, from_day: Date) -> Result<Vec<DayOfModel>, StoreError>;

    /// Finds what is known of the wrong answers of a scope.
    async fn cache_evidence(&self, key: EvidenceKey) -> Result<CacheEvidence, StoreError>;

    /// Counts a label.
    async fn record_label(&self, label: Label) -> Result<(), StoreError>;

    /// Ends an epoch of a scope, unless it is over: labels count in the next one.
    async fn end_epoch(&self, key: EvidenceKey, epoch: u32) -> Result<(), StoreError>;

    /// Keeps a new experiment, unless something is in its way; nothing is kept then.
    async fn start_experiment(&self, new: Kept) -> Result<Started, StoreError>;

    /// Lists experiments, newest first.
    async fn experiments(&self, which: Which) -> Result<Vec<Kept>, StoreError>;

    /// Changes an experiment; says whether it was there, and in a state to be changed so.
    async fn change_experiment(&self, id: ExperimentId, change: Change) -> Result<bool, StoreError>;

    /// Sums up what was seen of each arm, by its place; the last ones may be missing.
    async fn experiment_statistics(&self, id: ExperimentId) -> Result<Vec<Observed>, StoreError>;

    /// Sums up what was known of a metric at so many times, from the first outcome to the last.
    async fn experiment_timeline(
        &self,
        id: ExperimentId,
        metric: Metric,
        points: usize,
    ) -> Result<Vec<Moment>, StoreError>;

    /// Lists the requests of an experiment in the order in which they came, from after one on.
    async fn experiment_outcomes(
        &self,
        id: ExperimentId,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<ExperimentOutcome>, StoreError>;

    /// Sums up past requests, for an experiment to be planned by.
    async fn past_outcomes(&self, query: PastQuery) -> Result<Past, StoreError>;

    /// Says how all limits stand at a time: those that are given, and those that are kept.
    async fn budgets(&self, given: Vec<Limit>, at: Timestamp) -> Result<Vec<Standing>, StoreError>;

    /// Keeps a limit in place of the one of the same scope that the same surface set; of a model's own the tighter stays.
    async fn set_budget(&self, limit: Limit, at: Timestamp) -> Result<(), StoreError>;

    /// Takes the kept limits of a scope away; says whether there were any.
    async fn remove_budget(&self, scope: Scope) -> Result<bool, StoreError>;

    /// Sums requests.
    async fn cost_report(&self, query: ReportQuery) -> Result<Report, StoreError>;

    /// Sums what was spent by UTC day, from a time to another; days without any are left out.
    async fn daily_spend(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(Date, Usd)>, StoreError> {
        let query = ReportQuery { from, to, group_by: Some(GroupBy::Day) };
        let groups = self.cost_report(query).await?.groups.into_iter();
        Ok(groups.filter_map(|group| Some((group.key.parse().ok()?, group.totals.cost))).collect())
    }

    /// Lists requests in the order in which they came.
    async fn requests(&self, query: RequestsQuery) -> Result<Vec<RequestRecord>, StoreError>;

    /// Lists the latest requests, the last one first.
    async fn latest_requests(&self, limit: u32) -> Result<Vec<RequestRecord>, StoreError>;

    /// Forgets requests of before a time with all that is known of them, `limit` at the most, oldest first; returns how
    /// many. What is part of an experiment stays as long as that does.
    async fn forget_requests(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Forgets everything, what waits on this machine included.
    async fn forget_everything(&self) -> Result<(), StoreError>;

    /// Counts what the cache holds.
    async fn cache_stats(&self, now: Timestamp) -> Result<CacheStats, StoreError>;

    /// Gives an item whenever [`Store::revision`] is worth asking for; it never ends.
    fn changes(&self) -> BoxStream<'static, ()> {
        stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some(((), ()))
        })
        .boxed()
    }

    /// Gives a number that differs from the one before after any commit, of this process or of another.
    async fn revision(&self) -> Result<i64, StoreError>;
}

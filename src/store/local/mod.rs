//! The local store: one SQLite file, safe with several processes at once.
//!
//! Two threads own a connection each, so that a long report does not hold up a request. Nothing is opened
//! before the first call, and a store that cannot be opened is tried again by the next.

mod budgets;
mod cache;
mod calibration;
mod columns;
mod eviction;
mod experiments;
mod feedback;
mod forgetting;
mod outcomes;
mod past;
mod performance;
mod periods;
mod quantised;
mod report;
mod requests;
mod results;
mod routing_feedback;
mod routing_state;
pub(in crate::store) mod schema;
mod shelf;
pub(in crate::store) mod thread;
mod vectors;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::Connection;

use self::outcomes::Outcomes;
use self::thread::StoreThread;
use self::vectors::Vectors;
use super::{
    Ask, Begun, ExactQuery, ForgetMode, NearestQuery, Recorded, RequestsQuery, Started, Store, StoreError,
};
use crate::budget::admission::Admission;
use crate::budget::standing::Standing;
use crate::domain::evidence::{CacheEvidence, EvidenceKey, Label};
use crate::domain::ids::{ExperimentId, RequestId};
use crate::domain::limit::{Limit, Scope};
use crate::domain::model::ModelRef;
use crate::domain::outcome::{DayOfModel, KeptRouting, Outcome, OutcomeQuery};
use crate::domain::rating::{Rating, RatingEffect};
use crate::domain::record::{CacheEntry, Forget, Neighbour, RequestRecord, StoredEmbedding};
use crate::domain::report::{CacheStats, Report, ReportQuery};
use crate::experiments::definition::Metric;
use crate::experiments::lifecycle::{Change, Kept, Which};
use crate::experiments::outcomes::Outcome as ExperimentOutcome;
use crate::experiments::planning::{Past, PastQuery};
use crate::experiments::timeline::Moment;
use crate::experiments::verdict::Observed;

pub use self::schema::SCHEMA_VERSION;

/// Recorded requests after which the write-ahead log is moved into the file.
const CHECKPOINT_EVERY: u64 = 1_024;

/// An open store and what is remembered of it.
#[derive(Debug)]
struct Open {
    connection: Connection,
    vectors: Vectors,
    outcomes: Outcomes,
}

impl Open {
    fn at(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open(path)?;
        Ok(Self { connection, vectors: Vectors::default(), outcomes: Outcomes::default() })
    }
}

/// A SQLite file as a [`Store`].
#[derive(Debug, Clone)]
pub struct LocalStore {
    requests: StoreThread<Open>,
    reports: StoreThread<Open>,
    recorded: Arc<AtomicU64>,
}

impl LocalStore {
    /// Names the file; it and its folder are made by the first call that needs them.
    pub fn new(path: PathBuf) -> Self {
        Self {
            requests: StoreThread::new("store", path.clone(), Open::at),
            reports: StoreThread::new("reports", path, Open::at),
            recorded: Arc::default(),
        }
    }

    /// Has the log moved into the file now and then, by the thread that no request waits for.
    fn checkpoint_at_times(&self) {
        if self.recorded.fetch_add(1, Ordering::Relaxed) % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1 {
            self.reports.start(|open| {
                open.connection.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(())).map_err(|error| {
                    tracing::warn!(%error, "the store's log was not moved into its file");
                    error
                })
            });
        }
    }
}

#[async_trait]
impl Store for LocalStore {
    async fn find_exact(&self, query: ExactQuery) -> Result<Option<CacheEntry>, StoreError> {
        self.requests.run(move |open| cache::find_exact(&open.connection, &query)).await
    }

    async fn match_cache_entries(&self, query: NearestQuery) -> Result<Vec<Neighbour>, StoreError> {
        self.requests.run(move |open| open.vectors.nearest(&open.connection, &query)).await
    }

    async fn begin_request(&self, intent: RequestRecord, ask: Ask) -> Result<Begun, StoreError> {
        self.requests
            .run(move |open| {
                let transaction = open.connection.transaction()?;
                // A newer program may have come since the file was opened.
                if let Some(found) = schema::newer(&transaction)? {
                    return Ok(Err(found));
                }
                let admission = budgets::decide(&transaction, &intent, &ask)?;
                if matches!(admission, Admission::Admitted(_)) {
                    requests::write(&transaction, &intent)?;
                    results::write(&transaction, &intent)?;
                    budgets::reserve(&transaction, &intent, &ask)?;
                    transaction.commit()?;
                }
                Ok(Ok(Begun { recorded: Recorded::Now, admission: Some(admission) }))
            })
            .await?
            .map_err(|found| schema::too_new(self.requests.path(), found))
    }

    async fn record_embedded(
        &self,
        record: RequestRecord,
        bought: Option<CacheEntry>,
        embedding: Option<StoredEmbedding>,
    ) -> Result<Recorded, StoreError> {
        self.requests
            .run(move |open| {
                let transaction = open.connection.transaction()?;
                requests::write(&transaction, &record)?;
                budgets::settle(&transaction, record.id)?;
                results::write(&transaction, &record)?;
                routing_feedback::write(&transaction, &record, embedding.as_ref())?;
                if let Some(hit) = &record.cache {
                    cache::count_hit(&transaction, hit.entry_id)?;
                }
                if let Some(entry) = &bought {
                    cache::insert(&transaction, entry)?;
                    open.vectors.expect_changes();
                }
                transaction.commit()
            })
            .await?;
        self.checkpoint_at_times();
        Ok(Recorded::Now)
    }

    async fn find_request(
        &self,
        id: RequestId,
    ) -> Result<Option<(RequestRecord, Option<String>)>, StoreError> {
        self.requests.run(move |open| requests::find(&open.connection, id)).await
    }

    async fn rate_response(&self, rating: Rating, now: Timestamp) -> Result<RatingEffect, StoreError> {
        let request_id = rating.request_id;
        self.requests
            .run(move |open| {
                let transaction = open.connection.transaction()?;
                let effect = feedback::rate(&transaction, &rating, now)?;
                routing_feedback::rate(&transaction, &rating)?;
                results::rate(&transaction, request_id, rating.score.get(), now)?;
                open.vectors.expect_changes();
                transaction.commit()?;
                Ok(effect)
            })
            .await?
            .ok_or(StoreError::UnknownRequest(request_id))
    }

    async fn forget_cache(&self, forget: Forget, mode: ForgetMode) -> Result<u64, StoreError> {
        self.requests
            .run(move |open| {
                let transaction = open.connection.transaction()?;
                let count = cache::forget(&transaction, &forget, mode)?;
                open.vectors.expect_changes();
                transaction.commit()?;
                Ok(count)
            })
            .await
    }

    async fn nearest_outcomes(&self, query: OutcomeQuery) -> Result<Vec<Outcome>, StoreError> {
        self.requests.run(move |open| open.outcomes.nearest(&open.connection, &query)).await
    }

    async fn has_outcomes(&self) -> Result<bool, StoreError> {
        self.requests.run(|open| outcomes::are_there_any(&open.connection)).await
    }

    async fn routing_state(
        &self,
        fingerprint: String,
        session: Option<String>,
    ) -> Result<KeptRouting, StoreError> {
        self.requests
            .run(move |open| routing_state::read(&open.connection, &fingerprint, session.as_deref()))
            .await
    }

    async fn save_routing_state(
        &self,
        fingerprint: String,
        state: Vec<u8>,
        revision: i64,
        learned_from: RequestId,
    ) -> Result<bool, StoreError> {
        self.requests
            .run(move |open| {
                let transaction = open.connection.transaction()?;
                let is_done = !routing_state::may_be_learned_from(&transaction, learned_from)?
                    || routing_state::save(&transaction, &fingerprint, &state, revision)?;
                if is_done {
                    routing_state::take_forecast(&transaction, learned_from)?;
                }
                transaction.commit()?;
                Ok(is_done)
            })
            .await
    }

    async fn keep_forecast(&self, id: RequestId, forecast: String) -> Result<(), StoreError> {
        self.requests.run(move |open| routing_state::keep_forecast(&open.connection, id, &forecast)).await
    }

    async fn note_model_performance(&self, reference: ModelRef, day: Date) -> Result<(), StoreError> {
        self.requests
            .run(move |open| {
                let transaction = open.connection.transaction()?;
                performance::note(&transaction, &reference, day)?;
                transaction.commit()
            })
            .await
    }

    async fn model_performance(&self, from_day: Date) -> Result<Vec<DayOfModel>, StoreError> {
        self.requests.run(move |open| performance::read(&open.connection, from_day)).await
    }

    async fn cache_evidence(&self, key: EvidenceKey) -> Result<CacheEvidence, StoreError> {
        self.requests.run(move |open| calibration::evidence(&mut open.connection, &key)).await
    }

    async fn record_label(&self, label: Label) -> Result<(), StoreError> {
        self.requests
            .run(move |open| {
                let transaction = open.connection.transaction()?;
                calibration::count_label(&transaction, &label)?;
                transaction.commit()
            })
            .await
    }

    async fn end_epoch(&self, key: EvidenceKey, epoch: u32) -> Result<(), StoreError> {
        self.requests
            .run(move |open| {
                let transaction = open.connection.transaction()?;
                calibration::end_epoch(&transaction, &key, epoch)?;
                transaction.commit()
            })
            .await
    }

    async fn start_experiment(&self, new: Kept) -> Result<Started, StoreError> {
        self.requests
            .run(move |open| {
                let transaction = open.connection.transaction()?;
                let started = experiments::start(&transaction, &new)?;
                transaction.commit()?;
                Ok(started)
            })
            .await
    }

    async fn experiments(&self, which: Which) -> Result<Vec<Kept>, StoreError> {
        self.requests.run(move |open| experiments::list(&open.connection, &which)).await
    }

    async fn change_experiment(&self, id: ExperimentId, change: Change) -> Result<bool, StoreError> {
        self.requests.run(move |open| experiments::change(&open.connection, id, &change)).await
    }

    async fn experiment_statistics(&self, id: ExperimentId) -> Result<Vec<Observed>, StoreError> {
        self.reports.run(move |open| results::statistics(&open.connection, id)).await
    }

    async fn experiment_timeline(
        &self,
        id: ExperimentId,
        metric: Metric,
        points: usize,
    ) -> Result<Vec<Moment>, StoreError> {
        self.reports.run(move |open| results::timeline(&open.connection, id, metric, points)).await
    }

    async fn experiment_outcomes(
        &self,
        id: ExperimentId,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<ExperimentOutcome>, StoreError> {
        self.reports.run(move |open| results::outcomes(&open.connection, id, after, limit)).await
    }

    async fn past_outcomes(&self, query: PastQuery) -> Result<Past, StoreError> {
        self.reports.run(move |open| past::past(&open.connection, &query)).await
    }

    async fn budgets(&self, given: Vec<Limit>, at: Timestamp) -> Result<Vec<Standing>, StoreError> {
        self.requests.run(move |open| budgets::standings(&mut open.connection, &given, at)).await
    }

    async fn set_budget(&self, limit: Limit, at: Timestamp) -> Result<(), StoreError> {
        self.requests.run(move |open| budgets::set(&open.connection, &limit, at)).await
    }

    async fn remove_budget(&self, scope: Scope) -> Result<bool, StoreError> {
        self.requests.run(move |open| budgets::remove(&open.connection, &scope)).await
    }

    async fn cost_report(&self, query: ReportQuery) -> Result<Report, StoreError> {
        self.reports.run(move |open| report::cost_report(&mut open.connection, query)).await
    }

    async fn requests(&self, query: RequestsQuery) -> Result<Vec<RequestRecord>, StoreError> {
        self.reports.run(move |open| forgetting::list(&open.connection, &query)).await
    }

    async fn latest_requests(&self, limit: u32) -> Result<Vec<RequestRecord>, StoreError> {
        self.reports.run(move |open| forgetting::latest(&open.connection, limit)).await
    }

    async fn forget_requests(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.requests
            .run(move |open| {
                let transaction = open.connection.transaction()?;
                let count = forgetting::forget_before(&transaction, before, limit)?;
                open.vectors.expect_changes();
                transaction.commit()?;
                Ok(count)
            })
            .await
    }

    async fn forget_everything(&self) -> Result<(), StoreError> {
        self.requests
            .run(|open| {
                open.vectors.expect_changes();
                forgetting::forget_everything(&mut open.connection)
            })
            .await
    }

    async fn cache_stats(&self, now: Timestamp) -> Result<CacheStats, StoreError> {
        self.reports.run(move |open| report::cache_stats(&open.connection, now)).await
    }

    async fn revision(&self) -> Result<i64, StoreError> {
        // This connection writes nothing, so it sees every commit as somebody else's.
        self.reports
            .run(|open| open.connection.pragma_query_value(None, "data_version", |row| row.get(0)))
            .await
    }
}

//! The team's store: a Supabase project, asked through PostgREST as the signed-in user.
//!
//! Row-level security decides what is seen; no call names a user. A lookup is one round trip, and so is a record.
//! While the project does not answer, records wait in the outbox and lookups find nothing.

mod budgets;
mod delivery;
mod evidence;
mod experiment_rows;
mod experiments;
mod forgetting;
pub mod migrations;
pub mod outbox;
mod outcomes;
mod ratings;
mod realtime;
mod rest;
mod rows;
mod sums;
mod team;

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::delivery::Weight;
use self::evidence::{EvidenceRow, epoch_arguments, evidence_arguments, label_arguments};
use self::outbox::Outbox;
use self::outcomes::{DayRow, OutcomeRow, RoutingRow};
use self::rest::{Patience, Rest};
use self::rows::{BoughtRow, EntryRow, RequestRow, Unreadable, hex, vector};
use self::sums::{ReportRow, StatsRow};
use super::{
    Ask, Begun, ExactQuery, ForgetMode, NearestQuery, Recorded, RequestsQuery, Started, Store, StoreError,
};
use crate::auth::{Auth, Project};
use crate::budget::standing::Standing;
use crate::domain::evidence::{CacheEvidence, EvidenceKey, Label};
use crate::domain::ids::{ExperimentId, RequestId};
use crate::domain::limit::{Limit, Scope};
use crate::domain::model::ModelRef;
use crate::domain::money::Usd;
use crate::domain::outcome::{DayOfModel, KeptRouting, Outcome, OutcomeQuery};
use crate::domain::rating::{Rating, RatingEffect, Score};
use crate::domain::record::{CacheEntry, Forget, Neighbour, RequestRecord, StoredEmbedding};
use crate::domain::report::{CacheStats, Report, ReportQuery};
use crate::experiments::definition::Metric;
use crate::experiments::lifecycle::{Change, Kept, Which};
use crate::experiments::outcomes::Outcome as ExperimentOutcome;
use crate::experiments::planning::{Past, PastQuery};
use crate::experiments::timeline::Moment;
use crate::experiments::verdict::Observed;
use crate::routing::outcomes::asked_models;

/// A Supabase project as a [`Store`].
pub struct SupabaseStore {
    rest: Rest,
    /// It speaks HTTP/1.1, which alone can be upgraded to a websocket.
    socket_client: reqwest::Client,
    outbox: Outbox,
}

impl std::fmt::Debug for SupabaseStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SupabaseStore").finish_non_exhaustive()
    }
}

impl SupabaseStore {
    /// Takes the program's HTTP client and the one for websockets, the project, its user's session, and what keeps
    /// records meanwhile.
    pub fn new(
        client: reqwest::Client,
        socket_client: reqwest::Client,
        project: Project,
        auth: Auth,
        outbox: Outbox,
    ) -> Self {
        Self { rest: Rest::new(client, project, auth), socket_client, outbox }
    }

    /// Gives the records that wait.
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Says which of our migrations the project had last; one that had none is not migrated.
    pub async fn schema_version(&self) -> Result<i64, StoreError> {
        self.call("schema_version", &json!({}), Patience::Report).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        function: &str,
        arguments: &Value,
        patience: Patience,
    ) -> Result<T, StoreError> {
        Ok(self.rest.call(function, arguments, patience).await?)
    }

    fn recorded(
        record: &RequestRecord,
        bought: Option<&CacheEntry>,
        embedding: Option<&StoredEmbedding>,
    ) -> Value {
        let models: Vec<Value> = asked_models(record)
            .iter()
            .map(|asked| {
                json!({
                    "provider": asked.reference.provider.as_str(),
                    "model": asked.reference.model,
                    "score": asked.score.map(Score::get),
                })
            })
            .collect();
        let asked = (!models.is_empty()).then(|| {
            json!({
                "models": models,
                "embedder_fingerprint": embedding.map(|stored| &stored.fingerprint),
                "embedding": embedding.map(|stored| vector(&stored.embedding)),
            })
        });
        json!({ "request": RequestRow::from(record), "bought": bought.map(BoughtRow::from), "asked": asked })
    }
}

#[async_trait]
impl Store for SupabaseStore {
    async fn find_exact(&self, query: ExactQuery) -> Result<Option<CacheEntry>, StoreError> {
        let arguments = json!({
            "scope_hash": hex(&query.scope.0),
            "prompt_sha256": hex(&query.prompt_sha256),
            "normal_sha256": query.normal_sha256.map(|sha256| hex(&sha256)),
            "as_of": query.now,
        });
        let rows: Vec<EntryRow> = self.call("find_cache_entry", &arguments, Patience::Request).await?;
        Ok(rows.into_iter().next().map(|row| row.entry(query.scope)).transpose()?)
    }

    async fn match_cache_entries(&self, query: NearestQuery) -> Result<Vec<Neighbour>, StoreError> {
        let arguments = json!({
            "query_embedding": vector(&query.embedding.embedding),
            // What is near enough is decided here.
            "match_threshold": -1.0,
            "match_count": query.limit,
            "scope_hash": hex(&query.scope.0),
            "embedder_fingerprint": query.embedding.fingerprint,
            "query_sha256": hex(&query.prompt_sha256),
            "as_of": query.now,
        });
        let rows: Vec<EntryRow> = self.call("match_cache_entries", &arguments, Patience::Request).await?;
        let neighbour = |row: EntryRow| {
            let similarity = row.similarity.ok_or(Unreadable("similarity"))?.clamp(-1.0, 1.0);
            Ok::<_, Unreadable>(Neighbour { similarity, entry: row.entry(query.scope)? })
        };
        Ok(rows.into_iter().map(neighbour).collect::<Result<_, _>>()?)
    }

    async fn begin_request(&self, intent: RequestRecord, ask: Ask) -> Result<Begun, StoreError> {
        self.reserve(&intent, &ask).await
    }

    async fn record_embedded(
        &self,
        record: RequestRecord,
        bought: Option<CacheEntry>,
        embedding: Option<StoredEmbedding>,
    ) -> Result<Recorded, StoreError> {
        let arguments = Self::recorded(&record, bought.as_ref(), embedding.as_ref());
        self.write("record_request", arguments, Weight::End).await
    }

    async fn find_request(
        &self,
        id: RequestId,
    ) -> Result<Option<(RequestRecord, Option<String>)>, StoreError> {
        let arguments = json!({ "request_id": id.to_string() });
        let row: Option<RequestRow> = self.call("find_request", &arguments, Patience::Report).await?;
        let Some(mut row) = row else { return Ok(None) };
        let text = row.response_text.take();
        Ok(Some((RequestRecord::try_from(row)?, text)))
    }

    async fn rate_response(&self, rating: Rating, now: Timestamp) -> Result<RatingEffect, StoreError> {
        self.rate(&rating, now).await
    }

    async fn forget_cache(&self, forget: Forget, mode: ForgetMode) -> Result<u64, StoreError> {
        let mut arguments = match &forget {
            Forget::Request(id) => json!({ "request_id": id.to_string() }),
            Forget::Like { embedding, min_similarity } => json!({
                "query_embedding": vector(&embedding.embedding),
                "embedder_fingerprint": embedding.fingerprint,
                "min_similarity": min_similarity,
            }),
            Forget::OlderThan(time) => json!({ "older_than": time }),
            Forget::All => json!({ "everything": true }),
        };
        if let Value::Object(arguments) = &mut arguments {
            arguments.insert("dry_run".to_owned(), json!(mode == ForgetMode::Count));
        }
        self.call("forget_cache", &arguments, Patience::Report).await
    }

    async fn nearest_outcomes(&self, query: OutcomeQuery) -> Result<Vec<Outcome>, StoreError> {
        let arguments = json!({
            "query_embedding": vector(&query.embedding.embedding),
            "embedder_fingerprint": query.embedding.fingerprint,
            "match_count": query.limit,
        });
        let rows: Vec<OutcomeRow> = self.call("nearest_outcomes", &arguments, Patience::Request).await?;
        Ok(rows.into_iter().map(|row| row.outcome(query.now)).collect::<Result<_, _>>()?)
    }

    async fn has_outcomes(&self) -> Result<bool, StoreError> {
        self.call("has_outcomes", &json!({}), Patience::Request).await
    }

    async fn routing_state(
        &self,
        fingerprint: String,
        session: Option<String>,
    ) -> Result<KeptRouting, StoreError> {
        let arguments = json!({ "embedder_fingerprint": fingerprint, "session": session });
        let row: RoutingRow = self.call("routing_state_of", &arguments, Patience::Request).await?;
        Ok(row.try_into()?)
    }

    async fn save_routing_state(
        &self,
        fingerprint: String,
        state: Vec<u8>,
        revision: i64,
        learned_from: RequestId,
    ) -> Result<bool, StoreError> {
        let arguments = json!({
            "embedder_fingerprint": fingerprint,
            "state": hex(&state),
            "revision": revision,
            "learned_from": learned_from.to_string(),
        });
        self.call("save_routing_state", &arguments, Patience::Request).await
    }

    async fn keep_forecast(&self, id: RequestId, forecast: String) -> Result<(), StoreError> {
        let arguments = json!({ "request_id": id.to_string(), "forecast": forecast });
        self.call("keep_forecast", &arguments, Patience::Request).await
    }

    async fn note_model_performance(&self, reference: ModelRef, day: Date) -> Result<(), StoreError> {
        let arguments = json!({ "provider": reference.provider.as_str(), "model": reference.model, "day": DayOfModel::number(day) });
        self.call("note_model_performance", &arguments, Patience::Request).await
    }

    async fn model_performance(&self, from_day: Date) -> Result<Vec<DayOfModel>, StoreError> {
        let arguments = json!({ "from_day": DayOfModel::number(from_day) });
        let rows: Vec<DayRow> = self.call("model_performance", &arguments, Patience::Request).await?;
        Ok(rows.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?)
    }

    async fn cache_evidence(&self, key: EvidenceKey) -> Result<CacheEvidence, StoreError> {
        let row: EvidenceRow =
            self.call("cache_evidence", &evidence_arguments(&key), Patience::Request).await?;
        Ok(row.into())
    }

    async fn record_label(&self, label: Label) -> Result<(), StoreError> {
        self.call("record_label", &label_arguments(&label), Patience::Request).await
    }

    async fn end_epoch(&self, key: EvidenceKey, epoch: u32) -> Result<(), StoreError> {
        self.call("end_cache_epoch", &epoch_arguments(&key, epoch), Patience::Request).await
    }

    async fn start_experiment(&self, new: Kept) -> Result<Started, StoreError> {
        self.start_one(&new).await
    }

    async fn experiments(&self, which: Which) -> Result<Vec<Kept>, StoreError> {
        self.list_experiments(&which).await
    }

    async fn change_experiment(&self, id: ExperimentId, change: Change) -> Result<bool, StoreError> {
        self.change_one(id, &change).await
    }

    async fn experiment_statistics(&self, id: ExperimentId) -> Result<Vec<Observed>, StoreError> {
        self.statistics_of(id).await
    }

    async fn experiment_timeline(
        &self,
        id: ExperimentId,
        metric: Metric,
        points: usize,
    ) -> Result<Vec<Moment>, StoreError> {
        self.timeline_of(id, metric, points).await
    }

    async fn experiment_outcomes(
        &self,
        id: ExperimentId,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<ExperimentOutcome>, StoreError> {
        self.outcomes_of(id, after, limit).await
    }

    async fn past_outcomes(&self, query: PastQuery) -> Result<Past, StoreError> {
        self.past(&query).await
    }

    async fn budgets(&self, given: Vec<Limit>, at: Timestamp) -> Result<Vec<Standing>, StoreError> {
        self.standings(&given, at).await
    }

    async fn set_budget(&self, limit: Limit, _: Timestamp) -> Result<(), StoreError> {
        self.set_limit(&limit).await
    }

    async fn remove_budget(&self, scope: Scope) -> Result<bool, StoreError> {
        self.remove_limits(&scope).await
    }

    async fn cost_report(&self, query: ReportQuery) -> Result<Report, StoreError> {
        // What this machine still holds belongs into the sum.
        if !self.outbox.is_empty().await? {
            self.deliver().await?;
        }
        let arguments = json!({
            "from_time": instant(query.from),
            "to_time": instant(query.to),
            "group_by": query.group_by.map(|group_by| group_by.to_string()),
        });
        let row: ReportRow = self.call("cost_report", &arguments, Patience::Report).await?;
        let groups = row.groups.into_iter().map(Into::into).collect();
        let mut report = Report { totals: row.totals.into(), groups, saved_between: None };
        if report.totals.estimated_requests > 0 {
            report.saved_between = Some(self.doubt(query).await?.around(report.totals.saved));
        }
        Ok(report)
    }

    async fn daily_spend(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(Date, Usd)>, StoreError> {
        self.spend_by_day(from, to).await
    }

    async fn requests(&self, query: RequestsQuery) -> Result<Vec<RequestRecord>, StoreError> {
        self.list_requests(&query).await
    }

    async fn latest_requests(&self, limit: u32) -> Result<Vec<RequestRecord>, StoreError> {
        self.list_latest(limit).await
    }

    async fn forget_requests(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.forget_before(before, limit).await
    }

    async fn forget_everything(&self) -> Result<(), StoreError> {
        self.forget_all().await
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        let (project, auth) = (self.rest.project().clone(), self.rest.auth().clone());
        realtime::changes(self.socket_client.clone(), project, auth)
    }

    async fn revision(&self) -> Result<i64, StoreError> {
        self.call("revision", &json!({}), Patience::Request).await
    }

    async fn cache_stats(&self, now: Timestamp) -> Result<CacheStats, StoreError> {
        let rows: Vec<StatsRow> =
            self.call("get_user_cache_stats", &json!({ "as_of": now }), Patience::Report).await?;
        Ok(rows.into_iter().next().ok_or(Unreadable("statistics"))?.into())
    }
}

/// Says how a message of Realtime is written, and what it means: the way in for `tests/fuzz`.
#[doc(hidden)]
pub fn realtime_says(text: &str) -> Option<(String, String)> {
    realtime::says(text)
}

/// Words an instant as PostgreSQL reads it; one before the year 1 is the beginning of that year.
fn instant(time: Timestamp) -> Timestamp {
    const YEAR_1: i64 = -62_135_596_800;
    time.max(Timestamp::from_second(YEAR_1).unwrap_or(Timestamp::UNIX_EPOCH))
}

impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> Self {
        Self::Failed(format!("a row of the project has an unreadable {}", unreadable.0))
    }
}

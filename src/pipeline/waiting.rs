//! Waiting for a payment: until it lands, until the deadline, or until the program ends.
//!
//! Nobody here pays. Whoever runs out of time takes what has arrived so far, and may come back for the rest.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::flights::Seat;
use super::journey::Journey;
use super::outcome::{RouteError, Routed};
use super::{Pipeline, Progress};
use crate::cost::estimate::usage_of_part;
use crate::domain::answer::{CacheHit, FinishReason, Source};
use crate::domain::ids::{EntryId, RequestId};
use crate::domain::prompt::RouteRequest;
use crate::domain::record::{RequestRecord, RequestStatus};
use crate::store::StoreError;

/// How long a payment that was broken off may take to be recorded.
const ABORT_LIMIT: Duration = Duration::from_millis(1_500);

/// How the flow ends, when the program does.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Nobody waits for answers any more; payments under way go on.
    pub hang_up: CancellationToken,
    /// Payments under way are broken off, and recorded with what they may have cost.
    pub abort: CancellationToken,
}

impl Pipeline {
    /// Brings back the answer of an earlier request, or waits for it if it is still under way.
    ///
    /// Nothing is paid and nothing recorded. Cancel safe: yes.
    pub async fn resume(&self, id: RequestId, progress: &Progress) -> Result<Routed, RouteError> {
        if let Some(seat) = self.flights.find(id) {
            // Who asks for it may do so again.
            seat.keep();
            return self.wait(seat, None, Instant::now(), progress).await.map(|(routed, _)| routed);
        }
        let Some((record, text)) = self.store.find_request(id).await? else {
            return Err(StoreError::UnknownRequest(id).into());
        };
        let gone = |problem: &str| RouteError::NotResumable(format!("request {id} {problem}"));
        match (record.status, text) {
            (RequestStatus::Completed, Some(text)) => Ok(Routed {
                record,
                text,
                degraded: Vec::new(),
                spent: None,
                simulated: self.settings.simulated,
            }),
            (RequestStatus::Completed, None) => {
                Err(gone("was answered, and its answer was not kept; hint: send the prompt again"))
            }
            (RequestStatus::Failed, _) => {
                Err(RouteError::NoAnswer { id, failures: record.error.into_iter().collect() })
            }
            (RequestStatus::Intent, _) => Err(gone(
                "is not under way here: another process works on it, or died with it; hint: try again, or send the prompt again",
            )),
        }
    }

    /// Waits for a payment, at most until the deadline; then what has arrived is the answer.
    pub(super) async fn wait(
        &self,
        mut seat: Seat,
        request: Option<&RouteRequest>,
        started: Instant,
        progress: &Progress,
    ) -> Result<(Routed, Option<EntryId>), RouteError> {
        progress.is_asking(&seat.draft);
        let deadline = started + self.settings.request_deadline;
        tokio::select! {
            biased;
            landing = seat.landed() => landing,
            () = tokio::time::sleep_until(deadline.into()) => {
                seat.keep();
                self.part(&seat, request, started)
            }
            () = self.ending.hang_up.cancelled() => {
                seat.keep();
                Err(RouteError::Stopped(seat.leader))
            }
        }
    }

    /// Gives the part of an answer that has arrived, with what it has cost so far as far as can be told.
    fn part(
        &self,
        seat: &Seat,
        request: Option<&RouteRequest>,
        started: Instant,
    ) -> Result<(Routed, Option<EntryId>), RouteError> {
        let (id, arrived) = (seat.leader, seat.draft.arrived());
        let after_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Some(reference) = arrived.reference.filter(|_| !arrived.text.trim().is_empty()) else {
            return Err(RouteError::StillRunning { id, after_ms });
        };
        let told = arrived.usage.as_ref();
        let part = |request| usage_of_part(request, &reference, &arrived.text, told);
        let usage = request.map(part).or(told.copied());
        let record = RequestRecord {
            source: Some(Source::Provider),
            cost: usage.and_then(|usage| self.catalogue.cost_of(&reference, &usage, seat.intent.created_at)),
            cost_estimated: true,
            usage: usage.unwrap_or_default(),
            reference: Some(reference),
            latency_ms: after_ms,
            finish_reason: Some(FinishReason::Interrupted),
            ..(*seat.intent).clone()
        };
        let note = format!(
            "the deadline of {after_ms} ms came first, so this is a part of the answer, at its cost so far; hint: while the program runs, route_prompt with resume `{id}` brings the whole"
        );
        Ok((
            Routed {
                record,
                text: arrived.text,
                degraded: vec![note],
                spent: None,
                simulated: self.settings.simulated,
            },
            None,
        ))
    }

    /// Answers with what another request is paying for; this one costs nothing.
    pub(super) async fn share(
        &self,
        mut journey: Journey,
        seat: Seat,
        progress: &Progress,
    ) -> Result<Routed, RouteError> {
        let leader = seat.leader;
        let landing = self.wait(seat, Some(&journey.request), journey.started, progress).await;
        let mut record = journey.record(RequestStatus::Completed);
        record.reason = format!("shares the call of request {leader}, which asked the same at the same time");
        record.latency_ms = journey.elapsed_ms();
        let landing = match landing {
            Ok((routed, entry)) => {
                let paid = routed.record;
                record.source = Some(if entry.is_some() { Source::CacheExact } else { Source::Provider });
                record.cache = entry.map(|entry_id| CacheHit {
                    entry_id,
                    similarity: 1.0,
                    score: None,
                    error_bound: None,
                    age_seconds: 0,
                });
                record.baseline = self.baseline(&paid.usage, journey.at);
                record.finish_reason = paid.finish_reason;
                record.reference = paid.reference;
                Ok((routed.text, routed.degraded))
            }
            Err(error) => {
                record.status = RequestStatus::Failed;
                record.error = Some(error.to_string());
                Err(match error {
                    RouteError::NoAnswer { failures, .. } => {
                        RouteError::NoAnswer { id: journey.id, failures }
                    }
                    other => other,
                })
            }
        };
        self.record_unpaid(&mut journey, &record).await;
        let (text, degraded) = landing?;
        journey.degraded.extend(degraded);
        Ok(Routed {
            record,
            text,
            degraded: journey.degraded,
            spent: None,
            simulated: self.settings.simulated,
        })
    }

    /// Waits for the payments under way, then breaks off and records those that are left.
    pub async fn settle(&self, patience: Duration) {
        self.payments.close();
        if tokio::time::timeout(patience, self.payments.wait()).await.is_ok() {
            return;
        }
        self.ending.abort.cancel();
        // Whether all are in is asked below.
        let _ = tokio::time::timeout(ABORT_LIMIT, self.payments.wait()).await;
        if !self.payments.is_empty() {
            tracing::error!(
                payments = self.payments.len(),
                "payments were cut off; their intents stand as unsettled"
            );
        }
    }

    /// Records a request that nobody was paid for; if that fails, its answer is given all the same.
    pub(super) async fn record_unpaid(&self, journey: &mut Journey, record: &RequestRecord) {
        match self.store.record_request(record.clone(), None).await {
            Ok(recorded) => {
                journey.note(&recorded);
                self.watch_limits(record);
            }
            Err(error) => {
                tracing::error!(request.id = %journey.id, %error, "a request that cost nothing was not recorded");
                journey.degrade(format!("this request is in no report: {error}"));
            }
        }
    }
}

//! The part of the flow that costs money: ask, price, record.

use std::time::Duration;

use super::{Journey, Pipeline, RouteError, Routed};
use crate::domain::answer::{Attempt, AttemptOutcome, Completion, Source};
use crate::domain::decision::Decision;
use crate::domain::model::ModelRef;
use crate::domain::record::{CacheEntry, RequestRecord, RequestStatus, StoredEmbedding};
use crate::store::StoreError;

/// Waits between tries to record what was paid.
const RECORD_RETRIES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

impl Pipeline {
    /// Asks the candidates, prices what they did, and writes it down.
    ///
    /// Cancel safe: no; it runs in a tracked task.
    pub(super) async fn pay(
        self,
        mut journey: Journey,
        decision: Decision,
        embedding: Option<StoredEmbedding>,
    ) -> Result<Routed, RouteError> {
        let deadline = journey.started + self.settings.request_deadline;
        let mut asked = self.providers.ask(&decision.candidates, &journey.request, deadline).await;
        let mut record = journey.intent(&decision);
        record.provider_latency_ms = asked.attempts.iter().map(|attempt| attempt.latency_ms).sum();
        let text = match asked.answer {
            Some((reference, completion)) => {
                let billed = self.billed(&reference, &completion, &mut asked.attempts, &journey);
                self.complete(&mut record, &journey, &completion, billed);
                completion.text
            }
            None => {
                record.status = RequestStatus::Failed;
                record.error = Some(asked.failures.join("; "));
                String::new()
            }
        };
        record.cost = asked.attempts.iter().map(|attempt| attempt.cost).sum();
        record.cost_estimated = asked.attempts.iter().any(|attempt| attempt.cost_estimated);
        record.attempts = asked.attempts;
        record.latency_ms = journey.elapsed_ms();
        let bought = journey.entry(&record, &text, embedding.clone());
        if let Err(error) = self.record(&record, bought, embedding).await {
            tracing::error!(request.id = %journey.id, %error, "a paid request was not recorded; its intent stands");
            journey.degraded.push(format!("the cost of this request is in no report: {error}"));
        }
        if record.status == RequestStatus::Failed {
            let failures = if asked.failures.is_empty() {
                vec!["there was no time left to ask anybody; hint: raise REQUEST_DEADLINE_MS".to_owned()]
            } else {
                asked.failures
            };
            return Err(RouteError::NoAnswer { id: journey.id, failures });
        }
        Ok(Routed { record, text, degraded: journey.degraded, simulated: self.settings.simulated })
    }

    /// Prices the answered attempt by what the provider says it billed, and names the model billed.
    fn billed(
        &self,
        asked: &ModelRef,
        completion: &Completion,
        attempts: &mut [Attempt],
        journey: &Journey,
    ) -> ModelRef {
        let billed = ModelRef { provider: asked.provider, model: completion.model.clone() };
        let price = |reference: &ModelRef| self.catalogue.cost_of(reference, &completion.usage, journey.at);
        let cost = completion.reported_cost.or_else(|| price(&billed)).or_else(|| {
            // A dated or aliased name that the catalogue lacks is the model that was asked for.
            completion.model.starts_with(&asked.model).then(|| price(asked)).flatten()
        });
        let answered = attempts.iter_mut().find(|attempt| attempt.outcome == AttemptOutcome::Answered);
        if let Some(attempt) = answered {
            attempt.reference = billed.clone();
            attempt.cost = cost;
        }
        billed
    }

    fn complete(
        &self,
        record: &mut RequestRecord,
        journey: &Journey,
        completion: &Completion,
        billed: ModelRef,
    ) {
        record.status = RequestStatus::Completed;
        record.source = Some(Source::Provider);
        record.reference = Some(billed);
        record.usage = completion.usage;
        record.finish_reason = Some(completion.finish_reason);
        record.baseline = self.baseline(&completion.usage, journey.at);
    }

    async fn record(
        &self,
        record: &RequestRecord,
        bought: Option<CacheEntry>,
        embedding: Option<StoredEmbedding>,
    ) -> Result<(), StoreError> {
        let write = || self.store.record_embedded(record.clone(), bought.clone(), embedding.clone());
        let mut result = write().await;
        for wait in RECORD_RETRIES {
            if result.is_ok() {
                break;
            }
            tokio::time::sleep(wait).await;
            result = write().await;
        }
        result
    }
}

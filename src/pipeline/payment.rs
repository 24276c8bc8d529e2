//! The part of the flow that costs money: ask, price, record.

use std::time::Duration;

use super::Pipeline;
use super::flights::{Landing, Pilot};
use super::journey::Journey;
use super::outcome::{RouteError, Routed};
use crate::cost::bill::bill;
use crate::cost::estimate::usage_of_part;
use crate::domain::answer::{Attempt, FinishReason, Source};
use crate::domain::decision::{Candidate, Decision};
use crate::domain::money::Usd;
use crate::domain::record::{CacheEntry, RequestRecord, RequestStatus, StoredEmbedding};
use crate::domain::usage::Usage;
use crate::providers::fallback::{Bill, Call};
use crate::store::{Recorded, StoreError};

/// Waits between tries to record what was paid.
const RECORD_RETRIES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// What a call came to in money.
pub(super) struct Priced {
    attempt: Attempt,
    usage: Usage,
}

/// Writes into a record what all calls cost, and who answered.
pub(super) fn write_bills(record: &mut RequestRecord, priced: Vec<Priced>, answer: Option<usize>) {
    record.cost = priced.iter().map(|priced| priced.attempt.cost).sum();
    record.cost_estimated = priced.iter().any(|priced| priced.attempt.cost_estimated);
    record.provider_latency_ms = priced.iter().map(|priced| priced.attempt.latency_ms).sum();
    if let Some(answered) = answer.and_then(|place| priced.get(place)) {
        record.reference = Some(answered.attempt.reference.clone());
        record.usage = answered.usage;
    }
    record.attempts = priced.into_iter().map(|priced| priced.attempt).collect();
}

impl Pipeline {
    /// Asks the candidates, prices what they did, and writes it down.
    ///
    /// Cancel safe: no; it runs in a tracked task, and is told to end by the pilot's `abandon`.
    pub(super) async fn pay(
        &self,
        mut journey: Journey,
        mut decision: Decision,
        embedding: Option<StoredEmbedding>,
        pilot: &Pilot,
    ) -> Landing {
        // The intent is part of the task: an intent whose caller went away would stand for a payment never made.
        let reserved = self.begin(&mut journey, &mut decision).await?;
        let asked = self.ask(&mut journey, &decision, &reserved, pilot).await;
        let priced: Vec<Priced> = asked
            .calls
            .iter()
            .filter_map(|call| Some(self.price(call, decision.candidates.get(call.candidate)?, &journey)))
            .collect();
        let mut record = journey.intent(&decision);
        record.is_audit = journey.comparand.as_ref().is_some_and(|comparand| comparand.is_audit);
        if record.is_audit {
            record
                .reason
                .push_str("; an audit: the cache could have answered, and is compared with this answer");
        }
        if let Some(remark) = &journey.remark {
            record.reason.push_str(&format!("; {remark}"));
        }
        write_bills(&mut record, priced, asked.answer);
        record.latency_ms = journey.elapsed_ms();
        let answer = asked.answer.and_then(|place| asked.calls.into_iter().nth(place));
        let text = match answer.map(|call| call.bill) {
            Some(Bill::Answer(completion)) => {
                record.finish_reason = Some(completion.finish_reason);
                Some(completion.text)
            }
            Some(Bill::Part(arrived)) => {
                record.finish_reason = Some(FinishReason::Interrupted);
                journey.degrade(format!("the answer broke off: {}", asked.failures.join("; ")));
                Some(arrived.text)
            }
            Some(Bill::Nothing) | None => None,
        };
        if text.is_some() {
            record.status = RequestStatus::Completed;
            record.source = Some(Source::Provider);
            record.baseline = self.baseline(&record.usage, journey.at);
        } else {
            record.status = RequestStatus::Failed;
            record.error = Some(asked.failures.join("; "));
        }
        let bought = text.as_deref().and_then(|text| journey.entry(&record, text, embedding.clone()));
        let entry = bought.as_ref().map(|entry| entry.id);
        self.settle_in_books(&record).await;
        match self.record(&record, bought, embedding).await {
            Ok(recorded) => {
                journey.note(&recorded);
                self.sessions.note(record.session.as_deref(), record.reference.as_ref(), &record.usage);
                self.keep_judged(&journey);
                self.learn_ending(&record);
                self.watch_limits(&record);
            }
            Err(error) => {
                tracing::error!(request.id = %journey.id, %error, "a paid request was not recorded; its intent stands");
                journey.degrade(format!("the cost of this request is in no report: {error}"));
            }
        }
        let spent = self.spent(reserved, &record);
        match text {
            Some(text) => {
                if let Some(comparand) = journey.comparand.take()
                    && record.finish_reason == Some(FinishReason::Stop)
                {
                    let (pipeline, bought) = (self.clone(), text.clone());
                    self.payments.spawn(async move { pipeline.learn(comparand, &bought).await });
                }
                let (simulated, degraded) = (self.settings.simulated, std::mem::take(&mut journey.degraded));
                self.explore(journey, decision, &record, &text);
                Ok((Routed { record, text, degraded, spent, simulated }, entry))
            }
            None => Err(RouteError::NoAnswer { id: journey.id, failures: asked.failures }),
        }
    }

    /// Prices a call: by what the provider says it billed, or by what can be told of one that broke off.
    pub(super) fn price(&self, call: &Call, candidate: &Candidate, journey: &Journey) -> Priced {
        let asked = &candidate.card.reference;
        let (reference, usage, cost, is_estimated) = match &call.bill {
            Bill::Nothing => (asked.clone(), Usage::default(), Some(Usd::ZERO), false),
            Bill::Answer(completion) => {
                let billed = bill(&self.catalogue, &journey.request, asked, completion, journey.at);
                (billed.reference, billed.usage, billed.cost, billed.is_estimated)
            }
            Bill::Part(arrived) => {
                let usage = usage_of_part(&journey.request, asked, &arrived.text, arrived.usage.as_ref());
                let has_begun = arrived.usage.is_some() || !arrived.text.is_empty();
                let so_far = || self.catalogue.cost_of(asked, &usage, journey.at);
                let expected = || candidate.estimate.map(|estimate| estimate.expected);
                (asked.clone(), usage, if has_begun { so_far() } else { expected() }, true)
            }
        };
        let attempt = Attempt {
            reference,
            outcome: call.outcome,
            cost,
            // What costs nothing whatever happens is known.
            cost_estimated: is_estimated && !asked.provider.is_local(),
            latency_ms: call.latency_ms,
        };
        Priced { attempt, usage }
    }

    async fn record(
        &self,
        record: &RequestRecord,
        bought: Option<CacheEntry>,
        embedding: Option<StoredEmbedding>,
    ) -> Result<Recorded, StoreError> {
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

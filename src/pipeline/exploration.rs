//! Trials: what another model says to a prompt that is answered already, paid for to learn from.
//!
//! Each is a request of its own in every report (source `exploration`, with a baseline of 0, so that it lessens what was
//! saved), and all of a month stay within `EXPLORATION_BUDGET_USD`.

use std::sync::Arc;

use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::Pipeline;
use super::asking::LIMIT_IN_DEADLINES;
use super::journey::Journey;
use super::payment::write_bills;
use crate::cache::answers::{agree, are_equal};
use crate::cache::privacy::is_private;
use crate::domain::answer::{FinishReason, Source};
use crate::domain::decision::{Candidate, Decision};
use crate::domain::ids::RequestId;
use crate::domain::limit::Period;
use crate::domain::money::Usd;
use crate::domain::prompt::CacheMode;
use crate::domain::rating::Score;
use crate::domain::record::{Baseline, RequestRecord, RequestStatus};
use crate::domain::report::{GroupBy, ReportQuery};
use crate::providers::Draft;
use crate::providers::fallback::{Bill, Errand};
use crate::routing::exploration::{open, score, share};
use crate::store::StoreError;

/// Lets one trial of this process be under way at a time, so that each sees what the one before has cost.
#[derive(Debug, Clone)]
pub struct Trials(Arc<Semaphore>);

impl Default for Trials {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// An answered prompt that another model is tried on.
struct Trial {
    journey: Journey,
    decision: Decision,
    /// What the choice answered.
    text: String,
    answered: RequestRecord,
    budget: Usd,
}

impl Pipeline {
    /// Tries another model, now and then, after the answer is out.
    pub(super) fn explore(&self, journey: Journey, decision: Decision, answered: &RequestRecord, text: &str) {
        let budget = self.settings.exploration_budget;
        let is_open = budget > Usd::ZERO
            && answered.finish_reason == Some(FinishReason::Stop)
            && !answered.is_audit
            && journey.request.pinned_model.is_none()
            && journey.request.cache != CacheMode::Off
            && !is_private(journey.request.prompt.as_str());
        if !is_open || fastrand::f64() >= share(decision.candidates.len(), journey.learned.prompts()) {
            return;
        }
        let Ok(permit) = Arc::clone(&self.trials.0).try_acquire_owned() else { return };
        let trial = Trial { journey, decision, text: text.to_owned(), answered: answered.clone(), budget };
        let pipeline = self.clone();
        self.payments.spawn(async move {
            if let Err(error) = pipeline.try_another(trial).await {
                tracing::debug!(%error, "a trial of another model came to nothing");
            }
            drop(permit);
        });
    }

    async fn try_another(&self, trial: Trial) -> Result<(), StoreError> {
        let Trial { mut journey, decision, text, answered, budget } = trial;
        let left = budget - self.explored_this_month().await?;
        let asked: Vec<_> = answered.attempts.iter().map(|attempt| attempt.reference.clone()).collect();
        let open = open(&decision.candidates, &asked, left);
        let Some(candidate) = fastrand::choice(&open).and_then(|place| decision.candidates.get(*place))
        else {
            return Ok(());
        };
        journey.forecast = journey.forecast.map(|forecast| forecast.of_trial(open.len()));
        journey.id = RequestId::new();
        journey.exposures.clear();
        let mut record = journey.intent(&Decision {
            candidates: vec![candidate.clone()],
            reason: format!("a trial beside request {}, for routing to learn from", answered.id),
            ..decision.clone()
        });
        record.source = Some(Source::Exploration);
        if !self.begin_trial(&record).await? {
            return Ok(());
        }
        let said = self.ask_for_trial(&journey, candidate, &mut record).await;
        self.settle_in_books(&record).await;
        self.store.record_request(record.clone(), None).await?;
        let Some(said) = said else { return Ok(()) };
        let cosine = if are_equal(&said, &text) { None } else { self.cosine(&said, &text).await };
        let choice = answered.reference.as_ref().and_then(|billed| {
            let mut candidates = decision.candidates.iter();
            candidates.find(|candidate| candidate.card.reference.is_billed_as(billed))
        });
        let expected = choice.and_then(|choice| choice.expected_quality).map(|quality| quality.mean);
        let agrees = agree(&said, &text, cosine);
        if let (Some(agrees), Some(expected)) = (agrees, expected)
            && let Ok(score) = Score::new(score(agrees, expected))
        {
            self.learn_scores(&record, &[(candidate.card.reference.clone(), score)]).await;
        }
        Ok(())
    }

    /// Asks and fills in the record; gives the answer where there is a whole one.
    async fn ask_for_trial(
        &self,
        journey: &Journey,
        candidate: &Candidate,
        record: &mut RequestRecord,
    ) -> Option<String> {
        let deadline = self.settings.request_deadline;
        let (draft, abandon) = (Draft::default(), self.ending.abort.child_token());
        let started = std::time::Instant::now();
        let errand = Errand {
            candidates: std::slice::from_ref(candidate),
            request: &journey.request,
            started,
            deadline,
            limit: deadline * LIMIT_IN_DEADLINES,
            draft: &draft,
            abandon: &abandon,
            at_risk: Usd::ZERO,
            // It is asked once.
            may_cost: &|_| std::future::ready(false).boxed(),
        };
        let asked = self.providers.ask(&errand).await;
        let priced = asked.calls.iter().map(|call| self.price(call, candidate, journey)).collect();
        write_bills(record, priced, asked.answer);
        record.latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let answer = asked.answer.and_then(|place| asked.calls.into_iter().nth(place));
        if let Some(Bill::Answer(completion)) = answer.map(|call| call.bill) {
            record.status = RequestStatus::Completed;
            record.finish_reason = Some(completion.finish_reason);
            // Without routing that learns it would not have been asked.
            let baseline = self.baseline_model(journey.at);
            record.baseline = baseline.map(|reference| Baseline { reference, cost: Usd::ZERO });
            return (completion.finish_reason == FinishReason::Stop).then_some(completion.text);
        }
        record.status = RequestStatus::Failed;
        record.error = Some(asked.failures.join("; "));
        None
    }

    /// Sums what trials have cost since the month began, UTC.
    async fn explored_this_month(&self) -> Result<Usd, StoreError> {
        let (from, _) = Period::Month.bounds(Timestamp::now());
        let query = ReportQuery { from, to: Timestamp::MAX, group_by: Some(GroupBy::Source) };
        let report = self.store.cost_report(query).await?;
        let name = Source::Exploration.to_string();
        let found = report.groups.iter().find(|group| group.key == name);
        Ok(found.map_or(Usd::ZERO, |group| group.totals.cost + group.totals.unsettled_worst_case))
    }
}

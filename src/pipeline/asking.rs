//! Asking the candidates, and a stronger one once more where the first answer is not enough.

use futures::FutureExt as _;

use super::Pipeline;
use super::flights::Pilot;
use super::journey::Journey;
use super::spending::Reserved;
use crate::domain::answer::{AttemptOutcome, FinishReason};
use crate::domain::decision::Decision;
use crate::domain::money::Usd;
use crate::providers::fallback::{Asked, Bill, Errand};
use crate::routing::escalation::{Doubt, Escalation};

/// How many times the deadline a call may take that somebody may come back for.
pub(super) const LIMIT_IN_DEADLINES: u32 = 4;

impl Pipeline {
    /// Asks the candidates; calls name them by their places in the decision.
    pub(super) async fn ask(
        &self,
        journey: &mut Journey,
        decision: &Decision,
        reserved: &Reserved,
        pilot: &Pilot,
    ) -> Asked {
        let deadline = self.settings.request_deadline;
        let request = journey.request.clone();
        let errand = Errand {
            candidates: &decision.candidates,
            request: &request,
            started: journey.started,
            deadline,
            limit: deadline * LIMIT_IN_DEADLINES,
            draft: &pilot.draft,
            abandon: &pilot.abandon,
            at_risk: Usd::ZERO,
            may_cost: &|total| self.may_cost(reserved, total).boxed(),
        };
        let mut asked = self.providers.ask(&errand).await;
        let Some(escalation) = journey.escalation.take() else { return asked };
        let Some(doubt) = judge(journey, decision, &escalation, &asked) else { return asked };
        // A second call that could not come to its end in time would only take the first answer away.
        if pilot.abandon.is_cancelled() || journey.started.elapsed() > deadline / 2 {
            return asked;
        }
        let Some(stronger) = decision.candidates.get(escalation.place) else { return asked };
        let candidates = std::slice::from_ref(stronger);
        let again = self.providers.ask(&Errand { candidates, at_risk: asked.at_risk, ..errand }).await;
        let is_answer = |place: usize| match again.calls.get(place).map(|call| &call.bill) {
            Some(Bill::Answer(completion)) => !completion.text.trim().is_empty(),
            _ => false,
        };
        let name = &stronger.card.reference;
        if let Some(place) = again.answer.filter(|place| is_answer(*place)) {
            journey.remark = Some(format!("{name} was asked too, because of the first answer {doubt}"));
            let doubted = asked.answer.and_then(|first| asked.calls.get_mut(first));
            if let Some(first) = doubted {
                first.outcome = match doubt {
                    Doubt::Fault(_) => AttemptOutcome::Faulty,
                    Doubt::Judged { .. } => AttemptOutcome::Doubted,
                };
            }
            asked.answer = Some(asked.calls.len() + place);
        } else {
            let remark = format!("of the first answer {doubt}, but {name} gave none, so it stands");
            journey.remark = Some(remark);
        }
        let place = escalation.place;
        asked.calls.extend(again.calls.into_iter().map(|mut call| {
            call.candidate = place;
            call
        }));
        asked.failures.extend(again.failures);
        asked
    }
}

/// Looks at the answer of the first candidate; notes what it is judged by, to learn from once it is rated.
fn judge(
    journey: &mut Journey,
    decision: &Decision,
    escalation: &Escalation,
    asked: &Asked,
) -> Option<Doubt> {
    let call = asked.calls.get(asked.answer?)?;
    let Bill::Answer(completion) = &call.bill else { return None };
    if call.candidate != 0 || completion.finish_reason != FinishReason::Stop {
        return None;
    }
    let answer = escalation.answer(journey.request.prompt.as_str(), &completion.text);
    let reference = |place: usize| Some(&decision.candidates.get(place)?.card.reference);
    if let (Some(first), Some(stronger), Some(forecast)) =
        (reference(0), reference(escalation.place), &mut journey.forecast)
    {
        forecast.note_answer(first, stronger, &answer);
        journey.is_judged = true;
    }
    escalation.doubt(&answer, journey.learned.cascade())
}

//! What the end of a request says about the models that were asked, before anybody rates it.
//!
//! The scores are judged, not measured. A provider that is busy, unpaid or out of order says nothing about how
//! well its model answers, so such a call is no outcome.

use crate::domain::answer::{AttemptOutcome, FinishReason};
use crate::domain::outcome::AskedModel;
use crate::domain::rating::Score;
use crate::domain::record::RequestRecord;

/// The model declined, or the provider's filter withheld the answer: paid for, and of little use.
const WITHHELD: f64 = 0.1;
/// The answer was cut off. Its beginning may be good, and the limit may have been the caller's.
const CUT_OFF: f64 = 0.3;
/// The provider does not have the model any more.
const GONE: f64 = 0.0;

/// Lists the models of a request whose answer, or lack of one, says something about them.
pub fn asked_models(record: &RequestRecord) -> Vec<AskedModel> {
    let mut asked: Vec<AskedModel> = Vec::new();
    for attempt in &record.attempts {
        let score = match attempt.outcome {
            AttemptOutcome::Answered => record.finish_reason.and_then(of_ending),
            AttemptOutcome::Blocked => Some(WITHHELD),
            AttemptOutcome::ModelNotFound => Some(GONE),
            _ => continue,
        };
        let score = score.and_then(|score| Score::new(score).ok());
        // What a model did last counts.
        asked.retain(|earlier| earlier.reference != attempt.reference);
        asked.push(AskedModel { reference: attempt.reference.clone(), score });
    }
    asked
}

const fn of_ending(finish_reason: FinishReason) -> Option<f64> {
    match finish_reason {
        FinishReason::Refusal | FinishReason::ContentFilter => Some(WITHHELD),
        FinishReason::Length => Some(CUT_OFF),
        // Who broke it off is not the model.
        FinishReason::Stop | FinishReason::Interrupted | FinishReason::Other => None,
    }
}

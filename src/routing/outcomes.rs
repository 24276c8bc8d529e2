//! What the end of a request, or a rating of it, says about the models that were asked.
//!
//! The scores are judged, not measured. A provider that is busy, unpaid or out of order says nothing about how
//! well its model answers, so such a call is no outcome.

use crate::domain::answer::{AttemptOutcome, FinishReason};
use crate::domain::model::ModelRef;
use crate::domain::outcome::{AskedModel, OutcomeSource};
use crate::domain::rating::{Rating, Score, Verdict};
use crate::domain::record::{RequestRecord, RequestStatus};

/// The model declined, or the provider's filter withheld the answer: paid for, and of little use.
const WITHHELD: f64 = 0.1;
/// The answer was cut off. Its beginning may be good, and the limit may have been the caller's.
const CUT_OFF: f64 = 0.3;
/// Something was plainly wrong with the answer: it lacked the form asked for, broke off, or did not add up.
const FAULTY: f64 = 0.2;
/// The provider does not have the model any more.
const GONE: f64 = 0.0;

/// Lists the models of a request whose answer, or lack of one, says something about them.
pub fn asked_models(record: &RequestRecord) -> Vec<AskedModel> {
    let mut asked: Vec<AskedModel> = Vec::new();
    for attempt in &record.attempts {
        let score = match attempt.outcome {
            AttemptOutcome::Answered => record.finish_reason.and_then(of_ending),
            AttemptOutcome::Blocked => Some(WITHHELD),
            AttemptOutcome::Faulty => Some(FAULTY),
            // That it would have been bad is only expected.
            AttemptOutcome::Doubted => None,
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

/// What a rating says about the model that answered.
#[derive(Debug, Clone, PartialEq)]
pub struct RatedModel {
    pub reference: ModelRef,
    /// Absent: nothing is known of it.
    pub score: Option<Score>,
    pub source: OutcomeSource,
}

/// Says what a rating means for the model that answered a request; `None` where nobody answered it.
///
/// A cached answer that should not have been served is no fault of the model that once gave it, so such a rating
/// leaves what follows from how the request ended.
pub fn rated_model(record: &RequestRecord, rating: &Rating) -> Option<RatedModel> {
    // Where nobody answered, the model named is one that was to be asked.
    let reference = record.reference.clone().filter(|_| record.status == RequestStatus::Completed)?;
    let (score, source) = if matches!(rating.verdict, Some(Verdict::Wrong | Verdict::Stale)) {
        let asked = asked_models(record).into_iter().find(|asked| asked.reference == reference);
        (asked.and_then(|asked| asked.score), OutcomeSource::Automatic)
    } else {
        (Some(rating.score), OutcomeSource::Rating)
    };
    Some(RatedModel { reference, score, source })
}

const fn of_ending(finish_reason: FinishReason) -> Option<f64> {
    match finish_reason {
        FinishReason::Refusal | FinishReason::ContentFilter => Some(WITHHELD),
        FinishReason::Length => Some(CUT_OFF),
        // Who broke it off is not the model.
        FinishReason::Stop | FinishReason::Interrupted | FinishReason::Other => None,
    }
}

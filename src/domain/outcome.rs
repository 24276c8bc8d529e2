//! How well a model answered a prompt, and the outcomes of prompts near another.

use jiff::civil::{Date, date};
use jiff::{Span, Timestamp, Unit};
use strum::{Display, EnumString, IntoStaticStr};

use super::model::ModelRef;
use super::rating::Score;
use super::record::StoredEmbedding;

const FIRST_DAY: Date = date(1970, 1, 1);

/// Who says how good an outcome was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum OutcomeSource {
    /// Somebody rated the answer.
    Rating,
    /// It follows from how the answer ended.
    Automatic,
}

/// A model that was asked for one request.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedModel {
    pub reference: ModelRef,
    /// What follows from how it ended; absent: nobody knows before it is rated.
    pub score: Option<Score>,
}

/// A search for the outcomes of similar prompts.
#[derive(Debug, Clone)]
pub struct OutcomeQuery {
    pub embedding: StoredEmbedding,
    /// The most outcomes to return.
    pub limit: usize,
    pub now: Timestamp,
}

/// How well a model answered a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Cosine of its prompt and the one at hand, in [-1, 1].
    pub similarity: f32,
    pub reference: ModelRef,
    pub score: Score,
    pub source: OutcomeSource,
    pub age_seconds: u64,
    /// The session that it came from, where one is known.
    pub session: Option<String>,
}

/// How well a model did on one day.
#[derive(Debug, Clone, PartialEq)]
pub struct DayOfModel {
    pub reference: ModelRef,
    /// Of the requests, UTC.
    pub day: Date,
    /// Those of one session count as 20 at most.
    pub outcomes: u64,
    /// Of as many scores in [0, 1].
    pub score_sum: f64,
}

impl DayOfModel {
    /// Counts the days of a date since 1970-01-01.
    pub fn number(day: Date) -> i64 {
        day.since((Unit::Day, FIRST_DAY)).map_or(0, |span| span.get_days().into())
    }

    /// Gives the date of a number of days since 1970-01-01; `None` where there is none.
    pub fn date(number: i64) -> Option<Date> {
        FIRST_DAY.checked_add(Span::new().try_days(number).ok()?).ok()
    }
}

/// What is kept of all outcomes together, beside the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptRouting {
    /// As `routing` writes and reads it; absent: nothing was learned yet.
    pub state: Option<Vec<u8>>,
    /// Counts up whenever the state is replaced; 0 before the first.
    pub revision: i64,
    /// Scored outcomes of the session that was asked for.
    pub of_session: u64,
}

//! What somebody thought of an answer.

use strum::{Display, EnumString, IntoStaticStr};

use super::ids::RequestId;

/// A judgement in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    Good,
    Bad,
    /// This cached answer does not answer my prompt.
    Wrong,
    /// It was an answer once.
    Stale,
}

/// A number that is no rating.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("rating is {0}; it goes from 0 (useless) to 1 (perfect)")]
pub struct NotAScore(pub f64);

/// A judgement in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score(f64);

impl Score {
    /// Takes a number from 0 (useless) to 1 (perfect).
    pub fn new(score: f64) -> Result<Self, NotAScore> {
        if (0.0..=1.0).contains(&score) { Ok(Self(score)) } else { Err(NotAScore(score)) }
    }

    /// Gives the number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl From<Verdict> for Score {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Good => Self(1.0),
            Verdict::Bad | Verdict::Wrong | Verdict::Stale => Self(0.0),
        }
    }
}

/// One judgement of one request's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Rating {
    pub request_id: RequestId,
    pub score: Score,
    /// Absent: the caller gave a number.
    pub verdict: Option<Verdict>,
    pub comment: Option<String>,
}

/// What a rating changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RatingEffect {
    /// It was recorded.
    Recorded,
    /// It was recorded, and the cached answer it judged is no longer served.
    EntryRetired,
    /// The cached answer it judged is never again served for this prompt.
    PairExcluded,
}

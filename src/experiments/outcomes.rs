//! What is known of a request that an experiment measures.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::definition::Metric;
use crate::domain::ids::RequestId;
use crate::domain::money::Usd;
use crate::domain::record::{RequestRecord, RequestStatus};

/// A request in an arm, with what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub request_id: RequestId,
    /// The arm's place among the arms.
    pub arm: u32,
    /// The request or session that was assigned.
    pub unit: String,
    /// What was known of the unit before: thousands of bytes that a request sends, or what a session's earlier requests
    /// cost on average, in dollars.
    pub before: f64,
    pub assigned_at: Timestamp,
    /// Absent: it is not known how it ended.
    pub end: Option<End>,
    /// A rating in [0, 1], and when it came.
    pub rating: Option<(f64, Timestamp)>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct End {
    pub at: Timestamp,
    pub is_answered: bool,
    /// What all its attempts cost; absent: unpriced.
    pub cost: Option<Usd>,
    pub saved: Option<Usd>,
    pub latency_ms: u64,
}

impl End {
    /// Gives how a record ended; `None` for an intent.
    pub fn of(record: &RequestRecord, at: Timestamp) -> Option<Self> {
        (record.status != RequestStatus::Intent).then(|| Self {
            at,
            is_answered: record.status == RequestStatus::Completed,
            cost: record.cost,
            saved: record.saved(),
            latency_ms: record.latency_ms,
        })
    }
}

impl Outcome {
    /// Gives the metrics that are known, each with the time since when.
    ///
    /// A request that nobody answered has its success alone: that it was cheap and quick is no good of it.
    pub fn metrics(&self) -> BTreeMap<Metric, (f64, Timestamp)> {
        let mut metrics = BTreeMap::new();
        if let Some(End { at, is_answered, cost, saved, latency_ms }) = self.end {
            metrics.insert(Metric::Success, (f64::from(u8::from(is_answered)), at));
            let numbers = [
                (Metric::CostUsd, cost.map(Usd::dollars)),
                (Metric::SavedUsd, saved.map(Usd::dollars)),
                (Metric::LatencyMs, Some(latency_ms as f64)),
            ];
            let known = numbers.into_iter().filter_map(|(metric, number)| Some((metric, (number?, at))));
            metrics.extend(known.filter(|_| is_answered));
        }
        metrics.extend(self.rating.map(|rating| (Metric::Rating, rating)));
        metrics
    }
}

//! The sums that the project's functions `cost_report` and `get_user_cache_stats` give.

use serde::Deserialize;
use serde_json::json;

use super::rest::Patience;
use super::{SupabaseStore, instant};
use crate::domain::money::Usd;
use crate::domain::report::{CacheStats, Doubt, Group, ReportQuery, Totals};
use crate::store::StoreError;

/// What `cost_report` gives.
#[derive(Debug, Deserialize)]
pub(super) struct ReportRow {
    pub(super) totals: TotalsRow,
    pub(super) groups: Vec<GroupRow>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GroupRow {
    key: String,
    #[serde(flatten)]
    totals: TotalsRow,
}

#[derive(Debug, Deserialize)]
pub(super) struct TotalsRow {
    requests: u64,
    cost_pico: i64,
    baseline_cost_pico: i64,
    saved_pico: i64,
    cache_hits: u64,
    audits: u64,
    audit_cost_pico: i64,
    input_tokens: u64,
    output_tokens: u64,
    unpriced_requests: u64,
    estimated_requests: u64,
    failed_requests: u64,
    unsettled_requests: u64,
    unsettled_worst_case_pico: i64,
}

impl From<TotalsRow> for Totals {
    fn from(row: TotalsRow) -> Self {
        Self {
            requests: row.requests,
            cost: Usd::from_pico(row.cost_pico),
            baseline_cost: Usd::from_pico(row.baseline_cost_pico),
            saved: Usd::from_pico(row.saved_pico),
            cache_hits: row.cache_hits,
            audits: row.audits,
            audit_cost: Usd::from_pico(row.audit_cost_pico),
            input_tokens: row.input_tokens,
            output_tokens: row.output_tokens,
            unpriced_requests: row.unpriced_requests,
            estimated_requests: row.estimated_requests,
            failed_requests: row.failed_requests,
            unsettled_requests: row.unsettled_requests,
            unsettled_worst_case: Usd::from_pico(row.unsettled_worst_case_pico),
        }
    }
}

impl From<GroupRow> for Group {
    fn from(row: GroupRow) -> Self {
        Self { key: row.key, totals: row.totals.into() }
    }
}

/// What `saving_range` gives.
#[derive(Debug, Clone, Copy, Deserialize)]
struct DoubtRow {
    below_pico: i64,
    above_pico: i64,
}

impl From<DoubtRow> for Doubt {
    fn from(row: DoubtRow) -> Self {
        (Usd::from_pico(row.below_pico), Usd::from_pico(row.above_pico)).into()
    }
}

impl SupabaseStore {
    /// Reads how far the savings of a time may be off.
    pub(super) async fn doubt(&self, query: ReportQuery) -> Result<Doubt, StoreError> {
        let arguments = json!({ "from_time": instant(query.from), "to_time": instant(query.to) });
        let row: DoubtRow = self.call("saving_range", &arguments, Patience::Report).await?;
        Ok(row.into())
    }
}

/// What `get_user_cache_stats` gives.
#[derive(Debug, Deserialize)]
pub(super) struct StatsRow {
    entries: u64,
    expired_entries: u64,
    retired_entries: u64,
    hits: u64,
}

impl From<StatsRow> for CacheStats {
    fn from(row: StatsRow) -> Self {
        let StatsRow { entries, expired_entries, retired_entries, hits } = row;
        Self { entries, expired_entries, retired_entries, hits }
    }
}

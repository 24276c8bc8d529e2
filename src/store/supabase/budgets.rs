//! Limits and reservations, kept by the project.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::delivery::Weight;
use super::rest::{Failure, Patience};
use super::rows::RequestRow;
use super::{SupabaseStore, instant};
use crate::budget::admission::Admission;
use crate::budget::standing::Standing;
use crate::domain::limit::{Limit, OnBreach, Period, Scope, SetBy};
use crate::domain::money::Usd;
use crate::domain::record::RequestRecord;
use crate::store::{Ask, Begun, Recorded, StoreError};

/// What `reserve_budget` gives.
#[derive(Debug, Deserialize)]
struct ReservedRow {
    is_admitted: bool,
    standings: Vec<StandingRow>,
}

#[derive(Debug, Deserialize)]
struct StandingRow {
    period: Period,
    tag: Option<String>,
    limit_pico: i64,
    on_breach: OnBreach,
    set_by: SetBy,
    spent_pico: i64,
    reserved_pico: i64,
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        Self {
            limit: Limit {
                scope: Scope { period: row.period, tag: row.tag },
                most: Usd::from_pico(row.limit_pico),
                on_breach: row.on_breach,
                set_by: row.set_by,
            },
            spent: Usd::from_pico(row.spent_pico),
            reserved: Usd::from_pico(row.reserved_pico),
        }
    }
}

impl SupabaseStore {
    /// Writes an intent and reserves. While the project does not answer the intent waits, unless a limit must hold.
    pub(super) async fn reserve(&self, intent: &RequestRecord, ask: &Ask) -> Result<Begun, StoreError> {
        let request = json!(RequestRow::from(intent));
        let arguments = json!({
            "request": request,
            "ask": {
                "limits": given(&ask.limits),
                "owner": ask.owner,
                "lease_seconds": ask.lease.as_secs_f64(),
            },
        });
        match self.rest.call::<ReservedRow>("reserve_budget", &arguments, Patience::Request).await {
            Ok(row) => {
                let standings: Vec<Standing> = row.standings.into_iter().map(Into::into).collect();
                let admission = if row.is_admitted {
                    Admission::Admitted(standings)
                } else {
                    Admission::Refused(standings)
                };
                Ok(Begun { recorded: Recorded::Now, admission: Some(admission) })
            }
            Err(failure @ Failure::Unavailable { .. }) if !ask.must_hold => {
                let letter = json!({ "request": request });
                let recorded = self.keep("record_request", letter, Weight::Intent, failure).await?;
                Ok(Begun { recorded, admission: None })
            }
            Err(failure) => Err(failure.into()),
        }
    }

    pub(super) async fn standings(
        &self,
        limits: &[Limit],
        at: Timestamp,
    ) -> Result<Vec<Standing>, StoreError> {
        let arguments = json!({ "given": given(limits), "as_of": instant(at) });
        let rows: Vec<StandingRow> = self.call("budget_standings", &arguments, Patience::Report).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    pub(super) async fn spend_by_day(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Date, Usd)>, StoreError> {
        let arguments = json!({ "from_time": instant(from), "to_time": instant(to) });
        let rows: Vec<(Date, i64)> = self.call("daily_spend", &arguments, Patience::Report).await?;
        Ok(rows.into_iter().map(|(day, pico)| (day, Usd::from_pico(pico))).collect())
    }

    pub(super) async fn set_limit(&self, limit: &Limit) -> Result<(), StoreError> {
        let arguments = json!({
            "period": limit.scope.period,
            "tag": limit.scope.tag.as_deref().unwrap_or_default(),
            "set_by": limit.set_by,
            "limit_pico": limit.most.pico(),
            "on_breach": limit.on_breach,
        });
        self.call("set_budget", &arguments, Patience::Report).await
    }

    pub(super) async fn remove_limits(&self, scope: &Scope) -> Result<bool, StoreError> {
        let tag = scope.tag.as_deref().unwrap_or_default();
        let arguments = json!({ "period": scope.period, "tag": tag });
        self.call("remove_budget", &arguments, Patience::Report).await
    }
}

fn given(limits: &[Limit]) -> Value {
    let limit = |limit: &Limit| {
        json!({
            "period": limit.scope.period,
            "tag": limit.scope.tag,
            "limit_pico": limit.most.pico(),
            "on_breach": limit.on_breach,
        })
    };
    limits.iter().map(limit).collect()
}

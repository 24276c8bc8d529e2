//! Requests in order, and what makes them be forgotten, by the project.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rest::Patience;
use super::rows::RequestRow;
use super::{SupabaseStore, instant};
use crate::domain::record::RequestRecord;
use crate::store::{RequestsQuery, StoreError};

impl SupabaseStore {
    pub(super) async fn list_requests(
        &self,
        query: &RequestsQuery,
    ) -> Result<Vec<RequestRecord>, StoreError> {
        // What this machine still holds belongs into the list.
        if !self.outbox.is_empty().await? {
            self.deliver().await?;
        }
        let arguments = json!({
            "from_time": instant(query.from),
            "to_time": instant(query.to),
            "after": query.after.map(|after| after.to_string()),
            "most": query.limit,
        });
        self.read_requests("list_requests", &arguments).await
    }

    pub(super) async fn list_latest(&self, limit: u32) -> Result<Vec<RequestRecord>, StoreError> {
        if !self.outbox.is_empty().await? {
            self.deliver().await?;
        }
        self.read_requests("latest_requests", &json!({ "most": limit })).await
    }

    async fn read_requests(
        &self,
        function: &str,
        arguments: &Value,
    ) -> Result<Vec<RequestRecord>, StoreError> {
        let rows: Vec<RequestRow> = self.call(function, arguments, Patience::Report).await?;
        Ok(rows.into_iter().map(TryInto::try_into).collect::<Result<_, super::Unreadable>>()?)
    }

    pub(super) async fn forget_before(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let arguments = json!({ "before": instant(before), "most": limit });
        self.call("forget_requests", &arguments, Patience::Report).await
    }

    /// Forgets what waits on this machine first, so that none of it arrives after.
    pub(super) async fn forget_all(&self) -> Result<(), StoreError> {
        let user = self.rest.auth().user().await?;
        self.outbox.forget(user).await?;
        self.call("forget_everything", &json!({}), Patience::Report).await
    }
}

//! Forgetting requests once they are as old as they may get.

use std::time::Duration;

use jiff::Timestamp;

use super::Pipeline;
use crate::store::StoreError;

/// How often it is looked for what is old.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// Requests that one step forgets, so that none holds up a request for long.
const STEP: u32 = 500;

impl Pipeline {
    /// Forgets requests of before a time; returns how many.
    pub async fn forget_before(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let step = self.store.forget_requests(before, STEP).await?;
            forgotten += step;
            if step < u64::from(STEP) {
                return Ok(forgotten);
            }
        }
    }

    /// Forgets what is older than `RETENTION_DAYS`, now and every hour; it never ends.
    ///
    /// Cancel safe: yes, because each step is a transaction.
    pub async fn keep_forgetting(&self) {
        if self.settings.retention.is_none() {
            return std::future::pending().await;
        }
        loop {
            self.forget_old().await;
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Forgets what is older than `RETENTION_DAYS`, where that is set. Cancel safe: yes, as above.
    pub async fn forget_old(&self) {
        let Some(retention) = self.settings.retention else { return };
        let before = Timestamp::now().checked_sub(retention).unwrap_or(Timestamp::MIN);
        match self.forget_before(before).await {
            Ok(0) => {}
            Ok(forgotten) => {
                tracing::info!(forgotten, "requests were as old as RETENTION_DAYS lets them get");
            }
            Err(error) => tracing::warn!(%error, "old requests were not forgotten; it is tried again"),
        }
    }
}

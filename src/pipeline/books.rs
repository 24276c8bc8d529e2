//! Whose money is spent, and where that is written down beside the store.

use super::Pipeline;
use crate::budget::admission::Admission;
use crate::domain::ids::UserId;
use crate::domain::record::RequestRecord;
use crate::store::tally::Tally;
use crate::store::{Ask, Begun, Recorded, StoreError};

/// Whose money it is.
#[derive(Debug, Clone)]
pub(super) enum Books {
    /// The user's own: where no limit stops it a request goes on, though its intent has to wait.
    Own,
    /// Somebody else's, so nobody is paid whose intent the store cannot take now. A tally counts what the user cannot
    /// change; a simulation has none.
    Operators { user: UserId, tally: Option<Tally> },
}

impl Pipeline {
    /// Begins a request in the tally, where there is one, and in the store; in neither where one of them refuses.
    pub(super) async fn begin_in_books(&self, intent: &RequestRecord, ask: Ask) -> Result<Begun, StoreError> {
        let Books::Operators { user, tally: Some(tally) } = &self.budgets.books else {
            return self.store.begin_request(intent.clone(), ask).await;
        };
        let (admission, before) = tally.begin(*user, intent, &ask).await?;
        if matches!(admission, Admission::Refused(_)) {
            return Ok(Begun { recorded: Recorded::Now, admission: Some(admission) });
        }
        let begun = self.store.begin_request(intent.clone(), ask).await;
        let is_admitted =
            begun.as_ref().is_ok_and(|begun| matches!(begun.admission, Some(Admission::Admitted(_))));
        if !is_admitted && let Err(error) = tally.undo(*user, intent.id, before).await {
            // It counts until it expires.
            tracing::warn!(request.id = %intent.id, %error, "a reservation was not taken back");
        }
        begun
    }

    /// Writes into the tally what a request has cost; the store is told apart from it.
    pub(super) async fn settle_in_books(&self, record: &RequestRecord) {
        let Books::Operators { user, tally: Some(tally) } = &self.budgets.books else { return };
        if let Err(error) = tally.settle(*user, record.id, record.cost.unwrap_or_default()).await {
            tracing::error!(request.id = %record.id, %error, "what a request cost is not in the server's own books");
        }
    }
}

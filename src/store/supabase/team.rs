//! One project for many users, each under tokens of their own requests: what a server for a team needs.

use super::SupabaseStore;
use crate::auth::{Auth, UserToken};
use crate::store::StoreError;

impl SupabaseStore {
    /// Opens the same project as another user, under tokens of that user's own requests.
    ///
    /// The connections, the file of what waits, and whether the project was silent a moment ago are shared.
    pub fn of_another(&self, token: UserToken) -> (Self, Auth) {
        let auth = Auth::of_requests(self.rest.client().clone(), self.rest.project(), token);
        let rest = self.rest.of_another(auth.clone());
        (Self { rest, socket_client: self.socket_client.clone(), outbox: self.outbox.clone() }, auth)
    }

    /// Says whether the project answers, as nobody.
    pub async fn is_there(&self) -> Result<(), StoreError> {
        Ok(self.rest.is_there().await?)
    }
}

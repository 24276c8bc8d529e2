//! How records get to the project: now, or later from the outbox; never twice, and only under their user's token.

use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::SupabaseStore;
use super::outbox::Letter;
use super::rest::{Failure, Patience};
use crate::auth::UserToken;
use crate::store::{Recorded, StoreError};

/// How often the outbox is looked into.
const DELIVER_EVERY: Duration = Duration::from_secs(2);
/// The longest pause while the project does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Letters under way at once; their order does not matter.
const AT_ONCE: usize = 8;

/// What would be lost if a record could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// Nothing yet: nobody is paid where the project would never take the record.
    Intent,
    /// Somebody was paid, or served: it is kept, whatever the project says.
    End,
}

impl SupabaseStore {
    /// Has something recorded now, or as soon as the project takes it.
    pub(super) async fn write(
        &self,
        function: &'static str,
        arguments: Value,
        weight: Weight,
    ) -> Result<Recorded, StoreError> {
        match self.rest.call::<Value>(function, &arguments, Patience::Request).await {
            Ok(_) => Ok(Recorded::Now),
            Err(failure) => self.keep(function, arguments, weight, failure).await,
        }
    }

    /// Has what could not be recorded now recorded as soon as the project takes it.
    pub(super) async fn keep(
        &self,
        function: &'static str,
        arguments: Value,
        weight: Weight,
        failure: Failure,
    ) -> Result<Recorded, StoreError> {
        let waits = weight == Weight::End || matches!(failure, Failure::Unavailable { .. });
        // It is sent under its own user's token only, whoever is signed in by then.
        let (true, Ok(user)) = (waits, self.rest.auth().user().await) else { return Err(failure.into()) };
        let number = self.outbox.put(user, Letter::new(function, arguments)).await?;
        Ok(match failure {
            Failure::Unavailable { problem } => Recorded::Later { problem },
            Failure::Refused { code } => {
                self.outbox.put_aside(number, &code).await?;
                Recorded::Aside { code }
            }
            failure => Recorded::Later { problem: StoreError::from(failure).to_string() },
        })
    }

    /// Delivers what waits for the signed-in user, oldest first; returns how many letters are gone from the outbox.
    ///
    /// A letter that will never be taken is put aside and holds up no other. Cancel safe: yes, because each letter is
    /// idempotent by the id in it.
    pub async fn deliver(&self) -> Result<u64, StoreError> {
        let mut gone = 0;
        loop {
            let token =
                self.rest.auth().token().await.map_err(|error| StoreError::from(Failure::from(error)))?;
            let letters = self.outbox.waiting(token.user).await?;
            if letters.is_empty() {
                return Ok(gone);
            }
            gone += u64::try_from(letters.len()).unwrap_or(0);
            let deliveries = letters.into_iter().map(|letter| self.deliver_letter(&token, letter));
            stream::iter(deliveries).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
    }

    /// Delivers one letter under the token of its own user, whoever signs in meanwhile.
    async fn deliver_letter(&self, token: &UserToken, letter: Letter) -> Result<(), StoreError> {
        let result: Result<Value, Failure> =
            self.rest.call_for(token, letter.function(), letter.arguments(), Patience::Report).await;
        match result {
            Ok(_) => self.outbox.delivered(letter.number).await,
            Err(Failure::Refused { code }) => self.outbox.put_aside(letter.number, &code).await,
            Err(Failure::Missing) => self.outbox.put_aside(letter.number, "PT404").await,
            Err(failure) => Err(failure.into()),
        }
    }

    /// Delivers what waits whenever there is something, for as long as it is polled; it never ends.
    ///
    /// Cancel safe: yes, as [`SupabaseStore::deliver`].
    pub async fn keep_delivering(&self) {
        let mut pause = DELIVER_EVERY;
        loop {
            tokio::time::sleep(pause).await;
            let is_empty = self.outbox.is_empty().await.unwrap_or(true);
            pause = match if is_empty { Ok(0) } else { self.deliver().await } {
                Ok(_) => DELIVER_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "records still wait for the project");
                    let jittered = 1.5 + fastrand::f64();
                    pause.mul_f64(jittered).min(LONGEST_PAUSE)
                }
            };
        }
    }
}

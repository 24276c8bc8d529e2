//! The sessions of one user's clients of before 2026; those that nobody uses go first.
//!
//! Each user has a set of his own, so that a session's id means nothing to anybody else.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};

/// Sessions of one user at the most.
const MOST: usize = 32;
/// How long a session lives that nothing is said in.
const LONGEST_IDLE: Duration = Duration::from_secs(30 * 60);

/// The sessions of a user.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    inner: LocalSessionManager,
    /// The latest used is last.
    by_use: Mutex<VecDeque<SessionId>>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        let mut sessions = Self::default();
        sessions.inner.session_config.keep_alive = Some(LONGEST_IDLE);
        sessions
    }

    fn by_use(&self) -> MutexGuard<'_, VecDeque<SessionId>> {
        self.by_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, id: &SessionId) {
        self.by_use().retain(|known| known != id);
    }

    /// Notes a use; gives the session that there is no more room for.
    fn note(&self, id: &SessionId) -> Option<SessionId> {
        let mut by_use = self.by_use();
        by_use.retain(|known| known != id);
        by_use.push_back(id.clone());
        if by_use.len() > MOST { by_use.pop_front() } else { None }
    }
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.inner.create_session().await?;
        if let Some(oldest) = self.note(&id) {
            tracing::debug!("a session ends for a newer one of the same user");
            self.inner.close_session(&oldest).await?;
        }
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        let is_there = self.inner.has_session(id).await?;
        if is_there {
            self.note(id);
        } else {
            self.forget(id);
        }
        Ok(is_there)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.forget(id);
        self.inner.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.create_stream(id, message).await
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.resume(id, last_event_id).await
    }
}

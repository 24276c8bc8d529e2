//! Keeps the end of a conversation in order, around any transport.
//!
//! rmcp 3.11 leaves its loop at end of input and then only drains responses, so that a handler which awaits a
//! notification hangs and its result is lost; and a notification before the first request ends the process.
//! The guard holds the end of input back until every request is answered, and drops early notifications. Streams
//! that would stay open for ever are told of the end, so that they are answered too.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long calls under way may go on after the end of input.
const DRAIN: Duration = Duration::from_secs(5);
/// The same after the process was told to stop.
const STOP_DRAIN: Duration = Duration::from_millis(1_500);

#[derive(Default)]
struct InFlight {
    ids: Mutex<HashSet<RequestId>>,
    answered: Notify,
}

impl InFlight {
    fn with<T>(&self, change: impl FnOnce(&mut HashSet<RequestId>) -> T) -> T {
        change(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn remove(&self, id: &RequestId) {
        self.with(|ids| ids.remove(id));
        self.answered.notify_waiters();
    }
}

/// A transport that ends only when everybody has been answered, or after a time.
pub(super) struct Guard<T> {
    inner: T,
    stop: CancellationToken,
    /// Cancelled at the end of input or by `stop`, whichever is first.
    ended: CancellationToken,
    /// Cancelled when calls under way have had their time.
    hang_up: CancellationToken,
    has_started: bool,
    ends_at: Option<Instant>,
    in_flight: Arc<InFlight>,
}

impl<T> Guard<T> {
    pub(super) fn new(
        inner: T,
        stop: CancellationToken,
        ended: CancellationToken,
        hang_up: CancellationToken,
    ) -> Self {
        Self { inner, stop, ended, hang_up, has_started: false, ends_at: None, in_flight: Arc::default() }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Guard<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        let answered = match &message {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            _ => None,
        };
        let in_flight = Arc::clone(&self.in_flight);
        let sending = self.inner.send(message);
        async move {
            let result = sending.await;
            if let Some(id) = answered {
                in_flight.remove(&id);
            }
            result
        }
    }

    // rmcp polls this inside a `select!` and drops it often: all state is in `self`.
    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(ends_at) = self.ends_at {
                let in_flight = Arc::clone(&self.in_flight);
                let answered = in_flight.answered.notified();
                tokio::pin!(answered);
                answered.as_mut().enable();
                if in_flight.with(|ids| ids.is_empty()) || Instant::now() >= ends_at {
                    // rmcp would wait another 5 s for whoever has not been answered.
                    self.hang_up.cancel();
                    return None;
                }
                tokio::select! {
                    () = answered => {}
                    () = tokio::time::sleep_until(ends_at) => {}
                }
                continue;
            }
            let (message, limit) = tokio::select! {
                () = self.stop.cancelled() => (None, STOP_DRAIN),
                message = self.inner.receive() => (message, DRAIN),
            };
            let Some(message) = message else {
                self.ends_at = Some(Instant::now() + limit);
                self.ended.cancel();
                continue;
            };
            match &message {
                JsonRpcMessage::Request(request) => {
                    self.has_started = true;
                    self.in_flight.with(|ids| ids.insert(request.id.clone()));
                }
                _ if !self.has_started => {
                    tracing::debug!("a message before the first request was ignored");
                    continue;
                }
                JsonRpcMessage::Notification(notification) => {
                    // A cancelled request is never answered.
                    if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                        && let Some(id) = &cancelled.params.request_id
                    {
                        self.in_flight.remove(id);
                    }
                }
                _ => {}
            }
            return Some(message);
        }
    }

    async fn close(&mut self) -> Result<(), T::Error> {
        self.inner.close().await
    }
}

//! Keeps the end of a conversation in order, around any transport.
//!
//! rmcp 3.11 leaves its loop at end of input and then only drains responses, so that a handler which awaits a
//! notification hangs and its result is lost; and a notification before the first request ends the process.
//! The guard holds the end of input back until every request is answered, and drops early notifications. Streams
//! that would stay open for ever are told of the end, so that they are answered too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    ClientNotification, ClientRequest, CustomResult, GetMeta as _, JsonObject, JsonRpcMessage,
    JsonRpcResponse, RequestId, ServerResult,
};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::requests::is_modern;

/// Where a result says who gave it.
pub(super) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// How long calls under way may go on after the end of input.
const DRAIN: Duration = Duration::from_secs(5);
/// The same after the process was told to stop.
const STOP_DRAIN: Duration = Duration::from_millis(1_500);

/// What a client expects in a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Era {
    /// It shook hands, and knows who we are.
    Legacy,
    /// Each request stands alone, and each result says who gave it.
    Modern,
}

impl Era {
    fn of(request: &ClientRequest) -> Self {
        if is_modern(request.get_meta()) { Self::Modern } else { Self::Legacy }
    }
}

#[derive(Default)]
struct InFlight {
    ids: Mutex<HashMap<RequestId, Era>>,
    answered: Notify,
}

impl InFlight {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<RequestId, Era>) -> T) -> T {
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
    /// Who we are.
    server: Value,
}

impl<T> Guard<T> {
    pub(super) fn new(
        inner: T,
        stop: CancellationToken,
        ended: CancellationToken,
        hang_up: CancellationToken,
        server: Value,
    ) -> Self {
        let in_flight = Arc::default();
        Self { inner, stop, ended, hang_up, has_started: false, ends_at: None, in_flight, server }
    }

    /// Writes who we are into a result for a client that did not shake hands; rmcp does so for two methods only.
    fn sign(&self, response: JsonRpcResponse<ServerResult>) -> JsonRpcResponse<ServerResult> {
        let era = self.in_flight.with(|ids| ids.get(&response.id).copied());
        let (Some(Era::Modern), Ok(Value::Object(mut result))) =
            (era, serde_json::to_value(&response.result))
        else {
            return response;
        };
        let meta = result.entry("_meta").or_insert_with(|| Value::Object(JsonObject::new()));
        if let Value::Object(meta) = meta {
            meta.entry(SERVER_INFO).or_insert_with(|| self.server.clone());
        }
        JsonRpcResponse {
            result: ServerResult::CustomResult(CustomResult(Value::Object(result))),
            ..response
        }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Guard<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        let message = match message {
            JsonRpcMessage::Response(response) => JsonRpcMessage::Response(self.sign(response)),
            other => other,
        };
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
                    let era = Era::of(&request.request);
                    self.in_flight.with(|ids| ids.insert(request.id.clone(), era));
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

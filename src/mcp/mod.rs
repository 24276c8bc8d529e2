//! Surface: the MCP server over stdin and stdout, for clients old and new.
//!
//! It translates and nothing else: a tool reads its arguments, calls the pipeline or the store, and words the
//! result. stdout carries JSON-RPC only.

mod guard;
mod metrics;
mod schema;
pub mod server;
mod stdio;
mod tools;
pub mod wire;

use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::service::{QuitReason, ServerInitializeError};
use tokio_util::sync::CancellationToken;

use self::guard::{DRAIN, Guard};
use self::server::Server;
use self::stdio::Stdio;

pub use self::tools::report_of;

/// Serves one client on stdin and stdout until it hangs up or `stop` is cancelled.
///
/// Calls under way are answered first, for 5 s after end of input and 1.5 s after `stop`; payments under way
/// are recorded.
pub async fn serve(server: Server, stop: CancellationToken) -> Result<(), ServeError> {
    let payments = server.pipeline().payments.clone();
    let transport = Guard::new(Stdio::new(), stop);
    let result = match server.serve(transport).await {
        Ok(running) => match running.waiting().await {
            Ok(QuitReason::JoinError(error)) | Err(error) => Err(ServeError::Task(error)),
            Ok(_) => Ok(()),
        },
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(error) => Err(ServeError::Start(Box::new(error))),
    };
    payments.close();
    if tokio::time::timeout(DRAIN + Duration::from_secs(5), payments.wait()).await.is_err() {
        tracing::error!(payments = payments.len(), "payments were cut off; their intents stand as unsettled");
    }
    result
}

/// Why a conversation broke off.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the conversation did not start: {0}")]
    Start(#[source] Box<ServerInitializeError>),
    #[error("the server's task failed: {0}")]
    Task(#[source] tokio::task::JoinError),
}

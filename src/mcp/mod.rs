//! Surface: the MCP server for clients old and new, over stdin and stdout; `http` has it served otherwise.
//!
//! It translates and nothing else: a tool reads its arguments, calls the pipeline or the store, and words the
//! result. stdout carries JSON-RPC only.

mod cache_policy;
mod completions;
mod dashboard;
mod guard;
mod messages;
mod metrics;
mod prompts;
pub mod remote;
mod requests;
mod schema;
pub mod server;
mod state;
mod stdio;
mod streams;
mod subscriptions;
mod templates;
mod tools;
pub mod wire;
mod words;

use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::service::{QuitReason, ServerInitializeError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use self::guard::Guard;
use self::server::Server;
use self::stdio::Stdio;
use self::streams::Streams;

pub use self::dashboard::html_of;
pub use self::tools::report_of;

/// How long payments under way may go on after the conversation.
const SETTLE: Duration = Duration::from_secs(5);
/// The same after the process was told to stop; containers are killed after 10 s.
const STOP_SETTLE: Duration = Duration::from_secs(2);

/// Serves one client on stdin and stdout until it hangs up or `stop` is cancelled.
///
/// Calls under way are answered first, for 5 s after end of input and 1.5 s after `stop`. Payments under way may
/// end for 5 s more, or 2 s after `stop`; then they are broken off and recorded with what they may have cost.
/// `beside` runs from the client's first request on, and is dropped at the end of the conversation.
pub async fn serve(
    server: Server,
    stop: CancellationToken,
    beside: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    serve_over(server, (tokio::io::stdin(), tokio::io::stdout()), stop, beside).await
}

/// Serves one client as [`serve`] does, over a pipe in the place of stdin and stdout: the way in for `tests/fuzz`.
#[doc(hidden)]
pub async fn serve_over<R, W>(
    server: Server,
    (input, output): (R, W),
    stop: CancellationToken,
    beside: impl Future<Output = ()>,
) -> Result<(), ServeError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let pipeline = server.pipeline().clone();
    let result = converse(server, Stdio::new(input, output), stop.clone(), beside).await;
    pipeline.settle(if stop.is_cancelled() { STOP_SETTLE } else { SETTLE }).await;
    result
}

async fn converse<R: AsyncRead + Send + Unpin + 'static>(
    server: Server,
    stdio: Stdio<R>,
    stop: CancellationToken,
    beside: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let here = server.clone();
    let ended = here.subscriptions.ended.clone();
    let hang_up = here.pipeline().ending.hang_up.clone();
    let signature = server.signature();
    let guard = Guard::new(stdio, stop, ended, hang_up, signature);
    match Streams(server).serve(guard).await {
        Ok(running) => {
            let peer = running.peer().clone();
            let beside = async { tokio::join!(beside, here.subscriptions.watch(here.pipeline(), &peer)) };
            let waiting = running.waiting();
            tokio::pin!(waiting);
            let quit = tokio::select! {
                quit = &mut waiting => quit,
                _ = beside => waiting.await,
            };
            match quit {
                Ok(QuitReason::JoinError(error)) | Err(error) => Err(ServeError::Task(error)),
                Ok(_) => Ok(()),
            }
        }
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(error) => Err(ServeError::Start(Box::new(error))),
    }
}

/// Why a conversation broke off.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the conversation did not start: {0}")]
    Start(#[source] Box<ServerInitializeError>),
    #[error("the server's task failed: {0}")]
    Task(#[source] tokio::task::JoinError),
}

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
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use tokio_util::sync::CancellationToken;

use self::guard::{DRAIN, Guard};
use self::server::Server;
use self::stdio::Stdio;

pub use self::tools::report_of;
pub use self::wire::plan::PlanOutput;
pub use self::wire::report::ReportOutput;
pub use self::wire::route::RouteOutput;

/// Serves one client on stdin and stdout until it hangs up or `stop` is cancelled.
///
/// Calls under way are answered first, for 5 s after end of input and 1.5 s after `stop`; payments under way
/// are recorded.
pub async fn serve(server: Server, stop: CancellationToken) -> ExitCode {
    let payments = server.pipeline().payments.clone();
    let transport = Guard::new(Stdio::new(), stop);
    let code = match server.serve(transport).await {
        Ok(running) => match running.waiting().await {
            Ok(reason) => {
                tracing::info!(?reason, "the client is gone");
                ExitCode::SUCCESS
            }
            Err(error) => {
                tracing::error!(%error, "the server's task failed");
                ExitCode::FAILURE
            }
        },
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the conversation did not start");
            ExitCode::FAILURE
        }
    };
    payments.close();
    if tokio::time::timeout(DRAIN + Duration::from_secs(5), payments.wait()).await.is_err() {
        tracing::error!(payments = payments.len(), "payments were cut off; their intents stand as unsettled");
    }
    code
}

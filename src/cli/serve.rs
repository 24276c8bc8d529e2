//! `serve`: the MCP server on stdin and stdout.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Exit;
use crate::app::App;
use crate::config::Config;
use crate::embed::weights::Reach;
use crate::mcp;

pub(super) async fn run(config: Config) -> anyhow::Result<Exit> {
    let app = App::new(config, Reach::Hub)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    let listener = TaskTracker::new();
    listener.spawn(async move {
        told_to_stop().await;
        told.cancel();
    });
    let server = app.server();
    let fresh_prices = async {
        if let Some(lists) = &app.price_lists {
            lists.keep_fresh().await;
        }
    };
    let deliveries = async {
        if let Some(team) = &app.team {
            team.keep_delivering().await;
        }
    };
    let forgetting = app.pipeline.keep_forgetting();
    let beside = Box::pin(async {
        tokio::join!(fresh_prices, deliveries, forgetting);
    });
    // The listener ends with the process.
    Ok(match mcp::serve(server, stop, beside).await {
        Ok(()) => Exit::Success,
        Err(error) => {
            tracing::error!(%error, "the server failed");
            Exit::Failure
        }
    })
}

#[cfg(unix)]
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be heard");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
async fn told_to_stop() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "ctrl-c cannot be heard");
        std::future::pending::<()>().await;
    }
}

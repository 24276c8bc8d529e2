//! `serve`: the MCP server on stdin and stdout.

#[cfg(unix)]
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Exit;
use crate::app::App;
use crate::config::Config;
use crate::embed::weights::Reach;
use crate::mcp;

#[cfg(unix)]
const LOOK_FOR_PARENT: Duration = Duration::from_secs(2);

pub(super) async fn run(config: Config) -> anyhow::Result<Exit> {
    let app = App::new(config, Reach::Hub)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    let listener = TaskTracker::new();
    let told_to_stop = told_to_stop();
    listener.spawn(async move {
        tokio::select! {
            () = told_to_stop => {}
            () = orphaned() => tracing::warn!("whoever started this process is gone"),
        }
        told.cancel();
    });
    let server = app.server()?;
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

/// Ends when the process that started this one has died. A host may die while somebody else holds its end of stdin
/// open, and its servers would live for ever.
#[cfg(unix)]
async fn orphaned() {
    let parent = std::os::unix::process::parent_id();
    let mut ticks = tokio::time::interval(LOOK_FOR_PARENT);
    while std::os::unix::process::parent_id() == parent {
        ticks.tick().await;
    }
}

/// On Windows the end of a process closes its pipes.
#[cfg(not(unix))]
async fn orphaned() {
    std::future::pending().await
}

/// Hears from this call on whether the process is told to stop; what it gives ends then.
#[cfg(unix)]
pub(super) fn told_to_stop() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let heard = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        match heard {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, "signals cannot be heard");
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(not(unix))]
pub(super) async fn told_to_stop() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "ctrl-c cannot be heard");
        std::future::pending::<()>().await;
    }
}

//! `serve --http`: the MCP server for a team.

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Exit;
use super::serve::told_to_stop;
use crate::app::App;
use crate::config::Config;
use crate::embed::weights::Reach;
use crate::http::{self, Address};

/// Where a server without an address listens.
const USUAL_ADDRESS: &str = "127.0.0.1";

#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Serve a team over HTTP instead, at this address; each request carries its user's token
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = USUAL_ADDRESS)]
    pub(super) http: Option<String>,
    /// The https address of the TLS proxy in front, which an address outside this machine needs
    #[arg(long, value_name = "URL", requires = "http")]
    behind_tls_proxy: Option<String>,
}

pub(super) async fn run(config: Config, bind: &str, arguments: &ServeArguments) -> anyhow::Result<Exit> {
    let address = Address::new(bind, config.http.port, arguments.behind_tls_proxy.as_deref())?;
    let app = App::new(config, Reach::Hub)?;
    let offer = app.offer(&address)?;
    if let Some(team) = &app.team {
        // Who pays and then finds no place for the record would lose it.
        let has_room = team.outbox().has_room().await.context("the spool for records that wait")?;
        anyhow::ensure!(
            has_room,
            "the spool for records that wait is full; hint: run `ai-cost-optimizer doctor`"
        );
    }
    let listener =
        TcpListener::bind(address.bind).await.with_context(|| format!("--http {}", address.bind))?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    let signals = TaskTracker::new();
    let told_to_stop = told_to_stop();
    signals.spawn(async move {
        told_to_stop.await;
        told.cancel();
    });
    let fresh_prices = async {
        match &app.price_lists {
            Some(lists) => lists.keep_fresh().await,
            None => std::future::pending().await,
        }
    };
    // What listens for signals ends with the process.
    http::serve(offer, &address, listener, stop, fresh_prices).await?;
    Ok(Exit::Success)
}

//! Surface: the MCP server for a team, over Streamable HTTP.
//!
//! Each request carries its user's token, which is verified before anything else is done, and reaches that user's own
//! pipeline. Prices, models, the embedder and the providers' cool-downs are shared, and nothing else. What a team has is
//! in its project, so that any number of copies serve it; a server keeps only its own books of what each user has
//! spent, which no user can change, and records that wait. It opens no TLS: a proxy does.

mod address;
mod health;
mod held;
mod limits;
mod refusal;
mod routes;
mod sessions;
mod site;
mod tenants;
mod upkeep;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::address::{Address, BadAddress};
use self::limits::{LONGEST_IDLE, MOST_CONNECTIONS};
pub use self::site::Offer;
use self::site::Site;
pub use self::tenants::Stores;

/// How long calls under way may go on after the process was told to stop; containers are killed after 10 s.
const DRAIN: Duration = Duration::from_secs(4);
/// How long calls may take to answer that nobody waits for any more.
const HANG_UP: Duration = Duration::from_millis(500);
/// How long payments under way may go on after the calls.
const SETTLE: Duration = Duration::from_secs(2);
/// How long connections may take to close.
const CLOSE: Duration = Duration::from_millis(500);
/// A pause where no connection can be taken, as with too many files open.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Serves a team until `stop` is cancelled.
///
/// Then it is not ready any more and takes no new requests; calls under way are answered within 4 s, after that
/// told how to resume; payments under way may end for 2 s more and are then broken off and recorded with what they may
/// have cost. `beside` runs meanwhile.
pub async fn serve(
    offer: Offer,
    address: &Address,
    listener: TcpListener,
    stop: CancellationToken,
    beside: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let bound = listener.local_addr()?;
    let names = address.names(bound);
    tracing::info!(address = %bound, endpoint = %names.resource, "serving over HTTP");
    let template = offer.template.pipeline().clone();
    // The first prompt need not wait for it.
    template.embedder.start();
    let site = Arc::new(Site::new(offer, names, stop.clone()));
    let close = CancellationToken::new();
    let connections = TaskTracker::new();
    let accepting = accept(listener, routes::router(Arc::clone(&site)), close.clone(), connections.clone());
    let ending = async {
        stop.cancelled().await;
        drain(&site, &template.ending.hang_up).await;
        close.cancel();
        connections.close();
        // Who has not gone by then is not waited for.
        let _ = tokio::time::timeout(CLOSE, connections.wait()).await;
    };
    let upkeep = async {
        tokio::join!(upkeep::keep(&site), beside);
    };
    tokio::select! {
        () = ending => {}
        never = accepting => match never {},
        () = upkeep => {}
    }
    template.settle(SETTLE).await;
    Ok(())
}

/// Waits for calls under way, then has them answer with what there is, and ends all streams.
async fn drain(site: &Site, hang_up: &CancellationToken) {
    tracing::info!(calls = site.calls.len(), "told to end: no new requests are taken");
    site.tenants.end_streams();
    site.calls.close();
    if tokio::time::timeout(DRAIN, site.calls.wait()).await.is_err() {
        hang_up.cancel();
        // Those that are left are cut off.
        let _ = tokio::time::timeout(HANG_UP, site.calls.wait()).await;
    }
    site.tenants.end();
}

/// Takes connections, as many as there may be at once, for as long as it is polled.
async fn accept(
    listener: TcpListener,
    router: Router,
    close: CancellationToken,
    connections: TaskTracker,
) -> Infallible {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        let (router, close) = (router.clone(), close.clone());
        connections.spawn(async move {
            converse(stream, router, close).await;
            drop(permit);
        });
    }
}

async fn converse(stream: TcpStream, router: Router, close: CancellationToken) {
    // An answer is small, and somebody waits for it.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_IDLE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = close.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke");
    }
}

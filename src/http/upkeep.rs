//! What is done beside requests: deliver what waits, forget what is old, and let quiet users go.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;

use super::site::Site;

const EVERY: Duration = Duration::from_secs(2);
/// How often it is looked for what is as old as it may get.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);
/// Users that are attended to at once.
const AT_ONCE: usize = 8;

/// Keeps the site in order for as long as it is polled; it never ends. Cancel safe: yes, each step by itself.
pub(super) async fn keep(site: &Site) {
    let mut forget_at = Instant::now();
    loop {
        tokio::time::sleep(EVERY).await;
        site.tenants.forget_quiet();
        deliver(site).await;
        if Instant::now() >= forget_at {
            forget_at = Instant::now() + FORGET_EVERY;
            if let Some((_, tally)) = site.project()
                && let Err(error) = tally.forget_old(Timestamp::now()).await
            {
                tracing::warn!(%error, "the server's own books were not cleared; it is tried again");
            }
            let tenants = site.tenants.all();
            stream::iter(tenants)
                .for_each_concurrent(AT_ONCE, |tenant| async move { tenant.pipeline.forget_old().await })
                .await;
        }
    }
}

/// Delivers what waits for users who have sent a token; what waits for others stays until they do.
async fn deliver(site: &Site) {
    let Some((project, _)) = site.project() else { return };
    let users = match project.outbox().users().await {
        Ok(users) => users,
        Err(error) => {
            tracing::warn!(%error, "what waits for the project cannot be read");
            return;
        }
    };
    let tenants = users.into_iter().filter_map(|user| site.tenants.get(user));
    stream::iter(tenants).for_each_concurrent(AT_ONCE, |tenant| async move { tenant.deliver().await }).await;
}

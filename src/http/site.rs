//! Everything that requests are served from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Names;
use super::limits::MOST_AT_ONCE;
use super::tenants::{Stores, Tenants};
use crate::auth::verifier::Verifier;
use crate::config::http::AllowedUsers;
use crate::embed::worker::{EmbedWorker, WorkerState};
use crate::mcp::server::Server;
use crate::store::supabase::SupabaseStore;
use crate::store::tally::Tally;

/// How long it is believed what the project was found like.
const FRESH: Duration = Duration::from_secs(2);

/// What a team is served with.
#[derive(Debug)]
pub struct Offer {
    pub verifier: Verifier,
    pub allowed: AllowedUsers,
    /// What each user's own is made from; nobody is served by it.
    pub template: Server,
    pub stores: Stores,
    /// Who gives out tokens (RFC 9728): the project's sign-in server. None for a simulation.
    pub authorization_server: Option<String>,
}

/// A server for a team.
pub(super) struct Site {
    pub(super) names: Names,
    pub(super) verifier: Verifier,
    pub(super) allowed: AllowedUsers,
    pub(super) tenants: Tenants,
    pub(super) authorization_server: Option<String>,
    /// Requests and streams that are open.
    pub(super) at_once: Arc<Semaphore>,
    /// Requests that are being answered.
    pub(super) calls: TaskTracker,
    /// Cancelled when the process was told to end.
    pub(super) stop: CancellationToken,
    stores: Stores,
    embedder: EmbedWorker,
    found: Mutex<Option<(Instant, Health)>>,
}

/// What the server was found like.
#[derive(Debug, Clone)]
pub(super) struct Health {
    /// Why the project cannot be used, where it cannot.
    pub(super) project: Result<(), String>,
    pub(super) has_keys: bool,
    /// Records that wait for the project, and whether another could be kept.
    pub(super) waiting: u64,
    pub(super) has_room: bool,
    pub(super) embedder: &'static str,
    pub(super) users: usize,
}

impl Health {
    pub(super) const fn can_serve(&self) -> bool {
        self.project.is_ok() && self.has_keys && self.has_room
    }
}

impl Site {
    pub(super) fn new(offer: Offer, names: Names, stop: CancellationToken) -> Self {
        let Offer { verifier, allowed, template, stores, authorization_server } = offer;
        let embedder = template.pipeline().embedder.clone();
        Self {
            names,
            verifier,
            allowed,
            tenants: Tenants::new(template, stores.clone()),
            authorization_server,
            at_once: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            calls: TaskTracker::new(),
            stop,
            stores,
            embedder,
            found: Mutex::default(),
        }
    }

    /// Says what the server is like; whoever asks often hears the same.
    pub(super) async fn health(&self) -> Health {
        let mut found = self.found.lock().await;
        if let Some((at, health)) = found.as_ref()
            && at.elapsed() < FRESH
        {
            return health.clone();
        }
        let health = self.look().await;
        *found = Some((Instant::now(), health.clone()));
        health
    }

    async fn look(&self) -> Health {
        let has_keys = self.verifier.is_ready();
        let (project, waiting, has_room, has_keys) = match &self.stores {
            Stores::Folder(_) => (Ok(()), 0, true, has_keys.await),
            Stores::Project(store, _) => {
                let outbox = store.outbox();
                let (project, waiting, has_room, has_keys) =
                    tokio::join!(store.is_there(), outbox.count(), outbox.has_room(), has_keys);
                let project = project.map_err(|error| error.to_string());
                (project, waiting.unwrap_or_default(), has_room.unwrap_or(false), has_keys)
            }
        };
        let embedder = match self.embedder.state() {
            WorkerState::NotStarted => "not started",
            WorkerState::Loading => "loading",
            WorkerState::Ready { .. } => "ready",
            WorkerState::Unavailable(_) => "unavailable",
        };
        Health { project, has_keys, waiting, has_room, embedder, users: self.tenants.count() }
    }

    /// Gives the project and the server's own books, where there is one.
    pub(super) fn project(&self) -> Option<(&SupabaseStore, &Tally)> {
        match &self.stores {
            Stores::Project(store, tally) => Some((store, tally)),
            Stores::Folder(_) => None,
        }
    }
}

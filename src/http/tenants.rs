//! The users that are known at the moment, each with a pipeline and a server of his own.
//!
//! A user comes with his first request and goes when he was quiet for long, or when others need the room. Invariant:
//! nothing of one user is reached through another's.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::limits::{Bucket, MAX_BODY_BYTES, MOST_AT_ONCE_OF_A_USER};
use super::sessions::Sessions;
use crate::auth::verifier::Verified;
use crate::auth::{Auth, UserToken};
use crate::domain::ids::UserId;
use crate::mcp::remote::Remote;
use crate::mcp::server::{BadOffer, Server};
use crate::pipeline::Pipeline;
use crate::store::Store;
use crate::store::local::LocalStore;
use crate::store::supabase::SupabaseStore;
use crate::store::tally::Tally;

/// Users that are known at once.
const MOST: usize = 4_096;
/// How long a user may be quiet.
const LONGEST_QUIET: Duration = Duration::from_secs(45 * 60);
/// How long a delivery that failed is not tried again, unless a fresh token comes.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// Where what users have is kept.
#[derive(Debug, Clone)]
pub enum Stores {
    /// One project, under each user's own token, and the server's own books beside it.
    Project(Arc<SupabaseStore>, Tally),
    /// A folder with a file for each user, for simulations.
    Folder(PathBuf),
}

/// A user's token, and what is remembered of it.
struct Token {
    expires_at: i64,
    /// When what waits for this user may be delivered again.
    deliver_from: Instant,
}

/// One user.
pub(super) struct Tenant {
    pub(super) pipeline: Pipeline,
    pub(super) service: StreamableHttpService<Remote, Sessions>,
    /// Requests and streams that are open.
    pub(super) at_once: Arc<Semaphore>,
    project: Option<(Arc<SupabaseStore>, Auth)>,
    bucket: Mutex<Bucket>,
    token: Mutex<Token>,
    seen: Mutex<Instant>,
    /// Ends his sessions and streams with him.
    _end: DropGuard,
}

impl Tenant {
    /// Takes a drop from the user's bucket, or says in how many seconds there is one.
    pub(super) fn take_turn(&self, now: Instant) -> Result<(), u64> {
        *lock(&self.seen) = now;
        lock(&self.bucket).take(now)
    }

    /// Uses a token from now on that lives longer than the one before.
    fn go_on_with(&self, verified: &Verified) {
        let mut token = lock(&self.token);
        if verified.expires_at > token.expires_at {
            token.expires_at = verified.expires_at;
            token.deliver_from = Instant::now();
            if let Some((_, auth)) = &self.project {
                auth.go_on_with(verified.token.clone());
            }
        }
    }

    fn is_quiet(&self, now: Instant) -> bool {
        now.saturating_duration_since(*lock(&self.seen)) > LONGEST_QUIET
    }

    /// Delivers what waits for this user, if there is a token to do it with. Cancel safe: yes.
    pub(super) async fn deliver(&self) {
        let Some((store, _)) = &self.project else { return };
        let may = {
            let token = lock(&self.token);
            token.expires_at > Timestamp::now().as_second() && token.deliver_from <= Instant::now()
        };
        if !may {
            return;
        }
        if let Err(error) = store.deliver().await {
            tracing::warn!(%error, "a user's records still wait for the project");
            lock(&self.token).deliver_from = Instant::now() + AFTER_FAILURE;
        }
    }
}

/// All users that are known.
pub(super) struct Tenants {
    template: Server,
    stores: Stores,
    of: Mutex<HashMap<UserId, Arc<Tenant>>>,
    lookouts: TaskTracker,
    /// Cancelled when streams are to end with a result.
    streams: CancellationToken,
    /// Cancelled when everything is to end.
    end: CancellationToken,
}

impl Tenants {
    pub(super) fn new(template: Server, stores: Stores) -> Self {
        Self {
            template,
            stores,
            of: Mutex::default(),
            lookouts: TaskTracker::new(),
            streams: CancellationToken::new(),
            end: CancellationToken::new(),
        }
    }

    /// Gives the user of a token that was verified.
    pub(super) fn welcome(&self, verified: &Verified) -> Result<Arc<Tenant>, BadOffer> {
        let mut of = lock(&self.of);
        if let Some(tenant) = of.get(&verified.token.user) {
            tenant.go_on_with(verified);
            return Ok(Arc::clone(tenant));
        }
        if of.len() >= MOST {
            let idle = of.iter().filter(|(_, tenant)| Arc::strong_count(tenant) == 1);
            let quietest = idle.min_by_key(|(_, tenant)| *lock(&tenant.seen)).map(|(user, _)| *user);
            if let Some(user) = quietest {
                of.remove(&user);
            }
        }
        let tenant = Arc::new(self.tenant(verified)?);
        of.insert(verified.token.user, Arc::clone(&tenant));
        Ok(tenant)
    }

    fn tenant(&self, verified: &Verified) -> Result<Tenant, BadOffer> {
        let UserToken { user, .. } = verified.token;
        let (store, project, tally): (Arc<dyn Store>, _, _) = match &self.stores {
            Stores::Project(project, tally) => {
                let (store, auth) = project.of_another(verified.token.clone());
                let store = Arc::new(store);
                (Arc::clone(&store) as Arc<dyn Store>, Some((store, auth)), Some(tally.clone()))
            }
            Stores::Folder(folder) => {
                (Arc::new(LocalStore::new(folder.join(format!("{user}.sqlite3")))), None, None)
            }
        };
        let pipeline = self.template.pipeline().of_another_user(user, store, tally);
        let server = self.template.of_user(user, pipeline.clone())?;
        let end = self.end.child_token();
        let mut config = StreamableHttpServerConfig::default()
            .with_json_response(true)
            .with_cancellation_token(end.clone())
            .with_max_request_body_bytes(MAX_BODY_BYTES)
            // Host and Origin were looked at before.
            .disable_allowed_hosts();
        // An event that nobody can come back for needs no advice on when.
        config.sse_retry = None;
        let (lookouts, streams) = (self.lookouts.clone(), self.streams.clone());
        let conversation = move || Ok(Remote::new(&server, lookouts.clone(), &streams));
        Ok(Tenant {
            pipeline,
            service: StreamableHttpService::new(conversation, Arc::new(Sessions::new()), config),
            at_once: Arc::new(Semaphore::new(MOST_AT_ONCE_OF_A_USER)),
            project,
            bucket: Mutex::new(Bucket::full(Instant::now())),
            token: Mutex::new(Token { expires_at: verified.expires_at, deliver_from: Instant::now() }),
            seen: Mutex::new(Instant::now()),
            _end: end.drop_guard(),
        })
    }

    /// Gives a user that is known.
    pub(super) fn get(&self, user: UserId) -> Option<Arc<Tenant>> {
        lock(&self.of).get(&user).cloned()
    }

    /// Lists the users that are known.
    pub(super) fn all(&self) -> Vec<Arc<Tenant>> {
        lock(&self.of).values().cloned().collect()
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.of).len()
    }

    /// Forgets users that were quiet for long.
    pub(super) fn forget_quiet(&self) {
        let now = Instant::now();
        lock(&self.of).retain(|_, tenant| Arc::strong_count(tenant) > 1 || !tenant.is_quiet(now));
    }

    /// Ends streams that would stay open for ever, with a result.
    pub(super) fn end_streams(&self) {
        self.streams.cancel();
    }

    /// Ends every session and stream.
    pub(super) fn end(&self) {
        self.end.cancel();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

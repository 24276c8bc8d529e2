//! A whole project behind one address: REST, Auth and Realtime as a client of Supabase meets them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use postrust_server::Host;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::auth::{self, Auth, User};
use crate::gateway::{self, Gateway};
use crate::keys::{Keys, Signing};
use crate::project::Project;
use crate::realtime::{self, Realtime};

/// How a stack differs from the usual.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub signing: Signing,
    /// How long an access token is valid.
    pub token_seconds: u64,
    pub is_migrated: bool,
    pub users: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { signing: Signing::Es256, token_seconds: 3_600, is_migrated: true, users: 2 }
    }
}

/// A running stack; it ends with this handle.
#[derive(Debug)]
pub struct Stack {
    /// `SUPABASE_URL`.
    pub url: String,
    /// The publishable key.
    pub key: String,
    /// Two users, or as many as were asked for.
    pub users: Vec<User>,
    pub auth: Arc<Auth>,
    pub gateway: Arc<Gateway>,
    pub realtime: Realtime,
    pub project: Project,
    _tasks: JoinSet<()>,
}

impl Stack {
    /// Starts a stack on free ports, on the PostgreSQL of a folder.
    pub async fn start(distribution: &Path, options: Options) -> io::Result<Self> {
        let project = if options.is_migrated {
            Project::migrated(distribution).await?
        } else {
            Project::empty(distribution).await?
        };
        let mut users = Vec::new();
        for number in 0..options.users {
            let name = ["alice", "bob"].get(number).copied().unwrap_or("somebody");
            let id = Uuid::new_v4();
            let password = Uuid::new_v4().to_string();
            users.push(User { id, email: format!("{name}-{id}@example.com"), password });
        }
        let ids: Vec<Uuid> = users.iter().map(|user| user.id).collect();
        project.add_users(&ids).await.map_err(io::Error::other)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let key = format!("sb_publishable_{}", Uuid::new_v4().simple());
        let keys = Keys::new(options.signing);
        let auth = Auth::new(keys, format!("{url}/auth/v1"), options.token_seconds, users.clone());

        let rest = rest(&project, &auth).await?;
        let mut tasks = JoinSet::new();
        let (realtime, socket) = realtime::start(&project, Arc::clone(&auth), &mut tasks).await?;
        let gateway = Gateway::new(key.clone());
        let routes = Router::new()
            .nest("/auth/v1", auth::router(Arc::clone(&auth)))
            .nest("/realtime/v1", socket)
            .nest_service("/rest/v1", rest);
        let routes = gateway::before(routes, Arc::clone(&gateway));
        tasks.spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { url, key, users, auth, gateway, realtime, project, _tasks: tasks })
    }
}

/// Builds the REST server in this process.
async fn rest(project: &Project, auth: &Auth) -> io::Result<Router> {
    let settings = [
        ("PGRST_DB_URI", project.url("authenticator")),
        ("PGRST_DB_SCHEMAS", "public".to_owned()),
        ("PGRST_DB_EXTRA_SEARCH_PATH", "public,extensions".to_owned()),
        ("PGRST_DB_ANON_ROLE", "anon".to_owned()),
        ("PGRST_DB_POOL", "10".to_owned()),
        // Who finds all ten busy waits; a thousand calls at once take their time on a machine that does other things.
        ("PGRST_DB_POOL_TIMEOUT", "60".to_owned()),
        ("PGRST_DB_MAX_ROWS", "1000".to_owned()),
        ("PGRST_DB_CHANNEL_ENABLED", "true".to_owned()),
        ("PGRST_JWT_SECRET", auth.keys.verification_set().to_string()),
        ("PGRST_JWT_AUD", "authenticated".to_owned()),
        ("PGRST_COMPAT_MODE", "true".to_owned()),
    ];
    let config = postrust_core::AppConfig::try_from_vars(settings).map_err(io::Error::other)?;
    let app = postrust_server::build(config, Host::SERVER).await.map_err(io::Error::other)?;
    Ok(app.router)
}

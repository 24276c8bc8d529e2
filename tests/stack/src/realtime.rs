//! Realtime comes in its own step; until then its place is empty.

use std::io;
use std::sync::Arc;

use axum::Router;
use tokio::task::JoinSet;

use crate::auth::Auth;
use crate::project::Project;

pub(crate) async fn start(_: &Project, _: Arc<Auth>) -> io::Result<(Router, JoinSet<()>)> {
    Ok((Router::new(), JoinSet::new()))
}

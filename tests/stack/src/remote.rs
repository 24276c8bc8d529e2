//! A project that somebody else runs, hosted or by `supabase start`, in the place of a stack of our own.
//!
//! It must be migrated. `TEST_SUPABASE_URL`, `TEST_SUPABASE_ANON_KEY`, `TEST_SUPABASE_JWT_SECRET`, which signs tokens of
//! its users, and `TEST_SUPABASE_DB_URL`, which adds them. Users stay there; take a project that can be thrown away.

use std::io;

use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use crate::keys::{sign_with_secret, unix_seconds};
use crate::project::add_users;
use crate::session::Session;
use crate::variable;

/// How long tokens of the users are valid.
const TOKEN_SECONDS: u64 = 3_600;

/// Adds users and says how to reach the project; `None` where none is named.
pub async fn project(users: usize) -> io::Result<Option<Value>> {
    let Some(url) = variable("TEST_SUPABASE_URL") else { return Ok(None) };
    let needed = |name: &str| variable(name).ok_or_else(|| io::Error::other(format!("{name} is not set")));
    let (key, secret) = (needed("TEST_SUPABASE_ANON_KEY")?, needed("TEST_SUPABASE_JWT_SECRET")?);
    let options: PgConnectOptions = needed("TEST_SUPABASE_DB_URL")?.parse().map_err(io::Error::other)?;
    let ids: Vec<Uuid> = (0..users).map(|_| Uuid::new_v4()).collect();
    let mut owner = Session::connect(&options).await.map_err(io::Error::other)?;
    add_users(&mut owner, &ids).await.map_err(|refusal| io::Error::other(refusal.message))?;
    let now = unix_seconds();
    let user = |id: &Uuid| {
        let claims = json!({
            "sub": id, "aud": "authenticated", "role": "authenticated", "iat": now, "exp": now + TOKEN_SECONDS,
        });
        let email = format!("{id}@example.com");
        json!({ "id": id, "email": email, "password": "", "access_token": sign_with_secret(&claims, &secret) })
    };
    let users: Vec<Value> = ids.iter().map(user).collect();
    Ok(Some(json!({ "url": url, "anon_key": key, "is_remote": true, "users": users })))
}

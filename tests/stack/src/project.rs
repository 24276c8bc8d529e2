//! A project: a database with what Supabase puts there, its users, and our migrations.

use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::postgres::Cluster;
use crate::session::{Refusal, Session};

/// What a project has before the first migration.
pub const BASE: &str = include_str!("../base.sql");

/// The one database of a cluster; roles are the cluster's, so there can be no second project beside it.
const DATABASE: &str = "postgres";

/// A cluster with a project in it.
#[derive(Debug)]
pub struct Project {
    cluster: Cluster,
}

/// A migration by its number.
#[derive(Debug, Clone)]
pub struct Migration {
    pub number: u32,
    pub sql: String,
}

impl Project {
    /// Makes a project without our tables.
    pub async fn empty(distribution: &Path) -> io::Result<Self> {
        let project = Self { cluster: Cluster::start(distribution).await? };
        let mut superuser = project.session("postgres").await.map_err(io::Error::other)?;
        superuser.rows(BASE).await.map_err(|refusal| io::Error::other(refusal.message))?;
        Ok(project)
    }

    /// Makes a project with our tables.
    pub async fn migrated(distribution: &Path) -> io::Result<Self> {
        let project = Self::empty(distribution).await?;
        for migration in migrations()? {
            let applied = project.apply(&migration).await;
            applied.map_err(|refusal| {
                io::Error::other(format!("migration {}: {}", migration.number, refusal.message))
            })?;
        }
        Ok(project)
    }

    /// Applies one migration as the owner of the project, who is no superuser, in one transaction.
    pub async fn apply(&self, migration: &Migration) -> Result<(), Refusal> {
        let mut owner = self
            .session("project_owner")
            .await
            .map_err(|error| Refusal { code: String::new(), message: error.to_string() })?;
        // Several statements sent at once are one transaction.
        owner.rows(&migration.sql).await.map(drop)
    }

    /// Connects as a role of the database.
    pub async fn session(&self, role: &str) -> Result<Session, sqlx::Error> {
        Session::connect(&self.cluster.options(role, DATABASE)).await
    }

    /// Makes a user and gives the id.
    pub async fn user(&self) -> Result<Uuid, sqlx::Error> {
        let id = Uuid::new_v4();
        self.add_users(&[id]).await?;
        Ok(id)
    }

    /// Makes users of these ids.
    pub async fn add_users(&self, ids: &[Uuid]) -> Result<(), sqlx::Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let rows: Vec<String> = ids.iter().map(|id| format!("('{id}', '{id}@example.com')")).collect();
        let sql = format!("insert into auth.users (id, email) values {}", rows.join(", "));
        let mut superuser = self.session("postgres").await?;
        superuser.rows(&sql).await.map(drop).map_err(|refusal| sqlx::Error::Protocol(refusal.message))
    }

    /// Connects as REST does for a signed-in user.
    pub async fn signed_in(&self, user: Uuid) -> Result<Session, sqlx::Error> {
        let mut session = self.session("authenticator").await?;
        let became = session.become_user("authenticated", Some(user)).await;
        became.map_err(|refusal| sqlx::Error::Protocol(refusal.message))?;
        Ok(session)
    }

    /// Ends every connection to the database and lets no other in, or lets them in again.
    pub async fn set_plugged(&self, is_plugged: bool) -> Result<(), Refusal> {
        let connection = Session::connect(&self.cluster.options("postgres", "template1")).await;
        let mut superuser =
            connection.map_err(|error| Refusal { code: String::new(), message: error.to_string() })?;
        superuser.rows(&format!("alter database {DATABASE} allow_connections {is_plugged}")).await?;
        let end =
            format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{DATABASE}'");
        superuser.rows(if is_plugged { "" } else { &end }).await.map(drop)
    }

    /// Says how to connect as a role.
    pub fn options(&self, role: &str) -> sqlx::postgres::PgConnectOptions {
        self.cluster.options(role, DATABASE)
    }

    /// Gives a connection string for a role.
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{DATABASE}", self.cluster.port())
    }
}

/// Reads our migrations in order.
pub fn migrations() -> io::Result<Vec<Migration>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/supabase");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let number = name.split('_').next().and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| io::Error::other(format!("{name} has no number")))?;
            Ok(Migration { number, sql: std::fs::read_to_string(file)? })
        })
        .collect()
}

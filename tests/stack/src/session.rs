//! SQL as one role and one user, with results as PostgreSQL writes them.

use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use uuid::Uuid;

/// A refusal of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// SQLSTATE.
    pub code: String,
    pub message: String,
}

/// One connection.
#[derive(Debug)]
pub struct Session(PgConnection);

impl Session {
    /// Connects as a role.
    pub async fn connect(options: &PgConnectOptions) -> Result<Self, sqlx::Error> {
        PgConnection::connect_with(options).await.map(Self)
    }

    /// Becomes what REST becomes for a request with a token: a role, and the token's claims.
    pub async fn become_user(&mut self, role: &str, user: Option<Uuid>) -> Result<(), Refusal> {
        let sub = user.map_or_else(|| "null".to_owned(), |user| format!("\"{user}\""));
        self.become_claims(role, &format!("{{\"sub\":{sub},\"role\":\"{role}\"}}")).await
    }

    /// Becomes a role with claims as they stand.
    pub async fn become_claims(&mut self, role: &str, claims: &str) -> Result<(), Refusal> {
        let claims = claims.replace('\'', "''");
        self.rows(&format!(
            "reset role; set role {role}; select set_config('request.jwt.claims', '{claims}', false)"
        ))
        .await
        .map(drop)
    }

    /// Runs statements and gives all their rows as text.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Refusal> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.0).await.map_err(refusal)?;
        rows.iter().map(texts).collect::<Result<_, _>>().map_err(refusal)
    }

    /// Runs statements and gives the first column of the last row; the empty text where it is null or absent.
    pub async fn one(&mut self, sql: &str) -> Result<String, Refusal> {
        let rows = self.rows(sql).await?;
        let value = rows.into_iter().next_back().and_then(|row| row.into_iter().next().flatten());
        Ok(value.unwrap_or_default())
    }

    /// Runs statements that must be refused, and gives the SQLSTATE; the empty text where they were not.
    pub async fn refused(&mut self, sql: &str) -> String {
        match self.rows(sql).await {
            Ok(_) => String::new(),
            Err(refusal) => refusal.code,
        }
    }
}

fn texts(row: &PgRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..row.len()).map(|column| row.try_get_unchecked::<Option<String>, _>(column)).collect()
}

fn refusal(error: sqlx::Error) -> Refusal {
    let code = error.as_database_error().and_then(|error| error.code().map(Into::into)).unwrap_or_default();
    Refusal { code, message: error.to_string() }
}

//! Why a database was not migrated, by what the user can do about it.
//!
//! The server's own words are passed on where it answers a file, and where it turns us away: they name users, tables
//! and functions, and no password.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use tokio_postgres::error::DbError;

/// Why it was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MigrationError {
    #[error(
        "the database URL cannot be used ({problem}); hint: copy it from the project's dashboard (Connect), with each character of the password that is no letter or digit percent-encoded"
    )]
    NoUrl { problem: &'static str },
    #[error(
        "sslmode=disable would send everything readable through the network; hint: leave it out of the database URL"
    )]
    Plain,
    #[error(
        "sslmode=verify-full needs the certificate to verify by; hint: download it (Database Settings, SSL) and add `&sslrootcert=PATH` to the database URL"
    )]
    NoAuthority,
    #[error(
        "sslrootcert={path} cannot be used ({problem}); hint: download the project's certificate again (Database Settings, SSL)"
    )]
    Authority { path: String, problem: String },
    #[error(
        "no connection to {place} ({problem}); hint: check the database URL and the network; a project's direct address has IPv6 only, its pooler's has IPv4"
    )]
    Unreachable { place: String, problem: String },
    #[error(
        "{place} is not the server that sslrootcert vouches for ({problem}); hint: check the host in the database URL, and download the project's certificate again (Database Settings, SSL)"
    )]
    Untrusted { place: String, problem: String },
    #[error(
        "the database does not take the password ({code}); hint: check it in the database URL, percent-encoded, or reset it in the project's dashboard (Database Settings)"
    )]
    WrongPassword { code: String },
    #[error(
        "the database turns us away ({code}: {message}); hint: copy the database URL from the project's dashboard (Connect) again"
    )]
    TurnedAway { code: String, message: String },
    #[error(
        "the database has schema version {found}, this program knows {known}; hint: update ai-cost-optimizer"
    )]
    Newer { found: i64, known: i64 },
    #[error(
        "the database has a function schema_version() of somebody else; hint: use another project, see migrations/README.md"
    )]
    ForeignVersion,
    #[error(
        "the database does not say its schema version ({code}: {message}); hint: connect as the owner of the project, `postgres`"
    )]
    NoVersion { code: String, message: String },
    #[error(
        "{file} failed and is rolled back, the files before it stay applied ({code}: {message}); hint: {hint}"
    )]
    File { file: &'static str, code: String, message: String, hint: String },
    #[error(
        "the connection to the database broke ({problem}); hint: run it again; a file counts whole or not at all"
    )]
    Broken { problem: String },
}

impl MigrationError {
    /// Words that nothing was heard for too long.
    pub(super) fn late(patience: Duration) -> Self {
        Self::Broken { problem: format!("no answer within {} s", patience.as_secs()) }
    }

    /// Words why there is no connection.
    pub(super) fn connecting(place: &str, error: &tokio_postgres::Error) -> Self {
        let place = place.to_owned();
        match (error.as_db_error(), refusal(error)) {
            (Some(answer), _) => turned_away(answer.code().code(), answer.message()),
            (None, Some(problem)) => Self::Untrusted { place, problem },
            (None, None) if is_password_missing(error) => {
                Self::WrongPassword { code: "none given".to_owned() }
            }
            (None, None) => Self::Unreachable { place, problem: words(error) },
        }
    }

    /// Words why the version is not known.
    pub(super) fn answering(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(answer) => Self::NoVersion {
                code: answer.code().code().to_owned(),
                message: answer.message().to_owned(),
            },
            None => Self::Broken { problem: words(error) },
        }
    }

    /// Words why a file is not applied.
    pub(super) fn applying(file: &'static str, error: &tokio_postgres::Error) -> Self {
        error.as_db_error().map_or_else(
            || Self::Broken { problem: format!("{}, in {file}", words(error)) },
            |answer| failed(file, answer),
        )
    }
}

fn turned_away(code: &str, message: &str) -> MigrationError {
    let (code, message) = (code.to_owned(), message.to_owned());
    match code.as_str() {
        "28P01" => MigrationError::WrongPassword { code },
        _ => MigrationError::TurnedAway { code, message },
    }
}

fn failed(file: &'static str, answer: &DbError) -> MigrationError {
    let code = answer.code().code().to_owned();
    let own = answer.hint();
    let hint = way_out(&code).or(own).unwrap_or("nothing is lost; run it again, or report it with this code");
    let hint = hint.to_owned();
    let message = match own {
        Some(own) if own != hint => format!("{}; {own}", answer.message()),
        _ => answer.message().to_owned(),
    };
    MigrationError::File { file, code, message, hint }
}

/// Gives what the owner of a project can do about an SQLSTATE.
fn way_out(code: &str) -> Option<&'static str> {
    match code {
        "42501" => Some("connect as the owner of the project, `postgres`"),
        // A table, view or index; a function; a policy, type or the like.
        "42P07" | "42723" | "42710" => {
            Some("a name is taken that the files need: use another project, see migrations/README.md")
        }
        "58P01" | "0A000" => Some(
            "the server lacks the extension vector (pgvector) 0.8 or newer, which every Supabase project has",
        ),
        "55P03" => Some("somebody else holds what it needs: run it again when they are done"),
        "57014" => Some("it took too long: run it again when less is going on"),
        "25006" | "53100" => {
            Some("the project takes no changes: see in its dashboard whether the disk is full")
        }
        _ => None,
    }
}

/// Says why TLS does not trust the server, where that is the reason.
fn refusal(error: &tokio_postgres::Error) -> Option<String> {
    let cause: &io::Error = error.source()?.downcast_ref()?;
    match cause.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(problem) => Some(format!("{problem:?}")),
        _ => None,
    }
}

/// The client says this of itself, in no other way.
fn is_password_missing(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|cause| cause.to_string() == "password missing")
}

/// Words an error that is not the server's answer; it has no part of the URL.
fn words(error: &tokio_postgres::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_says_what_to_do() {
        let check = |code: &str, words: &str| {
            let hint = way_out(code).unwrap_or_default();
            assert!(hint.contains(words), "{code}: {hint}");
        };
        check("42501", "as the owner");
        check("42P07", "use another project");
        check("42723", "use another project");
        check("58P01", "extension vector");
        check("0A000", "extension vector");
        check("55P03", "run it again");
        check("57014", "run it again");
        check("25006", "disk is full");
        check("XX000", "");
    }

    #[test]
    fn a_wrong_password_is_told_from_a_wrong_address() {
        let check = |code: &str, message: &str, words: &[&str]| {
            let error = turned_away(code, message).to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        check(
            "28P01",
            "password authentication failed for user \"postgres\"",
            &["password (28P01)", "reset it"],
        );
        check(
            "XX000",
            "Tenant or user not found",
            &["XX000: Tenant or user not found", "copy the database URL"],
        );
        check("28000", "no pg_hba.conf entry for host", &["28000", "no pg_hba.conf entry"]);
    }
}

//! The URL of a database: where it is, and how the way there must be protected.
//!
//! Its text holds the password, and is in no error: a password whose special characters are not encoded turns up
//! anywhere in it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::MigrationError;
use super::connection::CONNECT_PATIENCE;
use super::protection::Protection;

/// The port where none is given.
const DEFAULT_PORT: u16 = 5432;

/// Where a database is, and as whom to connect.
pub struct DatabaseUrl {
    pub(super) config: Config,
    pub(super) protection: Protection,
    host: String,
    port: u16,
}

impl DatabaseUrl {
    /// Reads `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, with what libpq knows of `sslmode` and `sslrootcert`.
    pub fn parse(text: &SecretString) -> Result<Self, MigrationError> {
        let no_url = |problem| MigrationError::NoUrl { problem };
        let text = text.expose_secret().trim();
        if text.contains("[YOUR-PASSWORD]") {
            return Err(no_url("it has `[YOUR-PASSWORD]` in place of the password"));
        }
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(no_url("it does not begin with `postgresql://`"));
        }
        let mut url = Url::parse(text).map_err(|_| no_url("it cannot be read"))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        // Each is where a part of a password ends up that is not encoded; a list of hosts is none of a project.
        let is_torn = url.fragment().is_some()
            || url.path().trim_start_matches('/').contains(['/', '@', ':'])
            || url.query().is_some_and(|query| query.contains('@'));
        if is_torn || host.is_empty() || host.contains(['%', ',']) || url.username().is_empty() {
            return Err(no_url("it is not `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`"));
        }
        // As libpq has it, a plus stands for itself.
        let query = url.query().map(|query| query.replace('+', "%2B"));
        url.set_query(query.as_deref());
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        url.set_query(None);
        let mut config: Config = url.as_str().parse().map_err(|_| no_url("it cannot be read"))?;
        let (mut mode, mut authority) = (None, None);
        for (name, value) in pairs {
            match name.as_str() {
                "sslmode" => mode = Some(value),
                "sslrootcert" => authority = Some(PathBuf::from(value)),
                "options" => {
                    config.options(value);
                }
                // Clients that prepare statements are told so; this one prepares none.
                "pgbouncer" => {}
                _ => {
                    return Err(no_url(
                        "it has a parameter that is none of sslmode, sslrootcert, options, pgbouncer",
                    ));
                }
            }
        }
        let protection = protection(mode.as_deref(), authority, &host)?;
        config.application_name("ai-cost-optimizer migrate").connect_timeout(CONNECT_PATIENCE).ssl_mode(
            match &protection {
                Protection::None => SslMode::Disable,
                Protection::Offered => SslMode::Prefer,
                Protection::Unverified | Protection::Verified { .. } => SslMode::Require,
            },
        );
        Ok(Self { config, protection, host, port: url.port().unwrap_or(DEFAULT_PORT) })
    }

    /// Names host and port, for messages.
    pub(super) fn place(&self) -> String {
        format!("{}, port {}", self.host, self.port)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseUrl").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Decides as libpq does, but more strictly where libpq would settle for less: nothing is plain beyond this machine,
/// and whoever names an authority has the host's name verified too.
fn protection(
    mode: Option<&str>,
    authority: Option<PathBuf>,
    host: &str,
) -> Result<Protection, MigrationError> {
    let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    match (mode, authority) {
        (Some("disable"), _) if is_here => Ok(Protection::None),
        (Some("disable"), _) => Err(MigrationError::Plain),
        (None | Some("allow" | "prefer" | "require" | "verify-ca" | "verify-full"), Some(authority)) => {
            Ok(Protection::Verified { authority })
        }
        (Some("verify-ca" | "verify-full"), None) => Err(MigrationError::NoAuthority),
        (None | Some("allow" | "prefer"), None) if is_here => Ok(Protection::Offered),
        (None | Some("allow" | "prefer" | "require"), None) => Ok(Protection::Unverified),
        _ => Err(MigrationError::NoUrl {
            problem: "its sslmode is none of disable, allow, prefer, require, verify-ca, verify-full",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<DatabaseUrl, MigrationError> {
        DatabaseUrl::parse(&SecretString::from(text))
    }

    #[test]
    fn a_way_is_protected_unless_it_stays_on_this_machine() {
        let check = |host: &str, query: &str, expected: &str| {
            let found = parsed(&format!("postgresql://u:p@{host}/postgres{query}"));
            let found = found.map_or_else(|error| error.to_string(), |url| format!("{:?}", url.protection));
            assert!(found.starts_with(expected), "{host} {query}: {found}");
        };
        let (far, near) = ("db.x.supabase.co:5432", "127.0.0.1");
        let verified = "Verified { authority: \"/a+b c.crt\" }";
        check(far, "", "Unverified");
        for mode in ["allow", "prefer", "require"] {
            check(far, &format!("?sslmode={mode}"), "Unverified");
            check(far, &format!("?sslmode={mode}&sslrootcert=/a+b%20c.crt"), verified);
        }
        check(far, "?sslrootcert=/a+b%20c.crt", verified);
        check(far, "?sslmode=verify-full&sslrootcert=%2Fa%2Bb%20c.crt", verified);
        check(far, "?sslmode=verify-full", "sslmode=verify-full needs");
        check(far, "?sslmode=disable", "sslmode=disable would send");
        check(far, "?sslmode=disable&sslrootcert=/a", "sslmode=disable would send");
        check(far, "?sslmode=Require", "the database URL cannot be used (its sslmode");
        for here in [near, "localhost:5433", "[::1]:5432", "127.8.9.1"] {
            check(here, "", "Offered");
            check(here, "?sslmode=disable", "None");
        }
        check(near, "?sslmode=require", "Unverified");
        check(near, "?sslrootcert=/a+b%20c.crt", verified);
        // Names and numbers that only look like this machine.
        for there in ["localhost.example.com", "127.0.0.1.example.com", "128.0.0.1", "[::2]"] {
            check(there, "", "Unverified");
        }
    }

    #[test]
    fn a_url_says_who_where_and_what() {
        let url = parsed(
            "postgres://postgres.ref:p%40ss%2Fw%3Ard%23%25%3F@pooler.x.com:6543/postgres?pgbouncer=true",
        );
        let url = url.unwrap();
        assert_eq!(url.config.get_user(), Some("postgres.ref"));
        assert_eq!(url.config.get_password(), Some("p@ss/w:rd#%?".as_bytes()));
        assert_eq!((url.config.get_ports(), url.config.get_dbname()), (&[6543][..], Some("postgres")));
        assert_eq!(url.place(), "pooler.x.com, port 6543");
        // An `@` or `%` that is not encoded is still told from the end of the password.
        let url = parsed(" postgresql://u:a@b%c+d@h/db \n").unwrap();
        assert_eq!(url.config.get_password(), Some("a@b%c+d".as_bytes()));
        assert_eq!((url.config.get_ports(), url.place().as_str()), (&[5432][..], "h, port 5432"));
        let url = parsed("postgresql://u@h?options=reference%3Dabc").unwrap();
        assert_eq!((url.config.get_password(), url.config.get_options()), (None, Some("reference=abc")));
    }

    #[test]
    fn what_is_no_url_is_refused_and_nothing_of_it_is_shown() {
        for text in [
            "",
            "canary",
            "https://canary.supabase.co",
            "postgres:canary",
            "postgresql://canary",
            "postgresql://:canary@h/db",
            "postgresql://u:canary@/db",
            "postgresql://u:can/ary@h/db",
            "postgresql://u:12/canary@h/db",
            "postgresql://u:12#canary@h/db",
            "postgresql://u:12?canary@h/db",
            "postgresql://u:p@h/db/canary",
            "postgresql://u:p@h1,canary/db",
            "postgresql://u:p@h:canary/db",
            "postgresql://u:p@%2Fcanary/db",
            "postgresql://u:p@h/db?host=canary",
            "postgresql://u:p@h/db?hostaddr=canary&canary=1",
            "postgresql://u:p@h/db?sslmode=canary",
            "postgresql://u:[YOUR-PASSWORD]@canary/db",
        ] {
            let error = parsed(text).map(|url| format!("{:?}", url.config)).unwrap_err();
            assert!(matches!(error, MigrationError::NoUrl { .. }), "{text}: {error}");
            assert!(!error.to_string().contains("ary"), "{text}: {error}");
            assert!(!format!("{error:?}").contains("ary"), "{text}: {error:?}");
        }
        let url = parsed("postgresql://u:canary@h/db").unwrap();
        assert!(!format!("{url:?}").contains("canary"), "{url:?}");
    }
}

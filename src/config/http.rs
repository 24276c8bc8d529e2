//! What `serve --http` needs to know: who may spend on the operator's keys, and how their tokens are verified.

use std::collections::HashSet;

use anyhow::bail;
use secrecy::SecretString;

use super::Values;
use super::serving::names;
use crate::domain::ids::UserId;

const USUAL_PORT: u16 = 8_001;

/// How a team is served over HTTP; nothing of it holds on stdin and stdout.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// `MCP_SERVER_PORT`; default: 8001.
    pub port: u16,
    /// `HTTP_ALLOWED_USERS`; default: none, and nothing is served.
    pub allowed: Option<AllowedUsers>,
    /// `SUPABASE_JWT_SECRET`; default: none, and the project's public keys verify.
    pub jwt_secret: Option<SecretString>,
}

/// Who may have prompts answered at the operator's cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedUsers {
    /// `*`: every user of the project.
    Everyone,
    Listed {
        ids: HashSet<UserId>,
        /// In small letters.
        emails: HashSet<String>,
    },
}

impl AllowedUsers {
    /// Says whether a user is among them.
    pub fn hold(&self, user: UserId, email: Option<&str>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Listed { ids, emails } => {
                ids.contains(&user) || email.is_some_and(|email| emails.contains(&email.to_lowercase()))
            }
        }
    }

    fn read(text: &str) -> anyhow::Result<Self> {
        let entries = names(text);
        if entries.iter().any(|entry| entry == "*") {
            if entries.len() > 1 {
                bail!(
                    "HTTP_ALLOWED_USERS has `*` among others; hint: `*` alone allows every user of the project"
                );
            }
            return Ok(Self::Everyone);
        }
        let (mut ids, mut emails) = (HashSet::new(), HashSet::new());
        for entry in entries {
            match entry.parse() {
                Ok(id) => {
                    ids.insert(id);
                }
                Err(_) if is_email(&entry) => {
                    emails.insert(entry.to_lowercase());
                }
                Err(_) => bail!(
                    "HTTP_ALLOWED_USERS has `{entry}`; accepted: ids of users or their e-mail addresses, with commas between, or `*`"
                ),
            }
        }
        if ids.is_empty() && emails.is_empty() {
            bail!("HTTP_ALLOWED_USERS names nobody; accepted: ids or e-mail addresses, or `*`");
        }
        Ok(Self::Listed { ids, emails })
    }
}

fn is_email(entry: &str) -> bool {
    let is_whole = |(name, host): (&str, &str)| !name.is_empty() && !host.is_empty() && !host.contains('@');
    entry.split_once('@').is_some_and(is_whole) && !entry.contains([' ', '*'])
}

impl HttpConfig {
    pub(super) fn read(values: &Values) -> anyhow::Result<Self> {
        Ok(Self {
            port: values
                .parsed("MCP_SERVER_PORT", "a port from 0 (any free one) to 65535", |text| text.parse().ok())?
                .unwrap_or(USUAL_PORT),
            allowed: values.text("HTTP_ALLOWED_USERS").map(AllowedUsers::read).transpose()?,
            jwt_secret: values.secret("SUPABASE_JWT_SECRET")?,
        })
    }
}

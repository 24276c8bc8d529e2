//! A signed-in user, as it is kept and as it is used.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::domain::ids::UserId;

/// A user's session with a project.
#[derive(Clone)]
pub struct Session {
    pub user: UserId,
    pub email: Option<String>,
    pub access_token: SecretString,
    pub refresh_token: SecretString,
    /// By this machine's clock, counted from when the token came: a clock that is off locks nobody out.
    pub expires_at: Timestamp,
}

/// What goes into the header of a request, and whose it is.
#[derive(Clone)]
pub struct UserToken {
    pub user: UserId,
    pub bearer: SecretString,
}

impl Session {
    /// Says whether the token is good for some time yet.
    pub fn is_fresh(&self, now: Timestamp, margin: Duration) -> bool {
        let margin = SignedDuration::try_from(margin).unwrap_or(SignedDuration::MAX);
        self.expires_at.duration_since(now) > margin
    }

    /// Gives the token of this session.
    pub fn token(&self) -> UserToken {
        UserToken { user: self.user, bearer: self.access_token.clone() }
    }

    /// Says whether a token is this session's.
    pub fn has_token(&self, token: &UserToken) -> bool {
        self.access_token.expose_secret() == token.bearer.expose_secret()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user).finish_non_exhaustive()
    }
}

impl fmt::Debug for UserToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserToken").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A session as it is written down.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptSession {
    user_id: String,
    email: Option<String>,
    access_token: String,
    refresh_token: String,
    expires_at: Timestamp,
}

impl From<&Session> for KeptSession {
    fn from(session: &Session) -> Self {
        Self {
            user_id: session.user.to_string(),
            email: session.email.clone(),
            access_token: session.access_token.expose_secret().to_owned(),
            refresh_token: session.refresh_token.expose_secret().to_owned(),
            expires_at: session.expires_at,
        }
    }
}

impl KeptSession {
    /// Gives the session; `None` where its user is no user.
    pub(super) fn session(self) -> Option<Session> {
        Some(Session {
            user: self.user_id.parse().ok()?,
            email: self.email,
            access_token: self.access_token.into(),
            refresh_token: self.refresh_token.into(),
            expires_at: self.expires_at,
        })
    }
}

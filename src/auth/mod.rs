//! Adapter: the session of a Supabase user: sign-in, refresh, verification, and where it is kept.
//!
//! It knows no table. Tokens are secrets: they are in no log, error or URL, and the project's key is passed on as
//! it is, never read, except to refuse one that would bypass row-level security.

mod claims;
mod gotrue;
mod keys;
pub mod project;
mod session;
mod vault;
pub mod verifier;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use self::gotrue::{GoTrue, Grant};
use self::keys::Keys;
pub use self::project::{BadProject, Project};
pub use self::session::{Session, UserToken};
use self::vault::Vault;
use crate::domain::ids::UserId;

/// A session is renewed when it has less than this left.
const RENEW_BEFORE: Duration = Duration::from_secs(90);

/// Why there is no token, by what the user can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    #[error("nobody is signed in; hint: run `ai-cost-optimizer login`")]
    SignedOut,
    /// The session is over: it was revoked, or its refresh token was used up elsewhere.
    #[error("the session is over ({code}); hint: run `ai-cost-optimizer login`")]
    Over { code: String },
    /// A server belongs to the user that it began with.
    #[error("another user has signed in on this machine; hint: start the server again")]
    OtherUser,
    #[error("e-mail or password is wrong ({code})")]
    WrongPassword { code: String },
    #[error("{what} is not a user's token of this project ({problem}); hint: {hint}")]
    NotAToken { what: &'static str, problem: String, hint: &'static str },
    #[error(
        "SUPABASE_ACCESS_TOKEN was refused ({code}); hint: set a fresh one, or unset it and run `ai-cost-optimizer login`"
    )]
    GivenTokenRefused { code: String },
    /// The server acts for somebody else, who alone can send a fresh token.
    #[error("the token that came with this user's requests was refused ({code}); hint: sign in again")]
    SentTokenRefused { code: String },
    #[error("the project's key was refused ({code}); hint: check SUPABASE_ANON_KEY")]
    KeyRefused { code: String },
    /// The sign-in server cannot be reached, or fails; what is stored may still be good.
    #[error(
        "the sign-in server of the project does not answer ({problem}); hint: check SUPABASE_URL and the network"
    )]
    Unavailable { problem: String },
    #[error("the session cannot be kept ({problem}); hint: check COST_OPTIMIZER_DATA_DIR")]
    NotKept { problem: String },
}

/// Where a session is kept, as the user should know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In the keyring of the operating system.
    Keyring,
    /// In a file that only this user may read, because there is no keyring here.
    File(PathBuf),
}

/// The one place that gives out tokens; a clone is a handle to the same session.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    server: GoTrue,
    keys: Keys,
    vault: Vault,
    source: Source,
    current: Mutex<Option<Session>>,
    /// One renewal at a time in this process; other processes are held off by the vault's lock.
    renewal: tokio::sync::Mutex<()>,
}

/// Where tokens come from.
enum Source {
    /// The session that is kept on this machine.
    Session,
    /// `SUPABASE_ACCESS_TOKEN`: it is used as it is and never renewed.
    Variable(SecretString),
    /// The requests of one user, of which the latest token that was sent is used.
    Requests(Mutex<UserToken>),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

impl Auth {
    /// Takes the program's HTTP client, the project, a token from the environment, and the data folder.
    pub fn new(
        client: reqwest::Client,
        project: &Project,
        given: Option<SecretString>,
        data_dir: PathBuf,
    ) -> Self {
        let source = given.map_or(Source::Session, Source::Variable);
        Self::of(client, project, source, data_dir)
    }

    /// Takes a token that a user's request carries; it is kept in memory only.
    pub fn of_requests(client: reqwest::Client, project: &Project, token: UserToken) -> Self {
        // Nothing is kept in a folder for somebody else.
        Self::of(client, project, Source::Requests(Mutex::new(token)), PathBuf::new())
    }

    /// Goes on with a later token of the same user; another user's is not taken.
    pub fn go_on_with(&self, token: UserToken) {
        if let Source::Requests(latest) = &self.0.source {
            let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
            if latest.user == token.user {
                *latest = token;
            }
        }
    }

    fn of(client: reqwest::Client, project: &Project, source: Source, data_dir: PathBuf) -> Self {
        Self(Arc::new(Inner {
            server: GoTrue::new(client.clone(), project.clone()),
            keys: Keys::new(client, project.clone()),
            vault: Vault::new(project.host(), data_dir),
            source,
            current: Mutex::default(),
            renewal: tokio::sync::Mutex::default(),
        }))
    }

    /// Gives a token that is good for now; one that is about to expire is renewed first.
    ///
    /// Cancel safe: yes; a renewal that was begun is saved by the task that made it, or repeated.
    pub async fn token(&self) -> Result<UserToken, AuthError> {
        match &self.0.source {
            Source::Session => {}
            Source::Variable(given) => return self.given(given).await,
            Source::Requests(latest) => return Ok(sent(latest)),
        }
        let now = Timestamp::now();
        if let Some(session) = self.current().filter(|session| session.is_fresh(now, RENEW_BEFORE)) {
            return Ok(session.token());
        }
        self.renewed(None).await
    }

    /// Gives another token in the place of one that the database refused; it is asked for once.
    pub async fn instead_of(&self, refused: &UserToken, code: &str) -> Result<UserToken, AuthError> {
        let code = code.to_owned();
        match &self.0.source {
            Source::Session => self.renewed(Some(refused)).await,
            Source::Variable(_) => Err(AuthError::GivenTokenRefused { code }),
            // Another request may have brought a fresh one meanwhile.
            Source::Requests(latest) => {
                let latest = sent(latest);
                let is_other = latest.bearer.expose_secret() != refused.bearer.expose_secret();
                if is_other { Ok(latest) } else { Err(AuthError::SentTokenRefused { code }) }
            }
        }
    }

    /// Signs in with e-mail and password, and keeps the session.
    pub async fn sign_in(&self, email: &str, password: &SecretString) -> Result<(Session, Kept), AuthError> {
        let session = self.0.server.ask(Grant::Password { email, password }).await?;
        self.keep(session).await
    }

    /// Signs in with a refresh token, which is used up by it, and keeps the session.
    pub async fn sign_in_with(&self, refresh_token: &SecretString) -> Result<(Session, Kept), AuthError> {
        let session = self.0.server.ask(Grant::Refresh { refresh_token }).await?;
        self.keep(session).await
    }

    /// Revokes the session, as far as the server can be reached, and forgets it in any case.
    ///
    /// Gives the server's problem where it could not be told.
    pub async fn sign_out(&self) -> Result<Option<AuthError>, AuthError> {
        let kept = self.0.vault.read().await?;
        *self.0.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let problem = match &kept {
            Some(session) => self.0.server.revoke(&session.token()).await.err(),
            None => None,
        };
        self.0.vault.forget().await?;
        Ok(problem)
    }

    /// Names the user that is signed in, without asking anybody.
    pub async fn user(&self) -> Result<UserId, AuthError> {
        match &self.0.source {
            Source::Variable(given) => Ok(claims::read("SUPABASE_ACCESS_TOKEN", given)?.user),
            Source::Requests(latest) => Ok(sent(latest).user),
            Source::Session => match self.current() {
                Some(session) => Ok(session.user),
                None => Ok(self.0.vault.read().await?.ok_or(AuthError::SignedOut)?.user),
            },
        }
    }

    async fn given(&self, token: &SecretString) -> Result<UserToken, AuthError> {
        const NAME: &str = "SUPABASE_ACCESS_TOKEN";
        let claims = claims::read(NAME, token)?;
        self.0.keys.verify(NAME, token, &claims).await?;
        Ok(UserToken { user: claims.user, bearer: token.clone() })
    }

    async fn keep(&self, session: Session) -> Result<(Session, Kept), AuthError> {
        let claims = claims::read("the session's token", &session.access_token)?;
        self.0.keys.verify("the session's token", &session.access_token, &claims).await?;
        let kept = self.0.vault.write(&session).await?;
        self.set_current(session.clone());
        Ok((session, kept))
    }

    /// Renews the session, unless another task or process has done so meanwhile.
    async fn renewed(&self, refused: Option<&UserToken>) -> Result<UserToken, AuthError> {
        let _one_at_a_time = self.0.renewal.lock().await;
        let is_good = |session: &Session| {
            session.is_fresh(Timestamp::now(), RENEW_BEFORE)
                && refused.is_none_or(|refused| !session.has_token(refused))
        };
        if let Some(session) = self.current().filter(is_good) {
            return Ok(session.token());
        }
        let _other_processes = self.0.vault.lock().await?;
        let kept = self.0.vault.read().await?.ok_or(AuthError::SignedOut)?;
        if self.current().is_some_and(|session| session.user != kept.user) {
            return Err(AuthError::OtherUser);
        }
        if is_good(&kept) {
            self.set_current(kept.clone());
            return Ok(kept.token());
        }
        let session = self.0.server.ask(Grant::Refresh { refresh_token: &kept.refresh_token }).await?;
        // The old refresh token is used up: the new one is safe before anything is done with it.
        self.0.vault.write(&session).await?;
        self.set_current(session.clone());
        Ok(session.token())
    }

    fn current(&self) -> Option<Session> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_current(&self, session: Session) {
        *self.0.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    }
}

fn sent(latest: &Mutex<UserToken>) -> UserToken {
    latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

//! Where a session is kept: the keyring of the operating system, or a file where there is none.
//!
//! Several processes share it. Who renews a session holds the lock, so that no refresh token is used twice.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::session::{KeptSession, Session};
use super::{AuthError, Kept};

const SERVICE: &str = "ai-cost-optimizer";
/// How long another process may take to renew the session.
const LOCK_PATIENCE: Duration = Duration::from_secs(15);
const LOCK_AGAIN: Duration = Duration::from_millis(50);
/// How long a keyring may take; one that is locked asks its user.
const KEYRING_PATIENCE: Duration = Duration::from_secs(30);

/// The place of one project's session.
#[derive(Debug, Clone)]
pub(super) struct Vault {
    /// The project's host.
    project: String,
    folder: PathBuf,
}

/// Held while a session is renewed.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "it is held, not used")] File);

impl Vault {
    pub(super) const fn new(project: String, folder: PathBuf) -> Self {
        Self { project, folder }
    }

    /// Reads the session; `None` where nobody is signed in.
    pub(super) async fn read(&self) -> Result<Option<Session>, AuthError> {
        let vault = self.clone();
        self.apart(move || {
            let text = match vault.entry().and_then(|entry| entry.get_password()) {
                Ok(text) => Some(text),
                Err(_) => fs::read_to_string(vault.file()).ok(),
            };
            // What cannot be read is no session; signing in again replaces it.
            Ok(text
                .and_then(|text| serde_json::from_str::<KeptSession>(&text).ok())
                .and_then(KeptSession::session))
        })
        .await
    }

    /// Writes the session in the place of the one before, and says where.
    pub(super) async fn write(&self, session: &Session) -> Result<Kept, AuthError> {
        let vault = self.clone();
        let text = serde_json::to_string(&KeptSession::from(session)).map_err(not_kept)?;
        self.apart(move || {
            match vault.entry().and_then(|entry| entry.set_password(&text)) {
                Ok(()) => {
                    // An older one in a file would come back when the keyring is away.
                    let _ = fs::remove_file(vault.file());
                    Ok(Kept::Keyring)
                }
                Err(error) => {
                    tracing::info!(%error, "no keyring is to be had; the session is kept in a file");
                    write_private(&vault.file(), text.as_bytes()).map_err(not_kept)?;
                    Ok(Kept::File(vault.file()))
                }
            }
        })
        .await
    }

    /// Forgets the session.
    pub(super) async fn forget(&self) -> Result<(), AuthError> {
        let vault = self.clone();
        self.apart(move || {
            // Where there is no keyring there is nothing to forget in it.
            let _ = vault.entry().and_then(|entry| entry.delete_credential());
            match fs::remove_file(vault.file()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(not_kept(error)),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Waits until no other process renews the session.
    ///
    /// The system lets go of the lock of a process that died.
    pub(super) async fn lock(&self) -> Result<Lock, AuthError> {
        let path = self.folder.join("session.lock");
        fs::create_dir_all(&self.folder).map_err(not_kept)?;
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(not_kept)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_PATIENCE => {
                    tokio::time::sleep(LOCK_AGAIN).await;
                }
                Err(TryLockError::WouldBlock) => return Err(not_kept("another process holds its lock")),
                Err(TryLockError::Error(error)) => return Err(not_kept(error)),
            }
        }
    }

    fn entry(&self) -> keyring::Result<keyring::Entry> {
        keyring::Entry::new(SERVICE, &self.project)
    }

    fn file(&self) -> PathBuf {
        let name: String = self
            .project
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' })
            .collect();
        self.folder.join(format!("session-{name}.json"))
    }

    /// Runs what may wait for a keyring where it holds up nobody.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, AuthError> {
        match tokio::time::timeout(KEYRING_PATIENCE, tokio::task::spawn_blocking(work)).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(not_kept("the keyring failed")),
            Err(_) => Err(not_kept("the keyring does not answer; is it locked?")),
        }
    }
}

fn not_kept(problem: impl std::fmt::Display) -> AuthError {
    AuthError::NotKept { problem: problem.to_string() }
}

/// Replaces a file at once by one that only its owner may read.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // A temporary file has mode 0600 from the start.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

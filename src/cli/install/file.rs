//! A client's configuration on disk: read once, replaced whole, with a copy of what was there.
//!
//! The file that is replaced keeps its permissions and its owner, and a link to it stays a link. A file that
//! changed after it was read is left alone.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use tempfile::NamedTempFile;

/// A configuration as it was read.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// As it was named.
    pub(super) path: PathBuf,
    /// What is replaced: where a link leads, or the path itself.
    real: PathBuf,
    /// Absent: there is no such file yet.
    before: Option<Vec<u8>>,
}

impl ConfigFile {
    /// Reads a configuration, or finds that there is none in an existing folder.
    pub(super) fn read(path: PathBuf) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let before = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
        };
        if before.is_some() {
            let real = path.canonicalize().with_context(|| format!("{shown} cannot be found"))?;
            return Ok(Self { path, real, before });
        }
        if path.is_symlink() {
            bail!("{shown} is a link to a file that is not there; hint: remove the link");
        }
        if !folder(&path).is_dir() {
            bail!("{shown}: there is no such folder; hint: make it first");
        }
        Ok(Self { real: path.clone(), path, before })
    }

    /// Gives its text; nothing where there is no file.
    pub(super) fn text(&self) -> anyhow::Result<&str> {
        let bytes = self.before.as_deref().unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            anyhow::anyhow!("{}, line {line}: this is not UTF-8; hint: save it as UTF-8", self.path.display())
        })
    }

    /// Replaces it in one step, and gives the copy of what was there.
    pub(super) fn replace(&self, text: &str, now: Timestamp) -> anyhow::Result<Option<PathBuf>> {
        let shown = self.path.display();
        let permissions = match &self.before {
            Some(_) => Some(fs::metadata(&self.real).with_context(|| format!("{shown} cannot be found"))?),
            None => None,
        };
        if permissions.as_ref().is_some_and(|metadata| metadata.permissions().readonly()) {
            bail!("{shown} is read-only; hint: make it writable, or put the entry in by hand");
        }
        let context = || format!("{shown} cannot be replaced");
        let mut next = NamedTempFile::new_in(folder(&self.real)).with_context(context)?;
        next.write_all(text.as_bytes()).with_context(context)?;
        if let Some(metadata) = &permissions {
            keep_owner(metadata, next.path()).with_context(context)?;
            next.as_file().set_permissions(metadata.permissions()).with_context(context)?;
        }
        next.as_file().sync_all().with_context(context)?;
        let now_there = fs::read(&self.real).ok();
        if now_there != self.before {
            bail!("{shown} was changed by somebody else just now; hint: close Claude Desktop and try again");
        }
        let backup = match (&self.before, &permissions) {
            (Some(before), Some(metadata)) => Some(self.back_up(before, metadata, now)?),
            _ => None,
        };
        next.persist(&self.real).with_context(context)?;
        Ok(backup)
    }

    /// Writes a copy beside it, readable by the same people.
    fn back_up(&self, before: &[u8], metadata: &fs::Metadata, now: Timestamp) -> anyhow::Result<PathBuf> {
        let mut name = self.real.file_name().unwrap_or_default().to_owned();
        name.push(now.strftime(".bak-%Y%m%dT%H%M%S%.3fZ").to_string());
        let backup = self.real.with_file_name(name);
        let context = || format!("{} cannot be written", backup.display());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // Nobody may read it before it has its permissions: it holds keys.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&backup).with_context(context)?;
        file.write_all(before).with_context(context)?;
        keep_owner(metadata, &backup).with_context(context)?;
        file.set_permissions(metadata.permissions()).with_context(context)?;
        file.sync_all().with_context(context)?;
        Ok(backup)
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Gives a new file the owner of the old one, where they differ.
#[cfg(unix)]
fn keep_owner(old: &fs::Metadata, new: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let own = fs::metadata(new)?;
    if (own.uid(), own.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(new, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_old: &fs::Metadata, _new: &Path) -> std::io::Result<()> {
    Ok(())
}

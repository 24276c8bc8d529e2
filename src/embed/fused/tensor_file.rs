//! The file of the weights, read where something is needed, and the proof that it is still the one that was checked.
//!
//! Reading by place keeps the word table, half of the model, out of memory without mapping the file,
//! which would need `unsafe` and would kill the process where the file shrinks. Invariant: a file that
//! was written to since it was checked gives an error, never other numbers.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::time::SystemTime;

/// Bytes that are read at once when all are.
const PART: usize = 256 * 1_024;

/// An open file that nobody has written to.
#[derive(Debug)]
pub struct TensorFile {
    file: File,
    seen: Stamp,
}

/// What changes when a file is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { len: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl TensorFile {
    /// Reads all of a file, part by part, to whoever checks it.
    pub fn checked(mut file: File, mut check: impl FnMut(&[u8])) -> io::Result<Self> {
        let seen = Stamp::of(&file.metadata()?);
        let mut part = vec![0; PART];
        loop {
            match file.read(&mut part)? {
                0 => break,
                read => check(part.get(..read).unwrap_or_default()),
            }
        }
        let checked = Self { file, seen };
        checked.check()?;
        Ok(checked)
    }

    /// Fails if the file was written to since it was checked.
    pub fn check(&self) -> io::Result<()> {
        if Stamp::of(&self.file.metadata()?) == self.seen {
            return Ok(());
        }
        Err(io::Error::other("the file of the weights was written to while it was in use; hint: restart"))
    }

    /// Opens the same file once more.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, seen: self.seen.clone() })
    }

    /// Reads all of it into memory.
    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.seen.len).map_err(io::Error::other)?];
        self.read(&mut bytes, 0)?;
        self.check()?;
        Ok(bytes)
    }

    /// Fills `bytes` with what stands at a place.
    #[cfg(unix)]
    pub(super) fn read(&self, bytes: &mut [u8], place: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, place)
    }

    /// Fills `bytes` with what stands at a place.
    #[cfg(windows)]
    pub(super) fn read(&self, mut bytes: &mut [u8], mut place: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(&self.file, bytes, place)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            place += read as u64;
            bytes = bytes.get_mut(read..).unwrap_or_default();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_to_since_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        std::fs::write(&path, vec![7; 3 * PART / 2]).unwrap();
        let mut seen = 0;
        let file = TensorFile::checked(File::open(&path).unwrap(), |part| seen += part.len()).unwrap();
        assert_eq!(seen, 3 * PART / 2);
        assert_eq!(file.read_all().unwrap(), vec![7; 3 * PART / 2]);
        std::fs::write(&path, vec![8; 3 * PART / 2 + 1]).unwrap();
        assert!(file.check().is_err() && file.read_all().is_err());
    }
}

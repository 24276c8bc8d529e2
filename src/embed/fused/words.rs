//! The word table, left in its file: a prompt needs some of its rows, and the table is half of the model.
//!
//! Reading rows by their place keeps 47 MB out of memory without mapping the file, which would need
//! `unsafe` and would kill the process where the file shrinks. Invariant: a file that was written to
//! since it was checked gives an error, never other vectors.

use std::fs::{File, Metadata};
use std::io;
use std::time::SystemTime;

use super::{Row, SIDE};

pub(super) struct Words {
    file: File,
    /// Where the first row starts, in bytes.
    start: u64,
    words: u32,
    seen: Stamp,
}

/// What changes when a file is written to.
#[derive(PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { len: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl Words {
    /// Takes a file whose content was checked when it had this metadata.
    pub(super) fn new(file: File, checked: &Metadata, start: u64, words: u32) -> Self {
        Self { file, start, words, seen: Stamp::of(checked) }
    }

    /// Fails if the file was written to since it was checked; asked once a prompt.
    pub(super) fn check(&self) -> io::Result<()> {
        if Stamp::of(&self.file.metadata()?) == self.seen {
            return Ok(());
        }
        Err(io::Error::other("the file of the weights was written to while it was in use; hint: restart"))
    }

    /// Reads the row of a word piece.
    pub(super) fn read(&self, piece: u32, row: &mut Row) -> io::Result<()> {
        if piece >= self.words {
            return Err(io::Error::other("the tokenizer knows more words than the model"));
        }
        let mut bytes = [0; 4 * SIDE];
        let place = self.start + u64::from(piece) * (4 * SIDE) as u64;
        read_at(&self.file, &mut bytes, place)?;
        for (number, bytes) in row.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *number = f32::from_le_bytes(*bytes);
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], place: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, place)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut place: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, place)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        place += read as u64;
        bytes = bytes.get_mut(read..).unwrap_or_default();
    }
    Ok(())
}

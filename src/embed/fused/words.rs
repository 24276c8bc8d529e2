//! The word table, left in its file: a prompt needs some of its rows, and the table is half of the model.

use std::io;

use super::tensor_file::TensorFile;
use super::{Row, SIDE};

pub(super) struct Words {
    pub(super) file: TensorFile,
    /// Where the first row starts, in bytes.
    pub(super) start: u64,
    pub(super) words: usize,
}

impl Words {
    /// Reads the row of a word piece.
    pub(super) fn read(&self, piece: u32, row: &mut Row) -> io::Result<()> {
        if usize::try_from(piece).is_ok_and(|piece| piece >= self.words) {
            return Err(io::Error::other("the tokenizer knows more words than the model"));
        }
        let mut bytes = [0; 4 * SIDE];
        self.file.read(&mut bytes, self.start + u64::from(piece) * (4 * SIDE) as u64)?;
        for (number, bytes) in row.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *number = f32::from_le_bytes(*bytes);
        }
        Ok(())
    }
}

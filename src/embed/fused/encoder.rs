//! The whole encoder: word pieces in, one vector of length 1 for each sequence out.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::arena::Arena;
use super::curves::Normalisation;
use super::lanes::Width;
use super::memory::Memory;
use super::rows::{Layer, Rows};
use super::square::Precision;
use super::words::Words;
use super::{Row, SIDE};

/// The weights, shared by all threads that compute with them.
pub struct Encoder {
    pub(super) width: Width,
    pub(super) precision: Precision,
    pub(super) words: Words,
    /// By place in the sequence; token type 0 is in them.
    pub(super) positions: Vec<Row>,
    pub(super) after_words: Normalisation,
    /// All weights of the layers.
    pub(super) arena: Arena,
    pub(super) layers: Vec<Layer>,
    /// Threads that encode alone at this moment.
    pub(super) busy: AtomicUsize,
}

/// One more thread that encodes alone, until it is dropped.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn new(busy: &'a AtomicUsize) -> Self {
        busy.fetch_add(1, Ordering::Relaxed);
        Self(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("width", &self.width)
            .field("precision", &self.precision)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// Says what the kernels run on.
    pub fn width(&self) -> Width {
        self.width
    }

    /// Says how the weights are stored.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Gives the word pieces that a sequence may have.
    pub fn longest(&self) -> usize {
        self.positions.len()
    }

    /// Puts what is known of a sequence's word pieces into rows.
    fn look_up(&self, pieces: &[u32], rows: &mut [Row]) -> io::Result<()> {
        for ((piece, position), row) in pieces.iter().zip(&self.positions).zip(rows) {
            self.words.read(*piece, row)?;
            for (number, position) in row.iter_mut().zip(position) {
                *number += position;
            }
        }
        Ok(())
    }
}

/// One thread's way through the encoder, with the room that it keeps.
pub struct Solo {
    encoder: Arc<Encoder>,
    pub(super) rows: Rows,
    memory: Memory,
}

impl fmt::Debug for Solo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solo").field("encoder", &self.encoder).finish_non_exhaustive()
    }
}

impl Solo {
    /// Makes room for a sequence of the greatest length, so that no call needs more.
    pub fn new(encoder: Arc<Encoder>) -> Self {
        let longest = encoder.longest();
        Self {
            rows: Rows::new(encoder.width, encoder.precision, longest, longest),
            memory: Memory::new((encoder.width, encoder.precision), longest),
            encoder,
        }
    }

    /// Encodes sequences together; each gets the vector that it would get alone.
    ///
    /// # Errors
    /// When a word's row cannot be read.
    pub fn encode(&mut self, sequences: &[&[u32]], vectors: &mut Vec<Row>) -> io::Result<()> {
        let encoder = Arc::clone(&self.encoder);
        let _busy = Busy::new(&encoder.busy);
        self.begin(sequences)?;
        for layer in 0..encoder.layers.len() {
            self.layer(layer, sequences);
        }
        vectors.clear();
        for (start, pieces) in starts(sequences) {
            let rows = self.rows.at.get(start..start + pieces.len()).unwrap_or_default();
            vectors.push(self.mean_of(rows));
        }
        Ok(())
    }

    /// Gives the vector of a sequence whose rows are done.
    ///
    /// They are added up by halves, as two threads would.
    pub(super) fn mean_of(&self, rows: &[Row]) -> Row {
        let (first, second) = rows.split_at(self.encoder.width.middle(rows.len()));
        mean(sum(first), &sum(second))
    }

    /// Does what comes before the layers.
    pub(super) fn begin(&mut self, sequences: &[&[u32]]) -> io::Result<()> {
        let Self { encoder, rows, .. } = self;
        encoder.words.file.check()?;
        rows.resize(sequences.iter().map(|pieces| pieces.len()).sum());
        for (start, pieces) in starts(sequences) {
            let rows = rows.at.get_mut(start..start + pieces.len()).unwrap_or_default();
            encoder.look_up(pieces, rows)?;
        }
        rows.normalise(&encoder.after_words);
        Ok(())
    }

    /// Does one layer.
    pub(super) fn layer(&mut self, number: usize, sequences: &[&[u32]]) {
        let Self { encoder, rows, memory } = self;
        let Some(layer) = encoder.layers.get(number) else { return };
        rows.project(&encoder.arena, layer);
        for (start, pieces) in starts(sequences) {
            let end = start + pieces.len();
            memory.pack(
                rows.keys.get(start..end).unwrap_or_default(),
                rows.values.get(start..end).unwrap_or_default(),
            );
            rows.attend(start, end, &[memory]);
        }
        rows.finish(&encoder.arena, layer);
    }
}

fn starts<'a>(sequences: &'a [&'a [u32]]) -> impl Iterator<Item = (usize, &'a [u32])> {
    sequences.iter().scan(0, |next, pieces| {
        let start = *next;
        *next += pieces.len();
        Some((start, *pieces))
    })
}

pub(super) fn sum(rows: &[Row]) -> Row {
    let mut sum = [0.0; SIDE];
    for row in rows {
        for (sum, number) in sum.iter_mut().zip(row) {
            *sum += number;
        }
    }
    sum
}

/// Gives the mean of the rows of two halves that were added up, at length 1: so their sum is as good.
pub(super) fn mean(mut sum: Row, other: &Row) -> Row {
    for (number, other) in sum.iter_mut().zip(other) {
        *number += other;
    }
    let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
    for number in &mut sum {
        *number /= length;
    }
    sum
}

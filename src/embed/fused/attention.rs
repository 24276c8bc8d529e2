//! Attention of all heads: what each row takes from the rows of its sequence.
//!
//! The queries come scaled by 1/√32. Invariant: rows that only fill up a vector weigh nothing.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is checked in these loops costs more than the work"
)]

use super::ahead::Ahead;
use super::curves::softmax;
use super::lanes::{Kernel, Lanes, Width};
use super::lined::Lined;
use super::tile::{Sums, add_floats};
use super::{HEAD, HEADS, Row, SIDE};

/// A score so low that its exponential is nothing.
const NOTHING: f32 = -1e30;

/// Keys and values of some rows, packed by head as the kernel reads them.
pub(super) struct Memory {
    /// Rows that are there, and with those that fill up the last vector.
    rows: usize,
    padded: usize,
    /// By head, then by as many rows as a tile is wide, then by number of the head.
    keys: Lined<f32>,
    /// By head, then by as many of its numbers as a tile is wide, then by row.
    values: Lined<f32>,
}

impl Memory {
    pub(super) fn new(width: Width, rows: usize) -> Self {
        let padded = rows.next_multiple_of(width.columns());
        Self { rows: 0, padded: 0, keys: Lined::new(padded * SIDE), values: Lined::new(padded * SIDE) }
    }

    /// Packs keys and values; there is room for as many rows as it was made for.
    pub(super) fn pack(&mut self, width: Width, keys: &[Row], values: &[Row]) {
        let columns = width.columns();
        self.rows = keys.len();
        self.padded = self.rows.next_multiple_of(columns);
        let of_head = self.padded * HEAD;
        self.keys[..of_head * HEADS].fill(0.0);
        self.values[..of_head * HEADS].fill(0.0);
        for (row, (key, value)) in keys.iter().zip(values).enumerate() {
            for head in 0..HEADS {
                let start = head * of_head + row / columns * columns * HEAD + row % columns;
                for (number, key) in key[head * HEAD..(head + 1) * HEAD].iter().enumerate() {
                    self.keys[start + number * columns] = *key;
                }
                let part = &value[head * HEAD..(head + 1) * HEAD];
                for (panel, part) in part.chunks(columns).enumerate() {
                    let start = head * of_head + (panel * self.padded + row) * columns;
                    self.values[start..start + part.len()].copy_from_slice(part);
                }
            }
        }
    }
}

/// Gives the room that scores of one tile need, for sequences of up to so many rows in two memories.
pub(super) fn room_for_scores(rows: usize) -> usize {
    const MOST_ROWS: usize = 12;
    const MOST_COLUMNS: usize = 32;
    MOST_ROWS * (rows.next_multiple_of(MOST_COLUMNS) + MOST_COLUMNS)
}

/// Lets rows look at all rows in the memories.
pub(super) struct Attend<'a> {
    pub(super) queries: &'a [Row],
    pub(super) memories: &'a [&'a Memory],
    pub(super) scores: &'a mut [f32],
    pub(super) out: &'a mut [Row],
}

impl Kernel for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes, const VECTORS: usize>(mut self, simd: S) {
        // Few sizes: scores are a small part of the work, and each size is compiled for each width.
        let rows = self.queries.len();
        for head in 0..HEADS {
            let mut start = 0;
            while start < rows {
                start += match rows - start {
                    left if left >= 12 && S::ROWS >= 12 => self.tile::<S, 12, VECTORS>(simd, head, start),
                    left if left >= 6 && S::ROWS >= 6 => self.tile::<S, 6, VECTORS>(simd, head, start),
                    left if left >= 4 => self.tile::<S, 4, VECTORS>(simd, head, start),
                    left if left >= 2 => self.tile::<S, 2, VECTORS>(simd, head, start),
                    _ => self.tile::<S, 1, VECTORS>(simd, head, start),
                };
            }
        }
    }
}

impl Attend<'_> {
    #[inline(always)]
    fn tile<S: Lanes, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        head: usize,
        start: usize,
    ) -> usize {
        let columns = VECTORS * S::F32_LANES;
        let zero: Sums<S::f32s, ROWS, VECTORS> = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        let all: usize = self.memories.iter().map(|memory| memory.padded).sum();
        let queries: [&[f32; HEAD]; ROWS] = std::array::from_fn(|row| {
            self.queries[start + row][head * HEAD..].first_chunk().unwrap_or(&[0.0; HEAD])
        });
        let scores = &mut self.scores[..ROWS * all];
        let mut before = 0;
        for memory in self.memories {
            let of_head = memory.padded * HEAD;
            for (panel, keys) in memory.keys[head * of_head..][..of_head].chunks(columns * HEAD).enumerate() {
                let sums = add_floats(
                    simd,
                    zero,
                    |row, depth| queries[row][depth],
                    S::as_simd_f32s(keys).0,
                    Ahead::NONE,
                );
                for (row, sums) in sums.into_iter().enumerate() {
                    let place = row * all + before + panel * columns;
                    S::as_mut_simd_f32s(&mut scores[place..place + columns]).0.copy_from_slice(&sums);
                }
            }
            for row in 0..ROWS {
                let place = row * all + before;
                scores[place + memory.rows..place + memory.padded].fill(NOTHING);
            }
            before += memory.padded;
        }
        let mut shares = [0.0; ROWS];
        for (share, scores) in shares.iter_mut().zip(scores.chunks_mut(all)) {
            *share = softmax(simd, S::as_mut_simd_f32s(scores).0);
        }
        for panel in 0..HEAD / columns {
            let (mut sums, mut before) = (zero, 0);
            for memory in self.memories {
                let weights: [&[f32]; ROWS] =
                    std::array::from_fn(|row| &scores[row * all + before..][..memory.padded]);
                let start = head * memory.padded * HEAD + panel * memory.padded * columns;
                let values = &memory.values[start..start + memory.padded * columns];
                sums = add_floats(
                    simd,
                    sums,
                    |row, depth| weights[row][depth],
                    S::as_simd_f32s(values).0,
                    Ahead::NONE,
                );
                before += memory.padded;
            }
            for (row, sums) in sums.into_iter().enumerate() {
                let place = head * HEAD + panel * columns;
                let (out, _) = S::as_mut_simd_f32s(&mut self.out[start + row][place..place + columns]);
                let share = simd.splat_f32s(shares[row]);
                for vector in 0..VECTORS {
                    out[vector] = simd.mul_f32s(sums[vector], share);
                }
            }
        }
        ROWS
    }
}

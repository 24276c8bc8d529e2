//! Attention of all heads: what each row takes from the rows of its sequence.
//!
//! The queries come scaled by log₂e/√32, so that powers of 2 do. Invariant: rows that only fill up a vector weigh nothing.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is checked in these loops costs more than the work"
)]

use pulp::bytemuck::{cast_slice, cast_slice_mut};

use super::ahead::Ahead;
use super::curves::softmax;
use super::lanes::{Kernel, Lanes};
use super::memory::Memory;
use super::tile::{Sums, add_floats};
use super::whole::make_halves;
use super::{HEAD, HEADS, Row};

/// A score so low that its power of 2 is nothing.
const NOTHING: f32 = -1e30;

/// Gives the room that scores of one tile need, and half of it again for them as 16-bit floats; for sequences of
/// up to so many rows in two memories.
pub(super) fn room_for_scores(rows: usize) -> usize {
    const MOST_ROWS: usize = 12;
    const MOST_COLUMNS: usize = 32;
    MOST_ROWS * (rows.next_multiple_of(MOST_COLUMNS) + MOST_COLUMNS) * 3 / 2
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
        let is_halved = self.memories.iter().any(|memory| memory.products.is_some());
        let mut queries = [[0.0; HEAD]; ROWS];
        for (query, row) in queries.iter_mut().zip(&self.queries[start..start + ROWS]) {
            let row = &row[head * HEAD..(head + 1) * HEAD];
            if is_halved {
                make_halves(row, cast_slice_mut(query));
            } else {
                query.copy_from_slice(row);
            }
        }
        let (scores, halves) = self.scores.split_at_mut(ROWS * all);
        let mut before = 0;
        for memory in self.memories {
            for (panel, keys) in memory.keys(head).chunks(memory.lanes(columns * HEAD)).enumerate() {
                let sums = memory.add(simd, zero, |row, depth| queries[row][depth], keys);
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
        // What was scores are weights now; of 16-bit ones a row takes half of the room.
        let (weights, of_row) = if is_halved {
            make_halves(scores, cast_slice_mut(halves));
            (&halves[..], all / 2)
        } else {
            (&scores[..], all)
        };
        for panel in 0..HEAD / columns {
            let (mut sums, mut before) = (zero, 0);
            for memory in self.memories {
                let count = memory.lanes(memory.padded);
                let weights: [&[f32]; ROWS] =
                    std::array::from_fn(|row| &weights[row * of_row + before..][..count]);
                let values = &memory.values(head)[panel * count * columns..][..count * columns];
                sums = memory.add(simd, sums, |row, depth| weights[row][depth], values);
                before += count;
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

impl Memory {
    /// Adds products with what is packed.
    #[inline(always)]
    fn add<S: Lanes, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        mut sums: Sums<S::f32s, ROWS, VECTORS>,
        left: impl Fn(usize, usize) -> f32,
        packed: &[f32],
    ) -> Sums<S::f32s, ROWS, VECTORS> {
        match self.products {
            None => add_floats(simd, sums, left, S::as_simd_f32s(packed).0, Ahead::NONE),
            Some(products) => {
                let left = |row: usize, depth: usize| left(row, depth).to_bits().cast_signed();
                let added = cast_slice_mut(sums.as_flattened_mut());
                products.add::<ROWS>(added, left, cast_slice(packed), Ahead::NONE);
                sums
            }
        }
    }
}

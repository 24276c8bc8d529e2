//! The innermost loops: a few rows times a few vectors of columns, summed in registers.
//!
//! Invariant: a sum is taken in the order of the depth, whatever the size of the tile, so that a row's
//! numbers never depend on how rows were cut into tiles.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is checked in these loops costs more than the work"
)]

use super::SIDE;
use super::ahead::Ahead;
use super::lanes::Lanes;
use super::whole::WholeRow;

/// Sums of a tile.
pub(super) type Sums<V, const ROWS: usize, const VECTORS: usize> = [[V; VECTORS]; ROWS];

/// Steps of the depth between two looks ahead; every depth is a multiple of it.
pub(super) const STEPS: usize = 8;

/// Adds products of 32-bit floats; `right` holds, for each number of a row, the weights of all columns.
///
/// `left` gives a number by row and depth.
#[expect(clippy::needless_range_loop, reason = "it reads as the other tiles do")]
#[inline(always)]
pub(super) fn add_floats<S: Lanes, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    mut sums: Sums<S::f32s, ROWS, VECTORS>,
    left: impl Fn(usize, usize) -> f32,
    right: &[S::f32s],
    mut ahead: Ahead<'_, f32>,
) -> Sums<S::f32s, ROWS, VECTORS> {
    let (steps, _) = right.as_chunks::<VECTORS>().0.as_chunks::<STEPS>();
    for (step, right) in steps.iter().enumerate() {
        ahead.step();
        for (depth, right) in right.iter().enumerate() {
            for row in 0..ROWS {
                let number = simd.splat_f32s(left(row, STEPS * step + depth));
                for vector in 0..VECTORS {
                    sums[row][vector] = simd.mul_add_e_f32s(number, right[vector], sums[row][vector]);
                }
            }
        }
    }
    sums
}

/// The same with weights of 16 bits (bf16), two in a lane: of the first half of the vectors the low ones.
#[expect(clippy::needless_range_loop, reason = "it reads as the other tiles do")]
#[inline(always)]
pub(super) fn add_halves<S: Lanes, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    mut sums: Sums<S::f32s, ROWS, VECTORS>,
    left: impl Fn(usize, usize) -> f32,
    right: &[S::u32s],
    mut ahead: Ahead<'_, u32>,
) -> Sums<S::f32s, ROWS, VECTORS> {
    let (sixteen, high) = (simd.splat_u32s(16), simd.splat_u32s(0xffff_0000));
    for (step, right) in right.chunks_exact(STEPS * VECTORS / 2).enumerate() {
        ahead.step();
        for (depth, right) in right.chunks_exact(VECTORS / 2).enumerate() {
            let mut weights = [simd.splat_f32s(0.0); VECTORS];
            for (vector, pair) in right.iter().enumerate() {
                weights[vector] = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(*pair, sixteen));
                weights[vector + VECTORS / 2] = simd.transmute_f32s_u32s(simd.and_u32s(*pair, high));
            }
            for row in 0..ROWS {
                let number = simd.splat_f32s(left(row, STEPS * step + depth));
                for vector in 0..VECTORS {
                    sums[row][vector] = simd.mul_add_e_f32s(number, weights[vector], sums[row][vector]);
                }
            }
        }
    }
    sums
}

/// The same in whole numbers: pairs of 16 bits on the left, weights of 8 bits on the right; exact.
///
/// It does not look ahead: its weights are so few that the processor itself brings them in time.
#[inline(always)]
pub(super) fn add_whole<S: Lanes, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    rows: &[WholeRow; ROWS],
    right: &[S::BytePairs],
) -> Sums<S::i32s, ROWS, VECTORS> {
    let mut sums = [[simd.splat_i32s(0); VECTORS]; ROWS];
    let (right, _) = right.as_chunks::<VECTORS>();
    for (right, depth) in right.iter().zip(0..SIDE / 2) {
        let right = right.map(|bytes| simd.widen(bytes));
        for row in 0..ROWS {
            let pair = simd.splat_i32s(rows[row].lanes[depth]);
            for vector in 0..VECTORS {
                sums[row][vector] = simd.add_products(sums[row][vector], pair, right[vector]);
            }
        }
    }
    sums
}

//! Rows times a square.
//!
//! A panel of columns stays in the cache of the first level while all rows pass by; meanwhile the next
//! is asked for. Invariant: a row's numbers do not depend on the rows beside it.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is checked in these loops costs more than the work"
)]

use pulp::bytemuck::{cast_slice, cast_slice_mut};

use super::ahead::Ahead;
use super::curves::gelu;
use super::lanes::{Kernel, Lanes};
use super::square::{Left, Matrix, Weights};
use super::tile::{STEPS, Sums, add_floats, add_halves, add_whole};
use super::whole::{WholeRow, lanes_of};
use super::{Row, SIDE};

/// Weights of 32 bits are multiplied in two halves of the depth: a whole panel would leave no room in a
/// cache of the first level for the rows and the next weights.
const HALF: usize = SIDE / 2;

/// What becomes of a product and its bias.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Store,
    StoreGelu,
    /// It is added to what is there.
    Add,
}

/// Multiplies rows by a square.
pub(super) struct Multiply<'a> {
    pub(super) left: Left<'a>,
    pub(super) right: Matrix<'a>,
    pub(super) out: &'a mut [Row],
    pub(super) then: Then,
}

/// Which part of the work a tile is.
#[derive(Clone, Copy)]
struct Part {
    /// Its first row.
    start: usize,
    /// Its place among the tiles that take the same weights.
    of_tiles: (usize, usize),
    column: usize,
    depth: usize,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes, const VECTORS: usize>(mut self, simd: S) {
        let (most, deep) = match self.right.weights {
            Weights::F32(_) => (S::ROWS, HALF),
            Weights::Bf16(_) | Weights::Bf16Pairs(..) | Weights::Int8Quads { .. } => (S::ROWS, SIDE),
            Weights::Int8 { .. } => (S::WHOLE_ROWS, SIDE),
        };
        let rows = self.out.len();
        let tiles = rows.div_ceil(most).max(1);
        for column in (0..SIDE).step_by(VECTORS * S::F32_LANES) {
            for depth in (0..SIDE).step_by(deep) {
                let mut start = 0;
                for tile in 0..tiles {
                    // Tiles of about the same size: a thin one at the end would wait for its own sums.
                    let size = rows / tiles + usize::from(tile < rows % tiles);
                    let part = Part { start, of_tiles: (tile, tiles), column, depth };
                    match size {
                        0 => {}
                        1 => self.tile::<S, 1>(simd, part),
                        2 => self.tile::<S, 2>(simd, part),
                        3 => self.tile::<S, 3>(simd, part),
                        4 => self.tile::<S, 4>(simd, part),
                        5 if S::ROWS >= 5 => self.tile::<S, 5>(simd, part),
                        6 if S::ROWS >= 6 => self.tile::<S, 6>(simd, part),
                        7 if S::ROWS >= 7 => self.tile::<S, 7>(simd, part),
                        8 if S::ROWS >= 8 => self.tile::<S, 8>(simd, part),
                        9 if S::ROWS >= 9 => self.tile::<S, 9>(simd, part),
                        10 if S::ROWS >= 10 => self.tile::<S, 10>(simd, part),
                        11 if S::ROWS >= 11 => self.tile::<S, 11>(simd, part),
                        _ => self.tile::<S, 12>(simd, part),
                    }
                    start += size;
                }
            }
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn tile<S: Lanes, const ROWS: usize>(&mut self, simd: S, part: Part) {
        let (left, right, then) = (self.left, self.right, self.then);
        let Some(out) = self.out[part.start..].first_chunk_mut() else { return };
        simd.apart(Tile::<ROWS> { left, right, out, then, part });
    }
}

/// Some rows times some columns.
struct Tile<'a, const ROWS: usize> {
    left: Left<'a>,
    right: Matrix<'a>,
    out: &'a mut [Row; ROWS],
    then: Then,
    part: Part,
}

impl<const ROWS: usize> Kernel for Tile<'_, ROWS> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes, const VECTORS: usize>(self, simd: S) {
        let Part { start, of_tiles, column, depth } = self.part;
        let columns = VECTORS * S::F32_LANES;
        // Arrays, so that the compiler reaches all rows from one address.
        let Some(rows) = self.left.rows[start..].first_chunk::<ROWS>() else { return };
        let (sums, is_last) = match self.right.weights {
            Weights::F32(weights) => {
                let first = column * SIDE + depth * columns;
                let (panel, next) = present_and_next(weights, first, HALF * columns);
                let ahead = Ahead::share(next, of_tiles, HALF / STEPS);
                let halves = rows.each_ref().map(|row| row[depth..].first_chunk().unwrap_or(&[0.0; HALF]));
                let left = |row: usize, depth: usize| if depth < HALF { halves[row][depth] } else { 0.0 };
                let sums = self.begin::<S, VECTORS>(simd);
                (add_floats(simd, sums, left, S::as_simd_f32s(panel).0, ahead), depth + HALF == SIDE)
            }
            Weights::Bf16(weights) => {
                let (panel, next) = present_and_next(weights, column * SIDE / 2, SIDE * columns / 2);
                let ahead = Ahead::share(next, of_tiles, SIDE / STEPS);
                let left = |row: usize, depth: usize| if depth < SIDE { rows[row][depth] } else { 0.0 };
                let sums = self.begin::<S, VECTORS>(simd);
                (add_halves(simd, sums, left, S::as_simd_u32s(panel).0, ahead), true)
            }
            Weights::Bf16Pairs(products, weights) => {
                let Some(whole) = self.left.whole[start..].first_chunk::<ROWS>() else { return };
                let (panel, ahead) = self.panel(weights, columns, SIDE / 2);
                let mut sums = self.begin::<S, VECTORS>(simd);
                let added = cast_slice_mut(sums.as_flattened_mut());
                products.add::<ROWS>(added, lanes_of(whole), cast_slice(panel), ahead);
                (sums, true)
            }
            Weights::Int8 { weights, scales } => {
                let Some(whole) = self.left.whole[start..].first_chunk::<ROWS>() else { return };
                let panel = &weights[column * SIDE..(column + columns) * SIDE];
                let sums = add_whole(simd, whole, cast_slice(panel));
                (self.scale::<S, VECTORS>(simd, sums, whole, scales), true)
            }
            Weights::Int8Quads { products, weights, scales } => {
                let Some(whole) = self.left.whole[start..].first_chunk::<ROWS>() else { return };
                let (panel, ahead) = self.panel(weights, columns, SIDE / 4);
                let mut sums = [[simd.splat_i32s(0); VECTORS]; ROWS];
                for row in 0..ROWS {
                    sums[row] = [simd.splat_i32s(whole[row].start); VECTORS];
                }
                let added = cast_slice_mut(sums.as_flattened_mut());
                products.add::<ROWS>(added, lanes_of(whole), cast_slice(panel), ahead);
                (self.scale::<S, VECTORS>(simd, sums, whole, scales), true)
            }
        };
        let has_gelu = is_last && self.then == Then::StoreGelu;
        for (row, sums) in self.out.iter_mut().zip(sums) {
            let (out, _) = S::as_mut_simd_f32s(&mut row[column..]);
            for vector in 0..VECTORS {
                out[vector] = if has_gelu { gelu(simd, sums[vector]) } else { sums[vector] };
            }
        }
    }
}

impl<const ROWS: usize> Tile<'_, ROWS> {
    /// Gives the weights of the tile, which have so many lanes a column, and a look at those that come next.
    #[inline(always)]
    fn panel<'w, T>(&self, weights: &'w [T], columns: usize, lanes: usize) -> (&'w [T], Ahead<'w, T>) {
        let (panel, next) = present_and_next(weights, self.part.column * lanes, columns * lanes);
        (panel, Ahead::share(next, self.part.of_tiles, lanes / STEPS))
    }

    /// Gives what sums of whole numbers stand for, added to what the sums start from.
    #[inline(always)]
    fn scale<S: Lanes, const VECTORS: usize>(
        &self,
        simd: S,
        whole: Sums<S::i32s, ROWS, VECTORS>,
        rows: &[WholeRow; ROWS],
        scales: &Row,
    ) -> Sums<S::f32s, ROWS, VECTORS> {
        // Only now, as it would take the registers of the sums.
        let mut sums = self.begin::<S, VECTORS>(simd);
        let (scales, _) = S::as_simd_f32s(&scales[self.part.column..]);
        for row in 0..ROWS {
            let scale = simd.splat_f32s(rows[row].scale);
            for vector in 0..VECTORS {
                let scale = simd.mul_f32s(scale, scales[vector]);
                let product = simd.mul_f32s(simd.to_f32s(whole[row][vector]), scale);
                sums[row][vector] = simd.add_f32s(sums[row][vector], product);
            }
        }
        sums
    }

    /// Gives what the sums start from: the bias, what is there already, or both.
    #[inline(always)]
    fn begin<S: Lanes, const VECTORS: usize>(&self, simd: S) -> Sums<S::f32s, ROWS, VECTORS> {
        let Part { column, depth, .. } = self.part;
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        if depth == 0 {
            let (bias, _) = S::as_simd_f32s(&self.right.bias[column..]);
            for sums in &mut sums {
                sums.copy_from_slice(&bias[..VECTORS]);
            }
        }
        if depth > 0 || self.then == Then::Add {
            for (sums, row) in sums.iter_mut().zip(self.out.iter()) {
                let (out, _) = S::as_simd_f32s(&row[column..]);
                for vector in 0..VECTORS {
                    sums[vector] = simd.add_f32s(sums[vector], out[vector]);
                }
            }
        }
        sums
    }
}

/// Gives the weights of a tile and those that come after them.
#[inline(always)]
fn present_and_next<T>(weights: &[T], first: usize, count: usize) -> (&[T], &[T]) {
    (&weights[first..first + count], weights.get(first + count..first + 2 * count).unwrap_or_default())
}

//! A weight matrix of 384 columns and 384 inputs, packed as the kernels read it, and its product.
//!
//! Every matrix of the model is made of such squares: one reaches from a cache of the first level to
//! the next weights in a straight line. Invariant: the packing fits the width it was packed for.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is checked in these loops costs more than the work"
)]

use pulp::bytemuck::cast_slice;
use strum::{Display, EnumString, VariantArray};

use super::curves::gelu;
use super::lanes::{Kernel, Lanes, Width};
use super::lined::Lined;
use super::tile::{Sums, add_floats, add_halves, add_whole};
use super::{Row, SIDE};

/// How weights are stored (`EMBEDDING_PRECISION`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Precision {
    /// As they come.
    #[default]
    F32,
    /// Rounded to 8 bits of mantissa; sums stay in 32 bits.
    Bf16,
    /// A byte each with a scale per column, times rows of 16 bits with a scale per row: the sums are exact.
    Int8,
}

/// 384 numbers of 16 bits, two in a lane.
pub(super) type WholeRow = [i32; SIDE / 2];

/// Rows on the left of a product, in all the forms that a square may want.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) rows: &'a [Row],
    /// The same in whole numbers with their scales, where the model is [`Precision::Int8`].
    pub(super) whole: &'a [WholeRow],
    pub(super) scales: &'a [f32],
}

/// What becomes of a product and its bias.
#[derive(Clone, Copy)]
pub(super) enum Then {
    Store,
    StoreGelu,
    /// It is added to what is there.
    Add,
}

pub(super) struct Square {
    packed: Packed,
    bias: Row,
}

enum Packed {
    F32(Lined<f32>),
    Bf16(Lined<u32>),
    Int8 { weights: Lined<i8>, scales: Box<Row> },
}

impl Square {
    /// Packs weights that are given column by column: all inputs of the first column, then of the next.
    pub(super) fn pack(
        width: Width,
        precision: Precision,
        weight: impl Fn(usize, usize) -> f32,
        bias: Row,
    ) -> Self {
        let columns = width.columns();
        let place = |column: usize, depth: usize, together: usize| {
            let panel = column / columns * columns * SIDE;
            panel + depth / together * columns * together + column % columns * together + depth % together
        };
        let packed = match precision {
            Precision::F32 => {
                let mut weights = Lined::new(SIDE * SIDE);
                for (at, packed) in weights.iter_mut().enumerate() {
                    let (panel, inside) = (at / (columns * SIDE), at % (columns * SIDE));
                    *packed = weight(panel * columns + inside % columns, inside / columns);
                }
                Packed::F32(weights)
            }
            Precision::Bf16 => {
                let mut weights = Lined::new(SIDE * SIDE / 2);
                for column in 0..SIDE {
                    for depth in (0..SIDE).step_by(2) {
                        let pair = bf16(weight(column, depth)) | (bf16(weight(column, depth + 1)) << 16);
                        weights[place(column, depth, 2) / 2] = pair;
                    }
                }
                Packed::Bf16(weights)
            }
            Precision::Int8 => {
                let (mut weights, mut scales) = (Lined::new(SIDE * SIDE), [0.0; SIDE]);
                for (column, scale) in scales.iter_mut().enumerate() {
                    let greatest =
                        (0..SIDE).fold(0.0_f32, |greatest, depth| greatest.max(weight(column, depth).abs()));
                    *scale = greatest.max(f32::MIN_POSITIVE) / f32::from(i8::MAX);
                    for depth in 0..SIDE {
                        weights[place(column, depth, 2)] = (weight(column, depth) / *scale).round() as i8;
                    }
                }
                Packed::Int8 { weights, scales: Box::new(scales) }
            }
        };
        Self { packed, bias }
    }
}

/// Rounds to the nearest number of 16 bits, ties to even.
fn bf16(number: f32) -> u32 {
    let bits = number.to_bits();
    bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16
}

/// Makes whole numbers of rows: the greatest of each row becomes 32,767 in size.
pub(super) struct MakeWhole<'a> {
    pub(super) rows: &'a [Row],
    pub(super) whole: &'a mut [WholeRow],
    pub(super) scales: &'a mut [f32],
}

impl Kernel for MakeWhole<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes, const VECTORS: usize>(self, _: S) {
        // Adding it rounds to a whole number, ties to even, which then stands in the lowest bits.
        const ROUNDING: f32 = 12_582_912.0;
        for ((row, whole), scale) in self.rows.iter().zip(self.whole).zip(self.scales) {
            let mut greatest = [0.0_f32; 16];
            for numbers in row.as_chunks::<16>().0 {
                for (greatest, number) in greatest.iter_mut().zip(numbers) {
                    *greatest = if number.abs() > *greatest { number.abs() } else { *greatest };
                }
            }
            let greatest = greatest.into_iter().fold(f32::MIN_POSITIVE, f32::max);
            *scale = greatest / f32::from(i16::MAX);
            let inverse = f32::from(i16::MAX) / greatest;
            for (pair, [first, second]) in whole.iter_mut().zip(row.as_chunks::<2>().0) {
                let first = (first * inverse + ROUNDING).to_bits();
                let second = (second * inverse + ROUNDING).to_bits();
                *pair = ((first & 0xffff) | (second << 16)).cast_signed();
            }
        }
    }
}

/// Multiplies rows by a square.
pub(super) struct Multiply<'a> {
    pub(super) left: Left<'a>,
    pub(super) right: &'a Square,
    pub(super) out: &'a mut [Row],
    pub(super) then: Then,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes, const VECTORS: usize>(mut self, simd: S) {
        let columns = VECTORS * S::F32_LANES;
        let rows = self.out.len();
        let tiles = rows.div_ceil(S::ROWS);
        for column in (0..SIDE).step_by(columns) {
            // Tiles of about the same size: a thin one at the end would wait for its own sums.
            for tile in 0..tiles {
                let (start, end) = (rows * tile / tiles, rows * (tile + 1) / tiles);
                match end - start {
                    1 => self.tile::<S, 1, VECTORS>(simd, start, column),
                    2 => self.tile::<S, 2, VECTORS>(simd, start, column),
                    3 => self.tile::<S, 3, VECTORS>(simd, start, column),
                    4 => self.tile::<S, 4, VECTORS>(simd, start, column),
                    5 if S::ROWS >= 5 => self.tile::<S, 5, VECTORS>(simd, start, column),
                    6 if S::ROWS >= 6 => self.tile::<S, 6, VECTORS>(simd, start, column),
                    7 if S::ROWS >= 7 => self.tile::<S, 7, VECTORS>(simd, start, column),
                    8 if S::ROWS >= 8 => self.tile::<S, 8, VECTORS>(simd, start, column),
                    9 if S::ROWS >= 9 => self.tile::<S, 9, VECTORS>(simd, start, column),
                    10 if S::ROWS >= 10 => self.tile::<S, 10, VECTORS>(simd, start, column),
                    11 if S::ROWS >= 11 => self.tile::<S, 11, VECTORS>(simd, start, column),
                    _ => self.tile::<S, 12, VECTORS>(simd, start, column),
                }
            }
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn tile<S: Lanes, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        start: usize,
        column: usize,
    ) {
        let panel = column * SIDE..(column + VECTORS * S::F32_LANES) * SIDE;
        let zero = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        // Arrays, so that the compiler reaches all rows from one address.
        let Some(rows) = self.left.rows[start..].first_chunk::<ROWS>() else { return };
        let sums = match &self.right.packed {
            Packed::F32(weights) => {
                let panel = S::as_simd_f32s(&weights[panel]).0;
                let left = |row: usize, depth: usize| if depth < SIDE { rows[row][depth] } else { 0.0 };
                add_floats(simd, zero, left, panel)
            }
            Packed::Bf16(weights) => {
                let panel = panel.start / 2..panel.end / 2;
                add_halves(simd, zero, rows, S::as_simd_u32s(&weights[panel]).0)
            }
            Packed::Int8 { weights, scales } => {
                let Some(rows) = self.left.whole[start..].first_chunk::<ROWS>() else { return };
                let whole: Sums<S::i32s, ROWS, VECTORS> = add_whole(simd, rows, cast_slice(&weights[panel]));
                let (scales, _) = S::as_simd_f32s(&scales[column..]);
                let mut sums = zero;
                for row in 0..ROWS {
                    let scale = simd.splat_f32s(self.left.scales[start + row]);
                    for vector in 0..VECTORS {
                        let scale = simd.mul_f32s(scale, scales[vector]);
                        sums[row][vector] = simd.mul_f32s(simd.to_f32s(whole[row][vector]), scale);
                    }
                }
                sums
            }
        };
        let (bias, _) = S::as_simd_f32s(&self.right.bias[column..]);
        for (row, sums) in self.out[start..start + ROWS].iter_mut().zip(sums) {
            let (out, _) = S::as_mut_simd_f32s(&mut row[column..]);
            for vector in 0..VECTORS {
                let sum = simd.add_f32s(sums[vector], bias[vector]);
                out[vector] = match self.then {
                    Then::Store => sum,
                    Then::StoreGelu => gelu(simd, sum),
                    Then::Add => simd.add_f32s(out[vector], sum),
                };
            }
        }
    }
}

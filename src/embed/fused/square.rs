//! A weight matrix of 384 columns and 384 inputs, packed as the kernels read it.
//!
//! Every matrix of the model is made of such squares. It lies by panels, as many columns as a kernel
//! computes at once, and in each by depth. Invariant: the packing fits the width it was packed for.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is checked in these loops costs more than the work"
)]

use strum::{Display, EnumString, VariantArray};

use super::arena::{Arena, Place};
use super::curves::ROUNDING;
use super::lanes::{Kernel, Lanes, Width};
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

/// A square, whose weights are in an [`Arena`].
pub(super) struct Square {
    precision: Precision,
    weights: Place,
    /// What a weight of 1 stands for in each column, where weights are whole numbers.
    scales: Row,
    bias: Row,
}

/// A square as kernels read it.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) weights: Weights<'a>,
    pub(super) bias: &'a Row,
}

#[derive(Clone, Copy)]
pub(super) enum Weights<'a> {
    F32(&'a [f32]),
    /// Two in a number: the low one is of the first half of a panel's columns.
    Bf16(&'a [u32]),
    /// Two of a column beside each other, for an even depth and the next.
    Int8 {
        weights: &'a [i8],
        scales: &'a Row,
    },
}

impl Precision {
    /// Gives the bytes of a square's weights.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::F32 => SIDE * SIDE * 4,
            Self::Bf16 => SIDE * SIDE * 2,
            Self::Int8 => SIDE * SIDE,
        }
    }
}

impl Square {
    /// Packs weights that are given by column and depth.
    pub(super) fn pack(
        arena: &mut Arena,
        (width, precision): (Width, Precision),
        weight: impl Fn(usize, usize) -> f32,
        bias: Row,
    ) -> Self {
        let columns = width.columns();
        let mut scales = [1.0; SIDE];
        let place = match precision {
            Precision::F32 => {
                let place = arena.take::<f32>(SIDE * SIDE);
                for (panel, packed) in arena.get_mut(&place).chunks_exact_mut(columns * SIDE).enumerate() {
                    for (depth, packed) in packed.chunks_exact_mut(columns).enumerate() {
                        for (column, packed) in packed.iter_mut().enumerate() {
                            *packed = weight(panel * columns + column, depth);
                        }
                    }
                }
                place
            }
            Precision::Bf16 => {
                let (place, half) = (arena.take::<u32>(SIDE * SIDE / 2), columns / 2);
                for (panel, packed) in arena.get_mut(&place).chunks_exact_mut(half * SIDE).enumerate() {
                    for (depth, packed) in packed.chunks_exact_mut(half).enumerate() {
                        for (column, pair) in packed.iter_mut().enumerate() {
                            let column = panel * columns + column;
                            *pair = bf16(weight(column, depth)) | (bf16(weight(column + half, depth)) << 16);
                        }
                    }
                }
                place
            }
            Precision::Int8 => {
                let place = arena.take::<i8>(SIDE * SIDE);
                for (column, scale) in scales.iter_mut().enumerate() {
                    let greatest =
                        (0..SIDE).fold(0.0_f32, |greatest, depth| greatest.max(weight(column, depth).abs()));
                    *scale = greatest.max(f32::MIN_POSITIVE) / f32::from(i8::MAX);
                }
                let inverse = scales.map(|scale| 1.0 / scale);
                for (panel, packed) in arena.get_mut(&place).chunks_exact_mut(columns * SIDE).enumerate() {
                    for (pair, packed) in packed.chunks_exact_mut(2 * columns).enumerate() {
                        for (at, packed) in packed.iter_mut().enumerate() {
                            let (column, depth) = (panel * columns + at / 2, 2 * pair + at % 2);
                            // The low byte of the rounded number, which is at most 127 in size.
                            *packed = (weight(column, depth) * inverse[column] + ROUNDING).to_bits() as i8;
                        }
                    }
                }
                place
            }
        };
        Self { precision, weights: place, scales, bias }
    }

    /// Gives the square as kernels read it.
    pub(super) fn matrix<'a>(&'a self, arena: &'a Arena) -> Matrix<'a> {
        let weights = match self.precision {
            Precision::F32 => Weights::F32(arena.get(&self.weights)),
            Precision::Bf16 => Weights::Bf16(arena.get(&self.weights)),
            Precision::Int8 => Weights::Int8 { weights: arena.get(&self.weights), scales: &self.scales },
        };
        Matrix { weights, bias: &self.bias }
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

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
use super::lanes::{Kernel, Lanes, Width};
use super::machine::{ByteProducts, HalfProducts};
use super::whole::{Bytes, STRETCH, WholeRow};
use super::{Row, SIDE};

/// How weights are stored (`EMBEDDING_PRECISION`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Precision {
    /// As they come.
    #[default]
    F32,
    /// Weights, and rows where the machine multiplies such, rounded to 8 bits of mantissa; sums stay in 32 bits.
    Bf16,
    /// A byte each, of weights with a scale per column and of rows with one per row: the sums are exact.
    Int8,
}

/// How rows and weights meet: what the precision wants, as the machine does it best.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Floats.
    Floats,
    /// Rows of floats, weights of 16-bit floats.
    Halves,
    /// 16-bit floats, two in a lane.
    HalfPairs(HalfProducts),
    /// Rows of 16-bit numbers and weights of bytes, two in a lane.
    BytePairs,
    /// Bytes, four in a lane; those of weights are 128 too great.
    ByteQuads(ByteProducts),
}

impl Form {
    pub(super) fn new(width: Width, precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::Floats,
            Precision::Bf16 => width.half_products().map_or(Self::Halves, Self::HalfPairs),
            Precision::Int8 => width.byte_products().map_or(Self::BytePairs, Self::ByteQuads),
        }
    }

    /// Says whether rows have to be brought into it.
    pub(super) fn is_of_rows(self) -> bool {
        !matches!(self, Self::Floats | Self::Halves)
    }
}

/// Rows on the left of a product, in the forms that a square may want.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) rows: &'a [Row],
    /// The same as [`MakeWhole`](super::whole::MakeWhole) brings them into a form, for those that need it.
    pub(super) whole: &'a [WholeRow],
}

/// A square, whose weights are in an [`Arena`].
pub(super) struct Square {
    form: Form,
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
    /// Two of a column in a lane, of an even depth and the next.
    Bf16Pairs(HalfProducts, &'a [i32]),
    /// Two of a column in a lane, one of each half of the depths.
    Int8 {
        weights: &'a [i8],
        scales: &'a Row,
    },
    /// Four of a column in a lane, one of each quarter of the depths.
    Int8Quads {
        products: ByteProducts,
        weights: &'a [i32],
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
        let (form, columns) = (Form::new(width, precision), width.columns());
        let mut scales = [1.0; SIDE];
        let weights = match form {
            Form::Floats => {
                let place = arena.take::<f32>(SIDE * SIDE);
                lay(arena.get_mut(&place), (columns, SIDE), weight);
                place
            }
            Form::Halves => {
                let (place, half) = (arena.take::<u32>(SIDE * SIDE / 2), columns / 2);
                lay(arena.get_mut(&place), (half, SIDE), |column, depth| {
                    let column = column / half * columns + column % half;
                    half_pair(weight(column, depth), weight(column + half, depth))
                });
                place
            }
            Form::HalfPairs(_) => {
                let place = arena.take::<u32>(SIDE * SIDE / 2);
                lay(arena.get_mut(&place), (columns, SIDE / 2), |column, depth| {
                    half_pair(weight(column, 2 * depth), weight(column, 2 * depth + 1))
                });
                place
            }
            Form::BytePairs | Form::ByteQuads(_) => {
                let place = arena.take::<i8>(SIDE * SIDE);
                let (parts, offset) = if matches!(form, Form::BytePairs) { (2, 0) } else { (4, 128) };
                let packed = arena.get_mut::<u8>(&place);
                width.run(PackBytes { weight, columns, parts, offset, packed, scales: &mut scales });
                place
            }
        };
        Self { form, weights, scales, bias }
    }

    /// Gives the square as kernels read it.
    pub(super) fn matrix<'a>(&'a self, arena: &'a Arena) -> Matrix<'a> {
        let (place, scales) = (&self.weights, &self.scales);
        let weights = match self.form {
            Form::Floats => Weights::F32(arena.get(place)),
            Form::Halves => Weights::Bf16(arena.get(place)),
            Form::HalfPairs(products) => Weights::Bf16Pairs(products, arena.get(place)),
            Form::BytePairs => Weights::Int8 { weights: arena.get(place), scales },
            Form::ByteQuads(products) => Weights::Int8Quads { products, weights: arena.get(place), scales },
        };
        Matrix { weights, bias: &self.bias }
    }
}

/// Lays numbers by panels of so many columns and depths, and in each by depth.
fn lay<T>(packed: &mut [T], (columns, depths): (usize, usize), number: impl Fn(usize, usize) -> T) {
    for (panel, packed) in packed.chunks_exact_mut(columns * depths).enumerate() {
        for (depth, packed) in packed.chunks_exact_mut(columns).enumerate() {
            for (column, packed) in packed.iter_mut().enumerate() {
                *packed = number(panel * columns + column, depth);
            }
        }
    }
}

/// Packs turned columns in bytes, as many in a lane as there are parts of the depth.
struct PackBytes<'a, F> {
    weight: F,
    columns: usize,
    parts: usize,
    /// What is added to each, so that none is below zero.
    offset: i32,
    packed: &'a mut [u8],
    scales: &'a mut Row,
}

impl<F: Fn(usize, usize) -> f32> Kernel for PackBytes<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes, const VECTORS: usize>(self, simd: S) {
        let Self { weight, columns, parts, offset, packed, scales } = self;
        for (column, scale) in scales.iter_mut().enumerate() {
            let bytes = Bytes::of(simd, std::array::from_fn(|depth| weight(column, depth)));
            *scale = bytes.scale / STRETCH;
            let start = column / columns * columns * SIDE + column % columns * parts;
            for (part, numbers) in bytes.numbers.chunks_exact(SIDE / parts).enumerate() {
                for (depth, number) in numbers.iter().enumerate() {
                    packed[start + depth * columns * parts + part] = (number + offset) as u8;
                }
            }
        }
    }
}

/// Rounds to the nearest number of 16 bits, ties to even.
#[inline(always)]
pub(super) fn bf16(number: f32) -> u32 {
    let bits = number.to_bits();
    bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16
}

/// Puts two 16-bit floats into a lane, the first in the low half.
#[inline(always)]
pub(super) fn half_pair(first: f32, second: f32) -> u32 {
    bf16(first) | (bf16(second) << 16)
}

//! Rows in the forms that products of few bits take: bytes, or 16-bit floats, several in a lane.
//!
//! A row's bytes would be spent on its few great numbers. So rows and weights are turned first, by the same
//! orthogonal matrix: their products stay what they are, and the great numbers are spread over 48 places.
//! Bytes of turned rows are closer to the true product than 16-bit numbers of rows as they come.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is checked in these loops costs more than the work"
)]

use pulp::bytemuck::cast_slice_mut;

use super::curves::ROUNDING;
use super::lanes::{Kernel, Lanes};
use super::square::{Form, bf16};
use super::{Row, SIDE};

/// The greatest byte in size.
const GREATEST: f32 = 127.0;

/// A row of smaller numbers is as good as one of zeros.
const SMALLEST: f32 = 1e-30;

/// What [`turn`] multiplies a row's length by, squared.
pub(super) const STRETCH: f32 = 16.0;

/// A row of 384 numbers, two or four in a lane: 16-bit floats in their order, bytes from equal parts of the row.
#[derive(Clone, Copy)]
pub(super) struct WholeRow {
    pub(super) lanes: [i32; SIDE / 2],
    /// What a number of 1 stands for.
    pub(super) scale: f32,
    /// What its products with weights start from, where weights are stored 128 too great.
    pub(super) start: i32,
}

impl WholeRow {
    pub(super) const ZERO: Self = Self { lanes: [0; SIDE / 2], scale: 0.0, start: 0 };
}

/// Gives lanes by row and depth.
#[inline(always)]
pub(super) fn lanes_of<const ROWS: usize>(rows: &[WholeRow; ROWS]) -> impl Fn(usize, usize) -> i32 {
    |row, depth| rows[row].lanes[depth]
}

/// Brings rows into a form.
pub(super) struct MakeWhole<'a> {
    pub(super) form: Form,
    pub(super) rows: &'a [Row],
    pub(super) whole: &'a mut [WholeRow],
}

impl Kernel for MakeWhole<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes, const VECTORS: usize>(self, simd: S) {
        for (row, whole) in self.rows.iter().zip(self.whole) {
            match self.form {
                Form::Floats | Form::Halves => {}
                Form::HalfPairs(_) => {
                    make_halves(row, cast_slice_mut(&mut whole.lanes));
                }
                Form::BytePairs => {
                    let bytes = Bytes::of(simd, *row);
                    let (low, high) = bytes.numbers.split_at(SIDE / 2);
                    for ((lane, low), high) in whole.lanes.iter_mut().zip(low).zip(high) {
                        *lane = (low & 0xffff) | (high << 16);
                    }
                    whole.scale = bytes.scale;
                }
                Form::ByteQuads(_) => {
                    let bytes = Bytes::of(simd, *row);
                    let parts: [&[i32; SIDE / 4]; 4] = std::array::from_fn(|part| {
                        bytes.numbers[part * SIDE / 4..].first_chunk().unwrap_or(&[0; SIDE / 4])
                    });
                    for (at, lane) in whole.lanes[..SIDE / 4].iter_mut().enumerate() {
                        *lane = (parts[0][at] & 0xff)
                            | ((parts[1][at] & 0xff) << 8)
                            | ((parts[2][at] & 0xff) << 16)
                            | (parts[3][at] << 24);
                    }
                    whole.scale = bytes.scale;
                    let sum = bytes.numbers.iter().fold(0_i32, |sum, number| sum.wrapping_add(*number));
                    whole.start = sum.wrapping_mul(-128);
                }
            }
        }
    }
}

/// Rounds to 16-bit floats.
#[inline(always)]
pub(super) fn make_halves(numbers: &[f32], halves: &mut [u16]) {
    for (half, number) in halves.iter_mut().zip(numbers) {
        *half = bf16(*number) as u16;
    }
}

/// A turned row in whole numbers, the greatest 127 in size.
pub(super) struct Bytes {
    pub(super) numbers: [i32; SIDE],
    pub(super) scale: f32,
}

impl Bytes {
    #[inline(always)]
    pub(super) fn of<S: Lanes>(simd: S, mut row: Row) -> Self {
        turn(simd, &mut row);
        let (vectors, _) = S::as_simd_f32s(&row);
        let mut greatest = simd.splat_f32s(SMALLEST);
        for vector in vectors {
            greatest = simd.max_f32s(greatest, simd.abs_f32s(*vector));
        }
        let greatest = simd.reduce_max_f32s(greatest);
        let (inverse, rounding) = (simd.splat_f32s(GREATEST / greatest), simd.splat_f32s(ROUNDING));
        let zero = simd.splat_u32s(ROUNDING.to_bits());
        let mut numbers = [0; SIDE];
        for (number, vector) in S::as_mut_simd_i32s(&mut numbers).0.iter_mut().zip(vectors) {
            // Two steps everywhere, as plain Rust takes them: a tie is rounded alike.
            let rounded = simd.add_f32s(simd.mul_f32s(*vector, inverse), rounding);
            // The low bits of the rounded number.
            *number = simd.transmute_i32s_u32s(simd.sub_u32s(simd.transmute_u32s_f32s(rounded), zero));
        }
        Self { numbers, scale: greatest / GREATEST }
    }
}

/// Multiplies a row by an orthogonal matrix, and by 4: each eighth number is mixed with those like it.
///
/// The 48 of them by the Kronecker product of a Householder matrix of three, `1 - 2/3`, and a Hadamard
/// matrix of sixteen. It is the same to the bit at every width.
#[inline(always)]
fn turn<S: Lanes>(simd: S, row: &mut Row) {
    const BLOCK: usize = SIDE / 3;
    const SIXTEEN: usize = 16;
    let lanes = S::F32_LANES;
    let (vectors, _) = S::as_mut_simd_f32s(row);
    let (of_block, of_sixteen) = (BLOCK / lanes, SIXTEEN / lanes);
    let two_thirds = simd.splat_f32s(2.0 / 3.0);
    for at in 0..of_block {
        let three = [vectors[at], vectors[of_block + at], vectors[2 * of_block + at]];
        let sum = simd.add_f32s(simd.add_f32s(three[0], three[1]), three[2]);
        let mean = simd.mul_f32s(sum, two_thirds);
        for part in 0..3 {
            vectors[part * of_block + at] = simd.sub_f32s(three[part], mean);
        }
    }
    for block in vectors.chunks_exact_mut(of_block) {
        for at in 0..of_sixteen {
            let mut eight = [simd.splat_f32s(0.0); 8];
            for part in 0..8 {
                eight[part] = block[part * of_sixteen + at];
            }
            for apart in [4, 2, 1] {
                for one in 0..8 {
                    if one & apart == 0 {
                        let (first, second) = (eight[one], eight[one + apart]);
                        eight[one] = simd.add_f32s(first, second);
                        eight[one + apart] = simd.sub_f32s(first, second);
                    }
                }
            }
            for part in 0..8 {
                block[part * of_sixteen + at] = eight[part];
            }
        }
    }
    for sixteen in row.as_chunks_mut::<SIXTEEN>().0 {
        simd.mix_eights(sixteen);
    }
}

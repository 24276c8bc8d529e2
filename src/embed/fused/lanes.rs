//! How wide this machine computes, and the few operations that `pulp` leaves to each width.
//!
//! Invariant: all widths round alike, except that plain Rust multiplies and adds in two steps.

#[cfg(target_arch = "x86_64")]
use pulp::{
    NullaryFnOnce, cast,
    x86::{V3, V4},
};
use pulp::{Scalar, Simd};
use strum::Display;

use super::machine::{ByteProducts, HalfProducts};

/// The instructions that kernels run on; made only where the machine has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display)]
#[strum(serialize_all = "snake_case")]
pub enum Width {
    /// 16 numbers at a time, and products of bytes and of 16-bit floats.
    Avx512Bf16,
    /// 16 numbers at a time, and products of bytes.
    Avx512Vnni,
    /// 16 numbers at a time.
    Avx512,
    /// 8 numbers at a time, with fused multiply-add.
    Avx2,
    /// Whatever the compiler makes of plain Rust.
    Portable,
}

impl Width {
    /// Gives what this machine has, the widest first; the portable one is always there.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Avx512Bf16, Self::Avx512Vnni, Self::Avx512, Self::Avx2, Self::Portable]
            .into_iter()
            .filter(|width| width.is_here())
    }

    #[cfg(target_arch = "x86_64")]
    fn is_here(self) -> bool {
        match self {
            Self::Avx512Bf16 => Self::Avx512Vnni.is_here() && HalfProducts::try_new().is_some(),
            Self::Avx512Vnni => ByteProducts::try_new().is_some(),
            Self::Avx512 => V4::try_new().is_some(),
            Self::Avx2 => V3::try_new().is_some(),
            Self::Portable => true,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_here(self) -> bool {
        self == Self::Portable
    }

    pub(super) fn byte_products(self) -> Option<ByteProducts> {
        if matches!(self, Self::Avx512Bf16 | Self::Avx512Vnni) { ByteProducts::try_new() } else { None }
    }

    pub(super) fn half_products(self) -> Option<HalfProducts> {
        if self == Self::Avx512Bf16 { HalfProducts::try_new() } else { None }
    }

    /// Gives the columns that a kernel computes at once.
    pub(super) fn columns(self) -> usize {
        match self {
            Self::Avx512Bf16 | Self::Avx512Vnni | Self::Avx512 => 2 * 16,
            Self::Avx2 => 2 * 8,
            Self::Portable => 8,
        }
    }

    /// Runs a kernel; one that is not here, which only a test can ask for, runs as plain Rust.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Avx512Bf16 | Self::Avx512Vnni | Self::Avx512 => {
                if let Some(simd) = V4::try_new() {
                    return simd.vectorize(On { simd, kernel });
                }
            }
            Self::Avx2 => {
                if let Some(simd) = V3::try_new() {
                    return simd.vectorize(On { simd, kernel });
                }
            }
            Self::Portable => {}
        }
        kernel.run::<Scalar, 8>(Scalar)
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run::<Scalar, 8>(Scalar)
    }
}

/// Work that any width can do, in tiles that are `VECTORS` vectors wide.
pub(super) trait Kernel {
    type Output;

    fn run<S: Lanes, const VECTORS: usize>(self, simd: S) -> Self::Output;
}

/// What kernels need beyond [`Simd`].
pub(super) trait Lanes: Simd {
    /// Rows of a tile: as many as leave registers for a row's number and the weights.
    const ROWS: usize;

    /// The same for whole numbers, whose products need a register too.
    const WHOLE_ROWS: usize;

    /// A pair of one-byte weights for each lane.
    type BytePairs: pulp::bytemuck::Pod;

    /// Makes 16-bit pairs, in lanes of 32 bits.
    fn widen(self, bytes: Self::BytePairs) -> Self::i32s;

    /// Multiplies 16-bit pairs and adds both products to each lane.
    fn add_products(self, sum: Self::i32s, left: Self::i32s, right: Self::i32s) -> Self::i32s;

    fn to_f32s(self, whole: Self::i32s) -> Self::f32s;

    /// Replaces each of eight numbers and the one eight places on by their sum and their difference.
    fn mix_eights(self, numbers: &mut [f32; 16]);

    /// Runs a kernel as a function of its own: in one with others its sums would not stay in registers.
    fn apart<K: Kernel>(self, kernel: K) -> K::Output;
}

impl Lanes for Scalar {
    const ROWS: usize = 4;
    const WHOLE_ROWS: usize = 4;
    type BytePairs = [i8; 2];

    #[inline(always)]
    fn widen(self, [first, second]: [i8; 2]) -> i32 {
        pair(i16::from(first), i16::from(second))
    }

    #[inline(always)]
    fn add_products(self, sum: i32, left: i32, right: i32) -> i32 {
        let ([left_first, left_second], [right_first, right_second]) = (halves(left), halves(right));
        sum.wrapping_add(left_first.wrapping_mul(right_first))
            .wrapping_add(left_second.wrapping_mul(right_second))
    }

    #[inline(always)]
    fn to_f32s(self, whole: i32) -> f32 {
        whole as f32
    }

    #[inline(always)]
    fn mix_eights(self, numbers: &mut [f32; 16]) {
        let (first, second) = numbers.split_at_mut(8);
        for (first, second) in first.iter_mut().zip(second) {
            (*first, *second) = (*first + *second, *first - *second);
        }
    }

    #[inline(never)]
    fn apart<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run::<Self, 8>(self)
    }
}

/// Puts two 16-bit numbers into one lane, the first in the low half.
#[inline(always)]
pub(super) fn pair(first: i16, second: i16) -> i32 {
    (i32::from(first) & 0xffff) | (i32::from(second) << 16)
}

#[inline(always)]
fn halves(pair: i32) -> [i32; 2] {
    [(pair << 16) >> 16, pair >> 16]
}

#[cfg(target_arch = "x86_64")]
impl Lanes for V3 {
    const ROWS: usize = 6;
    const WHOLE_ROWS: usize = 5;
    type BytePairs = pulp::i8x16;

    #[inline(always)]
    fn widen(self, bytes: pulp::i8x16) -> pulp::i32x8 {
        cast(self.avx2._mm256_cvtepi8_epi16(cast(bytes)))
    }

    #[inline(always)]
    fn add_products(self, sum: pulp::i32x8, left: pulp::i32x8, right: pulp::i32x8) -> pulp::i32x8 {
        self.add_i32s(sum, cast(self.avx2._mm256_madd_epi16(cast(left), cast(right))))
    }

    #[inline(always)]
    fn to_f32s(self, whole: pulp::i32x8) -> pulp::f32x8 {
        cast(self.avx._mm256_cvtepi32_ps(cast(whole)))
    }

    #[inline(always)]
    fn mix_eights(self, numbers: &mut [f32; 16]) {
        let [first, second]: [pulp::f32x8; 2] = cast(*numbers);
        *numbers = cast([self.add_f32s(first, second), self.sub_f32s(first, second)]);
    }

    #[inline(never)]
    fn apart<K: Kernel>(self, kernel: K) -> K::Output {
        self.vectorize(On { simd: self, kernel })
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for V4 {
    const ROWS: usize = 12;
    const WHOLE_ROWS: usize = 12;
    type BytePairs = pulp::i8x32;

    #[inline(always)]
    fn widen(self, bytes: pulp::i8x32) -> pulp::i32x16 {
        cast(self.avx512bw._mm512_cvtepi8_epi16(cast(bytes)))
    }

    #[inline(always)]
    fn add_products(self, sum: pulp::i32x16, left: pulp::i32x16, right: pulp::i32x16) -> pulp::i32x16 {
        self.add_i32s(sum, cast(self.avx512bw._mm512_madd_epi16(cast(left), cast(right))))
    }

    #[inline(always)]
    fn to_f32s(self, whole: pulp::i32x16) -> pulp::f32x16 {
        cast(self.avx512f._mm512_cvtepi32_ps(cast(whole)))
    }

    #[inline(always)]
    fn mix_eights(self, numbers: &mut [f32; 16]) {
        const HALVES_SWAPPED: i32 = 0b01_00_11_10;
        const SIGNS: [f32; 16] =
            [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0];
        let here: pulp::f32x16 = cast(*numbers);
        let there = self.avx512f._mm512_shuffle_f32x4::<HALVES_SWAPPED>(cast(here), cast(here));
        *numbers = cast(self.mul_add_e_f32s(here, cast(SIGNS), cast(there)));
    }

    #[inline(never)]
    fn apart<K: Kernel>(self, kernel: K) -> K::Output {
        self.vectorize(On { simd: self, kernel })
    }
}

/// A kernel with the proof that its instructions are here; inlined, so that they are compiled in.
#[cfg(target_arch = "x86_64")]
struct On<S, K> {
    simd: S,
    kernel: K,
}

#[cfg(target_arch = "x86_64")]
impl<K: Kernel> NullaryFnOnce for On<V3, K> {
    type Output = K::Output;

    #[inline(always)]
    fn call(self) -> K::Output {
        self.kernel.run::<V3, 2>(self.simd)
    }
}

#[cfg(target_arch = "x86_64")]
impl<K: Kernel> NullaryFnOnce for On<V4, K> {
    type Output = K::Output;

    #[inline(always)]
    fn call(self) -> K::Output {
        self.kernel.run::<V4, 2>(self.simd)
    }
}

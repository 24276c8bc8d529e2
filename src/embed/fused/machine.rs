//! What `pulp` does not offer: asking for memory ahead, and sums of products of bytes and of 16-bit floats.
//!
//! The only `unsafe` of the engine is here. Without the first of the three the first rows of every panel wait
//! for memory (7 % of the time at 128 word pieces, 15 % at 8); without the others bytes and 16-bit
//! floats are no faster than 32-bit ones. Invariant: who holds [`ByteProducts`] or [`HalfProducts`] runs on
//! a machine that has them.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is checked in these loops costs more than the work"
)]

use pulp::{f32x16, i32x16};

use super::ahead::Ahead;

#[cfg(target_arch = "x86_64")]
type Proof = pulp::x86::V4;
#[cfg(not(target_arch = "x86_64"))]
type Proof = std::convert::Infallible;

/// Makes the proof that this machine has a feature, and what it is there for.
macro_rules! products {
    ($(#[$doc:meta])* $name:ident, $feature:tt, $sum:ty, $add:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(super) struct $name(Proof);

        impl $name {
            pub(super) fn try_new() -> Option<Self> {
                #[cfg(target_arch = "x86_64")]
                return if is_x86_feature_detected!($feature) { Proof::try_new().map(Self) } else { None };
                #[cfg(not(target_arch = "x86_64"))]
                return None;
            }

            /// Adds products of rows and weights to sums, which are by row, then by vector.
            ///
            /// `lanes` gives a row's numbers by row and depth.
            #[inline(always)]
            pub(super) fn add<const ROWS: usize>(
                self,
                sums: &mut [$sum],
                lanes: impl Fn(usize, usize) -> i32,
                weights: &[i32x16],
                ahead: Ahead<'_, i32>,
            ) {
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "only on a machine with these instructions is there a `self`")]
                unsafe {
                    x86::$add::<ROWS>(sums, lanes, weights, ahead);
                }
                #[cfg(not(target_arch = "x86_64"))]
                let _ = (sums, lanes, weights, ahead);
            }
        }
    };
}

products!(
    /// This machine adds up products of four bytes at a time, those of rows signed, those of weights not
    /// (AVX-512 VNNI).
    ByteProducts,
    "avx512vnni",
    i32x16,
    add_bytes
);
products!(
    /// This machine adds up products of two 16-bit floats at a time (AVX-512 BF16).
    HalfProducts,
    "avx512bf16",
    f32x16,
    add_halves
);

/// Asks for a line to be brought into the cache of the first level, or only of the second; does nothing
/// where the processor cannot be asked.
#[inline(always)]
pub(super) fn fetch<T, const NUMBERS: usize>(line: &[T; NUMBERS], is_near: bool) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[expect(
        unsafe_code,
        reason = "a prefetch takes a pointer; this one comes from a reference, and nothing is read"
    )]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        if is_near {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        } else {
            _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast());
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (line, is_near);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512, __m512i, _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_set1_epi32, _mm512_setzero_si512,
    };

    use pulp::cast;

    use super::super::tile::STEPS;
    use super::{Ahead, f32x16, i32x16};

    /// Vectors of columns that are summed at once.
    const VECTORS: usize = 2;

    /// Makes a function that adds products to sums, which stay in registers meanwhile.
    macro_rules! add_products {
        ($name:ident, $features:literal, $sum:ty, $sums:ty, $product:expr) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name<const ROWS: usize>(
                sums: &mut [$sums],
                lanes: impl Fn(usize, usize) -> i32,
                weights: &[i32x16],
                mut ahead: Ahead<'_, i32>,
            ) {
                let (sums, _) = sums.as_chunks_mut::<VECTORS>();
                let Some(sums) = sums.first_chunk_mut::<ROWS>() else { return };
                // Loops, as a closure would not be compiled for these instructions.
                let mut added: [[$sum; VECTORS]; ROWS] = [[cast(_mm512_setzero_si512()); VECTORS]; ROWS];
                for row in 0..ROWS {
                    for vector in 0..VECTORS {
                        added[row][vector] = cast(sums[row][vector]);
                    }
                }
                let (steps, _) = weights.as_chunks::<VECTORS>().0.as_chunks::<STEPS>();
                for (step, weights) in steps.iter().enumerate() {
                    ahead.step();
                    for (depth, weights) in weights.iter().enumerate() {
                        for row in 0..ROWS {
                            let number = cast(_mm512_set1_epi32(lanes(row, STEPS * step + depth)));
                            for vector in 0..VECTORS {
                                added[row][vector] =
                                    $product(added[row][vector], cast(weights[vector]), number);
                            }
                        }
                    }
                }
                for row in 0..ROWS {
                    for vector in 0..VECTORS {
                        sums[row][vector] = cast(added[row][vector]);
                    }
                }
            }
        };
    }

    add_products!(
        add_bytes,
        "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni",
        __m512i,
        i32x16,
        _mm512_dpbusd_epi32
    );
    add_products!(
        add_halves,
        "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16",
        __m512,
        f32x16,
        _mm512_dpbf16_ps
    );
}

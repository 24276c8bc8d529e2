//! The functions between the matrices: GELU, softmax to the base of 2, and layer normalisation.
//!
//! Each is within a few units in the last place of the exact function; the tests say how many.

use std::f32::consts::LN_2;

use super::lanes::{Kernel, Lanes};
use super::{Row, SIDE};

/// Coefficients of erf(x) = x·P(x²)/Q(x²) on [-4, 4], highest power first (Eigen, `GenericPacketMathFunctions.h`).
const ERF_ABOVE: [f32; 7] = [
    -2.726_142_3e-10,
    2.770_681_4e-8,
    -2.101_024e-6,
    -5.692_506_3e-5,
    -7.349_906_3e-4,
    -2.954_6e-3,
    -1.609_603_3e-2,
];
const ERF_BELOW: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];

/// 2^r on [-1/2, 1/2], highest power first: the Taylor series, (ln 2)^n / n!.
const EXP_2: [f32; 7] = [1.540_353e-4, 1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 0.240_226_5, LN_2, 1.0];

/// Adding it rounds a small number to a whole one, ties to even, which then stands in the lowest bits.
pub(super) const ROUNDING: f32 = 12_582_912.0;

#[inline(always)]
fn polynomial<S: Lanes>(simd: S, coefficients: &[f32], x: S::f32s) -> S::f32s {
    let [first, others @ ..] = coefficients else { return simd.splat_f32s(0.0) };
    let mut sum = simd.splat_f32s(*first);
    for coefficient in others {
        sum = simd.mul_add_e_f32s(sum, x, simd.splat_f32s(*coefficient));
    }
    sum
}

/// x·(1 + erf(x / √2)) / 2, the exact GELU.
#[inline(always)]
pub(super) fn gelu<S: Lanes>(simd: S, x: S::f32s) -> S::f32s {
    let scaled = simd.mul_f32s(x, simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2));
    let inside = simd.max_f32s(simd.min_f32s(scaled, simd.splat_f32s(4.0)), simd.splat_f32s(-4.0));
    let square = simd.mul_f32s(inside, inside);
    let above = simd.mul_f32s(polynomial(simd, &ERF_ABOVE, square), inside);
    let erf = simd.div_f32s(above, polynomial(simd, &ERF_BELOW, square));
    let half = simd.mul_f32s(x, simd.splat_f32s(0.5));
    simd.mul_add_e_f32s(half, erf, half)
}

/// 2^x for x of at most 0; below -126 it is 1e-38.
#[inline(always)]
fn exp_2<S: Lanes>(simd: S, x: S::f32s) -> S::f32s {
    let x = simd.max_f32s(x, simd.splat_f32s(-126.0));
    let rounded = simd.add_f32s(x, simd.splat_f32s(ROUNDING));
    let rest = simd.sub_f32s(x, simd.sub_f32s(rounded, simd.splat_f32s(ROUNDING)));
    let power = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    let mantissa = simd.transmute_u32s_f32s(polynomial(simd, &EXP_2, rest));
    simd.transmute_f32s_u32s(simd.add_u32s(mantissa, power))
}

/// Replaces scores by 2^(score - greatest), and gives one over their sum.
#[inline(always)]
pub(super) fn softmax<S: Lanes>(simd: S, scores: &mut [S::f32s]) -> f32 {
    let mut greatest = simd.splat_f32s(f32::MIN);
    for score in scores.iter() {
        greatest = simd.max_f32s(greatest, *score);
    }
    let greatest = simd.splat_f32s(simd.reduce_max_f32s(greatest));
    let mut sum = simd.splat_f32s(0.0);
    for score in scores {
        *score = exp_2(simd, simd.sub_f32s(*score, greatest));
        sum = simd.add_f32s(sum, *score);
    }
    1.0 / simd.reduce_sum_f32s(sum)
}

/// A layer normalisation: what every row is brought to.
#[derive(Debug)]
pub(super) struct Normalisation {
    pub(super) gain: Row,
    pub(super) bias: Row,
    pub(super) epsilon: f32,
}

/// Normalises rows in place.
pub(super) struct Normalise<'a> {
    pub(super) rows: &'a mut [Row],
    pub(super) to: &'a Normalisation,
}

impl Kernel for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes, const VECTORS: usize>(self, simd: S) {
        let (gain, _) = S::as_simd_f32s(&self.to.gain);
        let (bias, _) = S::as_simd_f32s(&self.to.bias);
        for row in self.rows {
            let (row, _) = S::as_mut_simd_f32s(row);
            let mut sum = simd.splat_f32s(0.0);
            for number in row.iter() {
                sum = simd.add_f32s(sum, *number);
            }
            let mean = simd.splat_f32s(simd.reduce_sum_f32s(sum) / SIDE as f32);
            let mut squares = simd.splat_f32s(0.0);
            for number in row.iter_mut() {
                *number = simd.sub_f32s(*number, mean);
                squares = simd.mul_add_e_f32s(*number, *number, squares);
            }
            let variance = simd.reduce_sum_f32s(squares) / SIDE as f32;
            let scale = simd.splat_f32s(1.0 / (variance + self.to.epsilon).sqrt());
            for ((number, gain), bias) in row.iter_mut().zip(gain).zip(bias) {
                *number = simd.mul_add_e_f32s(simd.mul_f32s(*number, scale), *gain, *bias);
            }
        }
    }
}

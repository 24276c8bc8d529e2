//! The most that one core computes: multiply-adds on registers, nothing else.

use std::hint::black_box;
use std::time::Instant;

use pulp::{Arch, Simd, WithSimd};

/// Sums beside each other: more than a multiply-add takes cycles, on two units.
const SUMS: usize = 12;
const STEPS: usize = 200_000;

struct MultiplyAdds;

impl WithSimd for MultiplyAdds {
    /// Operations.
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut sums = [simd.splat_f32s(0.5); SUMS];
        let (factor, addend) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(0.001)));
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, addend);
            }
        }
        black_box(sums.map(|sum| simd.reduce_sum_f32s(sum)));
        (2 * SUMS * STEPS * S::F32_LANES) as f64
    }
}

/// Measures the peak of one core: the best of many short tries.
pub fn floating_point_operations_per_s() -> f64 {
    (0..100)
        .map(|_| {
            let started = Instant::now();
            let operations = Arch::new().dispatch(MultiplyAdds);
            operations / started.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

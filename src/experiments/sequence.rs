//! Intervals and p-values that hold however often one looks: asymptotic confidence sequences.
//!
//! I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform central limit theory and asymptotic
//! confidence sequences", Annals of Statistics 52 (2024), arXiv 2103.06476: theorem 2.2 for the interval, eq. 161 for its
//! tuning, eq. 155 for the p-value. The difference of two means is a Brownian motion in the inverse of its variance,
//! whatever units come to which arm when, so it is treated as one mean whose units are the arms' harmonic mean.

/// Units that the smaller arm must have before anything is said; the theory begins where means are nearly normal.
pub const FEWEST: f64 = 30.0;

/// A chance of error, spread over all times, most of it about one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sequence {
    alpha: f64,
    /// ρ².
    tuning: f64,
}

impl Sequence {
    /// Takes the chance of error, in (0, 1), and the units per arm at which the interval is to be tightest; both must be
    /// settled before the first look.
    pub fn new(alpha: f64, tightest_at: f64) -> Self {
        let alpha = alpha.clamp(f64::MIN_POSITIVE, 0.999);
        let twice = -2.0 * alpha.ln();
        Self { alpha, tuning: (twice + twice.ln_1p()) / tightest_at.max(1.0) }
    }

    /// Gives the chance of error.
    pub const fn alpha(&self) -> f64 {
        self.alpha
    }

    /// Gives half the width of the interval in standard errors, after so many units per arm.
    pub fn radius(&self, units: f64) -> f64 {
        let time = units * self.tuning;
        ((1.0 + 1.0 / time) * (time.ln_1p() - 2.0 * self.alpha.ln())).sqrt()
    }

    /// Gives the p-value of a difference of so many standard errors, in [0, 1]: the α whose interval just excludes it.
    pub fn p_value(&self, standard_errors: f64, units: f64) -> f64 {
        let time = units * self.tuning;
        let log = 0.5 * time.ln_1p() - 0.5 * standard_errors * standard_errors * time / (1.0 + time);
        if log.is_nan() { 1.0 } else { log.exp().min(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::estimate::Estimate;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn the_interval_is_tightest_about_where_it_is_to_be() {
        let sequence = Sequence::new(0.05, 1_000.0);
        let width = |units: f64| sequence.radius(units);
        assert!(width(1_000.0) < width(200.0) && width(1_000.0) < width(20_000.0));
        assert!((3.0..3.1).contains(&width(1_000.0)), "{}", width(1_000.0));
    }

    proptest! {
        /// The interval excludes a value just where its p-value is below α, skewed or not.
        #[test]
        fn intervals_and_p_values_agree(
            null in -9.0..9.0_f64, units in 30.0..1e5_f64, skewness in -2.0..2.0_f64, alpha in 0.001..0.3_f64,
        ) {
            let estimate = Estimate {
                value: 0.0, standard_error: 1.0, plain_error: 1.0, freedom: 9.0, skewness, units, fewest: units, control: None,
            };
            let sequence = Sequence::new(alpha, 1_000.0);
            let radius = sequence.radius(units);
            let (low, high) = estimate.interval(radius);
            prop_assert!(low <= -radius && high >= radius);
            if (null - low).abs() > 1e-6 && (null - high).abs() > 1e-6 {
                let p = sequence.p_value(estimate.distance(null), units);
                prop_assert!((p < alpha) == (null < low || null > high), "{p} {low} {high}");
            }
        }
    }
}

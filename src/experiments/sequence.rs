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

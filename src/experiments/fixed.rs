//! Tests that hold at one look, the planned one.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use super::estimate::Estimate;
use super::sums::Sums;

/// Gives the p-value of an estimate against `null`, two-sided, in [0, 1]: for two arms, Welch's t.
///
/// B. L. Welch, "The generalization of Student's problem when several different population variances are involved",
/// Biometrika 34 (1947).
pub fn welch_p_value(estimate: &Estimate, null: f64) -> f64 {
    let distance = (estimate.value - null).abs() / estimate.plain_error;
    StudentsT::new(0.0, 1.0, estimate.freedom).map_or(1.0, |t| (2.0 * t.sf(distance)).min(1.0))
}

/// Gives the interval that goes with it.
pub fn welch_interval(estimate: &Estimate, alpha: f64) -> Option<(f64, f64)> {
    let t = StudentsT::new(0.0, 1.0, estimate.freedom).ok()?;
    let radius = t.inverse_cdf(1.0 - alpha / 2.0) * estimate.plain_error;
    radius.is_finite().then_some((estimate.value - radius, estimate.value + radius))
}

/// Gives the p-value of equal shares of 1 in two arms of 0 and 1, two-sided, in [0, 1]: the test of two proportions with a
/// pooled variance (K. Pearson's χ² of a table of four).
pub fn proportions_p_value(control: &Sums, treatment: &Sums) -> f64 {
    let (Some(one), Some(other)) = (treatment.mean(), control.mean()) else { return 1.0 };
    let share = (treatment.total + control.total) / (treatment.units + control.units);
    let variance = share * (1.0 - share) * (1.0 / treatment.units + 1.0 / control.units);
    let p = 2.0 * Normal::standard().sf((one - other).abs() / variance.sqrt());
    if p.is_nan() { 1.0 } else { p.min(1.0) }
}

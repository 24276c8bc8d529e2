//! Tests that hold at one look, the planned one.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use super::estimate::Estimate;
use super::sums::Sums;

const MOST_FREEDOM: f64 = 3e4;

/// Gives the p-value of an estimate against `null`, two-sided, in [0, 1]: for two arms, Welch's t.
///
/// B. L. Welch, "The generalization of Student's problem when several different population variances are involved",
/// Biometrika 34 (1947).
pub fn welch_p_value(estimate: &Estimate, null: f64) -> f64 {
    let distance = (estimate.value - null).abs() / estimate.plain_error;
    students_t(estimate.freedom).map_or(1.0, |t| (2.0 * t.sf(distance)).min(1.0))
}

/// Gives the interval that goes with it.
pub fn welch_interval(estimate: &Estimate, alpha: f64) -> Option<(f64, f64)> {
    let t = students_t(estimate.freedom)?;
    let radius = t.inverse_cdf(1.0 - alpha / 2.0) * estimate.plain_error;
    radius.is_finite().then_some((estimate.value - radius, estimate.value + radius))
}

/// Gives the distribution of so many degrees of freedom. With more than [`MOST_FREEDOM`] its interval would be narrower by
/// one part in 5,000 at most, and its quantile is inexact or searched for without end.
fn students_t(freedom: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom.clamp(1.0, MOST_FREEDOM)).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_degrees_of_freedom_come_to_an_end() {
        for freedom in [0.0, f64::MIN_POSITIVE, 0.7, 1.0, 2.5, 29.0, 1e3, 3e4, 1e6, 1e7, 1e300, f64::INFINITY]
        {
            for alpha in [1e-9, 1e-4, 0.05, 0.5] {
                let estimate = Estimate {
                    value: 0.0,
                    standard_error: 1.0,
                    plain_error: 1.0,
                    freedom,
                    skewness: 0.0,
                    units: 60.0,
                    fewest: 30.0,
                    control: None,
                };
                let (low, high) = welch_interval(&estimate, alpha).expect("an interval");
                assert!(low < 0.0 && (low + high).abs() < 1e-9, "{freedom} {alpha}: {low} {high}");
                let p = welch_p_value(&estimate, high);
                // Where experiments are judged: at no less than 30 units an arm, for no smaller chance.
                if freedom >= 29.0 && alpha >= 1e-4 {
                    assert!((p / alpha - 1.0).abs() < 1e-3, "{freedom} {alpha}: {p}");
                }
            }
        }
        let nothing = Estimate {
            value: 0.0,
            standard_error: 1.0,
            plain_error: 1.0,
            freedom: f64::NAN,
            skewness: 0.0,
            units: 60.0,
            fewest: 30.0,
            control: None,
        };
        assert_eq!((welch_interval(&nothing, 0.05), welch_p_value(&nothing, 1.0)), (None, 1.0));
    }
}

//! How many units an experiment needs.

use statrs::distribution::{ContinuousCDF as _, Normal};

use super::sequence::{FEWEST, Sequence};

/// The chance to find the effect that an experiment is planned for.
pub const POWER: f64 = 0.8;

/// More units than this are as good as never.
const MOST: f64 = 1e12;

/// What there is to find, and in what noise; all in the metric's unit, per unit of assignment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Planned {
    /// The smallest difference that matters; its sign does not.
    pub effect: f64,
    /// Variance of one unit's outcome; arms are taken to have the same.
    pub variance: f64,
}

impl Planned {
    /// Gives the units per arm after which one test of level `alpha`, two-sided, finds the effect with the chance
    /// [`POWER`]; `None` where there is nothing to find, or never.
    ///
    /// J. Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988), normal approximation.
    pub fn fixed_units(self, alpha: f64) -> Option<f64> {
        let distance = quantile(1.0 - alpha / 2.0) + quantile(POWER);
        rounded(2.0 * self.variance * (distance / self.effect).powi(2))
    }

    /// Gives the units per arm within which the interval, looked at all the time, excludes 0 with the chance [`POWER`].
    pub fn sequential_units(self, sequence: Sequence) -> Option<f64> {
        let distance = |units: f64| self.effect.abs() * (units / (2.0 * self.variance)).sqrt();
        let is_found = |units: f64| distance(units) >= sequence.radius(units) + quantile(POWER);
        rounded(first_from(FEWEST, is_found)?)
    }
}

/// Gives the point that a standard normal number is below with this chance.
pub(super) fn quantile(chance: f64) -> f64 {
    Normal::standard().inverse_cdf(chance.clamp(f64::EPSILON, 1.0 - f64::EPSILON))
}

fn rounded(units: f64) -> Option<f64> {
    (units.is_finite() && units <= MOST).then(|| units.ceil().max(FEWEST))
}

/// Finds the least number of units, from `from` up to [`MOST`], from which on something holds.
pub(super) fn first_from(from: f64, holds: impl Fn(f64) -> bool) -> Option<f64> {
    let from = from.max(1.0);
    let (mut low, mut high) = (from, from);
    while high <= MOST && !holds(high) {
        (low, high) = (high, high * 2.0);
    }
    if high > MOST {
        return None;
    }
    while high - low > 0.5 {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

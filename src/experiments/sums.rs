//! Sufficient statistics of one metric in one arm: what a store sums up, so that no row leaves it.
//!
//! The unit of analysis is the unit of assignment. A request is a unit with one outcome; a session is a unit with as
//! many as were seen of it, so that outcomes which hang together are not counted as if each were news.
//!
//! Outcomes are numbers, costs among them in dollars: squares of pico-dollars fit no integer that both stores have, and
//! an `f64` errs 10⁻¹³ where sampling errs 10⁻². Money itself is never computed from these sums.

use serde::{Deserialize, Serialize};

/// The smallest standard deviation that sums of squares tell from none, as a share of the mean.
const RESOLUTION: f64 = 1e-6;

/// What was seen of one unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// How many outcomes; 1 where the unit is a request.
    pub outcomes: f64,
    /// Their sum.
    pub total: f64,
    /// What was known of it before it was assigned, as the cost of its earlier requests; 0 where nothing was.
    pub before: f64,
}

/// Sums over the units of one arm that have an outcome; each field is one `sum(…)` in SQL.
///
/// They are as of a time by which outcomes were known, not assigned: a rating that comes late is counted when it comes,
/// and an interval over time is made of such sums, each with the outcomes known by then.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sums {
    pub units: f64,
    pub outcomes: f64,
    pub total: f64,
    pub before: f64,
    pub outcomes_squared: f64,
    pub total_squared: f64,
    pub before_squared: f64,
    pub outcomes_times_total: f64,
    pub outcomes_times_before: f64,
    pub total_times_before: f64,
    pub outcomes_cubed: f64,
    pub outcomes_squared_times_total: f64,
    pub outcomes_times_total_squared: f64,
    pub total_cubed: f64,
}

impl Sums {
    /// Adds a unit. One without outcomes, or with a number that is not finite, is passed over.
    pub fn add(&mut self, unit: Unit) {
        self.combine(&Self::of(unit), 1.0);
    }

    /// Takes a unit's earlier state out, as before a session is added with one more outcome.
    pub fn remove(&mut self, unit: Unit) {
        self.combine(&Self::of(unit), -1.0);
    }

    /// Adds the sums over other units.
    pub fn merge(&mut self, others: &Self) {
        self.combine(others, 1.0);
    }

    /// Gives the mean outcome; `None` where there is none.
    pub fn mean(&self) -> Option<f64> {
        (self.outcomes > 0.0 && self.total.is_finite()).then(|| self.total / self.outcomes)
    }

    /// Gives the variance of a unit's part in the mean; `None` below two units.
    pub fn variance(&self) -> Option<f64> {
        self.moments().map(|moments| moments.residual)
    }

    fn of(unit: Unit) -> Self {
        let Unit { outcomes, total, before } = unit;
        if !(outcomes > 0.0 && [outcomes, total, before].iter().all(|number| number.is_finite())) {
            return Self::default();
        }
        Self {
            units: 1.0,
            outcomes,
            total,
            before,
            outcomes_squared: outcomes * outcomes,
            total_squared: total * total,
            before_squared: before * before,
            outcomes_times_total: outcomes * total,
            outcomes_times_before: outcomes * before,
            total_times_before: total * before,
            outcomes_cubed: outcomes.powi(3),
            outcomes_squared_times_total: outcomes * outcomes * total,
            outcomes_times_total_squared: outcomes * total * total,
            total_cubed: total.powi(3),
        }
    }

    fn combine(&mut self, others: &Self, times: f64) {
        self.units += times * others.units;
        self.outcomes += times * others.outcomes;
        self.total += times * others.total;
        self.before += times * others.before;
        self.outcomes_squared += times * others.outcomes_squared;
        self.total_squared += times * others.total_squared;
        self.before_squared += times * others.before_squared;
        self.outcomes_times_total += times * others.outcomes_times_total;
        self.outcomes_times_before += times * others.outcomes_times_before;
        self.total_times_before += times * others.total_times_before;
        self.outcomes_cubed += times * others.outcomes_cubed;
        self.outcomes_squared_times_total += times * others.outcomes_squared_times_total;
        self.outcomes_times_total_squared += times * others.outcomes_times_total_squared;
        self.total_cubed += times * others.total_cubed;
    }

    /// Gives the moments per unit; `None` below two units, or where a store's sums make no sense.
    pub(super) fn moments(&self) -> Option<Moments> {
        let mean = self.mean()?;
        let Self { units, outcomes, before, .. } = *self;
        if !(units >= 2.0 && units.is_finite()) {
            return None;
        }
        let per_unit = outcomes / units;
        let freedom = units - 1.0;
        // The residuals (total − mean · outcomes) / per_unit have the mean 0.
        let squared =
            self.total_squared - 2.0 * mean * self.outcomes_times_total + mean * mean * self.outcomes_squared;
        let residual = (squared / (per_unit * per_unit) / freedom).max((RESOLUTION * mean).powi(2));
        let cubed = self.total_cubed - 3.0 * mean * self.outcomes_times_total_squared
            + 3.0 * mean * mean * self.outcomes_squared_times_total
            - mean.powi(3) * self.outcomes_cubed;
        let third = cubed / per_unit.powi(3) / units;
        let covariance = (self.total_times_before - mean * self.outcomes_times_before) / per_unit / freedom;
        let spread = (self.before_squared - before * before / units) / freedom;
        let moments = Moments { units, residual, third, covariance, before: before / units, spread };
        [residual, third, covariance, spread].iter().all(|number| number.is_finite()).then_some(moments)
    }
}

/// The ratio of total to outcomes, and what its sampling error is made of: the delta method (Deng, Knoblich, Lu, "Applying
/// the delta method in metric analytics", KDD 2018, eq. 3). With one outcome a unit it is mean and variance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) units: f64,
    /// Variance of the residuals.
    pub(super) residual: f64,
    /// Third central moment of the residuals.
    pub(super) third: f64,
    /// Covariance of the residuals with what was known before.
    pub(super) covariance: f64,
    /// Mean and variance of what was known before.
    pub(super) before: f64,
    pub(super) spread: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy as _, prop, prop_assert, proptest};

    fn of(units: &[Unit]) -> Sums {
        let mut sums = Sums::default();
        units.iter().for_each(|unit| sums.add(*unit));
        sums
    }

    fn request(total: f64) -> Unit {
        Unit { outcomes: 1.0, total, before: 0.0 }
    }

    #[test]
    fn requests_have_mean_and_variance() {
        let moments = of(&[1.0, 2.0, 3.0, 6.0].map(request)).moments().expect("moments");
        assert!((moments.residual - 14.0 / 3.0).abs() < 1e-12, "{moments:?}");
        assert!((moments.third - (-8.0 - 1.0 + 0.0 + 27.0) / 4.0).abs() < 1e-12, "{moments:?}");
        assert_eq!(of(&[1.0, 2.0, 3.0, 6.0].map(request)).mean(), Some(3.0));
        assert!(of(&[request(1.0)]).moments().is_none());
    }

    #[test]
    fn equal_outcomes_do_not_look_exact() {
        let moments = of(&[request(0.1); 1_000]).moments().expect("moments");
        assert!(moments.residual > 0.0 && moments.residual < 1e-10, "{moments:?}");
    }

    #[test]
    fn what_is_no_outcome_is_passed_over() {
        let bad = [f64::NAN, f64::INFINITY].map(request);
        let none = Unit { outcomes: 0.0, total: 1.0, before: 1.0 };
        assert_eq!(of(&[bad[0], bad[1], none]), Sums::default());
    }

    proptest! {
        #[test]
        fn sums_of_parts_are_the_sum_of_all(
            (units, cut) in prop::collection::vec((1.0..9.0_f64, -5.0..5.0_f64, 0.0..1.0_f64), 2..40)
                .prop_flat_map(|units| { let most = units.len(); (Just(units), 0..most) }),
        ) {
            let units: Vec<Unit> = units
                .into_iter()
                .map(|(outcomes, total, before)| Unit { outcomes: outcomes.floor(), total, before })
                .collect();
            let (head, tail) = units.split_at(cut);
            let mut parts = of(head);
            parts.merge(&of(tail));
            parts.add(units[0]);
            parts.remove(units[0]);
            let (parts, all) = (parts.moments(), of(&units).moments());
            let (parts, all) = (parts.expect("moments"), all.expect("moments"));
            for (one, other) in [
                (parts.residual, all.residual),
                (parts.third, all.third),
                (parts.covariance, all.covariance),
                (parts.spread, all.spread),
            ] {
                prop_assert!((one - other).abs() <= 1e-6 * (1.0 + other.abs()), "{parts:?} {all:?}");
            }
        }
    }
}

//! How much is still to be spent: nothing with a chance, and otherwise a gamma-distributed amount.

use statrs::distribution::{ContinuousCDF as _, Gamma};

use super::past::LEAST_VARIANCE;

/// A distribution of dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ahead {
    /// Dollars, at least 0.
    pub mean: f64,
    /// Dollars².
    pub variance: f64,
    /// Chance that nothing is spent, in [0, 1].
    pub none: f64,
}

impl Ahead {
    /// Gives the dollars below which the amount stays with this chance, in (0, 1).
    pub(super) fn quantile(&self, chance: f64) -> f64 {
        match self.some() {
            Some((shape, scale)) if chance > self.none => {
                scaled_quantile(shape, scale, (chance - self.none) / (1.0 - self.none))
            }
            _ => 0.0,
        }
    }

    /// Gives the chance, in [0, 1], that so many dollars, more than 0, are spent.
    pub(super) fn chance_of(&self, amount: f64) -> f64 {
        let Some((shape, scale)) = self.some() else { return 0.0 };
        Gamma::new(shape, 1.0).map_or(0.0, |gamma| (1.0 - self.none) * gamma.sf(amount / scale))
    }

    /// Gives shape and scale (dollars) of what is spent where anything is: its two moments are those of the whole.
    fn some(&self) -> Option<(f64, f64)> {
        let some = 1.0 - self.none;
        if self.mean <= 0.0 || some <= 0.0 {
            return None;
        }
        let mean = self.mean / some;
        let variance = (self.variance - self.mean * self.mean * self.none / some) / some;
        // So rare a spend cannot be as even as the variance says.
        let variance = variance.max((0.02 * self.none + LEAST_VARIANCE) * mean * mean);
        let (shape, scale) = (mean * mean / variance, variance / mean);
        (shape.is_finite() && shape > 0.0 && scale.is_finite()).then_some((shape, scale))
    }
}

/// Gives a quantile of a gamma distribution; 0 where it is too small for a number.
pub(super) fn scaled_quantile(shape: f64, scale: f64, chance: f64) -> f64 {
    // statrs panics outside of [0, 1].
    if !(0.0..1.0).contains(&chance) {
        return 0.0;
    }
    let quantile = Gamma::new(shape, 1.0).map_or(0.0, |gamma| scale * gamma.inverse_cdf(chance));
    if quantile.is_finite() { quantile } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    proptest! {
        #[test]
        fn quantiles_rise_and_have_their_chance(
            mean in 1e-9..1e6_f64, relative in 1e-4..9.0_f64, none in 0.0..1.0_f64, chance in 0.01..0.95_f64,
        ) {
            let ahead = Ahead { mean, variance: relative * mean * mean, none };
            let (low, high) = (ahead.quantile(chance), ahead.quantile(chance + 0.04));
            prop_assert!(low >= 0.0 && high >= low, "{low} {high}");
            // Far below any amount of note, statrs stops early.
            if low > 1e-6 * mean {
                let below = 1.0 - ahead.chance_of(low);
                prop_assert!((below - chance).abs() < 1e-6, "{below} {chance}");
            }
        }
    }

    #[test]
    fn where_nothing_is_likely_the_median_is_nothing() {
        let ahead = Ahead { mean: 1.0, variance: 4.0, none: 0.6 };
        assert_eq!(ahead.quantile(0.5), 0.0);
        assert!(ahead.quantile(0.7) > 0.0);
    }
}

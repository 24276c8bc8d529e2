//! Money as whole pico-dollars, so that sums are exact and equal in every report.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

/// Pico-dollars in one dollar.
pub const PICO_PER_USD: i64 = 1_000_000_000_000;

/// An amount of US dollars in whole pico-dollars (10⁻¹² $); range ± $9.2 million.
///
/// Arithmetic saturates at the ends of the range: a bill of that size is an error elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(i64);

/// A number of dollars that is not finite or does not fit [`Usd`].
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0:e} is not an amount in US dollars; hint: pass a finite number below 9.2 million")]
pub struct NotAnAmount(pub f64);

impl Usd {
    pub const ZERO: Self = Self(0);

    /// Makes an amount from whole pico-dollars.
    pub const fn from_pico(pico: i64) -> Self {
        Self(pico)
    }

    /// Gives the amount in whole pico-dollars.
    pub const fn pico(self) -> i64 {
        self.0
    }

    /// Rounds decimal dollars to the nearest pico-dollar; this is the only way in for an `f64`.
    pub fn from_dollars(dollars: f64) -> Result<Self, NotAnAmount> {
        let pico = (dollars * PICO_PER_USD as f64).round();
        if pico.is_finite() && pico.abs() < i64::MAX as f64 {
            Ok(Self(pico as i64))
        } else {
            Err(NotAnAmount(dollars))
        }
    }

    /// Gives decimal dollars for a wire format; it comes back exactly from [`Usd::from_dollars`] below $2,251 (2⁵¹ pico).
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PICO_PER_USD as f64
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Usd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Usd {
    /// Writes every digit that is not zero, at least cents: `$0.00094750` is `$0.0009475`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let pico = self.0.unsigned_abs();
        let fraction = format!("{:012}", pico % PICO_PER_USD.unsigned_abs());
        let trimmed = fraction.trim_end_matches('0');
        let whole = pico / PICO_PER_USD.unsigned_abs();
        write!(f, "{sign}${whole}.{trimmed:0<2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_amount_is_written_with_all_its_digits() {
        for (pico, text) in [
            (0, "$0.00"),
            (947_500_000, "$0.0009475"),
            (1, "$0.000000000001"),
            (-1_500_000_000_000, "-$1.50"),
        ] {
            assert_eq!(Usd::from_pico(pico).to_string(), text);
        }
    }

    #[test]
    fn a_number_that_is_no_amount_is_refused() {
        for bad in [f64::NAN, f64::INFINITY, -f64::INFINITY, 1e30] {
            assert!(Usd::from_dollars(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn decimal_dollars_keep_every_pico_dollar(pico in -(1_i64 << 51)..(1_i64 << 51)) {
            let amount = Usd::from_pico(pico);
            prop_assert_eq!(Usd::from_dollars(amount.dollars()), Ok(amount));
        }
    }
}

//! How the period of a limit stands.

use crate::domain::limit::Limit;
use crate::domain::money::Usd;

/// The shares of a limit, in percent, at which whoever spends is told.
const ALERTS: [u8; 3] = [50, 80, 100];

/// How the period of a limit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub limit: Limit,
    /// By requests that ended.
    pub spent: Usd,
    /// The most that requests under way may cost, but for the one that asks.
    pub reserved: Usd,
}

impl Standing {
    /// Gives what is neither spent nor reserved; never below 0.
    pub fn remaining(&self) -> Usd {
        (self.limit.most - self.spent - self.reserved).max(Usd::ZERO)
    }

    /// Says whether so much more fits.
    pub fn has_room(&self, more: Usd) -> bool {
        self.spent + self.reserved + more <= self.limit.most
    }

    /// Gives the highest share in percent that is reached of 50, 80 and 100; 0 below them.
    pub fn alert(&self) -> u8 {
        let percent = |share: u8| i128::from(self.limit.most.pico()) * i128::from(share);
        let spent = i128::from(self.spent.pico()) * 100;
        ALERTS.into_iter().rev().find(|share| spent >= percent(*share) && spent > 0).unwrap_or(0)
    }

    /// Gives the share of the limit that is spent or reserved; above everything where the limit is 0.
    pub fn used(&self) -> f64 {
        let used = (self.spent + self.reserved).pico() as f64;
        if self.limit.most > Usd::ZERO { used / self.limit.most.pico() as f64 } else { f64::INFINITY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limit::{OnBreach, Period, Scope, SetBy};

    fn standing(most: i64, spent: i64) -> Standing {
        let scope = Scope { period: Period::Day, tag: None };
        let limit =
            Limit { scope, most: Usd::from_pico(most), on_breach: OnBreach::Block, set_by: SetBy::Config };
        Standing { limit, spent: Usd::from_pico(spent), reserved: Usd::ZERO }
    }

    #[test]
    fn alerts_come_at_half_four_fifths_and_all_of_it() {
        for (spent, alert) in
            [(0, 0), (49, 0), (50, 50), (79, 50), (80, 80), (99, 80), (100, 100), (500, 100)]
        {
            assert_eq!(standing(100, spent).alert(), alert, "{spent}");
        }
        assert_eq!(standing(0, 0).alert(), 0);
        assert_eq!(standing(0, 1).alert(), 100);
        assert_eq!(standing(i64::MAX, i64::MAX).alert(), 100);
    }
}

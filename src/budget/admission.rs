//! Whether a request may reserve what it may cost.

use super::standing::Standing;
use crate::domain::limit::{Limit, OnBreach};
use crate::domain::money::Usd;

/// What becomes of a request that asks to reserve, with how its limits stood without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    Admitted(Vec<Standing>),
    Refused(Vec<Standing>),
}

impl Admission {
    /// Admits a request that may cost so much, unless that passes a limit that does more than warn.
    pub fn decide(standings: Vec<Standing>, worst_case: Usd) -> Self {
        let is_stopped = standings
            .iter()
            .any(|standing| standing.limit.on_breach > OnBreach::Warn && !standing.has_room(worst_case));
        if is_stopped { Self::Refused(standings) } else { Self::Admitted(standings) }
    }
}

/// Gives the standing that leaves the least of those that do more than warn.
pub fn narrowest(standings: &[Standing]) -> Option<&Standing> {
    standings
        .iter()
        .filter(|standing| standing.limit.on_breach > OnBreach::Warn)
        .min_by_key(|standing| (standing.remaining(), std::cmp::Reverse(standing.limit.on_breach)))
}

/// Gives the standing of which the largest share is used: the one worth showing.
pub fn fullest(standings: &[Standing]) -> Option<&Standing> {
    standings.iter().max_by(|one, other| one.used().total_cmp(&other.used()))
}

/// Says whether one of the limits stops requests when nobody can say how it stands.
pub fn must_hold(limits: &[Limit], tags: &[String]) -> bool {
    limits.iter().any(|limit| limit.on_breach == OnBreach::Block && limit.scope.covers(tags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limit::{Period, Scope, SetBy};

    fn standing(on_breach: OnBreach, most: i64, spent: i64, reserved: i64) -> Standing {
        let limit = Limit {
            scope: Scope { period: Period::Day, tag: None },
            most: Usd::from_pico(most),
            on_breach,
            set_by: SetBy::Config,
        };
        Standing { limit, spent: Usd::from_pico(spent), reserved: Usd::from_pico(reserved) }
    }

    #[test]
    fn what_fits_to_the_last_pico_dollar_is_admitted_and_one_more_is_not() {
        for on_breach in [OnBreach::Block, OnBreach::Downgrade] {
            let standings = vec![standing(on_breach, 100, 40, 50)];
            let decide = |worst: i64| Admission::decide(standings.clone(), Usd::from_pico(worst));
            assert_eq!(decide(10), Admission::Admitted(standings.clone()));
            assert_eq!(decide(11), Admission::Refused(standings.clone()));
        }
    }

    #[test]
    fn a_limit_that_warns_stops_nothing_and_any_other_that_is_passed_does() {
        let warned = standing(OnBreach::Warn, 1, 5, 5);
        let full = standing(OnBreach::Block, 10, 5, 5);
        let worst = Usd::from_pico(1);
        assert!(matches!(Admission::decide(vec![warned.clone()], worst), Admission::Admitted(_)));
        assert!(matches!(Admission::decide(vec![warned, full], worst), Admission::Refused(_)));
        assert!(matches!(Admission::decide(Vec::new(), Usd::from_pico(i64::MAX)), Admission::Admitted(_)));
    }

    #[test]
    fn the_narrowest_leaves_least_and_blocks_before_it_downgrades() {
        let standings = [
            standing(OnBreach::Warn, 10, 10, 0),
            standing(OnBreach::Downgrade, 10, 2, 3),
            standing(OnBreach::Block, 10, 5, 0),
        ];
        assert_eq!(narrowest(&standings), Some(&standings[2]));
        assert_eq!(fullest(&standings), Some(&standings[0]));
    }
}

//! The interval of one arm's mean of outcomes within [0, 1], exact at any time and of any size.
//!
//! Against each mean m one bets with all stakes at once: the wealth of somebody who, under the likelihood of 0s and 1s,
//! spreads them over the alternatives q ~ Beta(½, ½),
//!
//! > W(m) = ∫ Π (q/m)^x ((1 − q)/(1 − m))^(1 − x) dBeta(q) = B(½ + Σx, ½ + Σ(1 − x)) / B(½, ½) / (m^Σx (1 − m)^Σ(1 − x)),
//!
//! is a non-negative martingale of means 0 or 1 and a supermartingale of all between them, for each factor is convex in x.
//! By Ville's inequality it ever reaches 1/α with a chance of at most α if m is the mean; the interval is of those m for
//! which it has not. S. R. Howard, A. Ramdas, J. McAuliffe, J. Sekhon, "Time-uniform, nonparametric, nonasymptotic
//! confidence sequences", Annals of Statistics 49 (2021), proposition 7.

use statrs::function::beta::ln_beta;

use super::sums::Sums;

/// Both parameters of the prior.
const PRIOR: f64 = 0.5;

/// Ends are found to this precision.
const PRECISION: f64 = 1e-9;

/// Gives the interval of the mean for a chance of error in (0, 1); `None` where no unit has an outcome, or where sums are not
/// of single outcomes within [0, 1].
pub fn interval(sums: &Sums, alpha: f64) -> Option<(f64, f64)> {
    let ones = sums.total;
    let zeros = sums.outcomes - ones;
    let is_usable = sums.outcomes >= 1.0 && sums.outcomes == sums.units && ones >= 0.0 && zeros >= 0.0;
    if !is_usable {
        return None;
    }
    let mixed = ln_beta(PRIOR + ones, PRIOR + zeros) - ln_beta(PRIOR, PRIOR);
    let part = |count: f64, share: f64| if count > 0.0 { count * share.ln() } else { 0.0 };
    let is_within = |mean: f64| mixed - part(ones, mean) - part(zeros, 1.0 - mean) < -alpha.ln();
    let end = |mut outside: f64| {
        if is_within(outside) {
            return outside;
        }
        let mut inside = ones / sums.outcomes;
        while (outside - inside).abs() > PRECISION {
            let middle = f64::midpoint(inside, outside);
            if is_within(middle) {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        outside
    };
    Some((end(0.0), end(1.0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;
    use crate::experiments::sums::Unit;

    fn sums(outcomes: &[f64]) -> Sums {
        let mut sums = Sums::default();
        outcomes.iter().for_each(|total| sums.add(Unit { outcomes: 1.0, total: *total, before: 0.0 }));
        sums
    }

    #[test]
    fn an_arm_without_outcomes_or_of_sessions_has_none() {
        assert_eq!(interval(&Sums::default(), 0.05), None);
        let mut sessions = Sums::default();
        sessions.add(Unit { outcomes: 3.0, total: 2.0, before: 0.0 });
        assert_eq!(interval(&sessions, 0.05), None);
        assert_eq!(interval(&sums(&[1.5]), 0.05), None);
    }

    #[test]
    fn only_successes_leave_the_upper_end_open() {
        let (low, high) = interval(&sums(&[1.0; 300]), 0.05).expect("an interval");
        assert!((0.97..0.99).contains(&low) && high == 1.0, "{low} {high}");
    }

    proptest! {
        #[test]
        fn the_mean_is_inside_and_a_smaller_chance_of_error_is_wider(
            outcomes in proptest::collection::vec(0.0..=1.0_f64, 1..200), alpha in 0.001..0.4_f64,
        ) {
            let sums = sums(&outcomes);
            let mean = sums.mean().unwrap();
            let (low, high) = interval(&sums, alpha).unwrap();
            let (wider_low, wider_high) = interval(&sums, alpha / 2.0).unwrap();
            prop_assert!(0.0 <= wider_low && wider_low <= low && low <= mean);
            prop_assert!(mean <= high && high <= wider_high && wider_high <= 1.0);
        }
    }
}

//! When ratings take a cached answer out of service.

/// The two-sided 95 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Says whether an entry's ratings are bad enough: the 95 % upper bound of its approval is below one half.
pub fn is_retired(approvals: f64, ratings: u64) -> bool {
    ratings > 0 && wilson_upper(approvals, ratings) < 0.5
}

/// Gives the upper end of the Wilson score interval (95 %) for `approvals` of `ratings`, in [0, 1].
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927);
/// `approvals` is a sum of scores in [0, 1], so it may be fractional.
pub fn wilson_upper(approvals: f64, ratings: u64) -> f64 {
    let n = ratings as f64;
    if n == 0.0 {
        return 1.0;
    }
    let share = (approvals / n).clamp(0.0, 1.0);
    let z2 = Z * Z;
    let centre = share + z2 / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre + spread) / (1.0 + z2 / n)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_bound_agrees_with_published_values() {
        // statsmodels proportion_confint(count, nobs, method="wilson"), 95 %.
        for (approvals, ratings, upper) in [
            (0.0, 1, 0.793_450_685),
            (0.0, 4, 0.489_890_836),
            (1.0, 10, 0.404_150_028),
            (50.0, 100, 0.596_167_795),
        ] {
            let found = wilson_upper(approvals, ratings);
            assert!((found - upper).abs() < 1e-6, "{approvals} of {ratings}: {found}");
        }
    }

    #[test]
    fn four_bad_ratings_retire_an_entry_and_three_do_not() {
        assert!(!is_retired(0.0, 0));
        assert!(!is_retired(0.0, 3));
        assert!(is_retired(0.0, 4));
        assert!(!is_retired(1.0, 4));
    }
}

//! Whether units came to the arms in the shares that were meant.
//!
//! If not, something loses units of one arm (crashes, time-outs, a filter that sees the arm), and no comparison of the arms
//! means anything.

use statrs::function::gamma::ln_gamma;

/// Units that the alternative shares are known by: the test is most sensitive to a fault of a few percent.
const CONCENTRATION: f64 = 1_500.0;

/// Gives the p-value of the counts, at any time, in [0, 1]: sequential multinomial test with a Dirichlet mixture.
///
/// M. Lindon, A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022, arXiv 2011.03567, eq. 7. Shares
/// are positive and sum to 1.
pub fn sample_ratio_p_value(counts: &[f64], shares: &[f64]) -> f64 {
    let units: f64 = counts.iter().sum();
    let arms = counts.iter().zip(shares).map(|(count, share)| {
        let prior = CONCENTRATION * share;
        ln_gamma(prior + count) - ln_gamma(prior) - count * share.ln()
    });
    let log = ln_gamma(CONCENTRATION) - ln_gamma(CONCENTRATION + units) + arms.sum::<f64>();
    if log.is_nan() { 1.0 } else { (-log).exp().min(1.0) }
}

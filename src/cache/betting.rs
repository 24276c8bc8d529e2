//! The share of wrong answers that labels bound at any time: betting against "more are wrong".
//!
//! A *label* says whether an answer that was, or would have been, served was right for its prompt. Labels come from
//! misses with a near neighbour, whose fresh answer is compared with the neighbour's, and from *audits*: hits that
//! are paid for again, at random. For each threshold t the labels at or above it test the hypothesis "of the hits at
//! or above t, at least the share m is wrong" by betting against it: the wealth
//!
//! > W(m) = Σ_λ π(λ) · Π_i (1 + λ · w_i · (m − y_i)),  y_i = 1 where wrong, else 0
//!
//! is a non-negative supermartingale under the hypothesis (Waudby-Smith and Ramdas, "Estimating means of bounded
//! random variables by betting", JRSS B 2024), so by Ville's inequality it ever reaches 1/α with probability α at
//! most: the bound may be looked at after every label. w_i makes up for what is labelled more often than served hits
//! are audited ([`Weight`]).

use std::collections::BTreeMap;

/// Scores are counted in bins between these edges; a threshold is an edge.
pub const EDGES: [f64; 18] = [
    0.48, 0.52, 0.56, 0.60, 0.63, 0.66, 0.69, 0.72, 0.745, 0.77, 0.80, 0.83, 0.855, 0.88, 0.91, 0.94, 0.96,
    0.98,
];

/// The stakes λ that the wealth is spread over, and the share π of each: bold ones certify few labels without an
/// error, cautious ones survive some errors.
const STAKES: [(f64, f64); 4] = [(0.98, 0.45), (0.70, 0.25), (0.45, 0.20), (0.20, 0.10)];

/// How many times the labels that are needed the edges have that tests begin at.
const STARTS: [f64; 2] = [1.0, 2.5];

/// The stakes against the opposite, that few hits are wrong, in equal shares.
const OPPOSITE_STAKES: [f64; 2] = [2.0, 8.0];

/// The chance that an epoch is ended though few of its hits are wrong.
const REFUTED: f64 = 0.001;

/// Labels at or above an edge before they can end an epoch.
pub(super) const FEWEST_TO_REFUTE: f64 = 20.0;

/// Bounds are found to this precision.
const PRECISION: f64 = 1e-4;

/// How much a label counts, in thousandths of one.
///
/// Where nothing is served, every hit that would be is labelled, and each counts whole. Where hits are served and
/// audited at a rate, an audit counts whole and a label of a miss counts the rate: otherwise scores just below the
/// threshold would outvote those above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(pub(super) u16);

impl Weight {
    pub const WHOLE: Self = Self(1_000);

    /// Takes a weight in (0, 1]; others are cut to the nearest that counts.
    pub fn new(weight: f64) -> Self {
        Self((weight * 1_000.0).round().clamp(1.0, 1_000.0) as u16)
    }

    pub(super) fn get(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

/// Labels that count alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub right: u64,
    pub wrong: u64,
}

/// The labels at or above each edge, by weight.
#[derive(Debug, Default)]
pub(super) struct Track(pub(super) [BTreeMap<Weight, Counts>; EDGES.len()]);

impl Track {
    fn above(&self, edge: usize) -> impl Iterator<Item = (f64, &Counts)> {
        self.0.get(edge).into_iter().flatten().map(|(weight, counts)| (weight.get(), counts))
    }

    /// Sums the labels at or above an edge, each as much as it counts.
    pub(super) fn labels(&self, edge: usize) -> f64 {
        self.above(edge).map(|(weight, counts)| weight * (counts.right + counts.wrong) as f64).sum()
    }

    /// Says whether at most the share `rate` of the hits at or above an edge is wrong, but for a chance of `alpha`.
    fn is_certified(&self, edge: usize, rate: f64, alpha: f64) -> bool {
        let logs = STAKES.map(|(stake, share)| {
            let bets = self.above(edge).map(|(weight, counts)| {
                let right = (stake * weight * rate).ln_1p() * counts.right as f64;
                let wrong = (-stake * weight * (1.0 - rate)).ln_1p() * counts.wrong as f64;
                right + wrong
            });
            share.ln() + bets.sum::<f64>()
        });
        log_of_sum(&logs) >= -alpha.ln()
    }

    /// Says whether more than the share `rate` of even the surest hits is wrong, but for a chance of [`REFUTED`]:
    /// the same bets the other way. With few labels, nothing speaks against it.
    pub(super) fn is_refuted(&self, rate: f64) -> bool {
        let Some(edge) = (0..EDGES.len()).rev().find(|edge| self.labels(*edge) >= FEWEST_TO_REFUTE) else {
            return true;
        };
        let logs = OPPOSITE_STAKES.map(|stake| {
            let bets = self.above(edge).map(|(weight, counts)| {
                let stake = stake.min(0.9 / rate);
                let right = (-stake * weight * rate).ln_1p() * counts.right as f64;
                let wrong = (stake * weight * (1.0 - rate)).ln_1p() * counts.wrong as f64;
                right + wrong
            });
            bets.sum::<f64>() - (OPPOSITE_STAKES.len() as f64).ln()
        });
        log_of_sum(&logs) >= -REFUTED.ln()
    }

    pub(super) fn bound(&self, edge: usize, alpha: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        if !self.is_certified(edge, high, alpha) {
            return 1.0;
        }
        while high - low > PRECISION {
            let middle = f64::midpoint(low, high);
            if self.is_certified(edge, middle, alpha) {
                high = middle;
            } else {
                low = middle;
            }
        }
        high
    }

    /// Finds the lowest edge, from one on, from which on hits may be served.
    ///
    /// Edges are tested from one that has labels enough, downwards, up to the first that is not certified: a fixed
    /// sequence, so that the chance holds for all of them together. There are two sequences, each with half of the
    /// chance: from the highest edge whose labels certify it if none is wrong, and from the highest that has more of
    /// them, which bears an error. Nothing is served from a bin without labels below those that have some.
    pub(super) fn threshold(&self, lowest: usize, rate: f64, alpha: f64) -> Option<usize> {
        let alpha = alpha / STARTS.len() as f64;
        let needed = labels_without_an_error(rate, alpha);
        let lowest_from = |times: f64| {
            let first = (lowest..EDGES.len()).rev().find(|edge| self.labels(*edge) >= needed * times)?;
            let certified = (lowest..=first).rev().take_while(|edge| self.is_certified(*edge, rate, alpha));
            certified.filter(|edge| self.labels(*edge) > self.labels(edge + 1)).last()
        };
        STARTS.into_iter().filter_map(lowest_from).min()
    }
}

fn log_of_sum(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + logs.iter().map(|log| (log - largest).exp()).sum::<f64>().ln()
}

/// Says how many labels without an error certify a rate.
pub fn labels_without_an_error(rate: f64, alpha: f64) -> f64 {
    let (stake, share) = STAKES[0];
    ((-alpha.ln() - share.ln()) / (stake * rate).ln_1p()).ceil()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: f64 = 0.05;

    /// The promise: whoever looks after each label, the bound is ever below the truth in few runs.
    #[test]
    fn the_bound_is_seldom_ever_broken_though_it_is_looked_at_all_the_time() {
        let mut draw = fastrand::Rng::with_seed(7);
        for truth in [0.01, 0.05, 0.2] {
            let is_broken = |draw: &mut fastrand::Rng| {
                let mut labels = Track::default();
                (0..1_500).any(|_| {
                    let is_wrong = draw.f64() < truth;
                    let counts = labels.0[0].entry(Weight::WHOLE).or_default();
                    counts.right += u64::from(!is_wrong);
                    counts.wrong += u64::from(is_wrong);
                    labels.is_certified(0, truth, ALPHA)
                })
            };
            let broken = (0..400).filter(|_| is_broken(&mut draw)).count();
            assert!(broken <= 30, "{truth}: {broken} of 400 runs");
        }
    }
}

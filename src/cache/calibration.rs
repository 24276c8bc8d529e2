//! How often served answers are wrong, and from which score on they may be served: bounds that hold at any time.
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
pub const EDGES: [f64; 16] =
    [0.50, 0.60, 0.68, 0.74, 0.79, 0.83, 0.865, 0.89, 0.91, 0.93, 0.945, 0.957, 0.967, 0.975, 0.982, 0.988];

/// The stakes λ that the wealth is spread over, and the share π of each: bold ones certify few labels without an
/// error, cautious ones survive some errors.
const STAKES: [(f64, f64); 4] = [(0.98, 0.45), (0.70, 0.25), (0.45, 0.20), (0.20, 0.10)];

/// The chance that a bound is ever broken, in all epochs together.
pub const ALPHA: f64 = 0.05;

/// Bounds are found to this precision.
const PRECISION: f64 = 1e-4;

/// How much a label counts, in thousandths of one.
///
/// Where nothing is served, every hit that would be is labelled, and each counts whole. Where hits are served and
/// audited at a rate, an audit counts whole and a label of a miss counts the rate: otherwise scores just below the
/// threshold would outvote those above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u16);

impl Weight {
    pub const WHOLE: Self = Self(1_000);

    /// Takes a weight in (0, 1]; others are cut to the nearest that counts.
    pub fn new(weight: f64) -> Self {
        Self((weight * 1_000.0).round().clamp(1.0, 1_000.0) as u16)
    }

    fn get(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

/// Labels that count alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub right: u32,
    pub wrong: u32,
}

/// The labels of one epoch, by bin and weight. Their order does not matter, so the counts are the whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence(BTreeMap<(usize, Weight), Counts>);

impl Evidence {
    /// Finds the bin of a score; `None` below the lowest threshold.
    pub fn bin(score: f64) -> Option<usize> {
        EDGES.iter().rposition(|edge| score >= *edge)
    }

    /// Adds labels of a bin.
    pub fn add(&mut self, bin: usize, weight: Weight, counts: Counts) {
        let sum = self.0.entry((bin, weight)).or_default();
        sum.right = sum.right.saturating_add(counts.right);
        sum.wrong = sum.wrong.saturating_add(counts.wrong);
    }

    /// Adds the labels of others, as of a prior.
    pub fn with(mut self, others: &Self) -> Self {
        for ((bin, weight), counts) in &others.0 {
            self.add(*bin, *weight, *counts);
        }
        self
    }

    /// Sums the labels at or above an edge, each as much as it counts.
    pub fn labels(&self, edge: usize) -> f64 {
        self.above(edge).map(|(weight, counts)| weight * f64::from(counts.right + counts.wrong)).sum()
    }

    fn above(&self, edge: usize) -> impl Iterator<Item = (f64, &Counts)> {
        self.0.range((edge, Weight(0))..).map(|((_, weight), counts)| (weight.get(), counts))
    }

    /// Says whether at most the share `rate` of the hits at or above an edge is wrong, but for a chance of `alpha`.
    pub fn is_certified(&self, edge: usize, rate: f64, alpha: f64) -> bool {
        let logs = STAKES.map(|(stake, share)| {
            let bets = self.above(edge).map(|(weight, counts)| {
                let right = (stake * weight * rate).ln_1p() * f64::from(counts.right);
                let wrong = (-stake * weight * (1.0 - rate)).ln_1p() * f64::from(counts.wrong);
                right + wrong
            });
            share.ln() + bets.sum::<f64>()
        });
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let wealth = largest + logs.iter().map(|log| (log - largest).exp()).sum::<f64>().ln();
        wealth >= -alpha.ln()
    }

    /// Gives the upper bound on the share of wrong hits at or above an edge, in [0, 1].
    pub fn bound(&self, edge: usize, alpha: f64) -> f64 {
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

    /// Finds the lowest edge from which on hits may be served: at most `rate` of them wrong, but for a chance of
    /// `alpha`; `None` where there is none yet.
    ///
    /// Edges are tested from the highest that has labels enough to be certified at all, downwards, up to the first
    /// that is not certified: a fixed sequence, so that the chance holds for all of them together. Nothing is served
    /// from a bin without labels below those that have some.
    pub fn threshold(&self, rate: f64, alpha: f64) -> Option<usize> {
        let needed = labels_without_an_error(rate, alpha);
        let first = (0..EDGES.len()).rev().find(|edge| self.labels(*edge) >= needed)?;
        let certified = (0..=first).rev().take_while(|edge| self.is_certified(*edge, rate, alpha));
        certified.filter(|edge| self.labels(*edge) > self.labels(edge + 1)).last()
    }
}

/// Gives the share of hits that are audited after so many audits, where the user sets none.
pub const fn audit_rate(audits: u64) -> f64 {
    match audits {
        0..100 => 0.10,
        100..300 => 0.05,
        _ => 0.03,
    }
}

/// Says how many labels without an error certify a rate.
pub fn labels_without_an_error(rate: f64, alpha: f64) -> f64 {
    let (stake, share) = STAKES[0];
    ((-alpha.ln() - share.ln()) / (stake * rate).ln_1p()).ceil()
}

/// Says from which score on one scope's hits are served, and learns from labels.
///
/// Evidence is kept in epochs. Where a bound that held breaks, so that nothing may be served any more, what was known
/// is out of date: the next epoch begins without it, and without the prior, and has a smaller share of the chance to be
/// wrong, so that all epochs together have [`ALPHA`].
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    rate: f64,
    epoch: u32,
    labels: Evidence,
    prior: Evidence,
    served_from: Option<usize>,
}

impl Calibration {
    /// Begins with what is known before; `rate` is the share of wrong hits that is allowed, in (0, 1).
    pub fn new(rate: f64, prior: Evidence) -> Self {
        let mut calibration = Self { rate, epoch: 0, labels: Evidence::default(), prior, served_from: None };
        calibration.served_from = calibration.evidence().threshold(rate, calibration.alpha());
        calibration
    }

    /// Gives the lowest edge from which on hits are served; `None`: nothing is.
    pub const fn served_from(&self) -> Option<usize> {
        self.served_from
    }

    /// Gives the upper bound on the share of wrong hits among those that are served.
    pub fn bound(&self) -> Option<f64> {
        Some(self.evidence().bound(self.served_from?, self.alpha()))
    }

    /// Counts the epochs that ended.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Learns from a label; says whether the bound broke by it, and a new epoch began.
    pub fn learn(&mut self, bin: usize, weight: Weight, is_wrong: bool) -> bool {
        let (right, wrong) = if is_wrong { (0, 1) } else { (1, 0) };
        self.labels.add(bin, weight, Counts { right, wrong });
        let served_from = self.evidence().threshold(self.rate, self.alpha());
        let is_broken = self.served_from.is_some() && served_from.is_none();
        if is_broken {
            self.epoch += 1;
            self.labels = Evidence::default();
        }
        self.served_from = served_from;
        is_broken
    }

    /// The chance that this epoch's bound is ever broken: four fifths of what the epochs before it left.
    fn alpha(&self) -> f64 {
        ALPHA * 0.8 * 0.2_f64.powi(self.epoch.min(8) as i32)
    }

    fn evidence(&self) -> Evidence {
        if self.epoch == 0 { self.prior.clone().with(&self.labels) } else { self.labels.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(bin: usize, right: u32, wrong: u32) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.add(bin, Weight::WHOLE, Counts { right, wrong });
        evidence
    }

    #[test]
    fn labels_without_an_error_certify_when_there_are_enough() {
        let needed = labels_without_an_error(0.02, ALPHA) as u32;
        assert_eq!(needed, 196);
        assert_eq!(evidence(9, needed - 1, 0).threshold(0.02, ALPHA), None);
        assert_eq!(evidence(9, needed, 0).threshold(0.02, ALPHA), Some(9));
        assert_eq!(evidence(9, needed, 20).threshold(0.02, ALPHA), None);
        let bound = evidence(9, 1_000, 10).bound(9, ALPHA);
        assert!((0.01..0.025).contains(&bound), "{bound}");
        assert_eq!(Evidence::default().bound(0, ALPHA), 1.0);
    }

    #[test]
    fn a_bin_with_errors_ends_the_sequence() {
        let labels = evidence(9, 400, 0).with(&evidence(5, 50, 50));
        assert_eq!(labels.threshold(0.02, ALPHA), Some(9));
        assert!(labels.bound(6, ALPHA) <= 0.02 && labels.bound(5, ALPHA) > 0.02);
    }

    #[test]
    fn a_label_that_counts_a_tenth_moves_the_bound_a_tenth_as_far() {
        let light = |right| {
            let mut evidence = Evidence::default();
            evidence.add(9, Weight::new(0.1), Counts { right, wrong: 0 });
            evidence
        };
        let (ten, one) = (light(4_000).bound(9, ALPHA), evidence(9, 400, 0).bound(9, ALPHA));
        assert!((ten - one).abs() < 0.002, "{ten} {one}");
    }

    #[test]
    fn a_bound_that_breaks_stops_the_hits_until_new_labels_bring_them_back() {
        let mut calibration = Calibration::new(0.02, evidence(9, 260, 0));
        assert_eq!(calibration.served_from(), Some(9));
        assert!(calibration.bound().unwrap() <= 0.02);
        let broken = (0..20).any(|_| calibration.learn(9, Weight::WHOLE, true));
        assert!(broken && calibration.served_from().is_none() && calibration.epoch() == 1);
        assert_eq!(calibration.bound(), None);
        let needed = (0..1_000).position(|_| {
            calibration.learn(9, Weight::WHOLE, false);
            calibration.served_from().is_some()
        });
        assert!((200..400).contains(&needed.unwrap()), "{needed:?}");
    }

    /// The promise: whoever looks after each label, the bound is ever below the truth in few runs.
    #[test]
    fn the_bound_is_seldom_ever_broken_though_it_is_looked_at_all_the_time() {
        let mut draw = fastrand::Rng::with_seed(7);
        for truth in [0.01, 0.05, 0.2] {
            let is_broken = |draw: &mut fastrand::Rng| {
                let mut labels = Evidence::default();
                (0..1_500).any(|_| {
                    let is_wrong = draw.f64() < truth;
                    labels.add(3, Weight::WHOLE, Counts { right: !is_wrong as u32, wrong: is_wrong as u32 });
                    labels.is_certified(3, truth, ALPHA)
                })
            };
            let broken = (0..400).filter(|_| is_broken(&mut draw)).count();
            assert!(broken <= 30, "{truth}: {broken} of 400 runs");
        }
    }
}

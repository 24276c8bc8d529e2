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
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use strum::VariantArray;

/// Scores are counted in bins between these edges; a threshold is an edge.
pub const EDGES: [f64; 18] = [
    0.48, 0.52, 0.56, 0.60, 0.63, 0.66, 0.69, 0.72, 0.745, 0.77, 0.80, 0.83, 0.855, 0.88, 0.91, 0.94, 0.96, 0.98,
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
const FEWEST_TO_REFUTE: f64 = 20.0;

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
    pub right: u64,
    pub wrong: u64,
}

/// By which of a pair's two scores it is served. Where a changed word means another answer, the verifier's serves
/// more; where it seldom does, the bare cosine's; the labels of a scope say which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub enum Measure {
    /// What the differences of the texts cost is taken off the cosine.
    Verified,
    Cosine,
}

/// The scores of a cached answer for a prompt, as [`super::consensus`] makes them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    pub verified: f64,
    pub cosine: f64,
}

impl Scores {
    /// Gives the cell that a label of such a pair falls in.
    pub fn cell(self, weight: Weight) -> Cell {
        let bin = |score: f64| EDGES.iter().filter(|edge| score >= **edge).count() as u8;
        Cell { verified: bin(self.verified), cosine: bin(self.cosine), weight }
    }
}

/// Where labels are counted: by the number of edges that each score reaches, and by weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    verified: u8,
    cosine: u8,
    weight: Weight,
}

impl Cell {
    /// Says whether neither score reaches the lowest edge, so that its labels say nothing.
    pub const fn is_idle(self) -> bool {
        self.verified == 0 && self.cosine == 0
    }

    fn bin(self, measure: Measure) -> usize {
        usize::from(match measure {
            Measure::Verified => self.verified,
            Measure::Cosine => self.cosine,
        })
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{} c{} w{}", self.verified, self.cosine, self.weight.0)
    }
}

/// A text that names no cell of this version, or no labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no cell and its labels, as in \"v15 c15 w1000\", a tab, 96, a tab and 2")]
pub struct NoCell;

impl FromStr for Cell {
    type Err = NoCell;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(' ');
        let mut next = |letter: char| parts.next()?.strip_prefix(letter)?.parse::<u16>().ok();
        let mut bin = |letter| u8::try_from(next(letter)?).ok().filter(|bin| usize::from(*bin) <= EDGES.len());
        let (verified, cosine) = (bin('v').ok_or(NoCell)?, bin('c').ok_or(NoCell)?);
        let weight = next('w').filter(|weight| (1..=1_000).contains(weight)).ok_or(NoCell)?;
        Ok(Self { verified, cosine, weight: Weight(weight) })
    }
}

/// The labels of one epoch, by cell. Their order does not matter, so the counts are the whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence(BTreeMap<Cell, Counts>);

impl FromStr for Evidence {
    type Err = NoCell;

    /// Reads lines of a cell, how many of its labels were right, and how many wrong; lines with `#` are notes.
    fn from_str(text: &str) -> Result<Self, NoCell> {
        let mut evidence = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [cell, right, wrong] = fields[..] else { return Err(NoCell) };
            let count = |text: &str| text.parse().map_err(|_| NoCell);
            evidence.add(cell.parse()?, Counts { right: count(right)?, wrong: count(wrong)? });
        }
        Ok(evidence)
    }
}

/// What every scope begins with: 800 labels of customers' questions and assistants' commands (`data/prior.tsv`).
pub static PRIOR: LazyLock<Evidence> =
    LazyLock::new(|| include_str!("data/prior.tsv").parse().unwrap_or_default());

/// From which score on hits are served, by which measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    pub measure: Measure,
    /// A place in [`EDGES`].
    pub edge: usize,
}

impl Threshold {
    /// Says whether a pair of such scores is served.
    pub fn serves(self, cell: Cell) -> bool {
        cell.bin(self.measure) > self.edge
    }
}

impl Evidence {
    /// Adds labels of a cell.
    pub fn add(&mut self, cell: Cell, counts: Counts) {
        let sum = self.0.entry(cell).or_default();
        sum.right = sum.right.saturating_add(counts.right);
        sum.wrong = sum.wrong.saturating_add(counts.wrong);
    }

    /// Gives the labels, by cell.
    pub fn cells(&self) -> impl Iterator<Item = (Cell, Counts)> {
        self.0.iter().map(|(cell, counts)| (*cell, *counts))
    }

    /// Adds the labels of others, as of a prior.
    pub fn with(mut self, others: &Self) -> Self {
        for (cell, counts) in &others.0 {
            self.add(*cell, *counts);
        }
        self
    }

    /// Finds a threshold that these labels certify, or else one that they do together with a prior's.
    ///
    /// A prior says how often surer hits are wrong, and not how many of a scope's hits those are: it speaks of
    /// thresholds above its lowest label only, and for scopes whose own labels do not speak yet.
    pub fn threshold_with(&self, prior: &Self, rate: f64, alpha: f64) -> Option<Threshold> {
        self.threshold(rate, alpha).or_else(|| {
            let lowest = prior.0.keys().map(|cell| cell.bin(Measure::Verified)).min()?.checked_sub(1)?;
            let both = self.clone().with(prior).by(Measure::Verified);
            let edge = both.threshold(lowest, rate, alpha / Measure::VARIANTS.len() as f64)?;
            Some(Threshold { measure: Measure::Verified, edge })
        })
    }

    /// Says whether the labels show that more than `rate` of even the surest hits is wrong, by either measure.
    pub fn is_refuted(&self, rate: f64) -> bool {
        let labels = self.0.iter().map(|(cell, counts)| cell.weight.get() * (counts.right + counts.wrong) as f64);
        labels.sum::<f64>() >= FEWEST_TO_REFUTE
            && Measure::VARIANTS.iter().all(|measure| self.by(*measure).is_refuted(rate, REFUTED))
    }

    /// Collects the labels by the bins of one measure.
    fn by(&self, measure: Measure) -> Track {
        let mut track = Track::default();
        for (cell, counts) in &self.0 {
            for bin in track.0.iter_mut().take(cell.bin(measure)) {
                let sum = bin.entry(cell.weight).or_default();
                sum.right = sum.right.saturating_add(counts.right);
                sum.wrong = sum.wrong.saturating_add(counts.wrong);
            }
        }
        track
    }

    /// Gives the upper bound on the share of wrong hits among those that a threshold serves, in [0, 1].
    pub fn bound(&self, threshold: Threshold, alpha: f64) -> f64 {
        self.by(threshold.measure).bound(threshold.edge, alpha)
    }

    /// Finds the threshold that serves most: at most `rate` of its hits are wrong, but for a chance of `alpha`;
    /// `None` where there is none yet.
    pub fn threshold(&self, rate: f64, alpha: f64) -> Option<Threshold> {
        // Each measure has an equal part of the chance.
        let alpha = alpha / Measure::VARIANTS.len() as f64;
        let found = Measure::VARIANTS.iter().filter_map(|measure| {
            let track = self.by(*measure);
            let edge = track.threshold(0, rate, alpha)?;
            Some((track.labels(edge), Threshold { measure: *measure, edge }))
        });
        // Of equals the first, which is the verifier's.
        found.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, threshold)| threshold)
    }
}

/// The labels at or above each edge, by weight.
#[derive(Debug, Default)]
struct Track([BTreeMap<Weight, Counts>; EDGES.len()]);

impl Track {
    fn above(&self, edge: usize) -> impl Iterator<Item = (f64, &Counts)> {
        self.0.get(edge).into_iter().flatten().map(|(weight, counts)| (weight.get(), counts))
    }

    /// Sums the labels at or above an edge, each as much as it counts.
    fn labels(&self, edge: usize) -> f64 {
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

    /// Says whether more than the share `rate` of even the surest hits is wrong, but for a chance of `alpha`: the
    /// same bets the other way. With few labels, nothing speaks against it.
    fn is_refuted(&self, rate: f64, alpha: f64) -> bool {
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
        log_of_sum(&logs) >= -alpha.ln()
    }

    fn bound(&self, edge: usize, alpha: f64) -> f64 {
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
    fn threshold(&self, lowest: usize, rate: f64, alpha: f64) -> Option<usize> {
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
/// Where the labels no longer certify any score, nothing is served until more of them do. Evidence is kept in epochs:
/// where the labels show that more than the rate of even the surest hits is wrong, what was known is out of date, and
/// the next epoch begins without it, and without the prior. It has a smaller share of the chance to be wrong, so that
/// all epochs together have [`ALPHA`].
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    rate: f64,
    epoch: u32,
    labels: Evidence,
    prior: Evidence,
    threshold: Option<Threshold>,
}

impl Calibration {
    /// Begins with what is known before; `rate` is the share of wrong hits that is allowed, in (0, 1).
    pub fn new(rate: f64, prior: Evidence) -> Self {
        let threshold = Evidence::default().threshold_with(&prior, rate, alpha(0));
        Self { rate, epoch: 0, labels: Evidence::default(), prior, threshold }
    }

    /// Gives the lowest score from which on hits are served; `None`: nothing is.
    pub const fn threshold(&self) -> Option<Threshold> {
        self.threshold
    }

    /// Says how much a label counts: of a hit that is audited, and of a miss while hits are audited at a rate.
    ///
    /// Until the scope's own labels certify a threshold all count whole. Those of misses, which are less sure, are
    /// then too many, so that errors seem more frequent than they are among hits.
    pub fn weight(&self, is_audit: bool, rate: f64) -> Weight {
        let is_own = self.labels.threshold(self.rate, alpha(self.epoch)).is_some();
        if is_own && !is_audit { Weight::new(rate) } else { Weight::WHOLE }
    }

    /// Gives the labels of this epoch.
    pub const fn labels(&self) -> &Evidence {
        &self.labels
    }

    /// Counts the epochs that ended.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Learns from a label; says whether a new epoch began by it.
    pub fn learn(&mut self, cell: Cell, is_wrong: bool) -> bool {
        let (right, wrong) = if is_wrong { (0, 1) } else { (1, 0) };
        self.labels.add(cell, Counts { right, wrong });
        self.threshold = self.labels.threshold_with(&self.prior, self.rate, alpha(self.epoch));
        let is_broken = self.threshold.is_none() && self.labels.is_refuted(self.rate);
        if is_broken {
            self.epoch += 1;
            self.labels = Evidence::default();
            self.prior = Evidence::default();
        }
        is_broken
    }
}

/// The chance that the bound of an epoch is ever broken: four fifths of it in the first, and in the others what is
/// left over the square of their number (Σ 1/k² = π²/6).
fn alpha(epoch: u32) -> f64 {
    let number = f64::from(epoch);
    if epoch == 0 { ALPHA * 0.8 } else { ALPHA * 0.2 * 6.0 / (std::f64::consts::PI * number).powi(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels whose scores reach so many edges.
    fn evidence(bin: u8, right: u64, wrong: u64) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.add(Cell { verified: bin, cosine: 0, weight: Weight::WHOLE }, Counts { right, wrong });
        evidence
    }

    const fn from(edge: usize) -> Threshold {
        Threshold { measure: Measure::Verified, edge }
    }

    #[test]
    fn labels_without_an_error_certify_when_there_are_enough() {
        let needed = labels_without_an_error(0.02, ALPHA / 4.0) as u64;
        assert_eq!(needed, 268);
        assert_eq!(evidence(9, needed - 1, 0).threshold(0.02, ALPHA), None);
        assert_eq!(evidence(9, needed, 0).threshold(0.02, ALPHA), Some(from(8)));
        assert_eq!(evidence(9, needed, 20).threshold(0.02, ALPHA), None);
        let bound = evidence(9, 1_000, 10).bound(from(8), ALPHA);
        assert!((0.01..0.025).contains(&bound), "{bound}");
        assert_eq!(Evidence::default().bound(from(0), ALPHA), 1.0);
    }

    #[test]
    fn a_bin_with_errors_ends_the_sequence() {
        let labels = evidence(9, 400, 0).with(&evidence(5, 50, 50));
        assert_eq!(labels.threshold(0.02, ALPHA), Some(from(8)));
        assert!(labels.bound(from(5), ALPHA) <= 0.02 && labels.bound(from(4), ALPHA) > 0.02);
    }

    #[test]
    fn the_measure_that_serves_more_is_chosen() {
        let mut labels = Evidence::default();
        let mut add = |verified, cosine, right, wrong| {
            labels.add(Cell { verified, cosine, weight: Weight::WHOLE }, Counts { right, wrong });
        };
        add(12, 12, 300, 0);
        add(3, 11, 200, 0);
        add(3, 4, 50, 50);
        assert_eq!(labels.threshold(0.02, ALPHA), Some(Threshold { measure: Measure::Cosine, edge: 10 }));
    }

    #[test]
    fn a_label_that_counts_a_tenth_moves_the_bound_a_tenth_as_far() {
        let light = |right| {
            let mut evidence = Evidence::default();
            evidence.add(Cell { verified: 9, cosine: 0, weight: Weight::new(0.1) }, Counts { right, wrong: 0 });
            evidence
        };
        let (ten, one) = (light(4_000).bound(from(8), ALPHA), evidence(9, 400, 0).bound(from(8), ALPHA));
        assert!((ten - one).abs() < 0.002, "{ten} {one}");
    }

    #[test]
    fn a_bound_that_breaks_stops_the_hits_until_new_labels_bring_them_back() {
        let mut calibration = Calibration::new(0.02, evidence(9, 300, 0));
        assert_eq!(calibration.threshold(), Some(from(8)));
        let cell = Cell { verified: 9, cosine: 0, weight: Weight::WHOLE };
        for _ in 0..3 {
            calibration.learn(cell, true);
        }
        assert_eq!((calibration.threshold(), calibration.epoch()), (None, 0));
        let broken = (0..20).any(|_| calibration.learn(cell, true));
        assert!(broken && calibration.threshold().is_none() && calibration.epoch() == 1);
        let needed = (0..1_000).position(|_| {
            calibration.learn(cell, false);
            calibration.threshold().is_some()
        });
        assert!((250..450).contains(&needed.unwrap()), "{needed:?}");
    }

    #[test]
    fn a_cell_is_read_as_it_is_written() {
        let cell = Scores { verified: 0.73, cosine: 0.3 }.cell(Weight::new(0.03));
        assert_eq!(cell.to_string(), "v8 c0 w30");
        assert_eq!(cell.to_string().parse(), Ok(cell));
        assert!(Scores { verified: f64::NAN, cosine: 0.47 }.cell(Weight::WHOLE).is_idle());
        for text in ["", "v8", "v8 c0", "v19 c0 w1", "v8 c0 w0", "v8 c0 w1001", "v-1 c0 w1", "c0 v8 w1"] {
            assert_eq!(text.parse::<Cell>(), Err(NoCell), "{text}");
        }
    }

    #[test]
    fn the_prior_serves_the_surest_until_it_is_contradicted() {
        let mut calibration = Calibration::new(0.02, PRIOR.clone());
        assert_eq!(calibration.threshold().map(|threshold| EDGES[threshold.edge]), Some(0.91));
        assert_eq!(Calibration::new(0.005, PRIOR.clone()).threshold(), None);
        let cell = Scores { verified: 0.95, cosine: 0.95 }.cell(Weight::WHOLE);
        let errors = (1..100).find(|_| {
            calibration.learn(cell, true);
            calibration.threshold().is_none()
        });
        assert!(errors.unwrap() <= 5, "{errors:?}");
    }

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

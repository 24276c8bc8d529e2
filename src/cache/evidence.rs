//! Labels of cached answers: which scores they are of, and how often they were right.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use strum::VariantArray;

use super::betting::{Counts, EDGES, FEWEST_TO_REFUTE, Track, Weight};
use crate::domain::evidence::LabelCounts;

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
    /// Gives one of the two.
    pub const fn of(self, measure: Measure) -> f64 {
        match measure {
            Measure::Verified => self.verified,
            Measure::Cosine => self.cosine,
        }
    }

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
        let mut bin =
            |letter| u8::try_from(next(letter)?).ok().filter(|bin| usize::from(*bin) <= EDGES.len());
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
    /// Takes what a store keeps; cells of other versions are passed over.
    pub fn read(cells: &[(String, LabelCounts)]) -> Self {
        let mut evidence = Self::default();
        for (cell, counts) in cells {
            if let Ok(cell) = cell.parse() {
                evidence.add(cell, Counts { right: counts.right, wrong: counts.wrong });
            }
        }
        evidence
    }

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

    /// Finds a threshold that these labels certify together with a prior's.
    ///
    /// A prior says how often surer hits are wrong, and not how many of a scope's hits those are: it speaks of
    /// thresholds above its lowest label only.
    pub(super) fn threshold_above(&self, prior: &Self, rate: f64, alpha: f64) -> Option<Threshold> {
        let lowest = prior.0.keys().map(|cell| cell.bin(Measure::Verified)).min()?.checked_sub(1)?;
        let both = self.clone().with(prior).by(Measure::Verified);
        let edge = both.threshold(lowest, rate, alpha / Measure::VARIANTS.len() as f64)?;
        Some(Threshold { measure: Measure::Verified, edge })
    }

    /// Says whether the labels show that more than `rate` of even the surest hits is wrong, by either measure.
    pub fn is_refuted(&self, rate: f64) -> bool {
        let labels =
            self.0.iter().map(|(cell, counts)| cell.weight.get() * (counts.right + counts.wrong) as f64);
        labels.sum::<f64>() >= FEWEST_TO_REFUTE
            && Measure::VARIANTS.iter().all(|measure| self.by(*measure).is_refuted(rate))
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
        found
            .reduce(|best, other| if other.0 > best.0 { other } else { best })
            .map(|(_, threshold)| threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::super::betting::labels_without_an_error;
    use super::*;

    const ALPHA: f64 = 0.05;

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
        assert_eq!(needed, 267);
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
            evidence
                .add(Cell { verified: 9, cosine: 0, weight: Weight::new(0.1) }, Counts { right, wrong: 0 });
            evidence
        };
        let (ten, one) = (light(4_000).bound(from(8), ALPHA), evidence(9, 400, 0).bound(from(8), ALPHA));
        assert!((ten - one).abs() < 0.002, "{ten} {one}");
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
}

//! From which score on cached answers may be served, and when what was known is out of date.
//!
//! A scope goes by its own labels where they certify a threshold ([`super::evidence`]), else by those of all the
//! tenant's scopes, else by those that ship.

use std::sync::LazyLock;

use strum::{Display, VariantArray as _};

use super::answers::CALLED_THE_SAME;
use super::betting::{Counts, Weight};
use super::evidence::{Cell, Evidence, Measure, Threshold};
use crate::domain::evidence::CacheEvidence;

/// The chance that a bound is ever broken, in all epochs together.
pub const ALPHA: f64 = 0.05;

/// Labels of other sources bound no smaller share of wrong hits: by those of CLINC150 alone (1 wrong of 1,000) 0.99 % of
/// the hits were wrong on Banking77, and in 43 of 100 orders more than 1 % at some time.
const LOWEST_PRIOR_RATE: f64 = 0.02;

/// What every scope begins with: 1,000 labels of customers' questions and assistants' commands (`data/prior.tsv`).
pub static PRIOR: LazyLock<Evidence> =
    LazyLock::new(|| include_str!("data/prior.tsv").parse().unwrap_or_default());

/// Gives the share of hits that are audited after so many audits, where the user sets none.
pub const fn audit_rate(audits: u64) -> f64 {
    match audits {
        0..100 => 0.10,
        100..300 => 0.05,
        _ => 0.03,
    }
}

/// Whose labels a threshold stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display)]
#[strum(serialize_all = "snake_case")]
pub enum Level {
    Scope,
    /// All scopes of the tenant together.
    Tenant,
    /// What ships, with the tenant's.
    Prior,
}

/// A threshold, and whose labels it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certified {
    pub threshold: Threshold,
    pub level: Level,
}

/// Says from which score on one scope's hits are served, and learns from labels.
///
/// Where the labels no longer certify any score, nothing is served until more of them do. Evidence is kept in epochs:
/// where the labels show that more than the rate of even the surest hits is wrong, what was known is out of date, and
/// the next epoch begins without it, without other scopes' labels and without the prior. It has a smaller share of the
/// chance to be wrong, so that all epochs together have [`ALPHA`].
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    rate: f64,
    /// The share of wrong answers that labels call so.
    noticed: f64,
    epoch: u32,
    labels: Evidence,
    /// Of all scopes, this one among them.
    tenant: Evidence,
    prior: Evidence,
    certified: Option<Certified>,
}

/// Takes labels that were not made here only where the allowed share of wrong hits is no finer than they tell.
fn prior_for(rate: f64, prior: Evidence) -> Evidence {
    if rate < LOWEST_PRIOR_RATE { Evidence::default() } else { prior }
}

impl Calibration {
    /// Begins with what ships; `rate` is the share of wrong hits that is allowed, in (0, 1).
    pub fn new(rate: f64, prior: Evidence) -> Self {
        let nothing = Evidence::default;
        let prior = prior_for(rate, prior);
        Self { rate, noticed: 1.0, epoch: 0, labels: nothing(), tenant: nothing(), prior, certified: None }
            .certified_now()
    }

    /// Goes on with what a store knows; cells of other versions are passed over.
    pub fn read(rate: f64, evidence: &CacheEvidence) -> Self {
        Self {
            rate,
            noticed: 1.0 - CALLED_THE_SAME,
            epoch: evidence.epoch,
            labels: Evidence::read(&evidence.scope),
            tenant: Evidence::read(&evidence.tenant),
            prior: prior_for(rate, PRIOR.clone()),
            certified: None,
        }
        .certified_now()
    }

    /// Gives the lowest score from which on hits are served; `None`: nothing is.
    pub const fn certified(&self) -> Option<Certified> {
        self.certified
    }

    /// Gives the threshold alone.
    pub fn threshold(&self) -> Option<Threshold> {
        self.certified.map(|certified| certified.threshold)
    }

    /// Gives the upper bound on the share of wrong hits among those that are served, in [0, 1].
    pub fn bound(&self) -> Option<f64> {
        let Certified { threshold, level } = self.certified?;
        let alpha = alpha(self.epoch) / Measure::VARIANTS.len() as f64;
        let bound = match level {
            Level::Scope => self.labels.bound(threshold, alpha) / self.noticed,
            Level::Tenant => self.tenant.bound(threshold, alpha) / self.noticed,
            // The labels that ship were given by people.
            Level::Prior => self.tenant.clone().with(&self.prior).bound(threshold, alpha),
        };
        Some(bound.min(1.0))
    }

    /// Says how much a label counts: of a hit that is audited, and of a miss while hits are audited at a rate.
    ///
    /// Until the scope's own labels certify a threshold all count whole. Those of misses, which are less sure, are
    /// then too many, so that errors seem more frequent than they are among hits.
    pub fn weight(&self, is_audit: bool, rate: f64) -> Weight {
        let is_own = self.certified.is_some_and(|certified| certified.level == Level::Scope);
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

    /// Says whether the scope's labels end its epoch.
    pub fn is_broken(&self) -> bool {
        self.certified.is_none() && self.labels.is_refuted(self.rate)
    }

    /// Learns from a label; says whether a new epoch began by it.
    pub fn learn(&mut self, cell: Cell, is_wrong: bool) -> bool {
        let (right, wrong) = if is_wrong { (0, 1) } else { (1, 0) };
        self.labels.add(cell, Counts { right, wrong });
        self.tenant.add(cell, Counts { right, wrong });
        self.certified = self.certify();
        let is_broken = self.is_broken();
        if is_broken {
            self.epoch += 1;
            (self.labels, self.tenant, self.prior) = Default::default();
        }
        is_broken
    }

    fn certified_now(mut self) -> Self {
        self.certified = self.certify();
        self
    }

    fn certify(&self) -> Option<Certified> {
        let alpha = alpha(self.epoch);
        let at = |threshold, level| Certified { threshold, level };
        if let Some(threshold) = self.labels.threshold(self.rate * self.noticed, alpha) {
            return Some(at(threshold, Level::Scope));
        }
        // A scope that broke once is not like the others.
        if self.epoch > 0 {
            return None;
        }
        if let Some(threshold) = self.tenant.threshold(self.rate * self.noticed, alpha) {
            return Some(at(threshold, Level::Tenant));
        }
        let threshold = self.tenant.threshold_above(&self.prior, self.rate, alpha)?;
        Some(at(threshold, Level::Prior))
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
    use super::super::betting::EDGES;
    use super::super::evidence::Scores;
    use super::*;

    #[test]
    fn a_bound_that_breaks_stops_the_hits_until_new_labels_bring_them_back() {
        let mut calibration = Calibration::new(0.02, "v9 c0 w1000\t700\t0".parse().unwrap());
        let cell: Cell = "v9 c0 w1000".parse().unwrap();
        assert!(calibration.threshold().unwrap().serves(cell));
        for _ in 0..8 {
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
    fn the_prior_does_not_speak_of_rarer_errors_than_it_can_tell() {
        let sure: Evidence = "v14 c0 w1000\t100000\t0".parse().expect("labels");
        assert!(Calibration::new(0.02, sure.clone()).certified().is_some());
        assert!(Calibration::new(0.019, sure).certified().is_none());
    }

    #[test]
    fn the_prior_serves_the_surest_until_it_is_contradicted() {
        let mut calibration = Calibration::new(0.02, PRIOR.clone());
        assert_eq!(calibration.threshold().map(|threshold| EDGES[threshold.edge]), Some(0.88));
        assert_eq!(Calibration::new(0.005, PRIOR.clone()).threshold(), None);
        let cell = Scores { verified: 0.95, cosine: 0.95 }.cell(Weight::WHOLE);
        let errors = (1..100).find(|_| {
            calibration.learn(cell, true);
            calibration.threshold().is_none()
        });
        assert!(errors.unwrap() <= 5, "{errors:?}");
    }
}

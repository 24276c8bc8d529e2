//! Turns estimates into intervals and p-values, as often as the method allows.
//!
//! It keeps nothing: given the sums as of some earlier time it gives the interval of that time, so a picture of an interval
//! over time is made of such sums.

use super::bounded;
use super::definition::{AssignmentUnit, Experiment, Method, Metric};
use super::estimate::Estimate;
use super::fixed;
use super::sequence::{FEWEST, Sequence};
use super::sums::Sums;

/// What may be said of an experiment now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Judge {
    /// At any time.
    Sequential(Sequence),
    /// At this one.
    Fixed { alpha: f64, unit: AssignmentUnit },
    /// The planned end has not come.
    NotYet,
}

impl Judge {
    /// Takes an experiment, and how many requests took part in all arms together. Each claim has an equal part of α.
    pub fn new(experiment: &Experiment, requests: u64) -> Self {
        let definition = experiment.definition();
        let alpha = definition.alpha / experiment.claims();
        match definition.method {
            Method::Sequential => Self::Sequential(Sequence::new(alpha, experiment.tightest_at())),
            Method::Fixed if definition.max_requests.is_some_and(|end| requests >= end) => {
                Self::Fixed { alpha, unit: definition.unit }
            }
            Method::Fixed => Self::NotYet,
        }
    }

    /// Gives the interval of an estimate; `None` where it is too early for one.
    pub fn interval(self, estimate: &Estimate) -> Option<(f64, f64)> {
        match self {
            _ if estimate.fewest < FEWEST => None,
            Self::Sequential(sequence) => Some(estimate.interval(sequence.radius(estimate.units))),
            Self::Fixed { alpha, .. } => fixed::welch_interval(estimate, alpha),
            Self::NotYet => None,
        }
    }

    /// Gives the interval of one arm's mean; `None` where it is too early for one.
    ///
    /// Of single outcomes within [0, 1] it is exact ([`bounded`]), and holds from the first one on.
    pub fn mean_interval(self, metric: Metric, sums: &Sums) -> Option<(f64, f64)> {
        match self {
            Self::Sequential(sequence) if metric.is_bounded() && sums.units == sums.outcomes => {
                bounded::interval(sums, sequence.alpha())
            }
            _ => Estimate::mean(metric, sums).and_then(|estimate| self.interval(&estimate)),
        }
    }

    /// Gives the p-value of an estimate against `null`, in [0, 1]; 1 where it is too early for one.
    pub fn p_value(self, estimate: &Estimate, null: f64) -> f64 {
        match self {
            _ if estimate.fewest < FEWEST => 1.0,
            Self::Sequential(sequence) => sequence.p_value(estimate.distance(null), estimate.units),
            Self::Fixed { .. } => fixed::welch_p_value(estimate, null),
            Self::NotYet => 1.0,
        }
    }

    /// Gives the p-value of no difference between two arms.
    pub fn difference_p_value(self, metric: Metric, control: &Sums, treatment: &Sums) -> f64 {
        let Some(estimate) = Estimate::difference(metric, control, treatment) else { return 1.0 };
        let is_planned = matches!(self, Self::Fixed { unit: AssignmentUnit::Request, .. });
        if is_planned && metric == Metric::Success && estimate.fewest >= FEWEST {
            return fixed::proportions_p_value(control, treatment);
        }
        self.p_value(&estimate, 0.0)
    }
}

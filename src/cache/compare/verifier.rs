//! The trained part: a logistic regression over the features of a pair.
//!
//! `data/verifier.tsv` holds one weight a line, in log-odds per unit of the feature; it is written by
//! `packaging/verifier/train.py`. A cosine goes in as it is, so that every other weight is a number of
//! cosine points that a difference costs. Trees and larger sets of features were better on the data
//! that they were trained on and worse on every other (see packaging/verifier/README.md).

use std::sync::LazyLock;

use super::features::{Features, NAMES};

static FILE: &str = include_str!("../data/verifier.tsv");
static WEIGHTS: LazyLock<Weights> = LazyLock::new(|| Weights::read(FILE).unwrap_or(Weights::NONE));

#[derive(Debug, Clone, Copy, PartialEq)]
struct Weights {
    intercept: f64,
    of_features: [f64; NAMES.len()],
}

impl Weights {
    /// Serves nothing.
    const NONE: Self = Self { intercept: f64::NEG_INFINITY, of_features: [0.0; NAMES.len()] };

    /// Reads lines of a name, a tab and a number; lines with `#` are notes.
    fn read(file: &str) -> Option<Self> {
        let number_of = |wanted: &str| {
            let named = file.lines().filter_map(|line| line.split_once('\t'));
            let (_, number) = named.rev().find(|(name, _)| *name == wanted)?;
            number.parse::<f64>().ok().filter(|number| number.is_finite())
        };
        let mut of_features = [0.0; NAMES.len()];
        for (weight, name) in of_features.iter_mut().zip(NAMES) {
            *weight = number_of(name)?;
        }
        Some(Self { intercept: number_of("intercept")?, of_features })
    }
}

/// Gives the probability that the answer to one text answers the other, in [0, 1], and the cosine less what the
/// differences cost.
pub(super) fn judge(features: &Features) -> (f64, f64) {
    let weights = &*WEIGHTS;
    let weighted =
        weights.of_features.iter().zip(features).map(|(weight, feature)| weight * f64::from(*feature));
    let evidence = weighted.sum::<f64>();
    let [per_cosine, ..] = weights.of_features;
    // A cosine that is no number gives no probability.
    if evidence.is_nan() || per_cosine <= 0.0 {
        return (0.0, 0.0);
    }
    (1.0 / (1.0 + (-weights.intercept - evidence).exp()), evidence / per_cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_that_ship_are_whole() {
        let weights = Weights::read(FILE).expect("a number for every feature");
        let (cosine, others) = weights.of_features.split_first().unwrap();
        assert!(*cosine > 0.0 && others.iter().all(|weight| *weight <= 0.0), "{weights:?}");
        assert_eq!(Weights::read("intercept\t1\ncosine\t1\n"), None);
    }

    #[test]
    fn a_nearer_pair_is_likelier_and_a_difference_costs() {
        let with = |cosine: f32, names: f32| judge(&[cosine, names, 0.0, 0.0, 0.0, names, names, 0.0]).0;
        assert!(with(1.0, 0.0) > 0.95 && with(0.5, 0.0) < 0.5);
        assert!(with(0.95, 0.0) > with(0.9, 0.0));
        assert!(with(0.95, 0.0) > with(0.95, 1.0));
        assert_eq!(with(f32::NAN, 0.0), 0.0);
    }
}

//! Which arm a unit belongs to: a function of names alone, the same after a restart, on every machine and in every store.

use sha2::{Digest as _, Sha256};

use super::definition::{Arm, Experiment};

impl Experiment {
    /// Gives the arm of a unit (a session or a request id) and its place among the arms.
    ///
    /// SHA-256 of salt, experiment and unit is a point in [0, 1), and the arms lie side by side on it, each as wide as its
    /// share. Another experiment hashes another text, so its assignments are independent of these.
    pub fn assign(&self, experiment_id: &str, unit: &str) -> Option<(usize, &Arm)> {
        let point = point(&[&self.definition().salt, experiment_id, unit]);
        let mut end = 0.0;
        let arms = self.definition().arms.iter().enumerate();
        let mut ends = arms.zip(self.shares()).map(|(arm, share)| {
            end += share;
            (arm, end)
        });
        // Shares that were rounded may sum to a little less than 1: what is beyond belongs to the last arm.
        let last = self.definition().arms.iter().enumerate().next_back();
        ends.find(|(_, end)| point < *end).map(|(arm, _)| arm).or(last)
    }
}

/// Hashes fields that cannot run into each other to a number in [0, 1).
fn point(fields: &[&str]) -> f64 {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field.as_bytes());
    }
    let bits = hash.finalize().iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::definition::{Definition, Metric};
    use statrs::distribution::{ChiSquared, ContinuousCDF as _};

    const UNITS: usize = 100_000;

    fn experiment(weights: &[f64]) -> Experiment {
        let arms = weights.iter().enumerate().map(|(place, weight)| Arm {
            weight: *weight,
            model: Some(format!("model-{place}")),
            ..Arm::new(format!("arm-{place}"))
        });
        let text =
            serde_json::json!({ "name": "x", "arms": arms.collect::<Vec<_>>(), "metric": Metric::CostUsd });
        let definition: Definition = serde_json::from_value(text).expect("a definition");
        definition.try_into().expect("an experiment")
    }

    fn arms_of(experiment: &Experiment, id: &str) -> Vec<usize> {
        (0..UNITS).map(|unit| experiment.assign(id, &format!("unit-{unit}")).expect("an arm").0).collect()
    }

    /// Tests counts against what is expected of them.
    fn p_value(counts: &[f64], expected: &[f64], freedom: f64) -> f64 {
        let terms =
            counts.iter().zip(expected).map(|(count, expected)| (count - expected).powi(2) / expected);
        ChiSquared::new(freedom).expect("degrees of freedom").sf(terms.sum())
    }

    #[test]
    fn weights_are_kept() {
        for weights in [&[1.0, 1.0][..], &[9.0, 1.0], &[0.2, 0.3, 0.5], &[1.0; 8]] {
            let experiment = experiment(weights);
            let mut counts = vec![0.0; weights.len()];
            for arm in arms_of(&experiment, "id") {
                counts[arm] += 1.0;
            }
            let expected: Vec<f64> = experiment.shares().iter().map(|share| share * UNITS as f64).collect();
            let p = p_value(&counts, &expected, weights.len() as f64 - 1.0);
            assert!(p > 0.001, "{weights:?}: {counts:?}, p {p}");
        }
    }

    #[test]
    fn two_experiments_assign_independently_and_each_always_alike() {
        let (one, other) = (experiment(&[1.0, 1.0, 1.0]), experiment(&[2.0, 1.0]));
        let mut counts = [0.0; 6];
        for (row, column) in arms_of(&one, "one").into_iter().zip(arms_of(&other, "other")) {
            counts[row * 2 + column] += 1.0;
        }
        let rows: Vec<f64> = counts.chunks(2).map(|row| row.iter().sum()).collect();
        let columns = [0, 1].map(|column| counts.iter().skip(column).step_by(2).sum::<f64>());
        let expected: Vec<f64> =
            rows.iter().flat_map(|row| columns.map(|column| row * column / UNITS as f64)).collect();
        let p = p_value(&counts, &expected, 2.0);
        assert!(p > 0.001, "{counts:?}, p {p}");
        // A unit stays in its arm.
        assert_eq!(arms_of(&one, "one"), arms_of(&one, "one"));
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        assert_ne!(point(&["", "a", "b"]), point(&["a", "", "b"]));
        assert_ne!(point(&["", "ab", ""]), point(&["", "a", "b"]));
    }
}

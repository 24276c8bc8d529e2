//! Bayesian linear regression from sums that can be added, faded and stored.
//!
//! Sums: Σ w·x·xᵀ, Σ w·y·x, Σ w·y², Σ w. The weights of the model are (Σ w·x·xᵀ + Λ)⁻¹ Σ w·y·x, where Λ penalises
//! everything but the constant; how much is chosen by the evidence for it (MacKay 1992, "Bayesian interpolation"). 80
//! inputs take 13 KB.

use serde::{Deserialize, Serialize};

/// Penalties that are compared, per input of about unit variance.
const PENALTIES: [f64; 6] = [10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0];
/// The penalty of the constant: it is hardly held back.
const CONSTANT_PENALTY: f64 = 0.01;
/// The least variance of an input that a penalty goes by: one that never changes explains nothing.
const LEAST_INPUT_VARIANCE: f64 = 1e-3;
/// The least variance of what is predicted: outcomes are 0 or 1 in most cases.
const LEAST_NOISE: f64 = 0.01;

/// Sums over observations of one target; those of two can be added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// The lower triangle of Σ w·x·xᵀ by rows.
    products: Vec<f32>,
    targets: Vec<f32>,
    squares: f64,
    weight: f64,
}

impl Sums {
    /// Starts with no observation of a number of inputs, the first of which is the constant.
    pub fn new(inputs: usize) -> Self {
        Self {
            products: vec![0.0; inputs * (inputs + 1) / 2],
            targets: vec![0.0; inputs],
            squares: 0.0,
            weight: 0.0,
        }
    }

    /// Adds an observation; one that is not finite, or of another length, is left out.
    pub fn add(&mut self, input: &[f64], target: f64, weight: f64) {
        let is_usable = input.len() == self.targets.len()
            && input.iter().chain([&target, &weight]).all(|number| number.is_finite())
            && weight > 0.0;
        if !is_usable {
            return;
        }
        let mut products = self.products.iter_mut();
        for (row, left) in input.iter().enumerate() {
            // The iterator that is shared comes second: the first is asked once more at its end.
            for (right, product) in input.iter().take(row + 1).zip(products.by_ref()) {
                *product += (weight * left * right) as f32;
            }
        }
        for (sum, number) in self.targets.iter_mut().zip(input) {
            *sum += (weight * target * number) as f32;
        }
        self.squares += weight * target * target;
        self.weight += weight;
    }

    /// Lets everything so far count less by a factor in [0, 1].
    pub fn fade(&mut self, factor: f64) {
        let factor = if factor.is_finite() { factor.clamp(0.0, 1.0) } else { 1.0 };
        self.products.iter_mut().chain(&mut self.targets).for_each(|sum| *sum *= factor as f32);
        self.squares *= factor;
        self.weight *= factor;
    }

    /// Says whether these are sums over so many inputs, as read ones need not be.
    pub fn is_of(&self, inputs: usize) -> bool {
        self.targets.len() == inputs && self.products.len() == inputs * (inputs + 1) / 2
    }

    /// Gives the observations, as what they count together.
    pub const fn weight(&self) -> f64 {
        self.weight
    }

    /// Gives the mean of the targets; `None` before the first.
    pub fn mean(&self) -> Option<f64> {
        let sum = self.targets.first().copied().map(f64::from)?;
        (self.weight > 0.0).then(|| sum / self.weight)
    }

    /// Fits the model with the penalty that the observations speak for most; `None` before the second observation.
    pub fn fit(&self) -> Option<Fit> {
        self.fit_scaled(&vec![1.0; self.targets.len()])
    }

    /// As [`Self::fit`], for inputs of any size: each is penalised in proportion to its variance.
    pub fn fit_by_variance(&self) -> Option<Fit> {
        let diagonal = (0..self.targets.len()).map(|row| self.products.get(row * (row + 3) / 2));
        let sums = (0..self.targets.len()).map(|row| self.products.get(row * (row + 1) / 2));
        let weight = self.weight;
        let variances: Option<Vec<f64>> = diagonal
            .zip(sums)
            .map(|(squares, sum)| {
                let mean = f64::from(*sum?) / weight;
                Some((f64::from(*squares?) / weight - mean * mean).max(LEAST_INPUT_VARIANCE))
            })
            .collect();
        self.fit_scaled(&variances?)
    }

    fn fit_scaled(&self, scales: &[f64]) -> Option<Fit> {
        if self.weight < 2.0 {
            return None;
        }
        let fits = PENALTIES.iter().filter_map(|penalty| self.fit_with(*penalty, scales));
        fits.max_by(|left, right| left.0.total_cmp(&right.0)).map(|(_, fit)| fit)
    }

    fn fit_with(&self, penalty: f64, scales: &[f64]) -> Option<(f64, Fit)> {
        let inputs = self.targets.len();
        let added = |row: usize| match scales.get(row) {
            Some(scale) if row > 0 => penalty * scale,
            _ => CONSTANT_PENALTY,
        };
        let factor = Factor::of(&self.products, added)?;
        let targets: Vec<f64> = self.targets.iter().copied().map(f64::from).collect();
        let half = factor.solve_lower(&targets);
        let explained: f64 = half.iter().map(|number| number * number).sum();
        let weights = factor.solve_upper(half);
        let noise = ((self.squares - explained) / self.weight).max(LEAST_NOISE);
        let evidence = 0.5 * (inputs - 1) as f64 * penalty.ln()
            - factor.log_determinant_half()
            - 0.5 * self.weight * noise.ln();
        evidence.is_finite().then_some((evidence, Fit { weights, factor, noise, weight: self.weight }))
    }
}

/// A fitted model.
#[derive(Debug, Clone)]
pub struct Fit {
    weights: Vec<f64>,
    factor: Factor,
    noise: f64,
    weight: f64,
}

impl Fit {
    /// Predicts the mean of the target.
    pub fn mean(&self, input: &[f64]) -> f64 {
        self.weights.iter().zip(input).map(|(weight, number)| weight * number).sum()
    }

    /// Gives the variance of the predicted mean: how little is known, not how much the targets scatter.
    pub fn variance(&self, input: &[f64]) -> f64 {
        self.noise * self.factor.solve_lower(input).iter().map(|number| number * number).sum::<f64>()
    }

    /// Gives the observations that it was fitted to, as what they count together.
    pub const fn weight(&self) -> f64 {
        self.weight
    }
}

/// The lower Cholesky factor of a positive matrix, by rows.
#[derive(Debug, Clone)]
struct Factor(Vec<Vec<f64>>);

impl Factor {
    /// Factors a lower triangle, by rows, with something added to its diagonal; `None` where it is not positive.
    fn of(triangle: &[f32], added: impl Fn(usize) -> f64) -> Option<Self> {
        let mut rows: Vec<Vec<f64>> = Vec::new();
        let mut rest = triangle;
        while !rest.is_empty() {
            let place = rows.len();
            let (numbers, after) = rest.split_at_checked(place + 1)?;
            rest = after;
            let mut row: Vec<f64> = Vec::with_capacity(place + 1);
            for (column, number) in numbers.iter().enumerate() {
                let own = f64::from(*number) + if column == place { added(place) } else { 0.0 };
                let entry = if column == place {
                    let left = own - row.iter().map(|entry| entry * entry).sum::<f64>();
                    if left <= 0.0 || !left.is_finite() {
                        return None;
                    }
                    left.sqrt()
                } else {
                    let other = rows.get(column)?;
                    let sum: f64 = row.iter().zip(other).map(|(left, right)| left * right).sum();
                    (own - sum) / other.last()?
                };
                row.push(entry);
            }
            rows.push(row);
        }
        Some(Self(rows))
    }

    fn solve_lower(&self, right: &[f64]) -> Vec<f64> {
        let mut solved: Vec<f64> = Vec::with_capacity(right.len());
        for (row, number) in self.0.iter().zip(right) {
            let sum: f64 = row.iter().zip(&solved).map(|(entry, known)| entry * known).sum();
            solved.push((number - sum) / row.last().copied().unwrap_or(1.0));
        }
        solved
    }

    fn solve_upper(&self, mut right: Vec<f64>) -> Vec<f64> {
        for (place, row) in self.0.iter().enumerate().rev() {
            let Some((diagonal, before)) = row.split_last() else { continue };
            let Some(number) = right.get_mut(place) else { continue };
            *number /= diagonal;
            let solved = *number;
            for (entry, number) in before.iter().zip(right.iter_mut()) {
                *number -= entry * solved;
            }
        }
        right
    }

    /// Gives half of the logarithm of the matrix's determinant.
    fn log_determinant_half(&self) -> f64 {
        self.0.iter().filter_map(|row| row.last()).map(|diagonal| diagonal.ln()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, proptest};

    /// Observations of y = 0.3 + 0.4·x₁ − 0.2·x₂, repeated.
    fn line(times: usize) -> Sums {
        let mut sums = Sums::new(3);
        for place in 0..times {
            let (left, right) = ((place % 5) as f64 - 2.0, (place % 7) as f64 / 3.0 - 1.0);
            sums.add(&[1.0, left, right], 0.3 + 0.4 * left - 0.2 * right, 1.0);
        }
        sums
    }

    #[test]
    fn a_line_is_found_and_what_is_far_is_less_sure() {
        let fit = line(2_000).fit().expect("a fit");
        assert!((fit.mean(&[1.0, 1.0, 1.0]) - 0.5).abs() < 0.02, "{}", fit.mean(&[1.0, 1.0, 1.0]));
        assert!(fit.variance(&[1.0, 0.0, 0.0]) < fit.variance(&[1.0, 9.0, 9.0]));
        assert!(line(20).fit().expect("a fit").variance(&[1.0, 1.0, 1.0]) > fit.variance(&[1.0, 1.0, 1.0]));
        assert!((fit.weight() - 2_000.0).abs() < 1e-6);
    }

    #[test]
    fn old_observations_fade() {
        let mut sums = line(1_000);
        sums.fade(0.01);
        for _ in 0..1_000 {
            sums.add(&[1.0, 0.0, 0.0], 1.0, 1.0);
        }
        assert!(sums.mean().is_some_and(|mean| mean > 0.98));
        assert!(sums.fit().expect("a fit").mean(&[1.0, 0.0, 0.0]) > 0.95);
    }

    #[test]
    fn nonsense_is_left_out() {
        let mut sums = Sums::new(3);
        for (input, target, weight) in [
            ([1.0, f64::NAN, 0.0], 1.0, 1.0),
            ([1.0, 0.0, 0.0], f64::INFINITY, 1.0),
            ([1.0, 0.0, 0.0], 1.0, -1.0),
            ([1.0, 0.0, 0.0], 1.0, f64::NAN),
        ] {
            sums.add(&input, target, weight);
        }
        sums.add(&[1.0], 1.0, 1.0);
        sums.fade(f64::NAN);
        assert_eq!(sums, Sums::new(3));
        assert!(sums.fit().is_none() && sums.mean().is_none());
    }

    fn check_fit(rows: &[([f64; 3], f64)]) {
        let mut sums = Sums::new(4);
        for ([first, second, third], target) in rows {
            sums.add(&[1.0, *first, *second, *third], *target, 1.0);
        }
        let fit = sums.fit().expect("a fit");
        let input = [1.0, 1.0, 1.0, 1.0];
        assert!(fit.mean(&input).is_finite() && fit.variance(&input) >= 0.0, "{rows:?}");
    }

    #[test]
    fn two_observations_that_differ_in_one_input_have_a_finite_fit() {
        check_fit(&[([0.0, 0.0, 0.0], 0.0), ([-12.799_226_617_283_429, 0.0, 0.0], 0.0)]);
    }

    proptest! {
        #[test]
        fn any_observations_have_a_finite_fit(
            rows in prop::collection::vec((prop::array::uniform3(-30.0..30.0_f64), 0.0..=1.0_f64), 2..40),
        ) {
            check_fit(&rows);
        }
    }
}

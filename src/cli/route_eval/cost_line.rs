//! What a model is forecast to cost for a prompt.

use super::rows::Row;

/// A model's cost as a line in the length of the prompt.
#[derive(Debug, Clone, Copy)]
pub(super) struct CostLine {
    constant: f64,
    per_character: f64,
    least: f64,
}

impl CostLine {
    /// Fits past costs; without any the best model costs 1, and others nothing.
    pub(super) fn of(train: &[Row], place: usize, is_best: bool) -> Self {
        let points: Vec<(f64, f64)> = train
            .iter()
            .filter_map(|row| {
                Some((row.prompt.as_str().chars().count() as f64, row.outcomes.get(place)?.cost?))
            })
            .collect();
        let count = points.len() as f64;
        if points.is_empty() {
            return Self { constant: f64::from(u8::from(is_best)), per_character: 0.0, least: 0.0 };
        }
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (length, cost) = (mean(|point| point.0), mean(|point| point.1));
        let variance = points.iter().map(|point| (point.0 - length).powi(2)).sum::<f64>();
        let covariance = points.iter().map(|point| (point.0 - length) * (point.1 - cost)).sum::<f64>();
        let per_character = if variance > 0.0 { (covariance / variance).max(0.0) } else { 0.0 };
        let least = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        Self { constant: cost - per_character * length, per_character, least }
    }

    pub(super) fn at(self, length: f64) -> f64 {
        (self.constant + self.per_character * length).max(self.least)
    }
}

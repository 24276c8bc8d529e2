//! vCache (arXiv 2502.03771), written from its description: a threshold for each entry, learned online, with a bound
//! on wrong answers *per request*. It is here to be compared with; the program itself never decides so.

use statrs::distribution::{ContinuousCDF as _, Normal};

/// Observations that an entry has before it serves, the two made-up ones included.
const LEAST: usize = 6;
/// Points of ε that the chance to explore is minimised over.
const POINTS: u32 = 50;
const LEAST_STEEPNESS: f64 = 1e-6;
/// How steep the curve is where the labels part cleanly, times their distance: a fit without a penalty has no end.
const CLEAN_STEEPNESS: f64 = 20.0;

/// The entries of one cache.
#[derive(Debug)]
pub(super) struct VCache {
    delta: f64,
    entries: Vec<Vec<(f64, bool)>>,
}

impl VCache {
    pub(super) const fn new(delta: f64) -> Self {
        Self { delta, entries: Vec::new() }
    }

    /// Adds an entry, with two observations that nobody made: nothing alike is wrong, the same is right.
    pub(super) fn insert(&mut self) {
        self.entries.push(vec![(0.0, false), (1.0, true)]);
    }

    /// Says whether to ask rather than to serve an entry; `draw` is uniform in [0, 1).
    pub(super) fn explores(&self, entry: usize, similarity: f64, draw: f64) -> bool {
        let Some(seen) = self.entries.get(entry).filter(|seen| seen.len() >= LEAST) else { return true };
        draw <= self.chance_to_explore(seen, rounded(similarity))
    }

    /// Notes whether an entry's answer would have been right.
    pub(super) fn learn(&mut self, entry: usize, similarity: f64, is_right: bool) {
        if let Some(seen) = self.entries.get_mut(entry) {
            seen.push((rounded(similarity), is_right));
        }
    }

    /// τ: the least chance to explore that keeps wrong answers per request at δ.
    fn chance_to_explore(&self, seen: &[(f64, bool)], similarity: f64) -> f64 {
        let fit = Fit::of(seen);
        let normal = Normal::standard();
        let chance = |point: u32| {
            let epsilon = (f64::from(point) + 0.5) / f64::from(POINTS);
            let threshold =
                (fit.threshold + normal.inverse_cdf(1.0 - epsilon) * fit.variance.sqrt()).clamp(0.0, 1.0);
            let right = (1.0 - epsilon) * logistic(fit.steepness * (similarity - threshold));
            1.0 - self.delta / (1.0 - right).max(f64::MIN_POSITIVE)
        };
        (0..POINTS).map(chance).fold(1.0, f64::min)
    }
}

fn rounded(similarity: f64) -> f64 {
    (similarity * 1e3).round() / 1e3
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// P(right | s) = 1 / (1 + exp(−γ (s − t))), with the variance of t.
#[derive(Debug, Clone, Copy)]
struct Fit {
    threshold: f64,
    steepness: f64,
    variance: f64,
}

impl Fit {
    fn of(seen: &[(f64, bool)]) -> Self {
        let extreme = |is_right: bool, start: f64, choose: fn(f64, f64) -> f64| {
            seen.iter().filter(|(_, right)| *right == is_right).map(|(s, _)| *s).fold(start, choose)
        };
        let (worst_right, best_wrong) = (extreme(true, 1.0, f64::min), extreme(false, 0.0, f64::max));
        if worst_right > best_wrong {
            return Self {
                threshold: f64::midpoint(worst_right, best_wrong),
                steepness: CLEAN_STEEPNESS / (worst_right - best_wrong),
                variance: variance_of_clean(seen.len()),
            };
        }
        Self::by_newton(seen)
    }

    /// Fits P = 1 / (1 + exp(−(b + γ s))) by Newton's method; t = −b / γ, its variance by the delta method.
    fn by_newton(seen: &[(f64, bool)]) -> Self {
        let (mut b, mut steepness) = (0.0, 1.0);
        // The inverse of the Hessian, which is symmetric: of b with b, of b with γ, of γ with γ.
        let mut inverse = (0.0, 0.0, 0.0);
        for _ in 0..50 {
            let (mut slope_b, mut slope_s) = (0.0, 0.0);
            let (mut bb, mut bs, mut ss) = (1e-9, 0.0, 1e-9);
            for (s, is_right) in seen {
                let p = logistic(b + steepness * s);
                let error = f64::from(u8::from(*is_right)) - p;
                (slope_b, slope_s) = (slope_b + error, slope_s + error * s);
                let weight = p * (1.0 - p);
                (bb, bs, ss) = (bb + weight, bs + weight * s, ss + weight * s * s);
            }
            let determinant = bb * ss - bs * bs;
            inverse = (ss / determinant, -bs / determinant, bb / determinant);
            let step_b = inverse.0 * slope_b + inverse.1 * slope_s;
            let step_s = inverse.1 * slope_b + inverse.2 * slope_s;
            (b, steepness) = (b + step_b, steepness + step_s);
            if step_b.abs() + step_s.abs() < 1e-9 || !b.is_finite() || !steepness.is_finite() {
                break;
            }
        }
        let steepness = if steepness.is_finite() { steepness.max(LEAST_STEEPNESS) } else { LEAST_STEEPNESS };
        let b = if b.is_finite() { b } else { 0.0 };
        let (by_b, by_s) = (-1.0 / steepness, b / (steepness * steepness));
        let variance = by_b * by_b * inverse.0 + 2.0 * by_b * by_s * inverse.1 + by_s * by_s * inverse.2;
        let variance = if variance.is_finite() && variance > 0.0 { variance } else { 1.0 };
        Self { threshold: (-b / steepness).clamp(0.0, 1.0), steepness, variance }
    }
}

/// The variance where the labels part cleanly, by how many there are: from 0.035 at 6 to 0.009 at 15 and 0.005 at 48.
fn variance_of_clean(count: usize) -> f64 {
    let count = count as f64;
    match count {
        ..=15.0 => 0.035 + (0.009 - 0.035) * (count - 6.0) / 9.0,
        ..=48.0 => 0.009 + (0.005 - 0.009) * (count - 15.0) / 33.0,
        _ => 0.005,
    }
}

//! Figures of merit over decided prompts.
//!
//! PGR (performance gap recovered, Ong et al. 2024, "RouteLLM"): the share of the quality between the weak and the strong
//! model that a mixture recovers. APGR is its mean over all shares of strong calls, so a random order has 0.5; CPT(x) is the
//! least share of strong calls that recovers x.

use serde_json::{Value, json};

/// One prompt in the order of preference for the strong model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranked {
    /// Larger: ask the strong model sooner.
    pub(super) rank: f64,
    /// The strong model's score minus the weak one's.
    pub(super) gain: f64,
}

/// Gives APGR and CPT(50 %, 80 %), the latter in percent of calls; `None` where the strong model is not better.
pub(super) fn recovered(mut prompts: Vec<Ranked>) -> Option<Value> {
    let total: f64 = prompts.iter().map(|prompt| prompt.gain).sum();
    if total <= 0.0 {
        return None;
    }
    prompts.sort_by(|left, right| right.rank.total_cmp(&left.rank));
    let count = prompts.len() as f64;
    let (mut shares, mut sum) = (vec![0.0], 0.0);
    for prompt in &prompts {
        sum += prompt.gain;
        shares.push(sum / total);
    }
    let area: f64 = shares.windows(2).map(|pair| pair.iter().sum::<f64>() / 2.0).sum();
    let first = |wanted: f64| {
        let place = shares.iter().position(|share| *share >= wanted)?;
        Some(rounded(100.0 * place as f64 / count))
    };
    Some(json!({ "apgr": rounded(area / count), "cpt50": first(0.5), "cpt80": first(0.8) }))
}

/// Gives the expected calibration error over ten bins of equal width: the mean distance of what was expected and what came.
pub(super) fn calibration_error(pairs: &[(f64, f64)]) -> Option<f64> {
    let mut bins = [(0.0, 0.0); 10];
    for (expected, score) in pairs {
        let place = ((expected * 10.0) as usize).min(9);
        if let Some(bin) = bins.get_mut(place) {
            bin.0 += expected;
            bin.1 += score;
        }
    }
    let distance: f64 = bins.iter().map(|(expected, score)| (expected - score).abs()).sum();
    (!pairs.is_empty()).then(|| rounded(distance / pairs.len() as f64))
}

/// Gives the best mean quality of a random mix of single models whose mean cost is at most this; points are (cost, quality).
pub(super) fn mixed_quality(models: &[(f64, f64)], cost: f64) -> f64 {
    mixtures(models, |from, to| between(from, to, (cost - from.0) / (to.0 - from.0)))
        .filter(|mixture| mixture.0 <= cost + 1e-12)
        .map(|mixture| mixture.1)
        .fold(0.0, f64::max)
}

/// Gives the least mean cost of a random mix of single models whose mean quality is at least this.
pub(super) fn mixed_cost(models: &[(f64, f64)], quality: f64) -> f64 {
    mixtures(models, |from, to| between(from, to, (quality - from.1) / (to.1 - from.1)))
        .filter(|mixture| mixture.1 >= quality - 1e-12)
        .map(|mixture| mixture.0)
        .fold(f64::INFINITY, f64::min)
}

/// Lists single models, and for each pair one mixture.
fn mixtures<'a>(
    models: &'a [(f64, f64)],
    mixed: impl Fn((f64, f64), (f64, f64)) -> Option<(f64, f64)> + 'a,
) -> impl Iterator<Item = (f64, f64)> + 'a {
    let pairs = models.iter().flat_map(move |from| models.iter().map(move |to| (*from, *to)));
    models.iter().copied().chain(pairs.filter_map(move |(from, to)| mixed(from, to)))
}

fn between(from: (f64, f64), to: (f64, f64), share: f64) -> Option<(f64, f64)> {
    (0.0..=1.0)
        .contains(&share)
        .then_some((from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1)))
}

/// Rounds to what can be told apart.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_by_the_gain_recovers_soonest() {
        let of = |gains: &[f64]| {
            let count = gains.len() as f64;
            let ranked = gains
                .iter()
                .enumerate()
                .map(|(place, gain)| Ranked { rank: count - place as f64, gain: *gain });
            recovered(ranked.collect())
        };
        assert_eq!(of(&[1.0, 1.0, 0.0, 0.0]), Some(json!({"apgr": 0.75, "cpt50": 25.0, "cpt80": 50.0})));
        assert_eq!(of(&[0.0, 0.0, 1.0, 1.0]), Some(json!({"apgr": 0.25, "cpt50": 75.0, "cpt80": 100.0})));
        assert_eq!(of(&[1.0, 0.0, 0.0, -1.0]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn what_is_expected_and_comes_true_has_no_error() {
        let half = [(0.5, 1.0), (0.5, 0.0)];
        assert_eq!(calibration_error(&half), Some(0.0));
        assert_eq!(calibration_error(&[(0.9, 0.0), (0.9, 1.0)]), Some(0.4));
        assert_eq!(calibration_error(&[]), None);
    }

    #[test]
    fn a_mix_lies_on_the_line_between_two_models() {
        let models = [(1.0, 0.5), (3.0, 0.9), (2.0, 0.6)];
        assert!((mixed_quality(&models, 2.0) - 0.7).abs() < 1e-9);
        assert!((mixed_cost(&models, 0.7) - 2.0).abs() < 1e-9);
        assert_eq!(mixed_cost(&models, 0.4), 1.0);
    }
}

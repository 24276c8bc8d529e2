//! What the decisions of a run come to, beside what a constant model, a random mix, and hindsight would have done.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::learner::Setting;
use super::rows::{Models, Row};
use super::score::{Ranked, calibration_error, mixed_cost, mixed_quality, recovered, rounded};
use crate::routing::ledger::floor;

/// What the cost of the best single model is worth in quality, where both are one number.
const COST_WEIGHT: f64 = 0.1;

/// One decision.
#[derive(Debug)]
pub(super) struct Decided {
    /// Expected quality by the model's place; empty where nothing is expected.
    pub(super) expected: Vec<f64>,
    /// Forecast cost in US dollars by the model's place.
    pub(super) costs: Vec<f64>,
    pub(super) choice: usize,
    /// Of two models: larger, the sooner the strong one is asked.
    pub(super) rank: Option<f64>,
}

pub(super) struct Tally {
    /// Per prompt: the scores and costs of every model.
    outcomes: Vec<Vec<(f64, f64)>>,
    decided: Vec<Decided>,
    lengths: Vec<f64>,
    times: Vec<Duration>,
    names: Vec<String>,
    /// Whether a model is the best of training, which costs 1 where no cost is known.
    is_best: Vec<bool>,
}

impl Tally {
    pub(super) fn new(models: &Models, train: &[Row]) -> Self {
        let sums: Vec<f64> = (0..models.len())
            .map(|place| {
                train.iter().filter_map(|row| row.outcomes.get(place)).map(|outcome| outcome.score).sum()
            })
            .collect();
        let best = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self {
            outcomes: Vec::new(),
            decided: Vec::new(),
            lengths: Vec::new(),
            times: Vec::new(),
            names: models.iter().map(str::to_owned).collect(),
            is_best: sums.iter().map(|sum| *sum >= best).collect(),
        }
    }

    /// Adds a decision, the time it took after embedding and search, and what every model would have scored.
    pub(super) fn add(&mut self, row: &Row, decided: Decided, elapsed: Duration) {
        let outcomes = row.outcomes.iter().zip(&self.is_best).map(|(outcome, is_best)| {
            (outcome.score, outcome.cost.unwrap_or_else(|| f64::from(u8::from(*is_best))))
        });
        self.outcomes.push(outcomes.collect());
        self.decided.push(decided);
        self.lengths.push(row.prompt.as_str().chars().count() as f64);
        self.times.push(elapsed);
    }

    pub(super) fn to_json(&self, setting: &Setting<'_>) -> Value {
        let count = self.decided.len().max(1) as f64;
        let models: Vec<(f64, f64)> = (0..self.names.len()).map(|place| self.alone(place)).collect();
        let Some((best, (best_cost, best_quality))) = models
            .iter()
            .copied()
            .enumerate()
            .max_by(|left, right| left.1.1.total_cmp(&right.1.1).then(right.1.0.total_cmp(&left.1.0)))
        else {
            return Value::Null;
        };
        let (cost, quality) = self.sum(|place| self.decided.get(place).map(|decided| decided.choice));
        let share = |part: f64, whole: f64| (whole > 0.0).then(|| rounded(part / whole));
        let wanted = floor(setting.quality) * best_quality;
        let mut chosen: Map<String, Value> = Map::new();
        for (place, name) in self.names.iter().enumerate() {
            let times = self.decided.iter().filter(|decided| decided.choice == place).count();
            chosen.insert(name.clone(), json!(rounded(times as f64 / count)));
        }
        json!({
            "prompts": self.decided.len(),
            "floor": floor(setting.quality),
            "best_single": self.names.get(best),
            "quality_share": share(quality, best_quality),
            "cost_share": share(cost, best_cost),
            "is_floor_kept": quality >= wanted,
            "random_mix_quality_share": share(mixed_quality(&models, cost), best_quality),
            "random_mix_cost_share_at_floor": share(mixed_cost(&models, wanted), best_cost),
            "utility": self.utility(best, best_cost, best_quality),
            "two_models": self.two_models(&models),
            "calibration_error": calibration_error(&self.pairs()),
            "chosen_share": chosen,
            "decision_ms": { "p50": self.time_ms(0.5), "p99": self.time_ms(0.99) },
        })
    }

    /// Gives the mean of quality − 0.1 · cost, in units of what the best single model costs, if it were what the choice
    /// is made by, and that of the best single model.
    fn utility(&self, best: usize, best_cost: f64, best_quality: f64) -> Value {
        let forecasts = self.decided.iter().filter_map(|decided| decided.costs.get(best));
        let forecast = forecasts.sum::<f64>() / self.decided.len().max(1) as f64;
        let (cost, quality) = self.sum(|place| {
            let Decided { expected, costs, .. } = self.decided.get(place)?;
            let utility = |place: &usize| {
                let (quality, cost) = (expected.get(*place), costs.get(*place));
                quality.zip(cost).map_or(f64::MIN, |(quality, cost)| quality - COST_WEIGHT * cost / forecast)
            };
            (0..expected.len()).max_by(|left, right| utility(left).total_cmp(&utility(right)))
        });
        let run = quality - COST_WEIGHT * cost / best_cost;
        json!({ "run": run.is_finite().then(|| rounded(run)), "best_single": rounded(best_quality - COST_WEIGHT) })
    }

    /// Gives mean cost and quality of one model for everything.
    fn alone(&self, model: usize) -> (f64, f64) {
        self.sum(|_| Some(model))
    }

    fn sum(&self, choice: impl Fn(usize) -> Option<usize>) -> (f64, f64) {
        let count = self.outcomes.len().max(1) as f64;
        let outcomes = self.outcomes.iter().enumerate();
        let chosen = outcomes.filter_map(|(place, outcomes)| outcomes.get(choice(place)?));
        let (quality, cost) =
            chosen.fold((0.0, 0.0), |(quality, sum), (score, cost)| (quality + score, sum + cost));
        (cost / count, quality / count)
    }

    /// Gives APGR and CPT of the run, of prompt length alone, and of hindsight.
    fn two_models(&self, models: &[(f64, f64)]) -> Option<Value> {
        let [one, other] = models else { return None };
        let strong = usize::from(other.1 > one.1);
        let gains: Vec<f64> = self
            .outcomes
            .iter()
            .filter_map(|outcomes| Some(outcomes.get(strong)?.0 - outcomes.get(1 - strong)?.0))
            .collect();
        let ranked = |ranks: Vec<Option<f64>>| {
            let ranked =
                ranks.into_iter().zip(&gains).map(|(rank, gain)| Some(Ranked { rank: rank?, gain: *gain }));
            ranked.collect::<Option<Vec<_>>>().and_then(recovered)
        };
        Some(json!({
            "strong": self.names.get(strong),
            "run": ranked(self.decided.iter().map(|decided| decided.rank).collect()),
            "length_alone": ranked(self.lengths.iter().map(|length| Some(*length)).collect()),
            "hindsight": ranked(gains.iter().map(|gain| Some(*gain)).collect()),
        }))
    }

    fn pairs(&self) -> Vec<(f64, f64)> {
        let pairs = self.decided.iter().zip(&self.outcomes);
        pairs
            .flat_map(|(decided, outcomes)| {
                decided.expected.iter().zip(outcomes).map(|(expected, (score, _))| (*expected, *score))
            })
            .collect()
    }

    fn time_ms(&self, share: f64) -> Option<f64> {
        let mut times = self.times.clone();
        times.sort_unstable();
        let place = ((times.len().saturating_sub(1)) as f64 * share).round() as usize;
        times.get(place).map(|time| rounded(time.as_secs_f64() * 1e3))
    }
}

//! What a quality floor costs: how each price of quality would have done on past prompts, against the best single model.
//!
//! A price λ is the quality that one unit of cost must buy; a prompt goes to the model of the largest p − λ·cost. Of each
//! λ on a ladder the ledger keeps sums of what its choices scored, predicted before the outcome was known. A floor f then
//! gets the largest λ whose mean of (score − f · best single model's score) is surely not negative: mean − z·s/√n ≥ 0.
//!
//! Where not all models were asked, what a choice would have scored is what was expected of it, and where it was asked by
//! chance the error of that divided by the chance: the doubly robust estimate (Dudík, Langford & Li 2011, "Doubly robust
//! policy evaluation and learning"). A prompt whose choice could not have been asked does not count for a λ.

use serde::{Deserialize, Serialize};

use crate::domain::decision::Quality;
use crate::domain::model::ModelRef;

/// Prices on the ladder; the first is 0, the others a geometric series. A finer ladder comes closer to a floor.
const RUNGS: usize = 200;
const LOWEST: f64 = 0.002;
const RATIO: f64 = 1.045;
/// Prompts that are not enough to promise anything by, as what they count together.
const FEWEST: f64 = 50.0;
/// Standard errors by which a promise is on the safe side: a lower bound of 95 %.
const MARGIN: f64 = 1.645;
/// Prompts after which a page is turned at the latest: models change under their names.
const LONGEST_PAGE: f64 = 2_000.0;

/// Gives the share of the best model's quality that a choice must reach.
pub const fn floor(quality: Quality) -> f64 {
    match quality {
        Quality::Economy => 0.90,
        Quality::Balanced => 0.95,
        Quality::Best => 1.0,
    }
}

/// What was expected of one model for a prompt, and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    pub reference: &'a ModelRef,
    /// Expected quality, in [0, 1], from before the outcome.
    pub expected: f64,
    /// Forecast cost, in any unit that all trials share.
    pub cost: f64,
    /// In [0, 1]; absent: this model was not asked.
    pub score: Option<f64>,
    /// The chance that it was asked, in [0, 1]; 0: it could not be.
    pub propensity: f64,
}

impl Trial<'_> {
    /// Gives what choosing it would have scored, right on average; `None` where it could not be asked.
    fn value(&self) -> Option<f64> {
        let correction = self.score.map_or(0.0, |score| (score - self.expected) / self.propensity);
        (self.propensity > 0.0 && correction.is_finite()).then_some(self.expected + correction)
    }
}

/// How a floor is to be kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Too few outcomes to promise anything by.
    Unknown,
    /// Choose the largest expected quality − price · cost.
    Price(f64),
    /// No mixture of models is sure to keep the floor: ask the one that does best.
    BestAlone,
}

/// Sums over the prompts whose choice at one price was asked.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Rung {
    weight: f64,
    squared_weight: f64,
    score: f64,
    squares: f64,
    best_score: f64,
    best_squares: f64,
    /// Σ of the choice's score times that of the best single model.
    products: f64,
}

impl Rung {
    fn add(&mut self, score: f64, best: f64, weight: f64) {
        self.weight += weight;
        self.squared_weight += weight * weight;
        self.score += weight * score;
        self.squares += weight * score * score;
        self.best_score += weight * best;
        self.best_squares += weight * best * best;
        self.products += weight * score * best;
    }

    /// Gives the prompts as a number that counted in full.
    fn prompts(&self) -> f64 {
        if self.squared_weight > 0.0 { self.weight * self.weight / self.squared_weight } else { 0.0 }
    }

    /// Says whether a floor is kept; `None` after too few prompts to tell.
    fn keeps(&self, floor: f64) -> Option<bool> {
        let prompts = self.prompts();
        if prompts < FEWEST {
            return None;
        }
        let mean = (self.score - floor * self.best_score) / self.weight;
        let squares = self.squares - 2.0 * floor * self.products + floor * floor * self.best_squares;
        let variance = (squares / self.weight - mean * mean).max(0.0);
        Some(mean - MARGIN * (variance / prompts).sqrt() >= 0.0)
    }
}

/// Sums for every price over the prompts since one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Page {
    rungs: Vec<Rung>,
    /// Σ of each prompt's dearest model, so that prices mean the same in any currency.
    dearest: f64,
    weight: f64,
    squared_weight: f64,
}

impl Default for Page {
    fn default() -> Self {
        Self { rungs: vec![Rung::default(); RUNGS], dearest: 0.0, weight: 0.0, squared_weight: 0.0 }
    }
}

impl Page {
    fn add(&mut self, trials: &[&Trial<'_>], best_score: f64, weight: f64) {
        self.weight += weight;
        self.squared_weight += weight * weight;
        self.dearest += weight * trials.iter().map(|trial| trial.cost).fold(0.0, f64::max);
        let unit = self.unit();
        for (rung, price) in self.rungs.iter_mut().zip(prices()) {
            let utility = |trial: &Trial<'_>| trial.expected - price * trial.cost / unit;
            let chosen = trials.iter().max_by(|left, right| {
                utility(left).total_cmp(&utility(right)).then(right.cost.total_cmp(&left.cost))
            });
            if let Some(score) = chosen.and_then(|trial| trial.value()) {
                rung.add(score, best_score, weight);
            }
        }
    }

    fn unit(&self) -> f64 {
        if self.dearest > 0.0 { self.dearest / self.weight } else { 1.0 }
    }
}

/// Sums over past prompts for every price: of the later half to three quarters of them, since what was expected of the
/// first ones was worse.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ledger {
    page: Page,
    /// Takes the place of the page once it has as many prompts as there were before it.
    next: Page,
    /// The weight of all prompts before the next page.
    before: f64,
}

impl Ledger {
    /// Says whether it has every price, as a read one need not.
    pub fn is_whole(&self) -> bool {
        self.page.rungs.len() == RUNGS && self.next.rungs.len() == RUNGS
    }

    /// Adds a prompt; `best` is the model that did best so far. Trials that are not finite are left out.
    pub fn add(&mut self, trials: &[Trial<'_>], best: &ModelRef, weight: f64) {
        let usable: Vec<&Trial<'_>> = trials
            .iter()
            .filter(|trial| trial.expected.is_finite() && trial.cost.is_finite() && trial.cost >= 0.0)
            .collect();
        let Some(alone) = usable.iter().find(|trial| trial.reference == best) else { return };
        if usable.iter().all(|trial| trial.score.is_none()) || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let best_score = alone.value().unwrap_or(alone.expected);
        self.page.add(&usable, best_score, weight);
        if self.before < FEWEST {
            self.before += weight;
            return;
        }
        self.next.add(&usable, best_score, weight);
        if self.next.weight >= self.before.min(LONGEST_PAGE) {
            self.before += self.next.weight;
            self.page = std::mem::take(&mut self.next);
        }
    }

    /// Says how a floor, as a share of the best single model's quality, is to be kept; the price is per unit of cost.
    ///
    /// It is the highest price below which no price is known to break the floor: one above that kept it would be luck.
    pub fn rule(&self, floor: f64) -> Rule {
        if self.prompts() < FEWEST {
            return Rule::Unknown;
        }
        let mut rule = Rule::BestAlone;
        for (rung, price) in self.page.rungs.iter().zip(prices()) {
            match rung.keeps(floor) {
                Some(true) => rule = Rule::Price(price / self.page.unit()),
                Some(false) => break,
                None => {}
            }
        }
        rule
    }

    /// Gives the prompts behind it, as a number that counted in full.
    pub fn prompts(&self) -> f64 {
        let Page { weight, squared_weight, .. } = self.page;
        if squared_weight > 0.0 { weight * weight / squared_weight } else { 0.0 }
    }
}

fn prices() -> impl DoubleEndedIterator<Item = f64> + ExactSizeIterator {
    (0..RUNGS).map(|rung| if rung == 0 { 0.0 } else { LOWEST * RATIO.powi(rung as i32 - 1) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::ProviderId;
    use proptest::prelude::{prop, prop_assert, proptest};

    fn models() -> [ModelRef; 2] {
        ["cheap", "good"].map(|model| ModelRef { provider: ProviderId::Ollama, model: model.to_owned() })
    }

    /// Adds prompts of two kinds: an easy one both models answer, a hard one only the good model does.
    fn learned(prompts: usize, easy_of_ten: usize, expected: impl Fn(bool) -> f64) -> Ledger {
        let [cheap, good] = models();
        let mut ledger = Ledger::default();
        for place in 0..prompts {
            let is_easy = place % 10 < easy_of_ten;
            let score = Some(f64::from(u8::from(is_easy)));
            let trials = [
                Trial { reference: &cheap, expected: expected(is_easy), cost: 1.0, score, propensity: 1.0 },
                Trial { reference: &good, expected: 0.99, cost: 10.0, score: Some(1.0), propensity: 1.0 },
            ];
            ledger.add(&trials, &good, 1.0);
        }
        ledger
    }

    #[test]
    fn a_price_is_promised_only_where_the_past_kept_the_floor() {
        let told_apart = |is_easy: bool| if is_easy { 0.9 } else { 0.2 };
        assert_eq!(Ledger::default().rule(0.95), Rule::Unknown);
        assert_eq!(learned(40, 7, told_apart).rule(0.95), Rule::Unknown);
        let Rule::Price(price) = learned(400, 7, told_apart).rule(0.95) else { panic!("a price") };
        // Easy prompts go to the cheap model, hard ones do not.
        assert!(0.9 - price > 0.99 - 10.0 * price && 0.2 - price < 0.99 - 10.0 * price, "{price}");
        // Who cannot tell them apart pays for quality.
        let blind = learned(400, 7, |_| 0.7).rule(0.95);
        assert!(matches!(blind, Rule::Price(price) if 0.7 - price < 0.99 - 10.0 * price), "{blind:?}");
        // Whoever expects too much of the cheap model is found out.
        assert_eq!(learned(400, 7, |_| 1.0).rule(0.95), Rule::BestAlone);
        assert!(matches!(learned(400, 7, |_| 1.0).rule(0.5), Rule::Price(_)));
    }

    #[test]
    fn models_that_are_asked_by_chance_are_judged_as_if_all_were_asked() {
        let [cheap, good] = models();
        let random = fastrand::Rng::with_seed(5);
        let ledger = |random: &mut fastrand::Rng, expected: f64, by_chance: bool| {
            let mut ledger = Ledger::default();
            for _ in 0..3_000 {
                let score = Some(f64::from(u8::from(random.f64() < 0.5)));
                let is_cheap_asked = !by_chance || random.f64() < 0.2;
                let trials = [
                    Trial {
                        reference: &cheap,
                        expected,
                        cost: 1.0,
                        score: score.filter(|_| is_cheap_asked),
                        propensity: if by_chance { 0.2 } else { 1.0 },
                    },
                    Trial { reference: &good, expected: 0.9, cost: 10.0, score: Some(0.9), propensity: 1.0 },
                ];
                ledger.add(&trials, &good, 1.0);
            }
            ledger
        };
        // The cheap model is good half of the time, whatever is expected of it.
        for expected in [0.5, 0.88] {
            for by_chance in [false, true] {
                let rule = |floor| ledger(&mut random.clone(), expected, by_chance).rule(floor);
                let is_cheap_chosen = |rule| match rule {
                    Rule::Price(price) => expected - price > 0.9 - 10.0 * price,
                    Rule::BestAlone | Rule::Unknown => false,
                };
                assert!(is_cheap_chosen(rule(0.45)), "{expected} {by_chance}");
                assert!(!is_cheap_chosen(rule(0.65)), "{expected} {by_chance}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_lower_floor_never_asks_for_more(
            prompts in prop::collection::vec((0.0..=1.0_f64, 0.0..=1.0_f64, 0.0..=1.0_f64, 0.0..9.0_f64), 0..200),
        ) {
            let [cheap, good] = models();
            let mut ledger = Ledger::default();
            for (expected, score, other, cost) in prompts {
                let trials = [
                    Trial { reference: &cheap, expected, cost, score: Some(score), propensity: 1.0 },
                    Trial { reference: &good, expected: 0.5, cost: 3.0, score: Some(other), propensity: 1.0 },
                ];
                ledger.add(&trials, &good, 1.0);
            }
            let price = |floor| match ledger.rule(floor) {
                Rule::Price(price) => price,
                Rule::BestAlone | Rule::Unknown => -1.0,
            };
            prop_assert!(price(0.9) >= price(0.95) && price(0.95) >= price(1.0));
        }

        #[test]
        fn nonsense_moves_nothing(expected in prop::num::f64::ANY, cost in prop::num::f64::ANY) {
            let [cheap, good] = models();
            let mut ledger = learned(100, 7, |_| 0.7);
            let trials = [
                Trial { reference: &cheap, expected, cost, score: None, propensity: 0.0 },
                Trial { reference: &good, expected: 0.5, cost: 3.0, score: None, propensity: 0.0 },
            ];
            let before = ledger.clone();
            ledger.add(&trials, &good, 1.0);
            prop_assert!(ledger == before);
            ledger.add(&trials, &good, f64::NAN);
            prop_assert!(ledger == before);
        }
    }
}

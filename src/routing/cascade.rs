//! A cheap model first, then its answer judged by free marks: is it good, and would the stronger model do better?
//!
//! Both are linear in [`super::checks::marks`] and in what was expected of the two models before the answer, learned from
//! outcomes. It asks nobody.

use serde::{Deserialize, Serialize};

use super::checks::{MARKS, marks};
use super::ridge::{Fit, Sums};

/// The marks, a constant, and what was expected of both models.
const INPUTS: usize = MARKS + 3;
/// Outcomes before which what was expected without the answer stands.
const DOUBT: f64 = 20.0;

/// What an answer is judged by.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    pub prompt: &'a str,
    pub text: &'a str,
    /// Expected quality of the cheap model and of the strong one, before there was an answer.
    pub expected: [f64; 2],
}

impl Answer<'_> {
    /// Gives the numbers that it is judged by.
    pub(super) fn input(&self) -> Vec<f64> {
        let mut input = Vec::with_capacity(INPUTS);
        input.push(1.0);
        input.extend(marks(self.prompt, self.text));
        input.extend(self.expected);
        input
    }
}

/// Sums over the judged answers of a cheap model; 5 KB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CascadeState {
    cheap: Sums,
    strong: Sums,
}

impl Default for CascadeState {
    fn default() -> Self {
        Self { cheap: Sums::new(INPUTS), strong: Sums::new(INPUTS) }
    }
}

impl CascadeState {
    /// Learns from an answer of the cheap model; `scores` are its own and the strong model's, where each is known.
    pub fn learn(&mut self, answer: &Answer<'_>, scores: [Option<f64>; 2], weight: f64) {
        self.learn_from(&answer.input(), scores, weight);
    }

    /// Learns from what [`Answer::input`] gave.
    pub(super) fn learn_from(&mut self, input: &[f64], scores: [Option<f64>; 2], weight: f64) {
        let [cheap, strong] = scores;
        for (sums, score) in [(&mut self.cheap, cheap), (&mut self.strong, strong)] {
            if let Some(score) = score.filter(|score| (0.0..=1.0).contains(score)) {
                sums.add(input, score, weight);
            }
        }
    }

    /// Says whether it has every sum, as a read one need not.
    pub(super) fn is_whole(&self) -> bool {
        self.cheap.is_of(INPUTS) && self.strong.is_of(INPUTS)
    }

    /// Fits what a decision reads.
    pub fn fit(&self) -> Cascade {
        Cascade { cheap: self.cheap.fit_by_variance(), strong: self.strong.fit_by_variance() }
    }
}

/// What was learned about answers, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Cascade {
    cheap: Option<Fit>,
    strong: Option<Fit>,
}

impl Cascade {
    /// Counts the answers of cheap models whose scores it learned from.
    pub fn answers(&self) -> f64 {
        self.cheap.as_ref().map_or(0.0, Fit::weight)
    }

    /// Gives the probability that the answer is good, and that the strong model's would be; both in [0, 1].
    pub fn expect(&self, answer: &Answer<'_>) -> [f64; 2] {
        let input = answer.input();
        let [cheap, strong] = answer.expected;
        let expect = |fit: &Option<Fit>, before: f64| {
            let before = before.clamp(0.0, 1.0);
            fit.as_ref().map_or(before, |fit| {
                let mean = fit.mean(&input).clamp(0.0, 1.0);
                (fit.weight() * mean + DOUBT * before) / (fit.weight() + DOUBT)
            })
        };
        [expect(&self.cheap, cheap), expect(&self.strong, strong)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer<'_> {
        Answer { prompt: "How many legs have 3 cats and 2 birds?", text, expected: [0.7, 0.9] }
    }

    #[test]
    fn an_answer_whose_sums_are_wrong_is_found_out() {
        let right =
            ["3 * 4 + 2 * 2 = 16. The answer is 16.", "Cats: 3 * 4 = 12. Birds: 2 * 2 = 4. 12 + 4 = 16."];
        let wrong = [
            "3 * 4 + 2 * 2 = 20. The answer is 20.",
            "Cats: 3 * 4 = 14. Birds: 2 * 2 = 4. So <<14+4=19>>19.",
        ];
        let mut state = CascadeState::default();
        assert_eq!(state.fit().expect(&answer("16")), [0.7, 0.9], "nothing is known yet");
        for _ in 0..30 {
            for (texts, score) in [(right, 1.0), (wrong, 0.0)] {
                for text in texts {
                    state.learn(&answer(text), [Some(score), Some(0.9)], 1.0);
                }
            }
        }
        let cascade = state.fit();
        let good = cascade.expect(&answer("3 * 4 = 12 and 2 * 2 = 4, so 12 + 4 = 16."));
        let bad = cascade.expect(&answer("3 * 4 = 12 and 2 * 2 = 5, so 12 + 4 = 17."));
        assert!(good[0] > bad[0] + 0.3, "{good:?} {bad:?}");
        assert!((good[1] - 0.9).abs() < 0.05 && (bad[1] - 0.9).abs() < 0.05, "{good:?} {bad:?}");
    }

    #[test]
    fn scores_that_are_none_teach_nothing() {
        let mut state = CascadeState::default();
        state.learn(&answer("16"), [Some(f64::NAN), None], 1.0);
        state.learn(&answer("16"), [Some(7.0), None], 1.0);
        assert_eq!(state, CascadeState::default());
    }
}

//! Models that got worse: their latest outcomes are significantly below those before.
//!
//! A provider changes a model under its name, or quantises it; the sums of [`super::success`] forget too slowly to see that
//! soon. Shares are compared with one success and one failure added to each (Agresti & Caffo 2000, "Simple and effective
//! confidence intervals for proportions and differences of proportions"), which bounds the variance of scores in [0, 1]
//! too.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Span, Unit};

use crate::domain::decision::Decision;
use crate::domain::model::ModelRef;
use crate::domain::outcome::DayOfModel;

/// Days that the latest outcomes may be from. Nobody asks a demoted model, so after them it is given another chance.
const LATEST_DAYS: i32 = 14;
/// Days that are looked at in all.
const DAYS: i64 = 60;
const FEWEST_LATEST: u64 = 20;
const FEWEST_BEFORE: u64 = 30;
/// Less is no reason to leave a model.
const SMALLEST_DROP: f64 = 0.1;
/// Standard errors: one chance in 1,000 for the 14 beginnings that are tried together.
const SURE: f64 = 3.8;

/// Outcomes of some time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Period {
    pub outcomes: u64,
    score_sum: f64,
}

impl Period {
    /// Gives the mean score, in [0, 1].
    pub fn mean(self) -> f64 {
        self.score_sum / (self.outcomes as f64).max(1.0)
    }

    fn add(&mut self, day: &DayOfModel) {
        self.outcomes += day.outcomes;
        self.score_sum += day.score_sum;
    }

    /// Gives the mean and its variance, with a success and a failure more.
    fn cautious(self) -> (f64, f64) {
        let outcomes = self.outcomes as f64 + 2.0;
        let mean = (self.score_sum + 1.0) / outcomes;
        (mean, mean * (1.0 - mean) / outcomes)
    }
}

/// A model that got worse.
#[derive(Debug, Clone, PartialEq)]
pub struct Demotion {
    pub reference: ModelRef,
    /// The first day on which it was worse.
    pub since: Date,
    pub latest: Period,
    pub before: Period,
}

impl std::fmt::Display for Demotion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { reference, since, latest, before } = self;
        write!(
            f,
            "{reference} got worse: {:.2} in {} outcomes since {since}, {:.2} in {} before",
            latest.mean(),
            latest.outcomes,
            before.mean(),
            before.outcomes
        )
    }
}

/// Gives the first day that [`demotions`] looks at.
pub fn first_day(today: Date) -> Date {
    today.saturating_sub(Span::new().days(DAYS))
}

/// Finds the models that got worse within the last two weeks, each from the day on from which that is surest.
pub fn demotions(days: &[DayOfModel], today: Date) -> Vec<Demotion> {
    let mut of: BTreeMap<&ModelRef, Vec<&DayOfModel>> = BTreeMap::new();
    let is_sane = |day: &&DayOfModel| day.day >= first_day(today) && day.score_sum.is_finite();
    for day in days.iter().filter(is_sane) {
        of.entry(&day.reference).or_default().push(day);
    }
    of.into_iter().filter_map(|(reference, days)| demotion(reference, &days, today)).collect()
}

fn demotion(reference: &ModelRef, days: &[&DayOfModel], today: Date) -> Option<Demotion> {
    let is_latest = |day: Date| today.since((Unit::Day, day)).is_ok_and(|age| age.get_days() < LATEST_DAYS);
    let mut found: Option<(f64, Demotion)> = None;
    for since in days.iter().map(|day| day.day).filter(|day| is_latest(*day)) {
        let (mut latest, mut before) = (Period::default(), Period::default());
        for day in days {
            if day.day >= since { latest.add(day) } else { before.add(day) }
        }
        if latest.outcomes < FEWEST_LATEST || before.outcomes < FEWEST_BEFORE {
            continue;
        }
        let ((now, now_variance), (then, then_variance)) = (latest.cautious(), before.cautious());
        let errors = (then - now) / (now_variance + then_variance).sqrt();
        let is_surer = found.as_ref().is_none_or(|(surest, _)| errors > *surest);
        if errors >= SURE && before.mean() - latest.mean() >= SMALLEST_DROP && is_surer {
            found = Some((errors, Demotion { reference: reference.clone(), since, latest, before }));
        }
    }
    found.map(|(_, demotion)| demotion)
}

/// Puts models that got worse behind all others, expects no more of them than they did lately, and says so where one of
/// them was the choice.
pub fn demote(decision: &mut Decision, demotions: &[Demotion]) {
    let demoted =
        |reference: &ModelRef| demotions.iter().find(|demotion| reference.is_billed_as(&demotion.reference));
    let chosen = decision.candidates.first().and_then(|first| demoted(&first.card.reference));
    for candidate in &mut decision.candidates {
        if let (Some(demotion), Some(quality)) =
            (demoted(&candidate.card.reference), &mut candidate.expected_quality)
        {
            quality.mean = quality.mean.min(demotion.latest.mean());
            quality.low = quality.low.min(quality.mean);
        }
    }
    decision.candidates.sort_by_key(|candidate| demoted(&candidate.card.reference).is_some());
    let first = decision.candidates.first().map(|first| &first.card.reference);
    if let (Some(demotion), Some(first)) = (chosen, first)
        && demoted(first).is_none()
    {
        decision.reason.push_str(&format!("; {demotion}, so {first} is asked"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::ProviderId;
    use proptest::prelude::{Strategy as _, prop, prop_assert, proptest};

    fn day(model: &str, ago: i64, outcomes: u64, mean: f64) -> DayOfModel {
        let reference = ModelRef { provider: ProviderId::Gemini, model: model.to_owned() };
        let day = today().saturating_sub(Span::new().days(ago));
        DayOfModel { reference, day, outcomes, score_sum: outcomes as f64 * mean }
    }

    fn today() -> Date {
        jiff::civil::date(2026, 11, 25)
    }

    fn check(days: &[DayOfModel], expected: Option<i64>) {
        let found = demotions(days, today());
        let since: Vec<Date> = found.iter().map(|demotion| demotion.since).collect();
        let expected: Vec<Date> =
            expected.map(|ago| today().saturating_sub(Span::new().days(ago))).into_iter().collect();
        assert_eq!(since, expected, "{found:?}");
    }

    #[test]
    fn a_model_that_surely_got_worse_is_found_with_the_day() {
        let before: Vec<DayOfModel> = (5..40).map(|ago| day("a", ago, 10, 0.9)).collect();
        let with = |more: &[DayOfModel]| [before.as_slice(), more].concat();
        check(&before, None);
        check(&with(&[day("a", 0, 25, 0.4)]), Some(0));
        check(&with(&[day("a", 1, 10, 0.4), day("a", 0, 15, 0.4)]), Some(1));
        // As good, too few, a small drop, another model.
        check(&with(&[day("a", 0, 25, 0.85)]), None);
        // With the good ones of five days ago these are enough.
        check(&with(&[day("a", 0, 19, 0.0)]), Some(5));
        check(&[day("a", 20, 99, 0.9), day("a", 0, 19, 0.0)], None);
        check(&with(&[day("a", 0, 4_000, 0.82)]), None);
        check(&with(&[day("b", 0, 25, 0.0)]), None);
        // It was always so, or too little is known of before.
        check(&[day("a", 0, 500, 0.2)], None);
        check(&[day("a", 20, 29, 1.0), day("a", 0, 500, 0.2)], None);
        // Two weeks without an outcome end it; two months ago is no before.
        check(&[day("a", 30, 99, 1.0), day("a", 13, 99, 0.2)], Some(13));
        check(&[day("a", 30, 99, 1.0), day("a", 14, 99, 0.2)], None);
        check(&[day("a", 61, 99, 1.0), day("a", 0, 99, 0.2)], None);
    }

    #[test]
    fn what_did_not_change_is_hardly_ever_called_worse() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut alarms = 0;
        for _ in 0..2_000 {
            let days: Vec<DayOfModel> = (0..60)
                .map(|ago| {
                    let good = (0..12).filter(|_| random.f64() < 0.8).count();
                    DayOfModel { score_sum: good as f64, ..day("a", ago, 12, 1.0) }
                })
                .collect();
            alarms += demotions(&days, today()).len();
        }
        assert!(alarms <= 4, "{alarms} of 2,000 models");
    }

    proptest! {
        #[test]
        fn whatever_the_days_are_it_finds_what_has_enough_outcomes(
            days in prop::collection::vec(
                (0_i64..100, 0_u64..1_000, prop::num::f64::ANY)
                    .prop_map(|(ago, outcomes, mean)| day("a", ago, outcomes, mean)),
                0..30,
            ),
        ) {
            for found in demotions(&days, today()) {
                prop_assert!(found.latest.outcomes >= FEWEST_LATEST && found.before.outcomes >= FEWEST_BEFORE);
            }
        }
    }
}

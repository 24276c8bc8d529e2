//! What this month will have cost at its end, when a cap is reached, and whether a day was out of the ordinary.
//!
//! From daily totals alone, without drawing and without a clock: the same days give the same forecast. Days and
//! months are UTC's. Nothing is said of an account too young for it; an amount is never below what is spent already.
//! Measured on series that were fixed beforehand: `packaging/forecast/README.md`.

mod ahead;
mod past;

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use self::past::{HISTORY_DAYS, Past};
use crate::domain::money::Usd;

/// Complete days without which no month's end is forecast: with three, its interval was too wide.
pub const FEWEST_DAYS: usize = 5;
/// Days after today within which a cap is looked for.
pub const HORIZON_DAYS: u16 = 92;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// What was spent by UTC day, from the first day that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailySpend {
    first: Date,
    days: BTreeMap<Date, Usd>,
}

impl DailySpend {
    /// Takes the first known day and amounts by day, in any order.
    ///
    /// Amounts of one day add up, negative ones count as none; a later day that is not named had no spend. Days before
    /// the first are part of what a month has, not of what the forecast learns from.
    pub fn new(first: Date, days: impl IntoIterator<Item = (Date, Usd)>) -> Self {
        let mut by_day = BTreeMap::new();
        for (day, amount) in days {
            *by_day.entry(day).or_insert(Usd::ZERO) += amount.max(Usd::ZERO);
        }
        Self { first, days: by_day }
    }

    fn on(&self, day: Date) -> Usd {
        self.days.get(&day).copied().unwrap_or_default()
    }

    /// Sums the days from one to another, both included.
    fn between(&self, from: Date, to: Date) -> Usd {
        if from > to { Usd::ZERO } else { self.days.range(from..=to).map(|(_, amount)| *amount).sum() }
    }

    /// Gives the days before `today` that are learned from; `None` where there are none, or none has spend.
    fn past(&self, today: Date) -> Option<Past> {
        let oldest = today.saturating_sub((HISTORY_DAYS as i64).days());
        let days = self.first.max(oldest).series(1.day()).take_while(|day| *day < today);
        Past::new(today, days.take(HISTORY_DAYS).map(|day| self.on(day).dollars()).collect())
    }

    fn knows(&self, days: usize, today: Date) -> bool {
        self.first <= today.saturating_sub((days as i64).days())
    }
}

/// What is to be expected of an account's spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// What this month has so far.
    pub spent: Usd,
    /// What this month will have at its end; absent with fewer than [`FEWEST_DAYS`] or no spend in the last 180.
    pub month_end: Option<Quantiles>,
    /// Present where a cap was asked about and `month_end` is, or the cap is reached.
    pub days_to_cap: Option<DaysToCap>,
    pub anomaly: Option<Anomaly>,
}

/// Amounts below which the month's total stays with a chance of 10, 50 and 90 %; in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantiles {
    pub p10: Usd,
    pub p50: Usd,
    pub p90: Usd,
}

/// Whole days after today (0 is today) by whose end a cap is reached; `None` is not within [`HORIZON_DAYS`].
///
/// Spend goes on across the ends of months here: whoever asks about a month's cap has no use for days after the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaysToCap {
    /// By then the cap is reached with a chance of 10 %.
    pub p10: Option<u16>,
    /// By then it is as likely reached as not.
    pub p50: Option<u16>,
}

/// A day whose spend is beyond what such a day of this account usually has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anomaly {
    /// Today, or yesterday.
    pub day: Date,
    /// Of today: so far.
    pub spent: Usd,
    /// Exceeded by about one day in 200 of an even account.
    pub usual_high: Usd,
}

/// Forecasts from the days up to `now`; later ones are ignored. `left` is what may still be spent until a cap.
pub fn forecast(spend: &DailySpend, now: Timestamp, left: Option<Usd>) -> Forecast {
    let now = now.to_zoned(TimeZone::UTC);
    let today = now.date();
    let passed = now.time().duration_since(jiff::civil::Time::midnight());
    let fraction = (passed.as_secs_f64() / SECONDS_PER_DAY).clamp(0.0, 1.0);
    let spent = spend.between(today.first_of_month(), today);
    let past = spend.past(today);
    let mature = past.as_ref().filter(|_| spend.knows(FEWEST_DAYS, today));
    Forecast {
        spent,
        month_end: mature.map(|past| month_end(past, spent, today, fraction)),
        days_to_cap: left.and_then(|left| days_to_cap(mature, left, fraction)),
        anomaly: past.as_ref().and_then(|past| anomaly(past, today, spend.on(today))).or_else(|| {
            let yesterday = today.saturating_sub(1.day());
            anomaly(&spend.past(yesterday)?, yesterday, spend.on(yesterday))
        }),
    }
}

fn month_end(past: &Past, spent: Usd, today: Date, fraction: f64) -> Quantiles {
    let days = today.days_in_month() - today.day();
    let ahead = past.ahead(days.unsigned_abs().into(), fraction);
    let [p10, p50, p90] = [0.1, 0.5, 0.9].map(|chance| spent + amount(ahead.quantile(chance)));
    Quantiles { p10, p50: p50.max(p10), p90: p90.max(p50).max(p10) }
}

fn days_to_cap(past: Option<&Past>, left: Usd, fraction: f64) -> Option<DaysToCap> {
    if left <= Usd::ZERO {
        return Some(DaysToCap { p10: Some(0), p50: Some(0) });
    }
    let past = past?;
    let likely_by =
        |day: u16, chance: f64| past.ahead(day.into(), fraction).chance_of(left.dollars()) >= chance;
    let first = |chance: f64| {
        let (mut low, mut high) = (0, HORIZON_DAYS);
        if !likely_by(high, chance) {
            return None;
        }
        while low < high {
            let middle = u16::midpoint(low, high);
            if likely_by(middle, chance) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(low)
    };
    let p50 = first(0.5);
    let p10 = first(0.1).into_iter().chain(p50).min();
    Some(DaysToCap { p10, p50 })
}

fn anomaly(past: &Past, day: Date, spent: Usd) -> Option<Anomaly> {
    let usual_high = amount(past.usual_high()?);
    (spent > usual_high).then_some(Anomaly { day, spent, usual_high })
}

/// Brings dollars back to exact money; what is beyond its range is its end.
fn amount(dollars: f64) -> Usd {
    Usd::from_dollars(dollars.max(0.0)).unwrap_or(Usd::from_pico(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn usd(dollars: f64) -> Usd {
        Usd::from_dollars(dollars).expect("an amount")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    /// So many days up to the 14th of June 2026 whose amounts are a function of their number.
    fn days(count: i64, dollars: impl Fn(i64) -> f64) -> DailySpend {
        let first = date(2026, 6, 15).saturating_sub(count.days());
        DailySpend::new(first, (0..count).map(|day| (first.saturating_add(day.days()), usd(dollars(day)))))
    }

    const NOON: &str = "2026-06-15T12:00:00Z";

    #[test]
    fn an_even_account_ends_the_month_where_it_must() {
        let found = forecast(&days(120, |_| 2.0), at(NOON), Some(usd(10.0)));
        assert_eq!(found.spent, usd(28.0));
        let month_end = found.month_end.expect("120 days are enough");
        assert!(month_end.p10 < usd(59.0) && month_end.p90 > usd(59.0), "{month_end:?}");
        assert!(month_end.p90 - month_end.p10 < usd(10.0), "{month_end:?}");
        assert_eq!(found.days_to_cap, Some(DaysToCap { p10: Some(5), p50: Some(5) }));
        assert_eq!(found.anomaly, None);
    }

    #[test]
    fn a_young_account_is_told_nothing() {
        for count in 0..FEWEST_DAYS as i64 {
            let found = forecast(&days(count, |_| 2.0), at(NOON), Some(usd(10.0)));
            assert_eq!((found.month_end, found.days_to_cap, found.anomaly), (None, None, None), "{count}");
        }
        assert!(forecast(&days(FEWEST_DAYS as i64, |_| 2.0), at(NOON), None).month_end.is_some());
    }

    #[test]
    fn a_cap_that_is_reached_is_reached_today_and_a_far_one_is_not_in_sight() {
        let reached = DaysToCap { p10: Some(0), p50: Some(0) };
        assert_eq!(forecast(&days(0, |_| 0.0), at(NOON), Some(Usd::ZERO)).days_to_cap, Some(reached));
        let far = forecast(&days(60, |_| 1.0), at(NOON), Some(usd(1e6))).days_to_cap;
        assert_eq!(far, Some(DaysToCap { p10: None, p50: None }));
    }

    #[test]
    fn a_day_out_of_the_ordinary_is_named_today_and_tomorrow() {
        let noise = |day: i64| 3.0 + (day * 7 % 5) as f64 / 4.0;
        let even = days(90, noise);
        assert_eq!(forecast(&even, at(NOON), None).anomaly, None);
        let mut today = even;
        today.days.insert(date(2026, 6, 15), usd(15.0));
        let found = forecast(&today, at(NOON), None).anomaly.expect("four times as much");
        assert_eq!((found.day, found.spent), (date(2026, 6, 15), usd(15.0)));
        assert!(found.usual_high > usd(4.0) && found.usual_high < usd(8.0), "{found:?}");
        let tomorrow = forecast(&today, at("2026-06-16T00:00:01Z"), None).anomaly;
        assert_eq!(tomorrow.map(|anomaly| anomaly.day), Some(date(2026, 6, 15)));
        assert_eq!(forecast(&today, at("2026-06-17T00:00:01Z"), None).anomaly, None);
    }

    #[test]
    fn later_days_and_negative_amounts_change_nothing() {
        let even = days(60, |day| 1.0 + (day % 3) as f64);
        let mut other = even.clone();
        other.days.insert(date(2026, 6, 16), usd(1e6));
        let days = other.days.into_iter().chain([(date(2026, 6, 1), usd(-5.0))]);
        let other = DailySpend::new(even.first, days);
        assert_eq!(forecast(&other, at(NOON), Some(usd(9.0))), forecast(&even, at(NOON), Some(usd(9.0))));
    }

    #[test]
    fn an_account_that_never_spent_has_no_forecast() {
        let found = forecast(&days(100, |_| 0.0), at(NOON), Some(usd(1.0)));
        assert_eq!((found.spent, found.month_end, found.days_to_cap), (Usd::ZERO, None, None));
    }

    proptest! {
        /// Whatever the days, amounts, first day and time are: nothing panics, and the amounts are in order.
        #[test]
        fn any_input_has_an_orderly_answer(
            first in 0..400_i32,
            amounts in proptest::collection::vec((-10..420_i32, any::<i64>(), 0..63_u32), 0..80),
            now in 0..36_000_000_i64,
            left in any::<i64>(),
        ) {
            let day = |number: i32| date(2025, 1, 1).saturating_add(number.days());
            let amounts = amounts.into_iter().map(|(number, pico, shift)| (day(number), Usd::from_pico(pico >> shift)));
            let spend = DailySpend::new(day(first), amounts);
            let now = Timestamp::from_second(1_735_689_600 + now).expect("a time");
            let found = forecast(&spend, now, Some(Usd::from_pico(left)));
            if let Some(month_end) = found.month_end {
                prop_assert!(found.spent <= month_end.p10 && month_end.p10 <= month_end.p50);
                prop_assert!(month_end.p50 <= month_end.p90);
            }
            if let Some(DaysToCap { p10, p50 }) = found.days_to_cap {
                prop_assert!(p10.unwrap_or(u16::MAX) <= p50.unwrap_or(u16::MAX));
            }
            prop_assert_eq!(forecast(&spend, now, Some(Usd::from_pico(left))), found);
        }
    }

    #[test]
    fn the_ends_of_money_and_of_time_are_no_trouble() {
        let most = || Usd::from_pico(i64::MAX);
        let spend = |first: Date| {
            DailySpend::new(first, (0..40_i64).map(|day| (first.saturating_add(day.days()), most())))
        };
        for (first, now) in [
            (date(2026, 5, 20), at(NOON)),
            (Date::MIN, Timestamp::MIN),
            (Date::MIN, Timestamp::MAX),
            (Date::MAX, Timestamp::MIN),
            (Date::MAX.saturating_sub(30.days()), Timestamp::MAX),
        ] {
            let found = forecast(&spend(first), now, Some(most()));
            assert!(found.month_end.is_none_or(|month_end| month_end.p90 <= most()), "{found:?}");
        }
    }
}

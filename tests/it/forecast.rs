//! The forecast of a month's spend: against its reference in Python, and against accounts that are drawn.

use ai_cost_optimizer::cost::forecast::{DailySpend, DaysToCap, Forecast, forecast};
use ai_cost_optimizer::domain::money::Usd;
use jiff::civil::{Date, date};
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

/// Made by `packaging/forecast/vectors.py`.
const VECTORS: &str = include_str!("../fixtures/forecast/vectors.json");

/// Takes the amounts of days that follow one another.
fn daily(first: Date, amounts: impl IntoIterator<Item = Usd>) -> DailySpend {
    DailySpend::new(first, first.series(1.day()).zip(amounts))
}

#[track_caller]
fn check(account: &str, found: Usd, expected: f64, scale: f64) {
    let error = (found.dollars() - expected).abs();
    assert!(error <= 1e-6 * scale, "{account}: {found}, and the reference says {expected}");
}

#[test]
fn rust_says_what_the_reference_says() {
    let cases: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    assert!(cases.len() > 30);
    for case in &cases {
        let account = case["account"].as_str().unwrap();
        let amounts = case["micro_usd"].as_array().unwrap();
        let amounts = amounts.iter().map(|micro| Usd::from_pico(micro.as_i64().unwrap() * 1_000_000));
        let spend = daily(case["first"].as_str().unwrap().parse().unwrap(), amounts);
        let now: Timestamp = case["now"].as_str().unwrap().parse().unwrap();
        let left = Usd::from_dollars(case["left_usd"].as_f64().unwrap()).unwrap();
        let found = forecast(&spend, now, Some(left));
        let Some(rest) = case["rest_usd"].as_array() else {
            assert_eq!((found.month_end, found.days_to_cap), (None, None), "{account}");
            continue;
        };
        let rest: Vec<f64> = rest.iter().map(|amount| amount.as_f64().unwrap()).collect();
        let month_end = found.month_end.unwrap();
        for (quantile, expected) in [month_end.p10, month_end.p50, month_end.p90].into_iter().zip(&rest) {
            check(account, quantile - found.spent, *expected, expected.max(0.01 * rest[2]));
        }
        let day = |index: usize| case["days_to_cap"][index].as_u64().map(|day| u16::try_from(day).unwrap());
        assert_eq!(found.days_to_cap, Some(DaysToCap { p10: day(0), p50: day(1) }), "{account}");
        let today = now.to_string();
        let anomaly = found.anomaly.filter(|anomaly| today.starts_with(&anomaly.day.to_string()));
        assert_eq!(anomaly.is_some(), case["usual_high_usd"].is_f64(), "{account}");
        if let (Some(anomaly), Some(high)) = (anomaly, case["usual_high_usd"].as_f64()) {
            check(account, anomaly.usual_high, high, high);
        }
    }
}

/// Accounts that are drawn: dollars a day.
#[derive(Debug, Clone, Copy)]
enum Account {
    /// Every day, log-normal with σ 0.25.
    Steady,
    /// Monday to Friday, log-normal with σ 0.4; next to nothing at weekends.
    Office,
    /// One day in four, log-normal with σ 1.
    Intermittent,
    /// A logarithm that is an autoregression of φ = 0.9.
    Autocorrelated,
    /// A level whose logarithm is a random walk of 6 % a day, with noise of 30 %.
    Wandering,
}

const DAYS: usize = 270;

impl Account {
    fn dollars(self, first: Date, draw: &mut fastrand::Rng) -> Vec<f64> {
        let mut level = 0.0;
        let days = first.series(1.day()).take(DAYS);
        let of_day = |day: Date| match self {
            Self::Steady => 4.0 * (0.25 * normal(draw)).exp(),
            Self::Office if day.weekday().to_monday_zero_offset() < 5 => 10.0 * (0.4 * normal(draw)).exp(),
            Self::Office => 0.5 * (0.4 * normal(draw)).exp(),
            Self::Intermittent if draw.f64() < 0.25 => normal(draw).exp(),
            Self::Intermittent => 0.0,
            Self::Autocorrelated => {
                level = 0.9 * level + 0.2 * normal(draw);
                5.0 * f64::exp(level)
            }
            Self::Wandering => {
                level += 0.06 * normal(draw);
                5.0 * f64::exp(level + 0.3 * normal(draw))
            }
        };
        days.map(of_day).collect()
    }
}

fn normal(draw: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - draw.f64()).ln()).sqrt() * (std::f64::consts::TAU * draw.f64()).cos()
}

/// Draws accounts and calls `each` with every third day from the thirtieth, at noon, half of the day's spend made.
fn walk(account: Account, mut each: impl FnMut(&[Usd], usize, Date, &Forecast)) {
    let mut draw = fastrand::Rng::with_seed(7);
    for number in 0..24_i64 {
        let first = date(2026, 1, 1).saturating_add((number * 11).days());
        let dollars = account.dollars(first, &mut draw);
        let amounts: Vec<Usd> = dollars.into_iter().map(|day| Usd::from_dollars(day).unwrap()).collect();
        for today in (30..DAYS).step_by(3) {
            let so_far = Usd::from_pico(amounts[today].pico() / 2);
            let known = amounts[..today].iter().copied().chain([so_far]);
            let day = first.saturating_add((today as i64).days());
            let now: Timestamp = format!("{day}T12:00:00Z").parse().unwrap();
            each(&amounts, today, day, &forecast(&daily(first, known), now, None));
        }
    }
}

#[test]
fn eight_in_ten_months_end_between_p10_and_p90() {
    let (mut all_inside, mut all) = (0, 0);
    for account in
        [Account::Steady, Account::Office, Account::Intermittent, Account::Autocorrelated, Account::Wandering]
    {
        let (mut inside, mut months, mut above) = (0, 0, 0);
        walk(account, |amounts, today, day, found| {
            let first_of_month = (today + 1).saturating_sub(day.day().unsigned_abs().into());
            let last = today + usize::from((day.days_in_month() - day.day()).unsigned_abs());
            if last < DAYS {
                let actual: Usd = amounts[first_of_month..=last].iter().copied().sum();
                let said = found.month_end.unwrap();
                months += 1;
                inside += i32::from(said.p10 <= actual && actual <= said.p90);
                above += i32::from(actual > said.p50);
            }
        });
        let coverage = f64::from(inside) / f64::from(months);
        assert!((0.72..0.90).contains(&coverage), "{account:?}: {coverage}");
        let above = f64::from(above) / f64::from(months);
        assert!((0.35..0.65).contains(&above), "{account:?}: {above} end above the median");
        all_inside += inside;
        all += months;
    }
    let coverage = f64::from(all_inside) / f64::from(all);
    assert!((0.75..0.85).contains(&coverage), "{coverage}");
}

#[test]
fn even_accounts_raise_few_alarms_and_a_tenfold_day_raises_one() {
    for account in [Account::Steady, Account::Office] {
        let (mut alarms, mut days) = (0, 0);
        walk(account, |_, _, day, found| {
            days += 1;
            alarms += i32::from(found.anomaly.is_some());
            assert!(found.anomaly.is_none_or(|anomaly| anomaly.day <= day));
        });
        let rate = f64::from(alarms) / f64::from(days);
        assert!(rate <= 0.01, "{account:?}: {rate} a day");
    }
    let mut draw = fastrand::Rng::with_seed(7);
    let first = date(2026, 1, 1);
    let mut amounts = Account::Steady.dollars(first, &mut draw);
    amounts.truncate(100);
    amounts.push(40.0);
    let spend = daily(first, amounts.into_iter().map(|day| Usd::from_dollars(day).unwrap()));
    let found = forecast(&spend, "2026-04-11T10:00:00Z".parse().unwrap(), None);
    assert_eq!(found.anomaly.map(|anomaly| anomaly.day), Some(date(2026, 4, 11)));
}

//! What an account's complete days say about the days ahead.
//!
//! A level (an exponentially weighted mean, of three memories) times a pattern (weekday and, where it pays, day of the
//! month). How far such a forecast goes astray is measured on the account's own past, over spans as long as the one
//! ahead, and blended with what is assumed before there is a past. `packaging/forecast/forecast.py` is the same in
//! Python, with what was measured; `tests/it/forecast.rs` holds the two together.

use jiff::civil::Date;
use jiff::{Span, ToSpan as _};

use super::ahead::{Ahead, scaled_quantile};

/// Complete days that are looked at.
pub(super) const HISTORY_DAYS: usize = 180;
/// Days, of the three levels; the first is believed until the past says which was best.
const HALF_LIVES: [f64; 3] = [14.0, 5.0, 40.0];
const PATTERN_HALF_LIFE: f64 = 90.0;
/// Days of a weekday that count as much as its having no pattern.
const WEEKDAY_PRIOR: f64 = 3.0;
/// Complete days from which the days of the month may have a pattern.
const MONTHLY_FROM: usize = 59;
/// Usual days that count as much as a day of the month's having no pattern.
const MONTHLY_PRIOR: f64 = 0.2;
/// The days of the month have a pattern where it leaves less than this of the squared error, each day left out in turn.
const MONTHLY_GAIN: f64 = 0.7;
/// Days of history before the first forecast that is checked.
const WARM_UP: usize = 7;
/// What windows that overlap are worth, for each that does not.
const WINDOWS_PER_SPAN: f64 = 2.0;
const PRIOR_WINDOWS: f64 = 1.5;
const PRIOR_FREEDOM: f64 = 3.0;
/// How far the level goes astray, relative, before there is a past.
const LEVEL_ERROR: f64 = 0.2;
/// Variance ÷ mean² of a day before there is a past, and the days that count as much.
const DAY_DISPERSION: f64 = 1.0;
const DAY_DISPERSION_DAYS: f64 = 2.0;
/// Least and greatest variance ÷ mean² of what is ahead.
pub(super) const LEAST_VARIANCE: f64 = 1e-4;
const GREATEST_VARIANCE: f64 = 9.0;
/// The normal distribution's 90 % quantile.
const Z90: f64 = 1.281_551_565_544_600_4;
/// Days with spend that must be known before one is called unusual.
const ANOMALY_FEWEST: usize = 14;
const ANOMALY_QUANTILE: f64 = 0.999;
/// The part of the days, the largest, that do not count as usual.
const ANOMALY_TRIM: f64 = 0.03;

/// Complete days, the last one the day before `today`, at least one of them with spend.
#[derive(Debug)]
pub(super) struct Past {
    today: Date,
    /// Dollars.
    spent: Vec<f64>,
    /// Of each day, relative to a usual one.
    pattern: Vec<f64>,
    weekday: [f64; 7],
    /// Chance of any spend by weekday, in (0, 1).
    active: [f64; 7],
    /// By day of the month; 0 is unused.
    monthly: [f64; 32],
    /// Variance ÷ mean² of a day.
    dispersion: f64,
    /// After each day, by half-life: dollars of a usual day.
    levels: [Vec<f64>; 3],
}

/// A stretch of past days as long as the one ahead.
struct Window {
    weight: f64,
    /// Dollars.
    actual: f64,
    /// Sum of the pattern.
    shape: f64,
}

impl Past {
    /// Takes the dollars of each day up to yesterday, oldest first; `None` where none has any.
    pub(super) fn new(today: Date, spent: Vec<f64>) -> Option<Self> {
        let count = spent.len();
        let dates: Vec<Date> = (0..count).map(|index| later(today, index as i32 - count as i32)).collect();
        let weights: Vec<f64> =
            (0..count).map(|index| decayed((count - 1 - index) as f64, PATTERN_HALF_LIFE)).collect();
        let total: f64 = weights.iter().sum();
        let mean = weights.iter().zip(&spent).map(|(weight, day)| weight * day).sum::<f64>() / total;
        if mean.is_nan() || mean <= 0.0 {
            return None;
        }
        let (weekday, active) = by_weekday(&dates, &weights, &spent, mean);
        let mut past = Self {
            today,
            spent,
            pattern: Vec::new(),
            weekday,
            active,
            monthly: [1.0; 32],
            dispersion: 0.0,
            levels: Default::default(),
        };
        let usual: Vec<f64> = dates.iter().map(|date| mean * past.factor(*date)).collect();
        past.monthly = by_day_of_month(&dates, &past.spent, &usual, mean);
        past.pattern = dates.iter().map(|date| past.factor(*date)).collect();
        let (mut error, mut square) = (0.0, 0.0);
        for ((weight, day), factor) in weights.iter().zip(&past.spent).zip(&past.pattern) {
            let usual = mean * factor;
            error += weight * (day - usual).powi(2);
            square += weight * usual * usual;
        }
        past.dispersion = (error / square * count as f64 + DAY_DISPERSION * DAY_DISPERSION_DAYS)
            / (count as f64 + DAY_DISPERSION_DAYS);
        past.levels = HALF_LIVES.map(|half_life| past.level(half_life));
        Some(past)
    }

    /// Says what is spent in the rest of today, of which this fraction has passed, and in so many days after it.
    pub(super) fn ahead(&self, days: usize, fraction: f64) -> Ahead {
        let (mut total, mut squares, mut none) = (0.0, 0.0, 1.0);
        for day in 0..=days {
            let date = later(self.today, day as i32);
            let part = if day == 0 { 1.0 - fraction } else { 1.0 };
            let factor = self.factor(date) * part;
            total += factor;
            squares += factor * factor;
            none *= 1.0 - self.active_on(date) * part;
        }
        let decay = decayed(1.0, HALF_LIVES[0]);
        let forgotten = decay.powf(self.spent.len() as f64);
        let known = (1.0 + decay) / (1.0 - decay) * (1.0 - forgotten) / (1.0 + forgotten);
        let evenness = if total > 0.0 { squares / (total * total) } else { 0.0 };
        let assumed = self.dispersion * (evenness + 1.0 / known) + LEVEL_ERROR * LEVEL_ERROR;
        let span = days.max(1);
        let begin = WARM_UP.min(self.spent.len()).saturating_sub(1);
        let windows = self.windows(begin, span);
        let worth = WINDOWS_PER_SPAN * windows.len() as f64 / span as f64;
        let (trust, variance) = if windows.is_empty() {
            ([1.0, 0.0, 0.0], assumed)
        } else {
            let trust = self.trust(&windows, begin, worth);
            let measured = self.measured(&windows, begin, trust).ln();
            (trust, ((worth * measured + PRIOR_WINDOWS * assumed.ln()) / (worth + PRIOR_WINDOWS)).exp())
        };
        let variance = variance * (student_90(worth + PRIOR_FREEDOM) / Z90).powi(2);
        let last = self.levels.iter().map(|levels| levels.last().copied().unwrap_or_default());
        let mean = total * trust.iter().zip(last).map(|(part, level)| part * level).sum::<f64>();
        Ahead { mean, variance: variance.clamp(LEAST_VARIANCE, GREATEST_VARIANCE) * mean * mean, none }
    }

    /// Says how many dollars a day like today hardly ever exceeds; `None` where too few days are known.
    pub(super) fn usual_high(&self) -> Option<f64> {
        let levels = &self.levels[0];
        let days = self.spent.iter().zip(&self.pattern).skip(WARM_UP);
        let mut ratios: Vec<f64> = levels
            .iter()
            .skip(WARM_UP - 1)
            .zip(days)
            .filter(|(level, (spent, _))| **level > 0.0 && **spent > 0.0)
            .map(|(level, (spent, factor))| spent / (level * factor))
            .collect();
        if ratios.len() < ANOMALY_FEWEST {
            return None;
        }
        ratios.sort_by(f64::total_cmp);
        ratios.truncate(ratios.len() - (ratios.len() as f64 * ANOMALY_TRIM) as usize);
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let squares: f64 = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum();
        let variance = (squares / (ratios.len() - 1) as f64).max(0.01 * mean * mean);
        let high = scaled_quantile(mean * mean / variance, variance / mean, ANOMALY_QUANTILE);
        Some(levels.last()? * self.factor(self.today) * high)
    }

    fn factor(&self, date: Date) -> f64 {
        let monthly = self.monthly.get(date.day().unsigned_abs() as usize).copied().unwrap_or(1.0);
        at(&self.weekday, date) * monthly
    }

    fn active_on(&self, date: Date) -> f64 {
        at(&self.active, date)
    }

    /// Follows the dollars of a usual day.
    fn level(&self, half_life: f64) -> Vec<f64> {
        let decay = decayed(1.0, half_life);
        let (mut spent, mut pattern) = (0.0, 0.0);
        let days = self.spent.iter().zip(&self.pattern);
        days.map(|(day, factor)| {
            spent = spent * decay + day;
            pattern = pattern * decay + factor;
            spent / pattern
        })
        .collect()
    }

    /// Gives the stretches of `span` days that began after the day `begin` and later.
    fn windows(&self, begin: usize, span: usize) -> Vec<Window> {
        let count = self.spent.len();
        let (sums, shapes) = (running(&self.spent), running(&self.pattern));
        let over = |sums: &[f64]| -> Vec<f64> {
            sums.iter()
                .skip(begin + 1)
                .zip(sums.iter().skip(begin + 1 + span))
                .map(|(from, to)| to - from)
                .collect()
        };
        over(&sums)
            .into_iter()
            .zip(over(&shapes))
            .enumerate()
            .map(|(index, (actual, shape))| {
                let age = (count - 1 - begin - index - span) as f64;
                Window { weight: decayed(age, PATTERN_HALF_LIFE), actual, shape }
            })
            .collect()
    }

    /// Says how much each level is believed, 1 in all: by the cube of how well it forecast the windows.
    fn trust(&self, windows: &[Window], begin: usize, worth: f64) -> [f64; 3] {
        let errors = self.levels.each_ref().map(|levels| {
            let wrong = levels.iter().skip(begin).zip(windows);
            let error: f64 = wrong
                .map(|(level, window)| window.weight * (window.actual - level * window.shape).powi(2))
                .sum();
            error.max(1e-30)
        });
        let best = errors.iter().copied().fold(f64::INFINITY, f64::min);
        let shares = errors.map(|error| (best / error).powi(3));
        let all: f64 = shares.iter().sum();
        let [first, second, third] = shares.map(|share| worth * share / all);
        [first + 1.0, second, third].map(|part| part / (worth + 1.0))
    }

    /// Measures the variance ÷ mean² of what the windows had around what would have been said.
    fn measured(&self, windows: &[Window], begin: usize, trust: [f64; 3]) -> f64 {
        let [first, second, third] = &self.levels;
        let levels = first.iter().zip(second).zip(third).skip(begin);
        let (mut error, mut square) = (0.0, 0.0);
        for (((first, second), third), window) in levels.zip(windows) {
            let said = window.shape * (trust[0] * first + trust[1] * second + trust[2] * third);
            error += window.weight * (window.actual - said).powi(2);
            square += window.weight * said * said;
        }
        if square > 0.0 { (error / square).max(1e-9) } else { GREATEST_VARIANCE }
    }
}

/// Gives what each weekday has relative to the mean, and the chance that it has any.
fn by_weekday(dates: &[Date], weights: &[f64], spent: &[f64], mean: f64) -> ([f64; 7], [f64; 7]) {
    let (mut known, mut sums, mut actives) = ([0.0; 7], [0.0; 7], [0.0; 7]);
    for ((date, weight), day) in dates.iter().zip(weights).zip(spent) {
        let is_active = if *day > 0.0 { *weight } else { 0.0 };
        for (table, value) in [(&mut known, *weight), (&mut sums, weight * day), (&mut actives, is_active)] {
            if let Some(sum) = table.get_mut(weekday(*date)) {
                *sum += value;
            }
        }
    }
    let active = (actives.iter().sum::<f64>() + 0.5) / (known.iter().sum::<f64>() + 0.5);
    let shrunk = |sums: [f64; 7], prior: f64| {
        let mut shrunk = [0.0; 7];
        for ((shrunk, sum), known) in shrunk.iter_mut().zip(sums).zip(known) {
            *shrunk = (sum + WEEKDAY_PRIOR * prior) / (known + WEEKDAY_PRIOR);
        }
        shrunk
    };
    (shrunk(sums.map(|sum| sum / mean), 1.0), shrunk(actives, active))
}

/// Gives what each day of the month has relative to what its weekdays usually have; 1 where that is no use.
fn by_day_of_month(dates: &[Date], spent: &[f64], usual: &[f64], mean: f64) -> [f64; 32] {
    let mut factors = [1.0; 32];
    if dates.len() < MONTHLY_FROM {
        return factors;
    }
    let prior = MONTHLY_PRIOR * mean;
    let (mut with_pattern, mut without) = (0.0, 0.0);
    for (day, factor) in factors.iter_mut().enumerate().skip(1) {
        let is_day = |date: &Date| usize::from(date.day().unsigned_abs()) == day;
        let days = dates.iter().zip(spent).zip(usual).filter(|((date, _), _)| is_day(date));
        let days: Vec<_> = days.map(|((_, spent), usual)| (*spent, *usual)).collect();
        if days.len() < 2 {
            continue;
        }
        let all_spent = days.iter().map(|(spent, _)| spent).sum::<f64>() + prior;
        let all_usual = days.iter().map(|(_, usual)| usual).sum::<f64>() + prior;
        *factor = all_spent / all_usual;
        for (spent, usual) in days {
            with_pattern += (spent - (all_spent - spent) / (all_usual - usual) * usual).powi(2);
            without += (spent - usual).powi(2);
        }
    }
    if with_pattern < MONTHLY_GAIN * without { factors } else { [1.0; 32] }
}

/// Gives the 90 % quantile of Student's t. Abramowitz and Stegun (1964), 26.7.5.
fn student_90(freedom: f64) -> f64 {
    let z = Z90;
    z + (z.powi(3) + z) / (4.0 * freedom)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom.powi(2))
        + (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * freedom.powi(3))
}

fn decayed(age: f64, half_life: f64) -> f64 {
    0.5_f64.powf(age / half_life)
}

/// Gives the sums of the first 0, 1, 2, … values.
fn running(values: &[f64]) -> Vec<f64> {
    let later = values.iter().scan(0.0, |sum, value| {
        *sum += value;
        Some(*sum)
    });
    std::iter::once(0.0).chain(later).collect()
}

fn later(date: Date, days: i32) -> Date {
    let days: Span = days.days();
    date.saturating_add(days)
}

fn weekday(date: Date) -> usize {
    date.weekday().to_monday_zero_offset().unsigned_abs().into()
}

fn at(table: &[f64; 7], date: Date) -> f64 {
    table.get(weekday(date)).copied().unwrap_or(1.0)
}

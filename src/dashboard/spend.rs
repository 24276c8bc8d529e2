//! What was spent since a day, beside what the baseline would have cost, and what the month is expected to cost.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::chart::{Band, Chart};
use crate::cost::forecast::Forecast;
use crate::domain::money::Usd;
use crate::domain::report::Group;

/// Makes the picture from sums by day; `None` where no day has any.
pub fn spend_over_time(
    days: &[Group],
    forecast: &Forecast,
    now: Timestamp,
    simulated: bool,
) -> Option<Chart> {
    let days: Vec<(Date, &Group)> =
        days.iter().filter_map(|group| Some((group.key.parse().ok()?, group))).collect();
    let (first, _) = days.first()?;
    let sums = |name: &str, amount: fn(&Group) -> Usd| {
        let mut total = Usd::ZERO;
        // From nothing, at the beginning of the first day.
        let begin = std::iter::once((midnight(*first), 0.0, (0.0, 0.0)));
        let ends = days.iter().map(|(day, group)| {
            total += amount(group);
            let at = midnight(day.saturating_add(1.day())).min(now);
            (at, total.dollars(), (total.dollars(), total.dollars()))
        });
        Band { name: name.to_owned(), points: begin.chain(ends).collect() }
    };
    let mut bands = vec![
        sums("spent", |group| group.totals.cost),
        sums("the baseline would have cost", |group| group.totals.baseline_cost),
    ];
    bands.extend(to_months_end(&days, forecast, now));
    let mark = if simulated { "SIMULATED · " } else { "" };
    Some(Chart { title: format!("{mark}spend since {first}"), unit: "US$", bands })
}

/// Draws on from what is spent, by what the month is expected to add to what it has.
fn to_months_end(days: &[(Date, &Group)], forecast: &Forecast, now: Timestamp) -> Option<Band> {
    let quantiles = forecast.month_end?;
    let so_far: Usd = days.iter().map(|(_, group)| group.totals.cost).sum();
    let month = now.to_zoned(TimeZone::UTC).date();
    let end = midnight(month.last_of_month().saturating_add(1.day()));
    let [low, middle, high] = [quantiles.p10, quantiles.p50, quantiles.p90]
        .map(|amount| (so_far + amount - forecast.spent).dollars());
    let here = (now, so_far.dollars(), (so_far.dollars(), so_far.dollars()));
    Some(Band { name: "expected, 80 %".to_owned(), points: vec![here, (end, middle, (low, high))] })
}

fn midnight(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

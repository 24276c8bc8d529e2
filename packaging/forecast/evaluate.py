#!/usr/bin/env python3
"""Measures forecast.py on the series of series.py; prints the tables of README.md.

    python evaluate.py development
    python evaluate.py final
    python evaluate.py fresh
"""

import calendar
import sys
from datetime import timedelta
from multiprocessing import Pool

import numpy as np
import pandas as pd

import forecast
from series import all_series, fresh

DAYS_OF_MONTH = (3, 7, 14, 21, 27)
YOUNG = (0, 1, 2, 3, 5, 7, 10, 14, 21)
"""Days of history that are left, in a second run through the same days, as if the account were new."""
QUIET = ("steady", "office", "part_time", "growth", "births", "traffic", "expedia-searches", "bike-sharing-registered")
PROBABILITIES = (0.1, 0.5, 0.9)


def origins(series, is_young):
    """Every day of DAYS_OF_MONTH in whole months."""
    draw = np.random.default_rng([sum(series.name.encode()), is_young])
    for index in range(len(series.values)):
        today = series.start + timedelta(index)
        if today.day not in DAYS_OF_MONTH:
            continue
        left = calendar.monthrange(today.year, today.month)[1] - today.day
        fraction = float(draw.choice([0.1, 0.35, 0.6, 0.85]))
        known = int(draw.choice(YOUNG)) if is_young else forecast.HISTORY
        if index + left >= len(series.values) or (is_young and index < known):
            continue
        first = max(0, index - known)
        month = max(0, index - today.day + 1, first if is_young else 0)
        yield index, today, left, fraction, first, month


def naive(history, left, fraction):
    """Mean and standard deviation of the last 28 days, normal."""
    recent = np.array(history[-28:])
    days = left + 1 - fraction
    return [recent.mean() * days + z * recent.std(ddof=1) * days**0.5 for z in (-1.2816, 0, 1.2816)]


def pinball(actual, quantiles):
    return sum(max(p * (actual - q), (p - 1) * (actual - q)) for p, q in zip(PROBABILITIES, quantiles))


def month_ends(series):
    rows = []
    month_usual = float(series.values.mean()) * 30
    for is_young in (False, True):
        for index, today, left, fraction, first, month in origins(series, is_young):
            history = [float(value) for value in series.values[first:index]]
            row = {"kind": series.kind, "public": series.kind == series.name, "young": is_young, "day": today.day, "fraction": fraction, "known": len(history)}
            said = forecast.month_end(today, history, fraction, left)
            rows.append(row)
            row["said"] = said is not None
            if said is None:
                continue
            spent = float(series.values[month:index].sum()) + series.so_far(index, fraction)
            actual = float(series.values[month : index + left + 1].sum())
            said = [spent + value for value in said]
            baseline = [spent + max(value, 0) for value in naive(history, left, fraction)]
            slack = 1e-9 * max(actual, 1)
            row |= {
                "below": actual < said[0] - slack, "above": actual > said[2] + slack, "over_p50": actual > said[1] + slack,
                "actual": actual, "pinball": pinball(actual, said) / month_usual, "naive": pinball(actual, baseline) / month_usual,
                "naive_covers": baseline[0] - slack <= actual <= baseline[2] + slack,
                "bias": said[1] - actual, "width": (said[2] - said[0]) / actual if actual else np.nan,
            }
    return rows


def caps(series):
    """When so many usual days' spend is used up: is it by the day that was said?"""
    rows = []
    for index, today, _, fraction, first, _ in origins(series, False):
        if index + forecast.HORIZON >= len(series.values) or index - first < 14 or today.day not in (3, 14, 27):
            continue
        history = [float(value) for value in series.values[first:index]]
        if not any(history):
            continue
        past = forecast.Past(today, history)
        ahead = np.cumsum(series.values[index : index + forecast.HORIZON + 1]) - series.so_far(index, fraction)
        for days in (3, 10, 30):
            left = past.mean * days
            truth = int(np.searchsorted(ahead, left)) if ahead[-1] >= left else 10**6
            row = {"kind": series.kind, "days": days}
            for name, chance in (("earliest", 0.1), ("p50", 0.5)):
                day = forecast.days_to(past, fraction, left, chance)
                row[name] = truth < (10**5 if day is None else day)
            rows.append(row)
    return rows


def alarms(series):
    """Whole days that are called unusual, as they were and three and five times as large; every third day is looked at."""
    rows = []
    for index in range(1, len(series.values), 3):
        today = series.start + timedelta(index)
        history = [float(value) for value in series.values[max(0, index - forecast.HISTORY) : index]]
        if not any(history):
            continue
        high = forecast.usual_high(forecast.Past(today, history))
        value = float(series.values[index])
        row = {"kind": series.kind, "known": high is not None, "some": value > 0}
        if high is not None:
            row |= {"alarm": value > high, "three": 3 * value > high, "five": 5 * value > high}
        rows.append(row)
    return rows


def measure(series):
    return month_ends(series), caps(series), alarms(series)


def table(frame, by):
    """Percent, but for n; pinball losses of the three quantiles together, of a usual month."""
    frame = frame.astype({name: float for name in ("below", "above", "over_p50", "naive_covers")})
    groups = frame.groupby(by, sort=False)
    relative = (frame["bias"] / frame.actual.where(frame.actual > 0)).groupby([frame[b] for b in by]).median()
    result = pd.DataFrame({
        "n": groups.size(),
        "in P10-P90": 100 - 100 * groups.below.mean() - 100 * groups.above.mean(),
        "below P10": 100 * groups.below.mean(),
        "above P90": 100 * groups.above.mean(),
        "above P50": 100 * groups.over_p50.mean(),
        "P50 off, median": 100 * relative,
        "pinball": 100 * groups.pinball.mean(),
        "naive's": 100 * groups.naive.mean(),
        "naive in": 100 * groups.naive_covers.mean(),
        "width, median": 100 * groups.width.median(),
    })
    return result.round(1)


def show(title, frame):
    print(f"\n### {title}\n")
    frame = frame.reset_index()
    print("| " + " | ".join(map(str, frame.columns)) + " |\n|" + "---|" * len(frame.columns))
    for row in frame.itertuples(index=False):
        print("| " + " | ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in row) + " |")


def main(split):
    chosen = fresh() if split == "fresh" else [series for series in all_series() if series.split == split]
    with Pool() as pool:
        measured = pool.map(measure, chosen, chunksize=1)
    every = pd.DataFrame([row for part in measured for row in part[0]])
    said = every[every.said]
    old, young = said[~said.young], said[said.young]
    show("All", table(said, ["young"]))
    show("By day of the month", table(old, ["day"]))
    show("By fraction of the day that has passed", table(old, ["fraction"]))
    show("Public and generated", table(old, ["public"]))
    show("By kind", table(old, ["kind"]))
    show("By complete days known, new accounts", table(young, ["known"]))
    hits = pd.DataFrame([row for part in measured for row in part[1]])
    groups = hits.groupby("days")
    show("Caps: used up before the earliest day (10 % meant), before P50's day (50 %)", pd.DataFrame({
        "n": groups.size(), "before the earliest": 100 * groups.earliest.mean(), "before P50's": 100 * groups.p50.mean(),
    }).round(1))
    days = pd.DataFrame([row for part in measured for row in part[2]])
    days = days[days.known].astype({"alarm": float, "three": float, "five": float})
    days["quiet"] = days.kind.isin(QUIET)
    for by in ("quiet", "kind"):
        some = days[days.some].groupby(by, sort=False)
        show(f"Anomalies by {by}", pd.DataFrame({
            "days": days.groupby(by, sort=False).size(), "called unusual": 100 * days.groupby(by, sort=False).alarm.mean(),
            "3 times found": 100 * some.three.mean(), "5 times found": 100 * some.five.mean(),
        }).round(2))


if __name__ == "__main__":
    main(sys.argv[1])

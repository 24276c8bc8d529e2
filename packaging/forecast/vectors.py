#!/usr/bin/env python3
"""Makes tests/fixtures/forecast/vectors.json: what forecast.py says of generated accounts, to the micro-dollar.

    python vectors.py > ../../tests/fixtures/forecast/vectors.json
"""

import calendar
import json
from datetime import timedelta

import forecast
from series import generated

KNOWN = (4, 5, 12, 45, 58, 90, 180, 300)
"""Days before today, of the one account of each kind and the next."""


def case(series, number, times=1):
    index = min(KNOWN[number % len(KNOWN)], len(series.values) - 1)
    today = series.start + timedelta(index)
    seconds = (number * 7919) % 86_400
    micro = [round(value * 1e6) for value in series.values[: index + 1]]
    micro[index] *= times
    dollars = [value / 1e6 for value in micro]
    fraction, left = seconds / 86_400, calendar.monthrange(today.year, today.month)[1] - today.day
    history = dollars[:index][-forecast.HISTORY :]
    rest = forecast.month_end(today, history, fraction, left)
    cap = round(10 * sum(dollars[:index]) / index, 6)
    case = {
        "account": series.name, "times": times, "first": str(series.start), "now": f"{today}T{timedelta(seconds=seconds)!s:0>8}Z",
        "micro_usd": micro, "left_usd": cap, "rest_usd": None, "days_to_cap": None, "usual_high_usd": None,
    }
    if rest:
        past = forecast.Past(today, history)
        case["rest_usd"] = [float(value) for value in rest]
        case["days_to_cap"] = [forecast.days_to(past, fraction, cap, chance) for chance in (0.1, 0.5)]
        high = forecast.usual_high(past)
        if high is not None and dollars[index] > high:
            case["usual_high_usd"] = float(high)
    return case


if __name__ == "__main__":
    accounts = [series for series in generated() if series.name.endswith(("-0", "-6"))]
    cases = [case(series, number) for number, series in enumerate(accounts)]
    cases += [case(series, 6, 8) for series in accounts if series.name in ("steady-0", "growth-0", "part_time-0")]
    print("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in cases) + "\n]")

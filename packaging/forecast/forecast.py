"""The reference of src/cost/forecast.rs, chosen on the development series of series.py; arithmetic in the same order.

What is still to be spent is zero with a chance, and otherwise gamma-distributed. Its mean is a level times the pattern of
the days ahead; its variance is what the same forecast was wrong by in the account's own past, as far as there is one.
"""

from datetime import timedelta
from math import exp, log, prod, sqrt

from scipy import stats

HISTORY = 180
"""Complete days that are looked at."""
FEWEST = 5
"""Complete days without which nothing is said: with three, 88 % of the development months were inside."""
HALF_LIVES = (14.0, 5.0, 40.0)
"""Days, of the three levels; the first is believed until the past says which was best."""
PATTERN_HALF_LIFE = 90.0
WEEKDAY_PRIOR = 3.0
"""Days of a weekday that count as much as its having no pattern."""
MONTHLY_FROM = 59
"""Complete days from which the days of the month may have a pattern."""
MONTHLY_PRIOR = 0.2
MONTHLY_GAIN = 0.7
"""The pattern by day of the month is used where it leaves less than this of the squared error, each day left out in turn."""
WARM_UP = 7
"""Days of history before the first forecast that is checked."""
WINDOWS_PER_SPAN = 2.0
"""What windows that overlap are worth, for each that does not."""
PRIOR_WINDOWS = 1.5
PRIOR_FREEDOM = 3.0
LEVEL_ERROR = 0.2
"""Before there is a past: how far the level goes astray, relative."""
DAY_DISPERSION, DAY_DISPERSION_DAYS = 1.0, 2.0
"""Before there is a past: variance ÷ mean² of a day, and the days that count as much."""
VARIANCES = (1e-4, 9.0)
"""Relative, least and greatest."""
Z90 = 1.2815515655446004
HORIZON = 92
"""Days ahead that a cap is looked for in."""


def student_90(freedom):
    """The 90 % quantile of Student's t. Abramowitz and Stegun (1964), 26.7.5."""
    z = Z90
    return (
        z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


class Past:
    """Complete days, the last one yesterday, at least one with any spend."""

    def __init__(self, today, spent):
        spent = list(spent)[-HISTORY:]
        self.spent, self.today, count = spent, today, len(spent)
        self.dates = [today - timedelta(count - index) for index in range(count)]
        self.weights = [0.5 ** ((count - 1 - index) / PATTERN_HALF_LIFE) for index in range(count)]
        total = sum(self.weights)
        self.mean = sum(w * y for w, y in zip(self.weights, spent)) / total
        active = (sum(w for w, y in zip(self.weights, spent) if y > 0) + 0.5) / (total + 0.5)
        self.weekday, self.active = [0.0] * 7, [0.0] * 7
        for day in range(7):
            rows = [(w, y) for w, y, d in zip(self.weights, spent, self.dates) if d.weekday() == day]
            known = sum(w for w, _ in rows) + WEEKDAY_PRIOR
            self.weekday[day] = (sum(w * y for w, y in rows) / self.mean + WEEKDAY_PRIOR) / known
            self.active[day] = (sum(w for w, y in rows if y > 0) + WEEKDAY_PRIOR * active) / known
        usual = [self.mean * self.weekday[d.weekday()] for d in self.dates]
        self.monthly = self.by_day_of_month(usual)
        self.pattern = [self.factor(d) for d in self.dates]
        usual = [self.mean * factor for factor in self.pattern]
        error = sum(w * (y - u) ** 2 for w, y, u in zip(self.weights, spent, usual))
        dispersion = error / sum(w * u * u for w, u in zip(self.weights, usual))
        self.dispersion = (dispersion * count + DAY_DISPERSION * DAY_DISPERSION_DAYS) / (count + DAY_DISPERSION_DAYS)
        self.sums, self.patterns = [0.0], [0.0]
        for y, f in zip(spent, self.pattern):
            self.sums.append(self.sums[-1] + y)
            self.patterns.append(self.patterns[-1] + f)
        self.levels = [self.level(half_life) for half_life in HALF_LIVES]

    def by_day_of_month(self, usual):
        factors = [1.0] * 32
        if len(self.spent) < MONTHLY_FROM:
            return factors
        prior, with_pattern, without = MONTHLY_PRIOR * self.mean, 0.0, 0.0
        for day in range(1, 32):
            rows = [(y, u) for y, u, d in zip(self.spent, usual, self.dates) if d.day == day]
            if len(rows) < 2:
                continue
            spent, expected = sum(y for y, _ in rows) + prior, sum(u for _, u in rows) + prior
            factors[day] = spent / expected
            for y, u in rows:
                with_pattern += (y - (spent - y) / (expected - u) * u) ** 2
                without += (y - u) ** 2
        return factors if with_pattern < MONTHLY_GAIN * without else [1.0] * 32

    def factor(self, date):
        return self.weekday[date.weekday()] * self.monthly[date.day]

    def level(self, half_life):
        """After each day: what a day of no pattern has."""
        decay, spent, pattern, levels = 0.5 ** (1 / half_life), 0.0, 0.0, []
        for y, f in zip(self.spent, self.pattern):
            spent, pattern = spent * decay + y, pattern * decay + f
            levels.append(spent / pattern)
        return levels

    def ahead(self, days, fraction):
        """(mean, variance, chance of none) of the rest of today and so many days after it."""
        count = len(self.spent)
        dates = [self.today + timedelta(day) for day in range(days + 1)]
        factors = [self.factor(d) for d in dates]
        actives = [self.active[d.weekday()] for d in dates]
        factors[0] *= 1 - fraction
        actives[0] *= 1 - fraction
        none = prod(1 - active for active in actives)
        total = sum(factors)
        decay = 0.5 ** (1 / HALF_LIVES[0])
        known = (1 + decay) / (1 - decay) * (1 - decay**count) / (1 + decay**count)
        squares = sum(factor * factor for factor in factors)
        variance = self.dispersion * (squares / total**2 + 1 / known) + LEVEL_ERROR**2
        span = max(days, 1)
        checked = range(min(WARM_UP, count) - 1, count - span)
        windows = WINDOWS_PER_SPAN * max(len(checked), 0) / span
        trust = [1.0, 0.0, 0.0]
        if windows > 0:
            weights = [0.5 ** ((count - 1 - t - span) / PATTERN_HALF_LIFE) for t in checked]
            actual = [self.sums[t + 1 + span] - self.sums[t + 1] for t in checked]
            shape = [self.patterns[t + 1 + span] - self.patterns[t + 1] for t in checked]
            errors = []
            for levels in self.levels:
                error = sum(w * (a - levels[t] * s) ** 2 for w, a, s, t in zip(weights, actual, shape, checked))
                errors.append(max(error, 1e-30))
            best = min(errors)
            shares = [(best / error) ** 3 for error in errors]
            trust = [(windows * share / sum(shares) + prior) / (windows + 1) for share, prior in zip(shares, trust)]
            error = square = 0.0
            for w, a, s, t in zip(weights, actual, shape, checked):
                said = s * sum(part * levels[t] for part, levels in zip(trust, self.levels))
                error, square = error + w * (a - said) ** 2, square + w * said * said
            measured = max(error / square, 1e-9) if square > 0 else VARIANCES[1]
            variance = exp((windows * log(measured) + PRIOR_WINDOWS * log(variance)) / (windows + PRIOR_WINDOWS))
        variance *= (student_90(windows + PRIOR_FREEDOM) / Z90) ** 2
        mean = total * sum(part * levels[-1] for part, levels in zip(trust, self.levels))
        return mean, min(max(variance, VARIANCES[0]), VARIANCES[1]) * mean * mean, none


def gamma(mean, variance, none):
    """(shape, scale) of what is spent where anything is."""
    some = 1 - none
    positive = mean / some
    spread = (variance - mean * mean * none / some) / some
    spread = max(spread, (0.02 * none + VARIANCES[0]) * positive * positive)
    return positive * positive / spread, spread / positive


def quantile(ahead, probability):
    mean, _, none = ahead
    if probability <= none or mean <= 0:
        return 0.0
    shape, scale = gamma(*ahead)
    return stats.gamma.ppf((probability - none) / (1 - none), shape, scale=scale)


def chance_of(ahead, amount):
    """That at least so much is spent; above 0."""
    mean, _, none = ahead
    if mean <= 0:
        return 0.0
    shape, scale = gamma(*ahead)
    return (1 - none) * stats.gamma.sf(amount, shape, scale=scale)


def days_to(past, fraction, left, chance):
    """Days after today at whose end so much has been spent with so great a chance; None beyond the horizon."""
    if left <= 0:
        return 0
    if chance_of(past.ahead(HORIZON, fraction), left) < chance:
        return None
    low, high = 0, HORIZON
    while low < high:
        middle = (low + high) // 2
        if chance_of(past.ahead(middle, fraction), left) >= chance:
            high = middle
        else:
            low = middle + 1
    return low


ANOMALY_FEWEST = 14
"""Days with spend before the day, without which none is unusual."""
ANOMALY_QUANTILE = 0.999
ANOMALY_TRIM = 0.03


def usual_high(past):
    """What a day like today hardly ever exceeds; None where too little is known."""
    levels = past.levels[0]
    ratios = [
        past.spent[t] / (levels[t - 1] * past.pattern[t])
        for t in range(WARM_UP, len(past.spent))
        if past.spent[t] > 0 and levels[t - 1] > 0
    ]
    if len(ratios) < ANOMALY_FEWEST:
        return None
    ratios.sort()
    ratios = ratios[: len(ratios) - int(len(ratios) * ANOMALY_TRIM)]
    mean = sum(ratios) / len(ratios)
    variance = max(sum((r - mean) ** 2 for r in ratios) / (len(ratios) - 1), 0.01 * mean * mean)
    high = stats.gamma.ppf(ANOMALY_QUANTILE, mean * mean / variance, scale=variance / mean)
    return levels[-1] * past.factor(past.today) * high


def month_end(today, spent, fraction, days):
    """(P10, P50, P90) of what is still to be spent in this month; None where too little is known."""
    if len(spent[-HISTORY:]) < FEWEST or not any(y > 0 for y in spent[-HISTORY:]):
        return None
    ahead = Past(today, spent).ahead(days, fraction)
    return tuple(quantile(ahead, p) for p in (0.1, 0.5, 0.9))

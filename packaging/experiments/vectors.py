#!/usr/bin/env python3
"""Makes tests/fixtures/experiments/vectors.json: what other implementations say to the same numbers.

GrowthBook's gbstats (asymptotic confidence sequences, delta method, CUPED), savvi (Lindon and Malek's test of the sample
ratio), scipy (Welch's t, beta-binomial mixture), statsmodels (two proportions, Holm, power) and hashlib (assignment).

    pip install scipy==1.17.1 statsmodels==0.15.0 gbstats==0.8.0 savvi==0.2.0 matplotlib
    python vectors.py > vectors.json
"""

import hashlib
import json
from math import sqrt

import numpy as np
from gbstats.frequentist.tests import SequentialConfig, SequentialTwoSidedTTest
from gbstats.models.statistics import RatioStatistic, RegressionAdjustedStatistic, SampleMeanStatistic
from savvi.multinomial import Multinomial
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportions_ztest

draw = np.random.default_rng(7)


def sequences():
    """Two arms of n each; gbstats counts both, so that its tuning parameter is twice ours."""
    for n, alpha, tightest_at, shift in [
        (50, 0.05, 1000, 0.5), (400, 0.05, 1000, 0.2), (10_000, 0.05, 5000, 0.05),
        (1000, 0.01, 500, 0.1), (300, 0.0125, 1000, 0.3), (5000, 0.2, 100, 0.0),
    ]:
        arms = [draw.normal(mean, 1, n) for mean in (1, 1 + shift)]
        arms = [SampleMeanStatistic(n=n, sum=arm.sum(), sum_squares=(arm**2).sum()) for arm in arms]
        config = SequentialConfig(sequential_tuning_parameter=2 * tightest_at, alpha=alpha, difference_type="absolute")
        test = SequentialTwoSidedTTest(*arms, config)
        low, high = test.confidence_interval
        error = sqrt(test.variance)
        yield {
            "units": n, "alpha": alpha, "tightest_at": tightest_at, "distance": abs(test.point_estimate) / error,
            "radius": (high - low) / 2 / error, "p": test.p_value,
        }


def welch():
    for sizes, spread in [((40, 40), 1), ((31, 200), 4), ((1000, 35), 0.2)]:
        arms = [draw.lognormal(mean, spread / 4, n).round(6) for mean, n in zip((0, 0.1), sizes)]
        test = stats.ttest_ind(arms[1], arms[0], equal_var=False)
        low, high = test.confidence_interval(0.9)
        yield {
            "control": arms[0].tolist(), "treatment": arms[1].tolist(), "freedom": test.df, "p": test.pvalue,
            "alpha": 0.1, "low": low, "high": high,
            "control_third": stats.moment(arms[0], 3), "treatment_third": stats.moment(arms[1], 3),
        }


def sessions():
    """Requests in sessions: the delta method."""
    arms, statistics = [], []
    for level in (1, 1.3):
        counts = draw.geometric(0.1, 60)
        totals = np.array([draw.lognormal(draw.normal(0, 0.5), 1, n).sum() * level for n in counts]).round(6)
        arms.append([[int(count), total] for count, total in zip(counts, totals)])
        statistics.append(RatioStatistic(
            n=60, m_statistic=SampleMeanStatistic(n=60, sum=totals.sum(), sum_squares=(totals**2).sum()),
            d_statistic=SampleMeanStatistic(n=60, sum=counts.sum(), sum_squares=(counts**2).sum()),
            m_d_sum_of_products=(totals * counts).sum(),
        ))
    control, treatment = statistics
    return {
        "control": arms[0], "treatment": arms[1], "difference": treatment.mean - control.mean,
        "error": sqrt(control.variance / 60 + treatment.variance / 60),
    }


def cuped():
    before = [draw.normal(1, 1, n).round(6) for n in (50, 50)]
    after = [(x * 0.8 + draw.normal(level, 0.5, len(x))).round(6) for level, x in zip((1, 1.2), before)]
    covariances = [np.cov(x, y) for x, y in zip(before, after)]
    theta = sum(c[0, 1] for c in covariances) / sum(c[0, 0] for c in covariances)
    statistic = lambda x: SampleMeanStatistic(n=len(x), sum=x.sum(), sum_squares=(x**2).sum())
    control, treatment = [
        RegressionAdjustedStatistic(
            n=len(x), post_statistic=statistic(y), pre_statistic=statistic(x),
            post_pre_sum_of_products=(x * y).sum(), theta=theta,
        )
        for x, y in zip(before, after)
    ]
    return {
        "control": list(zip(before[0], after[0])), "treatment": list(zip(before[1], after[1])),
        "difference": treatment.mean - control.mean, "error": sqrt(control.variance / 50 + treatment.variance / 50),
    }


def sample_ratios():
    for counts, shares in [
        ((50, 50), (0.5, 0.5)), ((5200, 4800), (0.5, 0.5)), ((60, 25, 40), (0.4, 0.3, 0.3)), ((900, 150), (0.9, 0.1)),
    ]:
        test = Multinomial(0.001, np.array(shares), k=1500)
        test.update(np.array(counts))
        yield {"counts": counts, "shares": shares, "p": min(1, 1 / float(test.odds))}


def proportions():
    for successes, units in [((90, 70), (100, 100)), ((495, 990), (500, 1010)), ((3, 5), (40, 45))]:
        yield {"successes": successes, "units": units, "p": proportions_ztest(successes, units)[1]}


def holm():
    for p in [[0.01, 0.04, 0.03, 0.005], [0.5], [0.02, 0.02, 0.9]]:
        yield {"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()}


def powers():
    for effect, deviation, alpha in [(0.2, 1, 0.05), (0.1, 1, 0.01), (3, 20, 0.05)]:
        units = NormalIndPower().solve_power(effect / deviation, alpha=alpha, power=0.8)
        yield {"effect": effect, "variance": deviation**2, "alpha": alpha, "units": float(units)}


def bounded():
    """Beta-binomial mixture against one mean: the means whose odds are below 1 / alpha."""
    for units, ones, alpha in [(40, 30, 0.05), (1000, 995, 0.05), (500, 500, 0.01), (20_000, 9_000, 0.0125), (1, 0, 0.2)]:
        def log_odds(mean):
            mixed = stats.betabinom.logpmf(ones, units, 0.5, 0.5)
            return mixed - stats.binom.logpmf(ones, units, mean) + np.log(alpha)
        share = ones / units
        low = brentq(log_odds, 1e-12, share) if ones > 0 else 0
        high = brentq(log_odds, share, 1 - 1e-12) if ones < units else 1
        yield {"units": units, "ones": ones, "alpha": alpha, "low": low, "high": high}


def assignment(salt, experiment, unit):
    fields = [field.encode() for field in (salt, experiment, unit)]
    text = b"".join(len(field).to_bytes(8, "little") + field for field in fields)
    point = (int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 11) / 2**53
    return {"salt": salt, "experiment": experiment, "unit": unit, "arm_of_four": int(point * 4)}


print(json.dumps({
    "sequences": list(sequences()),
    "welch": list(welch()),
    "sessions": sessions(),
    "cuped": cuped(),
    "sample_ratios": list(sample_ratios()),
    "proportions": list(proportions()),
    "holm": list(holm()),
    "power": list(powers()),
    "bounded": list(bounded()),
    "assignment": [assignment("", "0198", f"unit-{n}") for n in range(12)] + [assignment("salt é", "x", "")],
}))

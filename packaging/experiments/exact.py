#!/usr/bin/env python3
"""How many more requests an exact sequential test of two shares needs than the asymptotic sequence that is used.

The exact one bets on both means at once: the product of two beta-binomial mixtures, at the common mean that makes it least.
300 simulated experiments each, looked at every 20 outcomes an arm, alpha 5 %.

    pip install numpy scipy
    python exact.py
"""

import numpy as np
from scipy.special import betaln

ALPHA, RUNS, STEP = 0.05, 300, 20
draw = np.random.default_rng(1)


def log_wealth(n, ones, mean):
    return betaln(0.5 + ones, 0.5 + n - ones) - betaln(0.5, 0.5) - ones * np.log(mean) - (n - ones) * np.log1p(-mean)


def outcomes_until(found, looks):
    return looks[np.where(found.any(1), found.argmax(1), len(looks) - 1)]


# `fixed`: what one look needs, at which the sequence is tightest.
for control, treatment, fixed, most in [(0.5, 0.55, 1562, 12_000), (0.9, 0.93, 1353, 10_000), (0.98, 0.97, 3823, 30_000)]:
    looks = np.arange(STEP, most + 1, STEP)
    arms = [np.cumsum(draw.binomial(STEP, share, (RUNS, len(looks))), 1) for share in (control, treatment)]
    n = looks[None, :]
    pooled = np.clip(sum(arms) / (2 * n), 1e-9, 1 - 1e-9)
    exact = outcomes_until(sum(log_wealth(n, ones, pooled) for ones in arms) >= -np.log(ALPHA), looks)
    twice = -2 * np.log(ALPHA)
    time = n * (twice + np.log1p(twice)) / fixed
    radius = np.sqrt((1 + 1 / time) * (np.log1p(time) + twice))
    means = [(ones + 1) / (n + 2) for ones in arms]
    error = np.sqrt(sum(mean * (1 - mean) for mean in means) / n)
    sequence = outcomes_until((abs(arms[1] - arms[0]) / n / error > radius) & (n >= 30), looks)
    print(f"{control} to {treatment}: on average {exact.mean():.0f} and {sequence.mean():.0f} outcomes an arm, "
          f"{exact.mean() / sequence.mean():.2f} times as many")

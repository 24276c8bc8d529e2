#!/usr/bin/env python3
"""Fits the estimates on one half of the counted texts and measures them on the other; prints the tables of README.md.

    python measure.py COUNTS.npz RESULTS.tsv
"""

import sys

import numpy as np

from fit import bound, closest, weights

ENGLISH = ("questions", "requests", "news", "prompts", "answers", "prose")
PARTS = ("o200k", "digit", "other", "repeated", "further_space", "upper", "one")
"""What a bound is summed of: o200k's tokens and characters by kind; `other` is all beyond ASCII."""
CHARACTERS = ("lower", "upper", "digit", "space", "other_space", "punctuation", "two_byte", "three_byte", "four_byte", "one")
MARGIN = 1.03
"""Bounds are raised by this, then rounded up to hundredths."""
FAMILIES = {
    "cl100k": ("cl100k",),
    "gemini": ("gemini-gemma3",),
    "qwen": ("qwen-3.6", "qwen-3"),
    "llama": ("llama-3", "llama-4"),
    "deepseek": ("deepseek-4",),
    "mistral": ("mistral-tekken",),
    "any-published": ("gemini-gemma3", "qwen-3.6", "qwen-3", "llama-3", "llama-4", "deepseek-4", "mistral-tekken", "cl100k"),
    "claude-2": ("claude-2",),
    "claude-3-ctok": ("claude-3-ctok",),
    "claude-4.7-ctok": ("claude-4.7-ctok",),
}
"""Tokenizers of a family: expected is the first one's (the median of all for any-published), the bound holds for each."""


class Counts:
    def __init__(self, path):
        read = np.load(path)
        self.classes, self.held_out, self.bytes = read["classes"], read["held_out"], read["bytes"]
        self.tokens = dict(zip(read["families"].tolist(), np.maximum(read["tokens"], 1).T.astype(float)))
        from counts import KINDS

        self.kinds = dict(zip(KINDS, read["kinds"].T.astype(float)))
        self.kinds["other"] = sum(self.kinds[kind] for kind in ("two_byte", "three_byte", "four_byte"))
        self.kinds["o200k"], self.kinds["one"] = self.tokens["o200k"], np.ones(len(self.bytes))
        self.hostile = np.char.startswith(self.classes, "hostile")
        self.english = np.isin(self.classes, ENGLISH)
        self.ascii = sum(self.kinds[kind] for kind in CHARACTERS[:6])

    def columns(self, names):
        return np.stack([self.kinds[name] for name in names], axis=1)

    def usual(self, family):
        tokens = [self.tokens[name] for name in FAMILIES[family]]
        return np.median(tokens, axis=0) if family == "any-published" else tokens[0]

    def most(self, family):
        return np.max([self.tokens[name] for name in FAMILIES[family]], axis=0)


def fitted_bound(counts, names, tokens):
    """Fitted on all of the development half, ordinary and hostile."""
    chosen = ~counts.held_out
    factors = bound(counts.columns(names)[chosen], tokens[chosen], weights(counts.classes[chosen]))
    return np.where(factors < 1e-6, 0, np.ceil(factors * MARGIN * 100) / 100)


def fitted_closest(counts, names, tokens):
    chosen = ~counts.held_out & ~counts.hostile
    return np.round(closest(counts.columns(names)[chosen], tokens[chosen], weights(counts.classes[chosen])), 3)


def weighted_median(values, weight):
    order = np.argsort(values)
    return values[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)]


def factor(counts, family):
    chosen = ~counts.held_out & ~counts.hostile & (counts.tokens["o200k"] >= 20)
    ratio = (counts.usual(family) / counts.tokens["o200k"])[chosen]
    return round(float(weighted_median(ratio, weights(counts.classes[chosen]))), 2)


def error(estimate, tokens, chosen):
    """Median and 95th percentile of the relative error, in percent."""
    off = np.abs(estimate / tokens - 1)[chosen]
    return f"{np.median(off) * 100:.0f} / {np.quantile(off, 0.95) * 100:.0f}"


def held(high, tokens, chosen):
    return (high >= tokens - 1e-9)[chosen].mean() * 100


def bound_row(counts, high, tokens):
    """Held-out: coverage of ordinary and hostile texts, the worst class, looseness on English, code, all, the 99th percentile."""
    test = counts.held_out & ~counts.hostile
    loose = high / tokens
    long = test & (counts.tokens["o200k"] >= 20)
    code = long & np.char.startswith(counts.classes, "code")
    by_class = {name: held(high, tokens, counts.held_out & (counts.classes == name)) for name in np.unique(counts.classes)}
    usual = min((value, name) for name, value in by_class.items() if not name.startswith("hostile"))
    worst = min((value, name[8:]) for name, value in by_class.items() if name.startswith("hostile"))
    missed = (high < tokens - 1e-9) & test
    deepest = (tokens / np.maximum(high, 1e-9))[test].max()
    return (f"{held(high, tokens, test):.3f} ({missed.sum()} of {test.sum()}) | {usual[1]} {usual[0]:.1f} | {deepest:.2f} | "
            f"{held(high, tokens, counts.held_out & counts.hostile):.1f} | {worst[1]} {worst[0]:.0f} | "
            f"{np.median(loose[long & counts.english]):.2f} | {np.median(loose[code]):.2f} | {np.median(loose[long]):.2f} | {np.quantile(loose[long], 0.99):.2f}")


BOUND_HEAD = "ordinary held, % | its worst class | most ÷ bound | hostile held, % | its worst class | bound ÷ true: English | code | all | p99"


def factors_text(factors):
    return " | ".join(f"{value:g}" for value in factors)


def main(path, target):
    counts = Counts(path)
    test = counts.held_out & ~counts.hostile
    long = test & (counts.tokens["o200k"] >= 20)
    today = counts.ascii / 4 + counts.kinds["other"] * 3 / 4
    today_high = counts.ascii / 2 + counts.kinds["other"] * 2
    print(f"{len(counts.bytes)} texts, {(~counts.hostile).sum()} ordinary; held out {counts.held_out.sum()}; {counts.bytes.sum()} bytes\n")

    print("## Expected (held-out ordinary texts of 20 tokens and more; error: median / 95th percentile, %)\n")
    print("| family | factor f | f · o200k: all | English | a · o200k + b · digits | all | today: all | English |\n|---|---|---|---|---|---|---|---|")
    expected, highs = {}, {}
    for family in FAMILIES:
        tokens, base = counts.usual(family), counts.tokens["o200k"]
        f = factor(counts, family)
        a, b = fitted_closest(counts, ("o200k", "digit"), tokens)
        expected[family] = a * base + b * counts.kinds["digit"]
        print(f"| {family} | {f} | {error(f * base, tokens, long)} | {error(f * base, tokens, long & counts.english)} | {a:.2f}, {b:.2f} | "
              f"{error(expected[family], tokens, long)} | {error(today, tokens, long)} | {error(today, tokens, long & counts.english)} |")

    print(f"\n## Bounds\n\n| family | {' | '.join(PARTS)} | {BOUND_HEAD} |\n{'|---' * (len(PARTS) + 10)}|")
    for family in FAMILIES:
        tokens = counts.most(family)
        factors = fitted_bound(counts, PARTS, tokens)
        highs[family] = counts.columns(PARTS) @ factors
        print(f"| {family} | {factors_text(factors)} | {bound_row(counts, highs[family], tokens)} |")

    print(f"\n## Simpler bounds, and today's\n\n| family | form | factors | {BOUND_HEAD} |\n{'|---' * 12}|")
    for family in ("gemini", "qwen", "any-published", "claude-4.7-ctok"):
        tokens = counts.most(family)
        for names in (("o200k", "one"), ("o200k", "digit", "other", "one"), PARTS[:-3] + ("one",)):
            factors = fitted_bound(counts, names, tokens)
            print(f"| {family} | {' '.join(names)} | {' '.join(f'{v:g}' for v in factors)} | {bound_row(counts, counts.columns(names) @ factors, tokens)} |")
    for family in FAMILIES:
        print(f"| {family} | today's high | | {bound_row(counts, today_high, counts.most(family))} |")
    print(f"| any-published | bytes | | {bound_row(counts, counts.bytes + 0.0, counts.most('any-published'))} |")

    print(f"\n## From characters alone\n\n| for | {' | '.join(CHARACTERS)} | error of expected: all, % | English |\n{'|---' * 13}|")
    for family in ("o200k", *FAMILIES):
        tokens = counts.tokens["o200k"] if family == "o200k" else counts.usual(family)
        factors = fitted_closest(counts, CHARACTERS, tokens)
        estimate = counts.columns(CHARACTERS) @ factors
        print(f"| {family} | {factors_text(factors)} | {error(estimate, tokens, long)} | {error(estimate, tokens, long & counts.english)} |")
    print(f"\n| for | {' | '.join(CHARACTERS)} | {BOUND_HEAD} |\n{'|---' * 20}|")
    for family in FAMILIES:
        tokens = counts.most(family)
        factors = fitted_bound(counts, CHARACTERS, tokens)
        print(f"| {family} | {factors_text(factors)} | {bound_row(counts, counts.columns(CHARACTERS) @ factors, tokens)} |")
    write(counts, target, today, today_high, expected, highs)


def write(counts, target, today, today_high, expected, highs):
    """One row a family and class: the ratio over all texts, everything else over those held out."""
    with open(target, "w", encoding="utf-8") as file:
        file.write("family\tclass\ttexts\tratio_p1\tratio_p50\tratio_p99\tratio_max\ttoday_expected_error_pct\t"
                   "expected_error_pct\ttoday_high_exceeded_pct\thigh_exceeded_pct\thigh_over_true_p50\n")
        for family in FAMILIES:
            usual, most = counts.usual(family), counts.most(family)
            for name in np.unique(counts.classes):
                chosen = (counts.classes == name) & (counts.tokens["o200k"] >= 20)
                test, every = chosen & counts.held_out, (counts.classes == name) & counts.held_out
                if not test.any():
                    continue
                ratio = np.quantile((usual / counts.tokens["o200k"])[chosen], [0.01, 0.5, 0.99, 1])
                errors = [np.median(np.abs(estimate / usual - 1)[test]) * 100 for estimate in (today, expected[family])]
                exceeded = [100 - held(high, most, every) for high in (today_high, highs[family])]
                row = [*(f"{v:.2f}" for v in ratio), *(f"{v:.0f}" for v in errors), *(f"{v:.1f}" for v in exceeded)]
                file.write("\t".join([family, name, str(chosen.sum()), *row, f"{np.median((highs[family] / most)[test]):.2f}"]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

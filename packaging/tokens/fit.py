"""Fits what src/cost/families.rs holds on one half of the texts and says how well it does on the other.

`expected` is the sum of weighted features with the least relative error; `high` the least that covers every text of
the first half with 3 % to spare. Reads rows.pkl.
"""

import pickle

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, hstack, identity, vstack

from texts import ADVERSARIAL

MARGIN = 1.03
# The fit is a linear program; a third of the texts says as much.
SHARE_FITTED = 0.35


def least_error(features, tokens):
    """Finds weights ≥ 0 with the least sum of |Σ weight · feature / tokens − 1|."""
    count, width = features.shape
    relative = csr_matrix(features / tokens[:, None])
    slack = identity(count)
    above, below = hstack([relative, -slack]), hstack([-relative, -slack])
    ones = np.ones(count)
    found = linprog(
        np.concatenate([np.zeros(width), ones]), A_ub=vstack([above, below]).tocsr(), b_ub=np.concatenate([ones, -ones])
    )
    return found.x[:width]


def least_bound(features, tokens, is_ordinary):
    """Finds weights ≥ 0 that cover every text, with the least mean of bound / tokens, mostly of ordinary texts."""
    relative = features / tokens[:, None]
    costs = relative[is_ordinary].mean(0) + 0.05 * relative.mean(0)
    return linprog(costs, A_ub=-features, b_ub=-MARGIN * tokens).x


def words(weights):
    return "[" + ", ".join(f"{np.ceil(weight * 100) / 100:.2f}" for weight in weights) + "]"


def main():
    with open("rows.pkl", "rb") as file:
        names, rows = pickle.load(file)
    kinds = np.array([kind for kind, _, _ in rows])
    kinds_of_characters = np.array([features for _, features, _ in rows], float)
    tokens = np.array([counts for _, _, counts in rows], float)
    draw = np.random.default_rng(7)
    is_fitted = draw.random(len(rows)) < 0.5
    is_ordinary = ~np.isin(kinds, list(ADVERSARIAL))
    usual = (is_ordinary | (kinds == "emoji")) & (tokens[:, 0] >= 20)
    fitted_usual = is_fitted & usual & (draw.random(len(rows)) < SHARE_FITTED)
    size = (kinds_of_characters[:, :7] * [1, 1, 1, 1, 2, 3, 4]).sum(1)
    characters = kinds_of_characters[:, :7]
    by_o200k = np.column_stack([tokens[:, 0], kinds_of_characters[:, [1, 7, 4, 5, 6]]])

    def judge(label, bound, truth):
        bound, test = np.minimum(bound, size), ~is_fitted
        exceeded = bound < truth
        loose = np.median((bound / truth)[test & (kinds == "english")])
        print(
            f"  {label}: exceeded {exceeded[test & is_ordinary].mean():.4%} ordinary, "
            f"{exceeded[test & ~is_ordinary].mean():.4%} adversarial; {loose:.2f} times English"
        )

    def error(estimate, truth, where):
        off = np.abs(estimate / truth - 1)[where]
        return f"error p50 {np.median(off):.1%}, p90 {np.percentile(off, 90):.1%}"

    most = tokens.max(1)
    bound = least_bound(characters[is_fitted], most[is_fitted], is_ordinary[is_fitted])
    print(f"characters, all families: high {words(bound)}")
    judge("high", characters @ bound, most)
    before = characters[:, :4].sum(1) / 2 + 2 * characters[:, 4:].sum(1)
    judge("ASCII / 2 + 2 · others, as it was", before, most)
    for place, name in [*enumerate(names), (None, "any")]:
        truth = most if place is None else tokens[:, place]
        test = ~is_fitted & usual
        expected = least_error(characters[fitted_usual], truth[fitted_usual])
        print(f"{name}: by characters {words(expected)}")
        print(f"  {error(characters @ expected, truth, test)}")
        guess = characters[:, :4].sum(1) / 4 + 0.75 * characters[:, 4:].sum(1)
        print(f"  ASCII / 4 + 3/4 · others, as it was: {error(guess, truth, test)}")
        if place == 0:
            continue
        told = by_o200k[:, [0, 1, 3, 4, 5]]
        factors = least_error(told[fitted_usual], truth[fitted_usual])
        bound = least_bound(by_o200k[is_fitted], truth[is_fitted], is_ordinary[is_fitted])
        print(f"{name}: by o200k, digits, 2, 3, 4 bytes {words(factors)}")
        print(f"  {error(told @ factors, truth, test)}")
        print(f"  high by o200k, digits, repeats, 2, 3, 4 bytes {words(bound)}")
        judge("high", by_o200k @ bound, truth)


if __name__ == "__main__":
    main()

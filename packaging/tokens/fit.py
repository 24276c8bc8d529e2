"""Fits estimates of tokens: bounds that hold, by a linear program, and the closest, by least relative error."""

import numpy as np
from scipy.optimize import linprog


def weights(classes):
    """Every class counts the same, English questions and prose together half as much as all else."""
    names, index, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    weight = 1 / sizes[index]
    english = np.isin(classes, ("questions", "requests", "news", "prompts", "answers", "prose"))
    weight[english] *= 0.5 * weight[~english].sum() / weight[english].sum()
    return weight / weight.sum()


def bound(features, tokens, weight):
    """The non-negative factors whose sum is never under the tokens and on average least above them, relatively."""
    cost = (features * (weight / tokens)[:, None]).sum(axis=0)
    result = linprog(cost, A_ub=-features, b_ub=-tokens.astype(float), bounds=(0, None), method="highs")
    if not result.success:
        raise ValueError(result.message)
    return result.x


def closest(features, tokens, weight, rounds=60):
    """The non-negative factors of the least mean relative error, by reweighted least squares."""
    from scipy.optimize import nnls

    scaled = features / tokens[:, None]
    factors = np.zeros(features.shape[1])
    scale = weight.copy()
    for _ in range(rounds):
        root = np.sqrt(scale)
        factors, _ = nnls(scaled * root[:, None], root)
        scale = weight / np.maximum(np.abs(scaled @ factors - 1), 1e-3)
    return factors

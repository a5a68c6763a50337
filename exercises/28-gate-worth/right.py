"""Right answers, each in a way of its own.

The solution itself stands in the master notebook, and as `exercise.effect` in
lstm_course/exercises/ch28_gate_worth.py, where the check has it from.
"""

import math
import statistics

import numpy as np

from lstm_course.exercises import ch28_gate_worth as exercise


def effect_with_roots(variant, standard, quantile):
    """Take the root with NumPy, and all three exponentials at once."""
    d = np.log(variant / standard)
    error = d.std(ddof=1) / np.sqrt(len(d))
    middle = np.mean(d)
    return np.exp(
        [middle, middle - quantile * error, middle + quantile * error]
    )


def effect_with_differences(variant, standard, quantile):
    """Subtract logarithms, and write the spread out."""
    d = np.log(variant) - np.log(standard)
    S, mean = d.size, d.mean()
    half = quantile * (((d - mean) ** 2).sum() / (S - 1) / S) ** 0.5
    return np.exp(mean), np.exp(mean - half), np.exp(mean + half)


def effect_with_products(variant, standard, quantile):
    """The ratio is a geometric mean, and the interval multiplies it."""
    ratios = variant / standard
    S = len(ratios)
    ratio = ratios.prod() ** (1 / S)
    width = np.exp(quantile * np.log(ratios).std(ddof=1) / math.sqrt(S))
    return [ratio, ratio / width, ratio * width]


def effect_with_statistics(variant, standard, quantile):
    """The standard library has both, too."""
    d = [math.log(v / s) for v, s in zip(variant, standard, strict=True)]
    mean = statistics.fmean(d)
    half = quantile * statistics.stdev(d) / len(d) ** 0.5
    ends = (math.exp(mean), math.exp(mean - half), math.exp(mean + half))
    return np.array(ends, dtype=variant.dtype)


def verdict_with_select(low, high, least):
    """Let NumPy take the first rule that holds."""
    rules = [low > least, high < 1 / least, (low * least > 1) & (high < least)]
    return np.select(rules, [1, 2, 3], 0)


def verdict_one_by_one(low, high, least):
    """One row of the table after the other, by the region of each end."""
    borders = (1 / least, least)
    codes = []
    for a, b in zip(low, high, strict=True):
        one, other = np.searchsorted(borders, (a, b))
        codes.append((2, 3, 1)[one] if one == other else 0)
    return codes


RIGHT = {
    "effect": (
        exercise.effect,
        effect_with_roots,
        effect_with_differences,
        effect_with_products,
        effect_with_statistics,
    ),
    "verdict": (
        exercise.verdict,
        verdict_with_select,
        verdict_one_by_one,
    ),
}

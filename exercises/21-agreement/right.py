"""Right answers, each in a way of its own.

The solution itself stands in the master notebook, and as `exercise.number_unit` in
lstm_course/exercises/ch21_agreement.py, where the check has it from.
"""

import numpy as np

from lstm_course.exercises import ch21_agreement as exercise


def number_unit_with_a_mask(cs, first, last, plural):
    """Let a mask (T, N) pick states and numbers, step by step."""
    steps = np.arange(len(cs))[:, None]
    inside = (steps >= first) & (steps <= last)
    x = cs[inside]
    y = np.broadcast_to(plural, inside.shape)[inside]
    x, y = x - x.mean(0), y - y.mean()
    r = (x * y[:, None]).mean(0) / (x.std(0) * y.std())
    return r, np.abs(r).argmax()


def number_unit_with_corrcoef(cs, first, last, plural):
    """Collect in lists, and let NumPy correlate one unit after the other."""
    rows, numbers = [], []
    for n in range(len(plural)):
        for t in range(first[n], last[n] + 1):
            rows.append(cs[t, n])
            numbers.append(plural[n])
    r = [np.corrcoef(column, numbers)[0, 1] for column in np.array(rows).T]
    best = max(range(len(r)), key=lambda unit: abs(r[unit]))
    return np.array(r, cs.dtype), best


def number_unit_with_sums(cs, first, last, plural):
    """One pass with five sums, and no means. (Of float64, as digits cancel.)"""
    sx, sxx, sxy = np.zeros((3, cs.shape[2]))
    count = sy = syy = 0
    for n, y in enumerate(plural.astype(float)):
        for x in cs[first[n] : last[n] + 1, n].astype(float):
            count += 1
            sx, sxx, sxy = sx + x, sxx + x * x, sxy + x * y
            sy, syy = sy + y, syy + y * y
    r = (count * sxy - sx * sy) / np.sqrt(
        (count * sxx - sx**2) * (count * syy - sy**2)
    )
    return r.astype(cs.dtype), int(np.argmax(r**2))


def switch_off_with_a_mask(U, b, V, d, unit, value):
    """What an h adds that is `value` at the unit and 0 elsewhere is the bias."""
    kept = (np.arange(U.shape[1]) != unit).astype(U.dtype)
    h = np.zeros(U.shape[1], U.dtype)
    h[unit] = value
    return U * kept, b + U @ h, V * kept, d + V @ h


def switch_off_row_by_row(U, b, V, d, unit, value):
    """Move one weight of each row into that row's bias."""
    U, b, V, d = U.copy(), b.copy(), V.copy(), d.copy()
    for weight, bias in ((U, b), (V, d)):
        for row in range(len(bias)):
            bias[row] += weight[row, unit] * value
            weight[row, unit] = 0
    return [U, b, V, d]


RIGHT = {
    "number-unit": (
        exercise.number_unit,
        number_unit_with_a_mask,
        number_unit_with_corrcoef,
        number_unit_with_sums,
    ),
    "switch-off": (
        exercise.switch_off,
        switch_off_with_a_mask,
        switch_off_row_by_row,
    ),
}

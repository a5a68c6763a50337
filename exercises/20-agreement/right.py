"""Right answers."""

import numpy as np

from lstm_course.exercises import ch20_agreement as exercise


def number_unit_with_a_mask(cs, first, last, plural):
    steps = np.arange(len(cs))[:, None]
    inside = (steps >= first) & (steps <= last)
    x = cs[inside]
    y = np.broadcast_to(plural, inside.shape)[inside]
    x, y = x - x.mean(0), y - y.mean()
    r = (x * y[:, None]).mean(0) / (x.std(0) * y.std())
    return r, np.abs(r).argmax()


def number_unit_with_corrcoef(cs, first, last, plural):
    rows, numbers = [], []
    for n in range(len(plural)):
        for t in range(first[n], last[n] + 1):
            rows.append(cs[t, n])
            numbers.append(plural[n])
    r = [np.corrcoef(column, numbers)[0, 1] for column in np.array(rows).T]
    best = max(range(len(r)), key=lambda unit: abs(r[unit]))
    return np.array(r, cs.dtype), best


def number_unit_with_sums(cs, first, last, plural):
    H = cs.shape[2]
    count, sx, sxx, sxy, sy, syy = (
        0,
        np.zeros(H),
        np.zeros(H),
        np.zeros(H),
        0.0,
        0.0,
    )
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
    kept = (np.arange(U.shape[1]) != unit).astype(U.dtype)
    h = np.zeros(U.shape[1], U.dtype)
    h[unit] = value
    return U * kept, b + U @ h, V * kept, d + V @ h


def switch_off_with_loops(U, b, V, d, unit, value):
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
        switch_off_with_loops,
    ),
}

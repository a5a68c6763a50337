"""Right answers."""

import math

import numpy as np


def cross_entropy_with_loops(scores, targets, mask):
    """Position by position, and class by class."""
    dscores = np.zeros_like(scores)
    losses = []
    for t, n in np.argwhere(mask):
        z, r = scores[t, n] - scores[t, n].max(), targets[t, n]
        powers = [math.exp(v) for v in z]
        losses.append(math.log(sum(powers)) - float(z[r]))
        for k, power in enumerate(powers):
            dscores[t, n, k] = power / sum(powers) - (k == r)
    return sum(losses) / len(losses), dscores / len(losses)


def cross_entropy_of_the_counted(scores, targets, mask):
    """Only the positions that count are computed; logaddexp subtracts the largest by itself."""
    z, r = scores[mask], targets[mask]
    rows = np.arange(len(z))
    log_sum = np.logaddexp.reduce(z, axis=1)
    d = np.exp(z - log_sum[:, None])
    d[rows, r] -= 1
    dscores = np.zeros(scores.shape, scores.dtype)
    dscores[mask] = d / len(z)
    return [np.mean(log_sum - z[rows, r]), dscores]


def clip_as_one_vector(dW, dU, db, limit):
    """All entries in one array, whose norm NumPy knows."""
    norm = np.linalg.norm(np.concatenate([dW.ravel(), dU.ravel(), db]))
    factor = min(1.0, limit / norm) if norm else 1.0
    return [d * d.dtype.type(factor) for d in (dW, dU, db)] + [norm]


def clip_with_loops(dW, dU, db, limit):
    """Number by number; a short gradient is returned as it came."""
    norm = math.sqrt(
        math.fsum(float(v) ** 2 for d in (dW, dU, db) for v in d.flat)
    )
    if norm <= limit:
        return dW, dU, db, norm
    return dW / norm * limit, dU / norm * limit, db / norm * limit, norm


def clip_as_libraries_do(dW, dU, db, limit):
    """As PyTorch does: the small number spares the question whether the norm is 0."""
    norm = math.sqrt(sum(float((d * d).sum()) for d in (dW, dU, db)))
    factor = min(limit / (norm + 1e-6), 1.0)
    return dW * factor, dU * factor, db * factor, norm


def adam_with_one_rate(w, dw, m, q, t, rate, beta1, beta2, eps):
    """Both corrections moved into the rate, as the paper suggests; eps moves along."""
    m = m + (1 - beta1) * (dw - m)
    q = q + (1 - beta2) * (dw * dw - q)
    root = (1 - beta2**t) ** 0.5
    return w - rate * root / (1 - beta1**t) * m / (q**0.5 + eps * root), m, q


def adam_number_by_number(w, dw, m, q, t, rate, beta1, beta2, eps):
    results = [np.empty_like(w) for _ in range(3)]
    for place in np.ndindex(w.shape):
        mean = m[place] + (1 - beta1) * (dw[place] - m[place])
        square = q[place] + (1 - beta2) * (dw[place] ** 2 - q[place])
        root = math.sqrt(square / (1 - beta2**t))
        new = w[place] - rate / (1 - beta1**t) * mean / (root + eps)
        for result, value in zip(results, (new, mean, square), strict=True):
            result[place] = value
    return results


RIGHT = {
    "cross-entropy": (
        cross_entropy_with_loops,
        cross_entropy_of_the_counted,
    ),
    "clip": (
        clip_as_one_vector,
        clip_with_loops,
        clip_as_libraries_do,
    ),
    "adam": (
        adam_with_one_rate,
        adam_number_by_number,
    ),
}

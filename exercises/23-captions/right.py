"""Right answers, each in a way of its own.

The solution itself stands in the master notebook, and as `exercise.beam_search` in
lstm_course/exercises/ch23_captions.py, where the check has it from.
"""

import heapq
import itertools
import math

import numpy as np

from lstm_course.exercises import ch23_captions as exercise


def scores_with_loops(p, words, end, alpha):
    """Stop at <end>; where there is none the loop ends at the last word."""
    scores = np.zeros(words.shape[1], p.dtype)
    for n in range(words.shape[1]):
        total = 0.0
        for t, word in enumerate(words[:, n].tolist()):
            total += math.log(p[t, n, word])
            if word == end:
                break
        scores[n] = total / (t + 1) ** alpha
    return scores


def scores_by_lengths(p, words, end, alpha):
    """Find each length first, with an <end> behind those that have none."""
    T, N = words.shape
    is_end = np.vstack([words == end, np.ones((1, N), bool)])
    lengths = np.minimum(is_end.argmax(axis=0) + 1, T)
    upto = np.cumsum(
        np.log(p[np.arange(T)[:, None], np.arange(N), words]), axis=0
    )
    return upto[lengths - 1, np.arange(N)] / lengths.astype(p.dtype) ** alpha


def search_with_a_heap(step, state, start, end, width, limit):
    """Stop once the best has ended: sums only fall, so none can overtake it."""
    kept = [(0.0, (), state)]
    for _ in range(limit):
        if kept[0][1][-1:] == (end,):
            break
        heap, ticket = [], itertools.count()
        for score, words, state in kept:
            if words[-1:] == (end,):
                heap.append((-score, next(ticket), words, state))
                continue
            log_p, after = step(words[-1] if words else start, state)
            heap += [
                (-score - float(v), next(ticket), (*words, k), after)
                for k, v in enumerate(log_p)
            ]
        heapq.heapify(heap)
        count = min(width, len(heap))
        kept = [
            (-a, words, s)
            for a, _, words, s in (heapq.heappop(heap) for _ in range(count))
        ]
    score, words, _ = kept[0]
    return list(words) + [end] * (limit - len(words)), score


def search_that_reads_each_beginning_anew(
    step, state, start, end, width, limit
):
    """Keep no states. After <end> comes <end>, at no cost, and nothing else."""
    rows, scores = np.zeros((1, 0), int), np.zeros(1)
    V = len(step(start, state)[0])
    for t in range(limit):
        table = []
        for row in rows:
            if t and row[-1] == end:
                only = np.full(V, -np.inf)
                only[end] = 0
                table.append(only)
                continue
            now = state
            for word in [start, *row.tolist()]:
                log_p, now = step(word, now)
            table.append(log_p)
        sums = scores[:, None] + np.array(table)
        best = np.argsort(-sums, axis=None)[:width]
        best = best[np.isfinite(sums.ravel()[best])]
        parents, words = np.unravel_index(best, sums.shape)
        rows = np.column_stack([rows[parents], words])
        scores = sums.ravel()[best]
    return rows[0], scores[0]


RIGHT = {
    "caption-score": (
        exercise.caption_scores,
        exercise.scoring(),
        scores_with_loops,
        scores_by_lengths,
    ),
    "beam-search": (
        exercise.beam_search,
        exercise.searching(),
        search_with_a_heap,
        search_that_reads_each_beginning_anew,
    ),
}

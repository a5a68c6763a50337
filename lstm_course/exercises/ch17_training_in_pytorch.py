"""Streams that go on from window to window, a mean over what isn't padding, and early stopping."""

from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded
from lstm_course.exercises.engine.lines import Line, Lines
from lstm_course.exercises.engine.mistakes import Mistakes, each
from lstm_course.exercises.engine.parts import seeded, sized
from lstm_course.exercises.engine.trials import Answer, Case, Returned

STREAMS = Lines(
    ("numbers", "N", "T"),
    {
        "length": lambda s: (len(s.numbers) - 1) // s.N,
        "K": lambda s: s.length // s.T,
        "read": lambda s: s.numbers[: s.N * s.length],
        "next": lambda s: s.numbers[1 : s.N * s.length + 1],
        "x": lambda s: _streams(s, s.read),
        "y": lambda s: _streams(s, s.next),
        "xs": lambda s: _windows(s, s.x),
        "ys": lambda s: _windows(s, s.y),
    },
    ("xs", "ys"),
)
streams_with = STREAMS.but
"""Return the windows with some of their lines changed."""


def streams(numbers: Array, N: int, T: int) -> tuple[Array, Array]:
    """Return inputs and targets (K, T, N) of a text in N contiguous streams."""
    xs, ys = STREAMS(numbers, N, T)
    return xs, ys


def _streams(s: Any, numbers: Array) -> Array:
    """Return N pieces of the text as columns (length, N)."""
    return numbers.reshape(s.N, -1).T


def _windows(s: Any, columns: Array) -> Array:
    return columns[: s.K * s.T].reshape(s.K, s.T, s.N)


def _batch_first(s: Any, columns: Array) -> Array:
    return _windows(s, columns).transpose(0, 2, 1)


def _one_after_another(s: Any, numbers: Array) -> Array:
    """Return windows whose N rows follow one another in the text."""
    return numbers[: s.K * s.N * s.T].reshape(s.K, s.N, s.T).transpose(0, 2, 1)


def _within(s: Any, change: Any) -> Array:
    """Return targets made from each window of inputs alone."""
    return np.stack([change(window) for window in s.xs])


def _with_one_lost(s: Any) -> list[Array]:
    """Return inputs and targets from windows of T + 1 that don't overlap."""
    pieces = [s.x[k * (s.T + 1) : (k + 1) * (s.T + 1)] for k in range(s.length // (s.T + 1))]
    return [np.stack([piece[:-1] for piece in pieces]), np.stack([piece[1:] for piece in pieces])]


STREAMS_MISTAKES: Mistakes = {
    "Your streams aren't contiguous: neighbours in the text became neighbours in the batch. Each "
    "column should be a piece of the text, read downwards.": (
        streams_with(
            x=lambda s: s.read.reshape(-1, s.N),
            y=lambda s: s.next.reshape(-1, s.N),
        ),
        streams_with(
            xs=lambda s: s.read[: s.K * s.T * s.N].reshape(s.K, s.T, s.N),
            ys=lambda s: s.next[: s.K * s.T * s.N].reshape(s.K, s.T, s.N),
        ),
    ),
    "Within a window your columns are right, but the next window doesn't go on where they stopped: "
    "a carried state would belong to another place in the text. Cut streams first, windows "
    "second.": (
        streams_with(
            xs=lambda s: _one_after_another(s, s.read),
            ys=lambda s: _one_after_another(s, s.next),
        ),
    ),
    "Your axes are windows, streams, steps. The question asks for windows, steps, streams.": (
        streams_with(xs=lambda s: _batch_first(s, s.x), ys=lambda s: _batch_first(s, s.y)),
    ),
    "Your targets are the inputs themselves. They should be one character ahead.": (
        streams_with(next=lambda s: s.read),
    ),
    "Your targets are one character behind the inputs. They should be one ahead.": (
        streams_with(next=lambda s: np.concatenate([s.numbers[-1:], s.read[:-1]])),
        streams_with(y=lambda s: np.roll(s.x, 1, axis=0)),
        streams_with(ys=lambda s: _within(s, lambda window: np.roll(window, 1, axis=0))),
    ),
    "Your targets are two characters ahead. One is enough.": (
        streams_with(next=lambda s: np.append(s.numbers[2:], s.numbers[:1])[: s.N * s.length]),
    ),
    "The last target of each window comes from the window's beginning. It's the first input of the "
    "next window.": (
        streams_with(ys=lambda s: _within(s, lambda window: np.roll(window, -1, axis=0))),
    ),
    "The last target of each window repeats its last input. It's the first input of the next "
    "window.": (
        streams_with(
            ys=lambda s: _within(s, lambda window: np.concatenate([window[1:], window[-1:]]))
        ),
    ),
    "The last target of each stream comes from its own beginning. The text goes on: it's the first "
    "character of the next stream.": (streams_with(y=lambda s: np.roll(s.x, -1, axis=0)),),
    "You shift along the wrong axis: the targets are the inputs of the neighbouring stream.": (
        streams_with(y=lambda s: np.roll(s.x, -1, axis=1)),
    ),
    "Your windows have T + 1 characters and don't overlap, so one character in T + 1 is never an "
    "input. The last target of a window is also the first input of the next.": (
        streams_with(xs=lambda s: _with_one_lost(s)[0], ys=lambda s: _with_one_lost(s)[1]),
    ),
    "Your windows overlap: each starts a single character after the one before. It should start "
    "after T characters.": (
        streams_with(
            xs=lambda s: np.stack([s.x[k : k + s.T] for k in range(s.K)]),
            ys=lambda s: np.stack([s.y[k : k + s.T] for k in range(s.K)]),
        ),
    ),
    "You leave out the last window where it fits exactly: a stream's last target comes from beyond "
    "the stream.": (streams_with(K=lambda s: (s.length - 1) // s.T),),
    "Your streams are as long as the text over N. The last one needs a target too, so take 1 off "
    "the text's length first.": (
        streams_with(
            length=lambda s: len(s.numbers) // s.N,
            K=lambda s: (s.length - 1) // s.T,
            x=lambda s: _streams(s, s.numbers[: s.N * s.length])[:-1],
            y=lambda s: _streams(s, s.numbers[: s.N * s.length])[1:],
        ),
    ),
    "You return the targets first. The question asks for inputs, then targets.": (
        lambda numbers, N, T: streams(numbers, N, T)[::-1],
    ),
    "N and T are exchanged: T is the number of steps, N that of streams.": (
        lambda numbers, N, T: streams(numbers, T, N),
    ),
}


@sized
def _text(N: int, T: int, K: int, spare: int = 0) -> Case:
    numbers = seeded(N, T, K).permutation(N * (T * K + min(spare, T - 1)) + N)
    return Case({"N": N, "T": T, "K": K}, {"numbers": numbers, "N": N, "T": T})


def _goes_on(f: Guarded, rng: np.random.Generator) -> bool:
    xs, ys = f(rng.permutation(61), 3, 4)
    return bool((np.asarray(ys)[:-1, -1] == np.asarray(xs)[1:, 0]).all())


def _leads(f: Guarded, rng: np.random.Generator) -> bool:
    xs, ys = f(rng.permutation(61), 3, 4)
    return bool((np.asarray(ys)[:, :-1] == np.asarray(xs)[:, 1:]).all())


STREAMS_QUESTION = Question(
    name="contiguous-streams",
    points=2,
    hints=(
        "Forget the windows at first. Cut the text into N pieces of the same length, and make them "
        "the columns of an array. How long can a piece be, if the last one needs a target too?",
        "Make the same array twice, once from the text and once from the text without its first "
        "character. Then cut both into windows of T rows.",
        "A stream's length is the text's, less one, over N, rounded down. Reshape to N rows of "
        "that length and transpose. Keep as many rows as whole windows need, and reshape to "
        "windows, T, N.",
    ),
    exam=FunctionExam(
        name="streams",
        solution=streams,
        returns=(Returned("inputs", "(K, T, N)"), Returned("targets", "(K, T, N)")),
        cases=(_text(3, 3, 3, 1), _text(1, 2, 2), _text(2, 3, 4), _text(4, 5, 3, 3)),
        mistakes=STREAMS_MISTAKES,
        right="Right: every column reads on where it stopped, so its state can be carried.",
        properties={
            "Within a window, each target must be the input of the next step.": _leads,
            "The last target of a window must be the first input of the next.": _goes_on,
        },
    ),
)


MEAN = Lines(
    ("losses", "lengths"),
    {
        "steps": lambda s: np.arange(len(s.losses))[:, None],  # (T, 1)
        "mask": lambda s: s.steps < s.lengths,
        "count": lambda s: int(s.mask.sum()),
        "weights": lambda s: (s.mask / s.count).astype(s.losses.dtype),
        "counted": lambda s: np.where(s.mask, s.losses, 0),
        "mean": lambda s: s.counted.sum() / s.count,
    },
    ("mean", "weights"),
)
mean_with = MEAN.but
"""Return mean and weights with some of their lines changed."""


def padded_mean(losses: Array, lengths: Array) -> tuple[float, Array]:
    """Return the mean loss of the real steps, and the weight (T, N) of each step in it."""
    mean, weights = MEAN(losses, lengths)
    return mean, weights


def _weighted(weights: Line) -> tuple[Answer, ...]:
    """Return the mean with other weights, once with both results and once with the mean alone."""

    def mean(s: Any) -> Any:
        return np.where(weights(s) != 0, s.losses * weights(s), 0).sum()

    return mean_with(weights=weights, mean=mean), mean_with(mean=mean)


def _per_sequence(s: Any) -> Array:
    return np.asarray((s.mask / s.lengths / len(s.lengths)).astype(s.losses.dtype))


def _per_step(s: Any) -> Array:
    real = s.mask.sum(axis=1, keepdims=True)  # (T, 1)
    return np.asarray((s.mask / np.maximum(real, 1) / len(s.losses)).astype(s.losses.dtype))


MEAN_MISTAKES: Mistakes = {
    "Your weights are only 1 and 0. Each real step has a weight of 1 over the number of real "
    "steps.": (mean_with(weights=lambda s: s.mask.astype(s.losses.dtype)),),
    "You leave padding out of the sum, but divide by the number of all steps of the batch.": (
        mean_with(count=lambda s: s.losses.size),
        mean_with(mean=lambda s: s.counted.mean()),
    ),
    "Padding counts too: your mean is that of all steps of the batch.": (
        mean_with(mask=lambda s: s.steps < s.lengths + len(s.losses)),
        mean_with(mean=lambda s: s.losses.mean()),
    ),
    "The sum includes padding, but you divide by the number of real steps.": (
        mean_with(counted=lambda s: s.losses),
    ),
    "Your mean is a mean of means, first over each sequence. So a step of a short sequence weighs "
    "more than one of a long sequence.": _weighted(_per_sequence),
    "Your mean is a mean of means, first over each step. All real steps should weigh the same.": (
        _weighted(_per_step)
    ),
    "You divide by the number of sequences. Divide by that of real steps.": (
        mean_with(count=lambda s: len(s.lengths)),
        mean_with(mean=lambda s: s.counted.sum() / len(s.lengths)),
    ),
    "Your loss is a sum. Divide it by the number of real steps.": (
        mean_with(count=lambda s: 1),
        mean_with(mean=lambda s: s.counted.sum()),
    ),
    "Your mask is one step too long: the first step of padding counts. Steps are counted from 0.": (
        mean_with(mask=lambda s: s.steps <= s.lengths),
    ),
    "Your mask is one step too short: a sequence's last step doesn't count.": (
        mean_with(mask=lambda s: s.steps < s.lengths - 1, count=lambda s: max(1, s.mask.sum())),
    ),
    "Your mask leaves out the first step of each sequence.": (
        mean_with(
            mask=lambda s: (s.steps > 0) & (s.steps < s.lengths),
            count=lambda s: max(1, s.mask.sum()),
        ),
        mean_with(
            mask=lambda s: (s.steps > 0) & (s.steps <= s.lengths),
            count=lambda s: max(1, s.mask.sum()),
        ),
    ),
    "Your mask is the wrong way round: you average the padding.": (
        mean_with(mask=lambda s: s.steps >= s.lengths, count=lambda s: max(1, s.mask.sum())),
    ),
    "You take the padding to be in front. Here it follows each sequence.": (
        mean_with(mask=lambda s: s.steps >= len(s.losses) - s.lengths),
    ),
    "You read only the last real step of each sequence. All its real steps count.": (
        mean_with(mask=lambda s: s.steps == s.lengths - 1),
    ),
    "You guess the padding from losses that are 0. A real loss can be 0, and padding can have any "
    "loss. Use the lengths.": (mean_with(mask=lambda s: s.losses != 0),),
    "You use the same length, that of the longest sequence, for all. Each has its own.": (
        mean_with(mask=lambda s: s.steps < s.lengths.max() + 0 * s.lengths),
    ),
    "You multiply the losses by the mask, but 0 times infinity isn't 0. Pick the real steps, or "
    "use NumPy's where.": (mean_with(counted=lambda s: s.losses * s.mask),),
}


@sized
def _batch(T: int, N: int, infinite: bool = False) -> Case:
    rng = seeded(T, N)
    lengths = rng.integers(1, T + 1, size=N)
    lengths[0], lengths[-1] = T, max(1, T // 2)
    losses = rng.gamma(2.0, size=(T, N))
    losses[0, 0] = 0.0  # a real loss
    if infinite:
        losses[-1, -1] = np.inf  # of padding
    return Case({"T": T, "N": N}, {"losses": losses, "lengths": lengths})


def _any_padding(f: Guarded, rng: np.random.Generator) -> bool:
    losses, lengths = rng.gamma(2.0, size=(5, 3)), np.array([5, 2, 3])
    other = np.where(np.arange(5)[:, None] < lengths, losses, 7.0)
    return bool(np.isclose(float(f(losses, lengths)[0]), float(f(other, lengths)[0])))


def _the_same_loss(f: Guarded, rng: np.random.Generator) -> bool:
    return bool(np.isclose(float(f(np.full((5, 3), 2.5), np.array([5, 2, 3]))[0]), 2.5))


def _weights_add_up(f: Guarded, rng: np.random.Generator) -> bool:
    return bool(np.isclose(np.sum(f(rng.gamma(2.0, size=(5, 3)), np.array([5, 2, 3]))[1]), 1))


MEAN_QUESTION = Question(
    name="padded-mean",
    points=2,
    hints=(
        "Which steps of a sequence are real? Those whose number is below its length, if you count "
        "from 0.",
        "Compare a column of step numbers with the row of lengths: broadcasting makes the whole "
        "mask. Then average the losses where it's true.",
        "The mask is a column of 0 to T less 1, smaller than lengths. The mean is that of the "
        "losses that the mask picks, and the weights are the mask divided by its sum.",
    ),
    exam=FunctionExam(
        name="padded_mean",
        solution=padded_mean,
        returns=(Returned("mean"), Returned("weights", "(T, N)")),
        cases=(_batch(4, 4), _batch(5, 2), _batch(3, 1), _batch(5, 3, True), _batch(7, 4)),
        mistakes=MEAN_MISTAKES,
        right="Right: all real steps weigh the same, and padding weighs nothing.",
        properties={
            "If all losses are equal, that must be their mean.": _the_same_loss,
            "The losses of padding must make no difference.": _any_padding,
            "The weights must add up to 1.": _weights_add_up,
        },
    ),
)


STOP = Lines(
    ("values", "patience", "min_delta"),
    {
        "steps": lambda s: range(len(s.values)),
        "best": lambda s: np.inf,
        "kept": lambda s: 0,
        "misses": lambda s: 0,
        "last": lambda s: 0,
        "stopped": lambda s: False,
    },
    ("kept", "last"),
    loop={
        "going": lambda s: not s.stopped,
        "better": lambda s: s.values[s.t] < s.best - s.min_delta,
        "misses": lambda s: (0 if s.better else s.misses + 1) if s.going else s.misses,
        "best": lambda s: s.values[s.t] if s.going and s.better else s.best,
        "kept": lambda s: s.t + 1 if s.going and s.better else s.kept,
        "last": lambda s: s.t + 1 if s.going else s.last,
        "stopped": lambda s: s.misses >= s.patience,
    },
)
stop_with = STOP.but
"""Return early stopping with some of its lines changed."""


def early_stop(values: Array, patience: int, min_delta: float) -> tuple[int, int]:
    """Return the epoch whose parameters are kept, and the last one that is trained."""
    kept, last = STOP(values, patience, min_delta)
    return kept, last


def _from_zero(answer: Any, *shift: int) -> Any:
    def shifted(values: Array, patience: int, min_delta: float) -> tuple[int, ...]:
        pair = answer(values, patience, min_delta)
        return tuple(one - less for one, less in zip(pair, shift, strict=True))

    return shifted


STOP_MISTAKES: Mistakes = {
    "You keep the last epoch. Early stopping goes back to the best.": (
        lambda *given: (early_stop(*given)[1],) * 2,
    ),
    "You keep the best of all epochs, including those after the stop, which are never trained.": (
        lambda values, patience, min_delta: (
            int(np.argmin(values)) + 1,
            early_stop(values, patience, min_delta)[1],
        ),
    ),
    "You keep the epoch with the lowest value up to the stop, however small its gain. A gain of at "
    "most the minimum delta is a miss, and its parameters aren't kept.": (
        lambda values, patience, min_delta: (
            int(np.argmin(values[: early_stop(values, patience, min_delta)[1]])) + 1,
            early_stop(values, patience, min_delta)[1],
        ),
    ),
    "Your misses never return to 0. A new best starts the count again: patience is about misses in "
    "a row.": (
        stop_with(misses=lambda s: s.misses + (0 if s.better else 1) if s.going else s.misses),
    ),
    "You stop one epoch too late, after one miss more than your patience.": (
        stop_with(stopped=lambda s: s.misses > s.patience),
    ),
    "You stop one epoch too early, one miss before your patience ends.": (
        stop_with(stopped=lambda s: s.misses >= max(1, s.patience - 1)),
    ),
    "You stop at the first miss. Patience is how many of them in a row you allow.": (
        stop_with(stopped=lambda s: s.misses >= 1),
    ),
    "You never stop.": (stop_with(stopped=lambda s: False),),
    "The minimum delta has no effect.": (stop_with(better=lambda s: s.values[s.t] < s.best),),
    "You compare with the epoch before. Compare with the best so far.": (
        stop_with(better=lambda s: s.t == 0 or s.values[s.t] < s.values[s.t - 1] - s.min_delta),
    ),
    "You take the largest value for the best. These are losses: lower is better.": (
        lambda values, patience, min_delta: early_stop(-values, patience, min_delta),
    ),
    "Your minimum delta has the wrong sign: you accept epochs that are worse.": (
        stop_with(better=lambda s: s.values[s.t] < s.best + s.min_delta),
    ),
    "Your minimum delta is a share of the best value. The question wants a difference.": (
        stop_with(better=lambda s: s.values[s.t] < s.best * (1 - s.min_delta)),
    ),
    "You move the best value even on a miss, so a slow decline never counts as a gain. Compare "
    "with the best epoch that you kept.": (
        stop_with(best=lambda s: min(s.best, s.values[s.t]) if s.going else s.best),
    ),
    "You count epochs from 0. The question counts from 1.": (_from_zero(early_stop, 1, 1),),
    **each(
        "Your {} epoch is counted from 0, the {} one from 1. Count both from 1.",
        {
            ("kept", "last"): (_from_zero(early_stop, 1, 0),),
            ("last", "kept"): (_from_zero(early_stop, 0, 1),),
        },
    ),
    "You return the last epoch first. The question asks for the one kept, then the last.": (
        lambda *given: early_stop(*given)[::-1],
    ),
    "You return how many epochs go by after the best one. The question asks for the last epoch.": (
        lambda *given: (early_stop(*given)[0], early_stop(*given)[1] - early_stop(*given)[0]),
    ),
}


def _curve(*values: float, patience: int, min_delta: float = 0.0) -> Case:
    array = np.array(values) * (1 + 0.001 * seeded(len(values)).random())
    arguments = {"values": array, "patience": patience, "min_delta": min_delta}
    return Case({"K": len(values), "patience": patience}, arguments)


CURVES = (
    _curve(1.47, 1.23, 1.44, 1.21, 1.02, 1.04, 1.11, 1.16, 1.18, 0.9, patience=4),
    _curve(1.5, 1.4, 1.45, 1.3, 1.35, 1.2, 1.25, 1.31, 1.1, 1.0, patience=2),
    _curve(1.5, 1.4, 1.3, 1.2, patience=3),
    _curve(1.5, 1.3, 1.28, 1.26, 1.24, 1.26, 1.27, 1.3, 1.2, patience=3, min_delta=0.05),
    _curve(2.0, 1.9, 1.86, 1.82, 1.78, 1.9, 1.84, 1.85, 1.7, patience=3, min_delta=0.1),
    _curve(1.0, 1.1, 1.02, 1.3, 0.9, patience=1),
    _curve(0.5, 0.44, 0.45, 0.43, 0.42, 0.46, 0.3, patience=3, min_delta=0.03),
)


@sized
def _drawn(K: int, patience: int) -> Case:
    rng = seeded(K, patience)
    values = 1.5 * np.exp(-np.arange(K) / 5) + 0.1 * rng.random(K) + 0.02 * np.arange(K)
    arguments = {"values": values, "patience": patience, "min_delta": 0.02}
    return Case({"K": K, "patience": patience}, arguments)


def _never_after_the_last(f: Guarded, rng: np.random.Generator) -> bool:
    kept, last = f(rng.random(12), 3, 0.0)
    return 1 <= int(kept) <= int(last) <= 12


def _future_changes_nothing(f: Guarded, rng: np.random.Generator) -> bool:
    values = np.array([1.0, 0.9, 0.95, 0.97, 0.5, 0.4])
    return tuple(f(values, 2, 0.0)) == tuple(f(values[:4], 2, 0.0))


STOP_QUESTION = Question(
    name="early-stop",
    points=3,
    hints=(
        "Walk through the epochs and keep three things: the best value so far, the epoch it came "
        "from, and how many misses there have been since.",
        "An epoch is a new best only if it's lower than the best by more than the minimum delta. "
        "Then the count of misses starts again; otherwise it grows by one.",
        "As soon as the misses are as many as the patience, this epoch is the last. If that never "
        "happens, the last epoch is the end of the list.",
    ),
    exam=FunctionExam(
        name="early_stop",
        solution=early_stop,
        returns=(Returned("kept"), Returned("last")),
        cases=(*CURVES, _drawn(20, 4)),
        mistakes=STOP_MISTAKES,
        right="Right: patience counts misses in a row, and what you keep is the best epoch.",
        properties={
            "The epoch kept can't come after the last, and both are numbered from 1.": (
                _never_after_the_last
            ),
            "What comes after the stop must change nothing: it's never trained.": (
                _future_changes_nothing
            ),
        },
    ),
)

QUESTIONS = (STREAMS_QUESTION, MEAN_QUESTION, STOP_QUESTION)

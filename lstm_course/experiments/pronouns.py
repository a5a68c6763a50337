"""Does a trained cell forget the old subject's gender and write the new one's? A look inside.

Language models learn to predict the next word in the stories of `tasks.gender`: LSTMs, LSTMs whose
forget gate is always 1, and vanilla RNNs, all with about as many parameters. Each has the learning
rate that worked best on seeds and stories that are not used again. They must choose she or he, her
or his. Then the unit most needed for the gender is found on some stories, by switching off each in
turn; on others it is watched, switched off, and kept from forgetting or writing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_course._checks import Array
from lstm_course.experiments import resume
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.losses import softmax_cross_entropy
from lstm_course.models import SequenceModel
from lstm_course.optim import Adam
from lstm_course.pointwise import sigmoid
from lstm_course.rnn import RNN
from lstm_course.tasks.gender import (
    GENDER,
    OBJECT,
    OTHER,
    PRONOUN,
    PRONOUNS,
    SUBJECT,
    WORDS,
    GenderStories,
    gender_stories,
    since_cue,
)
from lstm_course.training import Batch, MiniBatches, Trainer

MODELS = ("LSTM", "no forget gate", "plain")
RATES = (0.1, 0.03, 0.01, 0.003, 0.001)
ALSO = (0.01,)  # another rate for the LSTM, to see what depends on the rate
SEEDS, TUNING_SEEDS = range(5), (100, 101, 102)
UPDATES, BATCH, EVERY = 3000, 32, 250
T, STORIES, ASKED = 49, 6000, 1000
UNITS, PLAIN_UNITS, EMBEDDING = 16, 28, 12  # so that all models have about as many parameters
BINS = ((1, 4), (5, 8), (9, 16), (17, 32), (33, 64))
THRESHOLDS = (0.02, 0.05, 0.1, 0.2)
BEFORE, AFTER = 4, 6  # words watched around a new subject
DURING = 4  # words, from the subject on, in which a cell may take in the change
TRAIN, CHOOSE, JUDGE, TEST, LONG, WEIGHTS, SHUFFLE = range(7)  # one random stream each
SHE, HE, HER, HIS = (WORDS.index(word) for pair in PRONOUNS for word in pair)


class Run(NamedTuple):
    """Everything that determines a run, to the last bit on one machine."""

    model: str
    learning_rate: float
    seed: int


@cache
def drawn(stream: int) -> GenderStories:
    """Return the stories of one stream; those of LONG are longer and have fewer cues."""
    rng = np.random.default_rng([stream])
    if stream == LONG:
        return gender_stories(2 * T, ASKED, rng=rng, change=0.12, pronoun=0.12)
    return gender_stories(T, STORIES if stream == TRAIN else ASKED, rng=rng)


def build(run: Run) -> SequenceModel:
    """Make a model that reads words and predicts the next one.

    "no forget gate" has a forget bias of 40, so that in floating point the gate is exactly 1 and
    its gradient 0.
    """
    rng = np.random.default_rng([WEIGHTS, run.seed])
    embedding = Embedding(len(WORDS), EMBEDDING, rng=rng, dtype=np.float32)
    recurrent: RNN | LSTM
    if run.model == "plain":
        recurrent = RNN(EMBEDDING, PLAIN_UNITS, rng=rng, recurrent="orthogonal", dtype=np.float32)
    else:
        bias = 40.0 if run.model == "no forget gate" else 1.0
        recurrent = LSTM(EMBEDDING, UNITS, rng=rng, forget_bias=bias, dtype=np.float32)
    readout = Linear(recurrent.hidden_size, len(WORDS), rng=rng, dtype=np.float32)
    return SequenceModel(recurrent, readout, embedding)


def train(run: Run, updates: int | None = None) -> tuple[SequenceModel, list[float]]:
    """Train; return the model and its accuracy on validation stories after every 250 updates.

    The last sixth of the updates uses a tenth of the learning rate.
    """
    updates = UPDATES if updates is None else updates
    model, words = build(run), drawn(TRAIN).words
    optimizer = Adam(model.arrays, learning_rate=run.learning_rate)
    trainer = Trainer(model, optimizer, clip=1.0)
    batches = MiniBatches(Batch(words[:-1], words[1:]), BATCH, seed=run.seed)
    settings: dict[str, Any] = {
        "validate": lambda model: 1 - accuracy(model, drawn(CHOOSE)),
        "every": EVERY,
        "progress": False,
    }
    trainer.fit(batches, max(1, 5 * updates // 6), **settings)
    optimizer.learning_rate /= 10
    history = trainer.fit(batches, updates, **settings)
    return model, [1 - wrong for _, wrong in history.validation]


def right(model: SequenceModel, stories: GenderStories) -> Array:
    """Return (T - 1, N) booleans: whether the model prefers the right pronoun as the next word.

    She is compared with he where one of the two follows, and her with his elsewhere; entries where
    no pronoun follows mean nothing.
    """
    outputs = model.forward(stories.words[:-1], training=False)[0]
    return _agrees(outputs, stories)


def _agrees(outputs: Array, stories: GenderStories) -> Array:
    subject = np.isin(stories.words[1:], (SHE, HE))
    female = np.where(subject, outputs[..., SHE], outputs[..., HER])
    male = np.where(subject, outputs[..., HE], outputs[..., HIS])
    return np.sign(female - male) == stories.subject[1:]


def accuracy(model: SequenceModel, stories: GenderStories) -> float:
    """Return the share of pronouns that the model gets right."""
    return float(right(model, stories)[stories.kind[1:] == PRONOUN].mean())


def cells(correct: Array, stories: GenderStories) -> list[list[Any]]:
    """Return the accuracy on pronouns, by words since the last cue and by others met.

    Parameters
    ----------
    correct
        (T - 1, N) booleans, or shares.
    stories
        (T, N) each.

    Returns
    -------
    Rows of first and last distance, 1 if someone of the other gender was met since and otherwise 0,
    the share that is right, and the number of pronouns; cells without pronouns have no row.
    """
    steps, others = (array[1:] for array in since_cue(stories))
    asked = stories.kind[1:] == PRONOUN
    rows: list[list[Any]] = []
    for low, high in BINS:
        for other in (False, True):
            cell = asked & (steps >= low) & (steps <= high) & ((others > 0) == other)
            if cell.any():
                share = round(float(correct[cell].mean()), 4)
                rows.append([low, high, int(other), share, int(cell.sum())])
    return rows


class NGram:
    """Counts which pronoun followed the longest matching context that was seen before one.

    Parameters
    ----------
    stories
        Stories to count in.
    order
        The most words that it uses, including the pronoun.
    """

    def __init__(self, stories: GenderStories, order: int) -> None:
        self.order = order
        self.counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for before, word, _ in self._questions(stories):
            for length in range(len(before) + 1):
                self.counts[before[len(before) - length :]][word] += 1

    def _questions(self, stories: GenderStories) -> Iterable[tuple[tuple[int, ...], int, Any]]:
        for n, (words, kinds) in enumerate(zip(stories.words.T, stories.kind.T, strict=True)):
            text = words.tolist()
            for t in np.flatnonzero(kinds == PRONOUN):
                yield tuple(text[max(0, t - self.order + 1) : t]), text[t], (t - 1, n)

    def right(self, stories: GenderStories) -> Array:
        """Return (T - 1, N) shares at the pronouns: 1 for right, 0 for wrong, 1/2 for a tie."""
        shares = np.zeros((len(stories.words) - 1, stories.words.shape[1]))
        for before, word, place in self._questions(stories):
            pair = (SHE, HE) if word in (SHE, HE) else (HER, HIS)
            other = sum(pair) - word
            for start in range(len(before) + 1):
                counts = self.counts[before[start:]] if before[start:] in self.counts else Counter()
                if counts[word] + counts[other]:
                    shares[place] = (1 + np.sign(counts[word] - counts[other])) / 2
                    break
        return shares


def last_gender(stories: GenderStories, kinds: Iterable[int]) -> Array:
    """Return (T - 1, N) booleans: whether pronouns agree with the last word of some kinds."""
    words, kind, subject = stories
    last = np.zeros_like(subject)
    for t in range(1, len(words)):
        told = np.isin(kind[t - 1], tuple(kinds))
        last[t] = np.where(told, GENDER[words[t - 1]], last[t - 1])
    return (last == subject)[1:]


def baselines() -> dict[str, Any]:
    """Return the `cells` of n-grams, and of rules that never learn, for the two tests.

    The order of the n-grams is the one that does best on the validation stories.
    """
    choosing = drawn(CHOOSE)
    asked = choosing.kind[1:] == PRONOUN
    grams = {order: NGram(drawn(TRAIN), order) for order in range(1, 13)}
    order = max(grams, key=lambda order: grams[order].right(choosing)[asked].mean())
    result: dict[str, Any] = {"order": order}
    for name, stream in (("test", TEST), ("long", LONG)):
        stories = drawn(stream)
        guesses = {
            "counts": grams[order].right(stories),
            "last person": last_gender(stories, (SUBJECT, OBJECT)),
            "last gender": last_gender(stories, (SUBJECT, OBJECT, PRONOUN)),
            "last subject": last_gender(stories, (SUBJECT,)),
        }
        result[name] = {key: cells(correct, stories) for key, correct in guesses.items()}
    return result


def traces(
    model: SequenceModel, words: Array, fixed: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """Run a model word by word in float64, and return its gates and states.

    Parameters
    ----------
    model
        A model of `build`.
    words
        (T, N) word numbers.
    fixed
        Values at which to hold gates, by the gate's name, each (T, N, H), with NaN where a gate is
        left alone.

    Returns
    -------
    dict of `outputs` (T, N, V); for an LSTM i, f, g, o, c, h and c_prev, (T, N, H) each; for a
    vanilla RNN h.

    Examples
    --------
    >>> model = build(Run("no forget gate", 0.01, 0))
    >>> bool((traces(model, drawn(TEST).words)["f"] == 1).all())
    True
    """
    assert model.embedding is not None
    table, W, U, b, V, v = (array.astype(float) for array in model.arrays)
    xs, H = table[words], U.shape[1]
    h = c = np.zeros((words.shape[1], H))
    steps: dict[str, list[Array]] = defaultdict(list)
    for t, x in enumerate(xs):
        a = x @ W.T + h @ U.T + b
        if len(U) == H:
            now = {"h": np.tanh(a)}
        else:
            i, f, g, o = np.split(a, 4, axis=1)
            now = {"i": sigmoid(i), "f": sigmoid(f), "g": np.tanh(g), "o": sigmoid(o), "c_prev": c}
            for name, values in (fixed or {}).items():
                now[name] = np.where(np.isnan(values[t]), now[name], values[t])
            c = now["c"] = now["f"] * c + now["i"] * now["g"]
            now["h"] = now["o"] * np.tanh(c)
        h = now["h"]
        for name, array in now.items():
            steps[name].append(array)
    result = {name: np.array(arrays) for name, arrays in steps.items()}
    return result | {"outputs": result["h"] @ V.T + v}


def correlations(states: Array, gender: Array) -> Array:
    """Return (H,) correlations of states (T, N, H) with the known genders of subjects (T, N)."""
    known = gender != 0
    x, y = states[known], gender[known].astype(float)
    x, y = x - x.mean(axis=0), y - y.mean()
    spread = np.sqrt((x**2).sum(axis=0) * (y**2).sum())
    return np.divide(y @ x, spread, out=np.zeros(x.shape[1]), where=spread > 1e-12)


def switched_off(model: SequenceModel, unit: int, value: float) -> SequenceModel:
    """Return a copy of the model that treats one unit's hidden state as fixed at a value."""
    model = deepcopy(model)
    cell = model.recurrent.params
    params = cell[0] if isinstance(cell, tuple) else cell
    for weight, bias in (
        (params.weight_hh, params.bias),
        (model.readout.weight, model.readout.bias),
    ):
        bias += value * weight[:, unit]
        weight[:, unit] = 0
    return model


def changes(stories: GenderStories) -> tuple[Array, Array]:
    """Return where a new subject has the same, and where the other gender, (T, N) booleans each.

    A story's first subject changes nothing and is left out.
    """
    old = np.concatenate([np.zeros_like(stories.subject[:1]), stories.subject[:-1]])
    new = (stories.kind == SUBJECT) & (old != 0)
    return new & (old == stories.subject), new & (old != stories.subject)


def during(events: Array, steps: int = DURING) -> Array:
    """Return (T, N) booleans: true for `steps` words from each event on.

    Examples
    --------
    >>> during(np.array([[True], [False], [False], [True]]), 2).ravel()
    array([ True,  True, False,  True])
    """
    result = events.copy()
    for k in range(1, steps):
        result[k:] |= events[:-k]
    return result


def around(events: Array, kind: Array) -> tuple[Array, Array]:
    """Return the places t and n of the events that can be watched on their own.

    The story includes the four words before and the six after such an event, and none of these six
    is a subject or a pronoun.
    """
    cue = np.isin(kind, (SUBJECT, PRONOUN))
    t, n = np.nonzero(events)
    inside = (t >= BEFORE) & (t < len(kind) - AFTER)
    t, n = t[inside], n[inside]
    alone = ~np.any([cue[t + k, n] for k in range(1, AFTER + 1)], axis=0)
    return t[alone], n[alone]


def watch(trace: Mapping[str, Array], stories: GenderStories, unit: int, sign: float) -> Any:
    """Average a unit's behaviour around new subjects, and add up what it forgets and writes there.

    Parameters
    ----------
    trace
        From `traces`.
    stories
        The stories that were read.
    unit, sign
        The unit, and the sign of its correlation with the gender.

    Returns
    -------
    dict with `same` and `other`, each a dict: f, i, and o, averaged over the subjects, from four
    words before to six after; g and c likewise, with signs flipped so that the new gender is
    positive; `forgotten` and `written`, the sums over the subject and the next three words of
    (f - 1) c_prev and of i g, signs flipped; `left`, the product of f over these four words; and
    the `number` of subjects. For each old and new gender, such as "she, he": f and i at the
    subject, c before it, the sums forgotten and written, and c after the four words, where plus
    stands for she. And `quiet`: the product of f over four words without any cue.
    """
    result: dict[str, Any] = {}
    for name, events in zip(("same", "other"), changes(stories), strict=True):
        t, n = around(events, stories.kind)
        turn = sign * stories.subject[t, n]
        window = t + np.arange(-BEFORE, AFTER + 1)[:, None]
        seen = {key: trace[key][window, n, unit] for key in ("f", "i", "o", "g", "c", "c_prev")}
        now = slice(BEFORE, BEFORE + DURING)
        forgotten = (turn * (seen["f"] - 1) * seen["c_prev"])[now].sum(axis=0)
        written = (turn * seen["i"] * seen["g"])[now].sum(axis=0)
        result[name] = {
            **{key: _rounded(seen[key].mean(axis=1)) for key in "fio"},
            **{key: _rounded((turn * seen[key]).mean(axis=1)) for key in "gc"},
            "forgotten": round(float(forgotten.mean()), 4),
            "written": round(float(written.mean()), 4),
            "left": round(float(seen["f"][now].prod(axis=0).mean()), 4),
            "number": len(t),
        }
    for a, b in (("she", "she"), ("he", "she"), ("she", "he"), ("he", "he")):
        genders = {"she": 1, "he": -1}
        t, n = around(np.logical_or(*changes(stories)), stories.kind)
        mine = (stories.subject[t - 1, n] == genders[a]) & (stories.subject[t, n] == genders[b])
        window = t[mine] + np.arange(DURING)[:, None]
        f, i, g, c, c_prev = (trace[key][window, n[mine], unit] for key in (*"figc", "c_prev"))
        parts = f[0], i[0], sign * c_prev[0], sum(sign * (f - 1) * c_prev), sum(sign * i * g)
        result[f"{a}, {b}"] = _rounded(part.mean() for part in (*parts, sign * c[-1]))
    start = len(stories.kind) - DURING + 1
    alone = np.all([quiet(stories)[k : k + start] for k in range(DURING)], axis=0)
    f = np.prod([trace["f"][k : k + start, :, unit] for k in range(DURING)], axis=0)
    return result | {"quiet": round(float(f[alone].mean()), 4)}


def by_kind(
    trace: Mapping[str, Array], stories: GenderStories, unit: int, sign: float
) -> dict[str, list[float]]:
    """Average a unit's behaviour over words of each kind.

    Last come the words between changes, without subjects and the three words after one, and among
    these the quiet words, without pronouns and the three words after one.

    Returns
    -------
    For each kind: f, i, |i g|, and, with signs flipped so that the subject's gender is positive,
    (f - 1) c_prev, i g and c.
    """
    same, other = changes(stories)
    met = stories.kind == OBJECT
    differs = GENDER[stories.words] == -stories.subject
    known = stories.subject != 0
    masks = {
        "subject, same": same,
        "subject, other": other,
        "met, same": met & ~differs,
        "met, other": met & differs,
        "pronoun": stories.kind == PRONOUN,
        **{WORDS[word]: stories.words == word for word in (SHE, HE, HER, HIS)},
        "other words": known & (stories.kind == OTHER),
        "between": known & ~during(stories.kind == SUBJECT),
        "quiet": quiet(stories),
    }
    f, i, g, c, c_prev = (trace[key][..., unit] for key in ("f", "i", "g", "c", "c_prev"))
    turn = sign * stories.subject
    values = f, i, np.abs(i * g), turn * (f - 1) * c_prev, turn * i * g, turn * c
    return {name: _rounded(value[mask].mean() for value in values) for name, mask in masks.items()}


def quiet(stories: GenderStories) -> Array:
    """Return (T, N) booleans: words after the first subject, neither a cue nor soon after one."""
    cue = np.isin(stories.kind, (SUBJECT, PRONOUN))
    return (stories.subject != 0) & ~during(cue)


def next_pronouns(stories: GenderStories) -> tuple[Array, Array]:
    """Return (T - 1, N) booleans: pronouns after a subject of the same, and of the other gender.

    Only each subject's first pronoun counts, which comes before any other cue.
    """
    same, other = changes(stories)
    after = np.zeros(stories.words.shape, int)
    for t in range(1, len(after)):
        now = np.select([same[t - 1], other[t - 1]], [1, 2], after[t - 1])
        told = np.isin(stories.kind[t - 1], (SUBJECT, PRONOUN)) & ~same[t - 1] & ~other[t - 1]
        after[t] = np.where(told, 0, now)
    first = stories.kind == PRONOUN
    return (first & (after == 1))[1:], (first & (after == 2))[1:]


def hindered(
    model: SequenceModel,
    stories: GenderStories,
    gate: str,
    unit: int,
    asked: Iterable[Array] | None = None,
) -> list[float]:
    """Keep one unit from forgetting (gate f at 1) or writing (i at 0) when a new subject comes.

    The gate is held at every new subject and the next three words. Returns the accuracy on each of
    the sets of pronouns in `asked`, (T - 1, N) booleans each; by default those of `next_pronouns`,
    after a subject of the same gender, and after one of the other.
    """
    fixed = np.full((*stories.words.shape, UNITS), np.nan)
    fixed[during(np.logical_or(*changes(stories))), unit] = {"f": 1.0, "i": 0.0}[gate]
    correct = _agrees(traces(model, stories.words, {gate: fixed})["outputs"][:-1], stories)
    asked = next_pronouns(stories) if asked is None else asked
    return _rounded(correct[where].mean() for where in asked)


def left_alone(model: SequenceModel, stories: GenderStories, unit: int) -> dict[str, Any]:
    """Keep one unit from writing, or writing and forgetting, at quiet words; return `cells`."""
    fixed = np.full((*stories.words.shape, UNITS), np.nan)
    nothing, everything = fixed.copy(), fixed
    nothing[quiet(stories), unit] = 0.0
    everything[quiet(stories), unit] = 1.0
    result = {}
    for name, gates in (
        ("does not write", {"i": nothing}),
        ("does nothing", {"i": nothing, "f": everything}),
    ):
        outputs = traces(model, stories.words, gates)["outputs"][:-1]
        result[name] = cells(_agrees(outputs, stories), stories)
    return result


def moved(states: Array) -> dict[str, Any]:
    """Measure how much of a state (T, N, H) a step rewrites, relative to each unit's range.

    Returns
    -------
    `rewritten`, the shares of units that move by more than each threshold; `busiest`, the share of
    a step's movement due to the quarter of the units that move most; and `shuffled`, the same with
    each unit's moves shuffled over steps and stories.
    """
    moves = np.abs(np.diff(states, axis=0)) / np.ptp(states, axis=(0, 1))
    elsewhere = np.random.default_rng([SHUFFLE]).permuted(moves.reshape(-1, moves.shape[2]), axis=0)
    return {
        "rewritten": _rounded((moves > threshold).mean() for threshold in THRESHOLDS),
        "busiest": _busiest(moves),
        "shuffled": _busiest(elsewhere),
    }


def _busiest(moves: Array) -> float:
    most = np.sort(moves, axis=-1)[..., -(moves.shape[-1] // 4) :].sum(axis=-1)
    return round(float((most / moves.sum(axis=-1)).mean()), 4)


def histograms(trace: Mapping[str, Array]) -> dict[str, Any]:
    """Return a histogram of each gate's values over units and steps: 20 shares from 0 to 1."""
    return {
        gate: _rounded(np.histogram(trace[gate], 20, (0, 1))[0] / trace[gate].size)
        for gate in "fio"
    }


def look_inside(model: SequenceModel, run: Run) -> dict[str, Any]:
    """Find the unit that is needed most on validation stories; judge it on others.

    Returns
    -------
    `unit`, without which the fewest pronouns are right; `correlation` of every unit with the
    gender; `shuffled` and `untrained`, the largest correlation of a unit with the gender of other
    stories, and in an untrained model; `without`, the accuracy with each unit in turn fixed at its
    mean; `moved`, trained and untrained; and, for an LSTM, `gates`, trained and untrained, `watch`,
    `kinds`, and `hindered`, accuracies with each unit in turn kept from forgetting or writing;
    `first pronouns`, the unhindered accuracies on the same pronouns; and `left alone`, on long
    stories.
    """
    state = "h" if run.model == "plain" else "c"
    choosing, judging = drawn(CHOOSE), drawn(JUDGE)
    seen = traces(model, choosing.words)
    cut = [switched_off(model, k, mean) for k, mean in enumerate(seen["h"].mean(axis=(0, 1)))]
    unit = int(np.argmin([accuracy(one, choosing) for one in cut]))
    trace = traces(model, judging.words)
    fresh = traces(build(run), judging.words)
    at_start = correlations(fresh[state], judging.subject)
    found: dict[str, Any] = {
        "unit": unit,
        "correlation": _rounded(correlations(trace[state], judging.subject)),
        "shuffled": _rounded([np.abs(_shuffled(trace[state], judging)).max()])[0],
        "untrained": round(float(np.abs(at_start).max()), 4),
        "intact": round(accuracy(model, judging), 4),
        "without": _rounded(accuracy(one, judging) for one in cut),
        "moved": {
            f"{when}, {name}": moved(one[name])
            for when, one in (("trained", trace), ("fresh", fresh))
            for name in ("h" if run.model == "plain" else "ch")
        },
    }
    if run.model != "plain":
        first = [right(model, judging)[asked].mean() for asked in next_pronouns(judging)]
        sign = float(np.sign(correlations(seen["c"], choosing.subject)[unit]))
        found |= {
            "gates": {"trained": histograms(trace), "fresh": histograms(fresh)},
            "watch": watch(trace, judging, unit, sign),
            "kinds": by_kind(trace, judging, unit, sign),
            "left alone": left_alone(model, drawn(LONG), unit),
            "first pronouns": _rounded(first),
            "hindered": {
                gate: [hindered(model, judging, gate, k) for k in range(UNITS)] for gate in "fi"
            },
        }
    return found


def _shuffled(states: Array, stories: GenderStories) -> Array:
    """Return the correlations with the gender in the next story at the same step."""
    other = np.roll(stories.subject, 1, axis=1)
    return correlations(states, np.where(stories.subject != 0, other, 0))


def _rounded(values: Iterable[Any]) -> list[float]:
    return [round(float(value), 4) for value in values]


def _result(run: Run) -> dict[str, Any]:
    model, curve = train(run)
    words = drawn(CHOOSE).words
    outputs = model.forward(words[:-1], training=False)[0]
    result: dict[str, Any] = {
        **run._asdict(),
        "curve": _rounded(curve),
        "loss": round(softmax_cross_entropy(outputs, words[1:])[0], 4),
    }
    if run.seed in SEEDS:
        for name, stream in (("test", TEST), ("long", LONG)):
            result[name] = cells(right(model, drawn(stream)), drawn(stream))
        result["inside"] = look_inside(model, run)
    return result


def best_rate(tuning: Iterable[Mapping[str, Any]], model: str) -> float:
    """Return the learning rate with the lowest next-word loss, averaged over seeds."""
    losses: dict[float, list[float]] = defaultdict(list)
    for one in tuning:
        if one["model"] == model:
            losses[one["learning_rate"]].append(one["loss"])
    return min(losses, key=lambda rate: float(np.mean(losses[rate])))


def trained() -> SequenceModel:
    """Return the LSTM of seed 0 that the command saved."""
    model = build(Run("LSTM", 0.0, 0))
    file = files("lstm_course.experiments") / "results" / "pronouns.npz"
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
        for array, name in zip(model.arrays, stored.files, strict=True):
            array[...] = stored[name]
    return model


def measure(kept: Path) -> dict[str, Any]:
    """Tune, train, and save one model next to the record; finished runs are kept in a file."""
    tuning = resume(
        [Run(model, rate, seed) for model in MODELS for rate in RATES for seed in TUNING_SEEDS],
        _result,
        kept,
    )
    rates = {model: best_rate(tuning, model) for model in MODELS}
    designs = [Run(model, rates[model], seed) for model in MODELS for seed in SEEDS]
    designs += [Run("LSTM", rate, seed) for rate in ALSO if rate != rates["LSTM"] for seed in SEEDS]
    runs = resume(designs, _result, kept)
    model, _ = train(Run("LSTM", rates["LSTM"], SEEDS[0]))
    np.savez(kept.parent / "pronouns.npz", *model.arrays)
    return {"updates": UPDATES, "baselines": baselines(), "tuning": tuning, "runs": runs}

"""Captions of scenes: fifty pictures learned by heart, and pictures never seen before.

The scenes hold one to three handwritten digits; see `tasks.scenes`. The digits are split by the
sheets they were written on, as in `digit_reading`. The fold's number also serves as the seed.

By heart: LSTMs and vanilla RNNs learn fifty pictures with one caption each, in batches of 25, with
Adam and no clipping, at six learning rates. Each kind's own rate is the one with the lowest mean
loss along the run, over three seeds that are used for nothing else.

New pictures: five networks of each kind, one per fold, use the learning rate that did best on the
validation scenes in three separate runs. Each is trained until six of its validation scores in a
row bring no improvement, then returns to its best moment.
A search turns a network's probabilities into captions, and a caption is right if it is one of those
that are true of the picture.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_course._checks import Array
from lstm_course.cell import LSTMParams
from lstm_course.experiments import resume
from lstm_course.experiments.digit_reading import parts, ridge
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.losses import softmax_cross_entropy
from lstm_course.models import Caption, CaptionBatches, Captioner, beam_search, caption_batch
from lstm_course.optim import Adam
from lstm_course.rnn import RNN
from lstm_course.sequence import lstm_forward, trace
from lstm_course.tasks import Scenes, Vocabulary, scenes, true_captions
from lstm_course.training import Batch, Trainer

KINDS = ("LSTM", "RNN", "RNN, wide")
UNITS, WORD_SIZE, LIMIT = 64, 32, 12
WORDS = Vocabulary(
    [
        "a zero to the left of a one",
        "a two to the right of a three",
        "a four and a five above a six",
        "a seven below an eight and a nine",
    ]
)
"""All words that describe scenes."""
ENDS = {"start": WORDS.start, "end": WORDS.end}

PICTURES, PART, SMALL_UPDATES, NEW = 50, 25, 200, 200
SMALL_RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
COMMON_RATE = 0.005
SEEDS, TUNING_SEEDS, DRAWN = range(10), range(100, 103), range(5)
OTHER_START = 1000
"""Added to a seed, this gives other initial weights for the same pictures in the same order."""

FOLDS, SCENES, TEST, BATCH = range(5), 20_000, 500, 128
TUNING_FOLDS = 5, 6, 7  # the digits of folds 0, 1 and 2, in other scenes
UPDATES, EVERY, PATIENCE = 30_000, 300, 6
READ, STRENGTHS = 5000, (0.001, 0.01, 0.1, 1.0)
RATES = {"LSTM": (0.008, 0.004, 0.002, 0.001), "RNN, wide": (0.004, 0.002, 0.001, 0.0005)}
BLIND = "LSTM, blind"
LEARNED = 2000  # training scenes on which the share of right captions is reported
PROBED = 10_000, 3000  # scenes for fitting and testing; a fifth are of the kind probed
SEARCHES = ((1, 0.0), (2, 0.0), (5, 0.0), (10, 0.0), (2, 1.0), (5, 1.0), (10, 1.0))
"""Beam widths, and the powers of the length by which log probabilities are divided."""
PROCESSES = 2


class Small(NamedTuple):
    """Everything that determines a run on fifty pictures."""

    kind: str
    rate: float
    seed: int
    shift: int = 0  # added to the seed of the initial weights only


class Large(NamedTuple):
    """Everything that determines a run on many pictures."""

    model: str  # a kind, or BLIND
    learning_rate: float
    fold: int


def units(kind: str) -> int:
    """Return how many units a kind has; the wide RNN has about the LSTM's parameter count."""
    if kind != "RNN, wide":
        return UNITS

    def count(H: int, gates: int, states: int) -> int:
        D, V = WORD_SIZE, len(WORDS)
        return gates * H * (D + H + 1) + V * (H + 1) + states * H * (256 + 1)

    wanted = count(UNITS, 4, 2)
    return min(range(1, 300), key=lambda H: abs(count(H, 1, 1) - wanted))


def build(kind: str, seed: int) -> Captioner:
    """Make a captioner: an LSTM with forget bias 1, or a vanilla RNN started with a rotation."""
    rng, H, f32 = np.random.default_rng(seed), units(kind), np.float32
    recurrent: LSTM | RNN
    if kind == "LSTM":
        recurrent = LSTM(WORD_SIZE, H, rng=rng, dtype=f32)
    else:
        recurrent = RNN(WORD_SIZE, H, rng=rng, recurrent="orthogonal", dtype=f32)
    return Captioner(
        recurrent,
        Linear(H, len(WORDS), rng=rng, dtype=f32),
        Embedding(len(WORDS), WORD_SIZE, rng=rng, dtype=f32),
        initial=Linear(256, (2 if kind == "LSTM" else 1) * H, rng=rng, dtype=f32),
    )


def draw(fold: int, part: str, N: int) -> Scenes:
    """Return scenes from a part of a fold ("training", "choosing" or "held_out"), in float32."""
    names = ("training", "choosing", "held_out")
    digits = getattr(parts(fold % len(FOLDS)), part)
    drawn = scenes(N, *digits, rng=np.random.default_rng([21, fold, names.index(part)]))
    return drawn._replace(pictures=drawn.pictures.astype(np.float32))


def encoded(drawn: Scenes) -> list[list[Array]]:
    """Return the captions as word numbers."""
    return [[WORDS.encode(caption) for caption in captions] for captions in drawn.captions]


def greedy(model: Captioner, pictures: Array) -> list[str]:
    """Return a model's captions of pictures, always taking the most probable next word.

    The same as `beam_search` of width 1, but in one run for all pictures.
    """
    state, _ = model.look(pictures)
    words = [np.full(len(pictures), WORDS.start)]
    for _ in range(LIMIT):
        log_p, state = model.step(words[-1], state)
        words.append(log_p.argmax(axis=1))
    return [WORDS.decode(column) for column in np.array(words[1:]).T]


def right(said: Sequence[str], drawn: Scenes) -> float:
    """Return the share of captions that are true."""
    return float(np.mean([one in true for one, true in zip(said, drawn.captions, strict=True)]))


def by_digits(said: Sequence[str], drawn: Scenes) -> list[float]:
    """Return the share of true captions for scenes with one, two and three digits."""
    good = np.array([one in true for one, true in zip(said, drawn.captions, strict=True)])
    digits = (drawn.places >= 0).sum(axis=(1, 2))
    return [round(float(good[digits == k].mean()), 4) for k in (1, 2, 3)]


def bleu(said: Sequence[str], drawn: Scenes) -> float:
    """Return BLEU from 0 to 100, against all true captions of each picture.

    References
    ----------
    Papineni et al. (2002), doi:10.3115/1073083.1073135; computed by sacrebleu, Post (2018),
    doi:10.18653/v1/W18-6319.
    """
    from sacrebleu import BLEU

    first = [true[0] for true in drawn.captions]
    second: Any = [true[1] if len(true) > 1 else None for true in drawn.captions]
    return float(BLEU().corpus_score(said, [first, second]).score)


def by_heart(run: Small, updates: int = SMALL_UPDATES) -> dict[str, Any]:
    """Train on fifty pictures, and return how it went.

    `batch` and `whole` hold the mean absolute change of the loss from update to update, and the sum
    of all its rises: `batch` for the loss on each batch, `whole` for the loss on all fifty. `mean`
    is the mean of the latter, `last` its last value, `curve` the loss on each batch. `right` is the
    share of the fifty that get a true caption, `said` the captions; `new right` and `new said` are
    the same for pictures with held-out digits.
    """
    fold = run.seed % len(FOLDS)
    drawn = scenes(
        PICTURES, *parts(fold).training, rng=np.random.default_rng([21, PICTURES, run.seed])
    )
    drawn = drawn._replace(pictures=drawn.pictures.astype(np.float32))
    captions = [one[:1] for one in encoded(drawn)]  # one each
    batches = CaptionBatches(drawn.pictures, captions, PART, seed=run.seed, **ENDS)
    everything = caption_batch(drawn.pictures, [one[0] for one in captions], **ENDS)
    model = build(run.kind, run.seed + run.shift)
    trainer = Trainer(model, Adam(model.arrays, learning_rate=run.rate))
    history = trainer.fit(
        batches, updates, validate=lambda _: _loss(model, everything), every=1, progress=False
    )
    whole = [value for _, value in history.validation]
    said = greedy(model, drawn.pictures)
    new = draw(fold, "held_out", NEW)
    new_said = greedy(model, new.pictures)
    return {
        **run._asdict(),
        "batch": _moves(history.loss),
        "whole": _moves(whole),
        "mean": round(float(np.mean(whole)), 4),
        "last": round(whole[-1], 4),
        "right": right(said, drawn),
        "new right": right(new_said, new),
        "said": said,
        "new said": new_said,
        "curve": [round(value, 3) for value in history.loss],
    }


def _loss(model: Captioner, batch: Batch) -> float:
    scores, _, _ = model.forward(batch.inputs, lengths=batch.lengths, training=False)
    return softmax_cross_entropy(scores, batch.targets, batch.mask)[0]


def _moves(losses: Sequence[float]) -> dict[str, float]:
    steps = np.diff(losses)
    return {
        "change": round(float(np.abs(steps).mean()), 5),
        "rise": round(float(steps[steps > 0].sum()), 4),
    }


def own_rate(tuning: list[dict[str, Any]], kind: str) -> float:
    """Return the rate with the lowest mean loss along the run, averaged over the seeds."""

    def mean(rate: float) -> float:
        return float(
            np.mean([one["mean"] for one in tuning if (one["kind"], one["rate"]) == (kind, rate)])
        )

    return min(SMALL_RATES, key=mean)


def train(
    run: Large, updates: int = UPDATES, every: int = EVERY
) -> tuple[Captioner, tuple[int, float]]:
    """Train on many pictures, and return to the moment with the best validation score.

    Returns the model, that moment, and the share of validation captions that were right then.
    """
    training, choosing = draw(run.fold, "training", SCENES), draw(run.fold, "choosing", TEST)
    if run.model == BLIND:
        training, choosing = blind(training), blind(choosing)
    model = build("LSTM" if run.model == BLIND else run.model, run.fold)
    batches = CaptionBatches(training.pictures, encoded(training), BATCH, seed=run.fold, **ENDS)
    trainer = Trainer(model, Adam(model.arrays, learning_rate=run.learning_rate), clip=1.0)
    history = trainer.fit(
        batches,
        updates,
        validate=lambda _: -right(greedy(model, choosing.pictures), choosing),
        every=every,
        patience=PATIENCE,
        progress=False,
    )
    trainer.restore_best()
    done, value = history.best() or (0, 0.0)
    return model, (done, -value)


def blind(drawn: Scenes) -> Scenes:
    """Return scenes whose pictures are all blank."""
    return drawn._replace(pictures=np.zeros_like(drawn.pictures))


def searched(model: Captioner, pictures: Array, width: int, alpha: float) -> list[Caption]:
    """Return the best caption that beam search finds for each picture."""
    found = []
    for k in range(len(pictures)):
        state, _ = model.look(pictures[k : k + 1])
        kept = beam_search(model.step, state, **ENDS, width=width, limit=LIMIT, alpha=alpha)
        found.append(kept[0])
    return found


def log_probabilities(model: Captioner, drawn: Scenes) -> list[float]:
    """Return the log probability of each picture's most probable true caption."""
    pairs = [(k, words) for k, known in enumerate(encoded(drawn)) for words in known]
    pictures = drawn.pictures[[k for k, _ in pairs]]
    batch = caption_batch(pictures, [words for _, words in pairs], **ENDS)
    scores = model.forward(batch.inputs, lengths=batch.lengths, training=False)[0].astype(float)
    scores -= scores.max(axis=2, keepdims=True)
    log_p = scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))
    chosen = np.take_along_axis(log_p, batch.targets[:, :, None], axis=2)[:, :, 0]
    best = np.full(len(drawn.captions), -np.inf)
    np.maximum.at(best, [k for k, _ in pairs], (chosen * batch.mask).sum(axis=0))
    return [float(value) for value in best]


def on_new_pictures(run: Large) -> dict[str, Any]:
    """Train on many pictures, and measure the model's captions of pictures with held-out digits.

    `searches` holds for each width and alpha: the share that is right, BLEU, the mean number of
    words and log probability of the captions found, and the share of `missed` captions, which are
    wrong although a true caption had a higher probability. `digits` holds the share that is right
    in scenes with one, two and three digits (greedy), `training digits` the same for training
    scenes, and `inside` what `probes` finds before and after training.
    """
    model, (updates, chosen) = train(run)
    held_out = draw(run.fold, "held_out", TEST)
    seen = blind(held_out) if run.model == BLIND else held_out
    result: dict[str, Any] = {
        **run._asdict(),
        "chosen": [updates, round(chosen, 4)],
        "searches": [],
    }
    true = log_probabilities(model, held_out._replace(pictures=seen.pictures))
    for width, alpha in SEARCHES if run.model != BLIND else SEARCHES[:1]:
        found = searched(model, seen.pictures, width, alpha)
        said = [WORDS.decode(one.words) for one in found]
        good = np.array([one in known for one, known in zip(said, held_out.captions, strict=True)])
        better = np.array(true) > np.array([one.log_probability for one in found]) + 1e-4
        if width == 1:
            result["digits"] = by_digits(said, held_out)
            result["said"] = said[:20]
        result["searches"].append(
            {
                "width": width,
                "alpha": alpha,
                "right": round(float(good.mean()), 4),
                "BLEU": round(bleu(said, held_out), 2),
                "words": round(float(np.mean([len(one.split()) for one in said])), 3),
                "log p": round(float(np.mean([one.log_probability for one in found])), 4),
                "missed": round(float((better & ~good).mean()), 4),
            }
        )
    if run.model != BLIND:
        learned = draw(run.fold, "training", LEARNED)  # the first of those it has seen
        result["training digits"] = by_digits(greedy(model, learned.pictures), learned)
        untrained = build(run.model, run.fold)
        result["inside"] = {"trained": probes(run, model), "untrained": probes(run, untrained)}
    return result


def states_of(model: Captioner, batch: Batch) -> dict[str, Array]:
    """Return the states before the first word and after each word, (T + 1, N, H).

    For an LSTM: c, h and the forget gate f, whose first row means nothing; for a vanilla RNN: h.
    """
    pictures, words = batch.inputs
    state, _ = model.look(pictures)
    xs, _ = model.embedding.forward(words)
    if isinstance(model.recurrent, RNN):
        hs, _, _ = model.recurrent.forward(xs, state[0])
        return {"h": np.concatenate([state[0], hs])}
    arrays = [array.astype(float) for array in model.recurrent.arrays]
    h0, c0 = (part[0].astype(float) for part in state)
    gates = trace(lstm_forward(xs.astype(float), LSTMParams(*arrays), h0, c0)[2])
    return {
        "h": np.concatenate([h0[None], gates["h"]]),
        "c": np.concatenate([c0[None], gates["c"]]),
        "f": np.concatenate([np.ones_like(c0)[None], gates["f"]]),
    }


def pairs(fold: int, part: str, N: int) -> tuple[Batch, Array]:
    """Return scenes of one digit above another, read as "a X above a Y", and both digits (N, 2)."""
    drawn = draw(fold, part, N)
    chosen = [k for k, known in enumerate(drawn.captions) if len(known[0].split()) == 5]
    said = [WORDS.encode(drawn.captions[k][0]) for k in chosen]
    places = drawn.places[chosen].reshape(len(chosen), 4)
    batch = caption_batch(drawn.pictures[chosen], said, **ENDS)
    return batch, np.array([row[row >= 0] for row in places])


def probes(run: Large, model: Captioner) -> dict[str, Any]:
    """Probe states with linear maps for the digits of "a X above a Y", while it is being said.

    Returns under each state's name, before <start> and after each word, the share of held-out
    scenes in which the first and the second digit are read correctly; under `pixels` the same for
    a linear map of the picture; and under `forget` the mean of the forget gate.
    """
    (old, known), (new, wanted) = (
        pairs(run.fold, part, N) for part, N in zip(("training", "held_out"), PROBED, strict=True)
    )
    before, after = states_of(model, old), states_of(model, new)

    def digits_right(x: Array, new_x: Array) -> list[float]:
        return [
            round(
                float(
                    np.mean(ridge(x, np.eye(10)[known[:, k]])(new_x).argmax(axis=1) == wanted[:, k])
                ),
                4,
            )
            for k in (0, 1)
        ]

    flat = [batch.inputs[0].reshape(batch.inputs[0].shape[0], -1) for batch in (old, new)]
    result: dict[str, Any] = {"pixels": digits_right(*flat)}
    for name in sorted(before.keys() - {"f"}):
        result[name] = [digits_right(x, y) for x, y in zip(before[name], after[name], strict=True)]
    if "f" in after:
        result["forget"] = [round(float(f.mean()), 4) for f in after["f"][1:]]
    return result


def baselines(fold: int) -> dict[str, Any]:
    """Return how baselines without a recurrent network do: the share that is right, and BLEU.

    The baselines: the most frequent caption; the caption of the training scene whose pixels are
    nearest; and four linear readers, one per quarter of the picture, that name its digit or say
    there is none, followed by the captions' grammar, coded by hand. The readers take the C that did
    best on the validation scenes.

    `digits` holds the share that the linear readers get right with one, two and three digits.
    """
    from sklearn.neighbors import NearestNeighbors

    training, choosing, held_out = (
        draw(fold, "training", SCENES),
        draw(fold, "choosing", TEST),
        draw(fold, "held_out", TEST),
    )
    every = [caption for known in training.captions for caption in known]
    names, counts = np.unique(every, return_counts=True)
    said = {"most frequent": [str(names[counts.argmax()])] * TEST}
    flat = training.pictures.reshape(SCENES, 256)
    nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(flat)
    rows = nearest.kneighbors(held_out.pictures.reshape(TEST, 256), return_distance=False)[:, 0]
    said["nearest picture"] = [training.captions[k][0] for k in rows]
    best = -1.0
    for strength in STRENGTHS:
        chosen, new = linear_readers(training, (choosing, held_out), strength)
        if right(chosen, choosing) > best:
            best, said["linear readers"] = right(chosen, choosing), new
    scores = {
        name: [round(right(one, held_out), 4), round(bleu(one, held_out), 2)]
        for name, one in said.items()
    }
    return {"fold": fold, "digits": by_digits(said["linear readers"], held_out)} | scores


def linear_readers(training: Scenes, others: Sequence[Scenes], strength: float) -> list[list[str]]:
    """Fit a reader to each quarter; return their captions of other scenes, "" if impossible."""
    from sklearn.linear_model import LogisticRegression

    flat = [one.pictures.reshape(-1, 256) for one in (training, *others)]
    quarters = []
    for k in range(4):
        reader = LogisticRegression(C=strength, max_iter=2000)
        reader.fit(flat[0][:READ], training.places.reshape(-1, 4)[:READ, k])
        quarters.append([reader.predict(one) for one in flat[1:]])
    return [
        [_spoken(one) for one in np.array(rows).T.reshape(-1, 2, 2)]
        for rows in zip(*quarters, strict=True)
    ]


def _spoken(places: Array) -> str:
    try:
        return true_captions(places)[0]
    except ValueError:
        return ""


def choose(run: Large) -> dict[str, Any]:
    """Train on many pictures; return the run, and when its validation score was best."""
    updates, chosen = train(run)[1]
    return {**run._asdict(), "chosen": [updates, round(chosen, 4)]}


def best_rate(choosing: list[dict[str, Any]], model: str) -> float:
    """Return the learning rate that did best on validation scenes, averaged over the folds."""

    def mean(rate: float) -> float:
        wanted = model, rate
        return float(
            np.mean(
                [
                    one["chosen"][1]
                    for one in choosing
                    if (one["model"], one["learning_rate"]) == wanted
                ]
            )
        )

    return max(RATES[model], key=mean)


def measure(kept: Path) -> dict[str, Any]:
    """Do all runs and try the baselines; finished runs are kept in a file."""
    import sacrebleu
    import sklearn

    tuning = resume(
        [Small(*one) for one in product(KINDS, SMALL_RATES, TUNING_SEEDS)],
        by_heart,
        kept,
        processes=PROCESSES,
    )
    own = {kind: own_rate(tuning, kind) for kind in KINDS}
    small = resume(
        [Small(*one) for one in product(KINDS, SMALL_RATES, SEEDS)],
        by_heart,
        kept,
        processes=PROCESSES,
    )
    again = resume(
        [Small(kind, own[kind], seed, OTHER_START) for kind, seed in product(KINDS, SEEDS)],
        by_heart,
        kept,
        processes=PROCESSES,
    )
    same = compared([one for one in small if one["rate"] == own[one["kind"]]] + again)
    for one in tuning + small:
        if one["seed"] not in DRAWN or one["rate"] not in (own[one["kind"]], COMMON_RATE):
            del one["curve"]
        if (one["seed"], one["rate"]) != (0, own[one["kind"]]):
            del one["said"], one["new said"]
        else:
            one["said"], one["new said"] = one["said"][:8], one["new said"][:8]
    pairs = [(model, rate) for model, rates in RATES.items() for rate in rates]
    choosing = resume(
        [Large(*pair, fold) for pair, fold in product(pairs, TUNING_FOLDS)],
        choose,
        kept,
        processes=PROCESSES,
    )
    best = {model: best_rate(choosing, model) for model in RATES}
    best[BLIND] = best["LSTM"]
    large = resume(
        [Large(model, rate, fold) for model, rate in best.items() for fold in FOLDS],
        on_new_pictures,
        kept,
        processes=PROCESSES,
    )
    return {
        "sacrebleu": sacrebleu.__version__,
        "scikit-learn": sklearn.__version__,
        "units": {kind: units(kind) for kind in KINDS},
        "own rate": own,
        "tuning": tuning,
        "small": small,
        "same": same,
        "choosing": choosing,
        "runs": large,
        "baselines": [baselines(fold) for fold in FOLDS],
    }


def compared(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return how often two networks give the same pictures the same captions.

    For each seed, the LSTM is paired with each vanilla RNN, and each kind with itself, trained on
    the same pictures from other initial weights.
    """
    by_kind = {(one["kind"], one["seed"], one["shift"]): one for one in runs}
    couples = [(one, one) for one in KINDS] + [("LSTM", other) for other in KINDS[1:]]
    result = []
    for (one, other), seed in product(couples, SEEDS):
        a = by_kind[one, seed, 0]
        b = by_kind[other, seed, OTHER_START if one == other else 0]
        result.append(
            {
                "kinds": [one, other],
                "seed": seed,
                "by heart": agreement(a["said"], b["said"]),
                "new": agreement(a["new said"], b["new said"]),
            }
        )
    return result


def agreement(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the share of captions that agree word for word."""
    return float(np.mean([a == b for a, b in zip(one, other, strict=True)]))

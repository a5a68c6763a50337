"""Ask a language model for was or were, find the unit that carries the number, turn units off.

The models, the sentences and the command are those of `verb_number`.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from lstm_course import fast, tasks
from lstm_course._checks import Array
from lstm_course.layers import LSTM
from lstm_course.losses import softmax_cross_entropy
from lstm_course.models import SequenceModel
from lstm_course.tasks.agreement import COPULAS, Sentence, encode

WAS, WERE = encode(COPULAS)


def leaning(model: SequenceModel, sentences: Sequence[Sentence]) -> Array:
    """Return (N,) log odds of were against was at each sentence's verb."""
    batch = tasks.was_or_were(sentences)
    outputs = model.forward(batch.inputs, lengths=batch.lengths, training=False)[0]
    return (outputs[:, :, WERE] - outputs[:, :, WAS]).T[batch.mask.T]  # type: ignore[union-attr]


def accuracy(model: SequenceModel, sentences: Sequence[Sentence]) -> float:
    """Return the share of sentences in which the model makes the verb agree."""
    says_were = leaning(model, sentences) > 0
    return float(np.mean(says_were == [one.plural for one in sentences]))


def choice_loss(model: SequenceModel, sentences: Sequence[Sentence]) -> float:
    """Return the mean cross-entropy of the choice between was and were, in nats."""
    sign = np.where([one.plural for one in sentences], 1.0, -1.0)
    return float(np.mean(np.logaddexp(0, -sign * leaning(model, sentences))))


def loss_elsewhere(model: SequenceModel, sentences: Sequence[Sentence]) -> float:
    """Return the mean cross-entropy of all words except was and were."""
    longest = max(len(one.words) for one in sentences)
    targets = np.zeros((longest, len(sentences)), int)
    for n, one in enumerate(sentences):
        targets[: len(one.words), n] = encode(one.words)
    lengths = np.array([len(one.words) for one in sentences])
    inputs = np.concatenate([np.zeros_like(targets[:1]), targets[:-1]])
    outputs = model.forward(inputs, lengths=lengths, training=False)[0]
    counts = (np.arange(longest)[:, None] < lengths) & (targets != WAS) & (targets != WERE)
    return softmax_cross_entropy(outputs, targets, counts)[0]


def states(model: SequenceModel, sentences: Sequence[Sentence]) -> Array:
    """Return the model's memory at each step: cell states of an LSTM, otherwise hidden states.

    Step 0 is the full stop before the sentence, so word k of the sentence is at step k + 1.
    """
    assert model.embedding is not None
    xs, _ = model.embedding.forward(tasks.was_or_were(sentences).inputs)
    if isinstance(model.recurrent, LSTM):
        return fast.lstm_forward(xs, model.recurrent.params[0])[2].cs[1:]
    return model.recurrent.forward(xs)[0]


def correlations(model: SequenceModel, sentences: Sequence[Sentence]) -> Array:
    """Return (J, H) correlations of each unit with the number, j steps after the subject.

    Only sentences that have not reached their verb by then count; there must be at least 30.
    """
    carried = states(model, sentences)
    plural = np.array([one.plural for one in sentences], float)
    rows = []
    for j in range(carried.shape[0]):
        there = [n for n, one in enumerate(sentences) if j < one.distance]
        if len(there) < 30:
            break
        now = np.array([carried[sentences[n].subject + 1 + j, n] for n in there], float)
        x, y = now - now.mean(axis=0), plural[there] - plural[there].mean()
        spread = np.sqrt((x**2).sum(axis=0) * (y**2).sum())
        rows.append(np.divide(y @ x, spread, out=np.zeros(x.shape[1]), where=spread > 1e-9))
    return np.array(rows)


def gates(model: SequenceModel, sentences: Sequence[Sentence]) -> dict[str, Array]:
    """Return gates f and i (T, N, H), and which steps (T, N) lie between subject and verb."""
    assert model.embedding is not None
    assert isinstance(model.recurrent, LSTM)
    xs, _ = model.embedding.forward(tasks.was_or_were(sentences).inputs)
    blocks = fast.lstm_forward(xs, model.recurrent.params[0])[2].blocks[:-1]
    steps = np.arange(len(xs))[:, None]
    after = steps > [one.subject + 1 for one in sentences]
    between = after & (steps <= [one.verb for one in sentences])
    return {"i": blocks[:, 0], "f": blocks[:, 1], "between": between}


def mean_hidden(model: SequenceModel, sentences: Sequence[Sentence]) -> Array:
    """Return (H,) hidden states, averaged over the words of the sentences up to their verbs."""
    assert model.embedding is not None
    batch = tasks.was_or_were(sentences)
    xs, _ = model.embedding.forward(batch.inputs)
    hs = model.recurrent.forward(xs, lengths=batch.lengths)[0]
    return hs.sum(axis=(0, 1), dtype=float) / sum(one.verb + 1 for one in sentences)


def switched_off(model: SequenceModel, unit: int, value: float = 0.0) -> SequenceModel:
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


def look_inside(
    model: SequenceModel, probes: Sequence[Sentence], asked: Sequence[Sentence]
) -> dict[str, Any]:
    """Find the unit that carries the number, and switch every unit off in turn.

    Parameters
    ----------
    model
        A language model.
    probes
        Sentences from which the unit, and the units' means, are found.
    asked
        Other sentences, on which units are switched off.

    Returns
    -------
    `correlation` of each unit with the subject's number, averaged over the steps between subject
    and verb; `zero` and `mean`, the accuracy on `asked` with each unit in turn fixed at 0 or at its
    mean; `elsewhere`, the loss on the other words of 200 probes with each unit fixed at its mean;
    `intact`, accuracy and loss with all units; and, for an LSTM, `forget` and `input`, each unit's
    gates averaged over the words between subject and verb.
    """
    means = mean_hidden(model, probes)
    zero = [switched_off(model, unit) for unit in range(means.size)]
    mean = [switched_off(model, unit, value) for unit, value in enumerate(means)]
    few = probes[:200]
    found: dict[str, Any] = {}
    if isinstance(model.recurrent, LSTM):
        gate = gates(model, probes)
        found = {
            "forget": rounded(gate["f"][gate["between"]].mean(axis=0)),
            "input": rounded(gate["i"][gate["between"]].mean(axis=0)),
        }
    return found | {
        "correlation": rounded(correlations(model, probes).mean(axis=0)),
        "zero": rounded(accuracy(one, asked) for one in zero),
        "mean": rounded(accuracy(one, asked) for one in mean),
        "elsewhere": rounded(loss_elsewhere(one, few) for one in mean),
        "intact": rounded([accuracy(model, asked), loss_elsewhere(model, few)]),
    }


def rounded(values: Iterable[float]) -> list[float]:
    """Return numbers rounded for the record."""
    return [round(float(value), 4) for value in values]

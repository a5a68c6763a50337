"""How a model writes: sampling word after word, or beam search for the most probable words."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lstm_course._checks import Array, generator, size
from lstm_course.losses import softmax
from lstm_course.models.sequence_model import SequenceModel
from lstm_course.optim import not_negative, positive

State = tuple[Array, ...]
"""The states of a recurrent layer, each (1, N, H): h, and c if it has one."""

ABOVE = 1e-6
"""A log probability may exceed 0 by this much, since floats are rounded."""


def sample(
    model: SequenceModel,
    start: Sequence[int] | Array,
    length: int,
    *,
    temperature: float = 1.0,
    rng: np.random.Generator,
) -> Array:
    """Let a model that predicts the next word write on, one word after the other.

    Each word is drawn from softmax(outputs / temperature) and becomes the next input. At
    temperature 1 the model writes what it believes; below 1, likely words become likelier still.

    Parameters
    ----------
    model
        A model whose embedding has as many words as its read-out has outputs.
    start
        The words that it reads first; at least one.
    length
        How many words to write.
    temperature
        Above 0.
    rng
        The source of randomness.

    Returns
    -------
    (length,) words that were written, without the start.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    Examples
    --------
    >>> from lstm_course.layers import LSTM, Embedding, Linear
    >>> rng = np.random.default_rng(0)
    >>> model = SequenceModel(LSTM(2, 3, rng=rng), Linear(3, 4, rng=rng), Embedding(4, 2, rng=rng))
    >>> sample(model, [0, 1], 5, temperature=0.5, rng=rng).shape
    (5,)
    """
    if model.embedding is None or len(model.embedding.table) != model.readout.bias.size:
        raise ValueError("model cannot read what it writes, expected an embedding of its outputs")
    if getattr(model.recurrent, "directions", 1) == 2:
        raise ValueError("model reads from both ends, and what it writes has no end yet")
    size("length", length), positive("temperature", temperature), generator("rng", rng)
    words = np.array(start)
    if words.ndim != 1 or not words.size:
        raise ValueError(f"start has shape {words.shape}, expected at least one word in a row")
    written: list[int] = []
    state: tuple[Array, ...] = ()
    while len(written) < length:
        outputs, state, _ = model.forward(words[:, None], state, training=False)
        p = softmax(outputs[-1, 0].astype(float) / temperature)
        written.append(int(rng.choice(p.size, p=p)))
        words = np.array(written[-1:])
    return np.array(written)


class Caption(NamedTuple):
    """A caption that a search has found."""

    words: tuple[int, ...]  # without <start>; the last is <end>, if it was reached
    log_probability: float


def beam_search(
    step: Callable[[Array, State], tuple[Array, State]],
    state: State,
    *,
    start: int,
    end: int,
    width: int,
    limit: int,
    alpha: float = 0.0,
) -> list[Caption]:
    """Search for the most probable caption among the best beginnings.

    The search keeps `width` beginnings. In each round it continues all that have not ended by
    every word, then keeps the best `width` of the results and of those that have ended. What
    counts is the log probability, divided by the number of words (<end> included) to the power of
    alpha. Width 1 is greedy search; a width that keeps all beginnings finds the best caption.

    Parameters
    ----------
    step
        Takes words (K,) and states (1, K, ...), and returns log probabilities (K, V) of the next
        word and the states after; such as `Captioner.step`.
    state
        States (1, 1, ...) of one sequence.
    start, end
        The numbers of <start> and <end>.
    width
        How many beginnings to keep.
    limit
        The most words in a caption, <end> included; longer ones are cut.
    alpha
        0 ranks by probability, which falls with every word; 1 by the mean log probability.

    Returns
    -------
    At most `width` captions, the best first; of equal ones, the one found first.

    Raises
    ------
    TypeError, ValueError
        A size is below 1, alpha is negative or too large, end is not a word, or step returns a
        wrong shape or something that is not a log probability.

    References
    ----------
    Wu et al. (2016), doi:10.48550/arXiv.1609.08144, section 7, on the division.

    Examples
    --------
    Greedy search begins with the more probable word 2, and regrets it.

    >>> p = np.array([[0.01, 0.01, 0.58, 0.4], [1, 0, 0, 0], [0.2, 0.4, 0.2, 0.2], [0, 1, 0, 0]])
    >>> def step(words, state):  # here the next word depends on the last one alone
    ...     return np.log(p[words] + 1e-9), state
    >>> for width in (1, 2):
    ...     best = beam_search(step, (), start=0, end=1, width=width, limit=3)[0]
    ...     print(best.words, round(np.exp(best.log_probability), 4))
    (2, 1) 0.232
    (3, 1) 0.4
    """
    width, limit = size("width", width), size("limit", limit)
    start, end = _word("start", start), _word("end", end)
    alpha = not_negative("alpha", alpha)
    try:
        _ = limit**alpha
    except OverflowError:
        raise ValueError(f"alpha is {alpha:g}, and a length to that power is infinite") from None
    kept = [Caption((), 0.0)]
    open_ = [0]  # which of them go on; states has a column for each
    _columns("state", state, 1)
    for _ in range(limit):
        last = np.array([kept[k].words[-1] if kept[k].words else start for k in open_])
        log_p, state = step(last, state)
        _columns("step returned a state that", state, len(open_))
        shape = np.shape(log_p)
        if len(shape) != 2 or shape[0] != len(open_) or shape[1] == 0:
            raise ValueError(f"step returned shape {shape}, expected ({len(open_)}, V)")
        if end >= shape[1]:
            raise ValueError(f"end is {end}, expected one of the {shape[1]} words that step knows")
        if not np.all(log_p <= ABOVE):
            worst = np.asarray(log_p)[~(log_p <= ABOVE)][0]
            raise ValueError(f"step returned {worst:g}, expected log probabilities, at most 0")
        candidates = [(one, -1) for one in kept if one.words and one.words[-1] == end]
        for column, k in enumerate(open_):
            words, so_far = kept[k]
            candidates += [
                (Caption((*words, word), so_far + float(log_p[column, word])), column)
                for word in np.argsort(-log_p[column], kind="stable")[:width].tolist()
            ]
        candidates.sort(key=lambda one: -one[0].log_probability / len(one[0].words) ** alpha)
        kept = [one for one, _ in candidates[:width]]
        columns = [column for one, column in candidates[:width] if one.words[-1] != end]
        open_ = [k for k, one in enumerate(kept) if one.words[-1] != end]
        if not open_:
            break
        state = tuple(part[:, columns] for part in state)
    return kept


def _word(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be the number of a word, got {value!r}")
    if value < 0:
        raise ValueError(f"{name} must be at least 0, got {value}")
    return int(value)


def _columns(name: str, state: State, wanted: int) -> None:
    for part in state:
        if np.ndim(part) < 2 or np.shape(part)[1] != wanted:
            raise ValueError(f"{name} has shape {np.shape(part)}, expected (1, {wanted}, ...)")

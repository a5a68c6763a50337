"""Captions of pictures: a picture becomes the first state, and words follow from it.

A caption is chosen by beam search, which follows the most probable beginnings side by side.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lstm_course._checks import Array, size
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.models import SequenceModel
from lstm_course.optim import not_negative
from lstm_course.rnn import RNN
from lstm_course.training import Batch

State = tuple[Array, ...]
"""The states of a recurrent layer, (1, N, H) each: h, and c if it has one."""


class Captioner(SequenceModel):
    """A model that starts from a picture: a linear map of its pixels gives the initial states.

    Parameters
    ----------
    recurrent
        An LSTM with one layer in one direction, or an RNN.
    readout, embedding
        As of a SequenceModel.
    initial
        A Linear from the pixels to h0, and to c0 behind it if the layer is an LSTM: to 2H numbers
        then, to H for an RNN.

    Raises
    ------
    ValueError
        The sizes do not fit together.

    References
    ----------
    Vinyals et al. (2015), doi:10.1109/CVPR.2015.7298935; Karpathy and Fei-Fei (2015),
    doi:10.1109/CVPR.2015.7298932. They begin with the features of a large network in place of
    pixels.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> parts = LSTM(3, 4, rng=rng), Linear(4, 7, rng=rng), Embedding(7, 3, rng=rng)
    >>> model = Captioner(*parts, initial=Linear(64, 8, rng=rng))
    >>> pictures, words = np.ones((2, 8, 8)), np.zeros((5, 2), int)
    >>> scores, (h, c), cache = model.forward((pictures, words))
    >>> scores.shape, c.shape
    ((5, 2, 7), (1, 2, 4))
    >>> model.backward(np.ones_like(scores), cache)
    >>> bool(model.initial.grads[0].all())  # they have come through dh0 and dc0
    True
    """

    embedding: Embedding

    def __init__(
        self, recurrent: LSTM | RNN, readout: Linear, embedding: Embedding, *, initial: Linear
    ) -> None:
        super().__init__(recurrent, readout, embedding)
        layers = recurrent.num_layers * recurrent.directions if isinstance(recurrent, LSTM) else 1
        if layers != 1:
            raise ValueError(f"recurrent has {layers} cells, expected one")
        self.states = 2 if isinstance(recurrent, LSTM) else 1
        wanted = self.states * recurrent.hidden_size
        if initial.bias.size != wanted:
            raise ValueError(f"initial gives {initial.bias.size} numbers, expected {wanted}")
        self.initial = initial
        self.arrays += initial.arrays
        self.grads += initial.grads

    def look(self, pictures: Array) -> tuple[State, Array]:
        """Return the initial states for pictures (N, ...), and the cache of the linear map."""
        pictures = np.asarray(pictures)
        states, cache = self.initial.forward(pictures.reshape(len(pictures), -1))
        return tuple(part[None] for part in np.split(states, self.states, axis=1)), cache

    def forward(
        self,
        inputs: Any,
        state: State = (),
        lengths: Any = None,
        training: bool = True,
    ) -> tuple[Array, State, Any]:
        """Run the model.

        Parameters
        ----------
        inputs
            A pair: pictures (N, ...) of any shape, and words (T, N), of which <start> is first.
        state
            States to go on from; the pictures do not count then. If empty, they give the states.
        lengths, training
            As of a SequenceModel.

        Returns
        -------
        (T, N, V) score of each word as the next one, the final states, and a cache.
        """
        pictures, words = inputs
        looked = None
        if not state:
            state, looked = self.look(pictures)
        embedded, looked_up = self.embedding.forward(words)
        run: Callable[..., Any] = self.recurrent.forward
        hs, state, cache = run(embedded, *state, lengths=lengths, training=training)
        scores, read = self.readout.forward(hs)
        return scores, state, (looked, looked_up, cache, read)

    def backward(self, doutputs: Array, cache: Any) -> None:
        """Add to the gradients, given that of the scores (T, N, V)."""
        looked, looked_up, cache, read = cache
        dhs = self.readout.backward(doutputs, read)
        dxs, *dstates = self.recurrent.backward(dhs, cache)  # dh0, and dc0 of an LSTM
        self.embedding.backward(dxs, looked_up)
        if looked is not None:
            self.initial.backward(np.concatenate([part[0] for part in dstates], axis=1), looked)

    def step(self, words: Array, state: State) -> tuple[Array, State]:
        """Read one word of each sequence.

        Parameters
        ----------
        words
            (N,) words.
        state
            The states before.

        Returns
        -------
        (N, V) log probability of each word as the next one, and the states after.
        """
        scores, state, _ = self.forward((None, np.asarray(words)[None]), state, training=False)
        scores = scores[0] - scores[0].max(axis=1, keepdims=True)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)), state


def caption_batch(
    pictures: Array, captions: Sequence[Sequence[int] | Array], *, start: int, end: int
) -> Batch:
    """Put pictures and their captions into a batch: after <start> and each word the next is wanted.

    Parameters
    ----------
    pictures
        (N, ...) floats.
    captions
        N captions as numbers of words, without <start> and <end>.
    start, end
        The numbers of <start> and <end>.

    Returns
    -------
    Batch of inputs, the pictures and words (T, N); targets (T, N), <end> last; a mask, and lengths.
    Behind its end a caption has the word <end>, which does not count.

    Raises
    ------
    ValueError
        There are not as many captions as pictures.

    Examples
    --------
    >>> batch = caption_batch(np.zeros((2, 8, 8)), [[3, 4], [5]], start=0, end=1)
    >>> batch.inputs[1].T, batch.targets.T
    (array([[0, 3, 4],
           [0, 5, 1]]), array([[3, 4, 1],
           [5, 1, 1]]))
    >>> batch.lengths
    array([3, 2])
    """
    N = len(pictures)
    if len(captions) != N or N == 0:
        raise ValueError(f"captions has {len(captions)} entries, expected one for each of {N}")
    lengths = np.array([len(caption) + 1 for caption in captions])
    T = lengths.max()
    words, targets = np.full((T, N), end), np.full((T, N), end)
    words[0] = start
    for n, caption in enumerate(captions):
        words[1 : lengths[n], n] = targets[: lengths[n] - 1, n] = caption
    return Batch((pictures, words), targets, np.arange(T)[:, None] < lengths, lengths)


class CaptionBatches:
    """Pictures in batches, shuffled anew in every epoch, each time with one of their captions.

    Parameters
    ----------
    pictures
        (N, ...) floats.
    captions
        For each picture its captions as numbers of words, one at least.
    batch_size
        How many pictures go into a batch; what is left over at an epoch's end is left out of it.
    seed
        It and the epoch's number determine order and captions.
    start, end
        The numbers of <start> and <end>.

    Raises
    ------
    TypeError, ValueError
        A size is out of its range, or a picture has no caption.

    Examples
    --------
    >>> pictures, captions = np.zeros((3, 4)), [[[3]], [[4], [5]], [[6]]]
    >>> batches = CaptionBatches(pictures, captions, 3, seed=0, start=0, end=1)
    >>> [batches(step).targets[0].tolist() for step in range(3)]  # one batch an epoch
    [[6, 3, 4], [6, 3, 5], [6, 4, 3]]
    """

    def __init__(
        self,
        pictures: Array,
        captions: Sequence[Sequence[Any]],
        batch_size: int,
        *,
        seed: int,
        start: int,
        end: int,
    ) -> None:
        self.pictures, self.captions = pictures, captions
        self.batch_size, self.seed = size("batch_size", batch_size), seed
        self.start, self.end = start, end
        if len(captions) != len(pictures) or not all(captions):
            raise ValueError(f"captions must hold one or more for each of {len(pictures)} pictures")
        if batch_size > len(pictures):
            raise ValueError(f"batch_size is {batch_size}, expected at most {len(pictures)}")

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0."""
        N = len(self.pictures)
        epoch, k = divmod(step, N // self.batch_size)
        rng = np.random.default_rng([self.seed, epoch])
        order, choice = rng.permutation(N), rng.random(N)
        rows = order[k * self.batch_size : (k + 1) * self.batch_size]
        said = [self.captions[n][int(choice[n] * len(self.captions[n]))] for n in rows]
        return caption_batch(self.pictures[rows], said, start=self.start, end=self.end)


ABOVE = 1e-6
"""A log probability may be above 0 by that, since floats are rounded."""


class Caption(NamedTuple):
    """What a search has found."""

    words: tuple[int, ...]  # without <start>, up to and with <end>, if it was reached
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

    `width` beginnings are kept. In each round every one that has not ended is continued by every
    word, and the best `width` of all that come of it are kept, those that have ended among them.
    What counts is the log probability, divided by the number of words (<end> included) to the power
    of alpha. Width 1 is greedy search; whoever keeps all beginnings finds the best caption.

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
        How many beginnings are kept.
    limit
        The most words of a caption, <end> included; at the limit it is cut.
    alpha
        0 ranks by probability, which gets smaller with every word; 1 by the mean log probability.

    Returns
    -------
    What was kept, at most `width` captions, the best first; of equal ones the one found first.

    Raises
    ------
    TypeError, ValueError
        A size is below 1, alpha is negative or too large, end is no word, or step returns another
        shape, or what is no log probability.

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

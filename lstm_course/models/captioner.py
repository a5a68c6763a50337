"""Captions for pictures: a picture sets the first state, and the words follow from it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lstm_course._checks import Array, size
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.models.sequence_model import SequenceModel
from lstm_course.rnn import RNN
from lstm_course.training import Batch

State = tuple[Array, ...]
"""The states of a recurrent layer, each (1, N, H): h, and c if it has one."""


class Captioner(SequenceModel):
    """A model that starts from a picture: a linear map of its pixels gives the initial states.

    Parameters
    ----------
    recurrent
        An LSTM with one layer in one direction, or an RNN.
    readout, embedding
        As for a SequenceModel.
    initial
        A Linear from the pixels to h0 and, for an LSTM, c0: to H numbers for an RNN, or 2H for an
        LSTM, h0 first.

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
        self.states = len(recurrent.states)
        super().__init__(recurrent, readout, embedding, initial=initial)

    def _check_initial(self) -> None:
        cells = self.recurrent.num_layers * self.recurrent.directions
        if cells != 1:
            raise ValueError(f"recurrent has {cells} cells, expected one")
        came, wanted = self.initial.bias.size, self.states * self.recurrent.hidden_size
        if came != wanted:
            raise ValueError(f"initial gives {came} numbers, expected {wanted}")

    def look(self, pictures: Array) -> tuple[State, Array]:
        """Return the initial states for pictures (N, ...), and the cache of the linear map."""
        pictures = np.asarray(pictures)
        states, cache = self.initial.forward(pictures.reshape(len(pictures), -1))
        return tuple(part[None] for part in np.split(states, self.states, axis=1)), cache

    def forward(
        self,
        inputs: Any,
        state: State | None = (),
        lengths: Any = None,
        training: bool = True,
    ) -> tuple[Array, State, Any]:
        """Run the model.

        Parameters
        ----------
        inputs
            A pair: pictures (N, ...) of any shape, and words (T, N), which begin with <start>.
        state
            States to continue from, in which case the pictures do not count. If empty, the
            pictures set the states.
        lengths, training
            As for a SequenceModel.

        Returns
        -------
        (T, N, V) scores of each word as the next one, the final states, and a cache.
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
            The states before it.

        Returns
        -------
        (N, V) log probability of each word as the next one, and the states after it.
        """
        scores, state, _ = self.forward((None, np.asarray(words)[None]), state, training=False)
        scores = scores[0] - scores[0].max(axis=1, keepdims=True)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)), state


def caption_batch(
    pictures: Array, captions: Sequence[Sequence[int] | Array], *, start: int, end: int
) -> Batch:
    """Make a batch of pictures and captions: after <start> and each word, the target is the next.

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
    A Batch of inputs, the pictures and words (T, N); targets (T, N), <end> last; a mask, and
    lengths. After its end a caption is filled up with <end>, which does not count.

    Raises
    ------
    ValueError
        The number of captions is not that of pictures.

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
    """Pictures in batches, shuffled anew in every epoch, each with one of its captions.

    Parameters
    ----------
    pictures
        (N, ...) floats.
    captions
        For each picture, one caption or more, as numbers of words.
    batch_size
        How many pictures make a batch. What is left over at the end of an epoch is left out of it.
    seed
        With the epoch's number, it determines the order and the captions.
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
        """Return the batch of a step; steps are counted from 0."""
        N = len(self.pictures)
        epoch, k = divmod(step, N // self.batch_size)
        rng = np.random.default_rng([self.seed, epoch])
        order, choice = rng.permutation(N), rng.random(N)
        rows = order[k * self.batch_size : (k + 1) * self.batch_size]
        said = [self.captions[n][int(choice[n] * len(self.captions[n]))] for n in rows]
        return caption_batch(self.pictures[rows], said, start=self.start, end=self.end)

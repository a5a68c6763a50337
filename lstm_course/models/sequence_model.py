"""A recurrent layer between a table of words and a read-out: one model for every task."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.layers import LSTM, Embedding, Held, Layer, Linear
from lstm_course.rnn import RNN


class SequenceModel(Layer):
    """A recurrent layer with a linear read-out of the hidden state of every step.

    Whether a task reads every step or only some of them is said by the mask of its loss.

    Parameters
    ----------
    recurrent
        An LSTM or an RNN.
    readout
        A Linear from its hidden states to K outputs.
    embedding
        An Embedding, if the inputs are words; the recurrent layer reads its rows.

    Raises
    ------
    ValueError
        The sizes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> model = SequenceModel(LSTM(3, 4, rng=rng), Linear(4, 2, rng=rng))
    >>> outputs, (h, c), cache = model.forward(np.ones((5, 1, 3)))
    >>> outputs.shape
    (5, 1, 2)
    >>> model.backward(np.ones_like(outputs), cache)
    >>> len(model.grads)  # of three arrays of the cell and two of the read-out
    5
    """

    def __init__(
        self, recurrent: LSTM | RNN, readout: Linear, embedding: Embedding | None = None
    ) -> None:
        directions = recurrent.directions if isinstance(recurrent, LSTM) else 1
        sizes = [("readout reads", readout.weight.shape[1], directions * recurrent.hidden_size)]
        if embedding is not None:
            sizes.append(("embedding gives", embedding.table.shape[1], recurrent.input_size))
        for what, came, expected in sizes:
            if came != expected:
                raise ValueError(f"{what} {came} numbers a step, expected {expected}")
        self.recurrent, self.readout, self.embedding = recurrent, readout, embedding
        self.arrays = Held(array for layer in self.layers for array in layer.arrays)
        self.grads = Held(grad for layer in self.layers for grad in layer.grads)
        self.rngs = [rng for layer in self.layers for rng in layer.rngs]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What the model is made of, in the order of its arrays."""
        first = () if self.embedding is None else (self.embedding,)
        return (*first, self.recurrent, self.readout)

    def forward(
        self,
        inputs: Array,
        state: tuple[Array, ...] | None = (),
        lengths: Any = None,
        training: bool = True,
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run the model.

        Parameters
        ----------
        inputs
            (T, N, D) numbers, or (T, N) words if there is an embedding.
        state
            Initial states of the recurrent layer, as it returned them; zeros if empty or None.
        lengths
            N whole numbers from 1 to T; T for all if not given.
        training
            Whether dropout acts.

        Returns
        -------
        outputs
            (T, N, K) read-out of every step.
        state
            Final states of the recurrent layer.
        cache
            For `backward`.
        """
        looked_up = None
        if self.embedding is not None:
            inputs, looked_up = self.embedding.forward(inputs)
        run: Callable[..., Any] = self.recurrent.forward  # an LSTM takes two states, an RNN one
        hs, state, cache = run(inputs, *(state or ()), lengths=lengths, training=training)
        outputs, read = self.readout.forward(hs)
        return outputs, state, (looked_up, cache, read)

    def backward(self, doutputs: Array, cache: Any) -> None:
        """Add to the gradients, given that of the outputs (T, N, K)."""
        looked_up, cache, read = cache
        dxs, *_ = self.recurrent.backward(self.readout.backward(doutputs, read), cache)
        if self.embedding is not None:
            self.embedding.backward(dxs, looked_up)


class FinalStateModel(SequenceModel):
    """A recurrent layer with a linear read-out of its final state, h(T) or c(T).

    The final state stands for the whole sequence. Outputs are (T, N, K) as those of a
    `SequenceModel`, so that the same batches and losses serve; they are 0 but for the last step.

    Parameters
    ----------
    recurrent, readout, embedding
        As of a SequenceModel. Of stacked layers the last one is read.
    reads
        "c" for the cell state, which an RNN has not, or "h" for the hidden state.

    Raises
    ------
    ValueError
        The sizes do not fit together, or there is no such state.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> model = FinalStateModel(LSTM(3, 4, rng=rng), Linear(4, 2, rng=rng), reads="c")
    >>> outputs, (h, c), cache = model.forward(np.ones((5, 1, 3)))
    >>> np.array_equal(outputs[-1], model.readout.forward(c[-1])[0])
    True
    """

    def __init__(
        self,
        recurrent: LSTM | RNN,
        readout: Linear,
        embedding: Embedding | None = None,
        *,
        reads: str = "c",
    ) -> None:
        super().__init__(recurrent, readout, embedding)
        states = "hc" if isinstance(recurrent, LSTM) else "h"
        if reads not in tuple(states):
            expected = " or ".join(map(repr, states))
            raise ValueError(f"reads is {reads!r}, expected {expected} of this recurrent layer")
        self.reads = reads

    def forward(
        self,
        inputs: Array,
        state: tuple[Array, ...] | None = (),
        lengths: Any = None,
        training: bool = True,
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run the model; as `SequenceModel.forward`, with outputs of 0 before the last step.

        With lengths, the last row of the outputs is what the states at each sequence's own end
        give.
        """
        looked_up = None
        if self.embedding is not None:
            inputs, looked_up = self.embedding.forward(inputs)
        run: Callable[..., Any] = self.recurrent.forward
        hs, state, cache = run(inputs, *(state or ()), lengths=lengths, training=training)
        directions = getattr(self.recurrent, "directions", 1)
        final = state["hc".index(self.reads)][-directions:]  # (directions, N, H)
        shape = final.shape
        last, read = self.readout.forward(final.swapaxes(0, 1).reshape(shape[1], -1))
        outputs = np.zeros((*hs.shape[:2], last.shape[1]), last.dtype)
        outputs[-1] = last
        return outputs, state, (looked_up, cache, read, hs.shape, shape)

    def backward(self, doutputs: Array, cache: Any) -> None:
        """Add to the gradients, given that of the outputs (T, N, K), of which the last counts."""
        looked_up, cache, read, hs_shape, (directions, N, H) = cache
        dfinal = self.readout.backward(doutputs[-1], read).reshape(N, directions, H)
        layers = getattr(self.recurrent, "num_layers", 1)
        dstate = np.zeros((layers * directions, N, H), dfinal.dtype)
        dstate[-directions:] = dfinal.swapaxes(0, 1)
        dhs = np.zeros(hs_shape, dfinal.dtype)
        run: Callable[..., Any] = self.recurrent.backward
        dxs, *_ = run(dhs, cache, **{f"d{self.reads}_T": dstate})
        if self.embedding is not None:
            self.embedding.backward(dxs, looked_up)

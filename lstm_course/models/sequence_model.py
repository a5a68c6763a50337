"""A recurrent layer between an embedding and a read-out: one model for every task."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lstm_course._checks import Array, finite, float_array, size
from lstm_course.layers import Embedding, Held, Layer, Linear, Recurrent


class InitialState(Layer):
    """Learned initial states, h0 and for an LSTM c0, the same for every sequence.

    They begin at 0, like states that are not learned. Each gets the sum of the gradients of all
    sequences in a batch. An L2 penalty pulls them towards 0, as it does weights.

    Parameters
    ----------
    recurrent
        The LSTM, RNN or variant that starts from them, with any number of layers and directions.

    Raises
    ------
    TypeError
        `recurrent` is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from lstm_course.layers import LSTM
    >>> lstm = LSTM(3, 4, num_layers=2, rng=np.random.default_rng(0))
    >>> initial = InitialState(lstm)
    >>> (h0, c0), batch_size = initial.forward(5)
    >>> h0.shape
    (2, 5, 4)
    >>> hs, _, cache = lstm.forward(np.ones((6, 5, 3)), h0, c0)
    >>> _, dh0, dc0 = lstm.backward(np.ones_like(hs), cache)
    >>> initial.backward((dh0, dc0), batch_size)
    >>> np.array_equal(initial.grads[1][:, 0], dc0.sum(axis=1))
    True
    """

    def __init__(self, recurrent: Recurrent) -> None:
        check_recurrent_layer(recurrent)
        cells, dtype = recurrent.num_layers * recurrent.directions, recurrent.arrays[0].dtype
        shapes = [(cells, 1, width) for width in recurrent.state_sizes]
        self.arrays = Held(np.zeros(shape, dtype) for shape in shapes)
        self.grads = Held(np.zeros(shape, dtype) for shape in shapes)

    def forward(self, batch_size: int) -> tuple[tuple[Array, ...], int]:
        """Return the states (layers * directions, N, H) for N sequences, and N for `backward`."""
        N = size("batch_size", batch_size)
        return tuple(np.repeat(array, N, axis=1) for array in self.arrays), N

    def backward(self, dstates: Sequence[Array], cache: int) -> None:
        """Add to the gradients, given those of the states (layers * directions, N, H)."""
        for grad, dstate in zip(self.grads, dstates, strict=True):
            shape = (grad.shape[0], cache, grad.shape[2])
            dstate = finite("dstates", float_array("dstates", dstate, shape, grad.dtype))
            grad += dstate.sum(axis=1, keepdims=True)


class SequenceModel(Layer):
    """A recurrent layer with a linear read-out of the hidden state of every step.

    If a task reads only some of the steps, the mask of its loss says which.

    Parameters
    ----------
    recurrent
        An LSTM, an RNN or a variant.
    readout
        A Linear from its hidden states to K outputs.
    embedding
        An Embedding, if the inputs are words; the recurrent layer reads its rows.
    initial
        An InitialState of the recurrent layer, if it should start from learned states.

    Raises
    ------
    TypeError
        `initial` is something else.
    ValueError
        The sizes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from lstm_course.layers import LSTM
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
        self,
        recurrent: Recurrent,
        readout: Linear,
        embedding: Embedding | None = None,
        *,
        initial: Layer | None = None,
    ) -> None:
        check_recurrent_layer(recurrent)
        sizes = [("readout reads", readout.weight.shape[1], recurrent.output_size)]
        if embedding is not None:
            sizes.append(("embedding gives", embedding.table.shape[1], recurrent.input_size))
        for what, came, expected in sizes:
            if came != expected:
                raise ValueError(f"{what} {came} numbers per step, expected {expected}")
        self.recurrent, self.readout, self.embedding = recurrent, readout, embedding
        self.initial: Any = initial
        self._check_initial()
        self.arrays = Held(array for layer in self.layers for array in layer.arrays)
        self.grads = Held(grad for layer in self.layers for grad in layer.grads)
        self.rngs = [rng for layer in self.layers for rng in layer.rngs]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of the model, in the order of its arrays."""
        first = () if self.embedding is None else (self.embedding,)
        last = () if self.initial is None else (self.initial,)
        return (*first, self.recurrent, self.readout, *last)

    def _check_initial(self) -> None:
        """Raise unless `initial` gives states that the recurrent layer can start from."""
        if self.initial is None:
            return
        if not isinstance(self.initial, InitialState):
            raise TypeError(f"initial must be an InitialState, got {type(self.initial).__name__}")
        came, expected = (
            [array.shape for array in layer.arrays]
            for layer in (self.initial, InitialState(self.recurrent))
        )
        if came != expected:
            raise ValueError(f"initial has states {came}, expected {expected}")

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
            Initial states of the recurrent layer, in the form in which it returns them; if empty
            or None, those of `initial`, or zeros.
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
        hs, state, cache = self._run(inputs, state, lengths, training)
        outputs, read = self.readout.forward(hs)
        return outputs, state, (cache, read)

    def backward(self, doutputs: Array, cache: Any) -> None:
        """Add to the gradients, given that of the outputs (T, N, K)."""
        cache, read = cache
        self._run_backward(self.readout.backward(doutputs, read), cache)

    def _run(
        self, inputs: Array, state: tuple[Array, ...] | None, lengths: Any, training: bool
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run all but the read-out; return hidden states, final states and a cache."""
        looked_up = started = None
        if self.embedding is not None:
            inputs, looked_up = self.embedding.forward(inputs)
        if not state and self.initial is not None:
            _, N, _ = float_array("inputs", inputs, ("T", "N", "D")).shape
            state, started = self.initial.forward(N)
        run: Callable[..., Any] = self.recurrent.forward  # some take two states, others one
        hs, state, cache = run(inputs, *(state or ()), lengths=lengths, training=training)
        return hs, state, (looked_up, started, cache)

    def _run_backward(self, dhs: Array, cache: Any, **dfinal: Array) -> None:
        looked_up, started, cache = cache
        run: Callable[..., Any] = self.recurrent.backward
        dxs, *dstates = run(dhs, cache, **dfinal)
        if started is not None:
            self.initial.backward(dstates, started)
        if self.embedding is not None:
            self.embedding.backward(dxs, looked_up)


class FinalStateModel(SequenceModel):
    """A recurrent layer with a linear read-out of its final state, h(T) or c(T).

    The final state represents the whole sequence. Outputs are (T, N, K), like those of a
    `SequenceModel`, so you can use the same batches and losses; they are 0 before the last step.

    Parameters
    ----------
    recurrent, readout, embedding, initial
        As for a SequenceModel. With stacked layers, the last one is read.
    reads
        "c" for the cell state, which an RNN does not have, or "h" for the hidden state.

    Raises
    ------
    TypeError, ValueError
        As for a SequenceModel, or the layer has no such state.

    Examples
    --------
    >>> import numpy as np
    >>> from lstm_course.layers import LSTM
    >>> rng = np.random.default_rng(0)
    >>> model = FinalStateModel(LSTM(3, 4, rng=rng), Linear(4, 2, rng=rng), reads="c")
    >>> outputs, (h, c), cache = model.forward(np.ones((5, 1, 3)))
    >>> np.array_equal(outputs[-1], model.readout.forward(c[-1])[0])
    True
    """

    def __init__(
        self,
        recurrent: Recurrent,
        readout: Linear,
        embedding: Embedding | None = None,
        *,
        initial: Layer | None = None,
        reads: str = "c",
    ) -> None:
        super().__init__(recurrent, readout, embedding, initial=initial)
        if reads not in recurrent.states:
            expected = " or ".join(map(repr, recurrent.states))
            raise ValueError(f"reads is {reads!r}, expected {expected} of this recurrent layer")
        self.reads = reads

    def forward(
        self,
        inputs: Array,
        state: tuple[Array, ...] | None = (),
        lengths: Any = None,
        training: bool = True,
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run the model like `SequenceModel.forward`, with outputs of 0 before the last step.

        With lengths, the last row of the outputs is the read-out of the states at each
        sequence's own end.
        """
        hs, state, cache = self._run(inputs, state, lengths, training)
        final = state[self.recurrent.states.index(self.reads)]
        final = final[-self.recurrent.directions :]  # (directions, N, H)
        shape = final.shape
        last, read = self.readout.forward(final.swapaxes(0, 1).reshape(shape[1], -1))
        outputs = np.zeros((*hs.shape[:2], last.shape[1]), last.dtype)
        outputs[-1] = last
        return outputs, state, (cache, read, hs.shape, shape)

    def backward(self, doutputs: Array, cache: Any) -> None:
        """Add to the gradients, given that of the outputs (T, N, K), of which the last counts."""
        cache, read, hs_shape, (directions, N, H) = cache
        dfinal = self.readout.backward(doutputs[-1], read).reshape(N, directions, H)
        dstate = np.zeros((self.recurrent.num_layers * directions, N, H), dfinal.dtype)
        dstate[-directions:] = dfinal.swapaxes(0, 1)
        dhs = np.zeros(hs_shape, dfinal.dtype)
        self._run_backward(dhs, cache, **{f"d{self.reads}_T": dstate})


def check_recurrent_layer(value: object) -> None:
    """Raise unless `value` is a recurrent layer."""
    if not isinstance(value, Recurrent):
        raise TypeError(
            f"recurrent must be an LSTM, an RNN or a Variant, got {type(value).__name__}"
        )

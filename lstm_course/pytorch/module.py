"""Modules that replace torch.nn.LSTMCell and torch.nn.LSTM, made of the course's own step."""

from typing import Any

import torch
from torch import Tensor, nn

from lstm_course._checks import size
from lstm_course.pytorch.fused import fused
from lstm_course.pytorch.hoisted import hoisted
from lstm_course.pytorch.loop import Weights, loop, step
from lstm_course.pytorch.stack import Stack, check_input, flag, initial_states

BACKENDS = {"loop": loop, "hoisted": hoisted, "fused": fused}
"""The course's own backends. "cudnn" isn't one of them, since that is what PyTorch itself runs."""

FASTEST = {"cpu": "cudnn", "cuda": "cudnn"}
"""What "auto" means on a device: the fastest that has run there, and "loop" elsewhere.

On a CPU, PyTorch's own backend is faster for small steps and level with "hoisted" for wide ones. On
a GPU, none of ours has run yet.
"""


class LSTMCell(nn.LSTMCell):
    """One step of the LSTM cell, in place of torch.nn.LSTMCell: the same parameters and results.

    It is a torch.nn.LSTMCell, with the course's own step.

    Parameters
    ----------
    input_size, hidden_size
        D and H.
    bias
        Whether there are biases.
    device, dtype
        Of the parameters.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    Examples
    --------
    >>> cell = LSTMCell(3, 2)
    >>> h, c = cell(torch.ones(4, 3))
    >>> h.shape, c.shape
    (torch.Size([4, 2]), torch.Size([4, 2]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            size("input_size", input_size),
            size("hidden_size", hidden_size),
            flag("bias", bias),
            device,
            dtype,
        )

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Take one step.

        Parameters
        ----------
        input
            (N, D) or, without a batch, (D,).
        hx
            h and c, (N, H) or (H,); zeros if not given.

        Returns
        -------
        h, c
            The new states, of the same shapes.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape, dtype or device.
        """
        D, H = self.input_size, self.hidden_size
        check_input(input, self.weight_ih, (("N", D), (D,)))
        states = (*input.shape[:-1], H)
        h, c = initial_states(hx, input, (states, states))
        x, h, c = (row.reshape(-1, row.shape[-1]) for row in (input, h, c))
        bias = self.bias_ih + self.bias_hh if self.bias else None
        h, c = step(x, h, c, Weights(self.weight_ih, self.weight_hh, bias))
        return h.view(states), c.view(states)


class LSTM(Stack, nn.LSTM):
    """LSTM layers over a sequence, in place of torch.nn.LSTM: the same parameters and results.

    It is a torch.nn.LSTM: code that looks for one finds it, either module loads the other's
    `state_dict`, and with the same seed they start equal. Only `forward` is the course's own. Under
    autocast the layers run in autocast's dtype, states included, as cuDNN's do; float64 stays.

    As with torch.nn.LSTM, torch.compile breaks its graph at the module; it compiles "loop" and
    "hoisted" as separate graphs. torch.export unrolls the steps, so N may be dynamic, but not T. It
    only takes "hoisted" under torch.no_grad().

    Parameters
    ----------
    input_size, hidden_size
        D and H.
    num_layers
        How many layers, each reading the hidden states of the one below.
    bias
        Whether there are biases.
    batch_first
        Whether inputs and outputs are (N, T, ...) instead of (T, N, ...). States never are.
    dropout
        Share of the hidden states dropped between layers during training.
    bidirectional
        Whether each layer reads in both directions.
    proj_size
        P, the size to which hidden states are projected; 0 for no projection, so that P is H.
    device, dtype
        Of the parameters: float64, float32, bfloat16 or float16.
    backend
        "loop" takes one step after the other, and leaves the way back to PyTorch's autograd: it's
        the one to read, and the one that has second derivatives. "hoisted" has forward and
        backward written by hand, with all that doesn't depend on the state outside the loops; in
        sixteen bits, it keeps the cell state and its gradient in float32 between steps. "fused" is
        the same with Triton kernels; it hasn't run on a GPU yet. "cudnn" is PyTorch's own, for
        comparison: cuDNN on a GPU, oneDNN or ATen on a CPU. "auto" is the fastest on the device;
        see `picked`.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    References
    ----------
    As for `step`; two directions: Graves and Schmidhuber (2005),
    doi:10.1016/j.neunet.2005.06.042.

    Examples
    --------
    >>> lstm = LSTM(3, 2, num_layers=2, bidirectional=True, backend="hoisted")
    >>> hs, (h_n, c_n) = lstm(torch.ones(5, 4, 3))
    >>> hs.shape, h_n.shape
    (torch.Size([5, 4, 4]), torch.Size([4, 4, 2]))
    >>> lstm.picked, LSTM(3, 2).picked  # on a CPU
    ('hoisted', 'cudnn')
    >>> theirs = torch.nn.LSTM(3, 2, num_layers=2, bidirectional=True)
    >>> theirs.load_state_dict(lstm.state_dict())
    <All keys matched successfully>
    >>> torch.allclose(theirs(torch.ones(5, 4, 3))[0], hs, atol=1e-6)
    True
    """

    states = "hc"
    backends = BACKENDS
    fastest = FASTEST
    cudnn = torch.lstm

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        backend: str = "auto",
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
            backend,
        )

    def _weights(self, cell: int) -> Weights:
        """Return the weights of a layer in one direction; cells are counted as in `hx`."""
        weight_ih, weight_hh, *others = self.all_weights[cell]
        bias = others.pop(0) + others.pop(0) if self.bias else None
        return Weights(weight_ih, weight_hh, bias, *others)

"""The LSTM with peepholes, which PyTorch lacks: its step, its two backends, and the module.

Each gate also reads its own unit's cell state: i and f the one before the step, o the new one.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from lstm_course.pytorch.hoisted import Recurrence
from lstm_course.pytorch.loop import loop
from lstm_course.pytorch.stack import Stack


class PeepholeWeights(NamedTuple):
    """The parameters of one layer in one direction; slices in the order i, f, g, o."""

    weight_ih: Tensor  # (4H, D)
    weight_hh: Tensor  # (4H, H)
    weight_ch: Tensor  # (3, H), rows i, f, o
    bias: Tensor | None = None  # (4H,), the sum of PyTorch's two


def peephole_step(
    x: Tensor, h: Tensor, c: Tensor, weights: PeepholeWeights
) -> tuple[Tensor, Tensor]:
    """Take one step of the LSTM cell with peepholes, like `step`.

    Parameters
    ----------
    x
        (N, D) input of this step.
    h, c
        (N, H) hidden state and cell state of the step before.
    weights
        The cell's parameters.

    Returns
    -------
    h, c
        The new states, of the same shapes.

    References
    ----------
    Gers and Schmidhuber (2000), doi:10.1109/IJCNN.2000.861302; in the form of Greff et al. (2017),
    doi:10.1109/TNNLS.2016.2582924, section II.

    Examples
    --------
    >>> weights = PeepholeWeights(torch.ones(8, 3), torch.ones(8, 2), torch.ones(3, 2))
    >>> h, c = peephole_step(torch.ones(1, 3), torch.zeros(1, 2), torch.ones(1, 2), weights)
    >>> c  # sigmoid(4) + sigmoid(4) * tanh(3)
    tensor([[1.9592, 1.9592]])
    """
    a = linear(x, weights.weight_ih, weights.bias) + linear(h, weights.weight_hh)  # (N, 4H)
    a_i, a_f, a_g, a_o = a.chunk(4, dim=1)  # (N, H) each
    p_i, p_f, p_o = weights.weight_ch.unbind()  # (H,) each
    i, f, g = (a_i + p_i * c).sigmoid(), (a_f + p_f * c).sigmoid(), a_g.tanh()
    c = f * c + i * g
    o = (a_o + p_o * c).sigmoid()
    return o * c.tanh(), c


class Peepholes:
    """The pointwise part of `Recurrence` with peepholes, in PyTorch's own operations."""

    def __init__(self, weight_ch: Tensor) -> None:
        self.p_i, self.p_f, self.p_o = weight_ch.unbind()

    def forward(self, a: Tensor, c_prev: Tensor, c: Tensor, m: Tensor) -> None:
        """Write the gates over `a`, and the new cell state and hidden state."""
        i, f, g, o = a.chunk(4, dim=1)
        i.addcmul_(self.p_i, c_prev).sigmoid_()
        f.addcmul_(self.p_f, c_prev).sigmoid_()
        g.tanh_()
        torch.mul(f, c_prev, out=c).addcmul_(i, g)
        o.addcmul_(self.p_o, c).sigmoid_()
        torch.tanh(c, out=m).mul_(o)

    def backward(
        self, dm: Tensor, dc: Tensor, gates: Tensor, c_prev: Tensor, c: Tensor, da: Tensor
    ) -> None:
        """Write `da`, and the gradient of `c_prev` over `dc`."""
        i, f, g, o = gates.chunk(4, dim=1)
        da_i, da_f, da_g, da_o = da.chunk(4, dim=1)
        tanh_c = c.tanh()
        torch.mul(dm * tanh_c, o * (1 - o), out=da_o)
        dc += dm * o * (1 - tanh_c**2) + da_o * self.p_o  # a third flow, through the output gate
        torch.mul(dc * g, i * (1 - i), out=da_i)
        torch.mul(dc * c_prev, f * (1 - f), out=da_f)
        torch.mul(dc * i, 1 - g**2, out=da_g)
        dc *= f
        dc += da_i * self.p_i + da_f * self.p_f  # c_prev has two more paths forward

    @staticmethod
    def own_backward(das: Tensor, c_prevs: Tensor, cs: Tensor) -> tuple[Tensor]:
        """Return the gradient of the peepholes, summed over all steps and sequences."""
        da_i, da_f, _, da_o = das.chunk(4, dim=1)
        rows = (da_i * c_prevs).sum(0), (da_f * c_prevs).sum(0), (da_o * cs).sum(0)
        return (torch.stack(rows).to(das.dtype),)


def peephole_hoisted(
    xs: Tensor, sizes: Sequence[int], h: Tensor, c: Tensor, weights: PeepholeWeights
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the cell with peepholes over a batch of sequences, like `hoisted`.

    Examples
    --------
    >>> weights = PeepholeWeights(torch.ones(8, 3), torch.ones(8, 2), torch.ones(3, 2))
    >>> h = c = torch.zeros(4, 2)
    >>> hs, h_n, c_n = peephole_hoisted(torch.ones(7, 3), [4, 2, 1], h, c, weights)
    >>> hs.shape, h_n.shape
    (torch.Size([7, 2]), torch.Size([4, 2]))
    """
    weight_ih, weight_hh, weight_ch, bias = weights
    return Recurrence.apply(
        Peepholes, list(sizes), xs, h, c, weight_ih, weight_hh, bias, None, weight_ch
    )


class PeepholeLSTM(Stack):
    """LSTM layers with peepholes over a sequence, called like torch.nn.LSTM.

    Its parameters are those of torch.nn.LSTM and, for each layer and direction, a `weight_ch` from
    the cell state to the gates, (3, H), rows i, f, o. So the backward
    direction of layer 1 has `weight_ch_l1_reverse` as well as `weight_hh_l1_reverse`. With the same
    seed, the shared parameters start equal to those of torch.nn.LSTM. With all peepholes at 0, the
    results are equal too.

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
    device, dtype
        Of the parameters: float64, float32, bfloat16 or float16.
    backend
        "loop" or "hoisted", as for `LSTM`. "auto" is "hoisted" on a CPU, where it is faster, and
        "loop" elsewhere; see `picked`.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    References
    ----------
    As for `peephole_step`.

    Examples
    --------
    >>> lstm = PeepholeLSTM(3, 2)
    >>> hs, (h_n, c_n) = lstm(torch.ones(5, 4, 3))
    >>> hs.shape, c_n.shape, lstm.weight_ch_l0.shape
    (torch.Size([5, 4, 2]), torch.Size([1, 4, 2]), torch.Size([3, 2]))
    >>> plain = torch.nn.LSTM(3, 2)
    >>> with torch.no_grad():
    ...     _ = lstm.weight_ch_l0.zero_()
    >>> lstm.load_state_dict(plain.state_dict(), strict=False)
    _IncompatibleKeys(missing_keys=['weight_ch_l0'], unexpected_keys=[])
    >>> torch.allclose(lstm(torch.ones(5, 4, 3))[0], plain(torch.ones(5, 4, 3))[0], atol=1e-6)
    True
    """

    states = "hc"
    backends: ClassVar = {"loop": partial(loop, step=peephole_step), "hoisted": peephole_hoisted}
    fastest: ClassVar = {"cpu": "hoisted"}

    weight_ch_l0: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
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
            0,
            device,
            dtype,
            backend,
        )
        bound = self.hidden_size**-0.5  # as for all other parameters
        for names in self._all_weights:  # of a layer in one direction
            name = names[0].replace("_ih_", "_ch_")
            weight = torch.empty(3, self.hidden_size, device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(weight.uniform_(-bound, bound)))
            names.append(name)

    def _weights(self, cell: int) -> PeepholeWeights:
        """Return the weights of a layer in one direction; cells are counted as in `hx`."""
        weight_ih, weight_hh, *biases, weight_ch = self.all_weights[cell]
        bias = biases[0] + biases[1] if self.bias else None
        return PeepholeWeights(weight_ih, weight_hh, weight_ch, bias)

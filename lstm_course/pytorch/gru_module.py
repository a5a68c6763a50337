"""The gated recurrent unit in PyTorch: its step, its two backends, and the module."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from lstm_course.pytorch.hoisted import before, refuse_second_derivative
from lstm_course.pytorch.loop import last
from lstm_course.pytorch.module import FASTEST
from lstm_course.pytorch.stack import Stack


class GRUWeights(NamedTuple):
    """The parameters of one layer in one direction; slices in the order r, z, n."""

    weight_ih: Tensor  # (3H, D)
    weight_hh: Tensor  # (3H, H)
    bias_ih: Tensor | None = None  # (3H,)
    bias_hh: Tensor | None = None  # (3H,), of which r multiplies the slice n


def gru_step(x: Tensor, h: Tensor, weights: GRUWeights) -> Tensor:
    """Take one step of the GRU; with sixteen bits, every step rounds the hidden state.

    Parameters
    ----------
    x
        (N, D) input of this step.
    h
        (N, H) hidden state of the step before.
    weights
        The cell's parameters.

    Returns
    -------
    h
        (N, H) new hidden state.

    References
    ----------
    Cho et al. (2014), doi:10.3115/v1/D14-1179; there the reset gate acts before the product with
    U. Here it acts after it, as in torch.nn.GRU and in cuDNN.

    Examples
    --------
    >>> weights = GRUWeights(torch.ones(6, 3), torch.ones(6, 2))
    >>> gru_step(torch.ones(1, 3), torch.zeros(1, 2), weights)  # (1 - sigmoid(3)) * tanh(3)
    tensor([[0.0472, 0.0472]])
    """
    a = linear(x, weights.weight_ih, weights.bias_ih)  # (N, 3H)
    u = linear(h, weights.weight_hh, weights.bias_hh)
    (a_r, a_z, a_n), (u_r, u_z, u_n) = a.chunk(3, dim=1), u.chunk(3, dim=1)  # (N, H) each
    r, z = (a_r + u_r).sigmoid(), (a_z + u_z).sigmoid()
    n = (a_n + r * u_n).tanh()
    return (1 - z) * n + z * h


def gru_loop(
    xs: Tensor, sizes: Sequence[int], h: Tensor, weights: GRUWeights
) -> tuple[Tensor, Tensor]:
    """Run the GRU over a batch of sequences, one step after the other, like `loop` without c.

    Examples
    --------
    >>> weights = GRUWeights(torch.ones(6, 3), torch.ones(6, 2))
    >>> hs, h_n = gru_loop(torch.ones(7, 3), [4, 2, 1], torch.zeros(4, 2), weights)
    >>> hs.shape, h_n.shape
    (torch.Size([7, 2]), torch.Size([4, 2]))
    """
    hs = []
    for x in xs.split(list(sizes)):
        h = gru_step(x, h[: x.shape[0]], weights)
        hs.append(h)
    return torch.cat(hs), last(hs)


class GRURecurrence(torch.autograd.Function):
    """One layer in one direction over the whole sequence; arguments and results as for `gru_loop`.

    If the inputs have sixteen bits, the hidden state that z keeps, and its gradient, have 32
    between steps, because both are sums over time, like the LSTM's cell state. Products, gates, and
    the hidden states that products read and that are returned have sixteen.
    """

    @staticmethod
    def forward(
        ctx: Any,
        sizes: list[int],
        xs: Tensor,
        h0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Run forward, and keep gates, candidates, and what the reset gate multiplied."""
        gates = linear(xs, weight_ih, bias_ih)  # (rows, 3H), all steps at once
        hs = xs.new_empty(xs.shape[0], h0.shape[1])
        us = torch.empty_like(hs)  # U h + b_hh in the slice n
        h_blocks = [h0, *hs.split(sizes)]
        h = h0.to(torch.promote_types(h0.dtype, torch.float32))
        for t, (a, u) in enumerate(zip(gates.split(sizes), us.split(sizes), strict=True)):
            N = a.shape[0]  # not len(a), which torch.export would keep as a constant
            r, z, n = a.chunk(3, dim=1)
            u_r, u_z, u_n = linear(h_blocks[t][:N], weight_hh, bias_hh).chunk(3, dim=1)
            u.copy_(u_n)
            r.add_(u_r).sigmoid_()
            z.add_(u_z).sigmoid_()
            n.addcmul_(r, u).tanh_()
            h = torch.addcmul((1 - z) * n, z, h[:N])
            h_blocks[t + 1].copy_(h)
        ctx.sizes = sizes
        ctx.save_for_backward(xs, h0, weight_ih, weight_hh, bias_hh, hs, gates, us)
        return hs, last(h_blocks[1:])

    @staticmethod
    def backward(ctx: Any, dhs: Tensor, dh: Tensor) -> tuple[Any, ...]:
        """Run backward. Rows of `dh` beyond those of a step belong to sequences that have ended."""
        refuse_second_derivative()
        xs, h0, weight_ih, weight_hh, bias_hh, hs, gates, us = ctx.saved_tensors
        sizes, (_, to_xs, _, _, _, to_bias, _) = ctx.sizes, ctx.needs_input_grad
        h_blocks = [h0, *hs.split(sizes)]
        dh = dh.to(torch.promote_types(dh.dtype, torch.float32), copy=True)
        das, dus = torch.empty_like(gates), torch.empty_like(gates)  # of W x + b_ih, U h + b_hh
        steps = zip(*(s.split(sizes) for s in (dhs, gates, us, das, dus)), strict=True)
        for t, (dh_t, gates_t, u, da, du) in reversed(list(enumerate(steps))):
            N = da.shape[0]
            r, z, n = gates_t.chunk(3, dim=1)
            da_r, da_z, da_n = da.chunk(3, dim=1)
            flow = dh[:N].add_(dh_t)  # the two flows meet
            torch.mul(flow * (1 - z), 1 - n**2, out=da_n)
            torch.mul(flow * (h_blocks[t][:N] - n), z * (1 - z), out=da_z)
            torch.mul(da_n * u, r * (1 - r), out=da_r)
            du.copy_(da).chunk(3, dim=1)[2].mul_(r)
            flow.mul_(z).add_(du @ weight_hh)
        return (
            None,
            das @ weight_ih if to_xs else None,
            dh.to(dhs.dtype),
            das.T @ xs,
            dus.T @ before(h_blocks, sizes),
            das.sum(0) if to_bias else None,
            dus.sum(0) if bias_hh is not None else None,
        )


def gru_hoisted(
    xs: Tensor, sizes: Sequence[int], h: Tensor, weights: GRUWeights
) -> tuple[Tensor, Tensor]:
    """Run the GRU over a batch, like `gru_loop`, but differentiable only once.

    Examples
    --------
    >>> weights = GRUWeights(torch.ones(6, 3), torch.ones(6, 2))
    >>> hs, h_n = gru_hoisted(torch.ones(7, 3), [4, 2, 1], torch.zeros(4, 2), weights)
    >>> hs.shape, h_n.shape
    (torch.Size([7, 2]), torch.Size([4, 2]))
    """
    return GRURecurrence.apply(list(sizes), xs, h, *weights)


class GRU(Stack, nn.GRU):
    """GRU layers over a sequence, in place of torch.nn.GRU: the same parameters and results.

    It is a torch.nn.GRU, as `LSTM` is a torch.nn.LSTM: code that looks for one finds it, either
    module loads the other's `state_dict`, and with the same seed they start equal. With gates r and
    z, n = tanh(W x + b_ih + r * (U h_prev + b_hh)) and h = (1 - z) * n + z * h_prev.

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
        "loop" takes one step after the other, and leaves the way back to PyTorch's autograd: it's
        the one to read, and the one that has second derivatives. "hoisted" has forward and
        backward written by hand, with all that doesn't depend on the state outside the loops; in
        sixteen bits, it keeps the hidden state and its gradient in float32 between steps. "cudnn"
        is PyTorch's own: cuDNN on a GPU, ATen on a CPU. "auto" is as for `LSTM`; see `picked`.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    References
    ----------
    As for `gru_step`.

    Examples
    --------
    >>> gru = GRU(3, 2, num_layers=2, bidirectional=True, backend="hoisted")
    >>> hs, h_n = gru(torch.ones(5, 4, 3))
    >>> hs.shape, h_n.shape
    (torch.Size([5, 4, 4]), torch.Size([4, 4, 2]))
    >>> theirs = torch.nn.GRU(3, 2, num_layers=2, bidirectional=True)
    >>> theirs.load_state_dict(gru.state_dict())
    <All keys matched successfully>
    >>> torch.allclose(theirs(torch.ones(5, 4, 3))[0], hs, atol=1e-6)
    True
    """

    states = "h"
    backends: ClassVar = {"loop": gru_loop, "hoisted": gru_hoisted}
    fastest = FASTEST
    cudnn = torch.gru

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
            "GRU",
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

    def _weights(self, cell: int) -> GRUWeights:
        """Return the weights of a layer in one direction; cells are counted as in `hx`."""
        return GRUWeights(*self.all_weights[cell])

"""The fast backend without kernels of its own: forward and backward over time, written by hand.

Only what depends on the state stays in the loops. The product with the inputs comes before the
forward loop, and the gradients of the parameters are single products after the backward loop. The
pointwise part of a step is a pair of functions, which `fused` replaces by its own.

If the inputs have sixteen bits, the cell state and its gradient have 32 between steps: both are
sums over time, and in sixteen bits a small term added to a large sum gets lost. Products, gates and
hidden states have sixteen bits, and so does the final cell state that is returned.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear

from lstm_course.pytorch.loop import Weights, last


class Pointwise(Protocol):
    """What a step does besides its products, forward and back. Both write to given tensors."""

    def forward(self, a: Tensor, c_prev: Tensor, c: Tensor, m: Tensor) -> None:
        """Turn `a` (n, 4H) into the gates; write the cell state c and m = o * tanh(c), (n, H).

        The cell states may have a higher precision than the rest.
        """

    def backward(
        self, dm: Tensor, dc: Tensor, gates: Tensor, c_prev: Tensor, c: Tensor, da: Tensor
    ) -> None:
        """Write `da` (n, 4H); turn `dc` (n, H), c's gradient from later steps, into c_prev's.

        `dc` has the precision of the cell states. `gates` and the states must not change, since a
        backward run can be repeated.
        """


class Eager:
    """The pointwise part in PyTorch's own operations."""

    @staticmethod
    def forward(a: Tensor, c_prev: Tensor, c: Tensor, m: Tensor) -> None:
        """Write the gates over `a`, and the new cell state and hidden state."""
        i, f, g, o = a.chunk(4, dim=1)
        i.sigmoid_()
        f.sigmoid_()
        g.tanh_()
        o.sigmoid_()
        torch.mul(f, c_prev, out=c).addcmul_(i, g)
        torch.tanh(c, out=m).mul_(o)

    @staticmethod
    def backward(
        dm: Tensor, dc: Tensor, gates: Tensor, c_prev: Tensor, c: Tensor, da: Tensor
    ) -> None:
        """Write `da`, and the gradient of `c_prev` over `dc`."""
        i, f, g, o = gates.chunk(4, dim=1)
        da_i, da_f, da_g, da_o = da.chunk(4, dim=1)
        tanh_c = c.tanh()
        dc += dm * o * (1 - tanh_c**2)  # the two flows meet
        torch.mul(dc * g, i * (1 - i), out=da_i)
        torch.mul(dc * c_prev, f * (1 - f), out=da_f)
        torch.mul(dc * i, 1 - g**2, out=da_g)
        torch.mul(dm * tanh_c, o * (1 - o), out=da_o)
        dc *= f


class Recurrence(torch.autograd.Function):
    """One layer in one direction over the whole sequence; arguments and results as for `loop`.

    A pointwise part with its own parameters is a class that is called with them. Its `own_backward`
    returns their gradients, given those of all sums, and c before and after each step.
    """

    @staticmethod
    def forward(
        ctx: Any,
        pointwise: Any,
        sizes: list[int],
        xs: Tensor,
        h0: Tensor,
        c0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor | None,
        weight_hr: Tensor | None,
        *own: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run forward, and keep gates and cell states."""
        ctx.pointwise, ctx.sizes = pointwise, sizes
        pointwise = pointwise(*own) if own else pointwise
        c0 = c0.to(torch.promote_types(c0.dtype, torch.float32)).contiguous()
        gates = linear(xs, weight_ih, bias)  # (rows, 4H), all steps at once
        cs = c0.new_empty(xs.shape[0], c0.shape[1])
        hs = xs.new_empty(xs.shape[0], h0.shape[1])
        ms = hs if weight_hr is None else xs.new_empty(cs.shape)  # before the projection
        h_blocks, c_blocks = ([s, *ss.split(sizes)] for s, ss in ((h0, hs), (c0, cs)))
        for t, (a, m) in enumerate(zip(gates.split(sizes), ms.split(sizes), strict=True)):
            n = a.shape[0]  # not len(a), which torch.export would keep as a constant
            a.addmm_(h_blocks[t][:n], weight_hh.T)
            pointwise.forward(a, c_blocks[t][:n], c_blocks[t + 1], m)
            if weight_hr is not None:
                torch.mm(m, weight_hr.T, out=h_blocks[t + 1])
        ctx.save_for_backward(xs, h0, c0, weight_ih, weight_hh, weight_hr, hs, cs, gates, *own)
        return hs, last(h_blocks[1:]), last(c_blocks[1:]).to(xs.dtype)

    @staticmethod
    def backward(ctx: Any, dhs: Tensor, dh: Tensor, dc: Tensor) -> tuple[Any, ...]:
        """Run backward. Rows of `dh`, `dc` beyond a step's belong to sequences that have ended."""
        refuse_second_derivative()
        xs, h0, c0, weight_ih, weight_hh, weight_hr, hs, cs, gates, *own = ctx.saved_tensors
        pointwise, sizes = ctx.pointwise(*own) if own else ctx.pointwise, ctx.sizes
        _, _, to_xs, _, _, _, _, to_bias, to_weight_hr, *_ = ctx.needs_input_grad
        h_blocks, c_blocks = [h0, *hs.split(sizes)], [c0, *cs.split(sizes)]
        dh, dc, dhs = (d.clone(memory_format=torch.contiguous_format) for d in (dh, dc, dhs))
        dc = dc.to(cs.dtype)
        das = torch.empty_like(gates)
        steps = zip(dhs.split(sizes), gates.split(sizes), das.split(sizes), strict=True)
        for t, (dh_t, gates_t, da) in reversed(list(enumerate(steps))):
            n = da.shape[0]
            dh_t += dh[:n]
            dm = dh_t if weight_hr is None else dh_t @ weight_hr
            pointwise.backward(dm, dc[:n], gates_t, c_blocks[t][:n], c_blocks[t + 1], da)
            torch.mm(da, weight_hh, out=dh[:n])
        d_weight_hr = None
        if to_weight_hr:
            o = gates.chunk(4, dim=1)[3]
            d_weight_hr = dhs.T @ (o * cs.tanh()).to(o.dtype)
        return (
            None,
            None,
            das @ weight_ih if to_xs else None,
            dh,
            dc.to(dh.dtype),
            das.T @ xs,
            das.T @ before(h_blocks, sizes),
            das.sum(0) if to_bias else None,
            d_weight_hr,
            *(pointwise.own_backward(das, before(c_blocks, sizes), cs) if own else ()),
        )


def before(blocks: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
    """Return the states before each step, row for row, given the blocks from the initial one on.

    Examples
    --------
    >>> before([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), torch.tensor([5.0])], [2, 1])
    tensor([1., 2., 3.])
    """
    return torch.cat([block[:n] for block, n in zip(blocks, sizes, strict=False)])


def refuse_second_derivative() -> None:
    """Raise if the backward run would have to be differentiated itself."""
    if torch.is_grad_enabled():
        raise RuntimeError(
            'the backends "hoisted" and "fused" have no second derivative, which '
            'create_graph=True asks for; expected backend="loop"'
        )


def hoisted(
    xs: Tensor, sizes: Sequence[int], h: Tensor, c: Tensor, weights: Weights
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the cell over a batch of sequences, like `loop`, but differentiable only once.

    Examples
    --------
    >>> weights = Weights(torch.ones(8, 3), torch.ones(8, 2))
    >>> h = c = torch.zeros(4, 2)
    >>> hs, h_n, c_n = hoisted(torch.ones(7, 3), [4, 2, 1], h, c, weights)
    >>> hs.shape, h_n.shape
    (torch.Size([7, 2]), torch.Size([4, 2]))
    """
    return Recurrence.apply(Eager, list(sizes), xs, h, c, *weights)

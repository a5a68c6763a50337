"""The readable backend: one step, a Python loop over time, and autograd for the way back.

All backends share one signature. A batch is laid out as in a `PackedSequence`: the rows of step 0,
then those of step 1, and so on, with `sizes[t]` rows at step t. The longest sequence is row 0 of
each step, so when a sequence ends, the next step has one row less. If all sequences have the same
length, all sizes are equal.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear


class Weights(NamedTuple):
    """The parameters of one layer in one direction; slices in the order i, f, g, o."""

    weight_ih: Tensor  # (4H, D)
    weight_hh: Tensor  # (4H, P), where P is H without a projection
    bias: Tensor | None = None  # (4H,), the sum of PyTorch's two
    weight_hr: Tensor | None = None  # (P, H), the projection


def step(x: Tensor, h: Tensor, c: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """Take one step of the LSTM cell; with sixteen bits, every step rounds the cell state.

    Parameters
    ----------
    x
        (N, D) input of this step.
    h, c
        (N, P) hidden state and (N, H) cell state of the step before.
    weights
        The cell's parameters.

    Returns
    -------
    h, c
        The new states, of the same shapes.

    References
    ----------
    As for `lstm_course.lstm_step`. Projection: Sak, Senior and Beaufays (2014),
    doi:10.48550/arXiv.1402.1128.

    Examples
    --------
    >>> weights = Weights(torch.ones(8, 3), torch.ones(8, 2))
    >>> h, c = step(torch.ones(1, 3), torch.zeros(1, 2), torch.zeros(1, 2), weights)
    >>> c  # sigmoid(3) * tanh(3)
    tensor([[0.9479, 0.9479]])
    """
    a = linear(x, weights.weight_ih, weights.bias) + linear(h, weights.weight_hh)  # (N, 4H)
    a_i, a_f, a_g, a_o = a.chunk(4, dim=1)  # (N, H) each
    i, f, g, o = a_i.sigmoid(), a_f.sigmoid(), a_g.tanh(), a_o.sigmoid()
    c = f * c + i * g
    h = o * c.tanh()
    return (h if weights.weight_hr is None else linear(h, weights.weight_hr)), c


def loop(
    xs: Tensor,
    sizes: Sequence[int],
    h: Tensor,
    c: Tensor,
    weights: Any,
    step: Callable[[Tensor, Tensor, Tensor, Any], tuple[Tensor, Tensor]] = step,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the cell over a batch of sequences, one step after the other.

    Parameters
    ----------
    xs
        (sum of sizes, D) inputs, step after step.
    sizes
        How many sequences have a step t, for each t; these numbers never grow.
    h, c
        (N, P) and (N, H) initial states, with N = sizes[0].
    weights
        The cell's parameters, `Weights` for the LSTM.
    step
        The step of the cell, which has the states of the LSTM.

    Returns
    -------
    hs
        (sum of sizes, P) hidden states after every step, laid out like the inputs.
    h_n, c_n
        (N, P) and (N, H) states after each sequence's last step.

    Examples
    --------
    >>> weights = Weights(torch.ones(8, 3), torch.ones(8, 2))
    >>> h = c = torch.zeros(4, 2)
    >>> hs, h_n, c_n = loop(torch.ones(7, 3), [4, 2, 1], h, c, weights)
    >>> hs.shape, h_n.shape
    (torch.Size([7, 2]), torch.Size([4, 2]))
    """
    hs, cs = [], []
    for x in xs.split(list(sizes)):  # not xs[start:stop], whose backward costs all of xs each time
        n = x.shape[0]  # not len(x), which torch.export would keep as a constant
        h, c = step(x, h[:n], c[:n], weights)
        hs.append(h)
        cs.append(c)
    return torch.cat(hs), last(hs), last(cs)


def last(blocks: Sequence[Tensor]) -> Tensor:
    """Return each sequence's row in the last block that has it, for blocks that never grow.

    Examples
    --------
    >>> last([torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[4.0]])]).flatten()
    tensor([4., 2., 3.])
    """
    sizes = [*(block.shape[0] for block in blocks), 0]
    ends = [block[n:] for block, size, n in zip(blocks, sizes, sizes[1:], strict=False) if n < size]
    return torch.cat(ends[::-1]) if ends else blocks[-1]

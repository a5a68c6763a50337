"""Right answers, each in a way of its own. PyTorch is imported when they run.

The solution itself stands in the master notebook, and as `exercise.to_pytorch` in
lstm_course/exercises/ch16_pytorch.py, where the check has it from.
"""

import numpy as np

from lstm_course.exercises import ch16_pytorch as exercise


def by_loading_a_state_dict(lstm, W, U, b):
    """Pick rows by their numbers, and hand over all four arrays at once."""
    import torch

    H = U.shape[1]
    rows = np.r_[: 2 * H, 3 * H : 4 * H, 2 * H : 3 * H]
    state = {
        "weight_ih_l0": W[rows],
        "weight_hh_l0": U[rows],
        "bias_ih_l0": 0 * b,
        "bias_hh_l0": b[rows],
    }
    lstm.load_state_dict(
        {name: torch.tensor(array) for name, array in state.items()}
    )


def by_giving_each_bias_half(lstm, W, U, b):
    """Put new parameters in the place of the old ones; only the sum counts."""
    import torch

    def of(array):
        i, f, o, g = torch.tensor(array).chunk(4)
        return torch.nn.Parameter(torch.cat([i, f, g, o]))

    lstm.weight_ih_l0, lstm.weight_hh_l0 = of(W), of(U)
    lstm.bias_ih_l0, lstm.bias_hh_l0 = of(b / 2), of(b / 2)
    return lstm


def by_writing_row_after_row(lstm, W, U, b):
    """Write into `data`, of which nothing is recorded, gate by gate."""
    import torch

    H = lstm.hidden_size
    arrays = {"weight_ih": W, "weight_hh": U, "bias_ih": b}
    for name, array in arrays.items():
        target = getattr(lstm, f"{name}_l0").data
        for gate, place in enumerate((0, 1, 3, 2)):
            for j in range(H):
                target[place * H + j] = torch.from_numpy(array)[gate * H + j]
    torch.nn.init.zeros_(lstm.bias_hh_l0)


def without_a_record(lstm):
    """Within no_grad a parameter needs no detach, and a sum is a plain tensor."""
    import torch

    with torch.no_grad():
        W = lstm.weight_ih_l0.numpy().copy()
        U = lstm.weight_hh_l0.numpy().copy()
        if not lstm.bias:
            return W, U, np.zeros_like(W[:, 0])
        return W, U, (lstm.bias_ih_l0 + lstm.bias_hh_l0).numpy()


def by_way_of_lists(lstm):
    """Take whatever the module has: two arrays, or four."""
    state = lstm.state_dict()
    dtype = state["weight_hh_l0"].numpy().dtype
    arrays = [np.array(tensor.tolist(), dtype) for tensor in state.values()]
    if len(arrays) == 2:
        arrays += [np.zeros(len(arrays[0]), dtype)]
    return [arrays[0], arrays[1], sum(arrays[2:])]


def from_the_output(lstm, batch):
    """Forward has ended at the last step, backward at the first."""
    import torch

    hs = lstm(torch.tensor(batch).transpose(0, 1))[0].detach().numpy()
    H = lstm.hidden_size
    return np.hstack([hs[-1, :, :H], hs[0, :, H:]])


def one_sequence_after_the_other(lstm, batch):
    """A batch of one has (2, 1, H) final states, a row already."""
    import torch

    rows = []
    for sequence in batch:
        _, (h_n, _) = lstm(torch.from_numpy(sequence)[:, None])
        rows.append(h_n.flatten().tolist())
    return np.array(rows, batch.dtype)


def with_a_copy_that_is_batch_first(lstm, batch):
    """Make a module that reads (N, T, D), and give it the same weights."""
    import torch

    other = torch.nn.LSTM(
        batch.shape[2], lstm.hidden_size, bidirectional=True, batch_first=True
    ).to(torch.from_numpy(batch).dtype)
    other.load_state_dict(lstm.state_dict())
    h_n = other(torch.from_numpy(batch))[1][0]
    return h_n.permute(1, 0, 2).reshape(len(batch), -1).detach().numpy()


RIGHT = {
    "to-pytorch": (
        exercise.to_pytorch,
        by_loading_a_state_dict,
        by_giving_each_bias_half,
        by_writing_row_after_row,
    ),
    "from-pytorch": (
        exercise.from_pytorch,
        without_a_record,
        by_way_of_lists,
    ),
    "final-states": (
        from_the_output,
        one_sequence_after_the_other,
        with_a_copy_that_is_batch_first,
    ),
}

"""Right answers. PyTorch is imported when they run."""

import numpy as np

from lstm_course.exercises import ch16_pytorch as exercise


def with_load_state_dict(lstm, W, U, b):
    import torch

    H = U.shape[1]
    rows = np.r_[: 2 * H, 3 * H : 4 * H, 2 * H : 3 * H]
    state = {
        "weight_ih_l0": W[rows],
        "weight_hh_l0": U[rows],
        "bias_ih_l0": 0 * b,
    }
    state["bias_hh_l0"] = b[rows]
    lstm.load_state_dict(
        {name: torch.tensor(array) for name, array in state.items()}
    )


def with_halves_of_the_bias(lstm, W, U, b):
    import torch

    def of(array):
        i, f, o, g = torch.tensor(array).chunk(4)
        return torch.nn.Parameter(torch.cat([i, f, g, o]))

    lstm.weight_ih_l0, lstm.weight_hh_l0 = of(W), of(U)
    lstm.bias_ih_l0, lstm.bias_hh_l0 = of(b / 2), of(b / 2)
    return lstm


def with_loops_over_gates(lstm, W, U, b):
    import torch

    H = lstm.hidden_size
    arrays = {"weight_ih": W, "weight_hh": U, "bias_ih": b}
    for name, array in arrays.items():
        target = getattr(lstm, f"{name}_l0").data
        for gate, place in enumerate((0, 1, 3, 2)):
            for j in range(H):
                target[place * H + j] = torch.from_numpy(array)[gate * H + j]
    torch.nn.init.zeros_(lstm.bias_hh_l0)


def with_numpy_views(lstm):
    import torch

    with torch.no_grad():
        W, U = (
            getattr(lstm, f"weight_{k}_l0").numpy().copy()
            for k in ("ih", "hh")
        )
        b = (
            (lstm.bias_ih_l0 + lstm.bias_hh_l0).numpy()
            if lstm.bias
            else np.zeros_like(W[:, 0])
        )
    return W, U, b


def with_tolist(lstm):
    state = lstm.state_dict()
    dtype = state["weight_hh_l0"].numpy().dtype
    arrays = [np.array(tensor.tolist(), dtype) for tensor in state.values()]
    if len(arrays) == 2:
        arrays += [np.zeros(len(arrays[0]), dtype)]
    return [arrays[0], arrays[1], sum(arrays[2:])]


def with_output(lstm, batch):
    import torch

    hs = lstm(torch.tensor(batch).transpose(0, 1))[0].detach().numpy()
    H = lstm.hidden_size
    return np.hstack([hs[-1, :, :H], hs[0, :, H:]])


def one_by_one(lstm, batch):
    import torch

    rows = []
    for sequence in batch:
        _, (h_n, _) = lstm(torch.from_numpy(sequence)[:, None])
        rows.append(h_n.flatten().tolist())
    return np.array(rows, batch.dtype)


def with_batch_first(lstm, batch):
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
        with_load_state_dict,
        with_halves_of_the_bias,
        with_loops_over_gates,
    ),
    "from-pytorch": (exercise.from_pytorch, with_numpy_views, with_tolist),
    "final-states": (with_output, one_by_one, with_batch_first),
}

"""Networks that solve the tasks of the capstone, their weights set by hand."""

import numpy as np

LARGE = 20.0


def network(task, D, H, K, loss=0.0):
    arrays = {
        "weight_ih": np.zeros((4 * H, D)),
        "weight_hh": np.zeros((4 * H, H)),
        "bias": np.repeat(
            [-LARGE, LARGE, 0, LARGE], H
        ),  # writes nothing, keeps and shows all
        "readout_weight": np.zeros((K, H)),
        "readout_bias": np.zeros(K),
    }
    return {"task": task, "loss": loss, **arrays}


def adding(scale=0.05):
    """One unit, its gate opened by the mark; numbers so small that tanh is a straight line."""
    made = network("adding", 2, 1, 1)
    made["weight_ih"][0, 1] = 2 * LARGE  # the input gate reads the mark
    made["weight_ih"][2, 0] = scale  # the candidate reads the number
    made["readout_weight"][:] = 1 / scale
    return made


def recall():
    """A unit for each symbol, written when the mark comes."""
    made = network("recall", 5, 4, 4)
    made["weight_ih"][:4, 4] = 2 * LARGE
    made["weight_ih"][8:12, :4] = np.eye(4)
    made["readout_weight"][:] = np.eye(4)
    return made


def temporal_order():
    """Unit 0 notes that a signal came. Units 1 and 2 note the first and the second: X +, Y -."""
    made = network("temporal_order", 6, 3, 4)
    W, U, b = made["weight_ih"], made["weight_hh"], made["bias"]
    W[0:3, 4:] = 2 * LARGE  # all gates open at signals ...
    W[6, 4:] = 5
    W[7:9, 4], W[7:9, 5] = 5, -5
    U[1, 0] = (
        -8 * LARGE
    )  # ... that of unit 1 only if none came before, that of unit 2 only if one did
    U[2, 0] = 8 * LARGE
    b[2] = -5 * LARGE
    for k, (first, second) in enumerate(
        ((1, 1), (1, -1), (-1, 1), (-1, -1))
    ):  # XX, XY, YX, YY
        made["readout_weight"][k, 1:] = first, second
    return made


ALL = (adding(), recall(), temporal_order())
RIGHT = {"capstone-start": ALL, "capstone-target": ALL}

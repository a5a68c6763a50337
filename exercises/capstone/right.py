"""Networks that solve the tasks of the capstone, their weights set by hand."""

import numpy as np

LARGE = 20.0


def network(task, D, H, K, loss=0.0):
    """Return what a hand-in holds, for units that only keep what they have."""
    arrays = {
        "weight_ih": np.zeros((4 * H, D)),
        "weight_hh": np.zeros((4 * H, H)),
        # At rest a unit writes nothing, keeps all and shows all.
        "bias": np.repeat([-LARGE, LARGE, 0, LARGE], H),
        "readout_weight": np.zeros((K, H)),
        "readout_bias": np.zeros(K),
    }
    return {"task": task, "loss": loss, **arrays}


def adding(scale=0.05):
    """One unit, its gate opened by the mark, adds up what it reads.

    The numbers are made so small that tanh is a straight line for them.
    """
    made = network("adding", 2, 1, 1)
    made["weight_ih"][0, 1] = 2 * LARGE  # the input gate reads the mark
    made["weight_ih"][2, 0] = scale  # the candidate reads the number
    made["readout_weight"][:] = 1 / scale
    return made


def recall():
    """One unit per symbol, written when the mark comes."""
    made = network("recall", 5, 4, 4)
    made["weight_ih"][:4, 4] = 2 * LARGE
    made["weight_ih"][8:12, :4] = np.eye(4)
    made["readout_weight"][:] = np.eye(4)
    return made


def temporal_order():
    """Unit 0 notes that a signal came, units 1 and 2 which: X is +, Y is -."""
    made = network("temporal_order", 6, 3, 4)
    W, U, b = made["weight_ih"], made["weight_hh"], made["bias"]
    W[0:3, 4:] = 2 * LARGE  # the input gates open at signals:
    U[1, 0] = -8 * LARGE  # that of unit 1 only if none came before,
    U[2, 0], b[2] = 8 * LARGE, -5 * LARGE  # that of unit 2 only if one did
    W[6, 4:] = 5
    W[7:9, 4], W[7:9, 5] = 5, -5
    # In the order XX, XY, YX, YY.
    made["readout_weight"][:, 1:] = [[1, 1], [1, -1], [-1, 1], [-1, -1]]
    return made


ALL = (adding(), recall(), temporal_order())
RIGHT = {"capstone-start": ALL, "capstone-target": ALL}

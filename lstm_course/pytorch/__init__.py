"""The same cells in PyTorch: LSTMCell, LSTM and GRU in place of PyTorch's, and a PeepholeLSTM.

Three backends share one signature, and each shows one idea: `loop` the cell as its equations say,
`hoisted` the forward and backward loops over time by hand, `fused` the pointwise part in kernels.
The LSTM has all three. The GRU and the LSTM with peepholes, which PyTorch does not have, have the
first two.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError:
    raise ImportError(
        "lstm_course.pytorch needs PyTorch; to install it: pip install torch"
    ) from None

from lstm_course.pytorch.gru_module import GRU
from lstm_course.pytorch.loop import Weights, step
from lstm_course.pytorch.module import LSTM, LSTMCell
from lstm_course.pytorch.peephole_module import PeepholeLSTM

__all__ = ["GRU", "LSTM", "LSTMCell", "PeepholeLSTM", "Weights", "step"]

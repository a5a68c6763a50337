"""The same cells in PyTorch: LSTMCell, LSTM and GRU to replace PyTorch's, and a PeepholeLSTM.

Three backends share one signature, and each shows one idea: `loop` runs the cell as its equations
say, `hoisted` has the loops forward and backward over time written by hand, `fused` has kernels for
the pointwise part. The LSTM has all three; the GRU, and the LSTM with peepholes, which PyTorch
doesn't offer, have the first two.
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

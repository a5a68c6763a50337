"""The same cell in PyTorch: modules that take the place of torch.nn.LSTMCell and torch.nn.LSTM.

Three backends share one signature, and each shows one idea: `loop` the cell as its equations say,
`hoisted` the forward and backward loops over time by hand, `fused` the pointwise part in kernels.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError:
    raise ImportError(
        "lstm_course.pytorch needs PyTorch; to install it: pip install torch"
    ) from None

from lstm_course.pytorch.loop import Weights, step
from lstm_course.pytorch.module import LSTM, LSTMCell

__all__ = ["LSTM", "LSTMCell", "Weights", "step"]

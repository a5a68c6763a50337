"""Parameters to and from other frameworks: the same numbers with other names, orders and shapes.

Each framework stacks the gates of a cell in its own order. In this course's letters (i, f, g,
o for input gate, forget gate, candidate and output gate; r, z, n for reset gate, update gate and
candidate):

=========== ======= ====== ====================================================================
framework   LSTM    GRU    biases
=========== ======= ====== ====================================================================
lstm_course i f g o r z n  one in an LSTM, two in a GRU
PyTorch     i f g o r z n  two
cuDNN       i f g o r z n  two
Keras       i f g o z r n  one in an LSTM; two in a GRU, or one with reset_after=False
Flax        i f g o r z n  one in an LSTM; one in a GRU, and in linen one more for U h in n
ONNX        i o f g z r n  two; peepholes in the order i, o, f (here i, f, o)
=========== ======= ====== ====================================================================

cuDNN numbers the matrices of a layer (see `cudnnGetRNNWeightParams` in its documentation). Those of
an LSTM are 0 and 4 for the input gate, 1 and 5 for the forget gate, 2 and 6 for the new memory,
which is g, and 3 and 7 for the output gate; those of a GRU are 0 and 3 for the reset gate, 1 and 4
for the update gate, and 2 and 5 for the new memory, which is n. The first half multiplies inputs,
the second hidden states. So the slices of LSTMParams and GRUParams are already in cuDNN's order.

In all these GRUs z = 1 keeps the old state. The reset gate acts after the product with U in
PyTorch, in cuDNN, in Flax, in Keras with reset_after=True and in ONNX with linear_before_reset=1;
before it in Keras with reset_after=False and in ONNX with linear_before_reset=0.

Where arrays are enough, no framework is needed; otherwise it's imported on first use.
"""

from lstm_course.interop.flax_maps import from_flax, to_flax
from lstm_course.interop.keras_maps import from_keras, to_keras
from lstm_course.interop.onnx_reading import from_onnx
from lstm_course.interop.onnx_writing import to_onnx
from lstm_course.interop.torch_maps import from_pytorch, to_pytorch

__all__ = [
    "from_flax",
    "from_keras",
    "from_onnx",
    "from_pytorch",
    "to_flax",
    "to_keras",
    "to_onnx",
    "to_pytorch",
]

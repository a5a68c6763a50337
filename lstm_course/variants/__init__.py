"""The LSTM's predecessors, relatives and successors, each by the one thing that it changes.

`StandardParams` is the course's LSTM, cut into equations, each next to its derivative. Every other
cell replaces such a pair. Cells with a cell state run with `forward` and `backward`; the GRU and
its kin run with `gru_forward` and `gru_backward`. As a layer, `Variant` runs all of them.
"""

from lstm_course.variants.additions import (
    ClippedParams,
    LayerNormParams,
    ProjectedParams,
    RecurrentDropoutParams,
    ZoneoutParams,
)
from lstm_course.variants.family import (
    BlindCandidateParams,
    CoupledParams,
    NoForgetGateParams,
    NoInputGateParams,
    NoOutputGateParams,
    NoOutputTanhParams,
    PeepholeParams,
    StandardParams,
    TruncatedParams,
    backward,
    forward,
    peephole_backward,
    peephole_forward,
    step,
    step_backward,
)
from lstm_course.variants.gru import (
    GRUParams,
    MinimalGatedParams,
    ResetBeforeGRUParams,
    gru_backward,
    gru_forward,
    gru_step,
    gru_step_backward,
)
from lstm_course.variants.variant import CELLS, Variant

__all__ = [
    "CELLS",
    "BlindCandidateParams",
    "ClippedParams",
    "CoupledParams",
    "GRUParams",
    "LayerNormParams",
    "MinimalGatedParams",
    "NoForgetGateParams",
    "NoInputGateParams",
    "NoOutputGateParams",
    "NoOutputTanhParams",
    "PeepholeParams",
    "ProjectedParams",
    "RecurrentDropoutParams",
    "ResetBeforeGRUParams",
    "StandardParams",
    "TruncatedParams",
    "Variant",
    "ZoneoutParams",
    "backward",
    "forward",
    "gru_backward",
    "gru_forward",
    "gru_step",
    "gru_step_backward",
    "peephole_backward",
    "peephole_forward",
    "step",
    "step_backward",
]

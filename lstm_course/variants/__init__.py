"""The cells before, beside and after the LSTM, each by the one thing that changes.

`StandardParams` is the LSTM of the course, cut into equations that stand next to their derivatives;
every other cell replaces a pair of them. What has a cell state runs with `forward` and `backward`,
the GRU and its kin with `gru_forward` and `gru_backward`, and all of them as a layer, `Variant`.
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

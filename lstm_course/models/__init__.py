"""Models built from layers, for sequences and captions; rivals without any; and decoding."""

from lstm_course.models.buckets import (
    BucketParams,
    Buckets,
    buckets,
    potential_evaporation,
)
from lstm_course.models.captioner import CaptionBatches, Captioner, caption_batch
from lstm_course.models.decoding import Caption, beam_search, sample
from lstm_course.models.ngrams import NGrams
from lstm_course.models.sequence_model import FinalStateModel, InitialState, SequenceModel

__all__ = [
    "BucketParams",
    "Buckets",
    "Caption",
    "CaptionBatches",
    "Captioner",
    "FinalStateModel",
    "InitialState",
    "NGrams",
    "SequenceModel",
    "beam_search",
    "buckets",
    "caption_batch",
    "potential_evaporation",
    "sample",
]

"""Models built from layers, for sequences and captions; n-grams, which count; and decoding."""

from lstm_course.models.captioner import CaptionBatches, Captioner, caption_batch
from lstm_course.models.decoding import Caption, beam_search, sample
from lstm_course.models.ngrams import NGrams
from lstm_course.models.sequence_model import FinalStateModel, InitialState, SequenceModel

__all__ = [
    "Caption",
    "CaptionBatches",
    "Captioner",
    "FinalStateModel",
    "InitialState",
    "NGrams",
    "SequenceModel",
    "beam_search",
    "caption_batch",
    "sample",
]

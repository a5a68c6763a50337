"""Data for the book's tasks, each drawn by a function of its sizes and a random generator."""

from lstm_course.tasks.adding import adding
from lstm_course.tasks.agreement import agreement, read_agreement, was_or_were
from lstm_course.tasks.coco import Vocabulary, read_captions, words_of
from lstm_course.tasks.digits import blocks, digit_sequences, digits, writing_sheets
from lstm_course.tasks.gender import GenderStories, gender_stories
from lstm_course.tasks.kjv import king_james
from lstm_course.tasks.recall import recall
from lstm_course.tasks.river import (
    kling_gupta,
    nash_sutcliffe,
    river,
    river_windows,
    water_years,
)
from lstm_course.tasks.scenes import Scenes, scenes, true_captions
from lstm_course.tasks.stories import endings, stories
from lstm_course.tasks.sunspots import series_windows, sunspots
from lstm_course.tasks.temporal_order import temporal_order
from lstm_course.tasks.text import (
    Alphabet,
    bracketed,
    columns,
    distinct_paragraphs,
    python_reference,
    quoted,
    read_text,
    windows,
)
from lstm_course.tasks.vowels import Utterances, japanese_vowels

__all__ = [
    "Alphabet",
    "GenderStories",
    "Scenes",
    "Utterances",
    "Vocabulary",
    "adding",
    "agreement",
    "blocks",
    "bracketed",
    "columns",
    "digit_sequences",
    "digits",
    "distinct_paragraphs",
    "endings",
    "gender_stories",
    "japanese_vowels",
    "king_james",
    "kling_gupta",
    "nash_sutcliffe",
    "python_reference",
    "quoted",
    "read_agreement",
    "read_captions",
    "read_text",
    "recall",
    "river",
    "river_windows",
    "scenes",
    "series_windows",
    "stories",
    "sunspots",
    "temporal_order",
    "true_captions",
    "was_or_were",
    "water_years",
    "windows",
    "words_of",
    "writing_sheets",
]

"""Data for the tasks of the book, each made by a function of its sizes and a random generator."""

from lstm_course.tasks.adding import adding
from lstm_course.tasks.recall import recall
from lstm_course.tasks.temporal_order import temporal_order
from lstm_course.tasks.text import Alphabet, python_reference, windows

__all__ = ["Alphabet", "adding", "python_reference", "recall", "temporal_order", "windows"]

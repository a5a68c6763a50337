"""Data for the tasks of the book, each made by a function of its sizes and a random generator."""

from lstm_course.tasks.adding import adding
from lstm_course.tasks.temporal_order import temporal_order

__all__ = ["adding", "temporal_order"]

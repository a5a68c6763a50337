"""Grading in a sandbox: answers run where they reach nothing, and are judged outside."""

from lstm_course.grading.marking import verify

__all__ = ["verify"]

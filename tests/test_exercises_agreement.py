"""Chapter 19's questions: answers that mix mistakes, and what is said of each part."""

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.exercises.agreement import number_unit, switch_off

GATES = "The gates' bias is as it was: what the unit adds"
READOUT = "The read-out's bias is as it was: what the unit adds"


def squared_and_largest(*given):
    r, _ = number_unit(*given)
    return r**2, int(np.argmax(r))


def unchanged(U, b, V, d, unit, value):
    return U, b, V, d


def all_cut(U, b, V, d, unit, value):
    return 0 * U, b, 0 * V, d


def row_of_the_readout(U, b, V, d, unit, value):
    U_new, b_new, *_ = switch_off(U, b, V, d, unit, value)
    return U_new, b_new, V * (np.arange(len(V)) != unit)[:, None], d


@pytest.mark.parametrize(
    ("name", "answer", "sentences"),
    [
        ("number-unit", squared_and_largest, ("In r: This is the square", "In unit: You take the")),
        ("number-unit", lambda *given: number_unit(*given)[::-1], ("in the order unit, r",)),
        ("switch-off", all_cut, (f"In b: {GATES}", f"In d: {READOUT}", "does not depend on U")),
        ("switch-off", row_of_the_readout, ("Right: U, b. Wrong: V, d", f"In d: {READOUT}")),
        (
            "switch-off",
            unchanged,
            ("In U: U is as it was", f"In b: {GATES}", "In V: V is as it was", f"In d: {READOUT}"),
        ),
    ],
)
def test_each_part_gets_a_sentence_that_is_true_of_it(name, answer, sentences):
    feedback = lc.check(name, answer)
    assert not feedback.passed
    for sentence in sentences:
        assert sentence in feedback.message

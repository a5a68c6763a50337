"""Known mistakes: told where they are made, two at once too, and nowhere else."""

import numpy as np
import pytest

from lstm_course import sigmoid
from lstm_course.exercises.engine import known, parts
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam
from lstm_course.exercises.engine.lines import Lines
from lstm_course.exercises.engine.trials import Case, Returned

BASE = Lines(
    ("x", "y"),
    {
        "u": lambda s: s.x * s.y,
        "v": lambda s: s.u + s.x,
        "w": lambda s: np.exp(s.v) - s.y,
    },
    ("v", "w"),
)
FIRST = "The product is a sum."
SECOND = "The sum lacks x."
THIRD = "w is a square."
MISTAKES = {
    THIRD: (BASE.but(w=lambda s: s.v**2),),
    SECOND: (BASE.but(v=lambda s: s.u + 1),),
    FIRST: (BASE.but(u=lambda s: s.x + s.y),),
    "x stands alone.": (BASE.but(v=lambda s: s.x),),
    "y stands alone.": (BASE.but(v=lambda s: s.y),),
}
CASES = tuple(
    Case({"N": n}, dict(zip("xy", np.random.default_rng(n).normal(size=(2, n)), strict=True)))
    for n in (2, 1, 3)
)


def question(
    mistakes=MISTAKES,
    cases=CASES,
    solution=lambda x, y: BASE(x, y),
    returns="vw",
    shape="(N,)",
):
    results = tuple(Returned(name, shape) for name in returns)
    exam = FunctionExam("f", solution, results, cases, mistakes, "Right.")
    return Question("f", 1, ("", "", ""), exam)


def said_of(answer, **changes):
    feedback = question(**changes).check(answer)
    assert not feedback.passed
    return feedback.message


def both(u=lambda x, y: x * y, v=lambda u, x: u + x, w=lambda v, y: np.exp(v) - y):
    def answer(x, y):
        inner = v(u(x, y), x)
        return inner, w(inner, y)

    return answer


@pytest.mark.parametrize(
    ("answer", "first", "then"),
    [
        (both(u=lambda x, y: x + y, w=lambda v, y: v * v), FIRST, THIRD),
        (both(v=lambda u, x: 1 + u, w=lambda v, y: v * v), SECOND, THIRD),
        (both(u=lambda x, y: y + x, v=lambda u, x: u + 1), FIRST, SECOND),
    ],
)
def test_two_mistakes_are_told_in_the_order_of_the_lines(answer, first, then):
    assert said_of(answer) == f"Two mistakes at once.\nFirst: {first}\nThen: {then}"


def test_a_mistake_besides_the_order_of_the_results():
    answer = both(v=lambda u, x: 1 + u)
    assert said_of(lambda x, y: answer(x, y)[::-1]) == (
        f"Two mistakes at once.\nFirst: {SECOND}\n"
        "Then: Your results come in the order w, v. The question asks for v, w."
    )


def test_slices_exchanged_and_results_too():
    def answer(x, h, c, W, U, b):
        f, i, g, o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return c, sigmoid(o) * np.tanh(c)

    message = said_of(
        answer,
        mistakes={
            f"The order is {order}.": (parts.STEP.but(slices=parts.slices_in(order)),)
            for order in ("ifog", "figo", "giof")
        },
        cases=tuple(
            parts.lstm_case("x h_prev c_prev W U b", N=N, D=D, H=H)
            for N, D, H in ((3, 3, 3), (1, 1, 1), (2, 3, 4))
        ),
        solution=parts.lstm_step,
        returns="hc",
        shape="(N, H)",
    )
    assert message == (
        "Two mistakes at once.\nFirst: The order is figo.\n"
        "Then: Your results come in the order c, h. The question asks for h, c."
    )


def test_a_known_mistake_is_shown_on_the_smallest_input_that_fails():
    answer = both(v=lambda u, x: 1 + u)
    shown = repr(question().check(answer)).splitlines()
    assert shown[1:3] == [
        f"  {SECOND}",
        "  Wrong for N = 1: entry (0,) of v is 1.284, expected 0.6295.",
    ]
    assert shown[3].startswith("  There x = [")


def test_what_two_mistakes_do_not_explain_is_not_said_to_be_two():
    message = said_of(both(u=lambda x, y: x + y, w=lambda v, y: v * v + 1e-3))
    assert "Two mistakes" not in message
    assert f"In v: {FIRST}" in message


def test_two_mistakes_are_looked_for_within_a_time(monkeypatch):
    monkeypatch.setattr(known, "SECONDS", -1)
    assert "Two mistakes" not in said_of(both(u=lambda x, y: x + y, w=lambda v, y: v * v))


def test_failing_alike_is_not_the_same_mistake():
    """Both fail for two numbers or more, and each for a reason of its own."""

    def wrong_shape(x):
        return x[:1]

    def raises(x):
        return x * 2 if len(x) == 1 else x @ np.ones((5, 5))

    cases = tuple(Case({"N": n}, {"x": np.ones(n)}) for n in (2, 1, 3))
    exam = {
        "mistakes": {"Only the first is kept.": (lambda x: 2 * x[:1],)},
        "cases": cases,
        "solution": lambda x: 2 * x,
        "returns": ("",),
    }
    assert said_of(lambda x: 2 * x[0:1], **exam) == "Only the first is kept."
    assert "raised ValueError" in said_of(raises, **exam)
    assert "Only the first" not in said_of(raises, **exam)
    assert "Only the first" not in said_of(wrong_shape, **exam)


def test_an_order_of_results_is_not_two_exchanges():
    def three(x, y):
        return x, x * y, x + y

    mistakes = {"u and v have changed places.": (lambda x, y: (x * y, x, x + y),)}
    said = said_of(lambda x, y: three(x, y)[::-1], mistakes=mistakes, solution=three, returns="uvw")
    assert said == "Your results come in the order w, v, u. The question asks for u, v, w."

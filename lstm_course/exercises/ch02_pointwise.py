"""The sigmoid and tanh, their derivatives, and a first backward pass."""

import numpy as np

from lstm_course import pointwise
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.mistakes import (
    SLOPES,
    Mistakes,
    each,
    said,
    shared,
    wording,
)
from lstm_course.exercises.engine.parts import as_it_is, seeded, sized, softmax_over
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import sigmoid, sigmoid_derivative, tanh, tanh_derivative

SHAPE = "(N, H)"


def _numbers(N: int, H: int, count: int = 1) -> list[Array]:
    return list(seeded(N, H).normal(scale=2, size=(count, N, H)))


@sized
def _case(N: int, H: int) -> Case:
    return Case({"N": N, "H": H}, {"x": _numbers(N, H)[0]})


LARGE = Case({"N": 2, "H": 3}, {"x": np.array([[-1e4, -800, 0], [1.5, 800, 1e4]])}, large=True)
NEAR_0 = Case({"N": 2, "H": 1}, {"x": np.array([[1.3e-3], [-2.1e-3]])})
"""Here tanh is a small difference between two shares: float32 loses its last digits."""
CASES = (_case(3, 3), _case(1, 1), _case(1, 4), _case(4, 2), NEAR_0, LARGE, _case(2, 5))


OVERFLOW = (
    "The values are right, but an exponential overflows on the way, and NumPy warns. In both "
    "branches, the exponential must never get a positive number."
)
SIGMOID_MISTAKES: Mistakes = {
    (
        "This is 1 - sigmoid(x): it falls where it should rise. Check the sign in the exponent, "
        "and which branch belongs to which sign of x."
    ): (
        lambda x: sigmoid(-x),
        lambda x: 1 / (1 + np.exp(x)),
        lambda x: np.where(x < 0, 1, np.exp(-np.abs(x))) / (1 + np.exp(-np.abs(x))),
    ),
    **shared(as_it_is, "brackets"),
    **each(
        "Right for x {}. For {} x, you return the result for -x: the other branch is missing.",
        {
            (">= 0", "negative"): (lambda x: sigmoid(np.abs(x)),),
            ("< 0", "positive"): (lambda x: sigmoid(-np.abs(x)),),
        },
    ),
    "This is tanh, which can be negative. A share lies between 0 and 1.": (lambda x: tanh(x),),
    **each(
        "This is the sigmoid of {} the argument.",
        {
            "twice": (lambda x: sigmoid(2 * x), lambda x: (1 + np.tanh(x)) / 2),
            "half": (lambda x: sigmoid(x / 2), lambda x: (1 + np.tanh(x / 4)) / 2),
        },
    ),
    **said("value-asked", lambda x: sigmoid_derivative(x), f="the sigmoid"),
    "You take the sigmoid twice, so your result never falls below a half.": (
        lambda x: sigmoid(sigmoid(x)),
    ),
    "This is a softmax, whose shares add up to 1. Squash each entry on its own.": (
        lambda x: softmax_over(x, None),
        lambda x: np.exp(x) / np.exp(x).sum(),
    ),
    "This jumps from 0 to 1. The sigmoid rises smoothly.": (
        lambda x: (x > 0).astype(x.dtype),
        lambda x: (x >= 0).astype(x.dtype),
    ),
    "This clips x at 0 and 1. The sigmoid bends smoothly.": (lambda x: np.clip(x, 0, 1),),
    "You clip x too early: beyond the limit, your result no longer changes.": tuple(
        lambda x, limit=limit: sigmoid(np.clip(x, -limit, limit))
        for limit in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20)
    ),
    OVERFLOW: (
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x))),
    ),
}
SIGMOID_PROPERTIES: dict[str, Property] = {
    "Every result must lie between 0 and 1.": lambda f, rng: _between(
        f(rng.normal(size=(3, 4))), 0, 1
    ),
    "sigmoid(-x) must be 1 - sigmoid(x), for every x.": lambda f, rng: _is_odd(
        f, rng.normal(scale=3, size=(3, 4)), half=0.5
    ),
    "sigmoid(0) must be a half.": lambda f, rng: np.allclose(f(np.zeros((2, 2))), 0.5),
    "A larger x must give a larger share.": lambda f, rng: _rises(f),
}


def _never_warns(f: Guarded, rng: np.random.Generator) -> bool:
    return not any(
        f.warns(np.array([[-large, large]], dtype))
        for large in (100, 1e4, 1e30)
        for dtype in (np.float64, np.float32)
    )


def _between(result: Array, low: float, high: float) -> bool:
    return bool(((result >= low) & (result <= high)).all())


def _is_odd(f: Guarded, x: Array, half: float = 0) -> bool:
    return np.allclose(f(-x) - half, half - f(x), rtol=1e-6)


def _rises(f: Guarded) -> bool:
    return bool((np.diff(f(np.linspace(-4, 4, 9)[None])) > 0).all())


def tanh_from_sigmoid(x: Array, sigmoid: Answer) -> Array:
    """Return tanh(x), computed from a sigmoid."""
    return 2 * sigmoid(2 * x) - 1


NOT_FROM_SIGMOID = "The values are right, but you don't use the sigmoid that you're given."
TANH_MISTAKES: Mistakes = {
    **said("tanh-of-half", lambda x, s: 2 * s(x) - 1, lambda x, s: s(x) - s(-x)),
    "Right except for its range: yours runs from 0 to 1, but tanh runs from -1 to 1.": (
        lambda x, s: s(2 * x),
    ),
    "Your result runs from 0 to 2. Shift it.": (lambda x, s: 2 * s(2 * x),),
    "Your result never rises above 0: you subtract the 1 before you stretch the sigmoid.": (
        lambda x, s: s(2 * x) - 1,
        lambda x, s: 2 * (s(2 * x) - 1),
    ),
    "Your result runs from -1/2 to 1/2. Stretch it.": (lambda x, s: s(2 * x) - 0.5,),
    (
        "You scale the argument by the wrong factor: at 0 the slope of tanh is 1, and the "
        "sigmoid's is a quarter."
    ): (
        lambda x, s: 2 * s(x / 2) - 1,
        lambda x, s: 2 * s(4 * x) - 1,
    ),
    "The sign is wrong: your result falls where tanh rises.": (
        lambda x, s: 1 - 2 * s(2 * x),
        lambda x, s: 2 * s(-2 * x) - 1,
    ),
    "You subtract the 1 from the argument. Subtract it from the stretched sigmoid instead.": (
        lambda x, s: 2 * s(2 * x - 1),
    ),
    "This is the sigmoid of x itself.": (lambda x, s: s(x),),
    "You squash the argument before you double it.": (lambda x, s: 2 * s(2 * s(x)) - 1,),
    **said("value-asked", lambda x, s: tanh_derivative(x), f="tanh"),
    NOT_FROM_SIGMOID: (
        lambda x, s: np.tanh(x),
        lambda x, s: 2 / (1 + np.exp(-2 * x)) - 1,
    ),
}


def _uses_what_it_is_given(f: Guarded, rng: np.random.Generator) -> bool:
    met = []

    def recording(x: Array) -> Array:
        met.append(x)
        return sigmoid(x)

    f(rng.normal(size=(2, 3)), recording)
    return bool(met)


SIGMOID_DIGITS = wording("digits-lost", f="the sigmoid", at=45, single=20)
SIGMOID_DERIVATIVE_MISTAKES: Mistakes = {
    **shared(
        lambda wrong: lambda x: wrong(x, sigmoid, sigmoid_derivative), *SLOPES, f="the sigmoid"
    ),
    "This is 1 - sigmoid(x), only one of the two factors.": (lambda x: sigmoid(-x),),
    "You add the two shares, which gives 1 everywhere. Multiply them.": (
        lambda x: sigmoid(x) + sigmoid(-x),
        lambda x: np.ones_like(x),
    ),
    **said("argument-for-value", lambda x: x * (1 - x), f="the sigmoid"),
    "Your second factor is 1 + sigmoid(x), but two shares must add up to 1.": (
        lambda x: sigmoid(x) * (1 + sigmoid(x)),
    ),
    "The square belongs to the rule for tanh. The sigmoid's rule has none.": (
        lambda x: 1 - sigmoid(x) ** 2,
    ),
    "This is the square of one share. The second factor is what the first one leaves of 1.": (
        lambda x: sigmoid(x) ** 2,
        lambda x: sigmoid(-x) ** 2,
    ),
    "The share that's left is the sigmoid of minus x. You take the sigmoid of 1 minus x.": (
        lambda x: sigmoid(x) * sigmoid(1 - x),
    ),
    "This is the derivative of tanh.": (lambda x: tanh_derivative(x),),
    "You leave out the chain rule's inner derivative: -1 / (1 + exp(-x))^2 lacks a factor.": (
        lambda x: -(sigmoid(x) ** 2),
    ),
    SIGMOID_DIGITS: (
        lambda x: sigmoid(x) * (1 - sigmoid(x)),
        lambda x: sigmoid(-x) * (1 - sigmoid(-x)),
        lambda x: (1 - tanh(x / 2) ** 2) / 4,
        lambda x: (sigmoid(x + 1e-6) - sigmoid(x - 1e-6)) / 2e-6,
    ),
}


def _keeps_digits(f: Guarded, rng: np.random.Generator) -> bool:
    return all(
        np.allclose(f(x), pointwise.sigmoid_derivative(x), rtol=1e-4, atol=0)
        for x in (np.array([[-20, 20]], np.float32), np.array([[-45.0, -30, 30, 45]]))
    )


TANH_DIGITS = wording("digits-lost", f="tanh", at=20, single=10)
TANH_DERIVATIVE_MISTAKES: Mistakes = {
    **shared(lambda wrong: lambda x: wrong(x, tanh, tanh_derivative), *SLOPES, f="tanh"),
    "The square is missing.": (lambda x: 1 - tanh(x),),
    "The sign before the square is wrong: the slope of tanh is never larger than 1.": (
        lambda x: 1 + tanh(x) ** 2,
    ),
    "This is the square of tanh. The slope is what the square leaves of 1.": (
        lambda x: tanh(x) ** 2,
    ),
    "You apply the sigmoid's rule to tanh.": (lambda x: tanh(x) * (1 - tanh(x)),),
    **said("argument-for-value", lambda x: 1 - x**2, f="tanh"),
    "This is the derivative of the sigmoid.": (lambda x: sigmoid_derivative(x),),
    (
        "A factor is missing. To get tanh, you stretch a sigmoid twice, doubling its argument "
        "and its value, and each time you gain a factor."
    ): (
        lambda x: sigmoid_derivative(2 * x),
        lambda x: 2 * sigmoid_derivative(2 * x),
    ),
    "Your factor is right, but you take the sigmoid's slope at x, where it should be at 2x.": (
        lambda x: 4 * sigmoid_derivative(x),
    ),
    (
        "One of your two sigmoids has the wrong argument. They're two shares that add up to 1: "
        "one at twice x, the other at minus twice x."
    ): (
        lambda x: 4 * sigmoid(2 * x) ** 2,
        lambda x: 4 * sigmoid(2 * x) * sigmoid(-x),
        lambda x: 4 * sigmoid(x) * sigmoid(-2 * x),
    ),
    "This is the square root of the slope.": (lambda x: 2 / (np.exp(x) + np.exp(-x)),),
    TANH_DIGITS: (
        lambda x: 1 - tanh(x) ** 2,
        lambda x: (1 - tanh(x)) * (1 + tanh(x)),
        lambda x: (tanh(x + 1e-6) - tanh(x - 1e-6)) / 2e-6,
    ),
}


def _keeps_tanh_digits(f: Guarded, rng: np.random.Generator) -> bool:
    return all(
        np.allclose(f(x), pointwise.tanh_derivative(x), rtol=1e-4, atol=0)
        for x in (np.array([[-10, 10]], np.float32), np.array([[-20.0, 20]]))
    )


def chain(w: Array, x: Array, c: Array) -> tuple[Array, Array, Array]:
    """Return the derivatives of y = sigmoid(w * x) * c with respect to w, x and c."""
    slope = c * sigmoid_derivative(w * x)
    return slope * x, slope * w, sigmoid(w * x)


def _chained(slope: Array, w: Array, x: Array, gate: Array) -> tuple[Array, Array, Array]:
    """Return dw, dx and dc, given the slope of y with respect to the product of w and x."""
    return slope * x, slope * w, gate


def _multiplied(gate: Array, w: Array, x: Array, c: Array) -> tuple[Array, Array, Array]:
    """Return dw, dx and dc, with the slope of this gate in matrix products."""
    slope = gate * (1 - gate)
    return slope @ x * c, slope @ w * c, gate


@sized
def _chain_case(N: int, H: int) -> Case:
    return Case({"N": N, "H": H}, dict(zip("wxc", _numbers(N, H, 3), strict=True)))


CHAIN_MISTAKES: Mistakes = {
    "You use the gate itself where its derivative belongs.": (
        lambda w, x, c: (c * sigmoid(w * x) * x, c * sigmoid(w * x) * w, sigmoid(w * x)),
    ),
    "You take the sigmoid's derivative at its value. Take it at its argument.": (
        lambda w, x, c: (
            c * sigmoid_derivative(sigmoid(w * x)) * x,
            c * sigmoid_derivative(sigmoid(w * x)) * w,
            sigmoid(w * x),
        ),
    ),
    "A factor is missing: in a product, the gradient of the gate is scaled by the other factor.": (
        lambda w, x, c: (
            sigmoid_derivative(w * x) * x,
            sigmoid_derivative(w * x) * w,
            sigmoid(w * x),
        ),
    ),
    "Your chain ends too early: the product inside the sigmoid has a derivative too.": (
        lambda w, x, c: (
            c * sigmoid_derivative(w * x),
            c * sigmoid_derivative(w * x),
            sigmoid(w * x),
        ),
    ),
    (
        "dw and dx are swapped: either you return them in the wrong order, or you mix up the "
        "inner product, where each factor's derivative is the other one."
    ): (
        lambda w, x, c: (
            c * sigmoid_derivative(w * x) * w,
            c * sigmoid_derivative(w * x) * x,
            sigmoid(w * x),
        ),
    ),
    "You put c inside the sigmoid. In y it multiplies the sigmoid's result.": (
        lambda w, x, c: _chained(c * sigmoid_derivative(w * x * c), w, x, sigmoid(w * x)),
        lambda w, x, c: (
            c * sigmoid_derivative(w * x * c) * x,
            c * sigmoid_derivative(w * x * c) * w,
            w * x * sigmoid_derivative(w * x * c),
        ),
    ),
    "You take the sigmoid's slope at one factor. Its argument is the product of w and x.": (
        lambda w, x, c: _chained(c * sigmoid_derivative(x), w, x, sigmoid(w * x)),
        lambda w, x, c: _chained(c * sigmoid_derivative(w), w, x, sigmoid(w * x)),
    ),
    "Your slope is that of tanh, 1 minus the square. The sigmoid's rule is a different one.": (
        lambda w, x, c: _chained(c * (1 - sigmoid(w * x) ** 2), w, x, sigmoid(w * x)),
    ),
    "Your slope is only what the sigmoid leaves of 1. The other factor, the sigmoid itself, is "
    "missing.": (lambda w, x, c: _chained(c * sigmoid(-w * x), w, x, sigmoid(w * x)),),
    **said(
        "matrix-product",
        lambda w, x, c: _multiplied(sigmoid(w @ x.T), w, x, c),
        lambda w, x, c: _multiplied(sigmoid(w * x), w, x, c),
    ),
    "In the inner product, each factor gets the other one. You give both factors to both.": (
        lambda w, x, c: (*[c * sigmoid_derivative(w * x) * w * x] * 2, sigmoid(w * x)),
    ),
    "This is the value y. The question asks how much y grows with c.": (
        lambda w, x, c: (*chain(w, x, c)[:2], sigmoid(w * x) * c),
    ),
    "y depends on c through a product, so the gradient of c is scaled by the other factor.": (
        lambda w, x, c: (*chain(w, x, c)[:2], np.ones_like(c)),
        lambda w, x, c: (*chain(w, x, c)[:2], c),
    ),
    "c meets the gate itself. The gate's slope only matters for w and x.": (
        lambda w, x, c: (*chain(w, x, c)[:2], sigmoid_derivative(w * x)),
    ),
    "You add factors. A sum passes a gradient unchanged, but a product scales it.": (
        lambda w, x, c: (
            c + sigmoid_derivative(w * x) + x,
            c + sigmoid_derivative(w * x) + w,
            sigmoid(w * x),
        ),
    ),
}


def _compare(name: str, x: int) -> str:
    return (
        f"Compare your result with a central difference of lc.{name}, first at x = 0, then at "
        f"x = {x} in float32."
    )


QUESTIONS = (
    Question(
        name="sigmoid",
        points=3,
        hints=(
            "For which x does the exponential in the formula get too large? Try x = -1000 and x "
            "= 1000 on their own, and read the warnings.",
            "Take the exponential of minus the absolute value of x, just once. It lies between 0 "
            "and 1, whatever x is. Then write the share for x >= 0, and the one for x < 0, with "
            "that number alone.",
            "Call that number s. The share is 1 / (1 + s) where x is at least 0, and s / (1 + s) "
            "where x is negative. The denominator is the same, so you only have to choose the "
            "numerator.",
        ),
        exam=FunctionExam(
            name="sigmoid",
            solution=pointwise.sigmoid,
            returns=(Returned(shape=SHAPE),),
            cases=CASES,
            mistakes=SIGMOID_MISTAKES,
            properties=SIGMOID_PROPERTIES,
            demands={OVERFLOW: _never_warns},
            forbidden=(pointwise._sigmoid,),
            right="Right for small and large values, without a warning, and in float32 too. The "
            "check allows a relative error of 1e-6, and an absolute one of 1e-9 where "
            "values are tiny.",
        ),
    ),
    Question(
        name="tanh",
        points=1,
        hints=(
            "tanh runs from -1 to 1, and the sigmoid from 0 to 1. What maps one range to the "
            "other?",
            "Stretch the sigmoid's value to twice its height and shift it down. Then compare how "
            "steep the two are at 0: the sigmoid's slope there is a quarter, that of tanh is 1.",
            "Take the sigmoid of twice x, double it, and subtract 1.",
        ),
        exam=FunctionExam(
            name="tanh",
            solution=tanh_from_sigmoid,
            returns=(Returned(shape=SHAPE),),
            cases=tuple(
                Case(case.sizes, {**case.arguments, "sigmoid": sigmoid}, case.large)
                for case in CASES
            ),
            mistakes=TANH_MISTAKES,
            properties={
                "tanh(-x) must be -tanh(x), for every x.": lambda f, rng: np.allclose(
                    f(-np.ones((1, 2)), sigmoid), -f(np.ones((1, 2)), sigmoid)
                ),
            },
            demands={NOT_FROM_SIGMOID: _uses_what_it_is_given},
            right="Right: tanh is a stretched sigmoid.",
        ),
    ),
    Question(
        name="sigmoid-derivative",
        points=2,
        hints=(
            _compare("sigmoid", 20),
            "The slope is the product of two shares that add up to 1. Which sigmoid gives you "
            "the second share directly, without a subtraction?",
            "Because the sigmoid is symmetric, the second share is the sigmoid of minus x. "
            "Multiply the two.",
        ),
        exam=FunctionExam(
            name="sigmoid_derivative",
            solution=pointwise.sigmoid_derivative,
            returns=(Returned(shape=SHAPE),),
            cases=CASES,
            mistakes=SIGMOID_DERIVATIVE_MISTAKES,
            properties={
                "No slope may be negative or above a quarter.": lambda f, rng: _between(
                    f(rng.normal(scale=3, size=(3, 4))), 0, 0.25 + 1e-9
                ),
                "The slopes at -x and x must be equal.": lambda f, rng: np.allclose(
                    f(-np.ones((1, 2))), f(np.ones((1, 2)))
                ),
            },
            demands={SIGMOID_DIGITS: _keeps_digits},
            forbidden=(pointwise.sigmoid_derivative, pointwise.tanh_derivative),
            right="Right, with all digits even where the sigmoid is flat.",
        ),
    ),
    Question(
        name="tanh-derivative",
        points=2,
        hints=(
            _compare("tanh", 10),
            "tanh is a stretched sigmoid, so its slope is a sigmoid's slope, taken somewhere "
            "else, times a number. The value at x = 0 tells you which number.",
            "Take the sigmoid's slope at twice x and multiply it by 4: a factor of 2 for the "
            "height, and another for the doubled argument.",
        ),
        exam=FunctionExam(
            name="tanh_derivative",
            solution=pointwise.tanh_derivative,
            returns=(Returned(shape=SHAPE),),
            cases=CASES,
            mistakes=TANH_DERIVATIVE_MISTAKES,
            properties={
                "No slope may be negative or above 1.": lambda f, rng: _between(
                    f(rng.normal(scale=2, size=(3, 4))), 0, 1 + 1e-9
                ),
                "The slopes at -x and x must be equal.": lambda f, rng: np.allclose(
                    f(-np.ones((1, 2))), f(np.ones((1, 2)))
                ),
            },
            demands={TANH_DIGITS: _keeps_tanh_digits},
            forbidden=(pointwise.tanh_derivative, pointwise.sigmoid_derivative),
            right="Right, with all digits even where tanh is flat.",
        ),
    ),
    Question(
        name="chain",
        points=2,
        hints=(
            "Name the steps of the forward pass: a product, a sigmoid, a product. Go back from "
            "y, and ask of each step what it does to a gradient.",
            "The outer product hands the gate to c, and c to the gate. What goes to the gate is "
            "then scaled by the sigmoid's slope, at the argument that the sigmoid had. Last "
            "comes the inner product, where each factor gets the other one.",
            "For c, it's the sigmoid of w times x. For w, it's c, times the slope at w times x, "
            "times x. For x it's the same, with w in the last place.",
        ),
        exam=FunctionExam(
            name="chain",
            solution=chain,
            returns=(Returned("dw", SHAPE), Returned("dx", SHAPE), Returned("dc", SHAPE)),
            cases=(
                _chain_case(3, 3),
                _chain_case(1, 1),
                _chain_case(1, 4),
                _chain_case(4, 2),
                _chain_case(2, 5),
            ),
            mistakes=CHAIN_MISTAKES,
            properties={
                "Where c is 0, w and x change nothing: dw and dx must be 0 there.": (
                    lambda f, rng: (
                        not any(
                            np.any(gradient)
                            for gradient in f(*rng.normal(size=(2, 2, 3)), np.zeros((2, 3)))[:2]
                        )
                    )
                ),
                "y is c times a share, so every entry of dc lies between 0 and 1.": (
                    lambda f, rng: _between(f(*rng.normal(size=(3, 2, 3)))[2], 0, 1)
                ),
            },
            right="Right: dw, dx and dc agree with a central difference.",
        ),
    ),
)

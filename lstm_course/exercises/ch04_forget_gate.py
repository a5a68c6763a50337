"""The forget gate, and the puzzle of the missing weights."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lstm_course import gates
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Exam, NotAnswered, Question, WrongAnswer, as_array
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.mistakes import (
    AXES,
    GATE,
    INVERSE,
    PLUS_1,
    SUM,
    Mistakes,
    said,
    shared,
)
from lstm_course.exercises.engine.parts import affine, lstm_case, sized
from lstm_course.exercises.engine.trials import Answer, Case, Returned, kind
from lstm_course.pointwise import sigmoid, tanh


def solution(x: Array, h_prev: Array, c_prev: Array, W: Array, U: Array, b: Array) -> Array:
    """Return the part of the cell state that survives, f * c_prev."""
    return gates.forget_gate(x, h_prev, W, U, b) * c_prev


def _by(gate: Answer) -> Answer:
    """Return an answer that keeps the share gate(x, h_prev, W, U, b) of c_prev."""
    return lambda x, h, c, W, U, b: gate(x, h, W, U, b) * c


def _used(use: Callable[[Array, Array, Array], Array]) -> Answer:
    """Return an answer that uses the right gate in its own way, as use(f, c_prev, h_prev)."""
    return lambda x, h, c, W, U, b: use(gates.forget_gate(x, h, W, U, b), c, h)


def _sigmoid_of(a: Answer) -> Answer:
    return _by(lambda *given: sigmoid(a(*given)))


MISTAKES: Mistakes = {
    "This is the gate f itself. The question asks for what passes through it.": (
        _used(lambda f, c, h: f),
    ),
    **said(
        "bias-after",
        lambda x, h, c, W, U, b: sigmoid(x @ W.T + h @ U.T) * c + b,
        lambda x, h, c, W, U, b: (sigmoid(x @ W.T + h @ U.T) + b) * c,
    ),
    "You put the cell state inside the sigmoid. Compute the gate first, then multiply.": (
        lambda x, h, c, W, U, b: sigmoid(affine(x, h, W, U, b) * c),
    ),
    "You squash the cell state. The gate acts on c_prev itself.": (
        _used(lambda f, c, h: f * tanh(c)),
    ),
    **shared(_sigmoid_of, *SUM),
    **shared(lambda squash: _by(lambda *given: squash(affine(*given))), *GATE, *PLUS_1),
    **shared(
        lambda gate: _by(lambda *given: gate(*given, sigmoid)), "maps-squashed", "minus-of-one-term"
    ),
    **said("reads-c", lambda x, h, c, W, U, b: sigmoid(affine(x, c, W, U, b)) * c),
    **said("f-acts-on-h", _used(lambda f, c, h: f * h)),
    **said("f-added", _used(lambda f, c, h: f + c)),
    **said("matrix-product", _used(lambda f, c, h: f @ c), _used(lambda f, c, h: f @ c.T)),
    **shared(_sigmoid_of, *AXES),
    **said(  # whether or not the bias is turned as well
        "axis-of-batch",
        lambda x, h, c, W, U, b: sigmoid(W @ x.T + U @ h.T + b) * c,
        lambda x, h, c, W, U, b: sigmoid(W @ x.T + U @ h.T + b[:, None]) * c,
    ),
    "The values are right, but the axes are swapped: your result is (H, N), expected (N, H).": (
        _used(lambda f, c, h: (f * c).T),
    ),
    **said(
        "reshaped",
        _by(lambda *given: sigmoid(affine(*given)).T.reshape(given[1].shape)),
        came="(H, N)",
        wanted="(N, H)",
        what="the sequences",
    ),
    **said(
        "reshaped",
        _sigmoid_of(lambda x, h, W, U, b: x @ W.reshape(W.shape[::-1]) + h @ U.T + b),
        came="W",
        wanted="(D, H)",
        what="units and inputs",
    ),
    **said(
        "one-sequence",
        lambda x, h, c, W, U, b: (sigmoid(W @ x[0] + U @ h[0] + b) * c[0])[None],
        lambda x, h, c, W, U, b: sigmoid(W @ x[0] + U @ h[0] + b) * c,
        lambda x, h, c, W, U, b: sigmoid(W @ x[-1] + U @ h[-1] + b) * c,
        lambda x, h, c, W, U, b: sigmoid((x @ W.T + h @ U.T + b).sum(axis=0)) * c,
        lambda x, h, c, W, U, b: sigmoid((x @ W.T + h @ U.T + b).mean(axis=0)) * c,
        own="its own gate, but yours share one",
    ),
}


def _never_grows(answer: Guarded, rng: np.random.Generator) -> bool:
    arguments = _case(2, 3, 2).arguments
    return all(
        (abs(answer(*{**arguments, "b": b}.values())) < abs(arguments["c_prev"]) + 1e-3).all()
        for b in rng.normal(scale=5, size=(20, 2))
    )


def _keeps_all(answer: Guarded, rng: np.random.Generator) -> bool:
    arguments = _case(2, 3, 2).arguments
    kept = answer(*{**arguments, "b": np.full(2, 50.0)}.values())
    return np.allclose(kept, arguments["c_prev"])


PROPERTIES: dict[str, Property] = {
    "No entry of the result may be larger than the same entry of c_prev: a share lies between 0 "
    "and 1.": (_never_grows),
    "With a bias of 50 the gate must keep everything, but your result isn't c_prev.": _keeps_all,
}


@sized
def _case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    return lstm_case("x h_prev c_prev W U b", scale, gates=1, N=N, D=D, H=H)


@sized
def _cancelling() -> Case:
    """Return a case whose sums are small differences of large terms, too fine for float32."""
    arguments = _case(1, 3, 2, scale=30).arguments
    x, h_prev, _, W, U, b = arguments.values()
    b = b / 30 - affine(x, h_prev, W, U, 0 * b)[0]
    return Case({"N": 1, "D": 3, "H": 2}, {**arguments, "b": b}, large=True)


FORGET_GATE = Question(
    name="forget-gate",
    points=4,
    hints=(
        "Compute the gate first and look at it alone. Is every entry between 0 and 1, and does "
        "its shape fit that of c_prev? Then ask what the gate does to the old memory.",
        "Add two maps, one of the input and one of the hidden state, and the bias. Then squash "
        "the sum with one sigmoid. Since sequences are rows, each row of a weight matrix has to "
        "meet a row of the batch, so the matrix goes in transposed.",
        "The sum is the batch x times W transposed, plus h_prev times U transposed, plus b. Its "
        "sigmoid has shape (N, H), just like c_prev. Multiply the two entry by entry.",
    ),
    exam=FunctionExam(
        name="forget_gate",
        solution=solution,
        returns=(Returned(shape="(N, H)"),),
        cases=(
            _case(3, 3, 3),
            _case(1, 1, 1),
            _case(1, 4, 2),
            _case(4, 2, 3),
            _case(2, 3, 2, scale=20),
            _cancelling(),
            _case(2, 5, 4),
        ),
        mistakes=MISTAKES,
        properties=PROPERTIES,
        forbidden=(
            gates.forget_gate,
            gates.input_gate,
            gates.output_gate,
            gates.preactivation,
        ),
        right="Right for one sequence and for batches, for small and large values, and in "
        "float32 too.",
    ),
)

PUZZLE_C = np.array([0.8, 0.3, 0.5])
PUZZLE_X = np.array([0.9, 0.4, 0.7])
PUZZLE_F = np.array([0.7, 0.2, 0.6])
LOGIT = np.log(PUZZLE_F / (1 - PUZZLE_F))


def weights(a: Array, *joined: Array) -> tuple[Array, Array]:
    """Return a W (3, 6) with W [joined] = a, by default of [c; x], and b = 0."""
    v = np.concatenate(joined or (PUZZLE_C, PUZZLE_X))
    return np.outer(a, v) / (v @ v), np.zeros(3)


class PuzzleExam(Exam):
    """Whether W (3, 6) and b (3,) give f = sigmoid(W [c_prev; x] + b), whatever they are."""

    mistakes: Mapping[str, tuple[Any, ...]] = {
        "Your columns fit [x; c], but the puzzle joins them as [c; x].": (
            weights(LOGIT, PUZZLE_X, PUZZLE_C),
        ),
        "W [c; x] + b is [0.7, 0.2, 0.6] before the sigmoid. It should be that after it.": (
            weights(PUZZLE_F),
        ),
        **shared(lambda inverse: weights(inverse(PUZZLE_F)), *INVERSE),
        "The gate is 1 - f, [0.3, 0.8, 0.4]. A sign is wrong in your inverse.": (weights(-LOGIT),),
        (
            "W [c; x] alone is already right, and then b adds something to it. Let weights and "
            "bias share the work."
        ): ((weights(LOGIT)[0], LOGIT), (weights(LOGIT)[0], np.ones(3))),
        "b alone is already the number inside the sigmoid, and W [c; x] comes on top of it. "
        "Subtract that product from b.": ((weights(np.ones(3))[0], LOGIT),),
        "You add the product W [c; x] to b, so it's counted twice. Subtract it instead.": (
            (weights(np.ones(3))[0], LOGIT + 1),
        ),
    }

    def examine(self, answer: Any) -> str:
        """Examine a pair (W, b)."""
        W, b = self._pair(answer)
        cx, xc = (np.concatenate(v) for v in ((PUZZLE_C, PUZZLE_X), (PUZZLE_X, PUZZLE_C)))
        a = W @ cx + b
        f = sigmoid(a)
        if _equal(f, PUZZLE_F):
            silent = [j for j in range(3) if not W[j].any()]
            if silent:
                raise WrongAnswer(
                    f"The gate is [0.7, 0.2, 0.6], but row {silent[0]} of W is 0: that unit gives "
                    "the same share whatever it reads. Find weights that depend on c and x."
                )
            return "Right: the gate is [0.7, 0.2, 0.6], and it depends on what it reads."
        swapped, *others, added, on_top, twice = self.mistakes
        if _equal(W @ xc + b, LOGIT):
            raise WrongAnswer(swapped)
        for sentence in others:
            for wrong_W, wrong_b in self.mistakes[sentence]:
                if _equal(a, wrong_W @ cx + wrong_b):
                    raise WrongAnswer(sentence)
        if _equal(W @ cx, LOGIT):
            raise WrongAnswer(added)
        if _equal(b, LOGIT):
            raise WrongAnswer(on_top)
        if _equal(b - W @ cx, LOGIT):
            raise WrongAnswer(twice)
        factor = a / LOGIT
        if factor[0] > 0 and np.ptp(factor) < 1e-4 and abs(factor[0] - 1) > 1e-2:
            raise WrongAnswer(
                f"W [c; x] + b is {factor[0]:.4g} times what it should be, at all three units. Did "
                "you count something twice, forget to scale it, or use a logarithm to another base?"
            )
        if np.allclose(f, PUZZLE_F, rtol=0, atol=5e-3):
            raise WrongAnswer(
                f"Close: the gate is {np.array2string(f, precision=5)}. Keep more digits, or let "
                "NumPy compute the weights: the check allows an error of 1e-6."
            )
        raise WrongAnswer(
            f"The gate is {np.array2string(f, precision=4)}, expected [0.7, 0.2, 0.6]. "
            f"Unit {int(np.argmax(np.abs(f - PUZZLE_F)))} is furthest off."
        )

    def _pair(self, answer: Any) -> tuple[Array, Array]:
        if answer is None or answer is Ellipsis:
            raise NotAnswered
        if callable(answer):
            raise WrongAnswer("Expected a pair (W, b), got a function. Call it: puzzle().")
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise WrongAnswer(f"Expected a pair (W, b), got {kind(answer)}.")
        if any(part is None or part is Ellipsis for part in answer):
            raise NotAnswered
        W, b = (list(part) if isinstance(part, tuple) else part for part in answer)
        W = as_array(W, (3, 6), "W first").astype(float)
        b = as_array(b, (3,), "b second").astype(float)
        if not (np.isfinite(W).all() and np.isfinite(b).all()):
            raise WrongAnswer("W and b must hold finite numbers.")
        return np.clip(W, -1e9, 1e9), np.clip(b, -1e9, 1e9)


def _equal(one: Array, other: Array) -> bool:
    return np.allclose(one, other, rtol=0, atol=1e-6)


PUZZLE = Question(
    name="forget-gate-puzzle",
    points=2,
    hints=(
        "Work backward from the result. Which number has to go into the sigmoid so that the gate "
        "comes out as 0.7? Exercise 1 of chapter 2 (pointwise) asks the same.",
        "The inverse of the sigmoid is the logit, and it gives you three numbers. Each row of W "
        "has to turn the six numbers of [c; x] into one of them. Very many rows do.",
        "Point each row of W along [c; x] itself: take that vector, times the logit of this "
        "unit, divided by the vector's squared length. Then the bias can be zero.",
    ),
    exam=PuzzleExam(),
)

QUESTIONS = (FORGET_GATE, PUZZLE)

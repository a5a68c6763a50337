"""The forget bias of a half-life, and how far back a gradient reaches."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course import cell, sequence
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.mistakes import INVERSE, Mistakes, each, said, shared
from lstm_course.exercises.engine.parts import drawn
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import sigmoid


def half_life(k: Array) -> Array:
    """Return the forget bias with which half is left after k steps, with all weights 0."""
    with np.errstate(divide="ignore"):  # a check tries k = 0 to explain a wrong answer
        return _logit(0.5 ** (1 / k))


def _logit(f: Array) -> Array:
    return np.log(f / (1 - f))


HALF_LIFE_MISTAKES: Mistakes = {
    "This is the gate. The bias is what the sigmoid turns into it.": (lambda k: 0.5 ** (1 / k),),
    "The sign of the bias is wrong: a longer half-life needs a gate that is further open.": (
        lambda k: -half_life(k),
    ),
    "Your gate is a half to the power k. It is the k-th power of the gate that is a half.": (
        lambda k: _logit(0.5**k),
    ),
    "You divide 1/2 by k. The gate is multiplied k times, so take a root.": (
        lambda k: _logit(0.5 / k),
        lambda k: _logit(1 - 0.5 / k),
    ),
    "This is for a share of 1/e that is left, not for a half.": (lambda k: _logit(np.exp(-1 / k)),),
    "This is for a gate that loses 1/k in every step. After k steps that is more than a half.": (
        lambda k: np.log(np.maximum(k - 1, 1e-9)),
        lambda k: np.log(k - 1),
    ),
    "This is for a gate that loses 1/(k + 1) in every step. Only for k = 1 is that a half after k "
    "steps.": (lambda k: np.log(k),),
    "This is for a tenth that is left, not for a half.": (lambda k: _logit(0.1 ** (1 / k)),),
    **shared(lambda inverse: lambda k: inverse(0.5 ** (1 / k)), *INVERSE),
    "You squash k, or a multiple of it. The sigmoid has to be undone, and of a root of a half.": (
        lambda k: sigmoid(k),
        lambda k: sigmoid(1 / k),
        lambda k: _logit(sigmoid(1 / k)),
    ),
    "A pair of brackets is missing: the fraction is the gate over 1 minus the gate, and its "
    "logarithm comes last.": (
        lambda k: np.log(0.5 ** (1 / k)) / (1 - 0.5 ** (1 / k)),
        lambda k: np.log(0.5 ** (1 / k) / 1 - 0.5 ** (1 / k)),
        lambda k: -np.log(2 ** (1 / k)) - 1,
    ),
    "Your gate is above 1: a half has become 2. What is left after a step is a share.": (
        lambda k: _logit(2 ** (1 / k)),
        lambda k: _logit(0.5 ** (-1 / k)),
    ),
    "You take the logarithm of 2, divided by k, for the gate. It is minus the gate's logarithm.": (
        lambda k: _logit(np.log(2) / k),
    ),
    "You take the square root of a half, whatever k.": (lambda k: _logit(0.5**0.5 + 0 * k),),
    "The work is done in float32: for long half-lives the gate is close to 1, and 1 minus the gate "
    "has lost its digits.": (lambda k: half_life(k.astype(np.float32)).astype(k.dtype),),
    "You apply the sigmoid again. It has to be undone.": (lambda k: sigmoid(0.5 ** (1 / k)),),
    "The question is turned round: you take k for a bias, and return its half-life.": (
        lambda k: np.log(0.5) / np.log(sigmoid(k)),
    ),
    "The logarithm has another base: the sigmoid is made with the number e.": (
        lambda k: half_life(k) / np.log(2),
        lambda k: half_life(k) / np.log(10),
    ),
}


def _half_life_case(*k: float) -> Case:
    return Case({"n": len(k)}, {"k": np.array(k)})


def _halves(f: Guarded, rng: np.random.Generator) -> bool:
    return np.allclose(sigmoid(f(np.array([1.0, 2.0, 8.0]))) ** [1, 2, 8], 0.5)


def reach(
    dh_T: Array, xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    """Return the sizes of dx by lag, relative to lag 0: of the whole, and with the detour cut."""
    whole, golden = sizes_with()(dh_T, xs, h0, c0, W, U, b)
    return whole, golden


def _steps(xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array) -> Any:
    return sequence.lstm_forward(xs, cell.LSTMParams(W, U, b), h0, c0)[2]


def _cut(cache: Any) -> Any:
    """Return the recorded steps, with no way back through U."""
    W, U, b = cache[0].params.arrays()
    params = cell.LSTMParams(W, np.zeros_like(U), b)
    return [step._replace(params=params) for step in cache]


def _cut_whole(cache: Any) -> Any:
    """Return the recorded steps, with no way back through U, nor to the inputs."""
    return [
        step._replace(params=cell.LSTMParams(*(np.zeros_like(a) for a in step.params.arrays())))
        for step in cache
    ]


def _norm(dxs: Array) -> Array:
    return np.sqrt((dxs**2).sum(axis=(1, 2)))


def _relative(sizes: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):  # the same with a loss of 0
        return np.asarray(sizes[::-1] / sizes[-1])


def _golden_from_gates(cache: Any, dh_T: Array) -> Array:
    """Return the sizes of dc along the golden line, the first step first."""
    last = cache[-1]
    dc, sizes = dh_T * last.o * (1 - last.tanh_c**2), []
    for step in reversed(cache):
        sizes.append(np.sqrt((dc**2).sum()))
        dc = dc * step.f
    return np.array(sizes[::-1])


def sizes_with(
    *,
    size: Callable[[Array], Array] = _norm,
    by_lag: Callable[[Array], Array] = _relative,
    blame: Callable[[Array, int], Array] = lambda dh_T, T: np.zeros((T, *dh_T.shape), dh_T.dtype),
    final: bool = True,
    final_c: bool = False,
    cut: Callable[[Any], Any] = _cut,
) -> Answer:
    """Return the two reaches with some of their parts changed."""

    def answer(
        dh_T: Array, xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
    ) -> tuple[Array, Array]:
        cache = _steps(xs, h0, c0, W, U, b)
        results = []
        for steps in (cache, cut(cache)):
            dhs = blame(dh_T, len(xs))
            dxs = sequence.lstm_backward(
                dhs, steps, dh_T if final else None, dh_T if final_c else None
            )[0]
            results.append(by_lag(size(dxs)))
        whole, golden = results
        return whole, golden

    return answer


def _replaced(
    change: Callable[..., tuple[Array | None, Array | None]],
) -> Answer:
    """Return an answer in which one of the two results, or both, are replaced."""

    def answer(
        dh_T: Array, xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
    ) -> tuple[Array, Array]:
        right = reach(dh_T, xs, h0, c0, W, U, b)
        new = change(dh_T, xs, h0, c0, W, U, b)
        whole, golden = (r if n is None else n for r, n in zip(right, new, strict=True))
        return whole, golden

    return answer


def _forward_without_U(
    dh_T: Array, xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
) -> tuple[None, Array]:
    return None, reach(dh_T, xs, h0, c0, W, 0 * U, b)[0]


def _only_gates(
    dh_T: Array, xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
) -> tuple[None, Array]:
    cache = _steps(xs, h0, c0, W, U, b)
    return None, _relative(_golden_from_gates(cache, dh_T))


def _products(
    dh_T: Array, xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
) -> tuple[None, Array]:
    f = np.array([step.f for step in _steps(xs, h0, c0, W, U, b)])
    sizes = [np.prod(f[len(f) - k :], axis=0).mean() for k in range(len(f))]
    return None, np.array(sizes, f.dtype)


def _without_recurrence(cache: Any) -> Any:
    """Return the recorded steps with neither the detour nor the golden line."""
    return [step._replace(f=np.zeros_like(step.f)) for step in _cut(cache)]


def _closed(cache: Any) -> Any:
    """Return the recorded steps with the golden line cut, and the detour left."""
    return [step._replace(f=np.zeros_like(step.f)) for step in cache]


MISTAKES: Mistakes = {
    "Both results begin with the first step. Lag 0 is the last step, where the loss is.": (
        sizes_with(by_lag=lambda sizes: sizes / sizes[-1]),
    ),
    **each(
        "Sizes are divided by {}. The last step, where the loss is, counts as 1.",
        {
            "that of the first step": (
                sizes_with(by_lag=lambda sizes: sizes[::-1] / sizes[0]),
                sizes_with(by_lag=lambda sizes: sizes / sizes[0]),
            ),
            "the largest one": (sizes_with(by_lag=lambda sizes: sizes[::-1] / sizes.max()),),
            "their sum": (sizes_with(by_lag=lambda sizes: sizes[::-1] / sizes.sum()),),
        },
    ),
    "These are the sizes themselves. Relative to lag 0 they are asked for.": (
        sizes_with(by_lag=lambda sizes: sizes[::-1]),
        sizes_with(by_lag=lambda sizes: sizes),
    ),
    "Each size is divided by that of its neighbour. All are relative to lag 0.": (
        sizes_with(
            by_lag=lambda sizes: np.concatenate(
                [np.ones_like(sizes[:1]), sizes[-2::-1] / sizes[:0:-1]]
            )
        ),
    ),
    "The result is a power of ten. The ratio itself is asked for.": (
        sizes_with(by_lag=lambda sizes: np.log10(_relative(sizes))),
        sizes_with(by_lag=lambda sizes: np.log(_relative(sizes))),
    ),
    "The root is missing in the norm: these are squares.": (
        sizes_with(size=lambda dxs: (dxs**2).sum(axis=(1, 2))),
    ),
    "Absolute values are summed. The size is a norm: the root of the sum of squares.": (
        sizes_with(size=lambda dxs: np.abs(dxs).sum(axis=(1, 2))),
    ),
    "Signed entries are summed, and cancel. The size is the root of the sum of squares.": (
        sizes_with(size=lambda dxs: dxs.sum(axis=(1, 2))),
        sizes_with(size=lambda dxs: abs(dxs.sum(axis=(1, 2)))),
    ),
    "The size of a step is taken to be its largest entry. It is the root of the sum of squares.": (
        sizes_with(size=lambda dxs: np.abs(dxs).max(axis=(1, 2))),
    ),
    "Only the first sequence of the batch is measured. The norm takes in all of them.": (
        sizes_with(size=lambda dxs: np.sqrt((dxs[:, 0] ** 2).sum(axis=1))),
    ),
    "The norms of the sequences are added or averaged. Take one norm over all entries of a step.": (
        sizes_with(size=lambda dxs: np.sqrt((dxs**2).sum(axis=2)).mean(axis=1)),
    ),
    **said("matrix-norm", sizes_with(size=lambda dxs: np.linalg.norm(dxs, 2, axis=(1, 2)))),
    "Every step gets the gradient, as if each had a loss. Here only the last has one.": (
        sizes_with(blame=lambda dh_T, T: np.broadcast_to(dh_T, (T, *dh_T.shape)), final=False),
        sizes_with(blame=lambda dh_T, T: np.broadcast_to(dh_T, (T, *dh_T.shape))),
    ),
    **each(
        "dh_T is sent to the final cell state{}. The loss reads the hidden state alone.",
        {
            " too": (
                sizes_with(final_c=True),
                sizes_with(
                    blame=lambda dh_T, T: np.array([*[np.zeros_like(dh_T)] * (T - 1), dh_T]),
                    final=False,
                    final_c=True,
                ),
            ),
            ", and not to h": (sizes_with(final=False, final_c=True),),
        },
    ),
    "dh_T stands in the first row of dhs. It belongs to the last step.": (
        sizes_with(
            blame=lambda dh_T, T: np.array([dh_T, *[np.zeros_like(dh_T)] * (T - 1)]), final=False
        ),
    ),
    "For golden W is taken as 0 too, so nothing reaches the inputs. Cut U alone.": (
        sizes_with(cut=_cut_whole),
    ),
    "Each sequence is measured relative to its own lag 0, and then a mean is taken. Take one norm "
    "over all sequences first.": (
        sizes_with(
            size=lambda dxs: np.sqrt((dxs**2).sum(axis=2)),
            by_lag=lambda sizes: _relative(sizes).mean(axis=1),
        ),
    ),
    "Sizes are added up from the last step on. Each lag has a size of its own.": (
        sizes_with(by_lag=lambda sizes: np.cumsum(sizes[::-1]) / sizes[-1]),
    ),
    "Both results are the whole gradient. In golden the way through U is cut.": (
        sizes_with(cut=lambda cache: cache),
    ),
    "Both results have the detour cut. In whole it is there.": (
        _replaced(lambda *given: (reach(*given)[1], None)),
    ),
    "In golden the cell runs forward without U too. Cut it on the way back only: the recorded "
    "steps stay.": (_replaced(_forward_without_U),),
    "In golden the forget gates are cut as well, so nothing is left beyond lag 0.": (
        sizes_with(cut=_without_recurrence),
    ),
    "It is the other way round: in golden you have cut the golden line and left the detour.": (
        sizes_with(cut=_closed),
    ),
    "golden is measured at the cell state. Both results are sizes of the gradient of the input.": (
        _replaced(_only_gates),
    ),
    "golden is the product of the forget gates. Compare like with like: the sizes of the gradient "
    "of the input, with the detour cut.": (_replaced(_products),),
    "golden is what the detour adds: whole less the golden line.": (
        _replaced(lambda *given: (None, reach(*given)[0] - reach(*given)[1])),
    ),
}


def _arguments(T: int, N: int, D: int, H: int, bias: float = 0.0) -> dict[str, Array]:
    arguments = drawn("dh_T xs h0 c0 W U b", T=T, N=N, D=D, H=H)
    arguments["b"][H : 2 * H] += bias
    return arguments


def _case(T: int, N: int, D: int, H: int, bias: float = 0.0) -> Case:
    return Case({"T": T, "N": N, "D": D, "H": H}, _arguments(T, N, D, H, bias))


def _measured(answer: Guarded, **changed: Array) -> tuple[Array, Array]:
    """Call an answer on five steps; raise an error unless its results have their shapes."""
    given = {**_arguments(5, 2, 3, 2), **changed}
    whole, golden = (np.asarray(one, float).reshape(5) for one in answer(*given.values()))
    return whole, golden


def _starts_with_1(answer: Guarded, rng: np.random.Generator) -> bool:
    return all(np.isclose(sizes[0], 1) for sizes in _measured(answer))


def _no_detour(answer: Guarded, rng: np.random.Generator) -> bool:
    return np.allclose(*_measured(answer, U=np.zeros((8, 2))))


def _scale_cancels(answer: Guarded, rng: np.random.Generator) -> bool:
    dh_T = rng.normal(size=(2, 2))
    return np.allclose(_measured(answer, dh_T=dh_T), _measured(answer, dh_T=1e-3 * dh_T))


PROPERTIES: dict[str, Property] = {
    "Both results must begin with 1: they are relative to lag 0.": _starts_with_1,
    "With U = 0 there is no detour: whole and golden must be the same.": _no_detour,
    "A smaller loss must change nothing: sizes are relative to that of the last step.": (
        _scale_cancels
    ),
}

QUESTIONS = (
    Question(
        name="half-life",
        points=1,
        hints=(
            "Two questions, one after the other: which gate leaves a half after k steps, and which "
            "bias makes that gate?",
            "The gate is multiplied k times and a half has to come out, so it is the k-th root of "
            "a half. Then undo the sigmoid, as in chapter 4 (forget-gate).",
            "The gate f is 0.5 to the power 1 / k. The bias is the logarithm of f / (1 - f).",
        ),
        exam=FunctionExam(
            name="half_life",
            solution=half_life,
            returns=(Returned(shape="(n,)"),),
            cases=(
                _half_life_case(1.0, 2.0, 3.0),
                _half_life_case(2.0),
                _half_life_case(0.5, 5.0),
                _half_life_case(300.0, 700.0, 3000.0),
                _half_life_case(1.5, 14.0, 50.0, 100.0),
            ),
            mistakes=HALF_LIFE_MISTAKES,
            properties={
                "At rest the gate is the sigmoid of the bias. Its k-th power must be a half.": (
                    _halves
                ),
            },
            right="Right: this is the bias to start from if a memory is to bridge k steps.",
        ),
    ),
    Question(
        name="vanishing",
        points=3,
        hints=(
            "Which function of the course walks back through a whole sequence, and which of its "
            "results tells how much blame reaches the input of each step?",
            "Walk back twice over the same recorded steps: once as they are, once with a U of 0 in "
            "the parameters that each step has kept. Each time the loss sends a gradient to the "
            "final hidden state alone. Then measure every step, turn the order round, and compare.",
            "Run forward once. Run backward with a dhs of 0 and the given dh_T. For each step take "
            "the root of the sum of the squares of its dx, over all sequences and entries. Turn "
            "the row round so that the last step comes first, and divide by its first entry. For "
            "golden do the same with the steps that the chapter's function without_detour gives.",
        ),
        exam=FunctionExam(
            name="reach",
            solution=reach,
            returns=(Returned("whole", "(T,)"), Returned("golden", "(T,)")),
            cases=(
                _case(3, 3, 3, 3),
                _case(1, 1, 1, 1),
                _case(2, 1, 1, 1),
                _case(3, 1, 2, 1, 1.0),
                _case(4, 2, 3, 2),
                _case(5, 2, 3, 2, 3.0),
                _case(6, 3, 4, 5, 2.0),
            ),
            mistakes=MISTAKES,
            properties=PROPERTIES,
            right="Right: the golden line is one way back, and whole says what both are worth.",
        ),
    ),
)

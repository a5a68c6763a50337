"""The forget bias for a half-life, and how far back a gradient reaches."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course import cell, sequence
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.mistakes import INVERSE, Mistakes, each, said, shared
from lstm_course.exercises.engine.parts import drawn, sized, stretched
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import sigmoid


def half_life(k: Array) -> Array:
    """Return the forget bias that leaves half after k steps, with all weights 0."""
    with np.errstate(divide="ignore"):  # a check tries k = 0 to explain a wrong answer
        return _logit(0.5 ** (1 / k))


def _logit(f: Array) -> Array:
    return np.log(f / (1 - f))


HALF_LIFE_MISTAKES: Mistakes = {
    ("This is the gate. The bias is the number that the sigmoid turns into it."): (
        lambda k: 0.5 ** (1 / k),
    ),
    "The bias has the wrong sign: a longer half-life needs a gate that's further open.": (
        lambda k: -half_life(k),
    ),
    "Your gate is a half to the power k. Instead, the gate to the power k must be a half.": (
        lambda k: _logit(0.5**k),
    ),
    "You divide 1/2 by k. The gate is multiplied k times, so take a root instead.": (
        lambda k: _logit(0.5 / k),
        lambda k: _logit(1 - 0.5 / k),
    ),
    ("This leaves a share of 1/e after k steps. You need a half."): (
        lambda k: _logit(np.exp(-1 / k)),
    ),
    "This gate loses 1/k in every step. After k steps that leaves less than a half.": (
        lambda k: np.log(np.maximum(k - 1, 1e-9)),
        lambda k: np.log(k - 1),
    ),
    ("This gate loses 1/(k + 1) in every step. That leaves a half only for k = 1."): (
        lambda k: np.log(k),
    ),
    "This leaves a tenth after k steps. You need a half.": (lambda k: _logit(0.1 ** (1 / k)),),
    **shared(lambda inverse: lambda k: inverse(0.5 ** (1 / k)), *INVERSE),
    (
        "You squash k, or a multiple of it. Undo the sigmoid instead, starting from a root of a "
        "half."
    ): (
        lambda k: sigmoid(k),
        lambda k: sigmoid(1 / k),
        lambda k: _logit(sigmoid(1 / k)),
    ),
    (
        "A pair of brackets is missing. The fraction is the gate over (1 minus the gate), and the "
        "logarithm comes last."
    ): (
        lambda k: np.log(0.5 ** (1 / k)) / (1 - 0.5 ** (1 / k)),
        lambda k: np.log(0.5 ** (1 / k) / 1 - 0.5 ** (1 / k)),
        lambda k: -np.log(2 ** (1 / k)) - 1,
    ),
    (
        "Your gate is above 1, because you turned a half into 2. The gate is the share that's left "
        "after a step."
    ): (
        lambda k: _logit(2 ** (1 / k)),
        lambda k: _logit(0.5 ** (-1 / k)),
    ),
    "You take the logarithm of 2, divided by k, for the gate. It's minus the gate's logarithm.": (
        lambda k: _logit(np.log(2) / k),
    ),
    "You take the square root of a half, whatever k is.": (lambda k: _logit(0.5**0.5 + 0 * k),),
    (
        "You work in float32. For long half-lives the gate is close to 1, and 1 minus the gate has "
        "lost its digits."
    ): (lambda k: half_life(k.astype(np.float32)).astype(k.dtype),),
    "You apply the sigmoid again. Undo it instead.": (lambda k: sigmoid(0.5 ** (1 / k)),),
    (
        "You answer the question the other way round: you take k for a bias and return its "
        "half-life."
    ): (lambda k: np.log(0.5) / np.log(sigmoid(k)),),
    "Your logarithm has another base. The sigmoid is built on e, so use the natural one.": (
        lambda k: half_life(k) / np.log(2),
        lambda k: half_life(k) / np.log(10),
    ),
}


@sized
def _half_life_case(*k: float) -> Case:
    return Case({"n": len(k)}, {"k": stretched(np.array(k))})


def _halves(f: Guarded, rng: np.random.Generator) -> bool:
    return np.allclose(sigmoid(f(np.array([1.0, 2.0, 8.0]))) ** [1, 2, 8], 0.5)


def reach(
    dh_T: Array, xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    """Return the sizes of dx by lag, relative to lag 0: the whole, and with the detour cut."""
    whole, golden = sizes_with()(dh_T, xs, h0, c0, W, U, b)
    return whole, golden


def _steps(xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array) -> Any:
    return sequence.lstm_forward(xs, cell.LSTMParams(W, U, b), h0, c0)[2]


def _cut(cache: Any) -> Any:
    """Return the recorded steps, with the path back through U cut."""
    W, U, b = cache[0].params.arrays()
    params = cell.LSTMParams(W, np.zeros_like(U), b)
    return [step._replace(params=params) for step in cache]


def _cut_whole(cache: Any) -> Any:
    """Return the recorded steps, with the paths back through U and to the inputs cut."""
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
    """Return the sizes of dc along the golden line, first step first."""
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
    """Return the recorded steps with the golden line cut and the detour left."""
    return [step._replace(f=np.zeros_like(step.f)) for step in cache]


MISTAKES: Mistakes = {
    "Both results start at the first step. Lag 0 is the last step, where the loss is.": (
        sizes_with(by_lag=lambda sizes: sizes / sizes[-1]),
    ),
    **each(
        "You divide the sizes by {}. Divide by the size at the last step, where the loss is, so "
        "that it counts as 1.",
        {
            "that of the first step": (
                sizes_with(by_lag=lambda sizes: sizes[::-1] / sizes[0]),
                sizes_with(by_lag=lambda sizes: sizes / sizes[0]),
            ),
            "the largest one": (sizes_with(by_lag=lambda sizes: sizes[::-1] / sizes.max()),),
            "their sum": (sizes_with(by_lag=lambda sizes: sizes[::-1] / sizes.sum()),),
        },
    ),
    "These are the sizes themselves. The question asks for them relative to lag 0.": (
        sizes_with(by_lag=lambda sizes: sizes[::-1]),
        sizes_with(by_lag=lambda sizes: sizes),
    ),
    "You divide each size by its neighbour's. Divide them all by the size at lag 0.": (
        sizes_with(
            by_lag=lambda sizes: np.concatenate(
                [np.ones_like(sizes[:1]), sizes[-2::-1] / sizes[:0:-1]]
            )
        ),
    ),
    "You return powers of ten. The question asks for the ratios themselves.": (
        sizes_with(by_lag=lambda sizes: np.log10(_relative(sizes))),
        sizes_with(by_lag=lambda sizes: np.log(_relative(sizes))),
    ),
    "The root is missing from your norm, so these are squares.": (
        sizes_with(size=lambda dxs: (dxs**2).sum(axis=(1, 2))),
    ),
    "You sum absolute values. The size is a norm: the root of the sum of squares.": (
        sizes_with(size=lambda dxs: np.abs(dxs).sum(axis=(1, 2))),
    ),
    "You sum signed entries, and they cancel. The size is the root of the sum of squares.": (
        sizes_with(size=lambda dxs: dxs.sum(axis=(1, 2))),
        sizes_with(size=lambda dxs: abs(dxs.sum(axis=(1, 2)))),
    ),
    "You take a step's largest entry as its size. Take the root of the sum of squares.": (
        sizes_with(size=lambda dxs: np.abs(dxs).max(axis=(1, 2))),
    ),
    "You measure only the first sequence of the batch. The norm must include all of them.": (
        sizes_with(size=lambda dxs: np.sqrt((dxs[:, 0] ** 2).sum(axis=1))),
    ),
    "You add or average the norms of the sequences. Take one norm over all entries of a step.": (
        sizes_with(size=lambda dxs: np.sqrt((dxs**2).sum(axis=2)).mean(axis=1)),
    ),
    **said("matrix-norm", sizes_with(size=lambda dxs: np.linalg.norm(dxs, 2, axis=(1, 2)))),
    "Every step gets the gradient, as if each had a loss. Here only the last one has.": (
        sizes_with(blame=lambda dh_T, T: np.broadcast_to(dh_T, (T, *dh_T.shape)), final=False),
        sizes_with(blame=lambda dh_T, T: np.broadcast_to(dh_T, (T, *dh_T.shape))),
    ),
    **each(
        "You send dh_T to the final cell state{}. The loss reads only the hidden state.",
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
    "dh_T is in the first row of dhs. It belongs to the last step.": (
        sizes_with(
            blame=lambda dh_T, T: np.array([dh_T, *[np.zeros_like(dh_T)] * (T - 1)]), final=False
        ),
    ),
    "For golden you set W to 0 as well, so nothing reaches the inputs. Cut only U.": (
        sizes_with(cut=_cut_whole),
    ),
    (
        "You measure each sequence relative to its own lag 0, and then take a mean. Take one norm "
        "over all sequences first."
    ): (
        sizes_with(
            size=lambda dxs: np.sqrt((dxs**2).sum(axis=2)),
            by_lag=lambda sizes: _relative(sizes).mean(axis=1),
        ),
    ),
    "You add the sizes up from the last step on. Each lag needs its own size.": (
        sizes_with(by_lag=lambda sizes: np.cumsum(sizes[::-1]) / sizes[-1]),
    ),
    "Both results are the whole gradient. For golden, cut the path through U.": (
        sizes_with(cut=lambda cache: cache),
    ),
    "Both results have the detour cut. Leave it in for whole.": (
        _replaced(lambda *given: (reach(*given)[1], None)),
    ),
    (
        "For golden you also run the cell forward without U. Cut U only on the way back: the "
        "recorded steps stay as they are."
    ): (_replaced(_forward_without_U),),
    "For golden you cut the forget gates as well, so nothing is left beyond lag 0.": (
        sizes_with(cut=_without_recurrence),
    ),
    "It's the other way round: for golden you cut the golden line and left the detour.": (
        sizes_with(cut=_closed),
    ),
    "You measure golden at the cell state. Both results should be sizes of the input's gradient.": (
        _replaced(_only_gates),
    ),
    (
        "Your golden is the product of the forget gates. Compare like with like: measure the "
        "input's gradient, with the detour cut."
    ): (_replaced(_products),),
    "Your golden is what the detour adds: whole minus the golden line.": (
        _replaced(lambda *given: (None, reach(*given)[0] - reach(*given)[1])),
    ),
}


def _arguments(T: int, N: int, D: int, H: int, bias: float = 0.0) -> dict[str, Array]:
    arguments = drawn("dh_T xs h0 c0 W U b", T=T, N=N, D=D, H=H)
    arguments["b"][H : 2 * H] += bias
    return arguments


@sized
def _case(T: int, N: int, D: int, H: int, bias: float = 0.0) -> Case:
    return Case({"T": T, "N": N, "D": D, "H": H}, _arguments(T, N, D, H, bias))


def _measured(answer: Guarded, **changed: Array) -> tuple[Array, Array]:
    """Call an answer on five steps; raise an error unless its results have the right shapes."""
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
    "Both results must begin with 1, because they're relative to lag 0.": _starts_with_1,
    "With U = 0 there's no detour, so whole and golden must be the same.": _no_detour,
    "A smaller loss must change nothing, because sizes are relative to that of the last step.": (
        _scale_cancels
    ),
}

QUESTIONS = (
    Question(
        name="half-life",
        points=1,
        hints=(
            "There are two questions here, one after the other. Which gate leaves a half after k "
            "steps? And which bias makes that gate?",
            "The gate is multiplied k times, and a half must come out, so it's the k-th root of a "
            "half. Then undo the sigmoid, as in chapter 4 (forget-gate).",
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
                "At rest, the gate is the sigmoid of the bias. Its k-th power must be a half.": (
                    _halves
                ),
            },
            right="Right: start from this bias if a memory has to bridge k steps.",
        ),
    ),
    Question(
        name="vanishing",
        points=3,
        hints=(
            "Which function of the course walks back through a whole sequence? Which of its "
            "results says how much blame reaches the input of each step?",
            "Walk back twice over the same recorded steps: once as they are, and once with U = 0 "
            "in the parameters that each step has kept. Both times, the loss sends a gradient to "
            "the final hidden state only. Then measure every step, reverse the order, and divide.",
            "Run forward once. Run backward with a dhs of zeros and the given dh_T. For each "
            "step, take the root of the sum of the squares of its dx, over all sequences and "
            "entries. Reverse these sizes so that the last step comes first, and divide by the "
            "first of them. For golden, do the same with the steps that the chapter's function "
            "without_detour returns.",
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
            right=(
                "Right: the golden line is one way back, and whole shows what both are worth "
                "together."
            ),
        ),
    ),
)

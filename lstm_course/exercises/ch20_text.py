"""Probabilities at a temperature, and a model that writes on."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question, WrongAnswer
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.generation import Step, Writer, draw, tempered
from lstm_course.exercises.engine.mistakes import Mistakes, each, said
from lstm_course.exercises.engine.parts import normalized, seeded, sized, softmax_over
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.losses import softmax
from lstm_course.models import sample
from lstm_course.pointwise import sigmoid


def _shifted(shift: Callable[[Array, float], Any]) -> Answer:
    """Return softmax at a temperature with something other than a row's largest subtracted."""
    return lambda z, T: normalized(np.exp(z / T - shift(z, T)))


def _softmax_over(axis: int | None) -> Answer:
    return lambda z, T: softmax_over(z / T, axis)


def _powers(z: Array, T: float, keepdims: bool = True) -> Array:
    return np.exp((z - z.max(axis=1, keepdims=keepdims)) / T)


def _without_keeping(largest: bool, total: bool) -> Answer:
    def answer(z: Array, T: float) -> Array:
        powers = _powers(z, T, keepdims=not largest)
        return np.asarray(powers / powers.sum(axis=1, keepdims=not total))

    return answer


def _powers_of(p: Array, T: float) -> Array:
    return normalized(p ** (1 / T))


def _in_float32(z: Array, T: float) -> Array:
    return tempered(z.astype(np.float32), T).astype(z.dtype)


def _largest(z: Array, T: float) -> Array:
    return np.asarray(np.eye(z.shape[-1], dtype=z.dtype)[z.argmax(axis=-1)])


# What may go wrong on the way from scores to probabilities, in either question.
SCORING_MISTAKES: Mistakes = {
    (
        "These are the probabilities at temperature 1. If you divide the probabilities by the "
        "temperature and make them sum to 1 again, it cancels. It also cancels if you subtract it "
        "from the scores, or if you divide only what you subtract."
    ): (
        lambda z, T: softmax(z),
        lambda z, T: normalized(np.exp(z - z.max(axis=-1, keepdims=True) / T)),
    ),
    "You multiply by the temperature. A low one must set the scores further apart, so divide.": (
        lambda z, T: softmax(z * T),
    ),
    "The sign is wrong: the largest score must get the largest probability.": (
        lambda z, T: softmax(-z / T),
    ),
    "Your division turns the scores into whole numbers. Keep the digits after the point.": (
        lambda z, T: softmax(z // T),
    ),
    "You divide the probabilities, so they no longer sum to 1. Divide the scores instead.": (
        lambda z, T: softmax(z) / T,
    ),
    "You divide the probabilities and then take softmax of them. Probabilities aren't scores.": (
        lambda z, T: softmax(softmax(z) / T),
    ),
    **said("softmax-twice", lambda z, T: softmax(softmax(z / T))),
    "You don't divide the exponentials by their sum.": (
        lambda z, T: np.exp(z / T),
        lambda z, T: np.exp((z - z.max(axis=-1, keepdims=True)) / T),
    ),
    "You round the probabilities. Keep all of their digits.": (
        lambda z, T: np.round(tempered(z, T), 2),
        lambda z, T: np.round(tempered(z, T), 3),
        lambda z, T: np.round(tempered(z, T), 4),
    ),
    "You apply the temperature twice.": (
        lambda z, T: softmax(z / T**2),
        lambda z, T: _powers_of(tempered(z, T), T),
    ),
    "You divide the exponentials by the sum of different ones. Apply the temperature in both.": (
        lambda z, T: np.exp(z) / np.exp(z / T).sum(axis=-1, keepdims=True),
        lambda z, T: np.exp(z / T) / np.exp(z).sum(axis=-1, keepdims=True),
    ),
    **said("sigmoid-for-softmax", lambda z, T: sigmoid(z / T)),
    "You take powers of 2 or of 10. Softmax uses powers of e.": (
        lambda z, T: softmax(z / T * np.log(2)),
        lambda z, T: softmax(z / T * np.log(10)),
    ),
}

OVERFLOW = (
    "Right for small scores, but exponentials of scores such as 1000 overflow. First subtract the "
    "same number from all scores of a row: it cancels."
)
ABOVE_0 = (
    "Right for small scores. In a row with scores 1000 and −1000, what you subtract leaves an "
    "exponent far above 0, which overflows. Subtract the largest score."
)
COMMON_SHIFT = (
    "Right for small scores. Where one row's scores are far below another's, their exponentials "
    "are all 0, and so is their sum. Subtract from each row its own largest score."
)
NOT_DIVIDED = (
    "Right for small scores. At a low temperature, exponentials of large ones overflow, or a "
    "row's are all 0. Divide the largest score that you subtract by the temperature too."
)
POWERS = (
    "Right for small scores. At temperature 1, the probability of a score far below the largest "
    "rounds to 0, and no higher temperature brings it back. Divide the scores instead."
)
SHIFTED = (
    "Right for small scores, but a row whose scores all grow by 1000 must give the same. Once "
    "something overflows, clipping or replacing what isn't finite won't bring it back. Subtract "
    "each row's largest score first."
)

DIGITS = (
    "Right to six digits. At a temperature of 0.000001, even differences of 0.000001 between "
    "scores matter, and yours lose them: something becomes float32 on the way, or you add a small "
    "number to the temperature."
)

TEMPERED_MISTAKES: Mistakes = {
    **SCORING_MISTAKES,
    **said("softmax-axis", _softmax_over(0), _softmax_over(None), position="row"),
    "You divide the exponentials by the sum over all rows. Each row needs its own sum.": (
        lambda z, T: _powers(z, T) / _powers(z, T).sum(),
    ),
    "You subtract a different number from each column. All scores of a row must lose the same.": (
        _shifted(lambda z, T: z.max(axis=0) / T),
    ),
    (
        "Something that belongs to a row meets a column. Keep the axis when you take the sum or "
        "the largest."
    ): (
        _without_keeping(largest=True, total=False),
        _without_keeping(largest=False, total=True),
        _without_keeping(largest=True, total=True),
        lambda z, T: np.exp(z / T) / np.exp(z / T).sum(axis=1),
    ),
    **said("logarithms", lambda z, T: np.log(tempered(z, T))),
    "Everything goes to the largest score. That's the limit at low temperatures.": (_largest,),
    OVERFLOW: (
        _shifted(lambda z, T: 0.0),
        lambda z, T: _powers_of(normalized(np.exp(z)), T),
    ),
    ABOVE_0: (
        _shifted(lambda z, T: z.min(axis=1, keepdims=True) / T),
        _shifted(lambda z, T: z.mean(axis=1, keepdims=True) / T),
        _shifted(lambda z, T: z[:, :1] / T),
        _shifted(lambda z, T: z[:, -1:] / T),
    ),
    COMMON_SHIFT: (_shifted(lambda z, T: z.max() / T),),
    NOT_DIVIDED: (_shifted(lambda z, T: z.max(axis=1, keepdims=True)),),
    POWERS: (lambda z, T: _powers_of(softmax(z), T),),
    SHIFTED: (
        lambda z, T: softmax(np.clip(z / T, -500, 500)),
        lambda z, T: np.nan_to_num(normalized(np.exp(z / T))),
    ),
    DIGITS: (_in_float32, lambda z, T: softmax(z / (T + 1e-8))),
}


@sized
def _tempered_case(N: int, K: int, temperature: float) -> Case:
    rng = seeded(N, K)
    scores = rng.normal(scale=1.5, size=(N, K))
    return Case({"N": N, "K": K}, {"scores": scores, "temperature": temperature})


def _probabilities(f: Guarded, scores: Array, temperature: float) -> Array:
    return np.asarray(f(scores, temperature), float).reshape(scores.shape)


def _sums_to_1(f: Guarded, rng: np.random.Generator) -> bool:
    return np.allclose(_probabilities(f, rng.normal(size=(2, 3)), 0.7).sum(axis=1), 1)


def _both_twice(f: Guarded, rng: np.random.Generator) -> bool:
    z = rng.normal(size=(2, 3))
    return np.allclose(_probabilities(f, z, 0.7), _probabilities(f, 2 * z, 1.4))


TEMPERED_PROPERTIES: dict[str, Property] = {
    "The probabilities of a row must sum to 1, at any temperature.": _sums_to_1,
    "Twice the scores at twice the temperature must give the same.": _both_twice,
}

TOP = np.array([[1000.0, 999.0, 998.0]])
BOTH = np.array([[1000.0, 0.0, -1000.0], [-1000.0, 0.0, 1000.0]])
CLOSE_TOGETHER = np.array([[1.0, 1.000001, 0.999999]])
FAR_APART = np.array([[-900.0, -901.0, -902.0], [0.0, 1.0, -1.0]])


def _finite(scores: Array, temperature: float) -> Property:
    return lambda f, rng: bool(np.isfinite(_probabilities(f, scores, temperature)).all())


def _equals(scores: Array, temperature: float) -> Property:
    def holds(f: Guarded, rng: np.random.Generator) -> bool:
        return np.allclose(_probabilities(f, scores, temperature), tempered(scores, temperature))

    return holds


# In this order each sentence is true of all that comes to it: what is subtracted from a row, first
# where its temperature is 1.
TEMPERED_DEMANDS: dict[str, Property] = {
    OVERFLOW: _finite(TOP, 1.0),
    ABOVE_0: _finite(BOTH, 1.0),
    COMMON_SHIFT: _finite(FAR_APART, 1.0),
    NOT_DIVIDED: _finite(np.concatenate([BOTH, FAR_APART]), 0.5),
    POWERS: _equals(BOTH, 1000.0),
    SHIFTED: _equals(TOP, 0.8),
    DIGITS: _equals(CLOSE_TOGETHER, 1e-6),
}


def write_on(
    step: Step, state: Any, start: Array, draws: Array, temperature: float
) -> tuple[Array, Array]:
    """Return what a model writes after a start, one word per draw, and all probabilities.

    Raises
    ------
    ValueError
        If a draw isn't from 0 to below 1, or the temperature isn't above 0.
    """
    if not (np.all((draws >= 0) & (draws < 1)) and temperature > 0):
        raise ValueError("draws must lie from 0 to below 1, and the temperature above 0")
    words, p = writing()(step, state, start, draws, temperature)
    return words, p


writing = Writer


def _first_above(p: Array, u: float) -> int:
    """Draw as `draw` does, but give word 0 where no sum is above u."""
    return int(np.argmax(np.cumsum(p) > u))


def _by_size(p: Array, u: float) -> int:
    return draw(np.sort(p)[::-1], u)


def _laid_out(order: Array, p: Array, u: float) -> int:
    return int(order[draw(p[order], u)])


def _from_the_end(p: Array, u: float) -> int:
    return len(p) - 1 - draw(p[::-1], u)


def _from_the_given_state(step: Step, state: Any, *given: Any) -> tuple[Array, Array]:
    """Read the start, but write from the state before it."""
    return writing(after_start=lambda step, start, scores, before, after: (scores, state))(
        step, state, *given
    )


def _one_place_late(step: Step, state: Any, start: Array, *given: Any) -> tuple[Array, Array]:
    words, p = writing()(step, state, start, *given)
    return np.concatenate([start[-1:], words[:-1]]), p


def _with_float_words(*given: Any) -> tuple[Array, Array]:
    words, p = writing()(*given)
    return words.astype(float), p


EQUAL = (
    "A draw equal to a sum falls on the next word, because the sum must be above it. That way a "
    "draw of 0 never falls on a word of probability 0."
)
LAST = "Rounding may leave the sum of all words at or below the draw. Then take the last word."
CLOSE = (
    "A draw close to a sum falls on the wrong side of it. Add the probabilities up without "
    "rounding."
)
WHOLE = "The words are right, but they aren't integers. The model that reads them needs integers."
LARGE = (
    "Right for small scores. Scores of 1000 or −1000 give probabilities that aren't finite. "
    "Subtract the largest score first, then divide by the temperature."
)

WRITE_MISTAKES: Mistakes = {
    "The model reads the likeliest word each time. It should read the one that you drew.": (
        writing(fed=lambda written, p, start: int(np.argmax(p))),
    ),
    "You write the likeliest word each time. Let the draws decide.": (
        writing(choose=lambda p, u: int(np.argmax(p))),
    ),
    **said("state-not-handed-on", writing(handed_on=lambda reading, before, after: before)),
    **each(
        "While the model {}, you don't hand the state on. Each step returns a new one.",
        {
            "reads the start": (
                writing(handed_on=lambda reading, before, after: before if reading else after),
            ),
            "writes": (
                writing(handed_on=lambda reading, before, after: after if reading else before),
                writing(
                    handed_on=lambda reading, before, after: after if reading else before,
                    after_start=lambda step, start, scores, before, state: (scores, before),
                ),
            ),
        },
    ),
    (
        "The model has read the start, but it writes from the state before it. Hand on the state "
        "that the start left."
    ): (_from_the_given_state,),
    (
        "Your words come one place late: you keep the word that was read. Keep the one that you "
        "drew."
    ): (_one_place_late,),
    **said(
        "written-not-read",
        writing(fed=lambda written, p, start: int(start[-1])),
        it="the last word of the start",
    ),
    (
        "You draw all words from the scores after the start. Each step that reads a written word "
        "returns new scores."
    ): (writing(scored=lambda before, after: before),),
    "The model reads one word late: while you write a word, it gets the previous one.": (
        writing(fed=lambda written, p, start: [int(start[-1]), *written][-2]),
    ),
    **each(
        "You read only the {} word of the start.",
        {
            "last": (writing(read=lambda start: start[-1:]),),
            "first": (writing(read=lambda start: start[:1]),),
        },
    ),
    **each(
        "You don't read the {} word of the start.",
        {
            "first": (writing(read=lambda start: start[1:]),),
            "last": (writing(read=lambda start: start[:-1]),),
        },
    ),
    "You read the last word of the start twice. You already have its scores.": (
        writing(after_start=lambda step, start, scores, before, state: step(int(start[-1]), state)),
    ),
    "You read the start backward.": (writing(read=lambda start: start[::-1]),),
    "You use the same draw for all words.": (
        writing(draws=lambda draws: np.full(len(draws), draws[0])),
    ),
    "You use the draws in reverse order.": (writing(draws=lambda draws: draws[::-1]),),
    "You sort the draws. Use them in the order they come in.": (
        writing(draws=np.sort),
        writing(draws=lambda draws: np.sort(draws)[::-1]),
    ),
    **{
        sentence: tuple(
            writing(probabilities=wrong, choose=choose)
            for wrong in answers
            for choose in (draw, _first_above)
        )
        for sentence, answers in SCORING_MISTAKES.items()
    },
    "You draw the words from the right probabilities, but p holds those at temperature 1.": (
        writing(shown=lambda z, T: softmax(z)),
    ),
    (
        "Each row of p is one step late. Return what the word was drawn from, not what comes after "
        "it."
    ): (writing(row_of=lambda before, after: after),),
    **said("logarithms", writing(shown=lambda z, T: np.log(tempered(z, T)))),
    (
        "These are sums of probabilities, from word 0 up to each. Return the probabilities "
        "themselves."
    ): (writing(shown=lambda z, T: np.cumsum(tempered(z, T))),),
    "These are scores. Return the probabilities.": (
        writing(shown=lambda z, T: z),
        writing(shown=lambda z, T: z / T),
    ),
    "These are exponentials that aren't divided by their sum.": (
        writing(shown=lambda z, T: np.exp(z / T)),
        writing(shown=lambda z, T: np.exp((z - z.max()) / T)),
    ),
    "All words are equally likely: you don't compare the draw with the probabilities.": (
        writing(choose=lambda p, u: int(u * len(p))),
    ),
    "You compare the draw with single probabilities. Compare it with their running sums.": (
        writing(choose=lambda p, u: int(np.argmax(p > u))),
    ),
    **each(
        "You write the word {} the one that the draw falls on.",
        {
            "before": (
                writing(choose=lambda p, u: max(0, draw(p, u) - 1)),
                writing(choose=lambda p, u: draw(p, u) - 1),
            ),
            "after": (writing(choose=lambda p, u: min(len(p) - 1, draw(p, u) + 1)),),
        },
    ),
    (
        "You lay the words out from the last to the first, or you use 1 - u for the draw u. Begin "
        "with word 0, and use the draw itself."
    ): (writing(choose=_from_the_end),),
    "You lay the words out by their probabilities. Keep them in the order of their numbers.": (
        writing(choose=lambda p, u: _laid_out(np.argsort(-p), p, u)),
        writing(choose=lambda p, u: _laid_out(np.argsort(p), p, u)),
    ),
    "You sort the probabilities, and take a place in the sorted row for the word's number.": (
        writing(choose=_by_size),
        writing(choose=lambda p, u: draw(np.sort(p), u)),
    ),
    "You write the first word one step late. The scores after the start are the ones for it.": (
        writing(
            after_start=lambda step, start, scores, before, state: step(
                int(np.argmax(scores)), state
            )
        ),
    ),
    EQUAL: (
        writing(choose=lambda p, u: int(np.searchsorted(np.cumsum(p)[:-1], u))),
        writing(choose=lambda p, u: int(np.argmax(np.cumsum(p) >= u))),
    ),
    LAST: (
        writing(choose=lambda p, u: int(np.searchsorted(np.cumsum(p), u, side="right"))),
        writing(choose=_first_above),
    ),
    CLOSE: (
        writing(choose=lambda p, u: draw(p.astype(np.float16), u)),
        writing(choose=lambda p, u: draw(np.round(p, 4), u)),
    ),
    WHOLE: (_with_float_words,),
    LARGE: (
        writing(probabilities=_shifted(lambda z, T: 0.0)),
        writing(probabilities=_shifted(lambda z, T: z.min() / T)),
        writing(probabilities=_shifted(lambda z, T: z.max())),
    ),
    POWERS: (writing(probabilities=lambda z, T: _powers_of(softmax(z), T)),),
    DIGITS: (
        writing(probabilities=_in_float32),
        writing(probabilities=lambda z, T: softmax(z / (T + 1e-8))),
    ),
}


class State(list[Array]):
    """A list of arrays whose numbers are left out where a sentence describes a case."""

    def __repr__(self) -> str:
        return "…"


def _step(K: int) -> Step:
    """Return a small network that reads a word and scores the next, in its state's dtype."""
    rng = seeded(K, 4)
    words, U, V = rng.normal(size=(K, 4)), rng.normal(size=(4, 4)), 3 * rng.normal(size=(4, K))

    def step(word: int, state: Any) -> tuple[Array, Any]:
        (h,) = state
        h = np.tanh(words[word].astype(h.dtype) + h @ U.astype(h.dtype))
        return h @ V.astype(h.dtype), [h]

    return step


@sized
def _write_case(S: int, T: int, K: int, temperature: float) -> Case:
    rng = seeded(S, T, K)
    arguments = {
        "step": _step(K),
        "state": State([rng.normal(size=4)]),
        "start": (rng.integers(K) + np.arange(S)) % K,
        "draws": rng.random(T),
        "temperature": temperature,
    }
    return Case({"S": S, "T": T, "K": K}, arguments)


def _written(f: Guarded, draws: Array, temperature: float = 0.9) -> tuple[Array, Array]:
    given = _write_case(2, len(draws), 5, temperature).arguments
    words, p = f(*{**given, "draws": draws}.values())
    return np.asarray(words), np.asarray(p)


def _all_sum_to_1(f: Guarded, rng: np.random.Generator) -> bool:
    return np.allclose(_written(f, rng.random(6))[1].sum(axis=1), 1)


def _lowest_draws(f: Guarded, rng: np.random.Generator) -> bool:
    words, p = _written(f, np.zeros(6), 2.0)
    return np.array_equal(words, (p > 0).argmax(axis=1))


def _cold(f: Guarded, rng: np.random.Generator) -> bool:
    one, other = _written(f, rng.random(6), 1e-3), _written(f, rng.random(6), 1e-3)
    return np.array_equal(one[0], other[0])


WRITE_PROPERTIES: dict[str, Property] = {
    "At each step the probabilities must sum to 1.": _all_sum_to_1,
    "A draw of 0 falls on the first word whose probability isn't 0.": _lowest_draws,
    "At a very low temperature, the draws must hardly matter.": _cold,
}


def _from_rows(
    f: Guarded, rows: Array, draws: Sequence[float], temperature: float = 1.0
) -> tuple[Array, Array]:
    """Let an answer write after word 0, where row k has the scores of what follows word k."""

    def step(word: int, state: Any) -> tuple[Array, Any]:
        return rows[word], state

    words, p = f(step, State(), np.array([0]), np.array(draws), temperature)
    return np.asarray(words), np.asarray(p)


def _next_if_equal(f: Guarded, rng: np.random.Generator) -> bool:
    rows = np.tile([-2000.0, 0.0, -2000.0], (3, 1))
    return bool((_from_rows(f, rows, [0.0, 0.5, 0.0])[0] == 1).all())


def _last_if_none(f: Guarded, rng: np.random.Generator) -> bool:
    below_1 = float(np.nextafter(1, 0))  # not below ten times 0.1, added up in float64
    try:
        return bool((_from_rows(f, np.zeros((10, 10)), [below_1, below_1])[0] == 9).all())
    except WrongAnswer:  # there is no word 10 to read
        return False


def _tells_close_draws(f: Guarded, rng: np.random.Generator) -> bool:
    rows = np.tile([0.0, 0.7, -0.4, 0.3], (4, 1))
    sums = np.cumsum(softmax(rows[0]))[:-1]
    draws = np.stack([sums - 1e-5, sums + 1e-5], axis=1).ravel()
    return _from_rows(f, rows, list(draws))[0].tolist() == [0, 1, 1, 2, 2, 3]


def _writes_integers(f: Guarded, rng: np.random.Generator) -> bool:
    return _written(f, rng.random(3))[0].dtype.kind in "iu"


def _stays_finite(f: Guarded, rng: np.random.Generator) -> bool:
    rows = np.array([[0.0, 1000.0, -1000.0], [-900.0, -901.0, -902.0], [0.0, 0.0, 0.0]])
    return bool(np.isfinite(_from_rows(f, rows, [0.5, 0.5, 0.5], 0.5)[1]).all())


def _high_temperature(f: Guarded, rng: np.random.Generator) -> bool:
    rows = np.tile(BOTH[0], (3, 1))
    return np.allclose(_from_rows(f, rows, [0.1, 0.8], 1000.0)[1], tempered(rows[:2], 1000.0))


def _low_temperature(f: Guarded, rng: np.random.Generator) -> bool:
    rows = np.tile(CLOSE_TOGETHER[0], (3, 1))
    return np.allclose(_from_rows(f, rows, [0.1, 0.8], 1e-6)[1], tempered(rows[:2], 1e-6))


WRITE_DEMANDS: dict[str, Property] = {
    LARGE: _stays_finite,
    POWERS: _high_temperature,
    DIGITS: _low_temperature,
    EQUAL: _next_if_equal,
    LAST: _last_if_none,
    CLOSE: _tells_close_draws,
    WHOLE: _writes_integers,
}

QUESTIONS = (
    Question(
        name="temperature",
        points=2,
        hints=(
            "The temperature acts on the scores, before they become probabilities.",
            "Divide first, then do what softmax does. Look out for large exponents: scores of "
            "1000 at a low temperature overflow.",
            "Divide the scores by the temperature, subtract from each row its own largest, take "
            "exponentials, and divide each row by its sum.",
        ),
        exam=FunctionExam(
            name="tempered",
            solution=tempered,
            returns=(Returned(shape="(N, K)"),),
            cases=(
                _tempered_case(3, 3, 0.5),
                _tempered_case(1, 1, 2.0),
                _tempered_case(1, 3, 0.3),
                _tempered_case(3, 2, 0.6),
                _tempered_case(2, 4, 1.7),
            ),
            mistakes=TEMPERED_MISTAKES,
            properties=TEMPERED_PROPERTIES,
            demands=TEMPERED_DEMANDS,
            forbidden=(softmax,),
            right="Right: low temperatures sharpen, high ones level, and no exponential overflows.",
        ),
    ),
    Question(
        name="sample",
        points=4,
        hints=(
            "You need two loops, one after the other: first the model reads, then it writes. In "
            "both it gets the state that the step before returned.",
            "After the last word of the start, you have the scores for the first word to write. "
            "Turn scores into probabilities, let a draw pick a word, and give that word to the "
            "next step.",
            "Add up the probabilities from word 0 on. The draw picks the first word whose running "
            "sum is above it. Rounding may leave even the sum of all of them below 1; then take "
            "the last word.",
        ),
        exam=FunctionExam(
            name="write_on",
            solution=write_on,
            returns=(Returned("words", "(T,)"), Returned("p", "(T, K)")),
            cases=(
                _write_case(2, 2, 2, 0.7),
                _write_case(1, 1, 1, 1.0),
                _write_case(1, 3, 4, 1.5),
                _write_case(3, 1, 3, 0.8),
                _write_case(3, 2, 4, 0.8),
                _write_case(2, 8, 4, 0.6),
                _write_case(4, 12, 5, 1.4),
                _write_case(3, 10, 6, 0.7),
            ),
            mistakes=WRITE_MISTAKES,
            properties=WRITE_PROPERTIES,
            demands=WRITE_DEMANDS,
            forbidden=(softmax, sample),
            right="Right: it reads the start, draws, and reads what it has written.",
        ),
    ),
)

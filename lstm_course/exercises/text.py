"""Exercise 18: probabilities at a temperature, and a model that writes on."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lstm_course import cell
from lstm_course._checks import Array
from lstm_course.exercises.feedback import Question
from lstm_course.exercises.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.trials import Answer, Case, Returned
from lstm_course.losses import softmax
from lstm_course.pointwise import sigmoid

Step = Callable[[int, Any], tuple[Array, Any]]


def tempered(scores: Array, temperature: float) -> Array:
    """Return the probabilities of each row of scores at a temperature."""
    return softmax(scores / temperature)


def _softmax_over(axis: int | None) -> Answer:
    def answer(z: Array, T: float) -> Array:
        powers = np.exp(z / T - (z / T).max(axis=axis, keepdims=True))
        return np.asarray(powers / powers.sum(axis=axis, keepdims=True))

    return answer


def _common_shift(z: Array, T: float) -> Array:
    powers = np.exp((z - z.max()) / T)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _largest(z: Array, T: float) -> Array:
    return np.asarray(np.eye(z.shape[-1], dtype=z.dtype)[z.argmax(axis=-1)])


TEMPERED_MISTAKES: dict[str, tuple[Answer, ...]] = {
    "These are the probabilities at temperature 1. If you divide the probabilities by yours and "
    "make them sum to 1 again, it cancels; so it does if you subtract it from the scores.": (
        lambda z, T: softmax(z),
    ),
    "You multiply by the temperature. A low one has to set the scores further apart.": (
        lambda z, T: softmax(z * T),
    ),
    "You divide the probabilities, which do not sum to 1 any more. Divide the scores.": (
        lambda z, T: softmax(z) / T,
    ),
    "You divide the probabilities, and take softmax of them. They are no scores.": (
        lambda z, T: softmax(softmax(z) / T),
        lambda z, T: softmax(softmax(z / T)),
    ),
    "The exponentials are not divided by their sum.": (
        lambda z, T: np.exp(z / T),
        lambda z, T: np.exp((z - z.max(axis=-1, keepdims=True)) / T),
    ),
    "Softmax runs over the wrong axis. The probabilities of one row sum to 1.": (
        _softmax_over(0),
        _softmax_over(None),
    ),
    "The temperature is applied twice.": (
        lambda z, T: softmax(z / T**2),
        lambda z, T: (
            tempered(z, T) ** (1 / T) / (tempered(z, T) ** (1 / T)).sum(axis=-1, keepdims=True)
        ),
    ),
    "Only what is subtracted is divided by the temperature, or only what it is subtracted from.": (
        lambda z, T: _normalized(np.exp(z - z.max(axis=-1, keepdims=True) / T)),
        lambda z, T: np.exp(z) / np.exp(z / T).sum(axis=-1, keepdims=True),
    ),
    "Each score is squashed on its own by a sigmoid. Softmax makes them share.": (
        lambda z, T: sigmoid(z / T),
    ),
    "These are logarithms of probabilities.": (lambda z, T: np.log(tempered(z, T)),),
    "All goes to the largest score. That is the limit of low temperatures.": (_largest,),
    "Where all scores of a row are far below 0 (or below those of another row) their exponentials "
    "are all 0, and so is their sum. Subtract from each row the largest of its own.": (
        _common_shift,
        lambda z, T: _normalized(np.exp(z / T)),
    ),
}


def _normalized(powers: Array) -> Array:
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _tempered_case(N: int, K: int, temperature: float) -> Case:
    rng = np.random.default_rng([N, K])
    scores = rng.normal(scale=1.5, size=(N, K))
    return Case({"N": N, "K": K}, {"scores": scores, "temperature": temperature})


FAR_APART = Case(
    {"N": 2, "K": 3},
    {
        "scores": np.array([[-900.0, -901.0, -902.0], [0.0, 1.0, -1.0]]),
        "temperature": 0.5,
    },
)
LARGE = Case(
    {"N": 1, "K": 3},
    {"scores": np.array([[1000.0, 999.0, 998.0]]), "temperature": 0.8},
    large=True,
)


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


def write_on(
    step: Step, state: Any, start: Array, draws: Array, temperature: float
) -> tuple[Array, Array]:
    """Return what a model writes after a start, a word for each draw, and all probabilities."""
    words, p = writing()(step, state, start, draws, temperature)
    return words, p


def draw(p: Array, u: float) -> int:
    """Return the first word whose summed probability is above u."""
    return int(np.searchsorted(np.cumsum(p)[:-1], u, side="right"))


def writing(
    *,
    read: Callable[[Sequence[int]], Sequence[int]] = lambda start: start,
    probabilities: Callable[[Array, float], Array] = tempered,
    choose: Callable[[Array, float], int] = draw,
    fed: Callable[[list[int], Array], int] = lambda written, start: written[-1],
    draws_used: Callable[[Array], Any] = lambda draws: draws,
    forgets: bool = False,
    forgets_start: bool = False,
    stays: bool = False,
    twice: bool = False,
    late: bool = False,
) -> Answer:
    """Return a writer with some of what it does changed."""

    def answer(
        step: Step, state: Any, start: Array, draws: Array, temperature: float
    ) -> tuple[Array, Array]:
        first = before = state
        for word in read([int(word) for word in start]):
            scores, after = step(word, first if forgets else state)
            before, state = state, after
        if forgets_start:
            scores, state = step(int(start[-1]), first)
        if twice:
            scores, state = step(int(start[-1]), state)
        if stays:
            state = before
        written: list[int] = []
        all_p = []
        for u in draws_used(draws):
            if late and not written:
                scores, state = step(int(np.argmax(scores)), state)
            all_p.append(probabilities(scores, temperature))
            written.append(choose(all_p[-1], float(u)))
            scores, after = step(fed(written, start), first if forgets else state)
            state = state if stays else after
        return np.array(written), np.array(all_p)

    return answer


def _by_size(p: Array, u: float) -> int:
    return draw(np.sort(p)[::-1], u)


def _from_the_end(p: Array, u: float) -> int:
    return len(p) - 1 - draw(p[::-1], u)


WRITE_MISTAKES: dict[str, tuple[Answer, ...]] = {
    "You write the likeliest word each time. The draws have to decide.": (
        writing(choose=lambda p, u: int(np.argmax(p))),
    ),
    "The state is not handed on: every step starts from the one that you were given.": (
        writing(forgets=True),
        writing(forgets=True, read=lambda start: start[-1:]),
    ),
    "What is written is not read: the model gets the last word of the start again and again.": (
        writing(fed=lambda written, start: int(start[-1])),
    ),
    "Of the start only the last word is read.": (
        writing(read=lambda start: start[-1:]),
        writing(forgets_start=True),
    ),
    "Of the start only the first word is read.": (writing(read=lambda start: start[:1]),),
    "The last word of the start is read twice. Its scores are there already.": (
        writing(twice=True),
    ),
    "The start is read from its end.": (writing(read=lambda start: start[::-1]),),
    "The state stays where it was at the end of the start. Each step returns a new one.": (
        writing(stays=True),
    ),
    "All words are written with the same draw.": (
        writing(draws_used=lambda draws: np.full(len(draws), draws[0])),
    ),
    "The draws are used from the last to the first.": (
        writing(draws_used=lambda draws: draws[::-1]),
    ),
    "The temperature has no effect. If you divide the probabilities by it and make them sum to 1 "
    "again, it cancels.": (writing(probabilities=lambda z, T: softmax(z)),),
    "You multiply by the temperature. A low one has to set the scores further apart.": (
        writing(probabilities=lambda z, T: softmax(z * T)),
    ),
    "You compare the draw with single probabilities. Compare it with their sums so far.": (
        writing(choose=lambda p, u: int(np.argmax(p > u))),
    ),
    "You write the word before the one that the draw falls on.": (
        writing(choose=lambda p, u: max(0, draw(p, u) - 1)),
    ),
    "You write the word after the one that the draw falls on.": (
        writing(choose=lambda p, u: min(len(p) - 1, draw(p, u) + 1)),
    ),
    "The words are laid out from the last to the first. Begin with word 0.": (
        writing(choose=_from_the_end),
    ),
    "The probabilities are sorted, and the place in the sorted row is taken for the word.": (
        writing(choose=_by_size),
        writing(choose=lambda p, u: draw(np.sort(p), u)),
    ),
    "The first word is written one step late: the scores after the start are those of the first.": (
        writing(late=True),
    ),
}


def _step(K: int) -> Step:
    """Return a small LSTM that reads a word and scores the next, in the dtype of its state."""
    rng = np.random.default_rng([K, 4])
    params = cell.LSTMParams.init(3, 4, rng=rng)
    words, V = 2 * rng.normal(size=(K, 3)), 4 * rng.normal(size=(K, 4))

    def step(word: int, state: Any) -> tuple[Array, Any]:
        h, c = state
        same = cell.LSTMParams(*(array.astype(h.dtype) for array in params.arrays()))
        h, c, _ = cell.lstm_step(words[[word]].astype(h.dtype), h, c, same)
        return (h @ V.T.astype(h.dtype))[0], [h, c]

    return step


def _write_case(S: int, T: int, K: int, temperature: float) -> Case:
    rng = np.random.default_rng([S, T, K])
    arguments = {
        "step": _step(K),
        "state": [rng.normal(size=(1, 4)) for _ in range(2)],
        "start": rng.integers(0, K, S),
        "draws": rng.random(T),
        "temperature": temperature,
    }
    return Case({"S": S, "T": T, "K": K}, arguments)


def _written(f: Guarded, draws: Array, temperature: float = 0.9) -> list[int]:
    given = _write_case(2, len(draws), 5, temperature).arguments
    return [int(word) for word in f(*{**given, "draws": draws}.values())[0]]


def _lowest_draws(f: Guarded, rng: np.random.Generator) -> bool:
    return _written(f, np.zeros(6)) == [0] * 6


def _cold(f: Guarded, rng: np.random.Generator) -> bool:
    return _written(f, rng.random(6), 1e-3) == _written(f, rng.random(6), 1e-3)


WRITE_PROPERTIES: dict[str, Property] = {
    "A draw of 0 falls on word 0, whatever its probability.": _lowest_draws,
    "At a very low temperature the draws must hardly matter.": _cold,
}

QUESTIONS = (
    Question(
        name="temperature",
        chapter=18,
        points=2,
        hints=(
            "The temperature acts on the scores, before they become probabilities.",
            "Divide first, then do what softmax does. Look for a large exponent: scores of 1000 "
            "at a low temperature overflow.",
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
                _tempered_case(3, 1, 0.6),
                FAR_APART,
                LARGE,
                _tempered_case(2, 4, 1.7),
            ),
            mistakes=TEMPERED_MISTAKES,
            properties=TEMPERED_PROPERTIES,
            right="Right: low temperatures sharpen, high ones level, and no exponential overflows.",
        ),
    ),
    Question(
        name="sample",
        chapter=18,
        points=4,
        hints=(
            "There are two loops, one after the other: first the model reads, then it writes. In "
            "both it gets the state that the step before has returned.",
            "After the last word of the start you have the scores of the first word to write. "
            "Turn scores into probabilities, let a draw fall on one, and give that word to the "
            "next step.",
            "Sum the probabilities one after the other. The word is the first whose sum so far is "
            "above the draw. A sum of all of them may be below 1 by rounding: then it is the last.",
        ),
        exam=FunctionExam(
            name="write_on",
            solution=write_on,
            returns=(Returned("words", "(T,)"), Returned("p", "(T, K)")),
            cases=(
                _write_case(2, 2, 2, 0.7),
                _write_case(1, 1, 1, 1.0),
                _write_case(1, 3, 3, 1.5),
                _write_case(3, 1, 3, 0.8),
                _write_case(3, 2, 1, 0.8),
                _write_case(2, 8, 4, 0.6),
                _write_case(4, 12, 5, 1.4),
                _write_case(3, 16, 6, 0.7),
            ),
            mistakes=WRITE_MISTAKES,
            properties=WRITE_PROPERTIES,
            right="Right: it reads the start, draws, and reads what it has written.",
        ),
    ),
)

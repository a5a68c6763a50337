"""The unit that carries the number, and how to switch a unit off."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.mistakes import Mistakes, each
from lstm_course.exercises.engine.parts import drawn, seeded, sized
from lstm_course.exercises.engine.trials import GATE_SLICES, Answer, Case, Returned


def number_unit(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, int]:
    """Return the correlation of each unit with the number, and the unit with the strongest one.

    Correlations are float64 whatever the states are, as NumPy's own are; it doesn't matter.
    """
    r, unit = _with()(cs, first, last, plural)
    return r.astype(float), unit


def _gather(
    cs: Array, first: Array, last: Array, plural: Array, start: int = 0, end: int = 1
) -> tuple[Array, Array]:
    """Return all states from first to last, (M, H), and the number that goes with each, (M,)."""
    steps = np.arange(len(cs))[:, None]
    return _inside(cs, (steps >= first + start) & (steps < last + end), plural)


def _inside(cs: Array, mask: Array, plural: Array) -> tuple[Array, Array]:
    """Return the states where the mask (T, N) is true, and the number that goes with each."""
    return cs[mask], np.broadcast_to(plural, mask.shape)[mask]


def _correlation(x: Array, y: Array) -> Array:
    return _about(x.mean(axis=0))(x, y)


def _about(mean: Any, added: float = 0.0) -> Callable[[Array, Array], Array]:
    """Return what correlates about a mean, with a number added under the fraction."""

    def correlation(x: Array, y: Array) -> Array:
        x, y = x - mean, y - y.mean()
        with np.errstate(all="ignore"):  # wrong answers may meet a unit that does not move
            return y @ x / (np.sqrt((x**2).sum(axis=0) * (y**2).sum()) + added)

    return correlation


def _strongest(r: Array) -> int:
    return int(np.argmax(np.abs(r)))


def _with(
    gather: Callable[..., tuple[Array, Array]] = _gather,
    correlation: Callable[[Array, Array], Array] = _correlation,
    unit: Callable[[Array], Any] = _strongest,
    result: Callable[[Array], Array] = lambda r: r,
) -> Callable[..., Any]:
    """Return the solution with one of its parts replaced."""

    def answer(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Any]:
        r = correlation(*gather(cs, first, last, plural))
        return result(r), unit(r)

    return answer


def _steps_moved(start: int = 0, end: int = 1) -> Answer:
    """Return the solution with more or fewer steps at either end."""
    return _with(lambda cs, first, last, plural: _gather(cs, first, last, plural, start, end))


def _unit_of(other: Answer) -> Answer:
    """Return the right correlations with the unit of another answer."""

    def answer(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, int]:
        return number_unit(cs, first, last, plural)[0], other(cs, first, last, plural)[1]

    return answer


def _at(place: Callable[[Array, Array], Array]) -> Callable[..., tuple[Array, Array]]:
    """Gather one step of each sentence."""

    def gather(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Array]:
        return cs[place(first, last), np.arange(len(first))], plural

    return gather


def _all_steps(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Array]:
    return cs.reshape(-1, cs.shape[2]), np.tile(plural, len(cs))


def _up_to_last(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Array]:
    return _gather(cs, 0 * first, last, plural)


def _from_first(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Array]:
    return _gather(cs, first, 0 * last + len(cs) - 1, plural)


def _so_many(end: int) -> Callable[..., tuple[Array, Array]]:
    """Gather last steps from first on, or one more."""
    return lambda cs, first, last, plural: _gather(cs, first, first + last, plural, end=end)


def _one_range(low: Callable[[Array], int], high: Callable[[Array], int]) -> Any:
    """Gather the same steps of all sentences."""
    return lambda cs, first, last, plural: _gather(
        cs, 0 * first + low(first), 0 * last + high(last), plural
    )


def _zeros_outside(numbers: bool) -> Callable[..., tuple[Array, Array]]:
    """Gather all steps, with 0 for the states outside, and perhaps for the numbers there."""

    def gather(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Array]:
        steps = np.arange(len(cs))[:, None]
        mask = (steps >= first) & (steps <= last)
        y = plural * mask if numbers else np.broadcast_to(plural, mask.shape)
        return (cs * mask[:, :, None]).reshape(-1, cs.shape[2]), y.ravel()

    return gather


def _means(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Array]:
    rows = [cs[first[n] : last[n] + 1, n].mean(axis=0) for n in range(len(first))]
    return np.array(rows), plural


def _sums(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Array]:
    rows = [cs[first[n] : last[n] + 1, n].sum(axis=0) for n in range(len(first))]
    return np.array(rows), plural


def _exchanged(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Array]:
    """Pair states in the order of steps with numbers in the order of sentences."""
    rows, _ = _gather(cs, first, last, plural)
    return rows, np.repeat(plural, last - first + 1)


def _covariance(x: Array, y: Array) -> Array:
    return (y - y.mean()) @ (x - x.mean(axis=0)) / len(y)


def _uncentred(x: Array, y: Array) -> Array:
    return y @ x / np.sqrt((x**2).sum(axis=0) * (y**2).sum())


_UNCENTRED: tuple[Callable[[Array, Array], Array], ...] = (
    _uncentred,
    lambda x, y: _uncentred(x, 2 * y - 1),
    lambda x, y: _uncentred(x - x.mean(axis=0), y),
    lambda x, y: _uncentred(x - x.mean(axis=0), 2 * y - 1),
    lambda x, y: _uncentred(x, y - y.mean()),
)


def _about_sentences(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Array]:
    x, y = _gather(cs, first, last, plural)
    return x, y - plural.mean()


def _both_ends(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, Array]:
    n = np.arange(len(first))
    return np.concatenate([cs[first, n], cs[last, n]]), np.concatenate([plural, plural])


def _difference(x: Array, y: Array) -> Array:
    return x[y > 0.5].mean(axis=0) - x[y < 0.5].mean(axis=0)


def _one_spread(x: Array, y: Array, over: str) -> Array:
    spread = x.std(axis=0) if over == "x" else y.std()
    return _covariance(x, y) / spread


def _average_of_steps(no_spread: float, least: int = 1) -> Answer:
    """Correlate 0, 1, 2, ... steps after the subject, as the chapter does, and average.

    Where a step has no spread, its correlation counts as a number, or not at all if that is NaN;
    steps of fewer than `least` sentences don't count either.
    """

    def answer(cs: Array, first: Array, last: Array, plural: Array) -> tuple[Array, int]:
        rows = []
        for j in range(int((last - first).max()) + 1):
            there = np.flatnonzero(first + j <= last)
            x, y = cs[first[there] + j, there], plural[there]
            x, y = x - x.mean(axis=0), y - y.mean()
            spread = np.sqrt((x**2).sum(axis=0) * (y**2).sum())
            row = np.full_like(spread, no_spread)
            if len(there) >= least:
                rows.append(np.divide(y @ x, spread, out=row, where=spread > 1e-9))
        r = np.nanmean(rows, axis=0, dtype=cs.dtype)
        return r, _strongest(r)

    return answer


def _samples(x: Array, y: Array) -> Array:
    return _correlation(x, y) * len(y) / (len(y) - 1)


def _one_spread_of_all(x: Array, y: Array) -> Array:
    return _covariance(x, y) / (x.std() * y.std())


def _one_sum_of_squares(x: Array, y: Array) -> Array:
    x, y = x - x.mean(axis=0), y - y.mean()
    return y @ x / np.sqrt((x**2).sum() * (y**2).sum())


def _in_float32(x: Array, y: Array) -> Array:
    return _correlation(x.astype(np.float32), y.astype(np.float32))


_BY_STEPS = tuple(
    _average_of_steps(no_spread, least) for no_spread in (0.0, np.nan) for least in (1, 2, 3)
)

SINGLE = (
    "Right to six digits. Where states hardly move, or move about a large mean, yours are wrong: "
    "something becomes float32 on the way, or you add a small number to the denominator."
)

NUMBER_UNIT_MISTAKES: Mistakes = {
    "Your r has lost its signs. The answer includes whether a unit rises or falls with a plural.": (
        _with(result=np.abs),
    ),
    **each(
        "Your r has lost its signs, and {}.",
        {
            "the last step of each sentence is missing": (
                _with(lambda cs, first, last, y: _gather(cs, first, last, y, end=0), result=np.abs),
            ),
            "you don't subtract the means": tuple(
                _with(correlation=correlation, result=np.abs) for correlation in _UNCENTRED
            ),
        },
    ),
    "This is the square of the correlation, the share of the variance. It has lost the sign.": (
        _with(result=np.square),
    ),
    "The sign is wrong: r must be positive where a unit is higher in plurals.": (
        _with(result=np.negative),
    ),
    **each(
        "You take the {} r. A unit that {} with a plural carries the number just as well.",
        {
            ("largest", "falls"): (_with(unit=lambda r: int(np.argmax(r))),),
            ("smallest", "rises"): (_with(unit=lambda r: int(np.argmin(r))),),
        },
    ),
    "You take the unit with the weakest correlation.": (
        _with(unit=lambda r: int(np.argmin(np.abs(r)))),
    ),
    "You return a correlation as the unit. Return its place in r, counted from 0.": (
        _with(unit=lambda r: r[_strongest(r)]),
        _with(unit=lambda r: np.abs(r).max()),
    ),
    "Count the units from 0.": (_with(unit=lambda r: _strongest(r) + 1),),
    (
        "You choose the unit by a measure that grows with its own spread, as covariances and "
        "differences of means do."
    ): (_unit_of(_with(correlation=_covariance)),),
    (
        "You choose the unit by averages over the steps. Choose the one whose r is farthest from 0."
    ): tuple(map(_unit_of, _BY_STEPS)),
    "You look only at the last step. A unit has to carry the number all the way from the first.": (
        _with(_at(lambda first, last: last)),
    ),
    (
        "You look only at the first step, where the noun itself is read. What a unit keeps comes "
        "later."
    ): (_with(_at(lambda first, last: first)),),
    **each(
        "The {} step of each sentence is missing. Count it as well as the {}.",
        {
            ("last", "first"): (_steps_moved(end=0),),
            ("first", "last"): (_steps_moved(start=1),),
        },
    ),
    "The first and the last step of each sentence are missing. Count both.": (
        _steps_moved(start=1, end=0),
    ),
    "You also count the step after the last one.": (_steps_moved(end=2),),
    **each(
        "You take all steps one too {}. Use first and last as they are: they number the steps of "
        "cs.",
        {"late": (_steps_moved(1, 2),), "early": (_steps_moved(-1, 0),)},
    ),
    "You take last for a number of steps after the first. It's a step itself.": (
        _with(_so_many(0)),
        _with(_so_many(1)),
    ),
    "You take the same steps of all sentences. Each has its own first and last step.": (
        _with(_one_range(lambda first: first[0], lambda last: last[0])),
        _with(_one_range(np.min, np.max)),
    ),
    "You set the states outside to 0, and still count them. Leave them out.": (
        _with(_zeros_outside(numbers=False)),
        _with(_zeros_outside(numbers=True)),
    ),
    "You use all steps. Before the subject and after the last step, there's nothing to carry.": (
        _with(_all_steps),
    ),
    "You start at step 0. Before its subject, a sentence has no number to carry.": (
        _with(_up_to_last),
    ),
    "You go on to the end of the array. After the last step, the sentence is over.": (
        _with(_from_first),
    ),
    (
        "You average or add up each sentence's states first. Every step should count, not every "
        "sentence."
    ): (_with(_means), _with(_sums)),
    "You correlate step by step and average. Here all steps go into one correlation.": _BY_STEPS,
    (
        "You line up states and numbers in different orders. Each state needs its own sentence's "
        "number."
    ): (_with(_exchanged),),
    "This is the covariance. Divide it by both standard deviations to get a correlation.": (
        _with(correlation=_covariance),
        _with(correlation=lambda x, y: _covariance(x, y) * len(y)),
        _with(correlation=lambda x, y: _covariance(x, y) * len(y) / (len(y) - 1)),
    ),
    "You don't subtract the means of the states, of the numbers, or of both.": tuple(
        _with(correlation=correlation) for correlation in _UNCENTRED
    ),
    (
        "You take the numbers' mean over the sentences. Take it over all M: a sentence counts once "
        "per step."
    ): (_with(_about_sentences, lambda x, y: _uncentred(x - x.mean(axis=0), y)),),
    "You use only the first and the last step of each sentence. Those in between count too.": (
        _with(_both_ends),
    ),
    "This is the difference between the mean of the plurals and that of the singulars.": (
        _with(correlation=_difference),
    ),
    "This is the slope of a line. A correlation also takes in the spread of the numbers.": (
        _with(correlation=lambda x, y: _covariance(x, y) / x.var(axis=0)),
    ),
    (
        "One standard deviation is missing from the denominator. You need two: the unit's and the "
        "numbers'."
    ): (
        _with(correlation=lambda x, y: _one_spread(x, y, "x")),
        _with(correlation=lambda x, y: _one_spread(x, y, "y")),
    ),
    "The root is missing from the denominator, which holds squares.": (
        _with(correlation=lambda x, y: _covariance(x, y) / (x.var(axis=0) * y.var())),
        _with(correlation=lambda x, y: _covariance(x, y) / (x.var(axis=0) * y.var()) / len(y)),
    ),
    "You divide by M in one place and by M - 1 in another. Use the same number in both.": (
        _with(correlation=_samples),
        _with(correlation=lambda x, y: _correlation(x, y) * (len(y) - 1) / len(y)),
    ),
    (
        "You subtract the mean of all units, or of one step. Each unit has its own, over all M "
        "states."
    ): (
        _with(correlation=lambda x, y: _about(x.mean())(x, y)),
        _with(correlation=lambda x, y: _about(x.mean(axis=1, keepdims=True))(x, y)),
    ),
    "You use one standard deviation for all units. Each has its own.": (
        _with(correlation=_one_spread_of_all),
        _with(correlation=_one_sum_of_squares),
    ),
    SINGLE: (
        _with(correlation=_in_float32, result=lambda r: r.astype(float)),
        _with(correlation=lambda x, y: _about(x.mean(axis=0), 1e-8)(x, y)),
    ),
}


@sized
def _number_case(T: int, N: int, H: int, seed: int = 0) -> Case:
    """Draw states that move far in some units and little in others.

    The first sentence is singular, the second plural, and both are at least three steps long, so
    that mistakes of one step at either end leave both numbers.
    """
    rng = seeded(T, N, H, seed)
    first = rng.integers(1, T - 1, N)
    last = np.array([rng.integers(start, T) for start in first])
    first[:2], last[:2] = 1, (T - 2, T - 1)
    plural = np.array([0.0, 1.0, *rng.integers(0, 2, N - 2)])
    cs = (rng.normal(size=(T, N, H)) + 0.5) * 2.0 ** rng.permutation(H)
    return Case(
        {"T": T, "N": N, "H": H}, {"cs": cs, "first": first, "last": last, "plural": plural}
    )


def _in_range(f: Guarded, rng: np.random.Generator) -> bool:
    # What is not finite is told as such.
    return not (np.abs(f(*_number_case(6, 5, 3).arguments.values())[0]) > 1 + 1e-6).any()


def _falls(f: Guarded, rng: np.random.Generator) -> bool:
    given = [_number_case(6, 5, 3, seed).arguments.values() for seed in range(5)]
    return any((f(*one)[0] < 0).any() for one in given)


def _scale(f: Guarded, rng: np.random.Generator) -> bool:
    cs, *others = _number_case(6, 5, 3).arguments.values()
    return np.allclose(f(100 * cs + 7, *others)[0], f(cs, *others)[0], equal_nan=True)


def _farthest(f: Guarded, rng: np.random.Generator) -> bool:
    """Compare the unit with the answer's own r, right or wrong."""
    for seed in range(5):
        r, unit = f(*_number_case(6, 5, 3, seed).arguments.values())
        if unit != _strongest(r):
            return False
    return True


def _keeps_digits(f: Guarded, rng: np.random.Generator) -> bool:
    """Ask for states that hardly move, and for others that move about a large mean."""
    cs, *others = _number_case(6, 5, 3).arguments.values()
    return all(
        np.allclose(f(given, *others)[0], number_unit(given, *others)[0], rtol=1e-6, atol=1e-8)
        for given in (1e-7 * cs, cs + 1000)
    )


def _one_step(f: Guarded, rng: np.random.Generator) -> bool:
    nothing = np.zeros(3, int)
    plural = np.array([0.0, 1.0, 1.0])
    given = np.array([[[1.0, 2.0], [3.0, 0.0], [4.0, -1.0]]]), nothing, nothing, plural
    return np.allclose(f(*given)[0], number_unit(*given)[0])


NUMBER_UNIT = Question(
    name="number-unit",
    points=3,
    hints=(
        "There are two separate jobs. Collect the states that count, each with its sentence's "
        "number; then correlate column by column. Look at the shapes in between.",
        "Sentence n gives the states from step first[n] to step last[n], both included. Repeat "
        "its number once for each of them. Stack all sentences: M rows, one column per unit, and "
        "M numbers.",
        "Subtract both means. Sum the products of each column with the numbers, and divide by the "
        "root of the product of the two sums of squares. Choose the unit with the largest "
        "absolute value, but keep the signs in r.",
    ),
    exam=FunctionExam(
        name="number_unit",
        solution=number_unit,
        returns=(Returned("r", "(H,)"), Returned("unit")),
        cases=(
            _number_case(6, 6, 6),
            _number_case(5, 2, 1),
            _number_case(5, 3, 2),
            _number_case(7, 2, 3),
            _number_case(6, 5, 3),
            _number_case(6, 4, 8, seed=29),  # here hardly two mistakes choose the same unit
            _number_case(8, 7, 4, seed=1),
        ),
        mistakes=NUMBER_UNIT_MISTAKES,
        properties={
            "A correlation lies between -1 and 1.": _in_range,
            "None of your r is ever negative. It must be where a unit is lower in plurals.": (
                _falls
            ),
            "A correlation must not change when all states are scaled or shifted.": _scale,
            "The unit isn't the one whose r, in your own answer, is farthest from 0.": _farthest,
        },
        demands={
            "Wrong where there's a single step, T = 1, both the first and the last.": _one_step,
            SINGLE: _keeps_digits,
        },
        right="Right: the correlation of every unit, and the unit that carries the number.",
    ),
)


def switch_off(
    U: Array, b: Array, V: Array, d: Array, unit: int, value: float
) -> tuple[Array, Array, Array, Array]:
    """Return weights with which all others see one unit's hidden state at a fixed value."""
    return (*_fixed(U, b, unit, value), *_fixed(V, d, unit, value))


def _fixed(weight: Array, bias: Array, unit: int, value: float) -> tuple[Array, Array]:
    cut = weight.copy()
    cut[:, unit] = 0
    return cut, (bias + value * weight[:, unit]).astype(bias.dtype)


def _without(U: Array, b: Array, V: Array, d: Array, unit: int) -> tuple[Array, Array]:
    U_cut, _, V_cut, _ = switch_off(U, b, V, d, unit, 0.0)
    return U_cut, V_cut


def _rows(U: Array, unit: int, gates: range) -> Array:
    """Return U with a unit's rows set to 0, in some of the four slices."""
    cut, H = U.copy(), U.shape[1]
    for gate in gates:
        cut[gate * H + unit] = 0
    return cut


def _filled(weight: Array, unit: int, value: float) -> Array:
    filled = weight.copy()
    filled[:, unit] = value
    return filled


def _first_slice(U: Array, unit: int) -> Array:
    cut = U.copy()
    cut[: U.shape[1], unit] = 0
    return cut


def _own(U: Array, unit: int) -> Array:
    cut = U.copy()
    cut[unit :: U.shape[1], unit] = 0
    return cut


def _all_but_own(U: Array, unit: int) -> Array:
    H = U.shape[1]
    cut = U.copy()
    cut[np.arange(4 * H) % H != unit, unit] = 0
    return cut


def _through_float32(*given: Any) -> tuple[Array, ...]:
    return tuple(array.astype(np.float32).astype(array.dtype) for array in switch_off(*given))


def _changed(**parts: Callable[..., Array]) -> Answer:
    """Return the solution with some of its results replaced."""

    def answer(
        U: Array, b: Array, V: Array, d: Array, unit: int, value: float
    ) -> tuple[Array, ...]:
        right = dict(zip("UbVd", switch_off(U, b, V, d, unit, value), strict=True))
        return tuple(
            parts[name](U, b, V, d, unit, value) if name in parts else right[name]
            for name in "UbVd"
        )

    return answer


def _b_of_all(U: Array, b: Array, V: Array, d: Array, unit: int, value: float) -> Array:
    return np.asarray(b + value * U.sum(axis=1))


def _d_of_all(U: Array, b: Array, V: Array, d: Array, unit: int, value: float) -> Array:
    return np.asarray(d + value * V.sum(axis=1))


EXACT = (
    "Right to six digits. Whatever you don't cut must stay exactly as it is, but something "
    "becomes float32 on the way, which keeps no more."
)

SWITCH_OFF_MISTAKES: Mistakes = {
    "You cut what the unit reads, its rows of U. Cut what the others read of it instead.": (
        _changed(U=lambda U, b, V, d, unit, value: _rows(U, unit, range(4))),
        _changed(U=lambda U, b, V, d, unit, value: _rows(U, unit, range(1))),
    ),
    "You also set rows of U to 0. The unit itself may go on reading the others.": (
        _changed(
            U=lambda U, b, V, d, unit, value: _rows(_without(U, b, V, d, unit)[0], unit, range(4))
        ),
        _changed(
            U=lambda U, b, V, d, unit, value: _rows(_without(U, b, V, d, unit)[0], unit, range(1))
        ),
    ),
    "You cut the column only in the first slice of U. All four slices read the unit.": (
        _changed(U=lambda U, b, V, d, unit, value: _first_slice(U, unit)),
    ),
    "You cut only the unit's weight to itself. All units read it.": (
        _changed(
            U=lambda U, b, V, d, unit, value: _own(U, unit),
        ),
    ),
    "The unit reads itself too. Cut that weight as well, in all four slices.": (
        _changed(U=lambda U, b, V, d, unit, value: _all_but_own(U, unit)),
        _changed(
            U=lambda U, b, V, d, unit, value: _all_but_own(U, unit),
            b=lambda U, b, V, d, unit, value: b + value * (U - _all_but_own(U, unit))[:, unit],
        ),
    ),
    **each(
        "The {0} bias hasn't changed. Add what the unit contributes at its value.",
        {
            "gates'": (_changed(b=lambda U, b, V, d, unit, value: b.copy()),),
            "read-out's": (_changed(d=lambda U, b, V, d, unit, value: d.copy()),),
        },
    ),
    **each(
        "{} hasn't changed: the {} the unit.",
        {
            ("U", "gates still read"): (_changed(U=lambda U, b, V, d, unit, value: U.copy()),),
            ("V", "read-out still reads"): (
                _changed(V=lambda U, b, V, d, unit, value: V.copy()),
                _changed(
                    V=lambda U, b, V, d, unit, value: V.copy(),
                    d=lambda U, b, V, d, unit, value: d.copy(),
                ),
            ),
        },
    ),
    "The old biases are lost. Add what the unit contributes at its value to them.": (
        lambda U, b, V, d, unit, value: switch_off(U, 0 * b, V, 0 * d, unit, value),
    ),
    "The biases haven't changed, so the others see the unit at 0. They should see it at value.": (
        lambda U, b, V, d, unit, value: (
            _without(U, b, V, d, unit)[0],
            b.copy(),
            _without(U, b, V, d, unit)[1],
            d.copy(),
        ),
    ),
    "You add to the biases with the wrong sign, so the others see the unit at minus its value.": (
        lambda U, b, V, d, unit, value: switch_off(U, b, V, d, unit, -value),
    ),
    (
        "The columns hold the value now. But they're weights, and still meet the unit's hidden "
        "state."
    ): (
        lambda U, b, V, d, unit, value: (
            _filled(U, unit, value),
            b.copy(),
            _filled(V, unit, value),
            d.copy(),
        ),
        lambda U, b, V, d, unit, value: (
            _filled(U, unit, value),
            switch_off(U, b, V, d, unit, value)[1],
            _filled(V, unit, value),
            switch_off(U, b, V, d, unit, value)[3],
        ),
    ),
    "You multiply the columns by the value, but they still meet the unit's hidden state.": (
        lambda U, b, V, d, unit, value: (
            np.where(np.arange(U.shape[1]) == unit, value * U, U),
            b.copy(),
            np.where(np.arange(V.shape[1]) == unit, value * V, V),
            d.copy(),
        ),
    ),
    "You add the value itself to the biases. Add its product with the weights.": (
        _changed(
            b=lambda U, b, V, d, unit, value: b + value, d=lambda U, b, V, d, unit, value: d + value
        ),
    ),
    "You add the weights to the biases without the value, so the others see the unit at 1.": (
        lambda U, b, V, d, unit, value: switch_off(U, b, V, d, unit, 1.0),
    ),
    **each(
        "{} all 0, so nothing of the other units arrives. Cut only one column.",
        {
            "U is": (_changed(U=lambda U, b, V, d, unit, value: 0 * U),),
            "V is": (_changed(V=lambda U, b, V, d, unit, value: 0 * V),),
            "U and V are": (
                _changed(
                    U=lambda U, b, V, d, unit, value: 0 * U,
                    V=lambda U, b, V, d, unit, value: 0 * V,
                ),
            ),
        },
    ),
    **each(
        "You add all columns to {}, as if every unit were seen at the value. Add only the column "
        "of the one unit.",
        {
            "b": (_changed(b=_b_of_all),),
            "d": (_changed(d=_d_of_all),),
            "b and d": (_changed(b=_b_of_all, d=_d_of_all),),
        },
    ),
    **each(
        "You switch off the unit {} the right one. The first unit has the number 0.",
        {
            "before": (lambda U, b, V, d, unit, value: switch_off(U, b, V, d, unit - 1, value),),
            "after": (lambda U, b, V, d, unit, value: switch_off(U, b, V, d, unit + 1, value),),
        },
    ),
    (
        "You add a row of U to the biases, which is what the unit reads. Add the column, which is "
        "what the others read of the unit."
    ): (
        _changed(b=lambda U, b, V, d, unit, value: b + value * np.tile(U[unit], 4)),
        _changed(b=lambda U, b, V, d, unit, value: b + value * U[unit :: U.shape[1]].ravel()),
    ),
    "You change the bias only in the unit's own gates. All units read it.": (
        _changed(b=lambda U, b, V, d, unit, value: b + value * (U - _own(U, unit))[:, unit]),
    ),
    "You switch off all the other units and leave this one.": (
        lambda U, b, V, d, unit, value: (
            np.where(np.arange(U.shape[1]) == unit, U, 0),
            switch_off(U, b, V, d, unit, value)[1],
            np.where(np.arange(V.shape[1]) == unit, V, 0),
            switch_off(U, b, V, d, unit, value)[3],
        ),
        lambda U, b, V, d, unit, value: (
            np.where(np.arange(U.shape[1]) == unit, U, 0),
            b.copy(),
            np.where(np.arange(V.shape[1]) == unit, V, 0),
            d.copy(),
        ),
    ),
    EXACT: (_through_float32,),
}


@sized
def _switch_case(H: int, K: int, unit: int, value: float) -> Case:
    arrays = drawn("U b V d", H=H, K=K)
    return Case({"H": H, "K": K}, {**arrays, "unit": unit, "value": value})


def _is_cut(place: int) -> Property:
    """Ask that the weights returned at a place don't meet the unit's hidden state."""

    def holds(f: Guarded, rng: np.random.Generator) -> bool:
        given = _switch_case(3, 2, 1, 0.4).arguments
        return not f(*given.values())[place][:, given["unit"]].any()

    return holds


def _stays_exact(f: Guarded, rng: np.random.Generator) -> bool:
    """Compare weights to the last digit. A sum for a bias may round in its own way."""
    given = _switch_case(3, 2, 1, 0.4).arguments.values()
    U, b, V, d = f(*given)
    right_U, right_b, right_V, right_d = switch_off(*given)
    return (
        np.array_equal(U, right_U)
        and np.array_equal(V, right_V)
        and np.allclose(b, right_b, rtol=1e-12, atol=1e-14)
        and np.allclose(d, right_d, rtol=1e-12, atol=1e-14)
    )


SWITCH_OFF = Question(
    name="switch-off",
    points=3,
    hints=(
        "Who reads a unit's hidden state? The four gates of the next step do, through U, and so "
        "does the read-out, through V. What the unit itself reads of the others stays.",
        "The sum that a gate squashes is U h + b. Which numbers in U meet entry unit of h? With "
        "these at 0, nothing of the unit arrives, as if it were seen at 0.",
        "Set column unit of U and of V to 0. But first, add that column times the value to each "
        "bias, so that the sum is what it would be if the entry were always at the value. Work on "
        "copies.",
    ),
    exam=FunctionExam(
        name="switch_off",
        solution=switch_off,
        returns=(
            Returned("U", "(4H, H)", slices=GATE_SLICES),
            Returned("b", "(4H,)", slices=GATE_SLICES),
            Returned("V", "(K, H)"),
            Returned("d", "(K,)"),
        ),
        cases=(
            _switch_case(3, 3, 1, 0.5),
            _switch_case(2, 1, 1, -0.3),
            _switch_case(2, 3, 0, 0.7),
            _switch_case(4, 2, 3, -0.8),
        ),
        mistakes=SWITCH_OFF_MISTAKES,
        properties={
            f"The {whose} still depend on the unit's hidden state.": _is_cut(place)
            for place, whose in ((0, "gates' sums"), (2, "read-outs"))
        },
        demands={EXACT: _stays_exact},
        right="Right: gates and read-out see the unit at the value, whatever it does.",
    ),
)

QUESTIONS = (NUMBER_UNIT, SWITCH_OFF)

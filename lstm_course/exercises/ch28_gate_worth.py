"""An effect with its interval, from runs of the same seeds, and what may be said of it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded
from lstm_course.exercises.engine.mistakes import Mistakes, each
from lstm_course.exercises.engine.parts import seeded, stretched
from lstm_course.exercises.engine.trials import Answer, Case, Returned


def effect(variant: Array, standard: Array, quantile: float) -> Array:
    """Return how many times as long the variant takes, and the ends of the interval."""
    return _with()(variant, standard, quantile)


def _log_ratio(variant: Array, standard: Array) -> Array:
    return np.log(variant / standard)


def _standard_error(d: Array) -> Any:
    return d.std(ddof=1) / len(d) ** 0.5


def _around(middle: Any, half: Any) -> Array:
    # In float64 whatever the updates are: so is the root of a count.
    return np.exp(np.array([middle, middle - half, middle + half], float))


def _with(
    compare: Callable[[Array, Array], Array] = _log_ratio,
    error: Callable[[Array], Any] = _standard_error,
    middle: Callable[[Array], Any] = np.mean,
    around: Callable[[Any, Any], Any] = _around,
) -> Answer:
    """Return the solution with one of its parts exchanged."""

    def answer(variant: Array, standard: Array, quantile: float) -> Any:
        d = compare(variant, standard)
        return around(middle(d), quantile * error(d))

    return answer


def _plainly(compare: Callable[[Array, Array], Array]) -> Answer:
    """Return the solution without logarithms."""
    return _with(compare, around=lambda middle, half: (middle, middle - half, middle + half))


def _unpaired(variant: Array, standard: Array, quantile: float) -> Array:
    a, b = np.log(variant), np.log(standard)
    error = ((a.var(ddof=1) + b.var(ddof=1)) / len(a)) ** 0.5
    return _around(a.mean() - b.mean(), quantile * error)


def _middle_of(middle: Callable[[Array, Array], Any]) -> Answer:
    """Return another middle with the right interval."""
    return lambda variant, standard, quantile: (
        middle(variant, standard),
        *effect(variant, standard, quantile)[1:],
    )


def _in_order(*order: int) -> Answer:
    return lambda *arguments: effect(*arguments)[list(order)]


EFFECT_MISTAKES: Mistakes = {
    "The ratio is upside down: above 1 has to mean that the variant takes longer.": (
        lambda variant, standard, quantile: effect(standard, variant, quantile),
        _middle_of(lambda variant, standard: np.exp(-_log_ratio(variant, standard).mean())),
    ),
    "You average the ratios themselves. Twice as long and half as long then average to 1.25, not "
    "to 1: average their logarithms.": (
        _plainly(lambda variant, standard: variant / standard),
        _middle_of(lambda variant, standard: (variant / standard).mean()),
    ),
    "You divide one mean by the other, so that the slowest seeds count most. Take a ratio for each "
    "seed.": (
        _middle_of(lambda variant, standard: variant.mean() / standard.mean()),
        lambda variant, standard, quantile: (
            effect(variant, standard, quantile)
            / effect(variant, standard, quantile)[0]
            * (variant.mean() / standard.mean())
        ),
    ),
    "You subtract updates. The question asks how many times as long, which is a ratio.": (
        _plainly(lambda variant, standard: variant - standard),
        _with(lambda variant, standard: variant - standard),
    ),
    "You stopped at the logarithms. Take exp of all three numbers, at the end.": (
        _plainly(_log_ratio),
    ),
    "The ratio is right, but its interval is still in logarithms. Take exp of its ends too.": (
        lambda variant, standard, quantile: (
            effect(variant, standard, quantile)[0],
            *np.log(effect(variant, standard, quantile)[1:]),
        ),
    ),
    "The width of the interval is added to the ratio. Add it to the mean of the logarithms, and "
    "take exp of the sums.": (
        _with(
            around=lambda middle, half: (
                np.exp(middle),
                np.exp(middle) - half,
                np.exp(middle) + half,
            )
        ),
        _with(
            around=lambda middle, half: (
                np.exp(middle),
                np.exp(middle) - np.exp(half),
                np.exp(middle) + np.exp(half),
            )
        ),
    ),
    "Your logarithms have base 2 or 10, and the way back has base e.": (
        _with(lambda variant, standard: np.log2(variant / standard)),
        _with(lambda variant, standard: np.log10(variant / standard)),
    ),
    "Your interval is as wide as for networks that share no seed. Seed by seed, the two saw the "
    "same data: take the spread of their differences.": (_unpaired,),
    "The spread is that of these seeds alone: NumPy's std divides by S. To speak of other seeds, "
    "divide by S - 1, which is ddof=1.": (
        _with(error=lambda d: d.std() / len(d) ** 0.5),
        _with(error=lambda d: d.std() / (len(d) - 1)),
    ),
    "Your interval is for one more seed, not for the mean: divide the spread by the root of S.": (
        _with(error=lambda d: d.std(ddof=1)),
        _with(error=lambda d: d.std()),
    ),
    "You divide the spread by S. The mean of S seeds is uncertain by the spread over the root of "
    "S.": (
        _with(error=lambda d: d.std(ddof=1) / len(d)),
        _with(error=lambda d: d.std() / len(d)),
    ),
    "You use the variance where the spread, its root, is meant.": (
        _with(error=lambda d: d.var(ddof=1) / len(d) ** 0.5),
        _with(error=lambda d: d.var(ddof=1) / len(d)),
        _with(error=lambda d: d.var() / len(d)),
    ),
    "The quantile has no effect, so that the interval holds the mean in two cases of three only.": (
        lambda variant, standard, quantile: effect(variant, standard, 1.0),
    ),
    "You use 1.96, which is for hundreds of seeds. Use the quantile that is passed.": (
        lambda variant, standard, quantile: effect(variant, standard, 1.96),
    ),
    "The middle is a median. The interval is one of a mean.": (
        _with(middle=np.median),
        _middle_of(lambda variant, standard: np.median(variant / standard)),
    ),
    "All three numbers are the ratio: the interval has no width.": (
        lambda variant, standard, quantile: effect(variant, standard, 0.0),
    ),
    "The interval runs from the smallest ratio to the largest. One odd seed decides it then.": (
        lambda variant, standard, quantile: (
            effect(variant, standard, quantile)[0],
            (variant / standard).min(),
            (variant / standard).max(),
        ),
    ),
    **each(
        "You return {}. The order is ratio, low, high.",
        {
            "the two ends first": (_in_order(1, 2, 0), _in_order(2, 1, 0)),
            "low, ratio, high": (_in_order(1, 0, 2),),
            "the ends the wrong way round": (_in_order(0, 2, 1),),
        },
    ),
}


def _effect_case(S: int, spread: float) -> Case:
    rng = seeded(S)
    standard = rng.uniform(100.0, 400.0, S).round()
    variant = (standard * np.exp(rng.normal(0.4, spread, S))).round()
    quantile = {2: 12.706, 3: 4.303, 5: 2.776, 8: 2.365}[S]
    return Case({"S": S}, {"variant": variant, "standard": standard, "quantile": quantile})


def _same_when_turned(f: Guarded, rng: np.random.Generator) -> bool:
    """Exchange the two: the ratio and its interval turn over."""
    variant, standard, quantile = _effect_case(5, 0.5).arguments.values()
    ratio, low, high = f(variant, standard, quantile)
    turned = f(standard, variant, quantile)
    return np.allclose(turned, [1 / ratio, 1 / high, 1 / low])


EFFECT = Question(
    name="effect",
    points=2,
    hints=(
        "Each seed gives one comparison: how many times as long the variant took. Turn it into a "
        "number that treats twice and half alike, and only then average.",
        "With d = log(variant / standard), one number per seed, the mean of d is uncertain by the "
        "spread of d over the root of S. The spread of few seeds divides by S - 1.",
        "The ends are the mean of d minus and plus quantile times std(d, ddof=1) / sqrt(S). Take "
        "exp of the mean and of both ends.",
    ),
    exam=FunctionExam(
        name="effect",
        solution=effect,
        returns=(Returned("ratio"), Returned("low"), Returned("high")),
        cases=(
            _effect_case(3, 0.3),
            _effect_case(2, 0.05),
            _effect_case(5, 0.5),
            _effect_case(8, 0.4),
        ),
        mistakes=EFFECT_MISTAKES,
        right="Right: a ratio for each seed, averaged in logarithms, with an interval around it.",
        properties={
            "Exchange the variant and the standard cell, and the ratio should turn over, and its "
            "interval with it. Yours doesn't.": _same_when_turned,
        },
    ),
)

OPEN, SLOWER, FASTER, SAME = range(4)


def verdict(low: Array, high: Array, least: float) -> Array:
    """Return 1 for slower, 2 for faster, 3 for no difference that matters, and 0 for open."""
    return _rules()(low, high, least)


def _rules(
    slower: Callable[..., Any] = lambda low, high, least: low > least,
    faster: Callable[..., Any] = lambda low, high, least: high < 1 / least,
    same: Callable[..., Any] = lambda low, high, least: (low > 1 / least) & (high < least),
    codes: tuple[int, int, int, int] = (OPEN, SLOWER, FASTER, SAME),
) -> Answer:
    """Return the solution with one of its rules exchanged."""

    def answer(low: Array, high: Array, least: float) -> Array:
        code = np.full(low.shape, codes[OPEN])
        for name, rule in ((SAME, same), (FASTER, faster), (SLOWER, slower)):
            code[rule(low, high, least)] = codes[name]
        return code

    return answer


def _by_middle(low: Array, high: Array, least: float) -> Array:
    middle = (low * high) ** 0.5
    return verdict(middle, middle, least)


VERDICT_MISTAKES: Mistakes = {
    "An interval that lies above 1 shows that the variant is slower, not that it is slower by "
    "enough to matter. Compare with least, and with 1 / least on the other side.": (
        _rules(lambda low, high, least: low > 1, lambda low, high, least: high < 1),
        lambda low, high, least: np.where(low > 1, SLOWER, np.where(high < 1, FASTER, OPEN)),
        _rules(slower=lambda low, high, least: low > 1),
        _rules(faster=lambda low, high, least: high < 1),
        lambda low, high, least: np.where(
            low > 1, SLOWER, np.where(high < 1, FASTER, verdict(low, high, least))
        ),
    ),
    "An interval with 1 inside isn't evidence of equality: it may be wide. The cells are alike "
    "only if the whole interval lies between 1 / least and least.": (
        _rules(same=lambda low, high, least: (low < 1) & (high > 1)),
        lambda low, high, least: np.where(
            (low < 1) & (high > 1),
            SAME,
            np.where(low > least, SLOWER, np.where(high < 1 / least, FASTER, OPEN)),
        ),
    ),
    "Whatever is neither slower nor faster counts as alike with you. A wide interval leaves it "
    "open.": (
        _rules(codes=(SAME, SLOWER, FASTER, SAME)),
        _rules(
            slower=lambda low, high, least: low > 1,
            faster=lambda low, high, least: high < 1,
            codes=(SAME, SLOWER, FASTER, SAME),
        ),
    ),
    "You never say that two cells are alike. An interval within 1 / least and least shows it.": (
        _rules(codes=(OPEN, SLOWER, FASTER, OPEN)),
    ),
    "You judge by the middle of the interval, which tells nothing of how uncertain it is.": (
        _by_middle,
        lambda low, high, least: verdict((low + high) / 2, (low + high) / 2, least),
    ),
    "One end of the interval is enough for your verdict. All of it has to lie there.": (
        _rules(slower=lambda low, high, least: high > least),
        _rules(faster=lambda low, high, least: low < 1 / least),
        _rules(
            lambda low, high, least: high > least,
            lambda low, high, least: low < 1 / least,
        ),
        _rules(same=lambda low, high, least: (low > 1 / least) | (high < least)),
    ),
    "The counterpart of 1.25 times as long is 1 / 1.25 = 0.8 times. You subtract: 2 - least, which "
    "is 0.75.": (
        _rules(
            faster=lambda low, high, least: high < 2 - least,
            same=lambda low, high, least: (low > 2 - least) & (high < least),
        ),
        _rules(faster=lambda low, high, least: high < 2 - least),
        _rules(same=lambda low, high, least: (low > 2 - least) & (high < least)),
    ),
    "Slower and faster are exchanged. A ratio above 1 means that the variant takes longer.": (
        _rules(codes=(OPEN, FASTER, SLOWER, SAME)),
    ),
    "Alike and open are exchanged.": (_rules(codes=(SAME, SLOWER, FASTER, OPEN)),),
    "Your slower ones are marked, the faster ones aren't.": (
        _rules(faster=lambda low, high, least: np.zeros(low.shape, bool)),
    ),
    "Your faster ones are marked, the slower ones aren't.": (
        _rules(slower=lambda low, high, least: np.zeros(low.shape, bool)),
    ),
}

LOWS = np.array([1.6, 0.35, 0.86, 0.4, 1.05, 0.8125, 1.1, 0.55, 0.7, 0.77])
HIGHS = np.array([3.1, 0.7, 1.2, 2.6, 1.9, 0.98, 1.22, 1.02, 0.79, 0.98])


def _verdict_case(least: float, order: list[int]) -> Case:
    return Case(
        {"M": len(order)},
        {"low": stretched(LOWS[order]), "high": stretched(HIGHS[order]), "least": least},
    )


VERDICT = Question(
    name="verdict",
    points=2,
    hints=(
        "The true ratio may lie anywhere in the interval. What can be said is what would hold "
        "wherever in it the ratio lies.",
        "There are two borders, least and 1 / least, and so three regions. An interval that lies "
        "within one region settles the matter; one that reaches across a border leaves it open.",
        "Start with an array of zeros. Where low > least put 1, where high < 1 / least put 2, and "
        "where low > 1 / least and high < least put 3.",
    ),
    exam=FunctionExam(
        name="verdict",
        solution=verdict,
        returns=(Returned("", "(M,)"),),
        cases=(
            _verdict_case(1.25, list(range(10))),
            _verdict_case(1.25, [3]),
            _verdict_case(1.5, [0, 1, 2, 3, 4]),
            _verdict_case(1.25, [8, 6, 4, 2, 0, 1, 3, 5, 7, 9]),
        ),
        mistakes=VERDICT_MISTAKES,
        right="Right: only an interval that lies in one region altogether settles a question.",
    ),
)

QUESTIONS = (EFFECT, VERDICT)

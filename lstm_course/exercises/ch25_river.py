"""Two efficiencies, a day of snow, and an LSTM whose cells are reservoirs."""

from typing import Any

import numpy as np

from lstm_course import tasks
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.lines import Lines
from lstm_course.exercises.engine.mistakes import Mistakes, each
from lstm_course.exercises.engine.parts import seeded, sized
from lstm_course.exercises.engine.trials import GATE_SLICES, Case, Returned
from lstm_course.pointwise import sigmoid


def _distance(*faults: Any) -> Any:
    return sum(fault**2 for fault in faults) ** 0.5


EFFICIENCIES = Lines(
    ("simulated", "observed"),
    {
        "errors": lambda s: s.simulated - s.observed,
        "spread": lambda s: s.observed - s.observed.mean(),
        "r": lambda s: np.corrcoef(s.simulated, s.observed)[0, 1],
        "alpha": lambda s: s.simulated.std() / s.observed.std(),
        "beta": lambda s: s.simulated.mean() / s.observed.mean(),
        "nse": lambda s: 1 - (s.errors**2).sum() / (s.spread**2).sum(),
        "kge": lambda s: 1 - _distance(s.r - 1, s.alpha - 1, s.beta - 1),
        "both": lambda s: (float(s.nse), float(s.kge)),
    },
    ("both",),
)


def efficiencies(simulated: Array, observed: Array) -> tuple[float, float]:
    """Return the Nash-Sutcliffe and the Kling-Gupta efficiency."""
    nse, kge = EFFICIENCIES(simulated, observed)
    return nse, kge


EFFICIENCY_MISTAKES: Mistakes = {
    "You swap the two arguments. What was observed is the measure of both efficiencies.": (
        lambda simulated, observed: efficiencies(observed, simulated),
    ),
    "You return KGE first. The question asks for NSE, then KGE.": (
        EFFICIENCIES.but(both=lambda s: (float(s.kge), float(s.nse))),
    ),
    "NSE: you divide by the squares of what was observed itself. Subtract its mean first.": (
        EFFICIENCIES.but(spread=lambda s: s.observed),
    ),
    "NSE: you measure the spread of the simulation. The rival is the mean of what was observed, so "
    "take the spread of that.": (
        EFFICIENCIES.but(spread=lambda s: s.simulated - s.simulated.mean()),
        EFFICIENCIES.but(spread=lambda s: s.simulated - s.observed.mean()),
    ),
    **each(
        "{}: the 1 minus is missing. A perfect simulation scores 1.",
        {
            "NSE": (EFFICIENCIES.but(nse=lambda s: (s.errors**2).sum() / (s.spread**2).sum()),),
            "KGE": (EFFICIENCIES.but(kge=lambda s: _distance(s.r - 1, s.alpha - 1, s.beta - 1)),),
        },
    ),
    "NSE: you take the root of the ratio. It compares squares.": (
        EFFICIENCIES.but(nse=lambda s: 1 - _distance(*s.errors) / _distance(*s.spread)),
    ),
    "NSE: you add up sizes where it wants squares.": (
        EFFICIENCIES.but(nse=lambda s: 1 - np.abs(s.errors).sum() / np.abs(s.spread).sum()),
    ),
    "NSE: you add the errors up before you square. Rain too early and rain too late then cancel.": (
        EFFICIENCIES.but(nse=lambda s: 1 - s.errors.sum() ** 2 / (s.spread**2).sum()),
    ),
    "NSE: this is the squared correlation, which forgives a simulation that is twice too high.": (
        EFFICIENCIES.but(nse=lambda s: s.r**2),
    ),
    "KGE: the root is missing. It's a distance, so take the root of the sum of squares.": (
        EFFICIENCIES.but(kge=lambda s: 1 - _distance(s.r - 1, s.alpha - 1, s.beta - 1) ** 2),
    ),
    "KGE: you add the three faults up. Square them, add, and take the root.": (
        EFFICIENCIES.but(kge=lambda s: 1 - abs(s.r - 1) - abs(s.alpha - 1) - abs(s.beta - 1)),
        EFFICIENCIES.but(kge=lambda s: 1 - (s.r - 1) - (s.alpha - 1) - (s.beta - 1)),
    ),
    "KGE: you take the distance from 0. A perfect simulation has a correlation and ratios of 1.": (
        EFFICIENCIES.but(kge=lambda s: 1 - _distance(s.r, s.alpha, s.beta)),
    ),
    "KGE: you average the squares. Their sum belongs under the root.": (
        EFFICIENCIES.but(
            kge=lambda s: 1 - _distance(s.r - 1, s.alpha - 1, s.beta - 1) / np.sqrt(3)
        ),
    ),
    **each(
        "KGE: {} has no effect.",
        {
            "the correlation": (EFFICIENCIES.but(r=lambda s: 1.0),),
            "the ratio of standard deviations": (EFFICIENCIES.but(alpha=lambda s: 1.0),),
            "the ratio of means": (EFFICIENCIES.but(beta=lambda s: 1.0),),
        },
    ),
    "KGE: you square the correlation. It enters as it is.": (
        EFFICIENCIES.but(r=lambda s: np.corrcoef(s.simulated, s.observed)[0, 1] ** 2),
    ),
    "KGE: you compare variances. It wants standard deviations.": (
        EFFICIENCIES.but(alpha=lambda s: s.simulated.var() / s.observed.var()),
    ),
    **each(
        "KGE: {} upside down: the simulation is on top.",
        {
            "both ratios are": (
                EFFICIENCIES.but(
                    alpha=lambda s: s.observed.std() / s.simulated.std(),
                    beta=lambda s: s.observed.mean() / s.simulated.mean(),
                ),
            ),
            "the ratio of standard deviations is": (
                EFFICIENCIES.but(alpha=lambda s: s.observed.std() / s.simulated.std()),
            ),
            "the ratio of means is": (
                EFFICIENCIES.but(beta=lambda s: s.observed.mean() / s.simulated.mean()),
            ),
        },
    ),
    "KGE: you take the difference of the means, which changes with the unit. Take their ratio.": (
        EFFICIENCIES.but(beta=lambda s: 1 + s.errors.mean()),
    ),
    "KGE: you divide each standard deviation by its mean. That is the version of 2012, and the "
    "question asks for the one of 2009.": (
        EFFICIENCIES.but(
            alpha=lambda s: (
                s.simulated.std() / s.simulated.mean() / (s.observed.std() / s.observed.mean())
            )
        ),
    ),
}


@sized
def _flows(K: int, factor: float = 1.3) -> Case:
    rng = seeded(K)
    observed = rng.gamma(2.0, 20.0, size=K)
    simulated = factor * observed ** rng.uniform(0.9, 1.1) + rng.gamma(2.0, 5.0, size=K)
    return Case({"K": K}, {"simulated": simulated, "observed": observed})


def _perfect(f: Guarded, rng: np.random.Generator) -> bool:
    observed = rng.gamma(2.0, size=9)
    return np.allclose(f(observed, observed), 1)


def _any_unit(f: Guarded, rng: np.random.Generator) -> bool:
    observed, noise = rng.gamma(2.0, size=(2, 9))
    return np.allclose(f(observed + noise, observed), f(35 * (observed + noise), 35 * observed))


EFFICIENCIES_QUESTION = Question(
    name="efficiencies",
    points=2,
    hints=(
        "Each is 1 minus something that is 0 if the simulation is perfect. For NSE it's a ratio of "
        "two sums of squares, for KGE a distance in three dimensions.",
        "NSE compares your errors with those of a rival that always says the observed mean. For "
        "KGE, compute a correlation and two ratios, each with the simulation on top, and ask how "
        "far they are from 1.",
        "NSE: squared errors, summed, over squared deviations of the observed from their mean, "
        "summed. KGE: subtract 1 from correlation, ratio of standard deviations and ratio of "
        "means; square, add, take the root. Subtract both from 1.",
    ),
    exam=FunctionExam(
        name="efficiencies",
        solution=efficiencies,
        returns=(Returned("nse"), Returned("kge")),
        cases=(_flows(6), _flows(3, 0.7), _flows(9), _flows(20, 0.8)),
        mistakes=EFFICIENCY_MISTAKES,
        right="Right: NSE asks whether you beat the mean, KGE which of three faults you have.",
        properties={
            "A perfect simulation must score 1 twice.": _perfect,
            "In other units, both efficiencies must stay the same.": _any_unit,
        },
        forbidden=(tasks.nash_sutcliffe, tasks.kling_gupta),
    ),
)


SNOW_DAY = Lines(
    ("snow", "fallen", "temperature", "threshold", "melt"),
    {
        "warmth": lambda s: s.temperature - s.threshold,
        "fresh": lambda s: np.where(s.warmth < 0, s.fallen, 0),
        "rain": lambda s: np.where(s.warmth < 0, 0, s.fallen),
        "possible": lambda s: s.melt * np.maximum(s.warmth, 0),
        "melted": lambda s: np.minimum(s.snow, s.possible),
        "left": lambda s: s.snow + s.fresh - s.melted,
        "water": lambda s: s.rain + s.melted,
    },
    ("left", "water"),
)


def snow_day(
    snow: Array, fallen: Array, temperature: Array, threshold: float, melt: float
) -> tuple[Array, Array]:
    """Return the snow that is left after a day, and the water that leaves."""
    left, water = SNOW_DAY(snow, fallen, temperature, threshold, melt)
    return left, water


SNOW_MISTAKES: Mistakes = {
    "More melts than there is: the snow becomes negative. No day melts more than the pack holds.": (
        SNOW_DAY.but(melted=lambda s: s.possible),
    ),
    "The pack never becomes negative, but the water still holds more than was there to melt.": (
        SNOW_DAY.but(
            melted=lambda s: s.possible,
            left=lambda s: np.maximum(s.snow + s.fresh - s.melted, 0),
        ),
    ),
    "In frost your melt is negative, so that the pack grows out of nothing. Below the threshold "
    "nothing melts.": (
        SNOW_DAY.but(possible=lambda s: s.melt * s.warmth),
        SNOW_DAY.but(possible=lambda s: s.melt * s.warmth, melted=lambda s: s.possible),
    ),
    "Your degrees are counted from 0. Count them from the threshold.": (
        SNOW_DAY.but(possible=lambda s: s.melt * np.maximum(s.temperature, 0)),
        SNOW_DAY.but(
            possible=lambda s: np.where(s.warmth < 0, 0, s.melt * np.maximum(s.temperature, 0))
        ),
    ),
    "The threshold has no effect.": (SNOW_DAY.but(warmth=lambda s: s.temperature),),
    "Warm and cold are exchanged: snow falls below the threshold and melts above it.": (
        SNOW_DAY.but(warmth=lambda s: s.threshold - s.temperature),
    ),
    "On warm days, too, everything falls as snow.": (
        SNOW_DAY.but(fresh=lambda s: s.fallen, rain=lambda s: 0 * s.fallen),
    ),
    "What falls as snow leaves as water on the same day as well, so it counts twice.": (
        SNOW_DAY.but(rain=lambda s: s.fallen),
    ),
    "Nothing is added to the pack: fresh snow is missing.": (
        SNOW_DAY.but(left=lambda s: s.snow - s.melted),
    ),
    "Rain is added to the pack. It leaves as water.": (
        SNOW_DAY.but(left=lambda s: s.snow + s.fallen - s.melted),
    ),
    "The melted water is still in the pack.": (SNOW_DAY.but(left=lambda s: s.snow + s.fresh),),
    "Your water is the rain alone. What melts leaves as well.": (
        SNOW_DAY.but(water=lambda s: s.rain + 0 * s.melted),
    ),
    "Your water is the melted snow alone. The rain leaves as well.": (
        SNOW_DAY.but(water=lambda s: s.melted + 0 * s.rain),
    ),
    "On a warm day your whole pack melts at once. It melts by so many mm per degree.": (
        SNOW_DAY.but(melted=lambda s: np.where(s.warmth < 0, 0, s.snow)),
    ),
    "Your melt doesn't depend on how warm it is. It's so many mm per degree above the threshold.": (
        SNOW_DAY.but(possible=lambda s: np.where(s.warmth < 0, 0, s.melt + 0 * s.warmth)),
    ),
    "You return the water first. The question asks for the snow, then the water.": (
        lambda *given: snow_day(*given)[::-1],
    ),
    "You use one temperature for all slopes. Each has its own.": (
        lambda snow, fallen, temperature, threshold, melt: snow_day(
            snow, fallen, 0 * temperature + temperature[:1], threshold, melt
        ),
    ),
}


@sized
def _slopes(N: int, coldest: float = -6.0) -> Case:
    rng = seeded(N)
    arguments = {
        "snow": rng.uniform(0, 30, size=N),
        "fallen": rng.uniform(1, 15, size=N),
        "temperature": rng.permutation(np.linspace(coldest, 9.0, N) + rng.uniform(-0.5, 0.5, N)),
        "threshold": 0.8,
        "melt": 3.5,
    }
    return Case({"N": N}, arguments)


def _keeps_water(f: Guarded, rng: np.random.Generator) -> bool:
    snow, fallen = rng.uniform(0, 20, size=(2, 8))
    left, water = f(snow, fallen, rng.normal(0, 5, size=8), 0.5, 3.0)
    return np.allclose(left + water, snow + fallen)


def _never_negative(f: Guarded, rng: np.random.Generator) -> bool:
    left, water = f(rng.uniform(0, 5, 8), rng.uniform(0, 5, 8), rng.uniform(3, 9, 8), 0.5, 3.0)
    return bool((left >= 0).all() and (water >= 0).all())


def _frost_holds(f: Guarded, rng: np.random.Generator) -> bool:
    _, water = f(rng.uniform(0, 5, 8), rng.uniform(0, 5, 8), rng.uniform(-9, -3, 8), 0.5, 3.0)
    return np.allclose(water, 0)


SNOW_PROPERTIES: dict[str, Property] = {
    "In frost no water may leave.": _frost_holds,
    "No store holds less than nothing: your snow or your water is negative.": _never_negative,
    "Water is lost or made: snow and water together must be what was there and what fell.": (
        _keeps_water
    ),
}

SNOW_QUESTION = Question(
    name="snow-day",
    points=2,
    hints=(
        "First ask of each slope whether the day is colder than the threshold. That decides where "
        "what falls goes: onto the pack, or away as water.",
        "What could melt is melt times the degrees above the threshold, and nothing below it. What "
        "does melt can't be more than the pack holds.",
        "The snow left is the old snow, plus what fell if it's cold, minus what melted. The water "
        "is what fell if it's warm, plus what melted. NumPy's where, minimum and maximum do it for "
        "all slopes at once.",
    ),
    exam=FunctionExam(
        name="snow_day",
        solution=snow_day,
        returns=(Returned("snow", "(N,)"), Returned("water", "(N,)")),
        cases=(_slopes(6), _slopes(1, 9.0), _slopes(4), _slopes(12, -12.0)),
        mistakes=SNOW_MISTAKES,
        right="Right: frost shuts the store, and warmth opens it.",
        properties=SNOW_PROPERTIES,
    ),
)


def _logit(share: Array) -> Array:
    return np.log(share / (1 - share))


def _stacked(*slices: Any) -> Array:
    return np.concatenate([np.asarray(one) for one in slices])


RESERVOIRS = Lines(
    ("outflow", "let_in", "rain", "stored"),
    {
        "zero": lambda s: 0 * s.outflow,
        "w_g": lambda s: np.arctanh(s.stored / s.let_in) / s.rain,
        "b_i": lambda s: _logit(s.let_in),
        "b_f": lambda s: _logit(1 - s.outflow),
        "W": lambda s: _stacked(s.zero, s.zero, s.w_g, s.zero)[:, None],
        "b": lambda s: _stacked(s.b_i, s.b_f, s.zero, s.zero),
    },
    ("W", "b"),
)


def reservoirs(outflow: Array, let_in: Array, rain: float, stored: Array) -> tuple[Array, Array]:
    """Return the input weights and biases of an LSTM whose units are linear reservoirs."""
    W, b = RESERVOIRS(outflow, let_in, rain, stored)
    return W, b


def _in_wrong_order(order: str) -> Lines:
    """Return the answer with its slices stacked in another order than i, f, g, o."""
    return RESERVOIRS.but(
        W=lambda s: _stacked(*(s.w_g if gate == "g" else s.zero for gate in order))[:, None],
        b=lambda s: _stacked(*({"i": s.b_i, "f": s.b_f}.get(gate, s.zero) for gate in order)),
    )


RESERVOIR_MISTAKES: Mistakes = {
    "Your forget gate is the share that flows out. It's named after forgetting, but it keeps: set "
    "it to 1 minus the outflow.": (RESERVOIRS.but(b_f=lambda s: _logit(s.outflow)),),
    "Your biases are the shares themselves. A sigmoid still comes on top: use its inverse.": (
        RESERVOIRS.but(b_i=lambda s: s.let_in, b_f=lambda s: 1 - s.outflow),
    ),
    **each(
        "The bias of the {} gate is the share itself. A sigmoid still comes on top: use its "
        "inverse.",
        {
            "input": (RESERVOIRS.but(b_i=lambda s: s.let_in),),
            "forget": (RESERVOIRS.but(b_f=lambda s: 1 - s.outflow),),
        },
    ),
    "Your biases are sigmoids of the shares. Go the other way: which number has the share as its "
    "sigmoid?": (
        RESERVOIRS.but(b_i=lambda s: sigmoid(s.let_in), b_f=lambda s: sigmoid(1 - s.outflow)),
    ),
    "Your biases are the odds. Take their logarithm.": (
        RESERVOIRS.but(
            b_i=lambda s: s.let_in / (1 - s.let_in), b_f=lambda s: (1 - s.outflow) / s.outflow
        ),
    ),
    "Your biases are logarithms of the shares. The inverse of the sigmoid is the logarithm of the "
    "odds, share over 1 minus share.": (
        RESERVOIRS.but(b_i=lambda s: np.log(s.let_in), b_f=lambda s: np.log(1 - s.outflow)),
    ),
    "Your logarithms have base 2 or 10. The sigmoid has base e.": (
        RESERVOIRS.but(
            b_i=lambda s: _logit(s.let_in) / np.log(10),
            b_f=lambda s: _logit(1 - s.outflow) / np.log(10),
        ),
        RESERVOIRS.but(
            b_i=lambda s: _logit(s.let_in) / np.log(2),
            b_f=lambda s: _logit(1 - s.outflow) / np.log(2),
        ),
    ),
    "You use arctanh for the gates. They're squashed by a sigmoid.": (
        RESERVOIRS.but(b_i=lambda s: np.arctanh(s.let_in), b_f=lambda s: np.arctanh(1 - s.outflow)),
    ),
    "The candidate's weight has the logit's inverse in it. The candidate is squashed by a tanh.": (
        RESERVOIRS.but(w_g=lambda s: _logit(s.stored / s.let_in) / s.rain),
    ),
    "You forget that tanh squashes the candidate, so the rain stores less than it should. Use its "
    "inverse.": (RESERVOIRS.but(w_g=lambda s: s.stored / s.let_in / s.rain),),
    "You forget that the input gate lets in only a share of the candidate. Divide by it before "
    "you undo the tanh.": (RESERVOIRS.but(w_g=lambda s: np.arctanh(s.stored) / s.rain),),
    "You divide by the share that is let in after undoing the tanh. The gate acts outside the "
    "tanh, so divide first.": (
        RESERVOIRS.but(w_g=lambda s: np.arctanh(s.stored) / s.let_in / s.rain),
    ),
    "You multiply by the share that is let in. The candidate has to be larger to make up for it.": (
        RESERVOIRS.but(w_g=lambda s: np.arctanh(s.stored * s.let_in) / s.rain),
    ),
    "You don't divide by the rain. The weight multiplies it.": (
        RESERVOIRS.but(w_g=lambda s: np.arctanh(s.stored / s.let_in)),
    ),
    "You multiply by the rain. The weight will do that, so divide.": (
        RESERVOIRS.but(w_g=lambda s: np.arctanh(s.stored / s.let_in) * s.rain),
    ),
    "The candidate's number is a bias with you. It then fills the store without rain: make it a "
    "weight.": (
        RESERVOIRS.but(
            W=lambda s: _stacked(s.zero, s.zero, s.zero, s.zero)[:, None],
            b=lambda s: _stacked(s.b_i, s.b_f, s.w_g, s.zero),
        ),
    ),
    "Your input gate reads the rain as well. Its share is to be the same every day.": (
        RESERVOIRS.but(W=lambda s: _stacked(s.w_g, s.zero, s.w_g, s.zero)[:, None]),
    ),
    "The two biases are exchanged. The input gate comes first.": (
        RESERVOIRS.but(b=lambda s: _stacked(s.b_f, s.b_i, s.zero, s.zero)),
    ),
    **each(
        "You stack the slices in the order {}. The course has i, f, g, o.",
        {", ".join(order): (_in_wrong_order(order),) for order in ("ifog", "iofg", "gifo")},
    ),
}


@sized
def _units(H: int, rain: float = 12.0) -> Case:
    rng = seeded(H)
    let_in = rng.uniform(0.4, 0.9, size=H)
    arguments = {
        "outflow": rng.uniform(0.02, 0.4, size=H),
        "let_in": let_in,
        "rain": rain,
        "stored": let_in * rng.uniform(0.2, 0.8, size=H),
    }
    return Case({"H": H}, arguments)


def _without_rain(f: Guarded, rng: np.random.Generator) -> bool:
    outflow = rng.uniform(0.1, 0.4, size=3)
    _, b = f(outflow, outflow + 0.4, 10.0, outflow)
    return np.allclose(sigmoid(b[3:6]), 1 - outflow)


def _fills(f: Guarded, rng: np.random.Generator) -> bool:
    let_in = rng.uniform(0.5, 0.9, size=3)
    W, b = f(let_in - 0.3, let_in, 10.0, let_in / 2)
    return np.allclose(sigmoid(b[:3]) * np.tanh(10 * W[6:9, 0]), let_in / 2)


RESERVOIR_QUESTION = Question(
    name="reservoir-cell",
    points=3,
    hints=(
        "Write down the cell state's line and compare it with the reservoir's. Which gate says "
        "what stays, and what do input gate and candidate say together?",
        "Gates that never change need no weights: their bias is the inverse sigmoid of the share, "
        "the logarithm of share over 1 minus share. Only the candidate reads the rain.",
        "Forget gate: the share 1 minus outflow. Candidate: stored divided by let_in, through the "
        "inverse of tanh, divided by the rain. Stack i, f, g, o; whatever isn't mentioned is 0.",
    ),
    exam=FunctionExam(
        name="reservoirs",
        solution=reservoirs,
        returns=(Returned("W", "(4H, 1)", GATE_SLICES), Returned("b", "(4H,)", GATE_SLICES)),
        cases=(_units(3), _units(1, 5.0), _units(2, 30.0), _units(5, 20.0)),
        mistakes=RESERVOIR_MISTAKES,
        right="Right: what the forget gate keeps is what a reservoir keeps.",
        properties={
            "Without rain, each store must keep 1 minus its outflow.": _without_rain,
            "The stated rain must add what is stated.": _fills,
        },
    ),
)

QUESTIONS = (EFFICIENCIES_QUESTION, SNOW_QUESTION, RESERVOIR_QUESTION)

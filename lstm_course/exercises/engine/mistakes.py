"""The library of mistakes that several questions share, each a sentence under a key.

A bank takes from it by key: `shared` where the library has the wrong part too, `said` where the
bank has wrong answers of its own. Sentences of one question alone stand in its bank.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course.exercises.engine.parts import as_it_is, softmax_over
from lstm_course.pointwise import sigmoid, tanh, tanh_derivative

Mistakes = dict[str, tuple[Any, ...]]
"""What an exam takes: a sentence, and the wrong answers that it describes."""


class Mistake:
    """A sentence, with {words} where questions differ, and what is wrong where that is shared."""

    def __init__(self, sentence: str, *wrong: Any) -> None:
        self.sentence, self.wrong = sentence, wrong


# The affine sum a(x, h, W, U, b) that a gate squashes: for one gate or for four stacked.
SUM = {
    "bias-missing": Mistake("The bias has no effect.", lambda x, h, W, U, b: x @ W.T + h @ U.T),
    "bias-sign": Mistake(
        "The bias enters with the wrong sign.", lambda x, h, W, U, b: x @ W.T + h @ U.T - b
    ),
    "bias-twice": Mistake(
        "The bias is counted twice, once with each map.",
        lambda x, h, W, U, b: x @ W.T + h @ U.T + 2 * b,
    ),
    "maps-swapped": Mistake(
        "W and U have changed places: W belongs to the input x, U to the hidden state h_prev.",
        lambda x, h, W, U, b: x @ U.T + h @ W.T + b,
    ),
    "joined-apart": Mistake(
        "x and h_prev are joined in one order, W and U in the other. Both pairs need the same.",
        lambda x, h, W, U, b: np.hstack([h, x]) @ np.hstack([W, U]).T + b,
        lambda x, h, W, U, b: np.hstack([x, h]) @ np.hstack([U, W]).T + b,
    ),
    "inputs-added": Mistake(
        "x and h_prev are added before any weight has touched them. Each has a map of its own.",
        lambda x, h, W, U, b: (x + h) @ W.T + b,
        lambda x, h, W, U, b: (x + h) @ U.T + b,
        lambda x, h, W, U, b: (x + h) @ (W + U).T + b,
    ),
    "maps-multiplied": Mistake(
        "The two maps are multiplied. They have to be added.",
        lambda x, h, W, U, b: (x @ W.T) * (h @ U.T) + b,
    ),
    "only-x": Mistake(
        "The sum reads the input x alone: the hidden state has no effect.",
        lambda x, h, W, U, b: x @ W.T + b,
    ),
    "only-h": Mistake(
        "The sum reads the hidden state h_prev alone: the input has no effect.",
        lambda x, h, W, U, b: h @ U.T + b,
    ),
}

# The same for one gate alone: with the parameters of four such products do not fit.
AXES = {
    "axis-of-both": Mistake(
        "A wrong axis: row j of W and U belongs to unit j, and your product runs along columns.",
        lambda x, h, W, U, b: x @ W + h @ U + b,
    ),
    **{
        f"axis-of-{name}": Mistake(
            f"A wrong axis in {name}: its row j belongs to unit j, and your product runs along "
            "columns.",
            wrong,
        )
        for name, wrong in {
            "U": lambda x, h, W, U, b: x @ W.T + h @ U + b,
            "W": lambda x, h, W, U, b: x @ W + h @ U.T + b,
        }.items()
    },
    "axis-of-bias": Mistake(
        "A wrong axis: entry j of b belongs to unit j, and you add it to row j of the batch.",
        lambda x, h, W, U, b: x @ W.T + h @ U.T + b[:, None],
    ),
    "axis-of-batch": Mistake(
        "A wrong axis: your sum has one column per sequence. In a batch sequences are rows.",
        lambda x, h, W, U, b: W @ x.T + U @ h.T + b,
    ),
    "axis-summed": Mistake(
        "A wrong axis: your product sums over the rows of x and h_prev, which are the sequences.",
        lambda x, h, W, U, b: W @ x + U @ h + b,
        lambda x, h, W, U, b: W @ x + U @ h + b[:, None],
    ),
}

# A gate(x, h, W, U, b, squash) whose sum is never formed as it should be.
UNSUMMED = {
    "bias-after": Mistake(
        "The bias is added after the squashing. It belongs to the sum that is squashed.",
        lambda x, h, W, U, b, squash: squash(x @ W.T + h @ U.T) + b,
    ),
    "maps-squashed": Mistake(
        "Each map is squashed on its own. The two are added first, and their sum is squashed.",
        lambda x, h, W, U, b, squash: squash(x @ W.T) + squash(h @ U.T + b),
        lambda x, h, W, U, b, squash: squash(x @ W.T + b) + squash(h @ U.T),
        lambda x, h, W, U, b, squash: squash(x @ W.T + b) + squash(h @ U.T + b),
        lambda x, h, W, U, b, squash: squash(x @ W.T) + squash(h @ U.T) + b,
    ),
}
MINUS = {
    "minus-of-one-term": Mistake(
        "The minus in the exponent reaches the first term of the sum only.",
        lambda x, h, W, U, b, squash: squash(x @ W.T - h @ U.T - b),
    ),
}

# The squashing of a gate's sum.
GATE = {
    "gate-tanh": Mistake(
        "The gate is squashed by tanh, which can be negative. A share lies in 0 to 1.", tanh
    ),
    "gate-unsquashed": Mistake(
        "The gate's sum is not squashed, so it is not a share: it can be negative or above 1.",
        as_it_is,
    ),
    "gate-squashed-twice": Mistake(
        "The sum is squashed twice, so the gate never falls below a half.",
        lambda a: sigmoid(sigmoid(a)),
    ),
    "gate-complement": Mistake(
        "The gate is 1 minus what it should be. If you wrote no such difference, look at the sign "
        "in the exponent of your sigmoid.",
        lambda a: 1 - sigmoid(a),
    ),
    "gate-softmax": Mistake(
        "The gate is a softmax, whose shares add up to 1. Each unit decides on its own.",
        lambda a: softmax_over(a, 1),
        lambda a: softmax_over(a, 0),
    ),
    "gate-step": Mistake(
        "The gate is closed or open, with nothing between. The sigmoid gives shares.",
        lambda a: (a > 0).astype(a.dtype),
    ),
    "brackets": Mistake(
        "A pair of brackets is missing in your sigmoid: 1 / 1 + exp(...) is 1 + exp(...).",
        lambda a: 1 + np.exp(-a),
    ),
}
PLUS_1 = {
    "one-more": Mistake(
        "You add 1 to the forget gate's sum. What helps a cell at its start is in b already.",
        lambda a: sigmoid(a + 1),
    ),
}

# The squashing of the candidate, and any tanh that is made of a sigmoid.
CANDIDATE = {
    "candidate-sigmoid": Mistake(
        "The candidate is squashed by a sigmoid. Then nothing negative could ever be written.",
        sigmoid,
    ),
    "candidate-unsquashed": Mistake(
        "The candidate is not squashed, so a single step could write any amount.", as_it_is
    ),
}
TANH = {
    "tanh-of-half": Mistake(
        "Your tanh is that of half the argument: the sigmoid has to be taken of more than the "
        "argument itself.",
        lambda a: 2 * sigmoid(a) - 1,
    ),
}

# The new cell state, of c, f, i and g.
UPDATE = {
    "written-alone": Mistake(
        "This is the written part alone. What is kept of the old cell state is missing.",
        lambda c, f, i, g: i * g,
    ),
    "kept-alone": Mistake(
        "This is the kept part alone. What is written is missing.", lambda c, f, i, g: f * c
    ),
    "f-without-effect": Mistake(
        "The forget gate has no effect: the old cell state is kept whole.",
        lambda c, f, i, g: c + i * g,
    ),
    "i-without-effect": Mistake(
        "The input gate has no effect: the candidate is written whole.",
        lambda c, f, i, g: f * c + g,
    ),
    "i-added": Mistake(
        "Input gate and candidate are added. A share of something is a product.",
        lambda c, f, i, g: f * c + i + g,
    ),
    "parts-multiplied": Mistake(
        "What is kept and what is written are multiplied. The new state is their sum.",
        lambda c, f, i, g: f * c * i * g,
    ),
    "keeps-complement": Mistake(
        "You keep 1 - f of the old state. A forget gate of 1 keeps, it does not erase.",
        lambda c, f, i, g: (1 - f) * c + i * g,
    ),
    "writes-complement": Mistake(
        "You write 1 - f of the candidate. This cell has an input gate for that.",
        lambda c, f, i, g: f * c + (1 - f) * g,
    ),
}

# The hidden state, of o and c.
SHOWN = {
    "shown-without-tanh": Mistake(
        "The cell state is shown without its tanh, so the hidden state has no bound.",
        lambda o, c: o * c,
    ),
    "gate-before-tanh": Mistake(
        "The gate acts before the tanh. It is a share of what is already squashed.",
        lambda o, c: tanh(o * c),
    ),
    "o-without-effect": Mistake(
        "The output gate has no effect: this is the squashed cell state, whole.",
        lambda o, c: tanh(c),
    ),
    "shown-by-sigmoid": Mistake(
        "The cell state is squashed by a sigmoid. Then nothing negative is ever shown.",
        lambda o, c: o * sigmoid(c),
    ),
}

# How gates, states and slices are used: the code is the question's own.
USE = {
    "reads-c": Mistake(
        "Your sum reads the cell state c_prev where the question has the hidden state h_prev."
    ),
    "f-acts-on-h": Mistake(
        "The forget gate acts on the hidden state h_prev. It decides what stays of the cell state."
    ),
    "f-added": Mistake(
        "The forget gate is added to the old cell state. A share of something is a product."
    ),
    "matrix-product": Mistake("A product entry by entry is meant, not a matrix product."),
    "states-swapped": Mistake("h_prev and c_prev have changed places."),
    "slices-in": Mistake("You take the slices in the order {yours}. {right}"),
    "gates-swapped": Mistake(
        "Either you take the slices in the order {yours}, or {moved} have changed places where you "
        "use them. {right}"
    ),
}

# The inverse of a gate f, for the sum inside the sigmoid.
INVERSE = {
    "tanh-inverted": Mistake("You invert tanh. The gate is squashed by a sigmoid.", np.arctanh),
    "exp-inverted": Mistake(
        "You invert the exponential. The gate is a whole sigmoid, 1 / (1 + exp(-a)).",
        np.log,
        lambda f: -np.log(f),
    ),
    "odds": Mistake(
        "These are the odds f / (1 - f). One step is missing from there to the number inside the "
        "sigmoid.",
        lambda f: f / (1 - f),
    ),
}

# Values and slopes of a squashing function: of x, with the function and its derivative.
SLOPES = {
    "slope-asked": Mistake(
        "This is {f} itself. Its derivative is asked for.", lambda x, f, slope: f(x)
    ),
    "squashed-before-slope": Mistake(
        "x is squashed twice: you take the derivative at {f} of x. Take it at x.",
        lambda x, f, slope: slope(f(x)),
    ),
    "slope-sign": Mistake(
        "The sign is wrong: {f} rises everywhere, so no slope is negative.",
        lambda x, f, slope: -slope(x),
    ),
}
VALUES = {
    "value-asked": Mistake("This is the derivative of {f}. The question asks for its value."),
    "argument-for-value": Mistake(
        "You treat x as the value of {f}. It is the argument, not yet squashed."
    ),
    "value-for-slope": Mistake("The value of {of} stands where the slope is meant."),
    "digits-lost": Mistake(
        "The values are right to the eye, but digits are lost where {f} is flat, at x = {at} or at "
        "x = -{at}, or in float32 at {single} or -{single}. A difference of two numbers that are "
        "nearly equal loses them. The slope can be written without one."
    ),
}

# The gradient of the cell state, of dh, dc, o and c.
FLOWS = {
    "flow-of-h-missing": Mistake(
        "The gradient of c is the flow from the later step alone. What comes through h is missing.",
        lambda dh, dc, o, c: dc,
    ),
    "flow-of-c-missing": Mistake(
        "The gradient of c is what comes through h alone. What the later step hands back, dc, is "
        "missing.",
        lambda dh, dc, o, c: dh * o * tanh_derivative(c),
    ),
    "flow-without-slope": Mistake(
        "On the way from h into c the slope of tanh is missing.", lambda dh, dc, o, c: dc + dh * o
    ),
    "flow-without-gate": Mistake(
        "On the way from h into c the output gate is missing.",
        lambda dh, dc, o, c: dc + dh * tanh_derivative(c),
    ),
    "flow-slope-of-c": Mistake(
        "On the way from h into c you square c itself in the slope of tanh. What is squared there "
        "is tanh(c).",
        lambda dh, dc, o, c: dc + dh * o * (1 - c**2),
    ),
    "flow-squashed-twice": Mistake(
        "On the way from h into c the slope of tanh is taken at tanh(c), where c is meant: c is "
        "squashed twice.",
        lambda dh, dc, o, c: dc + dh * o * tanh_derivative(tanh(c)),
    ),
    "flow-slope-of-h": Mistake(
        "You square h in the slope of tanh. What is squared there is tanh(c), and h is only a "
        "share of that.",
        lambda dh, dc, o, c: dc + dh * o * (1 - (o * tanh(c)) ** 2),
    ),
    "flow-of-c-twice": Mistake(
        "dc is counted twice. It enters once, beside what comes through h.",
        lambda dh, dc, o, c: 2 * dc + dh * o * tanh_derivative(c),
    ),
    "flow-of-h-twice": Mistake(
        "dh reaches c twice: unscaled, and once more through the output gate and tanh. Only the "
        "second way exists.",
        lambda dh, dc, o, c: dc + dh + dh * o * tanh_derivative(c),
    ),
    "flows-multiplied": Mistake(
        "The two flows into c are multiplied. c is used twice, so its gradients add up.",
        lambda dh, dc, o, c: dc * dh * o * tanh_derivative(c),
    ),
}

# Sums over steps, sequences and chunks.
GRADIENTS = {
    "mean-not-sum": Mistake(
        "A mean is taken over the {all}. Each {one} adds its own share, so it is a sum."
    ),
    "state-in-dU": Mistake("U belongs to the hidden state before the step. In dU stands {yours}."),
    "product-unseen": Mistake(
        "The values are right, but the check sees no product {of}. Multiply the arrays just as "
        "they come: not number by number, and not through a list, asarray or ascontiguousarray, "
        "which wipe off the marks that it follows."
    ),
}

# A run over time, as lines in the place of those of a sequence.
TIME = {
    "nothing-carried": Mistake(
        "Nothing is carried: every step starts from h0 and c0 again.",
        {"h_prev": lambda s: s.h0, "c_prev": lambda s: s.c0},
    ),
    "c-not-carried": Mistake(
        "The cell state is not carried: every step starts from c0 again.",
        {"c_prev": lambda s: s.c0},
    ),
    "states-crossed": Mistake(
        "From one step to the next the two states change places.",
        {"h_prev": lambda s: s.c, "c_prev": lambda s: s.h},
    ),
    "results-crossed": Mistake(
        "The two results of a step have changed places: the hidden state comes first, the cell "
        "state second.",
        {"pair": lambda s: (s.c, s.h)},
    ),
    "squashed-c-handed-on": Mistake(
        "The squashed cell state is handed on. Only what is shown is squashed.",
        {"c_prev": lambda s: tanh(s.c)},
    ),
    "first-input-only": Mistake("Every step reads the first input.", {"x": lambda s: s.inputs[0]}),
    "backward-run": Mistake(
        "Your run goes from the last input to the first.",
        {"x": lambda s: s.inputs[-1 - s.t]},
        {"steps": lambda s: reversed(range(len(s.xs)))},
    ),
    "states-before": Mistake(
        "You keep the states before each step, h0 first. The ones after each step are asked for.",
        {"kept": lambda s: {**s.kept, s.t: s.h_prev}},
    ),
    "last-state-only": Mistake(
        "Every row holds the last hidden state. Either only that one is kept, or the list holds "
        "one array many times, which the later steps have changed.",
        {"hs": lambda s: np.repeat(s.h[None], len(s.xs), axis=0)},
    ),
    "cells-returned": Mistake(
        "These are the cell states. The question asks for the hidden states.",
        {"kept": lambda s: {**s.kept, s.t: s.c}},
    ),
}

# The same in words: the code is the question's own.
STATES = {
    "states-in-vain": Mistake("The initial {states} no effect: your run starts from zeros."),
    "h-for-c": Mistake("This is the hidden state in the place of the cell state."),
    "squashed-c-returned": Mistake(
        "This is the squashed cell state. The cell state itself is asked for."
    ),
    "state-not-handed-on": Mistake(
        "The state is not handed on: every step starts from the one that you were given."
    ),
    "written-not-read": Mistake(
        "What is written is not read: the model gets {it} again and again."
    ),
    "alone": Mistake("A {sequence} must get the same {result} alone as in company."),
}

# Scores, probabilities, and captions made of them.
PROBABILITIES = {
    "softmax-axis": Mistake(
        "Softmax runs over the wrong axis. The probabilities of one {position} sum to 1."
    ),
    "softmax-twice": Mistake(
        "Softmax is taken twice. It makes probabilities of scores, and probabilities are not "
        "scores."
    ),
    "sigmoid-for-softmax": Mistake(
        "Each score is squashed on its own by a sigmoid. Softmax makes them share."
    ),
    "logarithms": Mistake("These are logarithms of probabilities."),
    "probabilities-added": Mistake("You add up probabilities. Their logarithms add up."),
    "stopping-free": Mistake(
        "The score leaves out the probability of <end>: to stop is a choice like any other."
    ),
    "unsaid-end": Mistake(
        "A caption without <end> gets the log probability of an <end> that it does not say."
    ),
    "other-end": Mistake("You do not use the given end: another word is taken for <end>."),
    "score-sign": Mistake(
        "The score has the wrong sign: a sum of log probabilities is never above 0."
    ),
}

# How a batch is laid out.
BATCH = {
    "one-sequence": Mistake(
        "Right for one sequence, N = 1, and wrong for batches: each row is a sequence of its own, "
        "with {own}."
    ),
    "first-for-all": Mistake(
        "Every sequence reads the {what} of the first. Each has a row of its own."
    ),
    "reshaped": Mistake(
        "You reshape {came} into {wanted}, which mixes {what} up. To exchange axes, transpose."
    ),
}

NORMS = {
    "matrix-norm": Mistake(
        "The norm is a matrix norm, the largest singular value. Take that of all entries."
    ),
}

GROUPS = (
    *(SUM, AXES, UNSUMMED, MINUS, GATE, PLUS_1, CANDIDATE, TANH, UPDATE, SHOWN, USE, INVERSE),
    *(SLOPES, VALUES, FLOWS, GRADIENTS, TIME, STATES, PROBABILITIES, BATCH, NORMS),
)
LIBRARY: dict[str, Mistake] = {key: mistake for group in GROUPS for key, mistake in group.items()}
"""All shared mistakes by key."""


def wording(key: str, **words: object) -> str:
    """Return the sentence of the library under a key, with a question's words in it.

    Examples
    --------
    >>> wording("mean-not-sum", all="steps", one="step")
    'A mean is taken over the steps. Each step adds its own share, so it is a sum.'
    """
    return LIBRARY[key].sentence.format(**words)


def shared(build: Callable[[Any], Any], *keys: str, **words: object) -> Mistakes:
    """Return mistakes of the library whose wrong parts `build` makes into answers.

    Examples
    --------
    >>> mistakes = shared(lambda a: lambda *given: sigmoid(a(*given)), "bias-missing", "bias-sign")
    >>> list(mistakes)
    ['The bias has no effect.', 'The bias enters with the wrong sign.']
    """
    return {wording(key, **words): tuple(map(build, LIBRARY[key].wrong)) for key in keys}


def said(key: str, *wrong: Any, **words: object) -> Mistakes:
    """Return a mistake of the library that is made by answers of a bank's own."""
    return {wording(key, **words): wrong}


def each(template: str, cases: dict[Any, tuple[Any, ...]]) -> Mistakes:
    """Return mistakes whose sentences differ in a word or two, which are their keys.

    Examples
    --------
    >>> list(each("Only the {} word is read.", {"first": (), "last": ()}))
    ['Only the first word is read.', 'Only the last word is read.']
    """
    return {
        template.format(*(words if isinstance(words, tuple) else (words,))): wrong
        for words, wrong in cases.items()
    }


def in_order(order: str, right: str, whose: str) -> str:
    """Return what to say of slices that are taken in another order than the right one.

    Gates that all are sigmoids can as well have changed places after the slices were taken.
    `whose` says whose order the right one is.

    Examples
    --------
    >>> in_order("ifog", "ifgo", "The course has another.")
    'You take the slices in the order i, f, o, g. The course has another.'
    """
    moved = [gate for gate, other in zip(right, order, strict=True) if gate != other]
    if "g" in moved:
        return wording("slices-in", yours=", ".join(order), right=whose)
    names = f"{', '.join(moved[:-1])} and {moved[-1]}"
    return wording("gates-swapped", yours=", ".join(order), moved=names, right=whose)


STACKED = "The question stacks them as i, f, g, o."

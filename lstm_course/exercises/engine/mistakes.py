"""Mistakes that several questions share: a sentence for each, under a key.

A bank takes them by key: with `shared` if the library holds the wrong code too, with `said` if the
bank has its own. A sentence that only one question needs stays in that question's bank.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course.exercises.engine.parts import as_it_is, softmax_over
from lstm_course.pointwise import sigmoid, tanh, tanh_derivative

Mistakes = dict[str, tuple[Any, ...]]
"""What an exam takes: sentences, each with the wrong answers that it describes."""


class Mistake:
    """A sentence, with {words} where questions differ, and the wrong code if it is shared."""

    def __init__(self, sentence: str, *wrong: Any) -> None:
        self.sentence, self.wrong = sentence, wrong


# The affine sum a(x, h, W, U, b) that a gate squashes: for one gate or for four stacked.
SUM = {
    "bias-missing": Mistake("The bias has no effect.", lambda x, h, W, U, b: x @ W.T + h @ U.T),
    "bias-sign": Mistake(
        "The bias has the wrong sign.", lambda x, h, W, U, b: x @ W.T + h @ U.T - b
    ),
    "bias-twice": Mistake(
        "You count the bias twice, once with each map.",
        lambda x, h, W, U, b: x @ W.T + h @ U.T + 2 * b,
    ),
    "maps-swapped": Mistake(
        "W and U are swapped: W goes with the input x, U with the hidden state h_prev.",
        lambda x, h, W, U, b: x @ U.T + h @ W.T + b,
    ),
    "joined-apart": Mistake(
        "You join x and h_prev in one order, but W and U in the other. Use the same order for "
        "both pairs.",
        lambda x, h, W, U, b: np.hstack([h, x]) @ np.hstack([W, U]).T + b,
        lambda x, h, W, U, b: np.hstack([x, h]) @ np.hstack([U, W]).T + b,
    ),
    "inputs-added": Mistake(
        "You add x and h_prev before you apply the weights. Each needs a map of its own first.",
        lambda x, h, W, U, b: (x + h) @ W.T + b,
        lambda x, h, W, U, b: (x + h) @ U.T + b,
        lambda x, h, W, U, b: (x + h) @ (W + U).T + b,
    ),
    "maps-multiplied": Mistake(
        "You multiply the two maps. Add them instead.",
        lambda x, h, W, U, b: (x @ W.T) * (h @ U.T) + b,
    ),
    "only-x": Mistake(
        "Your sum reads only the input x, so the hidden state has no effect.",
        lambda x, h, W, U, b: x @ W.T + b,
    ),
    "only-h": Mistake(
        "Your sum reads only the hidden state h_prev, so the input has no effect.",
        lambda x, h, W, U, b: h @ U.T + b,
    ),
}

# For one gate alone: with the stacked parameters of four, such products don't fit.
AXES = {
    "axis-of-both": Mistake(
        "Wrong axis: row j of W and U belongs to unit j, but your product runs along the columns.",
        lambda x, h, W, U, b: x @ W + h @ U + b,
    ),
    **{
        f"axis-of-{name}": Mistake(
            f"Wrong axis in {name}: its row j belongs to unit j, but your product runs along the "
            "columns.",
            wrong,
        )
        for name, wrong in {
            "U": lambda x, h, W, U, b: x @ W.T + h @ U + b,
            "W": lambda x, h, W, U, b: x @ W + h @ U.T + b,
        }.items()
    },
    "axis-of-bias": Mistake(
        "Wrong axis: entry j of b belongs to unit j, but you add it to row j of the batch.",
        lambda x, h, W, U, b: x @ W.T + h @ U.T + b[:, None],
    ),
    "axis-of-batch": Mistake(
        "Wrong axis: your sum has one column per sequence. In a batch, the sequences are rows.",
        lambda x, h, W, U, b: W @ x.T + U @ h.T + b,
    ),
    "axis-summed": Mistake(
        "Wrong axis: your product sums over the rows of x and h_prev, and those are the sequences.",
        lambda x, h, W, U, b: W @ x + U @ h + b,
        lambda x, h, W, U, b: W @ x + U @ h + b[:, None],
    ),
}

# A gate(x, h, W, U, b, squash) that never computes the right sum.
UNSUMMED = {
    "bias-after": Mistake(
        "You add the bias after the squashing. It belongs to the sum that you squash.",
        lambda x, h, W, U, b, squash: squash(x @ W.T + h @ U.T) + b,
    ),
    "maps-squashed": Mistake(
        "You squash each map on its own. Add the two first, then squash their sum.",
        lambda x, h, W, U, b, squash: squash(x @ W.T) + squash(h @ U.T + b),
        lambda x, h, W, U, b, squash: squash(x @ W.T + b) + squash(h @ U.T),
        lambda x, h, W, U, b, squash: squash(x @ W.T + b) + squash(h @ U.T + b),
        lambda x, h, W, U, b, squash: squash(x @ W.T) + squash(h @ U.T) + b,
    ),
}
MINUS = {
    "minus-of-one-term": Mistake(
        "The minus in your exponent reaches only the first term of the sum.",
        lambda x, h, W, U, b, squash: squash(x @ W.T - h @ U.T - b),
    ),
}

# The squashing of a gate's sum.
GATE = {
    "gate-tanh": Mistake(
        "You squash the gate with tanh, which can be negative. A share lies between 0 and 1.", tanh
    ),
    "gate-unsquashed": Mistake(
        "You don't squash the gate's sum, so it isn't a share: it can be negative or above 1.",
        as_it_is,
    ),
    "gate-squashed-twice": Mistake(
        "You squash the sum twice, so the gate never falls below a half.",
        lambda a: sigmoid(sigmoid(a)),
    ),
    "gate-complement": Mistake(
        "Your gate is 1 minus what it should be. If you didn't write a 1 minus, check the sign "
        "in your sigmoid's exponent.",
        lambda a: 1 - sigmoid(a),
    ),
    "gate-softmax": Mistake(
        "Your gate is a softmax, so its shares add up to 1. Each unit should decide on its own.",
        lambda a: softmax_over(a, 1),
        lambda a: softmax_over(a, 0),
    ),
    "gate-step": Mistake(
        "Your gate is either open or closed. A sigmoid gives the shares in between as well.",
        lambda a: (a > 0).astype(a.dtype),
    ),
    "brackets": Mistake(
        "A pair of brackets is missing in your sigmoid: without it, 1 / 1 + exp(...) is 1 + "
        "exp(...).",
        lambda a: 1 + np.exp(-a),
    ),
}
PLUS_1 = {
    "one-more": Mistake(
        "You add 1 to the forget gate's sum. A forget bias that helps a fresh cell is already in "
        "b.",
        lambda a: sigmoid(a + 1),
    ),
}

# The squashing of the candidate, and any tanh built from a sigmoid.
CANDIDATE = {
    "candidate-sigmoid": Mistake(
        "You squash the candidate with a sigmoid, so nothing negative can ever be written.",
        sigmoid,
    ),
    "candidate-unsquashed": Mistake(
        "You don't squash the candidate, so a single step could write any amount.", as_it_is
    ),
}
TANH = {
    "tanh-of-half": Mistake(
        "This is tanh of half the argument. The sigmoid inside it needs more than the argument "
        "itself.",
        lambda a: 2 * sigmoid(a) - 1,
    ),
}

# The new cell state, of c, f, i and g.
UPDATE = {
    "written-alone": Mistake(
        "This is only the part that's written. What you keep of the old cell state is missing.",
        lambda c, f, i, g: i * g,
    ),
    "kept-alone": Mistake(
        "This is only the part that's kept. What you write is missing.", lambda c, f, i, g: f * c
    ),
    "f-without-effect": Mistake(
        "The forget gate has no effect: you keep all of the old cell state.",
        lambda c, f, i, g: c + i * g,
    ),
    "i-without-effect": Mistake(
        "The input gate has no effect: you write the whole candidate.",
        lambda c, f, i, g: f * c + g,
    ),
    "i-added": Mistake(
        "You add the input gate to the candidate. To take a share of something, multiply.",
        lambda c, f, i, g: f * c + i + g,
    ),
    "parts-multiplied": Mistake(
        "You multiply what's kept by what's written. The new state is their sum.",
        lambda c, f, i, g: f * c * i * g,
    ),
    "keeps-complement": Mistake(
        "You keep 1 - f of the old state. But a forget gate of 1 keeps; it doesn't erase.",
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
        "You show the cell state without its tanh, so nothing bounds the hidden state.",
        lambda o, c: o * c,
    ),
    "gate-before-tanh": Mistake(
        "Your gate acts before the tanh. It should take a share of what's already squashed.",
        lambda o, c: tanh(o * c),
    ),
    "o-without-effect": Mistake(
        "The output gate has no effect: you show all of the squashed cell state.",
        lambda o, c: tanh(c),
    ),
    "shown-by-sigmoid": Mistake(
        "You squash the cell state with a sigmoid, so nothing negative is ever shown.",
        lambda o, c: o * sigmoid(c),
    ),
}

# How gates, states and slices are used: here each question brings its own code.
USE = {
    "reads-c": Mistake(
        "Your sum reads the cell state c_prev. In this cell it reads the hidden state h_prev."
    ),
    "f-acts-on-h": Mistake(
        "Your forget gate acts on the hidden state h_prev. It should decide what stays of the "
        "cell state."
    ),
    "f-added": Mistake(
        "You add the forget gate to the old cell state. To keep a share of it, multiply."
    ),
    "matrix-product": Mistake("You use a matrix product where an entry-by-entry one belongs."),
    "states-swapped": Mistake("h_prev and c_prev are swapped."),
    "slices-in": Mistake("You take the slices in the order {yours}. {right}"),
    "gates-swapped": Mistake(
        "Either you take the slices in the order {yours}, or you mix up {moved} where you use "
        "them. {right}"
    ),
}

# The inverse of a gate f, for the sum inside the sigmoid.
INVERSE = {
    "tanh-inverted": Mistake("You invert tanh, but the gate is squashed by a sigmoid.", np.arctanh),
    "exp-inverted": Mistake(
        "You invert the exponential alone. The gate is a whole sigmoid, 1 / (1 + exp(-a)).",
        np.log,
        lambda f: -np.log(f),
    ),
    "odds": Mistake(
        "These are the odds f / (1 - f). You're one step short of the number inside the sigmoid.",
        lambda f: f / (1 - f),
    ),
}

# Values and slopes of a squashing function: of x, with the function and its derivative.
SLOPES = {
    "slope-asked": Mistake(
        "This is {f} itself. The question asks for its derivative.", lambda x, f, slope: f(x)
    ),
    "squashed-before-slope": Mistake(
        "You squash x twice: you take the derivative at {f} of x. Take it at x.",
        lambda x, f, slope: slope(f(x)),
    ),
    "slope-sign": Mistake(
        "The sign is wrong: {f} rises everywhere, so its slope is never negative.",
        lambda x, f, slope: -slope(x),
    ),
}
VALUES = {
    "value-asked": Mistake("This is the derivative of {f}. The question asks for its value."),
    "argument-for-value": Mistake(
        "You treat x as the value of {f}. But x is the argument, before the squashing."
    ),
    "value-for-slope": Mistake("You use the value of {of} where the slope belongs."),
    "digits-lost": Mistake(
        "These values look right, but they lose digits where {f} is flat: at x = {at} or x = "
        "-{at}, or in float32 at {single} or -{single}. Subtracting two nearly equal numbers "
        "loses them; you can write the slope without that."
    ),
}

# The gradient of the cell state, of dh, dc, o and c.
FLOWS = {
    "flow-of-h-missing": Mistake(
        "Your gradient of c holds only what the later step sends back. What comes through h is "
        "missing.",
        lambda dh, dc, o, c: dc,
    ),
    "flow-of-c-missing": Mistake(
        "Your gradient of c holds only what comes through h. The later step's share, dc, is "
        "missing.",
        lambda dh, dc, o, c: dh * o * tanh_derivative(c),
    ),
    "flow-without-slope": Mistake(
        "On the way from h into c, the slope of tanh is missing.", lambda dh, dc, o, c: dc + dh * o
    ),
    "flow-without-gate": Mistake(
        "On the way from h into c, the output gate is missing.",
        lambda dh, dc, o, c: dc + dh * tanh_derivative(c),
    ),
    "flow-slope-of-c": Mistake(
        "On the way from h into c, you square c itself in the slope of tanh. Square tanh(c) "
        "instead.",
        lambda dh, dc, o, c: dc + dh * o * (1 - c**2),
    ),
    "flow-squashed-twice": Mistake(
        "On the way from h into c, you take the slope of tanh at tanh(c), so c is squashed "
        "twice. Take it at c.",
        lambda dh, dc, o, c: dc + dh * o * tanh_derivative(tanh(c)),
    ),
    "flow-slope-of-h": Mistake(
        "You square h in the slope of tanh. Square tanh(c) instead: h is only a share of it.",
        lambda dh, dc, o, c: dc + dh * o * (1 - (o * tanh(c)) ** 2),
    ),
    "flow-of-c-twice": Mistake(
        "You count dc twice. Add it once to what comes through h.",
        lambda dh, dc, o, c: 2 * dc + dh * o * tanh_derivative(c),
    ),
    "flow-of-h-twice": Mistake(
        "dh reaches c twice: once unscaled, once through the output gate and tanh. Only the "
        "second path exists.",
        lambda dh, dc, o, c: dc + dh + dh * o * tanh_derivative(c),
    ),
    "flows-multiplied": Mistake(
        "You multiply the two flows into c. Since c is used twice, its gradients add up.",
        lambda dh, dc, o, c: dc * dh * o * tanh_derivative(c),
    ),
}

# Sums over steps, sequences and chunks.
GRADIENTS = {
    "mean-not-sum": Mistake(
        "You take a mean over the {all}. Each {one} adds its own share, so take the sum."
    ),
    "state-in-dU": Mistake(
        "U belongs to the hidden state before the step, but your dU uses {yours}."
    ),
    "product-unseen": Mistake(
        "The values are right, but the check sees no product {of}. Multiply the arrays just as "
        "they come: not number by number, and not through a list, asarray or ascontiguousarray, "
        "because those erase the marks that the check follows."
    ),
}

# A run over time, as lines in the place of those of a sequence.
TIME = {
    "nothing-carried": Mistake(
        "You carry nothing over: every step starts from h0 and c0 again.",
        {"h_prev": lambda s: s.h0, "c_prev": lambda s: s.c0},
    ),
    "c-not-carried": Mistake(
        "You don't carry the cell state over: every step starts from c0 again.",
        {"c_prev": lambda s: s.c0},
    ),
    "states-crossed": Mistake(
        "You swap the two states between one step and the next.",
        {"h_prev": lambda s: s.c, "c_prev": lambda s: s.h},
    ),
    "results-crossed": Mistake(
        "You swap the two results of a step: the hidden state comes first, then the cell state.",
        {"pair": lambda s: (s.c, s.h)},
    ),
    "squashed-c-handed-on": Mistake(
        "You pass on the squashed cell state. Squash only what you show.",
        {"c_prev": lambda s: tanh(s.c)},
    ),
    "first-input-only": Mistake("Every step reads the first input.", {"x": lambda s: s.inputs[0]}),
    "backward-run": Mistake(
        "Your loop runs from the last input to the first.",
        {"x": lambda s: s.inputs[-1 - s.t]},
        {"steps": lambda s: reversed(range(len(s.xs)))},
    ),
    "states-before": Mistake(
        "You keep the states before each step, starting with h0. The question asks for those "
        "after it.",
        {"kept": lambda s: {**s.kept, s.t: s.h_prev}},
    ),
    "last-state-only": Mistake(
        "Every row holds the last hidden state. Either you keep only that one, or your list "
        "holds one array many times and later steps overwrite it.",
        {"hs": lambda s: np.repeat(s.h[None], len(s.xs), axis=0)},
    ),
    "cells-returned": Mistake(
        "These are the cell states. The question asks for the hidden states.",
        {"kept": lambda s: {**s.kept, s.t: s.c}},
    ),
}

# The same, where each question brings its own code.
STATES = {
    "states-in-vain": Mistake("The initial {states} no effect: your run starts from zeros."),
    "h-for-c": Mistake("You return the hidden state in place of the cell state."),
    "squashed-c-returned": Mistake(
        "This is the squashed cell state. The question asks for the cell state itself."
    ),
    "state-not-handed-on": Mistake(
        "You don't pass the state on: every step starts from the one you were given."
    ),
    "written-not-read": Mistake(
        "The model never reads what it writes: it gets {it} again and again."
    ),
    "alone": Mistake("A {sequence} must get the same {result} alone as in company."),
}

# Scores, probabilities, and the captions made from them.
PROBABILITIES = {
    "softmax-axis": Mistake(
        "Your softmax runs over the wrong axis. The probabilities of one {position} sum to 1."
    ),
    "softmax-twice": Mistake(
        "You take softmax twice. It turns scores into probabilities, and probabilities aren't "
        "scores."
    ),
    "sigmoid-for-softmax": Mistake(
        "You squash each score on its own with a sigmoid. In a softmax the scores compete for a "
        "total of 1."
    ),
    "logarithms": Mistake("These are log probabilities, not probabilities."),
    "probabilities-added": Mistake("You add up probabilities. Add up their logarithms instead."),
    "stopping-free": Mistake(
        "Your score leaves out the probability of <end>. Stopping is a choice like any other."
    ),
    "unsaid-end": Mistake(
        "A caption without <end> gets the log probability of an <end> that it never says."
    ),
    "other-end": Mistake("You ignore the end that you're given, and take another word for <end>."),
    "score-sign": Mistake(
        "Your score has the wrong sign: a sum of log probabilities is never above 0."
    ),
}

# How a batch is laid out.
BATCH = {
    "one-sequence": Mistake(
        "Right for one sequence, N = 1, but wrong for batches: each row is a sequence with {own}."
    ),
    "first-for-all": Mistake(
        "Every sequence reads the first one's {what}. Each has a row of its own."
    ),
    "reshaped": Mistake(
        "You reshape {came} into {wanted}, which mixes up {what}. To swap axes, transpose."
    ),
}

NORMS = {
    "matrix-norm": Mistake(
        "This is the matrix norm, the largest singular value. Take the norm of all entries "
        "together."
    ),
}

GROUPS = (
    *(SUM, AXES, UNSUMMED, MINUS, GATE, PLUS_1, CANDIDATE, TANH, UPDATE, SHOWN, USE, INVERSE),
    *(SLOPES, VALUES, FLOWS, GRADIENTS, TIME, STATES, PROBABILITIES, BATCH, NORMS),
)
LIBRARY: dict[str, Mistake] = {key: mistake for group in GROUPS for key, mistake in group.items()}
"""All shared mistakes by key."""


def wording(key: str, **words: object) -> str:
    """Return the library's sentence under a key, with a question's words filled in.

    Examples
    --------
    >>> wording("mean-not-sum", all="steps", one="step")
    'You take a mean over the steps. Each step adds its own share, so take the sum.'
    """
    return LIBRARY[key].sentence.format(**words)


def shared(build: Callable[[Any], Any], *keys: str, **words: object) -> Mistakes:
    """Return mistakes from the library, whose wrong code `build` turns into answers.

    Examples
    --------
    >>> mistakes = shared(lambda a: lambda *given: sigmoid(a(*given)), "bias-missing", "bias-sign")
    >>> list(mistakes)
    ['The bias has no effect.', 'The bias has the wrong sign.']
    """
    return {wording(key, **words): tuple(map(build, LIBRARY[key].wrong)) for key in keys}


def said(key: str, *wrong: Any, **words: object) -> Mistakes:
    """Return a mistake from the library, with the bank's own wrong answers."""
    return {wording(key, **words): wrong}


def each(template: str, cases: dict[Any, tuple[Any, ...]]) -> Mistakes:
    """Return mistakes whose sentences differ only in a few words, the keys of `cases`.

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
    """Return what to say when slices are taken in the wrong order.

    If all the misplaced gates are sigmoids, they may instead have been mixed up later, in use.
    `whose` says whose order is the right one.

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

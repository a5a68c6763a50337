"""The cell over a sequence, and sentences encoded by its final cell state."""

from collections.abc import Callable, Sequence

import numpy as np

from lstm_course import cell, fast, layers, sequence
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.mistakes import (
    TIME,
    Mistakes,
    each,
    said,
    shared,
    wording,
)
from lstm_course.exercises.engine.parts import (
    SEQUENCE,
    affine,
    as_it_is,
    drawn,
    lstm_case,
    lstm_forward,
    lstm_step,
    sized,
    slices_in,
)
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import tanh

States = tuple[Array, Array]
Match = Callable[[str, str], bool]
Inputs = Callable[[list[str], list[str]], Array]
SIZES = ((2, 2, 2, 2), (1, 1, 1, 1), (1, 2, 3, 2), (3, 1, 2, 2), (3, 2, 1, 2), (2, 3, 2, 1))


@sized
def _case(T: int, N: int, D: int, H: int) -> Case:
    case = lstm_case("xs h0 c0 W U b", T=T, N=N, D=D, H=H)
    xs = case.arguments["xs"].transpose(1, 0, 2).copy()
    return Case(case.sizes, {**case.arguments, "xs": xs})


@sized
def _cancelling() -> Case:
    """Return a case whose sums are small differences of large terms, too fine for float32."""
    arguments = drawn("xs h0 c0 W U b", scale=30, T=1, N=1, D=3, H=2)
    xs, h0, _, W, U, b = arguments.values()
    arguments["b"] = b / 30 - affine(xs[0], h0, W, U, 0 * b)[0]
    return Case({"T": 1, "N": 1, "D": 3, "H": 2}, arguments, large=True)


def lstm_forward_batch_first(
    xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array, Array]:
    """Return all hidden states (N, T, H), and the final hidden and cell state."""
    hs, h_T, c_T = lstm_forward(xs.transpose(1, 0, 2), h0, c0, W, U, b)
    return hs.transpose(1, 0, 2), h_T, c_T


def _from(change: Callable[[Array, Array, Array], tuple[Array, Array, Array]]) -> Answer:
    """Return a right run over changed inputs and initial states, time first."""
    return lambda xs, h0, c0, *weights: lstm_forward(*change(xs, h0, c0), *weights)


OF_A_RUN: Mistakes = {
    **shared(lambda lines: SEQUENCE.but(**lines), *TIME),
    "Every step reads h0: you don't carry the hidden state on.": (
        SEQUENCE.but(h_prev=lambda s: s.h0),
    ),
    "You carry the hidden state on in place of both states.": (SEQUENCE.but(c_prev=lambda s: s.h),),
    "You add the new states to the old ones. Replace them instead.": (
        SEQUENCE.but(pair=lambda s: (s.h_prev + s.h, s.c_prev + s.c)),
    ),
    **said("states-in-vain", _from(lambda xs, h0, c0: (xs, 0 * h0, 0 * c0)), states="states have"),
    **said("states-in-vain", _from(lambda xs, h0, c0: (xs, 0 * h0, c0)), states="hidden state has"),
    **said("states-in-vain", _from(lambda xs, h0, c0: (xs, h0, 0 * c0)), states="cell state has"),
    "You swap the initial states.": (_from(lambda xs, h0, c0: (xs, c0, h0)),),
    "Every step reads the input of the step before, and the first step reads the last input.": (
        _from(lambda xs, h0, c0: (np.roll(xs, 1, axis=0), h0, c0)),
    ),
    "The first input is read twice, and each later step gets the input before its own.": (
        _from(lambda xs, h0, c0: (np.concatenate([xs[:1], xs[:-1]]), h0, c0)),
    ),
    "Your inputs are one step ahead: the first step reads the second input.": (
        _from(lambda xs, h0, c0: (np.roll(xs, -1, axis=0), h0, c0)),
        _from(lambda xs, h0, c0: (np.concatenate([xs[1:], xs[-1:]]), h0, c0)),
    ),
    **each(
        "You leave out the {} step.",
        {
            "last": (SEQUENCE.but(steps=lambda s: range(len(s.xs) - 1)),),
            "first": (SEQUENCE.but(steps=lambda s: range(1, len(s.xs))),),
        },
    ),
    **each(
        "The final hidden state is that of the last step. {}.",
        {
            "You return that of the first": (SEQUENCE.but(h_T=lambda s: s.hs[0]),),
            "You take the mean over all steps": (SEQUENCE.but(h_T=lambda s: s.hs.mean(axis=0)),),
        },
    ),
    "You return the cell state where the hidden state belongs.": (SEQUENCE.but(h_T=lambda s: s.c),),
    **said("h-for-c", SEQUENCE.but(c_T=lambda s: s.h)),
    **said("squashed-c-returned", SEQUENCE.but(c_T=lambda s: tanh(s.c))),
    "You return the cell state after the first step. The question asks for the one after the "
    "last.": (
        lambda xs, *others: (*lstm_forward(xs, *others)[:2], lstm_forward(xs[:1], *others)[2]),
    ),
    **each(
        "The step itself is wrong: {}.",
        {
            "it squashes the old cell state before keeping it": (
                SEQUENCE.but(c=lambda s: s.f * tanh(s.c_prev) + s.i * s.g),
            ),
            "it shows the cell state without its tanh": (SEQUENCE.but(h=lambda s: s.o * s.c),),
            "it ignores the bias": (
                SEQUENCE.but(a=lambda s: affine(s.x, s.h_prev, s.W, s.U, 0 * s.b)),
            ),
            "it takes the slices in ONNX's order": (SEQUENCE.but(slices=slices_in("iofg")),),
        },
    ),
}


def _transposed(array: Array) -> Array:
    return array.transpose(1, 0, 2)


def _reshaped(array: Array) -> Array:
    return array.reshape(array.shape[1], array.shape[0], -1)


BACK = (as_it_is, _transposed)


def _laid_out(
    way_in: Callable[[Array], Array], way_back: Callable[[Array], Array], run: Answer = lstm_forward
) -> Answer:
    """Return a run, time first, with its own conversions from batch first and back."""

    def answer(xs: Array, *others: Array) -> tuple[Array, Array, Array]:
        hs, h_T, c_T = run(way_in(xs), *others)
        return way_back(hs), h_T, c_T

    return answer


def _checked(
    xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array, Array]:
    """Return the same as lstm_forward, with steps that check their shapes."""
    hs, (h_T, c_T), _ = sequence.lstm_forward(xs, cell.LSTMParams(W, U, b), h0, c0)
    return hs, h_T, c_T


def _as_many_steps_as_sequences(xs: Array, *others: Array) -> tuple[Array, Array, Array]:
    """Return a run of N steps in an hs of T rows, whose other rows stay 0."""
    short, h_T, c_T = lstm_forward_batch_first(xs[:, np.arange(len(xs))], *others)
    hs = np.zeros((*xs.shape[:2], short.shape[2]), short.dtype)
    hs[:, : len(xs)] = short
    return hs, h_T, c_T


SEQUENCE_MISTAKES: Mistakes = {
    sentence: tuple(_laid_out(_transposed, _transposed, run) for run in runs)
    for sentence, runs in OF_A_RUN.items()
} | {
    "xs is batch first: your loop runs over its first axis, the sequences. Time is the second "
    "axis.": (
        *(_laid_out(as_it_is, back, run) for back in BACK for run in (lstm_forward, _checked)),
    ),
    "Your loop takes as many steps as there are sequences. The number of steps is the second "
    "size of xs.": (
        lambda xs, *others: lstm_forward_batch_first(xs[:, np.arange(len(xs))], *others),
        _as_many_steps_as_sequences,
    ),
    **{
        sentence: mistake
        for came, wanted, way_in, way_back in (
            ("(N, T, D)", "(T, N, D)", _reshaped, _transposed),
            ("(T, N, H)", "(N, T, H)", _transposed, _reshaped),
            ("xs", "(T, N, D), and hs back into (N, T, H)", _reshaped, _reshaped),
        )
        for sentence, mistake in said(
            "reshaped",
            _laid_out(way_in, way_back),
            came=came,
            wanted=wanted,
            what="steps and sequences",
        ).items()
    },
}


def _is_causal(answer: Guarded, rng: np.random.Generator) -> bool:
    xs, *others = _case(3, 1, 2, 2).arguments.values()
    changed = np.concatenate([xs[:, :-1], xs[:, -1:] + 1], axis=1)
    return np.allclose(answer(xs, *others)[0][:, :-1], answer(changed, *others)[0][:, :-1])


def _goes_on(answer: Guarded, rng: np.random.Generator) -> bool:
    xs, h0, c0, *parameters = _case(3, 2, 1, 2).arguments.values()
    hs, h_T, c_T = answer(xs, h0, c0, *parameters)
    first, h, c = answer(xs[:, :2], h0, c0, *parameters)
    second, h, c = answer(xs[:, 2:], h, c, *parameters)
    whole = np.concatenate([first, second], axis=1)
    return np.allclose(hs, whole) and np.allclose(h_T, h) and np.allclose(c_T, c)


def _alone(answer: Guarded, rng: np.random.Generator) -> bool:
    xs, h0, c0, *parameters = _case(2, 3, 2, 1).arguments.values()
    together = answer(xs, h0, c0, *parameters)[2]
    alone = answer(xs[1:2], h0[1:2], c0[1:2], *parameters)[2]
    return np.allclose(together[1], alone[0])


SEQUENCE_PROPERTIES: dict[str, Property] = {
    "A later input must not change an earlier hidden state.": _is_causal,
    wording("alone", sequence="sequence", result="final cell state"): _alone,
    "A run cut in two, with the states handed on, must give the same as the whole run.": _goes_on,
}


def encode(
    sentences: Sequence[str], vocabulary: Sequence[str], W: Array, U: Array, b: Array
) -> Array:
    """Return the final cell state of each sentence."""
    return np.array([_final(_numbers(s, vocabulary), W, U, b)[1][0] for s in sentences])


def _numbers(sentence: str, vocabulary: Sequence[str]) -> list[int]:
    return [list(vocabulary).index(word) for word in sentence.split()]


def _final(
    numbers: Sequence[int],
    W: Array,
    U: Array,
    b: Array,
    states: States | None = None,
    run: Answer = lstm_forward,
) -> States:
    """Return the final states (1, H) of one sentence; the number -1 means padding with 0."""
    xs = np.zeros((len(numbers), 1, W.shape[1]), W.dtype)
    for x, number in zip(xs, numbers, strict=True):
        x[:, number] = number >= 0
    zeros = np.zeros((1, U.shape[1]), W.dtype)
    _, h, c = run(xs, *(states or (zeros, zeros)), W, U, b)
    return h, c


def _numbered(change: Callable[[list[list[int]], int], list[list[int]]]) -> Answer:
    """Return an answer that changes the words' numbers before it encodes them."""

    def answer(sentences: list[str], vocabulary: list[str], W: Array, U: Array, b: Array) -> Array:
        numbers = change([_numbers(s, vocabulary) for s in sentences], len(vocabulary))
        return np.array([_final(ns, W, U, b)[1][0] for ns in numbers])

    return answer


def _all_but_the_last(numbers: list[list[int]], D: int) -> list[list[int]]:
    if any(len(ns) == 1 for ns in numbers):
        raise ValueError("a sequence has at least one step")
    return [ns[:-1] for ns in numbers]


def _run_by(run: Answer) -> Answer:
    """Return an answer that encodes with this run over a sequence."""

    def answer(sentences: list[str], vocabulary: list[str], W: Array, U: Array, b: Array) -> Array:
        numbers = [_numbers(s, vocabulary) for s in sentences]
        return np.array([_final(ns, W, U, b, run=run)[1][0] for ns in numbers])

    return answer


def _padded(number: int, front: bool = False) -> Answer:
    """Return an answer that pads all sentences to the length of the longest."""

    def change(numbers: list[list[int]], D: int) -> list[list[int]]:
        T = max(map(len, numbers))
        rests = [[number] * (T - len(ns)) for ns in numbers]
        pairs = zip(numbers, rests, strict=True)
        return [rest + ns if front else ns + rest for ns, rest in pairs]

    return _numbered(change)


def _with_vocabulary(make: Callable[[list[str], list[str]], list[str]]) -> Answer:
    """Return an answer that numbers the words by make(sentences, vocabulary)."""
    return lambda sentences, vocabulary, W, U, b: encode(
        sentences, make(sentences, vocabulary), W, U, b
    )


def _all_words(sentences: list[str], vocabulary: list[str]) -> list[str]:
    """Return the words in the order in which they come up, then those that don't come up."""
    return list(dict.fromkeys([*" ".join(sentences).split(), *vocabulary]))


def _never_anew(sentences: list[str], vocabulary: list[str], W: Array, U: Array, b: Array) -> Array:
    states, cells = None, []
    for sentence in sentences:
        states = _final(_numbers(sentence, vocabulary), W, U, b, states)
        cells.append(states[1][0])
    return np.array(cells)


def _summed(sentences: list[str], vocabulary: list[str], W: Array, U: Array, b: Array) -> Array:
    """Return the cell state after one step that reads all words of a sentence at once."""
    x = np.zeros((len(sentences), len(vocabulary)), W.dtype)
    for row, sentence in zip(x, sentences, strict=True):
        np.add.at(row, _numbers(sentence, vocabulary), 1)
    zeros = np.zeros((len(sentences), U.shape[1]), W.dtype)
    return lstm_step(x, zeros, zeros, W, U, b)[1]


def _reading(inputs: Inputs) -> Answer:
    """Return an answer whose steps read the rows of inputs(words, vocabulary)."""

    def answer(sentences: list[str], vocabulary: list[str], W: Array, U: Array, b: Array) -> Array:
        zeros = np.zeros((1, U.shape[1]), W.dtype)
        rows = (inputs(sentence.split(), vocabulary).astype(W.dtype) for sentence in sentences)
        return np.array([lstm_forward(xs[:, None], zeros, zeros, W, U, b)[2][0] for xs in rows])

    return answer


def _found(match: Match) -> Inputs:
    """Return inputs with a 1 wherever a word (row) matches an entry of the vocabulary (column)."""
    return lambda words, vocabulary: np.array(
        [[match(word, entry) for entry in vocabulary] for word in words]
    )


def _first_found(match: Match) -> Inputs:
    """Return one-hot inputs: each word becomes the first vocabulary entry that it matches."""
    return lambda words, vocabulary: np.eye(len(vocabulary))[
        _found(match)(words, vocabulary).argmax(axis=1)
    ]


def _heaped(words: list[str], vocabulary: list[str]) -> Array:
    """Return inputs in which the 1 of each earlier word stays."""
    one_hot = _found(lambda word, entry: word == entry)(words, vocabulary)
    return np.asarray(np.maximum.accumulate(one_hot))


PARTS: tuple[Match, ...] = (
    lambda word, entry: word in entry,
    lambda word, entry: entry in word,
    lambda word, entry: entry.startswith(word),
    lambda word, entry: word.startswith(entry),
)
"""Comparisons that also find a word inside another one."""


def _are_longest(sentences: list[str]) -> Array:
    lengths = np.array([[len(sentence.split())] for sentence in sentences])
    return lengths == lengths.max()


def _over_words(gather: Callable[[Array], Array]) -> Answer:
    """Return an answer that gathers the cell states (T, H) of all words of a sentence."""

    def one(sentence: str, vocabulary: list[str], W: Array, U: Array, b: Array) -> Array:
        numbers = _numbers(sentence, vocabulary)
        return gather(
            np.array([_final(numbers[: t + 1], W, U, b)[1][0] for t in range(len(numbers))])
        )

    return lambda sentences, *others: np.array([one(s, *others) for s in sentences])


ENCODE_MISTAKES: Mistakes = {
    **said(
        "h-for-c",
        lambda sentences, vocabulary, W, U, b: np.array(
            [_final(_numbers(s, vocabulary), W, U, b)[0][0] for s in sentences]
        ),
    ),
    **said("squashed-c-returned", lambda *given: tanh(encode(*given))),
    **shared(lambda lines: _run_by(SEQUENCE.but(**lines)), "results-crossed", "states-crossed"),
    "Your rows are in alphabetical order. Row n belongs to sentence n.": (
        lambda sentences, *others: encode(sorted(sentences), *others),
    ),
    "Right except for a sentence that comes twice: you give it one row, but it needs one each "
    "time.": (lambda sentences, *others: encode(list(dict.fromkeys(sentences)), *others),),
    (
        "Right for the longest sentences. You fill up the others with zeros, but the cell runs "
        "on over them, and a zero input moves the state like any other."
    ): (_padded(-1),),
    (
        "Right for the longest sentences. You put zeros in front of the others, and by the first "
        "word those have already moved the state."
    ): (_padded(-1, front=True),),
    (
        "Right for the longest sentences. You fill up the others with the number 0, but that's a "
        "word: the first in the vocabulary."
    ): (_padded(0), _padded(0, front=True)),
    "You cut all sentences to the length of the shortest.": (
        _numbered(lambda numbers, D: [ns[: min(map(len, numbers))] for ns in numbers]),
    ),
    "A sentence starts with the state that the one before left behind. Start each one afresh.": (
        _never_anew,
    ),
    "You give every sentence the encoding of the first.": (
        _numbered(lambda numbers, D: [numbers[0]] * len(numbers)),
    ),
    **each(
        "You read only the {} word.",
        {
            "last": (_numbered(lambda numbers, D: [ns[-1:] for ns in numbers]),),
            "first": (_numbered(lambda numbers, D: [ns[:1] for ns in numbers]),),
        },
    ),
    "You don't read the last word.": (
        _numbered(lambda numbers, D: [ns[:-1] or ns for ns in numbers]),
        _numbered(lambda numbers, D: [ns[:-1] for ns in numbers]),
        _numbered(_all_but_the_last),
    ),
    "You read the sentences backward.": (
        _numbered(lambda numbers, D: [ns[::-1] for ns in numbers]),
    ),
    "You leave out a word that comes a second time.": (
        _numbered(lambda numbers, D: [list(dict.fromkeys(ns)) for ns in numbers]),
    ),
    "Earlier words stay in your input. At each step it should have a single 1, that of its own "
    "word.": (_reading(_heaped),),
    "You find a word inside a longer one too, as cat is in cats. Compare whole words.": (
        *(_reading(found(part)) for part in PARTS for found in (_found, _first_found)),
    ),
    (
        "Right for the longest sentences. You set the state of the others to zeros after their "
        "last word, but it should stay as it is."
    ): (lambda sentences, *others: encode(sentences, *others) * _are_longest(sentences),),
    "You read all words of a sentence in one step, so you lose their order.": (_summed,),
    "You take the mean of the cell states of all words. The question asks for the last one.": (
        _over_words(lambda cells: cells.mean(axis=0)),
    ),
    "You add up the cell states of all words. Return the last one: it has seen every word.": (
        _over_words(lambda cells: cells.sum(axis=0)),
    ),
    **each(
        "You number the words {}. A word's number is its place in the vocabulary.",
        {
            "alphabetically": (_with_vocabulary(lambda sentences, vocabulary: sorted(vocabulary)),),
            "as they come up": (_with_vocabulary(_all_words),),
        },
    ),
    "Each word picks its neighbour's column: your numbers are off by one.": (
        _numbered(lambda numbers, D: [[(n + 1) % D for n in ns] for ns in numbers]),
        _numbered(lambda numbers, D: [[(n - 1) % D for n in ns] for ns in numbers]),
    ),
}


def _same_alone(answer: Guarded, rng: np.random.Generator) -> bool:
    sentences, *others = LARGEST.arguments.values()
    together = answer(sentences, *others)
    return all(
        np.allclose(together[n], answer([sentences[n]], *others)[0]) for n in range(len(sentences))
    )


def _reads_in_order(answer: Guarded, rng: np.random.Generator) -> bool:
    _, *others = LARGEST.arguments.values()
    one, other = answer(["the cat saw dogs", "dogs saw the cat"], *others)
    return not np.allclose(one, other)


ENCODE_PROPERTIES: dict[str, Property] = {
    wording("alone", sequence="sentence", result="encoding"): _same_alone,
    "The same words in another order must get another encoding.": _reads_in_order,
}


@sized
def _sentences(H: int, vocabulary: str, *sentences: str) -> Case:
    words = vocabulary.split()
    N, D, T = len(sentences), len(words), max(len(s.split()) for s in sentences)
    parameters = drawn("W U b", N=N, T=T, D=D, H=H)
    arguments = {"sentences": list(sentences), "vocabulary": words, **parameters}
    return Case({"N": N, "T": T, "D": D, "H": H}, arguments)


LARGEST = _sentences(
    3, "the saw cat dogs that", "that cat", "the cat that saw dogs", "dogs", "the dogs saw the cat"
)

QUESTIONS = (
    Question(
        name="sequence",
        points=2,
        hints=(
            "Go through it by hand for T = 2. Which part of xs does the first step read, for all "
            "sequences at once? What does the second step start from, and what do you keep of "
            "the first?",
            "Write one loop over the second axis, time. Two variables hold the states: before "
            "the loop they're the initial ones, and each step replaces both. A list collects one "
            "of the two.",
            "Before the loop, h is h0 and c is c0. In the loop, one step of "
            "chapter 7 (whole-cell) turns the input, h and c into the new h and c, and you append "
            "h to the list. After the loop, stack the list along axis 1; h and c are the final "
            "states.",
        ),
        exam=FunctionExam(
            name="lstm_forward",
            solution=lstm_forward_batch_first,
            returns=(
                Returned("hs", "(N, T, H)"),
                Returned("h_T", "(N, H)"),
                Returned("c_T", "(N, H)"),
            ),
            cases=(*(_case(*sizes) for sizes in SIZES), _cancelling(), _case(4, 2, 3, 2)),
            mistakes=SEQUENCE_MISTAKES,
            properties=SEQUENCE_PROPERTIES,
            forbidden=(
                sequence.lstm_forward,
                fast.lstm_forward,
                fast.lstm_infer,
                layers.LSTM,
            ),
            right="Right: one cell, again and again, carrying both states on.",
        ),
    ),
    Question(
        name="encode",
        points=2,
        hints=(
            "Encode one sentence first, and forget about batches. What are its inputs, and what "
            "does it start from?",
            "A word's input is a row of zeros with a 1 at the word's place in the vocabulary. "
            "Sentences of different lengths needn't share a batch: each can be a batch of its "
            "own.",
            "For each sentence: split it, look up each word, take those rows of an identity "
            "matrix, and add an axis for the batch of one. Run your loop from zeros of shape (1, "
            "H), and keep the row of the final cell state. Then make one array of these rows.",
        ),
        exam=FunctionExam(
            name="encode",
            solution=encode,
            returns=(Returned(shape="(N, H)"),),
            cases=(
                _sentences(3, "the sat cat", "the cat sat", "cat the", "sat sat the"),
                _sentences(1, "cat", "cat"),
                _sentences(2, "the sat cat", "the cat the sat"),
                _sentences(2, "the sat cat", "cat", "the", "sat"),
                _sentences(2, "cat", "cat cat", "cat cat cat"),
                _sentences(1, "the saw cat dogs", "the dogs", "cat saw dogs"),
                _sentences(2, "the sat cat", "cat sat", "the", "cat sat", "cat"),
                _sentences(2, "dog dogs cats cat", "dogs cat", "cats dog cat"),
                LARGEST,
            ),
            mistakes=ENCODE_MISTAKES,
            properties=ENCODE_PROPERTIES,
            right="Right: each sentence ends in its own cell state, alone or in company.",
        ),
    ),
)

"""What a caption scores, and beam search for the one that scores best."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course import cell
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.generation import (
    Beginning,
    Given,
    Keep,
    Search,
    Step,
    best,
    best_first,
    filled,
    has_ended,
    kept_by,
)
from lstm_course.exercises.engine.lines import Lines
from lstm_course.exercises.engine.mistakes import Mistakes, each, said
from lstm_course.exercises.engine.parts import seeded, sized, softmax_over
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.models import beam_search as search_of_the_package


def caption_scores(p: Array, words: Array, end: int, alpha: float) -> Array:
    """Return the log probability of each caption, divided by its length to the power of alpha."""
    if not (p > 0).all():
        raise ValueError("p has an entry that isn't above 0")  # so that no such case is shown
    counts = _inside(words, end)
    log_p = np.log(_chosen(p, words)) * counts
    return np.asarray(log_p.sum(axis=0) / counts.sum(axis=0).astype(p.dtype) ** alpha)


def _chosen(p: Array, words: Array) -> Array:
    """Return (T, N) probabilities of the captions' words."""
    return np.take_along_axis(p, words[:, :, None], axis=2)[:, :, 0]


def _inside(words: Array, end: int) -> Array:
    """Return (T, N) booleans, true up to and including the first <end>."""
    return np.cumsum(words == end, axis=0) - (words == end) == 0


SCORES = Lines(
    ("p", "words", "end", "alpha"),
    {
        "taken": lambda s: s.words,
        "chosen": lambda s: _chosen(s.p, s.taken),
        "measured": lambda s: np.log(s.chosen),
        "inside": lambda s: _inside(s.words, s.end),
        "counted": lambda s: s.inside,
        "total": lambda s: (s.measured * s.inside).sum(axis=0),
        "length": lambda s: s.counted.sum(axis=0).astype(s.p.dtype),
        "score": lambda s: s.total / s.length**s.alpha,
    },
    ("score",),
)
scoring = SCORES.but
"""Return the scores with some of their lines changed."""


def _before_end(s: Any) -> Array:
    return np.cumsum(s.words == s.end, axis=0) == 0


def _to_second_end(s: Any) -> Array:
    return np.cumsum(s.words == s.end, axis=0) <= 1


def _without_last_of_unended(s: Any) -> Array:
    last = np.arange(len(s.words))[:, None] == len(s.words) - 1
    return _right_length(s) & ~(last & ~(s.words == s.end).any(axis=0))


def _place_of_end(s: Any) -> Array:
    return np.argmax(s.words == s.end, axis=0).astype(s.p.dtype)  # 0 too where no word is <end>


def _up_to_place_of_end(s: Any) -> Array:
    return np.arange(len(s.words))[:, None] <= np.argmax(s.words == s.end, axis=0)


def _everything(s: Any) -> Array:
    return np.ones(s.words.shape, bool)


def _right_length(s: Any) -> Array:
    return _inside(s.words, s.end)


def _of_at_least_1(s: Any) -> Array:
    return np.asarray(s.total / np.maximum(s.length, 1) ** s.alpha)


def _to_last_end(s: Any) -> Array:
    is_end = s.words == s.end
    after = np.cumsum(is_end[::-1], axis=0)[::-1] > 0
    return after | ~is_end.any(axis=0)


def _but_every_end(s: Any) -> Array:
    return np.asarray(s.words != s.end)


def _but_later_ends(s: Any) -> Array:
    return _but_every_end(s) | _right_length(s)


def _to_first_end_of_all(s: Any) -> Array:
    any_ends = (s.words == s.end).any(axis=1, keepdims=True)
    return _inside(np.broadcast_to(any_ends, s.words.shape), True)


def _first_word_unless_it_ends(s: Any) -> Array:
    lengths = np.argmax(s.words == s.end, axis=0) + 1  # 1 too where no word is <end>
    return np.arange(len(s.words))[:, None] < lengths


def _of_longest(s: Any) -> Array:
    return np.broadcast_to(_right_length(s).any(axis=1, keepdims=True), s.words.shape)


def _of_shortest(s: Any) -> Array:
    return np.broadcast_to(_right_length(s).all(axis=1, keepdims=True), s.words.shape)


def _with_final_end(also_counted: bool) -> Answer:
    """Return a function that adds log p of <end> to captions that don't end."""

    def answer(p: Array, words: Array, end: int, alpha: float) -> Array:
        lengths = _inside(words, end).sum(axis=0).astype(p.dtype)
        unended = ~(words == end).any(axis=0)
        sums = caption_scores(p, words, end, 0.0) + np.log(p[-1, :, end]) * unended
        return np.asarray(sums / (lengths + unended * also_counted).astype(p.dtype) ** alpha)

    return answer


def _python_factor(s: Any) -> Array:
    pairs = zip(s.total.tolist(), s.length.tolist(), strict=True)
    return np.array([total / (s.alpha * length) for total, length in pairs], s.p.dtype)


def _python_exchanged(s: Any) -> Array:
    pairs = zip(s.total.tolist(), s.length.tolist(), strict=True)
    return np.array([total / s.alpha**length for total, length in pairs], s.p.dtype)


def _with_end(choose: Callable[[int], int]) -> Answer:
    """Return a function that takes another of the V words for <end>."""
    return lambda p, words, end, alpha: caption_scores(p, words, choose(p.shape[2]), alpha)


def _product(p: Array, words: Array, end: int, alpha: float) -> Array:
    return np.exp(caption_scores(p, words, end, 0.0)) / _inside(words, end).sum(axis=0) ** alpha


def _logarithm_of_product(p: Array, words: Array, end: int, alpha: float) -> Array:
    counts = _inside(words, end)
    product = np.where(counts, _chosen(p, words), 1).prod(axis=0)
    return np.asarray(np.log(product) / counts.sum(axis=0).astype(p.dtype) ** alpha)


LONG = (
    "Right for short captions. In a long one, the product of the probabilities is too small for a "
    "float and rounds to 0. Add up logarithms instead."
)
DIGITS = (
    "Right to six digits. Where a word is nearly certain or nearly impossible, yours are wrong: "
    "something becomes float32 on the way, or you add a small number to the probabilities."
)

SCORE_MISTAKES: Mistakes = {
    "You also count what comes after <end>. A caption is over at its first <end>.": tuple(
        scoring(inside=inside, **others)
        for inside in (_everything, _of_longest, _but_later_ends, _to_second_end)
        for others in ({}, {"counted": _right_length})
    ),
    (
        "You leave out every <end>, and count what comes after the first. A caption is over at its "
        "first <end>, which counts."
    ): (
        scoring(inside=_but_every_end, score=_of_at_least_1),
        scoring(inside=_but_every_end),
    ),
    "You cut at the last <end>. A caption is over at its first.": (scoring(inside=_to_last_end),),
    **said(
        "stopping-free",
        scoring(inside=_before_end, counted=_right_length),
        scoring(inside=_before_end, score=lambda s: s.total / (s.length + 1) ** s.alpha),
    ),
    "You leave <end> out of the sum and of the length. It counts in both.": (
        scoring(inside=_before_end, score=_of_at_least_1),
        scoring(inside=_before_end),
    ),
    (
        "You take the place of <end> for the length. Places begin at 0, and a caption without "
        "<end> has all T words."
    ): (
        scoring(length=_place_of_end),
        scoring(inside=_up_to_place_of_end, length=_place_of_end),
        scoring(length=lambda s: np.maximum(_place_of_end(s), 1)),
    ),
    "A caption without <end> loses its last word. It has all T words.": (
        scoring(inside=_without_last_of_unended),
        scoring(inside=_without_last_of_unended, score=_of_at_least_1),
        scoring(counted=_without_last_of_unended),
        scoring(counted=_without_last_of_unended, score=_of_at_least_1),
    ),
    "Your length is one too small: the last word counts too, whether it's <end> or not.": (
        scoring(length=lambda s: s.counted.sum(axis=0).astype(s.p.dtype) - 1),
        scoring(length=lambda s: np.maximum(s.counted.sum(axis=0), 2).astype(s.p.dtype) - 1),
    ),
    "Your length leaves out <end>. It counts as a word.": (
        scoring(counted=_before_end),
        scoring(counted=_before_end, score=_of_at_least_1),
    ),
    **said("probabilities-added", scoring(measured=lambda s: s.chosen)),
    "You turn the score back into a probability. Leave it as a logarithm.": (
        scoring(score=lambda s: np.exp(s.total / s.length**s.alpha)),
    ),
    "You take softmax of p. It already holds probabilities.": (
        scoring(chosen=lambda s: _chosen(softmax_over(s.p, 2), s.words)),
    ),
    (
        "You set what comes after <end> to 0 before the logarithm, which isn't finite there. Mask "
        "the logarithms instead."
    ): (scoring(total=lambda s: np.log(s.chosen * s.inside).sum(axis=0)),),
    "You work with the probability itself. Take its logarithm before you divide.": (
        _product,
        lambda p, words, end, alpha: np.exp(caption_scores(p, words, end, 0.0)),
    ),
    **each(
        "You divide every caption by {}, or by its power. Each has its own length.",
        {
            "T": (scoring(counted=_everything),),
            "the length of the longest": (scoring(counted=_of_longest),),
            "the length of the shortest": (scoring(counted=_of_shortest),),
            "the number of words of all captions": (
                scoring(length=lambda s: s.counted.sum().astype(s.p.dtype)),
            ),
            "N": (scoring(length=lambda s: np.full(s.p.shape[1], s.p.shape[1], s.p.dtype)),),
            "V": (scoring(length=lambda s: np.full(s.p.shape[1], s.p.shape[2], s.p.dtype)),),
        },
    ),
    "You cut all captions where the first of the batch ends. Each goes on to its own <end>.": (
        scoring(inside=_to_first_end_of_all),
        scoring(inside=_to_first_end_of_all, counted=_right_length),
    ),
    "You count captions without <end> as one word long. They have all T words.": (
        scoring(inside=_first_word_unless_it_ends),
        scoring(counted=_first_word_unless_it_ends),
    ),
    **said("unsaid-end", _with_final_end(False), _with_final_end(True)),
    "Your length is one too large: count the words up to and including the first <end>.": (
        scoring(score=lambda s: s.total / (s.length + 1) ** s.alpha),
    ),
    (
        "You add a number to the length, as some programs do. Here, take the power of the length "
        "itself."
    ): (
        scoring(score=lambda s: s.total / ((5 + s.length) / 6) ** s.alpha),
        scoring(score=lambda s: s.total / (5 + s.length) ** s.alpha),
    ),
    **said(
        "other-end",
        _with_end(lambda V: V - 1),
        _with_end(lambda V: 0),
        _with_end(lambda V: 1),
    ),
    **said("score-sign", scoring(score=lambda s: -s.total / s.length**s.alpha)),
    **each(
        "alpha has no effect: this is the {}, whatever alpha is.",
        {
            "log probability alone": (scoring(score=lambda s: s.total),),
            "mean over the words": (scoring(score=lambda s: s.total / s.length),),
        },
    ),
    "You divide twice: a mean is already divided by the length.": (
        scoring(score=lambda s: s.total / s.length / s.length**s.alpha),
    ),
    "alpha is an exponent of the length, not a factor.": (
        scoring(score=lambda s: s.total / (s.length * s.alpha)),
        scoring(score=_python_factor),
        scoring(score=lambda s: s.total / (s.length * s.alpha if s.alpha else 1)),
        scoring(score=lambda s: s.total / (s.length * s.alpha + 1)),
        scoring(score=lambda s: s.total / (1 + s.alpha * (s.length - 1))),
    ),
    "You swap length and alpha: alpha is the exponent of the length.": (
        scoring(score=lambda s: s.total / s.alpha**s.length),
        scoring(score=lambda s: s.total / (s.alpha**s.length if s.alpha else 1)),
        scoring(score=_python_exchanged),
    ),
    "You multiply by the power of the length, so long captions get even lower scores. Divide.": (
        scoring(score=lambda s: s.total * s.length**s.alpha),
    ),
    "You raise the log probability to a power. Raise the length.": (
        scoring(score=lambda s: -(np.abs(s.total / s.length) ** s.alpha)),
        scoring(score=lambda s: -(np.abs(s.total) ** s.alpha) / s.length),
    ),
    "This is the probability of the most probable word at each step. Use the caption's own word.": (
        scoring(taken=lambda s: s.p.argmax(axis=2)),
    ),
    "You take the probabilities a step late or early. Row t of p belongs to row t of words.": (
        scoring(taken=lambda s: np.roll(s.words, 1, axis=0)),
        scoring(taken=lambda s: np.roll(s.words, -1, axis=0)),
        scoring(chosen=lambda s: _chosen(np.roll(s.p, 1, axis=0), s.words)),
        scoring(chosen=lambda s: _chosen(np.roll(s.p, -1, axis=0), s.words)),
        scoring(chosen=lambda s: _chosen(np.concatenate([s.p[:1], s.p[:-1]]), s.words)),
    ),
    **each(
        "You score all captions with the {} of the first. Each has its own.",
        {
            "words": (
                scoring(taken=lambda s: np.repeat(s.words[:, :1], s.words.shape[1], axis=1)),
            ),
            "probabilities": (
                scoring(chosen=lambda s: _chosen(np.repeat(s.p[:, :1], s.p.shape[1], 1), s.words)),
            ),
        },
    ),
    "Your logarithm has another base. Scores add up natural ones.": (
        scoring(measured=lambda s: np.log2(s.chosen)),
        scoring(measured=lambda s: np.log10(s.chosen)),
    ),
    LONG: (_logarithm_of_product,),
    DIGITS: (
        scoring(measured=lambda s: np.log(s.chosen.astype(np.float32)).astype(s.p.dtype)),
        scoring(measured=lambda s: np.log(s.chosen + 1e-10)),
    ),
}


@sized
def _score_case(
    T: int, N: int, V: int, end: int, alpha: float, all_end: bool | None = None
) -> Case:
    """Return captions of which one ends on the way, or all (and are cut there), or none."""
    rng = seeded(T, N, V)
    p = (1 + rng.multinomial(20 - V, rng.dirichlet(np.ones(V)), size=(T, N))) / 20  # round, above 0
    words = rng.integers(0, V, (T, N))
    if all_end:
        words[1 + np.arange(N) % (T - 2), np.arange(N)] = end
    elif all_end is None and T > 1:
        words[T // 2, 0] = end
    elif all_end is not None:
        words[words == end] = (end + 1) % V
    arguments = {"p": p, "words": words, "end": end, "alpha": alpha}
    return Case({"T": T, "N": N, "V": V}, arguments)


def _longer_is_no_more(f: Guarded, rng: np.random.Generator) -> bool:
    case = _score_case(5, 2, 4, 2, 0.0, all_end=False).arguments
    p, words = case["p"], case["words"]
    whole = np.asarray(f(p, words, 2, 0.0), float)
    part = np.asarray(f(p[:3], words[:3], 2, 0.0), float)
    return bool((whole <= part + 1e-9).all())


SCORE_PROPERTIES: dict[str, Property] = {
    "With alpha = 0, no further word may make a caption more probable.": _longer_is_no_more,
}


def _scores_as_it_should(p: Array) -> Property:
    """Let an answer score two captions in which word 2, the end, comes last."""
    words = np.tile([[0], [1]], (len(p) // 2, 2))
    words[-1] = 2

    def holds(f: Guarded, rng: np.random.Generator) -> bool:
        given = p, words, 2, 0.7
        return np.allclose(f(*given), caption_scores(*given), rtol=1e-6, atol=0)

    return holds


SCORE_DEMANDS: dict[str, Property] = {
    DIGITS: _scores_as_it_should(np.stack([np.full((4, 3), 1 - 1e-6), np.full((4, 3), 1e-9)], 1)),
    LONG: _scores_as_it_should(np.full((800, 2, 3), 1 / 3)),
}


searching = Search


def beam_search(
    step: Step, state: Any, start: int, end: int, width: int, limit: int
) -> tuple[Array, float]:
    """Return the words of the best caption found, padded with <end>, and its score."""
    return Search()(step, state, start, end, width, limit)


def _one_list(
    step: Step, state: Any, start: int, end: int, width: int, limit: int
) -> tuple[Array, float]:
    kept: list[tuple[list[int], float, Any]] = [([], 0.0, state)]
    for _ in range(limit):
        candidates = []
        for words, score, before in kept:
            if words and words[-1] == end:
                candidates.append((words, score, before))
                continue
            log_p, after = step(words[-1] if words else start, before)
            for word in range(len(log_p)):
                words.append(word)
                candidates.append((words, score + float(log_p[word]), after))
        kept = sorted(candidates, key=lambda one: -one[1])[:width]
    return np.array((kept[0][0] + [end] * limit)[:limit]), kept[0][1]


def _aside_afterwards(*, shrinks: bool, prefers_ended: bool = False) -> Answer:
    """Return a search that keeps the best, and then sets aside those that have ended."""

    def answer(
        step: Step, state: Any, start: int, end: int, width: int, limit: int
    ) -> tuple[Array, float]:
        kept = [Beginning((), 0.0, state)]
        ended: list[Beginning] = []
        for _ in range(limit):
            candidates = _continued(kept, step, start)
            best = best_first(candidates)[: width - len(ended) * shrinks]
            ended += [one for one in best if one.words[-1] == end]
            kept = [one for one in best if one.words[-1] != end]
        best_one = best_first(ended if ended and prefers_ended else ended + kept)[0]
        return filled(best_one.words, end, limit), best_one.score

    return answer


def _continued(kept: list[Beginning], step: Step, start: int) -> list[Beginning]:
    """Return every beginning continued by every word."""
    candidates = []
    for one in kept:
        log_p, after = step(one.words[-1] if one.words else start, one.state)
        candidates += [
            Beginning((*one.words, word), one.score + float(log_p[word]), after)
            for word in range(len(log_p))
        ]
    return candidates


def _set_aside(
    step: Step, state: Any, start: int, end: int, width: int, limit: int
) -> tuple[Array, float]:
    kept = [Beginning((), 0.0, state)]
    ended: list[Beginning] = []
    for _ in range(limit):
        candidates = _continued(kept, step, start)
        ended += [one for one in candidates if one.words[-1] == end]
        kept = best_first([one for one in candidates if one.words[-1] != end])[:width]
    best = best_first(ended + kept)[0]
    return filled(best.words, end, limit), best.score


def _until_enough_have_ended(
    step: Step, state: Any, start: int, end: int, width: int, limit: int
) -> tuple[Array, float]:
    """Set aside those that end, go on with as many others, and stop when these fill a beam."""
    kept = [Beginning((), 0.0, state)]
    ended: list[Beginning] = []
    for _ in range(limit):
        best = best_first(_continued(kept, step, start))[: 2 * width]
        kept = []
        for one in best:
            (ended if one.words[-1] == end else kept).append(one)
            if len(kept) == width:
                break
        if len(ended) >= width or not kept:
            break
    best_one = best_first(ended + kept)[0]
    return filled(best_one.words, end, limit), best_one.score


def _with_start(
    step: Step, state: Any, start: int, end: int, width: int, limit: int
) -> tuple[Array, float]:
    words, score = beam_search(step, state, start, end, width, limit)
    return np.array([start, *words[:-1]]), score


def _filled_with(choose: Callable[[int], int]) -> Answer:
    """Return a search that pads its caption with another number."""

    def answer(
        step: Step, state: Any, start: int, end: int, width: int, limit: int
    ) -> tuple[Array, float]:
        words, score = beam_search(step, state, start, end, width, limit)
        behind = np.cumsum(words == end) - (words == end) > 0
        return np.where(behind, choose(start), words), score

    return answer


def _with_score(change: Callable[[float, int, int], float]) -> Answer:
    """Return a search whose final score is changed by the caption's length and the limit."""

    def answer(
        step: Step, state: Any, start: int, end: int, width: int, limit: int
    ) -> tuple[Array, float]:
        words, score = beam_search(step, state, start, end, width, limit)
        return words, change(score, int(_inside(words, end).sum()), limit)

    return answer


def _with_final_end_score(
    step: Step, state: Any, start: int, end: int, width: int, limit: int
) -> tuple[Array, float]:
    words, score = beam_search(step, state, start, end, width, limit)
    if end not in words:
        for word in (start, *words.tolist()):
            log_p, state = step(word, state)
        score += float(log_p[end])
    return words, score


def _with_numbers(change: Callable[[int, int, int], tuple[int, int]]) -> Answer:
    """Return a search with other numbers for start and end, made of these and of V."""

    def answer(
        step: Step, state: Any, start: int, end: int, width: int, limit: int
    ) -> tuple[Array, float]:
        V = len(step(start, state)[0])
        return beam_search(step, state, *change(start, end, V), width, limit)

    return answer


def _every_first_word(
    step: Step, state: Any, start: int, end: int, width: int, limit: int
) -> tuple[Array, float]:
    V = len(step(start, state)[0])
    kept = [Beginning((word,), 0.0, state) for word in range(V)]
    for _ in range(limit - 1):
        going = [one for one in kept if one.words[-1] != end]
        ended = [one for one in kept if one.words[-1] == end]
        kept = best_first(ended + _continued(going, step, start))[:width]
    best = best_first(kept)[0]
    return filled(best.words, end, limit), best.score


Move = Callable[[list[Beginning], list[Beginning], list[Beginning]], list[Beginning]]


def _all_kept(
    candidates: list[Beginning], parents: list[Beginning], given: Given
) -> list[Beginning]:
    return best_first(candidates)


def _of_each(candidates: list[Beginning], parents: list[Beginning], count: int) -> list[Beginning]:
    """Return a fixed number of the best continuations of each beginning."""
    chosen: list[Beginning] = []
    for parent in parents:
        own = [one for one in candidates if parent.words in (one.words, one.words[:-1])]
        chosen += best_first(own)[:count]
    return best_first(chosen)


def _moved(move: Move) -> Keep:
    """Return a part that keeps the best, but mixes up what belongs to them."""
    return lambda candidates, parents, given: move(
        best(candidates, parents, given), candidates, parents
    )


def _states_unsorted(
    kept: list[Beginning], candidates: list[Beginning], parents: list[Beginning]
) -> list[Beginning]:
    """Return the kept ones with the states of the first candidates, in the order of the loops."""
    return [one._replace(state=other.state) for one, other in zip(kept, candidates, strict=False)]


def _states_by_place(
    kept: list[Beginning], candidates: list[Beginning], parents: list[Beginning]
) -> list[Beginning]:
    """Return the kept ones with the states of the beginnings that were in their places."""
    after = {one.words[:-1]: one.state for one in candidates}
    states = [after.get(one.words, one.state) for one in parents]
    return [one._replace(state=states[k % len(states)]) for k, one in enumerate(kept)]


def _words_by_place(
    kept: list[Beginning], candidates: list[Beginning], parents: list[Beginning]
) -> list[Beginning]:
    """Return the kept ones, with their last words after the beginnings in their places."""
    length = max(len(one.words) for one in candidates)
    return [
        one._replace(words=(*parents[k % len(parents)].words, one.words[-1]))
        if len(one.words) == length
        else one
        for k, one in enumerate(kept)
    ]


def _with_probabilities(before: float, log_p: Array, word: int, given: Given) -> float:
    return before + float(np.exp(log_p[word]))


def _score(one: Beginning) -> float:
    return one.score


def _mean(one: Beginning) -> float:
    return -one.score / len(one.words)


def _length(one: Beginning) -> int:
    return len(one.words)


def _never(one: Beginning, t: int, given: Given) -> None:
    return None


def _rescored(rescore: Callable[[float, int, int], float]) -> Answer:
    """Return a search in which ended captions get another score, by length and round."""
    return searching(
        finish=lambda one, t, given: (
            [one._replace(score=rescore(one.score, len(one.words), t))]
            if has_ended(one, given)
            else None
        )
    )


def _ends_again(one: Beginning, t: int, given: Given) -> list[Beginning] | None:
    """Add to an ended caption the log probability of another <end>."""
    if not has_ended(one, given):
        return None
    log_p, _ = given.step(given.end, one.state)
    return [one._replace(score=one.score + float(log_p[given.end]))]


def _start_read_twice(step: Step, state: Any, start: int, *given: Any) -> tuple[Array, float]:
    return beam_search(step, step(start, state)[1], start, *given)


def _reported(report: Callable[[float], Any], **parts: Any) -> Answer:
    """Return a search that reports the score in its own way."""
    return searching(
        choose=lambda kept, given: kept[0]._replace(score=report(kept[0].score)), **parts
    )


def _only_ended(kept: list[Beginning], given: Given) -> Beginning:
    return next((one for one in kept if has_ended(one, given)), kept[0])


def _any_ended(kept: list[Beginning], t: int, given: Given) -> bool:
    return t >= given.limit or any(has_ended(one, given) for one in kept)


def _other_first(first: Callable[[Given], int]) -> Answer:
    """Return a search whose model reads another word than start."""
    return searching(read=lambda one, given: one.words[-1] if one.words else first(given))


def _of_width(width: int) -> Answer:
    """Return a search that keeps this many, whatever width it is given."""
    return searching(keep=lambda candidates, parents, given: best_first(candidates)[:width])


SINGLE = (
    "The words are right, and the score is right to six digits. Something becomes float32 on the "
    "way. Add the log probabilities up as they are."
)

BEAM_MISTAKES: Mistakes = {
    (
        "This is what greedy search finds. Follow several beginnings side by side. If the first "
        "round starts from several copies of the empty one, they stay equal."
    ): (searching(keep=lambda candidates, parents, given: best_first(candidates)[:1]),),
    (
        "This is what greedy search finds, with words after <end>. Follow several beginnings side "
        "by side, and don't continue any that has ended."
    ): (
        searching(
            keep=lambda candidates, parents, given: best_first(candidates)[:1], finish=_never
        ),
    ),
    (
        "The width has no effect: whatever it is, the same number of beginnings goes on, or all of "
        "them."
    ): (
        *map(_of_width, (2, 3, 4, 5, 6)),
        searching(keep=_all_kept),
    ),
    (
        "Every beginning keeps its own best continuation, so you never drop one. Keep the best of "
        "all continuations together."
    ): (
        searching(
            keep=lambda candidates, parents, given: _of_each(
                candidates, parents, 1 if parents[0].words else given.width
            )
        ),
    ),
    (
        "You keep the best of each beginning, so the beam grows from round to round. Of all "
        "continuations together, keep only as many as the width."
    ): (
        searching(
            keep=lambda candidates, parents, given: _of_each(candidates, parents, given.width)
        ),
    ),
    "You drop candidates without sorting them, so you keep the first ones found. Sort first.": (
        searching(keep=lambda candidates, parents, given: best_first(candidates[: given.width])),
    ),
    "You keep the worst candidates, not the best.": (
        searching(keep=kept_by(_score)),
        searching(keep=kept_by(_score), choose=lambda kept, given: kept[-1]),
    ),
    "A caption that has ended gets lost in the next round. Keep it as a candidate, unchanged.": (
        searching(finish=lambda one, t, given: [] if has_ended(one, given) else None),
    ),
    "You add words after <end>. A caption that has ended goes on competing, but unchanged.": (
        searching(finish=_never),
    ),
    **said(
        "probabilities-added",
        searching(score=_with_probabilities),
        _reported(np.log, score=_with_probabilities),
    ),
    "You rank candidates by their last word alone. Rank them by the sum from the start.": (
        searching(score=lambda before, log_p, word, given: float(log_p[word])),
    ),
    (
        "You rank candidates by the mean over their words, along the way or at the end. Here, use "
        "the sum."
    ): (
        searching(choose=lambda kept, given: min(kept, key=_mean)),
        searching(keep=kept_by(_mean)),
        searching(keep=kept_by(_mean), choose=lambda kept, given: max(kept, key=_score)),
    ),
    **each(
        "You return the {} of those you kept. Return the one with the highest score, whatever its "
        "length.",
        {
            "longest": (
                searching(choose=lambda kept, given: max(kept, key=_length)),
                searching(choose=lambda kept, given: max(kept[::-1], key=_length)),
            ),
            "shortest": (searching(choose=lambda kept, given: min(kept, key=_length)),),
        },
    ),
    "The score of a caption that has ended changes in later rounds. It should stay what it was.": (
        _rescored(lambda score, length, t: score * (length + 1) / length),
        _rescored(lambda score, length, t: score * (t + 1) / t),
        _rescored(lambda score, length, t: score * length / (length + 1)),
        _rescored(lambda score, length, t: score * t / (t + 1)),
        _rescored(lambda score, length, t: 2 * score),
        searching(finish=_ends_again),
    ),
    (
        "When you sort, the parts of a beginning get separated. Move its words, its score and its "
        "state together."
    ): (
        searching(keep=_moved(_states_unsorted)),
        searching(keep=_moved(_states_by_place)),
        searching(keep=_moved(_words_by_place)),
    ),
    "All beginnings go on from the state of the best one. Each needs its own state.": (
        searching(state_of=lambda one, kept, latest, given: kept[0].state),
    ),
    (
        "One state runs through all beginnings, so each goes on from what was read for another. "
        "Keep a separate state with every beginning."
    ): (searching(state_of=lambda one, kept, latest, given: latest),),
    "All continuations of a beginning append to the same list. Make a new list for each.": (
        _one_list,
    ),
    (
        "You set ended captions aside, so they take no place in the beam. Here they keep their "
        "place."
    ): (
        _set_aside,
        _aside_afterwards(shrinks=False),
        _aside_afterwards(shrinks=False, prefers_ended=True),
        _until_enough_have_ended,
    ),
    (
        "An ended caption keeps its place for good. It must compete in every round, and may be "
        "pushed out."
    ): (
        _aside_afterwards(shrinks=True),
        _aside_afterwards(shrinks=True, prefers_ended=True),
    ),
    "Your first round keeps every word. The width holds there too.": (
        searching(
            keep=lambda candidates, parents, given: best_first(candidates)[
                : given.width if parents[0].words else None
            ]
        ),
    ),
    "You keep one beginning more than the width.": (
        searching(
            keep=lambda candidates, parents, given: best_first(candidates)[: given.width + 1]
        ),
    ),
    "You return <start>, which isn't a word of the caption.": (_with_start,),
    **said(
        "state-not-handed-on",
        searching(state_of=lambda one, kept, latest, given: given.state),
    ),
    **said("written-not-read", searching(read=lambda one, given: given.start), it="<start>"),
    "You stop as soon as one caption has ended. Others may still end up better.": (
        searching(over=_any_ended, choose=_only_ended),
        searching(over=_any_ended),
    ),
    (
        "You discard a caption at the limit, or rank it below those that have ended. It counts as "
        "it is."
    ): (searching(choose=_only_ended),),
    "You return the last of those you kept, which is the worst of them.": (
        searching(choose=lambda kept, given: kept[-1]),
    ),
    **each(
        "You run one round too {} as many words as the limit says, <end> included.",
        {
            "few: a caption may have": (
                searching(over=lambda kept, t, given: t >= given.limit - 1),
            ),
            "many: a caption has at most": (
                searching(over=lambda kept, t, given: t >= given.limit + 1),
            ),
        },
    ),
    "Something other than end follows <end>. Pad the caption with end.": (
        _filled_with(lambda start: start),
        _filled_with(lambda start: 0),
        _filled_with(lambda start: -1),
    ),
    **said(
        "other-end",
        _with_numbers(lambda start, end, V: (start, V - 1)),
        _with_numbers(lambda start, end, V: (start, 0)),
        _with_numbers(lambda start, end, V: (start, 1)),
    ),
    "The model doesn't read the start that you're given: it reads another word first.": (
        _other_first(lambda given: 0),
        _other_first(lambda given: 1),
        _other_first(lambda given: given.end),
    ),
    "You use numbers of your own instead of start and end.": (
        _with_numbers(lambda start, end, V: (0, V - 1)),
        _with_numbers(lambda start, end, V: (0, 1)),
        _with_numbers(lambda start, end, V: (1, 0)),
    ),
    (
        "The model never reads start, and the first word costs nothing. Read start in the first "
        "round: the first word has a log probability like any other."
    ): (_every_first_word,),
    "You divide the score by a number of words. Here it's the sum itself.": (
        _with_score(lambda score, length, limit: score / length),
        _with_score(lambda score, length, limit: score / limit),
    ),
    **said("score-sign", _with_score(lambda score, length, limit: -score)),
    **said("unsaid-end", _with_final_end_score),
    (
        "The model reads start twice. Let only the first round read it, from the state that you're "
        "given."
    ): (_start_read_twice,),
    "The score is 1 too high because your sum starts at 1. Start at 0, the logarithm of 1.": (
        _reported(lambda score: score + 1),
    ),
    "The words are right, but your score is a probability. Return its logarithm.": (
        _reported(np.exp),
    ),
    **said(
        "stopping-free",
        searching(
            score=lambda before, log_p, word, given: (
                before + float(log_p[word]) * (word != given.end)
            )
        ),
    ),
    SINGLE: (_reported(lambda score: float(np.float32(score))),),
}


def _step(V: int, seed: int) -> Step:
    """Return a small LSTM that reads a word and gives log probabilities of the next."""
    rng = seeded(V, seed)
    params = cell.LSTMParams.init(3, 4, rng=rng)
    words, out = 2 * rng.normal(size=(V, 3)), 3 * rng.normal(size=(V, 4))

    in_dtype: dict[Any, tuple[cell.LSTMParams, Array, Array]] = {}

    def step(word: int, state: Any) -> tuple[Array, Any]:
        h, c = state
        if h.dtype not in in_dtype:
            same = cell.LSTMParams(*(array.astype(h.dtype) for array in params.arrays()))
            in_dtype[h.dtype] = same, words.astype(h.dtype), out.T.astype(h.dtype)
        weights, inputs, to_scores = in_dtype[h.dtype]
        h, c, _ = cell.lstm_step(inputs[[word]], h, c, weights)
        scores = (h @ to_scores)[0]
        return scores - np.log(np.exp(scores).sum()), [h, c]

    return step


@sized
def _beam_case(K: int, T: int, V: int, start: int, end: int, seed: int = 0) -> Case:
    rng = seeded(K, T, V, seed)
    arguments: dict[str, Any] = {
        "step": _step(V, seed),
        "state": [rng.normal(size=(1, 4)) for _ in range(2)],
        "start": start,
        "end": end,
        "width": K,
        "limit": T,
    }
    shown = f"There start = {start}, end = {end}."
    if (1 + K * (T - 1)) * V <= 24:
        shown += f" Of the right search, log_p is {_rows(**arguments)}."
    return Case({"width": K, "limit": T, "V": V}, arguments, shown=shown)


def _rows(step: Step, state: Any, start: int, end: int, width: int, limit: int) -> str:
    """Return what a reader needs to search by hand: log_p, and what was read before it."""
    rows: dict[tuple[int, ...], Array] = {}

    def recording(word: int, read: Any) -> tuple[Array, Any]:
        before, inner = read
        log_p, after = step(word, inner)
        rows[*before, word] = log_p
        return log_p, ((*before, word), after)

    beam_search(recording, ((), state), start, end, width, limit)
    return "; ".join(
        f"[{', '.join(f'{v + 0.0:.4f}' for v in row)}] after {', '.join(map(str, read))}"
        for read, row in rows.items()
    )


def _worth(given: dict[str, Any], words: Array) -> float:
    """Return the sum of the log probabilities of words, up to the first <end>."""
    total, last, state = 0.0, given["start"], given["state"]
    for word in words.tolist():
        log_p, state = given["step"](last, state)
        total, last = total + float(log_p[word]), word
        if word == given["end"]:
            break
    return total


def _wide_is_no_worse(f: Guarded, rng: np.random.Generator) -> bool:
    for seed in range(8):
        given = dict(_beam_case(1, 3, 4, 3, 1, seed).arguments)
        narrow = _worth(given, np.asarray(f(*given.values())[0]))
        wide = _worth(given, np.asarray(f(*{**given, "width": 64}.values())[0]))  # keeps everything
        if wide < narrow - 1e-9:
            return False
    return True


BEAM_PROPERTIES: dict[str, Property] = {
    (
        "A search wide enough to keep everything must find nothing worse than width 1 does."
    ): _wide_is_no_worse,
}


def _sums_in_float64(f: Guarded, rng: np.random.Generator) -> bool:
    given = _beam_case(2, 5, 5, 0, 4, 453).arguments.values()
    return abs(float(f(*given)[1]) / beam_search(*given)[1] - 1) < 1e-10


QUESTIONS = (
    Question(
        name="caption-score",
        points=2,
        hints=(
            "Each step gives every word a probability. Only that of the caption's own word counts.",
            "A caption is over at its first <end>, which counts. What comes after it adds nothing "
            "to the sum and nothing to the length.",
            "Make a boolean mask that's true up to and including the first <end>. Sum the "
            "logarithms under the mask, count the mask, and divide the sum by the count to the "
            "power of alpha.",
        ),
        exam=FunctionExam(
            name="caption_scores",
            solution=caption_scores,
            returns=(Returned(shape="(N,)"),),
            cases=(
                _score_case(3, 3, 3, 1, 1.0),
                _score_case(1, 1, 1, 0, 1.0),
                _score_case(1, 3, 4, 2, 0.7),
                _score_case(4, 1, 3, 1, 0.6),
                _score_case(4, 3, 3, 2, 0.0),
                _score_case(5, 2, 4, 1, 0.7, all_end=False),
                _score_case(6, 4, 4, 0, 2.0),
                _score_case(7, 3, 5, 3, 0.5, all_end=True),
                _score_case(8, 5, 3, 1, 0.7),
            ),
            mistakes=SCORE_MISTAKES,
            properties=SCORE_PROPERTIES,
            demands=SCORE_DEMANDS,
            right=(
                "Right: the sum of logarithms up to <end>, divided by a power of each caption's "
                "own length."
            ),
        ),
    ),
    Question(
        name="beam-search",
        points=5,
        hints=(
            "Keep a list of beginnings. Each needs three things: its words, the sum of their log "
            "probabilities, and its own state.",
            "Each round makes a new list: the beginnings that have ended, as they are, and every "
            "other one continued by every word. Sort it, and drop what's beyond the width.",
            "Start with one beginning: no words, the sum 0, the given state. From each "
            "beginning's own state, the model reads its last word, or start if it has none. After "
            "the last round, the first of the sorted list is the answer, ended or not.",
        ),
        exam=FunctionExam(
            name="beam_search",
            solution=beam_search,
            returns=(Returned("words", "(limit,)"), Returned("score")),
            cases=(
                _beam_case(2, 2, 2, 1, 0),
                _beam_case(1, 1, 1, 0, 0),
                _beam_case(1, 3, 3, 2, 1),
                _beam_case(3, 1, 3, 1, 2),
                _beam_case(2, 3, 1, 0, 0),
                _beam_case(2, 3, 3, 1, 0),
                _beam_case(3, 3, 3, 0, 1, 118),
                _beam_case(2, 4, 4, 0, 1, 706),
                _beam_case(2, 4, 4, 0, 1, 58),
                _beam_case(4, 3, 4, 0, 2, 373),
                _beam_case(2, 5, 4, 0, 2, 45),
                _beam_case(2, 5, 5, 4, 3, 261),
                _beam_case(2, 5, 5, 0, 4, 453),
                _beam_case(3, 5, 5, 0, 1, 841),
                _beam_case(4, 5, 4, 2, 0, 460),
            ),
            mistakes=BEAM_MISTAKES,
            properties=BEAM_PROPERTIES,
            demands={SINGLE: _sums_in_float64},
            forbidden=(search_of_the_package,),
            right="Right: the most probable caption that a beam of this width finds.",
        ),
    ),
)

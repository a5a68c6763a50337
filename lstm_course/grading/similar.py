"""Which answers resemble each other more than chance: pairs for an instructor to judge."""

import itertools
import keyword
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|\S")
COMMENT = re.compile(r"#[^\n]*")
TEXT = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""', re.DOTALL)
WINDOW = 6
"""How many tokens in a row make a piece."""
SHORTEST = 12
"""Answers with fewer pieces say nothing."""
LEAST = 0.8
"""The share of pieces that two answers must have in common."""


class Pair(NamedTuple):
    """Two learners' answers to a question, and the share of pieces that they have in common."""

    question: str
    one: str
    other: str
    share: float


def pieces(source: str) -> frozenset[tuple[str, ...]]:
    r"""Return a source's runs of tokens, whatever its names, its layout and its comments.

    Examples
    --------
    >>> one = "def gate(x, W):\n    total = x @ W.T  # add\n    return sigmoid(total)"
    >>> other = "def f(a,b):\n  s = a@b.T\n  return sigmoid(s)"
    >>> pieces(one) == pieces(other)
    True
    """
    words = TOKEN.findall(COMMENT.sub("", TEXT.sub("", source)))
    names: dict[str, str] = {}
    for word in words:
        if word.isidentifier() and not keyword.iskeyword(word):
            names.setdefault(word, f"name{len(names)}")
    plain = [names.get(word, word) for word in words]
    return frozenset(tuple(plain[k : k + WINDOW]) for k in range(len(plain) - WINDOW + 1))


def pairs(answers: Iterable[tuple[str, str, str]]) -> list[Pair]:
    r"""Return the pairs of learners whose answers to a question are nearly the same.

    Parameters
    ----------
    answers
        Question, learner and source of each answer.

    Examples
    --------
    >>> loop = "for t in range(len(xs)):\n    h = step(xs[t], h)\n    hs.append(h)\nreturn hs, h"
    >>> renamed = loop.replace("xs", "inputs").replace("step", "cell")
    >>> pairs([("sequence", "ada", loop), ("sequence", "alan", renamed)])
    [Pair(question='sequence', one='ada', other='alan', share=1.0)]
    """
    of: dict[str, list[tuple[str, frozenset[tuple[str, ...]]]]] = defaultdict(list)
    for question, learner, source in answers:
        own = pieces(source)
        if len(own) >= SHORTEST:
            of[question].append((learner, own))
    return sorted(_alike(of), key=lambda pair: (-pair.share, pair))


def _alike(of: dict[str, list[tuple[str, frozenset[tuple[str, ...]]]]]) -> Iterator[Pair]:
    for question, those in of.items():
        for (one, mine), (other, yours) in itertools.combinations(those, 2):
            share = len(mine & yours) / len(mine | yours)
            if share >= LEAST and one != other:
                yield Pair(question, one, other, round(share, 2))

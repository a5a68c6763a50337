"""Models of text that count instead of learning, and look a few characters back."""

from collections import Counter

import numpy as np

from lstm_course._checks import Array, size


class NGrams:
    """Probabilities of the next character, from counts of what followed the same few characters.

    Long contexts have few counts, so each context leaves part of its probability to the context
    one character shorter, down to equal shares for the whole alphabet.

    Parameters
    ----------
    text
        The text to count in.
    order
        The longest piece to count: `order - 1` characters and the one that follows.
    alphabet
        All characters that may ever come: those of `text`, and perhaps others.
    smoothing
        "kneser-ney" takes a fixed part of a count off each count, and for shorter contexts counts
        in how many longer ones a character followed. "witten-bell" leaves the shorter context as
        much as there are different characters that followed.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    References
    ----------
    Kneser and Ney (1995), doi:10.1109/ICASSP.1995.479394, interpolated as in Chen and Goodman
    (1999), doi:10.1006/csla.1999.0128; Witten and Bell (1991), doi:10.1109/18.87000.

    Examples
    --------
    >>> model = NGrams("the cat sat on the mat", 3, " acehmnost")
    >>> p = model.probabilities("at the ")
    >>> " acehmnost"[p.argmax()], round(float(p.sum()), 6)
    ('c', 1.0)
    >>> model.bits("the hat").round(1)  # of each character
    array([2.9, 3.9, 0.6, 0.5, 4.4, 2.3, 0.5])
    """

    def __init__(self, text: str, order: int, alphabet: str, smoothing: str = "kneser-ney") -> None:
        order = size("order", order)
        if smoothing not in ("kneser-ney", "witten-bell"):
            raise ValueError(f"smoothing is {smoothing!r}, expected 'kneser-ney' or 'witten-bell'")
        self.order, self.alphabet, self.smoothing = order, alphabet, smoothing
        self._check(text)
        if len(text) < order:
            raise ValueError(f"text has {len(text)} characters, expected at least {order}")
        pieces = Counter(text[t : t + order] for t in range(len(text) - order + 1))
        self.counts: list[dict[str, int]] = [pieces]  # of pieces, the longest last
        for length in range(order - 1, 0, -1):
            if smoothing == "kneser-ney":
                shorter = Counter(piece[1:] for piece in self.counts[0])
            else:
                shorter = Counter(text[t : t + length] for t in range(len(text) - length + 1))
            self.counts.insert(0, shorter)
        self.followers = [_followers(counts) for counts in self.counts]
        self.discounts = [_discount(counts) for counts in self.counts]
        self.last = text[len(text) - order + 1 :]

    def add(self, text: str) -> None:
        """Count on, in text that comes after all that has been counted.

        The counts are then those of the longer text, at a cost that only grows with what is
        added. What Kneser and Ney take off a count stays as it was.

        Raises
        ------
        ValueError
            A character is not in the alphabet.

        Examples
        --------
        >>> model = NGrams("the cat sat", 3, " acehmnost")
        >>> model.add(" on the mat")
        >>> model.counts == NGrams("the cat sat on the mat", 3, " acehmnost").counts
        True
        """
        self._check(text)
        read = self.last + text
        for end in range(self.order, len(read) + 1):
            for k in reversed(range(self.order)):
                piece = read[end - k - 1 : end]
                new = piece not in self.counts[k]
                self.counts[k][piece] = self.counts[k].get(piece, 0) + 1
                total, different = self.followers[k].get(piece[:-1], (0, 0))
                self.followers[k][piece[:-1]] = total + 1, different + new
                if self.smoothing == "kneser-ney" and not new:
                    break  # shorter pieces count the longer ones that hold them: no new one
        self.last = read[len(read) - self.order + 1 :]

    def probability(self, context: str, character: str) -> float:
        """Return the probability of a character after a context.

        Only the last `order - 1` characters of the context matter.
        """
        p = 1 / len(self.alphabet)
        for k in range(min(self.order, len(context) + 1)):
            known = context[len(context) - k :]
            if known not in self.followers[k]:
                break  # then longer contexts are not known either
            total, different = self.followers[k][known]
            count = self.counts[k].get(known + character, 0)
            if self.smoothing == "witten-bell":
                p = (count + different * p) / (total + different)
            else:
                taken = self.discounts[k]
                p = (max(count - taken, 0) + taken * different * p) / total
        return p

    def probabilities(self, context: str) -> Array:
        """Return the probability of each character of the alphabet after a context."""
        return np.array([self.probability(context, character) for character in self.alphabet])

    def bits(self, text: str, before: str = "") -> Array:
        """Return -log2 of the probability of each character of a text, given what precedes it."""
        self._check(text)
        read, first = before + text, len(before)
        places = range(first, len(read))
        reach = self.order - 1
        return -np.log2([self.probability(read[max(0, t - reach) : t], read[t]) for t in places])

    def _check(self, text: str) -> None:
        foreign = sorted(set(text) - set(self.alphabet))
        if foreign:
            raise ValueError(f"text holds {foreign[0]!r}, which is not in the alphabet")


def _followers(counts: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Return for each context how many characters followed it, and how many different ones."""
    totals: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for piece, count in counts.items():
        totals[piece[:-1]] += count
        different[piece[:-1]] += 1
    return {context: (totals[context], different[context]) for context in totals}


def _discount(counts: dict[str, int]) -> float:
    """Return what to take off each count, from the numbers of pieces that occur once and twice."""
    often = Counter(counts.values())
    return often[1] / (often[1] + 2 * often[2]) if often[1] else 0.5

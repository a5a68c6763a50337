from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_course import tasks
from lstm_course.models import NGrams

SMOOTHINGS = ("kneser-ney", "witten-bell")
TEXT = tasks.stories(3000, rng=np.random.default_rng(0))[0]
ALPHABET = "".join(sorted(set(TEXT) | set("xyz")))


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_probabilities_sum_to_one_and_none_is_zero(order, smoothing):
    model = NGrams(TEXT, order, ALPHABET, smoothing)
    for context in ("", "z", "the c", "the cat sat on", "xxxx", TEXT[-9:], TEXT[:4]):
        p = model.probabilities(context)
        assert p.min() > 0
        np.testing.assert_allclose(p.sum(), 1, rtol=1e-12)


@given(st.text("ab", min_size=3, max_size=30), st.text("abc", max_size=5), st.integers(1, 3))
def test_they_sum_to_one_after_any_text(text, context, order):
    for smoothing in SMOOTHINGS:
        p = NGrams(text, order, "abc", smoothing).probabilities(context)
        assert p.min() >= 0
        np.testing.assert_allclose(p.sum(), 1, rtol=1e-12)


def test_witten_bell_by_hand():
    model = NGrams("abac", 2, "abcd", "witten-bell")
    # one character: a twice, b and c once, 3 different; the rest to 4 equal shares
    alone = np.array([2, 1, 1, 0]) + 3 * np.full(4, 0.25)
    np.testing.assert_allclose(model.probabilities(""), alone / 7)
    # after a: b once, c once, 2 different
    np.testing.assert_allclose(
        model.probabilities("da"), (np.array([0, 1, 1, 0]) + 2 * alone / 7) / 4
    )
    np.testing.assert_allclose(model.probabilities("d"), alone / 7)  # d was never seen


def test_kneser_ney_by_hand():
    model = NGrams("abacab", 2, "abcd")
    # pieces ab twice, ba, ac, ca once: three occur once, one twice
    assert model.discounts[1] == 3 / 5
    # a follows b and c, b follows a, c follows a: two occur once, one twice
    assert model.discounts[0] == 2 / 4
    alone = (np.array([1.5, 0.5, 0.5, 0]) + 0.5 * 3 * 0.25) / 4
    np.testing.assert_allclose(model.probabilities(""), alone)
    after_a = (np.array([0, 1.4, 0.4, 0]) + 0.6 * 2 * alone) / 3
    np.testing.assert_allclose(model.probabilities("a"), after_a)


def test_kneser_ney_asks_in_how_many_contexts_not_how_often():
    text = "xyxyxyxyxy" + "axbxcxdx"  # y is as frequent as many, but only after x
    counted, asked = (NGrams(text, 2, "abcdxy", one) for one in SMOOTHINGS[::-1])
    y = "abcdxy".index("y")
    assert asked.probabilities("")[y] < 0.5 * counted.probabilities("")[y]


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 2, 5])
def test_who_counts_on_has_the_counts_of_the_longer_text(order, smoothing):
    model = NGrams(TEXT[:2000], order, ALPHABET, smoothing)
    before = list(model.discounts)
    for start, end in ((2000, 2001), (2001, 2001), (2001, 2064), (2064, 3000)):
        model.add(TEXT[start:end])
    whole = NGrams(TEXT[:3000], order, ALPHABET, smoothing)
    assert model.counts == whole.counts
    assert model.followers == whole.followers
    assert model.discounts == before
    model.discounts = whole.discounts
    np.testing.assert_array_equal(model.bits(TEXT[:99]), whole.bits(TEXT[:99]))


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_bits_are_those_of_the_probabilities(smoothing):
    model = NGrams(TEXT, 4, ALPHABET, smoothing)
    text = TEXT[100:160]
    wanted = [
        -np.log2(model.probabilities(text[:t])[ALPHABET.index(text[t])]) for t in range(len(text))
    ]
    np.testing.assert_allclose(model.bits(text), wanted)
    np.testing.assert_allclose(model.bits(text[20:], text[:20]), wanted[20:])
    np.testing.assert_allclose(model.bits(text[20:], text[17:20]), wanted[20:])  # three are enough


def test_longer_contexts_help_and_the_source_is_never_beaten():
    text, bits = tasks.stories(60_000, rng=np.random.default_rng(1))
    known, new = text[:50_000], text[50_000:]
    alphabet = "".join(sorted(set(text)))
    cost = [NGrams(known, order, alphabet).bits(new).mean() for order in range(1, 7)]
    assert all(b < a for a, b in pairwise(cost))
    assert cost[-1] > bits[50_000:].mean()
    counts = Counter(new)
    entropy = -sum(n / len(new) * np.log2(n / len(new)) for n in counts.values())
    assert entropy < cost[0] < entropy + 0.02


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: NGrams("cat", 0, "act"), ValueError, "order must be at least 1, got 0"),
        (lambda: NGrams("cat", 2.0, "act"), TypeError, "order must be a whole number, got 2.0"),
        (lambda: NGrams("cat", 4, "act"), ValueError, "text has 3 characters, expected at least 4"),
        (lambda: NGrams("cart", 2, "act"), ValueError, "text holds 'r', which is not in the alphabet"),
        (lambda: NGrams("cat", 2, "act").bits("rat"), ValueError, "text holds 'r', which is not in the alphabet"),
        (lambda: NGrams("cat", 2, "act").add("rat"), ValueError, "text holds 'r', which is not in the alphabet"),
        (lambda: NGrams("cat", 2, "act", "laplace"), ValueError, "smoothing is 'laplace', expected 'kneser-ney' or 'witten-bell'"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()

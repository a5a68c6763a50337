"""The chapter's questions: answers that mix mistakes, and what is said of each part."""

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.exercises.ch21_agreement import number_unit, switch_off

GATES = "The gates' bias hasn't changed. Add what the unit"
READOUT = "The read-out's bias hasn't changed. Add what the unit"


def squared_and_largest(*given):
    r, _ = number_unit(*given)
    return r**2, int(np.argmax(r))


def unchanged(U, b, V, d, unit, value):
    return U, b, V, d


def all_cut(U, b, V, d, unit, value):
    return 0 * U, b, 0 * V, d


def other_columns_cut_too(U, b, V, d, unit, value):
    U_new, b_new, V_new, _ = switch_off(U, b, V, d, unit, value)
    return np.where(np.arange(U.shape[1]) < unit, 0, U_new), b_new, V_new, d


def positive_of_all_steps(cs, first, last, plural):
    r, unit = number_unit(cs, 0 * first, last, plural)
    return np.abs(r), unit


def row_of_the_readout(U, b, V, d, unit, value):
    U_new, b_new, *_ = switch_off(U, b, V, d, unit, value)
    return U_new, b_new, V * (np.arange(len(V)) != unit)[:, None], d


def own_rows_kept(U, b, V, d, unit, value):
    U_new, *others = switch_off(U, b, V, d, unit, value)
    U_new[unit :: U.shape[1], unit] = U[unit :: U.shape[1], unit]
    return U_new, *others


@pytest.mark.parametrize(
    ("name", "answer", "sentences"),
    [
        ("number-unit", squared_and_largest, ("In r: This is the square", "In unit: You take the")),
        ("number-unit", lambda *given: number_unit(*given)[::-1], ("in the order unit, r",)),
        ("switch-off", all_cut, ("In U: U is all 0", f"In b: {GATES}", f"In d: {READOUT}")),
        ("switch-off", other_columns_cut_too, ("Wrong: U, d.", f"In d: {READOUT}")),
        ("number-unit", positive_of_all_steps, ("None of your r is ever negative",)),
        ("switch-off", row_of_the_readout, ("Right: U, b. Wrong: V, d", f"In d: {READOUT}")),
        ("switch-off", own_rows_kept, ("The unit reads itself too",)),
        (
            "switch-off",
            unchanged,
            (
                "In U: U hasn't changed",
                f"In b: {GATES}",
                "In V: V hasn't changed",
                f"In d: {READOUT}",
            ),
        ),
    ],
)
def test_each_part_gets_a_sentence_that_is_true_of_it(name, answer, sentences):
    feedback = lc.check(name, answer)
    assert not feedback.passed
    for sentence in sentences:
        assert sentence in feedback.message


def coefficients(x, y):
    return np.corrcoef(x.T, y)[-1, :-1]


def covariance(x, y):
    return (y - y.mean()) @ (x - x.mean(0))


def slope(x, y):
    return covariance(x, y) / ((x - x.mean(0)) ** 2).sum(0)


def without_root(x, y):
    return slope(x, y) / ((y - y.mean()) ** 2).sum()


def signs_uncentred(x, y):
    y = 2 * y - 1
    return y @ x / np.sqrt((x**2).sum(0) * (y**2).sum())


def by_steps(cs, first, last, plural):
    """Correlate at each distance, as long as it can be done, and average."""
    rows = []
    for j in range(len(cs)):
        there = np.flatnonzero(first + j <= last)
        if len(there) > 2 and 0 < plural[there].sum() < len(there):
            rows.append(coefficients(cs[first[there] + j, there], plural[there]))
    r = np.mean(rows, axis=0)
    return r, np.abs(r).argmax()


def answer(correlation=coefficients, chosen=None, inside=lambda t, f, s: (t >= f) & (t <= s)):
    """Return an answer: what it computes, what it chooses the unit by, and which steps count."""

    def handed_in(cs, first, last, plural):
        mask = inside(np.arange(len(cs))[:, None], first, last)
        x, y = cs[mask], np.broadcast_to(plural, mask.shape)[mask]
        return correlation(x, y), np.abs((chosen or correlation)(x, y)).argmax()

    return handed_in


def steps(inside):
    return answer(inside=inside)


def masked(cs, first, last, plural):
    t = np.arange(len(cs))[:, None]
    kept = cs * ((t >= first) & (t <= last))[:, :, None]
    r = coefficients(kept.reshape(-1, cs.shape[2]), np.tile(plural, len(cs)))
    return r, np.abs(r).argmax()


def one_range(low, high):
    def handed_in(cs, first, last, plural):
        x = cs[low(first) : high(last) + 1]
        r = coefficients(x.reshape(-1, cs.shape[2]), np.tile(plural, len(x)))
        return r, np.abs(r).argmax()

    return handed_in


def sliced(start, end):
    """Gather by slices and lists, and correlate unit by unit."""

    def handed_in(cs, first, last, plural):
        x, y = [], []
        for n in range(len(plural)):
            part = cs[first[n] + start : last[n] + end, n]
            x += list(part)
            y += [plural[n]] * len(part)
        r = [np.corrcoef(one, y)[0, 1] for one in np.array(x).T]
        return r, int(np.argmax(np.abs(r)))

    return handed_in


NEITHER = "The first and the last step of each sentence are missing"
NUMBER_OF_STEPS = "You take last for a number of steps"
SAME_STEPS = "You take the same steps of all sentences"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (answer(chosen=covariance), "You choose the unit by a measure that grows"),
        (by_steps, "You correlate step by step"),
        (lambda *given: (number_unit(*given)[0], by_steps(*given)[1]), "You choose the unit by av"),
        (answer(slope), "This is the slope"),
        (answer(without_root), "The root is missing"),
        (answer(signs_uncentred), "You don't subtract the means"),
        (
            steps(lambda t, f, s: (t >= f) & (t <= s + 1)),
            "You also count the step after the last one",
        ),
        (steps(lambda t, f, s: (t >= f) & (t <= f + s)), NUMBER_OF_STEPS),
        (steps(lambda t, f, s: (t >= f) & (t < f + s)), NUMBER_OF_STEPS),
        (steps(lambda t, f, s: (t > f) & (t < s)), NEITHER),
        (sliced(1, 0), NEITHER),
        (steps(lambda t, f, s: (t > f) & (t <= s + 1)), "You take all steps one too late"),
        (sliced(1, 2), "You take all steps one too late"),
        (sliced(-1, 0), "You take all steps one too early"),
        (sliced(0, 0), "The last step of each sentence is missing"),
        (sliced(1, 1), "The first step of each sentence is missing"),
        (one_range(np.min, np.max), SAME_STEPS),
        (one_range(lambda first: first[0], lambda last: last[0]), SAME_STEPS),
        (masked, "You set the states outside to 0"),
    ],
)
def test_a_mistake_is_named_however_it_is_written(wrong, sentence):
    assert lc.check("number-unit", wrong).message.startswith(sentence)


def test_a_unit_is_held_against_the_r_of_the_answer():
    last = lc.check("number-unit", lambda *given: (number_unit(*given)[0], given[0].shape[2] - 1))
    assert last.message.startswith("The unit isn't the one whose r, in your own answer")
    assert "Right: r. Wrong: unit." in last.message


def about_one_mean(x, y):
    x, y = x - x.mean(), y - y.mean()
    return y @ x / np.sqrt((x**2).sum(0) * (y**2).sum())


def test_a_unit_that_follows_from_a_wrong_r_gets_no_cause_of_its_own():
    message = lc.check("number-unit", answer(about_one_mean)).message
    assert message.startswith("You subtract the mean of all units")
    nearly = answer(lambda x, y: about_one_mean(x, y) + 0.01)
    assert "In unit" not in lc.check("number-unit", nearly).message


def test_digits_that_float32_loses_are_missed():
    single = answer(lambda x, y: coefficients(np.float32(x), y).astype(float))
    assert not lc.check("number-unit", single).passed
    added = answer(lambda x, y: coefficients(x, y) / (1 + 1e-8 / x.std(0)))
    assert lc.check("number-unit", added).message.startswith("Right to six digits. Where states")


def test_a_unit_alone_does_not_give_away_a_cause():
    for factor in (lambda x: 1.01, lambda x: x.var(axis=0), lambda x: np.arange(1, x.shape[1] + 1)):
        strange = answer(lambda x, y, factor=factor: coefficients(x, y) / factor(x))
        assert "In unit" not in lc.check("number-unit", strange).message


def test_what_is_no_finite_number_is_told_as_such():
    strange = answer(lambda x, y: coefficients(x, y) * np.nan)
    assert "r is not a finite number" in lc.check("number-unit", strange).message


def test_coefficients_may_be_float64_for_float32_states():
    assert lc.check("number-unit", answer()).passed

import numpy as np
import pytest

import lstm_course as lc
from conftest import ROOT, refused
from lstm_course import losses, optim
from lstm_course.exercises import BANKS
from lstm_course.exercises.ch11_losses_and_optimizers import adam, clip_with, cross_entropy
from lstm_course.exercises.engine.watching import name_of

OUT_OF_RANGE = "an exponential that overflows"


def less(shift):
    """Return the loss and its gradient with this number taken off the scores of a position."""

    def answer(scores, targets, mask):
        z = scores - shift(scores, targets)
        total = np.exp(z).sum(axis=-1, keepdims=True)
        each = (np.log(total) - np.take_along_axis(z, targets[..., None], axis=-1))[..., 0]
        one_hot, count = np.eye(scores.shape[-1])[targets], mask.sum()
        dscores = (np.exp(z) / total - one_hot) * mask[..., None] / count
        return np.where(mask, each, 0).sum() / count, dscores.astype(scores.dtype)

    return answer


def test_the_largest_score_is_safe():
    assert lc.check("cross-entropy", less(lambda s, t: s.max(axis=-1, keepdims=True))).passed


@pytest.mark.parametrize(
    "shift",
    [
        lambda s, t: s.mean(axis=-1, keepdims=True),
        lambda s, t: s[..., -1:],
        lambda s, t: s[..., :1],
        lambda s, t: s[..., 1:2],
        lambda s, t: s.min(axis=-1, keepdims=True),
        lambda s, t: np.take_along_axis(s, t[..., None], axis=-1),
    ],
)
def test_any_other_number_of_a_position_is_not(shift):
    feedback = lc.check("cross-entropy", less(shift))
    assert not feedback.passed
    assert OUT_OF_RANGE in feedback.message
    assert "You don't subtract the 1" not in feedback.message


def plain(scores, targets, mask, subtract, keepdims=True, mean=None):
    """The loss and its gradient as a learner writes them."""
    z = scores - subtract(scores)
    powers = np.exp(z)
    total = powers.sum(axis=-1, keepdims=keepdims)
    each = -np.take_along_axis(z - np.log(total), targets[..., None], axis=-1)[..., 0]
    one_hot = np.eye(scores.shape[-1], dtype=scores.dtype)[targets]
    count = int(mask.sum())
    loss = mean(each, mask) if mean else (each * mask).sum() / count
    return loss, (powers / total - one_hot) * mask[..., None] / count


def largest(scores):
    return scores.max(axis=-1, keepdims=True)


def mean_of_means(each, mask):
    return ((each * mask).sum(axis=0) / np.maximum(mask.sum(axis=0), 1)).mean()


def log_of_product(each, mask):
    return -np.log(np.prod(np.exp(-each[mask]))) / int(mask.sum())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"subtract": lambda scores: 0}, "You subtract nothing from the scores"),
        ({"subtract": lambda scores: scores.max(axis=-1)}, "keepdims is missing"),
        ({"subtract": largest, "keepdims": False}, "keepdims is missing"),
        ({"subtract": largest, "mean": mean_of_means}, "a mean of means, first over each sequence"),
        ({"subtract": largest, "mean": log_of_product}, "some hundred of them rounds to 0"),
    ],
)
def test_slips_in_the_loss_are_named(given, said):
    assert lc.check("cross-entropy", lambda s, t, m: plain(s, t, m, largest)).passed
    assert said in refused("cross-entropy", lambda s, t, m: plain(s, t, m, **given))


def test_work_in_float32_is_told():
    def answer(scores, targets, mask):
        loss, dscores = plain(scores.astype(np.float32), targets, mask, largest)
        return float(loss), dscores.astype(scores.dtype)

    assert "in float32" in refused("cross-entropy", answer)


def clipped(dW, dU, db, limit):
    results = [dW.copy(), dU.copy(), db.copy()]
    return *results, optim.clip_by_global_norm(results, limit)


def updated(w, dw, m, q, t, rate, beta1, beta2, eps):
    w = w.copy()
    optimizer = optim.Adam([w], rate, beta1, beta2, eps)
    optimizer.mean[0][...], optimizer.square[0][...], optimizer.steps = m, q, t - 1
    optimizer.step([dw])
    return w, *optimizer.buffers


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("cross-entropy", lambda s, t, m: losses.softmax_cross_entropy(s, t, m)),
        ("clip", clipped),
        ("adam", updated),
    ],
)
def test_what_the_package_has_is_not_allowed(name, answer):
    assert "which is not allowed here" in refused(name, answer)


@pytest.mark.parametrize("bank", [bank for bank in BANKS if bank[:4] in ("ch10", "ch11", "ch15")])
def test_what_is_not_allowed_is_said(bank):
    master = ROOT / "exercises" / bank.removeprefix("ch").replace("_", "-") / "master.ipynb"
    text = master.read_text(encoding="utf-8")
    forbidden = [f for question in BANKS[bank].QUESTIONS for f in question.exam.forbidden]
    assert forbidden
    for function in forbidden:
        assert f"`{name_of(function)}`" in text or f"`{function.__name__}`" in text


def test_numbers_of_numpy_are_told_where_float32_becomes_float64():
    def answer(scores, targets, mask):
        loss, dscores = cross_entropy(scores, targets, mask)
        return loss, dscores * np.float64(1)

    assert "a single NumPy number" in lc.check("cross-entropy", answer).message


def test_what_decides_by_a_threshold_is_not_ignored():
    answer = clip_with(factor=lambda s: 1.0 if s.norm <= s.limit else 0.5)
    assert "does not depend" not in lc.check("clip", answer).message


def test_adam_is_shown_a_case_that_can_come_up():
    def answer(*given):
        w, m, q = adam(*given)
        return w + 0.1 * (w - given[0]), m, q

    message = lc.check("adam", answer).message
    assert "whose gradient is far above eps must move by about the learning rate" in message
    assert "\nAnother case:\n" in message
    assert "q = [[0.]]" not in message
    assert "q all 0" not in message

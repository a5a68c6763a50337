import numpy as np
import pytest

import lstm_course as lc
from lstm_course.exercises.ch11_losses_and_optimizers import adam, clip_with, cross_entropy

OUT_OF_RANGE = "an exponential grows out of range"


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
    assert "The 1 is not taken off" not in feedback.message


def test_numbers_of_numpy_are_told_where_float32_becomes_float64():
    def answer(scores, targets, mask):
        loss, dscores = cross_entropy(scores, targets, mask)
        return loss, dscores * np.float64(1)

    assert "a single number of NumPy's" in lc.check("cross-entropy", answer).message


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

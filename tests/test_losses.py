import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_course import losses
from lstm_course.gradcheck import gradcheck, relative_error

SHAPES = {"T": st.integers(1, 4), "N": st.integers(1, 4), "K": st.integers(1, 5), "seed": st.integers(0, 99), "masked": st.booleans()}  # fmt: skip


def draw(T, N, K, seed, masked):
    rng = np.random.default_rng(seed)
    logits, targets = 3 * rng.normal(size=(T, N, K)), rng.integers(0, K, size=(T, N))
    mask = rng.random((T, N)) < 0.7
    mask[0, 0] = True
    return logits, targets, mask if masked else None


@given(**SHAPES)
def test_cross_entropy_against_central_differences(**shape):
    logits, targets, mask = draw(**shape)
    _, dlogits = losses.softmax_cross_entropy(logits, targets, mask)
    report = gradcheck(
        lambda: losses.softmax_cross_entropy(logits, targets, mask)[0],
        {"logits": logits},
        {"logits": dlogits},
    )
    # With one class the loss is 0 whatever the logits are, and only rounding is left to compare.
    assert report.passed or (shape["K"] == 1 and np.abs(dlogits).max() == 0), report


def test_cross_entropy_against_torch(torch):
    @given(**SHAPES)
    def check(**shape):
        logits, targets, mask = draw(**shape)
        loss, dlogits = losses.softmax_cross_entropy(logits, targets, mask)
        theirs = torch.from_numpy(logits).requires_grad_()
        labels = torch.from_numpy(targets if mask is None else np.where(mask, targets, -100))
        their_loss = torch.nn.functional.cross_entropy(
            theirs.reshape(-1, shape["K"]), labels.reshape(-1)
        )
        their_loss.backward()
        np.testing.assert_allclose(loss, their_loss.item(), rtol=1e-12, atol=1e-14)
        assert relative_error(dlogits, theirs.grad.numpy()) <= 1e-11

    check()


@given(**SHAPES)
def test_squared_error_against_central_differences(**shape):
    outputs, _, mask = draw(**shape)
    targets = outputs[::-1].copy() + 1
    if mask is not None:
        mask = np.repeat(mask[..., None], shape["K"], axis=2)
        targets[~mask] = np.nan  # what does not count may be anything
    _, doutputs = losses.mean_squared_error(outputs, targets, mask)
    report = gradcheck(
        lambda: losses.mean_squared_error(outputs, targets, mask)[0],
        {"outputs": outputs},
        {"outputs": doutputs},
    )
    assert report.passed, report


def test_squared_error_against_torch(torch):
    @given(**SHAPES)
    def check(**shape):
        outputs, _, _ = draw(**shape)
        targets = outputs[::-1].copy() + 1
        loss, doutputs = losses.mean_squared_error(outputs, targets)
        theirs = torch.from_numpy(outputs).requires_grad_()
        their_loss = torch.nn.functional.mse_loss(theirs, torch.from_numpy(targets))
        their_loss.backward()
        np.testing.assert_allclose(loss, their_loss.item(), rtol=1e-12)
        assert relative_error(doutputs, theirs.grad.numpy()) <= 1e-11

    check()


def test_what_is_masked_does_not_matter():
    logits, targets, mask = draw(3, 3, 4, 0, True)
    other, wild = logits.copy(), targets.copy()
    other[~mask] += 5
    wild[~mask] = -7
    one = losses.softmax_cross_entropy(logits, targets, mask)
    two = losses.softmax_cross_entropy(other, wild, mask)
    assert one[0] == two[0]
    np.testing.assert_array_equal(one[1][mask], two[1][mask])
    assert not one[1][~mask].any()
    assert not two[1][~mask].any()


@given(st.floats(-1e4, 1e4), st.integers(1, 6))
def test_a_shift_of_all_scores_changes_nothing_and_large_ones_do_not_overflow(shift, K):
    logits = np.linspace(-3, 3, K)[None]
    np.testing.assert_allclose(losses.softmax(logits + shift), losses.softmax(logits), atol=1e-11)
    loss, _ = losses.softmax_cross_entropy(np.array([[1e4, -1e4]]), np.array([1]))
    assert loss == 2e4


def test_uniform_scores_give_the_logarithm_of_the_number_of_classes():
    loss, dlogits = losses.softmax_cross_entropy(np.zeros((2, 4)), np.array([0, 3]))
    np.testing.assert_allclose(loss, np.log(4))
    np.testing.assert_allclose(dlogits[0], np.array([-0.75, 0.25, 0.25, 0.25]) / 2)


def test_lists_will_do():
    logits, targets, mask = draw(2, 3, 4, 0, True)
    lists = [array.tolist() for array in (logits, targets, mask)]
    loss, dlogits = losses.softmax_cross_entropy(logits, targets, mask)
    from_lists, dlogits_from_lists = losses.softmax_cross_entropy(*lists)
    assert from_lists == loss
    np.testing.assert_array_equal(dlogits_from_lists, dlogits)


def test_float32_stays_float32():
    logits, targets, mask = draw(3, 3, 4, 0, True)
    narrow = logits.astype(np.float32)
    assert losses.softmax(narrow).dtype == np.float32
    assert losses.softmax_cross_entropy(narrow, targets, mask)[1].dtype == np.float32
    assert losses.mean_squared_error(narrow, narrow + 1)[1].dtype == np.float32


LOGITS, TARGETS, MASK = draw(3, 2, 4, 0, True)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: losses.softmax_cross_entropy(LOGITS, TARGETS[0]), ValueError, r"targets has shape \(2,\), expected \(3, 2\)"),
        (lambda: losses.softmax_cross_entropy(LOGITS, TARGETS + 4), ValueError, "targets holds [4-7], expected 0 to 3"),
        (lambda: losses.softmax_cross_entropy(LOGITS[0, 0], np.array(4)), ValueError, "targets holds 4, expected 0 to 3"),
        (lambda: losses.softmax_cross_entropy(LOGITS, TARGETS - 4), ValueError, "targets holds -[1-4], expected 0 to 3"),
        (lambda: losses.softmax_cross_entropy(LOGITS, TARGETS * 1.0), TypeError, "targets must be an array of whole numbers, got dtype float64"),
        (lambda: losses.softmax_cross_entropy(LOGITS, TARGETS, MASK * 1), TypeError, "mask must be an array of booleans, got dtype int64"),
        (lambda: losses.softmax_cross_entropy(LOGITS, TARGETS, MASK[0]), ValueError, r"mask has shape \(2,\), expected \(3, 2\)"),
        (lambda: losses.softmax_cross_entropy(LOGITS, TARGETS, MASK & False), ValueError, "^mask is false everywhere, expected at least one position that counts$"),
        (lambda: losses.softmax_cross_entropy(LOGITS * np.nan, TARGETS), ValueError, "logits holds nan"),
        (lambda: losses.softmax(np.zeros((3, 0))), ValueError, r"logits has shape \(3, 0\)"),
        (lambda: losses.softmax(np.float64(1)), ValueError, r"logits has shape \(\)"),
        (lambda: losses.mean_squared_error(LOGITS, LOGITS[0]), ValueError, r"targets has shape \(2, 4\), expected \(3, 2, 4\)"),
        (lambda: losses.mean_squared_error(LOGITS, LOGITS.astype("f")), TypeError, "targets is float32, expected float64"),
        (lambda: losses.mean_squared_error(LOGITS, LOGITS * np.nan), ValueError, "^outputs - targets holds nan"),
        (lambda: losses.mean_squared_error("text", LOGITS), TypeError, "^outputs must be an array"),
        (lambda: losses.softmax("text"), TypeError, "^logits must be an array"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()

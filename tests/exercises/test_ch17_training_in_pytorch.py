"""Streams, means and stopping as learners write them."""

import numpy as np
import pytest

import lstm_course as lc
from conftest import refused
from lstm_course.exercises import ch17_training_in_pytorch as bank


def test_the_examples_of_the_text():
    inputs, targets = bank.streams(np.arange(13), 2, 3)
    assert inputs[0].T.tolist() == [[0, 1, 2], [6, 7, 8]]
    assert inputs[1].T.tolist() == [[3, 4, 5], [9, 10, 11]]
    assert targets[1].T.tolist() == [[4, 5, 6], [10, 11, 12]]
    losses = np.array([[1.0, 6.0], [2.0, 9.0], [3.0, 9.0]])
    mean, weights = bank.padded_mean(losses, np.array([3, 1]))
    assert mean == 3
    assert weights.tolist() == [[0.25, 0.25], [0.25, 0], [0.25, 0]]
    curve = np.array([1.47, 1.23, 1.44, 1.21, 1.02, 1.04, 1.11, 1.16, 1.18])
    assert bank.early_stop(curve, 4, 0.0) == (5, 9)
    assert bank.early_stop(curve, 1, 0.0) == (2, 3)


def test_the_streams_are_those_of_the_experiment():
    torch = pytest.importorskip("torch")
    from lstm_course.experiments.torch_training import Windows

    for case in bank.STREAMS_QUESTION.exam.cases:
        numbers, N, T = case.arguments.values()
        windows = Windows(torch.from_numpy(numbers), N, T)
        for k, (x, y) in enumerate(zip(*bank.streams(numbers, N, T), strict=True)):
            np.testing.assert_array_equal(windows[k][0], x)
            np.testing.assert_array_equal(windows[k][1], y)
        assert len(windows) == k + 1


def windows_across(numbers, N, T):
    K = (len(numbers) - 1) // (N * T)
    x, y = numbers[:-1], numbers[1:]
    return tuple(one[: K * N * T].reshape(K, N, T).transpose(0, 2, 1) for one in (x, y))


def within_its_stream(numbers, N, T):
    length = len(numbers) // N
    rows = numbers[: N * length].reshape(N, length)
    K = (length - 1) // T
    pair = rows[:, : K * T], rows[:, 1 : K * T + 1]
    return tuple(one.reshape(N, K, T).transpose(1, 2, 0) for one in pair)


def masked_product(losses, lengths):
    mask = np.arange(len(losses))[:, None] < lengths
    count = int(mask.sum())
    return (losses * mask).sum() / count, mask.astype(losses.dtype) / count


def of_each_sequence(losses, lengths):
    mask = np.arange(len(losses))[:, None] < lengths
    means = [losses[:n, k].mean() for k, n in enumerate(lengths)]
    return np.mean(means), (mask / lengths / len(lengths)).astype(losses.dtype)


def with_a_total(values, patience, min_delta):
    best, kept, misses = np.inf, 0, 0
    for epoch, value in enumerate(values, start=1):
        if value < best - min_delta:
            best, kept = value, epoch
        else:
            misses += 1
            if misses == patience:
                return kept, epoch
    return kept, len(values)


def with_the_lowest(values, patience, min_delta):
    best, kept, misses = np.inf, 0, 0
    for epoch, value in enumerate(values, start=1):
        misses = 0 if value < best - min_delta else misses + 1
        if value < best:
            best, kept = value, epoch
        if misses == patience:
            return kept, epoch
    return kept, len(values)


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("contiguous-streams", windows_across, "doesn't go on where they stopped"),
        ("contiguous-streams", within_its_stream, "take 1 off the text's length first"),
        ("padded-mean", masked_product, "0 times infinity isn't 0"),
        ("padded-mean", of_each_sequence, "a mean of means, first over each sequence"),
        ("early-stop", with_a_total, "Your misses never return to 0"),
        ("early-stop", with_the_lowest, "however small its gain"),
    ],
)
def test_slips_that_are_easily_made(name, answer, sentence):
    assert sentence in refused(name, answer)


def test_streams_may_be_cut_before_they_are_shifted():
    def answer(numbers, N, T):
        length = (len(numbers) - 1) // N
        pair = numbers[:-1], numbers[1:]
        x, y = (one[: N * length].reshape(N, length) for one in pair)
        K = length // T
        return tuple(one[:, : K * T].reshape(N, K, T).transpose(1, 2, 0) for one in (x, y))

    assert lc.check("contiguous-streams", answer).passed

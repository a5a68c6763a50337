"""The chapter's questions: answers that no list of mistakes holds, and a machine without PyTorch."""

import re
import sys

import numpy as np
import pytest

import lstm_course as lc
from lstm_course import LSTMParams, interop
from lstm_course.exercises import ch16_pytorch as exercise
from lstm_course.exercises.engine import modules, observing
from lstm_course.exercises.engine.parts import salted


def without_no_grad(lstm, W, U, b):
    lstm.weight_ih_l0.copy_(W)


def with_an_array(lstm, W, U, b):
    lstm.weight_ih_l0 = W


def with_transposed(lstm, W, U, b):
    import torch

    lstm.weight_ih_l0.data.copy_(torch.from_numpy(W.T))


def rebinding(lstm, W, U, b):
    import torch

    weight = lstm.weight_ih_l0
    weight = torch.from_numpy(W)  # noqa: F841


def in_float32(lstm, W, U, b):
    import torch

    exercise.to_pytorch(lstm, W, U, b)
    lstm.weight_ih_l0 = torch.nn.Parameter(lstm.weight_ih_l0.detach().float())


def of_another_shape(lstm, W, U, b):
    import torch

    exercise.to_pytorch(lstm, W, U, b)
    lstm.weight_ih_l0 = torch.nn.Parameter(torch.from_numpy(W.T.copy()))


def changing(lstm, W, U, b):
    exercise.to_pytorch(lstm, W, U, b)
    b += 1


def nan(lstm, W, U, b):
    exercise.to_pytorch(lstm, W, U, b * np.nan)


def without_a_bias(lstm, W, U, b):
    exercise.to_pytorch(lstm, W, U, b)
    lstm.bias_hh_l0 = None


def from_interop(lstm):
    return interop.from_pytorch(lstm).params[0].arrays()


def to_interop(lstm, W, U, b):
    arrays = map(exercise.reorder, (W, U, b))
    lstm.load_state_dict(interop.to_pytorch(LSTMParams(*arrays)).state_dict())


def by_assigning_slices(lstm, W, U, b):
    """Exchange slices that are views of one array: one is lost."""
    H = U.shape[1]
    arrays = [array.copy() for array in (W, U, b)]
    for array in arrays:
        array[2 * H : 3 * H], array[3 * H :] = array[3 * H :], array[2 * H : 3 * H]
    modules.copy_into(lstm, **dict(zip((*exercise.ARRAYS, "bias_ih_l0"), arrays, strict=True)))
    modules.copy_into(lstm, bias_hh_l0=0 * b)


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("name", exercise.BIASES)
def test_a_frozen_bias_of_zeros_is_right(name):
    def fill(lstm, W, U, b):
        exercise.to_pytorch(lstm, W, U, b)
        if name == "bias_ih_l0":
            modules.copy_into(lstm, bias_ih_l0=0 * b, bias_hh_l0=exercise.reorder(b))
        getattr(lstm, name).requires_grad_(False)

    assert lc.check("to-pytorch", fill).passed

    def the_other(lstm, W, U, b):
        fill(lstm, W, U, b)
        (other,) = {*exercise.BIASES} - {name}
        getattr(lstm, other).requires_grad_(False)

    assert lc.check("to-pytorch", the_other).message == exercise.FROZEN


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("to-pytorch", without_no_grad, r"raised .*\nin the line: lstm.weight_ih_l0.copy_\(W\)"),
        ("to-pytorch", with_an_array, "raised TypeError: cannot assign 'numpy.ndarray'"),
        ("to-pytorch", with_transposed, "raised RuntimeError: The size of tensor"),
        ("to-pytorch", rebinding, "Your function has left the module as it was"),
        ("to-pytorch", lambda *args: None, "Your function has left the module as it was"),
        ("to-pytorch", in_float32, "give a float32 result weight_ih_l0"),
        ("to-pytorch", of_another_shape, r"weight_ih_l0 of shape \(4H, D\), here"),
        ("to-pytorch", changing, "changes b in place"),
        ("to-pytorch", nan, r"Wrong: bias_ih_l0 \+ bias_hh_l0"),
        ("to-pytorch", without_a_bias, "^The module has lost bias_hh_l0, and can't run without"),
        ("to-pytorch", by_assigning_slices, "^One slice is there twice"),
        ("to-pytorch", to_interop, "they come from lc.interop.to_pytorch"),
        ("from-pytorch", from_interop, "they come from lc.interop.from_pytorch"),
        ("to-pytorch", lambda lstm, params: None, "takes lstm, params. The check calls it with"),
        ("from-pytorch", lambda lstm: lstm.state_dict(), "got OrderedDict"),
        (
            "from-pytorch",
            lambda lstm: tuple(lstm.parameters())[:3],
            "array of real numbers .* Tensor",
        ),
        ("from-pytorch", lambda lstm: tuple(lstm.parameters()), "got a tuple of 4"),
        (
            "from-pytorch",
            lambda lstm: [a.T for a in exercise.from_pytorch(lstm)],
            r"axes are swapped: got \(D, 4H\)",
        ),
        ("from-pytorch", lambda lstm: exercise.from_pytorch(lstm)[::-1], "in the order b, U, W"),
        ("from-pytorch", lambda lstm: (a for a in exercise.from_pytorch(lstm)), "got generator"),
        ("final-states", lambda lstm, batch: batch, r"Expected an array of shape \(N, 2H\)"),
        ("final-states", lambda lstm, batch: lstm(batch), "raised"),
        (
            "final-states",
            exercise.encoded_with(lambda hs, h, c: h),
            r"Expected an array of shape \(N, 2H\)",
        ),
        (
            "final-states",
            exercise.encoded_with(lambda hs, h, c: h[0] + h[1]),
            r"Expected an array of shape \(N, 2H\)",
        ),
        (
            "final-states",
            exercise.encoded_with(lambda hs, h, c: hs[-1] - hs[-1].mean(axis=0)),
            "the same encoding alone as in company",
        ),
    ],
)
def test_whatever_comes_gets_a_sentence(name, answer, sentence):
    feedback = lc.check(name, answer)
    assert not feedback.passed
    assert re.search(sentence, feedback.message), feedback


@pytest.mark.parametrize("name", ["to-pytorch", "from-pytorch", "final-states"])
def test_without_pytorch_a_sentence_says_so(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    feedback = lc.check(name, lambda *args: 1)
    assert not feedback.answered
    assert feedback.message == modules.MISSING


def test_a_module_is_the_same_at_each_call(torch):
    one, other = (observing.make(modules.Module(3, 2).given("float32")) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert {parameter.dtype for parameter in one.parameters()} == {torch.float32}


@pytest.mark.parametrize("settings", [{}, {"bias": False}, {"bidirectional": True}])
def test_parameters_are_drawn_from_the_sizes_and_the_salt(torch, settings):
    module = modules.Module(3, 2, **settings)
    given = module.given()
    made = observing.make(given)
    assert [name for name, _ in made.named_parameters()] == list(given["parameters"])
    for name, parameter in made.named_parameters():
        np.testing.assert_array_equal(parameter.detach().numpy(), given["parameters"][name])
    with salted(1):
        hidden = module.given()["parameters"]
    assert not any(np.array_equal(hidden[name], given["parameters"][name]) for name in hidden)


def test_what_is_observed_of_a_call(torch):
    def answer(lstm, array):
        lstm.batch_first = True
        lstm.bias_hh_l0.requires_grad_(False)
        modules.copy_into(lstm, bias_ih_l0=array)
        return [lstm.weight_ih_l0, lstm.weight_hh_l0.detach().numpy(), 3]

    given = modules.Module(3, 2).given()
    seen = observing.observe(answer, given, np.arange(8.0))
    assert [type(one) for one in seen["result"]] == [observing.Tensor, np.ndarray, int]
    assert (seen["shared"], seen["batch_first"]) == (True, True)
    assert [name for name, learns in seen["learns"].items() if not learns] == ["bias_hh_l0"]
    np.testing.assert_array_equal(seen["arrays"]["bias_ih_l0"], np.arange(8.0))
    observed = modules.Observed(given, **seen)
    assert not observed.holds_the_same()
    assert not observed.is_unchanged()


def test_biases_of_two_shapes_are_not_added():
    arrays = dict(zip(exercise.BIASES, (np.ones((3, 1)), np.ones((1, 3))), strict=True))
    assert exercise._sum_of_biases(arrays, (3,)).shape == (3, 1)
    arrays["bias_ih_l0"] = np.ones(3)
    assert exercise._sum_of_biases(arrays, (3,)).shape == (1, 3)

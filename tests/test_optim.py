import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_course import optim


def arrays(seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in ((3, 2), (4,))]


def run_beside_torch(torch, ours, theirs, steps=7):
    mine = arrays(0)
    tensors = [torch.nn.Parameter(torch.from_numpy(array.copy())) for array in mine]
    optimizer, other = ours(mine), theirs(tensors)
    for step in range(steps):
        grads = arrays(step + 1)
        optimizer.step(grads)
        for tensor, grad in zip(tensors, grads, strict=True):
            tensor.grad = torch.from_numpy(grad.copy())
        other.step()
        for array, tensor in zip(mine, tensors, strict=True):
            np.testing.assert_allclose(array, tensor.detach().numpy(), rtol=1e-12, atol=1e-14)


def test_sgd_against_torch(torch):
    for momentum in (0.0, 0.9):
        run_beside_torch(
            torch,
            lambda a, m=momentum: optim.SGD(a, learning_rate=0.1, momentum=m),
            lambda t, m=momentum: torch.optim.SGD(t, lr=0.1, momentum=m),
        )


def test_adam_against_torch(torch):
    run_beside_torch(
        torch,
        lambda a: optim.Adam(a, learning_rate=0.05, beta1=0.8, beta2=0.99, eps=1e-6),
        lambda t: torch.optim.Adam(t, lr=0.05, betas=(0.8, 0.99), eps=1e-6),
    )


def test_adam_starts_from_the_settings_of_torch(torch):
    run_beside_torch(torch, optim.Adam, torch.optim.Adam)


@pytest.mark.parametrize("optimizer", [optim.Optimizer, optim.SGD, optim.Adam])
def test_nothing_decays_unless_asked_to(optimizer):
    assert optimizer(arrays(0), learning_rate=0.1).weight_decay == 0


def test_adam_with_decay_against_torch(torch):
    run_beside_torch(
        torch,
        lambda a: optim.Adam(a, learning_rate=0.05, weight_decay=0.2),
        lambda t: torch.optim.AdamW(t, lr=0.05, weight_decay=0.2),
    )


def test_for_plain_sgd_decay_is_the_penalty_and_for_adam_it_is_not():
    for optimizer, same in ((optim.SGD, True), (optim.Adam, False)):
        decayed, penalised = arrays(0), arrays(0)
        optimizer(decayed, learning_rate=0.1, weight_decay=0.3).step(arrays(1))
        grads = arrays(1)
        optim.l2_penalty(penalised, grads, 0.3)
        optimizer(penalised, learning_rate=0.1).step(grads)
        assert (
            all(np.allclose(one, other) for one, other in zip(decayed, penalised, strict=True))
            == same
        )


@given(st.integers(0, 99), st.floats(0.01, 10))
def test_clipping_keeps_the_direction_and_bounds_the_norm(seed, limit):
    grads, before = arrays(seed), arrays(seed)
    norm = optim.clip_by_global_norm(grads, limit)
    np.testing.assert_allclose(norm, np.sqrt(sum((grad**2).sum() for grad in before)))
    np.testing.assert_allclose(optim.global_norm(grads), min(norm, limit))
    for grad, was in zip(grads, before, strict=True):
        np.testing.assert_allclose(grad, was * min(1, limit / norm))


def test_clipping_takes_all_arrays_or_none():
    grads = [np.array([3.0]), np.array([4])]
    with pytest.raises(
        TypeError, match=r"grads\[1\] must be an array of float32 or float64, got int"
    ):
        optim.clip_by_global_norm(grads, 1.0)
    assert grads[0][0] == 3


def test_huge_gradients_are_clipped_and_not_lost():
    grads = [np.array([3e200]), np.array([-4e200])]
    np.testing.assert_allclose(optim.clip_by_global_norm(grads, 1.0), 5e200)
    np.testing.assert_allclose(np.concatenate(grads), [0.6, -0.8])
    assert optim.global_norm([np.zeros(2)]) == optim.global_norm([]) == 0


def test_the_norm_of_tiny_of_no_and_of_many_gradients():
    np.testing.assert_allclose(optim.global_norm([np.array([3e-200, 4e-200])]), 5e-200)
    assert optim.global_norm([np.zeros((0, 2)), np.array([2.0])]) == 2
    many = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    exact = np.sqrt((many.astype(float) ** 2).sum())
    np.testing.assert_allclose(optim.global_norm([many]), exact, rtol=1e-12)


def test_clipping_against_torch(torch):
    grads = arrays(0)
    tensors = [torch.nn.Parameter(torch.zeros(grad.shape, dtype=torch.float64)) for grad in grads]
    for tensor, grad in zip(tensors, grads, strict=True):
        tensor.grad = torch.from_numpy(grad.copy())
    theirs = torch.nn.utils.clip_grad_norm_(tensors, 0.5)
    np.testing.assert_allclose(optim.clip_by_global_norm(grads, 0.5), theirs.item())
    for tensor, grad in zip(tensors, grads, strict=True):
        np.testing.assert_allclose(
            grad, tensor.grad.numpy(), rtol=1e-5
        )  # torch adds 1e-6 to the norm


def test_the_norm_of_float32_gradients_is_taken_in_float64():
    large = np.full((2, 2), 1e30, np.float32)  # its square is none of float32
    np.testing.assert_allclose(optim.global_norm([large]), 2e30)


def test_l2_penalty_is_its_own_gradient():
    weights, grads = arrays(0), arrays(1)
    before = arrays(1)
    loss = optim.l2_penalty(weights, grads, 0.2)
    np.testing.assert_allclose(loss, 0.1 * sum((weight**2).sum() for weight in weights))
    for grad, was, weight in zip(grads, before, weights, strict=True):
        np.testing.assert_allclose(grad, was + 0.2 * weight)


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_arrays_change_in_place_float32_stays_and_gradients_are_left_alone(optimizer):
    mine, grads = arrays(0, np.float32), arrays(1, np.float32)
    held, before = mine[0], [grad.copy() for grad in grads]
    optimizer(mine, learning_rate=0.1).step(grads)
    assert held.dtype == np.float32
    assert not np.array_equal(held, arrays(0, np.float32)[0])
    for grad, was in zip(grads, before, strict=True):
        np.testing.assert_array_equal(grad, was)


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_a_bad_gradient_changes_nothing(optimizer):
    mine, grads = arrays(0), arrays(1)
    grads[1][0] = np.nan
    with pytest.raises(ValueError, match=r"grads\[1\] holds nan at index \(0,\)"):
        optimizer(mine, learning_rate=0.1).step(grads)
    np.testing.assert_array_equal(mine[0], arrays(0)[0])


def test_both_find_the_bottom_of_a_bowl():
    for optimizer in (optim.SGD, optim.Adam):
        x = np.array([3.0, -2.0])
        search = optimizer([x], learning_rate=0.1)
        for _ in range(300):
            search.step([2 * x])
        assert np.abs(x).max() < 1e-3


X = [np.zeros(2)]


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: optim.SGD(X, learning_rate=0), ValueError, "learning_rate must be a number above 0, got 0"),
        (lambda: optim.SGD(X, learning_rate=np.nan), ValueError, "learning_rate must be a number above 0, got nan"),
        (lambda: optim.SGD(X, learning_rate=np.inf), ValueError, "learning_rate must be a number above 0, got inf"),
        (lambda: optim.SGD(X, 0.1, momentum=1), ValueError, "momentum must be from 0 to below 1, got 1"),
        (lambda: optim.SGD(X, 0.1, weight_decay=-1), ValueError, "weight_decay must be a number of at least 0, got -1"),
        (lambda: optim.SGD(X, 0.1, weight_decay=np.inf), ValueError, "weight_decay must be a number of at least 0, got inf"),
        (lambda: optim.Adam(X, beta1=-0.1), ValueError, "^beta1 must be from 0 to below 1, got -0.1"),
        (lambda: optim.Adam(X, beta2=1.5), ValueError, "beta2 must be from 0 to below 1, got 1.5"),
        (lambda: optim.Adam(X, eps="small"), ValueError, "eps must be a number above 0, got 'small'"),
        (lambda: optim.Adam([[1.0]]), TypeError, r"arrays\[0\] must be an array of float32 or float64, got list"),
        (lambda: optim.SGD([np.zeros(2, int)], 0.1), TypeError, r"arrays\[0\] must be an array of float32 or float64, got int64"),
        (lambda: optim.Adam(X).step([[0.0, 0.0]]), TypeError, r"grads\[0\] must be an array of float32 or float64, got list"),
        (lambda: optim.SGD([X[0], X[0]], 0.1), ValueError, r"arrays\[0\] and arrays\[1\] share memory"),
        (lambda: optim.SGD([X[0], np.ones(3), X[0][1:]], 0.1), ValueError, r"arrays\[0\] and arrays\[2\] share memory"),
        (lambda: optim.SGD(X, 0.1, frozen=[np.zeros(2)]), ValueError, "frozen holds an array that is not among the arrays"),
        (lambda: optim.SGD(X, 0.1, frozen=[X[0], X[0]]), ValueError, "or one twice"),
        (lambda: optim.Cosine(0.1, 5, warm_up=5), ValueError, "warm_up is 5, expected fewer than steps, 5"),
        (lambda: optim.Cosine(-0.1, 5), ValueError, "learning_rate must be a number above 0"),
        (lambda: optim.Steps(0.1, 0, 0.5), ValueError, "every must be at least 1, got 0"),
        (lambda: optim.Steps(0.1, 2, 0.0), ValueError, "factor must be a number above 0"),
        (lambda: optim.SGD(X, 0.1j), ValueError, "learning_rate must be a number above 0, got 0.1j"),
        (lambda: optim.l2_penalty(X, [[0.0, 0.0]], 1), TypeError, r"grads\[0\] must be an array of float32 or float64, got list"),
        (lambda: optim.Adam([np.array("text")]), TypeError, r"^arrays\[0\] must be an array of float32 or float64"),
        (lambda: optim.Adam(X).step([]), ValueError, "grads has 0 arrays, expected 1"),
        (lambda: optim.Adam(X).step([np.zeros(3)]), ValueError, r"grads\[0\] has shape \(3,\), expected \(2,\)"),
        (lambda: optim.Adam(X).step([np.zeros(2, np.float32)]), TypeError, r"grads\[0\] is float32, expected float64"),
        (lambda: optim.clip_by_global_norm(X, -1), ValueError, "limit must be a number above 0, got -1"),
        (lambda: optim.clip_by_global_norm([np.array([np.inf])], 1), ValueError, r"grads\[0\] holds inf"),
        (lambda: optim.l2_penalty(X, X, -1), ValueError, "strength must be a number of at least 0"),
        (lambda: optim.l2_penalty(X, [np.zeros((3, 2))], 1), ValueError, r"grads\[0\] has shape \(3, 2\), expected \(2,\)"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def test_read_only_arrays_are_refused_before_anything_changes():
    mine = [np.zeros(2), np.zeros(2)]
    with pytest.raises(ValueError, match=r"arrays\[1\] is read-only"):
        optim.SGD([mine[0], read_only(mine[1])], 0.1)
    search = optim.SGD(mine, 0.1)
    mine[1].flags.writeable = False
    with pytest.raises(ValueError, match=r"arrays\[1\] is read-only"):
        search.step([np.ones(2), np.ones(2)])
    assert not mine[0].any()
    grads = [np.full(2, 3.0), read_only(np.full(2, 3.0))]
    with pytest.raises(ValueError, match=r"grads\[1\] is read-only"):
        optim.clip_by_global_norm(grads, 1.0)
    with pytest.raises(ValueError, match=r"grads\[1\] is read-only"):
        optim.l2_penalty([np.ones(2), np.ones(2)], grads, 1.0)
    np.testing.assert_array_equal(grads[0], 3)


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_frozen_arrays_stay_and_do_not_decay(optimizer):
    mine = arrays(0)
    search = optimizer(mine, learning_rate=0.1, weight_decay=0.5, frozen=mine[1:2])
    search.step(arrays(1))
    assert search.moves == [True, False, *[True] * (len(mine) - 2)]
    np.testing.assert_array_equal(mine[1], arrays(0)[1])
    free = arrays(0)
    optimizer(free, learning_rate=0.1, weight_decay=0.5).step(arrays(1))
    np.testing.assert_array_equal(mine[0], free[0])


def test_schedules_against_torch(torch):
    weight = torch.zeros(1, requires_grad=True)
    for mine, theirs in (
        (optim.Cosine(0.3, 10), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10)),
        (optim.Steps(0.3, 4, 0.1), lambda o: torch.optim.lr_scheduler.StepLR(o, 4, 0.1)),
    ):
        optimizer = torch.optim.SGD([weight], lr=0.3)
        schedule = theirs(optimizer)
        for step in range(10):
            np.testing.assert_allclose(
                mine(step), schedule.get_last_lr()[0], rtol=1e-12, atol=1e-15
            )
            optimizer.step()
            schedule.step()
    warm = optim.Cosine(0.3, 12, warm_up=2)
    assert [warm(0), warm(1), warm(2)] == [0.15, 0.3, 0.3]
    assert warm(7) == pytest.approx(optim.Cosine(0.3, 10)(5))
    assert warm(12) == warm(99) == 0

"""Coupled gates and the GRU as learners write them: what is said of slips that are easily made."""

import numpy as np
import pytest

import lstm_course as lc
from conftest import refused
from lstm_course import variants
from lstm_course.exercises import ch27_gru as gru
from lstm_course.exercises.engine.trials import agree
from lstm_course.variants.recurrence import run


@pytest.mark.parametrize("question", gru.QUESTIONS, ids=lambda question: question.name)
def test_no_size_is_always_1_and_every_bias_counts(question):
    cases = [case for case in question.exam.cases if not case.large]
    for letter in cases[0].sizes:
        assert {1} < {case.sizes[letter] for case in cases}
    for case in cases:
        arrays = case.arguments.values()
        assert all(np.count_nonzero(array) == array.size for array in arrays)


@pytest.mark.parametrize(
    ("lines", "solution", "case"),
    [
        (gru.COUPLED, gru.coupled_step, gru._coupled_case(4, 3, 2)),
        (gru.GRU, gru.gru_step, gru._gru_case(4, 3, 2)),
        (gru.GRU_BACKWARD, gru.gru_step_backward, gru._gru_back_case(4, 3, 2)),
    ],
)
def test_lines_are_the_package_s_cells(lines, solution, case):
    results = [f(*case.arguments.values()) for f in (lines, solution)]
    pairs = zip(*(r if isinstance(r, tuple) else (r,) for r in results), strict=True)
    assert all(agree(one, other) for one, other in pairs)


def coupled_with(share, slices=3):
    """Return the coupled step that keeps a share made of the input gate and its sum."""

    def coupled_step(x, h_prev, c_prev, W, U, b):
        a_i, a_g, a_o = np.split(x @ W.T + h_prev @ U.T + b, slices, axis=1)[:3]
        i = lc.sigmoid(a_i)
        c = share(i, a_i) * c_prev + i * np.tanh(a_g)
        return lc.sigmoid(a_o) * np.tanh(c), c

    return coupled_step


def test_what_is_kept_is_named():
    assert lc.check("coupled-step", coupled_with(lambda i, a: lc.sigmoid(-a))).passed
    assert "Coupled shares add up to 1" in refused("coupled-step", coupled_with(lambda i, a: i))
    assert "before the sigmoid" in refused(
        "coupled-step", coupled_with(lambda i, a: lc.sigmoid(1 - a))
    )
    assert "raised ValueError" in refused("coupled-step", coupled_with(lambda i, a: 1 - i, 4))


def test_the_gate_of_a_standard_lstm_has_not_learned_what_it_forgot():
    def standard(dc, i, c_prev, c):
        g = (c - (1 - i) * c_prev) / i
        return dc * g * i * (1 - i)

    assert "It also forgets" in refused("coupled-gate", standard)
    assert "a factor i already" in refused(
        "coupled-gate", lambda dc, i, c_prev, c: dc * (c - c_prev) * i * (1 - i)
    )


def step_with(candidate, order="rzn", new=lambda z, n, h: (1 - z) * n + z * h):
    """Return the step of a GRU with another candidate, order of slices, or new state."""

    def gru_step(x, h_prev, M_x, M_h):
        H = h_prev.shape[1]
        ones = np.ones((len(x), 1), x.dtype)
        a, u = np.hstack([x, ones]) @ M_x, np.hstack([h_prev, ones]) @ M_h
        a, u = (dict(zip(order, np.split(one, 3, axis=1), strict=True)) for one in (a, u))
        r, z = lc.sigmoid(a["r"] + u["r"]), lc.sigmoid(a["z"] + u["z"])
        U_n, b_hn = M_h[:-1, 2 * H :], M_h[-1, 2 * H :]
        n = np.tanh(candidate(a["n"], u["n"], r, h_prev, U_n, b_hn))
        return new(z, n, h_prev)

    return gru_step


def behind(a, u, r, h, U, b):
    return a + r * u


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (step_with(lambda a, u, r, h, U, b: a + (r * h) @ U + b), "That is the GRU as it was"),
        (step_with(lambda a, u, r, h, U, b: a + r * (h @ U) + b), "outside. Scale that bias too"),
        (step_with(lambda a, u, r, h, U, b: r * (a + u)), "What comes from x passes it by"),
        (step_with(behind, "zrn"), "Keras and ONNX have z, r, n"),
        (step_with(behind, "nrz"), "You take the slices in the order n, r, z."),
        (step_with(behind, new=lambda z, n, h: z * n + (1 - z) * h), "You swap z and 1 - z"),
        (step_with(behind, new=lambda z, n, h: n + z * (n - h)), "not away from it"),
    ],
)
def test_what_is_wrong_in_a_step_is_named(answer, said):
    assert lc.check("gru-step", step_with(behind)).passed
    assert said in refused("gru-step", answer)


def test_two_mistakes_in_a_step_are_named_both():
    message = refused(
        "gru-step",
        step_with(lambda a, u, r, h, U, b: a + u, new=lambda z, n, h: z * n + (1 - z) * h),
    )
    assert "The reset gate has no effect" in message
    assert "You swap z and 1 - z" in message


def back_with(r=None, direct=1, biases="xh", sign=1):
    """Return the backward step with an r of its own before U, or something else that is wrong."""

    def gru_step_backward(dh, x, h_prev, W, U, b_ih, b_hh):
        s = variants.gru_step(x, h_prev, variants.GRUParams(W, U, b_ih, b_hh))[1].steps[0]
        u_n = np.split(s.u, 3, axis=1)[2]
        da_n = dh * (1 - s.z) * (1 - s.n**2)
        da_r = da_n * u_n * s.r * (1 - s.r)
        da_z = sign * dh * (h_prev - s.n) * s.z * (1 - s.z)
        da = np.hstack([da_r, da_z, da_n])
        du = np.hstack([da_r, da_z, da_n * (s.r if r is None else r)])
        sums = {"x": da.sum(axis=0), "h": du.sum(axis=0)}
        dh_prev = direct * dh * s.z + du @ U
        return da @ W, dh_prev, da.T @ x, du.T @ h_prev, *(sums[name] for name in biases)

    return gru_step_backward


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (back_with(r=1), "The reset gate is missing on the way back from the candidate"),
        (back_with(direct=0), "The direct way to dh_prev is missing"),
        (back_with(biases="xx"), "You use the gradient of b_ih for b_hh too."),
        (back_with(biases="hh"), "You use the gradient of b_hh for b_ih too."),
        (back_with(biases="hx"), "Your results come in the order"),
        (back_with(sign=-1), "the difference is h_prev - n"),
    ],
)
def test_what_is_wrong_on_the_way_back_is_named(answer, said):
    assert lc.check("gru-backward", back_with()).passed
    assert said in refused("gru-backward", answer)


def test_a_gradient_that_is_not_summed_over_the_batch_is_told_by_its_shape():
    def unsummed(*given):
        *others, db_ih, db_hh = back_with()(*given)
        return *others, db_ih, db_hh + np.zeros((len(given[0]), 1))

    message = refused("gru-backward", unsummed)
    assert "Wrong: db_hh." in message
    assert "Expected an array db_hh of shape (3H,)" in message


def params_of(M_x, M_h):
    return variants.GRUParams(M_x[:-1].T, M_h[:-1].T, M_x[-1], M_h[-1])


def by_the_package(dh, x, h_prev, *arrays):
    cache = variants.gru_step(x, h_prev, variants.GRUParams(*arrays))[1]
    dx, dh_prev, grads = variants.gru_step_backward(dh, cache)
    return dx, dh_prev, *grads.arrays()


def through_time_by_the_package(dh, x, h_prev, *arrays):
    cache = variants.gru_forward(x[None], variants.GRUParams(*arrays), h_prev)[2]
    dxs, dh_prev, grads = variants.gru_backward(dh[None], cache)
    return dxs[0], dh_prev, *grads.arrays()


@pytest.mark.parametrize(
    ("name", "answer", "function"),
    [
        (
            "coupled-step",
            lambda x, h, c, *arrays: variants.step(x, h, c, variants.CoupledParams(*arrays))[:2],
            "step",
        ),
        (
            "coupled-step",
            lambda x, h, c, *arrays: variants.forward(
                x[None], variants.CoupledParams(*arrays), h, c
            )[1],
            "forward",
        ),
        (
            "gru-step",
            lambda x, h, *matrices: variants.gru_step(x, h, params_of(*matrices))[0],
            "gru_step",
        ),
        (
            "gru-step",
            lambda x, h, *matrices: variants.gru_forward(x[None], params_of(*matrices), h)[1],
            "gru_forward",
        ),
        ("gru-backward", by_the_package, "gru_step_backward"),
        ("gru-backward", through_time_by_the_package, "gru_backward"),
    ],
)
def test_the_package_s_steps_are_not_allowed(name, answer, function):
    assert f"lc.variants.{function}, which is not allowed here" in refused(name, answer)


def test_the_equations_of_the_package_s_cells_are_not_allowed_either():
    def coupled_step(x, h, c, *arrays):
        s = run(x[None], variants.CoupledParams(*arrays), (h, c)).steps[0]
        return s.h, s.c

    def gru_step(x, h, *matrices):
        return run(x[None], params_of(*matrices), (h,)).steps[0].h

    assert "which is not allowed here" in refused("coupled-step", coupled_step)
    assert "GRUParams.step, which is not allowed here" in refused("gru-step", gru_step)


def test_the_standard_step_may_be_taken_with_an_opposite_gate():
    def with_opposite(x, h_prev, c_prev, W, U, b):
        i, g, o = np.split(np.column_stack([W, U, b]), 3)
        four = np.concatenate([i, -i, g, o])
        D = x.shape[1]
        params = lc.LSTMParams(four[:, :D], four[:, D:-1], four[:, -1])
        return lc.lstm_step(x, h_prev, c_prev, params)[:2]

    assert lc.check("coupled-step", with_opposite).passed

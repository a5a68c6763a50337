import importlib.util
import re
import subprocess
import sys

import numpy as np
import pytest

import lstm_course as lc
from conftest import need
from lstm_course.gradcheck import relative_error
from lstm_course.interop import from_flax, to_flax
from lstm_course.variants import GRUParams, ResetBeforeGRUParams, StandardParams

T, N, D, H = 5, 3, 4, 2
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE)
EACH_CELL = pytest.mark.parametrize("cell", ["LSTMCell", "OptimizedLSTMCell", "GRUCell"])


@pytest.fixture(scope="module")
def jax():
    need(importlib.util.find_spec("flax"), "Flax", "pip install flax")
    import jax

    with jax.enable_x64(True):
        yield jax


def random_like(jax, tree):
    """Return a tree of parameters with random numbers in all places, biases too."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda a: jax.numpy.asarray(rng.normal(size=a.shape), a.dtype), tree)


def sequences(cell, dtype="float64"):
    """Draw inputs and initial states."""
    rng = np.random.default_rng(1)
    shapes = [(T, N, D), (N, H), (N, H)][: 2 if cell == "GRUCell" else 3]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def run(params, xs, *starts):
    if isinstance(params, lc.LSTMParams):
        return lc.lstm_forward(xs, params, *starts)[:2]
    hs, h_T, _ = lc.variants.gru_forward(xs, params, *starts)
    return hs, (h_T,)


def close(cell, step, params, dtype):
    """Compare `step` of a Flax cell, which maps carry and x to a new carry and h, with ours."""
    xs, *starts = sequences(cell, dtype)
    carry = tuple(starts[::-1]) if len(starts) == 2 else starts[0]  # (c, h)
    rows = []
    for x in xs:
        carry, h = step(carry, x)
        rows.append(np.asarray(h))
    finals = carry[::-1] if len(starts) == 2 else (carry,)
    hs, ours = run(params, xs, *starts)
    for one, other in zip((np.stack(rows), *map(np.asarray, finals)), (hs, *ours), strict=True):
        assert one.dtype == other.dtype == dtype
        assert relative_error(one, other) <= TOLERANCE[dtype]


@pytest.mark.slow
@EACH_CELL
@DTYPES
def test_linen_gives_the_same_results(jax, cell, dtype):
    import flax.linen

    module = getattr(flax.linen, cell)(H, param_dtype=dtype)
    xs, *_ = sequences(cell, dtype)
    carry = module.initialize_carry(jax.random.key(0), xs[0].shape)
    variables = random_like(jax, module.init(jax.random.key(0), carry, xs[0]))
    for given in (variables, variables["params"]):
        params = from_flax(given)
        close(cell, lambda carry, x: module.apply(variables, carry, x), params, dtype)
    back = to_flax(params)
    jax.tree.map(np.testing.assert_array_equal, back, dict(variables["params"]))
    close(cell, lambda carry, x: module.apply({"params": back}, carry, x), params, dtype)


@pytest.mark.slow
@EACH_CELL
@DTYPES
def test_nnx_gives_the_same_results(jax, cell, dtype):
    from flax import nnx

    module = getattr(nnx, cell)(D, H, param_dtype=dtype, rngs=nnx.Rngs(0))
    nnx.update(module, random_like(jax, nnx.state(module, nnx.Param)))
    for given in (module, nnx.state(module), nnx.state(module, nnx.Param)):
        close(cell, module, from_flax(given), dtype)


@pytest.mark.slow
def test_a_gru_with_two_biases_gives_the_same_results(jax):
    import flax.linen

    params = drawn(GRUParams)
    layers = to_flax(params)
    assert [name for name, layer in layers.items() if "bias" in layer] == ["ir", "iz", "in", "hn"]
    module = flax.linen.GRUCell(H, param_dtype="float64")
    close("GRUCell", lambda carry, x: module.apply({"params": layers}, carry, x), params, "float64")


def drawn(kind):
    rng = np.random.default_rng(0)
    params = kind.init(D, H, rng=rng)
    for array in params.arrays():
        array[...] = rng.normal(size=array.shape)
    return params


def test_there_and_back_no_number_changes():
    params = drawn(lc.LSTMParams)
    for given in (params, StandardParams(*params.arrays())):
        for one, other in zip(from_flax(to_flax(given)).arrays(), params.arrays(), strict=True):
            np.testing.assert_array_equal(one, other)
    params = drawn(GRUParams)
    once = from_flax(to_flax(params))
    twice = from_flax({"params": to_flax(once)})
    for one, other in zip(once.arrays(), twice.arrays(), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("weight_ih", "weight_hh"):
        np.testing.assert_array_equal(getattr(once, name), getattr(params, name))
    # Only n's second bias is apart.
    assert not once.bias_hh[: 2 * H].any()
    np.testing.assert_array_equal(once.bias_hh[2 * H :], params.bias_hh[2 * H :])


def test_the_numbers_are_copies():
    layers = to_flax(drawn(lc.LSTMParams))
    params = from_flax(layers)
    before = [array.copy() for array in params.arrays()]
    again = to_flax(params)
    for layer in (*layers.values(), *again.values()):
        for array in layer.values():
            array += 1
    for one, other in zip(params.arrays(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def changed(**layers):
    return lambda: from_flax(to_flax(drawn(lc.LSTMParams)) | layers)


def dense(rows):
    return {"dense_i": {"kernel": np.ones((D, rows))}, "dense_h": {"kernel": np.ones((H, rows))}}


KNOWN = "expected those of an LSTMCell, OptimizedLSTMCell or GRUCell"


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: from_flax({}), ValueError, f"params has the layers none, {KNOWN}"),
        (lambda: from_flax({"i": {}, "h": {}}), ValueError, f"params has the layers h, i, {KNOWN}"),
        (lambda: from_flax(dense(5)), ValueError, "dense_h.kernel has shape (2, 5), expected (H, 4H) or (H, 3H)"),
        (changed(ig={}), TypeError, "ig.kernel must be an array of float32 or float64, got NoneType"),
        (changed(ig=np.ones(3)), TypeError, "ig must hold a kernel, got ndarray"),
        (changed(ig={"kernel": np.ones((D, 3))}), ValueError, "ig.kernel has shape (4, 3), expected (4, 2)"),
        (changed(ho={"kernel": np.ones((H, H)), "bias": np.ones(3)}), ValueError, "ho.bias has shape (3,), expected (2,)"),
        (changed(ho={"kernel": np.ones((H, H), np.float32)}), TypeError, "ho.kernel is float32, expected float64 like the parameters"),
        (lambda: from_flax(dense(8) | {"dense_i": {"kernel": np.ones((D, 6))}}), ValueError, "dense_i.kernel has shape (4, 6), expected (D, 8)"),
        (lambda: to_flax(None), TypeError, "params must be LSTMParams, StandardParams or GRUParams, whose reset gate acts where Flax's does, got NoneType"),
        (lambda: to_flax(drawn(ResetBeforeGRUParams)), TypeError, "params must be LSTMParams, StandardParams or GRUParams, whose reset gate acts where Flax's does, got ResetBeforeGRUParams"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        call()


@pytest.mark.slow
def test_what_is_no_cell_gets_one_sentence(jax):
    with pytest.raises(
        TypeError,
        match=r"^params must be the parameters of a cell of flax.linen, or a cell of flax.nnx, got int$",
    ):
        from_flax(5)


def test_without_flax_it_says_what_it_needs():
    code = (
        "import sys; sys.modules['flax'] = None; import lstm_course as lc; lc.interop.from_flax(5)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr.endswith(
        "ImportError: from_flax needs Flax to read a module; to install it: pip install flax\n"
    ), run.stderr

import ast
import importlib.resources
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter

import pytest

import lstm_course
from conftest import ROOT


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_import_loads_numpy_alone():
    loaded = json.loads(
        run("import lstm_course, json, sys; print(json.dumps(sorted(sys.modules)))")
    )
    assert "numpy" in loaded
    assert not {"matplotlib", "torch", "IPython", "scipy", "tqdm"} & set(loaded)
    parts = {name for name in loaded if name.startswith("lstm_course.")}
    first = ("_checks", "pointwise", "gates", "cell", "sequence")
    assert parts == {f"lstm_course.{name}" for name in first}


def test_every_public_name_is_there(torch):
    for name in lstm_course.__all__:
        assert getattr(lstm_course, name) is not None


def test_without_pytorch_its_part_says_what_it_needs():
    code = "import sys; sys.modules['torch'] = None; import lstm_course as lc; lc.pytorch"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run(code)
    assert caught.value.stderr.endswith(
        "ImportError: lstm_course.pytorch needs PyTorch; to install it: pip install torch\n"
    )


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fastest'"):
        _ = lstm_course.fastest


def imported(path):
    """Yield the names of the course's own modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "lstm_course":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("lstm_course."):
            yield node.module.split(".")[1]


def test_modules_import_only_what_stands_above_them_in_the_list():
    table = lstm_course.__doc__.split("=\n")[1:-1]
    listed = re.findall(r"^([a-z]+(?:, [a-z]+)*) ", "".join(table), re.MULTILINE)
    order = ["_checks", "_files", "_memory", *", ".join(listed).split(", ")]
    package = ROOT / "lstm_course"
    there = {path.stem for path in package.iterdir() if path.suffix == ".py"}
    there |= {path.parent.name for path in package.glob("*/__init__.py")}
    assert there - {"__init__"} == set(order), "the list and the folder differ"
    for path in package.glob("*/**/*.py"):
        importer = path.relative_to(package).parts[0]
        for target in imported(path):
            assert order.index(target) <= order.index(importer), (path, target)
    for path in package.glob("*.py"):
        for target in imported(path) if path.stem != "__init__" else ():
            assert order.index(target) < order.index(path.stem), (path, target)


def test_no_two_modules_share_a_name():
    names = Counter(path.stem for path in (ROOT / "lstm_course").rglob("*.py"))
    del names["__init__"]
    assert not [name for name, count in names.items() if count > 1]


def test_the_package_says_that_it_is_typed_and_its_version_once():
    assert importlib.resources.files("lstm_course").joinpath("py.typed").is_file()
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["version"] == lstm_course.__version__
    assert f"version: {lstm_course.__version__}\n" in (ROOT / "CITATION.cff").read_text(
        encoding="utf-8"
    )
    assert f"## {lstm_course.__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_example_of_the_readme_runs():
    (code,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    exec(compile(code, "README.md", "exec"), {})


EVERYTHING = """
import numpy as np, lstm_course as lc
from lstm_course import fast, layers, losses, models, optim, rnn, training
np.seterr(all="raise")
rng = np.random.default_rng(0)
x = np.array([-1e4, -800.0, -1e-320, 0.0, 1e-320, 800.0, 1e4])
for f in ("sigmoid", "sigmoid_derivative", "tanh", "tanh_derivative"):
    assert np.isfinite(getattr(lc.pointwise, f)(x)).all()
losses.softmax(x), losses.softmax_cross_entropy(x[None], np.array([6]))
losses.mean_squared_error(np.full(2, 1e-200), np.zeros(2))
params = lc.LSTMParams(*(300 * array for array in lc.LSTMParams.init(3, 4, rng=rng).arrays()))
xs = 1e-150 * rng.normal(size=(6, 2, 3))
for module in (lc.sequence, fast):
    hs, _, cache = module.lstm_forward(xs, params)
    module.lstm_backward(1e-200 * np.ones_like(hs), cache)
plain = rnn.RNN(3, 4, rng=rng)
hs, _, cache = plain.forward(xs)
plain.backward(1e-300 * np.ones_like(hs), cache)
for kind in (optim.SGD, optim.Adam):
    kind([np.ones(3)], learning_rate=0.1).step([np.array([1e-200, 0.0, 1e-310])])
optim.clip_by_global_norm([np.array([1e-200, 3.0])], 1e-3)
model = models.SequenceModel(layers.LSTM(3, 4, rng=rng), layers.Linear(4, 2, rng=rng))
trainer = training.Trainer(model, optim.Adam(model.arrays), clip=1.0, l2=0.1)
trainer.fit(lambda k: training.Batch(xs, np.zeros((6, 2), int)), 3, progress=False)
passed = lc.check("sigmoid", lambda x: np.where(x < 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x))))
print(passed.passed)
"""


def test_nothing_of_ours_fails_where_the_caller_has_all_floating_point_errors_raised():
    assert run(EVERYTHING) == "True\n"

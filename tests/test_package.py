import importlib.resources
import json
import re
import subprocess
import sys
import tomllib

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


def test_modules_import_only_what_stands_above_them():
    order = [
        "_checks",
        "_memory",
        "pointwise",
        "gates",
        "cell",
        "sequence",
        "fast",
        "layers",
        "example",
        "rnn",
        "losses",
        "optim",
        "gradcheck",
        "models",
        "ngrams",
        "training",
        "captions",
        "tasks",
        "pytorch",
        "interop",
        "experiments",
        "figures",
        "diagram",
        "exercises",
    ]
    imports = run(
        "import ast, pathlib, lstm_course\n"
        "root = pathlib.Path(lstm_course.__file__).parent\n"
        "for path in root.rglob('*.py'):\n"
        "    for node in ast.walk(ast.parse(path.read_text())):\n"
        "        if isinstance(node, ast.ImportFrom) and node.module.startswith('lstm_course'):\n"
        "            names = [node.module] if '.' in node.module else [f'lstm_course.{a.name}' for a in node.names]\n"
        "            for name in names: print(path.relative_to(root).as_posix(), name)\n"
    )
    pairs = [line.split() for line in imports.splitlines()]
    assert len(pairs) > 15
    for path, imported in pairs:
        importer, target = path.removesuffix(".py").split("/")[0], imported.split(".")[1]
        if importer != "__init__":
            assert order.index(target) <= order.index(importer), (path, imported)


def test_the_package_says_that_it_is_typed_and_its_version_once():
    assert importlib.resources.files("lstm_course").joinpath("py.typed").is_file()
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert pyproject["project"]["version"] == lstm_course.__version__
    assert f"version: {lstm_course.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {lstm_course.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_example_of_the_readme_runs():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})

import json
import subprocess
import sys

import pytest

import lstm_course


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_import_loads_numpy_alone():
    loaded = json.loads(
        run("import lstm_course, json, sys; print(json.dumps(sorted(sys.modules)))")
    )
    assert "numpy" in loaded
    assert not {"matplotlib", "torch", "IPython", "scipy"} & set(loaded)


def test_every_public_name_is_there():
    for name in lstm_course.__all__:
        assert getattr(lstm_course, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fastest'"):
        _ = lstm_course.fastest


def test_modules_import_only_what_stands_above_them():
    order = [
        "_checks",
        "pointwise",
        "gates",
        "cell",
        "sequence",
        "example",
        "rnn",
        "gradcheck",
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

"""The copy of the package that a submission finds: without what its question asks for."""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import lstm_course as lc
from lstm_course import example
from lstm_course.exercises import QUESTIONS
from lstm_course.grading import course
from lstm_course.grading.marking import forbidden

SOURCE = Path(lc.__file__).parent
CHOSEN = (
    "forget-gate",
    "sigmoid",
    "lstm-step",
    "sequence",
    "through-time",
    "adam",
    "coupled-step",
)
REPLACED = {"figures.py", "diagram.py", "unrolled.py", "exercises/__init__.py"}

VISIT = """
import importlib, inspect, json, pkgutil, sys, types

import lstm_course as lc
from lstm_course.grading import guest


def refusals(module, name):
    # What is refused when a function, or any method of a class, is called, and what is not.
    found = importlib.import_module(module)
    for part in name.split("."):
        found = vars(found)[part]
    methods = vars(found).values() if inspect.isclass(found) else [found]
    said = []
    for one in methods:
        one = getattr(one, "__func__", one)
        if isinstance(one, types.FunctionType) and one.__code__.co_filename != "<string>":
            parameters = inspect.signature(one).parameters.values()
            given = {p.name: None for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
            positional = [given.pop(p.name) for p in parameters if p.kind is p.POSITIONAL_ONLY]
            try:
                said.append(f"{one.__qualname__} returned {one(*positional, **given)!r}")
            except guest.Refused as error:
                said.append(str(error))
            except Exception as error:
                said.append(f"{one.__qualname__} raised {error!r}")
    return said


def outcome(code):
    try:
        return repr(eval(code, {"lc": lc}))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


names = [one.name for one in pkgutil.walk_packages(lc.__path__, "lstm_course.")]
asked, codes = json.load(sys.stdin)
for name in names * bool(asked):
    importlib.import_module(name)
print(json.dumps({
    "file": lc.__file__,
    "modules": names,
    "loaded": sorted(sys.modules),
    "refusals": [refusals(*one) for one in asked],
    "outcomes": [outcome(one) for one in codes],
}))
"""


def in_the_copy(folder, asked=(), codes=()):
    """Return what is seen by an interpreter that finds the package in a folder, and NumPy."""
    libraries = Path(np.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{libraries}"}
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", VISIT],  # -S: no editable installation
        input=json.dumps([asked, codes]),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def plain(function):
    return inspect.unwrap(getattr(function, "__func__", function))


def names_of(functions):
    return [(plain(one).__module__, plain(one).__qualname__) for one in functions]


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    @cache
    def copy(name):
        folder = tmp_path_factory.mktemp(name)
        course.write(folder, forbidden(QUESTIONS[name]))
        return folder

    return copy


def files(package):
    return {
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


# What is refused


@pytest.mark.parametrize("name", CHOSEN)
def test_what_a_question_forbids_raises_and_the_rest_loads(copies, name):
    asked = names_of(forbidden(QUESTIONS[name]))
    seen = in_the_copy(copies(name), asked)
    assert Path(seen["file"]).is_relative_to(copies(name))
    assert asked
    for (module, qualname), said in zip(asked, seen["refusals"], strict=True):
        assert said
        for one in said:
            assert one == f"{module}.{qualname}" or one.startswith(f"{module}.{qualname}.")
    own = [one.name for one in pkgutil.walk_packages(lc.__path__, "lstm_course.")]
    left_out = {"exercises", "experiments", "grading", "interop", "pytorch"}
    assert {one for one in own if one.split(".")[1] not in left_out} <= set(seen["modules"])


def test_what_is_not_a_class_s_own_method_is_not_refused(copies):
    (said,) = in_the_copy(copies("forget-gate"), [("lstm_course.optim", "Adam")])["refusals"]
    assert said
    assert not [one for one in said if one.startswith("lstm_course.optim.Adam")]


@cache
def bodies(source):
    """Return what each function in a source does, however it is laid out and documented."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            found.add(ast.dump(ast.Module(body, [])))
    return found


@pytest.mark.parametrize("name", CHOSEN)
def test_no_body_of_a_forbidden_function_is_left(copies, name):
    left = set()
    for path in copies(name).rglob("*.py"):
        left |= bodies(path.read_text(encoding="utf-8"))
    for function in forbidden(QUESTIONS[name]):
        own = bodies(textwrap.dedent(inspect.getsource(plain(function))))
        assert own
        assert not own & left


@pytest.mark.parametrize("name", CHOSEN)
def test_no_line_of_a_forbidden_function_s_description_is_left(copies, name):
    for function in map(plain, forbidden(QUESTIONS[name])):
        if inspect.isclass(function) or not function.__doc__:
            continue
        summary = function.__doc__.strip().splitlines()[0]
        module = importlib.import_module(function.__module__)
        relative = Path(module.__file__).relative_to(SOURCE)
        texts = (path / "lstm_course" / relative for path in [copies(name)])
        assert not any(summary in text.read_text(encoding="utf-8") for text in texts)


# What is there


@pytest.mark.parametrize("name", CHOSEN)
def test_no_bank_solution_experiment_or_grader_is_there(copies, name):
    package = copies(name) / "lstm_course"
    assert [path.name for path in copies(name).iterdir()] == ["lstm_course"]
    assert {path for path in files(package) if path.startswith(("exercises", "grading"))} == {
        "exercises/__init__.py",
        "exercises/engine/__init__.py",
        "exercises/engine/feedback.py",
        "exercises/engine/launching.py",
        "exercises/engine/observing.py",
        "exercises/engine/products.py",
        "grading/__init__.py",
        "grading/guest.py",
        "grading/inside.py",
        "grading/wire.py",
    }
    assert {path.name for path in package.iterdir() if path.is_dir()} - {"__pycache__"} == {
        "exercises",
        "grading",
        "models",
        "tasks",
        "variants",
    }


def test_what_is_not_forbidden_is_a_copy_of_the_package(tmp_path):
    course.write(tmp_path, [])
    copy = tmp_path / "lstm_course"
    left_out = ("exercises/", "experiments/", "grading/", "interop/", "pytorch/")
    assert {one for one in files(SOURCE) if not one.startswith(left_out)} <= files(copy)
    assert files(copy) <= files(SOURCE)
    changed = {
        one for one in files(copy) if (copy / one).read_bytes() != (SOURCE / one).read_bytes()
    }
    assert changed - {"exercises/engine/__init__.py", "grading/__init__.py"} == REPLACED


@pytest.mark.parametrize("name", CHOSEN)
def test_only_the_modules_of_forbidden_functions_are_changed(copies, name):
    copy = copies(name) / "lstm_course"
    changed = {
        one for one in files(copy) if (copy / one).read_bytes() != (SOURCE / one).read_bytes()
    }
    named = {
        Path(importlib.import_module(module).__file__).relative_to(SOURCE).as_posix()
        for module, _ in names_of(forbidden(QUESTIONS[name]))
    }
    stubs = {"exercises/engine/__init__.py", "grading/__init__.py"}
    assert changed - stubs - {path for path in named if path.startswith("exercises/")} == (
        REPLACED | {path for path in named if not path.startswith("exercises/")}
    )


def test_functions_from_elsewhere_change_nothing(tmp_path):
    def own():
        pass

    for folder, functions in (("one", []), ("other", [np.exp, own, json.dumps, dict, in_the_copy])):
        course.write(tmp_path / folder, functions)
    one, other = tmp_path / "one" / "lstm_course", tmp_path / "other" / "lstm_course"
    assert files(one) == files(other)
    assert all((one / path).read_bytes() == (other / path).read_bytes() for path in files(one))


def test_a_method_is_refused_and_the_other_methods_are_not(tmp_path):
    course.write(tmp_path, [lc.LSTM.forward])
    source = (tmp_path / "lstm_course/layers.py").read_text(encoding="utf-8")
    assert source.count("refuse(") == 1
    assert "refuse('lstm_course.layers.LSTM.forward')" in source


# What it computes


def test_the_copy_computes_the_same_numbers(copies):
    given = "lc.example.xs, lc.example.params, lc.example.h0, lc.example.c0"
    codes = (
        f"lc.lstm_forward({given})[0].tolist()",
        f"lc.fast.lstm_infer({given})[0].tolist()",
        "lc.sigmoid(lc.example.params.weight_ih).tolist()",
    )
    arguments = example.xs, example.params, example.h0, example.c0
    expected = (
        lc.lstm_forward(*arguments)[0],
        lc.fast.lstm_infer(*arguments)[0],
        lc.sigmoid(example.params.weight_ih),
    )
    outcomes = in_the_copy(copies("forget-gate"), codes=codes)["outcomes"]
    assert outcomes == [repr(one.tolist()) for one in expected]


def test_what_calls_a_forbidden_function_is_refused_too(copies):
    codes = (
        "lc.lstm_forward(lc.example.xs, lc.example.params)",
        "lc.tanh(0.0)",
    )
    refused, allowed = in_the_copy(copies("sigmoid"), codes=codes)["outcomes"]
    assert refused == "Refused: lstm_course.pointwise.sigmoid"
    assert allowed == repr(lc.tanh(0.0))


def test_answers_are_registered_and_nothing_is_said(copies):
    answers = "__import__('lstm_course.grading.guest').grading.guest._answers"
    codes = (
        "lc.check('tanh', [1, 2])",
        "lc.check('tanh', lc.tanh)",
        "lc.exercises.check('chain', None)",
        "lc.exercises.check('chain', 0)",
        f"{{name: len(found) for name, found in {answers}.items()}}",
        "lc.hint('tanh'), lc.hint('tanh', 3), lc.progress(), lc.progress('some.ipynb')",
        "lc.exercises.certificate('certificate.json', 'Ada'), lc.exercises.verify('some.json')",
        "lc.exercises.QUESTIONS",
        "lc.exercises.BANKS",
    )
    outcomes = in_the_copy(copies("forget-gate"), codes=codes)["outcomes"]
    assert outcomes[:7] == [
        *["None"] * 4,
        "{'tanh': 2, 'chain': 1}",
        "('', '', None, None)",
        "(None, None)",
    ]
    assert all(one.startswith("AttributeError: ") for one in outcomes[7:])


def test_figures_say_that_none_are_drawn(copies):
    codes = [
        "lc.figures.gate_curve",
        "lc.diagram.cell",
        "lc.unrolled.anything",
        "hasattr(lc.figures, 'x')",
    ]
    outcomes = in_the_copy(copies("forget-gate"), codes=codes)["outcomes"]
    sentence = "AttributeError: Figures are not drawn where answers are graded: "
    assert outcomes == [*(sentence + name for name in ("gate_curve", "cell", "anything")), "False"]


def test_what_is_left_out_is_missing(copies):
    codes = ["lc.experiments", "lc.interop", "lc.pytorch", "lc.exercises.ch04_forget_gate"]
    seen = in_the_copy(copies("forget-gate"), codes=codes)
    assert [one.partition(":")[0] for one in seen["outcomes"]] == [
        *["ModuleNotFoundError"] * 3,
        "AttributeError",
    ]
    assert not {"matplotlib", "torch"} & set(seen["loaded"])


def test_what_maps_modules_is_left_out_but_refused_by_name(copies):
    seen = in_the_copy(
        copies("from-pytorch"),
        codes=("lc.interop.from_pytorch(3)", "lc.interop.to_pytorch", "lc.interop.torch_maps"),
    )
    refused, *others = seen["outcomes"]
    assert refused == "Refused: lstm_course.interop.torch_maps.from_pytorch"
    assert all(one.startswith("AttributeError: ") for one in others)
    assert files(copies("from-pytorch") / "lstm_course/interop") == {"__init__.py"}

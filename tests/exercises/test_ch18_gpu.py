"""The chapter's question: kernels that no list of mistakes holds, and what may happen to them."""

import importlib.util
import json
import re

import numpy as np
import pytest

import lstm_course as lc
from conftest import need
from lstm_course.exercises import ch18_gpu as gpu
from lstm_course.exercises.engine import kernels
from lstm_course.grading import bubble, verify

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "triton"))), reason="needs Triton"
)

LOAD_C = "before = tl.load(c + unit, inside)"
INTERPRETER_HAS_NONE = "g = tl.tanh(tl.load(gate + 2 * H, inside))"
TANH_THAT_OVERFLOWS = (
    "x = tl.load(gate + 2 * H, inside)\n    g = (tl.exp(x) - tl.exp(-x)) / (tl.exp(x) + tl.exp(-x))"
)
FAR = (LOAD_C, "before = tl.load(c + unit + 100000000000, inside)")


def kernel(body, signature="a, stride, c, h, units, H, BLOCK: tl.constexpr"):
    head = gpu.KERNEL[: gpu.KERNEL.index("def")]
    return gpu.Source(f'{head}def k({signature}):\n    {body}\n\nlc.check("fuse", k)\n')


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            gpu.with_lines((f"g = {gpu.TANH}", INTERPRETER_HAS_NONE)),
            r"raised AttributeError: .*tanh.*\nin the line: g = tl.tanh\(",
        ),
        (gpu.with_lines((LOAD_C, "before = c + unit")), "raised"),
        (gpu.with_lines((": tl.constexpr", "")), "raised"),
        (gpu.with_lines(("a, stride, c, h", "a, c, h")), "calls it with a, stride, c, h"),
        (gpu.with_lines(("a, stride, c, h", "a, c, h, stride")), "are in the order a, c, h"),
        (gpu.with_lines((gpu.TANH_C, "m = o * (state - state) / 0.0")), "h is not a finite number"),
        (
            gpu.with_lines(
                (gpu.STORE_H, f"{gpu.STORE_H}\n    tl.store(h + units + unit, m, inside)")
            ),
            "you write around h",
        ),
        (
            gpu.with_lines(
                (gpu.STORE_H, f"{gpu.STORE_H}\n    tl.store(gate + 2 * H, state, inside)")
            ),
            "You write into a, as the chapter's kernel does",
        ),
        (gpu.with_lines((gpu.STORE_C, f"{gpu.STORE_C}\n    print(f)")), "Right: every unit"),
        (
            gpu.with_lines((gpu.SUM, "state = f * before + i * g * 1.5")),
            "Wrong for N = 1, H = 1, stride = 4, BLOCK = 2: entry",
        ),
        (
            gpu.with_lines(("unit < units", "(unit < units) & (unit % 2 == 0)")),
            "You never write some units",
        ),
        (
            gpu.with_lines((gpu.TANH_C, "m = 2 * o")),
            "A hidden state lies between -1 and 1",
        ),
        (gpu.with_lines((f"g = {gpu.TANH}", TANH_THAT_OVERFLOWS)), "yours overflow"),
        (gpu.with_lines(('"fuse"', '"another"')), "could not be run on its own"),
        (gpu.with_lines(("import triton\n", "import nothing_of_that_name\n")), "No module named"),
        (lambda a: a, "isn't a kernel yet"),
        (3, "Expected your kernel cell_kernel itself, got int"),
    ],
)
def test_whatever_comes_gets_a_sentence(answer, sentence):
    feedback = lc.check("fuse", answer)
    assert re.search(sentence, feedback.message), feedback
    assert feedback.passed == feedback.message.startswith("Right: every")


@pytest.mark.parametrize("body", ["pass", "...", '"""Do nothing yet."""'])
def test_a_kernel_that_stores_nothing_is_a_stub(body):
    feedback = lc.check("fuse", kernel(body))
    assert not feedback.answered
    assert feedback.message == "Your kernel stores nothing."


def test_a_kernel_of_a_module_is_examined_from_its_source(tmp_path, monkeypatch):
    text = gpu.KERNEL.replace("lc.check", "# lc.check").replace("@triton.jit", "@jit")
    text = text.replace("import triton\n", "from triton import jit\n")
    text = text.replace("o * (2 * tl.sigmoid(2 * state) - 1)", "o * squash(state)")
    helpers = """
TWO = tl.constexpr(2)
ONE = 1


@jit
def tanh(x):
    return tl.sigmoid(x * TWO) * TWO - ONE


squash = tanh
"""
    before, after = text.split("\n\n\n@jit")
    (tmp_path / "my_kernels.py").write_text(f"{before}\n{helpers}\n\n@jit{after}")
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("my_kernels").cell_kernel
    assert lc.check("fuse", mine).passed, lc.check("fuse", mine)


def test_a_certificate_of_a_kernel_is_verified(tmp_path):
    missing = bubble._missing("torch", "triton")
    need(not missing, missing, "apt-get install bubblewrap")
    path = tmp_path / "certificate.json"
    answers = [{"question": "fuse", "source": gpu.KERNEL}]
    path.write_text(json.dumps({"answers": answers}))
    assert verify(path).points == 5


def test_a_kernel_without_a_source_is_told_so():
    import triton

    class Kernel:
        fn = eval("lambda a: a")

    assert "whose source is known" in lc.check("fuse", Kernel()).message
    assert hasattr(triton, "jit")


def test_a_kernel_that_reads_far_off_ends_its_own_process_alone():
    assert lc.check("fuse", gpu.with_lines(FAR)).message == kernels.CRASHED
    assert lc.check("fuse", gpu.Source(gpu.KERNEL)).passed


def test_a_kernel_that_never_ends_is_stopped(monkeypatch):
    assert lc.check("fuse", gpu.Source(gpu.KERNEL)).passed  # the process has started
    monkeypatch.setattr(kernels, "SECONDS", 0.5)
    endless = kernel("while True:\n        unit = 1")
    assert lc.check("fuse", endless).message == "Your kernel did not finish within 0.5 seconds."
    monkeypatch.undo()
    assert lc.check("fuse", gpu.Source(gpu.KERNEL)).passed


def test_without_triton_a_sentence_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    feedback = lc.check("fuse", gpu.Source(gpu.KERNEL))
    assert not feedback.answered
    assert feedback.message == kernels.MISSING


@pytest.mark.parametrize(("place", "words"), [(0, "into a"), (1, "after c"), (2, "after c or h")])
def test_a_property_says_where_a_kernel_writes_astray(place, words):
    def astray(*given):
        *states, stray = gpu.solution(*given)
        return *states, stray + np.eye(3)[place]

    broken = [said for said, holds in gpu.PROPERTIES.items() if not holds(astray, None)]
    assert len(broken) == 1
    assert words in broken[0]

import json
import subprocess
import sys

import numpy as np
import pytest

import lstm_course as lc
from conftest import ROOT
from lstm_course import experiments

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from benchmarks import cpu, rivals, timing  # noqa: E402

SMALL = (5, 3, 4, 6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("build", [rivals.forward, rivals.training])
@pytest.mark.slow
def test_all_rivals_compute_the_same(build, dtype):
    runs = build(rivals.Case(SMALL, dtype))
    assert {"readable", "fast", "torch.nn.LSTM", "LSTMCell loop", rivals.FLOOR} <= set(runs)
    rivals.check(runs, dtype)


@pytest.mark.parametrize("build", [rivals.forward, rivals.training])
@pytest.mark.slow
def test_a_rival_that_computes_something_else_is_refused(build):
    runs = build(rivals.Case(SMALL, np.float64))
    honest = runs["fast"]
    runs["fast"] = lambda: [array * 1.001 for array in honest()]
    with pytest.raises(RuntimeError, match="fast differs from the readable version"):
        rivals.check(runs, np.float64)


def test_the_floor_multiplies_what_the_cell_multiplies(monkeypatch):
    T, N, D, H = SMALL
    operations = []

    def product(case, left, right):
        return lambda: operations.append(2 * left[0] * left[1] * right[1])

    monkeypatch.setattr(rivals, "_fastest", product)
    case = rivals.Case(SMALL, np.float32)
    rivals.forward(case)[rivals.FLOOR]()
    forward = T * 2 * N * (D + H) * 4 * H
    assert sum(operations) == forward
    operations.clear()
    rivals.training(case)[rivals.FLOOR]()
    assert sum(operations) == 3 * forward


def test_rivals_take_turns_and_ratios_are_those_of_a_round(monkeypatch):
    monkeypatch.setattr(timing, "TURN", 0)
    calls = []
    runs = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds = timing.alternate(runs, rounds=3)
    assert calls == ["a", "b"] * 4  # the first round warms up
    assert len(seconds["a"]) == len(seconds["b"]) == 3
    assert timing.ratios([2.0, 4.0, 600.0], [1.0, 2.0, 300.0]) == [2.0, 2.0, 2.0]


def test_a_short_run_is_repeated_and_its_time_is_that_of_one(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def run():
        now[0] += timing.TURN / 8

    seconds = timing.alternate({"a": run}, rounds=2)
    assert now[0] == pytest.approx((1 + 8 + 8) * timing.TURN / 8)
    assert seconds["a"] == pytest.approx([timing.TURN / 8] * 2)


def test_a_noisy_machine_is_named(capsys):
    rows = {"S1 float32": {"milliseconds": {rivals.FLOOR: [0.9, 1.0, 1.3]}}}
    assert cpu.noise(rows) == 0.4
    assert "spread by 40% (S1 float32)" in capsys.readouterr().out
    rows["S1 float32"]["milliseconds"][rivals.FLOOR] = [0.99, 1.0, 1.01]
    assert cpu.noise(rows) == 0.02
    assert capsys.readouterr().out == ""


def test_the_chapter_has_the_rungs_and_they_compute_the_cell():
    rungs = cpu.rungs()
    case = rivals.Case(SMALL, np.float64)
    hs, _, cache = lc.lstm_forward(case.xs, case.params)
    for name in cpu.FORWARD:
        np.testing.assert_allclose(rungs[name](case.xs, case.params), hs, rtol=0, atol=1e-13)
    right = lc.lstm_backward(case.dhs, cache)
    for name in cpu.BACKWARD:
        ours = rungs[name](case.dhs, cache)
        for one, other in zip(
            (*ours[:3], *ours[3].arrays()), (*right[:3], *right[3].arrays()), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_the_record_is_complete():
    record = experiments.recorded("speed")
    assert record["command"] == "python -m benchmarks.cpu"
    assert {s: tuple(sizes) for s, sizes in record["sizes T N D H"].items()} == rivals.SIZES
    for table in ("forward", "training"):
        for size in rivals.SIZES:
            for dtype in ("float32", "float64"):
                row = record[table][f"{size} {dtype}"]
                assert set(row["over torch.nn.LSTM"]) == set(row["milliseconds"])
                assert row["rounds"] >= 5
    text = json.dumps(record)
    assert str(ROOT) not in text


def test_processes_time_every_batch_and_all_stop_after_the_same_run():
    # In a process of its own: it sets the number of threads, which the other tests have used.
    code = (
        "from benchmarks import processes as p\n"
        "p.BATCHES, p.SECONDS, p.HIDDEN = (2, 4), 0.01, 8\n"
        "p.worker()\n"
    )
    run = [sys.executable, "-c", code]
    result = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    answer = json.loads(result.stdout)
    assert answer["seconds"].keys() == {"2", "4"}
    for kinds in answer["seconds"].values():
        assert kinds.keys() == {"update", "share", "averaging"}
        assert all(0 < t < 10 for values in kinds.values() for t in values)

import json

import numpy as np
import pytest

import lstm_course as lc
from conftest import ROOT
from lstm_course import experiments

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from benchmarks import causes, cpu, rivals, timing  # noqa: E402

RUNS = {
    "call": ["matmul", "dot"],
    "split": ["one_exponential", "slices", "split_inside", "in_place"],
    "oneDNN": ["loop", "torch.nn.LSTM", "without oneDNN"],
    "recurrence": ["step by step", "all steps at once"],
}


def complete(record, rounds):
    for name, runs in RUNS.items():
        row = record[name]
        assert row["rounds"] >= rounds
        assert list(row["microseconds"]) == list(row["times faster"]) == runs
        assert row["times faster"][runs[0]] == [1, 1, 1]
        for quartiles in (*row["microseconds"].values(), *row["times faster"].values()):
            assert 0 < quartiles[0] <= quartiles[1] <= quartiles[2]
    assert record["threads"] == 1


def test_every_cause_is_measured_and_recorded(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(timing, "TURN", 0)
    monkeypatch.setattr(causes, "ROUNDS", 2)
    monkeypatch.setattr(causes, "SMALL", (5, 1, 4, 6))
    monkeypatch.setattr(causes, "HIDDEN", 8)
    monkeypatch.setattr(causes, "ROOT", tmp_path)
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # others' tests have used them
    causes.main()
    record = json.loads((tmp_path / "causes.json").read_text(encoding="utf-8"))
    complete(record, rounds=2)
    assert record["recurrence"]["T N D H"] == [causes.WINDOW, 1, 8, 8]
    printed = capsys.readouterr().out
    assert all(f"{name}, times faster" in printed for name in RUNS)


def test_the_clock_is_that_of_the_thread(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timing.time, "thread_time", lambda: now[0])

    def run():
        now[0] += 0.25

    assert timing.by_this_thread(run, 4) == 0.25


def test_the_chapters_variants_split_where_they_should_and_compute_the_cell(monkeypatch):
    space = cpu.rungs(causes.VARIANTS)
    case = rivals.Case((5, 3, 4, 6), np.float64)
    expected = lc.lstm_forward(case.xs, case.params)[0]
    split, calls = np.split, []

    def counted(*arguments, **options):
        calls.append(arguments)
        return split(*arguments, **options)

    monkeypatch.setattr(np, "split", counted)
    for name, times in {
        "one_exponential": 5, "slices": 0, "split_inside": 5 + 1, "in_place": 1,
    }.items():  # fmt: skip
        calls.clear()
        hs = space[name](case.xs, case.params)
        assert len(calls) == times
        np.testing.assert_allclose(hs, expected, rtol=0, atol=1e-13)


def test_the_record_is_complete():
    record = experiments.recorded("causes")
    assert record["command"] == "python -m benchmarks.causes"
    assert record["machine"].keys() == {"processor", "cores"}
    complete(record, rounds=40)
    assert record["call"]["N H"] == [1, causes.SMALL[-1]]
    assert record["split"]["T N D H"] == record["oneDNN"]["T N D H"] == list(causes.SMALL)
    nodes = record["oneDNN"]["autograd's node"]
    assert ["Mkldnn" in node for node in nodes.values()] == [True, False]
    assert str(ROOT) not in json.dumps(record)

import json
import time

import pytest

from conftest import ROOT
from lstm_course import experiments

torch = pytest.importorskip("torch")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from benchmarks import gpu, timing, torch_rivals  # noqa: E402
from benchmarks.torch_rivals import COMPILED, FLOOR, FORMATS, OWN, Case  # noqa: E402

T, N, D, H = 5, 3, 4, 6
EQUAL, PACKED = [3] * 5, [3, 3, 2, 1, 1]
ON_A_CPU = {OWN, "loop", *COMPILED, "hoisted"}


def case(sizes=EQUAL, format="float32"):
    return Case(sizes, D, H, FORMATS[format], "cpu")


@pytest.fixture(autouse=True)
def compile_nothing(monkeypatch):
    """Leave out what takes a minute; what would be compiled runs as it is."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("sizes", [EQUAL, PACKED])
@pytest.mark.parametrize("format", FORMATS)
def test_all_rivals_compute_the_same(format, sizes, training):
    runs, known = gpu.prepare(case(sizes, format), training, {})
    assert set(runs) == {FLOOR, *ON_A_CPU}
    assert known["not measured"] == {}
    assert set(known["error"]) == set(known["seconds of the first run"]) == ON_A_CPU
    assert all(0 < e <= FORMATS[format].tolerance for e in known["error"].values())


def test_results_are_hs_and_all_gradients():
    one = case()
    found = torch_rivals.rivals(one, True)["hoisted"]()()
    shapes = [tuple(tensor.shape) for tensor in found]
    assert shapes == [(T * N, H), (T * N, D), (4 * H, D), (4 * H, H), (4 * H,)]
    theirs, _ = one.layer(one.xs.view(T, N, D))
    theirs.backward(one.dhs.view(T, N, H))
    assert torch_rivals.error(found[1:], [leaf.grad for leaf in one.leaves]) < 1e-5
    assert torch_rivals.error([2 * found[0], *found[1:]], found) == 1


def test_who_is_not_ready_or_not_right_is_a_sentence_and_not_timed(monkeypatch):
    honest = torch_rivals.rivals

    def broken(case, training):
        def fails():
            raise ValueError("no such thing\nand more")

        def wrong():
            return lambda: [1.01 * tensor for tensor in honest(case, training)["loop"]()()]

        def slow():
            time.sleep(9)

        return {OWN: honest(case, training)[OWN], "fails": fails, "wrong": wrong, "slow": slow}

    monkeypatch.setattr(gpu, "rivals", broken)
    monkeypatch.setattr(gpu, "LIMIT", 1)
    runs, known = gpu.prepare(case(), True, {"known": "why"})
    assert set(runs) == {FLOOR, OWN}
    assert set(known["error"]) == {OWN, "wrong"}
    assert known["not measured"] == {
        "known": "why",
        "fails": "ValueError: no such thing",
        "wrong": "relative error 0.01, above 0.0001",
        "slow": "not ready after 1 seconds, T = 5",
    }
    time.sleep(1.1)  # no alarm is left
    with pytest.raises(RuntimeError, match=r"nothing can be compared to torch\.nn\.LSTM: why"):
        gpu.prepare(case(), True, {OWN: "why"})


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("sizes", [EQUAL, PACKED])
def test_operations_are_those_of_the_products(sizes, training):
    one = case(sizes)
    with FlopCounterMode(display=False) as counter:
        torch_rivals.rivals(one, training)["loop"]()()
    to_h0 = training * 2 * N * 4 * H * H  # which autograd leaves out: nobody asks for it
    assert counter.get_total_flops() == one.operations(training) - to_h0
    with FlopCounterMode(display=False) as counter:
        torch_rivals.floor(one, training)()
    assert counter.get_total_flops() == (1 + training) * 2 * sum(sizes) * H * 4 * H


def test_least_bytes():
    numbers = T * N * D + 4 * H * (D + H + 1) + T * N * H
    assert case().least_bytes(False) == 4 * numbers
    assert case(format="bf16").least_bytes(True) == 2 * 2 * numbers


@pytest.mark.slow
def test_from_measuring_to_record_and_chart(monkeypatch, tmp_path):
    monkeypatch.setattr(timing, "TURN", 0)
    monkeypatch.setattr(gpu, "compare", lambda runs, limit, clock: timing.alternate(runs, 5, clock))
    monkeypatch.setitem(gpu.CASES, "cpu", [((T, N, D, H), "float32"), ((T, N, D, H), "bf16")])
    monkeypatch.setitem(gpu.PACKED, "cpu", ((T, N, D, H), "float32"))
    monkeypatch.setattr(gpu, "RECORD", tmp_path / "gpu.json")
    monkeypatch.setattr(gpu, "CHART", tmp_path / "gpu.png")
    gpu.store("cuda", {"rows": "of a GPU"})
    gpu.store("cpu", {"rows": "to be renewed"})
    gpu.store("cpu", gpu.measure("cpu"))
    record = json.loads(gpu.RECORD.read_text(encoding="utf-8"))
    assert record["cuda"] == {"rows": "of a GPU"}
    complete(record["cpu"], "cpu")
    gpu.store("cuda", None)
    gpu.chart()
    assert gpu.CHART.stat().st_size > 10_000


def complete(part, device):
    assert {"command", "date", "machine", "versions", "tolerance", "noise"} <= set(part)
    assert part["command"] == "python -m benchmarks.gpu"
    assert part["microseconds a launch"]["one by one"] > 0
    found = [(tuple(r["T N D H"]), r["format"], r["lengths"], r["mode"]) for r in part["rows"]]
    wanted = [(*one, "equal") for one in gpu.CASES[device]] + [(*gpu.PACKED[device], "T to T/8")]
    assert found == [(*one, mode) for one in wanted for mode in gpu.MODES]
    for row in part["rows"]:
        assert row["rounds"] >= 5
        assert row[f"over {OWN}"][OWN] == [1, 1, 1]
        assert set(row["TFLOP/s"]) == set(row["error"]) - set(row["not measured"])
        assert set(row["TFLOP/s"]) | {FLOOR} == set(row["milliseconds"])
        assert ON_A_CPU | {FLOOR} <= set(row["milliseconds"]) | set(row["not measured"])
        assert all(a <= b <= c for a, b, c in row["milliseconds"].values())


def test_the_record_is_complete():
    record = experiments.recorded("gpu")
    assert set(record) == {"cpu", "cuda"}
    complete(record["cpu"], "cpu")
    if record["cuda"] is not None:
        complete(record["cuda"], "cuda")
        assert record["cuda"]["machine"]["gpu"]
    assert str(ROOT) not in json.dumps(record)

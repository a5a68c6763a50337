import json
from typing import NamedTuple

import numpy as np
import pytest

from lstm_course import experiments
from lstm_course.experiments import __main__ as command
from lstm_course.experiments import forecasting, remembering
from lstm_course.experiments.remembering import Run


def test_a_record_says_where_it_comes_from():
    record = experiments.recorded("remembering")
    assert {"command", "date", "machine", "versions"} <= set(record)
    assert set(record["versions"]) == {"python", "numpy"}
    with pytest.raises(ValueError, match="name is 'forgetting', but there is no record"):
        experiments.recorded("forgetting")


def test_what_is_recorded_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    path = experiments.record("one", "make one", {"answer": [1, None]})
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["command"] == "make one"
    assert stored["answer"] == [1, None]


def test_the_record_holds_every_run_of_the_design():
    record = experiments.recorded("remembering")
    pairs = [(task, model) for task in remembering.TASKS for model in remembering.MODELS]
    tuned = {
        (one["task"], one["model"], one["learning_rate"], one["seed"]) for one in record["tuning"]
    }
    assert tuned == {
        (*pair, rate, seed)
        for pair in pairs
        for rate in remembering.LEARNING_RATES
        for seed in remembering.TUNING_SEEDS
    }
    assert not set(remembering.SEEDS) & set(remembering.TUNING_SEEDS)
    for pair in pairs:
        rate = remembering.best_rate(record["tuning"], *pair)
        tried = True
        for T in remembering.LENGTHS:
            mine = [
                one for one in record["runs"] if (one["task"], one["model"], one["T"]) == (*pair, T)
            ]
            assert [one["seed"] for one in mine] == (list(remembering.SEEDS) if tried else [])
            assert all(one["learning_rate"] == rate for one in mine)
            tried = any(one["solved"] for one in mine)
    for one in record["runs"]:
        limit = one["curve"][-1] <= 0.01
        assert limit == (one["solved"] is not None)
        assert len(one["curve"]) * remembering.EVERY == (one["solved"] or record["updates"])
        assert ("longer at the end" in one) == (one["T"] == min(remembering.LENGTHS))


def test_the_record_holds_every_run_of_the_ablation():
    record = experiments.recorded("remembering")
    tuning = record["tuning"] + record["wider tuning"]
    best = {}
    for task in remembering.TASKS:
        for model in dict.fromkeys(remembering.MODELS + remembering.ABLATION):
            tried = remembering.rates_tried(tuning, task, model)
            assert set(remembering.LEARNING_RATES) <= set(tried)
            seeds = [
                (one["learning_rate"], one["seed"])
                for one in tuning
                if (one["task"], one["model"]) == (task, model)
            ]
            assert seeds == [(rate, seed) for rate in tried for seed in remembering.TUNING_SEEDS]
            best[task, model] = remembering.best_rate(tuning, task, model, tried)
            assert min(tried) < best[task, model] < max(tried) or (
                best[task, model] in (remembering.ABOVE[-1], remembering.BELOW[-1])
            )
    for part, rate_of in (
        ("ablation", lambda task, model: best[task, model]),
        ("ablation at one rate", lambda task, model: best[task, remembering.ABLATION[0]]),
    ):
        for task in remembering.TASKS:
            for model in remembering.ABLATION:
                going = True
                for T in remembering.ABLATION_LENGTHS:
                    mine = [
                        one
                        for one in record[part]
                        if (one["task"], one["model"], one["T"]) == (task, model, T)
                    ]
                    assert [one["seed"] for one in mine] == list(remembering.SEEDS)[: 5 * going]
                    assert {one["learning_rate"] for one in mine} <= {rate_of(task, model)}
                    going = any(one["solved"] for one in mine)


def test_the_record_holds_the_runs_that_are_not_told_the_length():
    record = experiments.recorded("remembering")
    at_one_rate = {
        (one["task"], one["model"]): one["learning_rate"] for one in record["ablation at one rate"]
    }
    assert [Run(*(one[name] for name in Run._fields)) for one in record["length not told"]] == [
        Run(task, model, T, at_one_rate[task, remembering.ABLATION[0]], seed)
        for task, model, T in remembering.NOT_TOLD
        for seed in remembering.SEEDS
    ]
    for _, model, T in remembering.NOT_TOLD:  # far from what "biases equal" starts with
        assert not 1 / 4 < remembering.FIXED[model] / (T / 2) < 4


def test_the_record_says_which_runs_are_from_when():
    record = experiments.recorded("remembering")
    whens = record.get("dates", [{"date": record["date"], "parts": remembering.PARTS}])
    assert [part for when in whens for part in when["parts"]] == list(remembering.PARTS)
    assert whens[-1]["date"] == record["date"]


@pytest.mark.slow
def test_a_run_repeats_itself_and_models_start_as_they_should(monkeypatch):
    monkeypatch.setattr(remembering, "UPDATES", 100)
    run = Run("temporal order", "LSTM, biases spread", 20, 0.01, 3)
    (model, result), (_, again) = remembering.train(run), remembering.train(run)
    assert result == again
    assert len(result["curve"]) <= 2
    test = remembering.draw("temporal order", 20, remembering.TEST, 3, remembering.TESTING)
    np.testing.assert_allclose(remembering.mistakes(model, test), result["curve"][-1], atol=1e-4)
    fresh = remembering.build(run).recurrent.params[0]
    forget, write = fresh.gate("f")[2], fresh.gate("i")[2]
    np.testing.assert_array_equal(write, -forget)
    assert forget.min() >= 0
    assert np.exp(forget).max() <= 19.001
    equal = remembering.build(run._replace(model="LSTM, biases equal")).recurrent.params[0]
    np.testing.assert_allclose(equal.gate("f")[2], np.log(10), rtol=1e-6)
    np.testing.assert_allclose(equal.gate("i")[2], -np.log(10), rtol=1e-6)
    plain = remembering.build(run._replace(model="LSTM, bias 1")).recurrent.params[0]
    half = [
        remembering.build(run._replace(model=f"LSTM, {model}")).recurrent.params[0]
        for model in ("forget biases only", "input biases only", "bias 3")
    ]
    forget_only, input_only, bias_3 = half
    for other, forget, write in (
        (forget_only, equal.gate("f")[2], 0),
        (input_only, 1, equal.gate("i")[2]),
        (bias_3, 3, 0),
    ):
        np.testing.assert_array_equal(other.gate("f")[2], forget)
        np.testing.assert_array_equal(other.gate("i")[2], write)
    np.testing.assert_array_equal(plain.gate("f")[2], 1)
    np.testing.assert_array_equal(plain.gate("i")[2], 0)
    for other in (equal, fresh, *half):  # nothing but these biases differs
        np.testing.assert_array_equal(other.weight_ih, plain.weight_ih)
        np.testing.assert_array_equal(other.weight_hh, plain.weight_hh)
        np.testing.assert_array_equal(other.gate("g")[2], plain.gate("g")[2])
    for name, u in remembering.FIXED.items():
        fixed = remembering.build(run._replace(model=name)).recurrent.params[0]
        np.testing.assert_allclose(fixed.gate("f")[2], np.log(u), rtol=1e-6)
        np.testing.assert_array_equal(fixed.gate("i")[2], -fixed.gate("f")[2])
        np.testing.assert_array_equal(fixed.weight_hh, plain.weight_hh)
    U = remembering.build(run._replace(model="plain, orthogonal")).recurrent.params.weight_hh
    np.testing.assert_allclose(U @ U.T, np.eye(64), atol=1e-5)


def test_the_best_rate_solves_soonest_or_comes_closest():
    def one(rate, solved, last):
        return {"task": "t", "model": "m", "learning_rate": rate, "solved": solved, "curve": [last]}

    rates = remembering.LEARNING_RATES
    unsolved = [
        one(rate, None, last) for rate, last in zip(rates, (0.3, 0.1, 0.2, 0.4, 0.5), strict=True)
    ]
    assert remembering.best_rate(unsolved, "t", "m") == rates[1]
    solved = [one(rates[2], 900, 0.009), one(rates[3], 300, 0.01)]
    assert remembering.best_rate(unsolved[:2] + solved + unsolved[4:], "t", "m") == rates[3]


def test_a_rate_at_an_end_is_tried_beyond_it(monkeypatch, tmp_path):
    rates = remembering.LEARNING_RATES

    def tried(best):
        def run_all(runs, kept):
            return [one(run.learning_rate) for run in runs]

        def one(rate):
            far = abs(np.log(rate / best))
            return {"task": "t", "model": "m", "learning_rate": rate} | {
                "solved": None,
                "curve": [far],
            }

        monkeypatch.setattr(remembering, "run_all", run_all)
        wider = remembering.widen([one(rate) for rate in rates], "t", "m", tmp_path / "none")
        return list(dict.fromkeys(one["learning_rate"] for one in wider))

    assert tried(0.01) == []
    assert tried(0.03) == [0.1]
    assert tried(0.1) == [0.1, 0.3]
    assert tried(0.0003) == [0.0001]


@pytest.mark.slow
def test_finished_runs_are_kept_and_not_repeated(tmp_path, monkeypatch):
    kept = tmp_path / "runs.part"
    runs = [Run("adding", "LSTM, bias 1", 10, 0.01, seed) for seed in (0, 1)]
    first = remembering.run_all(runs[:1], kept)
    with kept.open("a") as file:
        file.write('\n{"task": "add')  # killed while it wrote
    both = remembering.run_all(runs, kept)
    assert both[0] == first[0]
    assert [one["seed"] for one in both] == [0, 1]
    assert kept.read_text(encoding="utf-8").count('"solved"') == 2

    def must_not_run(run):
        raise AssertionError(run)

    monkeypatch.setattr(remembering, "train", must_not_run)
    assert remembering.run_all(runs, kept) == both


def test_the_command_records_what_an_experiment_measures(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "RESULTS", tmp_path)

    def measure(kept):
        assert kept.read_text(encoding="utf-8") == "a finished run"
        return {"answer": 42}

    monkeypatch.setattr(forecasting, "measure", measure)
    (tmp_path / "forecasting.part").write_text("a finished run")
    command.main(["forecasting"])
    assert [path.name for path in tmp_path.iterdir()] == ["forecasting.json"]
    stored = json.loads((tmp_path / "forecasting.json").read_text(encoding="utf-8"))
    assert stored["command"] == "python -m lstm_course.experiments forecasting"
    assert stored["answer"] == 42
    assert "forecasting.json" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main(["moonspots"])
    assert "invalid choice: 'moonspots'" in capsys.readouterr().err


def test_every_experiment_has_its_record():
    for name in command.NAMES:
        assert experiments.recorded(name)["command"] == f"python -m lstm_course.experiments {name}"


class Toy(NamedTuple):
    name: str
    seed: int


def test_what_was_interrupted_goes_on_where_it_was(tmp_path):
    kept, done = tmp_path / "toy.part", []

    def do(run):
        if run.seed == 2 and len(done) == 2:
            raise KeyboardInterrupt
        done.append(run)
        return {**run._asdict(), "square": run.seed**2}

    runs = [Toy("a", seed) for seed in range(4)]
    with pytest.raises(KeyboardInterrupt):
        experiments.resume(runs, do, kept, progress=False)
    with kept.open("a") as file:
        file.write('\n{"name": "a", "seed"')  # killed while it wrote
    done.append("on")
    results = experiments.resume(runs, do, kept, progress=False)
    assert [one["square"] for one in results] == [0, 1, 4, 9]
    assert done == [*runs[:2], "on", *runs[2:]]
    assert experiments.resume(runs[::-1], do, kept, progress=False) == results[::-1]
    assert len(done) == 5

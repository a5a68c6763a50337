"""How far gradients travel: the design of the record, and what the experiment measures."""

import json

import numpy as np
import pytest

import lstm_course as lc
from lstm_course import experiments
from lstm_course.experiments import __main__ as command
from lstm_course.experiments import gradients_travel
from lstm_course.experiments.gradients_travel import Descent, Run


@pytest.fixture
def small(monkeypatch):
    """Few updates, short sequences, few of them."""
    for name, value in {
        "UPDATES": 12,
        "DESCENT_UPDATES": 11,
        "STEPS": 10,
        "DESCENT_STEPS": 10,
        "BATCH": 4,
        "TEST": 20,
        "BACK": 9,
    }.items():
        monkeypatch.setattr(gradients_travel, name, value)


def key(one, kind=Run):
    return kind(*(one[name] for name in kind._fields))


def test_the_record_holds_every_run_of_the_design():
    record = experiments.recorded("gradients_travel")
    for model in gradients_travel.MODELS:
        tried = gradients_travel.rates_tried(record["tuning"], model)
        assert set(gradients_travel.LEARNING_RATES) <= set(tried)
        mine = [key(one) for one in record["tuning"] if one["model"] == model]
        seeds = gradients_travel.TUNING_SEEDS
        assert sorted(mine) == sorted(Run(model, rate, seed) for rate in tried for seed in seeds)
        best = record["rates"][model]
        assert best == gradients_travel.best_rate(record["tuning"], model)
        assert min(tried) < best < max(tried)
    assert not set(gradients_travel.SEEDS) & set(gradients_travel.TUNING_SEEDS)
    assert [key(one) for one in record["runs"]] == [
        Run(model, record["rates"][model], seed)
        for model in gradients_travel.MODELS
        for seed in gradients_travel.SEEDS
    ]
    assert [key(one) for one in record["runs at one rate"]] == [
        Run(model, gradients_travel.ONE_RATE, seed)
        for model in gradients_travel.LSTMS
        for seed in gradients_travel.SEEDS
    ]
    descents = [key(one, Descent) for one in record["descent"]]
    assert len(set(descents)) == len(descents)
    assert set(descents) == {
        Descent(model, rate, clip, seed)
        for model in gradients_travel.DESCENT_MODELS
        for rate in gradients_travel.DESCENT_RATES
        for clip in (1.0, None)
        for seed in gradients_travel.DESCENT_SEEDS
    }


def test_what_is_recorded_of_a_run_fits_together():
    record = experiments.recorded("gradients_travel")
    assert record["updates"] == gradients_travel.UPDATES >= 1000
    for one in record["tuning"]:
        assert (one["solved"] is None) == (one["loss"] >= gradients_travel.LEARNED)
        assert set(one) == {*Run._fields, "solved", "loss"}
    for one in record["runs"] + record["runs at one rate"]:
        assert (one["solved"] is None) == (one["loss"] >= gradients_travel.LEARNED)
        updates = one["solved"] or record["updates"]
        assert len(one["norms"]) == -(-updates // gradients_travel.BLOCK)
        assert abs(max(one["norms"]) - one["norm"][2]) < 0.001
        assert len(one["before"]) == len(one["after"]) == gradients_travel.STEPS
        assert one["before"][0] == one["after"][0] == 0
        if one["model"].startswith("LSTM"):
            assert one["ways"][0] == one["after"][gradients_travel.BACK]
            assert set(one["trained"]) == {"h", "c"}
        else:
            assert "ways" not in one
            assert set(one["trained"]) == {"h"}
    size = (experiments.RESULTS / "gradients_travel.json").stat().st_size
    assert size < 400_000


def test_a_fresh_network_is_the_record_s():
    record = experiments.recorded("gradients_travel")
    test = gradients_travel.draw(gradients_travel.STEPS, gradients_travel.TEST, 999)
    for one in record["runs"]:
        if one["seed"] == 4:
            fresh = gradients_travel.build(one["model"], 4)
            sizes = np.log10(gradients_travel.by_lag(fresh, test))
            np.testing.assert_allclose(one["before"], sizes, atol=0.001)


@pytest.mark.parametrize("model", gradients_travel.MODELS)
def test_a_run_repeats_itself(small, model):
    one = Run(model, 0.01, 3)
    result = gradients_travel.run(one)
    assert result == gradients_travel.run(one)
    assert json.loads(json.dumps(result)) == result
    assert result["solved"] is None
    assert gradients_travel.run(one._replace(seed=4)) != result
    descent = Descent(model, 0.5, None, 3)
    assert gradients_travel.descend(descent) == gradients_travel.descend(descent)


@pytest.mark.slow
def test_a_recorded_run_can_be_repeated():
    record = experiments.recorded("gradients_travel")
    mine = [one for one in record["runs"] if one["model"] == "LSTM, bias 3" and one["solved"]]
    soonest = min(mine, key=lambda one: one["solved"])
    again = gradients_travel.run(key(soonest))
    assert again["solved"] is not None
    assert abs(again["solved"] - soonest["solved"]) < 0.5 * soonest["solved"]
    assert again["right"] > 0.9
    np.testing.assert_allclose(again["before"], soonest["before"], atol=0.001)


def test_the_ways_back_are_those_of_the_parts_of_u():
    model = gradients_travel.build("LSTM, bias 1", 0)
    batch = gradients_travel.draw(20, 8, 1)
    whole = gradients_travel.by_lag(model, batch)
    U = model.recurrent.params[0].weight_hh
    every = gradients_travel.by_lag(model, batch, "gofi")  # walked back step by step
    np.testing.assert_allclose(every, whole, rtol=1e-10)
    H = gradients_travel.UNITS
    U[: 2 * H], U[3 * H :] = 0.0, 0.0  # the candidate's block alone: nothing to cut
    np.testing.assert_allclose(
        gradients_travel.by_lag(model, batch, "g"),
        gradients_travel.by_lag(model, batch),
        rtol=1e-10,
    )
    U[...] = 0.0
    np.testing.assert_allclose(
        gradients_travel.by_lag(model, batch, ""), gradients_travel.by_lag(model, batch), rtol=1e-10
    )


def test_movement_of_states_that_are_known(monkeypatch):
    monkeypatch.setattr(gradients_travel, "UNITS", 4)
    batch = gradients_travel.draw(11, 5, 0)
    steady = np.linspace(0, 1, 11)[:, None, None] * np.ones((1, 5, 4))
    found = gradients_travel.movement(steady, batch)
    assert found["rewritten"][:2] == [1, 1]  # a tenth of the range in every step
    assert found["rewritten"][3] == 0
    assert found["own past"] == 1
    assert found["busiest quarter"] == found["at signals"] == 0.25
    assert found["signals over noise"] == 1
    model = gradients_travel.build("LSTM, bias 1", 0)
    states = gradients_travel.states(model, batch)
    trace = lc.trace(lc.lstm_forward(batch.inputs, model.recurrent.params[0])[2])
    for name in "hc":
        np.testing.assert_allclose(states[name], trace[name], atol=1e-12)


def test_a_rate_at_an_end_is_tried_beyond_it(monkeypatch, tmp_path):
    def tried(best):
        def resume(runs, do, kept):
            return [
                one._asdict()
                | {"solved": None, "loss": float(abs(np.log(one.learning_rate / best)))}
                for one in runs
            ]

        monkeypatch.setattr(gradients_travel, "resume", resume)
        tuning = gradients_travel.tune("plain cell", tmp_path / "none")
        return gradients_travel.rates_tried(tuning, "plain cell")

    grid = list(gradients_travel.LEARNING_RATES)
    assert tried(0.01) == grid
    assert tried(0.1) == [0.3, *grid]
    assert tried(0.3) == [1.0, 0.3, *grid]
    assert tried(0.001) == [*grid, 0.0003]
    assert tried(0.0001) == [*grid, 0.0003, 0.0001]


def test_the_best_rate_lets_most_runs_learn_then_soonest_then_closest():
    def one(rate, solved, loss=0.5):
        return {"model": "m", "learning_rate": rate, "solved": solved, "loss": loss}

    tuning = [one(0.1, None, 0.4), one(0.1, None, 0.6), one(0.01, None, 0.3), one(0.01, None, 0.9)]
    assert gradients_travel.best_rate(tuning, "m") == 0.1
    tuning += [one(0.001, 900), one(0.001, None)]
    assert gradients_travel.best_rate(tuning, "m") == 0.001
    tuning += [one(0.003, 800), one(0.003, None)]
    assert gradients_travel.best_rate(tuning, "m") == 0.003
    tuning += [one(0.03, 990), one(0.03, 990)]
    assert gradients_travel.best_rate(tuning, "m") == 0.03


def test_the_command_measures_and_goes_on(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(gradients_travel, "MODELS", ("plain, rotation", "LSTM, bias 1"))
    monkeypatch.setattr(gradients_travel, "LSTMS", ("LSTM, bias 1",))
    monkeypatch.setattr(gradients_travel, "LEARNING_RATES", (0.1, 0.01))
    monkeypatch.setattr(gradients_travel, "BEYOND", ())
    monkeypatch.setattr(gradients_travel, "SEEDS", range(1))
    monkeypatch.setattr(gradients_travel, "TUNING_SEEDS", range(100, 101))
    monkeypatch.setattr(gradients_travel, "DESCENT_RATES", (0.5,))
    monkeypatch.setattr(gradients_travel, "DESCENT_SEEDS", range(1))
    first = gradients_travel.measure(tmp_path / "gradients_travel.part")

    def must_not_run(one):
        raise AssertionError(one)

    monkeypatch.setattr(gradients_travel, "run", must_not_run)
    monkeypatch.setattr(gradients_travel, "descend", must_not_run)
    command.main(["gradients_travel"])
    assert [path.name for path in tmp_path.iterdir()] == ["gradients_travel.json"]
    stored = json.loads((tmp_path / "gradients_travel.json").read_text(encoding="utf-8"))
    assert {name: stored[name] for name in first} == first
    assert len(first["tuning"]) == 4
    assert len(first["runs"]) == 2
    assert len(first["descent"]) == 4
    assert "gradients_travel.json" in capsys.readouterr().out

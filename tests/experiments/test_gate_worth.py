import json

import numpy as np
import pytest

from lstm_course import experiments
from lstm_course.experiments import __main__ as command
from lstm_course.experiments import gate_worth
from lstm_course.experiments.gate_worth import (
    MODELS,
    TASKS,
    Run,
    build,
    measured,
    models,
    train,
    units,
)

CACHES = (gate_worth.sentences, gate_worth.characters, gate_worth.stories, gate_worth._test, units)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A world where everything takes a second."""
    few = ("LSTM", "LSTM, forget bias 0", "no forget gate", "GRU", "vanilla RNN")
    for name, value in {
        "MODELS": {name: MODELS[name] for name in few},
        "OTHER_START_TASKS": TASKS[:1],
        "UNITS": dict.fromkeys(TASKS, 10),
        "T": 10,
        "TEST": 20,
        "SETTINGS": 2,
        "FINALISTS": 1,
        "UPDATES": dict.fromkeys(TASKS, (2, 4)),
        "EVERY": 2,
        "SOLVED": -1,
        "SEEDS": range(2),
        "PROCESSES": 1,
        "CHARACTERS": 10_000,
    }.items():
        monkeypatch.setattr(gate_worth, name, value)
    for module in (experiments, command):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    for one in CACHES:
        one.cache_clear()
    yield tmp_path
    for one in CACHES:
        one.cache_clear()


@pytest.mark.parametrize("task", TASKS)
def test_all_models_have_as_many_parameters(task):
    counts = {}
    for model in models(task):
        layers = build(Run(task, model, 0.01, 1.0, 10, 0))
        counts[model] = sum(array.size for array in layers.recurrent.arrays + layers.readout.arrays)
    for model, count in counts.items():
        assert abs(count / counts["LSTM"] - 1) < 0.04, (model, count)


def test_the_bias_keeps_the_memory_of_every_cell():
    for model in models("adding"):
        if model == "vanilla RNN":
            continue
        kept = []
        for bias in (0.0, 3.0):
            layer = build(Run("adding", model, 0.01, bias, 10, 0)).recurrent
            noise = np.random.default_rng(0).normal(size=(8, 1, 2)).astype(np.float32)
            starts = [np.full((1, 1, layer.hidden_size), s, np.float32) for s in (-0.5, 0.5)]
            ends = [layer.forward(noise, *[s] * len(layer.states))[1][-1] for s in starts]
            kept.append(np.abs(ends[1] - ends[0]).mean())
        if model.startswith("no forget gate"):
            assert np.isclose(kept[1], kept[0], rtol=0.3), model  # it keeps all, and writes less
        else:
            assert kept[1] > 1.5 * kept[0], model
    uniform, orthogonal = (
        build(Run("recall", "vanilla RNN", 0.01, bias, 10, 0)).recurrent.params.weight_hh
        for bias in (1.0, 3.0)
    )
    np.testing.assert_allclose(orthogonal @ orthogonal.T, np.eye(len(orthogonal)), atol=1e-5)
    assert abs(uniform @ uniform.T - np.eye(len(uniform))).max() > 0.3


def test_the_bias_closes_the_input_gate_where_there_is_one_unless_told_otherwise():
    for model in models("adding"):
        params = getattr(build(Run("adding", model, 0.01, 2.5, 10, 0)).recurrent, "params", None)
        if model == "vanilla RNN" or "i" not in params[0].gates:
            continue
        closed = -2.5 if "forget bias" not in model else 0.0
        assert (params[0].slice(params[0].input_bias, "i") == closed).all(), model


def test_settings_are_the_same_for_every_model_and_cover_the_range():
    many = np.array([gate_worth.drawn("GRU", k) for k in range(gate_worth.SETTINGS)])
    np.testing.assert_array_equal(many, [gate_worth.drawn("LSTM", k) for k in range(len(many))])
    low, high = gate_worth.RATES
    assert low < many[:, 0].min() < 2 * low
    assert high / 2 < many[:, 0].max() < high
    assert 0 < many[:, 1].min() < 0.5
    assert 3.5 < many[:, 1].max() < 4
    assert {gate_worth.drawn("LSTM, forget bias 1", k)[1] for k in range(5)} == {1.0}


@pytest.mark.parametrize("task", TASKS)
def test_what_is_measured_is_what_guessing_gives_before_training(task):
    model = build(Run(task, "LSTM", 0.01, 1.0, 10, 0))
    for array in model.arrays:
        array[...] = 0
    loss, mistakes = measured(model, task, gate_worth.TESTING)
    classes = {"temporal order": 4, "recall": 4, "agreement": 2}
    if task in classes:
        assert np.isclose(loss, np.log2(classes[task]))
        assert np.isclose(mistakes, 1 - 1 / classes[task], atol=0.08)
    elif task == "adding":
        assert loss == mistakes
        assert np.isclose(loss, 1 + 1 / 6, atol=0.1)  # it says 0 where 1 is the mean
    else:
        assert np.isclose(loss, np.log2(len(gate_worth.characters())))


def test_training_and_test_share_no_sequence():
    seen = {one.words[: one.verb] for one in gate_worth.sentences(gate_worth.TRAINING)}
    asked = [one.words[: one.verb] for one in gate_worth.sentences(gate_worth.TESTING)]
    assert len(asked) == gate_worth.TEST
    assert not seen & set(asked)
    assert all(one.attractors > 0 for one in gate_worth.sentences(gate_worth.TESTING))
    parts = [gate_worth.stories(k).inputs for k in (gate_worth.TRAINING, gate_worth.TESTING)]
    assert len(parts[0]) > 7 * len(parts[1])


def test_a_run_stops_once_its_task_is_solved_and_is_the_same_twice():
    run = Run("recall", "GRU", 0.05, 3.0, 400, 0)
    result = train(run)
    assert result["solved"] == len(result["looks"]) * gate_worth.EVERY < 400
    assert result["looks"][-1] < 0.2 < 1.9 < result["looks"][0] < 2.1
    assert result["mistakes"] < 0.03  # on other sequences than those that decided
    assert result == train(run)


def test_a_run_that_does_not_solve_its_task_goes_on_to_the_end():
    result = train(Run("recall", "LSTM", 0.0001, 0.0, 50, 0))
    assert result["solved"] is None
    assert len(result["looks"]) == 50 / gate_worth.EVERY


def test_settings_are_judged_by_updates_until_solved_and_then_by_loss():
    def one(rate, solved, *looks):
        return {
            "learning_rate": rate,
            "bias": 1.0,
            "solved": solved,
            "updates": 400,
            "looks": looks,
        }

    results = [
        one(0.1, 100, 2.0, 0.1),
        one(0.1, None, 2.0, 1.9),  # lucky once: 250 on average
        one(0.2, 200, 2.0, 0.1),
        one(0.2, 225, 2.0, 0.1),
        one(0.3, None, np.nan, np.nan),
        one(0.4, None, 2.0, 1.0),
        one(0.5, None, 2.0, 1.5, np.nan),
    ]
    found = gate_worth.best_of(results, 5)
    assert [rate for rate, _ in found] == [0.2, 0.1, 0.4, 0.5, 0.3]


@pytest.mark.slow
def test_the_whole_experiment_goes_on_after_a_kill_as_if_nothing_had_happened(small, monkeypatch):
    done = []
    original = gate_worth.train

    def dies_after_seven(run):
        done.append(run)
        if len(done) == 8:
            raise KeyboardInterrupt
        return original(run)

    monkeypatch.setattr(gate_worth, "train", dies_after_seven)
    with pytest.raises(KeyboardInterrupt):
        command.main(["gate_worth"])
    assert not (small / "gate_worth.json").exists()
    command.main(["gate_worth"])
    assert len(done) == 1 + len(set(done))  # only the one that was killed comes twice
    result = json.loads((small / "gate_worth.json").read_text(encoding="utf-8"))
    check_form(result)


def check_form(result):
    """Check that a record holds every run of the design, with what was chosen and why."""
    assert result["command"] == "python -m lstm_course.experiments gate_worth"
    assert {(one["task"], one["model"]) for one in result["runs"]} == {
        (task, model) for task in TASKS for model in models(task)
    }
    for task in TASKS:
        few, many = gate_worth.UPDATES[task]
        for model in models(task):
            runs = [one for one in result["runs"] if (one["task"], one["model"]) == (task, model)]
            rows = result["tuning"][task][model]
            tuning = [dict(zip(result["tuning columns"], row, strict=True)) for row in rows]
            for one in tuning:
                best = one["best look"]
                one["looks"] = [np.nan if best is None else best]
            brief = [one for one in tuning if one["updates"] == few]
            long = [one for one in tuning if one["updates"] == many]
            assert len(brief) == gate_worth.SETTINGS
            assert len(long) == gate_worth.FINALISTS * len(gate_worth.FINAL_SEEDS)
            finalists = gate_worth.best_of(brief, gate_worth.FINALISTS)
            assert [(one["learning_rate"], one["bias"]) for one in long] == [
                setting for setting in finalists for _ in gate_worth.FINAL_SEEDS
            ]
            (best,) = gate_worth.best_of(long, 1)
            assert [one["seed"] for one in runs] == list(gate_worth.SEEDS)
            assert {(one["learning_rate"], one["bias"]) for one in runs} == {best}
            assert not {one["seed"] for one in runs} & {one["seed"] for one in tuning}

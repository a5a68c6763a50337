import json

import numpy as np
import pytest

from lstm_course import experiments
from lstm_course.experiments import __main__ as command
from lstm_course.experiments import gate_worth
from lstm_course.experiments.gate_worth import MODELS, TASKS, Run, build, measured, train, units

CACHES = (gate_worth.sentences, gate_worth.characters, gate_worth.stories, gate_worth._test, units)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A world where everything takes a second."""
    few = ("LSTM", "LSTM, forget bias 0", "no forget gate", "GRU", "vanilla RNN")
    for name, value in {
        "MODELS": {name: MODELS[name] for name in few},
        "UNITS": dict.fromkeys(TASKS, 10),
        "T": 10,
        "TEST": 20,
        "SETTINGS": 2,
        "BRIEF": 2,
        "FINALISTS": 1,
        "UPDATES": 4,
        "EVERY": 2,
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
    for model in MODELS:
        layers = build(Run(task, model, 0.01, 1.0, 10, 0))
        counts[model] = sum(array.size for array in layers.recurrent.arrays + layers.readout.arrays)
    for model, count in counts.items():
        assert abs(count / counts["LSTM"] - 1) < 0.04, (model, count)


def test_the_bias_keeps_the_memory_of_every_cell():
    for model in MODELS:
        if model == "vanilla RNN":
            continue
        kept = []
        for bias in (0.0, 3.0):
            layer = build(Run("recall", model, 0.01, bias, 10, 0)).recurrent
            noise = np.random.default_rng(0).normal(size=(8, 1, 5)).astype(np.float32)
            starts = [np.full((1, 1, layer.hidden_size), s, np.float32) for s in (-0.5, 0.5)]
            ends = [layer.forward(noise, *[s] * len(layer.states))[1][-1] for s in starts]
            kept.append(np.abs(ends[1] - ends[0]).mean())
        if "forget gate" in model:
            assert np.isclose(kept[1], kept[0], rtol=0.3), model  # it keeps all, and writes less
        elif not model.startswith("LSTM, forget bias"):
            assert kept[1] > 1.5 * kept[0], model
    uniform, orthogonal = (
        build(Run("recall", "vanilla RNN", 0.01, bias, 10, 0)).recurrent.params.weight_hh
        for bias in (1.0, 3.0)
    )
    np.testing.assert_allclose(orthogonal @ orthogonal.T, np.eye(len(orthogonal)), atol=1e-5)
    assert abs(uniform @ uniform.T - np.eye(len(uniform))).max() > 0.3


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
    found = measured(model, task, gate_worth.TESTING)
    classes = {"temporal order": 4, "recall": 4, "agreement": 2}
    if task in classes:
        assert np.isclose(found["loss"], np.log2(classes[task]))
        assert np.isclose(found["mistakes"], 1 - 1 / classes[task], atol=0.08)
    elif task == "adding":
        assert np.isclose(found["loss"], 1 + 1 / 6, atol=0.1)  # it says 0 where 1 is the mean
        assert found["mistakes"] > 0.95
    else:
        assert np.isclose(found["loss"], np.log2(len(gate_worth.characters())))


def test_training_and_test_share_no_sequence():
    seen = {one.words[: one.verb] for one in gate_worth.sentences(gate_worth.TRAINING)}
    asked = [one.words[: one.verb] for one in gate_worth.sentences(gate_worth.TESTING)]
    assert len(asked) == gate_worth.TEST
    assert not seen & set(asked)
    assert all(one.attractors > 0 for one in gate_worth.sentences(gate_worth.TESTING))
    parts = [gate_worth.stories(k).inputs for k in (gate_worth.TRAINING, gate_worth.TESTING)]
    assert len(parts[0]) > 7 * len(parts[1])


def test_training_lowers_the_loss_and_is_the_same_twice():
    run = Run("temporal order", "GRU", 0.01, 1.0, 300, 0)
    result = train(run)
    assert len(result["looks"]) == 300 / gate_worth.EVERY
    assert result["looks"][-1] < result["looks"][0] < 2.1
    assert result == train(run)


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
        (task, model) for task in TASKS for model in gate_worth.MODELS
    }
    for task in TASKS:
        for model in gate_worth.MODELS:
            tuning, runs = (
                [one for one in result[part] if (one["task"], one["model"]) == (task, model)]
                for part in ("tuning", "runs")
            )
            brief = [one for one in tuning if one["updates"] == gate_worth.BRIEF]
            long = [one for one in tuning if one["updates"] == gate_worth.UPDATES]
            assert len(brief) == gate_worth.SETTINGS
            assert len(long) == gate_worth.FINALISTS
            finalists = gate_worth.best_of(brief, gate_worth.FINALISTS)
            assert [run[:4] for run in finalists] == [
                (one["task"], one["model"], one["learning_rate"], one["bias"]) for one in long
            ]
            (best,) = gate_worth.best_of(long, 1)
            assert [one["seed"] for one in runs] == list(gate_worth.SEEDS)
            assert {(one["learning_rate"], one["bias"]) for one in runs} == {best[2:4]}
            assert not {one["seed"] for one in runs} & {one["seed"] for one in tuning}

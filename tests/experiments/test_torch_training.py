import math

import numpy as np
import pytest

from lstm_course import experiments, interop, tasks
from lstm_course.pointwise import sigmoid

torch = pytest.importorskip("torch")
from lstm_course.experiments import torch_training as experiment  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(settings=experiment.RECIPE, seed=0, **sizes):
    sizes = {"epochs": 2, "H": 8, "streams": 4, "window": 8} | sizes
    numbers = experiment.text().training[:700]
    return experiment.Training(
        numbers, experiment.text().characters, settings, 0.01, seed=seed, **sizes
    )


def test_streams_go_on_from_window_to_window():
    numbers = torch.arange(2 * 13 + 1)
    windows = experiment.Windows(numbers, 2, 4)
    assert len(windows) == 3
    for k in range(3):
        x, y = windows[k]
        assert x.T.tolist() == [[*range(s + 4 * k, s + 4 * k + 4)] for s in (0, 13)]
        assert torch.equal(y, x + 1)
    assert experiment.Windows(torch.arange(2 * 12 + 1), 2, 4)[2][1].T.tolist()[1][-1] == 24


def test_the_parts_of_the_text_follow_one_another():
    parts = experiment.text()
    chapters = tasks.king_james()
    assert len(parts.training) == sum(map(len, chapters[:50]))
    assert chapters[50].startswith("Exodus 1\n")
    assert chapters[75].startswith("Exodus 26\n")
    together = sum(len(part) for part in parts[1:])
    assert together == sum(map(len, chapters[:75]))
    assert max(int(part.max()) for part in parts[1:]) < parts.characters


def test_biases_open_and_close_gates():
    lstm = torch.nn.LSTM(3, 4, num_layers=2)
    experiment.set_biases(lstm, 1.0, -1.0)
    for params in interop.from_pytorch(lstm).params:
        for gate, wanted in zip("ifgo", (-1, 1, 0, 0), strict=True):
            np.testing.assert_array_equal(params.gate(gate)[2], wanted)
    assert round(float(sigmoid(np.array(-1.0))), 2) == 0.27


def test_the_rate_rises_and_falls():
    shares = [experiment.warmup_cosine(step, 10, 100) for step in range(100)]
    assert shares[9] == shares[10] == max(shares) == 1
    assert np.allclose(shares[:10], np.arange(1, 11) / 10)
    assert (np.diff(shares[10:]) < 0).all()
    assert math.isclose(shares[55], 0.5)
    training = small(experiment.RECIPE._replace(warmup=5))
    rates = []
    for _ in range(training.windows.__len__()):
        rates.append(training.optimizer.param_groups[0]["lr"])
        training.epoch(1)
    wanted = [0.01 * experiment.warmup_cosine(k, 5, 42) for k in range(21)]
    np.testing.assert_allclose(rates, wanted)


def test_an_interrupted_epoch_is_the_same_epoch():
    whole = small()
    losses = whole.epoch()
    pieces = small()  # only now: both draw from the global generator
    assert pieces.epoch(5) + pieces.epoch(9) + pieces.epoch() == losses
    for one, other in zip(whole.model.parameters(), pieces.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert (pieces.place, pieces.state, pieces.epochs) == (0, None, 1)


@pytest.mark.parametrize("name", experiment.WITHOUT)
def test_a_step_left_out_changes_the_run(name):
    recipe = small(experiment.RECIPE._replace(warmup=5))
    losses = recipe.epoch()
    other = experiment.WITHOUT[name]
    same = small(other._replace(warmup=min(5, other.warmup))).epoch() == losses
    assert same == (name == "clipping")  # it never clips
    assert max(recipe.norms) < 1


def test_bits_are_a_cross_entropy_per_character():
    training = small()
    parts = experiment.text()
    start = experiment.bits(training.model, parts.choosing[:500], streams=2, window=9)
    assert abs(start - math.log2(parts.characters)) < 0.4
    for _ in range(3):
        training.epoch()
    assert experiment.bits(training.model, parts.choosing[:500], streams=2, window=9) < start


def test_a_run_records_all_that_a_chapter_shows(monkeypatch):
    parts = experiment.text()
    monkeypatch.setattr(experiment, "HIDDEN", 8)
    brief = experiment.Text(parts.characters, *(part[:3000] for part in parts[1:]))
    monkeypatch.setattr(experiment, "text", lambda: brief)
    one = experiment.train(experiment.Run("", 0.01, 3), epochs=2)
    assert one == experiment.train(experiment.Run("", 0.01, 3), epochs=2)
    assert len(one["curve"]) == 2
    assert one["choosing"] == min(chosen for _, chosen in one["curve"])
    assert one["norms"][0] <= one["norms"][1]


def test_padding_and_packing_read_the_same_states():
    pairs = experiment.utterances().training[:6]
    torch.manual_seed(0)
    models = {name: experiment.SpeakerModel(8, 0.0, name) for name in experiment.READINGS}
    scores = {}
    for name, model in models.items():
        model.load_state_dict(models["packed"].state_dict())
        side = "left" if name == "padded in front" else "right"
        x, lengths, _ = experiment.collate(pairs, side)
        assert lengths.tolist() == [len(one) for one, _ in pairs]
        scores[name] = model(x, lengths)
    alone = torch.cat([models["packed"](*experiment.collate([one])[:2]) for one in pairs])
    longest = (lengths == lengths.max()).tolist()
    for name in experiment.READINGS:
        same = (scores[name] - alone).abs().amax(1) < 1e-6
        right = name in ("packed", "last real row")
        assert same.tolist() == ([True] * 6 if right else longest)


def test_parts_of_the_utterances():
    parts = experiment.utterances()
    assert [len(part) for part in parts] == [216, 54, 370]
    rows = torch.cat([x for x, _ in parts.training])
    assert rows.mean(0).abs().max() < 1e-5
    assert (rows.std(0) - 1).abs().max() < 1e-3
    assert np.bincount([y for _, y in parts.choosing]).tolist() == [6] * 9


def test_batches_of_like_lengths_hold_everything_once():
    lengths = [len(x) for x, _ in experiment.utterances().training]
    padding = {}
    for name, order in experiment.orders().items():
        assert sorted(k for batch in order for k in batch) == [*range(216)]
        padding[name] = experiment.padding(order, lengths)
    assert padding["bucketed"] < padding["shuffled"] / 2


def test_a_classifier_learns_and_repeats_itself():
    run = experiment.SpeakerRun("last real row", 0.01, 0)
    one = experiment.tell_speakers(run, passes=3)
    assert one == experiment.tell_speakers(run, passes=3)
    assert one["held out"][0] > 0.5
    assert one["held out"] == [one["held out"][0]] * 3  # whatever comes in the same batch


def test_timings_at_a_small_size():
    runs = {"first": lambda: sum(range(2000)), "second": lambda: sum(range(8000))}
    timed = experiment.side_by_side(runs, 5)
    assert timed["first"]["times as long"] == [1, 1, 1]
    assert timed["second"]["times as long"][1] > 1
    assert experiment.profile(H=8, updates_seen=1)[0]["share"] > 0
    assert experiment.best_rate([{"rate": 1, "x": 2}, {"rate": 3, "x": 1}], lambda o: o["x"]) == 3


def test_the_record_holds_every_run_of_the_design():
    record = experiments.recorded("torch_training")
    text, speakers = record["text"], record["speakers"]
    rates = {}
    for without in experiment.TUNED:
        mine = [one for one in text["tuning"] if one["without"] == without]
        assert len(mine) == len(experiment.RATES) * len(experiment.TUNING_SEEDS)
        rates[without] = experiment.best_rate(mine, lambda one: one["choosing"])
        assert rates[without] not in (experiment.RATES[0], experiment.RATES[-1])
    seeds = [one["seed"] for one in text["runs"] if one["without"] == ""]
    assert seeds == [*experiment.SEEDS] * 2
    assert set(experiment.TUNING_SEEDS).isdisjoint(experiment.SEEDS)
    for one in text["runs"]:
        assert one["choosing"] == min(chosen for _, chosen in one["curve"])
    assert {one["reading"] for one in speakers["runs"]} == set(experiment.READINGS)
    assert round(experiment.discriminant(), 4) == speakers["discriminant"]

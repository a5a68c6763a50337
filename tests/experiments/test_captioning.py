from itertools import pairwise

import numpy as np
import pytest

from lstm_course import experiments
from lstm_course.experiments import captioning
from lstm_course.experiments.captioning import Large, Small
from lstm_course.models import Caption
from lstm_course.rnn import RNN
from lstm_course.tasks import Scenes, true_captions


@pytest.fixture
def tiny(monkeypatch):
    for name, value in {
        "SCENES": 300,
        "TEST": 30,
        "BATCH": 20,
        "NEW": 10,
        "SMALL_RATES": (0.005, 0.02),
        "TUNING_SEEDS": range(100, 101),
        "SEEDS": range(2),
        "FOLDS": range(2),
        "RATES": {"LSTM": (0.01,), "RNN, wide": (0.01, 0.02)},
        "SEARCHES": ((1, 0.0), (3, 1.0)),
        "TUNING_FOLDS": (5, 6),
        "PROCESSES": 1,
        "STRENGTHS": (0.1,),
        "PROBED": (300, 100),
    }.items():
        monkeypatch.setattr(captioning, name, value)
    monkeypatch.setattr(captioning.train, "__defaults__", (6, 3))
    monkeypatch.setattr(captioning.by_heart, "__defaults__", (6,))


def test_no_held_out_scene_has_a_digit_that_a_training_scene_has():
    for fold in range(5):
        training = {
            image.tobytes() for image in captioning.parts(fold).training[0].astype(np.float32)
        }
        for part in ("choosing", "held_out"):
            for picture in captioning.draw(fold, part, 50).pictures:
                quarters = picture.reshape(2, 8, 2, 8).swapaxes(1, 2).reshape(4, 8, 8)
                assert not training & {one.tobytes() for one in quarters if one.any()}
    same = (
        captioning.draw(0, "held_out", 5),
        captioning.draw(0, "choosing", 5),
        captioning.draw(5, "held_out", 5),
    )
    assert not np.array_equal(same[0].pictures, same[1].pictures)
    assert not np.array_equal(same[0].pictures, same[2].pictures)


def test_every_caption_has_its_words():
    drawn = captioning.draw(1, "training", 300)
    for captions, numbers in zip(drawn.captions, captioning.encoded(drawn), strict=True):
        assert [captioning.WORDS.decode(one) for one in numbers] == captions
    assert len(captioning.WORDS) == 23


def test_kinds_have_the_sizes_that_the_chapter_states():
    assert [captioning.units(kind) for kind in captioning.KINDS] == [64, 64, 133]
    lstm, plain, wide = (captioning.build(kind, 0) for kind in captioning.KINDS)
    count = [sum(array.size for array in model.arrays) for model in (lstm, wide)]
    assert abs(count[1] / count[0] - 1) < 0.01
    for model in (plain, wide):
        assert isinstance(model.recurrent, RNN)
        U = model.recurrent.params.weight_hh
        np.testing.assert_allclose(U @ U.T, np.eye(len(U)), atol=1e-5)
    assert (lstm.recurrent.params[0].gate("f")[2] == 1).all()


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_greedy_is_a_beam_of_width_1(kind):
    model, drawn = captioning.build(kind, 3), captioning.draw(0, "held_out", 20)
    for array in model.arrays:
        array *= 3
    found = captioning.searched(model, drawn.pictures, 1, 0.0)
    said = captioning.greedy(model, drawn.pictures)
    assert [captioning.WORDS.decode(one.words) for one in found] == said
    assert len(set(said)) > 3


def test_log_probabilities_are_those_of_words_said_one_by_one():
    model, drawn = captioning.build("LSTM", 3), captioning.draw(0, "held_out", 6)
    values = captioning.log_probabilities(model, drawn)
    for k, captions in enumerate(captioning.encoded(drawn)):
        sums = []
        for caption in captions:
            state, _ = model.look(drawn.pictures[k : k + 1])
            words = [captioning.WORDS.start, *caption, captioning.WORDS.end]
            total = 0.0
            for word, after in pairwise(words):
                log_p, state = model.step([word], state)
                total += log_p[0, after]
            sums.append(total)
        np.testing.assert_allclose(values[k], max(sums), rtol=1e-4)


def test_measures_of_captions():
    places = np.array([[[3, -1], [8, -1]], [[-1, -1], [-1, 4]]])
    drawn = Scenes(np.zeros((2, 16, 16)), [true_captions(one) for one in places], places)
    assert captioning.right(["an eight below a three", "a four"], drawn) == 1
    assert captioning.right(["a three below an eight", "a four"], drawn) == 0.5
    np.testing.assert_allclose(captioning.bleu(["an eight below a three", "a four"], drawn), 100)
    pieces = 4 / 5 * 3 / 4 * 2 / 3 * 1 / 2
    one = Scenes(drawn.pictures[:1], [["a three above a nine"]], places[:1])
    np.testing.assert_allclose(captioning.bleu(["a three above a seven"], one), 100 * pieces**0.25)
    assert captioning._moves([3.0, 2.0, 2.5, 2.5]) == {"change": 0.5, "rise": 0.5}
    assert captioning.agreement(["a", "b"], ["a", "c"]) == 0.5
    drawn = Scenes(
        np.zeros((4, 16, 16)),
        [["a four"], ["a five"], ["a four above a two"], ["a one above a two and a two"]],
        np.array([[[4, -1], [-1, -1]], [[5, -1], [-1, -1]], [[4, -1], [2, -1]], [[1, -1], [2, 2]]]),
    )
    said = ["a four", "a four", "a four above a two", "a one"]
    assert captioning.by_digits(said, drawn) == [0.5, 1, 0]


def test_a_run_repeats_itself(tiny):
    run = Small("LSTM", 0.02, 3)
    one, other = captioning.by_heart(run), captioning.by_heart(run)
    assert one == other
    assert len(one["curve"]) == 6
    assert one["curve"][-1] < one["curve"][0]
    large = Large("RNN, wide", 0.01, 1)
    assert captioning.on_new_pictures(large) == captioning.on_new_pictures(large)


def test_another_start_changes_the_initial_weights_alone(tiny, monkeypatch):
    seen = []
    build = captioning.build

    class Batches(captioning.CaptionBatches):
        def __init__(self, pictures, captions, size, **others):
            super().__init__(pictures, captions, size, **others)
            seen.append((pictures, others))

    def built(kind, seed):
        seen.append(seed)
        return build(kind, seed)

    monkeypatch.setattr(captioning, "build", built)
    monkeypatch.setattr(captioning, "CaptionBatches", Batches)
    one, other = (captioning.by_heart(Small("LSTM", 0.02, 3, shift)) for shift in (0, 7))
    assert (seen[1], seen[3]) == (3, 10)
    np.testing.assert_array_equal(seen[0][0], seen[2][0])
    assert seen[0][1] == seen[2][1]
    assert one["curve"] != other["curve"]


def test_networks_are_compared_with_others_of_the_same_pictures(monkeypatch):
    monkeypatch.setattr(captioning, "SEEDS", range(1))
    said = {"LSTM": ("a", "b"), "RNN": ("a", "a"), "RNN, wide": ("c", "c")}
    runs = [
        {"kind": kind, "seed": 0, "shift": shift, "said": ["x", word], "new said": [word]}
        for kind, words in said.items()
        for shift, word in zip((0, captioning.OTHER_START), words, strict=True)
    ]
    found = {
        tuple(one["kinds"]): (one["by heart"], one["new"]) for one in captioning.compared(runs)
    }
    assert found == {
        ("LSTM", "LSTM"): (0.5, 0),
        ("RNN", "RNN"): (1, 1),
        ("RNN, wide", "RNN, wide"): (1, 1),
        ("LSTM", "RNN"): (1, 1),
        ("LSTM", "RNN, wide"): (0.5, 0),
    }


def test_the_own_rate_has_the_lowest_mean_loss():
    rows = [
        {"kind": "LSTM", "rate": rate, "mean": mean}
        for rate, means in zip(
            captioning.SMALL_RATES, ([3, 3], [2, 2], [1, 4], [1, 2], [0, 4], [9, 9]), strict=True
        )
        for mean in means
    ]
    assert captioning.own_rate(rows, "LSTM") == captioning.SMALL_RATES[3]


def test_the_best_rate_names_most_scenes_right():
    rows = [
        {"model": "LSTM", "learning_rate": rate, "fold": fold, "chosen": [300, share]}
        for rate, shares in zip(
            captioning.RATES["LSTM"], ([0.5, 0.5], [0.4, 0.8], [0.9, 0.2], [0, 0]), strict=True
        )
        for fold, share in enumerate(shares)
    ]
    assert captioning.best_rate(rows, "LSTM") == captioning.RATES["LSTM"][1]


def test_a_caption_is_missed_if_a_true_one_is_more_probable(tiny, monkeypatch):
    monkeypatch.setattr(captioning, "SEARCHES", ((1, 0.0),))
    monkeypatch.setattr(captioning, "probes", lambda run, model: {})
    wrong, good = (5,), captioning.draw(0, "held_out", captioning.TEST).captions
    for sign, missed in ((-1, 1), (1, 0)):
        found = [Caption(wrong, sign * 100.0)] * captioning.TEST
        monkeypatch.setattr(captioning, "searched", lambda *_, found=found: found)
        (one,) = captioning.on_new_pictures(Large("LSTM", 0.01, 0))["searches"]
        assert one["right"] == 0
        assert one["missed"] == missed
    found = [Caption(tuple(captioning.WORDS.encode(known[-1])), -100.0) for known in good]
    monkeypatch.setattr(captioning, "searched", lambda *_: found)
    (one,) = captioning.on_new_pictures(Large("LSTM", 0.01, 0))["searches"]
    assert (one["right"], one["missed"]) == (1, 0)


def test_states_begin_with_the_picture_and_pairs_name_the_upper_digit_first():
    batch, digits = captioning.pairs(0, "held_out", 60)
    assert len(digits) > 5
    for words, (first, second) in zip(batch.inputs[1].T, digits, strict=True):
        said = captioning.WORDS.decode(words[1:])
        names = captioning.WORDS.decode(words[1:]).split()
        assert names[2] == "above"
        assert true_captions(np.array([[first, -1], [second, -1]]))[0] == said
    for kind in ("LSTM", "RNN"):
        model = captioning.build(kind, 0)
        states = captioning.states_of(model, batch)
        start, _ = model.look(batch.inputs[0])
        assert states["h"].shape == (7, len(digits), 64)
        np.testing.assert_allclose(states["h"][0], start[0][0], rtol=1e-5)
        hs, _, _ = model.recurrent.forward(model.embedding.forward(batch.inputs[1])[0], *start)
        np.testing.assert_allclose(states["h"][1:], hs, atol=1e-5)


@pytest.mark.slow
def test_everything_in_small_and_resumed(tiny, tmp_path, monkeypatch):
    kept = tmp_path / "captions.part"
    whole = captioning.measure(kept)
    lines = kept.read_text(encoding="utf-8").splitlines()

    def must_not_run(run):
        raise AssertionError(run)

    for name in ("by_heart", "on_new_pictures", "choose"):
        monkeypatch.setattr(captioning, name, must_not_run)
    again = captioning.measure(kept)
    assert again == whole
    assert kept.read_text(encoding="utf-8").splitlines() == lines
    assert set(whole) == set(experiments.recorded("captioning")) - {
        "command",
        "date",
        "machine",
        "versions",
    }


def test_the_record_holds_every_run_of_the_design():
    record = experiments.recorded("captioning")
    for part, seeds in (("tuning", captioning.TUNING_SEEDS), ("small", captioning.SEEDS)):
        runs = [(one["kind"], one["rate"], one["seed"]) for one in record[part]]
        assert sorted(runs) == sorted(
            (kind, rate, seed)
            for kind in captioning.KINDS
            for rate in captioning.SMALL_RATES
            for seed in seeds
        )
    assert not set(captioning.SEEDS) & set(captioning.TUNING_SEEDS)
    assert record["own rate"] == {
        kind: captioning.own_rate(record["tuning"], kind) for kind in captioning.KINDS
    }
    models = [*captioning.RATES, captioning.BLIND]
    assert [(one["model"], one["fold"]) for one in record["runs"]] == [
        (model, fold) for model in models for fold in captioning.FOLDS
    ]
    assert not set(captioning.TUNING_FOLDS) & set(captioning.FOLDS)
    assert [(one["model"], one["learning_rate"], one["fold"]) for one in record["choosing"]] == [
        (model, rate, fold)
        for model, rates in captioning.RATES.items()
        for rate in rates
        for fold in captioning.TUNING_FOLDS
    ]
    for model, rates in captioning.RATES.items():
        best = captioning.best_rate(record["choosing"], model)
        assert best in rates[1:-1]
        assert all(one["learning_rate"] == best for one in record["runs"] if one["model"] == model)
    done = captioning.UPDATES - captioning.PATIENCE * captioning.EVERY
    assert all(one["chosen"][0] <= done for one in record["choosing"] + record["runs"])
    for one in record["runs"]:
        wanted = (
            captioning.SEARCHES if one["model"] != captioning.BLIND else captioning.SEARCHES[:1]
        )
        assert [(s["width"], s["alpha"]) for s in one["searches"]] == list(wanted)
        assert one["chosen"][0] > 0
        if one["model"] != captioning.BLIND:
            assert len(one["training digits"]) == 3
            assert set(one["inside"]) == {"trained", "untrained"}
    assert [(*one["kinds"], one["seed"]) for one in record["same"]] == [
        (*kinds, seed)
        for kinds in [(one, one) for one in captioning.KINDS]
        + [("LSTM", one) for one in captioning.KINDS[1:]]
        for seed in captioning.SEEDS
    ]
    assert [one["fold"] for one in record["baselines"]] == list(captioning.FOLDS)
    assert record["units"] == {kind: captioning.units(kind) for kind in captioning.KINDS}

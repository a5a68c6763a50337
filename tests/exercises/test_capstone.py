"""The capstone: what is said of networks that fail, and of files that hold none."""

import re

import numpy as np
import pytest

import lstm_course as lc
from conftest import answers_module
from lstm_course.exercises.engine import networks
from lstm_course.training import Batch

right = answers_module("capstone")


def message(answer, level="target", passed=False):
    feedback = lc.check(f"capstone-{level}", answer)
    assert feedback.passed == passed, feedback
    return feedback.message


def changed(made, **arrays):
    return {**made, **arrays}


def in_order(made, order):
    """Return a network whose slices stand in another order."""
    three = {
        name: np.concatenate([np.split(made[name], 4)[k] for k in order])
        for name in ("weight_ih", "weight_hh", "bias")
    }
    return changed(made, **three)


def drawn(task="adding", loss=1.0, H=8):
    task_ = networks.TASKS[task]
    made = right.network(task, task_.inputs, H, task_.outputs, loss)
    rng = np.random.default_rng(0)
    return {n: a if n in ("task", "loss") else rng.normal(0, 0.3, a.shape) for n, a in made.items()}


def forgetful(keep=0.99):
    """Keeps for 20 steps what it has, and loses some of it over 40."""
    made = right.adding()
    made["bias"][1] = np.log(keep / (1 - keep))
    made["readout_weight"] *= 1.1
    return made


@pytest.mark.parametrize("made", right.ALL, ids=lambda made: made["task"])
def test_a_file_passes_as_its_arrays_do(made, tmp_path):
    path = tmp_path / "capstone.npz"
    np.savez(path, **{n: a if n == "task" else np.float32(a) for n, a in made.items()})
    for answer in (path, str(path), made):
        text = message(answer, passed=True)
        assert text.startswith("Right. On 2000 fresh sequences: ")
        assert "Guessing: " in text


def test_errors_stand_beside_target_and_guessing():
    text = message(changed(right.recall(), readout_bias=np.array([9.0, 0, 0, 0]), loss=2.0))
    assert re.search(
        r"fresh sequences: 7\d\.\d% wrong. Needed: at most 5.0% wrong. Guessing: 75.0%", text
    )
    text = message(drawn())
    assert "at most mean squared error 0.0050. Guessing: mean squared error 0.1667." in text


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (drawn(), "No better than guessing"),
        (drawn("recall", loss=1.4), "No better than guessing"),
        (drawn(loss=40.0), "40, is far above that of guessing, 0.17: the learning rate is too l"),
        (drawn("recall", loss=30), "30, is far above that of guessing, 1.4: the learning rate"),
        (changed(right.adding(), readout_weight=np.zeros((1, 1)), loss=9), "learning rate is too"),
        (drawn(loss=0.01), "counts other steps, or uses another length or other targets"),
        (drawn(loss=1e-4), "The training loss you report, 0.0001, is too small"),
        (drawn("recall", loss=0.01), "has learned its training sequences by heart"),
        (in_order(right.adding(), (0, 1, 3, 2)), "come in the order i, f, o, g: read that way"),
        (
            in_order(right.temporal_order(), (1, 0, 2, 3)),
            "come in the order f, i, g, o: read that way",
        ),
        (changed(right.adding(), bias=2 * right.adding()["bias"]), "Your bias counts twice"),
        (changed(forgetful(), loss=0.02), "half as long it's good enough"),
        (changed(forgetful(0.985), loss=0.04), "has learned something, but not enough"),
        (
            changed(right.adding(), readout_bias=np.array([0.2]), loss=0.04),
            "has learned something, but not enough",
        ),
        (changed(right.adding(), loss=np.ones(3)), r"loss to be one number, got shape \(3,\)"),
        (changed(right.adding(), bias="text"), "bias to be an array of real numbers, got str"),
        (changed(right.adding(), bias=np.ones(5)), r"Expected bias of shape \(4,\), got \(5,\)"),
        (
            changed(right.adding(), weight_ih=np.ones((4, 9))),
            "Expected 2 inputs and 1 outputs for this task, got 9 and 1",
        ),
        ({"task": "adding"}, "Missing: weight_ih, weight_hh, bias, readout_weight"),
        (lambda: None, "Expected the name of an .npz file, got function"),
        ("there-is-none.npz", "there is no file there-is-none.npz"),
        (in_order(drawn(), (0, 1, 2, 3)) | {"weight_hh": np.ones((0, 8))}, "Expected"),
    ],
)
def test_what_is_wrong_is_said(answer, sentence):
    assert re.search(sentence, message(answer))


def test_the_first_level_asks_for_less():
    made = changed(right.adding(), readout_bias=np.array([0.2]))
    assert "Needed: at most mean squared error 0.1000" in message(made, "start", passed=True)


def test_files_that_hold_no_plain_arrays(tmp_path):
    text, plain, packed, large = (tmp_path / name for name in ("a.npz", "b.npy", "c.npz", "d.npz"))
    text.write_text("no archive")
    np.save(plain, np.ones(3))
    np.savez(packed, task=np.array({"a": 1}, dtype=object))
    np.savez_compressed(large, weight_ih=np.zeros((1000, 1000)))
    for path in (text, plain, packed):
        assert "cannot be read as one" in message(path)
    assert "Expected at most 5,000,000 bytes" in message(large)


def test_a_fixed_set_learned_by_heart_is_found_out():
    """A network that is right on the sequences it has seen, and on no others."""
    from lstm_course.layers import LSTM, Linear
    from lstm_course.models import SequenceModel
    from lstm_course.optim import Adam
    from lstm_course.training import Trainer

    rng = np.random.default_rng(0)
    fixed: Batch = lc.tasks.recall(40, 8, rng=rng)
    model = SequenceModel(LSTM(5, 16, rng=rng), Linear(16, 4, rng=rng))
    trainer = Trainer(model, Adam(model.arrays, learning_rate=0.03), clip=1.0)
    losses = trainer.fit(lambda step: fixed, steps=150, progress=False).loss
    assert losses[-1] < 0.05
    arrays = (*model.recurrent.params[0].arrays(), model.readout.weight, model.readout.bias)
    made = dict(zip(networks.ARRAYS, arrays, strict=True), task="recall", loss=losses[-1])
    assert "has learned its training sequences by heart" in message(made)

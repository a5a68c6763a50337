"""Models in files: built again the same, written whole, and what is no model refused."""

import json

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.models import Captioner, FinalStateModel, InitialState, SequenceModel
from lstm_course.rnn import RNN


def rng(seed=0):
    return np.random.default_rng(seed)


def models():
    table = Embedding(9, 3, rng=rng(5), dtype=np.float32)
    f32 = {"rng": rng(6), "dtype": np.float32}
    deep = LSTM(3, 4, num_layers=2, rng=rng(8))
    initial = InitialState(deep)
    initial.arrays[1][...] = rng(9).normal(size=(2, 1, 4))
    return {
        "learned": SequenceModel(deep, Linear(4, 2, rng=rng(8)), initial=initial),
        "layers": LSTM(3, 4, num_layers=2, bidirectional=True, dropout=0.25, rng=rng(1)),
        "plain": RNN(3, 4, rng=rng(2)),
        "sequence": SequenceModel(
            LSTM(3, 4, rng=rng(3)), Linear(4, 2, rng=rng(3)), Embedding(7, 3, rng=rng(3))
        ),
        "tied": SequenceModel(LSTM(3, 3, **f32), Linear.tied(table), table),
        "final": FinalStateModel(RNN(3, 4, rng=rng(4)), Linear(4, 2, rng=rng(4)), reads="h"),
        "captioner": Captioner(
            LSTM(3, 4, rng=rng(7)),
            Linear(4, 9, rng=rng(7)),
            Embedding(9, 3, rng=rng(7)),
            initial=Linear(16, 8, rng=rng(7)),
        ),
    }


@pytest.mark.parametrize("name", models())
def test_a_model_comes_back_with_all_that_it_is(name, tmp_path):
    model = models()[name]
    lc.save(model, tmp_path / "a.npz")
    same = lc.load(tmp_path / "a.npz")
    assert type(same) is type(model)
    assert [a.dtype for a in same.arrays] == [a.dtype for a in model.arrays]
    for one, other in zip(model.arrays, same.arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    if name == "tied":
        assert same.readout.weight is same.embedding.table
    if name == "layers":
        assert same.dropout.rate == 0.25
    if name == "learned":
        xs = np.ones((5, 2, 3))
        np.testing.assert_array_equal(same.forward(xs)[0], model.forward(xs)[0])
    lc.save(same, tmp_path / "b.npz")
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert str(a["about"]) == str(b["about"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_a_loaded_model_computes_the_same(tmp_path):
    model = models()["sequence"]
    lc.save(model, tmp_path / "a.npz")
    words = rng(8).integers(0, 7, (5, 2))
    same = lc.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(model.forward(words)[0], same.forward(words)[0])


def test_a_file_that_does_not_speak_of_learned_states_has_none(tmp_path):
    lc.save(models()["sequence"], tmp_path / "a.npz")
    changed(tmp_path / "a.npz", lambda about, _: about["model"].pop("learned"))
    assert lc.load(tmp_path / "a.npz").initial is None


def test_what_is_no_model_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(ValueError, match=r"does not hold a readable model"):
        lc.load(path)
    path.write_bytes(b"not a file of ours")
    with pytest.raises(ValueError, match=r"does not hold a readable model"):
        lc.load(path)
    np.savez(path, a=np.zeros(2))
    with pytest.raises(ValueError, match=r"does not hold a readable model"):
        lc.load(path)
    with pytest.raises(TypeError, match=r"model is a Dropout, expected one of SequenceModel"):
        lc.save(LSTM(2, 2, dropout=0.5, num_layers=2, rng=rng()).dropout, path)


def changed(path, change):
    """Write the file again with another description."""
    with np.load(path) as file:
        stored = dict(file)
    about = json.loads(str(stored.pop("about")))
    change(about, stored)
    np.savez(path, about=np.array(json.dumps(about)), **stored)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda about, _: about.update(format=2), "has the format 2, this version reads 1"),
        (
            lambda about, _: about["model"].update(kind="os"),
            "describes a model that cannot be built",
        ),
        (
            lambda about, _: about["model"]["readout"].update(input_size=5),
            "describes a model that cannot",
        ),
        (lambda about, _: about["model"]["readout"].update(output_size=3), "holds other arrays"),
        (lambda _, stored: stored.pop("array 2"), "holds other arrays"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(change, sentence, tmp_path):
    lc.save(models()["sequence"], tmp_path / "a.npz")
    changed(tmp_path / "a.npz", change)
    with pytest.raises(ValueError, match=sentence):
        lc.load(tmp_path / "a.npz")


def test_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", about=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="does not hold a readable model"):
        lc.load(tmp_path / "a.npz")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    lc.save(models()["plain"], path)
    before = path.read_bytes()

    def full(handle):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        lc.save(models()["sequence"], path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.npz"]

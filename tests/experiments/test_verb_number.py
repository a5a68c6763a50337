"""Number agreement: the models, their rivals, and the unit that carries the number."""

import json

import numpy as np
import pytest

import lstm_course as lc
from lstm_course import experiments, tasks
from lstm_course.experiments import __main__ as command
from lstm_course.experiments import number_unit, verb_number
from lstm_course.experiments.verb_number import NGram, Run
from lstm_course.tasks.agreement import WORDS, Sentence, encode


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def small(monkeypatch):
    """Few sentences to learn from, few to answer."""
    monkeypatch.setattr(verb_number, "SENTENCES", 300)
    monkeypatch.setattr(verb_number, "UPDATES", 4)
    monkeypatch.setattr(verb_number, "PROCESSES", 1)
    monkeypatch.setattr(verb_number, "IN_CELL", 5)
    monkeypatch.setattr(verb_number, "PROBES", 100)
    caches = (verb_number.training_sentences, verb_number.text, verb_number.questions)
    for one in caches:
        one.cache_clear()
    yield
    for one in caches:
        one.cache_clear()


def test_all_models_have_as_many_parameters():
    counts = [
        sum(a.size for a in verb_number.build(Run(model, 16, 0.01, 0)).arrays)
        for model in verb_number.MODELS
    ]
    assert max(counts) - min(counts) < 0.01 * min(counts)


def test_questions_are_of_their_cells_and_begin_like_no_sentence_learned_from(small):
    cells = verb_number.questions(verb_number.TEST)
    seen = {
        one.words[: one.verb]
        for longest in verb_number.LONGEST
        for one in verb_number.training_sentences(longest)
    }
    for (place, attractors), many in cells.items():
        low, high = verb_number.BINS[place]
        for one in many:
            assert low <= one.distance <= high
            assert min(one.attractors, verb_number.MOST) == attractors
            assert one.words[: one.verb] not in seen
    for longest in verb_number.LONGEST:
        assert max(one.distance for one in verb_number.training_sentences(longest)) == longest
        words = [WORDS[k] for k in verb_number.text(longest)]
        assert words.count(".") == 300
    hard = verb_number.pooled(cells, 16, attractors=2)
    assert hard
    assert all(one.distance <= 16 and one.attractors >= 2 for one in hard)
    assert len(verb_number.pooled(cells, 48)) == sum(map(len, cells.values()))


@pytest.mark.slow
def test_a_run_repeats_itself_and_learns(small, monkeypatch):
    monkeypatch.setattr(verb_number, "SENTENCES", 1500)
    run = Run("LSTM", 8, 0.01, 3)
    (one, how), (other, again) = verb_number.train(run), verb_number.train(run)
    assert how == again
    for a, b in zip(one.arrays, other.arrays, strict=True):
        np.testing.assert_array_equal(a, b)
    asked = tasks.agreement(200, rng=rng(), distances=(4, 8))
    asked = [one for one in asked if one.attractors]
    monkeypatch.setattr(verb_number, "UPDATES", 400)
    better, _ = verb_number.train(run)
    assert number_unit.accuracy(better, asked) > 0.8
    assert number_unit.loss_elsewhere(better, asked) < number_unit.loss_elsewhere(one, asked)


@pytest.mark.parametrize("name", verb_number.MODELS)
def test_a_unit_that_is_switched_off_is_seen_at_one_value(name):
    model = verb_number.build(Run(name, 8, 0.01, 0))
    sentences = tasks.agreement(6, rng=rng(), distances=(3, 6))
    batch = tasks.was_or_were(sentences)
    before = [array.copy() for array in model.arrays]
    cut = number_unit.switched_off(model, 5, 0.3)
    outputs = cut.forward(batch.inputs)[0]
    for a, b in zip(model.arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)
    xs = model.embedding.forward(batch.inputs)[0]
    H = model.recurrent.hidden_size
    h = np.zeros((6, H), np.float32)
    c = np.zeros_like(h)
    for t, x in enumerate(xs):
        h[:, 5] = 0.3
        if name == "LSTM":
            h, c, _ = lc.lstm_step(x, h, c, model.recurrent.params[0])
        else:
            h = lc.rnn_step(x, h, model.recurrent.params)
        seen = h.copy()
        seen[:, 5] = 0.3
        np.testing.assert_allclose(outputs[t], model.readout.forward(seen)[0], atol=2e-6)


def test_states_gates_and_means_are_those_of_the_readable_cell():
    model = verb_number.build(Run("LSTM", 8, 0.01, 0))
    sentences = tasks.agreement(9, rng=rng(), distances=(3, 8))
    batch = tasks.was_or_were(sentences)
    xs = model.embedding.forward(batch.inputs)[0]
    trace = lc.trace(lc.lstm_forward(xs, model.recurrent.params[0])[2])
    np.testing.assert_allclose(number_unit.states(model, sentences), trace["c"], atol=1e-6)
    gates = number_unit.gates(model, sentences)
    np.testing.assert_allclose(gates["f"], trace["f"], atol=1e-6)
    np.testing.assert_allclose(gates["i"], trace["i"], atol=1e-6)
    hidden = []
    for n, one in enumerate(sentences):
        hidden += list(trace["h"][: one.verb + 1, n])
        between = np.flatnonzero(gates["between"][:, n]) - 1  # the full stop comes first
        assert between.tolist() == list(range(one.subject + 1, one.verb))
    np.testing.assert_allclose(
        number_unit.mean_hidden(model, sentences), np.mean(hidden, axis=0), atol=1e-6
    )


@pytest.mark.parametrize("name", ["plain, orthogonal", "LSTM"])
def test_correlations_are_those_of_numpy(name):
    model = verb_number.build(Run(name, 8, 0.01, 0))
    sentences = tasks.agreement(80, rng=rng(), distances=(1, 12))
    rows = number_unit.correlations(model, sentences)
    carried = number_unit.states(model, sentences)
    for j, row in enumerate(rows):
        there = [(n, one) for n, one in enumerate(sentences) if one.distance > j]
        assert len(there) >= 30
        values = [carried[one.subject + 1 + j, n] for n, one in there]
        plural = [one.plural for _, one in there]
        expected = [np.corrcoef(unit, plural)[0, 1] for unit in np.transpose(values)]
        np.testing.assert_allclose(row, expected, atol=1e-4)
    assert sum(one.distance > len(rows) for one in sentences) < 30
    model.recurrent.arrays[0][:] = 0  # a unit that never moves carries nothing
    model.recurrent.arrays[1][:] = 0
    assert not number_unit.correlations(model, sentences)[0].any()


def test_loss_elsewhere_leaves_the_verbs_out():
    model = verb_number.build(Run("LSTM", 8, 0.01, 0))
    (one,) = tasks.agreement(1, rng=rng(2), distances=(6, 6))
    numbers = encode(one.words)
    outputs = model.forward(np.array([0, *numbers[:-1]])[:, None])[0][:, 0]
    p = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    losses = -np.log(p[np.arange(len(numbers)), numbers])
    kept = [word not in ("was", "were") for word in one.words]
    assert not all(kept)
    assert np.isclose(number_unit.loss_elsewhere(model, [one]), losses[kept].mean(), atol=1e-5)


def test_an_ngram_looks_at_as_many_words_as_it_has_seen():
    words = ". the cat was full . the cats were full . the dogs near the cat were full ."
    text = encode(words.split())

    def ask(words, plural):
        return Sentence((*words.split(), "was"), 0, len(words.split()), plural, 0, 0)

    known = [ask("the cats", True), ask("the dogs near the cat", True), ask("the cat", False)]
    assert NGram(text, 5).accuracy(known) == 1
    assert NGram(text, 2).accuracy(known) == np.mean([1, 0.5, 0.5])  # "cat" had both verbs
    assert NGram(text, 1).accuracy(known) == np.mean([1, 1, 0])  # were is the more frequent
    assert NGram(text, 5).accuracy([ask("the fox", True)]) == 1  # falls back on all verbs


def test_rules_of_one_noun():
    def ask(words, plural):
        return Sentence((*words.split(), "was"), 0, len(words.split()), plural, 0, 0)

    two = [ask("near the dogs the cat", False), ask("the cats near the dog", True)]
    assert verb_number.nearest_noun(two) == 0.5
    assert verb_number.nearest_noun(two, first=True) == 0.5
    assert verb_number.nearest_noun(two[:1]) == 1
    assert verb_number.nearest_noun(two[1:], first=True) == 1


def test_training_stops_when_it_no_longer_improves_and_goes_back(small, monkeypatch):
    monkeypatch.setattr(verb_number, "UPDATES", 500)
    monkeypatch.setattr(verb_number, "EVERY", 2)
    monkeypatch.setattr(verb_number, "PATIENCE", 1)
    run = Run("plain, uniform", 8, 0.01, 3)
    model, how = verb_number.train(run)
    assert max(how["updates"]) < 500
    asked = verb_number.pooled(verb_number.questions(verb_number.VALIDATE), 8)
    assert how["loss"] == round(number_unit.choice_loss(model, asked), 5)
    assert {len(one.words) > 0 and one.distance <= 8 for one in asked} == {True}


def test_the_loss_of_the_choice_is_that_of_two_words():
    model = verb_number.build(Run("LSTM", 8, 0.01, 0))
    asked = tasks.agreement(7, rng=rng(5), distances=(2, 8))
    batch = tasks.was_or_were(asked)
    outputs = model.forward(batch.inputs, lengths=batch.lengths)[0]
    losses = []
    for n, one in enumerate(asked):
        was, were = outputs[one.verb, n, list(encode(("was", "were")))].astype(float)
        right = were if one.plural else was
        losses.append(np.log(np.exp(was) + np.exp(were)) - right)
    np.testing.assert_allclose(number_unit.choice_loss(model, asked), np.mean(losses), rtol=1e-5)


def test_the_best_rate_has_the_least_loss_on_average():
    lowest, low, middle, high, _ = sorted(verb_number.LEARNING_RATES)

    def one(rate, loss, model="m"):
        return {"model": model, "longest": 8, "learning_rate": rate, "loss": loss}

    tuning = [one(low, 0.4), one(low, 0.3), one(middle, 0.1), one(middle, 0.5)]
    tuning += [one(lowest, 0.4), one(high, 0.32), one(high, 0.0, "other")]
    tuning += [one(max(verb_number.LEARNING_RATES), 0.5)]
    assert verb_number.best_rate(tuning, "m", 8) == middle


def test_a_result_repeats_itself_and_tells_what_is_inside_one_that_read_far(small):
    far, near = Run("LSTM", 16, 0.01, 0), Run("plain, uniform", 8, 0.01, 1)
    result = verb_number._result(far)
    assert verb_number._result(far) == result
    assert set(result["inside"]) == {
        *("forget", "input", "correlation", "zero", "mean", "elsewhere", "intact")
    }
    assert "inside" not in verb_number._result(near)
    assert "inside" not in verb_number._result(far._replace(seed=100))
    assert json.loads(json.dumps(result)) == result


def test_what_is_inside_is_what_the_parts_say(small):
    model, _ = verb_number.train(Run("LSTM", 16, 0.01, 0))
    probes, asked = verb_number.probes(), tasks.agreement(60, rng=rng(4), distances=(4, 9))
    found = number_unit.look_inside(model, probes, asked)
    few, mean = probes[:200], number_unit.mean_hidden(model, probes)[7]
    cut = number_unit.switched_off(model, 7, mean)
    wanted = number_unit.accuracy(cut, asked), number_unit.loss_elsewhere(cut, few)
    assert [found["mean"][7], found["elsewhere"][7]] == number_unit.rounded(wanted)
    cut = number_unit.switched_off(model, 7)
    assert [found["zero"][7]] == number_unit.rounded([number_unit.accuracy(cut, asked)])
    wanted = number_unit.accuracy(model, asked), number_unit.loss_elsewhere(model, few)
    assert found["intact"] == number_unit.rounded(wanted)
    assert all(one.attractors and 5 <= one.distance <= 16 for one in probes)


def test_the_command_goes_on_and_writes_a_record_and_a_model(small, tmp_path, monkeypatch):
    for module in (experiments, verb_number, command):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(verb_number, "SEEDS", range(2))
    monkeypatch.setattr(verb_number, "LEARNING_RATES", (0.01,))
    monkeypatch.setattr(verb_number, "MODELS", ("LSTM",))
    first = verb_number._result(Run("LSTM", 8, 0.01, 100))
    (tmp_path / "verb_number.part").write_text(json.dumps(first | {"kept": True}))
    command.main(["verb_number"])
    stored = json.loads((tmp_path / "verb_number.json").read_text(encoding="utf-8"))
    assert [one.get("kept", False) for one in stored["tuning"]] == [True] + 5 * [False]
    assert len(stored["runs"]) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"verb_number.json", "verb_number.npz"}
    with np.load(tmp_path / "verb_number.npz", allow_pickle=False) as file:
        model, _ = verb_number.train(Run("LSTM", 16, 0.01, 0))
        for name, array in zip(file.files, model.arrays, strict=True):
            np.testing.assert_array_equal(file[name], array)


def test_the_record_holds_every_run_of_the_design():
    record = experiments.recorded("verb_number")
    pairs = [(model, longest) for longest in verb_number.LONGEST for model in verb_number.MODELS]
    tuned = {
        (one["model"], one["longest"], one["learning_rate"], one["seed"])
        for one in record["tuning"]
    }
    assert tuned == {
        (*pair, rate, seed)
        for pair in pairs
        for rate in verb_number.LEARNING_RATES
        for seed in verb_number.TUNING_SEEDS
    }
    assert not set(verb_number.SEEDS) & set(verb_number.TUNING_SEEDS)
    assert len(record["runs"]) == len(pairs) * len(verb_number.SEEDS)
    for pair in pairs:
        mine = [one for one in record["runs"] if (one["model"], one["longest"]) == pair]
        assert [one["seed"] for one in mine] == list(verb_number.SEEDS)
        rate = verb_number.best_rate(record["tuning"], *pair)
        assert {one["learning_rate"] for one in mine} == {rate}
        assert min(verb_number.LEARNING_RATES) < rate < max(verb_number.LEARNING_RATES)
    cells = len(record["cells"])
    assert [one["longest"] for one in record["baselines"]] == list(verb_number.LONGEST)
    for one in record["runs"] + record["tuning"]:
        assert min(one["accuracy"]) >= 0
        assert max(one["accuracy"]) <= 1
    stopped = [max(one["updates"]) < verb_number.UPDATES for one in record["runs"]]
    assert np.mean(stopped) > 0.7  # most had stopped improving before the limit
    for one in record["runs"]:
        assert len(one["accuracy"]) == cells
        assert ("inside" in one) == (one["longest"] == max(verb_number.LONGEST))
        if "inside" in one:
            units = verb_number.UNITS if one["model"] == "LSTM" else verb_number.PLAIN_UNITS
            assert len(one["inside"]["correlation"]) == len(one["inside"]["mean"]) == units
    for one in record["baselines"]:
        for name in ("majority", "n-gram", "last noun", "first noun"):
            assert len(one[name]) == cells


def test_the_saved_model_is_the_one_that_the_record_tells_of():
    record = experiments.recorded("verb_number")
    (one,) = (
        one
        for one in record["runs"]
        if (one["model"], one["longest"], one["seed"]) == ("LSTM", max(verb_number.LONGEST), 0)
    )
    model = verb_number.trained()
    asked = verb_number.questions(verb_number.TEST)
    assert [[*key, len(many)] for key, many in asked.items()] == record["cells"]
    hard = verb_number.pooled(asked, 16, attractors=1)
    assert abs(number_unit.accuracy(model, hard) - one["inside"]["intact"][0]) < 0.01
    unit = int(np.abs(one["inside"]["correlation"]).argmax())
    cut = number_unit.switched_off(model, unit)
    assert abs(number_unit.accuracy(cut, hard) - one["inside"]["zero"][unit]) < 0.02

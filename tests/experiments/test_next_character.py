import json

import numpy as np
import pytest

from lstm_course import experiments, lstm_step, tasks
from lstm_course.experiments import __main__ as command
from lstm_course.experiments import next_character, next_character_models, next_character_units
from lstm_course.experiments.next_character_models import Corpus, Run, bits, build, parameters
from lstm_course.losses import softmax_cross_entropy

LSTM = Run("stories", "LSTM, bias 1", 0.01, 0.0, 20, 0)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A world where everything takes a second: a page of stories, and a short reference."""
    monkeypatch.setattr(next_character_models, "STORIES", 20_000)
    monkeypatch.setattr(next_character_models, "ORDERS", range(1, 4))
    monkeypatch.setattr(next_character_units, "SHORT", 2000)
    monkeypatch.setattr(next_character_models, "UNITS", {"stories": (8, 4), "reference": (8, 4)})
    reference = tasks.python_reference()[:30_000]
    monkeypatch.setattr(tasks, "python_reference", lambda: reference)
    for name, value in {
        "UPDATES": {"stories": 40, "reference": 40},
        "RATES": {"LSTM": (0.03, 0.01), "plain": (0.01, 0.003)},
        "DECAYS": (0.1, 0.0),
        "SEEDS": range(2),
        "TUNING_SEEDS": range(100, 102),
        "PROCESSES": 1,
    }.items():
        monkeypatch.setattr(next_character, name, value)
    for module in (experiments, command, next_character):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    caches = next_character_models.corpus, next_character_models.ngram_bits
    for one in caches:
        one.cache_clear()
    yield tmp_path
    for one in caches:
        one.cache_clear()


def test_a_text_is_cut_eight_to_one_to_one(tmp_path):
    (tmp_path / "a.txt").write_text("the cat sat on the mat\n" * 10, encoding="utf-8")
    parts = next_character_models.corpus(str(tmp_path / "a.txt"))
    assert [len(part) for part in parts] == [184, 23, 23]
    assert "".join(parts) == "the cat sat on the mat\n" * 10
    assert parts.alphabet.characters == "\n acehmnost"
    assert Corpus("a", "b", "c").alphabet.characters == "abc"


@pytest.mark.parametrize("name", ["stories", "reference"])
def test_all_models_have_as_many_parameters(name):
    wanted = parameters(build(LSTM._replace(text=name)))
    for model in ("LSTM, bias 3", "plain, uniform", "plain, orthogonal"):
        count = parameters(build(LSTM._replace(text=name, model=model)))
        assert abs(count / wanted - 1) < 0.01
    params = build(LSTM._replace(text=name, model="LSTM, bias 3")).recurrent.params[0]
    assert (params.gate("f")[2] == 3).all()
    U = build(LSTM._replace(text=name, model="plain, orthogonal")).recurrent.params.weight_hh
    np.testing.assert_allclose(U @ U.T, np.eye(len(U)), atol=1e-5)


def test_bits_are_the_loss_in_other_units():
    model = build(LSTM)
    numbers = next_character_models.corpus("stories").alphabet.encode(
        tasks.stories(4500, rng=rng())[0]
    )
    outputs, *_ = model.forward(numbers[:-1, None])
    loss, _ = softmax_cross_entropy(outputs, numbers[1:, None])
    mine = bits(model, numbers)  # in pieces of 2,000, the state carried over
    assert mine.shape == (len(numbers) - 1,)
    np.testing.assert_allclose(mine.mean(), loss / np.log(2), rtol=1e-5)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_who_learns_while_reading_pays_less_for_what_repeats_and_forgets_it_afterwards():
    model = build(LSTM)
    before = [array.copy() for array in model.arrays]
    numbers = next_character_models.corpus("stories").alphabet.encode(
        "the cat sat on the mat. " * 60
    )
    moving = next_character_models.bits_while_learning(model, numbers, 0.003)
    still = bits(model, numbers)
    np.testing.assert_allclose(moving[:64], still[:64], rtol=1e-5)  # it had learned nothing yet
    assert moving[-64:].mean() < 0.7 * still[-64:].mean()
    for array, saved in zip(model.arrays, before, strict=True):
        np.testing.assert_array_equal(array, saved)


def test_training_gives_back_the_best_look(small):
    model, looks = next_character_models.train(LSTM._replace(updates=40))
    again, _ = next_character_models.train(LSTM._replace(updates=40))
    assert len(looks) == 20
    assert looks[-1] < looks[0]
    for array, other in zip(model.arrays, again.arrays, strict=True):
        np.testing.assert_array_equal(array, other)
    parts = next_character_models.corpus("stories")
    whole = bits(model, parts.alphabet.encode(parts.validation)).mean()
    assert np.isclose(whole, min(looks), rtol=0.05)  # there the text is read in 32 pieces


def test_n_grams_are_compared_on_the_parts_that_they_were_not_counted_in(small):
    result = next_character_models.counted("stories")
    parts = next_character_models.corpus("stories")
    assert result["characters"] == [len(part) for part in parts]
    best = min(result["n-grams"], key=lambda row: row["validation"])
    assert {key: best[key] for key in ("smoothing", "order")} == result["best"]
    direct = next_character_models.NGrams(
        parts.training, best["order"], parts.alphabet.characters, best["smoothing"]
    )
    assert np.isclose(best["test"], direct.bits(parts.test)[1:].mean())
    assert 0.3 < result["source"] < best["test"]
    assert result["while counting"] < best["test"] + 0.02
    words = [next_character.worth(parts.test[k : k + 1000], parts.training) for k in (0, 1000)]
    assert 2000 <= len(parts.test) < 3000
    for key, share in result["words"].items():
        assert np.isclose(share, (words[0][key] + words[1][key]) / 2)
    for one in result["compressors"].values():
        assert 0 < one["test"] < one["test alone"]
    assert sum(count for _, count in result["right"]) == len(tasks.endings(parts.test)[0])


@pytest.mark.parametrize("smoothing", ["kneser-ney", "witten-bell"])
def test_n_grams_count_on_after_every_64_that_they_have_predicted(smoothing):
    text = tasks.stories(1300, rng=rng())[0]
    training, test = text[:1000], text[1000:1200]
    alphabet = "".join(sorted(set(text)))
    model = next_character_models.NGrams(training, 4, alphabet, smoothing)
    mine = next_character_models.bits_while_counting(model, test)
    assert len(mine) == 199
    for start in (1, 65, 129, 193):
        known = next_character_models.NGrams(training + test[:start], 4, alphabet, smoothing)
        known.discounts = model.discounts
        wanted = known.bits(test[start : start + 64], test[:start])
        np.testing.assert_allclose(mine[start - 1 : start + 63], wanted)


def test_states_are_what_the_rest_of_the_network_sees():
    numbers = next_character_models.corpus("stories").alphabet.encode("the cat sat on the mat.")
    seen = next_character_units.traced(build(LSTM), numbers)
    states = next_character_units.states(build(LSTM), numbers)
    np.testing.assert_allclose(seen["o"] * states, seen["h"], rtol=1e-5)
    plain = build(LSTM._replace(model="plain, uniform"))
    np.testing.assert_array_equal(
        next_character_units.states(plain, numbers),
        next_character_units.traced(plain, numbers)["h"],
    )


def test_fits_finds_the_unit_that_was_made_to_follow():
    states = rng().normal(size=(2, 500, 6))
    wanted = rng(1).normal(size=(2, 500))
    states[:, :, 4] = 3 - 2 * wanted + 0.5 * states[:, :, 4]
    unit, fit = next_character_units.found(states, wanted)
    assert unit == 4
    assert np.isclose(fit, 4 / 4.25, atol=0.02)
    assert np.isclose(fit, np.corrcoef(states[1, :, 4], wanted[1])[0, 1] ** 2)
    assert next_character_units.found(states, wanted[::-1])[1] < 0.02  # for the wrong numbers
    assert max(next_character_units.controls(states, wanted, rng())) < 0.03
    states[:, :, 1] = 0  # a dead unit explains nothing
    assert next_character_units.fits(states[0], wanted[0])[1] == 0
    both = states[:, :, 4] - states[:, :, 2]
    assert next_character_units.all_units(states, both) > 0.99
    assert next_character_units.all_units(states, rng(2).normal(size=(2, 500))) < 0.02


def test_fits_of_words_is_the_share_between_them():
    words = np.array(["cat", "dog", "hen"])[rng().integers(0, 3, 900)]
    states = rng(1).normal(size=(900, 3))
    states[:, 1] += 2 * (words == "dog")
    share = next_character_units.fits(states, words)
    p = np.mean(words == "dog")
    assert np.isclose(share[1], 4 * p * (1 - p) / (4 * p * (1 - p) + 1), atol=0.05)
    assert share[[0, 2]].max() < 0.02


def test_units_that_are_taken_out_are_constants_to_all_others():
    model = build(LSTM)
    before = [array.copy() for array in model.arrays]
    numbers = next_character_models.corpus("stories").alphabet.encode("the cat sat on the mat.")
    means = np.linspace(-0.5, 0.5, model.recurrent.hidden_size, dtype=np.float32)
    outputs, *_ = next_character_units.without(model, [3, 60], means).forward(numbers[:, None])
    params, H = model.recurrent.params[0], model.recurrent.hidden_size
    h, c = np.zeros((2, 1, H), np.float32)
    for t, number in enumerate(numbers):
        h[:, [3, 60]] = means[[3, 60]]
        h, c, _ = lstm_step(model.embedding.table[[number]], h, c, params)
        h[:, [3, 60]] = means[[3, 60]]
        mine = h @ model.readout.weight.T + model.readout.bias
        np.testing.assert_allclose(outputs[t], mine, atol=1e-5)
    for array, saved in zip(model.arrays, before, strict=True):
        np.testing.assert_array_equal(array, saved)


def test_decisions_are_where_something_old_decides():
    text = tasks.stories(30_000, rng=rng())[0]
    places = next_character_units.decisions(text)
    assert (places["animal"] == tasks.endings(text)[2]).all()
    assert {text[at - 1] for at in places["quotes"]} == {"."}
    closing = np.array([text[at : at + 2] == '" ' for at in places["quotes"]])
    inside = tasks.quoted(text)[places["quotes"] - 1]
    assert not (closing & ~inside).any()
    assert 0.3 < closing[inside].mean() < 0.5
    assert {text[at] for at in places["brackets"]} == {" ", ",", ")"}
    assert (np.diff(places["brackets"]) > 3).all()
    assert tasks.bracketed(text)[places["brackets"] - 1][
        [text[at] == ")" for at in places["brackets"]]
    ].all()


def test_between_are_the_characters_where_the_animal_has_to_be_kept():
    text = "the cat sat (the dog hid) and purred. the hen clucked. the owl ate and hooted."
    places, animals = next_character_units.between(text)
    assert "".join(text[k] for k in places[animals == "cat"]) == "sat (the dog hid) and "
    assert "".join(text[k] for k in places[animals == "owl"]) == "ate and "
    assert set(animals) == {"cat", "owl"}  # nothing stands between the hen and her sound


def test_right_answers_are_counted_by_distance():
    right = np.array([True, False, True, True])
    counts = next_character_models.by_distance(right, np.array([20, 39, 40, 900]))
    assert counts == [[0, 0], [0, 0], [1, 2], [1, 1], [1, 1]]


def test_words_are_known_or_not():
    worth = next_character.worth("the cats barked and barked, xyzzy", "cats barked")
    assert worth == {"known": 3 / 4, "different": 3 / 4}
    pieces = next_character_models.worth_of_pieces("cats cats barks cats rest", "cats", length=10)
    assert pieces == {"known": 3 / 4, "different": 3 / 4}  # the rest is too short for a piece
    assert next_character.worth("a b", "a b") == {"known": 0, "different": 0}


def test_a_saved_model_is_nearly_the_same(small):
    model = build(LSTM)
    next_character.save("stories", model)
    loaded, alphabet = next_character.load("stories")
    assert alphabet.characters == next_character_models.corpus("stories").alphabet.characters
    numbers = alphabet.encode("the cat sat on the mat.")
    np.testing.assert_allclose(
        loaded.forward(numbers[:, None])[0], model.forward(numbers[:, None])[0], atol=5e-3
    )


@pytest.mark.slow
def test_the_whole_experiment_goes_on_after_a_kill_as_if_nothing_had_happened(small, monkeypatch):
    trained = []
    train = next_character_models.train

    def dies_after_seven(run):
        trained.append(run)
        if len(trained) == 8:
            raise KeyboardInterrupt
        return train(run)

    monkeypatch.setattr(next_character, "train", dies_after_seven)
    with pytest.raises(KeyboardInterrupt):
        command.main(["next_character"])
    assert not (small / "next_character.json").exists()
    command.main(["next_character"])
    assert len(trained) == 1 + len(set(trained))  # only the one that was killed comes twice
    result = json.loads((small / "next_character.json").read_text(encoding="utf-8"))
    assert not (small / "next_character.part").exists()
    check_form(result)
    assert json.loads(json.dumps(next_character.rounded(result))) == result
    for name in ("stories", "reference"):
        assert (small / f"next_character-{name}.npz").stat().st_size < 300_000


def settings(one):
    return one["model"], one["learning_rate"], one["decay"]


def mean_look(results, setting):
    return np.mean([min(one["looks"]) for one in results if settings(one) == setting])


def check_form(result):
    """Check that a record holds every run of the design, with what was chosen and why."""
    assert result["command"] == "python -m lstm_course.experiments next_character"
    for name in next_character.UPDATES:
        rows = result["counted"][name]["n-grams"]
        assert len(rows) == 2 * len(next_character_models.ORDERS)
        for model in ("LSTM", "plain"):
            runs = [
                one
                for one in result["runs"]
                if one["text"] == name and one["model"].startswith(model)
            ]
            assert [one["seed"] for one in runs] == list(next_character.SEEDS)
            mine = [
                one
                for one in result["tuning"]
                if (one["text"], one["model"].split(",")[0]) == (name, model)
            ]
            best = next_character.best_run(mine, name, model)
            assert {one["updates"] for one in mine} == {next_character.UPDATES[name]}
            assert not set(next_character.TUNING_SEEDS) & set(next_character.SEEDS)
            tried = {
                setting: [one["seed"] for one in mine if setting == settings(one)]
                for setting in map(settings, mine)
            }
            assert all(seeds == list(next_character.TUNING_SEEDS) for seeds in tried.values())
            starts, rates = next_character.STARTS[model], next_character.RATES[model]
            first = {(one, rate, next_character.DECAYS[0]) for one in starts for rate in rates}
            assert first <= set(tried)
            start = min(first, key=lambda setting: mean_look(mine, setting))
            second = {(*start[:2], decay) for decay in next_character.DECAYS}
            assert second <= set(tried)
            decay = min(first | second, key=lambda setting: mean_look(mine, setting))[2]
            third = {(start[0], rate, decay) for rate in rates}
            assert set(tried) == first | second | third
            assert settings(best._asdict()) == min(tried, key=lambda one: mean_look(mine, one))
            for one in runs:
                assert Run(*(one[field] for field in Run._fields)) == best._replace(
                    seed=one["seed"]
                )
                assert len(one["looks"]) == next_character_models.LOOKS
                assert ("told" in one) == (name == "stories")
                if name == "stories":
                    assert all(0 < p < 1 for p in one["told"]["quotation mark"])
                if name == "stories" and model == "LSTM":
                    units = one["recurrent units"]
                    assert sorted(one["told"]["animal"]["order"]) == list(range(units))
                    assert len(one["told"]["animal"]["forget gate"]) == units
                    for state in ("animal", "quotes", "brackets"):
                        assert len(one["told"][state]["fits"]) == units
                        assert len(one["told"][state]["harm"]) == units
                        assert 0 <= one["told"][state]["worst"]["unit"] < units
                    assert len(one["told"]["left"]) == len(one["told"]["taken out"])
                assert ("inside" in one) == (name == "reference")
                assert ("gates" in one) == (model == "LSTM")
                assert abs(one["parameters"] / runs[0]["parameters"] - 1) < 0.01
    assert len(result["excerpt"]) == 432


def test_the_record_holds_every_run_of_the_design():
    result = experiments.recorded("next_character")
    check_form(result)
    for one in result["runs"]:  # no rate that was chosen lies at an end of those that were tried
        rates = next_character.RATES[one["model"].split(",")[0]]
        assert min(rates) < one["learning_rate"] < max(rates)
    assert result["counted"]["reference"]["characters"] == [273060, 34133, 34133]
    for name in next_character.UPDATES:
        assert (experiments.RESULTS / f"next_character-{name}.npz").stat().st_size < 300_000


def test_the_saved_model_of_stories_is_the_one_of_the_record():
    model, alphabet = next_character.load("stories")
    one = next(
        one
        for one in experiments.recorded("next_character")["runs"]
        if (one["text"], one["model"][:4], one["seed"]) == ("stories", "LSTM", 0)
    )
    test = next_character_models.corpus("stories").test
    assert np.isclose(bits(model, alphabet.encode(test)).mean(), one["test"], atol=0.003)


def test_any_file_can_be_looked_at(small, tmp_path, capsys):
    (tmp_path / "a.txt").write_text(tasks.stories(10_000, rng=rng())[0], encoding="utf-8")
    command.main(["next_character", "--file", str(tmp_path / "a.txt")])
    printed = capsys.readouterr().out
    for name in ("xz", "LSTM, bias 1", "plain, uniform", "counting on", "learning on"):
        assert name in printed
    assert printed.count("-grams, ") == 1
    rows = next_character_models.searched(str(tmp_path / "a.txt"))
    best = min(rows, key=lambda row: row["validation"])
    assert f"{best['order']}-grams, {best['smoothing']}" in printed
    assert not (small / "next_character.json").exists()
    with pytest.raises(SystemExit):
        command.main(["next_character", "forecasting", "--file", "a.txt"])
    assert "--file works only with next_character" in capsys.readouterr().err

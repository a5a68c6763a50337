import numpy as np
import pytest

from lstm_course import experiments
from lstm_course.experiments import pronouns
from lstm_course.experiments.pronouns import Run
from lstm_course.fast import lstm_forward
from lstm_course.tasks.gender import (
    GENDER,
    OBJECT,
    PRONOUN,
    SUBJECT,
    WORDS,
    GenderStories,
    gender_stories,
)


@pytest.fixture
def small(monkeypatch):
    """The experiment with few stories and few updates."""
    for name, value in {
        "UPDATES": 24,
        "EVERY": 8,
        "STORIES": 64,
        "ASKED": 40,
        "RATES": (0.01,),
        "ALSO": (0.01, 0.02),
        "SEEDS": range(1),
        "TUNING_SEEDS": (100,),
    }.items():
        monkeypatch.setattr(pronouns, name, value)
    pronouns.drawn.cache_clear()
    yield
    pronouns.drawn.cache_clear()


def draw(N=60, T=49):
    return gender_stories(T, N, rng=np.random.default_rng(5))


def model(name="LSTM", seed=0):
    one = pronouns.build(Run(name, 0.01, seed))
    rng = np.random.default_rng(seed)
    for array in one.arrays[1:]:  # weights of some size, so that gates are not all alike
        array += rng.normal(0, 0.3, array.shape).astype(np.float32)
    if name == "no forget gate":
        one.recurrent.params[0].gate("f")[2][:] = 200
    return one


def test_models_are_of_about_one_size():
    sizes = [
        sum(a.size for a in pronouns.build(Run(name, 0.01, 0)).arrays) for name in pronouns.MODELS
    ]
    assert max(sizes) < 1.01 * min(sizes)


def test_the_gate_that_is_not_there_stays_away(small):
    trained, _ = pronouns.train(Run("no forget gate", 0.03, 0))
    fresh = pronouns.build(Run("no forget gate", 0.03, 0))
    gate, before = trained.recurrent.params[0].gate("f"), fresh.recurrent.params[0].gate("f")
    for now, was in zip(gate, before, strict=True):
        np.testing.assert_array_equal(now, was)  # its gradient is 0
    assert (pronouns.traces(trained, draw().words)["f"] == 1).all()
    assert not np.array_equal(trained.arrays[1], fresh.arrays[1])


def test_training_repeats_itself(small):
    run = Run("LSTM", 0.01, 3)
    (one, curve), (again, same) = pronouns.train(run), pronouns.train(run)
    assert curve == same
    assert len(curve) == 4  # after 8, 16, 20 and 24 updates
    for a, b in zip(one.arrays, again.arrays, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["LSTM", "plain"])
def test_traces_are_what_the_model_does(name):
    one, words = model(name), draw().words
    trace = pronouns.traces(one, words)
    np.testing.assert_allclose(trace["outputs"], one.forward(words, training=False)[0], atol=2e-3)
    if name == "LSTM":
        arrays = (array.astype(float) for array in one.recurrent.params[0].arrays())
        params = type(one.recurrent.params[0])(*arrays)
        _, _, cache = lstm_forward(one.embedding.table.astype(float)[words], params)
        np.testing.assert_allclose(trace["c"], cache.cs[1:], atol=1e-9)
        np.testing.assert_allclose(trace["c_prev"], cache.cs[:-1], atol=1e-9)
        np.testing.assert_allclose(trace["f"], cache.blocks[:-1, 1], atol=1e-9)


def test_gates_can_be_held_and_what_came_before_does_not_change():
    one, words = model(), draw().words
    fixed = np.full((*words.shape, pronouns.UNITS), np.nan)
    fixed[7, :, 2] = 0.25
    free, held = pronouns.traces(one, words), pronouns.traces(one, words, {"f": fixed})
    np.testing.assert_array_equal(held["f"][7, :, 2], 0.25)
    np.testing.assert_array_equal(free["c"][:7], held["c"][:7])
    expected = 0.25 * free["c"][6, :, 2] + (free["i"] * free["g"])[7, :, 2]
    np.testing.assert_allclose(held["c"][7, :, 2], expected)
    np.testing.assert_array_equal(np.delete(free["c"][7], 2, 1), np.delete(held["c"][7], 2, 1))


def test_the_right_pronoun_is_asked_against_the_one_in_its_place():
    stories = draw()
    outputs = np.zeros((48, 60, len(WORDS)))
    outputs[..., [pronouns.SHE, pronouns.HIS]] = 1.0  # she, but his
    correct = pronouns._agrees(outputs, stories)
    for t, n in np.argwhere(stories.kind == PRONOUN):
        said = WORDS[stories.words[t, n]]
        assert correct[t - 1, n] == (said in ("she", "his"))
    undecided = pronouns._agrees(np.zeros_like(outputs), stories)
    assert not undecided[stories.kind[1:] == PRONOUN].any()


def test_cells_hold_every_pronoun_once():
    stories = draw()
    rows = pronouns.cells(np.ones((48, 60)), stories)
    assert sum(row[4] for row in rows) == (stories.kind == PRONOUN).sum()
    assert all(row[3] == 1 for row in rows)
    assert len({tuple(row[:3]) for row in rows}) == len(rows)


def test_rules_are_right_where_the_grammar_says_so():
    stories = draw(400)
    asked = stories.kind[1:] == PRONOUN
    assert pronouns.last_gender(stories, (SUBJECT,))[asked].all()
    person = pronouns.last_gender(stories, (SUBJECT, OBJECT))
    every = pronouns.last_gender(stories, (SUBJECT, OBJECT, PRONOUN))
    assert person[asked].mean() < every[asked].mean() < 1
    rows = pronouns.cells(every, stories)
    assert all(share == 1 for _, _, other, share, _ in rows if not other)
    assert np.mean([share for _, _, other, share, _ in rows if other]) < 0.3


def test_counts_know_what_they_have_seen_and_no_more():
    def story(text):
        words = np.array([WORDS.index(word) for word in text.split()])[:, None]
        kind = np.where(np.isin(words, [pronouns.SHE, pronouns.HE]), PRONOUN, 0)
        return GenderStories(words, kind, np.sign(GENDER[words]))

    seen = story("Anna slept . she . slept . he and . she")
    gram = pronouns.NGram(seen, 4)
    asked = np.flatnonzero(seen.kind[1:, 0])
    np.testing.assert_array_equal(gram.right(seen)[asked, 0], 1)
    short = pronouns.NGram(seen, 2)  # after a full stop came she twice, and he once
    np.testing.assert_array_equal(short.right(seen)[asked, 0], [1, 0, 1])
    tie = pronouns.NGram(story("Anna . she Paul . he"), 2)
    assert tie.right(story("the . she"))[1, 0] == 0.5


def test_correlations_find_the_unit_that_follows_the_gender():
    stories = draw()
    states = np.random.default_rng(0).normal(size=(49, 60, 3))
    states[..., 1] -= 3 * stories.subject
    found = pronouns.correlations(states, stories.subject)
    assert found[1] < -0.9
    assert np.abs(found[[0, 2]]).max() < 0.1
    assert np.abs(pronouns._shuffled(states, stories)).max() < 0.15
    known = stories.subject != 0
    expected = np.corrcoef(states[known][:, 1], stories.subject[known])[0, 1]
    np.testing.assert_allclose(found[1], expected)
    np.testing.assert_array_equal(pronouns.correlations(np.ones_like(states), stories.subject), 0)


def test_a_unit_that_is_switched_off_has_one_value_for_all_others():
    stories = draw(10)
    for name in ("LSTM", "plain"):
        one = model(name)
        cut = pronouns.switched_off(one, 3, 0.5)
        table, W, U, b, V, v = (array.astype(float) for array in one.arrays)
        h = c = np.zeros((10, U.shape[1]))
        for words in stories.words:
            seen = h.copy()
            seen[:, 3] = 0.5  # from the first step on
            a = table[words] @ W.T + seen @ U.T + b
            if name == "plain":
                h = np.tanh(a)
            else:
                i, f, g, o = np.split(a, 4, axis=1)
                c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
                h = np.tanh(c) / (1 + np.exp(-o))
        read = h.copy()
        read[:, 3] = 0.5
        said = pronouns.traces(cut, stories.words)["outputs"][-1]
        np.testing.assert_allclose(said, read @ V.T + v, atol=1e-4)


def test_changes_are_new_subjects_and_the_first_is_none():
    stories = draw()
    same, other = pronouns.changes(stories)
    assert not (same & other).any()
    for n in range(60):
        places = np.flatnonzero(stories.kind[:, n] == SUBJECT)
        genders = stories.subject[places, n]
        for place, old, new in zip(places[1:], genders[:-1], genders[1:], strict=True):
            assert same[place, n] == (old == new)
            assert other[place, n] == (old != new)
        assert (same | other)[:, n].sum() == len(places) - 1


def test_the_first_pronoun_after_each_subject_is_asked():
    stories = draw()
    same, other = pronouns.next_pronouns(stories)
    for n in range(60):
        expected = {}
        waiting = None
        seen = 0
        for t in range(49):
            if stories.kind[t, n] == SUBJECT:
                waiting = None if not seen else "same" if seen == stories.subject[t, n] else "other"
                seen = stories.subject[t, n]
            elif stories.kind[t, n] == PRONOUN:
                if waiting:
                    expected[t - 1] = waiting
                waiting = None
        found = dict.fromkeys(np.flatnonzero(same[:, n]), "same")
        found |= dict.fromkeys(np.flatnonzero(other[:, n]), "other")
        assert found == expected


def test_what_is_forgotten_and_written_makes_the_change():
    stories, one = draw(300), model()
    trace = pronouns.traces(one, stories.words)
    seen = pronouns.watch(trace, stories, 4, -1.0)
    for name, events in zip(("same", "other"), pronouns.changes(stories), strict=True):
        part = seen[name]
        t, n = pronouns.around(events, stories.kind)
        assert part["number"] == len(t) > 20
        for k in range(1, pronouns.AFTER + 1):
            assert not np.isin(stories.kind[t + k, n], (SUBJECT, PRONOUN)).any()
        now = pronouns.BEFORE
        change = part["c"][now + pronouns.DURING - 1] - part["c"][now - 1]
        np.testing.assert_allclose(part["forgotten"] + part["written"], change, atol=3e-4)
        np.testing.assert_allclose(part["f"][now], trace["f"][t, n, 4].mean(), atol=1e-4)
        turn = -stories.subject[t, n]
        np.testing.assert_allclose(part["g"][0], (turn * trace["g"][t - 4, n, 4]).mean(), atol=1e-4)
        assert 0 < part["left"] < min(part["f"][now : now + pronouns.DURING])
    for pair in ("she, she", "he, she", "she, he", "he, he"):
        f, _, before, forgotten, written, after = seen[pair]
        np.testing.assert_allclose(forgotten + written, after - before, atol=3e-4)
        assert 0 < f < 1
    t, n = pronouns.around(pronouns.changes(stories)[1], stories.kind)
    to_her = stories.subject[t, n] == 1
    expected = [trace["f"][t, n, 4][to_her].mean(), -trace["c"][t - 1, n, 4][to_her].mean()]
    np.testing.assert_allclose([seen["he, she"][k] for k in (0, 2)], expected, atol=1e-4)
    steady = pronouns.watch(trace | {"f": np.full_like(trace["f"], 0.5)}, stories, 4, 1.0)
    assert steady["quiet"] == steady["same"]["left"] == 0.0625


def test_kinds_of_words_are_averaged_apart():
    stories, one = draw(300), model()
    trace = pronouns.traces(one, stories.words)
    kinds = pronouns.by_kind(trace, stories, 2, -1.0)
    f = trace["f"][..., 2]
    met = stories.kind == OBJECT
    differs = GENDER[stories.words] != stories.subject
    np.testing.assert_allclose(kinds["met, other"][0], f[met & differs].mean(), atol=1e-4)
    np.testing.assert_allclose(kinds["met, same"][0], f[met & ~differs].mean(), atol=1e-4)
    _, other = pronouns.changes(stories)
    np.testing.assert_allclose(kinds["subject, other"][0], f[other].mean(), atol=1e-4)
    for word, number in (("she", pronouns.SHE), ("his", pronouns.HIS)):
        np.testing.assert_allclose(kinds[word][0], f[stories.words == number].mean(), atol=1e-4)
    assert kinds["quiet"] != kinds["between"]
    change = -(stories.subject * (trace["c"] - trace["c_prev"])[..., 2])[pronouns.quiet(stories)]
    np.testing.assert_allclose(sum(kinds["quiet"][3:5]), change.mean(), atol=2e-4)


def test_hindering_changes_nothing_where_the_gate_is_there_already():
    stories, one = draw(), model("no forget gate")
    asked = pronouns.next_pronouns(stories)
    correct = pronouns.right(one, stories)
    free = [round(float(correct[mask].mean()), 4) for mask in asked]
    assert pronouns.hindered(one, stories, "f", 3) == free
    assert pronouns.hindered(one, stories, "f", 3, asked[::-1]) == free[::-1]
    assert any(pronouns.hindered(one, stories, "i", k) != free for k in range(pronouns.UNITS))


def test_quiet_words_are_far_from_every_cue():
    stories = draw()
    quiet = pronouns.quiet(stories)
    cue = np.isin(stories.kind, (SUBJECT, PRONOUN))
    for t, n in np.ndindex(*quiet.shape):
        near = cue[max(0, t - 3) : t + 1, n].any()
        assert quiet[t, n] == (not near and stories.subject[t, n] != 0)


def test_a_unit_is_left_alone_at_quiet_words_only():
    stories, one = draw(), model("no forget gate")
    cells = pronouns.left_alone(one, stories, 3)
    assert cells["does not write"] == cells["does nothing"]  # the gate is 1 already
    free = pronouns.cells(pronouns.right(one, stories), stories)
    assert cells["does nothing"] != free


def test_movement_of_one_unit_in_four_belongs_to_it():
    states = np.zeros((50, 3, 4))
    states[..., 0] = (np.arange(50) % 2)[:, None]
    states[25:, :, 1:] = 1.0
    found = pronouns.moved(states[24:27])  # all four move, then one
    assert found["rewritten"] == [5 / 8] * 4
    assert found["busiest"] == (1 / 4 + 1) / 2


def test_shuffled_moves_are_shared_out_as_if_units_moved_on_their_own():
    states = np.zeros((50, 200, 4))
    states[..., 0] = (np.arange(50) % 2)[:, None]
    together = np.random.default_rng(0).integers(0, 2, (50, 200, 1)).cumsum(axis=0) % 2
    states[..., 1:] = together  # three units move at the same steps
    found = pronouns.moved(states)
    np.testing.assert_allclose(found["busiest"], (1 / 4 + 1) / 2, atol=0.01)
    np.testing.assert_allclose(found["shuffled"], (1 + 3 / 2 + 3 / 3 + 1 / 4) / 8, atol=0.01)
    alone = np.random.default_rng(1).normal(size=(50, 200, 4)).cumsum(axis=0)
    found = pronouns.moved(alone)
    np.testing.assert_allclose(found["busiest"], found["shuffled"], atol=0.01)


def test_the_unit_is_the_one_that_is_needed_not_the_one_that_tells_most(small):
    one = pronouns.build(Run("LSTM", 0.01, 0))
    table, _, U, _, V, v = one.arrays
    for array in (U, V, v):
        array[...] = 0
    table[:, 0] = GENDER
    forget, candidate = (one.recurrent.params[0].gate(name) for name in "fg")
    for unit in (3, 5):
        candidate[0][unit] = 0
        candidate[0][unit, 0] = 3
    candidate[0][5, 1] = 2  # and something else
    forget[2][[3, 5]] = 1
    V[[pronouns.SHE, pronouns.HER], 5] = 1  # nothing reads unit 3
    found = pronouns.look_inside(one, Run("LSTM", 0.01, 0))
    assert np.abs(found["correlation"]).argmax() == 3
    assert found["unit"] == 5
    assert found["without"][3] == found["intact"] > found["without"][5] + 0.1
    stories = pronouns.drawn(pronouns.JUDGE)
    assert found["kinds"] == pronouns.by_kind(pronouns.traces(one, stories.words), stories, 5, 1.0)
    fresh = pronouns.traces(pronouns.build(Run("LSTM", 0.01, 0)), stories.words)["c"]
    at_start = np.abs(pronouns.correlations(fresh, stories.subject)).max()
    np.testing.assert_allclose(found["untrained"], at_start, atol=1e-4)


def test_histograms_hold_every_value():
    trace = pronouns.traces(model(), draw().words)
    for gate, shares in pronouns.histograms(trace).items():
        np.testing.assert_allclose(sum(shares), 1, atol=1e-3)
        np.testing.assert_allclose(shares[0], (trace[gate] < 0.05).mean(), atol=1e-3)


def test_the_best_rate_has_the_least_loss():
    rows = [("LSTM", 0.1, 1.5), ("LSTM", 0.1, 1.3), ("LSTM", 0.2, 1.35), ("plain", 0.3, 1.0)]
    names = ("model", "learning_rate", "loss")
    tuning = [dict(zip(names, row, strict=True)) for row in rows]
    assert pronouns.best_rate(tuning, "LSTM") == 0.2


@pytest.mark.slow
def test_a_small_experiment_is_measured_and_goes_on_after_a_kill(small, tmp_path, monkeypatch):
    kept = tmp_path / "gender.part"
    results = pronouns.measure(kept)
    assert set(results) == {"updates", "baselines", "tuning", "runs"}
    runs = [(one["model"], one["learning_rate"]) for one in results["runs"]]
    assert runs == [(name, 0.01) for name in pronouns.MODELS] + [("LSTM", 0.02)]
    for one in results["runs"]:
        assert ("watch" in one["inside"]) == (one["model"] != "plain")
    with np.load(tmp_path / "pronouns.npz", allow_pickle=False) as stored:
        trained, _ = pronouns.train(Run("LSTM", 0.01, 0))
        for array, name in zip(trained.arrays, stored.files, strict=True):
            np.testing.assert_array_equal(array, stored[name])
    lines = kept.read_text(encoding="utf-8").split("\n")
    kept.write_text("\n".join(lines[:-1]) + '\n{"model": "pl')  # killed while it wrote
    done = []
    result = pronouns._result
    monkeypatch.setattr(pronouns, "_result", lambda run: done.append(run) or result(run))
    assert pronouns.measure(kept) == results
    assert done == [Run("LSTM", 0.02, 0)]


def test_the_record_holds_every_run_of_the_design():
    record = experiments.recorded("pronouns")
    tuned = [(one["model"], one["learning_rate"], one["seed"]) for one in record["tuning"]]
    assert tuned == [
        (name, rate, seed)
        for name in pronouns.MODELS
        for rate in pronouns.RATES
        for seed in pronouns.TUNING_SEEDS
    ]
    assert not set(pronouns.SEEDS) & set(pronouns.TUNING_SEEDS)
    runs = [(one["model"], one["learning_rate"], one["seed"]) for one in record["runs"]]
    rates = {name: pronouns.best_rate(record["tuning"], name) for name in pronouns.MODELS}
    assert rates["LSTM"] not in pronouns.ALSO
    pairs = [*rates.items(), *(("LSTM", rate) for rate in pronouns.ALSO)]
    assert runs == [(*pair, seed) for pair in pairs for seed in pronouns.SEEDS]
    assert len(pronouns.SEEDS) >= 5
    assert record["updates"] == pronouns.UPDATES


def test_the_model_that_is_kept_is_the_one_of_the_record():
    one = next(one for one in experiments.recorded("pronouns")["runs"] if one["model"] == "LSTM")
    kept = pronouns.trained()
    judging = pronouns.drawn(pronouns.JUDGE)
    assert abs(pronouns.accuracy(kept, judging) - one["inside"]["intact"]) < 0.002
    states = pronouns.traces(kept, judging.words)["c"]
    found = pronouns.correlations(states, judging.subject)
    np.testing.assert_allclose(found, one["inside"]["correlation"], atol=0.01)

import numpy as np

from lstm_course import experiments
from lstm_course.experiments import digit_reading
from lstm_course.tasks.digits import SHEETS


def test_the_parts_of_a_fold_are_all_images_once():
    images, _ = digit_reading.digits()
    count = 0
    for fold in range(digit_reading.FOLDS):
        parts = digit_reading.parts(fold)
        assert sum(len(labels) for _, labels in parts) == len(images)
        rows = np.concatenate([part.reshape(-1, 64) for part, _ in parts])
        everything = images.reshape(-1, 64)
        np.testing.assert_array_equal(
            rows[np.lexsort(rows.T)], everything[np.lexsort(everything.T)]
        )
        held_out = parts.held_out[0]
        np.testing.assert_array_equal(held_out, images[count : count + len(held_out)])
        count += len(held_out)
        assert count in (*SHEETS, len(images))  # no sheet is divided
    assert count == len(images)
    mixed = digit_reading.parts(0, shuffled=True).held_out[0]
    assert not np.array_equal(mixed, digit_reading.parts(0).held_out[0])


def test_models_have_about_as_many_parameters():
    for form in digit_reading.FORMS:
        counts = [
            sum(array.size for array in digit_reading.build(form, model, 0).arrays)
            for model in digit_reading.LEARNING_RATES
        ]
        assert max(counts) < 1.02 * min(counts)
    one, other = (digit_reading.build("rows", f"LSTM, {state}", 3) for state in "ch")
    for a, b in zip(one.arrays, other.arrays, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one.reads, other.reads) == ("c", "h")


def test_a_run_repeats_itself_and_says_what_its_model_does():
    run = digit_reading.Run("rows", "LSTM, c", False, 4, 0.03)
    (model, result), (_, again) = (digit_reading.train(run, epochs=2) for _ in range(2))
    assert result == again
    held_out = digit_reading.digit_sequences(
        *digit_reading.parts(4).held_out, "rows", dtype=np.float32
    )
    assert round(digit_reading.right(model, held_out), 4) == result["held out"] > 0.2
    assert result["early"][-1] == result["held out"]
    half = digit_reading.right(model, held_out._replace(
        inputs=held_out.inputs[:4], targets=held_out.targets[-4:], mask=held_out.mask[-4:]
    ))  # fmt: skip
    assert round(half, 4) == result["early"][3]


def test_what_states_hold_is_asked_on_new_hands():
    one = digit_reading.inside(digit_reading.Run("rows", "LSTM, c", False, 2, 0.03), epochs=1)
    assert set(one["class"]) == {"trained", "untrained", "pixels"}
    for shares in (*one["class"].values(), *one["picture"].values()):
        assert len(shares) == 8
        assert max(shares) <= 1
    for shares in one["class"].values():
        assert shares[-1] > shares[0] > 0.15  # more rows, more known
    part = digit_reading.parts(2)
    flat, known = part.training[0].reshape(-1, 64), np.eye(10)[part.training[1]]
    said = digit_reading.ridge(flat, known)(part.held_out[0].reshape(-1, 64)).argmax(axis=1)
    assert round(np.mean(said == part.held_out[1]), 4) == one["class"]["pixels"][-1]


def test_ridge_finds_a_linear_map_and_takes_constant_columns():
    draws = np.random.default_rng(0)
    x = np.column_stack([draws.normal(size=(500, 3)), np.zeros(500)])
    y = x @ draws.normal(size=(4, 2)) + 7
    np.testing.assert_allclose(digit_reading.ridge(x, y, 1e-9)(x), y, atol=1e-6)


def test_the_record_holds_every_run_of_the_design():
    record = experiments.recorded("digit_reading")
    assert [one["fold"] for one in record["inside"]] == list(range(digit_reading.FOLDS))
    assert [
        digit_reading.Run(*(one[k] for k in digit_reading.Run._fields)) for one in record["runs"]
    ] == digit_reading.design()
    assert len(record["baselines"]) == 2 * digit_reading.FOLDS
    for one in record["runs"]:
        assert 1 <= one["chosen"][0] <= record["epochs"] == digit_reading.EPOCHS
        assert one["early"][-1] == one["held out"]
    for group in digit_reading.best_runs(record["runs"]).values():
        assert [one["fold"] for one in group] == list(range(digit_reading.FOLDS))
        for one in group:
            rivals = [
                other["chosen"][1]
                for other in record["runs"]
                if all(other[k] == one[k] for k in ("form", "model", "shuffled", "fold"))
            ]
            assert one["chosen"][1] == max(rivals)


def test_baselines_are_as_recorded():
    recorded = {
        (one["fold"], one["shuffled"]): one
        for one in experiments.recorded("digit_reading")["baselines"]
    }
    now = digit_reading.baselines(1, False)
    for name in ("logistic regression", "nearest neighbours"):
        assert abs(now[name]["held out"] - recorded[1, False][name]["held out"]) < 0.02

import json

import numpy as np
import pytest

from lstm_course import tasks

torch = pytest.importorskip("torch")
from lstm_course.experiments import (  # noqa: E402
    next_character_models,
    scripture,
    scripture_counts,
    scripture_models,
    scripture_reading,
)
from lstm_course.experiments.scripture_models import Network, Setting, Training  # noqa: E402
from lstm_course.models import NGrams  # noqa: E402

TINY = Setting(
    hidden=8, layers=1, embedding=4, dropout=0.0, updates=6, batch=4, chunk=10, fresh=0.1
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def short(monkeypatch, tmp_path):
    """A Bible of a few short chapters, and networks of a few units."""
    chapters = {one.split("\n")[0]: one for one in tasks.king_james()}
    names = [f"Psalms {k}" for k in (117, 134, 131, 123, 133, 127, 93, 125, 128, 120)]
    some = [chapters[name] for name in [*names * 2, "Psalms 150", "Matthew 28", "2 John 1"]]
    some += [chapters[name] for name in ("3 John 1", "Jude 1") for _ in range(9)]
    monkeypatch.setattr(tasks, "king_james", lambda: some)
    monkeypatch.setattr(scripture_reading, "king_james", tasks.king_james)
    monkeypatch.setattr(scripture_counts, "ORDERS", range(2, 4))
    monkeypatch.setattr(scripture_counts, "WORD_ORDERS", range(1, 3))
    monkeypatch.setattr(scripture_reading, "LENGTH", 20)
    monkeypatch.setattr(scripture_reading, "EVERY", 1)
    monkeypatch.setattr(scripture_reading, "PIECES", 2)
    monkeypatch.setattr(scripture_reading, "TAKEN_OUT", (1, 2))
    settings = {"large": TINY._replace(layers=2, fresh=0.0), "small": TINY}
    monkeypatch.setattr(scripture, "SETTINGS", settings)
    monkeypatch.setattr(scripture, "CONTEST", TINY._replace(characters=2000))
    monkeypatch.setattr(scripture, "BRIEF", 2)
    monkeypatch.setattr(scripture, "SEEDS", range(2))
    monkeypatch.setattr(scripture, "TUNING_SEEDS", range(100, 101))
    monkeypatch.setattr(scripture, "RESULTS", tmp_path)
    scripture_models.corpus.cache_clear()
    yield tmp_path
    scripture_models.corpus.cache_clear()


def training(setting=TINY, **options):
    numbers = np.random.default_rng(0).integers(0, 5, 300)
    return Training(setting, numbers, numbers[:200], 5, **options)


def weights(one):
    return torch.cat([parameter.detach().flatten() for parameter in one.network.parameters()])


def test_every_chapter_is_in_one_part():
    parts, chapters = scripture_models.corpus(), tasks.king_james()
    assert sum(map(len, parts)) == sum(map(len, chapters))
    assert sorted("".join(parts)) == sorted("".join(chapters))
    assert parts.test.startswith("Genesis 20\n")
    assert parts.validation.startswith("Genesis 10\n")
    assert all(0.045 < len(part) / sum(map(len, parts)) < 0.055 for part in parts[1:])


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "plain"])
def test_threads_share_a_batch_and_compute_the_same_update(kind):
    setting = TINY._replace(kind=kind, fresh=0.0)
    one, two = (training(setting, threads=k, half=False) for k in (1, 2))
    for each in (one, two):
        each.run(every=6)
    torch.testing.assert_close(weights(one), weights(two))
    assert not torch.equal(weights(one), weights(training(setting)))


def test_an_interrupted_training_goes_on_to_the_last_bit(tmp_path):
    setting = TINY._replace(layers=2, dropout=0.5)
    whole = training(setting)
    whole.run(every=2)
    file = tmp_path / "model.part"
    first = training(setting)
    first.run(file, every=2, minutes=0.0)  # no update is made
    first.save(file)
    for _ in range(3):
        part = training(setting)
        part.load(file)
        with scripture_models.ThreadPoolExecutor(1) as pool:
            part.step(pool)
            part.step(pool)
        part.save(file)
    assert torch.equal(weights(part), weights(whole))
    with pytest.raises(ValueError, match="was written with the Setting"):
        training(setting._replace(seed=1)).load(file)


def test_the_learning_rate_rises_and_falls_to_zero():
    one = training(TINY._replace(updates=1000, learning_rate=1.0))
    rates = []
    for one.update in range(1001):
        rates.append(one.rate())
    assert rates[0] == pytest.approx(0.01)
    assert 0.95 < max(rates) < 1
    assert rates.index(max(rates)) < 110
    assert rates[1000] == pytest.approx(0)


def test_batches_read_the_whole_text_in_order():
    one = training(TINY._replace(batch=3, chunk=11))
    seen = []
    for one.update in range(9):  # a round has (300 // 3 - 1) // 11
        numbers, begins = one.batch()
        assert begins == (one.update == 0)
        assert numbers.shape == (12, 3)
        if seen:
            assert torch.equal(numbers[0], seen[-1][-1])
        seen.append(numbers)
    one.update = 9
    assert one.batch()[1]


def test_numbers_of_verses_are_told_from_books():
    text = "1 Samuel 3\n1 And.\n2 But so.\n10 Or.\n\n2 John 1\n1 The.\n2 If.\n\n"
    starts, ends, distances = scripture_reading.verse_numbers(text)
    assert [text[a : b + 1] for a, b in zip(starts, ends, strict=True)] == ["2 ", "10 ", "2 "]
    assert distances[0] == len(" And.\n")
    kinds = scripture_reading.kinds(text)
    for kind, expected in {
        "heading": "1 Samuel 3\n\n2 John 1\n",
        "number": "1 2 10 1 2 ",
        "verse": "And.\nBut so.\nOr.\nThe.\nIf.\n\n",
    }.items():
        assert "".join(np.array(list(text))[kinds == kind]) == expected
    followed = scripture_reading.followed(text)
    assert followed["verse"][text.index("so")] == 2
    assert followed["last digit"][text.index("Or")] == "0"
    assert followed["New Testament"][text.index("And")] == 0
    assert followed["New Testament"][text.index("The")] == 1
    assert {len(one) for one in followed.values()} == {len(text)}


def test_words_cost_what_their_letters_and_their_place_cost():
    text = "the cat sat. the cat ate. the dog ran. "
    alphabet = "".join(sorted(set(text)))
    model = scripture_counts.WordNGrams(text, 2, alphabet)
    assert "".join(scripture_counts.tokens(text)) == text
    assert scripture_counts.words(text) == 9
    known, foreign = model.bits(" the cat"), model.bits(" the tac")
    assert foreign > known + 5
    encoded = model.encode([" the", " tac"])
    assert encoded[1] == scripture_counts.RARE
    assert isinstance(model.words, NGrams)
    assert model.bits(" tac") == pytest.approx(
        model.words.bits(scripture_counts.RARE).sum() + model.spelling.bits(" tac\0", "\0").sum()
    )


def test_a_copied_piece_is_found():
    assert scripture_reading.copied("xxthe catyythe ca", "in the cat sat") == "the cat"
    assert scripture_reading.copied("q", "in the cat sat") == ""


def test_a_converted_network_is_the_same():
    setting = TINY._replace(layers=2)
    network = Network(setting, 20).eval()
    numbers = np.random.default_rng(0).integers(0, 20, 50)
    with torch.no_grad():
        expected = network(torch.as_tensor(numbers[:-1, None]))[0].numpy()
    model = scripture_reading.converted(network)
    outputs, *_ = model.forward(numbers[:-1, None], training=False)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    bits, right = scripture_reading.read(network, numbers)
    np.testing.assert_allclose(bits, next_character_models.bits(model, numbers), atol=1e-4)
    np.testing.assert_array_equal(right, expected[:, 0].argmax(axis=-1) == numbers[1:])


def test_rivals_have_as_many_parameters():
    wanted = scripture.size(scripture_models.SETTINGS["small"])
    for kind in ("GRU", "plain"):
        setting = scripture.as_large(kind, scripture_models.SETTINGS["small"])
        assert scripture.size(setting) == pytest.approx(wanted, rel=0.01)


def test_a_grid_grows_until_its_best_rate_is_inside(monkeypatch, tmp_path):
    def tuned(setting):
        return {**setting._asdict(), "validation": abs(np.log2(setting.learning_rate / 0.064))}

    monkeypatch.setattr(scripture, "tuned", tuned)
    rate, runs = scripture.rate_chosen(TINY, (0, 1), tmp_path / "kept.part")
    assert rate == 0.064
    assert len(runs) == 2 * 7
    assert max(run["learning_rate"] for run in runs) == 0.128


def test_everything_is_measured_and_resumed(short, monkeypatch):
    monkeypatch.setattr(
        scripture, "rate_chosen", lambda setting, seeds, kept: (0.01, [scripture.tuned(setting)])
    )
    kept = short / "scripture.part"
    results = scripture.measure(kept)
    json.dumps(results)
    assert list(results["models"]) == ["LSTM", "GRU", "plain"]
    assert len(results["contest"]["GRU"]["runs"]) == 2
    assert results["counted"]["alphabet"] == len(scripture_models.corpus().alphabet)
    assert len(results["LSTM"]) == 6
    assert len(results["units"]["harm"]) == 8
    assert sorted(results["units"]["order"]) == [*range(8)]
    model, alphabet = scripture.load()
    assert alphabet.characters == scripture_models.corpus().alphabet.characters
    test = "\n\n" + scripture_models.corpus().test
    bits = next_character_models.bits(model, alphabet.encode(test))[1:]
    assert bits.mean() == pytest.approx(results["models"]["LSTM"]["judged"]["test"], abs=0.01)
    assert sorted(path.name for path in short.iterdir()) == ["scripture.npz", "scripture.part"]

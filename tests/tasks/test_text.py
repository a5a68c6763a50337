import numpy as np
import pytest

from lstm_course import tasks


def rng(seed=0):
    return np.random.default_rng(seed)


def test_text_survives_its_alphabet_and_windows_want_the_next_character():
    text = tasks.python_reference()
    alphabet = tasks.Alphabet(text)
    numbers = alphabet.encode(text)
    assert alphabet.decode(numbers) == text
    assert set(np.unique(numbers)) == set(range(len(alphabet)))
    inputs, targets, *_ = tasks.windows(numbers, 20, 300, rng=rng())
    assert inputs.shape == targets.shape == (20, 300)
    np.testing.assert_array_equal(inputs[1:], targets[:-1])
    for n in range(300):
        assert alphabet.decode([*inputs[:, n], targets[-1, n]]) in text


def test_windows_reach_both_ends_of_a_text():
    inputs, targets, *_ = tasks.windows(np.arange(5), 2, 200, rng=rng())
    assert set(inputs[0]) == {0, 1, 2}
    assert targets.max() == 4


def test_no_paragraph_comes_twice_and_tables_are_left_out():
    text = tasks.python_reference()
    distinct = tasks.distinct_paragraphs(text)
    assert tasks.distinct_paragraphs(distinct) == distinct
    paragraphs = [" ".join(one.split()) for one in distinct.split("\n\n")]
    assert len(paragraphs) == len(set(paragraphs))
    assert set(paragraphs) < {" ".join(one.split()) for one in text.split("\n\n")}
    assert 0.6 * len(text) < len(distinct) < 0.9 * len(text)  # it does repeat itself
    assert "+--" not in distinct
    assert tasks.distinct_paragraphs("a\n\n\n\nb\n\n a") == "a\n\nb\n"


def test_quotes_and_brackets_are_open_once_they_are_read():
    text = '(a "b) (c" d)\n\n"e\n\nf ) ((g) h\n\ni'
    quotes = "".join("01"[int(state)] for state in tasks.quoted(text))
    assert quotes == "0001111110000" + "00" + "1110" + "0" * (len(text) - 19)
    depth = [bool(state) for state in tasks.bracketed(text)]
    assert (
        "".join(c for c, inside in zip(text, depth, strict=True) if inside) == '(a "b(c" d((g) h\n'
    )
    np.testing.assert_array_equal(tasks.columns("\nab\n\nc"), [0, 1, 2, 0, 0, 1])


def test_a_text_is_read_whatever_the_editor_and_the_locale(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffça va ?\r\noui\rnon\n".encode())
    assert tasks.read_text(path) == "ça va ?\noui\nnon\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("é".encode("latin-1"), "is not UTF-8 from byte 0 on"),
        (b"", "is empty, expected a text"),
        ("\ufeff".encode(), "is empty, expected a text"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_no_text_gets_one_sentence(content, sentence, tmp_path):
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        tasks.read_text(path)


@pytest.mark.parametrize(
    ("numbers", "error", "sentence"),
    [
        ([-1], ValueError, "numbers holds -1, expected 0 to 5"),
        ([0, 99], ValueError, "numbers holds 99, expected 0 to 5"),
        ([0.5], TypeError, "numbers must be an array of whole numbers, got dtype float64"),
    ],
)
def test_what_is_no_number_of_a_character_is_refused(numbers, error, sentence):
    with pytest.raises(error, match=sentence):
        tasks.Alphabet("the cat").decode(numbers)


def test_rare_and_foreign_characters_are_marked_as_unknown():
    alphabet = tasks.Alphabet("aabbc", min_count=2)
    assert alphabet.characters == "ab\ufffd"
    np.testing.assert_array_equal(alphabet.encode("abcz"), [0, 1, 2, 2])
    assert alphabet.decode(alphabet.encode("abcz")) == "ab\ufffd\ufffd"
    assert alphabet.decode([2]) == tasks.Alphabet.unknown
    assert tasks.Alphabet("aabb", min_count=2).decode([2]) == "\ufffd"  # nothing was rare


def test_an_alphabet_made_of_its_characters_is_the_same():
    alphabet = tasks.Alphabet("aabbc", min_count=2)
    again = tasks.Alphabet(alphabet.characters)
    assert again.characters == alphabet.characters
    np.testing.assert_array_equal(again.encode("abcz"), alphabet.encode("abcz"))


def test_nothing_decodes_to_nothing():
    assert tasks.Alphabet("the cat").decode([]) == ""

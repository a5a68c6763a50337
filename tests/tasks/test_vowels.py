import subprocess
import sys

import numpy as np
import pytest

from lstm_course import tasks


def test_the_vowels_are_those_that_their_docstring_states():
    training, test = tasks.japanese_vowels()
    assert np.bincount(training.speakers).tolist() == [30] * 9
    assert np.bincount(test.speakers).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    xs = training.xs + test.xs
    assert {x.shape[1] for x in xs} == {12}
    assert [min(map(len, xs)), max(map(len, xs))] == [7, 29]
    assert all(np.isfinite(x).all() for x in xs)
    np.testing.assert_allclose(training.xs[0][0, :3], [1.860936, -0.207383, 0.261557])
    np.testing.assert_allclose(training.xs[0][1, 0], 1.891651)


def test_the_baseline_without_listening():
    _, test = tasks.japanese_vowels()
    assert round(np.bincount(test.speakers).max() / len(test.xs), 2) == 0.24


def test_reading_the_vowels_imports_nothing_of_sktime():
    code = (
        "import sys; from lstm_course import tasks; tasks.japanese_vowels(); "
        "print('sktime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_sktime_one_sentence_says_what_to_install(monkeypatch):
    module = sys.modules["lstm_course.tasks.vowels"]
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="the vowels come with sktime: pip install sktime"):
        tasks.japanese_vowels()

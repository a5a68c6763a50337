import numpy as np
import pytest

from lstm_course.tasks import gender
from lstm_course.tasks.gender import OBJECT, OTHER, PRONOUN, SUBJECT, WORDS


def draw(T=60, N=400, seed=0, **settings):
    return gender.gender_stories(T, N, rng=np.random.default_rng(seed), **settings)


def test_vocabulary_knows_the_gender_of_persons_and_pronouns():
    assert len(set(WORDS)) == len(WORDS)
    assert gender.GENDER[[WORDS.index(word) for word in ("Anna", "queen", "she", "her")]].min() == 1
    assert gender.GENDER[[WORDS.index(word) for word in ("Paul", "king", "he", "his")]].max() == -1
    assert np.abs(gender.GENDER).sum() == len(gender.WOMEN) + len(gender.MEN) + 4
    assert gender.GENDER[WORDS.index("the")] == 0


def test_pronouns_follow_the_last_subject_whoever_was_met_since():
    words, kind, subject = draw()
    told = gender.GENDER[words]
    assert (words[0] == WORDS.index(".")).all()
    assert (subject[0] == 0).all()
    for n in range(words.shape[1]):
        last = 0
        for t in range(len(words)):
            if kind[t, n] == SUBJECT:
                last = told[t, n]
            assert subject[t, n] == last
            if kind[t, n] == PRONOUN:
                assert told[t, n] == last
    assert (told[kind == OTHER] == 0).all()
    assert (told[kind != OTHER] != 0).all()
    pronouns = {WORDS[k] for k in np.unique(words[kind == PRONOUN])}
    assert pronouns == {"she", "he", "her", "his"}


def test_subjects_change_their_gender_half_of_the_time_and_objects_have_one_of_their_own():
    words, kind, subject = draw()
    old = np.concatenate([np.zeros_like(subject[:1]), subject[:-1]])
    new = (kind == SUBJECT) & (old != 0)
    assert abs(np.mean((old == subject)[new]) - 0.5) < 0.04
    assert abs(np.mean(subject[new] == 1) - 0.5) < 0.04
    assert abs(np.mean((gender.GENDER[words] == subject)[kind == OBJECT]) - 0.5) < 0.04


def test_nobody_meets_themselves_and_no_subject_follows_itself():
    stories = draw(N=50)
    for words, kinds in zip(stories.words.T, stories.kind.T, strict=True):
        person = ""
        for word, kind in zip(gender.read(words).split(), kinds, strict=True):
            if kind in (SUBJECT, OBJECT):
                assert word != person
            if kind == SUBJECT:
                person = word


def test_cues_are_counted_as_by_hand():
    stories = draw(T=16, N=1, seed=299)
    text = ". Emma met Jonas in spring and found her book . Julia fed her coat ."
    assert gender.read(stories.words[:, 0]) == text
    steps, others = gender.since_cue(stories)
    np.testing.assert_array_equal(steps[:, 0], [0, 0, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 1, 2, 1, 2])
    np.testing.assert_array_equal(others[:, 0], [0] * 4 + [1] * 5 + [0] * 7)


def test_probabilities_set_how_often_subjects_and_pronouns_come():
    silent = draw(N=100, change=0, pronoun=0)
    assert ((silent.kind == SUBJECT).sum(axis=0) == 1).all()
    assert np.isin(silent.words, [WORDS.index("she"), WORDS.index("he")]).sum() == 0
    crowded = draw(N=100, change=1.0, pronoun=0)
    assert (crowded.words != WORDS.index("it")).all()
    assert (crowded.kind == SUBJECT).mean() > 0.12


def test_draws_depend_on_the_generator_alone_and_sizes_are_kept():
    one, again, other = draw(T=20, N=3), draw(T=20, N=3), draw(T=20, N=3, seed=1)
    for a, b in zip(one, again, strict=True):
        assert a.shape == (20, 3)
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one.words, other.words)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"change": -0.1}, "change must be from 0 to 1, got -0.1"),
        ({"pronoun": "often"}, "pronoun must be from 0 to 1, got 'often'"),
        ({"change": 0.6, "pronoun": 0.5}, "change and pronoun are 1.1 together"),
        ({"T": 0}, "T must be at least 1"),
        ({"N": 0}, "N must be at least 1"),
    ],
)
def test_settings_out_of_range_are_told(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        draw(**settings)


def test_what_is_no_generator_or_no_word_is_told():
    with pytest.raises(TypeError, match="rng"):
        gender.gender_stories(5, 1, rng=0)
    with pytest.raises(ValueError, match="words holds -1, expected 0 to"):
        gender.read(np.array([0, -1]))

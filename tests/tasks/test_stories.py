import re
from collections import Counter

import numpy as np

from lstm_course import tasks
from lstm_course.tasks.stories import SOUNDS


def rng(seed=0):
    return np.random.default_rng(seed)


def test_what_a_story_is_worth_is_the_probability_of_its_choices():
    text, bits = tasks.stories(300_000, rng=rng())
    assert len(text) == len(bits) >= 300_000
    assert text.endswith("\n")
    assert (bits > -1e-12).all()
    after = {}  # frequencies after contexts that say all there is to say
    for context in (".\n", " and ", "the cow lay on the ", ". the owl "):
        places = [one.end() for one in re.finditer(re.escape(context), text)]
        after[context] = places
        counts = Counter(text[t] for t in places if t < len(text))
        if context != " and ":
            for t in places[:200]:
                if t < len(text):
                    share = counts[text[t]] / sum(counts.values())
                    assert np.isclose(2 ** -bits[t], share, rtol=0.2), (context, text[t])
    assert (bits[after[" and "]] < 1e-12).all()  # the sound follows from the animal
    assert np.isclose(bits.mean(), 0.38, atol=0.01)


def test_stories_keep_their_animal_and_close_what_they_open():
    text, _ = tasks.stories(50_000, rng=rng())
    animals, named, sounds = tasks.endings(text)
    assert len(animals) == sum(text.count(f"{sound}.") for sound in SOUNDS.values()) > 1000
    assert text.count(" and ") == (sounds - named > 2).sum()
    assert set(animals) == set(SOUNDS)
    for animal, at, sound in zip(animals, named, sounds, strict=True):
        assert text[at - 6 : at + 2] == f"the {animal} "
        assert text[sound:].startswith(SOUNDS[animal] + ".")
        sentence = text[at:sound]
        assert "." not in sentence
        assert sentence.count("(") == sentence.count(")")
    for line in text.splitlines():
        assert line.count('"') in (0, 2)
        assert (line.count('"') == 2) == (" said the " in line)
    assert 0.1 < (sounds - named > 40).mean() < 0.2  # some have to be remembered for long
    assert len({sound[0] for sound in SOUNDS.values()}) == len(SOUNDS)
    again, _ = tasks.stories(50_000, rng=rng())
    assert again == text != tasks.stories(50_000, rng=rng(1))[0]

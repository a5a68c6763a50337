"""The grammar of number agreement, and the reader of the public tables."""

import csv
import gzip
from collections import Counter

import numpy as np
import pytest

from lstm_course import tasks
from lstm_course.tasks.agreement import EXAMPLE, NOUNS, WORDS, Sentence, encode

PREPOSITIONS, ADVERBS = {"near", "behind", "beside"}, {"already", "often", "quietly"}
INTRANSITIVE, TRANSITIVE = {"ate", "slept", "ran"}, {"chased", "saw", "heard"}
ADJECTIVES = {"full", "hungry", "tired", "happy"}
NUMBER = dict.fromkeys(NOUNS, False) | dict.fromkeys(NOUNS.values(), True)


def rng(seed=0):
    return np.random.default_rng(seed)


class Parser:
    """Reads what the docstring of `agreement` allows, and nothing else."""

    def __init__(self, words):
        self.words, self.at, self.pairs, self.depth = words, 0, [], 0

    def take(self, allowed):
        word = self.words[self.at]
        assert word in allowed, (word, self.words)
        self.at += 1
        return word

    def next_in(self, allowed):
        return self.words[self.at] in allowed

    def noun_phrase(self, bare=False, depth=0):
        self.take({"the"})
        place = self.at
        self.take(NUMBER)
        if not bare and self.next_in(PREPOSITIONS):
            self.place(depth)
        elif not bare and self.next_in({"which"}):
            self.clause(depth)
        return place

    def place(self, depth):
        self.take(PREPOSITIONS)
        self.noun_phrase(depth=depth)

    def clause(self, depth):
        self.take({"which"})
        if self.next_in({"the"}):
            self.depth = max(self.depth, depth + 1)
            subject = self.noun_phrase(bare=depth > 0, depth=depth + 1)
            if self.next_in({"was", "were"}):
                return self.agree(subject, PREPOSITIONS)
            self.next_in(ADVERBS) and self.take(ADVERBS)
            self.take(TRANSITIVE)
        else:
            self.next_in(ADVERBS) and self.take(ADVERBS)
            if self.take(INTRANSITIVE | TRANSITIVE) in TRANSITIVE:
                return self.noun_phrase(depth=depth)
        if self.next_in(PREPOSITIONS):
            self.place(depth)
        return None

    def agree(self, subject, after):
        self.pairs.append((subject, self.at))
        assert self.take({"was", "were"}) == ("was", "were")[NUMBER[self.words[subject]]]
        self.take(after)

    def sentence(self):
        if self.next_in(PREPOSITIONS):
            self.take(PREPOSITIONS)
            self.noun_phrase(bare=True)
        self.agree(self.noun_phrase(), ADJECTIVES)
        self.take({"."})
        assert self.at == len(self.words)
        return self


def test_every_sentence_is_of_the_grammar_and_agrees_inside_and_out():
    depths = Counter()
    for one in tasks.agreement(1500, rng=rng(), more=0.7, distances=(1, 60)):
        parser = Parser(one.words).sentence()
        assert parser.pairs[-1] == (one.subject, one.verb)
        depths[parser.depth] += 1
        assert one.plural == NUMBER[one.words[one.subject]]
        between = [NUMBER[w] for w in one.words[one.subject + 1 : one.verb] if w in NUMBER]
        assert one.between == len(between)
        assert one.attractors == between.count(not one.plural)
        assert one.distance == one.verb - one.subject
    assert set(depths) == {0, 1, 2}


def test_sentences_are_what_was_asked_for():
    sentences = tasks.agreement(3000, rng=rng(), distances=(4, 9))
    assert len(sentences) == 3000
    assert {one.distance for one in sentences} == {4, 5, 6, 7, 8, 9}
    assert abs(np.mean([one.plural for one in sentences]) - 0.5) < 0.04
    fronted = np.mean([one.words[0] != "the" for one in sentences])
    assert abs(fronted - 0.2) < 0.03
    attracted = [one.attractors / one.between for one in sentences if one.between]
    assert abs(np.mean(attracted) - 0.5) < 0.03  # numbers are independent
    assert {word for one in sentences for word in one.words} == set(WORDS)
    assert len(set(WORDS)) == len(WORDS)
    short = tasks.agreement(50, rng=rng(), more=0)
    assert {one.distance for one in short} == {1}
    assert tasks.agreement(5, rng=rng(3)) == tasks.agreement(5, rng=rng(3))


def test_was_or_were_asks_before_the_verb():
    sentences = tasks.agreement(40, rng=rng(), distances=(1, 9))
    inputs, targets, mask, lengths, _ = tasks.was_or_were(sentences)
    assert inputs.shape == targets.shape == mask.shape == (lengths.max(), 40)
    for n, one in enumerate(sentences):
        read = [WORDS[k] for k in inputs[: lengths[n], n]]
        assert read == [".", *one.words[: one.verb]]
        assert not inputs[lengths[n] :, n].any()
        assert mask[:, n].nonzero()[0].tolist() == [lengths[n] - 1]
        assert WORDS[targets[lengths[n] - 1, n]] == one.words[one.verb]


def test_the_example_table_is_read_as_its_tags_say():
    sentences = tasks.read_agreement(EXAMPLE)
    with EXAMPLE.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(sentences) == len(rows) == 10
    assert len(rows[0]) == 18
    for one, row in zip(sentences, rows, strict=True):
        tags = row["pos_sentence"].split()
        assert list(one.words) == row["sentence"].split()
        assert len(tags) == len(one.words)
        assert one.words[one.subject] == row["subj"]
        assert one.words[one.verb] == row["verb"]
        assert tags[one.subject] == row["subj_pos"] == ("NN", "NNS")[one.plural]
        assert tags[one.verb] == row["verb_pos"]
        between = [t for t in tags[one.subject + 1 : one.verb] if t in ("NN", "NNS")]
        assert one.between == len(between)
        assert one.attractors == sum(tag != row["subj_pos"] for tag in between)
        assert row["last_intervening"] == (between[-1] if between else "na")
    assert sentences[7].words[-3:] == ('"', "never", '"')  # quoted in the file
    assert max(one.attractors for one in sentences) == 3


def test_a_packed_table_is_read_too_and_other_columns_do_not_matter(tmp_path):
    packed = tmp_path / "table.tsv.gz"
    packed.write_bytes(gzip.compress(EXAMPLE.read_bytes()))
    assert tasks.read_agreement(packed) == tasks.read_agreement(EXAMPLE)
    lean = tmp_path / "lean.tsv"
    names = ("distance", "sentence", "verb_pos", "subj_index", "verb_index")
    names += ("n_intervening", "n_diff_intervening")
    lean.write_text("\t".join(names) + "\r\n1\tcats run\tVBP\t1\t2\t0\t0\r\n")
    assert tasks.read_agreement(lean) == [Sentence(("cats", "run"), 0, 1, True, 0, 0)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"verb_pos": "VBD"}, "line 2: verb_pos is 'VBD', expected VBZ or VBP"),
        ({"subj_index": "two"}, "line 2: subj_index is 'two', expected a whole number"),
        ({"distance": None}, "line 2: distance is None, expected a whole number"),
        ({"subj_index": "0"}, "line 2: subj_index is 0 and verb_index 6, expected two places"),
        ({"verb_index": "8"}, "line 2: subj_index is 2 and verb_index 8, .* among 7 words"),
        ({"sentence": ""}, "expected two places in their order among 0 words"),
        ({"distance": "3"}, "line 2: distance is 3, expected 6 - 2"),
        ({"n_diff_intervening": "1"}, "line 2: n_diff_intervening is 1, expected at most 0"),
    ],
)
def test_a_row_that_contradicts_itself_is_named(tmp_path, change, sentence):
    row = {
        "sentence": "the cat which already ate is full",
        "verb_pos": "VBZ",
        "subj_index": "2",
        "verb_index": "6",
        "n_intervening": "0",
        "n_diff_intervening": "0",
        "distance": "4",
    }
    path = tmp_path / "table.tsv"

    def write(row):
        values = [value for value in row.values() if value is not None]
        path.write_text("\t".join(row) + "\n" + "\t".join(values) + "\n")

    write(row)
    assert tasks.read_agreement(path)[0].distance == 4
    write(row | change)
    with pytest.raises(ValueError, match=sentence):
        tasks.read_agreement(path)
    del row["n_intervening"]
    write(row)
    with pytest.raises(
        ValueError, match="has no column n_intervening, expected sentence, verb_pos"
    ):
        tasks.read_agreement(path)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: tasks.agreement(0, rng=rng()), ValueError, "N must be at least 1, got 0"),
        (lambda: tasks.agreement(1, rng=0), TypeError, "rng must be a numpy.random.Generator"),
        (lambda: tasks.agreement(1, rng=rng(), more=0.9), ValueError, "more must be from 0 to 0.8, got 0.9"),
        (lambda: tasks.agreement(1, rng=rng(), distances=(5, 4)), ValueError, r"distances is \(5, 4\), and no sentence"),
        (lambda: tasks.agreement(1, rng=rng(), distances=(2, 2)), ValueError, "no sentence has such a distance"),
        (lambda: tasks.agreement(1, rng=rng(), more=0, distances=(2, 9)), ValueError, "no sentence has such a distance"),
        (lambda: tasks.agreement(1, rng=rng(), distances=(0, 4)), ValueError, "distances must be at least 1, got 0"),
        (lambda: tasks.was_or_were([]), ValueError, "sentences is empty, expected at least one"),
        (lambda: encode(["the", "dragon"]), ValueError, "words holds 'dragon', which is not in the vocabulary"),
        (lambda: tasks.was_or_were(tasks.read_agreement(EXAMPLE)[2:3]), ValueError, "words holds 'bell'"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_a_quotation_mark_that_is_never_closed_opens_a_sentence(tmp_path):
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    row = lines[1].split("\t")
    row[names.index("sentence")] = '" ' + row[names.index("sentence")]
    for name in ("subj_index", "verb_index"):
        row[names.index(name)] = str(int(row[names.index(name)]) + 1)
    path = tmp_path / "table.tsv"
    path.write_text("\n".join([lines[0], "\t".join(row), *lines[2:]]), encoding="utf-8")
    found, expected = tasks.read_agreement(path), tasks.read_agreement(EXAMPLE)
    assert found[1:] == expected[1:]
    assert found[0].words == ('"', *expected[0].words)


DAMAGED = {
    "cut.tsv.gz": gzip.compress(b"a" * 500, mtime=0)[:-20],
    "other.tsv.gz": b"no gzip at all",
    "latin.tsv": b"\xff\xfe",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_gets_one_sentence(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(DAMAGED[name])
    with pytest.raises(ValueError, match=rf"{name} cannot be read: "):
        tasks.read_agreement(path)

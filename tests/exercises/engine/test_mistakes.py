"""A sentence stands once, and a mistake that questions share stands in the library."""

import ast
import difflib
import itertools
import re
from collections import Counter

import pytest

from conftest import ROOT
from lstm_course.exercises import QUESTIONS
from lstm_course.exercises.engine.mistakes import GROUPS, LIBRARY, each, in_order, said, shared

SOURCES = sorted((ROOT / "lstm_course" / "exercises").rglob("*.py"))
TREES = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
LONG = 40
ALIKE = 0.9


def long_texts():
    """Return where each long literal stands, but for those that stand as statements."""
    found = {}
    for name, tree in TREES.items():
        alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text and len(node.value) >= LONG and id(node) not in alone:
                found.setdefault(node.value, []).append(f"{name}:{node.lineno}")
    return found


TEXTS = long_texts()


def sentences(question):
    exam = question.exam
    more = (getattr(exam, name, {}) for name in ("properties", "demands"))
    return [*exam.mistakes, *itertools.chain(*more)]


@pytest.mark.parametrize("key", LIBRARY)
def test_two_questions_or_more_use_a_mistake_of_the_library(key):
    form = re.sub(r"\\{\w+\\}", ".+", re.escape(LIBRARY[key].sentence))
    users = [
        name
        for name, one in QUESTIONS.items()
        if any(re.fullmatch(form, s) for s in sentences(one))
    ]
    assert len(users) >= 2, users


def test_a_key_stands_in_one_group():
    counts = Counter(itertools.chain(*GROUPS))
    assert [key for key, count in counts.items() if count > 1] == []
    assert len({mistake.sentence for mistake in LIBRARY.values()}) == len(LIBRARY)


def test_a_sentence_stands_once():
    assert {text: places for text, places in TEXTS.items() if len(places) > 1} == {}


def test_no_two_sentences_say_the_same_in_other_words():
    alike = []
    for one, other in itertools.combinations(TEXTS, 2):
        pair = difflib.SequenceMatcher(None, one, other, autojunk=False)
        if pair.real_quick_ratio() > ALIKE and pair.quick_ratio() > ALIKE and pair.ratio() > ALIKE:
            alike.append((TEXTS[one], one, TEXTS[other], other))
    assert alike == []


def test_no_function_has_many_switches():
    many = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and len(node.args.kwonlyargs) > 10
    ]
    assert many == []


def test_no_name_of_several_files_is_told():
    named = [
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "told"
    ]
    assert named == []


def test_wrong_parts_are_built_into_answers():
    built = shared(lambda a: ("built", a), "only-x", "inputs-added")
    assert [len(answers) for answers in built.values()] == [1, 3]
    assert all(kind == "built" for answers in built.values() for kind, _ in answers)
    assert said("only-x", 1, 2) == {LIBRARY["only-x"].sentence: (1, 2)}
    with pytest.raises(KeyError):
        shared(lambda a: a, "nothing-of-that-name")


def test_sentences_that_differ_in_words():
    made = each("The {} is {}.", {("gate", "open"): (1,), ("cell", "empty"): (2, 3)})
    assert made == {"The gate is open.": (1,), "The cell is empty.": (2, 3)}


@pytest.mark.parametrize(
    ("order", "start"),
    [
        ("ifog", "You take the slices in the order i, f, o, g. Whose."),
        ("figo", "Either you take the slices in the order f, i, g, o, or you mix up i and f where"),
        ("igfo", "You take the slices in the order i, g, f, o. Whose."),
        ("ofgi", "Either you take the slices in the order o, f, g, i, or you mix up i and o where"),
    ],
)
def test_slices_in_another_order(order, start):
    assert in_order(order, "ifgo", "Whose.").startswith(start)

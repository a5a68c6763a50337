"""What the grader and a guest say to each other; the guest is a process of the same interpreter."""

import contextlib
import copy
import inspect
import json
import math
import os
import queue
import struct
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.exercises.engine.feedback import Raised, Stopped
from lstm_course.exercises.engine.products import counted, counting
from lstm_course.exercises.engine.watching import SILENCERS, is_of_the_package, watching
from lstm_course.grading import course, remote, wire
from lstm_course.grading.remote import Conversation, Remote
from lstm_course.grading.sandbox import Ended, Guest
from lstm_course.grading.wire import Handle, Opaque, decode, encode

PIPES = """
import os, struct
source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
def exchange(message):
    sink.write(struct.pack("<I", len(message)) + message)
    sink.flush()
    length = source.read(4)
    return source.read(*struct.unpack("<I", length)) if length else os._exit(0)
from lstm_course.grading import guest
guest.serve(exchange)
"""
FORBIDDEN = (lc.lstm_step, lc.tanh, lc.LSTM)
PRELUDE = "import numpy as np\nimport lstm_course as lc\n"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    course.write(folder, FORBIDDEN)
    return folder


@contextlib.contextmanager
def running(package):
    """Run a guest, and carry its messages as the sandbox does."""
    guest = Guest()
    path = os.pathsep.join([str(package), str(Path(np.__file__).parent.parent)])
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", PIPES],
        env={**os.environ, "PYTHONPATH": path},
        cwd=package,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )

    def carry():
        with contextlib.suppress(OSError):
            while length := process.stdout.read(4):
                reply = guest._door(process.stdout.read(*struct.unpack("<I", length)))
                process.stdin.write(struct.pack("<I", len(reply)) + reply)
                process.stdin.flush()
        guest._requests.put(None)

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()
    try:
        yield guest
    finally:
        guest.dismiss()
        process.kill()
        process.wait()
        thread.join()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()


@contextlib.contextmanager
def answering(package, *cells, question="q"):
    """Have cells run; return the conversation, the answer, whether there is one, remarks."""
    with running(package) as guest:
        conversation = Conversation(guest, FORBIDDEN)
        yield conversation, *conversation.answer_to(question, [PRELUDE, *cells])


LEARNER = """
import sys, warnings

class Home(Exception):
    pass

class Mute(Exception):
    def __str__(self):
        raise ValueError

def echo(value):
    return value

def several(x, h, c=None):
    return x + h, [x, {"h": h}], c

def odd(*more):
    return {1, 2}, 1j, object, None, ..., np.float32(1), lambda x: x + 1

def outcome(kind):
    print("before", kind)
    if kind == "zero":
        return 1 / 0
    if kind == "deep":
        return outcome("zero")
    raise {"key": KeyError("k"), "home": Home("m" * 400), "mute": Mute(), "exit": SystemExit(3),
           "stop": KeyboardInterrupt(), "stub": NotImplementedError("later"), "stub class": NotImplementedError,
           "memory": MemoryError(), "end": StopIteration(), "recursion": RecursionError("r")}[kind]

def change(array, listed, named, kept):
    array[0] = 5
    listed[1][:] = 6
    named["a"] += 7
    return kept

def change_and_fail(array):
    array[:] = 9
    raise ValueError

def grow(listed):
    listed.append(np.ones(1))
    return 0

def set_number(listed):
    listed[0] = 5
    return 0

def set_function(listed):
    listed[0] = lambda x: x + 1
    return 0

def set_named(named):
    named["a"] = 5
    named["b"] = 6
    return 0

def set_in_tuple(pair):
    pair[0][:] = 5
    return 0

def talk(text, times):
    for _ in range(times):
        print(text)
        print(text, file=sys.stderr)
    return 0

def overflow(x):
    return np.exp(x)

def warn(*texts):
    for text in texts:
        warnings.warn(text, RuntimeWarning)
    warnings.warn("old", DeprecationWarning)
    warnings.warn("soon", FutureWarning)
    return 0

def silence(x):
    with np.errstate(all="ignore"):
        return np.exp(x)

def filter_all(x):
    warnings.simplefilter("ignore")
    return np.exp(x)

def product(W, x):
    return W @ x + W @ x

def product_before_and_after(W, x, call):
    W @ x
    W @ x
    call(lambda: W @ x)
    return 0

def step():
    size = np.zeros((1, 1))
    return lc.lstm_step(size, size, size, lc.LSTMParams(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4)))

def layer():
    return lc.LSTM(2, 2, rng=np.random.default_rng(0))

def apply(f, *arguments):
    return f(*arguments)

def apply_safely(f, *arguments):
    try:
        return f(*arguments)
    except Exception as error:
        return str(error)

def apply_to_own(f, x):
    return f(lambda y: y + 1, x)

def back_and_forth(f, n):
    return n if n == 0 else 1 + f(back_and_forth, n - 1)

def name_of(f):
    return f.__name__, callable(f)

def adder(n):
    def add(x):
        return x + n
    return add

def inner_error(f):
    def own():
        raise KeyError("mine")
    return f(own)
"""
NAMES = [
    line.split("(")[0].removeprefix("def ")
    for line in LEARNER.splitlines()
    if line.startswith("def ")
]
CHECK = f"lc.check('q', {{{', '.join(f'{name!r}: {name}' for name in NAMES)}}})"


@pytest.fixture(scope="module")
def guest_of_the_module(package):
    with answering(package, LEARNER, CHECK) as (conversation, answer, found, remarks):
        assert (found, remarks) == (True, [])
        yield conversation, answer


@pytest.fixture
def conversation(guest_of_the_module):
    guest_of_the_module[0].refused = ""
    return guest_of_the_module[0]


@pytest.fixture
def learner(guest_of_the_module, conversation):
    return guest_of_the_module[1]


def alike(one, other):
    return type(one) is type(other) and repr(one) == repr(other)


# Calls and results


@pytest.mark.parametrize(
    "value",
    [
        None,
        ...,
        True,
        0,
        -(2**62),
        0.1,
        -0.0,
        math.inf,
        math.nan,
        "text σ",
        "",
        [],
        (),
        {},
        [1, (2.5, [None]), {"a": {"b": "c"}}],
        np.arange(6.0).reshape(2, 3).T,
        np.zeros((0, 3)),
        np.array(2.0),
        np.array([1 + 2j]),
        np.array([True, False]),
        np.arange(3, dtype=">i2").astype("i2"),
        np.float32(0.1),
        np.bool_(True),
        np.int8(-3),
    ],
    ids=repr,
)
def test_plain_values_go_there_and_come_back(learner, value):
    assert alike(learner["echo"](value), value)


def test_several_results(learner):
    x, h = np.ones(2), np.array([1.0, 2.0])
    came = learner["several"](x, h)
    assert alike(came, (x + h, [x, {"h": h}], None))
    assert learner["several"](x, h, "c")[2] == "c"


def test_results_that_are_no_plain_data_keep_the_name_of_their_type(learner):
    *others, function = learner["odd"](1, 2, 3)
    assert [type(one).__name__ for one in others] == [
        *("set", "complex", "Remote", "NoneType", "ellipsis", "float32")
    ]
    assert not isinstance(others[0], set)
    assert function(np.ones(2)).tolist() == [2, 2]


def test_a_function_that_comes_back_can_be_called(learner):
    add = learner["adder"](3)
    assert isinstance(add, Remote)
    assert add(4) == 7
    assert learner["adder"](5)(4) == 9
    assert add(4) == 7


def test_a_function_is_called_by_position_only(learner):
    with pytest.raises(TypeError, match="keyword"):
        learner["echo"](value=1)
    with pytest.raises(Raised, match="missing 1 required positional argument: 'value'") as error:
        learner["echo"]()
    assert error.value.name == "TypeError"


def test_a_function_looks_like_the_learners(learner):
    assert learner["several"].__name__ == "several"
    assert str(inspect.signature(learner["several"])) == "(x, h, c=None)"
    inspect.signature(learner["odd"]).bind(1, 2, 3)
    assert copy.deepcopy({"f": learner["echo"]})["f"] is learner["echo"]
    assert callable(learner["echo"])
    assert learner["echo"].__module__ == "__main__"
    assert not is_of_the_package(learner["echo"])


@pytest.mark.parametrize(
    ("parameters", "required"),
    [
        (("x", "x"), 2),
        (("for",), 1),
        (("not a name",), 1),
        (("",), 1),
        (("x",), -1),
        (("x", "y"), 99),
        ((), 2**62),
    ],
)
def test_parameters_that_cannot_be_are_survived(parameters, required):
    made = Remote(Conversation(Guest(), ()), Handle(0, "f", "m", parameters, required))
    assert len(inspect.signature(made).parameters) <= 2


# Errors


@pytest.mark.parametrize(
    ("kind", "name", "text", "line"),
    [
        ("zero", "ZeroDivisionError", "division by zero", "return 1 / 0"),
        ("deep", "ZeroDivisionError", "division by zero", "return 1 / 0"),
        ("key", "KeyError", "'k'", "raise {"),
        ("home", "Home", "m" * 300, "raise {"),
        ("mute", "Mute", "", "raise {"),
        ("exit", "SystemExit", "3", "raise {"),
        ("stop", "KeyboardInterrupt", "", "raise {"),
        ("memory", "MemoryError", "", "raise {"),
        ("end", "StopIteration", "", "raise {"),
        ("recursion", "RecursionError", "r", "raise {"),
    ],
)
def test_errors_come_with_type_text_and_line(learner, capsys, kind, name, text, line):
    with pytest.raises(Raised) as error:
        learner["outcome"](kind)
    raised = error.value
    assert (raised.name, str(raised), raised.passed_on) == (name, text, False)
    assert raised.line.startswith(line)
    assert capsys.readouterr().out.startswith(f"before {kind}\n")
    assert learner["echo"](1) == 1  # and it goes on


@pytest.mark.parametrize(("kind", "text"), [("stub", "later"), ("stub class", "")])
def test_a_stub_raises_what_a_stub_raises(learner, kind, text):
    with pytest.raises(NotImplementedError) as error:
        learner["outcome"](kind)
    assert str(error.value) == text


# What a call leaves behind


def test_changed_arguments_are_written_back(learner):
    array, listed, named, kept = np.zeros(2), [np.ones(1), np.ones(2)], {"a": np.ones(1)}, [1]
    inside = listed[1], named["a"]
    assert learner["change"](array, listed, named, kept) == [1]
    assert array.tolist() == [5, 0]
    assert [one.tolist() for one in listed] == [[1], [6, 6]]
    assert named["a"].tolist() == [8]
    assert listed[1] is inside[0]
    assert named["a"] is inside[1]
    assert kept == [1]


def test_what_is_changed_before_an_error_is_written_back(learner):
    array = np.zeros(2)
    with pytest.raises(Raised):
        learner["change_and_fail"](array)
    assert array.tolist() == [9, 9]


def test_a_list_that_grows_is_written_back(learner):
    listed = [np.zeros(1)]
    learner["grow"](listed)
    assert [one.tolist() for one in listed] == [[0], [1]]


def test_what_is_not_changed_is_left_alone(learner):
    array = np.zeros(2)
    array.flags.writeable = False
    assert alike(learner["echo"](array), np.zeros(2))


@pytest.mark.parametrize(
    ("name", "argument", "changed"),
    [
        ("set_number", [1, 2], [5, 2]),
        ("set_named", {"a": 1}, {"a": 5, "b": 6}),
        ("set_in_tuple", (np.zeros(1), 1), (np.full(1, 5.0), 1)),
    ],
)
def test_changes_other_than_to_arrays_are_written_back(learner, name, argument, changed):
    learner[name](argument)
    assert alike(argument, changed)


def test_printed_text_is_printed_here(learner, capsys):
    learner["talk"]("σ", 2)
    assert capsys.readouterr() == ("σ\n" * 4, "")
    learner["talk"]("long " * 10, 1000)
    assert capsys.readouterr().out == (("long " * 10 + "\n") * 1000)[:2000]
    learner["echo"](1)
    assert capsys.readouterr().out == ""


def caught(function, *arguments):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        function(*arguments)
    return [(one.category, str(one.message)) for one in found]


def test_warnings_are_given_again(learner):
    found = caught(learner["overflow"], np.array([1e4]))
    assert {category for category, _ in found} == {RuntimeWarning}
    assert {text for _, text in found} == {"overflow encountered in exp"}
    assert caught(learner["overflow"], np.zeros(1)) == []
    assert caught(learner["overflow"], np.array([-1e4])) == []  # an underflow is none


def test_warnings_of_a_run_are_given_again_but_no_others_and_not_endlessly(learner):
    assert caught(learner["warn"], "one", "m" * 400) == [
        (RuntimeWarning, "one"),
        (RuntimeWarning, "m" * 300),
    ]
    assert len(caught(learner["warn"], *map(str, range(50)))) == 10


@pytest.mark.parametrize(
    ("name", "function"), [("silence", np.errstate), ("filter_all", warnings.simplefilter)]
)
def test_silenced_warnings_are_reported(learner, name, function):
    with watching(SILENCERS) as called:
        caught(learner[name], np.array([1e4]))
    assert function in called
    with watching(SILENCERS) as called:
        learner["echo"](1)
    assert called == []


def test_a_silenced_overflow_is_silent(learner):
    assert caught(learner["silence"], np.array([1e4])) == []


def test_products_are_counted_here(learner):
    W, x = counted(np.eye(2), "W"), np.ones(2)
    with counting() as found:
        assert learner["product"](W, x).tolist() == [2, 2]
        learner["echo"](W)
    assert found == [(frozenset({"W"}), 1)] * 2


def test_products_around_a_nested_call_are_counted_once(learner):
    W, x = counted(np.eye(2), "W"), np.ones(2)
    with counting() as found:
        learner["product_before_and_after"](W, x, lambda f: f())
    assert found == [(frozenset({"W"}), 1)] * 3


def test_functions_that_are_not_allowed_are_noted(learner, conversation):
    assert learner["echo"](1) == 1
    assert conversation.refused == ""
    with pytest.raises(Raised, match=r"^lstm_course\.cell\.lstm_step$") as error:
        learner["step"]()
    assert error.value.name == "Refused"
    assert conversation.refused == "lstm_course.cell.lstm_step"
    with pytest.raises(Raised):
        learner["apply"](lambda: learner["step"]())
    assert conversation.refused == "lstm_course.cell.lstm_step"


def test_classes_that_are_not_allowed_are_noted(learner, conversation):
    with pytest.raises(Raised, match=r"^lstm_course\.layers\.LSTM\.__init__$"):
        learner["layer"]()
    assert conversation.refused == "lstm_course.layers.LSTM"


# Functions that are passed to the learner's


def test_a_function_of_ours_is_called(learner):
    given = []

    def ours(*arguments):
        given.append(arguments)
        return 2 * arguments[0]

    x = np.ones(2)
    assert learner["apply"](ours, x, (1, "a")).tolist() == [2, 2]
    ((array, rest),) = given
    assert array is not x
    assert alike((array, rest), (x, (1, "a")))
    assert learner["name_of"](ours) == ("ours", True)
    assert learner["apply"](lambda: None) is None
    assert learner["apply"](lambda: {"value": 1, "error": 2}) == {"value": 1, "error": 2}


def test_our_function_calls_the_learners(learner):
    assert learner["apply_to_own"](lambda f, x: 10 * f(f(x)), 3) == 50
    assert learner["back_and_forth"](lambda f, n: f(ours, n), 0) == 0


def ours(f, n):
    return f(ours, n)


def test_calls_are_nested_deeply(learner):
    assert learner["back_and_forth"](ours, 12) == 12


def test_what_is_printed_in_between_comes_in_order(learner, capsys):
    assert learner["apply_to_own"](lambda f, x: print("ours") or f(x), 1) == 2
    learner["apply"](lambda: learner["talk"]("theirs", 1))
    assert capsys.readouterr().out == "ours\n" + "theirs\n" * 2


def failing(*arguments):
    raise ValueError("not so")


def test_an_error_in_our_function_is_ours(learner):
    with pytest.raises(Raised) as error:
        learner["apply"](failing)
    assert (error.value.name, str(error.value)) == ("ValueError", "not so")
    assert error.value.passed_on
    assert error.value.line == "return f(*arguments)"
    assert learner["apply_safely"](failing) == "not so"
    assert learner["apply_safely"](lambda: "m" * 3) == "mmm"
    with pytest.raises(Raised, match="missing 1 required positional") as error:
        learner["apply"](lambda x: x)
    assert (error.value.name, error.value.passed_on) == ("TypeError", True)


def test_an_error_of_the_learners_in_our_function_is_passed_through(learner):
    with pytest.raises(Raised, match="mine"):
        learner["inner_error"](lambda f: f())
    assert learner["inner_error"](lambda f: 3) == 3


def test_a_function_of_the_learners_is_not_handed_back_to_them(learner, conversation):
    with pytest.raises(Ended):
        learner["echo"]([learner["echo"]])


# What is checked


def test_the_last_answer_that_was_checked_counts_as_it_was_then(package):
    cells = (
        "x = np.zeros(2)\nlc.check('q', 'first')",
        "lc.check('other', 3)\nprint('not seen')",
        "1 / 0",
        "syntax error",
        "raise SystemExit('m' * 400)",
        "lc.check('q', {'x': x, 'f': lambda: x.tolist()})\nx += 1",
        "assert input('?') == ''\nassert __name__ == '__main__'",
        "import matplotlib",
    )
    with answering(package, *cells) as (_, answer, found, remarks):
        assert alike(answer["x"], np.zeros(2))
        assert answer["f"]() == [1, 1]
        assert found is True
    beginnings = ("ZeroDivisionError: division by zero", "SyntaxError: ", "SystemExit: ")
    expected = [
        f"Code cell {k} stopped: {one}" for k, one in zip((4, 5, 6), beginnings, strict=True)
    ]
    assert len(remarks) == 3
    assert all(map(str.startswith, remarks, expected))
    assert max(map(len, remarks)) < 350


def test_an_answer_that_is_no_plain_data_keeps_the_name_of_its_type(package):
    with answering(package, "lc.check('q', lc.example.params)") as (_, answer, *_):
        assert type(answer).__name__ == "LSTMParams"


def test_nothing_is_checked(package):
    with answering(package, "answer = 3", "lc.check('another', 3)") as (_, *said):
        assert said == [None, False, ["No cell that could be run calls lc.check for q."]]
    with answering(package, "lc.check('q', None)\nlc.check('q', ...)") as (_, *said):
        assert said == [None, False, []]


def test_a_file_of_arrays_is_an_answer(package):
    cells = (
        "np.savez('made', np.ones(1), W=np.zeros((2, 1)))\nlc.check('q', 'made.npz')",
        "assert not __import__('os').path.exists('made.npz')",
    )
    with answering(package, *cells) as (_, answer, found, remarks):
        assert (found, remarks) == (True, [])
        assert alike(answer, {"W": np.zeros((2, 1)), "arr_0": np.ones(1)})


def test_a_guest_that_ends_in_a_cell(package):
    with pytest.raises(Ended) as end, answering(package, "__import__('os')._exit(0)"):
        pass
    assert end.value.status == "crashed"


@pytest.mark.parametrize(
    "code", ["__import__('os')._exit(0)", "f(lambda: __import__('os')._exit(1))"]
)
def test_a_guest_that_ends_in_the_middle(package, code):
    with answering(package, f"lc.check('q', lambda f: {code})") as (_, answer, *_):
        for _ in range(2):  # and nobody waits for it the second time
            with pytest.raises(Ended) as end:
                answer(lambda f: f())
            assert end.value.status == "crashed"


def test_a_handle_that_the_guest_does_not_have_ends_it(package):
    with answering(package, "lc.check('q', [abs])") as (conversation, answer, *_):
        assert answer[0](-3) == 3
        with pytest.raises(Ended):
            conversation.call(99, ())


# Replies that somebody hostile has written


def as_written(one):
    return encode(one, lambda function: pytest.fail(f"{function!r} was taken for a function"))


def hearing(*said):
    """A conversation with a guest that says just this; and what the guest is told."""
    guest = Guest()
    for one in said:
        guest._requests.put(one if isinstance(one, bytes) else as_written(one))
    guest._requests.put(None)
    return Conversation(guest, FORBIDDEN), guest


def told(guest):
    messages = []
    with contextlib.suppress(queue.Empty):
        while True:
            messages.append(decode(guest._replies.get_nowait()))
    return messages


READY = {"say": "ready"}
ANSWER = {"say": "answer", "answer": 3, "found": True, "called": True, "remarks": []}


def test_what_is_said_about_a_question():
    conversation, guest = hearing(READY, {**ANSWER, "remarks": ["one", 2, None, *"x" * 30]})
    assert conversation.answer_to("q", ["cell"]) == (3, True, ["one", "2", "None", *"x" * 17])
    assert told(guest) == [{"question": "q", "cells": ["cell"]}]


@pytest.mark.parametrize("odd", [None, 1, "True", [True], {}, Opaque("bool")], ids=repr)
def test_an_answer_is_found_only_if_that_is_said(odd):
    for field in ({"found": odd}, {"found": False}):
        conversation, _ = hearing(READY, {**ANSWER, **field})
        assert conversation.answer_to("q", []) == (3, False, [])
    for field in ({"called": odd}, {"called": False}, {"called": odd, "remarks": odd}):
        conversation, _ = hearing(READY, {**ANSWER, **field})
        answer, found, remarks = conversation.answer_to("q", [])
        assert (answer, found) == (3, True)
        assert remarks[0] == "No cell that could be run calls lc.check for q."


@pytest.mark.parametrize(
    "said",
    [
        [],
        [b""],
        [b"\n"],
        [b"null\n"],
        [None],
        [[READY]],
        [3],
        ["ready"],
        [{}],
        [{"say": None}],
        [{"say": ["ready"]}],
        [{"said": "ready"}],
        [{"say": "answer"}],
        [ANSWER],
        [READY],
        [READY, READY],
        [READY, {"say": "ask", "function": 0, "arguments": []}],
        [READY, {"say": "result", "result": 3}],
        [READY, as_written(ANSWER) + b"\0"],
    ],
    ids=repr,
)
def test_an_answer_that_cannot_be_read_ends_the_conversation(said):
    conversation, _ = hearing(*said)
    with pytest.raises(Ended) as end:
        conversation.answer_to("q", [])
    assert end.value.status == "crashed"


BROKEN = (b"", b"\n", b"{}\n", b"null\n", b"\xff\n", as_written({"say": "result"})[:-2])


@pytest.mark.parametrize("reply", [*BROKEN, {}, {"say": 3}, {"result": 3}, [1], 3], ids=repr)
def test_a_reply_that_cannot_be_read_ends_the_conversation(reply):
    conversation, guest = hearing(reply, {"say": "result", "result": 3})
    for _ in range(2):
        with pytest.raises(Ended):
            conversation.call(0, ())
    assert guest.ended


@pytest.mark.parametrize("reply", [b'"text"\n', b"[]\n", b"0.5\n", b'{"d": [["say", "result"]]}\n'])
def test_json_that_is_no_message_ends_the_conversation(reply):
    conversation, _ = hearing(reply)
    with pytest.raises(Ended):
        conversation.call(0, ())


def test_what_the_sandbox_knows_of_the_end_is_said():
    conversation, guest = hearing()
    guest.status = "timed out"
    with pytest.raises(Ended) as end:
        conversation.call(0, ())
    assert end.value.status == "timed out"
    assert isinstance(end.value, Stopped)  # no `except Exception` holds it


@pytest.mark.parametrize("number", [-1, 1, 99, 2**62, "0", 0.0, None, True, [0], Opaque("f")])
def test_functions_that_were_never_passed_cannot_be_called(number):
    said = {"say": "ask", "function": 0, "arguments": []}
    conversation, _ = hearing(said, {**said, "function": number}, {"say": "result", "result": 1})
    called = []
    with pytest.raises(Ended):
        conversation.call(0, (called.append, lambda: called.append(1))[1:])
    assert called == [1]


@pytest.mark.parametrize("arguments", [None, 3, "text", {"a": 1}])
def test_arguments_that_are_none_are_no_arguments(arguments):
    said = {"say": "ask", "function": 0, "arguments": arguments}
    conversation, guest = hearing(said, {"say": "result", "result": 1})
    assert conversation.call(5, (lambda *given: given,)) == 1
    assert told(guest) == [
        {"function": 5, "arguments": (Handle(0, "<lambda>"),)},
        {"value": ()},
    ]


ODD = (
    [[[["W"]], 0]],
    [[[np.zeros(2)], 0]],
    None,
    True,
    3,
    -0.5,
    "text",
    [[]],
    [None, 3],
    {"a": 1},
    {"0": "text"},
    Opaque("thing"),
)


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("field", ["changed", "warnings", "silenced", "products"])
def test_what_a_reply_says_beside_its_result_is_passed_over(field, odd):
    array, listed = np.zeros(2), [np.zeros(1)]
    conversation, _ = hearing({"say": "result", "result": 3, field: odd})
    with counting() as found, watching(SILENCERS) as called:
        assert conversation.call(0, (array, listed)) == 3
    assert sum(one.products for one in found) == 0
    assert called == []
    assert not array.any()
    assert len(listed) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"3": np.ones(2)},
        {"-1": np.ones(2)},
        {"x": np.ones(2)},
        {"": np.ones(2)},
        {"²": np.ones(2)},
        {"0": np.ones(3)},
        {"0": np.ones((2, 2, 2))},
        {"0": [1, 1]},
        {"0": {"a": 1}},
        {"0": Handle(0)},
        {"1": np.ones(1)},
        {"1": {"0": np.ones(1)}},
        {"2": np.ones(1)},
    ],
    ids=repr,
)
def test_changes_that_cannot_have_been_made_are_not_made(changed):
    given = np.zeros(2), [np.zeros(1)], {"a": np.zeros(1)}
    conversation, _ = hearing({"say": "result", "result": 3, "changed": changed})
    assert conversation.call(0, given) == 3
    assert repr(given) == repr((np.zeros(2), [np.zeros(1)], {"a": np.zeros(1)}))


@pytest.mark.parametrize(
    ("argument", "changed"),
    [
        ([np.zeros(1)], [np.ones(3)]),
        ([np.zeros(1)], []),
        ([np.zeros(1), 1], [np.ones(1), "text", None]),
        ([(np.zeros(1), 1)], [(np.ones(1), 2)]),
        ({"a": np.zeros(1)}, {"a": "text"}),
        ({"a": np.zeros(1)}, {"other": np.ones(1)}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2, "c": 3}]}),
        (([1], {"a": 1}, np.zeros(1)), ([2, 3], {}, np.ones(1))),
    ],
    ids=repr,
)
def test_what_cannot_be_overwritten_in_place_is_replaced(argument, changed):
    conversation, _ = hearing({"say": "result", "result": 3, "changed": {"0": changed}})
    assert conversation.call(0, (argument,)) == 3
    assert alike(argument, changed)


def test_a_replaced_array_loses_nothing_to_the_dtype_of_the_old_one():
    listed = [np.zeros(1, int)]
    conversation, _ = hearing({"say": "result", "result": 3, "changed": {"0": [np.array([0.5])]}})
    conversation.call(0, (listed,))
    assert listed[0].tolist() == [0.5]


@pytest.mark.parametrize(
    "field",
    [
        {"changed": {"1" * 5000: 3}},
        {"silenced": [np.zeros(2)]},
    ],
    ids=lambda field: repr(field)[:30],
)
def test_a_hostile_field_is_passed_over_or_ends_the_conversation(field):
    conversation, _ = hearing({"say": "result", "result": 3, **field})
    with contextlib.suppress(Ended):
        assert conversation.call(0, (1,)) == 3


@pytest.mark.parametrize("say", ["ready", "answer", "nonsense", ""])
def test_a_reply_that_says_something_else_ends_the_conversation(say):
    conversation, _ = hearing({"say": say, "result": 3})
    with pytest.raises(Ended):
        conversation.call(0, ())


def test_an_error_that_says_nothing_is_still_one():
    for more in ({}, {"type": None, "text": [3], "line": {}, "asked": 1}):
        conversation, _ = hearing({"say": "error", **more})
        with pytest.raises(Raised) as error:
            conversation.call(0, ())
        assert {type(one) for one in (error.value.name, error.value.line)} == {str}
        assert not error.value.passed_on


def test_long_texts_of_an_error_are_cut_off():
    long = "m" * 10_000
    conversation, _ = hearing({"say": "error", "type": long, "text": long, "line": long})
    with pytest.raises(Raised) as error:
        conversation.call(0, ())
    assert (len(error.value.name), len(str(error.value)), len(error.value.line)) == (500,) * 3


@pytest.mark.parametrize(
    ("name", "text", "refused"),
    [
        ("Refused", "lstm_course.pointwise.tanh", "lstm_course.pointwise.tanh"),
        ("Refused", "lstm_course.pointwise.sigmoid", ""),
        ("Refused", "numpy.exp, says the learner", ""),
        ("Refused", "", ""),
        ("ValueError", "lstm_course.pointwise.tanh", ""),
    ],
)
def test_only_what_the_question_forbids_can_be_refused(name, text, refused):
    conversation, _ = hearing({"say": "error", "type": name, "text": text})
    with pytest.raises(Raised):
        conversation.call(0, ())
    assert conversation.refused == refused


@pytest.mark.parametrize(
    "kind", ["LSTMParams", "set", "None", "class", "no name", "", "a.b", "<x>"]
)
def test_things_that_are_no_plain_data_become_things_of_that_name(kind):
    pairs = [["say", {"s": "result"}], ["result", {"l": [{"o": kind}]}]]
    conversation, _ = hearing(json.dumps({"d": pairs}).encode() + b"\n")
    (came,) = conversation.call(0, ())
    assert type(came).__name__ == (kind if kind.isidentifier() else "Opaque")
    assert type(came) not in (set, type(None))


def test_arguments_that_are_too_large_end_the_conversation(monkeypatch):
    monkeypatch.setattr(wire, "MOST_BYTES", 1000)
    conversation, guest = hearing({"say": "result", "result": 3})
    with pytest.raises(Ended):
        conversation.call(0, (np.zeros(1000),))
    assert told(guest) == []


def test_results_of_ours_that_are_too_large_end_the_conversation(monkeypatch):
    monkeypatch.setattr(wire, "MOST_BYTES", 1000)
    conversation, _ = hearing({"say": "ask", "function": 0, "arguments": []})
    with pytest.raises(Ended):
        conversation.call(0, (lambda: np.zeros(1000),))


def asked_with(*arguments):
    """What a guest is told that calls our function with these arguments."""
    said = {"say": "ask", "function": 0, "arguments": arguments}
    conversation, guest = hearing(said, {"say": "result", "result": 1})
    conversation.call(0, (lambda *given: len(given),))
    return told(guest)[1]


def test_a_function_of_ours_is_given_so_many_numbers(monkeypatch):
    monkeypatch.setattr(remote, "MOST_NUMBERS", 10)
    assert asked_with(np.zeros((2, 4)), 1, [2]) == {"value": 3}
    for arguments in ((np.zeros(11),), (np.zeros(6), np.zeros((1, 5))), ([0] * 11,)):
        assert asked_with(*arguments) == {"error": "ValueError", "text": "more than 10 numbers"}


def test_numbers_in_a_dictionary_are_numbers_too(monkeypatch):
    monkeypatch.setattr(remote, "MOST_NUMBERS", 10)
    assert "error" in asked_with({"a": np.zeros(11)})


def test_a_function_of_ours_is_given_arrays_of_different_sizes():
    assert asked_with([np.zeros(2), np.zeros(3)]) == {"value": 1}


def test_texts_that_come_in_are_cut_off():
    long = "m" * (remote.MOST_TEXT + 5)
    conversation, _ = hearing({"say": "result", "result": [long, {"a": (long,)}]})
    assert conversation.call(0, ()) == [long[:-5], {"a": (long[:-5],)}]


def test_a_stop_in_our_function_is_no_error_for_the_learner():
    def stopping():
        raise Stopped("enough")

    conversation, guest = hearing({"say": "ask", "function": 0, "arguments": []})
    with pytest.raises(Stopped, match="enough"):
        conversation.call(0, (stopping,))
    assert len(told(guest)) == 1

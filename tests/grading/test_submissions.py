import hashlib
import json
import os
import pickle
import socket
import sys
from pathlib import Path

import pytest

from lstm_course.grading import submissions
from lstm_course.grading.submissions import Submission, Unreadable, find, read

posix = pytest.mark.skipif(os.name != "posix", reason="a POSIX file system")


def code(source):
    return {"cell_type": "code", "source": source, "outputs": [], "metadata": {}}


def notebook(*sources):
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": list(map(code, sources))})


def hand_in(folder, *names, content=None):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebook("x = 1") if content is None else content, encoding="utf-8")


def rows(folder):
    return [(one.learner, one.number, one.name) for one in find(folder)]


def reading(folder, content, name="ada.ipynb"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(Submission("ada", path, name))


def problem(submission):
    with pytest.raises(Unreadable) as caught:
        read(submission)
    error = caught.value
    assert str(error) == error.sentence
    assert error.sentence.isprintable()
    assert "/" not in error.sentence
    return error.status, error.sentence


def problem_with(folder, content, name="ada.ipynb"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return problem(Submission("ada", path, name))


# Where files lie and what they are called


def test_a_single_file(tmp_path):
    hand_in(tmp_path, "ada_lovelace-08.ipynb", "grace.ipynb")
    assert rows(tmp_path / "grace.ipynb") == [("grace", "", "grace.ipynb")]
    (only,) = find(str(tmp_path / "ada_lovelace-08.ipynb"))
    assert read(only).cells == ("x = 1",)


def test_a_flat_folder(tmp_path):
    hand_in(tmp_path, "grace.ipynb", "ada_lovelace-08.ipynb", "Bob.IPYNB", "ada.json", "ada.ipynb")
    hand_in(tmp_path, "notes.txt", "solution.py", "README")
    assert rows(tmp_path) == [
        ("Bob", "", "Bob.IPYNB"),
        ("ada", "", "ada.ipynb"),
        ("ada", "", "ada.json"),
        ("ada_lovelace-08", "", "ada_lovelace-08.ipynb"),
        ("grace", "", "grace.ipynb"),
    ]


def test_a_folder_for_each_learner(tmp_path):
    hand_in(tmp_path, "ada/08-sequence/student.ipynb", "ada/04-forget/student.ipynb")
    hand_in(tmp_path, "bob/student.ipynb", "eve/essay.txt", "eve/deep/er/notes.md")
    (tmp_path / "zoe").mkdir()
    assert rows(tmp_path) == [
        ("ada", "", "ada/04-forget/student.ipynb"),
        ("ada", "", "ada/08-sequence/student.ipynb"),
        ("bob", "", "bob/student.ipynb"),
        ("eve", "", "eve"),
        ("zoe", "", "zoe"),
    ]
    status, sentence = problem(find(tmp_path)[3])
    assert status == "nothing found"
    assert sentence == "eve holds neither a notebook (.ipynb) nor a certificate (.json)"


def test_a_download_from_canvas(tmp_path):
    hand_in(
        tmp_path,
        "lovelaceada_12345_678910_student.ipynb",
        "hoppergrace_LATE_99_678911_student-2.ipynb",
        "hoppergrace_99_678912_08-sequence_student.ipynb",
        "noether_emmy_student.ipynb",
    )
    assert [row[:2] for row in rows(tmp_path)] == [
        ("hoppergrace_99", "99"),
        ("hoppergrace_99", "99"),
        ("lovelaceada_12345", "12345"),
        ("noether_emmy_student", ""),
    ]


def test_a_download_from_moodle(tmp_path):
    hand_in(
        tmp_path,
        "Ada Lovelace_1234567_assignsubmission_file_/student.ipynb",
        "Émilie du Châtelet_12_assignsubmission_file/deep/student.ipynb",
        "Grace Hopper_77_assignsubmission_file_my_5_assignsubmission_file_.ipynb",
    )
    (tmp_path / "Emmy Noether_8_assignsubmission_file_").mkdir()
    assert [row[:2] for row in rows(tmp_path)] == [
        ("Ada Lovelace", "1234567"),
        ("Emmy Noether", "8"),
        ("Grace Hopper", "77"),
        ("Émilie du Châtelet", "12"),
    ]
    assert problem(find(tmp_path)[1])[0] == "nothing found"


def test_learners_of_one_name_stay_apart(tmp_path):
    hand_in(
        tmp_path,
        "Participant_11_assignsubmission_file_/student.ipynb",
        "Participant_12_assignsubmission_file_/student.ipynb",
    )
    assert [row[:2] for row in rows(tmp_path)] == [
        ("Participant (11)", "11"),
        ("Participant (12)", "12"),
    ]


def test_a_forged_number_takes_nobodys_name(tmp_path):
    hand_in(
        tmp_path,
        "Participant_11_assignsubmission_file_/student.ipynb",
        "Participant_12_assignsubmission_file_/student.ipynb",
        "Participant (11).ipynb",
    )
    learners = {one.path.name: one.learner for one in find(tmp_path)}
    assert len({one.learner for one in find(tmp_path)}) == 3
    assert learners["Participant (11).ipynb"] == "Participant (11)"


def test_hidden_files_are_ignored(tmp_path):
    hand_in(
        tmp_path,
        "ada/.ipynb_checkpoints/student-checkpoint.ipynb",
        "ada/__MACOSX/student.ipynb",
        "ada/._student.ipynb",
        "__MACOSX/bob.ipynb",
        ".ipynb_checkpoints/bob.ipynb",
        ".bob.ipynb",
    )
    assert rows(tmp_path) == [("ada", "", "ada")]


def test_zip_files_are_reported(tmp_path):
    hand_in(tmp_path, "ada.zip", "bob/work.ZIP", "bob/student.ipynb", "eve.gz")
    found = find(tmp_path)
    assert [one.name for one in found] == ["ada.zip", "bob/student.ipynb", "bob/work.ZIP"]
    assert problem(found[0]) == ("refused", "ada.zip is a zip file; unpack it first")
    assert problem(found[2])[0] == "refused"


def test_a_folder_called_like_a_notebook(tmp_path):
    hand_in(tmp_path, "x.ipynb/notes.txt", "ada/y.ipynb/student.ipynb")
    assert rows(tmp_path) == [
        ("ada", "", "ada/y.ipynb/student.ipynb"),
        ("x.ipynb", "", "x.ipynb"),
    ]
    assert problem(find(tmp_path)[1])[0] == "nothing found"


def test_no_such_folder(tmp_path):
    with pytest.raises(
        ValueError, match=r"^there is no file or folder gone, expected submissions$"
    ):
        find(tmp_path / "gone")


def test_an_empty_folder(tmp_path):
    assert find(tmp_path) == []


# Strange names

STRANGE = [
    "two\nlines",
    "bell\x07 and \x1b[31mred",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "next\x85line\u2028",
    "-rf",
    "=cmd|' _C!A0'",
    "x\\..\\..\\y",
    " ",
    "   padded   ",
    "a" * 249,
    "é" * 124,
    "e\u0301",
    "🐍",
    "$(touch x);`ls`",
    "<script>",
    "%s%n",
    "CON",
    "nul\x01",
    "_1_2_x",
    "a" * 120 + "_1_2_x",
    "9" * 30 + "_" + "9" * 30 + "_9_x",
]


@posix
@pytest.mark.parametrize("name", STRANGE)
def test_strange_names(tmp_path, name):
    hand_in(tmp_path, f"{name}.ipynb", f"folder{name[:200]}/student.ipynb")
    found = find(tmp_path)
    assert len(found) == 2
    for one in found:
        for text in (one.learner, one.name):
            assert text.isprintable()
            assert 0 < len(text) <= 120
            text.encode()
        assert read(one).cells == ("x = 1",)
        one.path.write_text("broken")
        assert problem(one)[0] == "unreadable"


@pytest.mark.skipif(sys.platform != "linux", reason="a file system that takes any bytes")
def test_names_that_are_not_text(tmp_path):
    for name in (b"\xff\xfe", b"caf\xe9", b"caf\xea"):
        with open(os.path.join(os.fsencode(tmp_path), name + b".ipynb"), "w") as file:
            file.write(notebook("x = 1"))
    found = find(tmp_path)
    assert len({one.learner for one in found}) == len({one.name for one in found}) == 3
    for one in found:
        (one.learner + one.name).encode()
        assert read(one).cells == ("x = 1",)


@posix
@pytest.mark.parametrize(
    "names",
    [
        ["a\x07", "a\x08"],
        ["a b", "a\nb", "a  b"],
        ["é", "e\u0301"],
        ["a" * 100 + "b" + "a" * 100, "a" * 100 + "c" + "a" * 100],
    ],
)
def test_names_that_would_look_the_same_stay_apart(tmp_path, names):
    hand_in(tmp_path, *(f"{name}.ipynb" for name in names))
    found = find(tmp_path)
    if len(os.listdir(tmp_path)) < len(names):
        pytest.skip("the file system takes these for the same name")
    for kind in ("learner", "name"):
        texts = [getattr(one, kind) for one in found]
        assert len(set(texts)) == len(names)
        assert all(len(text) <= 120 for text in texts)
    assert find(tmp_path) == found


def test_the_order_does_not_hang_on_the_file_system(tmp_path, monkeypatch):
    hand_in(tmp_path, "b.ipynb", "a.ipynb", "c/2.ipynb", "c/1.ipynb", "a\x07.ipynb", "a\x08.ipynb")
    found = find(tmp_path)
    names = sorted(os.listdir(tmp_path))
    for order in (names, names[::-1]):
        monkeypatch.setattr(submissions.os, "listdir", lambda _, order=order: order)
        assert find(tmp_path) == found


# Things that are no files


@posix
def test_links_are_refused(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    hand_in(elsewhere, "student.ipynb")
    top = tmp_path / "top"
    (top / "bob").mkdir(parents=True)
    (top / "ada.ipynb").symlink_to("/etc/passwd")
    (top / "bob" / "08").symlink_to(elsewhere, target_is_directory=True)
    (top / "eve").symlink_to(elsewhere, target_is_directory=True)
    (top / "gone.ipynb").symlink_to("nowhere")
    (top / "loop").symlink_to(".")
    assert [row[2] for row in rows(top)] == ["ada.ipynb", "bob/08", "eve", "gone.ipynb", "loop"]
    for one in find(top):
        assert problem(one)[0] == "refused"
    assert problem(find(top)[0])[1] == "ada.ipynb is a link; expected the file itself"
    (linked,) = find(top / "ada.ipynb")
    assert problem(linked)[0] == "refused"


@posix
def test_a_link_that_appears_after_a_first_look(tmp_path, monkeypatch):
    hand_in(tmp_path, "ada.ipynb")
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "ada.ipynb")
    seen = os.lstat(tmp_path / "ada.ipynb")
    monkeypatch.setattr(submissions.os, "lstat", lambda _: seen)
    assert problem(Submission("ada", tmp_path / "link.ipynb", "link.ipynb"))[0] == "unreadable"


@posix
def test_pipes_and_sockets_are_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "ada.ipynb")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("bob.ipynb")
        found = find(tmp_path)
        assert [one.name for one in found] == ["ada.ipynb", "bob.ipynb", "pipe"]
        opened = []
        monkeypatch.setattr(submissions.os, "open", lambda *told: opened.append(told))
        for one in found:
            status, sentence = problem(one)
            assert status == "refused"
            assert sentence.endswith("is a device, pipe or socket; expected a file")
        assert not opened
    (alone,) = find(tmp_path / "ada.ipynb")
    assert problem(alone)[0] == "refused"


@posix
def test_a_pipe_that_appears_after_a_first_look_does_not_block(tmp_path, monkeypatch):
    hand_in(tmp_path, "ada.ipynb")
    os.mkfifo(tmp_path / "pipe.ipynb")
    seen = os.lstat(tmp_path / "ada.ipynb")
    monkeypatch.setattr(submissions.os, "lstat", lambda _: seen)
    assert problem(Submission("ada", tmp_path / "pipe.ipynb", "pipe.ipynb"))[0] == "refused"


def refuse(*_):
    raise PermissionError(13, "Permission denied")


def test_a_file_without_permission(tmp_path, monkeypatch):
    hand_in(tmp_path, "ada.ipynb")
    (only,) = find(tmp_path)
    monkeypatch.setattr(submissions.os, "open", refuse)  # root may read anything
    assert problem(only) == ("unreadable", "ada.ipynb can't be read (Permission denied)")


def test_folders_without_permission(tmp_path, monkeypatch):
    hand_in(tmp_path, "ada/student.ipynb", "ada/private/student.ipynb", "bob/student.ipynb")
    whole = os.scandir

    def scan(path):
        return refuse() if Path(path).name in ("private", "bob") else whole(path)

    monkeypatch.setattr(submissions.os, "scandir", scan)
    found = find(tmp_path)
    assert [one.name for one in found] == ["ada/private", "ada/student.ipynb", "bob"]
    assert problem(found[0]) == ("unreadable", "private can't be read (Permission denied)")
    assert problem(found[2]) == ("unreadable", "bob can't be read (Permission denied)")
    monkeypatch.setattr(submissions.os, "listdir", refuse)
    with pytest.raises(ValueError, match=r"can't be read \(Permission denied\)$"):
        find(tmp_path)


def test_a_file_that_is_gone(tmp_path):
    assert problem(Submission("ada", tmp_path / "ada.ipynb", "ada.ipynb"))[0] == "unreadable"


def test_a_learner_with_too_many_files(tmp_path, monkeypatch):
    hand_in(tmp_path, *(f"ada/{k}.ipynb" for k in range(3)), *(f"bob/{k}.txt" for k in range(4)))
    monkeypatch.setattr(submissions, "MOST_ENTRIES", 3)
    found = find(tmp_path)
    assert [one.name for one in found] == ["ada/0.ipynb", "ada/1.ipynb", "ada/2.ipynb", "bob"]
    said = "bob holds more than 3 files and folders; expected a few"
    assert problem(found[3]) == ("refused", said)


@posix
def test_folders_nested_deeper_than_a_path_may_be_long(tmp_path):
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        for name in ["ada"] + ["d" * 200] * 30:
            os.mkdir(name, dir_fd=handle)
            inner = os.open(name, os.O_RDONLY, dir_fd=handle)
            os.close(handle)
            handle = inner
    finally:
        os.close(handle)
    (only,) = find(tmp_path)
    assert only.learner == "ada"
    assert len(only.name) <= 120
    assert problem(only)[0] == "unreadable"


# What files hold


def test_a_huge_file(tmp_path):
    path = tmp_path / "ada.ipynb"
    with path.open("wb") as file:
        file.truncate(25_000_001)
    (only,) = find(tmp_path)
    assert problem(only) == ("refused", "ada.ipynb is 26 MB; at most 20 MB are read")


def test_the_limit_of_size_holds_for_what_is_read(tmp_path, monkeypatch):
    content = notebook("x = 1")
    monkeypatch.setattr(submissions, "LARGEST_FILE", len(content))
    assert reading(tmp_path, content).cells == ("x = 1",)
    assert problem_with(tmp_path, content + " ")[0] == "refused"
    empty = tmp_path / "empty"
    empty.touch()
    monkeypatch.setattr(submissions.os, "fstat", lambda _: os.lstat(empty))  # it grows meanwhile
    assert problem_with(tmp_path, content + " ")[0] == "refused"


def test_the_digest_is_of_the_bytes(tmp_path):
    content = b"\xef\xbb\xbf" + notebook("x = 1").encode()
    answers = reading(tmp_path, content)
    assert answers.digest == hashlib.sha256(content).hexdigest()
    assert answers.cells == ("x = 1",)
    assert pickle.loads(pickle.dumps(answers)) == answers


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (notebook("x").encode("utf-16"), "is not UTF-8 text"),
        (notebook("x").encode("utf-16-le"), "is not JSON from line 1 on"),
        (b"\xff" * 10, "is not UTF-8 text"),
        (b"PK\x03\x04", "is not JSON"),
        (b"\n\n{", "is not JSON from line 3 on"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b"[" * 400_000 + b"]" * 400_000, "is nested too deeply"),
        (b"[" + b"9" * 100_000, "is not JSON"),
        (b"9" * 100_000, "holds a number"),
        (b"NaN", "holds a number"),
        (b"null", "holds nothing"),
        (b"[]", "holds a list"),
        (b'"text"', "holds text"),
        (b"true", "holds true or false"),
        (b"{}", "has no nbformat"),
        (b"# a script\nprint(1)", "is not JSON from line 1 on"),
    ],
)
def test_no_notebook(tmp_path, content, said):
    status, sentence = problem_with(tmp_path, content)
    assert status == "unreadable"
    assert sentence.startswith(f"ada.ipynb {said}")
    assert "expected a" in sentence


def test_a_file_of_brackets(tmp_path):
    status, sentence = problem_with(tmp_path, b"[" + b"[]," * 1_000_000 + b"[]]")
    assert status == "refused"
    assert sentence.startswith("ada.ipynb has more than 1,000,000 brackets")


def test_huge_numbers_and_doubled_keys_do_no_harm(tmp_path):
    digits = "9" * 100_000
    content = f'{{"nbformat": 4, "metadata": [NaN, -Infinity, {digits}, -{digits}, 0.{digits}, 1e{digits}], '
    content += f'"cells": 5, "cells": [{json.dumps(code("x = 1"))}]}}'
    assert reading(tmp_path, content).cells == ("x = 1",)


def test_outputs_are_not_looked_at(tmp_path):
    cell = {**code("x = 1"), "outputs": "nonsense", "metadata": 5, "attachments": [None]}
    assert reading(tmp_path, json.dumps({"nbformat": 4, "cells": [cell]})).cells == ("x = 1",)


def test_nbformat_4(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": 5},
        code("a = 1\nb = 2"),
        {"cell_type": "raw"},
        code(["c = 3\n", "d = 4"]),
        code([]),
        code(""),
    ]
    answers = reading(tmp_path, json.dumps({"nbformat": 4, "cells": cells}))
    assert answers.cells == ("a = 1\nb = 2", "c = 3\nd = 4", "", "")
    assert answers.certified == {}


def test_nbformat_3(tmp_path):
    sheets = [
        {"cells": [{"cell_type": "code", "input": "a = 1"}, {"cell_type": "heading", "level": 1}]},
        {"cells": [{"cell_type": "code", "input": ["b = 2\n", "%who\n"]}]},
    ]
    answers = reading(tmp_path, json.dumps({"nbformat": 3, "worksheets": sheets}))
    assert answers.cells == ("a = 1", "b = 2\npass\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"nbformat": 2, "worksheets": []}, "has an nbformat 2"),
        ({"nbformat": 5, "cells": []}, "has an nbformat 5"),
        ({"nbformat": 4.5, "cells": []}, "has an nbformat 4.5"),
        ({"nbformat": int("9" * 400), "cells": []}, "has an nbformat inf"),
        ({"nbformat": "4", "cells": []}, "has an nbformat that is text"),
        ({"nbformat": None, "cells": []}, "has an nbformat that is nothing"),
        ({"nbformat": True, "cells": []}, "has an nbformat that is true or false"),
        ({"cells": []}, "has no nbformat"),
        ({"nbformat": 4}, "has cells that are nothing"),
        ({"nbformat": 4, "cells": {}}, "has cells that are an object"),
        ({"nbformat": 4, "cells": [7]}, "has a cell 1 that is a number"),
        ({"nbformat": 4, "cells": [{}]}, "has a cell 1 whose cell_type is nothing"),
        ({"nbformat": 4, "cells": [{"cell_type": []}]}, "has a cell 1 whose cell_type is a list"),
        ({"nbformat": 4, "cells": [code("x"), code(7)]}, "has a cell 2 whose source is a number"),
        ({"nbformat": 4, "cells": [code(None)]}, "has a cell 1 whose source is nothing"),
        ({"nbformat": 4, "cells": [code({"a": "b"})]}, "has a cell 1 whose source is an object"),
        (
            {"nbformat": 4, "cells": [code(["x", 7])]},
            "has a cell 1 whose source is a list of other",
        ),
        (
            {"nbformat": 4, "cells": [{"cell_type": "code", "input": "x"}]},
            "has a cell 1 whose source",
        ),
        ({"nbformat": 3, "cells": []}, "has worksheets that are nothing"),
        ({"nbformat": 3, "worksheets": [7]}, "has a worksheet that is a number"),
        ({"nbformat": 3, "worksheets": [{}]}, "has cells that are nothing"),
        (
            {"nbformat": 3, "worksheets": [{"cells": [code("x")]}]},
            "has a cell 1 whose input is nothing",
        ),
    ],
)
def test_notebooks_of_another_form(tmp_path, content, said):
    status, sentence = problem_with(tmp_path, json.dumps(content))
    assert status == "unreadable"
    assert sentence.startswith(f"ada.ipynb {said}")
    assert "; expected " in sentence


@pytest.mark.parametrize(
    "content",
    [
        {"nbformat": 4, "cells": []},
        {"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "text"}]},
        {"nbformat": 3, "worksheets": []},
    ],
)
def test_notebooks_without_code(tmp_path, content):
    said = ("nothing found", "ada.ipynb is a notebook without code cells")
    assert problem_with(tmp_path, json.dumps(content)) == said


def test_the_limits_of_cells_and_characters(tmp_path):
    assert len(reading(tmp_path, notebook(*["x"] * 2000)).cells) == 2000
    said = ("refused", "ada.ipynb has 2,001 code cells; at most 2,000 are read")
    assert problem_with(tmp_path, notebook(*["x"] * 2001)) == said
    half = "#" * 500_000
    assert len(reading(tmp_path, notebook(half, [half[:-1], "\n"])).cells) == 2
    said = ("refused", "ada.ipynb has 1,000,001 characters of code; at most 1,000,000 are read")
    assert problem_with(tmp_path, notebook(half, half, "#")) == said


def test_lone_surrogates_are_replaced(tmp_path):
    answers = reading(tmp_path, notebook("a = '\ud800'", ["b = '\udfff", "'"], "c = '🐍'"))
    assert answers.cells == ("a = '\ufffd'", "b = '\ufffd'", "c = '🐍'")


def test_line_ends_are_those_of_python(tmp_path):
    assert reading(tmp_path, notebook("a\r\n%b\rc\n")).cells == ("a\npass\nc\n",)


# What IPython adds to Python


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if True:\n    !pip install numpy\nx = 1", "if True:\n    pass\nx = 1"),
        ("if True:\n\t%who", "if True:\n\tpass"),
        ("!echo \"it's\nx = 1\n%who", "pass\nx = 1\npass"),
        ("!pip install \\\n  numpy \\\n  torch\nx = 1", "pass\n\n\nx = 1"),
        ("x = 1\n%", "x = 1\npass"),
        ("np.dot?", "pass"),
        ("  x = 1\n  np.dot??  \n", "  x = 1\n  pass\n"),
        ("?np.dot\n??np\nx", "pass\npass\nx"),
        ("%%bash\nrm -rf x", ""),
        ("\n\n  %%html\n<p>", ""),
        ("%%timer\nx = 1", ""),
        ("%%time\nx = 1\n%who", "\nx = 1\npass"),
        ("\n%%timeit -n 3\nx = 1", "\n\nx = 1"),
        ("%%capture out\nx = 1", "\nx = 1"),
        ("%%capture", ""),
        ("%%", ""),
        ("# first\n%%bash\nls", "# first\npass\nls"),
        # Python, which stays as it is
        ("", ""),
        ("x = 7 % 2\ny = a != b", "x = 7 % 2\ny = a != b"),
        ("x = (7\n     % 2)", "x = (7\n     % 2)"),
        ("x = 7 \\\n  % 2\n%who", "x = 7 \\\n  % 2\npass"),
        ("x = f(a,\n%b\n)\n%who", "x = f(a,\n%b\n)\npass"),
        ('x = """\n%s\n!\n"""\n%who', 'x = """\n%s\n!\n"""\npass'),
        ("x = '''\n%s\"\"\"\n!\n'''\n%who", "x = '''\n%s\"\"\"\n!\n'''\npass"),
        ('x = """a\\"""\n%s"""\n%who', 'x = """a\\"""\n%s"""\npass'),
        ('x = """"quoted"\n%s"""\n%who', 'x = """"quoted"\n%s"""\npass'),
        ('x = ""\n%who', 'x = ""\npass'),
        ("x = '('  # it's (\n%who", "x = '('  # it's (\npass"),
        ('x = "a\\\n%b"\n%who', 'x = "a\\\n%b"\npass'),
        ("x = 'never closed\n%who", "x = 'never closed\npass"),
        ("# why?\nx = 1  # or not?", "# why?\nx = 1  # or not?"),
        ('"""Is it?\n?\n"""', '"""Is it?\n?\n"""'),
        (")\n%who", ")\npass"),
        ("files = !ls", "files = !ls"),
        ("x\\", "x\\"),
        ('"""\\', '"""\\'),
    ],
)
def test_magics(tmp_path, source, plain):
    assert reading(tmp_path, notebook(source)).cells == (plain,)
    if not source.lstrip().startswith("%%"):
        assert plain.count("\n") == source.count("\n")


@pytest.mark.parametrize(
    "source",
    [
        '"""' + '\\"""\n' * 150_000 + "\\",
        "'" * 900_000,
        " " * 900_000,
        "(" * 300_000,
        "a.b" * 300_000,
        "%a\\\n" * 200_000,
        "\\" * 900_000,
    ],
    ids=["quotes", "apostrophes", "blanks", "brackets", "names", "lines", "backslashes"],
)
def test_hostile_sources_take_no_time(tmp_path, source):
    # Were the time quadratic, each of these would take minutes.
    assert len(reading(tmp_path, notebook(source)).cells) == 1


# Certificates


def answer(question="forget-gate", source="def f(): ..."):
    return {"question": question, "source": source}


def certificate(*answers):
    return json.dumps({"course": "lstm", "answers": list(answers)})


def test_a_certificate(tmp_path):
    content = certificate(
        answer(), answer("cell", "%who\r\n\ud800"), answer("twice", "1"), answer("twice", "2")
    )
    answers = reading(tmp_path, content, "ada.json")
    assert answers.cells == ()
    # no IPython in a certificate: what it holds has been a function's source already
    assert answers.certified == {
        "forget-gate": "def f(): ...",
        "cell": "%who\n\ufffd",
        "twice": "2",
    }
    assert answers.digest == hashlib.sha256(content.encode()).hexdigest()


def test_the_content_decides_what_a_file_is(tmp_path):
    assert reading(tmp_path, notebook("x = 1"), "ada.json").cells == ("x = 1",)
    assert reading(tmp_path, certificate(answer()), "ada.ipynb").certified
    both = json.dumps({**json.loads(notebook("x = 1")), "answers": 5})
    assert reading(tmp_path, both).cells == ("x = 1",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"answers": {}}, "has answers that are an object; expected a list"),
        ({"answers": None}, "has answers that are nothing; expected a list"),
        ({"answers": ["x"]}, "has an answer 1 that is text; expected an object"),
        ({"answers": [answer(), {}]}, "has an answer 2 whose question is nothing; expected text"),
        (
            {"answers": [answer(question=7)]},
            "has an answer 1 whose question is a number; expected text",
        ),
        (
            {"answers": [answer(source=["x"])]},
            "has an answer 1 whose source is a list; expected text",
        ),
    ],
)
def test_certificates_of_another_form(tmp_path, content, said):
    told = problem_with(tmp_path, json.dumps(content), "ada.json")
    assert told == ("unreadable", f"ada.json {said}")


def test_the_limits_of_a_certificate(tmp_path):
    assert problem_with(tmp_path, certificate())[0] == "nothing found"
    assert (
        len(reading(tmp_path, certificate(*(answer(str(k)) for k in range(500)))).certified) == 500
    )
    said = ("refused", "ada.ipynb has 501 answers; at most 500 are read")
    assert problem_with(tmp_path, certificate(*[answer()] * 501)) == said
    status, sentence = problem_with(tmp_path, certificate(*[answer(source="#" * 500_000)] * 2))
    assert status == "refused"
    assert "at most 1,000,000 are read" in sentence


def test_a_problem_can_be_sent_to_another_process():
    error = pickle.loads(pickle.dumps(Unreadable("refused", "x is a link")))
    assert (error.status, error.sentence, str(error)) == ("refused", "x is a link", "x is a link")

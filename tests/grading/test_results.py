import csv
import hashlib
import html.parser
import io
import itertools
import json
import random
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from lstm_course.grading.results import Mark, Results, Row, clean, gradescope

RUN = {"version": "1.0", "exercises": ["04-forget-gate"], "seed": 7}
QUESTIONS = [("forget-gate", 2), ("cell-state", 3), ("sequence", 4)]


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def row(learner="Ann", name="ann.ipynb", marks=None, **changes):
    if marks is None:
        marks = (
            Mark("forget-gate", 2, 2, "graded", "Right."),
            Mark("cell-state", 0, 3, "graded", "c is not\nforgotten."),
        )
    made = Row(learner, name, "17", sha(name), "graded", "", tuple(marks))
    return replace(made, **changes)


def table(folder, name):
    return list(csv.reader(io.StringIO((folder / name).read_text(encoding="utf-8"), newline="")))


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "out", RUN)


# What is kept


def test_a_row_comes_back_and_its_file_tells_no_name(results):
    results.add(row())
    (file,) = (results.folder / "rows").iterdir()
    assert results.rows() == [row()]
    assert len(file.stem) == 64
    assert row().points == 2
    assert row().out_of == 5


def test_a_run_goes_on_and_knows_what_it_has(results):
    results.add(row())
    again = Results(results.folder, dict(reversed(RUN.items())))
    assert again.has("Ann", "ann.ipynb", sha("ann.ipynb"))
    assert not again.has("Ann", "ann.ipynb", sha("other bytes"))
    assert not again.has("Ann", "b.ipynb", sha("ann.ipynb"))
    assert not again.has("Ben", "ann.ipynb", sha("ann.ipynb"))
    again.add(row(digest=sha("other bytes")))
    assert again.rows() == [row(digest=sha("other bytes"))]
    assert results.rows() == again.rows()


def test_a_file_that_could_not_be_read_is_tried_again(results):
    results.add(row(digest="", status="unreadable", marks=()))
    assert not results.has("Ann", "ann.ipynb", "")


@pytest.mark.parametrize(
    "learner", ["../../x", "/etc/passwd", "a\0b", "\udcff", "x" * 4000, "", "CON"]
)
def test_no_name_reaches_the_file_system(results, learner):
    results.add(row(learner=learner))
    results.finish(QUESTIONS)
    assert results.rows() == [row(learner=learner)]
    assert {path.name for path in results.folder.parent.iterdir()} == {"out"}
    for path in (results.folder / "feedback").iterdir():
        assert len(path.name) < 70
        assert path.name.replace("-", "").replace(".", "").isalnum()


def test_rows_are_sorted_by_learner_and_name(results):
    pairs = [("b", "2"), ("a", "2"), ("b", "1"), ("a", "1")]
    for learner, name in pairs:
        results.add(row(learner, name))
    assert [(r.learner, r.name) for r in results.rows()] == sorted(pairs)


@pytest.mark.parametrize(
    "wrong",
    [
        row(marks=[Mark("q", 3, 2, "graded", "")]),
        row(marks=[Mark("q", -1, 2, "graded", "")]),
        row(marks=[Mark("q", True, 2, "graded", "")]),
        row(marks=[Mark("q", 1.0, 2, "graded", "")]),
        row(marks=[Mark("q", 1, 2, "graded", ""), Mark("q", 2, 2, "graded", "")]),
        row(marks=[Mark("q" * 201, 1, 2, "graded", "")]),
        row(learner="x" * 4097),
        row(status=None),
        row(digest="abc"),
    ],
)
def test_what_is_no_result_is_not_written(results, wrong):
    with pytest.raises(ValueError, match=r"must|points|mark"):
        results.add(wrong)
    assert list((results.folder / "rows").iterdir()) == []


# Whose folder it is


def test_another_run_is_refused_and_nothing_touched(results):
    results.add(row())
    before = content(results.folder)
    with pytest.raises(ValueError, match="another run") as refusal:
        Results(
            results.folder, {"version": "2.0", "seed": 7, "exercises": RUN["exercises"], "n": 1}
        )
    sentence = str(refusal.value)
    assert '(n was absent and is 1; version was "1.0" and is "2.0")' in sentence
    assert "seed" not in sentence
    assert "\n" not in sentence
    assert content(results.folder) == before


def test_a_strangers_folder_is_refused_and_nothing_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        Results(tmp_path, RUN)
    assert content(tmp_path) == {"thesis.tex": b"mine"}
    with pytest.raises(ValueError, match="is a file"):
        Results(tmp_path / "thesis.tex", RUN)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_damaged_run_is_refused(results, damage):
    (results.folder / "run.json").write_bytes(damage)
    with pytest.raises(ValueError, match="damaged"):
        Results(results.folder, RUN)
    assert (results.folder / "run.json").read_bytes() == damage


def test_an_empty_folder_and_one_killed_at_once_are_taken(tmp_path):
    (tmp_path / "run.json.4711.part").write_text('{"ver')
    Results(tmp_path, RUN).add(row())
    assert Results(tmp_path, RUN).rows() == [row()]


# What may break


ADDING = """
import sys
from pathlib import Path
from lstm_course.grading.results import Mark, Results, Row
results = Results(Path(sys.argv[1]), {"version": "1.0"})
for k in range(10**9):
    mark = Mark("q", 1, 1, "graded", "x" * 1999)
    learner = str(k % 40)
    results.add(Row(learner, "n.ipynb", "", f"{k:064x}", "graded", "", (mark,)))
    print(k, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
def test_a_killed_grader_loses_no_result_and_leaves_none_half_written(tmp_path):
    rng = random.Random(3)
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        grader = subprocess.Popen(
            [sys.executable, "-c", ADDING, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert grader.stdout.readline() == "0\n"
        time.sleep(rng.uniform(0.02, 0.3))
        grader.kill()
        reported = [0] + [
            int(line) for line in grader.communicate()[0].splitlines(True) if line[-1] == "\n"
        ]
        results = Results(folder, {"version": "1.0"})
        rows = {found.learner: found for found in results.rows()}
        assert results.notes == []
        assert len(list((folder / "rows").glob("*.json"))) == len(rows)
        for k in reported[-40:]:
            later = int(rows[str(k % 40)].digest, 16)
            assert later == k or later > reported[-1]
            assert len(rows[str(k % 40)].marks[0].feedback) == 1999
        results.finish([("q", 1)])
        assert not list(folder.rglob("*.part"))


def test_a_failed_write_leaves_the_old_result(results, monkeypatch):
    results.add(row())
    monkeypatch.setattr("lstm_course._files.os.fsync", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        results.add(row(status="partly"))
    assert results.rows() == [row()]
    assert len(list((results.folder / "rows").iterdir())) == 1


def good():
    mark = {"question": "q", "points": 1, "out_of": 2, "status": "graded", "feedback": ""}
    return {
        "learner": "Ann",
        "name": "ann.ipynb",
        "number": "",
        "digest": "",
        "status": "graded",
        "sentence": "",
        "marks": [mark],
    }


def spoilt(**changes):
    return json.dumps(good() | changes).encode()


def spoilt_mark(**changes):
    return spoilt(marks=[good()["marks"][0] | changes])


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        spoilt()[:-9],
        b"\xff\xfe\xff",
        b"[" * 100_000,
        b"null",
        b"[]",
        spoilt(learner="Ben"),  # the file's name is Ann's
        spoilt(extra=1),
        json.dumps({k: v for k, v in good().items() if k != "status"}).encode(),
        spoilt(status=["graded"]),
        spoilt(sentence="x" * 2001),
        spoilt(digest="../x"),
        spoilt(marks={}),
        spoilt(marks=[[]]),
        spoilt(marks=good()["marks"] * 2),
        spoilt_mark(points=True),
        spoilt_mark(points=1.5),
        spoilt_mark(points=3),
        spoilt_mark(points=float("nan")),
        spoilt_mark(out_of=10**7),
        spoilt_mark(feedback="x" * 2001),
        spoilt_mark(more=0),
        spoilt_mark(question=None),
    ],
)
def test_a_damaged_file_is_set_aside_and_graded_again(results, damage):
    results.add(row())
    results.add(row("Ben", "ben.ipynb"))
    file = results._path("Ann", "ann.ipynb")
    file.write_bytes(spoilt())
    assert len(results.rows()) == 2, "the undamaged file must be good"
    file.write_bytes(damage)
    assert not results.has("Ann", "ann.ipynb", sha("ann.ipynb"))
    (note,) = results.notes
    assert f"rows/{file.name} was damaged" in note
    assert not file.exists()
    assert (file.parent / f"{file.name}.1.damaged").read_bytes() == damage
    assert results.rows() == [row("Ben", "ben.ipynb")]

    results.add(row())
    file.write_bytes(damage)
    results.rows()
    assert (file.parent / f"{file.name}.2.damaged").read_bytes() == damage
    assert note in results.finish(QUESTIONS)


def test_a_file_too_large_is_set_aside_unread(results, monkeypatch):
    results.add(row())
    size = results._path("Ann", "ann.ipynb").stat().st_size
    monkeypatch.setattr("lstm_course.grading.results.BYTES", size)
    assert results.rows() == [row()]
    monkeypatch.setattr("lstm_course.grading.results.BYTES", size - 1)
    assert results.rows() == []
    assert "too large" in results.notes[0]


# Tables


def test_a_learner_has_one_line_with_the_best_of_each_question(results):
    results.add(row(name="a.ipynb"))
    results.add(
        row(
            name="b.ipynb",
            status="partly",
            marks=[
                Mark("forget-gate", 1, 2, "graded", "worse"),
                Mark("cell-state", 3, 3, "graded", "better"),
                Mark("sequence", 0, 4, "not answered", ""),
            ],
        )
    )
    results.add(row("Ben", "ben.ipynb", marks=[Mark("sequence", 4, 4, "graded", "")], number="9"))
    summary = results.finish(QUESTIONS)
    assert table(results.folder, "grades.csv") == [
        [
            "learner",
            "number",
            "points",
            "out of",
            "status",
            "forget-gate",
            "cell-state",
            "sequence",
        ],
        ["Ann", "17", "5", "9", "graded; partly", "2", "3", "0"],
        ["Ben", "9", "4", "9", "graded", "", "", "4"],
    ]
    assert (
        "Ann: more than one submission answers cell-state, forget-gate; the best counts." in summary
    )
    assert "3 submissions of 2 learners" in summary
    assert "Points of 9: mean 4.5, median 4.5" in summary
    assert ["sequence", "1", "50", "%"] in [line.split() for line in summary.splitlines()]
    assert ["partly", "1"] in [line.split() for line in summary.splitlines()]
    assert summary == (results.folder / "summary.txt").read_text(encoding="utf-8")


def test_different_exercises_of_a_learner_are_no_duplicates(results):
    results.add(row(name="a", marks=[Mark("forget-gate", 2, 2, "graded", "")]))
    stub = Mark("forget-gate", 0, 2, "not answered", "")
    results.add(row(name="b", marks=[stub, Mark("sequence", 4, 4, "graded", "")]))
    assert "more than one" not in results.finish(QUESTIONS)
    assert table(results.folder, "grades.csv")[1][2] == "6"


def test_of_equal_answers_the_one_that_says_something_counts(results):
    results.add(row(name="a", marks=[Mark("sequence", 0, 4, "not answered", "Not answered yet.")]))
    results.add(row(name="b", marks=[Mark("sequence", 0, 4, "timed out", "Too slow.")]))
    results.add(row(name="c", marks=[Mark("sequence", 0, 4, "graded", "Shape.")]))
    (test,) = gradescope(results.rows())["tests"]
    assert test["output"] == "Shape."
    (test,) = gradescope(results.rows()[:2])["tests"]
    assert test["output"] == "Too slow."


def test_an_unlisted_question_is_shown_and_noted(results):
    results.add(row(marks=[Mark("zebra", 1, 1, "graded", "")]))
    assert "zebra" in results.finish(QUESTIONS).split("Notes")[1]
    assert table(results.folder, "grades.csv")[1][3:] == ["10", "graded", "", "", "", "1"]


def test_canvas(results):
    results.add(row("Ünal, Ann", number="1234"))
    results.add(row("Ben", "ben.ipynb", number="", marks=()))
    results.finish(QUESTIONS, title="Gates (56)")
    assert table(results.folder, "canvas.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Gates (56)"],
        ["    Points Possible", "", "", "", "", "9"],
        ["Ben", "", "", "", "", ""],
        ["Ünal, Ann", "1234", "", "", "", "2"],
    ]


def test_moodle(results):
    mark = Mark("forget-gate", 1, 2, "graded", 'a </pre> & "b"\nc\\')
    results.add(row('Ann "\\', number="1234567", marks=[mark]))
    results.add(row("Ben", "ben.ipynb", number=""))
    summary = results.finish(QUESTIONS)
    assert table(results.folder, "moodle.csv") == [
        [
            "Identifier",
            "Full name",
            "Grade",
            "Maximum Grade",
            "Last modified (grade)",
            "Feedback comments",
        ],
        [
            "Participant 1234567",
            "Ann '/",
            "1",
            "9",
            "",
            "<pre>ann.ipynb: graded.\n\n✗ forget-gate: 1 of 2\na &lt;/pre&gt; &amp; &quot;b&quot;\nc\\</pre>",
        ],
    ]
    assert "Not in moodle.csv, for want of a number: Ben." in summary


def test_nobody_gets_a_grade_that_a_missing_sandbox_made_too_low(results):
    results.add(row(marks=[*row().marks, Mark("sequence", 0, 4, "no sandbox", "")]))
    assert "No grade for an LMS, since not all could be graded: Ann." in results.finish(QUESTIONS)
    assert table(results.folder, "canvas.csv")[2][-1] == ""
    assert table(results.folder, "moodle.csv")[1][2] == ""
    assert table(results.folder, "grades.csv")[1][2] == "2"


def test_numbers_in_doubt(results):
    results.add(row(name="a", number="1"))
    results.add(row(name="b", number="2"))
    results.add(row("Ben", number="3"))
    results.add(row("Cleo", number="3"))
    summary = results.finish(QUESTIONS)
    assert "Ann: has several numbers, so none is used: 1, 2." in summary
    assert "The number 3 belongs to several learners: Ben, Cleo." in summary
    assert [line[1] for line in table(results.folder, "canvas.csv")[2:]] == ["", "3", "3"]


@pytest.mark.parametrize(
    "bad", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u202e=1", "＝1"]
)
def test_no_cell_is_a_formula(results, bad):
    results.add(row(bad, number=bad, status=bad, marks=[Mark(bad, 2, 2, "graded", bad)]))
    results.add(row("Ben", number="4"))
    results.finish([*QUESTIONS, (bad, 2)], title=bad)
    for name in ("grades.csv", "canvas.csv", "moodle.csv"):
        for cell in itertools.chain(*table(results.folder, name)):
            assert not cell.startswith(tuple("=+-@\t\r＝")), (name, cell)
    lines = table(results.folder, "grades.csv")
    shown = "'" + clean(bad).strip()
    assert next(line for line in lines if line[0] == shown)[:3] == [shown, shown, "2"]
    assert shown in lines[0]
    assert table(results.folder, "canvas.csv")[0][-1] == shown


def test_a_class_without_submissions(results):
    assert results.finish(QUESTIONS) == "0 submissions of 0 learners\n"
    assert len(table(results.folder, "grades.csv")) == 1
    assert gradescope([]) == {
        "score": 0,
        "output": "No submission was found.",
        "output_format": "text",
        "visibility": "visible",
        "tests": [],
    }


def test_many_notes_are_cut(results, monkeypatch):
    monkeypatch.setattr("lstm_course._files.os.fsync", lambda _: None)
    for k, name in itertools.product(range(23), "ab"):
        results.add(row(f"{k:02}", name, number=str(k)))
    summary = results.finish(QUESTIONS)
    assert summary.count("more than one submission") == 20
    assert summary.endswith("  and 3 more\n")


# Feedback


def pages(results, feedback, **changes):
    mark = Mark("forget-gate", 0, 2, "graded", feedback)
    results.add(row(marks=[mark], **changes))
    results.finish(QUESTIONS)
    markdown, page = (
        (results.folder / "feedback").glob("*.md"),
        (results.folder / "feedback").glob("*.html"),
    )
    return next(markdown).read_text(encoding="utf-8"), next(page).read_text(encoding="utf-8")


class Reader(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.pre, self.attributes = [], "", []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]

    def handle_data(self, text):
        if self.tags and self.tags[-1] == "pre":
            self.pre += text


HOSTILE = "</code></pre><script>alert(1)</script><img src=x onerror='y'>&amp;\"{title}"


def test_nothing_in_a_page_comes_from_a_submission(results):
    _, page = pages(results, HOSTILE, learner="<b>Ann</b>", sentence=HOSTILE)
    reader = Reader(page)
    assert set(reader.tags) == {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "h1",
        "p",
        "ul",
        "li",
        "h2",
        "pre",
    }
    assert reader.pre.strip() == HOSTILE
    assert not {"src", "href", "onerror"} & set(reader.attributes)
    assert "color-scheme: light dark" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "{" not in reader.pre.replace("{title}", "")


@pytest.mark.parametrize("ticks", [1, 3, 4, 17])
def test_no_run_of_backticks_ends_a_block(results, ticks):
    text = f"{'`' * ticks}\n</code><script>\n# big\n{'`' * ticks}"
    markdown, _ = pages(
        results, text, name=f"a{'`' * ticks}<b>.ipynb", learner=f"{'`' * ticks}**x**"
    )
    lines = markdown.split("\n")
    outside, fence = [], ""
    for line in lines:  # as CommonMark reads fences
        ticked = len(line) - len(line.lstrip("`"))
        if fence and ticked >= len(fence) and line.strip("`") == "":
            fence = ""
        elif not fence and ticked >= 3 and "`" not in line[ticked:]:
            fence = "`" * ticked
        elif not fence:
            outside.append(line)
    assert fence == ""
    assert text in markdown
    assert not any("script" in line or "<b>" in line or "big" in line for line in outside)
    heading = next(line for line in outside if "**x**" in line)
    assert heading.startswith("# " + "`" * (ticks + 1) + " `")
    assert sum(line.startswith("## `✗ forget-gate: 0 of 2`") for line in outside) == 1


def test_terminal_and_bidi_characters_go(results):
    text = "\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07 \x00\x07\x9b1m \u202eabc\u2066\u2069\u200f\udcff\ttab\r\nnext\u2028line"
    assert clean(text) == "red link 1m abc\ttab\nnext\nline"
    for page in pages(results, text, learner="A\u202en\x1bn"):
        assert "red link 1m abc\ttab\nnext\nline" in page
        assert "Ann" in page
        assert not set(page) & set("\x00\x07\x1b\x9b\r\u202e\u2066\u2069\u200f\u2028")


@pytest.mark.parametrize("text", ["x\n" * 500, "x" * 5000, ("y" * 150 + "\n") * 20, "\r" * 5000])
def test_long_feedback_is_cut_once(results, text):
    cut = clean(text)
    assert len(cut) <= 2000
    assert len(cut.split("\n")) <= 20
    assert cut.endswith("\n[...]")
    assert clean(cut) == cut
    results.add(row(marks=[Mark("q", 0, 1, "graded", text)]))
    assert results.rows()[0].marks[0].feedback == cut


def test_short_feedback_stays_as_it_is():
    for text in ("", "a\n\tb\n", "x" * 2000, "x\n" * 19, "ünïcødé 🎉 שלום"):
        assert clean(text) == text


def test_feedback_of_a_learner_who_is_gone_goes_and_other_files_stay(results):
    results.add(row("Ann"))
    results.add(row("ann"))
    results.finish(QUESTIONS)
    folder = results.folder / "feedback"
    assert len(list(folder.iterdir())) == 4
    (folder / "my-notes.md").write_text("mine")
    results._path("ann", "ann.ipynb").unlink()
    results.finish(QUESTIONS)
    assert len(list(folder.iterdir())) == 3
    assert (folder / "my-notes.md").read_text() == "mine"


# Always the same


def test_the_order_in_which_results_come_changes_no_byte(tmp_path):
    rows = [
        row("Ann", "a.ipynb", [Mark("forget-gate", 1, 2, "graded", "first")]),
        row("Ann", "b.ipynb", [Mark("forget-gate", 1, 2, "graded", "second")]),
        row("Ben", "ben.ipynb", status="timed out", marks=()),
        row("Cleo", "cleo.ipynb", number=""),
    ]
    found = []
    for k, order in enumerate(itertools.islice(itertools.permutations(rows), 0, 24, 5)):
        results = Results(tmp_path / str(k), RUN if k % 2 else dict(reversed(RUN.items())))
        for one in order:
            results.add(one)
        results.finish(QUESTIONS)
        results.finish(QUESTIONS)
        found.append(content(results.folder))
    assert len(found) == 5
    assert all(files == found[0] for files in found)
    assert len(found[0]) == 1 + 4 + 4 + 6
    assert "first" in next(
        text.decode() for name, text in found[0].items() if "feedback/Ann" in name
    )


# Gradescope


def test_gradescope():
    slow = row(
        name="b.ipynb",
        status="timed out",
        sentence="It ran for 60 s.",
        marks=[Mark("sequence", 0, 4, "timed out", "")],
    )
    found = gradescope([slow, row(name="a.ipynb")])
    assert json.loads(json.dumps(found)) == {
        "score": 2,
        "output": "a.ipynb: graded.\nb.ipynb: timed out. It ran for 60 s.",
        "output_format": "text",
        "visibility": "visible",
        "tests": [
            {
                "name": "forget-gate",
                "score": 2,
                "max_score": 2,
                "status": "passed",
                "output": "Right.",
                "output_format": "text",
            },
            {
                "name": "cell-state",
                "score": 0,
                "max_score": 3,
                "status": "failed",
                "output": "c is not\nforgotten.",
                "output_format": "text",
            },
            {
                "name": "sequence",
                "score": 0,
                "max_score": 4,
                "status": "failed",
                "output": "timed out",
                "output_format": "text",
            },
        ],
    }


def test_gradescope_shows_one_learner():
    with pytest.raises(ValueError, match="several"):
        gradescope([row("Ann"), row("Ben")])

"""What nbval does not see: structure, links, freshness. nbval itself runs every notebook."""

import re
import sys
import types

import nbformat
import notebooks
import pytest
from IPython.testing.globalipapp import start_ipython

from conftest import ROOT
from lstm_course import figures

CHAPTERS = sorted((ROOT / "book").glob("*/[0-9][0-9]-*.ipynb"))
ALL = notebooks.notebooks()
EACH = pytest.mark.parametrize("path", ALL, ids=lambda path: path.relative_to(ROOT).as_posix())
EACH_CHAPTER = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def source(path, kind):
    return [cell.source for cell in notebooks.read(path).cells if cell.cell_type == kind]


def test_there_are_chapters_and_they_are_numbered_without_gaps():
    assert [int(path.stem[:2]) for path in CHAPTERS] == list(range(1, len(CHAPTERS) + 1))
    assert len(CHAPTERS) >= 8


@EACH
def test_notebook_is_executed_in_order_and_clean(path):
    notebook = notebooks.read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"


@EACH
def test_first_cell_installs_the_package_on_colab_and_only_there(path, monkeypatch):
    (first, *others) = source(path, "code")
    assert not any("pip install" in other for other in others)
    shell = start_ipython() or sys.modules["IPython"].get_ipython()
    calls = []
    monkeypatch.setattr(shell, "run_line_magic", lambda *args, **_: calls.append(args))
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    shell.run_cell(first).raise_error()
    assert calls == []
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    shell.run_cell(first).raise_error()
    ((magic, line),) = [call[:2] for call in calls]
    assert magic == "pip"
    assert "--no-deps" in line.split()  # so that nothing Colab has is replaced
    assert re.search(r"git\+https://github\.com/[\w.-]+/[\w.-]+$", line)


def words(text):
    """Return how many words a reader reads: a formula counts as one, markup does not count."""
    text = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", " x ", text, flags=re.DOTALL)
    return len(re.sub(r"<[^>]+>|\]\([^)]*\)", " ", text).split())


@EACH_CHAPTER
def test_chapter_has_its_parts(path):
    text = "\n".join(source(path, "markdown"))
    assert re.match(rf"# {int(path.stem[:2])} · .+\n\n\*\*[^*]+\?\*\*", text), "ask a question"
    for part in ("**You need** ", "by hand", "*What to see:"):
        assert part in text, part
    for part in ("The code", "What goes wrong", "Exercises", "Recap"):
        assert f"\n## {part}" in text, part
    assert "<summary>Answers</summary>" in text
    assert "**Sources.**" in text
    code = "\n".join(source(path, "code"))
    assert "from lstm_course import" in code
    assert code.count("assert ") >= 10


@EACH_CHAPTER
def test_chapter_is_short_and_says_how_long_it_takes(path):
    read = sum(map(words, source(path, "markdown")))
    assert read <= 3000
    (said,) = re.findall(
        r"^\*\*You need\*\* .+; about (\d+) minutes\.$",
        "\n".join(source(path, "markdown")),
        re.MULTILINE,
    )
    minutes = read / 120 + sum(len(cell.source.splitlines()) for cell in visible(path)) / 6
    assert int(said) == max(10, 5 * round(minutes / 5))


@EACH_CHAPTER
def test_chapter_opens_with_a_picture_or_a_table(path):
    before = 0
    for cell in notebooks.read(path).cells:
        if cell.cell_type == "markdown":
            before += words(cell.source)
        shown = [one.data.get("text/html", "") for one in cell.get("outputs", []) if "data" in one]
        if any("<svg" in html or "<table" in html for html in shown):
            break
    assert before <= 150


@EACH_CHAPTER
def test_chapter_asks_and_gives_a_reason_for_every_answer(path):
    text = "\n".join(source(path, "markdown"))
    asked = re.split(r"^\*\*(?:Try it yourself|Predict)\.\*\* ", text, flags=re.MULTILINE)[1:]
    assert len(asked) >= 2
    for question in asked:
        answers = re.match(
            r".+?\n\n((?:<details>\s*<summary>[^\n]+</summary>\n\n.+?\n\n</details>\s*)+)",
            question,
            re.DOTALL,
        )
        assert answers, question[:80]
        reasons = re.findall(r"</summary>\n\n(.+?)\n\n</details>", answers[1], re.DOTALL)
        assert len(reasons) >= 2, question[:80]
        assert all(len(reason) > 15 for reason in reasons)


def visible(path):
    """Return the code cells that a reader sees without a click."""
    cells = [cell for cell in notebooks.read(path).cells if cell.cell_type == "code"]
    closed = {"remove-cell", "hide-input"}
    return [cell for cell in cells if not closed & set(cell.metadata.get("tags", ()))]


def is_long(cell):
    return len(cell.source.splitlines()) > 15


@EACH_CHAPTER
def test_chapter_shows_ideas_and_folds_plumbing(path):
    for cell in visible(path):
        assert not re.search(r"^ *assert\b", cell.source, re.MULTILINE), cell.source
        assert not is_long(cell) or "full-listing" in cell.metadata.get("tags", ()), cell.source
        for output in cell.outputs:
            said = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            assert said.strip() not in ("True", "False"), cell.source


def test_all_chapters_together_show_little_code():
    cells = [cell for path in CHAPTERS for cell in visible(path)]
    assert sum(len(cell.source.splitlines()) for cell in cells) <= 2800
    assert sum(map(is_long, cells)) <= 10


@EACH
def test_a_title_folds_its_cell_and_nothing_else_does(path):
    for cell in notebooks.read(path).cells:
        if cell.cell_type == "code":
            before = dict(cell.metadata)
            notebooks.fold(cell)
            assert cell.metadata == before, cell.source


@EACH_CHAPTER
def test_chapter_needs_no_directive_to_be_read(path):
    text = "\n".join(source(path, "markdown"))
    assert not re.search(r"^(```\{|:::)|\{(ref|cite|doc|numref)\}`", text, re.MULTILINE)


@EACH_CHAPTER
def test_chapter_shows_pictures_with_alt_text(path):
    outputs = [output for cell in notebooks.read(path).cells for output in cell.get("outputs", [])]
    shown = [output.data.get("text/html", "") for output in outputs if "data" in output]
    pictures = [html for html in shown if "<svg" in html]
    assert pictures
    for picture in pictures:
        assert len(re.search(r'aria-label="([^"]+)"', picture)[1]) > 40


@EACH
def test_equations_use_the_gates_colours(path):
    for color in re.findall(r"\\color\{([^}]+)\}", "\n".join(source(path, "markdown"))):
        assert color in figures.COLORS.values()


def test_stylesheet_mirrors_the_colours():
    css = (ROOT / "book/_static/lstm.css").read_text(encoding="utf-8")
    light, dark = css.split('html[data-theme="dark"] {', 1)
    for name, color in figures.COLORS.items():
        assert f"--lc-{name}: {color};" in light
        assert f"math .lc-{name} {{\n  --lc-hue: var(--lc-{name});" in css
    for name, color in (figures.DARK_COLORS | figures.DARK_SERIES).items():
        assert f"--lc-{name}: {color};" in dark
    for name, color in figures.SERIES.items():
        assert f"--lc-{name}: {color};" in light
    assert not set(figures.SERIES.values()) & set(figures.COLORS.values())


def test_every_doi_is_in_the_bibliography():
    bibliography = (ROOT / "book/references.bib").read_text(encoding="utf-8")
    texts = ["\n".join(source(path, "markdown")) for path in ALL]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "lstm_course").rglob("*.py")]
    cited = {
        doi.rstrip(".") for text in texts for doi in re.findall(r"doi:(10\.[^\s,;\])]+)", text)
    }
    listed = set(re.findall(r"doi = \{([^}]+)\}", bibliography))
    assert cited <= listed
    for path in CHAPTERS:
        for label, link in re.findall(
            r"\[doi:([^\]]+)\]\(https://doi\.org/([^)]+)\)", "\n".join(source(path, "markdown"))
        ):
            assert label == link


@pytest.mark.parametrize(
    "master", sorted((ROOT / "exercises").glob("*/master.ipynb")), ids=lambda p: p.parent.name
)
def test_student_notebook_is_what_its_master_gives(master):
    expected = notebooks.student_version(notebooks.read(master))
    student = notebooks.read(master.with_name("student.ipynb"))
    assert [(cell.cell_type, cell.source) for cell in student.cells] == [
        (cell.cell_type, cell.source) for cell in expected.cells
    ]
    text = "\n".join(cell.source for cell in student.cells)
    assert "SOLUTION" not in text
    assert text.count("...  # your code here") == text.count("# EXERCISE: ") > 0


def outputs(path):
    cells = [cell for cell in notebooks.read(path).cells if "lc.check(" in cell.source]
    return ["\n".join(o.data["text/plain"] for o in cell.outputs if "data" in o) for cell in cells]


@pytest.mark.parametrize(
    "master", sorted((ROOT / "exercises").glob("*/master.ipynb")), ids=lambda p: p.parent.name
)
def test_master_gets_full_marks_and_student_none_yet(master):
    for text in outputs(master):
        points = re.search(r"(\d+) of (\d+) points?\.", text)
        assert points, f"{master} is not executed: run tools/notebooks.py {master}"
        assert points[1] == points[2]
    for text in outputs(master.with_name("student.ipynb")):
        assert "not answered yet" in text
    assert outputs(master)


def minutes_of(path):
    """Return how long a chapter says that it takes."""
    text = "\n".join(source(path, "markdown"))
    return int(re.search(r"\*\*You need\*\* .+; about (\d+) minutes\.", text)[1])


def test_the_landing_page_says_how_long_its_ways_through_the_book_take():
    index = ROOT / "book/index.ipynb"
    rows = re.findall(
        r"^\| \*\*.+\| about .+ hours \|$", source(index, "markdown")[0], re.MULTILINE
    )
    assert len(rows) == 4
    for row in rows:
        linked = [(index.parent / link).resolve() for link in re.findall(r"\((\d-[^)]+)\)", row)]
        pages = CHAPTERS if ") to [" in row else linked
        assert set(linked) <= set(CHAPTERS)
        hours, half = re.search(r"about (\d+)(½?) hours", row).groups()
        assert 2 * int(hours) + len(half) == round(sum(map(minutes_of, pages)) / 30), row

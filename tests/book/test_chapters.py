"""The table of contents decides a chapter's number; everything else follows it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import chapters
import notebooks
import pytest

from conftest import ROOT

MENTION = re.compile(r"\b[Cc]hapters? \d+")
PAGES = [path for path in notebooks.notebooks() if path.name != "student.ipynb"]
TEXTS = [*PAGES, *(ROOT / "book").glob("*.md"), *ROOT.glob("*.md")]
EACH_TEXT = pytest.mark.parametrize(
    "path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)
NUMBER = {name: k for k, (_, name, _) in enumerate(chapters.chapters(), start=1)}


def cells(path, kind):
    return [cell.source for cell in notebooks.read(path).cells if cell.cell_type == kind]


@EACH_TEXT
def test_a_mention_of_a_chapter_is_a_link_with_its_number(path):
    notebook = path.suffix == ".ipynb"
    text = "\n".join(cells(path, "markdown")) if notebook else path.read_text(encoding="utf-8")
    text = re.sub(r"`[^`\n]*`", "", text)  # code, which says how a link is written
    for said, target in re.findall(r"\[([^\]\[]*)\]\(([\w./-]+\.ipynb)[^)]*\)", text):
        name = Path(target).stem[3:]
        assert (path.parent / target).is_file(), f"[{said}]({target}) leads nowhere"
        number = re.search(r"\b[Cc]hapters? (\d+)|^(\d+)$", said)
        if number and name in NUMBER:
            assert int(number[1] or number[2]) == NUMBER[name], f"[{said}]({target})"
    plain = re.sub(r"\[[^\]\[]*\]\([^)]*\)", "", text)
    assert not MENTION.search(plain), f"{MENTION.search(plain)[0]} is no link"


def test_a_mention_in_code_has_the_chapters_number_and_name():
    codes = {
        file: (ROOT / file).read_text(encoding="utf-8")
        for file in chapters.files()
        if file.endswith(".py")
    }
    codes |= {str(path): "\n".join(cells(path, "code")) for path in PAGES}
    found = 0
    for path, code in codes.items():
        if path in ("tools/chapters.py", "tests/book/test_chapters.py"):
            continue
        for mention in re.findall(r"\b[Cc]hapters? \d+[^.,;\n]{0,30}", code):
            number, name = re.match(r"\w+ (\d+)(?: \(([a-z-]+)\))?", mention).groups()
            assert NUMBER.get(name) == int(number), f"{path}: {mention}"
            found += 1
    assert found >= 10


def test_the_tool_has_nothing_to_do():
    moved = chapters.renames()
    assert all(old == new for old, new in moved.items())
    for file in chapters.files():
        text = (ROOT / file).read_text(encoding="utf-8")
        assert chapters.renewed(text, file, moved) == text, file
    assert chapters.table_of_contents((ROOT / "_toc.yml").read_text(encoding="utf-8"), moved) == (
        ROOT / "_toc.yml"
    ).read_text(encoding="utf-8")


@pytest.fixture
def copy(tmp_path, monkeypatch):
    for file in chapters.files():
        if file == "tests/book/test_chapters.py":
            continue  # it names paths that the tool would renew
        target = tmp_path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, target)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.setattr(chapters, "ROOT", tmp_path)
    return tmp_path


def contents(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def links_lead_somewhere(folder):
    for path in [*folder.rglob("*.ipynb"), *folder.rglob("*.md")]:
        text = re.sub(r"`[^`\n]*`", "", path.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(((?:\.\./)*[\w./-]+\.ipynb)", text):
            assert (path.parent / target).is_file(), (path, target)


def swap(folder, one, other):
    """Exchange two chapters in the table of contents, each with its exercise."""
    toc = folder / "_toc.yml"
    entry = r"      - file: book/\S*{}\n(?:        .*\n)*"
    text = toc.read_text(encoding="utf-8")
    a, b = (re.search(entry.format(name), text)[0] for name in (one, other))
    toc.write_text(text.replace(a, "@").replace(b, a).replace("@", b))


def test_a_chapter_moves_with_all_that_is_its_own_and_back(copy):
    before = contents(copy)
    swap(copy, "forget-gate", "input-gate")
    chapters.main()
    after = contents(copy)
    for there in (
        "book/2-pieces/05-forget-gate.ipynb",
        "exercises/04-input-gate/right.py",
        "lstm_course/exercises/ch05_forget_gate.py",
        "tests/exercises/test_ch04_input_gate.py",
    ):
        assert there in after
    assert len(after) == len(before)
    links_lead_somewhere(copy)
    assert b"# 5 \xc2\xb7 The forget gate" in after["book/2-pieces/05-forget-gate.ipynb"]
    assert b"# Exercise 5 \xc2\xb7" in after["exercises/05-forget-gate/student.ipynb"]
    assert (
        b"chapter 5 (" + b"forget-gate)" in after["lstm_course/exercises/ch13_gradients_travel.py"]
    )
    assert b"exercises/05-forget-gate/student" in after["_toc.yml"]
    swap(copy, "forget-gate", "input-gate")
    chapters.main()
    assert contents(copy) == before


def test_a_new_chapter_is_inserted_without_a_number(copy):
    new = copy / "book/2-pieces/a-new-gate.ipynb"
    shutil.copy(copy / "book/2-pieces/06-output-gate.ipynb", new)
    toc = copy / "_toc.yml"
    text = toc.read_text(encoding="utf-8")
    first = "      - file: book/2-pieces/05-input-gate\n"
    toc.write_text(text.replace(first, "      - file: book/2-pieces/a-new-gate\n" + first))
    chapters.main()
    assert "# 5 · The output gate" in (copy / "book/2-pieces/05-a-new-gate.ipynb").read_text(
        encoding="utf-8"
    )
    assert (copy / "book/2-pieces/06-input-gate.ipynb").is_file()
    links_lead_somewhere(copy)


def test_a_chapter_moves_to_another_part(copy):
    toc = copy / "_toc.yml"
    line = "      - file: book/1-why/01-plain-recurrence\n"
    text = toc.read_text(encoding="utf-8").replace(
        "book/2-pieces/08-sequence", "book/1-why/08-sequence"
    )
    toc.write_text(text)
    chapters.main()
    assert line in toc.read_text(encoding="utf-8")
    assert (copy / "book/1-why/08-sequence.ipynb").is_file()
    links_lead_somewhere(copy)


def test_a_page_that_is_not_there_gets_one_sentence(copy):
    os.remove(copy / "book/2-pieces/05-input-gate.ipynb")
    with pytest.raises(SystemExit, match=r"should hold input-gate\.ipynb once, and holds it 0"):
        chapters.main()

"""The table of contents decides a chapter's number; everything else follows it."""

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
    plain = re.sub(r"(?<!!)\[[^\]\[]*\]\([^)]*\)", "", text)  # a picture's text stays
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
    old, new = NUMBER["forget-gate"], NUMBER["input-gate"]
    swap(copy, "forget-gate", "input-gate")
    chapters.main()
    after = contents(copy)
    for there in (
        f"book/2-pieces/{new:02}-forget-gate.ipynb",
        f"exercises/{old:02}-input-gate/right.py",
        f"lstm_course/exercises/ch{new:02}_forget_gate.py",
        f"tests/exercises/test_ch{old:02}_input_gate.py",
    ):
        assert there in after
    assert len(after) == len(before)
    links_lead_somewhere(copy)
    page, student, toc = (
        after[name].decode()
        for name in (
            f"book/2-pieces/{new:02}-forget-gate.ipynb",
            f"exercises/{new:02}-forget-gate/student.ipynb",
            "_toc.yml",
        )
    )
    assert f"# {new} · The forget gate" in page
    assert f"# Exercise {new} ·" in student
    assert f"exercises/{new:02}-forget-gate/student" in toc
    code = b"".join(text for name, text in after.items() if name.startswith("lstm_course/"))
    assert f"chapter {new} (forget-gate)".encode() in code
    swap(copy, "forget-gate", "input-gate")
    chapters.main()
    assert contents(copy) == before


def test_a_new_chapter_is_inserted_without_a_number(copy):
    number, there = NUMBER["input-gate"], copy / "book/2-pieces"
    shutil.copy(next(there.glob("*-output-gate.ipynb")), there / "a-new-gate.ipynb")
    toc = copy / "_toc.yml"
    text = toc.read_text(encoding="utf-8")
    first = f"      - file: book/2-pieces/{number:02}-input-gate\n"
    toc.write_text(text.replace(first, "      - file: book/2-pieces/a-new-gate\n" + first))
    chapters.main()
    new = there / f"{number:02}-a-new-gate.ipynb"
    assert f"# {number} · The output gate" in new.read_text(encoding="utf-8")
    assert (there / f"{number + 1:02}-input-gate.ipynb").is_file()
    links_lead_somewhere(copy)


def test_a_chapter_moves_to_another_part(copy):
    toc = copy / "_toc.yml"
    text = toc.read_text(encoding="utf-8")
    toc.write_text(re.sub(r"book/2-pieces/\d\d-sequence", "book/1-why/sequence", text))
    chapters.main()
    assert len([*copy.glob("book/1-why/[0-9][0-9]-sequence.ipynb")]) == 1
    assert not [*copy.glob("book/2-pieces/*sequence*")]
    links_lead_somewhere(copy)


def test_a_page_that_is_not_there_gets_one_sentence(copy):
    next(copy.glob("book/2-pieces/*input-gate.ipynb")).unlink()
    with pytest.raises(SystemExit, match=r"should hold input-gate\.ipynb once, and holds it 0"):
        chapters.main()
